"""Add entries to project.yml: variables, commands, workflows; and values to other YAML. Everything
else in the text stays.

As in `edit_yaml`, the result is parsed again and compared.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from git_spacy.errors import InvalidInput
from git_spacy.project import documents, yaml, yaml_text
from git_spacy.project.edit_yaml import LINE_BREAK, TextValue, read_positions
from git_spacy.project.loader import PROJECT_FILE

# The usual order of the sections, for one that is new.
_ORDER = ("title", "description", "vars", "env", "directories", "assets", "workflows", "resources",
          "commands")  # fmt: skip


class Entry(NamedTuple):
    """An entry of a section. `text` is YAML in block style, as lines without indentation: `key:
    value` for a mapping, `- name: …` for the list of commands."""

    section: str
    key: str
    text: str

    def value(self) -> Any:
        """Return the value, as plain data."""

        node, _ = yaml.parse_document(self.text.encode(), PROJECT_FILE)
        assert node is not None, self
        plain = documents.to_plain(node)
        return plain[0] if isinstance(plain, list) else plain[self.key]


def with_entries(data: bytes, entries: Iterable[Entry]) -> bytes:
    """Return the text of a valid project.yml with `entries` at the ends of their sections.

    Raises InvalidInput, with the line, where an alias or an unusual notation prevents that.
    """

    for entry in entries:
        data = _with_entry(data, entry)
    return data


def with_value(text: str, path: Sequence[str], value: Any) -> str:
    """Return YAML `text`, a mapping, with `value` at `path`, which it does not have yet.

    The value goes to the end of the deepest mapping that exists. The caller compares the result:
    an unusual notation may give another document.
    """

    mapping, _ = read_positions(text)
    keys = list(path)
    while len(keys) > 1 and keys[0] in mapping.entries:
        mapping = mapping.entries[keys.pop(0)][1]
    if mapping.kind != "Mapping":
        return text
    for key in reversed(keys):
        value = {key: value}
    if mapping.event.flow_style:
        return _insert_into_flow(text, mapping, value)
    return _insert_into_block(text, mapping, Entry("", keys[0], yaml_text.emit(value).decode()))


def _with_entry(data: bytes, entry: Entry) -> bytes:
    bom = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
    text = data.decode("utf-8-sig")
    document, _ = read_positions(text)
    key, section = document.entries.get(entry.section, (None, None))
    if key is None or section is None:
        edited = _with_section(text, document, entry)
    elif section.kind not in ("Mapping", "Sequence"):
        raise _refusal(section, entry)
    elif section.event.flow_style:
        value = entry.value()
        is_list = section.kind == "Sequence"
        edited = _insert_into_flow(text, section, value if is_list else {entry.key: value})
    else:
        edited = _insert_into_block(text, section, entry)
    result = bom + edited.encode()
    if not _differs_only_in_entry(data, result, entry):
        raise _refusal(section or document, entry)
    return result


def _insert_into_block(text: str, section: TextValue, entry: Entry) -> str:
    """Insert the entry behind the last one, and behind the comments that belong to that."""

    starts = [item.start for item in section.items]
    starts = starts or [key.start_mark.index for key, _ in section.entries.values()]
    if section.items:
        starts = [text.rfind("-", 0, start + 1) for start in starts]
    column = starts[-1] - _line_start(text, starts[-1])
    end = len(text[: section.end].rstrip("\r\n \t"))
    new = _indented(entry.text, column)
    if section.items and len(starts) > 1 and _has_blank_line(text[starts[-2] : starts[-1]]):
        new = ["", *new]
    return _insert_after(text, end, new, comments_from=max(column, 1))


def _insert_into_flow(text: str, collection: TextValue, value: Any) -> str:
    """Insert an item, or the entries of a mapping, as JSON, which is YAML as well."""

    written = json.dumps(value, ensure_ascii=False)
    if collection.kind == "Mapping":
        written = written[1:-1]
    last = [value for _, value in collection.entries.values()] or list(collection.items)
    if last:
        return f"{text[: last[-1].end]}, {written}{text[last[-1].end :]}"
    return f"{text[: collection.end - 1]}{written}{text[collection.end - 1 :]}"


def _with_section(text: str, document: TextValue, entry: Entry) -> str:
    """Insert a new section before the first one that usually follows it, or at the end."""

    lines = [f"{entry.section}:", *_indented(entry.text, 2)]
    following = _ORDER[_ORDER.index(entry.section) + 1 :]
    starts = [key.start_mark.index for name, (key, _) in document.entries.items()
              if name in following]  # fmt: skip
    if document.event.flow_style:
        value = entry.value()
        is_list = entry.section == "commands"
        section = [value] if is_list else {entry.key: value}
        return _insert_into_flow(text, document, {entry.section: section})
    if not starts:
        return _insert_after(text, len(text.rstrip()), ["", *lines])
    at = min(starts)
    while (above := text[:at].splitlines(keepends=True)) and above[-1].startswith("#"):
        at -= len(above[-1])  # a comment that belongs to the next section
    newline = _newline(text)
    return f"{text[:at]}{''.join(f'{line}{newline}' for line in [*lines, ''])}{text[at:]}"


def _insert_after(text: str, at: int, lines: list[str], comments_from: int = 0) -> str:
    """Insert lines behind the line at `at`, and behind comments indented by `comments_from`."""

    newline = _newline(text)
    found = LINE_BREAK.search(text, at)
    end = found.start() if found else len(text)
    while comments_from and (found := LINE_BREAK.match(text, end)):
        following = LINE_BREAK.search(text, found.end())
        line = text[found.end() : following.start() if following else len(text)]
        indent = len(line) - len(line.lstrip(" "))
        if indent < comments_from or not line.lstrip(" ").startswith("#"):
            break
        end = found.end() + len(line)
    return f"{text[:end]}{''.join(f'{newline}{line}' for line in lines)}{text[end:]}"


def _indented(text: str, columns: int) -> list[str]:
    return [f"{' ' * columns}{line}" if line else "" for line in text.splitlines()]


def _newline(text: str) -> str:
    found = LINE_BREAK.search(text)
    return found[0] if found else "\n"


def _line_start(text: str, at: int) -> int:
    return max(text.rfind(end, 0, at) for end in "\n\r") + 1


def _has_blank_line(text: str) -> bool:
    return any(not line.strip() for line in text.splitlines()[1:-1])


def _differs_only_in_entry(old: bytes, new: bytes, entry: Entry) -> bool:
    before, _ = yaml.parse_document(old, PROJECT_FILE)
    after, problems = yaml.parse_document(new, PROJECT_FILE)
    if before is None or after is None or problems:
        return False
    expected = documents.to_plain(before)
    if entry.section == "commands":
        expected["commands"] = [*(expected.get("commands") or ()), entry.value()]
    else:
        section = expected.get(entry.section) or {}
        expected[entry.section] = {**section, entry.key: entry.value()}
    return bool(expected == documents.to_plain(after))


def _refusal(value: TextValue, entry: Entry) -> InvalidInput:
    mark = value.event.start_mark
    return InvalidInput(
        f"'{entry.key}' cannot be added to {entry.section}: this notation cannot be changed safely",
        hint=f"add it by hand:\n{entry.text}", file=PROJECT_FILE,
        line=mark.line + 1, column=mark.column + 1,
    )  # fmt: skip
