"""Hints for options that do not exist but resemble something else that a user can type."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from git_spacy.cli.command_class import OverridingCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import GitSpacyError


def option_hint(error: click.NoSuchOption, arguments: Sequence[str]) -> str:
    """Return the command line `arguments` with the unknown option corrected, or "".

    It may be a value of another option (`--svg` for `--format svg`), or a variable of the project.
    """

    if error.ctx is None:
        return ""
    name = error.option_name.lstrip("-")
    option = _option_with_value(error.ctx.command, name)
    if option is None and isinstance(error.ctx.command, OverridingCommand):
        option = _variable_option(error.ctx.obj, name)
    if option is None:
        return ""
    return f"did you mean: {_corrected(error.option_name, option, arguments)}"


def _option_with_value(command: click.Command, name: str) -> list[str] | None:
    """Return the words that choose the value `name` of an option of `command`."""

    for parameter in command.params:
        if isinstance(parameter.type, click.Choice) and name in parameter.type.choices:
            return [parameter.opts[0], name]
    return None


def _variable_option(context: CommandContext, name: str) -> list[str] | None:
    """Return the option that overrides the variable `name`, or the only one that ends with it."""

    try:
        document = context.loaded.document
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


def _corrected(unknown: str, option: list[str], arguments: Sequence[str]) -> str:
    """Return the command line with `option` in place of the first `unknown` option."""

    words = ["git", "spacy"]
    rest = iter(arguments)
    for word in rest:
        if word == unknown or word.startswith(f"{unknown}="):
            words += [*option[:-1], option[-1] + word.removeprefix(unknown)]
            break
        words.append(word)
    return shlex.join([*words, *rest])
