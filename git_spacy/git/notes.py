"""Notes on commits: one ref of lines, appended by compare-and-swap and read with the log.

`git notes append` loses what two write at once, and puts empty lines between; so each line goes in
by a fast-import that starts from the notes as they were, and is repeated if they are not so any
more (a lock of our own keeps that rare). Fast-import fans out as Git does. Knows nothing of what
the lines say, but that each is one line of ASCII, written once and never changed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Malformed, Unavailable
from git_spacy.files import held
from git_spacy.git import process
from git_spacy.git.identity import person
from git_spacy.git.repository import Repository

REF = "refs/notes/spacy"
_SEALED = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_TRIES = 100
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

    where, environ = repository.place(), repository.environment()
    new = tuple(lines)
    with held(repository.common_dir / "spacy" / "notes.lock"):
        for attempt in range(_TRIES):
            old = _tip(where, environ, ref)
            before = _lines(where, environ, ref, commit) if old else ()
            missing = [line for line in new if line not in before]
            if not missing:
                return
            text = "".join(f"{line}\n" for line in (*before, *missing))
            if _written(where, environ, ref, old, commit, text.encode()):
                return
            time.sleep(random.uniform(0, 0.01 * min(attempt + 1, 20)))
    raise Unavailable(f"'{ref}' changes faster than it can be written", mend="try again")


def _tip(where: Path, environ: dict[str, str], ref: str) -> str:
    asked = (*_SEALED, "rev-parse", "-q", "--verify", f"{ref}^{{commit}}")
    done = process.run(asked, cwd=where, environ=environ, check=False)
    return done.stdout.decode().strip()


def _lines(where: Path, environ: dict[str, str], ref: str, commit: str) -> tuple[str, ...]:
    asked = (*_SEALED, "notes", f"--ref={ref}", "show", commit)
    done = process.run(asked, cwd=where, environ=environ, check=False)
    return split(done.stdout.decode("utf-8", "replace")) if not done.returncode else ()


def split(note: str) -> tuple[str, ...]:
    """The lines of a note: other tools may have put empty ones between."""

    return tuple(line for line in note.split("\n") if line.strip())


def _written(
    where: Path, environ: dict[str, str], ref: str, old: str, commit: str, text: bytes
) -> bool:
    """Make the next commit of the notes; False if `ref` is not `old` any more."""

    message = b"Notes added by git-spacy"
    script = b"commit %s\ncommitter %s\n" % (ref.encode(), person(where, environ, "COMMITTER"))
    script += b"data %d\n%s\n" % (len(message), message)
    if old:
        script += b"from %s\n" % old.encode()
    script += b"N inline %s\ndata %d\n%s\ndone\n" % (commit.encode(), len(text), text)
    arguments = (*_SEALED, "fast-import", "--quiet", "--done")
    done = process.run(arguments, cwd=where, environ=environ, input=script, check=False)
    if done.returncode and _tip(where, environ, ref) == old and b"lock" not in done.stderr:
        raise Unavailable(f"git fast-import: {done.message or 'failed without a word'}")
    return not done.returncode


def log(
    repository: Repository, revisions: Sequence[str], *, limit: int | None = None, ref: str = REF
) -> Iterator[Noted]:
    """The commits that `revisions` (none: HEAD) reach, newest first, each with its lines.

    One process for all of them, read as it goes. Raises Malformed for a wrong revision.
    """

    where, environ = repository.place(), repository.environment()
    names = _resolved(where, environ, revisions or ("HEAD",))
    options = ["log", "-z", f"--format={_FIELDS}", "--no-show-signature", "--no-standard-notes"]
    options += [f"--notes={ref}", "--no-color"]
    options += [f"--max-count={limit}"] if limit is not None else []
    arguments = (*_SEALED, *options, *names, "--")
    with process.streaming(arguments, cwd=where, environ=environ, input=b"") as stream:
        rest = b""
        while chunk := stream.read(1 << 16):
            *records, rest = (rest + chunk).split(b"\0")
            yield from map(_noted, records)
        if rest:
            yield _noted(rest)


def _resolved(where: Path, environ: dict[str, str], revisions: Sequence[str]) -> list[str]:
    """Ids and `^ids`: what was typed is never taken for an option."""

    asked = (*_SEALED, "rev-parse", "--revs-only", "--end-of-options", *revisions)
    done = process.run(asked, cwd=where, environ=environ, check=False)
    found = [line for line in done.stdout.decode().split() if not line.startswith("--")]
    if done.returncode or not found:
        what = f"no commit '{' '.join(revisions)}'"
        if tuple(revisions) == ("HEAD",):
            raise Malformed("there is no commit yet", mend="git commit")
        raise Malformed(what, mend="see 'git log --oneline' for what there is")
    return found


def _noted(record: bytes) -> Noted:
    head, lines, subject = record.decode("utf-8", "replace").split("\x01", 2)
    commit, short, seconds, tree = head.split(" ")
    return Noted(commit, short, int(seconds), tree, split(lines), subject)
