"""What commands need of a machine: the `resources:` of project.yml.

Keeps to what Ray takes: parts of one, but whole numbers above that. Knows no machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Command, Resources
from git_spacy.project.schema_keys import BUILT_IN, KeyTable
from git_spacy.project.yaml import Node


class NodeReader(Protocol):
    """Notes what is wrong with nodes."""

    def problem(self, node: Node, what: str, hint: str = "", *, key: bool = False) -> None: ...
    def table(self, node: Node | None, name: str) -> dict[str, Node]: ...
    def known_keys(self, node: Node, table: KeyTable, owner: str) -> None: ...
    def text(self, node: Node, name: str) -> str: ...


def read_resources(
    reader: NodeReader, node: Node | None, table: KeyTable, commands: Iterable[Command]
) -> Mapping[str, Resources]:
    """The needs of `commands`, by name, as `node` has them."""

    names = [command.name for command in commands]
    found = {}
    for name, inner in reader.table(node, "resources").items():
        if name not in names:
            hint = did_you_mean(name, names) or "name a command, or remove it"
            what = f"'resources' names the command '{name}', which is not defined"
            reader.problem(inner, what, hint, key=True)
        elif not isinstance(inner.value, dict):
            what = f"the resources of '{name}' are not a mapping"
            reader.problem(inner, what, "write 'num_cpus: 4' or the like below it", key=True)
        else:
            found[name] = _resources(reader, inner, table, f"resources of '{name}'")
    return MappingProxyType(found)


def _resources(reader: NodeReader, node: Node, table: KeyTable, owner: str) -> Resources:
    reader.known_keys(node, table, owner)
    values: dict[str, Any] = {}
    for key, inner in node.value.items():
        if key in table.keys and (read := _READ.get(table.keys[key].kind)):
            values[key] = read(reader, inner, f"{owner}: {key}")
    custom = values.pop("resources", ())
    return Resources(**values, custom=custom)


def _amount(reader: NodeReader, node: Node, name: str) -> float | None:
    value = node.value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        reader.problem(node, f"{name} is not a number", "write 1, or 0.5")
    elif value < 0:
        reader.problem(node, f"{name} is less than 0", "write how much it needs")
    elif value > 1 and value != int(value):
        reader.problem(node, f"{name}: only up to 1 are there parts of one", f"write {int(value)}")
    else:
        return value
    return None


def _bytes(reader: NodeReader, node: Node, name: str) -> int | None:
    value = node.value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        reader.problem(node, f"{name} is not a number of bytes", "write 8_000_000_000 for 8 GB")
        return None
    return value


def _amounts(reader: NodeReader, node: Node, name: str) -> tuple[tuple[str, float], ...]:
    found = []
    for own, inner in reader.table(node, name).items():
        if not own:
            reader.problem(inner, f"{name} has one without a name", "name it", key=True)
        elif own in BUILT_IN:
            what = f"{name}: '{own}' is not the cluster's own"
            reader.problem(inner, what, "write num_cpus, num_gpus or memory above", key=True)
        elif (amount := _amount(reader, inner, f"{name}.{own}")) is not None:
            found.append((own, amount))
    return tuple(found)


def _text(reader: NodeReader, node: Node, name: str) -> str | None:
    return reader.text(node, name) or None


_READ: dict[str, Callable[[NodeReader, Node, str], Any]] = {
    "amount": _amount,
    "bytes": _bytes,
    "amounts": _amounts,
    "text": _text,
}
