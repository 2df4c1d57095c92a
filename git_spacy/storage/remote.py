"""A remote: a place for objects by name. A Protocol, the schemes, and what an address means.

`remotes:` of project.yml and `git config spacy.remote.NAME.url` give names to addresses; the
user's own wins. What a scheme needs beyond a folder is an extra, imported when it is used.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from git_spacy.errors import InvalidInput, Refused, redact
from git_spacy.git.settings import Settings
from git_spacy.project.diagnostics import did_you_mean
from git_spacy.project.model import Project
from git_spacy.project.variables import environment_names

DEFAULT = "default"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SETTING = re.compile(r"spacy\.remote\.(.+)\.url")
# scheme → module with `opened(url)`
SCHEMES = {
    "file": "git_spacy.storage.local_remote",
    **dict.fromkeys(
        ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "ssh", "sftp", "hf"),
        "git_spacy.storage.fsspec_remote",
    ),
}


class RemoteObject(NamedTuple):
    """An object: its name, relative to the remote, and when it was written (seconds since 1970; 0.0
    if the remote does not say)."""

    name: str
    modified: float


class Remote(Protocol):
    """Objects by name. Used by several threads. Raises Unavailable where it fails, OSError."""

    shown: str
    """The address as it may be shown."""

    def exists(self, name: str) -> bool:
        """Whether there is an object of this name."""
        ...

    def below(self, name: str) -> Iterable[RemoteObject]:
        """The objects whose names begin with `name` and a slash."""
        ...

    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The content of an object."""
        ...

    def write(self, name: str, file: Path) -> None:
        """Make the content of `file` an object: whole or not at all, for everybody."""


def address(project: Project, settings: Settings, name: str | None) -> str:
    """The address that `name` (None: the default one) has, or is. Raises Malformed for one that is
    not known: it is never taken for a folder of that name."""

    known = {remote.name: remote.url for remote in project.remotes}
    known |= {
        match[1]: value for key, value in settings.items() if (match := _SETTING.fullmatch(key))
    }
    if name is None and DEFAULT not in known and len(known) == 1:
        return next(iter(known.values()))
    wanted = name or DEFAULT
    if wanted in known or wanted.lower() in known:
        return known.get(wanted) or known[wanted.lower()]
    if _SCHEME.match(wanted) or wanted.startswith(("/", "./", "../", "~")):
        return wanted
    hint = did_you_mean(wanted, known)
    if not hint:
        hint = f"there are: {', '.join(known)}" if known else ""
    raise InvalidInput(
        f"there is no remote '{wanted}'" if name or known else "there is no remote",
        location="project.yml",
        hint=hint or "add it under 'remotes', or: git config spacy.remote.default.url ADDRESS",
    )


def opened(root: Path, url: str) -> Remote:
    """The remote at `url`; a path is relative to the project. Raises Unsafe for a scheme that is
    none of ours, Malformed where what it needs is not installed, Unavailable."""

    if names := environment_names(url):
        raise Refused(
            f"the environment variable '{names[0]}' in the address of a remote",
            hint="put the whole address there: git config spacy.remote.default.url ADDRESS",
        )
    match = _SCHEME.match(url)
    if match is None:
        url = "file://" + os.path.join(os.path.abspath(root), os.path.expanduser(url))
    scheme = match[1].lower() if match else "file"
    if scheme not in SCHEMES or "::" in url:  # (fsspec would open one address in another)
        raise Refused(
            f"'{redact(url)}': no remotes at {scheme}: addresses like this",
            hint=f"use a folder, or one of {', '.join(SCHEMES)}",
        )
    made: Remote = importlib.import_module(SCHEMES[scheme]).opened(url)
    return made
