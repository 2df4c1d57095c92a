"""The list of files of an output in the cache, as a JSON document.

Older lists have only the files, and are named by the md5 and the digest of file names; the others
also have the output's links and empty folders, and are named by its layout in addition.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy import formats
from git_spacy.containment import link_stays_inside
from git_spacy.errors import InvalidInput
from git_spacy.state.hashing import digest_names

_MOST_BYTES = 64 << 20  # of a list; larger files are not ours


class CachedFile(NamedTuple):
    """A file of an output: its name below the output ("" for the output itself), sha256, size, and
    whether it is executable."""

    name: str
    id: str
    size: int
    is_executable: bool


class CachedTree(NamedTuple):
    """An output in the cache: the path of its list, its files, its links with their targets, and
    its empty folders ("" for the output itself). A link to a file is also among the files."""

    path: Path
    files: list[CachedFile]
    links: dict[str, str]
    folders: list[str]

    def document(self) -> Any:
        """Return the list as it is written."""

        files = [list(file) for file in self.files]
        return {"files": files, "links": self.links, "folders": self.folders}


def read_tree(path: Path) -> CachedTree | None:
    """Return the list in a file; None if it is missing, invalid, or its file names do not match the
    name of the list."""

    value = read_json(path)
    document: Any = value
    if isinstance(value, list):
        document = {"files": value, "links": {}, "folders": []}
    try:
        files = [_parse_file(item) for item in document["files"]]
        links = {formats.folder(name): target for name, target in document["links"].items()}
        folders = [formats.folder(name) for name in document["folders"]]
        if not all(link_stays_inside(*link, links.__contains__) for link in links.items()):
            return None
    except (InvalidInput, TypeError, ValueError, LookupError, AttributeError):
        return None
    names = digest_names([file.name for file in files])
    matches = names == path.name.partition("-")[2].partition("-")[0]
    return CachedTree(path, files, links, folders) if matches else None


def read_json(path: Path) -> Any:
    """Return the JSON document in a file, None if it is missing or invalid."""

    try:
        status = stat_regular_file(path)
        if status is None or status.st_size > _MOST_BYTES:
            return None
        return formats.document(path.read_bytes())
    except (OSError, InvalidInput):
        return None


def stat_regular_file(path: Path | str) -> os.stat_result | None:
    """Return the status of a regular file, None for anything else."""

    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _parse_file(item: Any) -> CachedFile:
    name, id, size, is_executable = item
    return CachedFile(
        formats.folder(name), formats.sha256(id), formats.size(size), is_executable is True
    )
