"""`git spacy clone`: get a template."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from git_spacy.cli import output
from git_spacy.errors import Refused


@click.command()
@click.argument("name", required=False)
@click.argument("dest", required=False)
@click.option("-r", "--repo", metavar="URL", help="The repository to clone from.")
@click.option("-b", "--branch", metavar="REF", help="A branch, tag or full commit id of it.")
@click.option("--list", "list_only", is_flag=True, help="List the names there are.")
@click.option("--no-git", is_flag=True, help="Make no repository of DEST.")
@click.pass_context
def clone(
    ctx: click.Context,
    name: str | None,
    dest: str | None,
    repo: str | None,
    branch: str | None,
    list_only: bool,
    no_git: bool,
) -> None:
    """Get the project template NAME into the folder DEST: only its files travel.

    NAME is a folder of the repository, its unique last part, an embedded template, or a whole URL
    (https://host/owner/repository//folder). The repository is --repo, else 'git config
    spacy.repo', else the embedded templates, else github.com/explosion/projects."""

    from git_spacy.clone import CloneRequest, list_templates
    from git_spacy.clone import clone as clone_template
    from git_spacy.git.process import can_prompt
    from git_spacy.git.settings import read_settings

    if dest == "":
        raise Refused("DEST is empty", hint="name a folder, or leave DEST out")
    start: Path = ctx.obj
    wanted = CloneRequest(name or "", Path(dest) if dest else None, repo, branch, not no_git)
    configured = read_settings(start)
    if list_only:
        names = list_templates(wanted, configured, start, prompt=can_prompt(), warn=output.warning)
        for line in names:
            output.result(line)
        return
    if name is None:
        raise click.UsageError("Missing NAME, for example ner_fashion; --list shows what there is")
    done = clone_template(wanted, configured, start, prompt=can_prompt(), warn=output.warning)
    where = os.path.relpath(done.dest, start)
    at = f" at {done.commit[:12]}" if done.commit else ""
    of = f"'{done.path}' of " if done.path else ""
    output.note(f"Cloned {of}{done.source}{at}: {done.placed.files} files in '{where}'")
    if done.made_repository:
        output.note("Made it a Git repository; the first commit names the template.")
    for pointer in done.placed.lfs_pointers:
        output.warning(f"'{pointer}' is a Git LFS pointer; its content is not here")
    if done.is_project:
        step = "assets" if _has_assets(done.dest) else "run"
        output.note(f"Next: cd {shlex.quote(where)} && git spacy {step}")
    else:
        output.warning("it has no project.yml")
        output.note(f"Next: cd {shlex.quote(where)}")


def _has_assets(root: Path) -> bool:
    """Whether there is anything to fetch; what cannot be read is told there, too."""

    from git_spacy.errors import GitSpacyError
    from git_spacy.project import loader

    try:
        return bool(loader.load(root).assets)
    except (GitSpacyError, OSError):
        return True
