"""Find the module that fetches an asset, by the scheme of its URL.

A source writes the content into a staging folder and verifies it; `fetch` moves it into place.
"""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from git_spacy.assets.cancellation import Cancellation
from git_spacy.assets.events import FetchReporter
from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, Refused
from git_spacy.files import Staging
from git_spacy.git.settings import Settings, boolean
from git_spacy.project.model import Asset
from git_spacy.project.variables import environment_names, fill_environment

if TYPE_CHECKING:
    from git_spacy.assets.http_client import SessionPool

ALLOW_ENVIRONMENT = "spacy.allowEnvInUrl"
MAX_SIZE = "spacy.maxAssetSize"
MAX_REPOSITORIES = 8  # at a time: sshd rejects more than 10 logins at once by default

# scheme → module that fetches it; "" is a path
SOURCES = {
    "": "git_spacy.assets.sources.local",
    "file": "git_spacy.assets.sources.local",
    "http": "git_spacy.assets.sources.http",
    "https": "git_spacy.assets.sources.http",
    "git": "git_spacy.assets.sources.git",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # a single letter is a drive, so a path


class FetchedContent(NamedTuple):
    """The content in a staging folder: size in bytes, md5, digest of its file names ("" for a
    file), and details for messages, e.g. the commit.

    `source_digests` are the digests by algorithm of what the source sent, if they are known: of the
    archive for an asset with `extract`.
    """

    size: int
    digest: str
    names: str = ""
    detail: str = ""
    source_digests: Mapping[str, str] = MappingProxyType({})


class FetchContext(NamedTuple):
    """What a source needs to know: the project folder, settings and environment.

    `nested` has the paths in the destination of each asset that belong to other assets. Each fetch
    from a Git repository holds one of the `repository_slots`.
    """

    root: Path
    settings: Settings
    environ: Mapping[str, str]
    variables: Mapping[str, str]
    cancellation: Cancellation
    sleep: Callable[[float], None]
    sessions: SessionPool
    repository_slots: threading.Semaphore
    nested: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    def url(self, asset: Asset) -> str:
        """Return the URL of an asset with variables filled in. Never show or store it: it may have
        secrets."""

        return fill_environment(asset.url or "", self.variables, self.environ)

    def without_secrets(self, asset: Asset, text: str) -> str:
        """Replace the values of environment variables from the URL by their names in `text`."""

        from urllib.parse import quote

        for name in environment_names(asset.url or ""):
            value = self.environ.get(self.variables.get(name, ""), "")
            for form in {value, quote(value), quote(value, safe="")} - {""}:
                text = text.replace(form, f"${{env.{name}}}")
        return text


class AssetSource(Protocol):
    """The functions of a module in SOURCES."""

    def refusal(self, asset: Asset, context: FetchContext) -> GitSpacyError | None:
        """Return why the asset must not be fetched, None if it may be. Does not use the network."""

    def fetch(
        self, asset: Asset, staged: Staging, context: FetchContext, report: FetchReporter
    ) -> FetchedContent:
        """Stage the content of an asset and verify it. Raises GitSpacyError, OSError, Cancelled."""


def scheme_of(asset: Asset, context: FetchContext) -> str:
    """Return the scheme of an asset, which may not be in SOURCES."""

    if asset.git:
        return "git"
    match = _SCHEME.match(context.url(asset))
    return match[1].lower() if match else ""


def get_source(asset: Asset, context: FetchContext) -> AssetSource:
    """Return the source of an asset whose scheme is supported."""

    return cast("AssetSource", importlib.import_module(SOURCES[scheme_of(asset, context)]))


def refusal(asset: Asset, context: FetchContext) -> GitSpacyError | None:
    """Return why an asset must not be fetched, None if it may be."""

    names = environment_names(asset.url or "")
    if names and not boolean(context.settings, ALLOW_ENVIRONMENT):
        return Refused(
            f"URL sends the environment variable '{context.variables[names[0]]}' to a server",
            hint=f"if this is intended: git config {ALLOW_ENVIRONMENT} true",
        )
    for name in names:
        if not context.environ.get(context.variables[name]):
            return InvalidInput(
                f"environment variable '{context.variables[name]}' in the URL is not set",
                hint=f"export {context.variables[name]}=…",
            )
    scheme = scheme_of(asset, context)
    if scheme == "git" and not asset.git:
        return _unsupported_scheme(scheme, "write 'git:' with 'repo:' and 'path:' below it")
    if scheme not in SOURCES:
        return _unsupported_scheme(
            scheme,
            "download the file yourself and remove 'url', but leave 'checksum'",
        )
    return get_source(asset, context).refusal(asset, context)


def _unsupported_scheme(scheme: str, hint: str) -> Refused:
    return Refused(
        f"unsupported scheme '{scheme}:' (supported: http, https, git, a path)", hint=hint
    )


def checksum_mismatch(asset: Asset, actual: str) -> ExternalError:
    """Return the error for content whose digest is `actual`, and not that of its checksum."""

    checksum = asset.checksum
    assert checksum is not None
    return ExternalError(
        f"{checksum.algorithm} is {actual}; project.yml expects {checksum.digest}",
        hint=f"if it changed on purpose: git spacy assets --update {quote(asset.dest.text)}",
    )
