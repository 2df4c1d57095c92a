"""Read and write project.lock, byte for byte as weasel does.

The format is spaCy's (weasel `cli/run.py`: a mapping of command names to cmd, script, deps and
outs with path and md5; spaCy before 3.7 adds spacy_version and spacy_git_version). Every variant of
the format is read; an existing file keeps its own. The text is what srsly's ruamel.yaml emits
(YAML 1.2, sequences indented by two, folded at 80 columns), so that the tools do not undo each
other's formatting. `parse`, `source_map`, `text` and `match_format` are pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from git_spacy import formats
from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.files import open_beneath
from git_spacy.light_typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # the history needs entries, but seldom a file
    from git_spacy.project.documents import Node
    from git_spacy.project.source_map import SourceMap

LOCK_FILE = "project.lock"
WEASEL_COMMAND = "python -m weasel"


class TrackedPath(NamedTuple):
    """A path of an entry, as project.yml spells it, and its md5; None if it did not exist."""

    path: str
    md5: str | None


class LockEntry(NamedTuple):
    """The state of a command when it last ran.

    `extra` has the keys that spaCy adds (spacy_version, spacy_git_version), in their order.
    """

    name: str
    script: tuple[str, ...]
    deps: tuple[TrackedPath, ...]
    outs: tuple[TrackedPath, ...]
    cmd: str = ""
    extra: tuple[tuple[str, Any], ...] = ()

    @property
    def fingerprint_key(self) -> tuple[object, ...]:
        """The part that decides whether a command is up to date, whichever tool wrote the entry."""

        return self.script, self.deps, self.outs


Lock = Mapping[str, LockEntry]


def read(root: Path) -> dict[str, LockEntry]:
    """Return the entries of the project's lock in order; none if there is no lock.

    Raises InvalidInput for an invalid file; Refused for a link that leads out of the project, and
    for anything but a regular file.
    """

    data = content(root)
    return {} if data is None else parse(data)


def content(root: Path) -> bytes | None:
    """Return the bytes of the project's lock; None if there is no lock.

    Reads one byte more than the limit, so that `parse` notices a file that is too large. Raises
    Refused like `read`, OSError.
    """

    from git_spacy.project import documents

    try:
        with open_beneath(root, LOCK_FILE) as stream:
            return stream.read(documents.MAX_BYTES + 1)
    except FileNotFoundError:
        return None


def parse(data: bytes) -> dict[str, LockEntry]:
    """Return the entries in the text of a project.lock. Raises InvalidInput."""

    from git_spacy.project import documents

    if re.search(rb"^(<{7}|>{7}) ", data, re.MULTILINE):
        raise InvalidInput(
            "merge conflict markers",
            file=LOCK_FILE,
            hint="git spacy lock resolve",
        )
    node, problems = documents.parse(data, LOCK_FILE)
    if problems:
        raise _unreadable(problems[0].message, problems[0].line)
    if node is None or not isinstance(node.value, dict):
        is_empty = node is None or node.value is None
        raise _unreadable("the file is empty" if is_empty else "not a mapping", 1)
    return {name: _entry(name, inner) for name, inner in node.value.items()}


def source_map(data: bytes) -> SourceMap:
    """Map nodes of the text of a project.lock to their positions.

    The keys are (NAME,), (NAME, "script"), (NAME, "deps", PATH) and (NAME, "outs", PATH).
    """

    from git_spacy.project import documents

    positions: dict[tuple[str, ...], tuple[int, int]] = {(): (1, 1)}
    node, _ = documents.parse(data, LOCK_FILE)
    for name, entry in node.value.items() if node is not None else ():
        positions[name,] = entry.position
        for part in ("script", "deps", "outs"):
            if part in entry.value:
                positions[name, part] = entry.value[part].position
                for item in entry.value[part].value or () if part != "script" else ():
                    positions[name, part, item.value["path"].value] = item.position
    return positions


def text(entries: Lock) -> bytes:
    """Return the text of the whole file, as weasel writes it."""

    from git_spacy.project import yaml_text

    return yaml_text.emit({name: _document(entry) for name, entry in entries.items()})


def match_format(
    entry: LockEntry, entries: Lock, spacy_version: Callable[[], str | None]
) -> LockEntry:
    """Return `entry` in the format of the file that has `entries`.

    That is the format of the tool that wrote the previous entry of the command, or else the last
    entry. `spacy_version` returns the version that the scripts run with, or None if it is not
    known; it is only called if that tool records the version.
    """

    model = entries.get(entry.name) or next(reversed(list(entries.values())), None)
    if model is None or not model.cmd:
        return entry._replace(cmd=f"{WEASEL_COMMAND} run {entry.name}")
    tool = model.cmd.split(" run ", 1)[0]
    extra = []
    versions = dict(model.extra)
    version = spacy_version() if versions else None
    is_same_version = version is None or version == versions.get("spacy_version")
    for key, value in model.extra:
        if key == "spacy_version":
            extra.append((key, version or value))
        elif key == "spacy_git_version":
            extra.append((key, value if is_same_version else "Unknown"))
    return entry._replace(cmd=f"{tool} run {entry.name}", extra=tuple(extra))


# Reading


def _unreadable(message: str, line: int) -> GitSpacyError:
    return InvalidInput(
        message,
        file=LOCK_FILE,
        line=line,
        column=1,
        hint="git spacy lock rebuild",
    )


def _entry(name: str, node: Node) -> LockEntry:
    from git_spacy.project import documents

    if not isinstance(node.value, dict):
        raise _unreadable(f"the entry of '{name}' is not a mapping", node.line)
    values = node.value
    known = ("cmd", "script", "deps", "outs")
    cmd = values["cmd"].value if "cmd" in values else ""
    return LockEntry(
        name=name,
        script=tuple(
            _validated(formats.text, item, name) for item in _items(values.get("script"), name)
        ),
        deps=tuple(_tracked(item, name) for item in _items(values.get("deps"), name)),
        outs=tuple(_tracked(item, name) for item in _items(values.get("outs"), name)),
        cmd=cmd if isinstance(cmd, str) else "",
        extra=tuple(
            (key, documents.to_plain(inner)) for key, inner in values.items() if key not in known
        ),
    )


def _items(node: Node | None, name: str) -> list[Node]:
    if node is None or node.value is None:
        return []
    if not isinstance(node.value, list):
        raise _unreadable(f"a part of the entry of '{name}' is not a list", node.line)
    return node.value


def _tracked(node: Node, name: str) -> TrackedPath:
    if not isinstance(node.value, dict) or "path" not in node.value:
        raise _unreadable(f"an item of the entry of '{name}' has no path", node.line)
    path, md5 = _validated(formats.line, node.value["path"], name), node.value.get("md5")
    if md5 is None or md5.value is None:
        return TrackedPath(path, None)
    return TrackedPath(path, _validated(formats.md5, md5, name))


def _validated(check: Callable[[object], str], node: Node, name: str) -> str:
    try:
        return check(node.value)
    except InvalidInput as error:
        message = f"in the entry of '{name}', {error.problems[0].message}"
        raise _unreadable(message, node.line) from None


# Writing


def _document(entry: LockEntry) -> dict[str, Any]:
    return {
        "cmd": entry.cmd,
        "script": list(entry.script),
        "deps": [item._asdict() for item in entry.deps],
        "outs": [item._asdict() for item in entry.outs],
        **dict(entry.extra),
    }
