"""`--vars.x VALUE`, `--vars.x=VALUE`, `--set x=VALUE`, and the two environment variables.

The weakest first: WEASEL_CONFIG_OVERRIDES (the reference's), GIT_SPACY_VARS, the command line.
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
VARIABLES = (("--vars.NAME VALUE, --set NAME=VALUE", "Override a variable of project.yml."),)
_KEY = "git_spacy.overrides"


class OverridingCommand(click.Command):
    """A command that takes the override options wherever they stand on its line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest, overrides = split(args)
        ctx.meta[_KEY] = _stronger(from_environment(os.environ), overrides)
        return super().parse_args(ctx, rest)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Variables"):
            formatter.write_dl(VARIABLES)


def current_overrides(ctx: click.Context) -> dict[str, Any]:
    """The overrides of the command that runs: dotted name to value."""

    overrides: dict[str, Any] = ctx.meta[_KEY]
    return overrides


def split(args: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
    """The arguments without the overrides, and the overrides. Raises Malformed."""

    rest: list[str] = []
    overrides: dict[str, Any] = {}
    queue = list(args)
    while queue:
        word = queue.pop(0)
        if word == "--":
            rest += [word, *queue]
            break
        if word.startswith(_PREFIXES):
            name, has_value, text = word[2:].partition("=")
            if not has_value:
                # like the reference: an option with nothing behind it is a flag; -1 is a value
                text = queue.pop(0) if queue and not queue[0].startswith("--") else "true"
            overrides[name] = parse_override(text)
        elif word == "--set" or word.startswith("--set="):
            pair = word[6:] if word.startswith("--set=") else queue.pop(0) if queue else ""
            name, has_value, text = pair.partition("=")
            if not name or not has_value:
                raise InvalidInput("--set needs NAME=VALUE", hint="for example --set seed=1")
            overrides[name] = parse_override(text)
        else:
            rest.append(word)
    return rest, overrides


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """The overrides that the environment holds: the command line's forms, or `x=VALUE`."""

    result: dict[str, Any] = {}
    for variable in _ENVIRONMENT:
        try:
            words = shlex.split(environ.get(variable, ""))
        except ValueError as error:
            raise InvalidInput(
                f"{variable}: {str(error).lower()}", hint="close the quote"
            ) from None
        rest, overrides = split(words)
        for word in rest:
            name, has_value, text = word.partition("=")
            if not has_value or name.startswith("-"):
                raise InvalidInput(
                    f"{variable}: '{word}' is not an override",
                    hint="write --vars.NAME=VALUE or NAME=VALUE",
                )
            overrides[name] = parse_override(text)
        result = _stronger(result, overrides)
    return result


def _stronger(weak: Mapping[str, Any], strong: Mapping[str, Any]) -> dict[str, Any]:
    """Both, the strong ones last: `x` and `vars.x` are one variable, and the last one counts."""

    return {**{name: value for name, value in weak.items() if name not in strong}, **strong}
