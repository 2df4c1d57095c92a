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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from git_spacy.errors import Malformed, Unavailable
from git_spacy.files import held
from git_spacy.git import commits, objects, process
from git_spacy.git.identity import person
from git_spacy.git.repository import SEALED, Repository

REF = "refs/notes/spacy"
_TRIES = 100  # while others write
_UNMOVED = 20  # while nobody does: then something else is wrong
_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_FIELDS = "%H %h %ct %T%x01%N%x01%s"


class Noted(NamedTuple):
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
    with held(repository.common_dir / "spacy" / "notes.lock"):
        for attempt in range(_TRIES):
            old = tip(repository, ref)
            unmoved = unmoved + 1 if old == seen else 0
            seen = old
            before = of(repository, commit, ref) if old else ()
            missing = [line for line in new if line not in before]
            if not missing:
                return
            text = "".join(f"{line}\n" for line in (*before, *missing))
            refusal = _refusal(repository, ref, old, commit, text.encode())
            if not refusal:
                return
            if unmoved == _UNMOVED:
                raise Unavailable(f"'{ref}' cannot be written: {refusal}")
            time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 20)))
    raise Unavailable(f"'{ref}' changes faster than it can be written", mend="try again")


def tip(repository: Repository, ref: str = REF) -> str:
    """The commit that the ref of the notes is at; "" if there are none yet."""

    return commits.commit(repository, ref)


def of(repository: Repository, commit: str, ref: str = REF) -> tuple[str, ...]:
    """The lines noted on one commit (its id). Raises Unavailable if they cannot be read: what is
    written after them would be all that is left."""

    # 1: there is no note
    done = repository.ask(("notes", f"--ref={ref}", "show", commit), accepted=(0, 1))
    return split(done.stdout.decode("utf-8", "replace")) if not done.returncode else ()


def blobs(repository: Repository, revision: str = REF) -> dict[str, str]:
    """The id of each note's blob, by the id of the commit that it is on, as `revision` (of the
    notes) has them; none if there is no such thing."""

    # (`git notes list` knows no ref outside refs/notes)
    listed = repository.ask(("ls-tree", "-r", "-z", revision), check=False).stdout
    found = {}
    for record in listed.decode("utf-8", "replace").split("\0"):
        head, _, name = record.partition("\t")
        commit = name.replace("/", "")
        if _ID.fullmatch(commit):
            found[commit] = head.rpartition(" ")[2]
    return found


def read(repository: Repository, blobs: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The lines of these notes: one process, however many."""

    contents = objects.read(
        SEALED, list(blobs.values()), cwd=repository.place(), environ=repository.environment()
    )
    return {
        commit: split(content.read().decode("utf-8", "replace"))
        for commit, (_, content) in zip(blobs, contents, strict=True)
    }


def split(note: str) -> tuple[str, ...]:
    """The lines of a note: other tools may have put empty ones between."""

    return tuple(line for line in note.split("\n") if line.strip())


def _refusal(repository: Repository, ref: str, old: str, commit: str, text: bytes) -> str:
    """Make the next commit of the notes; why not, if `ref` is not `old` any more or locked."""

    message = b"Notes added by git-spacy"
    committer = person(repository.place(), repository.environment(), "COMMITTER")
    script = b"commit %s\ncommitter %s\n" % (ref.encode(), committer)
    script += b"data %d\n%s\n" % (len(message), message)
    if old:
        script += b"from %s\n" % old.encode()
    script += b"N inline %s\ndata %d\n%s\ndone\n" % (commit.encode(), len(text), text)
    done = repository.ask(("fast-import", "--quiet", "--done"), input=script, check=False)
    if done.returncode and tip(repository, ref) == old and b"lock" not in done.stderr:
        raise Unavailable(f"git fast-import: {done.message or 'failed without a word'}")
    return (done.message or "git fast-import failed") if done.returncode else ""


def log(
    repository: Repository, revisions: Sequence[str], *, limit: int | None = None, ref: str = REF
) -> Iterator[Noted]:
    """The commits that `revisions` (none: HEAD) reach, newest first, each with its lines.

    One process for all of them, read as it goes. Raises Malformed for a wrong revision.
    """

    names = resolved(repository, revisions)
    options = ["log", "-z", f"--format={_FIELDS}", "--no-show-signature", "--no-standard-notes"]
    options += [f"--notes={ref}", "--no-color"]
    options += [f"--max-count={limit}"] if limit is not None else []
    arguments = (*SEALED, *options, *names, "--")
    where, environ = repository.place(), repository.environment()
    with process.streaming(arguments, cwd=where, environ=environ, input=b"") as stream:
        rest = b""
        while chunk := stream.read(1 << 16):
            *records, rest = (rest + chunk).split(b"\0")
            yield from map(_noted, records)
        if rest:
            yield _noted(rest)


def resolved(repository: Repository, revisions: Sequence[str]) -> list[str]:
    """Ids and `^ids` of `revisions` (none: HEAD): what was typed is never taken for an option.
    Raises Malformed for what is none."""

    revisions = revisions or ("HEAD",)
    asked = ("rev-parse", "--revs-only", "--end-of-options", *revisions)
    done = repository.ask(asked, check=False)
    found = [line for line in done.stdout.decode().split() if not line.startswith("--")]
    if done.returncode or not found:
        what = f"no commit '{' '.join(revisions)}'"
        if tuple(revisions) == ("HEAD",):
            raise Malformed("there is no commit yet", mend="git commit")
        raise Malformed(what, mend="see 'git log --oneline' for what there is")
    return found


def one(repository: Repository, revision: str) -> str:
    """The id of the one commit that `revision` names. Raises Malformed if it is none."""

    found = commits.commit(repository, revision)
    if not found:
        resolved(repository, [revision])  # says what is wrong with it, or else it is a range
        raise Malformed(f"'{revision}' is not one commit", mend="name a commit, e.g. HEAD~1")
    return found


def _noted(record: bytes) -> Noted:
    head, lines, subject = record.decode("utf-8", "replace").split("\x01", 2)
    commit, short, seconds, tree = head.split(" ")
    return Noted(commit, short, int(seconds), tree, split(lines), subject)
