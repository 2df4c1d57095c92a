"""The stat index: what has not been touched is not read again.

As Git's own index does, it keeps for each path a signature over the names, sizes, times and inodes
of all its files, and the fingerprint that they had. It also remembers what project.lock has no
place for: the file names below folders, earlier variable sets, and what `assets` put where.
Deleting it only costs time. It is private to one work tree and never shared.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from git_spacy import formats
from git_spacy.errors import InvalidInput
from git_spacy.files import file_lock, write_atomic
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import (
    Fingerprint,
    StatSummary,
    digest_contents,
    digest_file_names,
    files_below,
    stat_summary,
)

_VERSION = 1
_PARTS = ("paths", "runs", "fetched")
_MAX_PREVIOUS_RUNS = 16  # variable sets of one command
_FINE_TICK, _COARSE_TICK = (
    20_000_000,
    2_000_000_000,
)  # ns: the kernel's clock tick, and FAT's or HFS+'s
_MIN_BYTES_FOR_THREADS = 8 << 20
_OPEN_COST = 16 << 10  # bytes: what could be hashed while a file is opened

Observed = Mapping[str, "Fingerprint | None"]
"""What stands at each path (`ProjectPath.normal`); None: nothing."""


class PreviousRun(NamedTuple):
    """A run as it was recorded: the facts of its lock entry, and a digest of the file names below
    each folder among its paths (`ProjectPath.text` → digest)."""

    fingerprint_key: tuple[Any, ...]
    names: dict[str, str]


class FetchedAsset(NamedTuple):
    """What `assets` itself put at a destination: where from, and its fingerprint."""

    source: str
    digest: str
    names: str


class _Cached(NamedTuple):
    signature: str
    hashed_at: int
    fingerprint: Fingerprint


def state_dir(root: Path) -> Path:
    """The folder for what is private to the project at `root`: in the work tree's own Git folder,
    or in the user's cache where there is no repository."""

    from git_spacy.git.repository import Repository

    real = os.path.realpath(root)
    repository = Repository.discover(Path(real))
    if repository is None or repository.top is None:
        return user_cache_dir(root)
    inside = os.path.relpath(real, os.path.realpath(repository.top))
    folder = repository.git_path("spacy")
    return folder if inside == "." else folder / "projects" / _short_hash(inside)


def user_cache_dir(root: Path) -> Path:
    """The same where there is no repository."""

    folder = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(folder) / "git-spacy" / _short_hash(os.path.realpath(root))


class StatCache:
    """The index of one project. Reads its file when made; `save` writes it if it changed."""

    def __init__(self, root: Path, file: Path) -> None:
        self.root = root
        self.file = file
        # what this process changed, by part and key: others may write the file meanwhile
        self._changed: set[tuple[str, str]] = set()
        self.bytes_hashed = 0  # bytes of content, since it was not known
        document = _read(file)
        self._paths = {
            path: _Cached(value[0], value[1], Fingerprint(*value[2]))
            for path, value in document.get("paths", {}).items()
        }
        self._runs: dict[str, list[Any]] = document.get("runs", {})
        self._fetched = {
            dest: FetchedAsset(*value) for dest, value in document.get("fetched", {}).items()
        }

    @classmethod
    def open(cls, root: Path) -> StatCache:
        """The index of the project at `root`, empty if it has none or it cannot be read."""

        return cls(root, state_dir(root) / "index")

    def fingerprints(
        self, paths: Iterable[ProjectPath], algorithm: str = "md5"
    ) -> dict[str, Fingerprint | None]:
        """The fingerprints of `paths` as they stand now, with digests by `algorithm`. Raises
        Unsafe, OSError."""

        wanted = dict.fromkeys(path.normal for path in paths)
        now = time.time_ns()
        looks = {path: stat_summary(self.root, path) for path in wanted}
        unknown = {
            path: seen
            for path, seen in looks.items()
            if seen and seen.files and not self._is_clean(_key(path, algorithm), seen)
        }
        # what is added or edited since we looked, the next look will see
        for path, fingerprint in self._hash(unknown, algorithm):
            key = _key(path, algorithm)
            self._paths[key] = _Cached(unknown[path].signature, now, fingerprint)
            self._changed.add(("paths", key))
            self.bytes_hashed += fingerprint.size
        return {
            path: self._cached_fingerprint(path, seen, algorithm) for path, seen in looks.items()
        }

    def _hash(
        self, some: Mapping[str, StatSummary], algorithm: str
    ) -> Iterable[tuple[str, Fingerprint]]:
        """These paths and their fingerprints: side by side, if that is worth it, and first what
        takes longest."""

        def fingerprint(path: str) -> tuple[str, Fingerprint]:
            facts = files_below(self.root, path) or []
            content = digest_contents(self.root, facts, algorithm)
            return path, Fingerprint(
                content, digest_file_names(facts), sum(fact.size for fact in facts)
            )

        costs = {path: seen.size + seen.files * _OPEN_COST for path, seen in some.items()}
        if len(some) < 2 or sum(costs.values()) - max(costs.values()) < _MIN_BYTES_FOR_THREADS:
            return map(fingerprint, some)
        from concurrent.futures import ThreadPoolExecutor  # hashing lets go of the interpreter

        with ThreadPoolExecutor(min(len(some), os.cpu_count() or 1)) as pool:
            return list(pool.map(fingerprint, sorted(some, key=costs.__getitem__, reverse=True)))

    def fingerprint(self, relative: str, algorithm: str = "md5") -> Fingerprint | None:
        """The fingerprint of one path."""

        return self.fingerprints([ProjectPath(relative, relative)], algorithm)[relative]

    def _cached_fingerprint(
        self, path: str, seen: StatSummary | None, algorithm: str
    ) -> Fingerprint | None:
        key = _key(path, algorithm)
        if seen is None:
            if self._paths.pop(key, None):
                self._changed.add(("paths", key))
            return None
        if not seen.files:
            return Fingerprint(digest_contents(self.root, [], algorithm), digest_file_names([]), 0)
        return self._paths[key].fingerprint

    def _is_clean(self, key: str, seen: StatSummary) -> bool:
        cached = self._paths.get(key)
        if cached is None or cached.signature != seen.signature:
            return False
        # Racily clean, as Git has it: a file that changed in the very tick in which it was hashed
        # may have changed again without its time showing it.
        tick = _FINE_TICK if seen.newest % 1_000_000_000 else _COARSE_TICK
        return seen.newest + tick < cached.hashed_at

    def staged_fingerprint(self, path: str, signature: str) -> Fingerprint | None:
        """The fingerprint of what is staged at `path`, if it was this one (`signature` is over the
        names and ids of all its blobs) when it was last hashed."""

        cached = self._paths.get(_key(path, "staged"))
        return cached.fingerprint if cached and cached.signature == signature else None

    def remember_staged(self, path: str, signature: str, fingerprint: Fingerprint) -> None:
        """Note the fingerprint of what is staged at `path`."""

        key = _key(path, "staged")
        self._paths[key] = _Cached(signature, 0, fingerprint)
        self._changed.add(("paths", key))
        self.bytes_hashed += fingerprint.size

    def previous_runs(self, command: str) -> list[PreviousRun]:
        """The runs of `command` that are remembered, the latest first."""

        return [PreviousRun(_tuples(facts), inner) for facts, inner in self._runs.get(command, [])]

    def remember_run(self, command: str, past: PreviousRun) -> None:
        """Put a run first among those of `command`."""

        others = [
            run
            for run in self.previous_runs(command)
            if _variable_set(run.fingerprint_key) != _variable_set(past.fingerprint_key)
        ]
        runs = [[list(run.fingerprint_key), run.names] for run in (past, *others)][
            :_MAX_PREVIOUS_RUNS
        ]
        if self._runs.get(command) != runs:
            self._runs[command] = runs
            self._changed.add(("runs", command))

    def fetched(self, dest: str) -> FetchedAsset | None:
        """What `assets` put at `dest`, if it did."""

        return self._fetched.get(dest)

    def remember_fetched(self, dest: str, what: FetchedAsset) -> None:
        """Note that `assets` put it there."""

        if self._fetched.get(dest) != what:
            self._fetched[dest] = what
            self._changed.add(("fetched", dest))

    def save(self) -> None:
        """Write what changed here into the file as it is now. It is a cache: a disk that refuses
        is no failure."""

        if not self._changed:
            return
        try:
            with file_lock(self.file.with_name(self.file.name + ".lock")):
                document = {part: {} for part in _PARTS} | _read(self.file)
                for part, key in self._changed:
                    value = self._to_json(part, key)
                    if value is None:
                        document[part].pop(key, None)
                    else:
                        document[part][key] = value
                document["version"] = _VERSION
                write_atomic(self.file, json.dumps(document).encode("utf-8", "surrogateescape"))
            self._changed.clear()
        except OSError:
            pass

    def _to_json(self, part: str, key: str) -> Any:
        """What the file has for one key, or None."""

        if part == "runs":
            return self._runs.get(key)
        if part == "fetched":
            return list(self._fetched[key])
        cached = self._paths.get(key)
        return cached and [cached.signature, cached.hashed_at, list(cached.fingerprint)]


def _read(file: Path) -> dict[str, Any]:
    """The document, or nothing at all if any part of it is not as we write it."""

    try:
        document = formats.document(file.read_bytes().decode("utf-8", "surrogateescape"))
        if document["version"] != _VERSION:
            return {}
        for signature, hashed_at, (content, listing, size) in document["paths"].values():
            formats.md5(signature)
            formats.size(hashed_at)
            formats.digest(content)
            formats.names_digest(listing)
            formats.size(size)
        for runs in document["runs"].values():
            for (script, deps, outs), listings in runs:
                _check_all(formats.text, script)
                _check_all(formats.names_digest, listings.values())
                _check_all(formats.line, listings)
                for path, md5 in (*deps, *outs):
                    formats.line(path)
                    _check_all(formats.md5, () if md5 is None else (md5,))
        for source, content, listing in document["fetched"].values():
            formats.text(source)
            formats.digest(content)
            formats.names_digest(listing)
        return dict(document)
    except (OSError, InvalidInput, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _check_all(form: Callable[[object], object], values: Iterable[object]) -> None:
    for value in values:
        form(value)


def _key(path: str, kind: str) -> str:
    """The key of what is known of `path`: by kind of digest, and what is staged apart."""

    return path if kind == "md5" else f"{kind}\0{path}"


def _variable_set(facts: tuple[Any, ...]) -> tuple[Any, ...]:
    """What tells one variable set from another: everything but the contents."""

    script, deps, outs = facts
    return script, [dep[0] for dep in deps], [out[0] for out in outs]


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]
