"""Download an asset over HTTP, with retries and resumption.

There are three attempts. After a broken connection the download resumes where it stopped if a
validator proves that the file is unchanged; after wrong content it starts again.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol
from urllib.parse import urlsplit

from git_spacy.assets import content_encoding, http_client
from git_spacy.assets.events import FetchNotice, FetchProgress, FetchReporter, FetchRetried
from git_spacy.assets.hashing_writer import HashingWriter
from git_spacy.assets.sources import MAX_SIZE, FetchContext, FetchedContent, checksum_mismatch
from git_spacy.errors import CheckFailed, ExternalError, GitSpacyError, InvalidInput
from git_spacy.files import Staging
from git_spacy.git.remote_tree import is_lfs_pointer
from git_spacy.git.settings import number
from git_spacy.project.model import Asset

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT = "spacy.timeout"
ATTEMPTS = 3
FIRST_WAIT = 0.5  # seconds; doubled for each retry, times a random factor from 0.5 to 1
LONGEST_WAIT = 60.0  # seconds, even if a server asks for more
_CHUNK = 1 << 16  # bytes that are read at a time, and lost if the connection breaks
_LARGE = 16 << 20  # bytes of a file that is read in …
_LARGE_CHUNK = 1 << 18  # … larger chunks, since each costs time
_RETRYABLE = (408, 425, 429)
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_STRONG_TAG = re.compile(r'"[!#-~\x80-\xff]+"')
_DATE = re.compile(r"[ -~]{1,64}")
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_RAW_PAGE = re.compile(r"/([^/]+/[^/]+)/(?:blob/|raw/|tree/)?(?:refs/heads/)?([^/]+)/(.+)")
_PAGE_SUFFIXES = (".html", ".htm", ".xhtml", ".xml")


def refusal(asset: Asset, context: FetchContext) -> GitSpacyError | None:
    """Return InvalidInput for a URL without a host, else None."""

    try:
        parts = urlsplit(context.url(asset))
        if parts.hostname and (parts.port is None or parts.port):
            return None
    except ValueError:
        pass
    return InvalidInput(f"URL '{asset.url}' has no host", hint="use https://HOST/PATH")


def fetch(
    asset: Asset, staged: Staging, context: FetchContext, report: FetchReporter
) -> FetchedContent:
    """Download the file. Raises ExternalError after the last attempt."""

    return download(asset, staged, context, report)


class Target(Protocol):
    """The file to write; see `files.Staging`."""

    def open(self) -> BinaryIO: ...
    def reopen(self) -> BinaryIO: ...
    def discard(self) -> None: ...


class LinkedFile(NamedTuple):
    """The content of the Git LFS pointer `name`: `size` bytes at a URL that a server gave."""

    name: str
    url: str
    size: int
    link: http_client.Link


def download(
    asset: Asset,
    target: Target,
    context: FetchContext,
    report: FetchReporter,
    linked: LinkedFile | None = None,
) -> FetchedContent:
    """Download the file at the URL of `asset`, or at that of `linked`, and verify it.

    Raises ExternalError after the last attempt; CheckFailed for a Git LFS pointer.
    """

    download = _Download(asset, target, context, report, linked)
    try:
        with context.sessions.session() as session:
            return download.run(session)
    finally:
        download.close()


class _RetryableError(Exception):
    """An attempt failed; `retry_after` is the delay in seconds that the server asks for."""

    def __init__(self, error: ExternalError, after: float | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.retry_after = after


class _Download:
    """A download. `_writer` has the received bytes, `_validator` identifies the file version."""

    def __init__(
        self,
        asset: Asset,
        staged: Target,
        context: FetchContext,
        report: FetchReporter,
        linked: LinkedFile | None,
    ) -> None:
        self._linked = linked
        self._asset = asset
        self._dest = asset.dest.text
        self._staged = staged
        self._context = context
        self._report = report
        self._url = linked.url if linked else context.url(asset)
        if raw := http_client.raw_github_url(self._url):
            report(FetchNotice(self._dest, "URL is a GitHub page; fetching the file that it shows"))
            self._url = raw
        self._idle = number(context.settings, TIMEOUT)
        self._cap = number(context.settings, MAX_SIZE) or None
        self._wrong = ""
        self._stream = staged.open()
        self._discard_received()

    def close(self) -> None:
        self._stream.close()

    def run(self, session: Session) -> FetchedContent:
        """Download until the content is complete and verified. Raises ExternalError."""

        attempt = 0
        while True:
            attempt += 1
            self._context.cancellation.check()
            try:
                self._receive(session)
                return self._finish()
            except _RetryableError as retry:
                self._context.cancellation.check()
                if attempt == ATTEMPTS:
                    raise _final_error(retry.error) from None
                wait = FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(0.5, 1)
                if retry.retry_after is not None:
                    wait = min(max(retry.retry_after, 0.0), LONGEST_WAIT)
                self._report(FetchRetried(self._dest, retry.error.problems[0].message, wait))
                self._context.sleep(wait)

    def _discard_received(self) -> None:
        """Discard the received bytes."""

        self._stream.seek(0)
        self._stream.truncate()
        self._writer = HashingWriter(self._stream, self._asset.checksum, self._cap)
        self._total: int | None = None
        self._validator = ""
        self._origin = ""
        self._coding = ""
        self._type = ""

    # One attempt.

    def _receive(self, session: Session) -> None:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        start = self._writer.size if self._validator else 0
        if start:
            headers["Range"] = f"bytes={start}-"
            headers["If-Range"] = self._validator
        try:
            link = self._linked.link if self._linked else None
            response = http_client.get(session, self._url, headers, self._idle, link=link)
        except http_client.ConnectionBroken as error:
            raise self._retry(str(error)) from None
        with closing(response):
            if start and response.status_code == 206:
                if not self._continues(response, start):
                    self._discard_received()
                    raise self._retry("the server sent a different range than requested")
            elif response.status_code == 200:
                self._discard_received()
                self._begin(response)
            else:
                self._discard_received()
                raise self._status_error(response)
            self._read(response)

    def _begin(self, response: Response) -> None:
        """Remember the size, validator and encoding from the headers."""

        headers = response.headers
        length = _byte_count(headers.get("Content-Length", ""))
        if length is not None and "Transfer-Encoding" not in headers:
            self._total = length
            self._writer.expect(length)
        self._validator = _validator(response)
        self._origin = _final_url(response)
        self._coding = _coding(response)
        self._type = headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def _continues(self, response: Response, start: int) -> bool:
        """Return whether a 206 response continues the received bytes."""

        part = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if part is None or int(part[1]) != start or _coding(response) != self._coding:
            return False
        if _final_url(response) != self._origin:
            return False  # validators of another server are not comparable
        is_tag = self._validator.startswith('"')
        if response.headers.get("ETag" if is_tag else "Last-Modified") != self._validator:
            return False  # also if the server omits it
        end, total = int(part[2]), self._total if part[3] == "*" else int(part[3])
        if total is None or self._total not in (None, total) or not start <= end < total:
            return False
        self._total = total
        self._writer.expect(total - start)
        return True

    def _read(self, response: Response) -> None:
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError, ReadTimeoutError

        size = _LARGE_CHUNK if (self._total or 0) >= _LARGE else _CHUNK
        chunks = response.raw.stream(size, decode_content=False)
        while True:
            try:
                chunk = next(chunks, b"")
            except (TimeoutError, ReadTimeoutError):
                raise self._retry(f"no response for {self._idle:g} s") from None
            except (HTTPError, HTTPException, OSError) as error:
                message = f"the connection broke after {self._writer.size:,} bytes"
                raise self._retry(http_client.failure_message(error, message)) from None
            self._context.cancellation.check()
            if not chunk:
                break
            self._writer.write(chunk)
            if self._linked and self._writer.size > self._linked.size:
                raise ExternalError(
                    f"the content of '{self._linked.name}' is larger than its Git LFS pointer says",
                    hint="try again later",
                )
            self._report(FetchProgress(self._dest, self._writer.size, self._total))
        if self._total is not None and self._writer.size != self._total:
            message = f"the connection broke after {self._writer.size:,} of {self._total:,} bytes"
            if self._writer.size > self._total:
                self._discard_received()
            raise self._retry(message)

    def _retry(self, message: str, retry_after: float | None = None) -> _RetryableError:
        return _RetryableError(ExternalError(message, hint="try again later"), retry_after)

    def _status_error(self, response: Response) -> _RetryableError | ExternalError:
        """Return the error for a response that has no file."""

        code = response.status_code
        reason = self._context.without_secrets(self._asset, response.reason or "")[:80]
        message = f"the server responded {code} {reason}".rstrip()
        if code in _RETRYABLE or code >= 500 or code == 416:
            return self._retry(message, _retry_delay(response.headers.get("Retry-After", "")))
        if self._linked:
            return ExternalError(
                f"{message} for the content of the Git LFS pointer '{self._linked.name}'",
                hint="try again; the links of a Git LFS server are valid for some minutes only",
            )
        if code in (401, 403):
            return ExternalError(
                message, hint="for a server with a login, add it to ~/.netrc and use https:"
            )
        return ExternalError(message, hint="correct 'url' in project.yml")

    # Received content.

    def _finish(self) -> FetchedContent:
        """Decode the received content if needed, and verify it."""

        checksum = self._asset.checksum
        raw_matches = checksum is not None and self._writer.matches(checksum)
        if self._coding and not raw_matches and (checksum or not self._is_compressed_file()):
            self._decode()
        if checksum is None:
            self._reject_wrong_content()
        elif not self._writer.matches(checksum):
            actual = self._writer.digest(checksum.algorithm)
            error = checksum_mismatch(self._asset, actual)
            if self._linked:
                error = lfs_mismatch(self._linked.name)
            if actual == self._wrong:
                raise error  # the same wrong digest twice is not a transfer error
            self._wrong = actual
            self._start_new_file()
            raise _RetryableError(error)
        if self._linked is None and is_lfs_pointer(self._writer.head, self._writer.size):
            raise CheckFailed(
                "the server sent a Git LFS pointer instead of the file",
                hint=_lfs_hint(self._asset.url or ""),
            )
        self._stream.flush()
        return FetchedContent(self._writer.size, self._writer.digest())

    def _is_compressed_file(self) -> bool:
        """Return whether the received bytes are the .gz or .zip file, not an encoding of it."""

        magic = content_encoding.MAGIC.get(PurePosixPath(self._asset.dest.normal).suffix.lower())
        if magic is None:
            return False
        inner = content_encoding.decode_head(self._writer.head, self._coding)
        return self._writer.head.startswith(magic) and not inner.startswith(magic)

    def _decode(self) -> None:
        """Replace the received content by the decoded content."""

        self._stream.flush()
        with self._staged.reopen() as packed:
            coding = self._coding
            self._start_new_file()
            try:
                for chunk in content_encoding.decode_stream(packed, coding):
                    self._context.cancellation.check()
                    self._writer.write(chunk)
            except content_encoding.DecodeError as error:
                self._discard_received()
                raise self._retry(str(error)) from None

    def _start_new_file(self) -> None:
        """Start a new file; an open stream of the last one stays readable."""

        described = self._total, self._type
        self._stream.close()
        self._staged.discard()
        self._stream = self._staged.open()
        self._discard_received()
        self._total, self._type = described

    def _reject_wrong_content(self) -> None:
        """Raise ExternalError for an empty file or a web page, which a checksum would detect."""

        if self._writer.size == 0:
            raise ExternalError(
                "the server sent an empty file", hint="correct 'url' in project.yml"
            )
        if PurePosixPath(self._asset.dest.normal).suffix.lower() in _PAGE_SUFFIXES:
            return
        if self._type in ("text/html", "application/xhtml+xml") or _HTML.match(self._writer.head):
            raise ExternalError(
                "the server sent a web page instead of a file",
                hint="correct 'url'; for a web page, use a 'dest' that ends in .html or a checksum",
            )


def lfs_mismatch(name: str) -> ExternalError:
    """Return the error for content that is not that of the Git LFS pointer `name`."""

    return ExternalError(
        f"the content of '{name}' does not match its Git LFS pointer",
        hint="ask the owner of the repository to push its Git LFS files again",
    )


def _lfs_hint(url: str) -> str:
    """Return how to fetch a file of which the server of `url` only has the Git LFS pointer."""

    parts = urlsplit(url)
    page = _RAW_PAGE.fullmatch(parts.path)
    if page is None or parts.hostname not in ("raw.githubusercontent.com", "github.com"):
        return "replace 'url' by 'git' with 'repo' and 'path', which fetches the content"
    repository, path = f"https://github.com/{page[1]}", page[3]
    source = f"{{repo: {repository}, branch: {page[2]}, path: {path}}}"
    return f"replace 'url' by 'git', which fetches the content: git: {source}"


def _final_url(response: Response) -> str:
    """Return the URL of a response without its query, which may be a changing signature."""

    return response.url.partition("?")[0]


def _validator(response: Response) -> str:
    """Return a validator that identifies the version of the file, "" if there is no strong one.

    That is a strong ETag, or a modification date at least a minute before the date of the response,
    since a file that changes twice in a second keeps its date (RFC 9110, 8.8.2.2).
    """

    headers = response.headers
    tag = headers.get("ETag", "")
    if tag:
        return tag if _STRONG_TAG.fullmatch(tag) else ""
    text = headers.get("Last-Modified", "")
    changed, now = _timestamp(text), _timestamp(headers.get("Date", ""))
    return text if changed is not None and now is not None and changed <= now - 60 else ""


def _timestamp(date: str) -> float | None:
    """Return an HTTP date as seconds since 1970, None if it is invalid."""

    try:
        return parsedate_to_datetime(date).timestamp() if _DATE.fullmatch(date) else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _coding(response: Response) -> str:
    coding: str = response.headers.get("Content-Encoding", "").strip().lower()
    return "" if coding == "identity" else coding


def _final_error(error: ExternalError) -> ExternalError:
    first = error.problems[0]
    return ExternalError(f"{first.message} (after {ATTEMPTS} attempts)", hint=first.hint)


def _byte_count(digits: str) -> int | None:
    """Return a number of bytes, None if it is invalid.

    It is capped at 10**18, since int() fails for 5,000 digits.
    """

    if not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) if len(digits) <= 18 else 10**18


def _retry_delay(retry_after: str) -> float | None:
    """Return the delay of a Retry-After header, which has seconds or a date."""

    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    date = _timestamp(text)
    return None if date is None else date - time.time()
