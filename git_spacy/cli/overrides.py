"""Parse overrides of variables: `--vars.x VALUE`, `--vars.x=VALUE`, `--set x=VALUE`.

In ascending precedence, they come from WEASEL_CONFIG_OVERRIDES, which is weasel's, from
GIT_SPACY_VARS and from the command line.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from git_spacy.errors import InvalidInput
from git_spacy.light_typing import Any
from git_spacy.project.variables import parse_override

_PREFIXES = ("--vars.", "--variables.")
_ENVIRONMENT = ("WEASEL_CONFIG_OVERRIDES", "GIT_SPACY_VARS")
VARIABLES = (("--vars.NAME VALUE, --set NAME=VALUE", "Override a variable in project.yml."),)


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


def as_options(overrides: Mapping[str, Any]) -> list[str]:
    """Return the arguments from which `split` reads `overrides`."""

    options = []
    for name, value in overrides.items():
        as_text = isinstance(value, str) and parse_override(value) == value
        text = value if as_text else json.dumps(value)
        if not f"--{name}".startswith(_PREFIXES):
            options += ["--set", f"{name}={text}"]
        else:
            options += [f"--{name}={text}"] if text.startswith("--") else [f"--{name}", text]
    return options


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
        result = merge(result, overrides)
    return result


def merge(base: Mapping[str, Any], overriding: Mapping[str, Any]) -> dict[str, Any]:
    """Return both, `overriding` last: the last value counts, and `x` and `vars.x` are the same."""

    return {
        **{name: value for name, value in base.items() if name not in overriding},
        **overriding,
    }
