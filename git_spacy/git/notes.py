"""Append lines to Git notes by compare-and-swap, and read them along with the log.

`git notes append` loses lines when two processes write at once, and separates them by empty lines.
So each append makes a commit on top of the notes as they were read, and is repeated if the ref has
moved since (a lock file of ours makes that rare). A note that is full is sealed (sealed_notes.py).
A line is ASCII, written once and never changed; its content does not matter here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache, cached_property
from itertools import chain
from pathlib import Path

from git_spacy import sharing
from git_spacy.errors import ExternalError, InvalidInput, UnknownRevision, Warn, warning
from git_spacy.file_locks import file_lock
from git_spacy.git import commits, objects, sealed_notes
from git_spacy.git.new_objects import NewObjects, ReadTree
from git_spacy.git.objects import ObjectReader, is_object_id
from git_spacy.git.repository import Repository
from git_spacy.light_typing import NamedTuple

REF = "refs/notes/spacy"
_MAX_ATTEMPTS = 100  # while the ref keeps moving
_MAX_ATTEMPTS_UNMOVED = 20  # while it does not: then something else is wrong
_TRAILERS = ("Template", "Template-Commit", "Template-Folder")
_FIELDS = "%H %h %ct %T %P%x01%s" + "".join(
    f"%x01%(trailers:key={key},valueonly,separator=%x20)" for key in _TRAILERS
)

# Far beyond what a very large team needs; docs/reference/run-records.md gives the reasons.
MAX_ENTRIES = 100_000  # of all trees together
MAX_NOTE_BYTES = 8 << 20  # bytes
MAX_NOTE_LINES = 20_000
MAX_LINE_LENGTH = 1 << 20  # characters
MAX_READ_BYTES = 48 << 20  # bytes that one command reads, counting also
_BYTES_PER_VALUE = 64  # bytes of memory for each value of a record
_MAX_ENTRY_BYTES = 4096  # bytes of a line of ls-tree
_MAX_LS_TREE_MEMORY = 256 << 20  # bytes that ls-tree may allocate: even one tree can be huge
_MAX_RECOVERY_CANDIDATES = 6  # earlier versions of the notes to consider
_CHECKED_FILE = "notes-sound"  # holds the last version that had not too many entries


class AnnotatedCommit(NamedTuple):
    """A commit and the lines of its note.

    Has the ids of the commit (full and abbreviated) and its tree, the commit time in seconds since
    1970, the lines, the subject, and the ids of the parents (none at the edge of a shallow clone).
    `template` is the (address, commit, folder) that the trailers of a clone or an update name.
    """

    commit: str
    short: str
    time: int
    tree: str
    lines: tuple[str, ...]
    subject: str
    parents: tuple[str, ...] = ()
    template: tuple[str, ...] = ()


def append(repository: Repository, commit: str, lines: Iterable[str]) -> None:
    """Append `lines` to the note on `commit`, leaving out lines that it already has.

    Raises ExternalError if git fails, OSError.
    """

    from git_spacy.git.ident import remembered_ident

    new_lines = tuple(lines)
    unmoved, previous = 0, None
    reader = ObjectReader(repository)
    reader.start()  # it gets ready while another git is asked for the committer
    who = remembered_ident(repository.cwd(), repository.environment(), "COMMITTER")
    read_tree = cache(reader.read_tree)
    with file_lock(repository.common_dir / "spacy" / "notes.lock"):
        for attempt in range(_MAX_ATTEMPTS):
            old = commits.commit_in_ref_file(reader, repository, REF) or tip(repository)
            unmoved = unmoved + 1 if old == previous else 0
            previous = old
            check_entry_count(repository, old)
            new = NewObjects(commit)
            changes = _changes(reader, read_tree, old, commit, new_lines, new)
            if not changes:
                return
            message = b"author %s\ncommitter %s\n\nNotes added by git-spacy" % (who, who)
            parent = f"parent {old}\n" if old else ""
            tree = new.add_tree(read_tree, f"{old}^{{tree}}" if old else "", changes)
            made = new.add("commit", f"tree {tree}\n{parent}".encode() + message)
            failure = _try_append(repository, old, made, new)
            if not failure:
                return
            if unmoved == _MAX_ATTEMPTS_UNMOVED:
                raise ExternalError(f"cannot write '{REF}': {failure}")
            import random  # takes as long as a git process

            time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 20)))
    raise ExternalError(f"cannot write '{REF}': other processes keep changing it", hint="try again")


def tip(repository: Repository, ref: str = REF) -> str:
    """Return the id of the commit that the notes ref points to, or "" if there are no notes."""

    return commits.resolve_or_empty(repository, ref)


def _changes(
    reader: ObjectReader,
    read_tree: ReadTree,
    old: str,
    commit: str,
    new_lines: Sequence[str],
    new: NewObjects,
) -> dict[str, str | None]:
    """Return what appends the lines to the note in the version `old`: blobs by path, of which one
    is among the `new` objects; None removes one.

    Returns none if the note has the lines. Raises ExternalError if the note cannot be read or is
    too large, since it would otherwise be replaced, or if the commit does not exist.
    """

    path, blobs = sealed_notes.find_note(read_tree, old, commit)
    existing = tuple(dict.fromkeys(_read_existing(reader, commit, list(blobs.values()))))
    missing = [line for line in new_lines if line not in existing]
    if not missing:
        return {}
    changes: dict[str, str | None] = dict.fromkeys(blobs)
    kept: Sequence[str] = existing
    if len(blobs) == 1 and sealed_notes.is_full(existing):
        sealed = blobs[path]
        kept = sealed_notes.first_lines(existing, sealed)
        changes[sealed_notes.find_note(read_tree, old, sealed).path] = sealed
    text = "".join(f"{line}\n" for line in (*kept, *missing))
    changes[path] = new.add("blob", text.encode())
    return changes


def _read_existing(reader: ObjectReader, commit: str, blobs: Sequence[str]) -> Iterator[str]:
    """Yield the lines of the blobs of the note on a commit."""

    found, *notes = reader.describe((f"{commit}^{{commit}}", *blobs))
    if found is None or found.id != commit:
        raise ExternalError(f"cannot write '{REF}': the commit {commit} is missing")
    for note in notes:
        if note and note.size > MAX_NOTE_BYTES:
            raise ExternalError(
                f"the note on {commit} has {note.size:,} bytes; the limit is {MAX_NOTE_BYTES:,}",
                hint=f"git notes --ref={REF.removeprefix('refs/notes/')} remove {commit}",
            )
    for _, blob in reader.read(blobs):
        yield from split_lines(blob.read())


class Note(NamedTuple):
    """The blob of a note: its id and its size in bytes, or -1 if the blob is missing."""

    id: str
    size: int


def is_sealed(key: str, note: Note) -> bool:
    """Return whether a note is sealed: it is in the notes under its own id."""

    return key == note.id


def sealed_before(lines: Iterable[str], notes: Mapping[str, Note]) -> list[str]:
    """Return the ids of the sealed notes that the lines of a note name and that `notes` has."""

    named = sealed_notes.named_by(lines)
    return [id for id in named if id in notes and is_sealed(id, notes[id])]


class TooManyEntries(ExternalError):
    """The notes have too many entries: a few tree objects can expand to millions of them."""


def entries(
    repository: Repository, revision: str, *, sizes: bool = True
) -> Iterator[tuple[str, Note, str]]:
    """Yield (id of the annotated commit, note, path of the note) for each note in `revision`.

    `revision` is one of the notes ref. Entries with other names are not notes and are skipped. A
    sealed note is there under the id of its blob.
    Sizes cost git one lookup each; without `sizes`, they are -1.
    Raises TooManyEntries beyond the limits, ExternalError if git fails.
    """

    options = ("-r", "-t", "-z", "--full-tree", *(("-l",) if sizes else ()))
    number, length, rest = 0, 0, b""
    arguments = ("ls-tree", *options, revision)
    with repository.stream_git(arguments, memory=_MAX_LS_TREE_MEMORY) as stream:
        while chunk := stream.read(1 << 16):
            length += len(chunk)
            *records, rest = (rest + chunk).split(b"\0")
            number += len(records)
            if number > MAX_ENTRIES:
                raise TooManyEntries(f"the notes have more than {MAX_ENTRIES:,} entries")
            if len(rest) > _MAX_ENTRY_BYTES or length > MAX_ENTRIES * 200:
                raise TooManyEntries("the notes have names that are too long or too deep")
            for record in records:
                head, _, name = record.decode("utf-8", "replace").partition("\t")
                commit = name.replace("/", "")
                if sealed_notes.is_note_path(name) and is_object_id(commit):
                    _, kind, id, size = head.split() if sizes else (*head.split(), "")
                    if kind == "blob":
                        yield commit, Note(id, int(size) if size.isdigit() else -1), name


def changed_notes(
    repository: Repository, old: str, new: str
) -> tuple[dict[str, str], set[str]] | None:
    """Return what differs between two versions of the notes: the ids of new and changed notes by
    the id of their commit, and the commits whose notes were removed.

    Returns None if that is not known: `old` is missing from this clone, or too much differs.
    """

    changed: dict[str, str] = {}
    removed: set[str] = set()
    arguments = ("diff-tree", "-r", "-z", "--no-renames", "--raw", "--no-abbrev", old, new, "--")
    number, rest = 0, b""
    try:
        with repository.stream_git(arguments, memory=_MAX_LS_TREE_MEMORY) as stream:
            while chunk := stream.read(1 << 16):
                *fields, rest = (rest + chunk).split(b"\0")
                if len(fields) % 2:  # a path follows each description
                    rest = b"\0".join([fields.pop(), rest])
                number += len(fields)
                if number > 2 * MAX_ENTRIES or len(rest) > _MAX_ENTRY_BYTES:
                    return None
                for head, path in zip(fields[::2], fields[1::2], strict=True):
                    name = path.decode("utf-8", "replace")
                    commit = name.replace("/", "")
                    if not sealed_notes.is_note_path(name) or not is_object_id(commit):
                        continue
                    _, mode, _, id, _ = head.decode().split()
                    if mode.startswith("100"):
                        changed[commit] = id
                    else:
                        removed.add(commit)
    except ExternalError:
        return None
    return changed, removed - changed.keys()  # another fan-out moves notes


def notes_by_commit(repository: Repository, revision: str = REF) -> dict[str, Note]:
    """Return the notes in `revision` (of the notes ref) by the id of the annotated commit.

    Returns an empty mapping if there are no notes. Raises TooManyEntries, with a hint how to
    recover if these are the notes of this clone.
    """

    try:
        return {commit: note for commit, note, _ in entries(repository, revision)}
    except TooManyEntries as error:
        raise _with_recovery_hint(repository, error, revision) from None
    except ExternalError:
        if not tip(repository, revision):
            return {}
        raise


def check_entry_count(repository: Repository, revision: str) -> None:
    """Raise TooManyEntries if the notes at the commit `revision` ("": none) have too many entries.

    Saves the id of the last version that passed, so that it is not counted again.
    """

    file = repository.common_dir / "spacy" / _CHECKED_FILE
    if not revision or revision == _last_checked(file):
        return
    try:
        for _ in entries(repository, revision, sizes=False):
            pass
    except TooManyEntries as error:
        raise _with_recovery_hint(repository, error, revision) from None
    _save_checked(file, revision)


def _save_checked(file: Path, revision: str) -> None:
    """Save the id of the last version that passed the check.

    Writes in place rather than atomically: half an id does no harm, while a temporary file would
    be left behind if the process is killed.
    """

    with suppress(OSError):  # the notes are then counted again
        sharing.make_folders(file.parent)
        with open(file, "w", encoding="ascii") as stream:
            sharing.adjust(file, stream.fileno())
            stream.write(f"{revision}\n")


def _last_checked(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _with_recovery_hint(
    repository: Repository, error: TooManyEntries, revision: str
) -> TooManyEntries:
    """Return the error with a hint how to recover, if `revision` is the notes of this clone."""

    is_ours = revision == REF or revision == tip(repository)
    hint = _recovery_command(repository) if is_ours else ""
    return TooManyEntries(error.problems[0].message, hint=hint)


def _recovery_command(repository: Repository) -> str:
    """Return the command that resets the notes to the last version without too many entries."""

    last_checked = _last_checked(repository.common_dir / "spacy" / _CHECKED_FILE)
    limit = f"--max-count={_MAX_RECOVERY_CANDIDATES}"
    reflog = ("log", "-g", "--format=%H", limit, REF, "--")
    parents = ("rev-list", "--first-parent", limit, REF, "--")
    listed = [repository.run_git(args, check=False).stdout.decode() for args in (reflog, parents)]
    ids = dict.fromkeys((*last_checked.split(), *" ".join(listed).split()))
    current = tip(repository)
    candidates = [id for id in ids if is_object_id(id) and id != current]
    for candidate in candidates[:_MAX_RECOVERY_CANDIDATES]:
        try:
            for _ in entries(repository, candidate, sizes=False):
                pass
        except ExternalError:
            continue
        return f"git update-ref {REF} {candidate}"
    return f"git update-ref -d {REF}"


class NotesReader:
    """Reads notes within limits for each note, each line, and all notes together.

    Calls `warn` once for each kind of limit that made it leave something out.
    """

    def __init__(
        self,
        repository: Repository,
        warn: Warn = lambda _: None,
        notes: Mapping[str, Note] | None = None,
        reader: ObjectReader | None = None,
    ) -> None:
        self._repository = repository
        self._objects = reader or ObjectReader(repository)
        self._warn = warn
        self._bytes_left = MAX_READ_BYTES
        self._warned: set[str] = set()
        self._joined: set[str] = set()
        if notes is not None:
            self.notes = notes

    @cached_property
    def notes(self) -> Mapping[str, Note]:
        """The notes by the id of the commit that they annotate. May raise ExternalError."""

        return notes_by_commit(self._repository)

    def lines(
        self, commits: Iterable[str], notes: Mapping[str, Note] | None = None
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield (commit, lines of its note and of the sealed ones before it), each line once.

        `notes` may be those of another version; the default is the current ones.
        """

        notes = self.notes if notes is None else notes
        ids = list(commits)
        lines: dict[str, tuple[str, ...]] = {}
        named: dict[str, list[str]] = {}
        unread = dict.fromkeys(ids)
        while unread:
            for key, own in self.separate_lines(unread, notes):
                lines[key], named[key] = own, sealed_before(own, notes)
            unread = dict.fromkeys(id for key in unread for id in named[key] if id not in lines)
        for commit in ids:
            yield commit, self.join(commit, lines, named)

    def join(
        self, commit: str, lines: Mapping[str, Sequence[str]], named: Mapping[str, Sequence[str]]
    ) -> tuple[str, ...]:
        """Return the lines of a note and of the sealed ones before it, as `sealed_notes.join` does.

        A sealed note that many others name counts for each of them.
        """

        if named[commit] and self._bytes_left <= 0:
            self._warn_too_many()
            return ()
        joined = sealed_notes.join(commit, lines, named)
        for key in self._joined.intersection(joined.keys[1:]):
            self._bytes_left -= estimate_memory("\n".join(lines[key]).encode())
        self._joined.update(joined.keys)
        return joined.lines

    def separate_lines(
        self, commits: Iterable[str], notes: Mapping[str, Note] | None = None
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield (id, lines) of each note by itself, sealed ones also, streamed from one process."""

        notes = self.notes if notes is None else notes
        ids = list(commits)
        wanted = [id for id in ids if id in notes and self._is_readable(id, notes[id])]
        contents = self._objects.read([notes[id].id for id in wanted])
        readable = set(wanted)
        for commit in ids:
            lines: tuple[str, ...] = ()
            if commit in readable:
                if self._bytes_left <= 0:
                    self._warn_too_many()
                    readable.clear()
                else:
                    lines = self._split(commit, next(contents)[1].read())
            yield commit, lines
        if readable:
            next(contents, None)  # after the last one, git can be asked something else

    def _is_readable(self, commit: str, note: Note) -> bool:
        if note.size < 0:
            self._warn_once("missing", f"the note on {commit} is missing", "git fsck")
        elif note.size > MAX_NOTE_BYTES:
            self._warn_once(
                "large",
                f"skipped the note on {commit}: it has {note.size:,} bytes; the limit is "
                f"{MAX_NOTE_BYTES:,}",
            )
        return 0 <= note.size <= MAX_NOTE_BYTES

    def _split(self, commit: str, note: bytes) -> tuple[str, ...]:
        self._bytes_left -= estimate_memory(note)
        if note.count(b"\n") > MAX_NOTE_LINES:
            text = f"skipped the note on {commit}: it has more than {MAX_NOTE_LINES:,} lines"
            self._warn_once("lines", text)
            return ()
        short = readable_lines(note)
        if len(note) > MAX_LINE_LENGTH and len(short) < len(split_lines(note)):
            self._warn_once(
                "long",
                f"skipped a record on {commit}: it has more than {MAX_LINE_LENGTH:,} characters",
            )
        return short

    def _warn_too_many(self) -> None:
        self._warn_once(
            "all",
            "too many run records to read at once, some are left out",
            "to see those of one commit: git spacy show REV",
        )

    def _warn_once(self, kind: str, message: str, hint: str = "") -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(warning(message, hint))


def estimate_memory(note: bytes) -> int:
    """Estimate the bytes of memory for a note and for the values of its records."""

    return len(note) + note.count(b",") * _BYTES_PER_VALUE


def readable_lines(note: bytes) -> tuple[str, ...]:
    """Return the lines of a note that are not too long; none if it has too many lines."""

    if note.count(b"\n") > MAX_NOTE_LINES:
        return ()
    return tuple(line for line in split_lines(note) if len(line) <= MAX_LINE_LENGTH)


def split_lines(note: bytes) -> tuple[str, ...]:
    """Return the lines of a note without empty ones, which other tools may have added."""

    return tuple(line for line in note.decode("utf-8", "replace").split("\n") if line.strip())


def _try_append(repository: Repository, old: str, commit: str, new: NewObjects) -> str:
    """Let the notes point to `commit`, which is one of the `new` objects, instead of `old`.

    Returns "", or git's message if the notes have moved from `old` or are locked.
    """

    new.store(repository)
    expected = old or "0" * len(commit)
    arguments = ("update-ref", "-m", "Notes added by git-spacy", REF, commit, expected)
    done = repository.run_git(arguments, check=False)
    if done.returncode and tip(repository) == old and b"lock" not in done.stderr:
        raise ExternalError(f"git update-ref: {done.message or 'failed with no output'}")
    if done.returncode:
        return done.message or "git update-ref failed"
    # at most a few more entries than in the version that was checked
    _save_checked(repository.common_dir / "spacy" / _CHECKED_FILE, commit)
    return ""


def list_commits(
    repository: Repository, names: Sequence[str], limit: int | None = None
) -> Iterator[AnnotatedCommit]:
    """Yield the commits that `names` (ids and `^ids`) reach, newest first, without their notes."""

    with open_log(repository, names, limit) as listed:
        yield from listed


@contextmanager
def open_log(
    repository: Repository, names: Sequence[str], limit: int | None = None
) -> Iterator[Iterator[AnnotatedCommit]]:
    """Start git, which lists commits as `list_commits` does, while the caller prepares."""

    options = ["log", "-z", f"--format={_FIELDS}", "--no-show-signature", "--no-notes"]
    options += ["--no-color"]
    options += [f"--max-count={limit}"] if limit is not None else []
    with repository.stream_git((*options, *names, "--")) as stream:
        yield map(_parse_commit, chain.from_iterable(objects.split_records(stream)))


def resolve_revisions(repository: Repository, revisions: Sequence[str]) -> list[str]:
    """Resolve `revisions` (default: HEAD) to commit ids and `^ids`.

    Revisions are never read as options. Raises InvalidInput for an unknown revision.
    """

    revisions = revisions or ("HEAD",)
    arguments = ("rev-parse", "--revs-only", "--end-of-options", *revisions)
    done = repository.run_git(arguments, check=False)
    ids = [line for line in done.stdout.decode().split() if not line.startswith("--")]
    if done.returncode or not ids:
        if tuple(revisions) == ("HEAD",):
            raise InvalidInput("the repository has no commits yet", hint="git commit")
        hint = "git log --oneline"
        if commits.is_shallow(repository):
            hint += "\nthis clone is shallow; to fetch older commits: git fetch --unshallow"
        raise UnknownRevision(revisions, hint)
    return ids


def resolve_commit(repository: Repository, revision: str) -> str:
    """Return the id of the commit that `revision` names. Raises InvalidInput."""

    id = commits.resolve_or_empty(repository, revision)
    if not id:
        resolve_revisions(repository, [revision])  # raises, except for a range of commits
        raise InvalidInput(f"'{revision}' is not a single commit", hint="use e.g. HEAD~1")
    return id


def _parse_commit(record: bytes) -> AnnotatedCommit:
    head, subject, *template = record.decode("utf-8", "replace").split("\x01")
    commit, short, seconds, tree, *parents = head.split()
    return AnnotatedCommit(
        commit, short, int(seconds), tree, (), subject, tuple(parents),
        tuple(template) if template[0] else (),
    )  # fmt: skip
