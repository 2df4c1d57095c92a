"""Write files atomically, and open paths below a folder without leaving it through a symlink.

Data goes to a temporary file beside its destination, is flushed to disk, and
replaces the destination in one step. A path below a folder is opened component by component from
the descriptor of that folder, without following symlinks, so that a symlink that appears after the
check changes nothing. `real_paths` says where a project may be written.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from io import FileIO
from pathlib import Path

from git_spacy import real_paths, sharing
from git_spacy.abandoned import unless_abandoned
from git_spacy.containment import names_beneath
from git_spacy.errors import Refused
from git_spacy.light_typing import BinaryIO

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_EXISTING_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_SYNC_THRESHOLD = 64  # files: for more than these, one sync() is faster than an fsync() for each
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_atomic(path: Path, data: bytes) -> None:
    """Replace the content of `path`, so that after a crash it is the old or the new one.

    For paths that the user or git-spacy chose: a symlink to a file is followed wherever it leads.
    For those in a project or a working tree use `write_beneath`. Keeps the permissions. Raises
    OSError, and then leaves the old content and no temporary file.
    """

    folder, name = os.path.split(os.path.realpath(path))
    directory = os.open(folder, _DIRECTORY)
    try:
        _replace(directory, folder, name, data)
    finally:
        os.close(directory)


def write_beneath(
    root: Path, relative: str, data: bytes, *, executable: bool = False, parents: bool = False
) -> None:
    """Replace the content of the file `relative` below `root`, as `write_atomic` does.

    A symlink to a file below `root` is written through. With `executable`, everyone who may read
    the file may execute it; with `parents`, missing folders are created.

    Raises OSError, and Refused if a symlink leads out of `root` or into Git's own folder, or if
    one appears after the path was resolved.
    """

    top, names = real_paths.beneath(root, relative)
    with _open_folder(top, names[:-1], relative, create=parents) as directory:
        folder = os.path.join(top, *names[:-1])
        _replace(directory, folder, names[-1] if names else ".", data, executable=executable)


def create(path: Path | str, *, executable: bool = False) -> BinaryIO:
    """Create the file `path`, which must not exist, not even as a link, and open it for writing.

    The user's umask applies to its permissions. Raises OSError.
    """

    return open(os.open(path, _NEW_FILE, 0o777 if executable else 0o666), "wb")


def _replace(
    directory: int, folder: str, name: str, data: bytes, *, executable: bool = False
) -> None:
    """Replace the content of `name` in `folder`, which is open as `directory`."""

    mode, temporary = None, f".{name}.{os.getpid()}.tmp"
    with suppress(FileNotFoundError):
        mode = os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):  # it appeared after the path was resolved
            raise _not_a_file(name)
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a device, to which a link led
            raise OSError(errno.EINVAL, "Not a regular file", os.path.join(folder, name))
    try:
        with suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        with open(os.open(temporary, _NEW_FILE, 0o666, dir_fd=directory), "wb") as stream:
            if mode is None:
                mode = os.fstat(stream.fileno()).st_mode
            mode = stat.S_IMODE(sharing.adjusted(os.path.join(folder, name), mode))
            os.fchmod(stream.fileno(), mode | (mode & 0o444) >> 2 if executable else mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        os.fsync(directory)
        with suppress(OSError):
            _remove_leftovers(directory, name)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _remove_leftovers(directory: int, name: str) -> None:
    """Remove the temporary files that killed processes left beside `name`."""

    start = f".{name}."
    for entry in (entry for entry in os.listdir(directory) if entry.startswith(start)):
        process = entry[len(start) :].removesuffix(".tmp")
        if entry.endswith(".tmp") and process.isdecimal() and not is_alive(int(process)):
            with suppress(OSError):
                os.unlink(entry, dir_fd=directory)


def is_alive(process: int) -> bool:
    """Return whether a process with this ID exists."""

    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        pass
    return True


def resolve_beneath(root: Path, relative: str) -> Path:
    """Return the real path of `relative` below `root`. It need not exist.

    Raises Refused if a symlink on the way leads out of `root` or into Git's own folder.
    """

    top, names = real_paths.beneath(root, relative)
    return Path(top, *names)


@contextmanager
def parent_descriptor(
    root: Path, relative: str, *, create: bool = True
) -> Iterator[tuple[int, str]]:
    """Open the folder that contains `relative`; yield its descriptor and the last name of the path.

    Missing folders are created unless `create` is false. Symlinks are resolved first; none is
    followed after that.

    Raises Refused as `real_paths.writable` does, or if a symlink appears after that.
    """

    top, names, name = real_paths.writable(root, relative)
    with _open_folder(top, names, relative, create=create) as descriptor:
        yield descriptor, name


@contextmanager
def _open_folder(top: str, names: Sequence[str], relative: str, *, create: bool) -> Iterator[int]:
    """Open the folder below `top` that `names` are the path of, without following symlinks."""

    try:
        descriptor = os.open(top, _DIRECTORY)
    except NotADirectoryError as error:
        raise _not_a_directory(error, top, relative) from None
    try:
        for count, name in enumerate(names, 1):
            try:
                inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
            except FileNotFoundError:
                if not create:
                    raise
                inner = _create_folder(
                    name, descriptor, os.path.join(top, *names[:count]), relative
                )
            except OSError as error:
                raise _not_a_directory(error, name, relative) from None
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _create_folder(name: str, descriptor: int, path: str, relative: str) -> int:
    """Create the folder `name` (whose full path is `path`) in the open folder `descriptor`, unless
    another process has just created it, and open it."""

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
    """Open the folder `folder` in the open folder `descriptor`. Raises OSError, and Refused, with a
    message about the path `relative`, if it is a symlink or a file."""

    try:
        return os.open(folder, _DIRECTORY, dir_fd=descriptor)
    except OSError as error:
        raise _not_a_directory(error, folder, relative) from None


def _not_a_directory(error: OSError, folder: str, relative: str) -> OSError | Refused:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return Refused(
            f"'{folder}' on the way to '{relative}' is a symlink or a file, not a folder",
            hint=f"remove '{folder}', then run the command again",
            file=relative,
        )
    return error


def descriptor_beneath(root: Path, relative: str, *, anywhere: bool = False) -> int:
    """Open `relative` below `root` for reading, whatever kind of file it is.

    Opening a FIFO does not wait for a writer. With `anywhere`, it may be outside of `root`.
    Otherwise, raises Refused if a symlink leads out of `root` or into Git's own folder. Raises
    Refused, too, if a symlink appears after the path was resolved; OSError.
    """

    with folder_beneath(root, relative, anywhere=anywhere) as (directory, name, _):
        return _open_file(name, directory, relative)


def _open_file(name: str, directory: int, relative: str) -> int:
    try:
        return os.open(name, _EXISTING_FILE, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:  # it has become a symlink
            raise _not_a_file(relative) from None
        raise


@contextmanager
def folder_beneath(
    root: Path, relative: str, *, anywhere: bool = False
) -> Iterator[tuple[int, str, str]]:
    """Resolve all symlinks in `relative`, and open the folder that contains the real file.

    Yields the descriptor of that folder, the name of the file in it, and the real path of the file.
    Unlike `parent_descriptor`, this also resolves a symlink that is the last part of the path.
    With `anywhere`, for paths that are only hashed, the file may be outside of `root`. Otherwise,
    raises Refused as `descriptor_beneath` does. Raises OSError.
    """

    if anywhere:
        top, names = real_paths.readable(root, relative)
    else:
        top, names = real_paths.beneath(root, relative)
    with _open_folder(top, names[:-1], relative, create=False) as directory:
        yield directory, names[-1] if names else ".", os.path.join(top, *names)


def open_each(root: Path, paths: Iterable[str]) -> Iterator[FileIO]:
    """Yield the files at `paths`, which are real paths, opened for reading and unbuffered.

    A file is closed when the next one is opened. The folder of the last file stays open, since the
    next file is usually in it, too. No symlink below `root` is followed, nor any that is the last
    part of a path. Raises OSError, and Refused for a symlink that appeared after the paths were
    resolved.
    """

    top = os.path.realpath(root)
    open_folder, directory = None, -1
    with ExitStack() as stack:
        for path in paths:
            folder, name = os.path.split(path)
            if folder != open_folder:
                stack.close()
                names = names_beneath(folder, top)
                start = (folder, ()) if names is None else (top, names)
                directory = stack.enter_context(_open_folder(*start, path, create=False))
                open_folder = folder
            with FileIO(_open_file(name, directory, path)) as stream:
                yield stream


@contextmanager
def open_beneath(root: Path, relative: str, *, anywhere: bool = False) -> Iterator[BinaryIO]:
    """Open the regular file `relative` below `root` for reading. Raises OSError, and Refused as
    `descriptor_beneath` does, or if it is not a regular file."""

    try:
        file = descriptor_beneath(root, relative, anywhere=anywhere)
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
    return Refused(f"'{relative}' is not a regular file", file=relative)


def make_directory(root: Path, relative: str) -> None:
    """Create the folder `relative` below `root`, with parents, unless it exists.

    Raises Refused as `parent_descriptor` does, OSError.
    """

    if (root / relative).is_dir():
        return
    with parent_descriptor(root, os.path.join(relative, ".")):
        pass


def remove_beneath(root: Path, relative: str, keep: Collection[str] = ()) -> None:
    """Remove the file, link or folder `relative` below `root`, except the paths in `keep`, which
    are relative to `root`, and the folders around these.

    Raises OSError, and Refused if a symlink on the way leads out of `root`.
    """

    kept = set(keep)
    around = {path[:end] for path in kept for end, character in enumerate(path) if character == "/"}
    with (
        suppress(FileNotFoundError),
        parent_descriptor(root, relative, create=False) as (descriptor, name),
    ):
        _remove_except(name, descriptor, relative, kept, around)


def _remove_except(
    name: str, descriptor: int, path: str, kept: Collection[str], around: Collection[str]
) -> None:
    if path in kept:
        return
    if path not in around:
        _remove(name, descriptor)
        return
    inner = open_directory(name, descriptor, path)
    try:
        for entry in os.listdir(inner):
            _remove_except(entry, inner, f"{path}/{entry}", kept, around)
    finally:
        os.close(inner)


class Staging:
    """A new file or folder beside its destination, which `commit` puts in place once verified.

    The temporary names are fixed (`.NAME.git-spacy-new`), so that the next run removes what a
    killed run left. The caller must prevent two stagings of one destination at the same time.
    `path` is the path to write to; `relative` is the same path relative to the root.
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
        if _kind(self._name, directory):
            _remove(self._old, directory)
        else:
            with suppress(FileNotFoundError):
                os.rename(self._old, self._name, src_dir_fd=directory, dst_dir_fd=directory)

    @property
    def names(self) -> tuple[int, str, str]:
        """The descriptor of the folder, and the names in it of the destination and the new file."""

        return self._directory, self._name, self._new

    def open(self) -> BinaryIO:
        """Create the new file and open it for writing."""

        return open(os.open(self._new, _NEW_FILE, 0o666, dir_fd=self._directory), "wb")

    def reopen(self) -> BinaryIO:
        """Open the new file for reading, with what has been written to it so far."""

        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return open(os.open(self._new, flags, dir_fd=self._directory), "rb")

    def discard(self) -> None:
        """Remove the staged file or folder."""

        _remove(self._new, self._directory)

    def abandon(self) -> None:
        """Remove the staged file or folder while another thread may be writing to it. From now on,
        that thread's descriptor and path lead nowhere."""

        directory = os.dup(self._directory)
        try:
            nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            os.dup2(nothing, self._directory, inheritable=False)
            os.close(nothing)
            self._recover(directory)
        finally:
            os.close(directory)

    def commit(self) -> None:
        """Replace the destination, whatever it is, with the staged file or folder."""

        if _count(self._new, self._directory) > _SYNC_THRESHOLD:
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
    """Yield a Staging for `relative` below `root`, and remove what was not committed.

    If `relative` is a symlink that leads out of `root`, its target is replaced. Raises Refused as
    `real_paths.writable` does, or if a symlink appears after the path was resolved; Abandoned.
    """

    relative = real_paths.staged(root, relative)
    with parent_descriptor(root, relative) as (descriptor, name):
        staged = Staging(root, relative, descriptor, name)
        with unless_abandoned(staged.abandon):
            try:
                yield staged
            finally:
                staged.discard()


def recover(root: Path, relative: str) -> None:
    """Clean up after a killed run: remove the file or folder that it staged for `relative`, and
    move the old one back if the new one had not replaced it yet."""

    path = os.path.join(os.path.realpath(root), relative)
    folder, name = os.path.split(os.path.realpath(path) if os.path.islink(path) else path)
    if any(os.path.lexists(f"{folder}/.{name}.git-spacy-{kind}") for kind in ("new", "old")):
        with staging(root, relative):
            pass


def _pinned(descriptor: int, root: Path, relative: str) -> Path:
    """Return a path to the folder `descriptor` that later symlinks cannot redirect. Only Linux has
    such paths; elsewhere it is the real path."""

    pinned = Path(f"/proc/self/fd/{descriptor}")
    return pinned if pinned.is_dir() else Path(os.path.realpath(root / os.path.dirname(relative)))


def _kind(name: str, descriptor: int) -> int | None:
    try:
        return stat.S_IFMT(os.stat(name, dir_fd=descriptor, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return None


def remove_tree(path: Path) -> None:
    """Remove a file, link or folder with its content, if it exists. Follows no symlinks."""

    with suppress(FileNotFoundError):
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _remove(path.name, descriptor)
        finally:
            os.close(descriptor)


def _remove(name: str, descriptor: int) -> None:
    """Remove a file or a folder, which another thread may be removing at the same time."""

    with suppress(FileNotFoundError):
        if _kind(name, descriptor) == stat.S_IFDIR:
            _remove_directory(name, descriptor)
        else:
            os.unlink(name, dir_fd=descriptor)


def _remove_directory(name: str, descriptor: int) -> None:
    """Do what `shutil.rmtree(name, dir_fd=…)` does from Python 3.11 on. Follows no symlinks."""

    inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
    try:
        os.fchmod(inner, 0o700)  # Git's own object folders are read-only
        for entry in os.listdir(inner):
            _remove(entry, inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=descriptor)


def flush(paths: Collection[Path]) -> None:
    """Flush these files, and the names in these folders, to the disk. Raises OSError."""

    if len(paths) > _SYNC_THRESHOLD:
        os.sync()
        return
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _flush(name: str, descriptor: int) -> None:
    """Flush a file, or a folder with everything in it."""

    for entry, parent in _walk(name, descriptor):
        inner = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fsync(inner)
        finally:
            os.close(inner)


def _count(name: str, descriptor: int) -> int:
    return sum(1 for _ in _walk(name, descriptor))


def _walk(name: str, descriptor: int) -> Iterator[tuple[str, int]]:
    """Yield the name of a file or folder and the descriptor of its parent; contents come first.
    Symlinks are skipped, since flushing their folder is enough."""

    kind = _kind(name, descriptor)
    if kind == stat.S_IFDIR:
        inner = os.open(name, _DIRECTORY, dir_fd=descriptor)
        try:
            for entry in os.listdir(inner):
                yield from _walk(entry, inner)
        finally:
            os.close(inner)
    if kind in (stat.S_IFREG, stat.S_IFDIR):
        yield name, descriptor
