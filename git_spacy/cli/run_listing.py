"""Describe the commands and workflows of a project."""

from __future__ import annotations

from git_spacy.cli import output
from git_spacy.errors import InvalidInput
from git_spacy.project.model import Project
from git_spacy.project.paths import ProjectPath


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
        ("Dependencies", tuple(map(_marked, command.deps))),
        ("Outputs", tuple(map(_marked, command.produced))),
    ):
        if lines:
            parts.append(f"{title}:\n" + "\n".join(f"  {line}" for line in lines))
    return "\n\n".join(parts)


def _marked(path: ProjectPath) -> str:
    return f"{path}  (outside the project)" if path.outside else path.text
