"""The objects of a remote tree, brought by the git program.

First the commit and its trees (`--filter=blob:none`) into a bare repository of our own, then the
wanted contents by their ids, all together: five requests over smart HTTP. Whatever Git knows about
credentials, proxies and `insteadOf` holds. Git writes no file of a template: no filter, hook or
attribute of the template or the user has a say in what lands. The URL goes into that repository's
configuration, not onto a command line that others can read.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from git_spacy.abandoned import temporary_folder
from git_spacy.errors import (
    ExternalError,
    GitSpacyError,
    InvalidInput,
    LocalFailure,
    Refused,
    redact,
)
from git_spacy.git import objects, process
from git_spacy.git.address import Address, no_such_ref
from git_spacy.git.process import GitResult, Limits
from git_spacy.git.remote_tree import MOST_TREES, Opened, Stream, TreeEntry, counted

_REMOTE = "git-spacy-source"
_REF = "refs/git-spacy/wanted"
# Nothing of the user's settings may start a program here or change what arrives.
_SEALED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "fetch.recurseSubmodules=false",
    "fetch.unpackLimit=1",
    "fetch.negotiationAlgorithm=noop",  # else the commit we have stands for its contents
    "protocol.version=2",
    "http.lowSpeedLimit=1",  # byte a second, for so many
    "http.lowSpeedTime=60",  # seconds: a server that says nothing has gone
)
# "user": where the user's own `insteadOf` leads, but not where a server redirects to.
_PROTOCOLS = {"https": "always", "ssh": "always", "http": "user", "file": "user", "git": "user"}
# Only for fetching: elsewhere a content that is not here must not be fetched behind our back.
_PROMISOR = (f"remote.{_REMOTE}.promisor=true", f"remote.{_REMOTE}.partialCloneFilter=blob:none")
_NO_FILTER = b"filtering not recognized by server"
_NO_REF = re.compile(r"couldn't find remote ref|not our ref")
_NOT_BY_ID = re.compile(r"not our ref|unadvertised object|allowAnySHA1InWant|allowFilter")


@contextmanager
def opened(
    address: Address, *, prompt: bool, warn: Callable[[str], None], limits: Limits
) -> Iterator[Opened]:
    """(commit, listing of all trees, contents). See `sparse.opened`."""

    if address.local is not None:
        git_dir = _local_git_dir(address.local)
        commit = _local_commit(git_dir, address)
        yield commit, _listing(git_dir, commit, address), _LocalContents(git_dir)
        return
    with temporary_folder() as folder:
        git_dir = folder / "repository.git"
        git_dir.mkdir()
        remote = _PartialClone(git_dir, address, prompt, warn, limits)
        commit = remote.fetch_commit()
        yield commit, _listing(git_dir, commit, address), remote


class _LocalContents:
    """Contents that lie in a repository of this machine."""

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir

    def fetch(self, ids: Sequence[str]) -> None:
        pass

    def read(self, ids: Sequence[str]) -> Iterator[tuple[str, Stream]]:
        options = (f"--git-dir={self.git_dir}", *_options(_SEALED))
        return objects.read_blobs(options, ids, cwd=self.git_dir, environ=_environment())


class _PartialClone(_LocalContents):
    """Contents that lie elsewhere, and the repository of ours that they come to."""

    def __init__(
        self, git_dir: Path, address: Address, prompt: bool, warn: Callable[[str], None],
        limits: Limits,
    ) -> None:  # fmt: skip
        super().__init__(git_dir)
        self._limits = limits
        self._address = address
        self._prompt = prompt
        self._warn = warn
        self._complete = False
        self._have: set[str] = set()
        self._commit = ""

    def fetch_commit(self) -> str:
        """Bring the commit and its trees; return the commit's id."""

        self._init("sha1")
        for ref in self._address.refs:
            done = self._fetch("--depth=1", refspec=f"+{ref}:{_REF}")
            if b"mismatched algorithms" in done.stderr:
                self._init("sha256")
                done = self._fetch("--depth=1", refspec=f"+{ref}:{_REF}")
            if not done.returncode or not _NO_REF.search(_text(done.stderr)):
                break
        else:
            raise no_such_ref(self._address)
        if done.returncode:
            raise _failed(self._address, done)
        if _NO_FILTER in done.stderr:
            self._whole("cannot send a part of a repository")
        named = _git(self.git_dir, "rev-parse", "-q", "--verify", f"{_REF}^{{commit}}", check=False)
        if named.returncode:
            raise InvalidInput(f"'{self._address.ref}' of {self._address.shown} is no commit")
        self._commit = _text(named.stdout).strip()
        return self._commit

    def fetch(self, ids: Sequence[str]) -> None:
        missing = [id for id in ids if id not in self._have]
        if not missing or self._complete:
            return
        done = self._fetch("--stdin", input="".join(f"{id}\n" for id in missing))
        if done.returncode and _NOT_BY_ID.search(_text(done.stderr)):
            wanted = self._commit if self._address.ref else "HEAD"
            done = self._fetch("--depth=1", refspec=f"+{wanted}:{_REF}", filter=False)
            if not done.returncode:
                self._whole("gives out no single files")
        if done.returncode:
            raise _failed(self._address, done)
        self._have.update(missing)

    def _init(self, object_format: str) -> None:
        shutil.rmtree(self.git_dir)
        self.git_dir.mkdir()
        format = f"--object-format={object_format}"
        process.run_git(("init", "-q", "--bare", "--template=", format, "."), cwd=self.git_dir)
        url = self._address.url.replace("\\", "\\\\").replace('"', '\\"')
        section = f'[remote "{_REMOTE}"]\n\turl = "{url}"\n'
        with open(self.git_dir / "config", "ab") as file:
            file.write(section.encode("utf-8", "surrogateescape"))

    def _fetch(
        self, *options: str, refspec: str = "", input: str | None = None, filter: bool = True
    ) -> GitResult:
        settings = [*_SEALED, "protocol.ext.allow=never"]
        for name, use in _PROTOCOLS.items():
            use = "always" if name == self._address.protocol else use
            settings.append(f"protocol.{name}.allow={use}")
        settings += _PROMISOR if filter else ()
        fixed = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        return process.run_git(
            (
                f"--git-dir={self.git_dir}", *_options(settings), *fixed, *options,
                "--", _REMOTE, *([refspec] if refspec else []),
            ),
            cwd=self.git_dir,
            environ=process.environment(prompt=self._prompt, protocols=None, configured=True),
            input=None if input is None else input.encode(),
            check=False,
            prompt=self._prompt,
            limits=self._limits.after(self.git_dir, 0 if input else MOST_TREES),
            folder=self.git_dir,
        )  # fmt: skip

    def _whole(self, why: str) -> None:
        self._complete = True
        packs = (self.git_dir / "objects" / "pack").glob("*.pack")
        size = sum(path.stat().st_size for path in packs)
        self._warn(
            f"{self._address.shown} {why}: the whole snapshot travelled ({size / 1e6:.1f} MB)"
        )


def _options(settings: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for setting in settings for part in ("-c", setting))


def _environment() -> dict[str, str]:
    """For work on objects that are here: nothing can be fetched, whatever the repository says."""

    return {**process.environment(protocols="none"), "GIT_NO_LAZY_FETCH": "1"}


def _git(git_dir: Path, *arguments: str, check: bool = True) -> GitResult:
    full = (f"--git-dir={git_dir}", *_options(_SEALED), *arguments)
    return process.run_git(full, cwd=git_dir, environ=_environment(), check=check)


def _listing(git_dir: Path, commit: str, address: Address) -> tuple[TreeEntry, ...]:
    """Every entry of every tree but folders; no content is asked for."""

    return tuple(counted(_listed(git_dir, commit), address.shown))


def _listed(git_dir: Path, commit: str) -> Iterator[TreeEntry]:
    arguments = (
        f"--git-dir={git_dir}",
        *_options(_SEALED),
        "ls-tree",
        "-rz",
        "--full-tree",
        commit,
    )
    with process.streaming(arguments, cwd=git_dir, environ=_environment(), input=b"") as stream:
        rest = b""
        while chunk := stream.read(1 << 16):
            *records, rest = (rest + chunk).split(b"\0")
            for record in records:
                head, _, name = record.partition(b"\t")
                mode, _kind, id = head.split()
                yield TreeEntry(int(mode, 8), name.decode("utf-8", "surrogateescape"), id.decode())


def _local_git_dir(path: Path) -> Path:
    """The Git folder of the repository at `path`. Git itself looks at whose it is."""

    environ = _environment()
    # this folder's repository, not that of one above it
    environ["GIT_CEILING_DIRECTORIES"] = str(path.resolve().parent)
    settings = (*_SEALED, "safe.bareRepository=all")
    arguments = (*_options(settings), "rev-parse", "--absolute-git-dir")
    done = process.run_git(arguments, cwd=path, environ=environ, check=False, named=True)
    if done.returncode:
        if hint := process.ownership_hint(done):
            raise Refused(f"'{path}' belongs to somebody else", hint=hint)
        reason = done.message or "not a Git repository"
        raise ExternalError(f"'{path}': {reason}", hint="name the top folder of a repository")
    return Path(done.stdout.rstrip(b"\n").decode("utf-8", "surrogateescape"))


def _local_commit(git_dir: Path, address: Address) -> str:
    for name in address.refs:
        commit = f"{name}^{{commit}}"
        done = _git(git_dir, "rev-parse", "-q", "--verify", "--end-of-options", commit, check=False)
        if not done.returncode:
            return _text(done.stdout).strip()
    raise no_such_ref(address)


def _failed(address: Address, done: GitResult) -> GitSpacyError:
    told = redact(done.message.replace(address.url, address.shown)) or "git fetch failed"
    everything = _text(done.stderr).lower()
    if _NO_REF.search(everything):
        return no_such_ref(address)
    if re.search(r"transport '[^']*' not allowed", everything):
        return Refused(f"{address.shown}: {told}", hint="it leads to where it must not")
    if "no space left on device" in everything:
        return LocalFailure(f"{address.shown}: {told}", hint="make room on the disk")
    hint = "check the address and the network"
    if re.search(r"authentication|username|password|error: 40[13]", everything):
        hint = "let Git know the password: 'git credential approve', or an SSH key"
    elif "permission denied" in everything or "host key" in everything:
        hint = f"check that 'git ls-remote {address.shown}' works"
    return ExternalError(f"{address.shown}: {told}", hint=hint)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
