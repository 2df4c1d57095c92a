"""Fetch the objects of a remote tree with the git program.

Fetches the commit and its trees (`--filter=blob:none`) to a temporary bare repository, then all
wanted blobs by id: five requests over smart HTTP. The user's credentials, proxies and `insteadOf`
apply. Git does not check out files, so filters, hooks and attributes of the template or the user
cannot change them. The URL is written to the configuration of the temporary repository, since
other users can read command lines.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_spacy.abandoned import temporary_folder
from git_spacy.errors import (
    ExternalError,
    GitSpacyError,
    InvalidInput,
    LocalFailure,
    Refused,
    Warn,
    redact,
    warning,
)
from git_spacy.git import objects, process
from git_spacy.git.address import Address, no_such_ref
from git_spacy.git.messages import quote
from git_spacy.git.process import GitResult, Limits
from git_spacy.git.remote_tree import (
    MAX_TREE_BYTES,
    FetchedTree,
    RemoteTree,
    Stream,
    TreeEntry,
    limit_entries,
)

_REMOTE = "git-spacy-source"
_REF = "refs/git-spacy/wanted"
_EARLIER_REF = "refs/git-spacy/earlier"
# No setting of the user may start a program or change the fetched objects.
_SAFE_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
    "fetch.negotiationAlgorithm=noop",  # else git assumes that we have the blobs of the commit
    "protocol.version=2",
    "http.lowSpeedLimit=1",  # bytes per second,
    "http.lowSpeedTime=60",  # for so many seconds, before a silent server is given up
)
# "user" allows a protocol in the user's `insteadOf`, but not in a redirect of a server.
_PROTOCOLS = {"https": "always", "ssh": "always", "http": "user", "file": "user", "git": "user"}
# To fetch the commits after one that we have. Only blobs are left out, which are fetched by id.
_NEGOTIATE = "fetch.negotiationAlgorithm=consecutive"
# For fetches only: any other git process must not fetch missing objects on its own.
_PROMISOR = (f"remote.{_REMOTE}.promisor=true", f"remote.{_REMOTE}.partialCloneFilter=blob:none")
_NO_FILTER = b"filtering not recognized by server"
_NO_REF = re.compile(r"couldn't find remote ref|not our ref")
_NOT_BY_ID = re.compile(r"not our ref|unadvertised object|allowAnySHA1InWant|allowFilter")


@contextmanager
def open_with_git(
    address: Address, *, prompt: bool, warn: Warn, limits: Limits
) -> Iterator[FetchedTree]:
    """Provide (commit, entries of all trees, contents). See `partial_clone.open_remote_tree`."""

    if address.local_path is not None:
        git_dir = _find_local_git_dir(address.local_path)
        commit = _local_commit(git_dir, address)
        yield commit, _listing(git_dir, commit, address), _LocalContents(git_dir)
        return
    with temporary_folder() as folder:
        git_dir = folder / "repository.git"
        git_dir.mkdir()
        remote = _PartialClone(git_dir, address, prompt, warn, limits)
        commit = remote.fetch_commit()
        yield commit, _listing(git_dir, commit, address), remote


class Versions(NamedTuple):
    """Two commits of a repository with their trees: `new`, and `old` from which to update.

    `old` is None if the repository does not have that commit (any longer).
    """

    git_dir: Path
    old: RemoteTree | None
    new: RemoteTree

    def commits(self, path: str) -> tuple[CommitSummary, ...]:
        """Return the commits after `old` that change the folder `path`, the newest first."""

        return _log(self.git_dir, path, f"^{self.old.commit}" if self.old else "", self.new.commit)

    def all_commits(self, path: str) -> tuple[CommitSummary, ...]:
        """Return all commits up to `new` that change the folder `path`, the newest first."""

        return _log(self.git_dir, path, self.new.commit)

    def at(self, commit: str) -> RemoteTree:
        """Return the tree of another commit, which must have been fetched."""

        entries = limit_entries(_list_tree(self.git_dir, commit), self.new.display_url)
        return self.new._replace(commit=commit, listing=tuple(entries))

    def files_at(self, commit: str, path: str) -> tuple[TreeEntry, ...]:
        """Return the files at or below `path` ("" for all) in a commit that was fetched."""

        return tuple(limit_entries(_list_tree(self.git_dir, commit, path), self.new.display_url))


class CommitSummary(NamedTuple):
    """A commit: its id, the date of its committer (YYYY-MM-DD) and its subject."""

    id: str
    date: str
    subject: str


@contextmanager
def open_versions(
    address: Address, old: str, *, prompt: bool, warn: Warn, limits: Limits
) -> Iterator[Versions]:
    """Provide the commit at `address` and the commit `old`, with the commits between them.

    Fetches all commits if `old` is "". Contents are fetched when needed, those of both commits to
    one place. Raises what `partial_clone.open_remote_tree` does.
    """

    def versions(git_dir: Path, commit: str, contents: _LocalContents) -> Versions:
        new = RemoteTree(
            commit, _listing(git_dir, commit, address), contents, warn, address.display_url,
            limits.size,
        )  # fmt: skip
        found = Versions(git_dir, None, new)
        if not old or _git(git_dir, "cat-file", "-e", f"{old}^{{commit}}").returncode:
            return found
        return found._replace(old=found.at(old))

    if address.local_path is not None:
        if not address.local_path.is_dir():
            raise ExternalError(
                f"no such folder: '{address.local_path}'",
                hint="if the template has moved: git spacy update --adopt URL//FOLDER",
            )
        git_dir = _find_local_git_dir(address.local_path)
        yield versions(git_dir, _local_commit(git_dir, address), _LocalContents(git_dir))
        return
    with temporary_folder() as folder:
        remote = _PartialClone(folder / "repository.git", address, prompt, warn, limits)
        remote.git_dir.mkdir()
        yield versions(remote.git_dir, remote.fetch_commits_after(old), remote)


class _LocalContents:
    """The contents in a repository on this machine."""

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir

    def fetch(self, ids: Sequence[str]) -> None:
        pass

    def read(self, ids: Sequence[str]) -> Iterator[tuple[str, Stream]]:
        options = (f"--git-dir={self.git_dir}", *_options(_SAFE_SETTINGS))
        return objects.read_blobs(options, ids, cwd=self.git_dir, environ=_environment())


class _PartialClone(_LocalContents):
    """The contents of a remote repository, fetched to a temporary one."""

    def __init__(
        self, git_dir: Path, address: Address, prompt: bool, warn: Warn,
        limits: Limits,
    ) -> None:  # fmt: skip
        super().__init__(git_dir)
        self._limits = limits
        self._address = address
        self._prompt = prompt
        self._warn = warn
        self._complete = False
        self._fetched_ids: set[str] = set()
        self._commit = ""

    def fetch_commit(self) -> str:
        """Fetch the commit and its trees, and return the commit's id."""

        return self._fetch_ref("--depth=1")

    def fetch_commits_after(self, old: str) -> str:
        """Fetch the commit `old` if the server has it, and the address's commit with those after
        `old`, all with their trees. Return the id of the address's commit."""

        if not old:
            return self._fetch_ref(settings=(_NEGOTIATE,))
        object_format = "sha256" if len(old) == 64 else "sha1"
        self._init(object_format)
        done = self._fetch("--depth=1", refspec=f"+{old}:{_EARLIER_REF}")
        is_missing = b"not our ref" in done.stderr
        if done.returncode and not is_missing and not _NOT_BY_ID.search(_text(done.stderr)):
            raise _translate_error(self._address, done)
        # Without `old` there is nothing to show the commits after; a server that serves only the
        # ends of branches has it among all commits.
        options = ("--depth=1",) if is_missing else ()
        return self._fetch_ref(*options, object_format=object_format, settings=(_NEGOTIATE,))

    def _fetch_ref(
        self, *options: str, object_format: str = "", settings: Sequence[str] = ()
    ) -> str:
        """Fetch the commit that the address names, and return its id."""

        if not object_format:
            self._init("sha1")
        for ref in self._address.refs:
            done = self._fetch(*options, refspec=f"+{ref}:{_REF}", settings=settings)
            if b"mismatched algorithms" in done.stderr:
                self._init("sha256")
                done = self._fetch(*options, refspec=f"+{ref}:{_REF}", settings=settings)
            if not done.returncode or not _NO_REF.search(_text(done.stderr)):
                break
        else:
            raise no_such_ref(self._address)
        if done.returncode:
            raise _translate_error(self._address, done)
        if _NO_FILTER in done.stderr:
            self._warn_full_snapshot("does not support partial clones")
        done = _git(self.git_dir, "rev-parse", "-q", "--verify", f"{_REF}^{{commit}}")
        if done.returncode:
            raise InvalidInput(
                f"'{self._address.ref}' of {self._address.display_url} is not a commit"
            )
        self._commit = _text(done.stdout).strip()
        return self._commit

    def fetch(self, ids: Sequence[str]) -> None:
        missing = [id for id in ids if id not in self._fetched_ids]
        if not missing or self._complete:
            return
        done = self._fetch("--stdin", input="".join(f"{id}\n" for id in missing))
        if done.returncode and _NOT_BY_ID.search(_text(done.stderr)):
            wanted = self._commit if self._address.ref else "HEAD"
            done = self._fetch("--depth=1", refspec=f"+{wanted}:{_REF}", filter=False)
            if not done.returncode:
                self._warn_full_snapshot("does not serve single files")
        if done.returncode:
            raise _translate_error(self._address, done)
        self._fetched_ids.update(missing)

    def _init(self, object_format: str) -> None:
        shutil.rmtree(self.git_dir)
        self.git_dir.mkdir()
        format = f"--object-format={object_format}"
        process.run_git(("init", "-q", "--bare", "--template=", format, "."), cwd=self.git_dir)
        add_remote(self.git_dir, _REMOTE, self._address.url)

    def _fetch(
        self, *options: str, refspec: str = "", input: str | None = None, filter: bool = True,
        settings: Sequence[str] = (),
    ) -> GitResult:  # fmt: skip
        settings = [*_SAFE_SETTINGS, *settings, "protocol.ext.allow=never"]
        for name, policy in _PROTOCOLS.items():
            policy = "always" if name == self._address.protocol else policy
            settings.append(f"protocol.{name}.allow={policy}")
        settings += _PROMISOR if filter else ()
        fixed = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        return process.run_git(
            (
                f"--git-dir={self.git_dir}", *_options(settings), *fixed, *options,
                "--", _REMOTE, *([refspec] if refspec else []),
            ),
            cwd=self.git_dir,
            environ=process.git_environment(prompt=self._prompt, protocols=None, configured=True),
            input=None if input is None else input.encode(),
            check=False,
            prompt=self._prompt,
            limits=self._limits.for_next_fetch(self.git_dir, 0 if input else MAX_TREE_BYTES),
            folder=self.git_dir,
        )  # fmt: skip

    def _warn_full_snapshot(self, reason: str) -> None:
        self._complete = True
        packs = (self.git_dir / "objects" / "pack").glob("*.pack")
        size = sum(path.stat().st_size for path in packs)
        message = f"{reason}: fetched the whole commit ({size / 1e6:.1f} MB)"
        self._warn(warning(f"{self._address.display_url} {message}"))


def add_remote(git_dir: Path, name: str, url: str) -> None:
    """Add a remote to a new repository, without the URL on a command line."""

    quoted = url.replace("\\", "\\\\").replace('"', '\\"')
    section = f'[remote "{name}"]\n\turl = "{quoted}"\n'
    with open(git_dir / "config", "ab") as file:
        file.write(section.encode("utf-8", "surrogateescape"))


def _options(settings: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for setting in settings for part in ("-c", setting))


def _environment() -> dict[str, str]:
    """Return the environment for local objects: git cannot fetch, whatever the configuration."""

    return {**process.git_environment(protocols="none"), "GIT_NO_LAZY_FETCH": "1"}


def _git(git_dir: Path, *arguments: str) -> GitResult:
    full = (f"--git-dir={git_dir}", *_options(_SAFE_SETTINGS), *arguments)
    return process.run_git(full, cwd=git_dir, environ=_environment(), check=False)


def _listing(git_dir: Path, commit: str, address: Address) -> tuple[TreeEntry, ...]:
    """List every file, link and submodule, without fetching contents."""

    return tuple(limit_entries(_list_tree(git_dir, commit), address.display_url))


def _log(git_dir: Path, path: str, *revisions: str) -> tuple[CommitSummary, ...]:
    arguments = (
        "--literal-pathspecs", "log", "-z", "--format=%H%n%cs%n%s", "--encoding=UTF-8",
        "--no-show-signature", "--no-notes", "--no-color", "--no-mailmap", *filter(None, revisions),
    )  # fmt: skip
    done = _git(git_dir, *arguments, "--", *([path] if path else []))
    if done.returncode:
        raise ExternalError(f"git log: {done.message}")
    records = (record.split("\n", 2) for record in _text(done.stdout).split("\0") if record)
    return tuple(CommitSummary(*record) for record in records)


def _list_tree(git_dir: Path, commit: str, path: str = "") -> Iterator[TreeEntry]:
    safe = (f"--git-dir={git_dir}", *_options(_SAFE_SETTINGS))
    arguments = (*safe, "--literal-pathspecs", "ls-tree", "-rz", "--full-tree", commit, "--")
    arguments += (path,) if path else ()
    with process.stream_git(arguments, cwd=git_dir, environ=_environment(), input=b"") as stream:
        for records in objects.split_records(stream):
            for record in records:
                head, _, name = record.partition(b"\t")
                mode, _kind, id = head.split()
                yield TreeEntry(int(mode, 8), name.decode("utf-8", "surrogateescape"), id.decode())


def _find_local_git_dir(path: Path) -> Path:
    """Return the Git folder of the repository at `path`. Git itself checks its owner."""

    environ = _environment()
    # find the repository of this folder only, not that of a parent folder
    environ["GIT_CEILING_DIRECTORIES"] = str(path.resolve().parent)
    settings = (*_SAFE_SETTINGS, "safe.bareRepository=all")
    arguments = (*_options(settings), "rev-parse", "--absolute-git-dir")
    done = process.run_git(arguments, cwd=path, environ=environ, check=False, allow_bare=True)
    if done.returncode:
        if hint := process.ownership_hint(done):
            raise Refused(f"'{path}' is owned by another user", hint=hint)
        reason = done.message or "not a Git repository"
        raise ExternalError(f"'{path}': {reason}", hint="name the top folder of a repository")
    return Path(done.stdout.rstrip(b"\n").decode("utf-8", "surrogateescape"))


def _local_commit(git_dir: Path, address: Address) -> str:
    for name in address.refs:
        commit = f"{name}^{{commit}}"
        done = _git(git_dir, "rev-parse", "-q", "--verify", "--end-of-options", commit)
        if not done.returncode:
            return _text(done.stdout).strip()
    raise no_such_ref(address)


def _translate_error(address: Address, done: GitResult) -> GitSpacyError:
    message = redact(quote(done.stderr).replace(address.url, address.display_url))
    stderr = _text(done.stderr).lower()
    if _NO_REF.search(stderr):
        return no_such_ref(address)
    if re.search(r"transport '[^']*' not allowed", stderr):
        hint = "it redirects to a protocol that is not allowed"
        return Refused(f"{address.display_url}: {message}", hint=hint)
    if "no space left on device" in stderr:
        return LocalFailure(f"{address.display_url}: {message}", hint="free some disk space")
    hint = "check the address and the network"
    if re.search(r"authentication|username|password|error: 40[13]", stderr):
        hint = "give Git a password by a credential helper (git help credentials), or use SSH"
    elif "permission denied" in stderr or "host key" in stderr:
        hint = f"git ls-remote {address.display_url}"
    return ExternalError(f"{address.display_url}: {message}", hint=hint)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
