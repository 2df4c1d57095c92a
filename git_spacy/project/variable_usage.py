"""The variables that each command and asset of project.yml uses.

They are read from the raw text, since substitution removes the references.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from git_spacy.light_typing import Any, NamedTuple
from git_spacy.project import documents
from git_spacy.project.loader import PROJECT_FILE
from git_spacy.project.variables import references

Parts = tuple[str, ...]
"""The path of keys to a variable, e.g. ("vars", "a", "b")."""


class VariableUsage(NamedTuple):
    """The variables of a project, and those that each command and each asset uses.

    Uses are direct or by way of other variables. Everything is in the order of project.yml.
    """

    variables: tuple[Parts, ...]
    commands: tuple[tuple[Parts, ...], ...]
    assets: tuple[tuple[Parts, ...], ...]


def find_usage(data: bytes) -> VariableUsage:
    """Find the variables that the commands and assets of a valid project.yml use."""

    node, _ = documents.parse(data, PROJECT_FILE)
    document: Mapping[str, Any] = documents.to_plain(node) if node else {}
    variables = {
        ".".join(parts): (parts, value)
        for table in ("vars", "variables")
        for parts, value in _walk_variables((table,), document.get(table))
    }
    braces = "variables" in document
    direct = {
        name: [other for other in _references(value, braces) if other in variables]
        for name, (_, value) in variables.items()
    }

    def used_variables(item: Mapping[str, Any]) -> tuple[Parts, ...]:
        relevant = {key: value for key, value in item.items() if key not in ("help", "description")}
        used: set[str] = set()
        pending = [name for name in _references(relevant, braces) if name in variables]
        while pending:
            name = pending.pop()
            if name not in used:
                used.add(name)
                pending += direct[name]
        return tuple(parts for name, (parts, _) in variables.items() if name in used)

    return VariableUsage(
        tuple(parts for parts, _ in variables.values()),
        tuple(used_variables(item) for item in document.get("commands") or ()),
        tuple(used_variables(item) for item in document.get("assets") or ()),
    )


def _walk_variables(prefix: Parts, value: Any) -> Iterator[tuple[Parts, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _walk_variables((*prefix, key), inner)
    elif len(prefix) > 1:
        yield prefix, value


def _references(value: Any, braces: bool) -> Iterator[str]:
    for text in _strings(value):
        yield from references(text, braces=braces)


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
