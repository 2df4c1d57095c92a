"""What the documents have in common: clean text, times, licenses and JSON."""

from __future__ import annotations

import json
import time
from importlib import import_module
from types import ModuleType
from typing import Any
from urllib.parse import quote

from git_spacy.errors import InvalidInput, redact
from git_spacy.generate.drawing.label import escape_invisible
from git_spacy.provenance.facts import LAST_SECOND

# Module → the package that has it. As for remotes, hints do not name the extra `provenance`: pip
# cannot install git-spacy by name.
PACKAGES = {"rocrate": "rocrate>=0.15", "cyclonedx": "cyclonedx-python-lib>=9"}
_URL_SAFE = "%/:?#[]@!$&'()*+,;=~"
# no text can end the script element of a page that the document is embedded in
_IN_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def import_optional(name: str, purpose: str) -> ModuleType:
    """Import a module of the extra `provenance`; `purpose` says what it is for.

    Raises InvalidInput if it is not installed.
    """

    try:
        return import_module(name)
    except ImportError as error:
        package = PACKAGES[name.partition(".")[0]]
        raise InvalidInput(
            f"{purpose} needs a package that is not installed ({error})",
            hint=f"pip install '{package}'",
        ) from None


def clean(text: str) -> str:
    """Return text without credentials, with controls and invisible characters escaped."""

    return escape_invisible(text)


def web_address(url: str | None) -> str:
    """Return a URL of the web without credentials, as a valid URI; "" for any other source."""

    if url is None or not url.startswith(("http://", "https://")):
        return ""
    return quote(clean(redact(url)), safe=_URL_SAFE)


def quoted(text: str) -> str:
    """Return text as part of a URI: a path keeps its slashes."""

    return quote(text, safe="/", errors="replace")


def utc(seconds: float) -> str:
    """Return a time in seconds since 1970 as `2026-11-24T01:55:41.123+00:00`."""

    limited = min(max(seconds, 0.0), LAST_SECOND)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(limited))
    return f"{stamp}.{int(limited % 1 * 1000):03}+00:00"


def to_json(document: Any) -> str:
    """Return a document as JSON in ASCII, which is safe inside HTML and on any terminal."""

    text = json.dumps(document, indent=2, allow_nan=False)
    return text.translate(_IN_HTML) + "\n"
