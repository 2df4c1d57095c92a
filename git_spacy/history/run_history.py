"""The run history: records of runs, as Git notes in `refs/notes/spacy`.

A run is recorded on the commit that it began on. If that is impossible (no commit, no repository,
no git), the record is pending: it waits in a file next to the stat cache until it can be written.
`state.run_record` has the format of a record; this module decides which commit a record belongs to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple

from git_spacy import formats
from git_spacy.errors import InvalidInput, Warn
from git_spacy.files import file_lock, write_atomic
from git_spacy.git import commits, notes, objects, process
from git_spacy.git.notes import MAX_LINE_LENGTH, AnnotatedCommit, NotesReader
from git_spacy.git.repository import Repository, prefix
from git_spacy.git.state_dir import state_dir, user_cache_dir
from git_spacy.history.run_record import RunRecord, parse_line, parse_lines, to_line
from git_spacy.lock.lock_format import LOCK_FILE
from git_spacy.project.paths import ProjectPath
from git_spacy.sharing import append_line

_MD5 = re.compile(rb"\b[0-9a-f]{32}\b")
_PENDING = "pending"
_FIRST_BATCH, _BATCH = 64, 1024  # commits: the first page appears at once
_MAX_LOCK_BYTES = 64 << 20  # bytes of project.lock files that are searched for md5s
_MAX_PROJECTS = 32  # with orphaned runs: each takes git processes of its own
_MAX_PENDING, _MAX_PENDING_BYTES = 1000, 4 << 20  # for projects that never get a repository


class BaseCommit(NamedTuple):
    """The commit that a run begins on, and whether the worktree differs from it.

    `commit` is that of HEAD ("" if there is no commit), `tree` the id of the tree of the project's
    folder in it ("" if it has none), `dirty` whether tracked files differ from it.
    """

    commit: str
    tree: str
    dirty: bool


def project_folder(root: Path, repository: Repository) -> str:
    """Return the project's folder in its repository, as in records: "" at the top."""

    return prefix(root, repository.cwd()).rstrip("/")


def base_commit(root: Path, outputs: Iterable[ProjectPath]) -> BaseCommit:
    """Return the commit that a run of the project at `root` would begin on.

    Changes in `outputs` do not count. Raises ExternalError if git fails.
    """

    repository = Repository.discover(root)
    head = commits.head_commit(repository) if repository else ""
    if repository is None or not head or not process.available():
        return BaseCommit(head, "", False)
    folder = prefix(root, repository.cwd())
    changed = [ProjectPath(name, name) for name in commits.changed_files(repository, folder)]
    ignored = list(outputs)
    dirty = any(
        path.normal != LOCK_FILE and not any(output.holds(path) for output in ignored)
        for path in changed
    )
    return BaseCommit(head, commits.tree_ids(repository, [head], folder)[head], dirty)


def queue_record(root: Path, commit: str, record: RunRecord) -> None:
    """Queue a run as pending on `commit` ("" if there is no commit yet), until `flush_pending`.

    Raises InvalidInput if the record could not be read again, OSError.
    """

    text = to_line(record)
    if len(text) > MAX_LINE_LENGTH:
        raise InvalidInput(
            f"the record of '{record.command}' has {len(text):,} characters; the limit is "
            f"{MAX_LINE_LENGTH:,}",
            hint="name folders in deps and outputs instead of their files",
        )
    if parse_line(text) is None:
        raise InvalidInput(
            f"the record of '{record.command}' could not be read again",
            hint="remove control characters from names and paths in project.yml",
        )
    file = state_dir(root) / _PENDING
    with file_lock(file.with_name(file.name + ".lock")):
        append_line(file, f"{commit or '-'} {text}".encode())
        if file.stat().st_size > _MAX_PENDING_BYTES:
            lines = _pending_lines(file)[-_MAX_PENDING:]
            write_atomic(file, "".join(f"{line}\n" for line in lines).encode())


def _pending_lines(file: Path) -> list[str]:
    """Return the valid lines of the file of pending records."""

    try:
        return [
            entry
            for entry in file.read_text("utf-8", "replace").split("\n")
            if _is_valid_pending_line(entry)
        ]
    except FileNotFoundError:
        return []


def _is_valid_pending_line(entry: str) -> bool:
    commit, _, text = entry.partition(" ")
    try:
        return (commit == "-" or formats.object_id(commit) != "") and bool(parse_lines([text]))
    except InvalidInput:
        return False


def flush_pending(root: Path) -> None:
    """Record pending runs on their commits, or on the root commit if a commit does not exist.

    Raises GitSpacyError, OSError; the records then stay pending.
    """

    for file in dict.fromkeys((state_dir(root) / _PENDING, user_cache_dir(root) / _PENDING)):
        if not file.is_file():
            continue
        repository = Repository.discover(root)
        if repository is None or not process.available():
            return
        with file_lock(file.with_name(file.name + ".lock")):
            pending = [entry.split(" ", 1) for entry in _pending_lines(file)]
            named = {commit for commit, _ in pending}
            present = commits.present_commits(repository, named - {"-"})
            root_commit = "" if named <= present else commits.root_commit(repository)
            if not root_commit and not named <= present:
                return
            project = project_folder(root, repository)
            lines: dict[str, list[str]] = {}
            for commit, text in pending:
                target = commit if commit in present else root_commit
                lines.setdefault(target, []).append(_with_project(text, project))
            for commit, texts in lines.items():
                notes.append(repository, commit, texts)
            os.unlink(file)


def _with_project(text: str, project: str) -> str:
    """Return the line of a pending record with the folder `project`.

    The record has no folder if there was no repository at the time of the run.
    """

    return "".join(to_line(record._replace(project=project)) for record in parse_lines([text]))


class RecordedRun(NamedTuple):
    """A record that belongs to a commit.

    If it is recorded on a commit outside the history, `recorded_on` is the id of that commit, and
    `matched_by` says why the record belongs to this one: "tree" if the project has the same tree,
    "lock" if its lock has the result. Both are "" for a record on the commit itself.
    """

    record: RunRecord
    recorded_on: str = ""
    matched_by: str = ""


class CommitRuns(NamedTuple):
    """A commit and its runs, the oldest first."""

    annotated: AnnotatedCommit
    runs: tuple[RecordedRun, ...]


class OrphanedRuns:
    """Runs recorded only on commits outside a history: squashed, cherry-picked or rebased.

    They are read on demand, because that means reading all notes.
    """

    def __init__(
        self,
        reader: NotesReader,
        repository: Repository,
        project: str | None,
        revisions: Sequence[str],
    ):
        self._reader = reader
        self._repository = repository
        self._project = project
        self._revisions = revisions
        self._lock_bytes_left = _MAX_LOCK_BYTES

    @cached_property
    def runs(self) -> list[RecordedRun]:
        """All orphaned runs, the oldest first."""

        # with limits of its own, so that orphaned runs do not use up those of the history
        reader = self._reader.with_full_budget()
        annotated = reader.notes
        unreachable: Collection[str] = set()
        if annotated:
            unreachable = commits.unreachable(self._repository, annotated, self._revisions)
        candidates = [
            (text, RecordedRun(record, commit))
            for commit, lines in reader.lines(sorted(unreachable))
            for text in dict.fromkeys(lines)
            for record in parse_lines([text], self._project)
        ]
        orphaned = {text for text, _ in candidates}
        reachable = (commit for commit in annotated if commit not in unreachable)
        for _, lines in reader.lines(reachable) if orphaned else ():
            orphaned.difference_update(lines)
        runs = [run for text, run in candidates if text in orphaned]
        return sorted(runs, key=lambda run: (run.record.time, run.recorded_on))

    @cached_property
    def _by_project(self) -> dict[str, _RunsByCommit]:
        newest_first: dict[str, list[RecordedRun]] = {}
        for run in reversed(self.runs):
            if run.record.project in newest_first or len(newest_first) < _MAX_PROJECTS:
                newest_first.setdefault(run.record.project, []).append(run)
        in_order = sorted(newest_first.items(), key=lambda item: (item[1][-1].record.time, item[0]))
        return {project: _RunsByCommit(runs[::-1]) for project, runs in in_order}

    def by_commit(self, commit_ids: Sequence[str]) -> dict[str, list[RecordedRun]]:
        """Return the runs that belong to each of these commits.

        A run belongs to a commit with the tree that it began on, and to one whose lock has its
        dependencies and outputs.
        """

        matching: dict[str, list[RecordedRun]] = {commit: [] for commit in commit_ids}
        for project, runs in self._by_project.items() if commit_ids else ():
            folder = f"{project}/" if project else ""
            trees = commits.tree_ids(self._repository, commit_ids, folder)
            locks = self._locks(commit_ids, folder, runs)
            for commit in commit_ids:
                matching[commit] += runs.matching(trees[commit], locks[commit])
        return matching

    def _locks(
        self, commit_ids: Sequence[str], folder: str, runs: _RunsByCommit
    ) -> dict[str, tuple[str, frozenset[str]]]:
        """Return the id of the project.lock of each commit, and the md5s in it that `runs` have.

        Searching for md5s is a hundred times faster than parsing the lock.
        """

        ids = commits.blob_ids(self._repository, commit_ids, folder + LOCK_FILE)
        unread = [id for id in dict.fromkeys(ids.values()) if id and id not in runs.locks]
        for id, content in objects.read_local_blobs(self._repository, unread):
            self._lock_bytes_left -= content.size
            if self._lock_bytes_left < 0:
                break
            md5s = map(bytes.decode, _MD5.findall(content.read()))
            runs.locks[id] = frozenset(md5s) & runs.md5s
        return {commit: (id, runs.locks.get(id, frozenset())) for commit, id in ids.items()}


class _RunsByCommit:
    """Finds the runs of one project that belong to a commit.

    `md5s` are all md5s of the runs; `locks` has those of them that are in a lock, by its blob id.
    """

    def __init__(self, runs: Sequence[RecordedRun]) -> None:
        self._runs = runs
        self._by_tree: dict[str, list[int]] = {}
        self._by_md5: dict[str, list[tuple[int, frozenset[str]]]] = {}
        self._cache: dict[tuple[str, str], list[RecordedRun]] = {}
        self.locks: dict[str, frozenset[str]] = {}
        for number, (record, *_) in enumerate(runs):
            if record.tree:
                self._by_tree.setdefault(record.tree, []).append(number)
            md5s = [file.md5 for file in (*record.outs, *record.deps)]
            run_md5s = frozenset(md5 for md5 in md5s if md5)
            if record.exit == 0 and record.outs and all(md5s) and md5s[0]:
                self._by_md5.setdefault(md5s[0], []).append((number, run_md5s))
        self.md5s = frozenset(
            md5
            for candidates in self._by_md5.values()
            for _, run_md5s in candidates
            for md5 in run_md5s
        )

    def matching(self, tree: str, lock: tuple[str, frozenset[str]]) -> list[RecordedRun]:
        """Return the runs that belong to a commit with this tree and lock, the oldest first."""

        id, md5s = lock
        if (tree, id) not in self._cache:
            matched = {
                number: "lock"
                for md5 in md5s
                for number, run_md5s in self._by_md5.get(md5, ())
                if run_md5s <= md5s
            }
            matched |= dict.fromkeys(self._by_tree.get(tree, ()), "tree")
            self._cache[tree, id] = [
                self._runs[number]._replace(matched_by=by) for number, by in sorted(matched.items())
            ]
        return self._cache[tree, id]


def read_history(
    repository: Repository,
    project: str | None,
    revisions: Sequence[str] = (),
    warn: Warn = lambda _: None,
) -> Iterator[CommitRuns]:
    """Yield the commits reachable from `revisions` (default: HEAD), newest first, with their runs.

    `project` (its folder) limits the runs to one project. A commit without records has the orphaned
    runs that belong to it by its tree or its lock. Notes are read lazily; `warn` is called for
    records that are too large to read. Raises InvalidInput for an invalid revision, ExternalError.
    """

    names = notes.resolve_revisions(repository, revisions)
    reader = NotesReader(repository, warn)
    orphaned_runs = OrphanedRuns(reader, repository, project, names)
    stream = notes.log(repository, names, reader=reader)
    newer: CommitRuns | None = None
    for size in chain((_FIRST_BATCH,), repeat(_BATCH)):
        batch = [
            CommitRuns(
                annotated._replace(lines=()),
                tuple(map(RecordedRun, parse_lines(annotated.lines, project))),
            )
            for annotated in islice(stream, size)
        ]
        if not batch:
            break
        has_bare = any(not commit.runs for commit in (*batch, *((newer,) if newer else ())))
        ids = [commit.annotated.commit for commit in batch]
        orphaned = orphaned_runs.by_commit(ids) if has_bare else {}
        for commit in batch:
            matching = orphaned.get(commit.annotated.commit, [])
            if newer is not None:
                yield _without_repeats(newer, matching)
            newer = commit if commit.runs else commit._replace(runs=tuple(matching))
    if newer is not None:
        yield newer


def _without_repeats(newer: CommitRuns, older: Sequence[RecordedRun]) -> CommitRuns:
    """Remove from a commit the orphaned runs that also belong to the commit before it."""

    # by identity: an orphaned run is the same object wherever it matches
    seen = {(id(run.record), run.matched_by) for run in older}
    return newer._replace(
        runs=tuple(run for run in newer.runs if (id(run.record), run.matched_by) not in seen)
    )


def all_records(root: Path, warn: Warn = lambda _: None) -> Iterator[RunRecord]:
    """Yield all records of the project at `root`, on any commit, but those too large to read.

    Raises InvalidInput outside a repository, ExternalError.
    """

    repository = Repository.require(root)
    reader = NotesReader(repository, warn)
    project = project_folder(root, repository)
    return (
        record for _, lines in reader.lines(reader.notes) for record in parse_lines(lines, project)
    )
