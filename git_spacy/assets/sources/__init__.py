"""One file a scheme: each brings one asset into a staged place. The table names them."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

from git_spacy.errors import Unsafe
from git_spacy.files import Staging
from git_spacy.git.repository import Settings
from git_spacy.project.model import Asset

SOURCES = {
    "http": "git_spacy.assets.sources.http:fetch",
    "https": "git_spacy.assets.sources.http:fetch",
    "file": "git_spacy.assets.sources.local:fetch",
    "": "git_spacy.assets.sources.local:fetch",
    "git": "git_spacy.assets.sources.git:fetch",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://?")


class Context(NamedTuple):
    """What all sources may ask: the project's folder, the user's settings, the environment and
    the names that project.yml has for it, whether somebody may be asked, and whom to tell."""

    root: Path
    settings: Settings
    environ: Mapping[str, str]
    environment: Mapping[str, str]
    prompt: bool
    stop: threading.Event
    progress: Callable[[Asset, int, int | None], None]
    note: Callable[[Asset, str], None]


class Source(Protocol):
    """Brings one asset, by one scheme."""

    def __call__(self, asset: Asset, staged: Staging, context: Context) -> str:
        """Stage the asset and verify it; how much it is, and by what it was verified."""
        ...


def scheme_of(asset: Asset) -> str:
    """The key of SOURCES for an asset. Raises Unsafe for a scheme that nothing serves."""

    if asset.git:
        return "git"
    match = _SCHEME.match(asset.url or "")
    scheme = match[1].lower() if match else ""
    if scheme not in SOURCES or scheme == "git":
        raise Unsafe(
            f"'{scheme}:' in the url of '{asset.dest}' is not a scheme that assets come by",
            where=f"project.yml:{asset.line}",
            mend="use http, https, a path in the repository, or 'git:'",
        )
    return scheme
