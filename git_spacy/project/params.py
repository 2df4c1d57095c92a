"""The values that params.yaml gives to the variables of project.yml.

The keys of the file are the names of variables without `vars.`, as tables for dotted names. A key
that is not a variable may be meant for a script that reads the file, so it is only warned about.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from git_spacy.errors import Diagnostic
from git_spacy.light_typing import Any, NamedTuple
from git_spacy.project import documents, variables_table
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.documents import Node
from git_spacy.project.node_reader import type_name
from git_spacy.project.project_text import PARAMS_FILE, PROJECT_FILE

_TABLES = ("vars", "variables")


class Param(NamedTuple):
    """A variable by its full name, with its value in params.yaml, which counts, and its `default`
    in project.yml with its position there."""

    name: str
    value: Any
    default: Any
    line: int
    column: int

    @property
    def short_name(self) -> str:
        return self.name.partition(".")[2]

    def __str__(self) -> str:
        value, default = map(json.dumps, (self.value, self.default))
        return f"{self.short_name} = {value} ({PROJECT_FILE}: {default})"


class Params(NamedTuple):
    """The variables whose values in params.yaml differ from project.yml, and what is to be reported
    about the file."""

    changed: tuple[Param, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def parse_params(data: bytes, defaults: Mapping[str, Node]) -> Params:
    """Parse the content of params.yaml; `defaults` are the variables of project.yml by full name,
    before substitution."""

    node, problems = documents.parse(data, PARAMS_FILE)
    if node is None or node.value is None:
        return Params(problems=tuple(problems))
    if not isinstance(node.value, dict):
        message = f"the file must be a mapping, not {type_name(node)}"
        problem = Diagnostic(message, "write 'NAME: VALUE' lines", PARAMS_FILE, 1, 1)
        return Params(problems=(*problems, problem))
    found: dict[str, Node] = {}
    variables_table.flatten("", node.value, found)
    changed, warnings = [], []
    for dotted, leaf in found.items():
        name = next((full for t in _TABLES if (full := t + dotted) in defaults), None)
        if name is None:
            warnings.append(_warning(leaf, *_unknown(dotted[1:], defaults)))
            continue
        if warning := variables_table.digits_warning(leaf):
            warnings.append(_warning(leaf, *warning))
        default = defaults[name]
        param = Param(
            name, documents.to_plain(leaf), documents.to_plain(default), *default.position
        )
        if not _is_same(param.value, param.default):
            changed.append(param)
    return Params(tuple(changed), tuple(problems), tuple(warnings))


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values by dotted names as the tables of params.yaml."""

    document: dict[str, Any] = {}
    for dotted, value in values.items():
        *tables, key = dotted.split(".")
        table = document
        for name in tables:
            table = table.setdefault(name, {})
        table[key] = value
    return document


def _unknown(name: str, defaults: Iterable[str]) -> tuple[str, str]:
    hint = did_you_mean(name, [full.partition(".")[2] for full in defaults])
    message = f"'{name}' is not a variable of {PROJECT_FILE}, so no command uses it"
    return message, hint or f"add it under 'vars' in {PROJECT_FILE}, or remove it here"


def _warning(node: Node, message: str, hint: str) -> Diagnostic:
    return Diagnostic(message, hint, PARAMS_FILE, *node.position, "warning")


def _is_same(value: Any, other: Any) -> bool:
    return type(value) is type(other) and value == other  # 1, 1.0 and true are not
