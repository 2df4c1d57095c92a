"""Store objects through fsspec: S3, Google Cloud, Azure, SSH and Hugging Face.

Object stores write an object completely or not at all. Over SSH, a file is sent under a temporary
name and then moved. Every error of a back end becomes an ExternalError with its message.
"""

from __future__ import annotations

import os
import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, redact
from git_spacy.git.settings import boolean, find_setting
from git_spacy.storage.remote import RemoteAddress, RemoteObject
from git_spacy.storage.remote_keys import TEMPORARY, check_name

# scheme → the extra that installs its back end
EXTRAS = {
    "s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure",
    "abfss": "azure", "ssh": "ssh", "sftp": "ssh", "hf": "hf",
}  # fmt: skip
# What each extra installs. Hints name the packages, not the extra: git-spacy is not on a package
# index, so pip cannot install one of its extras by name.
PACKAGES = {
    "s3": "s3fs>=2024.2", "gcs": "gcsfs>=2024.2", "azure": "adlfs>=2024.2",
    "ssh": "sshfs[bcrypt]>=2024.4.1", "hf": "huggingface_hub>=0.24",
}  # fmt: skip
_WRITES_FILES = "ssh"  # objects are files, which exist before they are complete
_HIDES_MISSING_CONTAINER = "abfs"  # lists a missing container as empty
_BLOCK = 8 << 20  # bytes per read, for each transfer
_PART, _MOST_PARTS = 16 << 20, 5_000  # bytes per part of an upload; S3 accepts 10,000 parts
_UNCACHED = {"use_listings_cache": False}  # other users push at the same time
# fsspec protocol → options of its file system. Two concurrent parts are enough, since there are
# several transfers. By default sshfs trusts every host; () means the user's known_hosts file.
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
# (protocol, last part of the setting) → option of the file system, and how to read the value
_SETTINGS: dict[tuple[str, str], tuple[str, Callable[[str], Any]]] = {
    ("s3", "endpoint"): ("endpoint_url", str),
    ("s3", "profile"): ("profile", str),
    ("s3", "region"): ("client_kwargs.region_name", str),
    ("s3", "anonymous"): ("anon", bool),
    ("gs", "endpoint"): ("endpoint_url", str),
    ("gs", "project"): ("project", str),
    ("gs", "keyfile"): ("token", os.path.expanduser),
    ("gs", "anonymous"): ("token", lambda _: "anon"),
    ("abfs", "endpoint"): ("account_host", str),
    ("abfs", "account"): ("account_name", str),
    ("abfs", "anonymous"): ("anon", bool),
    ("ssh", "keyfile"): ("client_keys", lambda path: [os.path.expanduser(path)]),
}
_TAKES_PART_SIZE = ("s3", "gs")  # back ends with a part size option
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


def open_remote(address: RemoteAddress) -> FsspecRemote:
    """Return the remote at `address`.

    Raises InvalidInput for an incomplete address, a missing extra and a setting that is invalid,
    ExternalError.
    """

    url = address.url
    scheme, _, rest = url.partition("://")
    scheme, shown = scheme.lower(), redact(url)
    folder = rest.partition("/")[2] if scheme in ("ssh", "sftp") else rest
    if not folder.removeprefix("~").strip("/"):
        raise InvalidInput(
            f"remote address '{shown}' has no folder", hint=f"add one: {shown.rstrip('/')}/FOLDER"
        )
    try:
        import fsspec

        with _raising_external_errors(shown):
            known = _fsspec_url(url)
            kind = known.partition("://")[0]
            options = _with_settings(_OPTIONS.get(kind, _UNCACHED), kind, address)
            system, path = fsspec.core.url_to_fs(known, skip_instance_cache=True, **options)
    except ImportError as error:
        extra = EXTRAS[scheme]
        raise InvalidInput(
            f"{scheme}: remotes need a package that is not installed ({error})",
            hint=f"pip install '{PACKAGES[extra]}'",
        ) from None
    if loop := getattr(system, "loop", None):
        # otherwise asyncio prints a traceback for each failed task of a back end
        loop.set_exception_handler(lambda *_: None)
    if kind == "s3":
        system.retries = 2  # in addition to botocore's: a silent server fails after 80 s
    if kind == _WRITES_FILES:
        path = _below_home(path)
    return FsspecRemote(system, path.rstrip("/"), shown, kind)


def _with_settings(options: Mapping[str, Any], kind: str, address: RemoteAddress) -> dict[str, Any]:
    """Return the options of a file system with the user's settings for this remote.

    Raises InvalidInput for a setting that remotes of this kind do not have.
    """

    result = dict(options)
    for name, value in address.settings.items():
        setting = find_setting(f"spacy.remote.{address.name}.{name}")
        typed = f"spacy.remote.{address.name}.{name}"
        if setting is None:
            continue  # 'git spacy config' reports it
        if (kind, name) not in _SETTINGS:
            raise InvalidInput(
                f"{setting.name.rpartition('.')[2]} is not a setting of {kind}: remotes",
                file=f"git config {typed}",
                hint=f"git config --unset {shlex.quote(typed)}",
            )
        option, convert = _SETTINGS[kind, name]
        outer, _, inner = option.rpartition(".")
        if name == "anonymous" and not boolean({setting.name.lower(): value}, setting.name):
            continue
        converted = convert(value)
        result |= (
            {outer: {**result.get(outer, {}), inner: converted}} if outer else {option: converted}
        )
    return result


def _below_home(path: str) -> str:
    """Return a path on an ssh server, where `/~/x` is relative to the user's home folder.

    SFTP knows no `~`: a path that is not absolute is below the folder in which a session starts.
    """

    if path.startswith("/~/"):
        return path[3:]
    if path.startswith("/~"):
        raise InvalidInput(
            f"the path '{path[1:]}' is the home folder of another user",
            hint="use the full path, or log in as that user: ssh://USER@HOST/~/PATH",
        )
    return path


def _fsspec_url(url: str) -> str:
    """Return the URL with the scheme that fsspec registers."""

    scheme, _, rest = url.partition("://")
    names = {"sftp": "ssh", "s3a": "s3", "gcs": "gs", "az": "abfs", "abfss": "abfs"}
    return f"{names.get(scheme.lower(), scheme.lower())}://{rest}"


class FsspecRemote:
    """A remote whose objects are below `top` of an fsspec file system."""

    def __init__(self, system: Any, top: str, shown: str, kind: str) -> None:
        self._system = system
        self._top = top
        self._kind = kind
        self.shown = shown

    def exists(self, name: str) -> bool:
        with _raising_external_errors(self.shown):
            try:  # isfile() returns False for every error
                return bool(self._system.info(self._path(name))["type"] == "file")
            except FileNotFoundError:
                return False

    def list_objects(self, name: str) -> Iterator[RemoteObject]:
        with _raising_external_errors(self.shown):
            found = self._find(name)
            if not found and self._kind == _HIDES_MISSING_CONTAINER:
                self._system.ls(self._top.partition("/")[0])
            if not found and self._kind == _WRITES_FILES:
                try:
                    self._system.info(self._top)
                except FileNotFoundError:
                    raise FileNotFoundError("the folder does not exist") from None
        top = self._system._strip_protocol(self._top)
        for path, facts in found.items():
            yield RemoteObject(path.removeprefix(top).lstrip("/"), _modification_time(facts))

    def _find(self, name: str) -> dict[str, dict[str, Any]]:
        try:
            found: dict[str, dict[str, Any]] = self._system.find(self._path(name), detail=True)
            return found
        except FileNotFoundError:
            if self._kind != _WRITES_FILES:
                raise  # the bucket itself is missing
            return {}

    def check_before_push(self) -> None:
        """Leave it to the writes: they fail without a bucket, and a server has no other folders."""

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        with _raising_external_errors(self.shown):
            stream = self._system.open(self._path(name), "rb", block_size=_BLOCK)
        try:
            yield cast(BinaryIO, _RemoteStream(stream, self.shown))
        finally:
            stream.close()

    @contextmanager
    def create(self, name: str, scratch: Path) -> Iterator[BinaryIO]:
        # an upload needs a known length
        with tempfile.NamedTemporaryFile(dir=scratch) as stream:
            yield cast(BinaryIO, stream)
            stream.flush()
            self._upload(Path(stream.name), name)

    def _upload(self, file: Path, name: str) -> None:
        target = self._path(name)
        with _raising_external_errors(self.shown):
            if self._kind != _WRITES_FILES:
                self._system.put_file(str(file), target, **self._part_options(file))
                return
            self._system.makedirs(target.rpartition("/")[0], exist_ok=True)
            temporary = self._path(f"{TEMPORARY}-{secrets.token_hex(8)}")
            try:
                self._system.put_file(str(file), temporary)
                self._system.mv(temporary, target)
            except BaseException:
                with _ignoring_errors():
                    self._system.rm_file(temporary)
                raise

    def _part_options(self, file: Path) -> dict[str, int]:
        if self._kind not in _TAKES_PART_SIZE:
            return {}
        count = -(-file.stat().st_size // (_PART * _MOST_PARTS))
        return {"chunksize": _PART * max(count, 1)}

    def _path(self, name: str) -> str:
        return f"{self._top}/{check_name(name)}"


class _RemoteStream:
    """A stream whose errors are reported as errors of the remote."""

    def __init__(self, stream: Any, shown: str) -> None:
        self._stream = stream
        self._shown = shown

    def read(self, size: int = -1) -> bytes:
        with _raising_external_errors(self._shown):
            return bytes(self._stream.read(size))


@contextmanager
def _raising_external_errors(shown: str) -> Iterator[None]:
    try:
        yield
    except (GitSpacyError, ImportError):
        raise
    except Exception as error:  # each back end has its own exceptions
        message = redact(next(iter(str(error).strip().splitlines()), ""))
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            message = message or "timed out"
        raise ExternalError(
            f"{shown}: {message or type(error).__name__}",
            hint="check the address, the network and your credentials",
        ) from None


@contextmanager
def _ignoring_errors() -> Iterator[None]:
    try:
        yield
    except Exception:
        pass


def _modification_time(facts: dict[str, Any]) -> float:
    value = next((facts[name] for name in _TIMES if facts.get(name)), 0.0)
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
        except ValueError:
            return 0.0
    return float(value) if isinstance(value, (int, float)) else 0.0
