"""Fetch outputs whose content is known from a remote, whatever their command depends on now."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_spacy.files import recover
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state.sparse import complete
from git_spacy.state.stat_cache import StatCache
from git_spacy.storage import remote_keys
from git_spacy.storage.cache_store import CacheStore
from git_spacy.storage.events import SkipKind, TransferReporter, TransferSkipped
from git_spacy.storage.pull import OutputProtection, PullChoice, fetch_output, nesting_batches
from git_spacy.storage.recorded_names import RecordedNames
from git_spacy.storage.remote import Remote
from git_spacy.storage.transfer_pool import TransferOutcome, TransferPool


class RecordedOutput(NamedTuple):
    """An output of `command` as it was recorded: its md5, and the digests of its file names, if
    these are known."""

    command: Command
    path: ProjectPath
    md5: str
    names: frozenset[str]


def fetch_recorded(
    project: Project, root: Path, remote: Remote, wanted: Iterable[RecordedOutput], *,
    stats: StatCache, store: CacheStore, report: TransferReporter, limit: int, force: bool,
) -> TransferOutcome:  # fmt: skip
    """Fetch each of `wanted` that is not present, if that loses nothing or with `force`.

    What is replaced and has no other copy is saved in `store`. An output may have at most `limit`
    bytes (0: as many as fit on the disk). Raises as `pull` does.
    """

    transfers = TransferPool(report)
    protection = OutputProtection(
        project, root, remote, store, RecordedNames(root, stats), dry=False
    )
    skipped: list[TransferSkipped] = []
    fetched: list[str] = []

    def skip(output: RecordedOutput, kind: SkipKind, reason: str) -> None:
        event = TransferSkipped(output.path.text, reason, kind, output.command.name)
        skipped.append(event)
        transfers.report(event)

    def fetch(choice: PullChoice) -> None:
        fetch_output(remote, root, choice, transfers, limit)
        fetched.append(choice.path.text)

    choices: list[PullChoice] = []
    for output in wanted:
        recover(root, output.path.normal)  # an earlier fetch may have been killed
        now = complete(stats, stats.fingerprints([output.path]))[output.path.normal]
        if now and now.digest == output.md5 and (not output.names or now.names in output.names):
            skip(output, "present", "already present")
            continue
        key = _find(remote, output)
        if key is None:
            skip(output, "missing", "the remote does not have it")
            continue
        exists = os.path.lexists(os.path.join(root, output.path.normal))
        if exists and not force and (reason := protection.reason(output.command, output.path, now)):
            skip(output, "kept", f"{reason}; --force replaces it")
            continue
        choices.append(PullChoice(output.path, key, output.names))
    for batch in nesting_batches(choices):
        transfers.run_all((choice.path.text, partial(fetch, choice)) for choice in batch)
    return TransferOutcome(tuple(fetched), tuple(skipped), tuple(transfers.failed))


def _find(remote: Remote, output: RecordedOutput) -> remote_keys.RemoteKey | None:
    """Return the key of an output with this content, whichever dependencies it was made of."""

    for item in remote.list_objects(remote_keys.encode_path(output.path)):
        key = remote_keys.parse_key(item.name, output.path)
        if key and key.content == output.md5:
            return key
    return None
