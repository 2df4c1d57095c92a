"""`git spacy run --search`: plan a search for the best values of variables, and show its result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from git_spacy.cli import output
from git_spacy.cli.columns import Column, fitted, lines
from git_spacy.cli.variant_hints import restore_command
from git_spacy.errors import InvalidInput, sanitize
from git_spacy.generate.drawing.label import single_line
from git_spacy.history.metrics import metric_files, metrics_in
from git_spacy.history.run_record import flatten_metrics, format_number
from git_spacy.project import loader, matrix, matrix_plan, search_space
from git_spacy.project.matrix import CommandSelector
from git_spacy.project.plan import RunPlan, graph_plan
from git_spacy.project.search_space import OPTION, count_points

if TYPE_CHECKING:
    from git_spacy.cli.context import CommandContext
    from git_spacy.run.run_context import RunContext
    from git_spacy.run.search import Search, SearchOptions, TrialResult

TRIALS = 20  # unless --trials says otherwise


class PlannedSearch:
    """A search that the user asked for. `plan` is that of one trial, as an example of all.

    Raises InvalidInput if nothing that it runs has metrics, or if the objective is ambiguous.
    """

    def __init__(
        self, context: CommandContext, options: SearchOptions, select: CommandSelector
    ) -> None:
        self._context = context
        self._select = select
        self._search: Search | None = None
        first = {d.variable: d.first().values[0] for d in options.space}
        self.plan = self.plan_trial(first)
        objective = _find_objective(context, self.plan, options.objective)
        self._options = options._replace(objective=objective)
        self.shared = graph_plan(self.plan.in_project)

    def plan_trial(self, values: Mapping[str, str]) -> RunPlan:
        """Return the plan of the trial with `values`, as typed, by full name of the variable."""

        context = self._context
        axes = [matrix.Axis(name, (value,)) for name, value in values.items()]
        cells = matrix.read_matrix(context.data, context.variables, axes, self._select, OPTION)
        return matrix_plan.plan_trial(cells)

    def begin(self, shared: RunContext) -> tuple[RunPlan, RunContext]:
        """Return the plan and the context of a run that searches. A dry run only shows it."""

        if shared.dry:
            return self.shared, shared
        from git_spacy.run.parallel import ParallelExecutor
        from git_spacy.run.search import Search

        executor, variants = ParallelExecutor(), shared.variants
        assert variants
        search = self._search = Search(
            self._options, self.plan_trial, self.plan, variants, shared.jobs,
            {c.variant_of for c in self.plan.commands if c.variant_of and c.name in shared.force},
            executor.cancel, shared.report,
        )  # fmt: skip
        examples = [command.name for command in self.plan.commands]
        show_running = shared.show_running
        return self.shared, shared._replace(
            executor=executor,
            report=search,
            search=search,
            keep_going=True,
            # the dependencies of trials to come stay as they are
            show_running=lambda running, waiting: show_running(running, (*waiting, *examples)),
        )

    def show_plan(self) -> None:
        """Print what would be searched."""

        from git_spacy.run.search import prefers_lower

        options = self._options
        number = int(min(options.trials, count_points(options.space)))
        output.message(f"would search with up to {number} trials of {', '.join(self._names())}:")
        for dimension in options.space:
            output.message(f"  {dimension.variable} {dimension.values.describe()}")
        is_lowest = prefers_lower(options.objective)
        name = options.objective.removeprefix("-") or "score of spaCy"
        output.message(f"  for the {'lowest' if is_lowest else 'highest'} {name}")

    def _names(self) -> list[str]:
        """Return the names of the commands that each trial runs, without values."""

        return list(dict.fromkeys(c.variant_of for c in self.plan.commands if c.variant_of))

    def show(self) -> None:
        """Print the trials, the best one first, and how to get it."""

        search = self._search
        if search is None or not search.results:
            return
        best = search.best()
        width = output.terminal_width() if output.is_terminal() else None
        output.result_painted(output.paint(f"trials of {', '.join(self._names())}", "bold"))
        for styled in lines(fitted(trial_columns(search), width).columns):
            pieces = (output.paint(text, "bold") if bold else text for text, bold in styled.pieces)
            output.result_painted("".join(pieces).rstrip())
        if best:
            output.result(f"  * {'lowest' if search.lower_is_better else 'highest'}")
        output.message(count_trials(search.results))
        if best:
            produced = [command for command in best.commands if command.produced]
            restore = output.as_typed_here(restore_command(produced, self._context.variables))
            output.message(f"To bring the best into the project: {restore}")


def trial_columns(search: Search) -> list[Column]:
    """Return the table of trials: number, values, and the objective, the best first."""

    best = search.best()
    sign = 1 if search.lower_is_better else -1
    results = sorted(
        search.results, key=lambda r: (r.value is None, sign * (r.value or 0), r.number)
    )
    bold = frozenset({0} if best else ())
    numbers = tuple(str(result.number) for result in results)
    columns = [Column("trial", numbers, bold=bold)]
    for name in results[0].values:
        cells = tuple(sanitize(result.values[name]) for result in results)
        columns.append(Column(single_line(name.partition(".")[2]), cells, bold=bold))
    scores = tuple(
        (result.state if result.value is None else format_number(result.value))
        + ("*" if result is best else " ")
        for result in results
    )
    return [*columns, Column(single_line(search.objective or "objective"), scores, bold=bold)]


def count_trials(results: Sequence[TrialResult]) -> str:
    """Return e.g. `20 trials: 12 complete, 7 pruned, 1 failed; 5 of them ran before`."""

    counts = Counter(sorted(result.state for result in results))
    text = ", ".join(f"{number} {state}" for state, number in counts.items())
    earlier = sum(result.earlier for result in results)
    before = f"; {earlier} of them ran before" if earlier else ""
    return f"{len(results)} trial{'s' if len(results) != 1 else ''}: {text}{before}"


def plan_search(
    context: CommandContext, options: Mapping[str, Any], select: CommandSelector
) -> PlannedSearch | None:
    """Return the search that the options of `git spacy run` ask for, or None.

    Raises InvalidInput for options that exclude each other, and as PlannedSearch does.
    """

    typed: Sequence[str] = options["dimensions"]
    if not typed:
        for name in ("trials", "objective", "search_seed"):
            if options[name] is not None:
                message = f"--{name.replace('_', '-')} belongs to a search"
                raise InvalidInput(message, hint=f"add {OPTION} VARIABLE=LOW..HIGH")
        return None
    from git_spacy.run.search import SearchOptions, require_optuna

    if options["axes"]:
        hint = f"list the values in an option of its own: {OPTION} VARIABLE=VALUE,VALUE"
        raise InvalidInput("--matrix and --search exclude each other", hint=hint)
    if options["executor"] == "ray" or options["address"]:
        raise InvalidInput(
            "a search runs on this machine, not on Ray",
            file=OPTION,
            hint="leave out --executor and --address; --jobs N runs N trials at a time",
        )
    dimensions = [search_space.parse_dimension(text) for text in typed]
    axes = [dimension.first() for dimension in dimensions]
    cells = matrix.read_matrix(context.data, context.variables, axes, select, OPTION)
    document = loader.resolve_document(context.data, context.variables)
    space = tuple(
        search_space.fit(dimension, name, loader.lookup(document, name))
        for dimension, name in zip(dimensions, cells.cells[0].values, strict=True)
    )
    require_optuna()
    search_options = SearchOptions(
        space, options["trials"] or TRIALS, options["objective"] or "", options["search_seed"] or 0
    )
    return PlannedSearch(context, search_options, select)


def _find_objective(context: CommandContext, plan: RunPlan, objective: str) -> str:
    """Return the objective, or "" if only the first trial will show which metrics there are.

    Raises InvalidInput if it is already known that there is none.
    """

    from git_spacy.run.search import choose_objective

    patterns = context.settings.get("spacy.metrics", "").split()
    isolated = [command for command in plan.commands if command.name in plan.isolated]
    files = [path for command in isolated for path in metric_files(command, patterns)]
    if not files:
        names = ", ".join(command.variant_of or command.name for command in isolated)
        others = [c.name for c in context.project.commands if metric_files(c, patterns)]
        raise InvalidInput(
            f"no metrics to search by: none of the outputs of {names} is a metrics file",
            file=OPTION,
            hint=f"also name a command that has one: {', '.join(others)}"
            if others
            else "list a .json file with numbers under 'outputs_no_cache' in project.yml",
        )
    known = {}
    for path in files:
        try:
            known[path.text] = metrics_in(context.root, path.normal)
        except OSError:
            return objective  # the first trial writes it
    if not any(known.values()):
        return objective
    chosen = choose_objective(objective.removeprefix("-"), flatten_metrics(known))
    return objective or chosen
