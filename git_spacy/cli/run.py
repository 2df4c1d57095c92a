"""`git spacy run`: commands and workflows."""

from __future__ import annotations

import os
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

_MULTIPLE = 1 << 20  # at a time: a cluster knows itself how many it has room for


@click.command(cls=overrides.OverridingCommand, add_help_option=False)
@click.argument("names", nargs=-1, metavar="[NAME]... [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Run even what is current.")
@click.option(
    "-D", "--dry", "--dry-run", "dry", is_flag=True,
    help="Show what would run, and why; run nothing.",
)  # fmt: skip
@click.option("-u", "--upstream", is_flag=True, help="Run what it needs first, where stale.")
@click.option(
    "-j", "--jobs", type=click.IntRange(1), metavar="N",
    help="Run up to N commands at a time that do not depend on each other.",
)  # fmt: skip
@click.option("-k", "--keep-going", is_flag=True, help="Run what does not need what failed.")
@click.option(
    "--matrix", "axes", multiple=True, metavar="VAR=A,B",
    help="Once for each value (of each combination, if given again).",
)  # fmt: skip
@click.option(
    "--output", "form", type=click.Choice(("prefix", "grouped")), default="prefix",
    help="How several commands' output is told apart.",
)  # fmt: skip
@click.option(
    "--restore/--no-restore", default=None,
    help="Bring outputs that were made before instead of running.",
)  # fmt: skip
@click.option("--executor", type=click.Choice(("local", "ray")), help="Where commands run.")
@click.option("--address", metavar="ADDR", help="The Ray cluster, instead of one started here.")
@click.option("--no-wait", is_flag=True, help="Exit with 75 if another run is going on here.")
@click.option("-h", "--help", "show_help", is_flag=True, help="Show this, or NAME's own help.")
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
    form: Literal["prefix", "grouped"],
    restore: bool | None,
    executor: str | None,
    address: str | None,
    no_wait: bool,
    show_help: bool,
) -> None:
    """Run commands or workflows of project.yml, in order. What is current is skipped: a command
    runs again if its script, its dependencies or its outputs changed. Without a NAME, list them."""

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
            f"no {loader.PROJECT_FILE} in '{names[-1]}'", hint="name a project's folder"
        )
    graph.expand_names(project, names)  # names what there is no command of, before anything else
    if show_help:
        output.result("\n\n".join(help_of(project, name) for name in names))
        return

    from git_spacy.cli import run_output
    from git_spacy.cli.cache import output_source
    from git_spacy.git.settings import boolean, number, read_settings
    from git_spacy.run.executor import get_executor
    from git_spacy.run.scheduler import run as run_commands
    from git_spacy.state import lock
    from git_spacy.state.run_lock import project_lock
    from git_spacy.storage.run_cache import RunCache

    configured = read_settings(root)
    if address or executor == "ray":
        at_once = jobs or _MULTIPLE
    else:
        at_once = jobs or number(configured, "spacy.jobs")

    def chosen(project: Project) -> tuple[Command, ...]:
        some = graph.expand_names(project, names)
        return plan.with_producers(project, some) if upstream else some

    if axes:
        values = [matrix.parse_axis(axis) for axis in axes]
        commands = matrix.expand_matrix(
            loader.read_bytes(root), overrides.current_overrides(ctx), values, chosen
        )
        project = matrix.with_commands(project, commands)
    elif overrides.current_overrides(ctx):
        data = loader.read_bytes(root)
        entries = lock.read(root)
        commands = matrix.recorded_variants(
            data, overrides.current_overrides(ctx), chosen(project), entries
        )
        project = matrix.with_commands(project, commands)
    else:
        commands = chosen(project)
    if not (jobs or address or executor) and len(commands) == 1:
        at_once = 1  # the setting is for several: a server or a dialogue has the terminal
    is_alone = at_once == 1 and not (address or executor)
    named = {one.name for one in graph.expand_names(project, names)}
    forced = frozenset(
        one.name for one in commands if force and (one.variant_of or one.name) in named
    )
    in_turn = is_alone and not (axes or upstream or keep_going)
    planned = plan.sequential_plan(commands) if in_turn else plan.graph_plan(commands)
    turn = project_lock(root, os.environ, wait=not no_wait, waiting=report_waiting)
    with nullcontext() if dry else turn:
        shared = run_context(ctx, project, root, configured)._replace(
            force=forced, dry=dry, jobs=at_once, keep_going=keep_going
        )
        if not (dry or is_alone):
            name = executor or ("ray" if address else "local")
            shared = shared._replace(executor=get_executor(name, project, address))
        if not dry and (boolean(configured, "spacy.restore") if restore is None else restore):
            vault = RunCache(
                project, root, output_source(project, root, configured), os.environ, output.warning
            )
            shared = shared._replace(cache=vault)
        how: run_output.OutputFormat = "alone" if dry or is_alone else form
        with run_output.reporter(shared.python, how) as report:
            outcome = run_commands(planned, shared._replace(report=report))
    if len(planned.commands) > 1:
        output.note(summary(outcome, dry=dry))
    if error := outcome.error():
        raise error


def summary(outcome: RunOutcome, *, dry: bool) -> str:
    """What was done, in a line."""

    restored = f", restored {len(outcome.restored)}" if outcome.restored else ""
    verb = "would run" if dry else "ran"
    parts = [f"{verb} {len(outcome.ran)}, skipped {len(outcome.skipped)}{restored}"]
    if outcome.failed and not dry:
        parts.append("failed: " + ", ".join(name for name, _ in outcome.failed))
    if outcome.not_started:
        parts.append("not begun: " + ", ".join(outcome.not_started))
    return "; ".join(parts)


def run_context(
    ctx: click.Context, project: Project, root: Path, configured: Settings | None = None
) -> RunContext:
    """What the commands of one run share, by the user's settings (as `configured`, if they were
    asked for already); made when it is our turn, since it holds what is known of the files."""

    from git_spacy.git.settings import boolean, read_settings
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
        stats=StatCache.open(root),
        executor=ForegroundExecutor(),
        python=python,
        environ=os.environ,
        report=lambda _: None,
        recorder=recorder if boolean(configured, "spacy.notes") else None,
    )


def project_dir(start: Path, names: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """spaCy's own form has the project's folder as the last argument: take it off, if it is one."""

    if names and (start / names[-1] / loader.PROJECT_FILE).is_file():
        return start / names[-1], names[:-1]
    return start, names


def project_and_workflow(start: Path, names: tuple[str, ...]) -> tuple[Path, str | None]:
    """The same, of a verb that takes one workflow; which may also come last, in spaCy's own
    order."""

    if len(names) == 2 and (start / names[0] / loader.PROJECT_FILE).is_file():
        names = names[::-1]
    start, names = project_dir(start, names)
    if len(names) > 1:
        raise click.UsageError(f"one workflow, not {len(names)}")
    return start, names[0] if names else None


def report_waiting() -> None:
    """Somebody else has the project."""

    output.note("Waiting for another run in this project to end …")


def listing(project: Project) -> str:
    """What there is to run, with help texts."""

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
    """The help of one command or workflow."""

    workflow = project.workflow(name)
    if workflow:
        steps = [
            (step, command.help) for step in workflow.steps if (command := project.command(step))
        ]
        return f"git spacy run {name}\n\nIn this order:\n{output.columns(steps)}"
    command = project.command(name)
    if command is None:
        raise InvalidInput(f"no command '{name}'")
    parts = [f"git spacy run {name}", command.help] if command.help else [f"git spacy run {name}"]
    for title, lines in (
        ("Script", command.script),
        ("Needs", tuple(map(str, command.deps))),
        ("Makes", tuple(map(str, command.produced))),
    ):
        if lines:
            parts.append(f"{title}:\n" + "\n".join(f"  {line}" for line in lines))
    return "\n\n".join(parts)
