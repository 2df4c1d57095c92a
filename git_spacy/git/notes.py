"""Notes on commits: one ref of lines, appended by compare-and-swap and read with the log.

`git notes append` loses what two write at once, and puts empty lines between; so each line goes in
by a fast-import that starts from the notes as they were, and is repeated if they are not so any
more (a lock of our own keeps that rare). Fast-import fans out as Git does. Knows nothing of what
the lines say, but that each is one line of ASCII, written once and never changed.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import chain, islice, repeat
from pathlib import Path
from typing import NamedTuple

from git_spacy import sharing
from git_spacy.errors import ExternalError, InvalidInput
from git_spacy.files import file_lock
from git_spacy.git import commits, objects, process
from git_spacy.git.ident import person
from git_spacy.git.repository import SAFE_CONFIG, Repository

REF = "refs/notes/spacy"
_TRIES = 100  # while others write
_UNMOVED = 20  # while nobody does: then something else is wrong
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NAME = re.compile(r"(?:[0-9a-f]{2}/)*[0-9a-f]+")
_FIELDS = "%H %h %ct %T%x01%s"

# What the notes of a very large team never come near. docs/reference/run-records.md has
# the reasons.
MOST_ENTRIES = 100_000  # of all trees together
LARGEST_NOTE = 8 << 20  # bytes
MOST_LINES = 20_000  # of a note
LONGEST_LINE = 1 << 20  # characters
MOST_READ = 48 << 20  # bytes that one command reads, with
_PER_VALUE = 64  # bytes of memory for each value of a record
_LONGEST_ENTRY = 4096  # bytes of a line of ls-tree
_MOST_MEMORY = 256 << 20  # bytes that ls-tree may allocate: a single tree can be large, too
_MOST_TRIED = 6  # former versions that are tried as the way back
_SOUND = "notes-sound"  # the file with the last version that was found sound
_FIRST_BATCH, _BATCH = 64, 4096  # commits of the log whose notes are read at once


class AnnotatedCommit(NamedTuple):
    """A commit and what is noted on it: ids of the commit (whole and short) and of its tree, the
    time of the commit in seconds since 1970, the lines, its subject."""

    commit: str
    short: str
    time: int
    tree: str
    lines: tuple[str, ...]
    subject: str


def append(repository: Repository, commit: str, lines: Iterable[str], ref: str = REF) -> None:
    """Note `lines` on `commit`, after those that are there; what is there already is left alone.

    Raises Unavailable where git fails, OSError.
    """

    new = tuple(lines)
    unmoved, seen = 0, None
    with file_lock(repository.common_dir / "spacy" / "notes.lock"):
        for attempt in range(_TRIES):
            old = tip(repository, ref)
            unmoved = unmoved + 1 if old == seen else 0
            seen = old
            check(repository, old)
            before = note_lines(repository, commit, ref) if old else ()
            missing = [line for line in new if line not in before]
            if not missing:
                return
            text = "".join(f"{line}\n" for line in (*before, *missing))
            refusal = _refusal(repository, ref, old, commit, text.encode())
            if not refusal:
                return
            if unmoved == _UNMOVED:
                raise ExternalError(f"'{ref}' cannot be written: {refusal}")
            time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 20)))
    raise ExternalError(f"'{ref}' changes faster than it can be written", hint="try again")


def tip(repository: Repository, ref: str = REF) -> str:
    """The commit that the ref of the notes is at; "" if there are none yet."""

    return commits.resolve(repository, ref)


def note_lines(repository: Repository, commit: str, ref: str = REF) -> tuple[str, ...]:
    """The lines noted on one commit (its id). Raises Unavailable if they cannot be read, or are
    too many: what is written after them would be all that is left."""

    # 1: there is no note
    listed = repository.run_git(("notes", f"--ref={ref}", "list", commit), accepted=(0, 1))
    id = listed.stdout.decode().strip()
    if listed.returncode or not id:
        return ()
    asked = ("cat-file", "--batch-check=%(objecttype) %(objectsize)")
    kind, _, size = (
        repository.run_git(asked, input=f"{id}\n".encode()).stdout.decode().partition(" ")
    )
    if kind == "blob" and int(size) > LARGEST_NOTE:
        raise ExternalError(
            f"the note on {commit} has {int(size):,} bytes; the limit is {LARGEST_NOTE:,}",
            hint=f"git notes --ref={ref.removeprefix('refs/notes/')} remove {commit}",
        )
    return split(_contents(repository, [id])[0])


def _contents(repository: Repository, ids: Sequence[str]) -> list[bytes]:
    where, environ = repository.cwd(), repository.environment()
    return [
        one.read() for _, one in objects.read_blobs(SAFE_CONFIG, ids, cwd=where, environ=environ)
    ]


class Note(NamedTuple):
    """The blob of a note: its id, and its size in bytes; -1 if it is not here."""

    id: str
    size: int


class Expanding(ExternalError):
    """The notes have more entries than anybody reads: a few trees can stand for millions."""


def entries(
    repository: Repository, revision: str, *, sizes: bool = True
) -> Iterator[tuple[str, Note, str]]:
    """The id of the commit, the note on it and its path, for each note that `revision` (of the
    notes) has. Entries with other names are passed over: they are not notes. Without `sizes`, which
    git looks up one by one, none is told.

    Raises Expanding beyond the limits, Unavailable where git fails.
    """

    options = ("-r", "-t", "-z", "--full-tree", *(("-l",) if sizes else ()))
    arguments = (*SAFE_CONFIG, "ls-tree", *options, revision)
    where, environ = repository.cwd(), repository.environment()
    number, length, rest = 0, 0, b""
    with process.streaming(
        arguments, cwd=where, environ=environ, input=b"", memory=_MOST_MEMORY
    ) as stream:
        while chunk := stream.read(1 << 16):
            length += len(chunk)
            *records, rest = (rest + chunk).split(b"\0")
            number += len(records)
            if number > MOST_ENTRIES:
                raise Expanding(f"more than {MOST_ENTRIES:,} entries in the notes")
            if len(rest) > _LONGEST_ENTRY or length > MOST_ENTRIES * 200:
                raise Expanding("names in the notes that are too long or too deep")
            for record in records:
                head, _, name = record.decode("utf-8", "replace").partition("\t")
                commit = name.replace("/", "")
                if _NAME.fullmatch(name) and _ID.fullmatch(commit):
                    _, kind, id, size = head.split() if sizes else (*head.split(), "")
                    if kind == "blob":
                        yield commit, Note(id, int(size) if size.isdigit() else -1), name


def blobs(repository: Repository, revision: str = REF) -> dict[str, Note]:
    """The notes by the id of the commit that they are on, as `revision` (of the notes) has them;
    none if there is no such thing. Raises Expanding, with the way back if they are those here."""

    try:
        return {commit: note for commit, note, _ in entries(repository, revision)}
    except Expanding as error:
        raise _explained(repository, error, revision) from None
    except ExternalError:
        if not tip(repository, revision):
            return {}
        raise


def check(repository: Repository, revision: str) -> None:
    """Raise Expanding if the notes at the commit `revision` ("": none) have too many entries. What
    was found sound is remembered, and costs nothing the next time."""

    file = repository.common_dir / "spacy" / _SOUND
    if not revision or revision == _remembered(file):
        return
    try:
        for _ in entries(repository, revision, sizes=False):
            pass
    except Expanding as error:
        raise _explained(repository, error, revision) from None
    _remember(file, revision)


def _remember(file: Path, revision: str) -> None:
    """Write the id of the last sound version in place: half an id names no version, while a file
    beside it would stay where the process is killed."""

    with suppress(OSError):  # then the notes are counted again
        sharing.make_folders(file.parent)
        with open(file, "w", encoding="ascii") as stream:
            sharing.adjust(file, stream.fileno())
            stream.write(f"{revision}\n")


def _remembered(file: Path) -> str:
    try:
        return file.read_text("ascii", "replace").strip()
    except OSError:
        return ""


def _explained(repository: Repository, error: Expanding, revision: str) -> Expanding:
    """The error with what to type, if `revision` is what the notes here are at."""

    is_ours = revision == REF or revision == tip(repository)
    return Expanding(error.problems[0].message, hint=_way_back(repository) if is_ours else "")


def _way_back(repository: Repository) -> str:
    """What sets the notes back to what they were before they had too many entries."""

    first = _remembered(repository.common_dir / "spacy" / _SOUND)
    moved = ("log", "-g", "--format=%H", f"--max-count={_MOST_TRIED}", REF, "--")
    parents = ("rev-list", "--first-parent", f"--max-count={_MOST_TRIED}", REF, "--")
    found = (repository.run_git(asked, check=False).stdout.decode() for asked in (moved, parents))
    candidates = dict.fromkeys((*first.split(), *" ".join(found).split()))
    now = tip(repository)
    for candidate in [one for one in candidates if _ID.fullmatch(one) and one != now][:_MOST_TRIED]:
        try:
            for _ in entries(repository, candidate, sizes=False):
                pass
        except ExternalError:
            continue
        return f"git update-ref {REF} {candidate}"
    return f"git update-ref -d {REF}"


class Reader:
    """Reads the notes of a repository within limits: of each note, of each line, and of all that
    one command reads. `warn` is called with what is left out, once for each kind."""

    def __init__(
        self, repository: Repository, warn: Callable[[str], None] = lambda _: None, ref: str = REF
    ) -> None:
        self._repository = repository
        self._warn = warn
        self._ref = ref
        self._left = MOST_READ
        self._warned: set[str] = set()

    @cached_property
    def notes(self) -> dict[str, Note]:
        """All of them, by the id of the commit that they are on. Raises Unavailable."""

        return blobs(self._repository, self._ref)

    def again(self) -> Reader:
        """One that may read as much, of the same notes."""

        other = Reader(self._repository, self._warn, self._ref)
        other.notes = self.notes
        return other

    def lines(
        self, commits: Iterable[str], notes: Mapping[str, Note] | None = None
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        """(commit, lines noted on it) for each of `commits`, in one process, as it goes. `notes`
        may be those of another version."""

        notes = self.notes if notes is None else notes
        some = list(commits)
        wanted = [one for one in some if one in notes and self._is_readable(one, notes[one])]
        contents = objects.read_blobs(
            SAFE_CONFIG, [notes[one].id for one in wanted],
            cwd=self._repository.cwd(), environ=self._repository.environment(),
        )  # fmt: skip
        readable = set(wanted)
        for commit in some:
            lines: tuple[str, ...] = ()
            if commit in readable:
                if self._left <= 0:
                    self._tell(
                        "all",
                        "there are more records than one command reads; "
                        "those left out may be found by a revision: git spacy show REV",
                    )
                    readable.clear()
                else:
                    lines = self._split(commit, next(contents)[1].read())
            yield commit, lines

    def _is_readable(self, commit: str, note: Note) -> bool:
        if note.size < 0:
            self._tell("missing", f"the note on {commit} is missing: git fsck")
        elif note.size > LARGEST_NOTE:
            self._tell(
                "large",
                f"the note on {commit} is not read: {note.size:,} bytes; the limit is "
                f"{LARGEST_NOTE:,}",
            )
        return 0 <= note.size <= LARGEST_NOTE

    def _split(self, commit: str, note: bytes) -> tuple[str, ...]:
        self._left -= len(note) + note.count(b",") * _PER_VALUE
        if note.count(b"\n") > MOST_LINES:
            self._tell("lines", f"the note on {commit} is not read: more than {MOST_LINES:,} lines")
            return ()
        lines = split(note)
        short = tuple(line for line in lines if len(line) <= LONGEST_LINE)
        if len(short) < len(lines):
            self._tell(
                "long",
                f"a record on {commit} is not read: more than {LONGEST_LINE:,} characters",
            )
        return short

    def _tell(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            self._warn(text)


def split(note: bytes) -> tuple[str, ...]:
    """The lines of a note: other tools may have put empty ones between."""

    return tuple(line for line in note.decode("utf-8", "replace").split("\n") if line.strip())


def _refusal(repository: Repository, ref: str, old: str, commit: str, text: bytes) -> str:
    """Make the next commit of the notes; why not, if `ref` is not `old` any more or locked."""

    message = b"Notes added by git-spacy"
    committer = person(repository.cwd(), repository.environment(), "COMMITTER")
    script = b"commit %s\nmark :1\ncommitter %s\n" % (ref.encode(), committer)
    script += b"data %d\n%s\n" % (len(message), message)
    if old:
        script += b"from %s\n" % old.encode()
    script += b"N inline %s\ndata %d\n%s\n" % (commit.encode(), len(text), text)
    script += b"get-mark :1\ndone\n"
    done = repository.run_git(("fast-import", "--quiet", "--done"), input=script, check=False)
    if done.returncode and tip(repository, ref) == old and b"lock" not in done.stderr:
        raise ExternalError(f"git fast-import: {done.message or 'failed without a word'}")
    if done.returncode:
        return done.message or "git fast-import failed"
    # one note more than what was sound: not to be counted again
    _remember(repository.common_dir / "spacy" / _SOUND, done.stdout.decode().strip())
    return ""


def log(
    repository: Repository, revisions: Sequence[str], *, limit: int | None = None,
    reader: Reader | None = None,
) -> Iterator[AnnotatedCommit]:  # fmt: skip
    """The commits that `revisions` (none: HEAD) reach, newest first, each with its lines.

    A few processes for all of them, read as it goes: git would read each note whole, however large
    it is. Raises Malformed for a wrong revision.
    """

    reader = reader or Reader(repository)
    stream = _log(repository, resolve_revisions(repository, revisions), limit)
    for size in chain((_FIRST_BATCH,), repeat(_BATCH)):
        batch = list(islice(stream, size))
        if not batch:
            return
        noted = reader.lines([one.commit for one in batch])
        for one, (_, lines) in zip(batch, noted, strict=True):
            yield one._replace(lines=lines)


def _log(
    repository: Repository, names: Sequence[str], limit: int | None
) -> Iterator[AnnotatedCommit]:
    """The commits, with no lines yet."""

    options = ["log", "-z", f"--format={_FIELDS}", "--no-show-signature", "--no-notes"]
    options += ["--no-color"]
    options += [f"--max-count={limit}"] if limit is not None else []
    arguments = (*SAFE_CONFIG, *options, *names, "--")
    where, environ = repository.cwd(), repository.environment()
    with process.streaming(arguments, cwd=where, environ=environ, input=b"") as stream:
        rest = b""
        while chunk := stream.read(1 << 16):
            *records, rest = (rest + chunk).split(b"\0")
            yield from map(_annotated_commit, records)
        if rest:
            yield _annotated_commit(rest)


def resolve_revisions(repository: Repository, revisions: Sequence[str]) -> list[str]:
    """Ids and `^ids` of `revisions` (none: HEAD): what was typed is never taken for an option.
    Raises Malformed for what is none."""

    revisions = revisions or ("HEAD",)
    asked = ("rev-parse", "--revs-only", "--end-of-options", *revisions)
    done = repository.run_git(asked, check=False)
    found = [line for line in done.stdout.decode().split() if not line.startswith("--")]
    if done.returncode or not found:
        what = f"no commit '{' '.join(revisions)}'"
        if tuple(revisions) == ("HEAD",):
            raise InvalidInput("there is no commit yet", hint="git commit")
        raise InvalidInput(what, hint="see 'git log --oneline' for what there is")
    return found


def resolve_commit(repository: Repository, revision: str) -> str:
    """The id of the one commit that `revision` names. Raises Malformed if it is none."""

    found = commits.resolve(repository, revision)
    if not found:
        resolve_revisions(
            repository, [revision]
        )  # says what is wrong with it, or else it is a range
        raise InvalidInput(f"'{revision}' is not one commit", hint="name a commit, e.g. HEAD~1")
    return found


def _annotated_commit(record: bytes) -> AnnotatedCommit:
    head, subject = record.decode("utf-8", "replace").split("\x01", 1)
    commit, short, seconds, tree = head.split(" ")
    return AnnotatedCommit(commit, short, int(seconds), tree, (), subject)
