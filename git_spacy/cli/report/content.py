"""Read what a report shows: the project, its runs, their metrics, and what outputs come from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from git_spacy.cli import output
from git_spacy.cli.context import CommandContext
from git_spacy.cli.report.training_curves import TrainingCurves, read_curves
from git_spacy.cli.states import node_states
from git_spacy.errors import InvalidInput, as_warning
from git_spacy.generate.graph import Graph, build_graph
from git_spacy.git import notes
from git_spacy.git.notes import AnnotatedCommit
from git_spacy.git.repository import Repository
from git_spacy.history import run_diff, run_sides
from git_spacy.history.commit_runs import CommitRuns, RecordedRun, read_history
from git_spacy.history.metrics import by_importance
from git_spacy.history.run_diff import Comparison, VariantRun
from git_spacy.history.run_logs import logs_of_runs
from git_spacy.history.run_params import CommitParams
from git_spacy.history.run_record import flat_metrics
from git_spacy.history.run_sides import ComparedCommand, Side
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.project import loader
from git_spacy.project.graph import PathIndex
from git_spacy.project.model import Asset, Project
from git_spacy.project.paths import ProjectPath

MARKER = "<!-- git-spacy report"
"""Near the start of each report: what has it may be replaced by the next one."""

MAX_RUNS = 1_000
"""How many runs a report has, the newest ones."""

_MIN_HELD = 500  # runs in commits that have room beside any number of experiments
_Numbered = tuple[int, RecordedRun]  # the position of the commit in the history, and its run
_MAX_SERIES = 24
_MAX_SERIES_OF_COMMAND = 8  # metrics of one command that are charted, the most important ones
# `ents_per_type.BRAND.f` of spaCy's evaluate, perhaps after the name of one of several files
_LABEL_SCORE = re.compile(r"(?P<group>.*?_per_(?:type|feat))\.(?P<label>.+)\.(?P<score>[prf])")


class MetricPoint(NamedTuple):
    """The value of a metric in a run, which has this number in `ReportContent.runs`."""

    number: int
    value: float


class MetricSeries(NamedTuple):
    """The values of one metric of a command, the oldest first."""

    command: str
    metric: str
    points: tuple[MetricPoint, ...]


class LabelScores(NamedTuple):
    """Precision, recall and F of one label; `before` is F in the run that is compared."""

    label: str
    scores: Mapping[str, float]
    before: float | None


class LabelTable(NamedTuple):
    """The scores of all labels in the newest committed run of a command, e.g. `ents_per_type`."""

    command: str
    group: str
    number: int
    labels: tuple[LabelScores, ...]


class TracedDependency(NamedTuple):
    """A dependency of a command in project.lock, and the commands that made it, if any.

    If it `differs`, the command used another version of it than its maker's entry has.
    """

    path: str
    md5: str
    made_by: tuple[str, ...]
    differs: bool


class TracedStep(NamedTuple):
    """A command in project.lock, and its dependencies."""

    entry: LockEntry
    deps: tuple[TracedDependency, ...]


class TracedSource(NamedTuple):
    """A file that no command makes, its md5 ("" if unknown), and the asset that it belongs to."""

    path: str
    md5: str
    asset: Asset | None


class TracedOutput(NamedTuple):
    """An output, the command that made it, all commands and all sources behind it."""

    path: str
    md5: str
    command: str
    steps: tuple[str, ...]
    sources: tuple[TracedSource, ...]


class ReportContent(NamedTuple):
    """What a report shows.

    `folder` is that of the project in its repository, "" at the top. `runs` are the newest first;
    if they `are_cut`, there are more. `sides` are the two that are compared, or none.
    """

    project: Project
    folder: str
    head: AnnotatedCommit
    graph: Graph
    states: Mapping[str, str]
    runs: tuple[VariantRun, ...]
    are_cut: bool
    comparison: Comparison
    series: tuple[MetricSeries, ...]
    labels: tuple[LabelTable, ...]
    curves: tuple[TrainingCurves, ...]
    sides: tuple[Side, ...]
    compared: Mapping[str, ComparedCommand]
    steps: Mapping[str, TracedStep]
    outputs: tuple[TracedOutput, ...]


def read_content(
    context: CommandContext, revisions: Sequence[str], compare: str | None
) -> ReportContent:
    """Read everything that a report of the history before `revisions` (default: HEAD) shows.

    `compare` is the commit or run to compare the first revision with; without it, the commits
    that brought the last two results are compared. Raises InvalidInput, Refused, OSError,
    ExternalError.
    """

    root, project = context.root, context.project_with_variants()
    repository, _, folder = context.open_history()
    newest = _newest_revision(revisions)
    head_id = notes.resolve_commit(repository, newest)
    head = next(notes.list_commits(repository, [head_id], 1))
    history = list(
        _until_enough(
            read_history(repository, folder, revisions, output.diagnostic, experiments=True)
        )
    )
    recorded = [(n, run) for n, item in enumerate(history) for run in reversed(item.runs)]
    past = CommitParams(repository, history, {folder or "": loader.read_bytes(root)})
    runs = tuple(
        VariantRun(run, history[number].annotated, past.params(number, run.record))
        for number, run in _select_runs(recorded)
    )
    names = (compare, head.commit) if compare else _last_two_results(history)
    sides = _read_sides(root, repository, names)
    if compare and len(sides) == 2:
        sides = (sides[0], sides[1]._replace(name=newest))
    compared = run_sides.compare_sides(sides) if sides else {}
    graph = build_graph(context.project)
    steps = _trace_steps(lock_format.read(root), project)
    return ReportContent(
        project=context.project,
        folder=folder or "",
        head=head,
        graph=graph,
        states=node_states(context.project, root, graph),
        runs=runs,
        are_cut=len(runs) < len(recorded),
        comparison=run_diff.compare(runs),
        series=tuple(islice(_metric_series(runs), _MAX_SERIES)),
        labels=tuple(_label_tables(runs, compared)),
        curves=read_curves(runs, logs_of_runs(repository)),
        sides=sides,
        compared=compared,
        steps=steps,
        outputs=tuple(_trace_outputs(steps, project)),
    )


def _newest_revision(revisions: Sequence[str]) -> str:
    first = next((name for name in revisions if not name.startswith("^")), "HEAD")
    return first.rpartition("..")[2] or "HEAD"


# Runs


def _until_enough(history: Iterable[CommitRuns]) -> Iterator[CommitRuns]:
    """Yield commits until they have more runs than a report."""

    experiments, held = 0, 0
    for commit in history:
        yield commit
        experiments += sum(run.is_experiment for run in commit.runs)
        held += sum(not run.is_experiment for run in commit.runs)
        if held >= _MIN_HELD and held + experiments > MAX_RUNS:
            return


def _select_runs(recorded: Sequence[_Numbered]) -> list[_Numbered]:
    """Return the newest runs. Many experiments leave room for those whose results commits have."""

    held = sum(not run.is_experiment for _, run in recorded)
    experiments = min(len(recorded) - held, MAX_RUNS - min(held, _MIN_HELD))
    left = {True: experiments, False: MAX_RUNS - experiments}
    selected = []
    for number, run in recorded:
        if left[run.is_experiment]:
            left[run.is_experiment] -= 1
            selected.append((number, run))
    return selected


def _metric_series(runs: Sequence[VariantRun]) -> Iterator[MetricSeries]:
    """Yield the series of the most important metrics of each command that have several values."""

    by_command: dict[str, dict[str, list[MetricPoint]]] = {}
    for number, run in reversed(list(enumerate(runs))):
        if run.record.exit == 0:
            series = by_command.setdefault(run.record.command, {})
            for name, value in flat_metrics(run.record).items():
                series.setdefault(name, []).append(MetricPoint(number, value))
    for command, found in by_command.items():
        overall = [name for name in by_importance(found) if not is_label_score(name)]
        differing = [name for name in overall if len({p.value for p in found[name]}) > 1]
        for name in differing[:_MAX_SERIES_OF_COMMAND]:
            yield MetricSeries(command, name, tuple(found[name]))


def is_label_score(metric: str) -> bool:
    """Return whether a metric is that of a single label, as spaCy's evaluate names it."""

    return _LABEL_SCORE.fullmatch(metric) is not None


def main_metrics(runs: Iterable[VariantRun], most: int) -> list[str]:
    """Return the metrics that matter most: without those of single labels and those that are the
    same in all runs, unless there are no others."""

    values: dict[str, set[float]] = {}
    for run in runs:
        for name, value in flat_metrics(run.record).items():
            values.setdefault(name, set()).add(value)
    overall = [name for name in values if not is_label_score(name)] or list(values)
    differing = [name for name in overall if len(values[name]) > 1]
    return by_importance(differing or overall)[:most]


def _label_tables(
    runs: Sequence[VariantRun], compared: Mapping[str, ComparedCommand]
) -> Iterator[LabelTable]:
    """Yield the scores by label of each command's newest run, preferably of one in a commit."""

    newest: dict[str, int] = {}
    for number, run in sorted(enumerate(runs), key=lambda item: item[1].run.is_experiment):
        if run.record.exit == 0 and any(map(is_label_score, flat_metrics(run.record))):
            newest.setdefault(run.record.command, number)
    for command, number in newest.items():
        other = compared[command].runs[0] if command in compared else None
        earlier = flat_metrics(other.record) if other else {}
        groups: dict[str, dict[str, dict[str, float]]] = {}
        for name, value in flat_metrics(runs[number].record).items():
            if match := _LABEL_SCORE.fullmatch(name):
                group = groups.setdefault(match["group"], {})
                group.setdefault(match["label"], {})[match["score"]] = value
        for name, labels in groups.items():
            rows = (
                LabelScores(label, scores, earlier.get(f"{name}.{label}.f"))
                for label, scores in labels.items()
            )
            yield LabelTable(command, name, number, tuple(rows))


# Comparison


def _last_two_results(history: Sequence[CommitRuns]) -> tuple[str, ...]:
    """Return the commits that brought the last two results, the older one first, if there are."""

    with_results = (
        item.annotated.short for item in history if any(not run.is_experiment for run in item.runs)
    )
    last = tuple(islice(with_results, 2))
    return last[::-1] if len(last) == 2 else ()


def _read_sides(root: Path, repository: Repository, names: Sequence[str]) -> tuple[Side, ...]:
    return tuple(_read_side(root, repository, name) for name in names)


def _read_side(root: Path, repository: Repository, name: str) -> Side:
    """Return the runs of a commit, none if it has no valid project, e.g. since that is new."""

    try:
        return run_sides.read_side(root, repository, name, output.diagnostic)
    except InvalidInput as error:
        if error.problems[0].file != loader.PROJECT_FILE:
            raise
        output.diagnostic(as_warning(error, f"no runs of '{name}' are compared"))
        return Side(name, {})


# What outputs were made from


def _trace_steps(entries: Mapping[str, LockEntry], project: Project) -> dict[str, TracedStep]:
    """Return the entries of project.lock that the project still has, with their producers."""

    known = {command.name for command in project.commands}
    entries = {name: entry for name, entry in entries.items() if name in known}
    producers = PathIndex(
        (_path(out.path), (name, out)) for name, entry in entries.items() for out in entry.outs
    )
    return {
        name: TracedStep(
            entry, tuple(_trace_dependency(dep, name, producers) for dep in entry.deps)
        )
        for name, entry in entries.items()
    }


def _trace_dependency(
    dep: TrackedPath, name: str, producers: PathIndex[tuple[str, TrackedPath]]
) -> TracedDependency:
    found = [owner for _, owner in producers.touching(_path(dep.path)) if owner[0] != name]
    equal = [by for by, out in found if out == dep]
    # of a command and its variant, which write the same file, the one that wrote this version
    makers = equal[:1] or list(dict.fromkeys(by for by, _ in found))
    differs = not equal and any(out.path == dep.path for _, out in found)
    return TracedDependency(dep.path, dep.md5 or "", tuple(makers), differs)


def _path(text: str) -> ProjectPath:
    return ProjectPath(text, text.rstrip("/"))


def _trace_outputs(steps: Mapping[str, TracedStep], project: Project) -> Iterator[TracedOutput]:
    assets = PathIndex((asset.dest, asset) for asset in project.assets)
    for name, step in steps.items():
        behind = _steps_behind(steps, name)
        sources = {
            dep.path: TracedSource(dep.path, dep.md5, _asset_of(dep.path, assets))
            for other in behind
            for dep in steps[other].deps
            if not dep.made_by
        }
        # assets first: they are where the data comes from
        in_order = sorted(sources.values(), key=lambda source: source.asset is None)
        for out in step.entry.outs:
            yield TracedOutput(out.path, out.md5 or "", name, behind, tuple(in_order))


def _asset_of(path: str, assets: PathIndex[Asset]) -> Asset | None:
    return next((asset for _, asset in assets.touching(_path(path))), None)


def _steps_behind(steps: Mapping[str, TracedStep], name: str) -> tuple[str, ...]:
    """Return the commands that an output of `name` was made by, the first one first."""

    found: dict[str, None] = {}
    waiting = [(name, False)]
    started = set()
    while waiting:
        step, are_dependencies_done = waiting.pop()
        if are_dependencies_done:
            found[step] = None
        elif step not in started:
            started.add(step)
            waiting.append((step, True))
            waiting += ((by, False) for dep in steps[step].deps for by in dep.made_by)
    return tuple(found)
