"""Commands with other variables: one of each for every set of values. Pure.

A variant is called as one would type it, `train --vars.seed 1`, in project.lock as well: to those
who know nothing of variants it is one more entry, of a command that they do not have.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from git_spacy.errors import InvalidInput, Refused
from git_spacy.project import loader, variable_usage
from git_spacy.project.model import Command, Project
from git_spacy.project.variable_usage import VariableUsage
from git_spacy.project.variables import full_name, parse_override

_EXAMPLE = "for example --matrix vars.seed=0,1,2"
Choose = Callable[[Project], Iterable[Command]]


class Axis(NamedTuple):
    """A variable and its values, as they are typed."""

    variable: str
    values: tuple[str, ...]


def parse_axis(text: str) -> Axis:
    """`vars.seed=0,1,2`, or with a JSON list for values that have commas. Raises Malformed."""

    name, has_values, values = text.partition("=")
    listed = parse_override(values)
    parts = listed if isinstance(listed, list) else list(map(parse_override, values.split(",")))
    if not name or not has_values or not parts or "" in parts:
        raise InvalidInput(
            f"'{text}' is no VARIABLE=VALUE,VALUE", location="--matrix", hint=_EXAMPLE
        )
    typed = list(map(to_cli, parts))
    if twice := next((one for one in typed if typed.count(one) > 1), None):
        raise InvalidInput(f"'{text}' has {twice} twice", location="--matrix", hint="name it once")
    return Axis(name, tuple(typed))


def recorded_variants(
    data: bytes, overrides: Mapping[str, Any], some: Iterable[Command], entries: Collection[str]
) -> tuple[Command, ...]:
    """`some` of a project with `overrides`: as the variant, of what has an entry as such."""

    variants = Variants(data)
    named = ((variants.variant(command.name, overrides), command) for command in some)
    return tuple(one if one and one.name in entries else command for one, command in named)


class Variants:
    """The commands of one project.yml, of which `data` is the text, with any variables."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._plain = loader.parse(data).project
        known = variable_usage.find_usage(data)
        self._leaves = [".".join(parts) for parts in known.variables]
        self._used = _used(self._plain, known)
        self._loaded: dict[str, Project | None] = {}

    def variant(self, name: str, overrides: Mapping[str, Any]) -> Command | None:
        """The command `name` with `overrides`, called as a variant if they make it one. None:
        project.yml has no such command, or variable."""

        key = json.dumps(overrides, sort_keys=True)
        if key not in self._loaded:
            self._loaded[key] = _loaded(self._data, overrides)
        other = self._loaded[key]
        command = other.command(name) if other else None
        if command is None:
            return None
        values = {given: to_cli(value) for given, value in self.full_names(overrides).items()}
        return _variant(command, _own_values(values, self._leaves, self._used[name]), self._plain)

    def used_variables(self, name: str) -> list[str]:
        """The full names of the variables that a command depends on, as project.yml orders them."""

        return [leaf for leaf in self._leaves if leaf in self._used.get(name, ())]

    def full_names(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """`overrides` by their full names. Raises Malformed for what is no variable here."""

        return {full_name(self._leaves, name, "--set"): one for name, one in overrides.items()}


def expand_matrix(
    data: bytes, overrides: Mapping[str, Any], axes: Sequence[Axis], choose: Choose
) -> tuple[Command, ...]:
    """What `choose` takes of the project in each set of the values of `axes`, each command once
    for those that make a difference to it. As project.yml has it anyway, it is no variant.

    Raises Malformed, Unsafe.
    """

    plain = loader.parse(data, overrides).project
    known = variable_usage.find_usage(data)
    leaves = [".".join(parts) for parts in known.variables]
    names = [full_name(leaves, one.variable, f"--matrix {one.variable}=…") for one in axes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InvalidInput(
            f"--matrix: '{twice}' is there twice", hint="give it all its values at once"
        )
    used = _used(plain, known)
    found: dict[str, Command] = {}
    for values in itertools.product(*(one.values for one in axes)):
        typed = dict(zip(names, values, strict=True))
        given = {name: parse_override(value) for name, value in typed.items()}
        for command in choose(loader.parse(data, {**overrides, **given}).project):
            one = _variant(command, _own_values(typed, leaves, used[command.name]), plain)
            found[one.name] = one
    return tuple(found.values())


def with_variants(project: Project, data: bytes, names: Iterable[str]) -> Project:
    """`project`, of whose project.yml `data` is the text, and those of `names` that are variants of
    its commands (of entries in the lock, say)."""

    known = {command.name for command in project.commands}
    loaded: dict[tuple[tuple[str, str], ...], Project | None] = {}
    more = []
    for name in names:
        base, values = _parsed(name)
        if name in known or base not in known:
            continue
        if values not in loaded:
            given = {variable: parse_override(value) for variable, value in values}
            loaded[values] = _loaded(data, given)
        other = loaded[values]
        command = other.command(base) if other else None
        if command:
            more.append(command._replace(name=name, variant_of=base))
    return with_commands(project, more)


def with_commands(project: Project, commands: Iterable[Command]) -> Project:
    """`project` with those of `commands` that are variants."""

    variants = tuple(one for one in commands if one.variant_of)
    return project._replace(commands=(*project.commands, *variants))


def variant_variables(command: Command) -> dict[str, Any]:
    """What is set otherwise in a variant: names as the command line has them, and values."""

    return split_name(command.name)[1] if command.variant_of else {}


def split_name(name: str) -> tuple[str, dict[str, Any]]:
    """The command that a variant is of, and the variables that make it one, as its name has them;
    any other name as it is, and none."""

    base, values = _parsed(name)
    return base or name, {variable: parse_override(value) for variable, value in values}


def command_line(commands: Iterable[Command]) -> str:
    """What to type to run these, one after the other; those with the same variables at once."""

    lines = []
    for flags, some in itertools.groupby(commands, key=_flags):
        names = (shlex.quote(one.variant_of or one.name) for one in some)
        lines.append(" ".join(["git spacy run", *names, *flags]))
    return " && ".join(lines)


def _flags(command: Command) -> tuple[str, ...]:
    return tuple(map(shlex.quote, shlex.split(command.name)[1:])) if command.variant_of else ()


def _own_values(
    values: Mapping[str, str], leaves: Iterable[str], used: Collection[str]
) -> dict[str, str]:
    """Those of the values that make a difference, in the order of project.yml however they were
    given: a variant has one name."""

    return {name: values[name] for name in leaves if name in values and name in used}


def _variant(command: Command, own: Mapping[str, str], plain: Project) -> Command:
    if not own or _same(command, plain.command(command.name)):
        return command
    words = [command.name]
    for name, value in own.items():
        words += [f"--{name}", value]
    return command._replace(name=shlex.join(words), variant_of=command.name)


def _used(project: Project, known: VariableUsage) -> dict[str, set[str]]:
    return {
        command.name: {".".join(parts) for parts in some}
        for command, some in zip(project.commands, known.commands, strict=True)
    }


def to_cli(value: Any) -> str:
    """A value as one would type it, so that parse_override has it back."""

    is_text = isinstance(value, str) and parse_override(value) == value
    return value if is_text else json.dumps(value)


def _same(command: Command, other: Command | None) -> bool:
    return other is not None and command._replace(help="", line=0) == other._replace(
        help="", line=0
    )


def _parsed(name: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The command and the variables, as typed, that a variant's name has; "" if it is none."""

    try:
        base, *words = shlex.split(name)
    except ValueError:
        return "", ()
    flags, values = words[::2], words[1::2]
    if not flags or len(flags) != len(values) or not all(map(_is_flag, flags)):
        return "", ()
    return base, tuple((flag[2:], value) for flag, value in zip(flags, values, strict=True))


def _is_flag(word: str) -> bool:
    return word.startswith(("--vars.", "--variables."))


def _loaded(data: bytes, given: Mapping[str, Any]) -> Project | None:
    try:
        return loader.parse(data, given).project
    except (InvalidInput, Refused):
        return None
