"""An asset from a web server, which may die, stall or lie.

Three tries: one that was cut goes on where it stopped, if the server can prove that the file is
still the same; one that lied begins anew. What remains after that is exactly what the checksum is
about, or nothing.
"""

from __future__ import annotations

import random
import re
import time
from contextlib import closing
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from git_spacy.assets import content_encoding, http_client
from git_spacy.assets.events import FetchNotice, FetchProgress, FetchReporter, FetchRetried
from git_spacy.assets.hashing_writer import HashingWriter
from git_spacy.assets.sources import MAX_SIZE, FetchContext, FetchedContent, checksum_mismatch
from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput
from git_spacy.files import Staging
from git_spacy.git.settings import number
from git_spacy.project.model import Asset

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT = "spacy.timeout"
TRIES = 3
FIRST_WAIT = 0.5  # seconds; doubled each time, and down to half of that, at random
LONGEST_WAIT = 60.0  # seconds, whatever a server asks for
_CHUNK = 1 << 16
_LATER = (408, 425, 429)
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_STRONG_TAG = re.compile(r'"[!#-~\x80-\xff]+"')
_DATE = re.compile(r"[ -~]{1,64}")
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_PAGES = (".html", ".htm", ".xhtml", ".xml")


def refusal(asset: Asset, place: FetchContext) -> GitSpacyError | None:
    """Malformed for a URL without a host."""

    try:
        parts = urlsplit(place.url(asset))
        if parts.hostname and (parts.port is None or parts.port):
            return None
    except ValueError:
        pass
    return InvalidInput(f"its URL '{asset.url}' names no server", hint="write https://HOST/PATH")


def fetch(
    asset: Asset, staged: Staging, place: FetchContext, report: FetchReporter
) -> FetchedContent:
    """Download the file. Raises Unavailable after the last try."""

    download = _Download(asset, staged, place, report)
    try:
        with http_client.session(place.cancellation) as session:
            return download.run(session)
    finally:
        download.close()


class _RetryableError(Exception):
    """This try failed and the next may not; `after` is when the server wants to be asked again."""

    def __init__(self, error: ExternalError, after: float | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.after = after


class _Download:
    """A file on its way. What has come is in `_sink`; `_validator` proves what it is part of."""

    def __init__(
        self, asset: Asset, staged: Staging, place: FetchContext, report: FetchReporter
    ) -> None:
        self._asset = asset
        self._dest = asset.dest.text
        self._staged = staged
        self._place = place
        self._report = report
        self._url = place.url(asset)
        if raw := http_client.raw_github(self._url):
            report(
                FetchNotice(
                    self._dest, "its URL is a page of GitHub; fetching the file that it shows"
                )
            )
            self._url = raw
        self._idle = number(place.settings, TIMEOUT)
        self._cap = number(place.settings, MAX_SIZE) or None
        self._wrong = ""
        self._stream = staged.open()
        self._restart()

    def close(self) -> None:
        self._stream.close()

    def run(self, session: Session) -> FetchedContent:
        """Try until it is here and right. Raises Unavailable."""

        tries = 0
        while True:
            tries += 1
            self._place.cancellation.check()
            try:
                self._receive(session)
                return self._land()
            except _RetryableError as again:
                self._place.cancellation.check()
                if tries == TRIES:
                    raise _after_all(again.error) from None
                wait = FIRST_WAIT * 2 ** (tries - 1) * random.uniform(0.5, 1)
                if again.after is not None:
                    wait = min(max(again.after, 0.0), LONGEST_WAIT)
                self._report(FetchRetried(self._dest, again.error.problems[0].message, wait))
                self._place.sleep(wait)

    def _restart(self) -> None:
        """Forget what has come."""

        self._stream.seek(0)
        self._stream.truncate()
        self._sink = HashingWriter(self._stream, self._asset.checksum, self._cap)
        self._total: int | None = None
        self._validator = ""
        self._origin = ""
        self._coding = ""
        self._type = ""

    # One try.

    def _receive(self, session: Session) -> None:
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        start = self._sink.size if self._validator else 0
        if start:
            headers["Range"] = f"bytes={start}-"
            headers["If-Range"] = self._validator
        try:
            response = http_client.get(session, self._url, headers, self._idle)
        except http_client.ConnectionBroken as error:
            raise self._again(str(error)) from None
        with closing(response):
            if start and response.status_code == 206:
                if not self._goes_on(response, start):
                    self._restart()
                    raise self._again("the server sent another part than it was asked for")
            elif response.status_code == 200:
                self._restart()
                self._begin(response)
            else:
                self._restart()
                raise self._refused(response)
            self._read(response)

    def _begin(self, response: Response) -> None:
        """Note what the server says about the file that is to come."""

        headers = response.headers
        length = _number(headers.get("Content-Length", ""))
        if length is not None and "Transfer-Encoding" not in headers:
            self._total = length
            self._sink.expect(length)
        self._validator = _validator(response)
        self._origin = _place_of(response)
        self._coding = _coding(response)
        self._type = headers.get("Content-Type", "").partition(";")[0].strip().lower()

    def _goes_on(self, response: Response, start: int) -> bool:
        """Whether a 206 is the rest of what has come."""

        part = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        if part is None or int(part[1]) != start or _coding(response) != self._coding:
            return False
        if _place_of(response) != self._origin:
            return False  # a redirect leads to another server, whose validators are its own
        is_tag = self._validator.startswith('"')
        if response.headers.get("ETag" if is_tag else "Last-Modified") != self._validator:
            return False  # (a server may leave out the date, but then nothing is proved)
        end, total = int(part[2]), self._total if part[3] == "*" else int(part[3])
        if total is None or self._total not in (None, total) or not start <= end < total:
            return False
        self._total = total
        self._sink.expect(total - start)
        return True

    def _read(self, response: Response) -> None:
        from http.client import HTTPException

        from urllib3.exceptions import HTTPError, ReadTimeoutError

        chunks = response.raw.stream(_CHUNK, decode_content=False)
        while True:
            try:
                chunk = next(chunks, b"")
            except (TimeoutError, ReadTimeoutError):
                raise self._again(f"no answer for {self._idle:g} s") from None
            except (HTTPError, HTTPException, OSError) as error:
                what = f"the connection broke after {self._sink.size:,} bytes"
                raise self._again(http_client.reason(error, what)) from None
            self._place.cancellation.check()
            if not chunk:
                break
            self._sink.write(chunk)
            self._report(FetchProgress(self._dest, self._sink.size, self._total))
        if self._total is not None and self._sink.size != self._total:
            what = f"the connection broke after {self._sink.size:,} of {self._total:,} bytes"
            if self._sink.size > self._total:
                self._restart()
            raise self._again(what)

    def _again(self, what: str, after: float | None = None) -> _RetryableError:
        return _RetryableError(ExternalError(what, hint="try again later"), after)

    def _refused(self, response: Response) -> _RetryableError | ExternalError:
        """What an answer means that brings no file."""

        code = response.status_code
        reason = self._place.without_secrets(self._asset, response.reason or "")[:80]
        what = f"the server answered {code} {reason}".rstrip()
        if code in _LATER or code >= 500 or code == 416:
            return self._again(what, _seconds(response.headers.get("Retry-After", "")))
        if code in (401, 403):
            return ExternalError(
                what, hint="if it wants a password, put it in your ~/.netrc and use https:"
            )
        return ExternalError(what, hint="correct 'url' in project.yml")

    # What has come.

    def _land(self) -> FetchedContent:
        """Bring the file into the form that is wanted, and verify it."""

        checksum = self._asset.checksum
        raw_is_right = checksum is not None and self._sink.matches(checksum)
        if self._coding and not raw_is_right and (checksum or not self._stays_packed()):
            self._decode()
        if checksum is None:
            self._look()
        elif not self._sink.matches(checksum):
            found = self._sink.digest(checksum.algorithm)
            error = checksum_mismatch(checksum, found)
            if found == self._wrong:
                raise error  # the same twice is no accident
            self._wrong = found
            self._reopen()
            raise _RetryableError(error)
        self._stream.flush()
        return FetchedContent(self._sink.size, self._sink.digest())

    def _stays_packed(self) -> bool:
        """Whether a file that is to be a .gz or .zip is one already, and not packed once more."""

        magic = content_encoding.MAGIC.get(PurePosixPath(self._asset.dest.normal).suffix.lower())
        if magic is None:
            return False
        inner = content_encoding.beginning(self._sink.head, self._coding)
        return self._sink.head.startswith(magic) and not inner.startswith(magic)

    def _decode(self) -> None:
        """Put the decoded content in the place of the raw one."""

        self._stream.flush()
        with self._staged.reopen() as packed:
            coding = self._coding
            self._reopen()
            try:
                for chunk in content_encoding.decoded(packed, coding):
                    self._place.cancellation.check()
                    self._sink.write(chunk)
            except content_encoding.Undecodable as error:
                self._restart()
                raise self._again(str(error)) from None

    def _reopen(self) -> None:
        """Begin a new file; who still reads the last one can."""

        described = self._total, self._type
        self._stream.close()
        self._staged.discard()
        self._stream = self._staged.open()
        self._restart()
        self._total, self._type = described

    def _look(self) -> None:
        """Raises Unavailable for what is surely not the data, where no checksum could tell."""

        if self._sink.size == 0:
            raise ExternalError("the server sent nothing", hint="correct 'url' in project.yml")
        if PurePosixPath(self._asset.dest.normal).suffix.lower() in _PAGES:
            return
        if self._type in ("text/html", "application/xhtml+xml") or _HTML.match(self._sink.head):
            raise ExternalError(
                "the server sent a web page, not data",
                hint="correct 'url'; if a page is wanted, end 'dest' in .html or give its checksum",
            )


def _place_of(response: Response) -> str:
    """Where the answer comes from in the end. (A query is often a signature, each time another.)"""

    return response.url.partition("?")[0]


def _validator(response: Response) -> str:
    """What proves that another answer is of the very same file: an ETag that is not weak, or a
    date of its last change that is a minute before that of the answer. A file that changes twice
    within a second keeps its date (RFC 9110, 8.8.2.2). Empty: nothing does."""

    headers = response.headers
    tag = headers.get("ETag", "")
    if tag:
        return tag if _STRONG_TAG.fullmatch(tag) else ""
    text = headers.get("Last-Modified", "")
    changed, now = _timestamp(text), _timestamp(headers.get("Date", ""))
    return text if changed is not None and now is not None and changed <= now - 60 else ""


def _timestamp(date: str) -> float | None:
    """Seconds since 1970 of a date as HTTP writes it; None for anything else."""

    try:
        return parsedate_to_datetime(date).timestamp() if _DATE.fullmatch(date) else None
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _coding(response: Response) -> str:
    coding: str = response.headers.get("Content-Encoding", "").strip().lower()
    return "" if coding == "identity" else coding


def _after_all(error: ExternalError) -> ExternalError:
    first = error.problems[0]
    return ExternalError(f"{first.message} ({TRIES} tries)", hint=first.hint)


def _number(digits: str) -> int | None:
    """A number of bytes. One that no disk has room for is as good as another: Python refuses to
    read one of 5,000 digits."""

    if not (digits.isascii() and digits.isdigit()):
        return None
    return int(digits) if len(digits) <= 18 else 10**18


def _seconds(retry_after: str) -> float | None:
    """How long a server wants us to wait; it may name seconds or a date."""

    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    date = _timestamp(text)
    return None if date is None else date - time.time()
