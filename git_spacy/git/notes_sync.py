"""Synchronize notes between clones: fetch to a tracking ref, merge line by line, push.

The local notes are never overwritten by a forced refspec, which would lose unpushed lines. The
steps are those of gitnotes: `fetch +REF:refs/notes-remote/REMOTE/NAME`, `git notes merge
-s cat_sort_uniq`, `push`. `git notes merge` moves its ref even if another process has moved it
meanwhile; so the merge happens on a temporary ref, and a compare-and-swap updates the real one.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Sequence
from typing import NamedTuple

from git_spacy.errors import ExternalError, InvalidInput, Warn, warning
from git_spacy.file_locks import file_lock
from git_spacy.git import notes, process
from git_spacy.git.ident import FALLBACK_IDENT
from git_spacy.git.messages import quote
from git_spacy.git.notes import REF, is_sealed
from git_spacy.git.repository import SAFE_CONFIG, Repository
from git_spacy.git.settings import read_settings, text_value
from git_spacy.project.diagnostics import did_you_mean

_MERGE_REF = "refs/notes/spacy-merging"
_STREAM_LARGE_BLOBS = ("-c", "core.bigFileThreshold=1m")  # larger blobs are streamed
_MAX_ATTEMPTS = 30  # while others push to the remote
_MAX_ATTEMPTS_UNMOVED = 3  # while they do not
_MISSING_REF = re.compile(r"couldn't find remote ref|no such ref was fetched", re.IGNORECASE)
_PERMANENT_REJECTION = re.compile(
    r"hook declined|prohibited|protected|denied|not allowed", re.IGNORECASE
)


class NotesDifference(NamedTuple):
    """The number of lines that are only local, and only on the remote."""

    ahead: int
    behind: int


def remote_names(repository: Repository) -> list[str]:
    """Return the names of the Git remotes."""

    return repository.run_git(("remote",)).stdout.decode().split()


def choose_remote(repository: Repository, name: str | None) -> str:
    """Return the Git remote to use.

    That is `name`, else the upstream of the current branch, else the only remote, else `origin`.
    Raises InvalidInput.
    """

    known = remote_names(repository)
    if name is not None:
        if name in known:
            return name
        hint = did_you_mean(name, known) or "git remote -v"
        raise InvalidInput(f"unknown Git remote '{name}'", hint=hint)
    for candidate in (_upstream_remote(repository), *known[: len(known) == 1], "origin"):
        if candidate in known:
            return str(candidate)
    if known:
        raise InvalidInput(
            f"more than one Git remote: {', '.join(known)}", hint=f"name one, e.g. {known[0]}"
        )
    raise InvalidInput("the repository has no Git remote", hint="git remote add origin URL")


def _upstream_remote(repository: Repository) -> str:
    branch = repository.run_git(("symbolic-ref", "-q", "--short", "HEAD"), check=False)
    arguments = ("config", "--get", f"branch.{branch.stdout.decode().strip()}.remote")
    return repository.run_git(arguments, check=False).stdout.decode().strip()


def tracking_ref(remote: str) -> str:
    """Return the ref for the notes of the remote as of the last fetch."""

    return f"refs/notes-remote/{remote}/{REF.removeprefix('refs/notes/')}"


def fetch(repository: Repository, remote: str) -> str:
    """Fetch the notes of the remote, and return their commit id, or "" if it has none.

    Raises ExternalError if the remote cannot be reached.
    """

    arguments = (
        "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
        "--", remote, f"+{REF}:{tracking_ref(remote)}",
    )  # fmt: skip
    done = _run_with_network(repository, arguments)
    if done.returncode and _MISSING_REF.search(done.stderr.decode("utf-8", "replace")):
        repository.run_git(("update-ref", "-d", tracking_ref(remote)), check=False)
        return ""
    if done.returncode:
        raise ExternalError(f"git fetch {remote}: {quote(done.stderr)}")
    return notes.tip(repository, tracking_ref(remote))


def contact(repository: Repository, remote: str) -> str:
    """Ask the remote for its notes; return git's message if it cannot be reached, else ""."""

    done = _run_with_network(repository, ("ls-remote", "--quiet", "--", remote, REF))
    return quote(done.stderr) if done.returncode else ""


def merge(repository: Repository, remote: str, warn: Warn = lambda _: None) -> int:
    """Merge the fetched notes into the local ones, and return the number of new lines.

    Keeps lines that other processes append meanwhile. Notes that are too large to merge keep their
    local content, and `warn` is called. Raises ExternalError if git fails or the notes of the
    remote have too many entries; the local ones are then unchanged.
    """

    for _ in range(_MAX_ATTEMPTS):
        theirs = notes.tip(repository, tracking_ref(remote))
        with file_lock(repository.common_dir / "spacy" / "notes.lock"):
            ours = notes.tip(repository)
            if not theirs or _is_ancestor(repository, ours, theirs):
                return 0
            notes.check_entry_count(repository, ours)
            try:
                mergeable = _without_large(repository, ours, theirs, warn)
                merged = _merge_commits(repository, ours, mergeable)
                new = compare(repository, ours, merged).behind
            except notes.TooManyEntries as error:
                raise _merge_refused(error, remote, ours) from None
            if _compare_and_swap(repository, merged, ours):
                return new
    raise ExternalError(f"cannot merge '{REF}': other processes keep changing it", hint="try again")


def _merge_refused(error: notes.TooManyEntries, remote: str, ours: str) -> ExternalError:
    arguments = f"{remote} {ours}:{REF} --force" if ours else f"{remote} --delete {REF}"
    action = "replace them by yours" if ours else "delete them"
    return ExternalError(
        f"cannot merge the run records of '{remote}': {error.problems[0].message}",
        hint=f"to {action}: git push {arguments}",
    )


def _without_large(repository: Repository, ours: str, theirs: str, warn: Warn) -> str:
    """Return `theirs`, or a commit on top of it without notes that are too large.

    A note that is too large for Git to merge, or beyond the limit for one merge, has the content
    of `ours` in that commit. Raises TooManyEntries.
    """

    local_notes = notes.notes_by_commit(repository, ours) if ours else {}
    bytes_left, script = notes.MAX_READ_BYTES, []
    for commit, note, path in notes.entries(repository, theirs):
        own = local_notes.get(commit)
        if own and own.id == note.id:
            continue
        size = max(note.size, own.size if own else 0)
        # a note that only the remote has is taken over without reading it
        bytes_left -= note.size + own.size if own else 0
        if size > notes.MAX_NOTE_BYTES or bytes_left < 0:
            script.append(f"M 100644 {own.id} {path}" if own else f"D {path}")
    if not script:
        return theirs
    warn(warning(f"skipped {len(script)} notes of the remote that are too large"))
    name, email = FALLBACK_IDENT
    message = "Notes without those that are too large"
    text = "\n".join((
        f"commit {_MERGE_REF}", "mark :1", f"committer {name} <{email}> {int(time.time())} +0000",
        f"data {len(message)}\n{message}", f"from {theirs}", *script, "get-mark :1", "done", "",
    ))  # fmt: skip
    arguments = ("fast-import", "--quiet", "--done", "--force")
    try:
        return repository.run_git(arguments, input=text.encode()).stdout.decode().strip()
    finally:
        repository.run_git(("update-ref", "-d", _MERGE_REF), check=False)


def _is_ancestor(repository: Repository, ours: str, theirs: str) -> bool:
    arguments = ("merge-base", "--is-ancestor", theirs, ours)
    return bool(ours) and not repository.run_git(arguments, check=False).returncode


def _merge_commits(repository: Repository, ours: str, theirs: str) -> str:
    if not ours or _is_ancestor(repository, theirs, ours):
        return theirs
    bases = repository.run_git(("merge-base", ours, theirs), check=False).stdout.decode().split()
    for base in bases:
        notes.check_entry_count(repository, base)
    repository.run_git(("update-ref", _MERGE_REF, ours))
    try:
        arguments = ("notes", f"--ref={_MERGE_REF}", "merge", "-q", "-s", "cat_sort_uniq", theirs)
        repository.run_git((*_fallback_identity(repository), *arguments))
        return notes.tip(repository, _MERGE_REF)
    finally:
        repository.run_git(("update-ref", "-d", _MERGE_REF), check=False)


def _fallback_identity(repository: Repository) -> tuple[str, ...]:
    """Return options that set an identity for git, or none if the user has set one."""

    arguments = ("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    if not repository.run_git(arguments, check=False).returncode:
        return ()
    name, address = FALLBACK_IDENT
    return ("-c", f"user.name={name}", "-c", f"user.email={address}")


def _compare_and_swap(repository: Repository, new: str, old: str) -> bool:
    message = "git-spacy notes pull: merged"
    arguments = ("update-ref", "-m", message, REF, new, old or "0" * len(new))
    return not repository.run_git(arguments, check=False).returncode


def pull(repository: Repository, remote: str, warn: Warn = lambda _: None) -> int:
    """Fetch and merge the notes, and return the number of new lines. Raises ExternalError."""

    return merge(repository, remote, warn) if fetch(repository, remote) else 0


def push(repository: Repository, remote: str, warn: Warn = lambda _: None) -> int:
    """Merge the notes of the remote, push, and return the number of lines that it did not have.

    If the push is rejected, merges and pushes again: many times while other users push, a few
    times otherwise. Raises ExternalError with the message of the remote.
    """

    notes.check_entry_count(repository, notes.tip(repository))
    theirs = fetch(repository, remote)
    message = text_value(read_settings(repository.cwd()), "spacy.notesMessage")
    unmoved, reason = 0, ""
    for attempt in range(_MAX_ATTEMPTS):
        merge(repository, remote, warn)
        ours = notes.tip(repository)
        if message and ours != theirs:
            ours = _as_one_commit(repository, ours, theirs, message)
        rejection = _try_push(repository, remote, ours) if ours != theirs else None
        if rejection is None:
            new = compare(repository, ours, theirs).ahead
            if new:
                repository.run_git(("update-ref", tracking_ref(remote), ours))
            return new
        reason = rejection.message
        if rejection.is_permanent:
            break
        time.sleep(random.uniform(0, 0.05 * min(attempt + 1, 20)))
        previous, theirs = theirs, fetch(repository, remote)
        unmoved = unmoved + 1 if theirs == previous else 0
        if unmoved == _MAX_ATTEMPTS_UNMOVED:
            break
    raise ExternalError(f"'{remote}' rejected the notes: {reason}")


def _as_one_commit(repository: Repository, ours: str, theirs: str, message: str) -> str:
    """Put all that the remote does not have into one commit with this message.

    For servers that reject commits without e.g. the number of a ticket. Returns its id, or `ours`
    if other processes have changed the notes meanwhile.
    """

    parents = ("-p", theirs) if theirs else ()
    arguments = ("commit-tree", f"{ours}^{{tree}}", *parents, "-m", message)
    done = repository.run_git((*_fallback_identity(repository), *arguments))
    new = done.stdout.decode().strip()
    return new if _compare_and_swap(repository, new, ours) else ours


class _Rejection(NamedTuple):
    """What the remote said when it rejected the notes, and whether to try again is in vain."""

    message: str
    is_permanent: bool


def _try_push(repository: Repository, remote: str, ours: str) -> _Rejection | None:
    """Push the notes; return None, or why the remote rejected them.

    Raises ExternalError if the remote did not answer.
    """

    # The user's pre-push hooks are meant for code, and no tags should be pushed along.
    arguments = (
        "push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
        "--", remote, f"{ours}:{REF}",
    )  # fmt: skip
    done = _run_with_network(repository, arguments)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("!\t"):
            reason = line.rpartition("\t")[2]
            lines = done.stderr.decode("utf-8", "replace").splitlines()
            errors = [
                text for text in lines if text.startswith(("remote: error:", "remote: fatal:"))
            ]
            is_permanent = bool(_PERMANENT_REJECTION.search("\n".join([reason, *errors])))
            return _Rejection(f"{reason}\n  {quote(done.stderr).strip()}", is_permanent)
    if done.returncode:
        raise ExternalError(f"git push {remote}: {quote(done.stderr)}")
    return None


def _run_with_network(repository: Repository, arguments: Sequence[str]) -> process.GitResult:
    """Run git with the user's configuration of credentials, proxies and protocols."""

    may_prompt = process.can_prompt()
    environ = repository.environment(allow_network=True, prompt=may_prompt)
    return process.run_git(
        (*SAFE_CONFIG, *_STREAM_LARGE_BLOBS, *arguments),
        cwd=repository.cwd(), environ=environ, check=False, prompt=may_prompt,
        limits=process.LIMITS,
    )  # fmt: skip


def compare(repository: Repository, ours: str, theirs: str) -> NotesDifference:
    """Count the lines by which two versions of the notes (commit ids, or "") differ."""

    if ours == theirs:
        return NotesDifference(0, 0)
    our_notes, their_notes = both = tuple(
        notes.notes_by_commit(repository, version) if version else {} for version in (ours, theirs)
    )
    # Most notes are the same; read only those that differ.
    different = [
        commit
        for commit in dict.fromkeys((*our_notes, *their_notes))
        if our_notes.get(commit) != their_notes.get(commit)
        and not any(is_sealed(commit, found[commit]) for found in both if commit in found)
    ]
    our_lines = notes.NotesReader(repository).lines(different, our_notes)
    their_lines = notes.NotesReader(repository).lines(different, their_notes)
    ahead = behind = 0
    for (_, local), (_, remote) in zip(our_lines, their_lines, strict=True):
        ahead += len(set(local) - set(remote))
        behind += len(set(remote) - set(local))
    return NotesDifference(ahead, behind)
