"""Restore the outputs of an earlier run of the same command with the same dependencies.

The run may have been on another branch, in another worktree, or by a teammate whose run records and
remote are available. Outputs are verified, and all outputs of a command are restored or none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from copy import copy
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Diagnostic, GitSpacyError, Warn, as_warning
from git_spacy.files import Staging, recover, staging
from git_spacy.history import run_history
from git_spacy.history.run_record import RunRecord
from git_spacy.project.model import Command, Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint, files_below, fingerprint
from git_spacy.state.stat_cache import Observed
from git_spacy.storage import archive, remote_keys
from git_spacy.storage.cache_store import CachedResult, CacheStore
from git_spacy.storage.output_layout import read_layout
from git_spacy.storage.push import command_hash
from git_spacy.storage.remote import Remote
from git_spacy.storage.staged_output import staged_fingerprint


class OutputSource(NamedTuple):
    """Where outputs are restored from: the cache, and optionally a remote and its name.

    An output from the remote may have at most `limit` bytes (0: as many as fit on the disk).
    """

    store: CacheStore
    remote: Remote | None = None
    name: str = ""
    limit: int = 0


class RunCache:
    """The run cache of the project at `root`. `warn` gets the first failure."""

    def __init__(
        self, project: Project, root: Path, source: OutputSource, environ: Mapping[str, str],
        warn: Warn,
    ) -> None:  # fmt: skip
        self._project = project
        self._root = root
        self._source = source
        self._environ = environ
        self._warn = warn
        self._warned = False
        self._records = cache(partial(_successful_runs, root))

    def in_folder(self, folder: Path) -> RunCache:
        """Return the same cache for outputs in `folder`, a copy of the project."""

        other = copy(self)
        other._root = folder
        return other

    def has(self, outs: Iterable[Fingerprint]) -> bool:
        """Return whether all these outputs can be restored from this machine."""

        return all(self._source.store.has(out.digest, out.names) for out in outs)

    def restore_outputs(self, command: Command, deps: Observed, outs: Observed) -> bool:
        """Restore exactly the outputs `outs`, which `command` produced from `deps`, all or none."""

        found = tuple((path.text, outs[path.normal]) for path in command.produced)
        listed = tuple((text, out.digest, out.names) for text, out in found if out)
        return self._restore_result(command, deps, CachedResult(listed)) is not None

    def save(
        self, command: Command, deps: Observed, outs: Observed, *, verify: bool = True
    ) -> None:
        """Save the outputs that `command` produced from `deps`, or warn that this failed.

        Without `verify`, an existing copy is only read where it may have been modified.
        """

        try:
            self.keep(command, deps, outs, verify=verify)
        except (GitSpacyError, OSError) as error:
            self._warn_once(as_warning(error, "not saved to the local cache"))

    def keep(
        self, command: Command, deps: Observed, outs: Observed, *, verify: bool = True
    ) -> None:
        """Save the outputs as `save` does, but raise GitSpacyError or OSError if this fails."""

        results = []
        layouts = []
        for path in dict.fromkeys(command.produced):
            now = outs[path.normal]
            if now is None:
                return
            layouts.append(self._save_output(path, now, verify=verify))
            results.append((path.text, now.digest, now.names))
        result = CachedResult(tuple(results), layouts=tuple(layouts))
        self._source.store.add_result(_result_key(command, deps), result)

    def has_copy(self, path: ProjectPath, now: Fingerprint) -> bool:
        """Save the output at `path`, whose fingerprint is `now`; return whether that was possible.

        An existing copy is read, and repaired if it is damaged.
        """

        try:
            self._save_output(path, now)
        except (GitSpacyError, OSError) as error:
            self._warn_once(as_warning(error, "not saved to the local cache"))
            return False
        return True

    def _save_output(self, path: ProjectPath, now: Fingerprint, *, verify: bool = True) -> str:
        """Save the output at `path`, and return the key of its layout."""

        facts = files_below(self._root, path.normal) or []
        layout = read_layout(self._root, path.normal, facts)
        self._source.store.save(facts, now, verify=verify, layout=layout, path=path.normal)
        return layout.key(path.normal)

    def restore(self, command: Command, deps: Observed) -> str | None:
        """Restore the outputs that `command` produces from `deps`.

        Returns a description of their source, None if no result is complete.
        """

        for result in self._candidates(command, deps):
            try:
                if origin := self._restore_result(command, deps, result):
                    return origin
            except (GitSpacyError, OSError) as error:
                self._warn_once(as_warning(error, "not restored"))
        return None

    def _candidates(self, command: Command, deps: Observed) -> Iterator[CachedResult]:
        seen = set()
        for result in (
            *self._source.store.results(_result_key(command, deps)),
            *self._from_records(command, deps),
        ):
            if result.content not in seen:
                seen.add(result.content)
                yield result

    def _from_records(self, command: Command, deps: Observed) -> Iterable[CachedResult]:
        read = {path.text: deps[path.normal] for path in command.deps}
        name = command.variant_of or command.name
        matching = [
            record
            for record in self._records().get(name, ())
            if record.script == command.script
            and {file.path: (file.md5, file.names) for file in record.deps}
            == {text: (now.digest, now.names) if now else (None, "") for text, now in read.items()}
        ]
        for record in sorted(matching, key=lambda record: record.time, reverse=True):
            if all(file.md5 for file in record.outs):
                outs = ((file.path, file.md5 or "", file.names) for file in record.outs)
                yield CachedResult(tuple(outs))

    def _restore_result(self, command: Command, deps: Observed, result: CachedResult) -> str | None:
        """Restore all outputs of a result or none; return their source as `restore` does."""

        wanted = {text: (digest, names) for text, digest, names in result.outs}
        if set(wanted) != {path.text for path in command.produced}:
            return None
        layouts = dict(zip(wanted, result.layouts, strict=False))
        origins: dict[str, None] = {}
        with ExitStack() as stack:
            stagings: list[Staging] = []
            replaced: list[tuple[ProjectPath, Fingerprint]] = []
            for path in command.produced:
                digest, names = wanted[path.text]
                layout = layouts.get(path.text, "")
                now = fingerprint(self._root, path.normal)
                is_same = now is not None and (now.digest, now.names) == (digest, names)
                if is_same and layout in ("", self._layout_key(path)):
                    continue
                recover(self._root, path.normal)
                if now is None and os.path.lexists(os.path.join(self._root, path.normal)):
                    return None  # a broken link is not replaced
                staged = stack.enter_context(staging(self._root, path.normal))
                hashed = command_hash(self._root, self._project, command, deps, self._environ)
                origin = stage_output(
                    self._source, self._root, path, staged, digest, names, hashed, layout
                )
                if origin is None:
                    return None
                origins[origin] = None
                stagings.append(staged)
                if now and not now.is_empty:
                    replaced.append((path, now))
            for path, now in replaced:  # this may be the only copy
                self._save_output(path, now)
            for staged in stagings:
                staged.commit()
        return " and ".join(origins) or "the worktree"

    def _layout_key(self, path: ProjectPath) -> str:
        facts = files_below(self._root, path.normal) or []
        return read_layout(self._root, path.normal, facts).key(path.normal)

    def _warn_once(self, problem: Diagnostic) -> None:
        if not self._warned:
            self._warned = True
            self._warn(problem)


def _successful_runs(root: Path) -> Mapping[str, list[RunRecord]]:
    """Return the records of successful runs by command; none without a repository."""

    found: dict[str, list[RunRecord]] = {}
    with suppress(GitSpacyError, OSError):
        for record in run_history.all_records(root):
            if record.exit == 0:
                found.setdefault(record.command, []).append(record)
    return found


def stage_output(
    source: OutputSource, root: Path, path: ProjectPath, staged: Staging, digest: str,
    names: str | None, hashed: str | None, layout: str = "",
) -> str | None:  # fmt: skip
    """Stage an output from the cache or the remote and return a description of its source.

    `digest` is its md5, `names` the digest of its file names if known, `hashed` the hash of its
    command in the remote (None: any command), and `layout` the key of its layout if known. Returns
    None if no copy exists. Raises GitSpacyError, OSError.
    """

    written = source.store.restore(digest, names, staged, path=path.normal, layout=layout)
    if written is not None:
        if _matches(staged_fingerprint(root, staged, written), digest, names):
            return "the local cache"
        source.store.discard(digest, names)
    staged.discard()
    if source.remote is None:
        return None
    for name in _matching_objects(source.remote, path, digest, hashed):
        with source.remote.read(name) as stream:
            unpacked, _ = archive.unpack_verified(
                stream, root, path, staged, digest, limit=source.limit
            )
        if _matches(unpacked, digest, names):
            verified = " (md5 verified, file names unknown)" if names is None else ""
            return f"the remote '{source.name}'{verified}"
        staged.discard()
    return None


def _matching_objects(
    remote: Remote, path: ProjectPath, digest: str, hashed: str | None
) -> Iterator[str]:
    """Yield the names of remote objects with this content of an output, at most one."""

    if hashed is not None:
        name = str(remote_keys.make_key(path, hashed, digest))
        if remote.exists(name):
            yield name
        return
    for item in remote.list_objects(remote_keys.encode_path(path)):
        key = remote_keys.parse_key(item.name, path)
        if key and key.content == digest:
            yield str(key)
            return


def _matches(now: Fingerprint | None, digest: str, names: str | None) -> bool:
    return now is not None and now.digest == digest and names in (None, now.names)


def _result_key(command: Command, deps: Observed) -> str:
    """Return the key of a result: the hash of a command and the digests of its dependencies."""

    read = [
        [path.text, now.digest, now.names] if (now := deps[path.normal]) else [path.text]
        for path in command.deps
    ]
    facts = [command.script, read, [path.text for path in command.produced]]
    text = json.dumps(facts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(text).hexdigest()
