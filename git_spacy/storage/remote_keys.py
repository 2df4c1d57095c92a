"""How a remote is laid out: the reference's way, so that what it pushed we can pull. Pure.

The format is weasel's (`cli/remote_storage.py`): an object is called NAME/COMMAND/CONTENT. NAME is
the output's path, URL-encoded; COMMAND the md5 of the md5s of the command's dependencies, in the
order of their paths, and its script lines; CONTENT the md5 of the output, as in project.lock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote_plus

from git_spacy import formats
from git_spacy.errors import InvalidInput
from git_spacy.project.paths import ProjectPath

TEMPORARY = ".git-spacy-tmp"
"""Where uploads lie until they are whole, at the top: nobody looks for an output there."""


class RemoteKey(NamedTuple):
    """The three parts of an object's name."""

    name: str
    command: str
    content: str

    def __str__(self) -> str:
        return "/".join(self)


def name_of(path: ProjectPath) -> str:
    """The first part of the keys of an output."""

    return quote_plus(path.text)


def key(path: ProjectPath, command: str, content: str) -> RemoteKey:
    """The key of an output with this content, made by this command."""

    return RemoteKey(name_of(path), formats.md5(command), formats.md5(content))


def parsed(text: str, path: ProjectPath) -> RemoteKey | None:
    """The key of the output at `path` that the end of an object's name is; None: it is not one."""

    name, command, content = ("", "", *text.rstrip("/").split("/"))[-3:]
    try:
        found = key(path, command, content)
    except InvalidInput:
        return None
    return found if found.name == name else None


def checked(name: str) -> str:
    """The name of an object, which is about to become part of a path. Raises Malformed."""

    return formats.name(name)


def command_hash(deps: Iterable[tuple[ProjectPath, str]], script: Iterable[str]) -> str:
    """The hash of a command: `deps` with their md5s, and its script with everything filled in. A
    dependency that is named twice counts twice."""

    ordered = sorted(deps, key=lambda pair: pair[0].normal.split("/"))
    text = "".join([*(md5 for _, md5 in ordered), *script])
    return hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
