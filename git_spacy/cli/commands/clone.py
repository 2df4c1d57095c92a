"""`git spacy clone`: copy a project template."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy import interrupts
from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import Refused

if TYPE_CHECKING:
    from git_spacy.setup.clone import CloneResult

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
@click.option("--commit/--no-commit", default=None, help="Commit DEST in an existing repository.")
@click.option("--into", is_flag=True, help="Add to a folder with files, and replace none.")
@click.pass_obj
def clone(
    context: CommandContext,
    name: str | None,
    dest: str | None,
    repo: str | None,
    branch: str | None,
    list_only: bool,
    no_git: bool,
    commit: bool | None,
    into: bool,
) -> None:
    """Copy the project template NAME into the folder DEST. Only the files of the template are
    downloaded, not the whole repository.

    \b
    NAME is one of
      pipelines/ner_demo  a folder in the template repository
      ner_demo            the last part of its path, if unique
      first_steps         a template that comes with git-spacy
      URL                 https://host/owner/repository//folder

    In an existing repository, --commit commits the project and names its template, so that 'git
    spacy update' finds it. At a terminal, that is asked.

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
    place = Path(dest) if dest else None
    request = CloneRequest(name or "", place, repo, branch, not no_git, into)
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
    _report(done)
    if not no_git:
        _commit(done, commit)
    _show_next_steps(done)


def _report(done: CloneResult) -> None:
    where = os.path.relpath(done.dest)
    origin = done.origin
    at = f" at {origin.commit[:12]}" if origin.commit else ""
    folder = f"'{origin.path}' from " if origin.path else ""
    output.message(f"Cloned {folder}{origin.source}{at}: {done.checkout.files} files in '{where}'")
    if done.created_repository:
        output.message("Created a Git repository; its first commit names the template.")
    for path in done.kept:
        output.warning(f"'{path}' exists with other contents: kept")
    for pointer in done.checkout.lfs_pointers:
        output.warning(f"'{pointer}' is a Git LFS pointer; its content was not downloaded")


def _show_next_steps(done: CloneResult) -> None:
    where = os.path.relpath(done.dest)
    steps = [] if where == "." else [f"cd {shlex.quote(where)}"]
    if done.is_project:
        steps.append("git spacy assets" if _has_assets(done.dest) else "git spacy run")
    else:
        output.warning("the template has no project.yml")
    if steps:
        output.message(f"Next: {' && '.join(steps)}")


def _commit(done: CloneResult, commit: bool | None) -> None:
    """Commit a project in an existing repository if the user wants that; else say how."""

    from git_spacy.git.process import can_prompt
    from git_spacy.setup.clone import can_commit, commit_clone

    if done.repository is None:
        return
    if commit is not False and can_commit(done):
        if commit is None and can_prompt():
            output.prompt("Commit it, so that 'git spacy update' knows the template? [Y/n]: ")
            commit = interrupts.read_line(sys.stdin).strip().lower() in ("", "y", "yes")
        if commit:
            output.message(f"Committed as {commit_clone(done)[:12]}")
            return
    subject, _, trailers = done.message.partition("\n\n")
    where = shlex.quote(os.path.relpath(done.dest))
    options = " ".join(f"--trailer {shlex.quote(line)}" for line in trailers.splitlines())
    add = f"git -C {where} add {'-f ' if done.is_new else ''}."
    output.message(
        "To commit it so that 'git spacy update' knows the template:\n"
        f"  {add} && git -C {where} commit -m {shlex.quote(subject)} {options} -- ."
    )


def _has_assets(root: Path) -> bool:
    """Return whether the project has assets; if unreadable, let `git spacy assets` report why."""

    from git_spacy.errors import GitSpacyError
    from git_spacy.project import loader

    try:
        return bool(loader.load(root).assets)
    except (GitSpacyError, OSError):
        return True
