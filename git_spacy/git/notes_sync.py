"""Notes between clones: fetched into a tracking ref, merged by line, pushed again until taken.

Never by a forced refspec over the notes that are here, which would lose what was not pushed. The
steps are those of gitnotes: `fetch +REF:refs/notes-remote/REMOTE/NAME`, `git notes merge
-s cat_sort_uniq`, `push`. `git notes merge` moves its ref whatever that has become meanwhile; so it
works on a ref of its own, and the result is swapped in.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from git_spacy.errors import ExternalError, InvalidInput
from git_spacy.files import file_lock
from git_spacy.git import notes, process
from git_spacy.git.ident import FALLBACK
from git_spacy.git.notes import REF
from git_spacy.git.repository import SAFE_CONFIG, Repository
from git_spacy.project.diagnostics import did_you_mean

_MERGING = "refs/notes/spacy-merging"
_STREAMED = ("-c", "core.bigFileThreshold=1m")  # larger blobs are not held in memory
_TRIES = 30  # while the remote moves on
_STUBBORN = 3  # while it does not
_MISSING = re.compile(r"couldn't find remote ref|no such ref was fetched", re.IGNORECASE)
_FOR_GOOD = re.compile(r"hook declined|prohibited|protected|denied|not allowed", re.IGNORECASE)


def _silent(_: str) -> None: ...


class NotesDifference(NamedTuple):
    """How many lines are only here, and how many only on the remote."""

    ahead: int
    behind: int


def remotes(repository: Repository) -> list[str]:
    """The names of the remotes."""

    return repository.run_git(("remote",)).stdout.decode().split()


def remote(repository: Repository, named: str | None) -> str:
    """The remote that is meant: `named`, else the one that the branch follows, else the only one,
    else `origin`. Raises Malformed if there is none."""

    known = remotes(repository)
    if named is not None:
        if named in known:
            return named
        hint = did_you_mean(named, known) or "see 'git remote -v' for what there is"
        raise InvalidInput(f"there is no remote '{named}'", hint=hint)
    for one in (_followed(repository), *known[: len(known) == 1], "origin"):
        if one in known:
            return str(one)
    if known:
        raise InvalidInput(f"which remote: {', '.join(known)}?", hint=f"name one, e.g. {known[0]}")
    raise InvalidInput("there is no remote", hint="git remote add origin URL")


def _followed(repository: Repository) -> str:
    branch = repository.run_git(("symbolic-ref", "-q", "--short", "HEAD"), check=False)
    asked = ("config", "--get", f"branch.{branch.stdout.decode().strip()}.remote")
    return repository.run_git(asked, check=False).stdout.decode().strip()


def tracking(remote: str, ref: str = REF) -> str:
    """The ref that holds what the remote had when it was last asked."""

    return f"refs/notes-remote/{remote}/{ref.removeprefix('refs/notes/')}"


def fetch(repository: Repository, remote: str, ref: str = REF) -> str:
    """Bring the remote's notes to the tracking ref; the commit that they are at, "" if it has none.

    Raises Unavailable where the remote cannot be reached.
    """

    arguments = (
        "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules",
        "--", remote, f"+{ref}:{tracking(remote, ref)}",
    )  # fmt: skip
    done = _run_with_network(repository, arguments)
    if done.returncode and _MISSING.search(done.stderr.decode("utf-8", "replace")):
        repository.run_git(("update-ref", "-d", tracking(remote, ref)), check=False)
        return ""
    if done.returncode:
        raise ExternalError(f"git fetch {remote}: {done.message or 'failed without a word'}")
    return notes.tip(repository, tracking(remote, ref))


def merge(
    repository: Repository, remote: str, ref: str = REF, warn: Callable[[str], None] = _silent
) -> int:
    """Add what the tracking ref has to the notes here; the number of lines that were new.

    What others note here at the same time is kept. Notes that are too large to be merged are left
    as they are here, and `warn` is called. Raises Unavailable where git fails, or where the notes
    of the remote have more entries than anybody reads: then those here stay as they are.
    """

    for _ in range(_TRIES):
        theirs = notes.tip(repository, tracking(remote, ref))
        with file_lock(repository.common_dir / "spacy" / "notes.lock"):
            ours = notes.tip(repository, ref)
            if not theirs or _contains(repository, ours, theirs):
                return 0
            notes.check(repository, ours)
            try:
                merged = _merged(repository, ours, _without_large(repository, ours, theirs, warn))
                new = compare(repository, ours, merged).behind
            except notes.Expanding as error:
                raise _not_taken(error, remote, ours, ref) from None
            if _swapped(repository, ref, merged, ours):
                return new
    raise ExternalError(f"'{ref}' changes faster than it can be merged", hint="try again")


def _not_taken(error: notes.Expanding, remote: str, ours: str, ref: str) -> ExternalError:
    instead = f"{remote} {ours}:{ref} --force" if ours else f"{remote} --delete {ref}"
    return ExternalError(
        f"the records of '{remote}' are not taken: {error.problems[0].message}",
        hint=f"to {'put yours in their place' if ours else 'remove them'}: git push {instead}",
    )


def _without_large(
    repository: Repository, ours: str, theirs: str, warn: Callable[[str], None]
) -> str:
    """`theirs`, or a commit after it in which notes that are too large for Git to merge, and those
    beyond what is merged at once, are as `ours` has them.

    Raises Expanding.
    """

    here = notes.blobs(repository, ours) if ours else {}
    left, script = notes.MOST_READ, []
    for commit, note, path in notes.entries(repository, theirs):
        own = here.get(commit)
        if own and own.id == note.id:
            continue
        size = max(note.size, own.size if own else 0)
        left -= note.size + own.size if own else 0  # (the others are only linked)
        if size > notes.LARGEST_NOTE or left < 0:
            script.append(f"M 100644 {own.id} {path}" if own else f"D {path}")
    if not script:
        return theirs
    warn(f"{len(script)} too large notes of the remote are left out")
    head = f"commit {_MERGING}\nmark :1\ncommitter {'{}'} <{'{}'}> {int(time.time())} +0000\n"
    message = "Notes without those that are too large"
    text = "\n".join((
        head.format(*FALLBACK) + f"data {len(message)}\n{message}", f"from {theirs}", *script,
        "get-mark :1", "done", "",
    ))  # fmt: skip
    asked = ("fast-import", "--quiet", "--done", "--force")
    try:
        return repository.run_git(asked, input=text.encode()).stdout.decode().strip()
    finally:
        repository.run_git(("update-ref", "-d", _MERGING), check=False)


def _contains(repository: Repository, ours: str, theirs: str) -> bool:
    asked = ("merge-base", "--is-ancestor", theirs, ours)
    return bool(ours) and not repository.run_git(asked, check=False).returncode


def _merged(repository: Repository, ours: str, theirs: str) -> str:
    if not ours or _contains(repository, theirs, ours):
        return theirs
    base = repository.run_git(("merge-base", ours, theirs), check=False).stdout.decode().split()
    for one in base:
        notes.check(repository, one)
    repository.run_git(("update-ref", _MERGING, ours))
    try:
        arguments = ("notes", f"--ref={_MERGING}", "merge", "-q", "-s", "cat_sort_uniq", theirs)
        repository.run_git((*_fallback_identity(repository), *arguments))
        return notes.tip(repository, _MERGING)
    finally:
        repository.run_git(("update-ref", "-d", _MERGING), check=False)


def _fallback_identity(repository: Repository) -> tuple[str, ...]:
    """Settings for git to commit as somebody where nobody is named."""

    asked = ("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
    if not repository.run_git(asked, check=False).returncode:
        return ()
    name, address = FALLBACK
    return ("-c", f"user.name={name}", "-c", f"user.email={address}")


def _swapped(repository: Repository, ref: str, new: str, old: str) -> bool:
    message = "git-spacy notes pull: merged"
    asked = ("update-ref", "-m", message, ref, new, old or "0" * len(new))
    return not repository.run_git(asked, check=False).returncode


def pull(
    repository: Repository, remote: str, ref: str = REF, warn: Callable[[str], None] = _silent
) -> int:
    """Fetch and merge; the number of lines that are new here. Raises Unavailable."""

    return merge(repository, remote, ref, warn) if fetch(repository, remote, ref) else 0


def push(
    repository: Repository, remote: str, ref: str = REF, warn: Callable[[str], None] = _silent
) -> int:
    """Merge what the remote has and send the notes; the number of lines that were new to it.

    A rejection is answered with another merge: as often as the remote has moved on (somebody else
    pushes), a few times where it has not. Raises Unavailable with the remote's words.
    """

    notes.check(repository, notes.tip(repository, ref))
    theirs = fetch(repository, remote, ref)
    stubborn = 0
    for attempt in range(_TRIES):
        merge(repository, remote, ref, warn)
        ours = notes.tip(repository, ref)
        refusal = _refusal(repository, remote, ours, ref) if ours != theirs else ""
        if not refusal:
            new = compare(repository, ours, theirs).ahead
            if new:
                repository.run_git(("update-ref", tracking(remote, ref), ours))
            return new
        if _FOR_GOOD.search(refusal):
            break
        time.sleep(random.uniform(0, 0.05 * min(attempt + 1, 20)))
        before, theirs = theirs, fetch(repository, remote, ref)
        stubborn = stubborn + 1 if theirs == before else 0
        if stubborn == _STUBBORN:
            break
    raise ExternalError(f"'{remote}' does not take the notes: {refusal}")


def _refusal(repository: Repository, remote: str, ours: str, ref: str) -> str:
    """Push; why the ref was not taken, "" if it was. Raises Unavailable for what is no answer."""

    # notes are no code: no hook of the user's has to hold for them, and no tag goes with them
    arguments = (
        "push", "--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no",
        "--", remote, f"{ours}:{ref}",
    )  # fmt: skip
    done = _run_with_network(repository, arguments)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        if line.startswith("!\t"):
            return "; ".join([line.rpartition("\t")[2], *_remote_messages(done)])
    if done.returncode:
        raise ExternalError(f"git push {remote}: {done.message or 'failed without a word'}")
    return ""


def _remote_messages(done: process.GitResult) -> list[str]:
    """Its errors; or else the end of what it said, as a hook there may have put it."""

    lines = done.stderr.decode("utf-8", "replace").splitlines()
    told = [line[8:].strip() for line in lines if line.startswith("remote: ")]
    errors = [line for line in told if line.startswith(("error: ", "fatal: "))]
    return errors or [line for line in told if line][-3:]


def _run_with_network(repository: Repository, arguments: Sequence[str]) -> process.GitResult:
    """Run git with all that it is told of credentials, proxies and protocols."""

    may_prompt = process.can_prompt()
    environ = repository.environment(allow_network=True, prompt=may_prompt)
    return process.run_git(
        (*SAFE_CONFIG, *_STREAMED, *arguments),
        cwd=repository.cwd(), environ=environ, check=False, prompt=may_prompt,
        limits=process.LIMITS,
    )  # fmt: skip


def compare(repository: Repository, ours: str, theirs: str) -> NotesDifference:
    """What two versions of the notes (ids of commits, "" without any) do not share."""

    if ours == theirs:
        return NotesDifference(0, 0)
    here, there = (
        notes.blobs(repository, version) if version else {} for version in (ours, theirs)
    )
    # most notes are the same: only the others are read, and both of a commit in turn
    different = [
        commit for commit in dict.fromkeys((*here, *there)) if here.get(commit) != there.get(commit)
    ]
    mine = notes.Reader(repository).lines(different, here)
    others = notes.Reader(repository).lines(different, there)
    ahead = behind = 0
    for (_, own), (_, other) in zip(mine, others, strict=True):
        ahead += len(set(own) - set(other))
        behind += len(set(other) - set(own))
    return NotesDifference(ahead, behind)
