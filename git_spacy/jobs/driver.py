"""What a job does on the cluster besides the run itself: get the project, deliver the results."""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from git_spacy.errors import ExternalError
from git_spacy.history import run_history
from git_spacy.jobs import order as orders
from git_spacy.jobs.order import JobOrder
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.project import loader, matrix
from git_spacy.run.ray_worker import extract_sent
from git_spacy.state.stat_cache import StatCache
from git_spacy.storage.events import TransferReporter
from git_spacy.storage.push import push
from git_spacy.storage.remote import Remote
from git_spacy.storage.selection import OutputSelection


def unpack_project(order: JobOrder, remote: Remote, root: Path) -> None:
    """Fetch the project's archive and unpack it if it is the one that was sent. Raises
    ExternalError, OSError."""

    root.mkdir()
    with tempfile.TemporaryFile(dir=root.parent) as file:
        hasher = hashlib.sha256()
        with remote.read(orders.archive_name(order.id)) as stream:
            while chunk := stream.read(1 << 20):
                hasher.update(chunk)
                file.write(chunk)
        if hasher.hexdigest() != order.archive:
            raise ExternalError("the project in the remote is not the one that was submitted")
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:") as tar:
            extract_sent(tar, str(root))


class Delivery:
    """Sends outputs, lock entries and run records to the remote, as far as they have changed."""

    def __init__(
        self, order: JobOrder, root: Path, remote: Remote, report: TransferReporter
    ) -> None:
        self._order, self._root, self._remote, self._report = order, root, remote, report
        self._before = lock_format.read(root)
        self._sent: str | None = None

    def send(self, exit: int | None) -> None:
        """Send what is new: the outputs first, since the result says that they are there.

        `exit` is the exit code of the run, None while it goes on. Raises GitSpacyError, OSError.
        """

        entries = self._new_entries()
        records = run_history.pending_records(self._root)
        lock = lock_format.text(entries).decode() if entries else ""
        text = orders.delivery_text(self._order, exit, lock, records)
        if text == self._sent:
            return
        self._push_outputs(entries)
        name = orders.delivery_name(self._order.id)
        with self._remote.create(name, self._root.parent) as file:
            file.write(text.encode())
        self._sent = text

    def _new_entries(self) -> dict[str, LockEntry]:
        """Return the entries of project.lock that the job has changed."""

        return {
            name: entry
            for name, entry in lock_format.read(self._root).items()
            if name in self._order.commands and entry != self._before.get(name)
        }

    def _push_outputs(self, entries: Mapping[str, LockEntry]) -> None:
        """Push all outputs of the commands with `entries`. Raises the first failure."""

        data = loader.read_bytes(self._root)
        project = loader.parse(data, self._order.variables).project
        project = matrix.with_variants(project, data, entries)
        chosen = {c.name: c.produced for c in project.commands if c.name in entries}
        outcome = push(
            project, self._root, self._remote, stats=StatCache.open(self._root),
            environ=os.environ, report=self._report, selection=OutputSelection(None, chosen),
        )  # fmt: skip
        if error := outcome.error():
            raise error
