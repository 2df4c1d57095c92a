"""Compare the outputs of a project with a remote, without transferring anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from git_spacy.project.model import Project
from git_spacy.state.stat_cache import StatCache
from git_spacy.storage.cache_store import CacheStore
from git_spacy.storage.events import SkipKind
from git_spacy.storage.pull import pull
from git_spacy.storage.push import push
from git_spacy.storage.remote import Remote
from git_spacy.storage.transfer_pool import TransferOutcome

SharedState = Literal["shared", "not_pushed", "can_pull", "kept", "missing", "empty"]


class SharedOutput(NamedTuple):
    """An output and its state in a remote, with the reason if there is more to say.

    `shared`: both have it. `not_pushed`: only this clone. `can_pull`: only the remote has the
    version for the current dependencies; `kept`, if a pull would not replace what is here.
    `missing`: neither has it. `empty`: it has no files, so it is never pushed.
    """

    path: str
    command: str
    state: SharedState
    reason: str = ""


def remote_status(
    project: Project, root: Path, remote: Remote, *, stats: StatCache, store: CacheStore,
    environ: Mapping[str, str],
) -> list[SharedOutput]:  # fmt: skip
    """Return the state of each output that may be in a remote. Raises as `pull` and `push` do."""

    sent = push(
        project, root, remote, stats=stats, environ=environ, report=lambda _: None, dry=True
    )
    fetched = pull(
        project, root, remote, stats=stats, store=store, environ=environ, report=lambda _: None,
        record_result=lambda *_: None, dry=True,
    )  # fmt: skip
    if error := sent.error() or fetched.error():
        raise error
    facts: tuple[tuple[SharedState, dict[str, str]], ...] = (
        ("can_pull", dict.fromkeys(fetched.done, "")),
        ("not_pushed", dict.fromkeys(sent.done, "")),
        ("empty", dict(_reasons(sent, "empty"))),
        ("shared", dict.fromkeys(dict(_reasons(sent, "present")), "")),
        ("kept", dict(_reasons(fetched, "kept"))),
        ("missing", dict(_reasons(fetched, "missing"))),
    )
    outputs = []
    for command in project.commands:
        for path in command.outputs:
            known = (
                (state, reasons[path.text]) for state, reasons in facts if path.text in reasons
            )
            outputs.append(SharedOutput(path.text, command.name, *next(known, ("shared", ""))))
    return outputs


def _reasons(outcome: TransferOutcome, kind: SkipKind) -> Iterator[tuple[str, str]]:
    return ((skipped.path, skipped.reason) for skipped in outcome.of_kind(kind))
