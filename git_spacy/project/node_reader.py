"""Conversion of YAML nodes to strings, lists and mappings, with error messages for other types."""

from __future__ import annotations

import json

from git_spacy.errors import Diagnostic, GitSpacyError, InvalidInput, Refused
from git_spacy.project.diagnostics import closest_name, did_you_mean
from git_spacy.project.documents import Node
from git_spacy.project.schema_keys import KeyTable

_CURLY_QUOTES = ("“", "”", "„", "‘", "’")


def type_name(node: Node) -> str:
    """Return the type of a node in words that follow "must be a string, not"."""

    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if isinstance(node.value, str):
        return "a string"
    if node.value is None:
        return "an empty value"
    text = json.dumps(node.value)
    return text if isinstance(node.value, bool) else f"the number {text}"


class NodeReader:
    """Converts nodes to values and collects the problems and warnings."""

    def __init__(self, file: str, problems: list[Diagnostic]) -> None:
        self.file = file
        self.problems = problems
        self.warnings: list[Diagnostic] = []
        self._error_type: type[InvalidInput | Refused] = InvalidInput

    def problem(self, node: Node, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Report a problem at the position of a node, or of its key in the mapping around it."""

        line, column = node.position if at_key else (node.line, node.column)
        self.problems.append(Diagnostic(message, hint, self.file, line, column))

    def refuse(self, node: Node, message: str, hint: str) -> None:
        """Report a value that is understood but unsafe."""

        self._error_type = Refused
        self.problem(node, message, hint)

    def warn(self, node: Node, message: str, hint: str = "") -> None:
        self.warnings.append(Diagnostic(message, hint, self.file, *node.position, "warning"))

    def error(self) -> GitSpacyError:
        """Combine the problems, in order, into one error: `Refused` if a value is unsafe."""

        in_order = sorted(self.problems, key=lambda problem: (problem.line, problem.column))
        return self._error_type.from_problems(in_order)

    def table(self, node: Node | None, name: str) -> dict[str, Node]:
        """Return the entries of a mapping; {} if it is missing or not a mapping."""

        if node is None:
            return {}
        if not isinstance(node.value, dict):
            self.problem(
                node,
                f"{_quoted(name)} must be a mapping, not {type_name(node)}",
                "write 'NAME: VALUE' lines below it, indented",
                at_key=True,
            )
            return {}
        return node.value

    def items(self, node: Node | None, name: str) -> list[Node]:
        """Return the items of a list; [] if it is missing or not a list."""

        if node is None:
            return []
        if isinstance(node.value, list):
            return node.value
        if node.value is None:
            self.problem(
                node,
                f"{_quoted(name)} is empty",
                "remove it, or add items that begin with '- '",
                at_key=True,
            )
        else:
            hint = "begin each item with '- '"
            if isinstance(node.value, str):
                # a quote or a line break inside needs the quotes of JSON
                is_plain = not {"'", "\n"} & set(node.value)
                item = f"'{node.value}'" if is_plain else json.dumps(node.value, ensure_ascii=False)
                hint = f"write it as a list: [{item}]"
            self.problem(
                node, f"{_quoted(name)} must be a list, not {type_name(node)}", hint, at_key=True
            )
        return []

    def check_mapping(self, item: Node, table: KeyTable) -> bool:
        """Return whether `item` is a mapping with its first required key; report it if not."""

        noun, required = table.noun, table.required[0]
        if not isinstance(item.value, dict):
            self.problem(
                item,
                f"this {noun} must be a mapping, not {type_name(item)}",
                f"begin it with '- {required}: '",
            )
            return False
        if required not in item.value:
            closest = closest_name(required, item.value)
            hint = f"rename '{closest}' to '{required}'" if closest else f"add '{required}:'"
            self.problem(item, f"this {noun} has no '{required}'", hint)
            return False
        return True

    def check_keys(self, node: Node, table: KeyTable, where: str) -> None:
        """Report unknown keys of a mapping, which messages describe as `where`: "in this asset"."""

        for key, inner in node.value.items():
            if key in table.keys:
                continue
            message, hint = f"unknown key '{key}' {where}", did_you_mean(key, table.keys)
            if table.closed:
                hint = hint or f"valid keys: {', '.join(table.keys)}"
                self.problem(inner, message, hint, at_key=True)
            else:
                self.warn(inner, message, hint)

    def flag(self, node: Node | None, name: str) -> bool:
        if node is not None and not isinstance(node.value, bool):
            self.problem(node, f"'{name}' must be true or false", f"write '{name}: true'")
        return node is not None and node.value is True

    def text(self, node: Node, name: str) -> str:
        """Return a string that may not be empty; "" after reporting any other value."""

        if isinstance(node.value, str) and node.value:
            if node.source[:1] in _CURLY_QUOTES:
                self.problem(node, f"{name} is in curly quotes", "put it in plain quotes")
                return ""
            return node.value
        if node.value in (None, ""):
            self.problem(node, f"{name} is empty", "add a value, or remove it")
        elif isinstance(node.value, (dict, list)):
            self.problem(
                node, f"{name} must be a string, not {type_name(node)}", "put it in quotes"
            )
        else:
            self.problem(
                node,
                f"{name} must be a string, not {type_name(node)}",
                f"put it in quotes: '{node.source or json.dumps(node.value)}'",
            )
        return ""

    def optional_text(self, node: Node | None, name: str) -> str | None:
        if node is None or node.value is None or node.value == "":
            return None
        return self.text(node, name)

    def display_text(self, node: Node | None) -> str:
        """Return a text that is only displayed, and may therefore also be a number or empty."""

        if node is None or node.value is None:
            return ""
        if isinstance(node.value, (dict, list)):
            self.problem(node, f"expected a string, not {type_name(node)}", "put it in quotes")
            return ""
        return str(node.value)

    def license(self, node: Node | None) -> str:
        """Return the name of a license; other tools do not know the key, so it fails no project."""

        if node is not None and isinstance(node.value, (dict, list)):
            self.warn(node, f"'license' is ignored: it is {type_name(node)}", "write one string")
            return ""
        return self.display_text(node)


def _quoted(name: str) -> str:
    return name if "'" in name else f"'{name}'"
