"""`git spacy notes`: share run records with other clones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyGroup
from git_spacy.cli.context import CommandContext

if TYPE_CHECKING:
    from git_spacy.git.notes_status import NotesStatus
    from git_spacy.git.repository import Repository

EXAMPLES = (
    ("git spacy notes push", "Push run records to the branch's remote."),
    ("git spacy notes pull upstream", "Fetch the run records of another remote."),
    ("git spacy notes status", "Compare run records with the remote."),
)
SEE_ALSO = ("git-notes(1)",)
SETTINGS = ("spacy.notesMessage",)

_MAX_IDS = 8  # on a line


@click.group(cls=SpacyGroup)
def notes() -> None:
    """Share run records with other clones. They are Git notes in refs/notes/spacy, which 'git push'
    and 'git fetch' ignore by default. REMOTE defaults to the upstream remote of the branch."""


@notes.command(short_help="Send run records to REMOTE.")
@click.argument("remote", required=False)
@click.pass_obj
def push(context: CommandContext, remote: str | None) -> None:
    """Send run records to REMOTE, after merging the records that it has."""

    from git_spacy.git import notes_sync

    repository, name = _open_remote(context, remote)
    sent = notes_sync.push(repository, name, warn=output.diagnostic)
    output.message(
        f"pushed {count(sent, 'record')} to {name}"
        if sent
        else f"nothing to push: {name} is up to date"
    )


@notes.command(short_help="Fetch run records from REMOTE.")
@click.argument("remote", required=False)
@click.pass_obj
def pull(context: CommandContext, remote: str | None) -> None:
    """Fetch run records from REMOTE and merge them into the local ones. No record is
    overwritten."""

    from git_spacy.git import notes_sync

    repository, name = _open_remote(context, remote)
    pulled = notes_sync.pull(repository, name, warn=output.diagnostic)
    output.message(
        f"pulled {count(pulled, 'record')} from {name}"
        if pulled
        else f"nothing to pull: already up to date with {name}"
    )


def _open_remote(context: CommandContext, remote: str | None) -> tuple[Repository, str]:
    """Return the repository and the name of the remote, which the branch has if none is given."""

    from git_spacy.git import notes_sync

    repository = context.open_history().repository
    return repository, notes_sync.choose_remote(repository, remote)


@notes.command(short_help="Compare local run records with those of REMOTE.")
@click.argument("remote", required=False)
@click.option("--no-fetch", is_flag=True, help="Compare with the records of the last fetch.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(context: CommandContext, remote: str | None, no_fetch: bool, as_json: bool) -> None:
    """Show how many run records only this clone or only REMOTE has, whether this is a shallow
    clone, and which records belong to commits that no branch or tag reaches."""

    from git_spacy.git import notes_status, notes_sync

    repository = context.open_history().repository
    has_remote = bool(remote or notes_sync.remote_names(repository))
    name = notes_sync.choose_remote(repository, remote) if has_remote else None
    known = notes_status.notes_status(repository, name, fetch=not no_fetch, warn=output.diagnostic)
    if as_json:
        output.emit_json(to_json(known, name))
        return
    if known.unreachable:
        output.warning(f"{known.unreachable}; comparing with the last fetch from {name}")
    if repository.top is None:  # a bare repository: commits are not amended there
        known = known._replace(rewritten=True)
    for line in describe(known, name):
        output.result(line)


def to_json(known: NotesStatus, remote: str | None) -> dict[str, Any]:
    """Return the status as `notes status --json` prints it (docs/reference/json.md)."""

    return {
        "remote": remote,
        "records": known.lines,
        "commits": known.commits,
        "ahead": known.ahead,
        "behind": known.behind,
        "fetch_error": known.unreachable or None,
        "shallow": known.shallow,
        "unreachable_commits": known.stranded,
        "missing_commits": known.missing,
        "follows_rewrites": known.rewritten,
    }


def describe(known: NotesStatus, remote: str | None) -> list[str]:
    """Return the status as lines of text, with the commands that change it."""

    lines = [f"{count(known.lines, 'record')} on {count(known.commits, 'commit')}"]
    if remote is None:
        lines.append("no remote to share them with: git remote add origin URL")
    elif not (known.ahead or known.behind):
        lines.append(f"up to date with {remote}")
    if known.ahead:
        lines.append(f"{known.ahead} to push to {remote}: git spacy notes push")
    if known.behind:
        lines.append(f"{known.behind} to pull from {remote}: git spacy notes pull")
    if known.shallow:
        omitted = f" without {len(known.missing)} commits that have records" * bool(known.missing)
        lines.append(f"this is a shallow clone{omitted}: git fetch --unshallow")
    if known.stranded:
        lines.append(_stranded("that no branch or tag reaches", known.stranded))
    if known.missing and not known.shallow:
        lines.append(_stranded("that this clone does not have", known.missing))
    if known.lines and not known.rewritten:
        lines.append("records do not follow amended and rebased commits: git spacy init notes")
    return lines


def _stranded(description: str, ids: Sequence[str]) -> str:
    shown = ", ".join(id[:7] for id in ids[:_MAX_IDS]) + (", …" if len(ids) > _MAX_IDS else "")
    number = count(len(ids), "commit")
    return f"records on {number} {description} (matched by content): {shown}"


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 record`, `2 records`."""

    return f"{number} {noun}" + ("" if number == 1 else "s")
