"""The nodes of `vars:`, `env:` and `variables:`: their dotted names, and their resolved values."""

from __future__ import annotations

from typing import Any

from git_spacy.project.yaml import Node


def flatten(prefix: str, table: dict[str, Node], into: dict[str, Node]) -> None:
    """Add the leaves of nested tables to `into`, under their dotted names."""

    for key, node in table.items():
        if isinstance(node.value, dict):
            flatten(f"{prefix}.{key}", node.value, into)
        else:
            into[f"{prefix}.{key}"] = node


def as_node(value: Any, place: Node) -> Node:
    """Return a node with a resolved value, at the position of the raw one."""

    if isinstance(value, list):
        value = [as_node(item, place) for item in value]
    elif isinstance(value, dict):
        value = {key: as_node(inner, place) for key, inner in value.items()}
    return place._replace(value=value)


def with_values(node: Node, prefix: str, known: dict[str, Any]) -> Node:
    """Return a table of variables with its resolved values."""

    if not isinstance(node.value, dict):
        return as_node(known[prefix], node) if prefix in known else node
    return node._replace(
        value={
            key: with_values(inner, f"{prefix}.{key}", known) for key, inner in node.value.items()
        }
    )
