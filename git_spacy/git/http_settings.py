"""Read the network settings of Git for a URL: `http.proxy`, `http.sslCAInfo`, `http.sslVerify`.

Git matches `http.<url>.*` itself. Other settings are not used: `http.extraHeader` and cookies would
send the user's secrets to any server that a project.yml names.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from git_spacy.errors import InvalidInput
from git_spacy.git import process
from git_spacy.git.settings import user_environment

_USED = ("proxy", "sslcainfo", "sslverify")
_FALSE = ("false", "no", "off", "0", "")


class HttpSettings(NamedTuple):
    """Settings for one URL.

    `proxy` is None for that of the environment, "" for none. `certificates` is the file with the
    certificate authorities to trust, "" for the usual ones; `verify` says whether to verify at all.
    """

    proxy: str | None = None
    certificates: str = ""
    verify: bool = True


class HttpConfig:
    """The network settings that apply in the folder `start`; read when first needed.

    The variables of Git in `environ` come first.
    """

    def __init__(self, start: Path, environ: Mapping[str, str]) -> None:
        self._start = start
        self._environ = environ
        self._lock = threading.Lock()
        self._known: dict[str, HttpSettings] = {}
        self._has_any: bool | None = None

    def for_url(self, url: str) -> HttpSettings:
        """Return the settings for `url`. Raises InvalidInput for a file that does not exist."""

        parts = urlsplit(url)
        # without what may be secret, as other users can see command lines
        public = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        with self._lock:
            if public not in self._known:
                self._known[public] = self._read(public)
            return self._known[public]

    def _read(self, url: str) -> HttpSettings:
        values: dict[str, str] = {}
        if self._has_any is None:
            names = self._config("--name-only", "--get-regexp", r"^http\.")
            self._has_any = any(name.lower().endswith(_USED) for name in names)
        if self._has_any:
            for record in self._config("--get-urlmatch", "http", url):
                name, has_value, value = record.partition("\n")
                values[name.lower()] = value if has_value else "true"
        path = self._environ.get("GIT_SSL_CAINFO") or values.get("http.sslcainfo", "")
        verify = values.get("http.sslverify", "true").lower() not in _FALSE
        if self._environ.get("GIT_SSL_NO_VERIFY"):
            verify = False
        path = path and os.path.join(self._start, os.path.expanduser(path))
        if path and verify and not os.path.isfile(path):
            raise InvalidInput(
                f"the file of http.sslCAInfo in Git's configuration does not exist: '{path}'",
                hint="git config --global http.sslCAInfo FILE",
            )
        return HttpSettings(values.get("http.proxy"), path, verify)

    def _config(self, *arguments: str) -> list[str]:
        if not process.available():
            return []
        done = process.run_git(
            ("config", "--null", *arguments), cwd=self._start,
            environ=user_environment(self._start), check=False,
        )  # fmt: skip
        return done.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]
