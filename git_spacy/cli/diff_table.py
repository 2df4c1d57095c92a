"""`git spacy diff` as tables: a row for each difference, a column for each commit or run."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_spacy.cli import history_format, markdown, output
from git_spacy.cli.columns import Column, fitted, lines
from git_spacy.errors import sanitize
from git_spacy.generate.drawing.label import shorten, single_line
from git_spacy.history.metrics import HANDFUL, by_importance
from git_spacy.history.run_record import Difference, RunChange
from git_spacy.history.run_sides import ComparedCommand, Side

_EMPTY_CELL = "–"
_MD5_DIGITS = 7
_LONGEST_VALUE = 24  # cells, in a terminal


class Notes(NamedTuple):
    """Which sides have no run of a command, and which only have an earlier one, as lines."""

    missing: tuple[str, ...]
    earlier: tuple[str, ...]


def notes(
    sides: Sequence[Side], command: ComparedCommand, escape: Callable[[str], str] = sanitize
) -> Notes:
    """Return what to say about the runs of a command that are compared."""

    pairs = [(escape(side.name), run) for side, run in zip(sides, command.runs, strict=True)]
    return Notes(
        tuple(f"no run is known for {name}" for name, run in pairs if run is None),
        tuple(
            f"no run for {name}: used the last one before it"
            for name, run in pairs
            if run and not run.resolved.matches_commit
        ),
    )


class DifferenceRow(NamedTuple):
    """A difference: its kind and name, and for each side the value and its delta, or ""."""

    kind: str
    name: str
    values: tuple[str, ...]
    deltas: tuple[str, ...]


def difference_rows(
    command: ComparedCommand, *, all_metrics: bool
) -> tuple[list[DifferenceRow], int]:
    """Return the rows, and the number of metrics that are left out."""

    metrics = by_importance(item.name for item in command.differences if item.kind == "metric")
    shown = metrics if all_metrics else metrics[:HANDFUL]
    chosen = [item for item in command.differences if item.kind not in ("script", "metric", "exit")]
    by_name = {item.name: item for item in command.differences if item.kind == "metric"}
    chosen += [by_name[name] for name in shown]
    chosen += [item for item in command.differences if item.kind == "exit"]
    return [_row(item, command) for item in chosen], len(metrics) - len(shown)


def _row(item: Difference, command: ComparedCommand) -> DifferenceRow:
    first = next(number for number, run in enumerate(command.runs) if run)
    is_file = item.kind in ("dep", "out")
    values = [value[:_MD5_DIGITS] if is_file else value for value in item.values]
    deltas = [
        ""
        if is_file or number == first
        else history_format.delta(RunChange(item.kind, item.name, item.values[first], value))[0]
        for number, value in enumerate(item.values)
    ]
    kind = history_format.KINDS[item.kind].replace("_", " ")
    return DifferenceRow(
        kind, item.name, tuple(value or _EMPTY_CELL for value in values), tuple(deltas)
    )


def script_changes(
    sides: Sequence[Side], command: ComparedCommand
) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the names of sides with the same script, and how it differs from the first script."""

    known = [number for number, run in enumerate(command.runs) if run]
    by_lines: dict[tuple[str, ...], list[str]] = {}
    for number in known[1:]:
        changed = tuple(
            f"+ {change.after}" if change.after else f"- {change.before}"
            for change in command.changes(known[0], number)
            if change.kind == "script"
        )
        if changed:
            by_lines.setdefault(changed, []).append(sides[number].name)
    first = sides[known[0]].name if known else ""
    for changed, names in by_lines.items():
        yield [first, *names], list(changed)


def show(
    sides: Sequence[Side], compared: Mapping[str, ComparedCommand], *, all_metrics: bool
) -> None:
    """Print a table for each command. On a terminal, fit it to the width: in several parts."""

    width = output.terminal_width() if output.is_terminal() else None
    for name, command in compared.items():
        if is_same(command):
            continue
        output.result_painted(output.paint(single_line(name), "bold"))
        rows, hidden = difference_rows(command, all_metrics=all_metrics)
        for line in _lines(sides, rows, width):
            output.result(line)
        for names, changed in script_changes(sides, command):
            first, *others = map(single_line, names)
            output.result(f"  script, {first} → {', '.join(others)}")
            for text in changed:
                colour = "green" if text.startswith("+") else "red"
                output.result_painted("    " + output.paint(sanitize(text), colour))
        missing, earlier = notes(sides, command)
        remarks = [*missing, *(f"({text})" for text in earlier)]
        remarks += [history_format.more_metrics(hidden)] if hidden else []
        for text in remarks:
            wrapped = textwrap.wrap(text, max(width - 2, 1)) if width else [text]
            output.result("\n".join(f"  {part}" for part in wrapped))
    if same := [single_line(name) for name, command in compared.items() if is_same(command)]:
        output.result(f"no differences: {', '.join(same)}")


def is_same(command: ComparedCommand) -> bool:
    """Return whether all sides have a run of the command, with no differences to report."""

    return not command.differences and all(
        run and run.resolved.matches_commit for run in command.runs
    )


def _lines(
    sides: Sequence[Side], rows: Sequence[DifferenceRow], width: int | None
) -> Iterator[str]:
    """Yield the lines of a table of all sides, or of several that repeat the first side."""

    if not rows:
        return
    names = tuple(single_line(f"{row.kind} {row.name}".rstrip()) for row in rows)
    cells = [_cells(row, width) for row in rows]
    first, *others = (
        Column(single_line(side.name), tuple(row[number] for row in cells), rank=2 if number else 0)
        for number, side in enumerate(sides)
    )
    while others:
        head = (Column("", names, is_text=True), first)
        fitting = fitted((*head, *others), width).columns
        if len(fitting) <= len(head):  # print one anyway
            fitting = (*head, others[0])
        yield from map(str, lines(fitting))
        others = others[len(fitting) - len(head) :]


def _cells(row: DifferenceRow, width: int | None) -> list[str]:
    """Return values with deltas; long values are shortened unless that makes them look alike."""

    values = [single_line(value) for value in row.values]
    if width:
        short = [shorten(value, _LONGEST_VALUE) for value in values]
        values = short if len(set(short)) == len(set(values)) else values
    return [f"{value}{delta}" for value, delta in zip(values, row.deltas, strict=True)]


def show_markdown(
    sides: Sequence[Side], compared: Mapping[str, ComparedCommand], *, all_metrics: bool
) -> None:
    """Print a Markdown table for each command that differs, for a comment on a pull request."""

    if text := to_markdown(sides, compared, all_metrics=all_metrics):
        output.result(text)


def to_markdown(
    sides: Sequence[Side], compared: Mapping[str, ComparedCommand], *, all_metrics: bool
) -> str:
    """Return what `show_markdown` prints; "" if nothing is compared."""

    paragraphs = []
    for name, command in compared.items():
        if is_same(command):
            continue
        paragraphs += [f"### {markdown.cell(name)}"]
        rows, hidden = difference_rows(command, all_metrics=all_metrics)
        if rows:
            paragraphs.append(_markdown_table(sides, rows))
        for names, changed in script_changes(sides, command):
            first, *others = map(markdown.cell, names)
            paragraphs += [f"script, {first} → {', '.join(others)}", markdown.diff_block(changed)]
        missing, earlier = notes(sides, command, markdown.cell)
        paragraphs += [*missing, *earlier]
        paragraphs += [history_format.more_metrics(hidden)] if hidden else []
    if same := [markdown.cell(name) for name, command in compared.items() if is_same(command)]:
        paragraphs.append(f"no differences: {', '.join(same)}")
    return "\n\n".join(paragraphs)


def _markdown_table(sides: Sequence[Side], rows: Sequence[DifferenceRow]) -> str:
    titles = ["", *(markdown.cell(side.name) for side in sides)]
    cells = [
        [
            f"{row.kind} {markdown.cell(row.name)}".rstrip(),
            *(
                f"{markdown.cell(value)}{delta}"
                for value, delta in zip(row.values, row.deltas, strict=True)
            ),
        ]
        for row in rows
    ]
    return markdown.table(titles, cells, [True, *(False for _ in sides)])
