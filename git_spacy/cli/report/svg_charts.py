"""Draw the charts of a report as SVG, which the page's style sheet colours and its script animates.

They are drawn here rather than by a library in the browser: they are there at once, also without
JavaScript or on paper, and a report stays small. Each mark has the number of its run (`data-r`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from git_spacy.cli.report.content import MetricPoint, MetricSeries
from git_spacy.cli.report.escaping import line
from git_spacy.history.metrics import is_lower_better
from git_spacy.history.run_diff import MetricsRow, VariantRun, natural_key
from git_spacy.history.run_record import format_number
from git_spacy.project.matrix import to_cli

MAX_POINTS = 200
"""How many values a chart shows, the latest ones."""

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 340, 132, 56, 10, 10, 12
_AXES_HEIGHT, _AXES_TOP, _AXES_SIDE = 210, 34, 62
_AXIS_GAP, _AXES_WIDTH = 220, 1340  # pixels between axes, or fewer for all to have this width
_MAX_TICKS = 8  # of an axis with texts
_TICK_GAP, _MISSING_BELOW = 12, 18  # pixels
_MANY = 60  # lines, which are drawn thinner
_LEVELS = 5  # colours of the lines, from the worst to the best


def line_chart(series: MetricSeries, runs: Sequence[VariantRun]) -> str:
    """Draw the values of a metric: a line through the runs of commits, rings for experiments."""

    points = _latest(series.points, runs)
    low, high = (limit(point.value for point in points) for limit in (min, max))
    step = (_WIDTH - _LEFT - _RIGHT) / max(len(points) - 1, 1)
    places = [
        (_LEFT + number * step, _scale(point.value, low, high, _HEIGHT - _BOTTOM, _TOP))
        for number, point in enumerate(points)
    ]
    held = [
        place
        for place, point in zip(places, points, strict=True)
        if not runs[point.number].run.is_experiment
    ]
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" tabindex="0"'
        f' aria-label="{line(_summary(series, points))}">',
        *_grid(low, high),
    ]
    if len(held) > 1:
        path = "L".join(f"{_number(x)} {_number(y)}" for x, y in held)
        parts.append(f'<path class="line" d="M{path}"/>')
    parts += map(_mark, points, places, (runs[point.number] for point in points))
    return "".join((*parts, "</svg>"))


def _latest(points: Sequence[MetricPoint], runs: Sequence[VariantRun]) -> list[MetricPoint]:
    """Return the latest points. Half of them are of commits, if there are as many."""

    held = [point for point in points if not runs[point.number].run.is_experiment]
    others = [point for point in points if runs[point.number].run.is_experiment]
    most = max(MAX_POINTS // 2, MAX_POINTS - len(others))
    chosen = set(held[-most:])
    chosen |= set(others[len(others) - min(len(others), MAX_POINTS - len(chosen)) :])
    return [point for point in points if point in chosen]


def _mark(point: MetricPoint, place: tuple[float, float], run: VariantRun) -> str:
    ring = ' class="ring"' if run.run.is_experiment else ""
    x, y = map(_number, place)
    value = line(format_number(point.value))
    return f'<circle{ring} cx="{x}" cy="{y}" r="3.5" data-r="{point.number}" data-v="{value}"/>'


def _summary(series: MetricSeries, points: Sequence[MetricPoint]) -> str:
    values = [point.value for point in points]
    low, high, last = map(format_number, (min(values), max(values), values[-1]))
    return (
        f"{series.metric} of {series.command}: {len(points)} runs, from {low} to {high},"
        f" {last} in the last one. Use the arrow keys to go from run to run."
    )


def short_number(value: float) -> str:
    """Format a number with about four digits, for an axis."""

    size = abs(value)
    if 1e3 <= size < 1e7:
        return f"{value:,.0f}"
    return format_number(value) if not size or 1e-3 <= size < 1e7 else f"{value:.2g}"


class CurveLine(NamedTuple):
    """The values of a run by their steps, and what to say of it."""

    number: int
    points: Sequence[tuple[int, float]]
    summary: str


def curve_chart(lines: Sequence[CurveLine], title: str) -> str:
    """Draw a line for each run through its values by step; the first one is above the others."""

    steps = [step for curve in lines for step, _ in curve.points]
    known = [value for curve in lines for _, value in curve.points]
    low, high = min(known), max(known)
    label = f"{title} by step: {lines[0].summary}. Use the arrow keys to go from run to run."
    parts = [
        f'<svg class="chart curve" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" tabindex="0"'
        f' aria-label="{line(label)}">',
        *_grid(low, high),
    ]
    for age, curve in reversed(list(enumerate(lines))):
        path = " ".join(
            f"{_number(_scale(step, min(steps), max(steps), _LEFT, _WIDTH - _RIGHT))}"
            f",{_number(_scale(value, low, high, _HEIGHT - _BOTTOM, _TOP))}"
            for step, value in curve.points
        )
        kind = "" if age else ' class="newest"'
        parts.append(
            f'<polyline{kind} points="{path}" data-r="{curve.number}"'
            f' data-v="{line(curve.summary)}"/>'
        )
    return "".join((*parts, "</svg>"))


def _grid(low: float, high: float) -> Iterator[str]:
    """Yield a line and a number for the lowest and the highest value."""

    for value in dict.fromkeys((high, low)):
        y = _scale(value, low, high, _HEIGHT - _BOTTOM, _TOP)
        yield (
            f'<path class="grid" d="M{_LEFT} {_number(y)}H{_WIDTH - _RIGHT}"/>'
            f'<text x="{_LEFT - 8}" y="{_number(y + 4)}" text-anchor="end">'
            f"{line(short_number(value))}</text>"
        )


class ParallelAxis(NamedTuple):
    """A variable or a metric: its name and its value in each row (None if it has none)."""

    name: str
    values: tuple[Any, ...]


def parallel_chart(
    axes: Sequence[ParallelAxis], rows: Sequence[MetricsRow], numbers: Sequence[int], metric: str
) -> str:
    """Draw an axis for each variable and metric, and a line for each row, coloured by `metric`.

    `numbers` are those of the rows' runs.
    """

    gap = min(_AXIS_GAP, _AXES_WIDTH // max(len(axes) - 1, 1))
    width = 2 * _AXES_SIDE + gap * (len(axes) - 1)
    height = _AXES_TOP + _AXES_HEIGHT + _MISSING_BELOW + 10
    names = ", ".join(axis.name for axis in axes)
    label = line(f"{len(rows)} runs by {names}. Use the arrow keys to go from run to run.")
    kind = "parallel many" if len(rows) > _MANY else "parallel"
    parts = [
        f'<svg class="{kind}" width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        f' role="img" tabindex="0" aria-label="{label}">'
    ]
    texts: list[str] = []
    columns = []
    for number, axis in enumerate(axes):
        x = _AXES_SIDE + number * gap
        places = _places(axis.values)
        columns.append([(x, places.get(_key(value), _bottom())) for value in axis.values])
        parts.append(f'<path class="axis" d="M{x} {_AXES_TOP}V{_AXES_TOP + _AXES_HEIGHT}"/>')
        texts += _axis_texts(axis, x, places)
    levels = _levels([row.metrics.get(metric) for row in rows], is_lower_better(metric))
    for number, level, points in zip(numbers, levels, zip(*columns, strict=True), strict=True):
        path = " ".join(f"{x},{_number(y)}" for x, y in points)
        parts.append(f'<polyline class="q{level}" points="{path}" data-r="{number}"/>')
    return "".join((*parts, *texts, "</svg>"))


def _bottom() -> float:
    return _AXES_TOP + _AXES_HEIGHT + _MISSING_BELOW


def _places(values: Sequence[Any]) -> dict[str, float]:
    """Map the key of each value to its height on the axis: numbers to scale, texts in order."""

    known = {_key(value): value for value in values if value is not None}
    top, bottom = _AXES_TOP, _AXES_TOP + _AXES_HEIGHT
    if all(_is_number(value) for value in known.values()):
        low, high = min(known.values(), default=0), max(known.values(), default=0)
        return {key: _scale(value, low, high, bottom, top) for key, value in known.items()}
    in_order = sorted(known.items(), key=lambda item: natural_key({"": item[1]}, ""))
    last = len(in_order) - 1
    return {key: _scale(number, 0, last, bottom, top) for number, (key, _) in enumerate(in_order)}


def _axis_texts(axis: ParallelAxis, x: float, places: Mapping[str, float]) -> Iterator[str]:
    yield f'<text class="name" x="{x}" y="16" text-anchor="middle">{line(axis.name, 18)}</text>'
    texts = {_key(value): _tick(value) for value in axis.values if value is not None}
    in_order = sorted(places, key=lambda key: places[key])
    chosen = in_order[-1:]  # the lowest one, and those above it for which there is room
    for key in in_order if len(in_order) <= _MAX_TICKS else in_order[:1]:
        if all(abs(places[key] - places[other]) >= _TICK_GAP for other in chosen):
            chosen.append(key)
    ticks = [(places[key], texts[key]) for key in chosen]
    if None in axis.values:
        ticks.append((_bottom(), "–"))
    for y, text in ticks:
        yield f'<text x="{x - 6}" y="{_number(y + 4)}" text-anchor="end">{line(text, 8)}</text>'


def _tick(value: Any) -> str:
    return short_number(value) if _is_number(value) else to_cli(value)


def _key(value: Any) -> str:
    return to_cli(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _levels(metrics: Sequence[Any], is_lower: bool) -> list[int]:
    """Return a level for each row: 0 for those without the metric, then from worst to best."""

    values = [None if metric is None else metric.value for metric in metrics]
    known = sorted({value for value in values if value is not None}, reverse=is_lower)
    ranks = {value: rank for rank, value in enumerate(known)}
    return [
        0 if value is None else 1 + ranks[value] * _LEVELS // max(len(known), 1) for value in values
    ]


def _scale(value: float, low: float, high: float, start: float, end: float) -> float:
    """Map low..high to start..end; also for numbers whose difference is too large for a float."""

    if low == high:
        return (start + end) / 2
    span = high / 2 - low / 2
    share = (value / 2 - low / 2) / span if span else 0.5
    return start + (end - start) * share


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
