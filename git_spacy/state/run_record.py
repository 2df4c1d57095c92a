"""What one run of a command was, as one line of a note; and how two runs differ. Pure.

The line is JSON with sorted keys, all ASCII: two clones write the same line for the same record,
and Git's `cat_sort_uniq` merges what they noted. A line is written once and never changed. It names
no machine, no path outside the project and no value of an environment variable.
docs/reference/run-records.md has the format.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

from git_spacy import formats
from git_spacy.errors import InvalidInput
from git_spacy.state.lock import LockEntry, TrackedPath

VERSION = 1
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
_MAX_SECONDS = 1 << 40  # seconds
_MAX_EXIT = 1 << 31
_MAX_EQUAL_PAIRS = 20_000  # of equal script lines: beyond, a whole script is told as replaced
_MAX_METRICS = 256  # of one file: more is data, no metrics

How = Literal["run", "record", "restore"]


class RecordedFile(NamedTuple):
    """One path as project.yml spells it, its md5 (None: it was not there), size in bytes and, of a
    folder, a digest of the names in it, to which the md5 is blind."""

    path: str
    md5: str | None
    size: int | None
    names: str = ""


class RunRecord(NamedTuple):
    """One run of one command.

    `time` is when it began (UTC, `2026-11-24T01:55:41.123Z`), `seconds` how long it took, `exit`
    how it ended; `project` the folder of the project in its repository ("" at the top); `tree` the
    id of that folder's tree in the commit that it began on ("" if it was not there), `dirty`
    whether tracked files differed from that, but for outputs and the lock; `vars` the variables
    overridden; `versions` those of python, spacy and git-spacy; `metrics` the numbers of each small
    JSON output, by dotted name. `how`: "run", "record" for a result that was there already, or
    "restore" for one that was brought from `source`.
    """

    time: str
    project: str
    command: str
    script: tuple[str, ...]
    deps: tuple[RecordedFile, ...]
    outs: tuple[RecordedFile, ...]
    how: How = "run"
    seconds: float = 0.0
    exit: int = 0
    tree: str = ""
    dirty: bool = False
    vars: Mapping[str, Any] = {}
    versions: Mapping[str, str] = {}
    metrics: Mapping[str, Mapping[str, float]] = {}
    source: str = ""

    @property
    def fingerprint_key(self) -> tuple[object, ...]:
        """What freshness is judged by, as a lock entry has it."""

        return self.script, _tracked(self.deps), _tracked(self.outs)

    def entry(self) -> LockEntry:
        """The lock entry of this run, in no dialect yet."""

        return LockEntry(self.command, self.script, _tracked(self.deps), _tracked(self.outs))


def _tracked(files: Iterable[RecordedFile]) -> tuple[TrackedPath, ...]:
    return tuple(TrackedPath(file.path, file.md5) for file in files)


def to_line(record: RunRecord) -> str:
    """The record as one line, without the line break."""

    document = to_document(record)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_document(record: RunRecord) -> dict[str, Any]:
    """The record as its line has it, for `--json`."""

    document: dict[str, Any] = {"v": VERSION, **record._asdict()}
    if not record.source:  # as lines have been before there was such a thing
        del document["source"]
    document["deps"] = [_plain(file) for file in record.deps]
    document["outs"] = [_plain(file) for file in record.outs]
    return document


def _plain(file: RecordedFile) -> dict[str, Any]:
    document = file._asdict()
    return document if file.names else {name: document[name] for name in ("path", "md5", "size")}


def parse_line(text: str) -> RunRecord | None:
    """The record of a line; None if it is not one of ours, or of a later version. Somebody else
    may have written anything."""

    try:
        document = formats.document(text)
        return _record(document) if document["v"] == VERSION else None
    except (InvalidInput, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _record(document: dict[str, Any]) -> RunRecord:
    how = document.get("how", "run")
    if how not in get_args(How) or not _TIME.fullmatch(document["time"]):
        raise ValueError(how)
    return RunRecord(
        time=document["time"],
        project=formats.folder(document["project"]),
        command=formats.line(document["command"]),
        script=tuple(map(formats.text, _list(document["script"]))),
        deps=tuple(map(_file, _list(document["deps"]))),
        outs=tuple(map(_file, _list(document["outs"]))),
        how=how,
        source=formats.line(document.get("source", "")),
        seconds=_seconds(document.get("seconds", 0.0)),
        exit=formats.integer(document.get("exit", 0), -_MAX_EXIT, _MAX_EXIT),
        tree=formats.object_id(document.get("tree", "")),
        dirty=document.get("dirty", False) is True,
        vars=_vars(document.get("vars", {})),
        versions={
            formats.line(name): formats.line(one)
            for name, one in document.get("versions", {}).items()
        },
        metrics={
            formats.text(file): {
                formats.text(name): formats.number(one) for name, one in numbers.items()
            }
            for file, numbers in document.get("metrics", {}).items()
        },
    )


def _file(value: Any) -> RecordedFile:
    md5, size = value["md5"], value.get("size")
    return RecordedFile(
        formats.line(value["path"]),
        None if md5 is None else formats.md5(md5),
        None if size is None else formats.size(size),
        formats.names_digest(value.get("names", "")),
    )


def _seconds(value: Any) -> float:
    if not 0 <= formats.number(value) <= _MAX_SECONDS:
        raise ValueError(value)
    return formats.number(value)


def _vars(value: Any) -> dict[str, Any]:
    found = dict(value)
    if found:  # all text in it is text, and all numbers are finite
        formats.text(json.dumps(found, ensure_ascii=False, allow_nan=False))
    return found


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def parse_lines(lines: Iterable[str], project: str | None = None) -> tuple[RunRecord, ...]:
    """The records among `lines`, those of `project` alone if it is given, the oldest first."""

    found = (record for text in lines if (record := parse_line(text)))
    mine = [record for record in found if project is None or record.project == project]
    return tuple(sorted(mine, key=lambda record: record.time))


def read_metrics(text: bytes) -> dict[str, float]:
    """The numbers in a JSON object, by dotted name; none if it is no such thing or has too many."""

    try:
        document = json.loads(text)
        found = dict(_flatten(document, "")) if isinstance(document, dict) else {}
    except (ValueError, RecursionError):
        return {}
    return found if len(found) <= _MAX_METRICS else {}


def _flatten(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            finite = math.isfinite(value)
        except OverflowError:  # an int beyond any float
            return
        if finite:
            yield name, value


class RunChange(NamedTuple):
    """One thing in which two runs differ: what `kind` of thing, which one, and before and after
    ("" where it was not, or is not)."""

    kind: Literal["script", "dep", "out", "metric", "exit"]
    name: str
    before: str
    after: str


def differences(before: RunRecord, after: RunRecord) -> tuple[RunChange, ...]:
    """How `after` differs from `before`: by script line, dependency, output, metric and exit."""

    sides = (before, after)
    found = _script_changes(before.script, after.script)
    for kind, files in (("dep", [one.deps for one in sides]), ("out", [one.outs for one in sides])):
        found += _value_changes(
            kind, *({file.path: file.md5 or "" for file in some} for some in files)
        )
    numbers_of = [
        {name: format_number(value) for name, value in flat_metrics(one).items()} for one in sides
    ]
    found += _value_changes("metric", *numbers_of)
    if before.exit != after.exit:
        found.append(RunChange("exit", "", str(before.exit), str(after.exit)))
    return tuple(found)


def _script_changes(before: Sequence[str], after: Sequence[str]) -> list[RunChange]:
    import difflib

    if before == after:
        return []
    found = []
    times = Counter(after)
    if sum(times[text] for text in before) > _MAX_EQUAL_PAIRS:  # the time grows with these
        found = [RunChange("script", "", text, "") for text in before]
        return found + [RunChange("script", "", "", text) for text in after]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, left, left_end, right, right_end in matcher.get_opcodes():
        if tag != "equal":
            found += [RunChange("script", "", text, "") for text in before[left:left_end]]
            found += [RunChange("script", "", "", text) for text in after[right:right_end]]
    return found


def _value_changes(
    kind: Any, before: Mapping[str, str], after: Mapping[str, str]
) -> list[RunChange]:
    return [
        RunChange(kind, name, before.get(name, ""), after.get(name, ""))
        for name in dict.fromkeys((*before, *after))
        if before.get(name, "") != after.get(name, "")
    ]


def flat_metrics(record: RunRecord) -> dict[str, float]:
    """All numbers of a run, by dotted name; with its file before it where two files have it."""

    times = Counter(name for inner in record.metrics.values() for name in inner)
    return {
        name if times[name] == 1 else f"{file}:{name}": value
        for file, inner in record.metrics.items()
        for name, value in inner.items()
    }


def format_number(number: float) -> str:
    """A number for people: four digits behind the point, no more than it has."""

    if isinstance(number, int):
        return str(number)
    if number and not 1e-3 <= abs(number) < 1e9:
        return f"{number:.4g}"
    return f"{number:.4f}".rstrip("0").rstrip(".")
