"""Write a report as Markdown for a comment on a pull request.

Of what GitHub and GitLab show in a comment, this uses tables, folded details and Mermaid. They
remove inline SVG and images with their data in the address, and an image elsewhere would have to be
uploaded first. Mermaid can draw lines, but not several scales, nor names of points, and mails show
its source. So the history of a metric is a row of block characters in a table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from git_spacy.cli import diff_table, history_format, markdown, metrics_table
from git_spacy.cli.metric_plot import sparkline
from git_spacy.cli.report import training_curves
from git_spacy.cli.report.content import MARKER, MetricSeries, ReportContent, is_label_score
from git_spacy.generate import drawing
from git_spacy.history.metrics import HANDFUL, by_importance, is_lower_better
from git_spacy.history.run_diff import differing_metrics, sort_by_metric
from git_spacy.history.run_ids import short_run_id
from git_spacy.history.run_record import RunChange, flat_metrics, format_number
from git_spacy.state.verdict import state_label

_SIGNS = {"better": "🟢 ", "worse": "🔴 ", "": ""}
_MAX_SPARKS = 20  # values in one row of block characters
_MAX_CHARACTERS = 60_000  # GitHub refuses more than 65,536
_MAX_ROWS = 30  # of the table of variants
_MAX_NAMES = 8


class _CommentPart(NamedTuple):
    """A section; `title` is what is said if there is no room for it."""

    title: str
    text: str


def comment(content: ReportContent) -> str:
    """Return the Markdown, with at most as many characters as a comment may have."""

    title = markdown.cell(content.project.title or "spaCy project")
    text = f"{_marker(content.folder)}\n\n## {title}\n\n{_summary(content)}\n"
    left_out = []
    for part in (
        _CommentPart("metrics", _metrics(content)),
        _CommentPart("changes", _folded("What changed", _changes(content))),
        _CommentPart("training", _folded("Training", _training(content))),
        _CommentPart("variants", _variants(content)),
        _CommentPart("scores by label", _folded("Scores by label", _labels(content))),
        _CommentPart("graph", _folded("Graph", _graph(content))),
    ):
        if part.text and len(text) + len(part.text) < _MAX_CHARACTERS:
            text += f"\n{part.text}\n"
        elif part.text:
            left_out.append(part.title)
    if left_out:
        text += f"\nToo large for a comment: {', '.join(left_out)}; see `git spacy report`.\n"
    return text


def _marker(folder: str) -> str:
    """Return the first line, by which a CI job finds the comment of this project to update it."""

    name = re.sub(r"[^\w./-]", "-", folder)
    return f"{MARKER} of {name} -->" if name else f"{MARKER} -->"


def _folded(title: str, text: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>" if text else ""


def _summary(content: ReportContent) -> str:
    """Return what is compared, and the states of the commands: their names where work is left."""

    names: dict[str, list[str]] = {}
    for node in content.graph.nodes:
        if node.kind == "command" and node.id in content.states:
            names.setdefault(content.states[node.id], []).append(node.name)
    counted = "; ".join(
        f"{len(found)} {state_label(state)}" + _named(state, found)
        for state, found in names.items()
    )
    if len(content.sides) == 2:
        before, after = (markdown.cell(side.name) for side in content.sides)
        compared = f"{after} compared with {before}"
    else:
        compared = markdown.cell(content.head.short)
    return f"{compared}. Commands: {counted}." if counted else f"{compared}."


def _named(state: str, names: Sequence[str]) -> str:
    if state in ("up_to_date", "always_runs"):
        return ""
    more = len(names) - _MAX_NAMES
    shown = ", ".join(map(markdown.cell, names[:_MAX_NAMES]))
    return f" ({shown}{f' and {more} more' if more > 0 else ''})"


def _metrics(content: ReportContent) -> str:
    """Return a table of the main metrics that differ, before and after, with their history."""

    rows = list(_metric_rows(content))
    if not rows:
        return "No metric differs." if len(content.sides) == 2 else ""
    before, after = (markdown.cell(side.name) for side in content.sides)
    titles = ("metric", before, after, "change", "history")
    return markdown.table(titles, rows, (True, False, False, True, True))


def _metric_rows(content: ReportContent) -> Iterator[tuple[str, ...]]:
    history = {(series.command, series.metric): series for series in content.series}
    for name, command in content.compared.items() if len(content.sides) == 2 else ():
        before, after = (flat_metrics(run.record) if run else {} for run in command.runs)
        overall = [key for key in by_importance({**after, **before}) if not is_label_score(key)]
        differing = [key for key in overall if _format(before, key) != _format(after, key)]
        for metric in differing[:HANDFUL]:
            old, new = (_format(side, metric) for side in (before, after))
            delta, judged = history_format.delta(RunChange("metric", metric, old, new))
            change = f"{_SIGNS[judged]}{delta.strip(' ()').replace(',', '')}"
            series = history.get((name, metric))
            yield (
                f"{markdown.cell(name)} {markdown.cell(metric)}", old or "–",
                f"**{new}**" if new else "–", change,
                _sparks(series, content) if series else "",
            )  # fmt: skip


def _format(metrics: Mapping[str, float], name: str) -> str:
    return format_number(metrics[name]) if name in metrics else ""


def _sparks(series: MetricSeries, content: ReportContent) -> str:
    """Return the history in commits; experiments would hide what the commits did."""

    held = [
        point.value for point in series.points if not content.runs[point.number].run.is_experiment
    ]
    return sparkline(held[-_MAX_SPARKS:])


def _changes(content: ReportContent) -> str:
    if len(content.sides) != 2:
        return ""
    return diff_table.to_markdown(content.sides, content.compared, all_metrics=False)


def _training(content: ReportContent) -> str:
    """Return a table of the trainings that are logged on this machine, e.g. in the same CI job."""

    rows = []
    for curves in content.curves:
        for run in curves.runs:
            known = [value for _, value in training_curves.points(run, training_curves.TOTAL)]
            rows.append(
                (
                    markdown.cell(curves.command),
                    markdown.cell(short_run_id(content.runs[run.number].record)),
                    sparkline(known[-_MAX_SPARKS:]),
                    training_curves.summary(run),
                )
            )
    titles = ("command", "run", "score by step", "result")
    return markdown.table(titles, rows, (True, True, True, True)) if rows else ""


def _variants(content: ReportContent) -> str:
    """Return a table of the variants of each command, the best first."""

    paragraphs = []
    for table in content.comparison.tables:
        if not table.variables or len(table.rows) < 2:
            continue
        chosen = (differing_metrics(table) or table.metrics)[:4]
        by_first = sort_by_metric(
            table._replace(metrics=chosen), chosen[0], ascending=is_lower_better(chosen[0])
        )
        shown = by_first._replace(rows=by_first.rows[:_MAX_ROWS])
        more = len(table.rows) - len(shown.rows)
        text = metrics_table.to_markdown(shown)
        text += f"\n\n{more} more runs" if more else ""
        title = f"{len(table.rows)} variants"
        paragraphs.append(f"{markdown.cell(table.command)}\n\n" + _folded(title, text))
    return "\n\n".join(paragraphs)


def _labels(content: ReportContent) -> str:
    paragraphs = []
    for table in content.labels:
        rows = [
            [
                markdown.cell(label.label),
                *(_format(label.scores, key) or "–" for key in "prf"),
                "–" if label.before is None else format_number(label.before),
            ]
            for label in table.labels
        ]
        titles = (markdown.cell(table.group), "P", "R", "F", "F before")
        shown = markdown.table(titles, rows, (True, *(False,) * 4))
        paragraphs.append(f"{markdown.cell(table.command)}\n\n{shown}")
    return "\n\n".join(paragraphs)


def _graph(content: ReportContent) -> str:
    if not content.graph.nodes:
        return ""
    return f"```mermaid\n{drawing.draw(content.graph, 'mermaid', content.states)}```"
