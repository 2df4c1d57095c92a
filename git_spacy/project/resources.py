"""The `resources:` section of project.yml: the machine resources and the limits of commands.

Amounts follow Ray's rules: fractions are allowed up to 1, whole numbers above.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from git_spacy.light_typing import Any
from git_spacy.patterns import compile_late
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.documents import Node
from git_spacy.project.model import Command, Resources, Timeout
from git_spacy.project.node_reader import NodeReader, type_name
from git_spacy.project.schema_keys import (
    BUILT_IN,
    DURATION,
    LEAST_AMOUNT,
    MAX_COUNT,
    KeyTable,
)

_DURATION = compile_late(DURATION)
_DURATION_PART = compile_late("([0-9.]+) *([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def read_resources(
    reader: NodeReader, node: Node | None, table: KeyTable, commands: Iterable[Command]
) -> Mapping[str, Resources]:
    """Read the resources of `commands` from the `resources:` node, by command name.

    Problems are reported to `reader`.
    """

    names = [command.name for command in commands]
    resources = {}
    for name, inner in reader.table(node, "resources").items():
        if name not in names:
            hint = did_you_mean(name, names) or "define the command, or remove it here"
            reader.problem(inner, f"unknown command '{name}' in 'resources'", hint, at_key=True)
        elif not isinstance(inner.value, dict):
            message = f"resources of '{name}' must be a mapping, not {type_name(inner)}"
            hint = "write e.g. 'num_cpus: 4' below it, indented"
            reader.problem(inner, message, hint, at_key=True)
        else:
            resources[name] = _resources(reader, inner, table, f"resources of '{name}'")
    return MappingProxyType(resources)


def _resources(reader: NodeReader, node: Node, table: KeyTable, owner: str) -> Resources:
    reader.check_keys(node, table, f"in {owner}")
    values: dict[str, Any] = {}
    for key, inner in node.value.items():
        if key in table.keys and (read_value := _VALUE_READERS.get(table.keys[key].kind)):
            values[key] = read_value(reader, inner, f"{owner}: {key}")
    custom = values.pop("resources", ())
    return Resources(**values, custom=custom)


def _is_finite(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an int larger than any float
        return False


def _amount(reader: NodeReader, node: Node, name: str) -> float | None:
    value = node.value
    if not _is_finite(value):
        reader.problem(node, f"{name} must be a number", "write e.g. 1 or 0.5")
    elif value < 0:
        reader.problem(node, f"{name} must not be negative", "write 0 or a positive number")
    elif 0 < value < LEAST_AMOUNT:
        message = f"{name} must be 0 or at least {LEAST_AMOUNT}, the precision of Ray"
        reader.problem(node, message, f"write {LEAST_AMOUNT}, or a larger number")
    elif value > 1 and value != int(value):
        message = f"{name} must be a whole number if it is greater than 1"
        reader.problem(node, message, f"write {int(value)} or {int(value) + 1}")
    else:
        amount: float = value
        return amount
    return None


def _bytes(reader: NodeReader, node: Node, name: str) -> int | None:
    value = node.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        reader.problem(node, f"{name} must be a number of bytes", "write e.g. 8_000_000_000 (8 GB)")
        return None
    return value


def _amounts(reader: NodeReader, node: Node, name: str) -> tuple[tuple[str, float], ...]:
    amounts = []
    for custom, inner in reader.table(node, name).items():
        if not custom:
            reader.problem(inner, f"{name} has an empty key", "add a name", at_key=True)
        elif custom in BUILT_IN:
            message = f"{name}: '{custom}' is a built-in resource"
            reader.problem(inner, message, "use num_cpus, num_gpus or memory instead", at_key=True)
        elif (amount := _amount(reader, inner, f"{name}.{custom}")) is not None:
            amounts.append((custom, amount))
    return tuple(amounts)


def _duration(reader: NodeReader, node: Node, name: str) -> Timeout | None:
    value = node.value
    seconds, text = 0.0, ""
    if isinstance(value, str) and _DURATION.fullmatch(value):
        parts = _DURATION_PART.findall(value)
        seconds, text = sum(float(number) * _UNITS[unit] for number, unit in parts), value.strip()
    elif _is_finite(value):
        seconds, text = float(value), f"{value} s"
    else:
        message = f"{name} must be a number of seconds, or of s, m, h or d (days)"
        reader.problem(node, message, "write e.g. 90s, 30m or 1h30m")
        return None
    if seconds <= 0:
        hint = "write e.g. 30m; for no limit, remove the line"
        reader.problem(node, f"{name} must be greater than 0", hint)
        return None
    return Timeout(seconds, text, node.line, node.column)


def _count(reader: NodeReader, node: Node, name: str) -> int | None:
    value = node.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        message = f"{name} must be a whole number from 0 to {MAX_COUNT}"
        reader.problem(node, message, "write e.g. 2")
        return None
    return value


def _text(reader: NodeReader, node: Node, name: str) -> str | None:
    return reader.text(node, name) or None


_VALUE_READERS: dict[str, Callable[[NodeReader, Node, str], Any]] = {
    "amount": _amount,
    "bytes": _bytes,
    "amounts": _amounts,
    "duration": _duration,
    "count": _count,
    "text": _text,
}
