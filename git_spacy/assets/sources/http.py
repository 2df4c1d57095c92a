"""http and https: with patience for servers that fail, and none for those that lie.

A cut body is taken up where it ended (`Range` with `If-Range`, RFC 9110 §13.1.5), what may come
right is tried again, redirects are followed by hand. What lands on disk is what the checksum is
about: a `Content-Encoding` is undone, and never by half.
"""

from __future__ import annotations

import email.utils
import random
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin, urlsplit

from git_spacy import __version__
from git_spacy.assets.sink import Limits, Sink
from git_spacy.assets.sources import Context
from git_spacy.errors import Unavailable, Unsafe, masked
from git_spacy.files import Staging
from git_spacy.git.repository import boolean, number
from git_spacy.project.model import Asset
from git_spacy.project.variables import environment_names, fill_environment

if TYPE_CHECKING:
    from requests import Response, Session

ALLOW_ENVIRONMENT = "spacy.allowEnvInUrl"
_CHUNK = 1 << 16
_REDIRECTS = 10
_RETRIED = (408, 425, 429, 500, 502, 503, 504)
_COMPRESSED = (".gz", ".tgz", ".zip", ".bz2", ".xz", ".zst", ".7z")
_PAGES = (".html", ".htm", ".xhtml")
_PAGE_OF_GITHUB = re.compile(r"https?://(?:www\.)?github\.com/([^/]+/[^/]+)/(?:blob|tree)/(.+)")


class Patience(NamedTuple):
    """How often and how long: `tries` in all; seconds for the first `pause`, which doubles, and
    the longest pause that a server may ask for; `idle` seconds without a byte; how to sleep."""

    tries: int = 3
    pause: float = 0.5
    longest: float = 60.0
    idle: float = 30.0
    sleep: Callable[[float], None] = time.sleep


class _Again(Exception):
    """It did not work and may the next time, after `pause` seconds (None: as we think fit)."""

    def __init__(self, why: str, pause: float | None = None) -> None:
        super().__init__(why)
        self.pause = pause


def fetch(asset: Asset, staged: Staging, context: Context, patience: Patience | None = None) -> str:
    """Download the asset into the staged place. Raises Unavailable, Unsafe, OSError."""

    if patience is None:
        patience = Patience(idle=float(number(context.settings, "spacy.timeout", 30)))
    url = _url(asset, context)
    limits = Limits(number(context.settings, "spacy.maxAssetSize", 0), context.stop)

    def progress(done: int, total: int | None) -> None:
        context.progress(asset, done, total)

    with Sink(staged, asset.checksum, limits, progress) as sink:
        _Download(asset, url, sink, patience, lambda text: context.note(asset, text)).run()
    return f"{asset.checksum.algorithm} verified" if asset.checksum else "no checksum"


def _url(asset: Asset, context: Context) -> str:
    url = asset.url or ""
    if environment_names(url):
        if not boolean(context.settings, ALLOW_ENVIRONMENT):
            raise Unsafe(
                f"the url of '{asset.dest}' sends the value of an environment variable",
                where=f"project.yml:{asset.line}",
                mend=f"if that is meant: git config {ALLOW_ENVIRONMENT} true",
            )
        return fill_environment(url, context.environment, context.environ)
    raw = raw_page(url)
    if raw != url:
        context.note(asset, f"the url is a page of GitHub's; fetching {raw}")
    return raw


def raw_page(url: str) -> str:
    """The address of the file that a page of GitHub's shows; any other URL as it is."""

    match = _PAGE_OF_GITHUB.fullmatch(url)
    if not match:
        return url
    return f"https://raw.githubusercontent.com/{match[1]}/{match[2].split('?')[0]}"


class _Download:
    """One asset from one URL: the tries, and what is known between them."""

    def __init__(
        self,
        asset: Asset,
        url: str,
        sink: Sink,
        patience: Patience,
        note: Callable[[str], None],
    ) -> None:
        self.asset, self.url, self.sink = asset, url, sink
        self.patience, self.note = patience, note
        self.secret = asset.url != url and bool(environment_names(asset.url or ""))
        self.validator = ""
        # the form that the checksum is most likely about, where a server encodes
        self.decode = not asset.dest.normal.lower().endswith(_COMPRESSED)
        self.encoded = False

    def run(self) -> None:
        import requests

        pause = self.patience.pause
        for attempt in range(1, self.patience.tries + 1):
            try:
                with requests.Session() as session:
                    self._once(session)
                return
            except _Again as again:
                if attempt == self.patience.tries:
                    raise self._unavailable(
                        f"{again} ({attempt} tries)", "try again later, or check the url"
                    ) from None
                wait = pause * random.uniform(0.5, 1) if again.pause is None else again.pause
                wait = min(wait, self.patience.longest)
                self.note(f"{again}; trying again in {wait:.1f} s")
                self.patience.sleep(wait)
                pause *= 2

    def _unavailable(self, what: str, mend: str = "check the url") -> Unavailable:
        where = f"project.yml:{self.asset.line}"
        return Unavailable(f"'{self.asset.dest}': {masked(what)}", where=where, mend=mend)

    def _once(self, session: Session) -> None:
        with self._answer(session) as response:
            total = self._begin(response)
            for chunk in self._decoded(response, self._body(response)):
                self.sink.write(chunk, total)
            if total is not None and not self.encoded and self.sink.size < total:
                raise _Again(f"the server sent {self.sink.size:,} of {total:,} bytes")
            self._verify(response)

    @contextmanager
    def _answer(self, session: Session) -> Iterator[Response]:
        """The answer of the last server of the redirects, with a status that has a body."""

        import requests

        headers = {"Accept-Encoding": "identity", "User-Agent": f"git-spacy/{__version__}"}
        if self.sink.size and self.validator:
            headers |= {"Range": f"bytes={self.sink.size}-", "If-Range": self.validator}
        else:
            self.sink.restart()
        url = self.url
        for _ in range(_REDIRECTS + 1):
            try:
                # a session sends credentials of the URL and of .netrc to their own host only
                response = session.get(
                    url, headers=headers, stream=True, allow_redirects=False,
                    timeout=self.patience.idle,
                )  # fmt: skip
            except (requests.ConnectionError, requests.Timeout) as error:
                raise _Again(self._told(error)) from None
            except (requests.RequestException, ValueError) as error:
                raise self._unavailable(self._told(error)) from None
            with response:
                if not response.is_redirect:
                    self._check_status(response)
                    yield response
                    return
                url = self._redirected(url, response.headers["Location"])
        raise self._unavailable(f"more than {_REDIRECTS} redirects")

    def _redirected(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme.lower()
        if scheme not in ("http", "https"):
            raise self._unavailable(f"the server redirects to '{scheme}:'")
        if scheme == "http" and urlsplit(url).scheme.lower() == "https":
            raise self._unavailable("the server redirects from https to http")
        return target

    def _check_status(self, response: Response) -> None:
        status = response.status_code
        if status == 416:
            self.validator = ""
            raise _Again("the server cannot go on where it was cut")
        if status in _RETRIED:
            raise _Again(
                f"the server answered {status} {response.reason}",
                _pause(response.headers.get("Retry-After")),
            )
        if status not in (200, 206):
            raise self._unavailable(f"the server answered {status} {response.reason}")

    def _begin(self, response: Response) -> int | None:
        """Take up where we were, or begin anew; the size of the whole in bytes, if announced."""

        encoding = response.headers.get("Content-Encoding", "identity").lower().strip()
        self.encoded = encoding not in ("", "identity")
        if self.encoded and encoding not in ("gzip", "x-gzip", "deflate"):
            raise self._unavailable(f"the server encodes with '{encoding}', unasked")
        length = response.headers.get("Content-Length", "")
        announced = int(length) if length.isascii() and length.isdigit() else None
        if response.status_code == 206 and self.sink.size:
            start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if not start or int(start[1]) != self.sink.size:
                self.validator = ""
                raise _Again("the server went on at another place")
        elif self.sink.size:
            self.sink.restart()
        self.validator = "" if self.encoded else _validator(response.headers)
        total = None if announced is None else announced + self.sink.size
        self.sink.expect(total)
        return None if self.encoded and self.decode else total

    def _body(self, response: Response) -> Iterator[bytes]:
        """The bytes as they travel."""

        import urllib3

        while True:
            try:
                chunk = response.raw.read(_CHUNK, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise _Again(self._told(error)) from None
            if not chunk:
                return
            yield chunk

    def _decoded(self, response: Response, body: Iterator[bytes]) -> Iterator[bytes]:
        """The bytes as they are to land."""

        if not (self.encoded and self.decode):
            yield from body
            return
        deflate = response.headers["Content-Encoding"].lower().strip() == "deflate"
        undo = zlib.decompressobj(15 if deflate else 31)
        try:
            for chunk in body:
                while chunk:
                    yield undo.decompress(chunk)
                    chunk = undo.unused_data
                    if undo.eof and chunk:
                        undo = zlib.decompressobj(15 if deflate else 31)
        except zlib.error:
            raise _Again("the server's compressed answer is damaged") from None
        if not undo.eof:
            raise _Again("the server's compressed answer is cut off")

    def _verify(self, response: Response) -> None:
        sink, asset = self.sink, self.asset
        if asset.checksum is not None:
            if sink.is_right():
                return
            self.validator = ""
            if self.encoded:
                self.decode = not self.decode
            raise _Again(f"it has the digest {sink.digest()}, project.yml wants {asset.checksum}")
        if sink.size == 0:
            raise self._unavailable("the server sent nothing")
        media = response.headers.get("Content-Type", "").split(";")[0].strip().lower()
        start = sink.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
        is_page = media in ("text/html", "application/xhtml+xml") or start.startswith(
            (b"<!doctype html", b"<html")
        )
        if is_page and not asset.dest.normal.lower().endswith(_PAGES):
            raise self._unavailable(
                "the server sent a web page, not data",
                "use the address of the file itself; a checksum makes sure",
            )

    def _told(self, error: Exception) -> str:
        """What a library says, without the URL that a secret may stand in."""

        import requests
        import urllib3

        if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
            return f"no answer for {self.patience.idle:g} s"
        if isinstance(error, urllib3.exceptions.IncompleteRead):
            return "the connection was cut"
        cause = error.args[0] if error.args else error
        reason = getattr(cause, "reason", cause)
        text = str(reason).rsplit(": ", 1)[-1] or type(error).__name__
        return type(error).__name__ if self.secret else text


def _validator(headers: Mapping[str, str]) -> str:
    """What says that it is still the same file: a strong ETag, or the date of its last change."""

    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified", "")


def _pause(retry_after: str | None) -> float | None:
    """The seconds of a Retry-After, which is a number or a date."""

    if not retry_after:
        return None
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    try:
        return max(email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    except ValueError:
        return None
