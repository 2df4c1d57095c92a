"""Add our check to a lefthook configuration in YAML without changing anything else."""

from __future__ import annotations

import re
from typing import Any

from git_spacy.project import documents, yaml
from git_spacy.setup.hook_scripts import CHECK

FILES = tuple(
    f"{folder}{name}.{extension}"
    for folder in ("", ".config/")
    for name in ("lefthook", ".lefthook")
    for extension in ("yml", "yaml", "toml", "json", "jsonc")
    if (folder, name) != (".config/", ".lefthook")
)
_NAME = "git-spacy"
_OURS = re.compile(rb"\bgit[ -]spacy-hook\b")
_HOOK = re.compile(r"pre-commit:[ \t]*(#.*)?\r?\n?")
_COMMANDS = re.compile(r"[ ]+commands:[ \t]*(#.*)?\r?\n?")


def has_entry(data: bytes) -> bool:
    """Return whether a configuration already runs our checks in some way."""

    return _OURS.search(data) is not None


def add_entry(data: bytes) -> bytes | None:
    """Return the configuration with our check among the commands of its pre-commit hook.

    Returns None if it is not YAML in block style.
    """

    before = _parse(data)
    if before is None:
        return None
    rows = data.decode("utf-8").splitlines(keepends=True)
    newline = "\r\n" if rows and rows[0].endswith("\r\n") else "\n"
    at, entry = _insertion(rows)
    gap = newline if at and not rows[at - 1].endswith("\n") else ""
    text = gap + "".join(row + newline for row in entry)
    after = ("".join(rows[:at]) + text + "".join(rows[at:])).encode()
    hook = before.get("pre-commit") or {}
    commands = hook.get("commands") or {} if isinstance(hook, dict) else None
    if not isinstance(commands, dict) or _NAME in commands:
        return None
    new_hook = {**hook, "commands": {**commands, _NAME: {"run": CHECK}}}
    return after if _parse(after) == {**before, "pre-commit": new_hook} else None


def _insertion(rows: list[str]) -> tuple[int, list[str]]:
    """Return the index of the row before which to insert our entry, and its lines."""

    start = next((at for at, row in enumerate(rows) if _HOOK.fullmatch(row)), None)
    if start is None:
        lines = ["pre-commit:", "  commands:", f"    {_NAME}:", f"      run: {CHECK}"]
        return len(rows), lines
    outer = _indent_below(rows, start, "") or "  "
    commands = start + 1
    while commands < len(rows) and (not rows[commands].strip() or rows[commands][0] in " #"):
        if _COMMANDS.fullmatch(rows[commands]) and _indent(rows[commands]) == outer:
            inner = _indent_below(rows, commands, outer) or outer * 2
            return commands + 1, [f"{inner}{_NAME}:", f"{inner}{outer}run: {CHECK}"]
        commands += 1
    lines = [f"{outer}commands:", f"{outer * 2}{_NAME}:", f"{outer * 3}run: {CHECK}"]
    return start + 1, lines


def _indent(row: str) -> str:
    return row[: len(row) - len(row.lstrip(" "))]


def _indent_below(rows: list[str], start: int, outer: str) -> str:
    """Return the indentation of the first row below `start`; "" if it is not below `outer`."""

    below = (row for row in rows[start + 1 :] if row.strip() and not row.lstrip().startswith("#"))
    indent = _indent(next(below, ""))
    return indent if len(indent) > len(outer) else ""


def _parse(data: bytes) -> dict[str, Any] | None:
    node, problems = yaml.parse_document(data, FILES[0])
    if problems:
        return None
    document = {} if node is None else documents.to_plain(node)
    return document if isinstance(document, dict) else None
