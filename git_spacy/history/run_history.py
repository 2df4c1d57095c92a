"""The run history: records of runs, as Git notes in `refs/notes/spacy`.

A run is recorded on the commit that it began on. If that is impossible (no commit, no repository,
no git), the record is pending: it waits in a file next to the stat cache until it can be written.
`state.run_record` has the format of a record; this module decides which commit a record belongs to.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from git_spacy import formats
from git_spacy.errors import InvalidInput, Warn
from git_spacy.file_locks import file_lock
from git_spacy.files import write_atomic
from git_spacy.git import commits, notes, process
from git_spacy.git.notes import MAX_LINE_LENGTH, NotesReader
from git_spacy.git.repository import Repository, prefix
from git_spacy.git.state_dir import state_dir
from git_spacy.history.pending_file import PENDING_FILE, pending_files
from git_spacy.history.run_record import RunRecord, parse_line, parse_lines, to_line
from git_spacy.light_typing import NamedTuple
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LOCK_FILE
from git_spacy.project.paths import ProjectPath
from git_spacy.project.project_file import PROJECT_FILE
from git_spacy.sharing import append_line

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
    file = state_dir(root) / PENDING_FILE
    with file_lock(file.with_name(file.name + ".lock")):
        append_line(file, f"{commit or '-'} {text}".encode())
        if file.stat().st_size > _MAX_PENDING_BYTES:
            lines = [pending.line for pending in _read_pending(file)[-_MAX_PENDING:]]
            write_atomic(file, "".join(f"{line}\n" for line in lines).encode())


class _Pending(NamedTuple):
    """A line of a file of pending records: the commit ("-": none) and the record."""

    line: str
    commit: str
    record: RunRecord


def _read_pending(file: Path) -> list[_Pending]:
    """Return the valid lines of the file of pending records."""

    try:
        lines = file.read_text("utf-8", "replace").split("\n")
    except FileNotFoundError:
        return []
    return [pending for line in lines if (pending := _parse_pending(line))]


def pending_records(root: Path) -> list[str]:
    """Return the lines of the records that wait in the project at `root`, e.g. for a repository."""

    pending = _read_pending(state_dir(root) / PENDING_FILE)
    return [line.partition(" ")[2] for line, _, _ in pending]


def _parse_pending(line: str) -> _Pending | None:
    commit, _, text = line.partition(" ")
    try:
        is_valid = commit == "-" or formats.object_id(commit) != ""
    except InvalidInput:
        return None
    record = parse_line(text) if is_valid else None
    return _Pending(line, commit, record) if record else None


def flush_pending(root: Path) -> None:
    """Record pending runs on their commits, or on the root commit if a commit does not exist.

    Raises GitSpacyError, OSError; the records then stay pending.
    """

    own = pending_files(root)
    former = _pending_of_former_folder(root, own)
    for file in (*own, *former):
        if not file.is_file():
            continue
        repository = Repository.discover(root)
        if repository is None or not process.available():
            return
        with file_lock(file.with_name(file.name + ".lock")):
            pending = _read_pending(file)
            named = {commit for _, commit, _ in pending}
            present = commits.present_commits(repository, named - {"-"})
            root_commit = "" if named <= present else commits.root_commit(repository)
            if not root_commit and not named <= present:
                return
            project = project_folder(root, repository)
            lines: dict[str, list[str]] = {}
            for _, commit, record in pending:
                target = commit if commit in present else root_commit
                # the record has no folder if there was no repository at the time of the run
                text = to_line(record._replace(project=project))
                lines.setdefault(target, []).append(text)
            for commit, texts in lines.items():
                notes.append(repository, commit, texts)
            os.unlink(file)


def _pending_of_former_folder(root: Path, own: Collection[Path]) -> Iterator[Path]:
    """Yield the file of pending records from before the project was moved within its repository,
    which is not one of its `own`.

    Their folder is not a project any more, and the project's lock has the result of one of them.
    """

    repository = Repository.discover(root)
    if repository is None or repository.top is None:
        return
    state = repository.git_path("spacy")
    projects = state / "projects"  # of this repository, each by a hash of its folder
    folders = [projects / name for name in os.listdir(projects)] if projects.is_dir() else []
    for file in (folder / PENDING_FILE for folder in (state, *folders)):
        if file in own or not file.is_file():
            continue
        gone = [
            record
            for _, _, record in _read_pending(file)
            if not (repository.top / record.project / PROJECT_FILE).exists()
        ]
        if gone and not _lock_results(root).isdisjoint(record.fingerprint_key for record in gone):
            yield file


def _lock_results(root: Path) -> set[tuple[object, ...]]:
    try:
        lock = lock_format.parse((root / LOCK_FILE).read_bytes())
    except (OSError, InvalidInput):
        return set()
    return {entry.fingerprint_key for entry in lock.values()}


def all_records(root: Path, warn: Warn = lambda _: None) -> Iterator[RunRecord]:
    """Yield all records of the project at `root`, on any commit, but those too large to read.

    Raises InvalidInput outside a repository, ExternalError.
    """

    repository = Repository.require(root)
    reader = NotesReader(repository, warn)
    project = project_folder(root, repository)
    return (
        record
        for _, lines in reader.separate_lines(reader.notes)
        for record in parse_lines(lines, project)
    )
