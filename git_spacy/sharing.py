"""The modes of what we write into Git's own folder: those that Git gives its own files there.

A repository may be shared by several users (`core.sharedRepository`, `git init --shared`): then
what one of them makes, the others must be able to read or to replace.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from functools import lru_cache

_OURS = re.compile("/spacy(?=/|$)")  # the folder below Git's that is ours
_MOST_BYTES = 1 << 20  # of a configuration
_GROUP, _EVERYBODY = 0o660, 0o664
_WORDS = {
    **dict.fromkeys(("", "group", "true", "yes", "on", "1"), _GROUP),
    **dict.fromkeys(("all", "world", "everybody", "2"), _EVERYBODY),
}
_SECTION = re.compile(r"\[\s*([\w.-]+)\s*(\"[^\"]*\")?\s*\]")
_KEY = re.compile(r"sharedrepository[ \t]*(?:=[ \t]*\"?([\w ]*?)\"?)?[ \t]*(?:[#;].*)?", re.I)


def adjusted(path: str | os.PathLike[str], mode: int) -> int:
    """The mode that Git would give a new file or folder at `path` whose mode is `mode` by the
    umask; `mode` itself outside of our part of Git's folder."""

    permission = _permission(os.path.abspath(path))
    if permission is None:
        return mode
    more, is_exact = permission
    # as calc_shared_perm and adjust_shared_perm of Git do
    if not mode & stat.S_IWUSR:
        more &= ~0o222
    if mode & stat.S_IXUSR:
        more |= (more & 0o444) >> 2
    mode = mode & ~0o777 | more if is_exact else mode | more
    if stat.S_ISDIR(mode):
        mode |= (mode & 0o444) >> 2
        if mode & 0o060:
            mode |= stat.S_ISGID
    return mode


def adjust(path: str | os.PathLike[str], descriptor: int | None = None) -> None:
    """Give the file or folder `path`, which was made just now (and may be open as `descriptor`),
    the mode that Git would give it. Raises OSError."""

    opened = path if descriptor is None else descriptor
    old = os.stat(opened).st_mode
    new = adjusted(path, old)
    if new != old:
        os.chmod(opened, stat.S_IMODE(new))


def make_folders(path: str | os.PathLike[str]) -> None:
    """Make the folder `path` and those above it, where they are missing. Raises OSError."""

    missing = []
    folder = os.path.abspath(path)
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for one in reversed(missing):
        try:
            os.mkdir(one)
        except FileExistsError:  # by now; a file is refused by what comes next
            continue
        adjust(one)
    if missing and not os.path.isdir(path):
        raise NotADirectoryError(f"'{os.fspath(path)}' is not a folder")


def _permission(path: str) -> tuple[int, bool] | None:
    """The bits that `core.sharedRepository` gives to what is at `path`, and whether they are all
    that it gets; None where the umask alone says."""

    for found in _OURS.finditer(path):
        git_dir = path[: found.start()]
        if os.path.lexists(f"{git_dir}/HEAD"):
            with suppress(OSError):
                config = f"{_common(git_dir)}/config"
                status = os.stat(config)
                return _configured(config, status.st_mtime_ns, status.st_size, status.st_ino)
    return None


def _common(git_dir: str) -> str:
    """The folder that all work trees share."""

    try:
        with open(f"{git_dir}/commondir", encoding="utf-8", errors="surrogateescape") as stream:
            return os.path.normpath(os.path.join(git_dir, stream.read(4096).strip()))
    except FileNotFoundError:
        return git_dir


@lru_cache(maxsize=4)
def _configured(config: str, *_state: int) -> tuple[int, bool] | None:
    """What a repository's own configuration says, as long as the file has this state."""

    with open(config, encoding="utf-8", errors="replace") as stream:
        lines = stream.read(_MOST_BYTES).split("\n")
    value, is_core = "umask", False
    for line in map(str.strip, lines):
        if section := _SECTION.match(line):
            is_core = section[1].lower() == "core" and not section[2]
            line = line[section.end() :].strip()
        if is_core and (key := _KEY.fullmatch(line)):
            value = key[1] or ("" if "=" not in line else "false")
    return _read(value.strip().lower())


def _read(value: str) -> tuple[int, bool] | None:
    """What a value means; None: the umask, or nothing that Git knows either."""

    if value in _WORDS:
        return _WORDS[value], False
    if re.fullmatch("[0-7]{1,6}", value):
        number = int(value, 8)
        if number in (1, 2):
            return (_GROUP, _EVERYBODY)[number - 1], False
        if number & 0o600 == 0o600:
            return number & 0o666, True
    return None
