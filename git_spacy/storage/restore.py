"""Outputs as they were at a commit, from what is kept and what is noted. Runs nothing.

What stands there and is kept nowhere is not overwritten, unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.errors import GitSpacyError, LocalFailure, local_failure
from git_spacy.files import heal, staging
from git_spacy.project import paths
from git_spacy.project.paths import ProjectPath
from git_spacy.state.fingerprint import fingerprint
from git_spacy.state.recall import Recalled
from git_spacy.storage.vault import Source, bring


class Wanted(NamedTuple):
    """An output of a command as it was: its md5, and the digest of the names in it, if known."""

    command: str
    path: ProjectPath
    digest: str
    names: str | None


class Restored(NamedTuple):
    """What became of one: `here` already, `restored` from somewhere, `lacking` (nobody has it),
    `refused` (what stands there is kept nowhere), `failed`; with why, or where from."""

    wanted: Wanted
    state: Literal["here", "restored", "lacking", "refused", "failed"]
    why: str = ""
    error: GitSpacyError | None = None


def wanted(recalled: Recalled) -> Iterator[Wanted]:
    """The outputs that are known of a commit. (Locks and notes may come from anybody: a path that
    is none of the project's is none.)"""

    for name, known in recalled.known.items():
        of_names = {out.path: out.names for out in known.record.outs} if known.record else {}
        for out in known.entry.outs:
            path = paths.parse(out.path, "output")
            if out.md5 and isinstance(path, ProjectPath):
                yield Wanted(name, path, out.md5, of_names.get(out.path))


def restore(
    root: Path, source: Source, outputs: Iterable[Wanted], *, force: bool = False
) -> Iterator[Restored]:
    """Put each of `outputs` in place; with `force` also over what is kept nowhere."""

    for one in outputs:
        try:
            yield _restored(root, source, one, force=force)
        except OSError as error:
            failure = local_failure(error, f"'{one.path}'")
            yield Restored(one, "failed", failure.problems[0].what, failure)
        except GitSpacyError as error:
            yield Restored(one, "failed", error.problems[0].what, error)


def _restored(root: Path, source: Source, one: Wanted, *, force: bool) -> Restored:
    heal(root, one.path.normal)
    now = fingerprint(root, one.path.normal)
    if now and now.digest == one.digest and one.names in (None, now.names):
        return Restored(one, "here")
    with staging(root, one.path.normal) as staged:
        where = bring(source, root, one.path, staged, one.digest, one.names, None)
        if where is None:
            return Restored(one, "lacking", "neither the local store nor a remote has it")
        if now and now.size and not force and not source.store.has(now.digest, now.names):
            why = "what stands there is kept nowhere; --force replaces it"
            return Restored(one, "refused", why)
        staged.swap_in()
    return Restored(one, "restored", where)


def failure(found: Iterable[Restored]) -> GitSpacyError | None:
    """The first thing that failed, as an error."""

    return next(
        (one.error or LocalFailure(one.why) for one in found if one.state == "failed"), None
    )
