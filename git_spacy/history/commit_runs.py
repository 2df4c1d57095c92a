"""Find the runs of a commit: those whose results its project.lock holds, wherever they lie.

A run is recorded on the commit that it began on, but its results are usually committed later, and
may be merged, squashed, cherry-picked or reverted after that. So the entries of the lock are looked
up among all records, by command, script, dependencies and outputs. A run that no commit holds is an
experiment. Where the lock is not committed, a commit has the runs that began on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice, repeat

from git_spacy.errors import ExternalError, Warn
from git_spacy.git import commits, notes
from git_spacy.git.notes import AnnotatedCommit, NotesReader
from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from git_spacy.history.lock_digests import LockDigest, LockDigests, digest_entry
from git_spacy.history.run_index import (
    Digest,
    IndexedRun,
    digest_record,
    digest_tree,
    open_index,
)
from git_spacy.history.run_record import RunRecord, parse_line
from git_spacy.light_typing import NamedTuple
from git_spacy.lock.lock_format import LOCK_FILE, LockEntry
from git_spacy.project.project_file import PROJECT_FILE

_MAX_PROJECTS = 32  # of a repository
_MAX_RUNS = 8  # of the same command with the same result: the latest
_MAX_CANDIDATES = 1_000  # for one result
_FIRST_BATCHES, _BATCH = (32, 128, 1024), 4096  # commits: the first page appears at once
_Match = Callable[[RunRecord, Digest], bool]


class RecordedRun(NamedTuple):
    """A record that belongs to a commit.

    If it is recorded on another commit, `recorded_on` is the id of that commit, and `matched_by`
    says why the record belongs to this one: "lock" if its lock holds the result, "tree" if the run
    began on the same files. Both are "" for a record on the commit itself. No commit holds the
    result of an experiment; the run only began on this commit.
    """

    record: RunRecord
    recorded_on: str = ""
    matched_by: str = ""
    is_experiment: bool = False


class CommitRuns(NamedTuple):
    """A commit and its runs, the oldest first.

    `unrecorded` are the entries of its lock without a record, `experiments` the number of runs that
    began on the commit and are left out, since no commit holds them (counted on the first one).
    """

    annotated: AnnotatedCommit
    runs: tuple[RecordedRun, ...]
    unrecorded: tuple[str, ...] = ()
    experiments: int = 0


class RunFinder:
    """Finds records by their result, with a few git processes for many results."""

    def __init__(
        self, repository: Repository, warn: Warn = lambda _: None,
        objects: ObjectReader | None = None,
    ) -> None:  # fmt: skip
        self.index = open_index(repository)
        self._repository = repository
        self._warn = warn
        self._reader = NotesReader(repository, warn, self.index.notes, objects)
        self._lines: dict[str, tuple[str, ...]] = {}
        self._sealed_before: dict[str, list[str]] = {}
        self._records: dict[IndexedRun, tuple[RunRecord, Digest] | None] = {}

    def lines(self, commit: str) -> tuple[str, ...]:
        """Return the lines of the note on a commit, and of the sealed ones before it."""

        self.read_notes([commit])
        return self._reader.join(commit, self._lines, self._sealed_before)

    def read_notes(self, commits: Iterable[str]) -> None:
        """Read the notes on these commits, and the sealed ones before them, with few processes."""

        unread = list(commits)
        while unread:
            self._read(unread)
            for id in unread:
                self._sealed_before[id] = notes.sealed_before(self._lines[id], self.index.notes)
            named = chain.from_iterable(self._sealed_before[id] for id in unread)
            unread = [id for id in dict.fromkeys(named) if id not in self._sealed_before]

    def _read(self, notes: Iterable[str]) -> None:
        """Read single notes with one process."""

        missing = [note for note in dict.fromkeys(notes) if note not in self._lines]
        if missing:
            self._lines.update(self._reader.separate_lines(missing))

    def stream_notes(self, commits: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield (commit, lines of its note and of the sealed ones before it), within the limits of
        all notes, and keep nothing."""

        return NotesReader(self._repository, self._warn, self.index.notes).lines(commits)

    def stream_separate_notes(self, ids: Iterable[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield (id, lines) of single notes in the same way."""

        return NotesReader(self._repository, self._warn, self.index.notes).separate_lines(ids)

    def prepare(self, digests: Iterable[Digest], commits: Iterable[str] = ()) -> None:
        """Read what `runs` will need for these results, and `lines` for these commits."""

        candidates = (
            found.note for digest in digests for key in digest for found in self._candidates(key)
        )
        commits = list(commits)
        self._read([*candidates, *commits])
        self.read_notes(commits)

    def runs(
        self, digest: Digest, entry: LockEntry | None = None, prefer: str = ""
    ) -> list[RecordedRun]:
        """Return the successful runs with this result, the oldest first.

        `entry` is the entry of the lock, if the script may have been recorded differently. A
        record on several commits counts once: on the commit `prefer`, if it is one of them.
        """

        exact = self._matching(
            digest.exact,
            lambda record, found: not record.exit and found.exact == digest.exact,
            prefer,
        )
        if exact or entry is None:
            return exact
        return self._matching(
            digest.loose,
            lambda record, found: (
                not record.exit and found.loose == digest.loose and _is_same_script(entry, record)
            ),
        )

    def may_differ(self, digest: Digest) -> bool:
        """Return whether only the script distinguishes the result from that of a run."""

        return not self._candidates(digest.exact) and bool(self._candidates(digest.loose))

    def runs_on_tree(self, project: str, tree: str) -> list[tuple[RecordedRun, set[str]]]:
        """Return the runs that began on this tree of the project, the oldest first, each with the
        commits on which it is recorded."""

        key = digest_tree(project, tree)
        runs = self._matching(
            key, lambda record, _: (record.project, record.tree) == (project, tree)
        )
        return [
            (
                run._replace(matched_by="tree"),
                {
                    found.commit
                    for found in self._candidates(key)
                    if (parsed := self._record(found)) and parsed[0] == run.record
                },
            )
            for run in runs
        ]

    def _candidates(self, key: str) -> list[IndexedRun]:
        return self.index.find(key)[:_MAX_RUNS]

    def _matching(self, key: str, is_match: _Match, prefer: str = "") -> list[RecordedRun]:
        first = sorted(self._candidates(key), key=lambda run: run.commit != prefer)
        matching = self._select(first, is_match)
        if first and not matching:  # lines that look like this record, but are invalid
            matching = self._select(self.index.find(key)[len(first) : _MAX_CANDIDATES], is_match)
        return sorted(matching[:_MAX_RUNS], key=lambda run: run.record.time)

    def _select(self, candidates: Sequence[IndexedRun], is_match: _Match) -> list[RecordedRun]:
        self._read(candidate.note for candidate in candidates)
        matching: dict[str, RecordedRun] = {}
        for candidate in candidates:
            parsed = self._record(candidate)
            if parsed and is_match(*parsed):
                text = self._lines[candidate.note][candidate.line]  # amended commits have copies
                matching.setdefault(text, RecordedRun(parsed[0], candidate.commit, "lock"))
        return list(matching.values())

    def _record(self, run: IndexedRun) -> tuple[RunRecord, Digest] | None:
        if run not in self._records:
            lines = self._lines[run.note]
            record = parse_line(lines[run.line]) if run.line < len(lines) else None
            self._records[run] = (record, digest_record(record)) if record else None
        return self._records[run]


def _is_same_script(entry: LockEntry, record: RunRecord) -> bool:
    """Compare scripts; weasel's lock has values of environment variables, a record has names."""

    from git_spacy.project.variables import could_resolve_to

    return len(entry.script) == len(record.script) and all(
        line == recorded or could_resolve_to(recorded, line)
        for line, recorded in zip(entry.script, record.script, strict=True)
    )


class _Locks:
    """Finds the locks of the projects in commits, with a few git processes for many commits.

    `folder` is the project's, or None for all projects of the repository.
    """

    def __init__(
        self, repository: Repository, objects: ObjectReader, folder: str | None,
        projects: Sequence[str],
    ) -> None:  # fmt: skip
        self._repository = repository
        self._objects = objects
        self._folder = folder
        self._folders = list(projects) if folder is None else [folder]
        self._has_former = folder is None
        self.digests = LockDigests(repository, objects)

    @property
    def folders(self) -> Sequence[str]:
        """The folders of the projects, present and former."""

        return self._folders

    def find(self, commit_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """Map each commit to its projects, by folder, and the ids of their locks ("": no lock)."""

        found = self._find(commit_ids, self._folders)
        without = [commit for commit in commit_ids if not found[commit]]
        if without and not self._has_former:
            self._has_former = True
            file = _path(self._folders[0], PROJECT_FILE)
            former = commits.former_folders(self._repository, file)
            self._folders += [name for name in former if name not in self._folders]
        if without and len(self._folders) > 1 and self._folder is not None:
            found |= self._find(without, self._folders[1:])
        return found

    def _find(self, commit_ids: Sequence[str], folders: Sequence[str]) -> dict[str, dict[str, str]]:
        names = {
            (commit, folder): (
                f"{commit}:{_path(folder, PROJECT_FILE)}", f"{commit}:{_path(folder, LOCK_FILE)}"
            )
            for commit in commit_ids
            for folder in folders
        }  # fmt: skip
        ids = commits.existing_blobs(self._objects, chain.from_iterable(names.values()))
        found: dict[str, dict[str, str]] = {commit: {} for commit in commit_ids}
        for (commit, folder), (project_file, lock) in names.items():
            if project_file in ids or lock in ids:
                found[commit][folder] = ids.get(lock, "")
        return found

    def entries(self, ids: Iterable[str]) -> dict[Digest, LockDigest]:
        """Return the entries of these locks by what they hold."""

        by_lock = self.digests.read([id for id in ids if id])
        return {entry.digest: entry for entries in by_lock.values() for entry in entries}


def _path(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


class _History:
    """Finds the runs of commits, given newest first."""

    def __init__(
        self, repository: Repository, folder: str | None, revisions: Sequence[str], warn: Warn
    ) -> None:
        self._repository = repository
        self._folder = folder
        self._revisions = revisions
        objects = ObjectReader(repository)
        objects.start()  # it gets ready while the index is read
        self._finder = RunFinder(repository, warn, objects)
        projects: Sequence[str] = self._finder.index.projects
        if folder is None:
            newest = next((id for id in revisions if not id.startswith("^")), "HEAD")
            projects = _all_projects(repository, newest, projects)
        self._locks = _Locks(repository, objects, folder, projects)
        self._held: set[Digest] = set()  # by the commits so far
        self._with_lock: set[str] = set()  # projects with a lock in one of them
        self._is_first = True

    def read(
        self, batch: Sequence[AnnotatedCommit], *, experiments: bool, whole: bool
    ) -> Iterator[CommitRuns]:
        """Yield the commits with their runs.

        With `experiments`, include runs that only began on a commit. With `whole`, a commit has the
        runs of all entries in its lock, not only of those that its parents do not have.
        """

        ids = [item.commit for item in batch]
        parents = () if whole else chain.from_iterable(item.parents for item in batch)
        locks = self._locks.find(list(dict.fromkeys((*ids, *parents))))
        self._locks.digests.read([id for found in locks.values() for id in found.values()])
        new = {item.commit: self._new_entries(item, locks, whole=whole) for item in batch}
        noted = [id for id in ids if id in self._finder.index.notes]
        digests = [digest for entries in new.values() for digest in entries]
        first = ids[: self._is_first]
        has_lock = self._with_lock or any(locks[ids[0]].values())
        is_all = experiments or self._folder is None or not has_lock
        self._finder.prepare(digests, noted if is_all else [id for id in first if id in noted])
        trees = self._bare_trees(batch, locks, set(noted), whole=whole)
        for item in batch:
            yield self._commit_runs(item, locks[item.commit], new[item.commit], trees, experiments)

    def _new_entries(
        self, item: AnnotatedCommit, locks: Mapping[str, Mapping[str, str]], *, whole: bool
    ) -> dict[Digest, tuple[LockDigest, str]]:
        """Return the entries of the commit's locks that no parent has, with the lock's id."""

        own = locks[item.commit]
        inherited: set[str] = set()
        if not whole:
            inherited = {id for parent in item.parents for id in locks[parent].values()}
        new_ids = [id for id in own.values() if id and id not in inherited]
        known = self._locks.entries(inherited) if new_ids else {}
        return {
            digest: (entry, id)
            for id in new_ids
            for digest, entry in self._locks.entries([id]).items()
            if digest not in known
        }

    def _commit_runs(
        self, item: AnnotatedCommit, locks: Mapping[str, str],
        entries: Mapping[Digest, tuple[LockDigest, str]], trees: Mapping[tuple[str, str], str],
        experiments: bool,
    ) -> CommitRuns:  # fmt: skip
        self._held |= self._locks.entries(locks.values()).keys()
        self._with_lock |= {self._name(project) for project, id in locks.items() if id}
        runs: list[RecordedRun] = []
        unrecorded = []
        for digest, (entry, lock) in entries.items():
            full = None
            if self._finder.may_differ(digest):
                full = self._locks.digests.entry(lock, entry.name)
            found = self._finder.runs(digest, full, prefer=item.commit)
            if not found:
                unrecorded.append(entry.name)
            folders = {project for project, id in locks.items() if id == lock}
            runs += [run for run in found if run.record.project in folders] or found
        began, hidden = self._began_on(item.commit, locks, experiments=experiments)
        for project in locks if not began else ():
            if tree := trees.get((item.commit, project)):
                runs += self._unreachable(self._finder.runs_on_tree(project, tree))
        runs += began
        runs = [
            run._replace(recorded_on="", matched_by="") if run.recorded_on == item.commit else run
            for run in sorted(runs, key=lambda run: run.record.time)
        ]
        return CommitRuns(item, tuple(runs), tuple(unrecorded), hidden)

    def _name(self, project: str) -> str:
        """Return one name for a project and its former folders."""

        return project if self._folder is None else ""

    def _began_on(
        self, commit: str, locks: Mapping[str, str], *, experiments: bool
    ) -> tuple[list[RecordedRun], int]:
        """Return the runs that began on a commit and that neither its lock nor that of a newer
        commit holds, and the number of experiments that are left out."""

        is_first, self._is_first = self._is_first, False
        if self._folder is not None and self._with_lock and not (experiments or is_first):
            return [], 0
        began, hidden = [], 0
        for line in dict.fromkeys(self._finder.lines(commit)):
            record = parse_line(line)
            if record is None or not self._is_in_scope(record, locks):
                continue
            if not record.exit and digest_record(record) in self._held:
                continue
            is_experiment = self._name(record.project) in self._with_lock
            if is_experiment and not experiments:
                hidden += 1
            else:
                began.append(RecordedRun(record, is_experiment=is_experiment))
        return began, hidden if is_first else 0

    def _is_in_scope(self, record: RunRecord, locks: Mapping[str, str]) -> bool:
        scope = {self._folder, *self._locks.folders, *locks}
        return self._folder is None or record.project in scope

    def _bare_trees(
        self, batch: Sequence[AnnotatedCommit], locks: Mapping[str, Mapping[str, str]],
        noted: Collection[str], *, whole: bool,
    ) -> dict[tuple[str, str], str]:  # fmt: skip
        """Return the trees of the projects without a lock in commits without records, by commit
        and project; not of those whose parent has the same tree."""

        bare: dict[str, list[AnnotatedCommit]] = {}
        for item in batch if self._finder.index.notes else ():
            if item.commit not in noted:
                for project, id in locks[item.commit].items():
                    if not id and self._name(project) not in self._with_lock:
                        bare.setdefault(project, []).append(item)
        trees = {}
        for project, items in bare.items():
            ids = {commit for item in items for commit in (item.commit, *item.parents)}
            found = commits.tree_ids(
                self._repository, sorted(ids), f"{project}/" if project else ""
            )
            for item in items:
                inherited = () if whole else {found[parent] for parent in item.parents}
                if found[item.commit] not in inherited:
                    trees[item.commit, project] = found[item.commit]
        return trees

    def _unreachable(self, runs: Sequence[tuple[RecordedRun, set[str]]]) -> list[RecordedRun]:
        """Return the runs recorded only outside this history: squashed or cherry-picked."""

        recorded_on = {commit for _, ids in runs for commit in ids}
        if not recorded_on:
            return []
        outside = commits.unreachable(self._repository, recorded_on, self._revisions)
        return [run for run, ids in runs if ids <= outside]


def _all_projects(repository: Repository, revision: str, recorded: Sequence[str]) -> list[str]:
    """Return the folders of the projects in a commit and in the latest records."""

    arguments = ("ls-tree", "-r", "-z", "--name-only", "--full-tree", revision)
    names = os.fsdecode(repository.run_git(arguments).stdout).split("\0")
    present = [os.path.dirname(name) for name in names if os.path.basename(name) == PROJECT_FILE]
    return list(dict.fromkeys((*present, *recorded)))[:_MAX_PROJECTS]


def read_history(
    repository: Repository,
    project: str | None,
    revisions: Sequence[str] = (),
    warn: Warn = lambda _: None,
    *,
    experiments: bool = False,
) -> Iterator[CommitRuns]:
    """Yield the commits reachable from `revisions` (default: HEAD), newest first, with the runs
    whose results they brought in.

    `project` (its folder) limits the runs to one project. With `experiments`, runs that no commit
    holds are included, on the commit that they began on. Notes are read lazily; `warn` is called
    for records that are too large to read. Raises InvalidInput for an invalid revision,
    ExternalError.
    """

    names = notes.resolve_revisions(repository, revisions) if revisions else ["HEAD"]
    try:
        with notes.open_log(repository, names) as listed:
            history = _History(repository, project, names, warn)
            for size in chain(_FIRST_BATCHES, repeat(_BATCH)):
                batch = list(islice(listed, size))
                if not batch:
                    break
                yield from history.read(batch, experiments=experiments, whole=False)
    except ExternalError:
        if not revisions:
            notes.resolve_revisions(repository, ())  # reports that there are no commits yet
        raise


def runs_of_commit(
    repository: Repository, project: str | None, commit: str, warn: Warn = lambda _: None
) -> CommitRuns:
    """Return the commit with this id, and the runs of everything that its locks hold."""

    with notes.open_log(repository, [commit], 1) as listed:
        history = _History(repository, project, [commit], warn)
        batch = list(listed)
    return next(history.read(batch, experiments=False, whole=True))


def unrecorded_names(repository: Repository, entries: Iterable[LockEntry]) -> list[str]:
    """Return the names of the lock entries whose results no record has."""

    finder = RunFinder(repository)
    digests = [(entry, digest_entry(entry).digest) for entry in entries]
    finder.prepare(digest for _, digest in digests)
    return [entry.name for entry, digest in digests if not finder.runs(digest, entry)]
