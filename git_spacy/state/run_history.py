"""The ledger: each run noted on the commit that it began on, in `refs/notes/spacy`.

What cannot be noted now (no commit yet, no repository, no git) is kept back in a file beside the
stat index, and noted as soon as somebody asks and it can be. `state.record` knows what a record is,
`git.notes` how a line is noted; here is which commit, and whose records count for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple

from git_spacy import formats
from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.files import file_lock, write_atomic
from git_spacy.git import commits, notes, objects, process
from git_spacy.git.notes import LONGEST_LINE, AnnotatedCommit, Reader
from git_spacy.git.repository import SAFE_CONFIG, Repository
from git_spacy.project.paths import ProjectPath
from git_spacy.state.lock import LOCK_FILE
from git_spacy.state.project_view import prefix
from git_spacy.state.run_record import RunRecord, parse_lines, to_line
from git_spacy.state.stat_cache import state_dir, user_cache_dir

_MD5 = re.compile(rb"\b[0-9a-f]{32}\b")
_PENDING = "pending"
_FIRST_BATCH, _BATCH = 64, 1024  # commits: what is on the first page comes at once
_MAX_LOCK_BYTES = 64 << 20  # bytes of project.lock at commits that are searched for md5s
_MAX_PROJECTS = 32  # whose runs are looked for elsewhere: each takes git processes of its own
_MAX_PENDING = 1000  # runs, where there will never be a repository


class BaseCommit(NamedTuple):
    """What a run begins on: the `commit` that HEAD is ("" if there is none), the id of the tree of
    the project's folder in it ("" if it is not there), and whether tracked files differ from it."""

    commit: str
    tree: str
    dirty: bool


def project_folder(root: Path, repository: Repository) -> str:
    """The project's folder from the top of its repository, as records have it: "" at the top."""

    return prefix(root, repository.cwd()).rstrip("/")


def base_commit(root: Path, outputs: Iterable[ProjectPath]) -> BaseCommit:
    """How things stand for the project at `root`; what lies in `made` (its outputs and data) is no
    difference. Raises Unavailable where git fails."""

    repository = Repository.discover(root)
    head = commits.head(repository) if repository else ""
    if repository is None or not head or not process.available():
        return BaseCommit(head, "", False)
    below = prefix(root, repository.cwd())
    edited = [ProjectPath(name, name) for name in commits.changed(repository, below)]
    own = list(outputs)
    dirty = any(
        name.normal != LOCK_FILE and not any(path.holds(name) for path in own) for name in edited
    )
    return BaseCommit(head, commits.trees(repository, [head], below)[head], dirty)


def append_record(root: Path, commit: str, record: RunRecord) -> None:
    """Note `record` on `commit` ("": there is none yet), or keep it back until that can be done.

    Raises OSError if that fails, too; GitSpacyError with why it was only kept back, if git failed,
    or why not even that: nobody would read a line that long.
    """

    repository = Repository.discover(root)
    text = to_line(record)
    if len(text) > LONGEST_LINE:
        raise InvalidInput(
            f"the record of '{record.command}' has {len(text):,} characters; the limit is "
            f"{LONGEST_LINE:,}",
            hint="name folders in deps and outputs instead of their files",
        )
    if not (repository and commit and process.available()):
        _queue_pending(root, commit, text)
        return
    try:
        flush_pending(root)
        notes.append(repository, commit, [text])
    except (GitSpacyError, OSError):
        _queue_pending(root, commit, text)
        raise


def _queue_pending(root: Path, commit: str, text: str) -> None:
    file = state_dir(root) / _PENDING
    with file_lock(file.with_name(file.name + ".lock")):
        waiting = [*_pending_lines(file), f"{commit or '-'} {text}"]
        write_atomic(file, "".join(f"{one}\n" for one in waiting[-_MAX_PENDING:]).encode())


def _pending_lines(file: Path) -> list[str]:
    """The lines of what was kept back, but for those that are not of ours."""

    try:
        return [
            one
            for one in file.read_text("utf-8", "replace").split("\n")
            if _is_valid_pending_line(one)
        ]
    except FileNotFoundError:
        return []


def _is_valid_pending_line(waiting: str) -> bool:
    commit, _, text = waiting.partition(" ")
    try:
        return (commit == "-" or formats.object_id(commit) != "") and bool(parse_lines([text]))
    except InvalidInput:
        return False


def flush_pending(root: Path) -> None:
    """Note what was kept back: on the commit that it was meant for, or else on the first one.

    Raises GitSpacyError, OSError, with nothing lost.
    """

    for file in dict.fromkeys((state_dir(root) / _PENDING, user_cache_dir(root) / _PENDING)):
        if not file.is_file():
            continue
        repository = Repository.discover(root)
        if repository is None or not process.available():
            return
        with file_lock(file.with_name(file.name + ".lock")):
            first = commits.root_commit(repository)
            if not first:
                return
            waiting = [one.split(" ", 1) for one in _pending_lines(file)]
            here = commits.present_commits(repository, {commit for commit, _ in waiting} - {"-"})
            noted: dict[str, list[str]] = {}
            for commit, text in waiting:
                place = commit if commit in here else first
                noted.setdefault(place, []).append(
                    _with_project(text, project_folder(root, repository))
                )
            for commit, lines in noted.items():
                notes.append(repository, commit, lines)
            os.unlink(file)


def _with_project(text: str, project: str) -> str:
    """A record that was kept back, of what is now the folder `project`: there may have been no
    repository to be in."""

    return "".join(to_line(record._replace(project=project)) for record in parse_lines([text]))


class RecordedRun(NamedTuple):
    """A record of a commit. Where it is noted on one that is not in this history, `noted_on` is
    that one's id, and `by` says how it belongs here all the same: the project's `tree` is the same,
    or its `lock` has the result. Both are "" for a record that is noted where it belongs."""

    record: RunRecord
    recorded_on: str = ""
    matched_by: str = ""


class CommitRuns(NamedTuple):
    """A commit and its runs, the oldest first."""

    annotated: AnnotatedCommit
    runs: tuple[RecordedRun, ...]


class OrphanedRuns:
    """What is noted only on commits that a history does not reach: squashed, cherry-picked,
    rebased without their notes. Read only if need be, since it takes all notes."""

    def __init__(
        self, reader: Reader, repository: Repository, project: str | None, revisions: Sequence[str]
    ):
        self._reader = reader
        self._repository = repository
        self._project = project
        self._revisions = revisions
        self._lock_bytes_left = _MAX_LOCK_BYTES

    @cached_property
    def runs(self) -> list[RecordedRun]:
        """All of them, the oldest first."""

        reader = self._reader.again()  # what is elsewhere leaves room for what is here
        noted = reader.notes
        lost = commits.unreachable(self._repository, noted, self._revisions) if noted else set()
        found = [
            (text, RecordedRun(record, commit))
            for commit, lines in reader.lines(sorted(lost))
            for text in dict.fromkeys(lines)
            for record in parse_lines([text], self._project)
        ]
        left = {text for text, _ in found}
        reached = (commit for commit in noted if commit not in lost)
        for _, lines in reader.lines(reached) if left else ():
            left.difference_update(lines)
        runs = [run for text, run in found if text in left]
        return sorted(runs, key=lambda run: (run.record.time, run.recorded_on))

    @cached_property
    def _by_project(self) -> dict[str, _RunsByCommit]:
        found: dict[str, list[RecordedRun]] = {}
        for run in reversed(self.runs):
            if run.record.project in found or len(found) < _MAX_PROJECTS:
                found.setdefault(run.record.project, []).append(run)
        in_order = sorted(found.items(), key=lambda one: (one[1][-1].record.time, one[0]))
        return {project: _RunsByCommit(some[::-1]) for project, some in in_order}

    def by_commit(self, some: Sequence[str]) -> dict[str, list[RecordedRun]]:
        """The runs that belong to each of these commits: it has the tree that they began on, or
        what they read and made is what it has in its lock."""

        found: dict[str, list[RecordedRun]] = {commit: [] for commit in some}
        for project, runs in self._by_project.items() if some else ():
            below = f"{project}/" if project else ""
            trees = commits.trees(self._repository, some, below)
            locks = self._locks(some, below, runs)
            for commit in some:
                found[commit] += runs.matching(trees[commit], locks[commit])
        return found

    def _locks(
        self, some: Sequence[str], below: str, runs: _RunsByCommit
    ) -> dict[str, tuple[str, frozenset[str]]]:
        """The id of the project.lock of each commit, and those md5s in it that `runs` have: to
        look for them there is a hundred times faster than to parse it."""

        ids = commits.blobs(self._repository, some, below + LOCK_FILE)
        different = [id for id in dict.fromkeys(ids.values()) if id and id not in runs.locks]
        contents = objects.read_blobs(
            SAFE_CONFIG, different,
            cwd=self._repository.cwd(), environ=self._repository.environment(),
        )  # fmt: skip
        for id, content in contents:
            self._lock_bytes_left -= content.size
            if self._lock_bytes_left < 0:
                break
            found = map(bytes.decode, _MD5.findall(content.read()))
            runs.locks[id] = frozenset(found) & runs.md5s
        return {commit: (id, runs.locks.get(id, frozenset())) for commit, id in ids.items()}


class _RunsByCommit:
    """Runs of one project, by what makes them belong to a commit. `locks` are the md5s of them that
    are in a lock, by its id."""

    def __init__(self, runs: Sequence[RecordedRun]) -> None:
        self._runs = runs
        self._by_tree: dict[str, list[int]] = {}
        self._by_md5: dict[str, list[tuple[int, frozenset[str]]]] = {}
        self._known: dict[tuple[str, str], list[RecordedRun]] = {}
        self.locks: dict[str, frozenset[str]] = {}
        for number, (record, *_) in enumerate(runs):
            if record.tree:
                self._by_tree.setdefault(record.tree, []).append(number)
            md5s = [file.md5 for file in (*record.outs, *record.deps)]
            whole = frozenset(one for one in md5s if one)
            if record.exit == 0 and record.outs and all(md5s) and md5s[0]:
                self._by_md5.setdefault(md5s[0], []).append((number, whole))
        self.md5s = frozenset(
            md5 for some in self._by_md5.values() for _, whole in some for md5 in whole
        )

    def matching(self, tree: str, lock: tuple[str, frozenset[str]]) -> list[RecordedRun]:
        """Those that belong to a commit with this tree and lock, the oldest first."""

        id, md5s = lock
        if (tree, id) not in self._known:
            found = {
                number: "lock"
                for md5 in md5s
                for number, whole in self._by_md5.get(md5, ())
                if whole <= md5s
            }
            found |= dict.fromkeys(self._by_tree.get(tree, ()), "tree")
            self._known[tree, id] = [
                self._runs[number]._replace(matched_by=by) for number, by in sorted(found.items())
            ]
        return self._known[tree, id]


def read_history(
    repository: Repository,
    project: str | None,
    revisions: Sequence[str] = (),
    warn: Callable[[str], None] = lambda _: None,
) -> Iterator[CommitRuns]:
    """The commits that `revisions` (none: HEAD) reach, newest first, each with its runs: of
    `project` (its folder), or of all.

    A commit on which nothing is noted has the runs of commits out of this history that belong to
    it by its tree or its lock. Reads as it goes; `warn` is called with what is too large to be
    read. Raises Malformed for a wrong revision, Unavailable.
    """

    names = notes.resolve_revisions(repository, revisions)
    reader = Reader(repository, warn)
    elsewhere = OrphanedRuns(reader, repository, project, names)
    stream = notes.log(repository, names, reader=reader)
    above: CommitRuns | None = None
    for size in chain((_FIRST_BATCH,), repeat(_BATCH)):
        batch = [
            CommitRuns(
                noted._replace(lines=()), tuple(map(RecordedRun, parse_lines(noted.lines, project)))
            )
            for noted in islice(stream, size)
        ]
        if not batch:
            break
        bare = any(not commit.runs for commit in (*batch, *((above,) if above else ())))
        others = elsewhere.by_commit([commit.annotated.commit for commit in batch]) if bare else {}
        for commit in batch:
            here = others.get(commit.annotated.commit, [])
            if above is not None:
                yield _without_repeats(above, here)
            above = commit if commit.runs else commit._replace(runs=tuple(here))
    if above is not None:
        yield above


def _without_repeats(above: CommitRuns, runs: Sequence[RecordedRun]) -> CommitRuns:
    """What belongs to several commits in a row is of the one that brought it."""

    below = {
        (id(run.record), run.matched_by) for run in runs
    }  # (one object for each that is elsewhere)
    return above._replace(
        runs=tuple(run for run in above.runs if (id(run.record), run.matched_by) not in below)
    )


def all_records(root: Path, warn: Callable[[str], None] = lambda _: None) -> Iterator[RunRecord]:
    """All records of the project at `root`, on whatever commit; `warn` is called with what is too
    large to be read. Raises Malformed outside a repository, Unavailable."""

    repository = Repository.discover(root)
    if repository is None:
        raise InvalidInput("not in a Git repository: there are no notes", hint="git init")
    reader = Reader(repository, warn)
    project = project_folder(root, repository)
    return (
        record for _, lines in reader.lines(reader.notes) for record in parse_lines(lines, project)
    )
