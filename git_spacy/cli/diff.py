"""`git spacy diff`: what two commits' results differ in, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from git_spacy.cli import output
from git_spacy.errors import InvalidInput

if TYPE_CHECKING:
    from git_spacy.state.lock_history import ResolvedEntry
    from git_spacy.state.run_record import RunChange, RunRecord


@click.command()
@click.argument("revisions", nargs=-1, required=True, metavar="A [B]")
@click.option("--json", "as_json", is_flag=True, help="In JSON.")
@click.pass_context
def diff(ctx: click.Context, revisions: tuple[str, ...], as_json: bool) -> None:
    """Say of each command how its run for commit B (HEAD by default) differs from that for commit
    A: script, inputs, outputs and metrics. A..B is understood, too."""

    from git_spacy.cli import history_format as words
    from git_spacy.project import loader
    from git_spacy.state.lock_history import lock_history

    first, second = _two(revisions)
    repository, root, _ = words.opened(ctx.obj)
    if root is None:
        loader.find(ctx.obj)  # says that there is none
        return
    sides = [
        lock_history(root, repository, revision, warn=output.warning)
        for revision in (first, second)
    ]
    names = dict.fromkeys(name for side in reversed(sides) for name in side.entries)
    one, other = sides
    pairs = {name: (one.entries.get(name), other.entries.get(name)) for name in names}
    found = {name: (pair, _differences(name, *pair)) for name, pair in pairs.items()}
    if as_json:
        output.emit_json({name: _document(*both) for name, both in found.items()})
        return
    with output.paged(ctx.obj):
        for name, ((before, after), changes) in found.items():
            lines = words.changes(changes)
            if before is None or after is None:
                missing = first if before is None else second
                lines = [f"nothing is known of it at {missing}", *lines]
            elif not lines:
                lines = ["the same"]
            unfit = [
                revision
                for revision, one in ((first, before), (second, after))
                if one and not one.matches_commit
            ]
            lines += [f"(not run for {revision}: its last run before)" for revision in unfit]
            title = output.paint(output.clean(name), "bold")
            output.result_painted("\n".join([title, *(f"  {line}" for line in lines)]))
    if not found:
        output.note(words.nothing(None))


def _two(revisions: tuple[str, ...]) -> tuple[str, str]:
    if len(revisions) == 1 and ".." in revisions[0]:
        first, _, second = revisions[0].partition("..")
        revisions = (first or "HEAD", second.lstrip(".") or "HEAD")
    if len(revisions) > 2:
        raise InvalidInput("more than two commits", hint="git spacy diff A B")
    return revisions[0], revisions[1] if len(revisions) == 2 else "HEAD"


def _differences(
    name: str, before: ResolvedEntry | None, after: ResolvedEntry | None
) -> tuple[RunChange, ...]:
    from git_spacy.state.run_record import differences

    if before is None or after is None:
        return ()
    return differences(_record(name, before), _record(name, after))


def _record(name: str, known: ResolvedEntry) -> RunRecord:
    """What is known as a record; an entry of a lock alone has no sizes and no metrics."""

    from git_spacy.state.run_record import RecordedFile, RunRecord

    if known.record:
        return known.record
    entry = known.entry
    deps, outs = (
        tuple(RecordedFile(item.path, item.md5, None) for item in items)
        for items in (entry.deps, entry.outs)
    )
    return RunRecord("", "", name, entry.script, deps, outs)


def _document(
    pair: tuple[ResolvedEntry | None, ResolvedEntry | None], changes: tuple[RunChange, ...]
) -> dict[str, Any]:
    before, after = pair
    return {
        "before": before
        and {"from": before.recorded_on or "project.lock", "fits": before.matches_commit},
        "after": after
        and {"from": after.recorded_on or "project.lock", "fits": after.matches_commit},
        "changes": [change._asdict() for change in changes],
    }
