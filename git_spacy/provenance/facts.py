"""Collect what is known about the results of a commit or of the work tree: which command made them,
from which files, with which versions, and under which licenses.

The results are those of project.lock, or of the run records where there is no lock, as `diff` finds
them. For a commit, everything comes from Git, so that all clones with the same records agree.
"""

from __future__ import annotations

import calendar
import re
import shlex
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.errors import InvalidInput, Warn
from git_spacy.git import notes
from git_spacy.git.repository import Repository
from git_spacy.history import run_history
from git_spacy.history.lock_history import LockHistory, ResolvedEntry, lock_history, worktree_lock
from git_spacy.history.metrics import by_importance
from git_spacy.history.run_record import RecordedFile, RunRecord, flat_metrics
from git_spacy.lock.lock_format import TrackedPath
from git_spacy.project.graph import PathIndex
from git_spacy.project.model import Asset, Command, Project
from git_spacy.project.paths import ProjectPath, parse_path
from git_spacy.state.project_view import AtCommit, View, WorkTree

FileKind = Literal["model", "data", "code"]

LAST_SECOND = 253402300799.0
"""The end of the year 9999, the last that a time in a document can have."""

LICENSE_FILES = (
    "LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "LICENCE.md", "LICENCE.txt", "COPYING",
)  # fmt: skip
_MODEL_COMMAND = re.compile(r"\bspacy(?:\.exe)?\s+(?:train|assemble|package|init\s+vectors)\b")
_EVALUATED = re.compile(r"\bspacy(?:\.exe)?\s+(?:benchmark\s+accuracy|evaluate)\s+(.*)")
_NOT_A_MODEL = re.compile(r"\.(?:jsonl?|spacy|txt|log|md|csv|tsv|cfg|ya?ml|html|png|svg)$", re.I)
_MODEL_NAME = re.compile(r"(?:^|/)models?(?:[-_./]|$)")
_CODE = re.compile(r"\.(?:py|sh|cfg|ya?ml|toml|ini|ipynb|r|pl)$|(?:^|/)Makefile$", re.I)


class KnownFile(NamedTuple):
    """A file or folder with one content: its path, md5 and size (None if they are not recorded).

    `producer` is the command that it is a result of, "" for an input; `asset` the declaration that
    it is fetched by. If `is_current`, no later content of the same path is known. What `is_unused`
    is an asset that no command read.
    """

    path: ProjectPath
    md5: str | None
    size: int | None
    is_folder: bool
    kind: FileKind
    producer: str = ""
    asset: Asset | None = None
    is_current: bool = True
    is_unused: bool = False

    @property
    def sha256(self) -> str:
        """The sha256 that the asset declares for this file, or ""."""

        checksum = self.asset.content_checksum if self.asset else None
        is_whole = self.asset is not None and self.asset.dest.normal == self.path.normal
        return checksum.digest if checksum and is_whole and checksum.algorithm == "sha256" else ""


class KnownRun(NamedTuple):
    """The last run of a command, with what it read and wrote.

    `record` is None if only the lock has the run; `commit` is the one that the run began on, or "".
    `times` are its start and end in seconds since 1970, if they are known. Unless it `is_current`,
    the script or the inputs have changed since.
    """

    command: Command
    script: tuple[str, ...]
    inputs: tuple[KnownFile, ...]
    outputs: tuple[KnownFile, ...]
    versions: Mapping[str, str]
    record: RunRecord | None
    commit: str
    times: tuple[float, float] | None
    is_current: bool

    @property
    def name(self) -> str:
        """The name of the command, of a variant with its variables."""

        return self.command.name

    @property
    def notes(self) -> list[str]:
        """What else there is to say about the run, in words."""

        notes = []
        if self.commit:
            dirty = ", with uncommitted edits" if self.record and self.record.dirty else ""
            notes.append(f"began on commit {self.commit}{dirty}")
        if self.record and self.record.how == "record":
            notes.append("the results existed, and were recorded later")
        if self.record and self.record.how == "restore":
            notes.append(f"the results were restored from {self.record.source or 'a cache'}")
        if self.record is None:
            notes.append("only project.lock has this run")
        if not self.is_current:
            notes.append("the script or its inputs have changed since")
        return notes


class Facts(NamedTuple):
    """What is known about the results of a project.

    `commit` and `time` (seconds since 1970) are "" and 0 for the work tree. The runs are in the
    order of their dependencies. `license_file` is the project's file with its license, or "".
    """

    project: Project
    name: str
    commit: str
    time: int
    runs: tuple[KnownRun, ...]
    files: tuple[KnownFile, ...]
    license_file: str = ""

    @property
    def title(self) -> str:
        """The title of the project, or else the name of its folder."""

        return self.project.title or self.name

    @property
    def models(self) -> tuple[KnownFile, ...]:
        """The models that the project makes."""

        return tuple(file for file in self.files if file.kind == "model")

    def versions(self) -> dict[str, list[str]]:
        """Return the versions that the runs had, by name; usually there is one each."""

        found: dict[str, list[str]] = {}
        for run in self.runs:
            for name, version in run.versions.items():
                known = found.setdefault(name, [])
                if version not in known:
                    known.append(version)
        return found

    def license_of(self, file: KnownFile) -> str:
        """Return the license that project.yml names for a file, or ""."""

        if file.asset:
            return file.asset.license
        return self.project.license if file.producer else ""

    def metrics_of(self, model: KnownFile) -> list[tuple[KnownRun, dict[str, float]]]:
        """Return the runs that measured a model or made it, with their metrics."""

        found = []
        for run in self.runs:
            is_about = any(file.path.touches(model.path) for file in (*run.inputs, *run.outputs))
            if is_about and run.record and (values := flat_metrics(run.record)):
                found.append((run, {name: values[name] for name in by_importance(values)}))
        return found

    def sources_of(self, file: KnownFile) -> list[KnownFile]:
        """Return the inputs of the project that a file was made from, by way of all commands."""

        found: dict[KnownFile, None] = {}
        waiting, seen = [file], set()
        while waiting:
            current = waiting.pop()
            for run in self.runs:
                makes = any(output.path.touches(current.path) for output in run.outputs)
                if makes and run.name not in seen:
                    seen.add(run.name)
                    waiting.extend(run.inputs)
                    found |= {item: None for item in run.inputs if not item.producer}
        return [item for item in self.files if item in found]


def facts_of_commit(root: Path, repository: Repository, revision: str, warn: Warn) -> Facts:
    """Return the facts of a commit. Raises InvalidInput if no results are known of it, and as
    `lock_history` does."""

    history = lock_history(root, repository, revision, warn=warn)
    commit = next(notes.list_commits(repository, [history.commit], 1))
    view = AtCommit(root, repository, history.commit)
    facts = _collect(root, repository, history, view)
    return facts._replace(commit=commit.commit, time=commit.time)


def facts_of_worktree(root: Path, repository: Repository, warn: Warn) -> Facts:
    """Return the facts of the work tree. Raises InvalidInput if it has no results, and as
    `worktree_lock` does."""

    return _collect(root, repository, worktree_lock(root, repository, warn), WorkTree(root))


def _collect(root: Path, repository: Repository, history: LockHistory, view: View) -> Facts:
    project = history.project
    if not history.entries:
        where = f"commit {history.commit[:7]}" if history.commit else "the work tree"
        raise InvalidInput(
            f"no results are recorded for {where}",
            hint="git spacy run\nor, for records of others: git spacy notes pull",
        )
    paths = _known_paths(project)
    commands = {command.name: command for command in project.commands}
    runs = [
        _run(commands[name], resolved, paths)
        for name, resolved in history.entries.items()  # in the order of their dependencies
    ]
    files = _files(project, runs)
    found = view.read(LICENSE_FILES)
    folder = run_history.project_folder(root, repository)
    return Facts(
        project=project,
        name=folder.rpartition("/")[2] or "spaCy project",  # a clone can have any name
        commit="",
        time=0,
        runs=tuple(
            run._replace(
                inputs=tuple(files[file.path.normal, file.md5] for file in run.inputs),
                outputs=tuple(files[file.path.normal, file.md5] for file in run.outputs),
            )
            for run in runs
        ),
        files=tuple(files.values()),
        license_file=next((name for name in LICENSE_FILES if name in found), ""),
    )


def _known_paths(project: Project) -> dict[str, ProjectPath]:
    paths = [path for command in project.commands for path in (*command.deps, *command.produced)]
    return {path.text: path for path in (*paths, *(asset.dest for asset in project.assets))}


def _run(command: Command, resolved: ResolvedEntry, paths: Mapping[str, ProjectPath]) -> KnownRun:
    entry, record = resolved.entry, resolved.record
    in_lock = dict(entry.extra).get("spacy_version")  # spaCy before 3.7 writes it
    recorded = record.versions if record else {}
    sizes = {
        (file.path, file.md5): file for file in (*record.deps, *record.outs)
    } if record else {}  # fmt: skip
    inputs, outputs = (
        tuple(_file(item, sizes.get((item.path, item.md5)), paths) for item in items)
        for items in (entry.deps, entry.outs)
    )
    return KnownRun(
        command=command,
        script=entry.script,
        inputs=inputs,
        outputs=outputs,
        versions={**recorded, **({"spacy": in_lock} if isinstance(in_lock, str) else {})},
        record=record if record and record.time else None,
        commit=resolved.recorded_on,
        times=_times(record) if record else None,
        is_current=resolved.matches_commit,
    )


def _times(record: RunRecord) -> tuple[float, float] | None:
    """Return when a run started and ended; a record can have a time that no calendar has."""

    try:
        start = calendar.timegm(time.strptime(record.time[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return None
    begin = start + float(f"0{record.time[19:-1]}")
    return begin, min(begin + record.seconds, LAST_SECOND)


def _file(
    item: TrackedPath, recorded: RecordedFile | None, paths: Mapping[str, ProjectPath]
) -> KnownFile:
    path = paths.get(item.path) or parse_path(item.path, "dependency")
    if not isinstance(path, ProjectPath):  # it is only shown
        path = ProjectPath(item.path, item.path)
    is_folder = bool(recorded.names) if recorded else "." not in path.normal.rpartition("/")[2]
    return KnownFile(path, item.md5, recorded.size if recorded else None, is_folder, "data")


def _files(project: Project, runs: Sequence[KnownRun]) -> dict[tuple[str, str | None], KnownFile]:
    """Return all files by path and md5: what the runs read and wrote, and the other assets."""

    models = {path.normal for run in runs for path in _models(run)}
    outputs = PathIndex((file.path, run.name) for run in runs for file in run.outputs)
    current: dict[str, str | None] = {}
    found: dict[tuple[str, str | None], KnownFile] = {}
    for run in runs:
        for file in (*run.inputs, *run.outputs):
            key = file.path.normal, file.md5
            known = found.get(key)
            if known is None or (file.size is not None and known.size is None):
                found[key] = file
        current |= {file.path.normal: file.md5 for file in run.inputs}
    for run in runs:
        current |= {file.path.normal: file.md5 for file in run.outputs}
    earlier = set(_remade_inputs(runs, outputs))
    for key, file in found.items():
        makers = outputs.touching(file.path)
        producer = next((name for path, name in makers if path.holds(file.path)), "")
        asset = next((asset for asset in project.assets if asset.dest.holds(file.path)), None)
        found[key] = file._replace(
            producer=producer,
            asset=None if producer else asset,
            kind=_kind(file.path, models, is_input=not (producer or asset)),
            is_current=current[file.path.normal] == file.md5 and key not in earlier,
        )
    for asset in project.assets:
        if asset.dest.normal not in current:
            checksum = asset.content_checksum
            md5 = checksum.digest if checksum and checksum.algorithm == "md5" else None
            is_folder = "." not in asset.dest.normal.rpartition("/")[2]
            found[asset.dest.normal, md5] = KnownFile(
                asset.dest, md5, None, is_folder, "data", asset=asset, is_unused=True
            )
    return found


def _remade_inputs(
    runs: Sequence[KnownRun], outputs: PathIndex[str]
) -> Iterator[tuple[str, str | None]]:
    """Yield what stale runs read of a folder that was made again after them."""

    started = {run.name: run.times[0] for run in runs if run.times}
    for run in runs:
        if run.is_current or run.name not in started:
            continue
        for file in run.inputs:
            for path, producer in outputs.touching(file.path):
                is_later = started.get(producer, 0.0) > started[run.name]
                if is_later and path.normal != file.path.normal and path.holds(file.path):
                    yield file.path.normal, file.md5


def _kind(path: ProjectPath, models: Collection[str], *, is_input: bool) -> FileKind:
    if path.normal in models:
        return "model"
    return "code" if is_input and _CODE.search(path.normal) else "data"


def _models(run: KnownRun) -> Iterator[ProjectPath]:
    """Yield the models that a run wrote or evaluated: those that its lines of spaCy name, and
    outputs whose names say so."""

    written: list[str] = []
    evaluated: list[str] = []
    for line in run.script:
        if _MODEL_COMMAND.search(line):
            written += _words(line)
        elif found := _EVALUATED.search(line):
            evaluated += [word for word in _words(found[1]) if not word.startswith("-")][:1]
    names = {word.removeprefix("./").rstrip("/") for word in written} - {""}
    for file in run.outputs:
        is_named = any(file.path.touches(ProjectPath(name, name)) for name in names)
        if not _NOT_A_MODEL.search(file.path.normal) and (
            is_named or _MODEL_NAME.search(file.path.normal)
        ):
            yield file.path
    names = {word.removeprefix("./").rstrip("/") for word in evaluated}
    yield from (file.path for file in run.inputs if file.path.normal in names)


def _words(line: str) -> list[str]:
    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    return [part for word in words for part in (word, word.partition("=")[2]) if part]
