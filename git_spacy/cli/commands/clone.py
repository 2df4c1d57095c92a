"""`git spacy clone`: copy a project template."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import Refused

EXAMPLES = (
    ("git spacy clone --list", "List the templates."),
    ("git spacy clone ner_fashion", "Copy a template into a folder of the same name."),
    (
        "git spacy clone --repo https://example.com/x -b v2 ner my-ner",
        "Copy the folder 'ner' of your own repository at the tag v2 to 'my-ner'.",
    ),
)
SETTINGS = ("spacy.repo", "spacy.ignore", "spacy.fetchTimeout", "spacy.maxAssetSize")


@click.command(cls=SpacyCommand)
@click.argument("name", required=False)
@click.argument("dest", required=False)
@click.option("-r", "--repo", metavar="URL", help="Clone from this template repository.")
@click.option("-b", "--branch", metavar="REF", help="Clone this branch, tag or full commit ID.")
@click.option("--list", "list_only", is_flag=True, help="List the available templates.")
@click.option("--no-git", is_flag=True, help="Do not create a Git repository in DEST.")
@click.pass_obj
def clone(
    context: CommandContext,
    name: str | None,
    dest: str | None,
    repo: str | None,
    branch: str | None,
    list_only: bool,
    no_git: bool,
) -> None:
    """Copy the project template NAME into the folder DEST. Only the files of the template are
    downloaded, not the whole repository.

    \b
    NAME is one of
      pipelines/ner_demo  a folder in the template repository
      ner_demo            the last part of its path, if unique
      first_steps         a template that comes with git-spacy
      URL                 https://host/owner/repository//folder

    The template repository is --repo or 'git config spacy.repo'; without either, the templates
    that come with git-spacy, then github.com/explosion/projects.
    """

    from git_spacy.git.process import can_prompt
    from git_spacy.git.settings import read_settings
    from git_spacy.setup.clone import CloneRequest, list_templates
    from git_spacy.setup.clone import clone as clone_template

    if dest == "":
        raise Refused("DEST is empty", hint="name a folder, or leave DEST out")
    start = context.cwd
    request = CloneRequest(name or "", Path(dest) if dest else None, repo, branch, not no_git)
    configured = read_settings(start)
    if list_only:
        rows = list_templates(
            request, configured, start, prompt=can_prompt(), warn=output.diagnostic
        )
        titled = any(title for _, title in rows)
        output.result(output.columns(rows, "") if titled else "\n".join(name for name, _ in rows))
        return
    if name is None:
        raise click.UsageError("missing NAME, e.g. ner_fashion; --list shows all templates")
    done = clone_template(request, configured, start, prompt=can_prompt(), warn=output.diagnostic)
    where = os.path.relpath(done.dest)
    origin = done.origin
    at = f" at {origin.commit[:12]}" if origin.commit else ""
    folder = f"'{origin.path}' from " if origin.path else ""
    output.message(f"Cloned {folder}{origin.source}{at}: {done.checkout.files} files in '{where}'")
    if done.created_repository:
        output.message("Created a Git repository; its first commit names the template.")
    for pointer in done.checkout.lfs_pointers:
        output.warning(f"'{pointer}' is a Git LFS pointer; its content was not downloaded")
    steps = [] if where == "." else [f"cd {shlex.quote(where)}"]
    if done.is_project:
        steps.append("git spacy assets" if _has_assets(done.dest) else "git spacy run")
    else:
        output.warning("the template has no project.yml")
    if steps:
        output.message(f"Next: {' && '.join(steps)}")


def _has_assets(root: Path) -> bool:
    """Return whether the project has assets; if unreadable, let `git spacy assets` report why."""

    from git_spacy.errors import GitSpacyError
    from git_spacy.project import loader

    try:
        return bool(loader.load(root).assets)
    except (GitSpacyError, OSError):
        return True
