"""Write a report as one HTML page, which needs no network and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import NamedTuple

from git_spacy import __version__
from git_spacy.cli import diff_table, history_format
from git_spacy.cli.report import curves_html
from git_spacy.cli.report.content import (
    MARKER,
    MAX_RUNS,
    LabelTable,
    MetricSeries,
    ReportContent,
    TracedDependency,
    TracedOutput,
    TracedStep,
    is_label_score,
    main_metrics,
)
from git_spacy.cli.report.escaping import block, line
from git_spacy.cli.report.svg_charts import (
    MAX_POINTS,
    ParallelAxis,
    line_chart,
    parallel_chart,
)
from git_spacy.generate import drawing
from git_spacy.generate.drawing import text as text_drawing
from git_spacy.generate.drawing.label import shorten
from git_spacy.history import run_diff
from git_spacy.history.run_diff import MetricsTable, VariantRun
from git_spacy.history.run_ids import short_run_id
from git_spacy.history.run_record import flat_metrics, format_number
from git_spacy.project.matrix import to_cli
from git_spacy.project.model import Asset
from git_spacy.state.verdict import state_label

_MAX_METRIC_COLUMNS = 6
_MAX_AXES = 8
_MAX_CHANGES = 40  # differences of one command
_MAX_LINKS = 60  # names in one list
_MAX_NAMED_BEHIND = 3_000  # files and commands in the lists of all outputs together
_MAX_SCRIPT_LINES, _LONGEST_SCRIPT_LINE = 50, 1_000
_MAX_BYTES = 1_900_000  # of all sections; browsers open more, but mails and trackers do not
_SHORT_MD5 = 10
_SCORES = {"p": "Precision", "r": "Recall", "f": "F"}


class _Section(NamedTuple):
    id: str
    title: str
    body: str


def page(content: ReportContent) -> str:
    """Return the whole page."""

    sections = list(_sections(content))
    title = line(content.project.title or "spaCy project")
    links = "".join(f'<li><a href="#{one.id}">{one.title}</a></li>' for one in sections)
    bodies = "\n".join(
        f'<section id="{one.id}" aria-labelledby="{one.id}-title">'
        f'<h2 id="{one.id}-title">{one.title}</h2>\n'
        f"{one.body}\n</section>"
        for one in sections
    )
    style, script = (_packaged(name) for name in ("page.css", "page.js"))
    return f"""<!DOCTYPE html>
{MARKER} -->
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the content</a>
<header>
<h1>{title}</h1>
{_head(content)}
</header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main id="main">
{bodies}
</main>
<div id="tip" role="status"></div>
<script>{script}</script>
</body>
</html>
"""


def _packaged(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    """Return the Content-Security-Policy of a page that has only this style and script."""

    sources = f"style-src {_source(style)}; script-src {_source(script)}"
    return f"default-src 'none'; {sources}; base-uri 'none'; form-action 'none'"


def _source(text: str) -> str:
    """Return the source expression that allows exactly this text in an element."""

    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _sections(content: ReportContent) -> Iterator[_Section]:
    """Yield the sections that have something to show, as far as there is room for them."""

    left = _MAX_BYTES
    for id, title, body, command in (
        ("changes", "What changed", _changes(content), "diff"),
        ("metrics", "Metrics", _metrics(content), "log --table"),
        ("training", "Training", curves_html.section(content.curves), "show --log"),
        ("variants", "Variants", _variants(content), "log --table"),
        ("labels", "Scores by label", _labels(content), "show"),
        ("runs", "Runs", _runs(content), "log --all"),
        ("graph", "Graph", _graph(content), "graph"),
        ("origins", "What outputs were made from", _origins(content), "show"),
    ):
        size = len(body.encode())
        if size > left:
            body = f"<p>Too large for this page; see <code>git spacy {command}</code>.</p>"
        else:
            left -= size
        if body:
            yield _Section(id, title, body)


def _head(content: ReportContent) -> str:
    head = content.head
    states = Counter(
        content.states[node.id]
        for node in content.graph.nodes
        if node.kind == "command" and node.id in content.states
    )
    words = "".join(
        f"<li>{number} {'command' if number == 1 else 'commands'} {line(state_label(state))}</li>"
        for state, number in states.items()
    )
    counted = f'<ul class="states" aria-label="States of the commands">{words}</ul>'
    return (
        f"<p>Commit <code>{line(head.short)}</code> {line(head.subject)}</p>"
        f"{counted if words else ''}"
        f'<p class="faint">Written by git-spacy {line(__version__)}.</p>'
    )


# Tables


def _table(
    caption: str, titles: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()
) -> str:
    """Return a table whose cells are HTML; the columns `numbers` are aligned to the right."""

    kinds = [' class="n"' if number in numbers else "" for number in range(len(titles))]
    head = "".join(
        f'<th scope="col"{kind}>{title}</th>' for title, kind in zip(titles, kinds, strict=True)
    )
    body = "".join(
        f'<tr><th scope="row"{kinds[0]}>{row[0]}</th>'
        + "".join(f"<td{kind}>{cell}</td>" for cell, kind in zip(row[1:], kinds[1:], strict=True))
        + "</tr>"
        for row in rows
    )
    return _scrolling(
        caption,
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table>",
    )


def _scrolling(label: str, body: str, kind: str = "scroll") -> str:
    """Return an element that can be scrolled, also with the keyboard; `label` is HTML."""

    return f'<div class="{kind}" role="region" tabindex="0" aria-label="{label}">{body}</div>'


# What changed


def _changes(content: ReportContent) -> str:
    if len(content.sides) != 2:
        return ""
    before, after = (line(side.name) for side in content.sides)
    parts = [f"<p>From <code>{before}</code> to <code>{after}</code>.</p>"]
    same = []
    for name, command in content.compared.items():
        if diff_table.is_same(command):
            same.append(f"<code>{line(name)}</code>")
            continue
        parts.append(f"<h3><code>{line(name)}</code></h3>")
        notes = diff_table.notes(content.sides, command, line)
        parts += [f"<p>{text}</p>" for text in (*notes.missing, *notes.earlier)]
        rows, hidden = diff_table.difference_rows(command, all_metrics=False)
        cells = [
            (f"{row.kind} {line(row.name)}".rstrip(), line(row.values[0]), _changed(row))
            for row in rows[:_MAX_CHANGES]
        ]
        if cells:
            caption = f"Differences of {line(name)}"
            parts.append(_table(caption, ("Difference", before, after), cells))
        if more := hidden + len(rows[_MAX_CHANGES:]):
            names = shlex.join(side.name for side in content.sides)
            command_line = line(f"git spacy diff --all-metrics {names}")
            parts.append(f'<p class="faint">{more} more: <code>{command_line}</code></p>')
        for _, changed in diff_table.script_changes(content.sides, command):
            parts.append(_script(map(_script_change, changed)))
    if same:
        parts.append(f"<p>No differences: {', '.join(same[:_MAX_LINKS])}</p>")
    return "\n".join(parts)


def _changed(row: diff_table.DifferenceRow) -> str:
    value, delta = line(row.values[1]), line(row.deltas[1])
    judged = next((word for word in ("better", "worse") if word in delta), "")
    return f'{value} <span class="{judged}">{delta}</span>' if judged else f"{value} {delta}"


def _script_change(text: str) -> str:
    tag = "ins" if text.startswith("+") else "del"
    return f"<{tag}>{_script_line(text)}</{tag}>"


def _script_line(text: str) -> str:
    return block(shorten(text, _LONGEST_SCRIPT_LINE))


def _script(lines: Iterable[str]) -> str:
    """Return lines that are HTML as a block that can be scrolled with the keyboard."""

    shown = list(lines)
    more = len(shown) - _MAX_SCRIPT_LINES
    shown = [*shown[:_MAX_SCRIPT_LINES], *([f"({more} more lines)"] if more > 0 else [])]
    joined = "\n".join(shown)
    return f'<pre tabindex="0">{joined}</pre>'


# Metrics, variants and labels


def _metrics(content: ReportContent) -> str:
    parts: list[str] = []
    last = ""
    for series in content.series:
        if series.command != last:
            parts += ["</div>"] if last else []
            parts.append(f'<h3><code>{line(series.command)}</code></h3><div class="charts">')
            last = series.command
        parts.append(
            f"<figure>{line_chart(series, content.runs)}"
            f"<figcaption>{_chart_caption(series, content.runs)}</figcaption></figure>"
        )
    if not parts:
        return ""
    legend = (
        '<p class="faint">From the oldest run to the newest. The line leads through the runs whose'
        " results are in a commit; a ring is an experiment. Click or press Enter to see the run in"
        ' the <a href="#runs">table</a>, which has all values.</p>'
    )
    return "".join((legend, *parts, "</div>"))


def _chart_caption(series: MetricSeries, runs: Sequence[VariantRun]) -> str:
    in_commits = [point for point in series.points if not runs[point.number].run.is_experiment]
    last = (in_commits or series.points)[-1]
    where = "in the last commit" if in_commits else "in the last run"
    number = len(series.points)
    cut = f"the latest {MAX_POINTS} of {number}" if number > MAX_POINTS else f"{number}"
    return (
        f"{line(series.metric)} <strong>{line(format_number(last.value))}</strong>"
        f" <span>{where}; {cut} runs</span>"
    )


def _variants(content: ReportContent) -> str:
    numbers = {id(run): number for number, run in enumerate(content.runs)}
    parts = [
        _parallel(table, [numbers[id(row.runs[0])] for row in table.rows])
        for table in content.comparison.tables
        if table.variables and len(table.rows) > 1
    ]
    return "\n".join(parts)


def _parallel(table: MetricsTable, numbers: Sequence[int]) -> str:
    differing = run_diff.differing_metrics(table) or table.metrics
    main = [name for name in differing if not is_label_score(name)]
    variables = table.variables[: _MAX_AXES - 1]
    metrics = (main or list(differing))[: _MAX_AXES - len(variables)]
    axes = [
        ParallelAxis(name, tuple(row.variables.get(name) for row in table.rows))
        for name in variables
    ]
    axes += [
        ParallelAxis(name, tuple(_value(row.metrics.get(name)) for row in table.rows))
        for name in metrics
    ]
    name = line(table.command)
    drawn = parallel_chart(axes, table.rows, numbers, metrics[0])
    left_out = len(table.variables) - len(variables)
    more = f"; {left_out} more variables are in the table of runs" if left_out else ""
    return (
        f"<h3><code>{name}</code></h3>"
        f'<p class="faint">The last run of each set of variables, coloured from the worst to the'
        f" best {line(metrics[0])}{more}. Filter the runs below to fade the others.</p>"
        f"{_scrolling(f'Variants of {name}', drawn, 'scroll tall')}"
    )


def _value(metric: run_diff.MetricValue | None) -> float | None:
    return metric.value if metric else None


def _labels(content: ReportContent) -> str:
    return "\n".join(_label_table(table, content.runs[table.number]) for table in content.labels)


def _label_table(table: LabelTable, run: VariantRun) -> str:
    caption = (
        f"{line(table.group)} of {line(table.command)},"
        f' run <a href="#r{table.number}">{line(short_run_id(run.record))}</a>'
    )
    is_compared = any(label.before is not None for label in table.labels)
    titles = ("Label", *_SCORES.values(), *(["F before"] if is_compared else []))
    rows = []
    for label in sorted(table.labels, key=lambda item: -item.scores.get("f", 0)):
        cells = [_score(name, label.scores.get(key)) for key, name in _SCORES.items()]
        if is_compared:
            cells.append("" if label.before is None else line(format_number(label.before)))
        rows.append((line(label.label), *cells))
    label_text = f"Scores by label of {line(table.command)}"
    return _table(caption, titles, rows, range(1, len(titles))).replace(
        f'aria-label="{caption}"', f'aria-label="{label_text}"', 1
    )


def _score(name: str, value: float | None) -> str:
    if value is None:
        return ""
    shown = line(format_number(value))
    if not 0 <= value <= 1:
        return shown
    return f'{shown} <meter min="0" max="1" value="{value:.4f}" aria-label="{name}"></meter>'


# Runs


class _RunColumn(NamedTuple):
    title: str
    is_number: bool = False
    in_tip: bool = True  # of a chart


def _runs(content: ReportContent) -> str:
    if not content.runs:
        return ""
    metrics = main_metrics(content.runs, _MAX_METRIC_COLUMNS)
    columns = [
        _RunColumn("Started"), _RunColumn("Command"), _RunColumn("Parameters"),
        _RunColumn("State"), _RunColumn("Took", True),
        *(_RunColumn(line(name), True) for name in metrics), _RunColumn("Commit"),
        _RunColumn("Versions", in_tip=False), _RunColumn("Run", in_tip=False),
    ]  # fmt: skip
    head = "".join(_sortable(column, number) for number, column in enumerate(columns))
    body = "\n".join(_run_row(number, run, metrics) for number, run in enumerate(content.runs))
    cut = f", the newest {MAX_RUNS:,}" if content.are_cut else ""
    return (
        f"{_filters(content.runs)}"
        '<div class="scroll" role="region" tabindex="0" aria-label="Table of runs"><table>'
        f"<caption>Recorded runs{cut}; press a title to sort. Records do not name the machine."
        "</caption>"
        f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
        '<p><button type="button" id="more">Show more</button></p>'
    )


def _sortable(column: _RunColumn, number: int) -> str:
    kind = ' class="n"' if column.is_number else ""
    tip = " data-t" if column.in_tip else ""
    sort = "descending" if number == 0 else "none"
    return (
        f'<th scope="col" aria-sort="{sort}"{kind}{tip}>'
        f'<button type="button">{column.title}</button></th>'
    )


def _filters(runs: Sequence[VariantRun]) -> str:
    names = dict.fromkeys(run.record.command for run in runs)
    options = "".join(
        f'<option value="{number}">{line(name)}</option>' for number, name in enumerate(names, 1)
    )
    return (
        '<form class="filters" role="search" aria-label="Filter the runs">'
        '<label>Text <input id="search" type="search" autocomplete="off"></label>'
        f'<label>Command <select id="command"><option value="">all</option>{options}</select>'
        "</label>"
        '<label>State <select id="state"><option value="">all</option>'
        '<option value="c">in a commit</option><option value="x">experiment</option>'
        '<option value="f">failed or pruned</option></select></label>'
        '<button type="reset">Show all</button>'
        f'<output id="count" for="search command state">{len(runs)} of {len(runs)} runs</output>'
        "<noscript>Sorting and filtering need JavaScript.</noscript></form>"
    )


def _run_row(number: int, run: VariantRun, metrics: Sequence[str]) -> str:
    record = run.record
    values = flat_metrics(record)
    params = ", ".join(f"{name}={to_cli(value)}" for name, value in run.params.variables.items())
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    kind, state = _state(run)
    cells = [
        f"<td>{line(record.command)}</td>",
        f"<td>{line(params)}</td>",
        f"<td>{state}</td>",
        f'<td class="n" data-s="{record.seconds:.3f}">{line(history_format.outcome(record))}</td>',
        *(
            f'<td class="n" data-s="{values[name]!r}">{line(format_number(values[name]))}</td>'
            if name in values
            else '<td class="n"></td>'
            for name in metrics
        ),
        f"<td>{line(run.commit.short)} {line(run.commit.subject, 40)}</td>",
        f"<td>{line(versions)}</td>",
        f'<td class="mono">{line(short_run_id(record))}</td>',
    ]
    started = line(history_format.start_time(record))
    return (
        f'<tr id="r{number}" data-k="{kind}"><th scope="row" data-s="{line(record.time)}">'
        f"{started}</th>{''.join(cells)}</tr>"
    )


def _state(run: VariantRun) -> tuple[str, str]:
    """Return the key of a run's state for the filter, and its text."""

    # the commit whose lock has the result usually has the edits, too
    edits = ", with uncommitted edits" if run.record.dirty and run.run.matched_by != "lock" else ""
    if run.record.pruned:
        return "f", f"pruned by a search{edits}"
    if run.record.exit:
        return "f", f"failed, exit code {run.record.exit}{edits}"
    if run.run.is_experiment:
        return "x", f"experiment{edits}"
    return "c", f"in the commit{edits}"


# Graph


def _graph(content: ReportContent) -> str:
    if not content.graph.nodes:
        return ""
    svg = drawing.draw(content.graph, "svg", content.states).partition("\n")[2]
    text = text_drawing.draw(content.graph, content.states)
    return (
        f"{_scrolling('Graph of the project', svg, 'scroll tall graph')}"
        "<details><summary>The graph as text</summary>"
        f'<pre tabindex="0">{block(text)}</pre></details>'
    )


# What outputs were made from


def _origins(content: ReportContent) -> str:
    if not content.outputs:
        return ""
    anchors = {name: f"s{number}" for number, name in enumerate(content.steps)}
    most = max(5, min(_MAX_LINKS, _MAX_NAMED_BEHIND // len(content.outputs)))
    outputs = "\n".join(_origin(item, anchors, most) for item in content.outputs)
    steps = "\n".join(
        f'<details id="{anchors[name]}"><summary><code>{line(name)}</code></summary>'
        f"{_step(name, step, anchors)}</details>"
        for name, step in content.steps.items()
    )
    return (
        "<p>By the checksums in <code>project.lock</code>: each output, the commands behind it, and"
        f" the data and files that these began with.</p>\n{outputs}\n<h3>Commands</h3>\n{steps}"
    )


def _origin(item: TracedOutput, anchors: dict[str, str], most: int) -> str:
    """Return an output with the last commands and the first sources behind it, `most` of each."""

    steps = _list_some([_step_link(name, anchors) for name in item.steps], " → ", most)
    rows = [
        (f"<code>{line(source.path)}</code>", _md5(source.md5), _asset(source.asset))
        for source in item.sources[:most]
    ]
    more = len(item.sources) - len(rows)
    sources = _table(f"What {line(item.path)} was made from", ("File", "md5", "From"), rows)
    return (
        f"<details><summary><code>{line(item.path)}</code>"
        f' <span class="faint">{_md5(item.md5)}</span></summary>'
        f"<p>{steps}</p>{sources if rows else ''}"
        f"{f'<p>and {more} more files</p>' if more else ''}</details>"
    )


def _step_link(name: str, anchors: dict[str, str]) -> str:
    return f'<a href="#{anchors[name]}"><code>{line(name)}</code></a>'


def _list_some(items: Sequence[str], separator: str, most: int = _MAX_LINKS) -> str:
    more = len(items) - most
    shown = items if more <= 0 else [f"({more} more)", *items[more:]]
    return separator.join(shown)


def _step(name: str, step: TracedStep, anchors: dict[str, str]) -> str:
    rows = [
        (f"<code>{line(dep.path)}</code>", _md5(dep.md5), _makers(dep, anchors))
        for dep in step.deps
    ]
    table = (
        _table(f"Dependencies of {line(name)}", ("File", "md5", "Made by"), rows) if rows else ""
    )
    return _script(map(_script_line, step.entry.script)) + table


def _makers(dep: TracedDependency, anchors: dict[str, str]) -> str:
    made_by = _list_some([_step_link(name, anchors) for name in dep.made_by], ", ")
    return made_by + (" (another version than it has now)" if dep.differs else "")


def _md5(digest: str) -> str:
    return f"<code>{line(digest)}</code>" if digest else "not recorded"


def _asset(asset: Asset | None) -> str:
    if asset is None:
        return "file of the project"
    source = asset.git.repo if asset.git else asset.url or "added by hand"
    checksum = f", checksum <code>{line(str(asset.checksum))}</code>" if asset.checksum else ""
    return f"asset: {line(source)}{checksum}"
