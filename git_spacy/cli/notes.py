"""`git spacy notes`: the records of runs, between clones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output

if TYPE_CHECKING:
    from git_spacy.git.notes_status import NotesStatus
    from git_spacy.git.repository import Repository

_MOST = 8  # ids in a line


@click.group()
def notes() -> None:
    """Share the records of runs, which lie in refs/notes/spacy: Git sends and fetches notes only
    when it is told to. REMOTE is by default the one that the branch follows."""


@notes.command(short_help="Send the records to REMOTE, merged with those there.")
@click.argument("remote", required=False)
@click.pass_context
def push(ctx: click.Context, remote: str | None) -> None:
    """Send the records to REMOTE, after a merge with those that it has."""

    from git_spacy.git import notes_sync

    repository = _opened(ctx)
    name = notes_sync.choose_remote(repository, remote)
    sent = notes_sync.push(repository, name, warn=output.warning)
    output.note(f"pushed {count(sent, 'record')} to {name}" if sent else f"{name} has everything")


@notes.command(short_help="Get the records of REMOTE; none here is lost.")
@click.argument("remote", required=False)
@click.pass_context
def pull(ctx: click.Context, remote: str | None) -> None:
    """Get the records of REMOTE and add them to those here, by line; none is overwritten."""

    from git_spacy.git import notes_sync

    repository = _opened(ctx)
    name = notes_sync.choose_remote(repository, remote)
    got = notes_sync.pull(repository, name, warn=output.warning)
    output.note(f"pulled {count(got, 'record')} from {name}" if got else f"nothing new on {name}")


@notes.command(short_help="Say what each side lacks, and what was left behind.")
@click.argument("remote", required=False)
@click.option("--no-fetch", is_flag=True, help="Do not ask REMOTE: as it was last time.")
@click.option("--json", "as_json", is_flag=True, help="In JSON.")
@click.pass_context
def status(ctx: click.Context, remote: str | None, no_fetch: bool, as_json: bool) -> None:
    """Say what REMOTE lacks and what is new there, whether history was cut off when this was
    cloned, and which records are on commits that no branch or tag reaches."""

    from git_spacy.git import notes_status, notes_sync

    repository = _opened(ctx)
    known = notes_sync.remote_names(repository)
    name = notes_sync.choose_remote(repository, remote) if remote or known else None
    found = notes_status.notes_status(repository, name, fetch=not no_fetch, warn=output.warning)
    if as_json:
        output.emit_json({"remote": name, **found._asdict()})
        return
    if found.unreachable:
        output.warning(f"{found.unreachable}; {name} as it was when last asked:")
    if repository.top is None:  # nobody amends there
        found = found._replace(rewritten=True)
    for line in describe(found, name):
        output.result(line)


def describe(found: NotesStatus, remote: str | None) -> list[str]:
    """The status for people, and what to type."""

    lines = [f"{count(found.lines, 'record')} on {count(found.commits, 'commit')}"]
    if remote is None:
        lines.append("no remote to share them with: git remote add origin URL")
    elif not (found.ahead or found.behind):
        lines.append(f"the same on {remote}")
    if found.ahead:
        lines.append(f"{found.ahead} not on {remote}: git spacy notes push")
    if found.behind:
        lines.append(f"{found.behind} more on {remote}: git spacy notes pull")
    if found.shallow:
        beyond = f"; {len(found.missing)} commits with records are before it" * bool(found.missing)
        lines.append(f"history was cut off by a shallow clone{beyond}: git fetch --unshallow")
    if found.stranded:
        lines.append(_stranded("that no branch or tag reaches", found.stranded))
    if found.missing and not found.shallow:
        lines.append(_stranded("that are not here", found.missing))
    if found.lines and not found.rewritten:
        lines.append("amend and rebase leave records behind: git spacy init notes")
    return lines


def _stranded(which: str, ids: Sequence[str]) -> str:
    shown = ", ".join(id[:7] for id in ids[:_MOST]) + (", …" if len(ids) > _MOST else "")
    number = count(len(ids), "commit")
    return f"records on {number} {which} (found where the files are the same): {shown}"


def count(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""

    return f"{number} {noun}" + ("" if number == 1 else "s")


def _opened(ctx: click.Context) -> Repository:
    from git_spacy.cli import history_format

    repository, _, _ = history_format.opened(ctx.obj)
    return repository
