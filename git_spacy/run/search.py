"""Search for the values of variables with the best score: each trial is an isolated variant.

Optuna proposes the values and decides which trials to prune, by the scores that `spacy train`
prints. It has no database: trials that have run before are known by their run records, and their
results from the run cache. So a search that is repeated runs nothing, and one that was interrupted,
or is repeated with more trials, goes on.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.git.repository import Repository
from git_spacy.history import training_table
from git_spacy.history.metrics import by_importance, is_lower_better, is_score, main_score
from git_spacy.history.run_ids import run_id
from git_spacy.history.run_logs import logs_of_runs
from git_spacy.history.run_record import RunRecord, flatten_metrics, format_number
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.matrix import to_cli
from git_spacy.project.model import Command
from git_spacy.project.plan import RunPlan
from git_spacy.project.search_space import Dimension, Range, contains, count_points
from git_spacy.project.variables import parse_override
from git_spacy.run.events import (
    CommandFailed,
    CommandFinished,
    CommandPruned,
    CommandRestored,
    CommandSkipped,
    CommandStarted,
    LinePrinted,
    RunEvent,
    RunReporter,
    TrialEnded,
    TrialStarted,
)

if TYPE_CHECKING:
    from git_spacy.run.run_context import RunContext
    from git_spacy.run.variant_runs import VariantRuns

INSTALL = "pip install 'optuna>=4.0'"
_SCORE = "score"  # the column of spaCy's table
_WARM_UP = 2  # evaluations that tell little: of the untrained model, and the first one
_MAX_FAILURES = 3  # trials in a row; then something else is wrong than the values
_MAX_REPEATS = 100  # proposals in a row that are known already
_MAX_NAMES = 8  # metrics in a hint

TrialState = Literal["complete", "pruned", "failed"]


class TrialResult(NamedTuple):
    """What became of a trial: its values, as typed, by variable; its objective if it is complete.

    `commands` are its isolated commands. It is `earlier` if it was not part of this run.
    """

    number: int
    values: Mapping[str, str]
    state: TrialState
    value: float | None
    commands: tuple[Command, ...]
    earlier: bool = False


class SearchOptions(NamedTuple):
    """What to search: the values, how many trials altogether, the metric (with `-` in front if
    lower is better; "" for spaCy's own score) and the seed of the sampler."""

    space: tuple[Dimension, ...]
    trials: int
    objective: str
    seed: int


class _Trial:
    """A trial in progress: what it still has to run, and the rows of its first training table."""

    def __init__(self, number: int, asked: Any, values: Mapping[str, str], plan: RunPlan) -> None:
        self.number = number
        self.asked = asked
        self.values = values
        self.commands = tuple(c for c in plan.commands if c.name in plan.isolated)
        self.pending = {command.name for command in self.commands}
        self.readers = {command.name: training_table.TableReader() for command in self.commands}
        self.trained_by = ""
        self.evaluations = 0  # rows that it has printed
        self.reason = ""  # why it is being pruned, or has failed


class Search:
    """One search: a function that takes part in the events of its run and passes them on.

    `plan_trial` returns the plan for values of the variables, e.g. the plan `example`; its commands
    that are not isolated run once, in the project, before all trials. Those named in `forced` run
    in each trial, also if they are up to date; `cancel` stops a command that is running.
    """

    def __init__(
        self, options: SearchOptions, plan_trial: Callable[[Mapping[str, str]], RunPlan],
        example: RunPlan, variants: VariantRuns, jobs: int, forced: Collection[str],
        cancel: Callable[[str, str], None], report: RunReporter,
    ) -> None:  # fmt: skip
        self.options = options
        self.objective = options.objective.removeprefix("-")
        self.results: list[TrialResult] = []
        self._plan_trial = plan_trial
        self.examples = tuple(c for c in example.commands if c.name in example.isolated)
        self._shared = {command.name for command in example.in_project}
        self._forced = forced
        self._variants = variants
        self._jobs = jobs
        self._cancel = cancel
        self._report = report
        self._optuna = _import_optuna()
        self._study: Any = None
        self._trials: list[_Trial] = []  # in progress
        self._ended: dict[str, TrialState] = {}  # isolated commands
        self._running: set[str] = set()
        self._tried: set[tuple[str, ...]] = set()  # values
        self._failures = 0
        self._is_stopped = False
        self._error: InvalidInput | None = None

    @property
    def lower_is_better(self) -> bool:
        """Whether the objective is to be as low as possible."""

        return prefers_lower(self.options.objective or self.objective)

    def best(self) -> TrialResult | None:
        """Return the best trial, or None if none is complete."""

        complete = [result for result in self.results if result.value is not None]
        return max(complete, key=lambda result: self._goodness(result.value) or 0, default=None)

    def forced(self, plan: RunPlan) -> set[str]:
        """Return the commands of a trial that run even if they are up to date."""

        return {c.name for c in plan.commands if c.variant_of in self._forced}

    # Starting trials

    def next_trial(self, context: RunContext) -> RunPlan | None:
        """Return the plan of the next trial, or None if none can start now.

        Raises InvalidInput if there is no objective to judge the trials by.
        """

        if self._error:
            raise self._error
        if self._shared or self._is_stopped:
            return None
        if self._study is None:
            self._begin(context)
        while len(self._trials) < self._jobs and not self._is_over():
            proposed = self._propose()
            if proposed is None:
                self._is_stopped = True
                return None
            asked, values = proposed
            plan = self._plan_trial(values)
            self._variants.add(plan)
            number = len(self.results) + len(self._trials) + 1
            trial = _Trial(number, asked, values, plan)
            self._tried.add(tuple(values.values()))
            self._trials.append(trial)
            self._report(self._started(trial))
            for name in tuple(trial.pending):  # other trials may have run some of it
                if state := self._ended.get(name):
                    self._settle(trial, name, state)
            if trial in self._trials:
                return plan
        return None

    def _started(self, trial: _Trial) -> TrialStarted:
        names = {command.name: command.variant_of for command in trial.commands}
        return TrialStarted(trial.number, self._total, _short(trial.values), names)

    @property
    def _total(self) -> int:
        return int(min(self.options.trials, count_points(self.options.space)))

    def _is_over(self) -> bool:
        return (
            self._is_stopped
            or len(self.results) + len(self._trials) >= self._total
            or self._failures >= _MAX_FAILURES
        )

    def _propose(self) -> tuple[Any, dict[str, str]] | None:
        """Return a trial of Optuna and its values; None if it proposes nothing new."""

        distributions = {
            dimension.variable: _distribution(self._optuna, dimension)
            for dimension in self.options.space
        }
        for _ in range(_MAX_REPEATS):
            asked = self._study.ask(distributions)
            values = {
                dimension.variable: dimension.values.typed(asked.params[dimension.variable])
                if isinstance(dimension.values, Range)
                else asked.params[dimension.variable]
                for dimension in self.options.space
            }
            if tuple(values.values()) not in self._tried:
                return asked, values
            self._tell(asked, "failed", None)
        return None

    def _tell(self, asked: Any, state: TrialState, value: float | None) -> None:
        self._study.tell(asked, self._goodness(value), state=self._optuna_state(state))

    def _optuna_state(self, state: TrialState) -> Any:
        states = self._optuna.trial.TrialState
        return {"complete": states.COMPLETE, "pruned": states.PRUNED, "failed": states.FAIL}[state]

    # Earlier trials

    def _begin(self, context: RunContext) -> None:
        """Create the study, with the trials that have run before."""

        earlier = [] if self._forced else self._earlier_trials(context)
        options, samplers = self.options, self._optuna.samplers
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is experimental in some versions
            sampler = samplers.TPESampler(
                # not the numbers again that an earlier call has drawn
                seed=(options.seed + len(earlier)) % 2**32, constant_liar=self._jobs > 1
            )  # fmt: skip
            self._study = self._optuna.create_study(
                sampler=sampler,
                pruner=self._optuna.pruners.MedianPruner(n_warmup_steps=_WARM_UP),
                direction="maximize",  # of what `_goodness` returns
            )
        for trial in earlier:
            self._study.add_trial(trial)

    def _earlier_trials(self, context: RunContext) -> list[Any]:
        """Add the results of trials that would be up to date; return them as Optuna's."""

        names = {command.variant_of for command in self.examples}
        found = []
        for recorded in self._variants.recorded_variables(names, context):
            values = _full_values(self.options.space, recorded)
            if values is None or tuple(values.values()) in self._tried:
                continue
            if trial := self._earlier_trial(values, context):
                found.append(trial)
        return found

    def _earlier_trial(self, values: Mapping[str, str], context: RunContext) -> Any:
        plan = self._plan_trial(values)
        self._variants.add(plan)
        commands = tuple(c for c in plan.commands if c.name in plan.isolated)
        state: TrialState = "complete"
        records: list[RunRecord] = []
        for command in commands:
            verdict, before = self._variants.judge(command, context)
            if verdict.state == "up_to_date":
                records += self._variants.records(command, context)[-1:]
            elif pruned := self._variants.pruned_record(command, before, context):
                state = "pruned"
                records.append(pruned)
                break
            elif verdict.state != "always_runs":
                return None
        value = self._objective_of(commands) if state == "complete" else None
        if state == "complete" and value is None:
            self._error = None  # the next trials may have the objective
            return None
        self._tried.add(tuple(values.values()))
        number = len(self.results) + 1
        self.results.append(TrialResult(number, values, state, value, commands, earlier=True))
        return self._optuna.trial.create_trial(
            state=self._optuna_state(state),
            value=self._goodness(value),
            params={
                dimension.variable: parse_override(values[dimension.variable])
                if isinstance(dimension.values, Range)
                else values[dimension.variable]
                for dimension in self.options.space
            },
            distributions={d.variable: _distribution(self._optuna, d) for d in self.options.space},
            intermediate_values=_recorded_scores(context.root, records),
        )

    # Following trials

    def __call__(self, event: RunEvent) -> None:
        self._report(event)
        if isinstance(event, CommandStarted):
            self._running.add(event.command)
        elif isinstance(event, LinePrinted):
            for trial in self._trials:
                if event.command in trial.pending:
                    self._read_line(trial, event)
        elif isinstance(event, CommandFinished | CommandSkipped | CommandRestored):
            self._command_ended(event.command, "complete")
        elif isinstance(event, CommandPruned):
            self._command_ended(event.command, "pruned")
        elif isinstance(event, CommandFailed):
            self._command_ended(event.command, "failed")

    def _command_ended(self, name: str, state: TrialState) -> None:
        self._running.discard(name)
        if name in self._shared:
            self._shared.discard(name)
            self._is_stopped |= state == "failed"  # there are no trials without it
            return
        self._ended[name] = state
        for trial in tuple(self._trials):
            if name in trial.pending:
                self._settle(trial, name, state)

    def _read_line(self, trial: _Trial, event: LinePrinted) -> None:
        """Report a row of the first training table of a trial to Optuna; prune the trial if it is
        worse than the others were at this step."""

        row = trial.readers[event.command].read_line(event.text)
        if row is None or row.table or _SCORE not in row.columns or trial.reason:
            return
        trial.trained_by = trial.trained_by or event.command
        if trial.trained_by != event.command:
            return
        score = row.numbers[row.columns.index(_SCORE)]
        trial.asked.report(score, trial.evaluations)
        trial.evaluations += 1
        # scores in training say nothing of an objective like speed or size
        if is_score(self.objective) and not self.lower_is_better and trial.asked.should_prune():
            trial.reason = f"score {format_number(score)} after {row.step} steps"
            self._cancel(event.command, trial.reason)

    def _goodness(self, value: float | None) -> float | None:
        """Return the objective as a number that is higher if it is better."""

        return -value if value is not None and self.lower_is_better else value

    def _settle(self, trial: _Trial, name: str, state: TrialState) -> None:
        """Take in that a command of a trial has ended; end the trial if that decides it."""

        trial.pending.discard(name)
        if trial not in self._trials or (state == "complete" and trial.pending):
            return
        self._trials.remove(trial)
        value = self._objective_of(trial.commands) if state == "complete" else None
        if state == "complete" and value is None:
            missing = f"no metric '{self.objective}'" if self.objective else "no objective"
            state, trial.reason = "failed", missing
        self._failures = self._failures + 1 if state == "failed" else 0
        self._tell(trial.asked, state, value)
        result = TrialResult(trial.number, trial.values, state, value, trial.commands)
        self.results.append(result)
        self._report(
            TrialEnded(trial.number, self._total, self._outcome(trial, result), value is not None)
        )
        others = {command.name for other in self._trials for command in other.commands}
        names = (command.name for command in trial.commands)
        self._variants.forget(names, others | self._running)

    def _outcome(self, trial: _Trial, result: TrialResult) -> str:
        if result.value is None:
            return f"{result.state}{f': {trial.reason}' if trial.reason else ''}"
        best = ", the best so far" if result is self.best() else ""
        return f"{self.objective} {format_number(result.value)}{best}"

    # The objective

    def _objective_of(self, commands: Sequence[Command]) -> float | None:
        """Return the objective of commands that have run; None if it is missing this time.

        If it is not known what it is, or no trial has had it, the search cannot go on.
        """

        files: dict[str, Mapping[str, float]] = {}
        for command in commands:
            with suppress(KeyError):
                files.update(self._variants.metrics(command.name))
        metrics = flatten_metrics(files)
        try:
            self.objective = choose_objective(self.objective, metrics)
        except InvalidInput as error:
            if all(result.value is None for result in self.results):
                self._error = error
            return None
        return metrics[self.objective]


def prefers_lower(objective: str) -> bool:
    """Return whether an objective is to be as low as possible: with a `-`, or by its name."""

    return objective.startswith("-") or is_lower_better(objective)


def choose_objective(name: str, metrics: Mapping[str, float]) -> str:
    """Return the metric `name`, or spaCy's own score if that is "".

    Raises InvalidInput, with the metrics that can be chosen, if there is no such metric.
    """

    found = name or main_score(metrics)
    if found in metrics:
        return found
    names = by_importance(metrics)[:_MAX_NAMES]
    if not names:
        message = "the metrics files of the trials have no numbers"
        raise InvalidInput(message, file="--search", hint="write numbers into them")
    if not name:
        message = f"which metric is the objective? there are: {', '.join(names)}"
        raise InvalidInput(message, file="--search", hint=f"add --objective {names[0]}")
    raise InvalidInput(
        f"unknown metric '{name}'",
        file="--objective",
        hint=did_you_mean(name, metrics) or f"available: {', '.join(names)}",
    )


def require_optuna() -> None:
    """Raise InvalidInput if Optuna is not installed; does not import it."""

    try:
        is_installed = importlib.util.find_spec("optuna") is not None
    except (ImportError, ValueError):
        is_installed = False
    if not is_installed:
        raise InvalidInput("Optuna is not installed", file="--search", hint=INSTALL)


def _import_optuna() -> Any:
    require_optuna()
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def _distribution(optuna: Any, dimension: Dimension) -> Any:
    values = dimension.values
    if not isinstance(values, Range):
        return optuna.distributions.CategoricalDistribution(values.values)
    if values.is_integer:
        return optuna.distributions.IntDistribution(
            values.low, values.high, log=values.log, step=values.step or 1
        )
    return optuna.distributions.FloatDistribution(
        values.low, values.high, log=values.log, step=values.step
    )


def _short(values: Mapping[str, str]) -> dict[str, str]:
    return {name.partition(".")[2]: value for name, value in values.items()}


def _full_values(space: Sequence[Dimension], recorded: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the values of a recorded variant as those of a trial; None if they are not in the
    space."""

    values = {
        dimension.variable: recorded[short]
        for dimension in space
        if (short := dimension.variable.partition(".")[2]) in recorded
    }
    if not contains(space, values):
        return None
    return {name: to_cli(value) for name, value in values.items()}


def _recorded_scores(root: Path, records: Sequence[RunRecord]) -> dict[int, float]:
    """Return the scores in the first training table that the logs of runs have, by position."""

    with suppress(GitSpacyError, OSError):
        repository = Repository.discover(root)
        logs = logs_of_runs(repository) if repository else {}
        for record in records:
            if log := logs.get(run_id(record)):
                for table in training_table.parse(log.path.read_text("utf-8", "replace"))[:1]:
                    if _SCORE in table.columns:
                        column = table.columns.index(_SCORE)
                        return dict(enumerate(row[column] for row in table.rows))
    return {}
