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
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from git_spacy.errors import LocalFailure
from git_spacy.files import Staging, held, replace
from git_spacy.git.repository import Repository
from git_spacy.state.fingerprint import FileFact, Fingerprint
from git_spacy.state.index import cache

_CHUNK = 1 << 20
_CLONE = 0x40049409  # FICLONE of linux/fs.h: a copy that shares its blocks until one is written
_MOST_RESULTS = 16  # of one command with one input: trainings differ
_TEMPORARY = "tmp-"


class Result(NamedTuple):
    """What a command made: (path, md5, digest of names) of each output; the commit that it began on
    ("" if nobody knows), and when it was kept, in seconds since 1970."""

    outs: tuple[tuple[str, str, str], ...]
    commit: str = ""
    time: float = 0.0


class Size(NamedTuple):
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


class Store:
    """The store in the folder `top`, made when something is kept. With `link` files are shared with
    outputs by hard links: then nobody may write to an output in place."""

    def __init__(self, top: Path, *, link: bool = False) -> None:
        self._top = top
        self._link = link

    @classmethod
    def of(cls, root: Path, *, link: bool = False) -> Store:
        """The store of the repository that the project at `root` is in; outside of one, of that
        project alone."""

        repository = Repository.discover(root)
        home = repository.common_dir / "spacy" if repository else cache(root)
        return cls(home / "store", link=link)

    # Outputs.

    def has(self, digest: str, names: str | None = None) -> bool:
        """Whether there is an output with this md5 (and this digest of names, if one is given)."""

        return self._tree(digest, names) is not None

    def keep(self, facts: Sequence[FileFact], known: Fingerprint) -> None:
        """Keep an output that has these files and is known to be `known`.

        Raises LocalFailure if it changes meanwhile, OSError.
        """

        if tree := self._tree(known.digest, known.names):
            _use(tree)
            return
        with self._alone():
            hasher = hashlib.md5(usedforsecurity=False)
            files = [self._kept(fact, hasher) for fact in facts]
            if hasher.hexdigest() != known.digest:
                raise LocalFailure("an output changed while it was stored", mend="run it again")
            self._write(_tree_name(known.digest, known.names), [list(file) for file in files])

    def bring(self, digest: str, names: str | None, staged: Staging) -> bool:
        """Put the output with this md5 into `staged`; False: it is not here. The caller looks
        whether what came is right. Raises OSError."""

        tree = self._tree(digest, names)
        if tree is None:
            return False
        for file in map(_File._make, _read(tree)):
            at = staged.path / file.name if file.name else staged.path
            if file.name:
                at.parent.mkdir(parents=True, exist_ok=True)
            if not self._out(file, at):
                return False
        _use(tree)
        return True

    def forget(self, digest: str) -> None:
        """Forget outputs of this md5: one of them was damaged."""

        for path in (self._top / "trees" / digest[:2]).glob(f"{digest}-*"):
            path.unlink(missing_ok=True)

    def _tree(self, digest: str, names: str | None) -> Path | None:
        if names is not None:
            path = self._top / _tree_name(digest, names)
            return path if path.is_file() else None
        found = sorted((self._top / "trees" / digest[:2]).glob(f"{digest}-*"))
        return found[0] if found else None

    def _kept(self, fact: FileFact, hasher: Any) -> _File:
        is_executable = os.access(fact.path, os.X_OK)
        beside = self._beside()
        try:
            self._copy(Path(fact.path), beside, link=self._link and not is_executable)
            id = _sha256(beside, hasher)
            target = self._top / _object_name(id)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.chmod(beside, 0o444)
                os.rename(beside, target)
        finally:
            beside.unlink(missing_ok=True)
        return _File(fact.name, id, fact.size, is_executable)

    def _out(self, file: _File, target: Path) -> bool:
        # (whether a file may be executed is its own business, and not that of its content)
        link = self._link and not file.is_executable
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
            write.flush()
            os.fsync(write.fileno())

    # Results.

    def results(self, key: str) -> list[Result]:
        """What was made under this key, the latest first."""

        found = [_result(item) for item in _read(self._top / _result_name(key))]
        return [one for one in found if one is not None]

    def note(self, key: str, result: Result) -> None:
        """Note what was made under this key. Raises OSError."""

        known = self.results(key)
        if known and known[0].outs == result.outs:
            _use(self._top / _result_name(key))
            return
        with self._alone():
            others = [one for one in self.results(key) if one.outs != result.outs]
            stamped = result._replace(time=result.time or time.time())
            items = [list(one) for one in (stamped, *others)][:_MOST_RESULTS]
            self._write(_result_name(key), items)

    # Keeping house.

    def size(self) -> Size:
        """How much there is."""

        objects = [path.stat().st_size for path in self._files("objects")]
        results, trees = (sum(1 for _ in self._files(part)) for part in ("results", "trees"))
        return Size(results, trees, len(objects), sum(objects))

    def verify(self) -> list[str]:
        """Read everything; remove the files that are not what they are called and the outputs that
        lack one, and return the md5s of those."""

        with self._alone():
            for path in list(self._files("objects")):
                if _sha256(path) != path.parent.name + path.name:
                    path.unlink()
            broken = []
            for path in list(self._files("trees")):
                files = map(_File._make, _read(path))
                if not all((self._top / _object_name(file.id)).is_file() for file in files):
                    path.unlink()
                    broken.append(path.name.partition("-")[0])
            return broken

    def collect(self, older_than: float, keep: Iterable[str] = ()) -> Size:
        """Remove results and outputs that were not used for `older_than` seconds, but for outputs
        with the md5s `keep`; then what nothing names any more. Returns what was removed."""

        before = self.size()
        now, kept = time.time(), set(keep)
        with self._alone():
            for path in list(self._files("results")):
                if now - path.stat().st_mtime > older_than:
                    path.unlink()
            named = {
                digest
                for path in self._files("results")
                for item in _read(path)
                if (one := _result(item))
                for _, digest, _ in one.outs
            }
            for path in list(self._files("trees")):
                digest = path.name.partition("-")[0]
                is_old = now - path.stat().st_mtime > older_than
                if is_old and digest not in kept | named:
                    path.unlink()
            used = {
                _object_name(file.id)
                for path in self._files("trees")
                for file in map(_File._make, _read(path))
            }
            for path in list(self._files("objects")):
                if path.relative_to(self._top).as_posix() not in used:
                    path.unlink()
        after = self.size()
        return Size(*(old - new for old, new in zip(before, after, strict=True)))

    def _files(self, part: str) -> Iterator[Path]:
        return (self._top / part).glob("??/*")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with held(self._top / "lock"):
            for path in self._top.glob(f"{_TEMPORARY}*"):  # of somebody who was killed
                path.unlink(missing_ok=True)
            yield

    def _beside(self) -> Path:
        return self._top / f"{_TEMPORARY}{os.getpid()}"

    def _write(self, name: str, value: Any) -> None:
        path = self._top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, json.dumps(value).encode())


def _use(path: Path) -> None:
    """Let it be young for `collect`."""

    with suppress(OSError):  # somebody else's store may be read-only
        os.utime(path)


def _tree_name(digest: str, names: str) -> str:
    return f"trees/{digest[:2]}/{digest}-{names}"


def _object_name(id: str) -> str:
    return f"objects/{id[:2]}/{id[2:]}"


def _result_name(key: str) -> str:
    return f"results/{key[:2]}/{key[2:]}"


def _read(path: Path) -> list[Any]:
    """A list; empty where there is none, or nothing that can be understood."""

    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return []
    return value if isinstance(value, list) else []


def _result(item: Any) -> Result | None:
    try:
        outs, commit, when = item
        return Result(tuple((str(a), str(b), str(c)) for a, b, c in outs), str(commit), float(when))
    except (TypeError, ValueError):
        return None


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
