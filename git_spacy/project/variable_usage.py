"""Which variables of project.yml each command and asset depends on. Pure.

Of the raw text: once the variables are filled in, nobody can tell any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from git_spacy.project import yaml
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.variables import references

Parts = tuple[str, ...]
"""The keys that lead to a variable: ("vars", "a", "b")."""


class VariableUsage(NamedTuple):
    """For each command and each asset, in the order of project.yml, the variables that its parts
    depend on, by way of others as well; in the order of project.yml. `variables` are all."""

    variables: tuple[Parts, ...]
    commands: tuple[tuple[Parts, ...], ...]
    assets: tuple[tuple[Parts, ...], ...]


def find_usage(data: bytes) -> VariableUsage:
    """The uses in a project.yml that can be loaded."""

    node, _ = yaml.parse_document(data, PROJECT_FILE)
    document: Mapping[str, Any] = yaml.to_plain(node) if node else {}
    variables = {
        ".".join(parts): (parts, value)
        for table in ("vars", "variables")
        for parts, value in _leaves((table,), document.get(table))
    }
    braces = "variables" in document
    direct = {
        name: [other for other in _named(value, braces) if other in variables]
        for name, (_, value) in variables.items()
    }

    def used(item: Mapping[str, Any]) -> tuple[Parts, ...]:
        told = {key: value for key, value in item.items() if key not in ("help", "description")}
        found: set[str] = set()
        waiting = [name for name in _named(told, braces) if name in variables]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += direct[name]
        return tuple(parts for name, (parts, _) in variables.items() if name in found)

    return VariableUsage(
        tuple(parts for parts, _ in variables.values()),
        tuple(used(item) for item in document.get("commands") or ()),
        tuple(used(item) for item in document.get("assets") or ()),
    )


def _leaves(above: Parts, value: Any) -> Iterator[tuple[Parts, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves((*above, key), inner)
    elif len(above) > 1:
        yield above, value


def _named(value: Any, braces: bool) -> Iterator[str]:
    for text in _texts(value):
        yield from references(text, braces=braces)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
