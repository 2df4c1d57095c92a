"""`git spacy diff`: compare the runs of two commits, or of the work tree with those of HEAD."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import InvalidInput, sanitize

if TYPE_CHECKING:
    from git_spacy.history.lock_history import ResolvedEntry
    from git_spacy.history.run_record import RunChange, RunRecord

    _EntryPair = tuple[ResolvedEntry | None, ResolvedEntry | None]

EXAMPLES = (
    ("git spacy diff", "Show how the results in the work tree differ from those of HEAD."),
    ("git spacy diff main HEAD", "Show how and why results differ from main."),
)
_WORK_TREE = "the work tree"


@click.command(cls=SpacyCommand)
@click.argument("revisions", nargs=-1, metavar="[A] [B]")
@click.option("--all-metrics", is_flag=True, help="Show all metrics, not only the main ones.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def diff(
    context: CommandContext, revisions: tuple[str, ...], all_metrics: bool, as_json: bool
) -> None:
    """Show how each command's run for commit B (default: HEAD) differs from its run for commit A:
    script, dependencies, outputs and metrics. A..B works, too. Without a commit, compare what
    project.lock in the work tree has with HEAD."""

    from git_spacy.cli import history_format
    from git_spacy.history.lock_history import lock_history, worktree_lock

    sides = _parse_revisions(revisions)
    repository = context.open_history().repository
    left = lock_history(context.root, repository, sides[0], warn=output.diagnostic)
    right = (
        lock_history(context.root, repository, sides[1], warn=output.diagnostic)
        if revisions
        else worktree_lock(context.root, repository, output.diagnostic)
    )
    names = dict.fromkeys((*right.entries, *left.entries))
    pairs = {name: (left.entries.get(name), right.entries.get(name)) for name in names}
    compared = {name: (pair, _differences(name, *pair)) for name, pair in pairs.items()}
    if as_json:
        output.emit_json(
            {name: _to_json(pair, changes) for name, (pair, changes) in compared.items()}
        )
        return
    with output.paged(context.cwd):
        for name, (pair, changes) in compared.items():
            title = output.paint(sanitize(name), "bold")
            formatted = history_format.format_changes(changes, all_metrics=all_metrics)
            lines = _format_command(sides, pair, formatted)
            output.result_painted("\n".join([title, *(f"  {line}" for line in lines)]))
    if not compared:
        output.message(history_format.no_runs_message())


def _format_command(
    revisions: tuple[str, str], pair: _EntryPair, changes: list[str]
) -> Iterator[str]:
    """Yield `changes` between two entries of a command, or why there are none, as lines."""

    for revision, entry in zip(revisions, pair, strict=True):
        if entry is None:
            yield f"no run is known for {revision}"
            break
    else:
        yield from () if changes else ("no differences",)
    yield from changes
    for revision, entry in zip(revisions, pair, strict=True):
        if entry and not entry.matches_commit:
            yield f"(no run for {revision}: used the last one before it)"


def _parse_revisions(revisions: tuple[str, ...]) -> tuple[str, str]:
    if not revisions:
        return "HEAD", _WORK_TREE
    if len(revisions) == 1 and ".." in revisions[0]:
        first, _, second = revisions[0].partition("..")
        revisions = (first or "HEAD", second.lstrip(".") or "HEAD")
    if len(revisions) > 2:
        raise InvalidInput(f"expected at most two commits, got {len(revisions)}")
    return revisions[0], revisions[1] if len(revisions) == 2 else "HEAD"


def _differences(
    name: str, before: ResolvedEntry | None, after: ResolvedEntry | None
) -> tuple[RunChange, ...]:
    from git_spacy.history.run_record import differences

    if before is None or after is None:
        return ()
    return differences(_record(name, before), _record(name, after))


def _record(name: str, known: ResolvedEntry) -> RunRecord:
    """Return the run record, or make one, without sizes and metrics, of a bare lock entry."""

    from git_spacy.history.run_record import RecordedFile, RunRecord

    if known.record:
        return known.record
    entry = known.entry
    deps, outs = (
        tuple(RecordedFile(item.path, item.md5, None) for item in items)
        for items in (entry.deps, entry.outs)
    )
    return RunRecord("", "", name, entry.script, deps, outs)


def _to_json(pair: _EntryPair, changes: tuple[RunChange, ...]) -> dict[str, Any]:
    from git_spacy.cli import history_format

    before, after = (
        entry
        and {
            "recorded_on": entry.recorded_on or None,
            "matches_commit": entry.matches_commit,
        }
        for entry in pair
    )
    return {
        "before": before,
        "after": after,
        "changes": [history_format.change_to_json(change) for change in changes],
    }
