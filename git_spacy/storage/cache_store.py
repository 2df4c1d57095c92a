"""Outputs kept on this machine, by content, for all branches and work trees of a repository.

Below `spacy/store` in the repository's common folder: `objects/` has files by the sha256 of their
content, `trees/` says for the md5 and the names of an output which files it has, `results/` what
commands made of what. Everything is written beside its place first; what is damaged is never given
out. Knows nothing of projects.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from git_spacy import formats, sharing
from git_spacy.errors import InvalidInput, LocalFailure
from git_spacy.files import Staging, file_lock, flush, write_atomic
from git_spacy.git.repository import Repository
from git_spacy.state.hashing import FileStat, Fingerprint, digest_names
from git_spacy.state.stat_cache import user_cache_dir

_CHUNK = 1 << 20
_CLONE = 0x40049409  # FICLONE of linux/fs.h: a copy that shares its blocks until one is written
_MOST_RESULTS = 16  # of one command with one input: trainings differ
_MOST_BYTES = 64 << 20  # of a list of files or results: what is larger is not ours
_TEMPORARY = "tmp-"


class CachedResult(NamedTuple):
    """What a command made: (path, md5, digest of names) of each output; the commit that it began on
    ("" if nobody knows), and when it was kept, in seconds since 1970."""

    outs: tuple[tuple[str, str, str], ...]
    commit: str = ""
    time: float = 0.0


class CacheSize(NamedTuple):
    """How much there is: results, outputs, files, and bytes of files."""

    results: int
    trees: int
    objects: int
    bytes: int


class _File(NamedTuple):
    """One file of an output: its name below it ("" for itself), sha256, size, and whether it may be
    executed."""

    name: str
    id: str
    size: int
    is_executable: bool


class _Tree(NamedTuple):
    """An output in the store: where its list of files is, and the files."""

    path: Path
    files: list[_File]


class CacheStore:
    """The store in the folder `top`, made when something is kept. With `link` files are shared with
    outputs by hard links: then nobody may write to an output in place."""

    def __init__(self, top: Path, *, link: bool = False) -> None:
        self._top = top
        self._link = link

    @classmethod
    def open_for(cls, root: Path, *, link: bool = False) -> CacheStore:
        """The store of the repository that the project at `root` is in; outside of one, of that
        project alone."""

        repository = Repository.discover(root)
        home = repository.common_dir / "spacy" if repository else user_cache_dir(root)
        return cls(home / "store", link=link)

    # Outputs.

    def has(self, digest: str, names: str | None = None) -> bool:
        """Whether there is an output with this md5 (and this digest of names, if one is given), as
        far as can be told without reading its files."""

        return self._tree(digest, names) is not None

    def has_intact(self, known: Fingerprint) -> bool:
        """Whether there is an output like this, and each of its files is read and right."""

        tree = self._tree(known.digest, known.names)
        return tree is not None and all(map(self._is_intact, tree.files))

    def save(self, facts: Sequence[FileStat], known: Fingerprint, *, verify: bool = True) -> None:
        """Keep an output that has these files and is known to be `known`. What is damaged of a copy
        that is kept already is written again; to find that, its files are read, or without
        `verify` only those that may have been written to since it was last in use.

        Raises LocalFailure if it changes meanwhile, Malformed for a name that is not kept, OSError.
        """

        tree = self._tree(known.digest, known.names)
        if tree and self._is_kept(tree, verify=verify):
            _touch(tree.path)
            return
        for fact in facts:
            formats.folder(fact.name)
        with self._exclusive():
            hasher = hashlib.md5(usedforsecurity=False)
            files = [self._save_file(fact, hasher) for fact in facts]
            if hasher.hexdigest() != known.digest:
                raise LocalFailure("an output changed while it was stored", hint="run it again")
            objects = {self._top / _object_name(file.id) for file in files}
            flush(objects | {path.parent for path in objects})
            self._write(_tree_name(known.digest, known.names), [list(file) for file in files])

    def restore(self, digest: str, names: str | None, staged: Staging) -> bool:
        """Put the output with this md5 into `staged`; False: it is not here. The caller looks
        whether what came is right. Raises OSError."""

        tree = self._tree(digest, names)
        if tree is None or not self._is_kept(tree, verify=False):
            return False
        try:
            is_whole = all(self._restore_file(file, staged.path) for file in tree.files)
        except (FileExistsError, NotADirectoryError):  # a file that is a folder, too
            return False
        if is_whole:
            _touch(tree.path)
        return is_whole

    def discard(self, digest: str, names: str | None) -> None:
        """Forget the output with this md5: it was damaged."""

        if tree := self._tree(digest, names):
            tree.path.unlink(missing_ok=True)

    def _tree(self, digest: str, names: str | None) -> _Tree | None:
        """The list of the files of an output; None if there is none that can be understood."""

        if names is not None:
            return _tree_at(self._top / _tree_name(digest, names))
        above = self._top / "trees" / formats.md5(digest)[:2]
        listed = sorted(os.listdir(above)) if above.is_dir() else []
        found = (_tree_at(above / name) for name in listed if name.startswith(f"{digest}-"))
        return next(filter(None, found), None)

    def _is_kept(self, tree: _Tree, *, verify: bool) -> bool:
        """Whether all files of an output are there as they were kept; without `verify` only those
        are read that were written to since the output was last in use."""

        used = tree.path.stat().st_mtime_ns
        for file in tree.files:
            status = self._stat(file)
            if status is None or status.st_size != file.size:
                return False
            if (verify or status.st_mtime_ns >= used) and not self._is_intact(file):
                return False
        return True

    def _is_intact(self, file: _File) -> bool:
        path = self._top / _object_name(file.id)
        try:
            return self._stat(file) is not None and _sha256(path) == file.id
        except OSError:
            return False

    def _stat(self, file: _File) -> os.stat_result | None:
        """What the system says of a file in the store; None: it is not there, or no file."""

        return _stat(self._top / _object_name(file.id))

    def _save_file(self, fact: FileStat, hasher: Any) -> _File:
        is_executable = os.access(fact.path, os.X_OK)
        beside = self._beside()
        try:
            self._copy(Path(fact.path), beside, link=self._link and not is_executable)
            id = _sha256(beside, hasher)
            target = self._top / _object_name(id)
            sharing.make_folders(target.parent)
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            file = _File(fact.name, id, fact.size, is_executable)
            # also over one that is there, which may be damaged; but a link that is shared with
            # other outputs stays, if it is not
            if not (self._link and self._is_intact(file)):
                os.chmod(beside, stat.S_IMODE(sharing.adjusted(target, 0o444 & ~_umask())))
                os.rename(beside, target)
        finally:
            beside.unlink(missing_ok=True)
        return file

    def _restore_file(self, file: _File, top: Path) -> bool:
        # (whether a file may be executed is its own business, and not that of its content)
        link = self._link and not file.is_executable
        if self._stat(file) is None:
            return False
        target = top / formats.folder(file.name)
        if file.name:
            target.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._copy(self._top / _object_name(file.id), target, link=link)
        except FileNotFoundError:
            return False
        if not link:
            os.chmod(target, (0o777 if file.is_executable else 0o666) & ~_umask())
        return True

    def _copy(self, source: Path, target: Path, *, link: bool) -> None:
        if link:
            with suppress(OSError):  # another file system; more links than it has
                os.link(source, target)
                return
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(source, "rb") as read, open(os.open(target, flags, 0o600), "wb") as write:
            if not _cloned(read, write):
                shutil.copyfileobj(read, write, _CHUNK)

    # Results.

    def results(self, key: str) -> list[CachedResult]:
        """What was made under this key, the latest first."""

        return _results(self._top / _result_name(key))

    def add_result(self, key: str, result: CachedResult) -> None:
        """Note what was made under this key. Raises OSError."""

        known = self.results(key)
        if known and known[0].outs == result.outs:
            _touch(self._top / _result_name(key))
            return
        with self._exclusive():
            others = [one for one in self.results(key) if one.outs != result.outs]
            stamped = result._replace(time=result.time or time.time())
            items = [list(one) for one in (stamped, *others)][:_MOST_RESULTS]
            self._write(_result_name(key), items)

    # Keeping house.

    def size(self) -> CacheSize:
        """How much there is."""

        objects = [found.st_size for path in self._files("objects") if (found := _stat(path))]
        results, trees = (sum(1 for _ in self._files(part)) for part in ("results", "trees"))
        return CacheSize(results, trees, len(objects), sum(objects))

    def verify(self) -> list[str]:
        """Read everything; remove the files that are not what they are called and the outputs that
        lack one, and return the md5s of those."""

        with self._exclusive():
            for path in list(self._files("objects")):
                if _stat(path) is None or _sha256(path) != path.parent.name + path.name:
                    path.unlink()
            broken = []
            for path in list(self._files("trees")):
                tree = _tree_at(path)
                if tree is None or not all(map(self._stat, tree.files)):
                    path.unlink()
                    if not path.name.startswith("."):  # what a killed process was writing
                        broken.append(path.name.partition("-")[0])
            return broken

    def collect(self, older_than: float, keep: Iterable[str] = ()) -> CacheSize:
        """Remove results and outputs that were not used for `older_than` seconds, but for outputs
        with the md5s `keep`; then what nothing names any more. Returns what was removed."""

        before = self.size()
        now, kept = time.time(), set(keep)
        with self._exclusive():
            for path in list(self._files("results")):
                if now - os.lstat(path).st_mtime > older_than:
                    path.unlink()
            named = {
                digest
                for path in self._files("results")
                for one in _results(path)
                for _, digest, _ in one.outs
            }
            for path in list(self._files("trees")):
                digest = path.name.partition("-")[0]
                is_old = now - os.lstat(path).st_mtime > older_than
                if is_old and digest not in kept | named:
                    path.unlink()
            used = {
                _object_name(file.id)
                for path in self._files("trees")
                if (tree := _tree_at(path))
                for file in tree.files
            }
            for path in list(self._files("objects")):
                if path.relative_to(self._top).as_posix() not in used:
                    path.unlink()
        after = self.size()
        return CacheSize(*(old - new for old, new in zip(before, after, strict=True)))

    def _files(self, part: str) -> Iterator[Path]:
        found = (self._top / part).glob("??/*")
        return (path for path in found if path.is_symlink() or not path.is_dir())

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        with file_lock(self._top / "lock"):
            for path in self._top.glob(f"{_TEMPORARY}*"):  # of somebody who was killed
                path.unlink(missing_ok=True)
            yield

    def _beside(self) -> Path:
        return self._top / f"{_TEMPORARY}{os.getpid()}"

    def _write(self, name: str, value: Any) -> None:
        path = self._top / name
        sharing.make_folders(path.parent)
        write_atomic(path, json.dumps(value).encode())


def _touch(path: Path) -> None:
    """Let it be young for `collect`."""

    with suppress(OSError):  # somebody else's store may be read-only
        os.utime(path)


def _tree_name(digest: str, names: str) -> str:
    return f"trees/{formats.md5(digest)[:2]}/{digest}-{formats.names_digest(names)}"


def _object_name(id: str) -> str:
    return f"objects/{formats.sha256(id)[:2]}/{id[2:]}"


def _result_name(key: str) -> str:
    return f"results/{formats.sha256(key)[:2]}/{key[2:]}"


def _read(path: Path) -> list[Any] | None:
    """A list; None where there is none, or nothing that can be understood."""

    try:
        status = _stat(path)
        if status is None or status.st_size > _MOST_BYTES:
            return None
        value = formats.document(path.read_bytes())
    except (OSError, InvalidInput):
        return None
    return value if isinstance(value, list) else None


def _tree_at(path: Path) -> _Tree | None:
    """The files of an output that this file lists; None if it is no such list, or that of an
    output with other names."""

    value = _read(path)
    if value is None:
        return None
    try:
        files = [_file(item) for item in value]
    except (InvalidInput, TypeError, ValueError):
        return None
    names = digest_names([file.name for file in files])
    return _Tree(path, files) if names == path.name.partition("-")[2] else None


def _file(item: Any) -> _File:
    name, id, size, is_executable = item
    where = formats.folder(name)
    return _File(where, formats.sha256(id), formats.size(size), is_executable is True)


def _results(path: Path) -> list[CachedResult]:
    return [one for item in _read(path) or () if (one := _result(item))]


def _result(item: Any) -> CachedResult | None:
    try:
        outs, commit, when = item
        made = ((formats.line(a), formats.md5(b), formats.names_digest(c)) for a, b, c in outs)
        return CachedResult(tuple(made), formats.object_id(commit), formats.number(when))
    except (InvalidInput, TypeError, ValueError):
        return None


def _stat(path: Path) -> os.stat_result | None:
    """What the system says of a file; None: it is not there, or is no file."""

    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def _sha256(path: Path, also: Any = None) -> str:
    hasher = hashlib.sha256()
    buffer = memoryview(bytearray(_CHUNK))
    with open(path, "rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            hasher.update(buffer[:count])
            if also is not None:
                also.update(buffer[:count])
    return hasher.hexdigest()


def _cloned(source: BinaryIO, target: BinaryIO) -> bool:
    try:
        fcntl.ioctl(target.fileno(), _CLONE, source.fileno())
    except OSError:
        return False
    return True


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
