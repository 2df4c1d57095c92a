"""`git spacy run`: commands and workflows."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output, overrides
from git_spacy.errors import Malformed
from git_spacy.project import graph, loader
from git_spacy.project.model import Project

if TYPE_CHECKING:
    from git_spacy.run.loop import Run
    from git_spacy.run.reporter import Event
    from git_spacy.run.script import Interpreter


@click.command(cls=overrides.OverridingCommand, add_help_option=False)
@click.argument("names", nargs=-1, metavar="[NAME]... [PROJECT_DIR]")
@click.option("-F", "--force", is_flag=True, help="Run even what is current.")
@click.option("-D", "--dry", is_flag=True, help="Say what would run, and why; run nothing.")
@click.option("--no-wait", is_flag=True, help="Exit with 75 if another run is going on here.")
@click.option("-h", "--help", "show_help", is_flag=True, help="Show this, or NAME's own help.")
@click.pass_context
def run(
    ctx: click.Context,
    names: tuple[str, ...],
    force: bool,
    dry: bool,
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
    project = loader.load(root, overrides.given(ctx))
    for text in project.warnings:
        output.warning(text)
    if not names:
        output.result(listing(project))
        return
    if names[-1].startswith((".", "/")) and not project.command(names[-1]):
        raise Malformed(
            f"no {loader.PROJECT_FILE} in '{names[-1]}'", mend="name a project's folder"
        )
    commands = graph.order(project, names)
    if show_help:
        output.result("\n\n".join(help_of(project, name) for name in names))
        return

    from git_spacy.run.loop import run as run_commands
    from git_spacy.state.turn import taken

    turn = taken(root, os.environ, wait=not no_wait, waiting=say_waiting)
    with nullcontext() if dry else turn:
        shared = shared_by(ctx, project, root)._replace(force=force, dry=dry)
        outcome = run_commands(commands, shared)
    if len(commands) > 1:
        verb = "would run" if dry else "ran"
        output.note(f"{verb} {len(outcome.ran)}, skipped {len(outcome.skipped)}")


def shared_by(ctx: click.Context, project: Project, root: Path) -> Run:
    """What the commands of one run share, by the user's settings; made when it is our turn, since
    it holds what is known of the files."""

    from git_spacy.git.repository import boolean, settings
    from git_spacy.run.local import LocalExecutor
    from git_spacy.run.loop import Run
    from git_spacy.run.recorder import Recorder
    from git_spacy.run.script import interpreter
    from git_spacy.state.index import StatIndex

    configured = settings(root)
    python = interpreter(root, configured, os.environ)
    recorder = Recorder(project, root, python, overrides.given(ctx), output.warning)
    return Run(
        project=project,
        root=root,
        stats=StatIndex.open(root),
        executor=LocalExecutor(),
        python=python,
        environ=os.environ,
        report=reporter(python),
        recorder=recorder if boolean(configured, "spacy.notes", True) else None,
    )


def project_dir(start: Path, names: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    """spaCy's own form has the project's folder as the last argument: take it off, if it is one."""

    if names and (start / names[-1] / loader.PROJECT_FILE).is_file():
        return start / names[-1], names[:-1]
    return start, names


def say_waiting() -> None:
    """Somebody else has the project."""

    output.note("Waiting for another run in this project to end …")


def reporter(python: Interpreter) -> Callable[[Event], None]:
    """Renders the events of a run; says which Python is used, once, when it is."""

    from git_spacy.run import reporter as events

    said = False

    def say(event: Event) -> None:
        nonlocal said
        if isinstance(event, events.Skipped):
            output.note(f"==> {event.command}: up to date")
        elif isinstance(event, events.Started):
            if not (said or event.dry):
                output.note(f"Python: {python.path} ({python.chosen_by})")
                said = True
            verb = "would run" if event.dry else "running"
            first, *others = event.reasons
            output.note(f"==> {event.command}: {verb} ({first})")
            for reason in others:
                output.note(f"    and {reason}")
        elif isinstance(event, events.StepStarted):
            output.note(f"$ {event.line}")
        elif isinstance(event, events.Finished):
            output.note(f"==> {event.command}: done in {output.duration(event.seconds)}")
        elif isinstance(event, events.Warned):
            output.warning(event.text)

    return say


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
        raise Malformed(f"no command '{name}'")
    parts = [f"git spacy run {name}", command.help] if command.help else [f"git spacy run {name}"]
    for title, lines in (
        ("Script", command.script),
        ("Needs", tuple(map(str, command.deps))),
        ("Makes", tuple(map(str, command.produced))),
    ):
        if lines:
            parts.append(f"{title}:\n" + "\n".join(f"  {line}" for line in lines))
    return "\n\n".join(parts)
