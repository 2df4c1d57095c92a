"""Remotes that fsspec and its back ends know: S3, Google Cloud, Azure, ssh, Hugging Face.

Object stores put a whole object or none. Over ssh there are files: one is sent under another name
first. Whatever a back end raises becomes Unavailable, with its own words.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, redact
from git_spacy.storage.remote import RemoteObject
from git_spacy.storage.remote_keys import TEMPORARY, checked

# scheme → the extra that brings its back end
EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
    "abfss": "azure", "ssh": "ssh", "sftp": "ssh", "hf": "hf",
}  # fmt: skip
# What each extra installs. A hint names the package itself, since git-spacy is not on a package
# index, so that pip cannot install an extra of it by name.
PACKAGES = {
    "s3": "s3fs>=2024.2", "gcs": "gcsfs>=2024.2", "azure": "adlfs>=2024.2",
    "ssh": "sshfs[bcrypt]>=2024.4.1", "hf": "huggingface_hub>=0.24",
}  # fmt: skip
_FILES = "ssh"  # whose objects are files, and are there before they are whole
_VAGUE = "abfs"  # who finds nothing in a container that is not there
_BLOCK = 8 << 20  # bytes at a time that are read, of each transfer
_PART, _MOST_PARTS = 16 << 20, 5_000  # bytes of what is sent at a time; S3 takes 10,000 of them
_UNCACHED = {"use_listings_cache": False}  # others push meanwhile
# fsspec's name → what its file system is opened with. Two parts at a time are enough: there are
# several transfers. sshfs would trust any host; () is what the user's own known_hosts say.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {
        **_UNCACHED,
        "max_concurrency": 2,
        "config_kwargs": {
            "connect_timeout": 10, "read_timeout": 20, "retries": {"total_max_attempts": 2},
        },
    },
    "abfs": {**_UNCACHED, "max_concurrency": 2},
    "ssh": {
        "known_hosts": (), "connect_timeout": 30, "login_timeout": 30,
        "keepalive_interval": 15, "keepalive_count_max": 3,
    },
}  # fmt: skip
_IN_PARTS = ("s3", "gs")  # who lets us say how large a part is
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


def opened(url: str) -> FsspecRemote:
    """The remote. Raises Malformed for half an address or a missing extra, Unavailable."""

    scheme, _, rest = url.partition("://")
    scheme, shown = scheme.lower(), redact(url)
    folder = rest.partition("/")[2] if scheme in ("ssh", "sftp") else rest
    if not folder.strip("/"):
        raise InvalidInput(
            f"'{shown}' names no folder", hint="name one: it is to hold outputs alone"
        )
    try:
        import fsspec

        with _as_remote_errors(shown):
            known = _known(url)
            kind = known.partition("://")[0]
            system, path = fsspec.core.url_to_fs(
                known, skip_instance_cache=True, **_OPTIONS.get(kind, _UNCACHED)
            )
    except ImportError as error:
        extra = EXTRAS[scheme]
        raise InvalidInput(
            f"what {scheme}: remotes need is not installed ({error})",
            hint=f"pip install '{PACKAGES[extra]}'",
        ) from None
    if loop := getattr(system, "loop", None):
        # tasks of a back end that failed would be told of, each with its traceback
        loop.set_exception_handler(lambda *_: None)
    if kind == "s3":
        system.retries = 2  # of its own, on top: a server that is silent is given up after 80 s
    return FsspecRemote(system, path.rstrip("/"), shown, kind)


def _known(url: str) -> str:
    """fsspec's own spelling."""

    scheme, _, rest = url.partition("://")
    names = {"sftp": "ssh", "s3a": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs"}
    return f"{names.get(scheme.lower(), scheme.lower())}://{rest}"


class FsspecRemote:
    """Objects below `top` of a file system of fsspec's."""

    def __init__(self, system: Any, top: str, shown: str, kind: str) -> None:
        self._system = system
        self._top = top
        self._kind = kind
        self.shown = shown

    def exists(self, name: str) -> bool:
        with _as_remote_errors(self.shown):
            try:  # (isfile says no whatever fails)
                return bool(self._system.info(self._at(name))["type"] == "file")
            except FileNotFoundError:
                return False

    def below(self, name: str) -> Iterator[RemoteObject]:
        with _as_remote_errors(self.shown):
            try:
                found = self._system.find(self._at(name), detail=True)
                if not found and self._kind == _VAGUE:
                    self._system.ls(self._top.partition("/")[0])
            except FileNotFoundError:
                if self._kind != _FILES:
                    raise  # there is not even a bucket
                found = {}
        top = self._system._strip_protocol(self._top)
        for path, facts in found.items():
            yield RemoteObject(path.removeprefix(top).lstrip("/"), _modified(facts))

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        with _as_remote_errors(self.shown):
            stream = self._system.open(self._at(name), "rb", block_size=_BLOCK)
        try:
            yield cast(BinaryIO, _RemoteStream(stream, self.shown))
        finally:
            stream.close()

    def write(self, name: str, file: Path) -> None:
        target = self._at(name)
        with _as_remote_errors(self.shown):
            if self._kind != _FILES:
                self._system.put_file(str(file), target, **self._parts(file))
                return
            self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
            beside = self._at(f"{TEMPORARY}-{secrets.token_hex(8)}")
            try:
                self._system.put_file(str(file), beside)
                self._system.mv(beside, target)
            except BaseException:
                with _ignored():
                    self._system.rm_file(beside)
                raise

    def _parts(self, file: Path) -> dict[str, int]:
        if self._kind not in _IN_PARTS:
            return {}
        count = -(-file.stat().st_size // (_PART * _MOST_PARTS))
        return {"chunksize": _PART * max(count, 1)}

    def _at(self, name: str) -> str:
        return f"{self._top}/{checked(name)}"


class _RemoteStream:
    """A stream whose failures are the remote's."""

    def __init__(self, stream: Any, shown: str) -> None:
        self._stream = stream
        self._shown = shown

    def read(self, size: int = -1) -> bytes:
        with _as_remote_errors(self._shown):
            return bytes(self._stream.read(size))


@contextmanager
def _as_remote_errors(shown: str) -> Iterator[None]:
    try:
        yield
    except (GitSpacyError, ImportError):
        raise
    except Exception as error:  # each back end has a family of its own
        words = redact(next(iter(str(error).strip().splitlines()), ""))
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            words = words or "no answer in time"
        raise ExternalError(
            f"{shown}: {words or type(error).__name__}",
            hint="look at the address, the network and your credentials for it",
        ) from None


@contextmanager
def _ignored() -> Iterator[None]:
    try:
        yield
    except Exception:
        pass


def _modified(facts: dict[str, Any]) -> float:
    value = next((facts[name] for name in _TIMES if facts.get(name)), 0.0)
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0
