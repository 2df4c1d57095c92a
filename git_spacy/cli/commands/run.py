"""`git spacy run`: run commands and workflows; helpers that other commands share."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from git_spacy.cli import output, overrides
from git_spacy.errors import InvalidInput
from git_spacy.project import graph, loader, matrix, plan
from git_spacy.project.model import Command, Project

if TYPE_CHECKING:
    from git_spacy.git.settings import Settings
    from git_spacy.run.scheduler import RunContext, RunOutcome

_UNLIMITED = 1 << 20  # commands at a time: a cluster schedules them itself


@click.command(cls=overrides.OverridingCommand, add_help_option=False)
@click.argument("names", nargs=-1, metavar="[NAME]... [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Run commands even if they are up to date.")
@click.option(
    "-D", "--dry", "--dry-run", "dry", is_flag=True,
    help="Show what would run, and why; run nothing.",
)  # fmt: skip
@click.option("-u", "--upstream", is_flag=True, help="Also run stale upstream commands first.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1), metavar="N",
    help="Run up to N independent commands at a time.",
)  # fmt: skip
@click.option(
    "-k", "--keep-going", is_flag=True,
    help="Keep running commands that do not depend on a failed one.",
)  # fmt: skip
@click.option(
    "--matrix", "axes", multiple=True, metavar="VAR=A,B",
    help="Run once per value; repeat for combinations.",
)  # fmt: skip
@click.option(
    "--output", "output_format", type=click.Choice(("prefix", "grouped")), default="prefix",
    show_default=True, help="Prefix lines with the command, or group them by command.",
)  # fmt: skip
@click.option(
    "--restore/--no-restore", default=None,
    help="Restore outputs from the cache instead of running.",
)  # fmt: skip
@click.option("--executor", type=click.Choice(("local", "ray")), help="Run locally or on Ray.")
@click.option("--address", metavar="ADDR", help="Use the Ray cluster at ADDR.")
@click.option("--no-wait", is_flag=True, help="Exit with 75 instead of waiting for another run.")
@click.option(
    "-h", "--help", "show_help", is_flag=True, help="Show this message, or describe NAME."
)
@click.pass_context
def run(
    ctx: click.Context,
    names: tuple[str, ...],
    force: bool,
    dry: bool,
    upstream: bool,
    jobs: int | None,
    keep_going: bool,
    axes: tuple[str, ...],
    output_format: Literal["prefix", "grouped"],
    restore: bool | None,
    executor: str | None,
    address: str | None,
    no_wait: bool,
    show_help: bool,
) -> None:
    """Run commands and workflows of project.yml, in order.

    A command is skipped if it is up to date: if neither its script nor its dependencies nor its
    outputs have changed since its last run. Without NAME, list the commands and workflows.

    PROJECT_DIR is a folder with a project.yml (default: the project around the current folder).
    """

    if show_help and not names:
        output.result(ctx.get_help())
        return
    start, names = project_dir(ctx.obj, names)
    root = loader.find(start)
    project = loader.load(root, overrides.current_overrides(ctx))
    for text in project.warnings:
        output.warning(text)
    if not names:
        output.result(listing(project))
        return
    if names[-1].startswith((".", "/")) and not project.command(names[-1]):
        raise InvalidInput(
            f"no {loader.PROJECT_FILE} in '{names[-1]}'", hint="name a folder with a project.yml"
        )
    graph.expand_names(project, names)  # report unknown names before anything else
    if show_help:
        output.result("\n\n".join(help_of(project, name) for name in names))
        return

    from git_spacy.cli import run_output
    from git_spacy.cli.commands.cache import output_source
    from git_spacy.git.settings import boolean, number, read_settings
    from git_spacy.lock import lock_format
    from git_spacy.run.executor import get_executor
    from git_spacy.run.scheduler import run as run_commands
    from git_spacy.state.run_lock import project_lock
    from git_spacy.storage.run_cache import RunCache

    configured = read_settings(root)
    if address or executor == "ray":
        at_once = jobs or _UNLIMITED
    else:
        at_once = jobs or number(configured, "spacy.jobs")

    def select(project: Project) -> tuple[Command, ...]:
        commands = graph.expand_names(project, names)
        return plan.with_producers(project, commands) if upstream else commands

    if axes:
        values = [matrix.parse_axis(axis) for axis in axes]
        commands = matrix.expand_matrix(
            loader.read_bytes(root), overrides.current_overrides(ctx), values, select
        )
        project = matrix.with_commands(project, commands)
    elif overrides.current_overrides(ctx):
        data = loader.read_bytes(root)
        entries = lock_format.read(root)
        commands = matrix.recorded_variants(
            data, overrides.current_overrides(ctx), select(project), entries
        )
        project = matrix.with_commands(project, commands)
    else:
        commands = select(project)
    if not (jobs or address or executor) and len(commands) == 1:
        at_once = 1  # a single command keeps the terminal: it may be a server or interactive
    is_alone = at_once == 1 and not (address or executor)
    requested = {command.name for command in graph.expand_names(project, names)}
    forced = frozenset(
        command.name
        for command in commands
        if force and (command.variant_of or command.name) in requested
    )
    is_sequential = is_alone and not (axes or upstream or keep_going)
    planned = plan.sequential_plan(commands) if is_sequential else plan.graph_plan(commands)
    locked = project_lock(root, os.environ, wait=not no_wait, waiting=report_waiting)
    with nullcontext() if dry else locked:
        shared = run_context(ctx, project, root, configured)._replace(
            force=forced, dry=dry, jobs=at_once, keep_going=keep_going
        )
        if not (dry or is_alone):
            name = executor or ("ray" if address else "local")
            shared = shared._replace(executor=get_executor(name, project, address))
        if not dry and (boolean(configured, "spacy.restore") if restore is None else restore):
            cache = RunCache(
                project, root, output_source(project, root, configured), os.environ, output.warning
            )
            shared = shared._replace(cache=cache)
        style: run_output.OutputFormat = "alone" if dry or is_alone else output_format
        with run_output.reporter(shared.python, style) as report:
            outcome = run_commands(planned, shared._replace(report=report))
    if len(planned.commands) > 1:
        output.message(summary(outcome, dry=dry))
    if not dry and (outcome.ran or outcome.restored) and output.is_terminal(sys.stderr):
        from git_spacy.cli.overview import files_to_commit

        if files := files_to_commit(root, project):
            output.message(f"project.lock has changes to commit: git add {shlex.join(files)}")
    if error := outcome.error():
        raise error


def summary(outcome: RunOutcome, *, dry: bool) -> str:
    """Return one line that says how many commands ran, were skipped, failed, …"""

    restored = f", restored {len(outcome.restored)}" if outcome.restored else ""
    word = "would run" if dry else "ran"
    parts = [f"{word} {len(outcome.ran)}, skipped {len(outcome.skipped)}{restored}"]
    if outcome.failed and not dry:
        parts.append("failed: " + ", ".join(name for name, _ in outcome.failed))
    if outcome.not_started:
        parts.append("not started: " + ", ".join(outcome.not_started))
    return "; ".join(parts)


def run_context(
    ctx: click.Context, project: Project, root: Path, configured: Settings | None = None
) -> RunContext:
    """Return the context that all commands of a run share.

    It follows the user's settings, which are read unless `configured` has them.

    Create it while holding the project's lock, since it reads the state of the files.
    """

    from git_spacy.git.settings import boolean, read_settings
    from git_spacy.lock.lock_file import LockFile
    from git_spacy.run.foreground import ForegroundExecutor
    from git_spacy.run.recorder import Recorder
    from git_spacy.run.scheduler import RunContext
    from git_spacy.run.script import find_interpreter
    from git_spacy.state.stat_cache import StatCache

    configured = read_settings(root) if configured is None else configured
    python = find_interpreter(root, configured, os.environ)
    recorder = Recorder(project, root, python, overrides.current_overrides(ctx), output.warning)
    return RunContext(
        project=project,
        root=root,
        lock=LockFile(root),
        stats=StatCache.open(root),
        executor=ForegroundExecutor(),
        python=python,
        environ=os.environ,
        report=lambda _: None,
        recorder=recorder if boolean(configured, "spacy.notes") else None,
    )


def project_dir(start: Path, names: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """Return the project's folder and the other arguments.

    The folder may be the last argument, as with `spacy project`; otherwise it is `start`.
    """

    if names and (start / names[-1] / loader.PROJECT_FILE).is_file():
        return start / names[-1], names[:-1]
    return start, names


def project_and_workflow(start: Path, names: tuple[str, ...]) -> tuple[Path, str | None]:
    """Return the project's folder and the workflow, which may come in any order."""

    if len(names) == 2 and (start / names[0] / loader.PROJECT_FILE).is_file():
        names = names[::-1]
    start, names = project_dir(start, names)
    if len(names) > 1:
        raise click.UsageError(f"expected one workflow, got {len(names)}")
    return start, names[0] if names else None


def report_waiting() -> None:
    """Report that another run has locked the project."""

    output.message("Waiting for another run in this project to end …")


def listing(project: Project) -> str:
    """Return the list of commands and workflows with their descriptions."""

    parts = [project.title] if project.title else []
    if project.commands:
        rows = [(command.name, command.help) for command in project.commands]
        parts.append("Commands (git spacy run NAME)\n" + output.columns(rows))
    if project.workflows:
        rows = [(workflow.name, " → ".join(workflow.steps)) for workflow in project.workflows]
        parts.append("Workflows\n" + output.columns(rows))
    if not project.commands:
        parts.append("project.yml defines no commands yet.")
    return "\n\n".join(parts)


def help_of(project: Project, name: str) -> str:
    """Return the description of one command or workflow."""

    workflow = project.workflow(name)
    if workflow:
        steps = [
            (step, command.help) for step in workflow.steps if (command := project.command(step))
        ]
        return f"git spacy run {name}\n\nIn this order:\n{output.columns(steps)}"
    command = project.command(name)
    if command is None:
        raise InvalidInput(f"unknown command or workflow '{name}'", hint="git spacy run")
    parts = [f"git spacy run {name}", command.help] if command.help else [f"git spacy run {name}"]
    for title, lines in (
        ("Script", command.script),
        ("Dependencies", tuple(map(str, command.deps))),
        ("Outputs", tuple(map(str, command.produced))),
    ):
        if lines:
            parts.append(f"{title}:\n" + "\n".join(f"  {line}" for line in lines))
    return "\n\n".join(parts)
