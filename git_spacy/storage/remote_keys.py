"""Compute the names of objects in a remote, which are those of weasel.

weasel (`cli/remote_storage.py`) names an object NAME/COMMAND/CONTENT. NAME is the URL-encoded path
of the output. COMMAND is the md5 of the md5s of the command's dependencies, ordered by path, and of
its script lines. CONTENT is the md5 of the output, as in project.lock.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote_plus

from git_spacy import formats
from git_spacy.errors import InvalidInput
from git_spacy.project.paths import ProjectPath

TEMPORARY = ".git-spacy-tmp"
"""Prefix of incomplete uploads, at the top of the remote, where no output is looked up."""


class RemoteKey(NamedTuple):
    """The three parts of the name of an object."""

    name: str
    command: str
    content: str

    def __str__(self) -> str:
        return "/".join(self)


def encode_path(path: ProjectPath) -> str:
    """Return the first part of the keys of an output."""

    return quote_plus(path.text)


def make_key(path: ProjectPath, command: str, content: str) -> RemoteKey:
    """Return the key of an output from the hash of its command and the md5 of its content."""

    return RemoteKey(encode_path(path), formats.md5(command), formats.md5(content))


def parse_key(text: str, path: ProjectPath) -> RemoteKey | None:
    """Return the key at the end of the object name `text`, None if it is not one of `path`."""

    name, command, content = ("", "", *text.rstrip("/").split("/"))[-3:]
    try:
        parsed = make_key(path, command, content)
    except InvalidInput:
        return None
    return parsed if parsed.name == name else None


def check_name(name: str) -> str:
    """Return an object name that is safe to use in a path. Raises InvalidInput for any other."""

    return formats.name(name)


def command_hash(root: Path, deps: Iterable[tuple[ProjectPath, str]], script: Iterable[str]) -> str:
    """Return the hash of a command of the project in `root` from its dependencies with their md5s,
    and its script.

    Variables in the script are substituted. A dependency that is listed twice counts twice. As in
    weasel, an absolute path comes before or after those in the project by where that is.
    """

    physical = os.path.realpath(root)  # weasel's is that of the working directory
    ordered = sorted(deps, key=lambda pair: Path(physical, pair[0].text).parts)
    text = "".join([*(md5 for _, md5 in ordered), *script])
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
