"""Pack a project's files for a machine without its folder, and unpack the outputs sent back.

The archive contains the files that are tracked by Git or not ignored, the dependencies of the
command, and its earlier outputs unless they are set aside, but no output of another command. The
tar with the outputs is not trusted: all members are checked before anything is written, and the
outputs are replaced once all are extracted.
"""

from __future__ import annotations

import io
import os
import posixpath
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any, NamedTuple

from git_spacy.containment import is_git_name, link_stays_inside
from git_spacy.errors import CheckFailed, ExternalError, Refused
from git_spacy.files import staging
from git_spacy.git import process
from git_spacy.git.repository import Repository
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.real_paths import leads_outside
from git_spacy.run.executor import missing_outputs
from git_spacy.safe_extract import OutputExtractor, read_members

_CHUNK_SIZE = 32 << 20
_END_OF_TAR = 2 * tarfile.BLOCKSIZE  # zeros after the last member
_VENV_MARKER = "pyvenv.cfg"  # present in every virtual environment
_STAGING_SUFFIXES = (".git-spacy-new", ".git-spacy-old")


# Packing the files of a command


def workspace_files(project: Project, command: Command, root: Path) -> list[str]:
    """Return the sorted paths, relative to `root`, of the files that `command` may read.

    Raises CheckFailed if it reads or writes outside of the project: that is never sent.
    """

    for path in (*command.deps, *command.produced):
        if path.outside or leads_outside(root, path.normal):
            raise CheckFailed(
                f"'{command.name}' uses '{path}', which is outside the project and is not sent to"
                " another machine",
                hint=f"run it here: {command.cli_name}\n"
                "or let the workers share the folders: git config spacy.rayShared true",
                file="project.yml",
                line=command.line,
            )
    outputs = {path.normal for other in project.commands for path in other.produced}
    names = {name for name in versioned_files(root) if outputs.isdisjoint(_with_parents(name))}
    # what is still there of the command's own outputs was not set aside, so that it can read them
    for path in command.deps + command.produced:
        names |= set(walk(root, path.normal))
    return sorted(name for name in names if is_packable(root, name))


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


def versioned_files(root: Path) -> Iterator[str]:
    """Yield the files that Git tracks or does not ignore; without Git, all that are not hidden; of
    a copy of the project, which is in Git's own folder, all."""

    try:
        repository = Repository.discover(Path(os.path.realpath(root)))
    except Refused:
        yield from walk(root, "")
        return
    if repository is None or repository.top is None or not process.available():
        yield from (name for name in walk(root, "") if not name.startswith("."))
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


def walk(root: Path, name: str) -> Iterator[str]:
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


def is_packable(root: Path, name: str) -> bool:
    """Return whether `name` is a file, or a link that points into the project."""

    path = root / name
    if name.endswith(_STAGING_SUFFIXES):
        return False
    if not os.path.islink(path):
        return os.path.isfile(path)
    return link_stays_inside(name, os.readlink(path), lambda inner: os.path.islink(root / inner))


def _with_parents(name: str) -> list[str]:
    return [name, *(name[:index] for index, letter in enumerate(name) if letter == "/")]


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


def unpack(stream: IO[bytes], command: Command, root: Path) -> None:
    """Replace the outputs of `command` by those in the tar `stream`: all of them or none.

    Raises Refused for a member that is not allowed, CheckFailed for a missing output, and
    ExternalError if the tar cannot be read.
    """

    paths = _outermost_paths(command.produced)
    try:
        with ExitStack() as stack:
            names = _check_members(stream, paths)
            _require_all_outputs(command, names)
            present = [path for path in paths if path.normal in names]
            stagings = {path: stack.enter_context(staging(root, path.normal)) for path in present}
            extractors = {
                path: OutputExtractor(path, staged.path, _refusal)
                for path, staged in stagings.items()
            }
            stream.seek(0)
            for member, tar in read_members(stream):
                extractors[_output_of(member, present)].extract(member, tar)
            for extractor in extractors.values():
                extractor.finish()
            for staged in stagings.values():
                staged.commit()
    except (tarfile.TarError, EOFError) as error:
        raise ExternalError(
            f"cannot read the outputs of '{command.name}' from the cluster: {error}",
            hint=command.cli_name,
        ) from None


def _check_members(stream: IO[bytes], paths: Sequence[ProjectPath]) -> set[str]:
    """Check the whole tar before anything is written; return the names in it, with all parents.

    Raises Refused for a member that is not allowed, TarError for a damaged tar.
    """

    extractors = {path: OutputExtractor(path, Path(), _refusal) for path in paths}
    names: set[str] = set()
    end = 0
    for member, tar in read_members(stream):
        extractors[_output_of(member, paths)].check(member)
        names.update(_with_parents(member.name))
        end = tar.offset
    for extractor in extractors.values():
        extractor.check_links()
    _refuse_truncated(stream, end)
    return names


def _output_of(member: tarfile.TarInfo, paths: Sequence[ProjectPath]) -> ProjectPath:
    """Return the output that a member belongs to. Raises Refused for what no worker packs."""

    if member.islnk() or posixpath.normpath(member.name) != member.name:
        raise _refusal(member.name, "which no worker sends")
    for path in paths:
        if path.normal in _with_parents(member.name):
            return path
    raise _refusal(member.name, "which is not under a declared output")


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


def _require_all_outputs(command: Command, names: set[str]) -> None:
    # checked in the tar, since an output of an earlier run may exist in the project
    missing = [path for path in command.produced if path.normal not in names]
    if missing:
        raise missing_outputs(command, missing)


def _refusal(name: str, reason: str) -> Refused:
    return Refused(f"refused an output from the cluster: {name!r}, {reason}")
