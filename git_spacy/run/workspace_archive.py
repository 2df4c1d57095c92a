"""Pack a project's files for a machine without its folder, and unpack the outputs sent back.

The archive contains the files that are tracked by Git or not ignored, and the dependencies of the
command, but no output of another command. The tar with the outputs is not trusted: all members are
validated before anything is written, and the outputs are replaced once all are extracted.
"""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

from git_spacy.errors import ExternalError, Refused
from git_spacy.files import Staging, staging
from git_spacy.git import process
from git_spacy.git.repository import Repository
from git_spacy.git_names import is_git_name
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.run.executor import missing_outputs

_CHUNK_SIZE = 32 << 20
_COPY_SIZE = 1 << 20
_END_OF_TAR = 2 * tarfile.BLOCKSIZE  # zeros after the last member
_VENV_MARKER = "pyvenv.cfg"  # present in every virtual environment
_STAGING_SUFFIXES = (".git-spacy-new", ".git-spacy-old")


# Packing the files of a command


def workspace_files(project: Project, command: Command, root: Path) -> list[str]:
    """Return the sorted paths, relative to `root`, of the files that `command` may read."""

    outputs = {path.normal for other in project.commands for path in other.produced}
    names = {name for name in _versioned_files(root) if outputs.isdisjoint(_with_parents(name))}
    for dep in command.deps:
        names |= set(_walk(root, dep.normal))
    return sorted(name for name in names if _is_packable(root, name))


class ArchiveContent(NamedTuple):
    """The folders to create and the files to pack, each with its mtime and size; equal contents
    need to be packed only once."""

    folders: tuple[str, ...]
    files: tuple[tuple[str, int, int], ...]


def archive_content(project: Project, command: Command, root: Path) -> ArchiveContent:
    """Return the content to pack for `command`: the files that it may read, the project's
    directories, and the parent folders of its outputs."""

    names = workspace_files(project, command, root)
    states = [(name, os.lstat(root / name)) for name in names]
    files = tuple((name, state.st_mtime_ns, state.st_size) for name, state in states)
    return ArchiveContent(tuple(_archive_folders(project, command, root)), files)


def pack_chunks(
    content: ArchiveContent, root: Path, put: Callable[[bytes], Any]
) -> tuple[Any, ...]:
    """Pack the content into a tar, pass its chunks to `put`, and return the results of `put`."""

    chunks: list[Any] = []
    writer: Any = _ChunkWriter(lambda data: chunks.append(put(data)))
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for folder in content.folders:
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, *_ in content.files:
            tar.inodes.clear()  # type: ignore[attr-defined]  # store hard links as separate files
            tar.add(root / name, name, recursive=False)
    writer.close()
    return tuple(chunks)


def _archive_folders(project: Project, command: Command, root: Path) -> list[str]:
    parents = (os.path.dirname(path.normal) for path in command.produced)
    existing = {folder for folder in parents if folder and (root / folder).is_dir()}
    return sorted(existing | {path.normal for path in project.directories})


def _versioned_files(root: Path) -> Iterator[str]:
    """Yield the files that Git tracks or does not ignore; without Git, all that are not hidden."""

    repository = Repository.discover(Path(os.path.realpath(root)))
    if repository is None or repository.top is None or not process.available():
        yield from (name for name in _walk(root, "") if not name.startswith("."))
        return
    prefix = os.path.relpath(os.path.realpath(root), os.path.realpath(repository.top))
    pathspecs = () if prefix == "." else (f":(top,literal){prefix}",)
    done = repository.run_git(
        ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *pathspecs)
    )
    skip = 0 if prefix == "." else len(prefix) + 1
    cache: dict[str, bool] = {}
    for path in map(os.fsdecode, done.stdout.split(b"\0")[:-1]):
        name = path[skip:]
        if not name.endswith("/") and not _in_virtualenv(root, name, cache):
            yield name


def _in_virtualenv(root: Path, name: str, cache: dict[str, bool]) -> bool:
    folder = os.path.dirname(name)
    if not folder:
        return False
    if folder not in cache:
        has_marker = (root / folder / _VENV_MARKER).exists()
        cache[folder] = has_marker or _in_virtualenv(root, folder, cache)
    return cache[folder]


def _walk(root: Path, name: str) -> Iterator[str]:
    """Yield the files and links at or below `name`, except in .git and virtual environments."""

    if name and (os.path.islink(root / name) or not os.path.isdir(root / name)):
        yield name
        return
    for folder, folders, names in os.walk(root / name):
        prefix = os.path.relpath(folder, root)
        links = [child for child in folders if os.path.islink(os.path.join(folder, child))]
        folders[:] = [
            child
            for child in folders
            if child not in links
            and not is_git_name(child)
            and not os.path.exists(os.path.join(folder, child, _VENV_MARKER))
        ]
        yield from (os.path.normpath(os.path.join(prefix, child)) for child in (*names, *links))


def _is_packable(root: Path, name: str) -> bool:
    """Return whether `name` is a file, or a link that points into the project."""

    path = root / name
    if name.endswith(_STAGING_SUFFIXES):
        return False
    if not os.path.islink(path):
        return os.path.isfile(path)
    return not _escapes(name, os.readlink(path), "")


def _with_parents(name: str) -> list[str]:
    return [name, *(name[:index] for index, letter in enumerate(name) if letter == "/")]


def _is_within(name: str, path: ProjectPath) -> bool:
    return name == path.normal or name.startswith(path.normal + "/")


class _ChunkWriter(io.RawIOBase):
    """A stream that passes the written data to `put` in chunks of about _CHUNK_SIZE."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self._put = put
        self._buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._buffer += data
        if len(self._buffer) >= _CHUNK_SIZE:
            self._put(bytes(self._buffer))
            self._buffer.clear()
        return len(data)

    def close(self) -> None:
        if self._buffer:
            self._put(bytes(self._buffer))
            self._buffer.clear()
        super().close()


# Unpacking the outputs


class _OutputMembers(NamedTuple):
    """The members of the tar for one declared output, with their paths relative to the output
    ("" for the output itself)."""

    path: ProjectPath
    members: tuple[tuple[str, tarfile.TarInfo], ...]


def unpack(stream: IO[bytes], command: Command, root: Path) -> None:
    """Replace the outputs of `command` by those in the tar `stream`: all of them or none.

    Raises Refused for a member that is not allowed, CheckFailed for a missing output, and
    ExternalError if the tar cannot be read.
    """

    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            outputs = _validated_members(tar.getmembers(), _outermost_paths(command.produced))
            _refuse_truncated(stream, tar.offset)
            _require_all_outputs(command, outputs)
            with ExitStack() as stack:
                stagings = []
                for output in outputs:
                    staged = stack.enter_context(staging(root, output.path.normal))
                    _write(tar, output, staged)
                    stagings.append(staged)
                for staged in stagings:
                    staged.commit()
    except (tarfile.TarError, EOFError) as error:
        raise ExternalError(
            f"cannot read the outputs of '{command.name}' from the cluster: {error}",
            hint=command.cli_name,
        ) from None


def _refuse_truncated(stream: IO[bytes], end: int) -> None:
    """Raise ReadError if the tar has no end marker.

    tarfile accepts a tar that is truncated within a header.
    """

    stream.seek(end)
    if stream.read(_END_OF_TAR) != bytes(_END_OF_TAR):
        raise tarfile.ReadError("truncated tar file")


def _outermost_paths(paths: Sequence[ProjectPath]) -> list[ProjectPath]:
    outermost: dict[str, ProjectPath] = {}
    for path in paths:
        if not any(other.holds(path) and other.normal != path.normal for other in paths):
            outermost.setdefault(path.normal, path)
    return list(outermost.values())


def _validated_members(
    members: Iterable[tarfile.TarInfo], paths: Sequence[ProjectPath]
) -> list[_OutputMembers]:
    """Group the members by output. Raises Refused for a member that is not allowed."""

    grouped: dict[str, list[tuple[str, tarfile.TarInfo]]] = {}
    is_folder: dict[str, bool] = {}  # by name
    for member in members:
        name = member.name
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part or is_git_name(part) for part in parts):
            raise _refusal(name, "is not a path in the project")
        path = next((path for path in paths if _is_within(name, path)), None)
        if path is None:
            raise _refusal(name, "is not under a declared output")
        if not (member.isreg() or member.isdir() or member.issym()):
            raise _refusal(name, "is neither a file nor a folder")
        parents = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if name in is_folder or not all(is_folder.get(parent, True) for parent in parents):
            raise _refusal(name, "occurs twice")
        is_folder[name] = member.isdir()
        relative = name[len(path.normal) + 1 :]
        if member.issym() and (not relative or _escapes(name, member.linkname, path.normal)):
            raise _refusal(name, f"is a link to {member.linkname!r}, outside the output")
        grouped.setdefault(path.normal, []).append((relative, member))
    return [
        _OutputMembers(path, tuple(grouped[path.normal]))
        for path in paths
        if path.normal in grouped
    ]


def _escapes(name: str, target: str, top: str) -> bool:
    """Return whether the link `name` points outside `top`, judged by the text of its target alone.

    `top` is a path in the project; "" is the project itself.
    """

    parts = target.split("/")
    joined = os.path.normpath(os.path.join(os.path.dirname(name), target))
    is_in_top = not top or joined == top or joined.startswith(top + "/")
    leaves_project = target.startswith(("/", "\\")) or joined == ".." or joined.startswith("../")
    return not target or leaves_project or not is_in_top or any(map(is_git_name, parts))


def _require_all_outputs(command: Command, outputs: Sequence[_OutputMembers]) -> None:
    # checked in the tar, since an output of an earlier run may exist in the project
    names = {member.name for output in outputs for _, member in output.members}
    names = {parent for name in names for parent in _with_parents(name)}
    missing = [path for path in command.produced if path.normal not in names]
    if missing:
        raise missing_outputs(command, missing)


def _write(tar: tarfile.TarFile, output: _OutputMembers, staged: Staging) -> None:
    """Extract the members to the staging path: folders and files first, then links."""

    first, member = output.members[0]
    if not first and member.isreg():
        with staged.open() as target:
            _copy(tar, member, target)
        return
    os.mkdir(staged.path)
    links = []
    for name, member in output.members:
        path = staged.path / name
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.issym():
            links.append((path, member))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with open(os.open(path, flags, 0o666), "wb") as target:
                _copy(tar, member, target)
    for path, _ in links:
        path.parent.mkdir(parents=True, exist_ok=True)
    for path, member in links:
        os.symlink(member.linkname, path)
    top = os.path.realpath(staged.path)
    for path, member in links:
        real = os.path.realpath(path)
        if real != top and not real.startswith(top + os.sep):
            raise _refusal(member.name, f"is a link to {member.linkname!r}, outside the output")


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: IO[bytes]) -> None:
    source = tar.extractfile(member)
    assert source is not None
    shutil.copyfileobj(source, target, _COPY_SIZE)
    if member.mode & 0o100:
        os.fchmod(target.fileno(), os.fstat(target.fileno()).st_mode | 0o111)


def _refusal(name: str, reason: str) -> Refused:
    return Refused(f"refused an output from the cluster: {name!r} {reason}")
