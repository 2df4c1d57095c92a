"""Outputs instead of a run: what a command would make of what is here, if it was made before.

By anybody: on another branch, in another work tree, or by a teammate whose notes and remote we
have. What is brought is verified, all outputs of a command or none.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import GitSpacyError
from git_spacy.files import Staging, recover, staging
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state import run_history
from git_spacy.state.hashing import Fingerprint, files_below, fingerprint
from git_spacy.state.run_record import RunRecord
from git_spacy.state.stat_cache import Observed
from git_spacy.storage import archive, remote_keys
from git_spacy.storage.cache_store import CachedResult, CacheStore
from git_spacy.storage.push import command_hash
from git_spacy.storage.remote import Remote

_SPARE = 64 << 20  # bytes of a disk that are left alone


class OutputSource(NamedTuple):
    """Where outputs may come from: the store, and a remote if there is one, by its name. At most
    `limit` bytes of an output from there (0: as many as the disk has room for)."""

    store: CacheStore
    remote: Remote | None = None
    name: str = ""
    limit: int = 0


class RunCache:
    """What is kept of the project at `root`. `warn` is told, once, why something cannot be had."""

    def __init__(
        self, project: Project, root: Path, source: OutputSource, environ: Mapping[str, str],
        warn: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._project = project
        self._root = root
        self._source = source
        self._environ = environ
        self._warn = warn
        self._warned = False
        self._noted: dict[str, list[RunRecord]] | None = None

    def save(
        self, command: Command, deps: Observed, outs: Observed, *, verify: bool = True
    ) -> None:
        """Keep what `command` made of `deps`; without `verify` a copy that is kept already is only
        read where it may have been written to."""

        seen = {path: outs[path.normal] for path in command.produced}
        try:
            made = []
            for path, now in seen.items():
                if now is None:
                    return
                facts = files_below(self._root, path.normal) or []
                self._source.store.save(facts, now, verify=verify)
                made.append((path.text, now.digest, now.names))
            self._source.store.add_result(_key(command, deps), CachedResult(tuple(made)))
        except (GitSpacyError, OSError) as error:
            self._tell(f"not saved to the local cache: {_words(error)}")

    def restore(self, command: Command, deps: Observed) -> str | None:
        """Put the outputs that `command` would make of `deps` in place; where they came from, in
        words, or None: nobody has them all."""

        for result in self._candidates(command, deps):
            try:
                if found := self._restore_result(command, deps, result):
                    return found
            except (GitSpacyError, OSError) as error:
                self._tell(f"not restored: {_words(error)}")
        return None

    def _candidates(self, command: Command, deps: Observed) -> Iterator[CachedResult]:
        seen = set()
        for result in (
            *self._source.store.results(_key(command, deps)),
            *self._from_records(command, deps),
        ):
            if result.outs not in seen:
                seen.add(result.outs)
                yield result

    def _from_records(self, command: Command, deps: Observed) -> Iterable[CachedResult]:
        if self._noted is None:
            self._noted = {}
            try:
                for record in run_history.all_records(self._root):
                    if record.exit == 0:
                        self._noted.setdefault(record.command, []).append(record)
            except (GitSpacyError, OSError):
                pass  # no repository, no notes
        read = {path.text: deps[path.normal] for path in command.deps}
        name = command.variant_of or command.name
        fitting = [
            record
            for record in self._noted.get(name, ())
            if record.script == command.script
            and {file.path: (file.md5, file.names) for file in record.deps}
            == {text: (now.digest, now.names) if now else (None, "") for text, now in read.items()}
        ]
        for record in sorted(fitting, key=lambda one: one.time, reverse=True):
            if all(file.md5 for file in record.outs):
                outs = ((file.path, file.md5 or "", file.names) for file in record.outs)
                yield CachedResult(tuple(outs))

    def _restore_result(self, command: Command, deps: Observed, result: CachedResult) -> str | None:
        """All outputs of one result, or nothing."""

        wanted = {text: (digest, names) for text, digest, names in result.outs}
        if set(wanted) != {path.text for path in command.produced}:
            return None
        sources: dict[str, None] = {}
        with ExitStack() as stack:
            staged: list[Staging] = []
            replaced: list[tuple[ProjectPath, Fingerprint]] = []
            for path in command.produced:
                digest, names = wanted[path.text]
                now = fingerprint(self._root, path.normal)
                if now and (now.digest, now.names) == (digest, names):
                    continue
                recover(self._root, path.normal)
                if now is None and os.path.lexists(os.path.join(self._root, path.normal)):
                    return None  # a link that leads nowhere is not ours to replace
                one = stack.enter_context(staging(self._root, path.normal))
                hashed = command_hash(self._project, command, deps, self._environ)
                where = stage_output(self._source, self._root, path, one, digest, names, hashed)
                if where is None:
                    return None
                sources[where] = None
                staged.append(one)
                if now and not now.is_empty:
                    replaced.append((path, now))
            for path, now in replaced:  # it may be all there is of that one
                self._source.store.save(files_below(self._root, path.normal) or [], now)
            for one in staged:
                one.commit()
        return " and ".join(sources) or "what is here"

    def _tell(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(text)


def stage_output(
    source: OutputSource, root: Path, path: ProjectPath, staged: Staging, digest: str,
    names: str | None, hashed: str | None,
) -> str | None:  # fmt: skip
    """Stage the output with this md5 (and digest of names, if known), of the command with this hash
    (None: any); where it came from, in words. None: it is not to be had. Raises GitSpacyError,
    OSError."""

    if source.store.restore(digest, names, staged):
        if _is(fingerprint(root, staged.relative), digest, names):
            return "the local cache"
        source.store.discard(digest, names)
    staged.discard()
    if source.remote is None:
        return None
    for name in _objects(source.remote, path, digest, hashed):
        room = shutil.disk_usage(root).free - _SPARE
        with source.remote.read(name) as stream:
            archive.unpack(stream, path, staged, min(source.limit or room, room))
        found = archive.verified(path, fingerprint(root, staged.relative), digest)
        if _is(found, digest, names):
            by_what = ", by its md5 alone" if names is None else ""
            return f"the remote '{source.name}'{by_what}"
        staged.discard()
    return None


def _objects(remote: Remote, path: ProjectPath, digest: str, hashed: str | None) -> Iterator[str]:
    """The objects that have this content of an output."""

    if hashed is not None:
        name = str(remote_keys.key(path, hashed, digest))
        if remote.exists(name):
            yield name
        return
    for one in remote.below(remote_keys.name_of(path)):
        key = remote_keys.parsed(one.name, path)
        if key and key.content == digest:
            yield str(key)
            return


def _is(now: Fingerprint | None, digest: str, names: str | None) -> bool:
    return now is not None and now.digest == digest and names in (None, now.names)


def _key(command: Command, deps: Observed) -> str:
    """What a command is, and what it reads: by content and names."""

    read = [
        [path.text, now.digest, now.names] if (now := deps[path.normal]) else [path.text]
        for path in command.deps
    ]
    facts = [command.script, read, [path.text for path in command.produced]]
    text = json.dumps(facts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()


def _words(error: GitSpacyError | OSError) -> str:
    return error.problems[0].message if isinstance(error, GitSpacyError) else str(error.strerror)
