"""Hints for what a user typed that does not exist, but resembles what does."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from git_spacy.cli import command_line
from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext
from git_spacy.cli.registry import ARGUMENTS, COMMANDS
from git_spacy.errors import GitSpacyError, UnknownRevision
from git_spacy.project.diagnostics import closest_name

# What completes the arguments of a command, if that is read quickly: users type these words with
# dashes, as in `git spacy run --all`.
_WORDS = ("checks", "commands and workflows", "integrations", "steps", "workflows")


def option_hint(error: click.NoSuchOption, arguments: Sequence[str]) -> str:
    """Return the command line `arguments` with the unknown option corrected, or "".

    It may be a value of another option (`--svg` for `--format svg`), a number (`-3`, as `git log`
    accepts it), a variable of the project, an argument, or similar to an option.
    """

    context, unknown = error.ctx, error.option_name
    typed = next((word for word in arguments if _is_option(word, unknown)), None)
    if context is None or typed is None:
        return ""
    option = (
        _option_with_value(context.command, unknown.lstrip("-"))
        or _option_with_number(context.command, typed)
        or _variable_option(context, unknown.lstrip("-"))
        or _argument(context, unknown.lstrip("-"))
        or _similar_option(context.command, unknown)
    )
    if not option:
        return ""
    rest = list(arguments)
    index = rest.index(typed)
    value = typed.removeprefix(unknown) if typed.startswith(f"{unknown}=") else ""
    rest[index : index + 1] = [*option[:-1], option[-1] + value]
    return f"did you mean: {shlex.join(['git', 'spacy', *rest])}"


def _is_option(word: str, name: str) -> bool:
    """Return whether `word` is the option `name`, with its value, or a number that begins so."""

    is_number = re.fullmatch(r"-\d+", word) is not None
    return word == name or word.startswith(f"{name}=") or (is_number and word.startswith(name))


def _option_with_value(command: click.Command, name: str) -> list[str] | None:
    """Return the words that choose the value `name` of an option of `command`."""

    for parameter in command.params:
        if isinstance(parameter.type, click.Choice) and name in parameter.type.choices:
            return [parameter.opts[0], name]
    return None


def _option_with_number(command: click.Command, typed: str) -> list[str] | None:
    """Return the words for a number such as `-3` if the command takes it as `-n 3`."""

    takes_number = any("-n" in parameter.opts for parameter in command.params)
    return ["-n", typed[1:]] if takes_number and typed[1:].isdigit() else None


def _variable_option(context: click.Context, name: str) -> list[str] | None:
    """Return the option that overrides the variable `name`, or the only one that ends with it."""

    if not isinstance(context.command, OverridingCommand):
        return None
    project: CommandContext = context.obj
    try:
        document = project.loaded.document
    except (GitSpacyError, OSError):
        return None
    variables = [
        f"{table}.{variable}"
        for table in ("vars", "variables")
        for variable in _leaves(document.get(table) or {})
    ]
    exact = [full for full in variables if full.partition(".")[2] == name]
    same_end = [full for full in variables if full.endswith(f".{name}")]
    found = exact or same_end
    return [f"--{found[0]}"] if len(found) == 1 else None


def _leaves(table: Mapping[str, Any]) -> Iterator[str]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from (f"{name}.{inner}" for inner in _leaves(value))
        else:
            yield name


def _argument(context: click.Context, name: str) -> list[str] | None:
    """Return the argument `name` of the command, e.g. a workflow, if it exists."""

    kind = ARGUMENTS.get(context.info_name or "")
    if kind not in _WORDS:
        return None
    return [name] if name in _words(str(kind), context.obj.cwd) else None


def _words(kind: str, folder: Path) -> list[str]:
    """Return the words of this kind that can be completed in `folder`."""

    from git_spacy.cli.completion import CANDIDATES

    try:
        return [word for word, _ in CANDIDATES[kind](folder)]
    except (GitSpacyError, OSError):
        return []


def _similar_option(command: click.Command, unknown: str) -> list[str] | None:
    """Return the option that is most similar to `unknown`, without regard to the dashes."""

    names = {
        name.lstrip("-"): name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    closest = closest_name(unknown.lstrip("-"), names)
    return [names[closest]] if closest else None


def command_hint(arguments: Sequence[str], folder: str) -> str:
    """Return what to type in place of a command line that does not begin with one of our commands.

    It may begin with a command or a workflow of the project in `folder`, the value of `-C`.
    """

    unknown, *rest = arguments
    closest = closest_name(unknown, (*COMMANDS, *_words("commands and workflows", Path(folder))))
    if closest is None:
        return "see 'git spacy -h'"
    if closest in COMMANDS:
        return f"did you mean '{closest}'?"
    options = [] if folder == "." else ["-C", folder]
    return f"did you mean: {shlex.join(['git', 'spacy', *options, 'run', closest, *rest])}"


def with_revision_hint(error: UnknownRevision, arguments: Sequence[str]) -> UnknownRevision:
    """Return the error, with another hint if the user typed a command or an output for a commit."""

    from git_spacy.project import loader

    try:
        commands = loader.load(loader.find(Path(command_line.in_project(""))), {}).commands
    except (GitSpacyError, OSError):
        return error
    name = " ".join(error.revisions)
    found = next(
        (
            command.name
            for command in commands
            if name in (command.name, *(path.text for path in command.produced))
        ),
        None,
    )
    if found is not None:
        hint = f"to list its runs: git spacy log --command {shlex.quote(found)}"
        if "restore" in arguments:
            hint = "to restore all outputs of a commit: git spacy restore HEAD"
        error.problems = (error.problems[0]._replace(hint=hint),)
    return error
