"""Compare the local notes with those of a remote, and with the commits they annotate."""

from __future__ import annotations

from typing import NamedTuple

from git_spacy.errors import ExternalError, Warn
from git_spacy.git import commits, notes, notes_sync
from git_spacy.git.notes import REF, is_sealed
from git_spacy.git.repository import Repository

_ALL_REFS = ("--branches", "--tags", "--remotes")


class NotesStatus(NamedTuple):
    """Counts of note lines, and annotated commits that need attention.

    `ahead` lines exist only locally, `behind` lines only on the remote. If the remote cannot be
    reached, `unreachable` is the reason, and the last fetch is compared. `stranded` are ids of
    annotated commits that no branch or tag reaches; `missing` are ids of commits that are not in
    this clone, as usual in a `shallow` one. `rewritten` is whether amend and rebase copy notes to
    the new commits.
    """

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
    repository: Repository, remote: str | None, *, fetch: bool = True,
    warn: Warn = lambda _: None,
) -> NotesStatus:  # fmt: skip
    """Return the status of the notes; with `fetch`, fetch those of the remote first.

    Calls `warn` for notes that are too large to count. Raises ExternalError.
    """

    unreachable = ""
    if remote and fetch:
        try:
            notes_sync.fetch(repository, remote)
        except ExternalError as error:
            unreachable = error.problems[0].message
    ours = notes.tip(repository)
    theirs = notes.tip(repository, notes_sync.tracking_ref(remote)) if remote else ""
    reader = notes.NotesReader(repository, warn)
    annotated = [id for id, note in reader.notes.items() if not is_sealed(id, note)] if ours else []
    ahead, behind = notes_sync.compare(repository, ours, theirs) if remote else (0, 0)
    refs = (*_ALL_REFS, *(("HEAD",) if commits.head_commit(repository) else ()))
    unreachable_commits = commits.unreachable(repository, annotated, refs) if annotated else set()
    present = commits.present_commits(repository, unreachable_commits)
    return NotesStatus(
        lines=sum(len(lines) for _, lines in reader.lines(annotated)),
        commits=len(annotated),
        ahead=ahead,
        behind=behind,
        unreachable=unreachable,
        shallow=commits.is_shallow(repository),
        stranded=tuple(sorted(present)),
        missing=tuple(sorted(unreachable_commits - present)),
        rewritten=_is_rewritten(repository),
    )


def _is_rewritten(repository: Repository) -> bool:
    import fnmatch

    arguments = ("config", "--get-all", "notes.rewriteRef")
    done = repository.run_git(arguments, check=False)
    patterns = done.stdout.decode("utf-8", "replace").split()
    return any(fnmatch.fnmatchcase(REF, pattern) for pattern in patterns)
