"""Store objects in a folder: a remote on this machine or on a network file system."""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from pathlib import Path
from shlex import quote
from typing import BinaryIO, cast

from git_spacy.abandoned import unless_abandoned
from git_spacy.errors import InvalidInput, LocalFailure
from git_spacy.file_copy import EagerWriter
from git_spacy.files import flush
from git_spacy.storage.remote import RemoteAddress, RemoteObject
from git_spacy.storage.remote_keys import TEMPORARY, check_name

_OLD = 24 * 3600  # seconds


def open_remote(address: RemoteAddress) -> LocalRemote:
    """Return the remote in a folder, which need not exist. Raises InvalidInput for a host."""

    path = address.url.partition("://")[2]
    if not path.startswith("/"):
        raise InvalidInput(
            f"'{address.url}' names a host; the URL of a folder has three slashes",
            hint=f"use file:///{path.partition('/')[2]}",
        )
    return LocalRemote(Path(path))


class LocalRemote:
    """A remote whose objects are files below a folder."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self.shown = str(top)

    def exists(self, name: str) -> bool:
        return self._path(name).is_file()

    def list_objects(self, name: str) -> Iterator[RemoteObject]:
        if not self._top.is_dir():
            hint = "correct the address, or connect the disk"
            if self._top.parent.is_dir() and not self._top.exists():
                hint = f"correct the address; to create it: git spacy push {quote(str(self._top))}"
            raise InvalidInput(f"the remote '{self._top}' is not a folder", hint=hint)
        for folder, _, files in os.walk(self._path(name)):
            for file in files:
                path = Path(folder, file)
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):  # reading a FIFO would block
                    yield RemoteObject(path.relative_to(self._top).as_posix(), status.st_mtime)

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        return open(self._path(name), "rb")

    def check_before_push(self) -> None:
        """Raise InvalidInput if the folder around this one does not exist, since a push only
        creates this one: that may be a disk that is not connected, or a slip in the address."""

        if not self._top.parent.is_dir():
            raise InvalidInput(
                f"the folder of the remote '{self._top}' does not exist",
                hint=f"correct the address, connect the disk, or: mkdir -p"
                f" {quote(str(self._top.parent))}",
            )
        if self._top.exists() and not self._top.is_dir():
            raise LocalFailure(
                f"the remote '{self._top}' is not a folder", hint="correct the address"
            )

    @contextmanager
    def create(self, name: str, scratch: Path) -> Iterator[BinaryIO]:  # noqa: ARG002
        target = self._path(name)
        self._top.mkdir(exist_ok=True)
        temporary = self._top / f"{TEMPORARY}-{secrets.token_hex(8)}"
        with unless_abandoned(partial(temporary.unlink, missing_ok=True)):
            try:
                with open(temporary, "xb") as stream:
                    yield cast(BinaryIO, EagerWriter(stream))
                    stream.flush()
                    os.fsync(stream.fileno())
                target.parent.mkdir(parents=True, exist_ok=True)
                os.rename(temporary, target)
                flush(
                    [top for top in target.parents if top == self._top or self._top in top.parents]
                )
            finally:
                temporary.unlink(missing_ok=True)
        self._remove_abandoned_uploads()

    def _path(self, name: str) -> Path:
        return self._top / check_name(name)

    def _remove_abandoned_uploads(self) -> None:
        """Remove temporary files of killed pushes: a push that is still running updates its own."""

        for path in self._top.glob(f"{TEMPORARY}-*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _OLD:
                    path.unlink()
