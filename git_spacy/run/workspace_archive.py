"""What travels to a machine that does not have the project's folder, and what comes back from it.

There: the files that Git has or would take, what the command reads, and no output of another. Back:
its outputs and nothing else; a tar of a stranger's making, looked at as a whole before anything is
written, and swapped in when all of it lies beside. Knows no cluster.
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

from git_spacy.errors import CheckFailed, ExternalError, Problem, Refused
from git_spacy.files import Staging, staging
from git_spacy.git import process
from git_spacy.git.repository import Repository
from git_spacy.git_names import is_git_name
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath

_CHUNK = 32 << 20
_COPY = 1 << 20
_END = 2 * tarfile.BLOCKSIZE  # of zeros, after the last member
_VIRTUAL = "pyvenv.cfg"  # what makes a folder a virtual environment
_OURS = (".git-spacy-new", ".git-spacy-old")


# There


def files(project: Project, command: Command, root: Path) -> list[str]:
    """What `command` may read, as paths below `root`, sorted."""

    others = {path.normal for one in project.commands for path in one.produced}
    found = {name for name in _candidates(root) if others.isdisjoint(_at_and_above(name))}
    for dep in command.deps:
        found |= set(_below(root, dep.normal))
    return sorted(name for name in found if _travels(root, name))


class ArchiveContent(NamedTuple):
    """The folders that are to be there, and the files, each with its time and size: equal where
    the same would travel."""

    folders: tuple[str, ...]
    files: tuple[tuple[str, int, int], ...]


def content(project: Project, command: Command, root: Path) -> ArchiveContent:
    """What travels for `command`: its files, the project's own folders and those that its outputs
    lie in."""

    found = [(name, os.lstat(root / name)) for name in files(project, command, root)]
    facts = tuple((name, state.st_mtime_ns, state.st_size) for name, state in found)
    return ArchiveContent(tuple(_folders(project, command, root)), facts)


def pack_chunks(some: ArchiveContent, root: Path, put: Callable[[bytes], Any]) -> tuple[Any, ...]:
    """A tar of that, in chunks, each as `put` has it."""

    chunks: list[Any] = []
    sink: Any = _Chunks(lambda data: chunks.append(put(data)))
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for folder in some.folders:
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, *_ in some.files:
            tar.inodes.clear()  # type: ignore[attr-defined]  # two names are two files there
            tar.add(root / name, name, recursive=False)
    sink.close()
    return tuple(chunks)


def _folders(project: Project, command: Command, root: Path) -> list[str]:
    above = (os.path.dirname(path.normal) for path in command.produced)
    found = {folder for folder in above if folder and (root / folder).is_dir()}
    return sorted(found | {path.normal for path in project.directories})


def _candidates(root: Path) -> Iterator[str]:
    """What Git has or would take; where there is no Git to ask, all that is not hidden."""

    repository = Repository.discover(Path(os.path.realpath(root)))
    if repository is None or repository.top is None or not process.available():
        yield from (name for name in _below(root, "") if not name.startswith("."))
        return
    inside = os.path.relpath(os.path.realpath(root), os.path.realpath(repository.top))
    where = () if inside == "." else (f":(top,literal){inside}",)
    done = repository.run_git(
        ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *where)
    )
    skip = 0 if inside == "." else len(inside) + 1
    virtual: dict[str, bool] = {}
    for name in map(os.fsdecode, done.stdout.split(b"\0")[:-1]):
        own = name[skip:]
        if not own.endswith("/") and not _in_virtual(root, own, virtual):
            yield own


def _in_virtual(root: Path, name: str, known: dict[str, bool]) -> bool:
    folder = os.path.dirname(name)
    if not folder:
        return False
    if folder not in known:
        known[folder] = (root / folder / _VIRTUAL).exists() or _in_virtual(root, folder, known)
    return known[folder]


def _below(root: Path, name: str) -> Iterator[str]:
    """The files and links at or below `name`; Git's folders and virtual environments left out."""

    if name and (os.path.islink(root / name) or not os.path.isdir(root / name)):
        yield name
        return
    for folder, folders, names in os.walk(root / name):
        inside = os.path.relpath(folder, root)
        links = [one for one in folders if os.path.islink(os.path.join(folder, one))]
        folders[:] = [
            one
            for one in folders
            if one not in links
            and not is_git_name(one)
            and not os.path.exists(os.path.join(folder, one, _VIRTUAL))
        ]
        yield from (os.path.normpath(os.path.join(inside, one)) for one in (*names, *links))


def _travels(root: Path, name: str) -> bool:
    """A file; or a link that stays in the project."""

    path = root / name
    if name.endswith(_OURS):
        return False
    if not os.path.islink(path):
        return os.path.isfile(path)
    return not _leads_out(name, os.readlink(path), "")


def _at_and_above(name: str) -> list[str]:
    return [name, *(name[:at] for at, letter in enumerate(name) if letter == "/")]


def _at_or_below(name: str, path: ProjectPath) -> bool:
    return name == path.normal or name.startswith(path.normal + "/")


class _Chunks(io.RawIOBase):
    """A stream that hands on what is written, in pieces of a size."""

    def __init__(self, hand_on: Callable[[bytes], None]) -> None:
        self._hand_on = hand_on
        self._kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._kept += data
        if len(self._kept) >= _CHUNK:
            self._hand_on(bytes(self._kept))
            self._kept.clear()
        return len(data)

    def close(self) -> None:
        if self._kept:
            self._hand_on(bytes(self._kept))
            self._kept.clear()
        super().close()


# Back


class _OutputMembers(NamedTuple):
    """A declared output, and its members by their names below it, "" for itself."""

    path: ProjectPath
    members: tuple[tuple[str, tarfile.TarInfo], ...]


def unpack(stream: IO[bytes], command: Command, root: Path) -> None:
    """Put the outputs of `command`, a tar, into their places: all or none.

    Raises Unsafe for what must not be, CheckFailed for an output that is not in it, Unavailable
    where it is no tar.
    """

    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            outputs = _checked(tar.getmembers(), _outermost(command.produced))
            _refuse_cut_short(stream, tar.offset)
            _all_there(command, outputs)
            with ExitStack() as stack:
                staged = []
                for output in outputs:
                    one = stack.enter_context(staging(root, output.path.normal))
                    _write(tar, output, one)
                    staged.append(one)
                for one in staged:
                    one.commit()
    except (tarfile.TarError, EOFError) as error:
        raise ExternalError(
            f"what came back of '{command.name}' cannot be read: {error}", hint=command.cli_name
        ) from None


def _refuse_cut_short(stream: IO[bytes], end: int) -> None:
    """tarfile takes one that ends in a header for whole."""

    stream.seek(end)
    if stream.read(_END) != bytes(_END):
        raise tarfile.ReadError("it is cut short")


def _outermost(paths: Sequence[ProjectPath]) -> list[ProjectPath]:
    found: dict[str, ProjectPath] = {}
    for path in paths:
        if not any(other.holds(path) and other.normal != path.normal for other in paths):
            found.setdefault(path.normal, path)
    return list(found.values())


def _checked(
    members: Iterable[tarfile.TarInfo], paths: Sequence[ProjectPath]
) -> list[_OutputMembers]:
    """The members by output. Raises Unsafe."""

    found: dict[str, list[tuple[str, tarfile.TarInfo]]] = {}
    seen: dict[str, bool] = {}  # name → whether it is a folder
    for member in members:
        name = member.name
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part or is_git_name(part) for part in parts):
            raise _refused(name, "is no path in the project")
        path = next((path for path in paths if _at_or_below(name, path)), None)
        if path is None:
            raise _refused(name, "is not under a declared output")
        if not (member.isreg() or member.isdir() or member.issym()):
            raise _refused(name, "is neither a file nor a folder")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        if name in seen or not all(seen.get(folder, True) for folder in above):
            raise _refused(name, "is there twice")
        seen[name] = member.isdir()
        below = name[len(path.normal) + 1 :]
        if member.issym() and (not below or _leads_out(name, member.linkname, path.normal)):
            raise _refused(name, f"is a link that leads out, to {member.linkname!r}")
        found.setdefault(path.normal, []).append((below, member))
    return [
        _OutputMembers(path, tuple(found[path.normal])) for path in paths if path.normal in found
    ]


def _leads_out(name: str, target: str, top: str) -> bool:
    """Whether the link `name`, by its text alone, leads out of the folder `top` of the project."""

    parts = target.split("/")
    joined = os.path.normpath(os.path.join(os.path.dirname(name), target))
    inside = not top or joined == top or joined.startswith(top + "/")
    leaves = target.startswith(("/", "\\")) or joined == ".." or joined.startswith("../")
    return not target or leaves or not inside or any(map(is_git_name, parts))


def _all_there(command: Command, outputs: Sequence[_OutputMembers]) -> None:
    # one that lies here from an earlier run must not pass for what was made now
    names = {member.name for output in outputs for _, member in output.members}
    names = {above for name in names for above in _at_and_above(name)}
    unmade = [path for path in command.produced if path.normal not in names]
    if unmade:
        raise CheckFailed.from_problems(
            Problem(
                f"'{command.name}' did not make its output '{path}'",
                "correct the script, or the path under 'outputs'",
                f"project.yml:{command.line}",
            )
            for path in unmade
        )


def _write(tar: tarfile.TarFile, output: _OutputMembers, staged: Staging) -> None:
    """Write the members beside the output: folders, files, and links when all else lies there."""

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
            raise _refused(member.name, f"is a link that leads out, to {member.linkname!r}")


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, target: IO[bytes]) -> None:
    source = tar.extractfile(member)
    assert source is not None
    shutil.copyfileobj(source, target, _COPY)
    if member.mode & 0o100:
        os.fchmod(target.fileno(), os.fstat(target.fileno()).st_mode | 0o111)


def _refused(name: str, what: str) -> Refused:
    return Refused(f"what came back from the cluster is refused: {name!r} {what}")
