"""Slips that people make in project.yml, and the edits that hints name, followed to the letter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from git_spacy.errors import Diagnostic, GitSpacyError
from git_spacy.project import loader

Break = Callable[[list[str], int], list[str] | None]
"""Returns the lines with a slip in one of them, or None if that line does not suit it."""

_ITEM = re.compile(r"(\s*(?:- +)?)(\w+): +(.+)")


class Slip(NamedTuple):
    """A slip in a file: its name, the text with it, and the number of its line."""

    name: str
    text: str
    line: int


def _value(keys: str, change: Callable[[str], str]) -> Break:
    """Return a slip in the value of one of `keys`, which is in the same line."""

    def apply(lines: list[str], index: int) -> list[str] | None:
        match = _ITEM.fullmatch(lines[index])
        if not match or match[2] not in keys.split() or match[3][0] in "|>[{#&*":
            return None
        value = change(match[3].strip("\"'"))
        return [*lines[:index], f"{match[1]}{match[2]}: {value}", *lines[index + 1 :]]

    return apply


def _line(pattern: str, replacement: str) -> Break:
    """Return a slip that replaces `pattern` in a line that it matches as a whole."""

    def apply(lines: list[str], index: int) -> list[str] | None:
        match = re.fullmatch(pattern, lines[index])
        if not match or "|" in lines[index]:
            return None
        return [*lines[:index], match.expand(replacement), *lines[index + 1 :]]

    return apply


def _repeat(lines: list[str], index: int) -> list[str] | None:
    match = re.fullmatch(r"(\s+)(name|help): .*", lines[index].replace("- name", "  name"))
    if not match:
        return None
    return [*lines[: index + 1], f"{match[1]}{match[2]}: again", *lines[index + 1 :]]


def _inline(lines: list[str], index: int, item: str, form: str) -> list[str] | None:
    """Write a list of one item behind its key: `script: python x.py`."""

    match = re.fullmatch(r"(\s+)(script|deps|outputs):\s*", lines[index])
    items = lines[index + 1 : index + 3]
    if not match or len(items) < 2 or "|" in items[0] or ">" in items[0]:
        return None
    indent = len(match[1])
    first = re.fullmatch(r"(\s*)- +(['\"]?)(" + item + r")\2", items[0])
    is_last = (
        not items[1].lstrip().startswith("- ") or len(items[1]) - len(items[1].lstrip()) < indent
    )
    if not first or not is_last or not items[1].strip():
        return None
    return [*lines[:index], f"{match[1]}{match[2]}: {form.format(first[3])}", *lines[index + 2 :]]


SLIPS: dict[str, Break] = {
    "value begins with @": _value("help title description", lambda v: "@" + v),
    "value begins with `": _value("help title", lambda v: f"`{v}`"),
    "value begins with %": _value("help title", lambda v: "%50 " + v),
    "value begins with *": _value("help title", lambda v: f"*{v}*"),
    "value begins with &": _value("help title", lambda v: "& " + v),
    "value begins with !": _value("help title", lambda v: "!" + v),
    "value begins with {": _value("help title", lambda v: "{lang} " + v),
    "value begins with [": _value("help title", lambda v: "[todo] " + v),
    "value begins with - ": _value("help title", lambda v: "- " + v),
    "value begins with |": _value("help title", lambda v: "| " + v),
    "value with ': '": _value("help title description", lambda v: "Step: " + v.replace("#", "")),
    "quote not closed": _value("name help title", lambda v: '"' + v.replace('"', "")),
    "single quote not closed": _value("name help title", lambda v: "'" + v.replace("'", "")),
    "text after the quote": _value("help title", lambda v: f'"{v.split()[0]}" and more'.replace("''", "'")),
    "quote inside quotes": _value("help", lambda v: f"'it's {v}'".replace('"', "")),
    "backslash in double quotes": _value("help", lambda v: f'"C:\\data {v}"'.replace("'", "")),
    "variable as {{ x }}": _value("help", lambda _: "{{ vars.lang }}"),
    "no space after colon": _line(r"(\s*(?:- +)?(?:name|help|script|dest|title)):\s+(.+)", r"\1:\2"),
    "no space after dash": _line(r"(\s*)- +(.+)", r"\1-\2"),
    "no colon": _line(r"(\s*(?:script|deps|outputs|commands|assets|vars)):\s*", r"\1"),
    "= for colon": _line(r"(\s*(?:- +)?(?:name|help)): +(.+)", r"\1=\2"),
    "tab": _line(r"( +)([a-z_]+:.*|- .*)", "\t\\2"),
    "one space more": _line(r"( +)((?:help|script|deps|outputs|url|checksum):.*)", r"\1 \2"),
    "one space less": _line(r"( +) ((?:help|script|deps|outputs|url|checksum):.*)", r"\1\2"),
    "non-breaking space": _line(r"(\s*(?:- +)?(?:name|help|script|dest)): +(.+)", "\\1:\u00a0\\2"),
    "curly quotes": _line(r"(\s*- +name): +\W?([\w-]+)\W?", r"\1: “\2”"),
    "dash before a key": _line(r"( +)  ((?:help|script|deps|outputs):.*)", r"\1- \2"),
    "no dash before name": _line(r"( +)- +(name: .*)", r"\1  \2"),
    "two dashes": _line(r"( +)- +(name: .*)", r"\1- - \2"),
    "case of a key": _line(r"(\s*- +)name(: .+)", r"\1Name\2"),
    "case of a top-level key": _line(r"c(ommands:)\s*", r"C\1"),
    "misspelt key": _line(r"(\s+)script(:.*)", r"\1scirpt\2"),
    "duplicate key": _repeat,
    "text for a list": lambda lines, index: _inline(lines, index, r"[\w./ -]+", "{}"),
    "list for a text": _value("name", lambda v: f"[{v}]"),
    "null": _line(r"(\s*(?:- +)?name:) .*", r"\1"),
    "number for a text": _value("dest", lambda _: "1"),
    "bracket not closed": _line(r"(\s*(?:deps|outputs|all|directories): \[.*)\]", r"\1"),
    "variable in a list": lambda lines, index: _inline(lines, index, r"\$\{[\w.]+\}[\w./-]*", "[{}]"),
}  # fmt: skip


def broken(text: str, places: int = 1) -> Iterator[Slip]:
    """Yield a valid file with each slip, at up to `places` lines that are spread over the file."""

    lines = text.splitlines()
    for name, apply in SLIPS.items():
        found = [
            (index, changed)
            for index in range(len(lines))
            if (changed := apply(lines, index)) and changed != lines
        ]
        for index, changed in found[:: max(len(found) // places, 1)][:places]:
            slip = Slip(name, "\n".join(changed) + "\n", index + 1 + (name == "duplicate key"))
            if diagnostics(slip.text):  # not every text is wrong with it
                yield slip


def diagnostics(text: str) -> list[Diagnostic]:
    """Return the errors of a project.yml, or else its warnings."""

    try:
        return list(loader.parse(text.encode()).project.warnings)
    except GitSpacyError as error:
        return list(error.problems)


def follow(text: str, problem: Diagnostic) -> str | None:
    """Return the text with the edit that the hint names, or None if it names none."""

    lines = text.splitlines()
    index = problem.line - 1
    hint = problem.hint
    if match := re.match(r"on line (\d+), ", hint):
        index, hint = int(match[1]) - 1, hint[match.end() :]
    if index >= len(lines):
        return None
    line = lines[index]
    indent = line[: len(line) - len(line.lstrip())]
    if match := re.fullmatch(
        r"(?:indent this line with (\d+) spaces(?: and )?)?(?:write: (.*))?", hint
    ):
        indent = indent if match[1] is None else " " * int(match[1])
        lines[index] = indent + (line.strip() if match[2] is None else match[2])
    elif match := re.fullmatch(r"did you mean '?(.+?)'?\?", hint):
        wrong = re.findall(r"'([^']+)'|(\$?\{[^}]+\})", problem.message)[0]
        lines[index] = line.replace("".join(wrong), match[1], 1)
    elif match := re.fullmatch(r"rename '(.+)' to '(.+)'", hint):
        lines[index] = line.replace(match[1], match[2], 1)
    elif match := re.fullmatch(r"remove line (\d+)", hint):
        del lines[int(match[1]) - 1]
    elif match := re.fullmatch(r"remove '(.+)' from '.+'", hint):
        lines[index] = re.sub(rf"- {match[1]}$|, {match[1]}\b|\b{match[1]}, ", "", line)
    elif re.fullmatch(r"remove the dash and indent '.+' like '(.+)'", hint):
        lines[index] = line.replace("- ", "  ", 1)
    elif match := re.fullmatch(r"write (\$?\{.+\})", hint):
        wrong_name = re.findall(r"\$\{[^}]+\}", problem.message)[0]
        lines[index] = line.replace(wrong_name, match[1], 1)
    elif match := re.fullmatch(r"put it in quotes: '(.+)'", hint):
        before, after = line[: problem.column - 1], line[problem.column - 1 :]
        lines[index] = before + after.replace(match[1], f"'{match[1]}'", 1)
    elif match := re.fullmatch(r"write it as a list: (\['(.+)'\])", hint):
        lines[index] = re.sub(rf"(?<=: ){re.escape(match[2])}", match[1], line, count=1)
    elif match := re.fullmatch(r"write it as a list: (\[(\".+\")\])", hint):
        lines[index] = line.replace(json.loads(match[2]), match[1], 1)
    elif match := re.fullmatch(r"write '(\w+): true'", hint):
        lines[index] = re.sub(rf"{match[1]}: [^,}}]+", f"{match[1]}: true", line)
    else:
        return None
    return "\n".join(lines) + "\n"


def is_cured(text: str, original: str) -> bool:
    """Whether a file has no more diagnostics than before the slip."""

    return len(diagnostics(text)) <= len(diagnostics(original))
