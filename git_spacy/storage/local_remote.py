"""A remote in a folder: of this machine, or one that it shares with others."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import BinaryIO

from git_spacy.errors import InvalidInput
from git_spacy.files import flush
from git_spacy.storage.remote import RemoteObject
from git_spacy.storage.remote_keys import TEMPORARY, checked

_OLD = 24 * 3600  # seconds


def opened(url: str) -> LocalRemote:
    """The folder, which need not be there yet. Raises Malformed for one of another machine."""

    path = url.partition("://")[2]
    if not path.startswith("/"):
        raise InvalidInput(
            f"'{url}' names a folder on another machine", hint="use three slashes: file:///folder"
        )
    return LocalRemote(Path(path))


class LocalRemote:
    """Objects as files."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self.shown = str(top)

    def exists(self, name: str) -> bool:
        return self._at(name).is_file()

    def below(self, name: str) -> Iterator[RemoteObject]:
        for folder, _, files in os.walk(self._at(name)):
            for file in files:
                path = Path(folder, file)
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue
                if stat.S_ISREG(status.st_mode):  # (one would wait for who writes a pipe)
                    yield RemoteObject(path.relative_to(self._top).as_posix(), status.st_mtime)

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        return open(self._at(name), "rb")

    def write(self, name: str, file: Path) -> None:
        target = self._at(name)
        self._top.mkdir(parents=True, exist_ok=True)
        beside = self._top / f"{TEMPORARY}-{secrets.token_hex(8)}"
        try:
            with open(file, "rb") as source, open(beside, "wb") as stream:
                shutil.copyfileobj(source, stream, 1 << 20)
                stream.flush()
                os.fsync(stream.fileno())
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(beside, target)
            flush([one for one in target.parents if one == self._top or self._top in one.parents])
        finally:
            beside.unlink(missing_ok=True)
        self._sweep()

    def _at(self, name: str) -> Path:
        return self._top / checked(name)

    def _sweep(self) -> None:
        """Remove what killed pushes left: whoever writes it writes on, so it is old."""

        for path in self._top.glob(f"{TEMPORARY}-*"):
            with suppress(OSError):
                if time.time() - path.stat().st_mtime > _OLD:
                    path.unlink()
