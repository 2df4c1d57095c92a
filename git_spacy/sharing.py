"""Give our files in Git's own folder the permissions that Git gives its own files there.

Several users may share a repository (`core.sharedRepository`, `git init --shared`). Then each of
them must be able to read, or to replace, the files that another one created.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from functools import lru_cache

from git_spacy.patterns import compile_late

_OUR_FOLDER = compile_late("/spacy(?=/|$)")  # below the .git folder
_MAX_CONFIG_BYTES = 1 << 20
_GROUP, _EVERYBODY = 0o660, 0o664
_NAMED_VALUES = {
    **dict.fromkeys(("", "group", "true", "yes", "on", "1"), _GROUP),
    **dict.fromkeys(("all", "world", "everybody", "2"), _EVERYBODY),
}
_SECTION = compile_late(r"\[\s*([\w.-]+)\s*(\"[^\"]*\")?\s*\]")
_KEY = compile_late(r"sharedrepository[ \t]*(?:=[ \t]*\"?([\w ]*?)\"?)?[ \t]*(?:[#;].*)?", re.I)


def adjusted(path: str | os.PathLike[str], mode: int) -> int:
    """Return the mode that Git would give a new file or folder at `path`.

    `mode` is its mode according to the umask. It is returned unchanged for paths that are not in
    our part of Git's folder.
    """

    permission = _permission(os.path.abspath(path))
    if permission is None:
        return mode
    bits, is_exact = permission
    # as calc_shared_perm and adjust_shared_perm of Git do
    if not mode & stat.S_IWUSR:
        bits &= ~0o222
    if mode & stat.S_IXUSR:
        bits |= (bits & 0o444) >> 2
    mode = mode & ~0o777 | bits if is_exact else mode | bits
    if stat.S_ISDIR(mode):
        mode |= (mode & 0o444) >> 2
        if mode & 0o060:
            mode |= stat.S_ISGID
    return mode


def adjust(path: str | os.PathLike[str], descriptor: int | None = None) -> None:
    """Give the new file or folder `path` the mode that Git would give it.

    It may be open as `descriptor`. Raises OSError.
    """

    target = path if descriptor is None else descriptor
    old = os.stat(target).st_mode
    new = adjusted(path, old)
    if new != old:
        os.chmod(target, stat.S_IMODE(new))


def open_shared(path: str | os.PathLike[str], flags: int) -> int:
    """Open a file in Git's folder; a new one gets the permissions of a shared repository.

    Returns its descriptor. Raises OSError.
    """

    try:
        descriptor = os.open(path, flags | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, flags, 0o666)
    try:
        adjust(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def append_line(path: str | os.PathLike[str], line: bytes) -> None:
    """Append a line to the file `path`, which is created if missing.

    The line may be there in part after a crash; the next one then starts on a line of its own.
    Raises OSError.
    """

    descriptor = open_shared(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC)
    try:
        size = os.fstat(descriptor).st_size
        is_torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        data = (b"\n" if is_torn else b"") + line + b"\n"
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def make_folders(path: str | os.PathLike[str]) -> None:
    """Create the folder `path` and its parents, where they are missing. Raises OSError."""

    missing = []
    folder = os.path.abspath(path)
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for new_folder in reversed(missing):
        try:
            os.mkdir(new_folder)
        except FileExistsError:  # created meanwhile; if it is a file, the next step fails
            continue
        adjust(new_folder)
    if missing and not os.path.isdir(path):
        raise NotADirectoryError(f"'{os.fspath(path)}' is not a folder")


def _permission(path: str) -> tuple[int, bool] | None:
    """Return the permission bits that `core.sharedRepository` demands for `path`.

    The boolean says whether the bits replace those of the umask instead of adding to them. None
    means that only the umask counts.
    """

    for match in _OUR_FOLDER.finditer(path):
        git_dir = path[: match.start()]
        if os.path.lexists(f"{git_dir}/HEAD"):
            with suppress(OSError):
                config = f"{_common_dir(git_dir)}/config"
                status = os.stat(config)
                return _read_config(config, status.st_mtime_ns, status.st_size, status.st_ino)
    return None


def _common_dir(git_dir: str) -> str:
    """Return the Git folder that all worktrees share."""

    try:
        with open(f"{git_dir}/commondir", encoding="utf-8", errors="surrogateescape") as stream:
            return os.path.normpath(os.path.join(git_dir, stream.read(4096).strip()))
    except FileNotFoundError:
        return git_dir


@lru_cache(maxsize=4)
def _read_config(config: str, *_cache_key: int) -> tuple[int, bool] | None:
    """Return what the file `config` says about permissions, as `_permission` does.

    The other arguments make the cache miss when the file has changed.
    """

    with open(config, encoding="utf-8", errors="replace") as stream:
        lines = stream.read(_MAX_CONFIG_BYTES).split("\n")
    value, is_core = "umask", False
    for line in map(str.strip, lines):
        if section := _SECTION.match(line):
            is_core = section[1].lower() == "core" and not section[2]
            line = line[section.end() :].strip()
        if is_core and (key := _KEY.fullmatch(line)):
            value = key[1] or ("" if "=" not in line else "false")
    return _parse_value(value.strip().lower())


def _parse_value(value: str) -> tuple[int, bool] | None:
    """Parse a value of core.sharedRepository; None for `umask` and for values invalid in Git."""

    if value in _NAMED_VALUES:
        return _NAMED_VALUES[value], False
    if re.fullmatch("[0-7]{1,6}", value):
        number = int(value, 8)
        if number in (1, 2):
            return (_GROUP, _EVERYBODY)[number - 1], False
        if number & 0o600 == 0o600:
            return number & 0o666, True
    return None
