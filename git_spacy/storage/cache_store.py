"""Store outputs on this machine by content, for all branches and worktrees of a repository.

The cache is in `spacy/store` in the common folder of the repository: `objects/` has files by
sha256, `trees/` lists the files of an output by its md5, file names and layout, `results/` lists
the outputs of earlier runs. Every file is written atomically, and damaged files are never restored.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from git_spacy import formats, sharing
from git_spacy.background import BackgroundHash
from git_spacy.errors import InvalidInput, LocalFailure
from git_spacy.file_copy import copy_content
from git_spacy.file_locks import file_lock
from git_spacy.files import Staging, create, flush, write_atomic
from git_spacy.git.repository import Repository
from git_spacy.git.state_dir import user_cache_dir
from git_spacy.state.hashing import FileStat, Fingerprint
from git_spacy.storage.cached_tree import (
    CachedFile,
    CachedTree,
    read_json,
    read_tree,
    stat_regular_file,
)
from git_spacy.storage.output_layout import OutputLayout, path_key
from git_spacy.storage.staged_output import WrittenFiles

_CHUNK = 1 << 20
_MOST_RESULTS = 16  # of one command with the same input: training is not deterministic
_TEMPORARY = "tmp-"


class CachedResult(NamedTuple):
    """The outputs of a run as (path, md5, digest of file names), the commit that the run started on
    ("" if unknown), when the result was saved, in seconds since 1970, and the key of the layout of
    each output, if known."""

    outs: tuple[tuple[str, str, str], ...]
    commit: str = ""
    time: float = 0.0
    layouts: tuple[str, ...] = ()

    @property
    def content(self) -> tuple[object, ...]:
        """What distinguishes this result from others of the same command."""

        return self.outs, self.layouts


class CacheSize(NamedTuple):
    """The number of results, outputs and files in the cache, and the size of the files in bytes."""

    results: int
    trees: int
    objects: int
    bytes: int


class CacheStore:
    """The cache in the folder `top`, which is created by the first `save`.

    With `link`, files are shared with outputs by hard links; outputs must then not be modified in
    place.
    """

    def __init__(self, top: Path, *, link: bool = False) -> None:
        self._top = top
        self._link = link

    @classmethod
    def open_for(cls, root: Path, *, link: bool = False) -> CacheStore:
        """Return the cache of the repository that contains `root`, or else of the project alone."""

        repository = Repository.discover(root)
        home = repository.common_dir / "spacy" if repository else user_cache_dir(root)
        return cls(home / "store", link=link)

    # Outputs.

    def has(self, digest: str, names: str) -> bool:
        """Return whether the output with this md5 and these file names can be restored. Only files
        that were modified since their last use are read."""

        return any(self._is_complete(tree, verify=False) for tree in self._trees(digest, names))

    def has_intact(self, known: Fingerprint) -> bool:
        """Return whether the output is present and all its files, which are read, are intact."""

        trees = self._trees(known.digest, known.names)
        return any(all(map(self._is_intact, tree.files)) for tree in trees)

    def save(
        self, facts: Sequence[FileStat], known: Fingerprint, *, verify: bool = True,
        layout: OutputLayout | None = None, path: str = "",
    ) -> None:  # fmt: skip
        """Save the output at `path` with these files, this layout and the fingerprint `known`.

        An existing copy is read, and written again if it is damaged. Without `verify`, only those
        of its files are read that may have been modified since the last use.

        Raises LocalFailure if the output changes while it is read, InvalidInput for an unsupported
        file name, OSError.
        """

        layout = layout or OutputLayout(
            tuple(fact.name for fact in facts if os.access(fact.path, os.X_OK))
        )
        name = _tree_name(known.digest, known.names, layout.key(path))
        tree = read_tree(self._top / name)
        if tree and self._is_complete(tree, verify=verify):
            _touch(tree.path)
            return
        for fact in facts:
            formats.folder(fact.name)
        with self._exclusive():
            hasher = hashlib.md5(usedforsecurity=False)
            files = [self._save_file(fact, layout, hasher) for fact in facts]
            if hasher.hexdigest() != known.digest:
                raise LocalFailure(
                    "an output changed while it was saved to the cache",
                    hint="run the command again",
                )
            objects = {self._top / _object_name(file.id) for file in files}
            flush(objects | {path.parent for path in objects})
            saved = CachedTree(self._top / name, files, dict(layout.links), list(layout.folders))
            self._write(name, saved.document())

    def restore(
        self, digest: str, names: str | None, staged: Staging, *, path: str = "", layout: str = ""
    ) -> WrittenFiles | None:
        """Copy the output with this md5 into `staged` and return what was written, None if the
        output is not present.

        Prefers the layout with the key `layout`, or else the last one of the output at `path`. The
        caller must verify the content. Raises OSError.
        """

        preferred = layout or path_key(path)
        for tree in self._trees(digest, names, preferred):
            if self._is_complete(tree, verify=False):
                if written := self._restore_tree(tree, staged.path):
                    _touch(tree.path)
                    return written
                staged.discard()
        return None

    def _restore_tree(self, tree: CachedTree, top: Path) -> WrittenFiles | None:
        files = [file for file in tree.files if file.name not in tree.links]
        hasher = BackgroundHash()
        is_hashed, last = not tree.links, None
        try:
            for folder in tree.folders:
                (top / folder).mkdir(parents=True)
            for file in files:
                target = os.path.join(top, formats.folder(file.name)) if file.name else str(top)
                if file.name and (folder := os.path.dirname(target)) != last:
                    os.makedirs(folder, exist_ok=True)
                    last = folder
                is_hashed &= self._restore_file(file, target, hasher.update)
            for name, link in tree.links.items():
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                os.symlink(link, top / name)
        except (FileNotFoundError, FileExistsError, NotADirectoryError):
            return None  # an object is missing, or a name is both a file and a folder
        size = sum(file.size for file in files)
        digest = hasher.hexdigest() if is_hashed else ""
        return WrittenFiles([file.name for file in files], size, digest)

    def discard(self, digest: str, names: str | None) -> None:
        """Remove a damaged output from the list of outputs."""

        for tree in self._trees(digest, names):
            tree.path.unlink(missing_ok=True)

    def _trees(self, digest: str, names: str | None, preferred: str = "") -> list[CachedTree]:
        """Return the valid lists of files of an output, the last used first; before all others,
        those with a layout whose key begins with `preferred`."""

        beginning = f"{formats.md5(digest)}-"
        if names is not None:
            beginning += formats.names_digest(names)
        found = []
        for path in (self._top / "trees" / digest[:2]).glob(f"{beginning}*"):
            _, listed_names, *layout = path.name.split("-")
            if names in (None, listed_names) and (tree := read_tree(path)):
                is_other = not (layout and layout[0].startswith(preferred))
                found.append((is_other, -_used(path), path.name, tree))
        return [tree for *_, tree in sorted(found, key=lambda item: item[:3])]

    def _is_complete(self, tree: CachedTree, *, verify: bool) -> bool:
        """Return whether all files of an output are present and intact.

        Without `verify`, only files that were modified since the last use are read.
        """

        used = tree.path.stat().st_mtime_ns
        for file in tree.files:
            status = self._stat_object(file)
            if status is None or status.st_size != file.size:
                return False
            if (verify or status.st_mtime_ns >= used) and not self._is_intact(file):
                return False
        return True

    def _is_intact(self, file: CachedFile) -> bool:
        path = self._top / _object_name(file.id)
        try:
            return self._stat_object(file) is not None and _sha256(path) == file.id
        except OSError:
            return False

    def _stat_object(self, file: CachedFile) -> os.stat_result | None:
        """Return the status of a regular file in the cache, None for anything else."""

        return stat_regular_file(self._object_path(file))

    def _save_file(self, fact: FileStat, layout: OutputLayout, hasher: Any) -> CachedFile:
        is_executable = fact.name in layout.executables
        # the target of a link to a file elsewhere is not ours to make read-only
        is_linkable = not is_executable and fact.name not in layout.copied_links
        temporary = self._temporary_path()
        try:
            self._copy(Path(fact.path), temporary, link=self._link and is_linkable)
            id = _sha256(temporary, hasher)
            target = self._top / _object_name(id)
            sharing.make_folders(target.parent)
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            file = CachedFile(fact.name, id, fact.size, is_executable)
            # Replace an existing object, which may be damaged, but leave an intact one that is
            # shared with outputs by hard links.
            if not (self._link and self._is_intact(file)):
                os.chmod(temporary, stat.S_IMODE(sharing.adjusted(target, 0o444 & ~_umask())))
                os.rename(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
        return file

    def _restore_file(
        self, file: CachedFile, target: str, update_hash: Callable[[bytes], object]
    ) -> bool:
        """Return whether the content was passed to `update_hash`.

        Raises FileNotFoundError if it is missing or not a regular file.
        """

        source = self._object_path(file)
        # the executable bit belongs to the output's file, so it cannot share an inode
        if self._link and not file.is_executable and stat_regular_file(source):
            with suppress(OSError):  # another file system, or too many links
                os.link(source, target)
                return False
        with _open_object(source) as read, create(target, executable=file.is_executable) as write:
            return copy_content(read, write, update_hash)

    def _object_path(self, file: CachedFile) -> str:
        return f"{self._top}/{_object_name(file.id)}"

    def _copy(self, source: Path, target: Path, *, link: bool) -> None:
        if link:
            with suppress(OSError):  # another file system, or too many links
                os.link(source, target)
                return
        with open(source, "rb") as read, create(target) as write:
            copy_content(read, write)

    # Results.

    def results(self, key: str) -> list[CachedResult]:
        """Return the results with this key, newest first."""

        return _read_results(self._top / _result_name(key))

    def add_result(self, key: str, result: CachedResult) -> None:
        """Add a result to those with this key. Raises OSError."""

        known = self.results(key)
        if known and known[0].content == result.content:
            _touch(self._top / _result_name(key))
            return
        with self._exclusive():
            others = [other for other in self.results(key) if other.content != result.content]
            stamped = result._replace(time=result.time or time.time())
            items = [list(item) for item in (stamped, *others)][:_MOST_RESULTS]
            self._write(_result_name(key), items)

    # Maintenance.

    def size(self) -> CacheSize:
        """Return how much the cache contains."""

        objects = [
            status.st_size
            for path in self._cached_files("objects")
            if (status := stat_regular_file(path))
        ]
        results, trees = (sum(1 for _ in self._cached_files(part)) for part in ("results", "trees"))
        return CacheSize(results, trees, len(objects), sum(objects))

    def incomplete(self) -> int:
        """Return how many outputs lack a file, without reading the files."""

        trees = [read_tree(path) for path in self._cached_files("trees") if path.name[0] != "."]
        return sum(
            tree is None
            or any(
                (status := self._stat_object(file)) is None or status.st_size != file.size
                for file in tree.files
            )
            for tree in trees
        )

    def verify(self) -> list[str]:
        """Read all files, remove damaged files and incomplete outputs, and return the md5s of the
        removed outputs."""

        with self._exclusive():
            for path in list(self._cached_files("objects")):
                if stat_regular_file(path) is None or _sha256(path) != path.parent.name + path.name:
                    path.unlink()
            broken = []
            for path in list(self._cached_files("trees")):
                tree = read_tree(path)
                if tree is None or not all(map(self._stat_object, tree.files)):
                    path.unlink()
                    if not path.name.startswith("."):  # a temporary file of a killed process
                        broken.append(path.name.partition("-")[0])
            return broken

    def collect(self, older_than: float, keep: Iterable[str] = ()) -> CacheSize:
        """Remove results and outputs unused for `older_than` seconds, then unreferenced files.

        Outputs with an md5 in `keep` stay. Returns how much was removed.
        """

        before = self.size()
        now, protected = time.time(), set(keep)
        with self._exclusive():
            for path in list(self._cached_files("results")):
                if now - os.lstat(path).st_mtime > older_than:
                    path.unlink()
            referenced = {
                digest
                for path in self._cached_files("results")
                for result in _read_results(path)
                for _, digest, _ in result.outs
            }
            for path in list(self._cached_files("trees")):
                digest = path.name.partition("-")[0]
                is_old = now - os.lstat(path).st_mtime > older_than
                if is_old and digest not in protected | referenced:
                    path.unlink()
            used = {
                _object_name(file.id)
                for path in self._cached_files("trees")
                if (tree := read_tree(path))
                for file in tree.files
            }
            for path in list(self._cached_files("objects")):
                if path.relative_to(self._top).as_posix() not in used:
                    path.unlink()
        after = self.size()
        return CacheSize(*(old - new for old, new in zip(before, after, strict=True)))

    def _cached_files(self, part: str) -> Iterator[Path]:
        paths = (self._top / part).glob("??/*")
        return (path for path in paths if path.is_symlink() or not path.is_dir())

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with file_lock(self._top / "lock"):
            for path in self._top.glob(f"{_TEMPORARY}*"):  # of killed processes
                path.unlink(missing_ok=True)
            yield

    def _temporary_path(self) -> Path:
        return self._top / f"{_TEMPORARY}{os.getpid()}"

    def _write(self, name: str, value: Any) -> None:
        path = self._top / name
        sharing.make_folders(path.parent)
        write_atomic(path, json.dumps(value).encode())


def _open_object(path: str) -> BinaryIO:
    """Open a regular file, and nothing else, for reading."""

    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise
        raise _missing(path) from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise _missing(path)
    return cast(BinaryIO, FileIO(file))


def _missing(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _touch(path: Path) -> None:
    """Mark a file as used now, for `collect`."""

    with suppress(OSError):  # the cache of another user may be read-only
        os.utime(path)


def _used(path: Path) -> int:
    try:
        return os.lstat(path).st_mtime_ns
    except OSError:
        return 0


def _tree_name(digest: str, names: str, layout: str) -> str:
    return f"trees/{formats.md5(digest)[:2]}/{digest}-{formats.names_digest(names)}-{layout}"


def _object_name(id: str) -> str:
    return f"objects/{formats.sha256(id)[:2]}/{id[2:]}"


def _result_name(key: str) -> str:
    return f"results/{formats.sha256(key)[:2]}/{key[2:]}"


def _read_results(path: Path) -> list[CachedResult]:
    items = read_json(path)
    listed = items if isinstance(items, list) else ()
    return [result for item in listed if (result := _parse_result(item))]


def _parse_result(item: Any) -> CachedResult | None:
    try:
        outs, commit, when, *layouts = item  # older results have no layouts
        outputs = ((formats.line(a), formats.md5(b), formats.names_digest(c)) for a, b, c in outs)
        return CachedResult(
            tuple(outputs),
            formats.object_id(commit),
            formats.number(when),
            tuple(map(formats.md5, *layouts)) if layouts else (),
        )
    except (InvalidInput, TypeError, ValueError):
        return None


def _sha256(path: Path, second_hasher: Any = None) -> str:
    hasher = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    with open(path, "rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            hasher.update(buffer[:count])
            if second_hasher is not None:
                second_hasher.update(buffer[:count])
    return hasher.hexdigest()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
