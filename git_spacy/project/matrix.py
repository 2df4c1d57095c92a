"""Command variants: a command run with other values of the variables that it uses.

A variant's name is what a user would type after `git spacy run`, e.g. `train --vars.seed 1`, also
in project.lock. To tools without variants it is an ordinary entry of a command that they do not
know.
"""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from git_spacy.errors import InvalidInput, Refused
from git_spacy.light_typing import Any, NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project import loader, variable_usage
from git_spacy.project.model import Command, Project
from git_spacy.project.variable_usage import VariableUsage
from git_spacy.project.variables import full_name, parse_override

_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_RANGE = compile_late(_NUMBER + r"\.\." + _NUMBER)

CommandSelector = Callable[[Project], Iterable[Command]]


_MAX_LISTED = 12  # values of a range in a hint


class Axis(NamedTuple):
    """A variable and its values, as typed on the command line."""

    variable: str
    values: tuple[str, ...]


def _values_in_range(low: str, high: str) -> Sequence[str]:
    """Return the integers of a short range, else both ends."""

    if all(end.lstrip("-").isdigit() for end in (low, high)):
        numbers = range(int(low), int(high) + 1)
        if 0 < len(numbers) <= _MAX_LISTED:
            return list(map(str, numbers))
    return low, high


def parse_axis(text: str, option: str = "--matrix") -> Axis:
    """Parse `vars.seed=0,1,2`, or a JSON list for values that contain commas.

    Raises InvalidInput for any other text and for repeated values, with the name of the option.
    """

    name, separator, values = text.partition("=")
    if option == "--matrix" and name and (ends := _RANGE.fullmatch(values)):
        listed = ",".join(_values_in_range(*ends.groups()))
        raise InvalidInput(
            f"'{values}' is a range, which only --search takes",
            file=option,
            hint=f"list the values: {option} {name}={listed}\nor search: --search {text}",
        )
    whole = parse_override(values)
    parsed = whole if isinstance(whole, list) else list(map(parse_override, values.split(",")))
    if not name or not separator or not parsed or "" in parsed:
        raise InvalidInput(
            f"invalid value '{text}'; expected VARIABLE=VALUE,VALUE",
            file=option,
            hint=f"e.g. {option} vars.seed=0,1,2",
        )
    typed = list(map(to_cli, parsed))
    if duplicate := next((value for value in typed if typed.count(value) > 1), None):
        raise InvalidInput(
            f"duplicate value {duplicate} in '{text}'",
            file=option,
            hint="remove one of them",
        )
    return Axis(name, tuple(typed))


def recorded_variants(
    data: bytes,
    overrides: Mapping[str, Any],
    commands: Iterable[Command],
    entries: Collection[str],
) -> tuple[Command, ...]:
    """Replace the commands that project.lock has recorded as variants by those variants.

    `data` is the content of project.yml, `commands` are its commands with `overrides`, and
    `entries` are the names of the lock entries.
    """

    variants = Variants(data)
    pairs = ((variants.variant(command.name, overrides), command) for command in commands)
    return tuple(
        variant if variant and variant.name in entries else command for variant, command in pairs
    )


class Variants:
    """The commands of one project.yml with any values of its variables."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._base_project = loader.parse(data).project
        usage = variable_usage.find_usage(data)
        self._variable_names = [".".join(parts) for parts in usage.variables]
        self._used = _used_variables(self._base_project, usage)
        self._projects: dict[str, Project | None] = {}

    def variant(self, name: str, overrides: Mapping[str, Any]) -> Command | None:
        """Return the command `name` with `overrides`, as a variant if they make a difference.

        Returns None if project.yml has no such command or variable.
        """

        key = json.dumps(overrides, sort_keys=True)
        if key not in self._projects:
            self._projects[key] = _try_parse(self._data, overrides)
        project = self._projects[key]
        command = project.command(name) if project else None
        if command is None:
            return None
        values = {variable: to_cli(value) for variable, value in self.full_names(overrides).items()}
        relevant = _relevant_values(values, self._variable_names, self._used[name])
        return _variant(command, relevant, self._base_project)

    def used_variables(self, name: str) -> list[str]:
        """Return the full names of the variables that a command uses, in project.yml's order."""

        return [
            variable for variable in self._variable_names if variable in self._used.get(name, ())
        ]

    def full_names(self, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Return `overrides` by full variable names. Raises InvalidInput for unknown variables."""

        return {
            full_name(self._variable_names, name, "--set"): value
            for name, value in overrides.items()
        }


class MatrixCell(NamedTuple):
    """One combination of values, as typed, by full variable name, and the commands with it."""

    values: Mapping[str, str]
    commands: tuple[Command, ...]


class Matrix(NamedTuple):
    """The commands that were selected, once per combination of values.

    `variables` are all variables of the project, in its order; `used` has those of each command.
    """

    base_project: Project
    variables: tuple[str, ...]
    used: Mapping[str, Collection[str]]
    cells: tuple[MatrixCell, ...]

    def variant(self, cell: MatrixCell, command: Command) -> Command:
        """Return a command of `cell` as a variant, or as it is if project.yml defines it so."""

        relevant = _relevant_values(cell.values, self.variables, self.used[command.name])
        return _variant(command, relevant, self.base_project)

    def variants(self) -> tuple[Command, ...]:
        """Return the commands of all cells, each once."""

        found = [self.variant(cell, command) for cell in self.cells for command in cell.commands]
        return tuple({command.name: command for command in found}.values())

    def named_variant(
        self, cell: MatrixCell, command: Command, variables: Collection[str]
    ) -> Command:
        """Return a command of `cell` as a variant with the values of `variables` in its name."""

        return _named(command, _relevant_values(cell.values, self.variables, variables))


def expand_matrix(
    data: bytes, overrides: Mapping[str, Any], axes: Sequence[Axis], select: CommandSelector
) -> tuple[Command, ...]:
    """Return the commands that `select` picks, once per combination of values that affects them.

    Raises as `read_matrix` does.
    """

    return read_matrix(data, overrides, axes, select).variants()


def read_matrix(
    data: bytes, overrides: Mapping[str, Any], axes: Sequence[Axis], select: CommandSelector,
    option: str = "--matrix",
) -> Matrix:  # fmt: skip
    """Return the commands that `select` picks, for each combination of values.

    A combination that gives a command as project.yml defines it yields that command itself, not a
    variant. Raises InvalidInput, also for a variable that none of them uses, or Refused; `option`
    is where the user typed the axes.
    """

    base_project = loader.parse(data, overrides).project
    usage = variable_usage.find_usage(data)
    variables = [".".join(parts) for parts in usage.variables]
    names = [full_name(variables, axis.variable, f"{option} {axis.variable}=…") for axis in axes]
    if duplicate := next((name for name in names if names.count(name) > 1), None):
        raise InvalidInput(
            f"variable '{duplicate}' is given twice",
            file=option,
            hint="list all its values in one option",
        )
    used = _used_variables(base_project, usage)
    _refuse_unused(names, [command.name for command in select(base_project)], used, option)
    cells = []
    for values in itertools.product(*(axis.values for axis in axes)):
        typed = dict(zip(names, values, strict=True))
        parsed = {name: parse_override(value) for name, value in typed.items()}
        commands = select(loader.parse(data, {**overrides, **parsed}).project)
        cells.append(MatrixCell(typed, tuple(commands)))
    return Matrix(base_project, tuple(variables), used, tuple(cells))


def _refuse_unused(
    variables: Iterable[str], commands: Sequence[str], used: Mapping[str, Collection[str]],
    option: str,
) -> None:  # fmt: skip
    """Raise InvalidInput if no command uses one of `variables`: all runs would be the same."""

    for variable in variables:
        if any(variable in used[name] for name in commands):
            continue
        users = [name for name in used if variable in used[name]]
        subject = f"'{commands[0]}' does not use" if len(commands) == 1 else "no command here uses"
        raise InvalidInput(
            f"{subject} '{variable}', so all runs would be the same",
            file=option,
            hint=f"commands that use it: {', '.join(users)}"
            if users
            else f"use it in a script line, as in ${{{variable}}}",
        )


def with_variants(project: Project, data: bytes, names: Iterable[str]) -> Project:
    """Return `project` with the variants of its commands that `names` (of lock entries) refer to.

    `data` is the content of its project.yml.
    """

    known = {command.name for command in project.commands}
    projects: dict[tuple[tuple[str, str], ...], Project | None] = {}
    variants = []
    for name in names:
        base, values = _parse_name(name)
        if name in known or base not in known:
            continue
        if values not in projects:
            overrides = {variable: parse_override(value) for variable, value in values}
            projects[values] = _try_parse(data, overrides)
        overridden = projects[values]
        command = overridden.command(base) if overridden else None
        if command:
            variants.append(command._replace(name=name, variant_of=base))
    return with_commands(project, variants)


def with_commands(project: Project, commands: Iterable[Command]) -> Project:
    """Return `project` with the variants among `commands` added."""

    variants = tuple(command for command in commands if command.variant_of)
    return project._replace(commands=(*project.commands, *variants))


def variant_variables(command: Command) -> dict[str, Any]:
    """Return the variables that a variant overrides, by full name; {} for any other command."""

    return split_name(command.name)[1] if command.variant_of else {}


def split_name(name: str) -> tuple[str, dict[str, Any]]:
    """Split a variant's name into the command and the overridden variables.

    Any other name is returned unchanged, with no variables.
    """

    base, values = _parse_name(name)
    return base or name, {variable: parse_override(value) for variable, value in values}


def command_line(commands: Iterable[Command]) -> str:
    """Return the shell command that runs `commands` in order.

    Consecutive commands with the same variables share one `git spacy run`.
    """

    lines = []
    for flags, group in itertools.groupby(commands, key=_flags):
        names = (shlex.quote(command.variant_of or command.name) for command in group)
        lines.append(" ".join(["git spacy run", *names, *flags]))
    return " && ".join(lines)


def _flags(command: Command) -> tuple[str, ...]:
    return tuple(map(shlex.quote, shlex.split(command.name)[1:])) if command.variant_of else ()


def _relevant_values(
    values: Mapping[str, str], variables: Iterable[str], used: Collection[str]
) -> dict[str, str]:
    """Return the values of used variables, in project.yml's order: a variant has only one name."""

    return {name: values[name] for name in variables if name in values and name in used}


def _variant(command: Command, values: Mapping[str, str], base_project: Project) -> Command:
    if not values or _is_same(command, base_project.command(command.name)):
        return command
    return _named(command, values)


def _named(command: Command, values: Mapping[str, str]) -> Command:
    words = [command.name]
    for name, value in values.items():
        words += [f"--{name}", value]
    return command._replace(name=shlex.join(words), variant_of=command.name)


def _used_variables(project: Project, usage: VariableUsage) -> dict[str, set[str]]:
    return {
        command.name: {".".join(parts) for parts in variables}
        for command, variables in zip(project.commands, usage.commands, strict=True)
    }


def to_cli(value: Any) -> str:
    """Return a value as a user would type it; `parse_override` is the inverse."""

    is_text = isinstance(value, str) and parse_override(value) == value
    return value if is_text else json.dumps(value)


def _is_same(command: Command, other: Command | None) -> bool:
    return other is not None and command._replace(help="", line=0) == other._replace(
        help="", line=0
    )


def _parse_name(name: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the command and the typed variables of a variant's name, or "" and () for others."""

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


def _try_parse(data: bytes, overrides: Mapping[str, Any]) -> Project | None:
    try:
        return loader.parse(data, overrides).project
    except (InvalidInput, Refused):
        return None
