"""Serialize the record of a run as one line of a Git note; compare records. Pure.

The line is ASCII JSON with sorted keys: two clones write the same line for the same record, and
Git's `cat_sort_uniq` merges their notes. A line is written once and never changed. It has no
machine name, no path but those in project.yml and no value of an environment variable.
docs/reference/run-records.md has the format.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from git_spacy import formats
from git_spacy.errors import InvalidInput
from git_spacy.light_typing import Any, Literal, NamedTuple, get_args
from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.patterns import compile_late

VERSION = 1
_TIME = compile_late(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?Z")
_MAX_SECONDS = 1 << 40  # seconds
_MAX_EXIT = 1 << 31
_MAX_EQUAL_PAIRS = 20_000  # of equal script lines; with more, the whole script counts as replaced
_MAX_METRICS = 256  # of one file; a file with more is data

# left out if empty, as in lines that are older than the key
_LATER_KEYS = ("source", "links", "isolated", "queued", "node", "resources", "timeout", "attempts",
               "pruned")  # fmt: skip

How = Literal["run", "record", "restore"]


class RecordedFile(NamedTuple):
    """A path as project.yml spells it, its md5 (None if it did not exist) and its size in bytes.

    `names` is a digest of the file names in a folder, which the md5 does not cover.
    """

    path: str
    md5: str | None
    size: int | None
    names: str = ""


class Attempt(NamedTuple):
    """A failed attempt of a run that was repeated: its exit status, its duration in seconds, and
    the limit at which it was ended, 0 if it was not."""

    exit: int
    seconds: float
    timeout: float = 0.0


class RunRecord(NamedTuple):
    """One run of one command.

    `time` is its start (UTC, `2026-11-24T01:55:41.123Z`), `seconds` its duration, `exit` its exit
    status; `project` the folder of the project in its repository ("" at the top); `tree` the id of
    that folder's tree in the commit that the run began on ("" if it did not exist), `dirty` whether
    tracked files differed from it, outputs and the lock excluded; `vars` the overridden variables;
    `versions` those of python, spacy and git-spacy; `metrics` the numbers in each small JSON
    output, by dotted name. `how` is "run", "record" for outputs that already existed, or "restore"
    for outputs restored from `source`. `links` are the ids that other tools gave to the run. A run
    is `isolated` if it was in a copy of the project, so that its outputs were never in the project.
    For a run on a cluster, `queued` is how many seconds passed before it began, `node` the id that
    the cluster gave the machine, and `resources` what was reserved there. `timeout` is the limit in
    seconds at which a run was ended; 0 if it was not. `attempts` are the failed attempts before the
    one that the record is about, whose duration is `seconds`. A run was `pruned` if a search
    stopped it early, as one that was not promising.
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
    links: Mapping[str, str] = {}
    isolated: bool = False
    queued: float = 0.0
    node: str = ""
    resources: Mapping[str, float] = {}
    timeout: float = 0.0
    attempts: tuple[Attempt, ...] = ()
    pruned: bool = False

    @property
    def fingerprint_key(self) -> tuple[object, ...]:
        """The same key as that of the lock entry of this run."""

        return self.script, _tracked(self.deps), _tracked(self.outs)

    def entry(self) -> LockEntry:
        """Return the lock entry of this run, without the keys of a specific tool."""

        return LockEntry(self.command, self.script, _tracked(self.deps), _tracked(self.outs))


def _tracked(files: Iterable[RecordedFile]) -> tuple[TrackedPath, ...]:
    return tuple(TrackedPath(file.path, file.md5) for file in files)


def format_time(seconds: float) -> str:
    """Return a time in seconds since 1970 as in a record."""

    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{stamp}.{int(seconds % 1 * 1000):03}Z"


def to_line(record: RunRecord) -> str:
    """Return the record as one line, without the line break."""

    document = to_document(record)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def to_document(record: RunRecord) -> dict[str, Any]:
    """Return the record as a JSON document."""

    document: dict[str, Any] = {"v": VERSION, **record._asdict()}
    for name in _LATER_KEYS:
        if not document[name]:
            del document[name]
    if record.attempts:
        document["attempts"] = [_attempt_document(attempt) for attempt in record.attempts]
    document["deps"] = [_plain(file) for file in record.deps]
    document["outs"] = [_plain(file) for file in record.outs]
    return document


def _attempt_document(attempt: Attempt) -> dict[str, Any]:
    document = attempt._asdict()
    return document if attempt.timeout else {name: document[name] for name in ("exit", "seconds")}


def _plain(file: RecordedFile) -> dict[str, Any]:
    document = file._asdict()
    return document if file.names else {name: document[name] for name in ("path", "md5", "size")}


def parse_line(text: str) -> RunRecord | None:
    """Return the record in a line; None if it is not a valid record of this version.

    Notes can be pushed by anyone, so a line can be anything.
    """

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
        isolated=document.get("isolated", False) is True,
        pruned=document.get("pruned", False) is True,
        seconds=_seconds(document.get("seconds", 0.0)),
        queued=_seconds(document.get("queued", 0.0)),
        node=formats.line(document.get("node", "")),
        resources={
            formats.line(name): formats.number(amount)
            for name, amount in document.get("resources", {}).items()
        },
        exit=_exit(document.get("exit", 0)),
        timeout=_seconds(document.get("timeout", 0.0)),
        attempts=tuple(map(_attempt, _list(document.get("attempts", [])))),
        tree=formats.object_id(document.get("tree", "")),
        dirty=document.get("dirty", False) is True,
        vars=_vars(document.get("vars", {})),
        versions=_lines(document.get("versions", {})),
        links=_lines(document.get("links", {})),
        metrics={
            formats.text(file): {
                formats.text(name): formats.number(number) for name, number in numbers.items()
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


def _lines(value: Any) -> dict[str, str]:
    return {formats.line(name): formats.line(text) for name, text in value.items()}


def _attempt(value: Any) -> Attempt:
    timeout = _seconds(value.get("timeout", 0.0))
    return Attempt(_exit(value["exit"]), _seconds(value["seconds"]), timeout)


def _exit(value: Any) -> int:
    return formats.integer(value, -_MAX_EXIT, _MAX_EXIT)


def _seconds(value: Any) -> float:
    if not 0 <= formats.number(value) <= _MAX_SECONDS:
        raise ValueError(value)
    return formats.number(value)


def _vars(value: Any) -> dict[str, Any]:
    variables = dict(value)
    if variables:  # refuse lone surrogates and numbers that are not finite
        formats.text(json.dumps(variables, ensure_ascii=False, allow_nan=False))
    return variables


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(value)
    return value


def parse_lines(lines: Iterable[str], project: str | None = None) -> tuple[RunRecord, ...]:
    """Return the records in `lines`, the oldest first; only those of `project` if it is given."""

    parsed = (record for text in lines if (record := parse_line(text)))
    selected = [record for record in parsed if project is None or record.project == project]
    return tuple(sorted(selected, key=lambda record: record.time))


def read_metrics(text: bytes) -> dict[str, float]:
    """Return the numbers in a JSON object by dotted name; none if it is invalid or has too many."""

    try:
        document = json.loads(text)
        metrics = dict(_flatten(document, "")) if isinstance(document, dict) else {}
    except (ValueError, RecursionError):
        return {}
    return metrics if len(metrics) <= _MAX_METRICS else {}


def _flatten(value: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        try:
            finite = math.isfinite(value)
        except OverflowError:  # an int too large for a float
            return
        if finite:
            yield name, value


ChangeKind = Literal["var", "script", "dep", "out", "metric", "exit"]


class RunChange(NamedTuple):
    """A difference between two runs, with its values before and after ("" where it is missing)."""

    kind: ChangeKind
    name: str
    before: str
    after: str


class Difference(NamedTuple):
    """Something that differs among runs, with one value per run ("" where it is missing)."""

    kind: ChangeKind
    name: str
    values: tuple[str, ...]


def differences(before: RunRecord, after: RunRecord) -> tuple[RunChange, ...]:
    """Return the changes from one run to another: script, dependencies, outputs, metrics, exit."""

    changes = _script_changes(before.script, after.script)
    for kind, name, (old, new) in differing_values((before, after)):
        changes.append(RunChange(kind, name, old, new))
    return tuple(changes)


def differing_values(records: Sequence[RunRecord]) -> Iterator[Difference]:
    """Yield the dependencies, outputs, metrics and exit codes that are not the same in all runs."""

    facts: dict[ChangeKind, list[dict[str, str]]] = {
        "dep": [_md5s(record.deps) for record in records],
        "out": [_md5s(record.outs) for record in records],
        "metric": [_formatted_metrics(record) for record in records],
        "exit": [{"": str(record.exit)} for record in records],
    }
    for kind, columns in facts.items():
        for name in dict.fromkeys(chain.from_iterable(columns)):
            values = tuple(column.get(name, "") for column in columns)
            if len(set(values)) > 1:
                yield Difference(kind, name, values)


def _md5s(files: Iterable[RecordedFile]) -> dict[str, str]:
    return {file.path: file.md5 or "" for file in files}


def _formatted_metrics(record: RunRecord) -> dict[str, str]:
    return {name: format_number(value) for name, value in flat_metrics(record).items()}


def _script_changes(before: Sequence[str], after: Sequence[str]) -> list[RunChange]:
    if before == after:
        return []
    counts = Counter(after)
    equal_pairs = sum(counts[text] for text in before)
    if not equal_pairs or equal_pairs > _MAX_EQUAL_PAIRS:  # difflib's time grows with these
        return [
            *(RunChange("script", "", text, "") for text in before),
            *(RunChange("script", "", "", text) for text in after),
        ]
    import difflib

    changes = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for tag, left, left_end, right, right_end in matcher.get_opcodes():
        if tag != "equal":
            changes += [RunChange("script", "", text, "") for text in before[left:left_end]]
            changes += [RunChange("script", "", "", text) for text in after[right:right_end]]
    return changes


def flat_metrics(record: RunRecord) -> dict[str, float]:
    """Return all metrics of a run, as `flatten_metrics` does."""

    return flatten_metrics(record.metrics)


def flatten_metrics(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the metrics of files by dotted name, with a prefix if several files have the name.

    The prefix is the part of the path that distinguishes the files, so that it is the same for all
    variants, whatever their folders are called.
    """

    prefixes = dict(zip(metrics, _distinguishing_parts(list(metrics)), strict=True))
    counts = Counter(name for numbers in metrics.values() for name in numbers)
    return {
        name if counts[name] == 1 else f"{prefixes[file]}:{name}": value
        for file, numbers in metrics.items()
        for name, value in numbers.items()
    }


def _distinguishing_parts(files: Sequence[str]) -> Sequence[str]:
    """Return e.g. `dev` and `test` for `1/dev/scores.json` and `1/test/scores.json`."""

    split = [re.split(r"([/._-])", file) for file in files]
    while len({parts[0] for parts in split if parts}) == 1 and all(
        len(parts) > 1 for parts in split
    ):
        split = [parts[1:] for parts in split]
    while len({parts[-1] for parts in split if parts}) == 1 and all(
        len(parts) > 1 for parts in split
    ):
        split = [parts[:-1] for parts in split]
    short = ["".join(parts).strip("/._-") for parts in split]
    return short if all(short) and len(set(short)) == len(files) else files


def format_number(number: float) -> str:
    """Format a number for people, with up to four decimal places."""

    if isinstance(number, int):
        return str(number)
    if number and not 1e-3 <= abs(number) < 1e9:
        return f"{number:.4g}"
    return f"{number:.4f}".rstrip("0").rstrip(".")
