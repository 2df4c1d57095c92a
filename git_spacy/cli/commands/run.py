"""`git spacy run`: run commands and workflows."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from git_spacy.cli import generated, output
from git_spacy.cli.context import CommandContext
from git_spacy.cli.declared import command, parameter
from git_spacy.cli.run_listing import help_of, listing
from git_spacy.cli.states import show_skipped
from git_spacy.errors import Interrupted, InvalidInput, Refused
from git_spacy.git.state_dir import state_dir
from git_spacy.light_typing import TYPE_CHECKING, Any, Literal, NamedTuple
from git_spacy.project import graph, loader, matrix, matrix_plan, plan
from git_spacy.project.documents import cached
from git_spacy.project.model import Command, Project
from git_spacy.project.permission import require_all_writable, written_by_commands
from git_spacy.run.outcome import RunOutcome

if TYPE_CHECKING:
    from git_spacy.cli.search import PlannedSearch
    from git_spacy.run.run_context import RunContext
    from git_spacy.state.run_lock import Registration

EXAMPLES = (
    ("git spacy run", "List commands and workflows."),
    ("git spacy run all", "Run the workflow 'all'; skip commands that are up to date."),
    ("git spacy run --dry all", "Show what would run, and why."),
    ("git spacy run train --vars.seed 7", "Run a command with another value of a variable."),
    (
        "git spacy run all --jobs 3 --matrix vars.seed=0,1,2",
        "Use three seeds in parallel.",
    ),
    ("git spacy run all --search vars.dropout=0.1..0.5", "Search for the best value."),
)
EXIT_STATUS = ("If a script fails, 'git spacy run' exits with the script's exit code.",)
SETTINGS = (
    "spacy.python", "spacy.jobs", "spacy.restore", "spacy.notes", "spacy.rayShared",
    "spacy.rayRequirements", "spacy.log", "spacy.allowOutside",
)  # fmt: skip

_SEARCH_OPTIONS = ("dimensions", "trials", "objective", "search_seed")
_MORE_THAN_SKIPPING = (
    "force", "dry", "axes", "executor", "address", "detach", "restore", *_SEARCH_OPTIONS
)  # fmt: skip
_UNLIMITED = 1 << 20  # commands at a time: a cluster schedules them itself


@command(
    parameter("names", nargs=-1, light=True, metavar="[NAME]... [PROJECT_DIR]"),
    parameter("-F", "--force", is_flag=True, help="Run commands even if they are up to date."),
    parameter(
        "-D", "--dry", "--dry-run", "dry", is_flag=True,
        help="Show what would run, and why; run nothing.",
    ),
    parameter("-u", "--upstream", is_flag=True, help="Also run stale upstream commands first."),
    parameter(
        "-j", "--jobs", minimum=1, light=True, metavar="N",
        help="Run up to N independent commands at a time.",
    ),
    parameter(
        "-k", "--keep-going", is_flag=True,
        help="Keep running commands that do not depend on a failed one.",
    ),
    parameter(
        "--matrix", "axes", multiple=True, metavar="VAR=A,B",
        help="Run once per value; repeat for combinations.",
    ),
    parameter(
        "--search", "dimensions", multiple=True, metavar="VAR=A..B",
        help="Search for the best value, with Optuna; repeatable.",
    ),
    parameter("--trials", minimum=1, metavar="N", help="Trials of a search. [20]"),
    parameter("--objective", metavar="METRIC", help="What a search improves: spaCy's score."),
    parameter("--search-seed", minimum=0, metavar="N", help="Seed of a search. [0]"),
    parameter(
        "--output", "output_format", choices=("prefix", "grouped"), default="prefix",
        show_default=True, help="Prefix lines with the command, or group them by command.",
    ),
    parameter(
        "--restore/--no-restore", default=None,
        help="Restore outputs from the cache instead of running.",
    ),
    parameter("--executor", choices=("local", "ray"), help="Run locally or on Ray."),
    parameter("--address", metavar="ADDR", help="Use the Ray cluster at ADDR."),
    parameter(
        "--detach", is_flag=True,
        help="Submit a job to the cluster and leave; see 'git spacy jobs'.",
    ),
    parameter(
        "--log/--no-log", default=None,
        help="Keep what the scripts print, also if that is a terminal.",
    ),
    parameter("--no-wait", is_flag=True, help="Exit with 75 instead of waiting for another run."),
    parameter(
        "-h", "--help", "show_help", is_flag=True, light=False,
        help="Show this message, or describe NAME.",
    ),
    has_overrides=True,
    add_help_option=False,
)  # fmt: skip
def run(
    context: CommandContext, /, names: tuple[str, ...], show_help: bool, **options: Any
) -> None:
    """Run commands and workflows of project.yml, in order.

    A command is skipped if it is up to date: if neither its script nor its dependencies nor its
    outputs have changed since its last run. Without NAME, list the commands and workflows.

    PROJECT_DIR is a folder with a project.yml (default: the project around the current folder).
    """

    if show_help and not names:
        output.result(_help_page())
        return
    context, names = context.split_project_dir(names)
    with cached(state_dir(context.root)) as documents:
        context.report_warnings()
        if not names:
            output.result(listing(context.project))
            return
        _check_names(context.project, names)
        if show_help:
            output.result("\n\n".join(help_of(context.project, name) for name in names))
            return
        if _report_up_to_date(context, names, options):
            return
    if documents.was_read:
        context = context.read_again()
    _run(context, names, options)


def _run(context: CommandContext, names: tuple[str, ...], options: dict[str, Any]) -> None:
    """Run what must run of the commands and workflows `names`."""

    if "DVC_STAGE" in os.environ:
        from git_spacy.state.dvc_files import check_labels

        check_labels(context.root, context.data, os.environ)
    request = _read_request(context, names, options)
    planned, jobs = _plan_run(context, request)
    _require_permission(context, request, planned)
    if request.detach and not request.dry:
        _submit(context, request, planned, jobs)
        return
    if request.dry:
        context.recover_outputs()
    started = time.time()
    with _results_if_interrupted(request), _lock(context, request, planned) as registration:
        outcome = _execute(context, request, planned, jobs, registration)
    if len(planned.commands) > 1:
        output.message(outcome.summary(dry=request.dry))
    if not request.dry and (outcome.ran or outcome.restored):
        if request.axes or context.variables or context.loaded.params:
            generated.update_gitignore(context, create=False)
        _show_what_to_commit(context, planned)
        _show_changed_metrics(context, planned, outcome, started)
        _show_what_dvc_misses(context, outcome)
    if planned.isolated:
        _show_variant_hints(context, request, planned, outcome)
    if error := outcome.error():
        raise error


def _help_page() -> str:
    import click

    return click.get_current_context().get_help()


def _report_up_to_date(
    context: CommandContext, names: tuple[str, ...], options: dict[str, Any]
) -> bool:
    """Report the commands as skipped, if it is clear at once that none of them has to run.

    Return whether that is so. Not if the options ask for more than that, or for another place.
    """

    from git_spacy.git.settings import boolean
    from git_spacy.run.up_to_date import is_up_to_date

    if any(options[name] not in (None, (), False) for name in _MORE_THAN_SKIPPING):
        return False
    request = _read_request(context, names, dict(options))
    planned, _ = _plan_run(context, request)
    if boolean(context.settings, "spacy.restore") and request.restore is None:
        return False
    if not is_up_to_date(context.project, planned.commands, context.root, os.environ):
        return False
    skipped = tuple(command.name for command in planned.commands)
    for name in skipped:
        show_skipped(name)
    if len(skipped) > 1:
        output.message(RunOutcome((), skipped).summary())
    return True


class _RunRequest(NamedTuple):
    """What was asked for on the command line: the names and the options."""

    names: tuple[str, ...]
    force: bool
    dry: bool
    upstream: bool
    jobs: int | None
    keep_going: bool
    axes: tuple[str, ...]
    output_format: Literal["prefix", "grouped"]
    restore: bool | None
    executor: str | None
    address: str | None
    detach: bool
    log: bool | None
    no_wait: bool
    search: PlannedSearch | None

    def is_alone(self, jobs: int) -> bool:
        """Return whether each command runs alone and has the terminal to itself."""

        return jobs == 1 and not (self.address or self.executor or self.search)

    def select(self, project: Project) -> tuple[Command, ...]:
        """Return the commands of `project` that were asked for, in order."""

        commands = graph.expand_names(project, self.names)
        return plan.with_producers(project, commands) if self.upstream else commands


def _read_request(
    context: CommandContext, names: tuple[str, ...], options: dict[str, Any]
) -> _RunRequest:
    search_options = {name: options.pop(name) for name in _SEARCH_OPTIONS}
    request = _RunRequest(names, search=None, **options)
    if any(value not in (None, ()) for value in search_options.values()):
        from git_spacy.cli.search import plan_search

        search = plan_search(context, {**options, **search_options}, request.select)
        request = request._replace(search=search)
    return request


def _submit(
    context: CommandContext, request: _RunRequest, planned: plan.RunPlan, jobs: int
) -> None:
    """Submit the run as a job of a cluster, after a dry run that shows what it will do."""

    from git_spacy.cli.detached_run import run_arguments, submit_run
    from git_spacy.jobs.jobs_api import jobs_address

    arguments = run_arguments(request._asdict())
    address = jobs_address(request.address, os.environ)
    context.recover_outputs()
    outcome = _execute(context, request._replace(dry=True), planned, jobs, None)
    if error := outcome.error():
        raise error
    submit_run(context, planned.commands, outcome.ran, arguments, address)


def _check_names(project: Project, names: tuple[str, ...]) -> None:
    """Report unknown names and folders before anything else."""

    if names[-1].startswith((".", "/")) and not project.command(names[-1]):
        raise InvalidInput(
            f"no {loader.PROJECT_FILE} in '{names[-1]}'", hint="name a folder with a project.yml"
        )
    graph.expand_names(project, names)


@contextmanager
def _results_if_interrupted(request: _RunRequest) -> Iterator[None]:
    """Print the trials of a search that is interrupted."""

    try:
        yield
    except Interrupted:
        if request.search:
            request.search.show()
        raise


def _plan_run(context: CommandContext, request: _RunRequest) -> tuple[plan.RunPlan, int]:
    """Return the plan, and how many commands may run at a time.

    Commands run in the given order if they run one by one and the first failure ends the run, else
    ordered by dependencies. For a matrix, and for overrides that project.lock has entries for,
    these are variants.
    """

    if request.search:
        planned = request.search.plan
        return planned, _count_jobs(context, request, planned.commands)
    if request.axes:
        axes = [matrix.parse_axis(axis) for axis in request.axes]
        cells = matrix.read_matrix(context.data, context.variables, axes, request.select)
        planned = matrix_plan.plan_matrix(cells)
        return planned, _count_jobs(context, request, planned.commands)
    commands = context.as_variants(request.select(context.project))
    jobs = _count_jobs(context, request, commands)
    if request.is_alone(jobs) and not (request.upstream or request.keep_going):
        return plan.sequential_plan(commands), jobs
    return plan.graph_plan(commands), jobs


def _count_jobs(
    context: CommandContext, request: _RunRequest, commands: tuple[Command, ...]
) -> int:
    """Return how many commands may run at a time."""

    from git_spacy.git.settings import number

    if request.jobs:
        return request.jobs
    if request.address or request.executor == "ray":
        return _UNLIMITED
    configured = number(context.settings, "spacy.jobs")
    # a single command keeps the terminal, since it may be a server or interactive
    return 1 if len(commands) == 1 and not request.executor else configured


def _require_permission(
    context: CommandContext, request: _RunRequest, planned: plan.RunPlan
) -> None:
    """Raise Refused if the run would write where the user did not allow it.

    Commands that are up to date write nothing.
    """

    isolated = [command for command in planned.commands if command.name in planned.isolated]
    if isolated:
        from git_spacy.run.variant_trees import require_inside

        require_inside(context.root, isolated)
    written = written_by_commands(context.loaded, context.root, planned.commands)
    try:
        with context.write_permission():
            require_all_writable(context.root, written)
    except Refused:
        if request.force or not _all_up_to_date(context, planned):
            raise


def _all_up_to_date(context: CommandContext, planned: plan.RunPlan) -> bool:
    from git_spacy.check.project_status import project_status

    project = matrix.with_commands(context.project, planned.in_project)
    verdicts = project_status(project, context.root, os.environ).commands
    return not planned.isolated and all(
        verdicts[command.name].state == "up_to_date" for command in planned.commands
    )


def _lock(
    context: CommandContext, request: _RunRequest, planned: plan.RunPlan
) -> AbstractContextManager[Registration | None]:
    """Keep other processes from the files of the planned commands. A dry run changes nothing."""

    from git_spacy.state.run_lock import claim_commands

    if request.dry:
        return nullcontext()
    claims = [
        claim._replace(writes=()) if claim.name in planned.isolated else claim
        for claim in claim_commands(context.root, planned.commands)
    ]
    return context.lock(claims, wait=not request.no_wait)


def _execute(
    context: CommandContext,
    request: _RunRequest,
    planned: plan.RunPlan,
    jobs: int,
    registration: Registration | None,
) -> RunOutcome:
    """Run the commands, or show what would run, while no other process changes their files."""

    from git_spacy.cli import run_output
    from git_spacy.run.scheduler import run as run_commands

    project = matrix.with_commands(context.project, planned.in_project)
    shared = context.run_context(project)._replace(
        force=_forced_names(context.project, request, planned),
        dry=request.dry,
        jobs=jobs,
        keep_going=request.keep_going,
    )
    if registration:
        shared = shared._replace(
            show_running=registration.show_running, environ=registration.child_env(os.environ)
        )
    is_alone = request.dry or request.is_alone(jobs)
    if not is_alone:
        shared = _with_executor(shared, request)
    process = registration.id if registration else "dry run"
    shared = _with_cache(shared, context, request, planned, process)
    style: run_output.OutputFormat = "alone" if is_alone else request.output_format
    with run_output.reporter(shared.python, style) as report:
        shared = shared._replace(report=report)
        if not request.dry and _wants_logs(context, request, is_alone=is_alone):
            shared = _with_logs(shared, planned, is_alone=is_alone)
        if request.search:
            planned, shared = request.search.begin(shared)
        return run_commands(planned, shared)


def _forced_names(project: Project, request: _RunRequest, planned: plan.RunPlan) -> frozenset[str]:
    """Return the commands that run even if they are up to date: those that --force names."""

    if not request.force:
        return frozenset()
    requested = {command.name for command in graph.expand_names(project, request.names)}
    return frozenset(
        command.name
        for command in planned.commands
        if (command.variant_of or command.name) in requested
    )


def _with_executor(shared: RunContext, request: _RunRequest) -> RunContext:
    from git_spacy.run.executor import get_executor

    name = request.executor or ("ray" if request.address else "local")
    return shared._replace(executor=get_executor(name, shared.project, request.address))


def _with_cache(
    shared: RunContext, context: CommandContext, request: _RunRequest, planned: plan.RunPlan,
    process: str,
) -> RunContext:  # fmt: skip
    """Add the cache that outputs are restored from, if the options or the settings ask for it.

    The outputs of isolated variants are kept nowhere else.
    """

    from git_spacy.git.settings import boolean

    if request.restore is None:
        is_wanted = boolean(context.settings, "spacy.restore")
    else:
        is_wanted = request.restore
    if not planned.isolated and (request.dry or not is_wanted):
        return shared
    from git_spacy.storage.run_cache import RunCache

    source = context.output_source(shared.project)
    cache = RunCache(shared.project, context.root, source, os.environ, output.diagnostic)
    if planned.isolated:
        from git_spacy.run.variant_runs import VariantRuns
        from git_spacy.state.variant_folder import variant_folder

        folder = variant_folder(context.root, process)
        variants = VariantRuns(
            planned.commands, planned.isolated, cache, folder, may_restore=is_wanted,
            metric_patterns=context.settings.get("spacy.metrics", "").split(),
        )  # fmt: skip
        shared = shared._replace(variants=variants)
    return shared._replace(cache=None if request.dry or not is_wanted else cache)


def _wants_logs(context: CommandContext, request: _RunRequest, *, is_alone: bool) -> bool:
    """Return whether to log what scripts print. By default, not if a script prints to a terminal,
    since that would not be the script's own any more."""

    from git_spacy.git.settings import boolean

    if request.log is not None:
        return request.log
    if "spacy.log" in context.settings:
        return boolean(context.settings, "spacy.log")
    return not (is_alone and (output.is_terminal() or output.is_terminal(sys.stderr)))


def _with_logs(shared: RunContext, planned: plan.RunPlan, *, is_alone: bool) -> RunContext:
    from git_spacy.run.foreground import ForegroundExecutor
    from git_spacy.run.logs import RunLogs

    logs = RunLogs(shared.root, planned.commands, shared.report)
    executor = ForegroundExecutor(is_relayed=True) if is_alone else shared.executor
    return shared._replace(report=logs, logs=logs, executor=executor)


def _show_variant_hints(
    context: CommandContext, request: _RunRequest, planned: plan.RunPlan, outcome: RunOutcome
) -> None:
    """Print how to compare variants that ran in copies of the project, and how to get one."""

    if request.search:
        show = request.search.show_plan if request.dry else request.search.show
        show()
    if request.search or request.dry:
        return

    from git_spacy.cli.variant_hints import show_variant_hints
    from git_spacy.git.repository import Repository
    from git_spacy.git.settings import boolean

    has_history = boolean(context.settings, "spacy.notes") and Repository.discover(context.root)
    show_variant_hints(planned, outcome, context.variables, can_compare=bool(has_history))


def _show_what_to_commit(context: CommandContext, planned: plan.RunPlan) -> None:
    """Print to a terminal how to add the results to a commit; scripts know what they run."""

    if not output.is_terminal(sys.stderr):
        return
    from git_spacy.cli.overview import files_to_commit

    project = matrix.with_commands(context.project, planned.in_project)
    if files := files_to_commit(context.root, project):
        output.message(f"project.lock has changes to commit: git add {shlex.join(files)}")


def _show_what_dvc_misses(context: CommandContext, outcome: RunOutcome) -> None:
    """Print how to tell DVC of the commands that ran, which it would run again otherwise.

    Not if they ran with variables that DVC does not know: it would label them with others.
    """

    if context.variables:
        return
    from git_spacy.state.dvc_files import stages_to_commit

    names = stages_to_commit(context.root, (*outcome.ran, *outcome.restored), os.environ)
    if names:
        folder = os.path.relpath(context.root)
        targets = [name if folder == "." else f"{folder}/dvc.yaml:{name}" for name in names]
        output.message(f"for dvc.lock, too: dvc commit --force {shlex.join(targets)}")


def _show_changed_metrics(
    context: CommandContext, planned: plan.RunPlan, outcome: RunOutcome, started: float
) -> None:
    """Print what became better or worse than in HEAD, if any of the commands that ran has
    metrics."""

    from git_spacy.cli.metric_changes import changes_line

    names = {*outcome.ran, *outcome.restored}
    ran = [command for command in planned.in_project if command.name in names]
    if text := changes_line(context, ran, started):
        output.message(text)
