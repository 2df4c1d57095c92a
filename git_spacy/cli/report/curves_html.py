"""Draw the curves of trainings as a section of the page of a report."""

from __future__ import annotations

from collections.abc import Sequence

from git_spacy.cli.report import training_curves
from git_spacy.cli.report.escaping import line
from git_spacy.cli.report.svg_charts import CurveLine, curve_chart
from git_spacy.cli.report.training_curves import TrainingCurves

_MAX_CHARTS = 6  # columns of one command
_MAX_POINTS = 120  # of one curve


def section(all_curves: Sequence[TrainingCurves]) -> str:
    """Return the charts of all commands, or "" without any."""

    if not all_curves:
        return ""
    return (
        '<p class="faint">What spaCy printed during training, from the logs on this machine. The'
        " strong line is the latest run that is logged, the others are the runs before it. Click or"
        ' press Enter to see the run in the <a href="#runs">table</a>.</p>'
        + "".join(map(_command, all_curves))
    )


def _command(curves: TrainingCurves) -> str:
    figures = "".join(
        f"<figure>{drawn}<figcaption>{_caption(curves, column)}</figcaption></figure>"
        for column in training_curves.columns(curves)[:_MAX_CHARTS]
        if (drawn := _chart(curves, column))
    )
    return f'<h3><code>{line(curves.command)}</code></h3><div class="charts">{figures}</div>'


def _chart(curves: TrainingCurves, column: str) -> str:
    lines = [
        CurveLine(run.number, _thin_out(points), training_curves.summary(run, column))
        for run in curves.runs
        if (points := training_curves.points(run, column))
    ]
    return curve_chart(lines, f"{column} of {curves.command}") if lines else ""


def _caption(curves: TrainingCurves, column: str) -> str:
    return f"{line(column)} <span>{training_curves.summary(curves.runs[0], column)}</span>"


def _thin_out(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    """Return points at even distances, with the first and the last one: a page stays small."""

    most = min(len(points), _MAX_POINTS)
    return [points[number * (len(points) - 1) // max(most - 1, 1)] for number in range(most)]
