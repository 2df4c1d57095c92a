"""The one writer of files, and the one way into a folder that a stranger's paths describe.

Everything written anywhere goes beside its destination, is flushed to disk, and replaces it in one
step. A path inside the project is reached component by component from the project's own
descriptor without following links, so that a link swapped in after the check changes nothing.
Knows nothing of projects; imports no room.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from git_spacy import sharing
from git_spacy.abandoned import unless_abandoned
from git_spacy.errors import Busy, Refused
from git_spacy.git_names import is_git_name

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_EXISTING_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_MANY = 64  # files: to wait for each takes longer than for all that the system has to write
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_atomic(path: Path, data: bytes) -> None:
    """Make `data` the content of `path`: old or new after a crash, never torn.

    For a path that the user or we chose: a link is followed wherever it leads. A path in a project
    or a work tree is for `write_beneath`. Keeps the permissions of an existing file. Raises
    OSError, with the old content untouched and no temporary file left.
    """

    folder, name = os.path.split(os.path.realpath(path))
    directory = os.open(folder, _DIRECTORY)
    try:
        _replace(directory, folder, name, data)
    finally:
        os.close(directory)


def write_beneath(
    root: Path, relative: str, data: bytes, *, program: bool = False, parents: bool = False
) -> None:
    """Make `data` the content of the file `relative` below `root`, as `replace` does.

    A link to a file below `root` is written through; none is followed once it is resolved. A
    `program` may be executed by everybody who may read it; `parents` makes missing folders.
    Raises Unsafe if a link leads out of `root` or into Git's own folder, or is put there
    meanwhile; OSError.
    """

    top, names = _beneath(root, relative)
    with _folder(top, names[:-1], relative, make=parents) as directory:
        folder = os.path.join(top, *names[:-1])
        _replace(directory, folder, names[-1] if names else ".", data, program=program)


def _replace(directory: int, folder: str, name: str, data: bytes, *, program: bool = False) -> None:
    """The same for `name` in `folder`, which is open as `directory`."""

    temporary = f".{name}.{os.getpid()}.tmp"
    try:
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):  # by now: it was resolved before
            raise _not_a_file(name)
    except FileNotFoundError:
        mode = None
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        with open(os.open(temporary, _NEW_FILE, 0o666, dir_fd=directory), "wb") as stream:
            if mode is None:
                mode = os.fstat(stream.fileno()).st_mode
            mode = stat.S_IMODE(sharing.adjusted(os.path.join(folder, name), mode))
            os.fchmod(stream.fileno(), mode | (mode & 0o444) >> 2 if program else mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
        with suppress(OSError):
            _sweep(directory, name)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _sweep(directory: int, name: str) -> None:
    """Remove the temporary files that killed processes left beside `name`."""

    for entry in os.listdir(directory):
        match = re.fullmatch(rf"\.{re.escape(name)}\.(\d+)\.tmp", entry)
        if match and not is_alive(int(match[1])):
            with suppress(OSError):
                os.unlink(entry, dir_fd=directory)


def is_alive(process: int) -> bool:
    """Whether there is a process of this number."""

    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


@contextmanager
def file_lock(
    path: Path,
    *,
    wait: bool = True,
    waiting: Callable[[], None] = lambda: None,
    hint: str = "",
) -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, made if need be, until the block ends.

    If somebody else has it, calls `waiting` and waits, or raises Busy if `wait` is false. The
    system gives the lock back when the process dies, so none is ever stale.
    """

    import fcntl

    sharing.make_folders(path.parent)
    descriptor = _opened_lock(path)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise Busy(f"somebody else holds '{path}'", hint=hint) from None
            waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _opened_lock(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags | os.O_EXCL, 0o666)
    except FileExistsError:
        return os.open(path, flags, 0o666)
    try:
        sharing.adjust(path, descriptor)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def resolve_beneath(root: Path, relative: str) -> Path:
    """The real path of `relative` below `root`, which need not exist.

    Raises Unsafe if a link on the way leads out of `root`, or if it leads into Git's own folder.
    """

    top, names = _beneath(root, relative)
    return Path(top, *names)


def _beneath(root: Path, relative: str) -> tuple[str, tuple[str, ...]]:
    """The real path of `root`, and the names on the way from there to `relative`, with all links
    resolved. Raises Unsafe as `resolved_inside`."""

    top = os.path.realpath(root)
    real = os.path.realpath(os.path.join(top, relative))
    above = os.path.join(top, "")  # "/" has its slash
    if real != top and not real.startswith(above):
        raise Refused(
            f"'{relative}' leads out of the project through a symlink, to '{real}'",
            hint="replace the link by the folder itself, or by a mount of it",
            location=relative,
        )
    names = tuple(real[len(above) :].split(os.sep)) if real != top else ()
    if any(map(is_git_name, names)):
        raise Refused(
            f"'{relative}' leads into Git's own folder, to '{real}'",
            hint="use a path outside of it",
            location=relative,
        )
    return top, names


@contextmanager
def parent_descriptor(root: Path, relative: str, *, make: bool = True) -> Iterator[tuple[int, str]]:
    """(descriptor of the folder that holds `relative`, its last name), with missing folders made
    unless `make` is false.

    Links that stay inside `root` are resolved first; none is followed after that.
    Raises Unsafe if one leads out of it or into Git's own folder, or is put there meanwhile.
    """

    folder, name = os.path.split(relative)
    if is_git_name(name):
        raise Refused(f"'{relative}' is Git's own", hint="use another name", location=relative)
    top, names = _beneath(root, folder)
    with _folder(top, names, relative, make=make) as descriptor:
        yield descriptor, name


@contextmanager
def _folder(top: str, names: Sequence[str], relative: str, *, make: bool) -> Iterator[int]:
    """The folder that `names` lead to from the folder `top`, no link followed."""

    descriptor = os.open(top, _DIRECTORY)
    try:
        for count, name in enumerate(names, 1):
            try:
                inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
            except FileNotFoundError:
                if not make:
                    raise
                inner = _made(name, descriptor, os.path.join(top, *names[:count]), relative)
            except OSError as error:
                raise _not_a_directory(error, name, relative) from None
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _made(name: str, descriptor: int, path: str, relative: str) -> int:
    """A descriptor of the new folder `name` in the one behind `descriptor`, whose path is `path`;
    of that which another process made meanwhile."""

    try:
        os.mkdir(name, dir_fd=descriptor)
    except FileExistsError:
        return open_directory(name, descriptor, relative)
    inner = open_directory(name, descriptor, relative)
    try:
        sharing.adjust(path, inner)
    except BaseException:
        os.close(inner)
        raise
    return inner


def open_directory(folder: str, descriptor: int, relative: str) -> int:
    """A descriptor of the folder `folder` in the one behind `descriptor`. Raises Unsafe for a link
    or a file, in the words of the path `relative`; OSError."""

    try:
        return os.open(folder, _DIRECTORY, dir_fd=descriptor)
    except OSError as error:
        raise _not_a_directory(error, folder, relative) from None


def _not_a_directory(error: OSError, folder: str, relative: str) -> OSError | Refused:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return Refused(
            f"'{folder}' on the way to '{relative}' is a link or a file, not a folder",
            hint=f"remove '{folder}' and run again",
            location=relative,
        )
    return error


def descriptor_beneath(root: Path, relative: str) -> int:
    """A descriptor of whatever `relative` below `root` is, for reading, no link followed once it
    is resolved. Opening a FIFO does not wait for a writer.

    Raises Unsafe if a link leads out of `root` or into Git's own folder, or is put there
    meanwhile; OSError.
    """

    with folder_beneath(root, relative) as (directory, name, _):
        return _open_file(name, directory, relative)


def _open_file(name: str, directory: int, relative: str) -> int:
    try:
        return os.open(name, _EXISTING_FILE, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link by now
            raise _not_a_file(relative) from None
        raise


@contextmanager
def folder_beneath(root: Path, relative: str) -> Iterator[tuple[int, str, str]]:
    """(descriptor of the folder that holds what `relative` below `root` leads to, its name there,
    its real path). Raises Unsafe as `descriptor_beneath`, OSError."""

    top, names = _beneath(root, relative)
    with _folder(top, names[:-1], relative, make=False) as directory:
        yield directory, names[-1] if names else ".", os.path.join(top, *names)


def opened_in_turn(root: Path, paths: Iterable[str]) -> Iterator[FileIO]:
    """The files at `paths`, which are real paths below `root`, unbuffered, for reading, one after
    the other: each is closed when the next is asked for.

    No link is followed. The folder of the last file stays open, since most have a neighbour there.
    Raises Unsafe for a link that was put there meanwhile, OSError.
    """

    top = os.path.join(os.path.realpath(root), "")
    above, directory = None, -1
    with ExitStack() as opened:
        for path in paths:
            folder, name = os.path.split(path)
            if folder != above:
                opened.close()
                names = folder[len(top) :].split(os.sep) if len(folder) > len(top) else ()
                directory = opened.enter_context(_folder(top, names, path, make=False))
                above = folder
            with open(_open_file(name, directory, path), "rb", buffering=0) as stream:
                yield stream


@contextmanager
def open_beneath(root: Path, relative: str) -> Iterator[BinaryIO]:
    """The regular file `relative` below `root`, for reading.

    Raises Unsafe as `descriptor_beneath`, and if it is not a regular file; OSError.
    """

    try:
        file = descriptor_beneath(root, relative)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket
            raise _not_a_file(relative) from None
        raise
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _not_a_file(relative)
    with open(file, "rb") as stream:
        yield stream


def _not_a_file(relative: str) -> Refused:
    return Refused(f"'{relative}' is not a regular file", hint="name a file", location=relative)


def make_directory(root: Path, relative: str) -> None:
    """Make the folder `relative` below `root`, and its parents. Raises Unsafe as above."""

    with parent_descriptor(root, os.path.join(relative, ".")):
        pass


class Staging:
    """What is being made beside its destination: a file or a folder, swapped in when verified.

    The names are fixed (`.NAME.git-spacy-new`), so what a killed run left is cleared by the next;
    two at once for one destination is for the caller to prevent. `path` is for whoever needs a
    path to write to, `relative` the same below the root.
    """

    def __init__(self, root: Path, relative: str, descriptor: int, name: str) -> None:
        self._directory = descriptor
        self._name = name
        self._new = f".{name}.git-spacy-new"
        self._old = f".{name}.git-spacy-old"
        self.path = _pinned(descriptor, root, relative) / self._new
        self.relative = os.path.join(os.path.dirname(relative), self._new)
        self._recover(descriptor)

    def _recover(self, directory: int) -> None:
        _remove(self._new, directory)
        if _exists(self._name, directory):
            _remove(self._old, directory)
        else:
            with suppress(FileNotFoundError):
                os.rename(self._old, self._name, src_dir_fd=directory, dst_dir_fd=directory)

    def open(self) -> BinaryIO:
        """The new file, empty, for writing."""

        return open(os.open(self._new, _NEW_FILE, 0o666, dir_fd=self._directory), "wb")

    def reopen(self) -> BinaryIO:
        """The new file as far as it is written, for reading."""

        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return open(os.open(self._new, flags, dir_fd=self._directory), "rb")

    def discard(self) -> None:
        """Remove what was staged."""

        _remove(self._new, self._directory)

    def abandon(self) -> None:
        """Remove what another thread stages, which may go on with it: its descriptor and its path
        lead nowhere from now on."""

        directory = os.dup(self._directory)
        try:
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            os.dup2(nothing, self._directory, inheritable=False)
            os.close(nothing)
            self._recover(directory)
        finally:
            os.close(directory)

    def commit(self) -> None:
        """Put what was staged in the place of the destination, whatever stands there."""

        if _count(self._new, self._directory) > _MANY:
            os.sync()
        else:
            _flush(self._new, self._directory)
        current = _kind(self._name, self._directory)
        if current is None or (current != stat.S_IFDIR and self._staged_kind() != stat.S_IFDIR):
            self._rename(self._new, self._name)
        else:
            self._rename(self._name, self._old)
            try:
                self._rename(self._new, self._name)
            except BaseException:
                self._rename(self._old, self._name)
                raise
            _remove(self._old, self._directory)
        os.fsync(self._directory)

    def _staged_kind(self) -> int | None:
        return _kind(self._new, self._directory)

    def _rename(self, source: str, target: str) -> None:
        os.rename(source, target, src_dir_fd=self._directory, dst_dir_fd=self._directory)


@contextmanager
def staging(root: Path, relative: str) -> Iterator[Staging]:
    """A Staging for the path `relative` below `root`; what is not swapped in is removed.

    Raises Unsafe as `parent_descriptor`, Abandoned.
    """

    with parent_descriptor(root, relative) as (descriptor, name):
        staged = Staging(root, relative, descriptor, name)
        with unless_abandoned(staged.abandon):
            try:
                yield staged
            finally:
                staged.discard()


def recover(root: Path, relative: str) -> None:
    """Clear what a killed run left beside `relative`, or put back what it had moved aside."""

    folder, name = os.path.split(os.path.join(os.path.realpath(root), relative))
    if any(os.path.lexists(f"{folder}/.{name}.git-spacy-{kind}") for kind in ("new", "old")):
        with staging(root, relative):
            pass


def _pinned(descriptor: int, root: Path, relative: str) -> Path:
    """The folder behind `descriptor` as a path that no link put there later can turn elsewhere,
    where the system has such paths."""

    pinned = Path(f"/proc/self/fd/{descriptor}")
    return pinned if pinned.is_dir() else resolve_beneath(root, os.path.dirname(relative))


def _kind(name: str, descriptor: int) -> int | None:
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def _exists(name: str, descriptor: int) -> bool:
    return _kind(name, descriptor) is not None


def _remove(name: str, descriptor: int) -> None:
    """Remove a file or a folder, which another thread may be removing at the same time."""

    with suppress(FileNotFoundError):
        if _kind(name, descriptor) == stat.S_IFDIR:
            _remove_directory(name, descriptor)
        else:
            os.unlink(name, dir_fd=descriptor)


def _remove_directory(name: str, descriptor: int) -> None:
    """What `shutil.rmtree(name, dir_fd=…)` does from Python 3.11 on, links never followed."""

    inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
    try:
        os.fchmod(inner, 0o700)  # Git's own object folders are read-only
        for entry in os.listdir(inner):
            _remove(entry, inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=descriptor)


def flush(paths: Collection[Path]) -> None:
    """Let these files, and the names in these folders, be on the disk. Raises OSError."""

    if len(paths) > _MANY:
        os.sync()
        return
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush(name: str, descriptor: int) -> None:
    """The same for a file, or a folder and all that is in it."""

    for entry, above in _below(name, descriptor):
        inner = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        try:
            os.fsync(inner)
        finally:
            os.close(inner)


def _count(name: str, descriptor: int) -> int:
    return sum(1 for _ in _below(name, descriptor))


def _below(name: str, descriptor: int) -> Iterator[tuple[str, int]]:
    """(name, descriptor of its folder) of a file, or of a folder after all files and folders that
    are in it. A link is nothing but a name in its folder."""

    kind = _kind(name, descriptor)
    if kind == stat.S_IFDIR:
        inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
        try:
            for entry in os.listdir(inner):
                yield from _below(entry, inner)
        finally:
            os.close(inner)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        yield name, descriptor
