"""Fetch the content of Git LFS pointers: over the LFS batch API, or else with `git lfs`.

https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md. Only the basic transfer is used.
The requests obey the rules for assets with a URL: content is verified, sizes are limited, and a
public server cannot send us to a private address.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from git_spacy.assets import http_client
from git_spacy.assets.events import FetchReporter
from git_spacy.assets.hashing_writer import HashingWriter
from git_spacy.assets.sources import MAX_SIZE, FetchContext, http
from git_spacy.errors import CheckFailed, ExternalError, GitSpacyError
from git_spacy.git import credentials, lfs
from git_spacy.git.address import Address
from git_spacy.git.settings import number
from git_spacy.project.model import Asset, Checksum

if TYPE_CHECKING:
    from requests import Response, Session

_TYPE = "application/vnd.git-lfs+json"
_MAX_RESPONSE_BYTES = 4 << 20
_BATCH = 100  # objects per request, as git-lfs does
_CHUNK = 1 << 20
_NOT_TRANSIENT = (501, 505, 507, 509)
_OID = re.compile(rb"^oid sha256:([0-9a-f]{64})$", re.MULTILINE)
_SIZE = re.compile(rb"^size ([0-9]{1,18})$", re.MULTILINE)
# Fields that the client itself sends; a server must not choose them.
_OWN_FIELDS = ("accept-encoding", "connection", "content-length", "cookie", "host", "if-range",
               "range", "transfer-encoding")  # fmt: skip


class Pointer(NamedTuple):
    """A pointer: the SHA-256 and the size of the content, and the text of the file."""

    oid: str
    size: int
    text: bytes


class _ObjectDownload(NamedTuple):
    """The URL of an object, and what its server gave with it."""

    url: str
    link: http_client.Link


class _Refused(Exception):
    """The server does not serve the content; another way to fetch it may exist."""


def fetch_content(
    address: Address, files: Mapping[str, Path], asset: Asset, context: FetchContext,
    report: FetchReporter,
) -> None:  # fmt: skip
    """Replace pointers by their content. `files` maps their names in messages to their paths.

    Raises CheckFailed, naming a file, if the content of one is not available; ExternalError.
    """

    pointers = {name: _read_pointer(path, name) for name, path in files.items()}
    cap = number(context.settings, MAX_SIZE)
    total = sum(pointer.size for pointer in pointers.values())
    if cap and total > cap:
        raise ExternalError(
            f"the content of its Git LFS pointers has {total:,} bytes; the limit is {cap:,} bytes",
            hint="raise the limit: git config spacy.maxAssetSize 10g",
        )
    fetch = _fetch_locally if address.local_path else _fetch_remotely
    fetch(address, pointers, files, asset, context, report)


def _read_pointer(path: Path, name: str) -> Pointer:
    text = path.read_bytes()
    oid, size = _OID.search(text), _SIZE.search(text)
    if not oid or not size:
        raise CheckFailed(
            f"'{name}' is an invalid Git LFS pointer",
            hint="ask the owner of the repository to commit it again",
        )
    return Pointer(oid[1].decode(), int(size[1]), text)


def _fetch_locally(
    address: Address, pointers: Mapping[str, Pointer], files: Mapping[str, Path],
    _asset: Asset, context: FetchContext, _report: FetchReporter,
) -> None:  # fmt: skip
    """Copy the content from the LFS store of a repository on this machine."""

    top = address.local_path or Path()
    for name, pointer in pointers.items():
        oid = pointer.oid
        stores = (top / folder / "lfs/objects" for folder in (".git", "."))
        found = next(
            (s for store in stores if (s := store / oid[:2] / oid[2:4] / oid).exists()), None
        )
        if found is None:
            raise CheckFailed(
                f"'{name}' is a Git LFS pointer, and its content is not in '{top}'",
                hint=f"git -C {top} lfs fetch --all",
            )
        with found.open("rb") as stream:
            matches = _write(stream, pointer, files[name], context)
        if not matches:
            raise http.lfs_mismatch(name)


def _fetch_remotely(
    address: Address, pointers: Mapping[str, Pointer], files: Mapping[str, Path],
    asset: Asset, context: FetchContext, report: FetchReporter,
) -> None:  # fmt: skip
    try:
        with context.sessions.session() as session:
            server = _Server(session, address, context)
            for start in range(0, len(pointers), _BATCH):
                names = list(pointers)[start : start + _BATCH]
                downloads = server.batch({name: pointers[name] for name in names})
                for name in names:
                    pointer, download = pointers[name], downloads[pointers[name].oid]
                    context.cancellation.check()
                    linked = http.LinkedFile(name, download.url, pointer.size, download.link)
                    content = asset._replace(checksum=Checksum("sha256", pointer.oid))
                    http.download(content, _Target(files[name]), context, report, linked)
    except _Refused as refusal:
        name = next(iter(pointers))
        if not lfs.available():
            raise _unavailable(name, address, str(refusal)) from None
        for name, pointer in pointers.items():
            context.cancellation.check()
            try:
                with lfs.smudge(address, pointer.text) as stream:
                    matches = _write(stream, pointer, files[name], context)
            except ExternalError as error:
                raise _unavailable(name, address, error.problems[0].message) from None
            if not matches:
                raise http.lfs_mismatch(name) from None


def _unavailable(name: str, address: Address, reason: str) -> GitSpacyError:
    return CheckFailed(
        f"'{name}' is a Git LFS pointer, and its content cannot be fetched: {reason}",
        hint=f"check that you can fetch it with Git LFS: git clone {address.display_url}\n"
        "or copy the content to 'dest' yourself and remove 'git' in project.yml",
    )


class _Server:
    """The LFS server of a repository."""

    def __init__(self, session: Session, address: Address, context: FetchContext) -> None:
        self._session = session
        self._url = lfs.endpoint(address)
        self._idle = number(context.settings, http.TIMEOUT)
        self._context = context
        self._is_public = True  # of the server that answered last

    def batch(self, pointers: Mapping[str, Pointer]) -> dict[str, _ObjectDownload]:
        """Return how to download the content of each pointer, by its SHA-256.

        Raises _Refused if the server does not serve one, ExternalError.
        """

        objects = {pointer.oid: pointer.size for pointer in pointers.values()}
        question = {
            "operation": "download",
            "transfers": ["basic"],
            "hash_algo": "sha256",
            "objects": [{"oid": oid, "size": size} for oid, size in objects.items()],
        }
        answer = self._post(json.dumps(question).encode())
        downloads: dict[str, _ObjectDownload] = {}
        for item in _dicts(answer.get("objects")):
            oid = item.get("oid")
            error, actions = _dict(item.get("error")), _dict(item.get("actions"))
            if oid in objects and not error and actions:
                downloads[oid] = self._checked(_dict(actions.get("download")))
        for name, pointer in pointers.items():
            if pointer.oid not in downloads:
                raise _Refused(f"the server does not have the content of '{name}'")
        return downloads

    def _checked(self, action: Mapping[str, object]) -> _ObjectDownload:
        """Return the download of an answer. Raises ExternalError for an unsupported URL."""

        url = str(action.get("href", ""))
        try:
            parts = urlsplit(url)
            is_valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            is_valid = False
        if not is_valid:
            raise ExternalError(
                "the LFS server answered with an invalid URL", hint="try again later"
            )
        if self._url.startswith("https:") and parts.scheme == "http":
            raise ExternalError(
                "the LFS server redirects from https to http, which is not secure",
                hint="ask its administrator to use https",
            )
        headers = {
            name: value
            for name, value in _dict(action.get("header")).items()
            if isinstance(value, str) and name.lower() not in _OWN_FIELDS
        }
        return _ObjectDownload(url, http_client.Link(headers, self._is_public))

    def _post(self, body: bytes) -> dict[str, object]:
        """Return the answer of the server. Uses the user's credentials if it asks for some."""

        if not self._url:
            raise _Refused("its address has no LFS server over HTTP")
        error = ExternalError("no answer")
        for attempt in range(1, http.ATTEMPTS + 1):
            try:
                return self._ask(body)
            except http_client.ConnectionBroken as broken:
                error = ExternalError(f"Git LFS server: {broken}", hint="try again later")
            if attempt < http.ATTEMPTS:
                self._context.sleep(http.FIRST_WAIT * 2 ** (attempt - 1))
        raise error

    def _ask(self, body: bytes) -> dict[str, object]:
        headers = {"Accept": _TYPE, "Content-Type": _TYPE, "Accept-Encoding": "identity"}
        url = self._url
        known = credentials.from_git(url) if url.startswith("https:") else iter(())
        while True:
            self._session.close()  # a new connection shows whether its address is public
            response = http_client.get(self._session, url, headers, self._idle, body=body)
            with closing(response):
                status = response.status_code
                if status == 200:
                    self._is_public = http_client.answered_publicly(self._session, url)
                    return _parse(_read(response))
            if status in (401, 403, 404) and (login := next(known, None)):
                url = http_client.with_credentials(self._url, login)
                continue
            if status == 429 or (status >= 500 and status not in _NOT_TRANSIENT):
                raise http_client.ConnectionBroken(f"the server responded {status}")
            raise _Refused(f"the server responded {status}")


class _Target:
    """The file of a pointer, to be replaced by its content; see `files.Staging`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mode = path.stat().st_mode & 0o777

    def open(self) -> BinaryIO:
        self._path.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return open(os.open(self._path, flags, self._mode), "wb")

    def reopen(self) -> BinaryIO:
        return self._path.open("rb")

    def discard(self) -> None:
        self._path.unlink(missing_ok=True)


def _write(stream: BinaryIO, pointer: Pointer, path: Path, context: FetchContext) -> bool:
    """Replace the file `path` by `stream`; return whether that is the content of the pointer."""

    checksum = Checksum("sha256", pointer.oid)
    with _Target(path).open() as target:
        writer = HashingWriter(target, checksum, pointer.size)
        writer.expect(pointer.size)
        while chunk := stream.read(min(_CHUNK, pointer.size - writer.size)):
            context.cancellation.check()
            writer.write(chunk)
    return writer.matches(checksum)


def _read(response: Response) -> bytes:
    from http.client import HTTPException

    from urllib3.exceptions import HTTPError

    try:
        data: bytes = response.raw.read(_MAX_RESPONSE_BYTES + 1, decode_content=False)
    except (HTTPError, HTTPException, OSError) as error:
        message = http_client.failure_message(error, "the connection broke")
        raise http_client.ConnectionBroken(message) from None
    if len(data) > _MAX_RESPONSE_BYTES:
        raise _Refused(f"the server sent more than {_MAX_RESPONSE_BYTES:,} bytes of JSON")
    return data


def _parse(data: bytes) -> dict[str, object]:
    try:
        return dict(_dict(json.loads(data)))
    except (ValueError, RecursionError):
        raise _Refused("the server did not answer with JSON") from None


def _dict(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _dicts(value: object) -> Sequence[Mapping[str, object]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
