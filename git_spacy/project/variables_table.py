"""Conversion of the nested tables of variables to dotted names, and of values back to nodes."""

from __future__ import annotations

from git_spacy.light_typing import Any
from git_spacy.patterns import compile_late
from git_spacy.project.documents import Node


def flatten(prefix: str, table: dict[str, Node], into: dict[str, Node]) -> None:
    """Add the values of nested tables to `into` by their dotted names."""

    for key, node in table.items():
        if isinstance(node.value, dict):
            flatten(f"{prefix}.{key}", node.value, into)
        else:
            into[f"{prefix}.{key}"] = node


_UNLIKE_A_NUMBER = compile_late(r"0[0-9]+|(?=.{7})[0-9]+e[0-9]+")


def digits_warning(node: Node) -> tuple[str, str] | None:
    """Return a warning and a hint if the digits of a variable may not be meant as a number.

    That is, if they can be the ID of a commit or begin with a zero. As weasel does, these are read
    as numbers, except if they are too large.
    """

    if not _UNLIKE_A_NUMBER.fullmatch(node.source):
        return None
    hint = f"put it in quotes: '{node.source}'"
    if isinstance(node.value, str):
        return f"{node.source} is too large for a number: weasel reads it as infinite", hint
    return f"{node.source} is read as the number {node.value}", hint


def as_node(value: Any, original: Node) -> Node:
    """Return a node with a resolved value and the position of the original node."""

    if isinstance(value, list):
        value = [as_node(item, original) for item in value]
    elif isinstance(value, dict):
        value = {key: as_node(inner, original) for key, inner in value.items()}
    source = original.source if value == original.value else ""
    return original._replace(value=value, source=source)


def with_values(node: Node, prefix: str, values: dict[str, Any]) -> Node:
    """Return a table of variables with its values replaced by the resolved `values`."""

    if not isinstance(node.value, dict):
        return as_node(values[prefix], node) if prefix in values else node
    return node._replace(
        value={
            key: with_values(inner, f"{prefix}.{key}", values) for key, inner in node.value.items()
        }
    )
