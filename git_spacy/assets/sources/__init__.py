"""How an asset's content gets here: one file a scheme, found through one table.

A source brings bytes into a staging and vouches for them; putting them in place is not its work.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, cast

from git_spacy.assets.cancellation import Cancellation
from git_spacy.assets.events import FetchReporter
from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, Refused
from git_spacy.files import Staging
from git_spacy.git.settings import Settings, boolean
from git_spacy.project.model import Asset, Checksum
from git_spacy.project.variables import environment_names, fill_environment

ALLOW_ENVIRONMENT = "spacy.allowEnvInUrl"
MAX_SIZE = "spacy.maxAssetSize"

# scheme → the module that brings it; "" is a path
SOURCES = {
    "": "git_spacy.assets.sources.local",
    "file": "git_spacy.assets.sources.local",
    "http": "git_spacy.assets.sources.http",
    "https": "git_spacy.assets.sources.http",
    "git": "git_spacy.assets.sources.git",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # of one letter: a drive, so a path


class FetchedContent(NamedTuple):
    """What lies in the staging: bytes in all, its md5, the digest of its file names ("" for a
    file), and what else to tell, e.g. its commit."""

    size: int
    digest: str
    names: str = ""
    detail: str = ""


class FetchContext(NamedTuple):
    """Where the fetching goes on: the project, the user's settings and environment."""

    root: Path
    settings: Settings
    environ: Mapping[str, str]
    variables: Mapping[str, str]
    cancellation: Cancellation
    sleep: Callable[[float], None]

    def url(self, asset: Asset) -> str:
        """The asset's URL as it is asked for. It may hold secrets: never to be shown or kept."""

        return fill_environment(asset.url or "", self.variables, self.environ)

    def without_secrets(self, asset: Asset, text: str) -> str:
        """`text` with the values of the environment that the asset's URL uses taken out again."""

        from urllib.parse import quote

        for name in environment_names(asset.url or ""):
            value = self.environ.get(self.variables.get(name, ""), "")
            for form in {value, quote(value), quote(value, safe="")} - {""}:
                text = text.replace(form, f"${{env.{name}}}")
        return text


class AssetSource(Protocol):
    """What a module of the table has."""

    def refusal(self, asset: Asset, place: FetchContext) -> GitSpacyError | None:
        """Why this asset may not be fetched; None if it may. Asks no server."""

    def fetch(
        self, asset: Asset, staged: Staging, place: FetchContext, report: FetchReporter
    ) -> FetchedContent:
        """Stage the asset's content and verify it. Raises GitSpacyError, OSError, Cancelled."""


def scheme_of(asset: Asset, place: FetchContext) -> str:
    """The key of SOURCES that an asset has, or a scheme that is none."""

    if asset.git:
        return "git"
    match = _SCHEME.match(place.url(asset))
    return match[1].lower() if match else ""


def get_source(asset: Asset, place: FetchContext) -> AssetSource:
    """The source of an asset that was not refused."""

    return cast("AssetSource", importlib.import_module(SOURCES[scheme_of(asset, place)]))


def refusal(asset: Asset, place: FetchContext) -> GitSpacyError | None:
    """Why an asset may not be fetched, whatever it is; None if it may."""

    names = environment_names(asset.url or "")
    if names and not boolean(place.settings, ALLOW_ENVIRONMENT):
        return Refused(
            f"its URL would send the environment variable '{place.variables[names[0]]}' to a server"
            " that project.yml chose",
            hint=f"if that is meant: git config {ALLOW_ENVIRONMENT} true",
        )
    for name in names:
        if not place.environ.get(place.variables[name]):
            return InvalidInput(
                f"its URL needs the environment variable '{place.variables[name]}', which is not"
                " set",
                hint=f"export {place.variables[name]}=…",
            )
    scheme = scheme_of(asset, place)
    if scheme == "git" and not asset.git:
        return _unsupported_scheme(scheme, "write 'git:' with 'repo:' and 'path:' below it")
    if scheme not in SOURCES:
        return _unsupported_scheme(
            scheme,
            "fetch it yourself and leave 'url' out, its checksum in; no setting and no extra makes"
            " git spacy fetch this",
        )
    return get_source(asset, place).refusal(asset, place)


def _unsupported_scheme(scheme: str, hint: str) -> Refused:
    return Refused(f"'{scheme}:' is not one of http, https, a path, and git", hint=hint)


def checksum_mismatch(checksum: Checksum, found: str) -> ExternalError:
    """What came is not what project.yml promises."""

    return ExternalError(
        f"its {checksum.algorithm} is {found}, project.yml wants {checksum.digest}",
        hint="find out which of the two is right; if it is the new one, correct 'checksum'",
    )
