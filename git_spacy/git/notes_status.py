"""How the notes here stand to those of a remote, and to the commits that they are on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from git_spacy.errors import ExternalError
from git_spacy.git import commits, notes, notes_sync
from git_spacy.git.notes import REF
from git_spacy.git.repository import Repository

_ANYWHERE = ("--branches", "--tags", "--remotes")


class NotesStatus(NamedTuple):
    """Counts of lines: `ahead` are only here, `behind` only on the remote (as it was when last
    asked, if `unreachable` says why it could not be). `stranded` and `absent` are ids of commits
    that have notes: no branch or tag reaches them, or they are not here at all, which in a
    `shallow` clone is no wonder. `rewritten`: Git carries the notes along in amend and rebase."""

    lines: int
    commits: int
    ahead: int
    behind: int
    unreachable: str
    shallow: bool
    stranded: tuple[str, ...]
    missing: tuple[str, ...]
    rewritten: bool


def notes_status(
    repository: Repository, remote: str | None, *, fetch: bool = True, ref: str = REF,
    warn: Callable[[str], None] = lambda _: None,
) -> NotesStatus:  # fmt: skip
    """The status of the notes; with `fetch`, the remote is asked first. `warn` is called with what
    is too large to be counted. Raises Unavailable."""

    unreachable = ""
    if remote and fetch:
        try:
            notes_sync.fetch(repository, remote, ref)
        except ExternalError as error:
            unreachable = error.problems[0].message
    ours = notes.tip(repository, ref)
    theirs = notes.tip(repository, notes_sync.tracking(remote, ref)) if remote else ""
    reader = notes.Reader(repository, warn, ref)
    noted = reader.notes if ours else {}
    compared = notes_sync.compare(repository, ours, theirs) if remote else (0, 0)
    reaching = (*_ANYWHERE, *(("HEAD",) if commits.head(repository) else ()))
    lost = commits.unreachable(repository, noted, reaching) if noted else set()
    here = commits.present_commits(repository, lost)
    return NotesStatus(
        lines=sum(len(lines) for _, lines in reader.lines(noted)),
        commits=len(noted),
        ahead=compared[0],
        behind=compared[1],
        unreachable=unreachable,
        shallow=commits.is_shallow(repository),
        stranded=tuple(sorted(here)),
        missing=tuple(sorted(lost - here)),
        rewritten=_is_rewritten(repository, ref),
    )


def _is_rewritten(repository: Repository, ref: str) -> bool:
    import fnmatch

    asked = ("config", "--get-all", "notes.rewriteRef")
    patterns = repository.run_git(asked, check=False).stdout.decode("utf-8", "replace").split()
    return any(fnmatch.fnmatchcase(ref, pattern) for pattern in patterns)
