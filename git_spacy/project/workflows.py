"""The `workflows:` section of project.yml: named sequences of commands and of other workflows."""

from __future__ import annotations

from collections.abc import Iterable

from git_spacy.project import graph
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.documents import Node
from git_spacy.project.model import Command, Workflow
from git_spacy.project.node_reader import NodeReader


def read_workflows(
    reader: NodeReader, node: Node | None, commands: Iterable[Command], *, complete: bool = True
) -> tuple[Workflow, ...]:
    """Read the workflows from the `workflows:` node, with the workflows in them expanded.

    A command in several workflows of one workflow runs once, where it comes first. Problems are
    reported to `reader`, and such repeats as warnings. Unknown commands are not if `commands` is
    not `complete`: those that have problems themselves are missing.
    """

    names = [command.name for command in commands]
    table = reader.table(node, "workflows")
    steps: dict[str, dict[str, Node]] = {}
    listed: dict[str, list[str]] = {}
    for name, inner in table.items():
        if name in names:
            message = f"workflow '{name}' has the same name as a command"
            reader.problem(inner, message, "rename one of them", at_key=True)
        texts = [
            (text, step)
            for step in reader.items(inner, f"workflow '{name}'")
            if (text := reader.text(step, f"step of workflow '{name}'"))
        ]
        listed[name] = [text for text, _ in texts]
        steps[name] = {}
        for text, step in texts:
            if complete and text not in names and text not in table:
                hint = did_you_mean(text, [*names, *table]) or (
                    f"available commands: {', '.join(names)}"
                    if names
                    else "define it under 'commands:'"
                )
                reader.problem(step, f"unknown command '{text}' in workflow '{name}'", hint)
            # of a repeated step the last counts, which is the one to remove
            steps[name][text] = step
    nested = {
        name: tuple(dict.fromkeys(text for text in texts if text in table and text not in names))
        for name, texts in listed.items()
    }
    if cycle := graph.find_cycle(nested):
        outer, last = cycle[0], cycle[1 % len(cycle)]
        chain = " → ".join(f"'{name}'" for name in (outer, *reversed(cycle)))
        step = steps[last][outer]
        reader.problem(step, f"workflow cycle: {chain}", f"remove '{outer}' from '{last}'")
        return ()
    expanded = _expand(reader, listed, nested, steps)
    return tuple(
        Workflow(name, expanded[name], inner.position[0], nested[name])
        for name, inner in table.items()
    )


def _expand(
    reader: NodeReader,
    listed: dict[str, list[str]],
    nested: dict[str, tuple[str, ...]],
    steps: dict[str, dict[str, Node]],
) -> dict[str, tuple[str, ...]]:
    """Return the commands of each workflow. Warn of those that are in it more than once by way of
    other workflows."""

    expanded: dict[str, tuple[str, ...]] = {}
    for name in graph.topological_sort(nested):
        found: list[str] = []
        sources: dict[str, str] = {}  # by command: the step that it comes from
        for step in listed[name]:
            is_workflow = step in nested[name]
            commands = expanded[step] if is_workflow else (step,)
            repeated = [command for command in dict.fromkeys(commands) if command in sources]
            if any(is_workflow or sources[command] != command for command in repeated):
                _warn_of_repeats(
                    reader, steps[name][step], name, step, repeated, sources,
                    removable=len(repeated) == len(set(commands)),
                )  # fmt: skip
                commands = tuple(command for command in commands if command not in sources)
            found += commands
            sources.update(dict.fromkeys(commands, step))
        expanded[name] = tuple(found)
    return expanded


def _warn_of_repeats(
    reader: NodeReader, node: Node, name: str, step: str, repeated: list[str],
    sources: dict[str, str], *, removable: bool,
) -> None:  # fmt: skip
    commands = ", ".join(f"'{command}'" for command in repeated)
    others = dict.fromkeys(sources[command] for command in repeated)
    ways = [other for other in others if other not in repeated] or [step]
    chain = " and ".join(f"'{name}' → '{way}'" for way in ways)
    message = f"workflow '{name}' has {commands} more than once ({chain}): " + (
        "each runs once" if len(repeated) > 1 else "it runs once"
    )
    hint = f"remove '{step}' from '{name}'"
    if not removable:
        hint = f"list the other commands of '{step}' in its place"
    reader.warn(node, message, hint)


def read_command_names(
    reader: NodeReader, node: Node | None, commands: Iterable[Command]
) -> list[str]:
    """Return the names in `keep_outputs`, and report unknown ones to `reader`."""

    names = [command.name for command in commands]
    found = []
    for item in reader.items(node, "keep_outputs"):
        text = reader.text(item, "name in 'keep_outputs'")
        if text and text not in names:
            hint = did_you_mean(text, names) or "define the command, or remove it here"
            reader.problem(item, f"unknown command '{text}' in 'keep_outputs'", hint)
        found.append(text)
    return found
