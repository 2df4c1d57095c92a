"""Define what a remote is, and open one by name or address.

`remotes:` in project.yml and `git config spacy.remote.NAME.url` name addresses; the latter takes
precedence. All schemes but `file` need an extra, which is imported when it is used.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, Protocol

from git_spacy.errors import InvalidInput, Refused, redact
from git_spacy.git.settings import Settings
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Project
from git_spacy.project.remotes import DEFAULT, default_name, known_addresses, settings_of
from git_spacy.project.variables import environment_names

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# scheme → module with `open_remote(address)`
SCHEMES = {
    "file": "git_spacy.storage.local_remote",
    **dict.fromkeys(
        ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "ssh", "sftp", "hf"),
        "git_spacy.storage.fsspec_remote",
    ),
}


class RemoteAddress(NamedTuple):
    """Where a remote is: its URL or path; if it has a name, that and the user's settings for it
    (see `settings_of`)."""

    url: str
    name: str = ""
    settings: Settings = MappingProxyType({})


class RemoteObject(NamedTuple):
    """An object: its name relative to the remote, and its modification time in seconds since 1970
    (0.0 if unknown)."""

    name: str
    modified: float


class Remote(Protocol):
    """Named objects. Thread-safe. Every method raises ExternalError and OSError."""

    shown: str
    """The address without credentials, for messages."""

    def exists(self, name: str) -> bool:
        """Return whether the object exists."""
        ...

    def list_objects(self, name: str) -> Iterable[RemoteObject]:
        """Return the objects whose names start with `name` and a slash.

        Raises InvalidInput or ExternalError if the folder or bucket of the remote does not exist.
        """
        ...

    def check_before_push(self) -> None:
        """Raise InvalidInput or LocalFailure if nothing could be written, as far as that is known
        without trying."""

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Open an object for reading."""
        ...

    def create(self, name: str, scratch: Path) -> AbstractContextManager[BinaryIO]:
        """Open an object for writing, of which all readers see the old content, or none, until the
        block ends. If it raises an exception, nothing changes.

        What must be complete before it is sent is first written to the folder `scratch`.
        """
        ...


def resolve_address(project: Project, settings: Settings, name: str | None) -> RemoteAddress:
    """Return the address of the remote `name`, or of the default remote if it is None.

    `name` may itself be an address. Raises InvalidInput for an unknown name; it is never taken for
    a relative folder.
    """

    known = known_addresses(project, settings)
    wanted = name or default_name(project, settings) or DEFAULT
    for spelling in (wanted, wanted.lower()):
        if spelling in known:
            return RemoteAddress(known[spelling], spelling, settings_of(settings, spelling))
    if is_address(wanted):
        return RemoteAddress(wanted)
    hint = did_you_mean(wanted, known)
    if not hint and known:
        hint = f"known remotes: {', '.join(known)}"
    elif not hint:
        hint = configure_hint(wanted)
    raise InvalidInput(
        f"unknown remote '{wanted}'" if name or known else "no remote is configured",
        file="project.yml",
        hint=hint,
    )


def configure_hint(name: str) -> str:
    """Return how to configure the remote `name`."""

    return f"add it under 'remotes', or: git config {shlex.quote(f'spacy.remote.{name}.url')} URL"


def is_address(text: str) -> bool:
    """Return whether `text` is an address, not a name: a URL, or a path that starts with `/`,
    `./`, `../` or `~`."""

    return bool(_SCHEME.match(text)) or text.startswith(("/", "./", "../", "~"))


def open_remote(root: Path, address: RemoteAddress) -> Remote:
    """Return the remote at `address`, where a path is relative to the project.

    Raises Refused for an unsupported scheme, InvalidInput for a missing extra and for a setting
    that is invalid, ExternalError.
    """

    url = address.url
    if names := environment_names(url):
        raise Refused(
            f"environment variable '{names[0]}' in the address of a remote",
            hint="configure the full address: git config spacy.remote.default.url URL",
        )
    match = _SCHEME.match(url)
    if match is None:
        path = os.path.expanduser(url)
        if path.startswith("~"):
            raise InvalidInput(
                f"the home folder in the address '{url}' is unknown", hint="use the full path"
            )
        url = "file://" + os.path.join(os.path.abspath(root), path)
    scheme = match[1].lower() if match else "file"
    if scheme not in SCHEMES or "::" in url:  # fsspec would chain file systems
        raise Refused(
            f"unsupported remote address '{redact(url)}'",
            hint=f"use a folder or one of the schemes {', '.join(SCHEMES)}",
        )
    remote: Remote = importlib.import_module(SCHEMES[scheme]).open_remote(address._replace(url=url))
    return remote
