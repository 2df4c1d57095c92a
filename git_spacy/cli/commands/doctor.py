"""`git spacy doctor`: say whether this clone is set up, and how to repair what is not."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import sanitize

if TYPE_CHECKING:
    from git_spacy.setup.doctor import SetupResult

EXAMPLES = (
    ("git spacy doctor", "Examine this clone and this machine."),
    ("git spacy doctor --network", "Also contact the remotes."),
)

_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_NAME_WIDTH, _STATE_WIDTH = 14, 7


@click.command(cls=SpacyCommand)
@click.option("--network", is_flag=True, help="Also contact the remotes.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def doctor(context: CommandContext, network: bool, as_json: bool) -> int:
    """Examine whether this clone is set up: programs, hooks, merge driver, notes, lock, remotes,
    the Python of scripts, the cache. Changes nothing.

    Exits with 1 if there is a problem, and prints a hint for each. Also works outside a project,
    and outside a repository.
    """

    from git_spacy.setup.doctor import examine

    results = list(examine(context.start, os.environ, network=network))
    if as_json:
        output.emit_json(to_json(results))
    else:
        for line in lines(results):
            output.result_painted(line)
        output.message(summary(result for _, result in results))
    return 1 if any(result.state == "problem" for _, result in results) else 0


def to_json(results: Iterable[tuple[str, SetupResult]]) -> dict[str, Any]:
    """Return the results as `doctor --json` prints them (docs/reference/json.md)."""

    checks = [
        {"group": heading.lower()}
        | {field: sanitize(text) for field, text in result._asdict().items()}
        for heading, result in results
    ]
    return {"version": 1, "checks": checks}


def lines(results: Iterable[tuple[str, SetupResult]]) -> Iterable[str]:
    """Yield the results as text: a table for each heading, and hints that can be pasted."""

    shown = ""
    for heading, result in results:
        if heading != shown:
            shown = heading
            yield output.paint(heading, "bold")
        row = (result.name, result.state, [result.detail])
        yield output.table([row], _COLOURS, (_NAME_WIDTH, _STATE_WIDTH))
        for hint in result.hint.splitlines():
            yield f"    hint: {sanitize(hint)}"  # not wrapped


def summary(results: Iterable[SetupResult]) -> str:
    """Return e.g. `1 problem, 2 warnings`."""

    states = [result.state for result in results]
    parts = [
        f"{states.count(state)} {state}{'' if states.count(state) == 1 else 's'}"
        for state in ("problem", "warning")
        if state in states
    ]
    return ", ".join(parts) or "everything is set up"
