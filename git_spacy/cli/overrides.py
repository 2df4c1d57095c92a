"""Parse overrides of variables: `--vars.x VALUE`, `--vars.x=VALUE`, `--set x=VALUE`.

In ascending precedence, they come from WEASEL_CONFIG_OVERRIDES, which is weasel's, from
GIT_SPACY_VARS and from the command line.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import click

from git_spacy.errors import InvalidInput
from git_spacy.project.variables import parse_override

_PREFIXES = ("--vars.", "--variables.")
_ENVIRONMENT = ("WEASEL_CONFIG_OVERRIDES", "GIT_SPACY_VARS")
VARIABLES = (("--vars.NAME VALUE, --set NAME=VALUE", "Override a variable in project.yml."),)
_KEY = "git_spacy.overrides"


class OverridingCommand(click.Command):
    """A command that accepts override options anywhere on its command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest, overrides = split(args)
        ctx.meta[_KEY] = _merge(from_environment(os.environ), overrides)
        return super().parse_args(ctx, rest)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Variables"):
            formatter.write_dl(VARIABLES, col_max=40)


def current_overrides(ctx: click.Context) -> dict[str, Any]:
    """Return the overrides of the current command, by dotted name."""

    overrides: dict[str, Any] = ctx.meta[_KEY]
    return overrides


def split(args: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the arguments without overrides, and the overrides. Raises InvalidInput."""

    rest: list[str] = []
    overrides: dict[str, Any] = {}
    queue = list(args)
    while queue:
        argument = queue.pop(0)
        if argument == "--":
            rest += [argument, *queue]
            break
        if argument.startswith(_PREFIXES):
            name, has_value, text = argument[2:].partition("=")
            if not has_value:
                # As in weasel, an option without a value is a flag; -1 is a value.
                text = queue.pop(0) if queue and not queue[0].startswith("--") else "true"
            overrides[name] = parse_override(text)
        elif argument == "--set" or argument.startswith("--set="):
            pair = argument[6:] if argument.startswith("--set=") else queue.pop(0) if queue else ""
            name, has_value, text = pair.partition("=")
            if not name or not has_value:
                raise InvalidInput("--set requires NAME=VALUE", hint="e.g. --set seed=1")
            overrides[name] = parse_override(text)
        else:
            rest.append(argument)
    return rest, overrides


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the overrides in the environment, written as on the command line or as `x=VALUE`."""

    result: dict[str, Any] = {}
    for variable in _ENVIRONMENT:
        try:
            arguments = shlex.split(environ.get(variable, ""))
        except ValueError as error:
            raise InvalidInput(
                f"{variable}: {str(error).lower()}", hint="close the quote"
            ) from None
        rest, overrides = split(arguments)
        for argument in rest:
            name, has_value, text = argument.partition("=")
            if not has_value or name.startswith("-"):
                raise InvalidInput(
                    f"{variable}: '{argument}' is not an override",
                    hint="write --vars.NAME=VALUE or NAME=VALUE",
                )
            overrides[name] = parse_override(text)
        result = _merge(result, overrides)
    return result


def _merge(base: Mapping[str, Any], overriding: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, `overriding` last: the last value counts, and `x` and `vars.x` are the same."""

    return {
        **{name: value for name, value in base.items() if name not in overriding},
        **overriding,
    }
