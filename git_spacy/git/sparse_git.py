"""The objects of a remote tree, brought by the git program.

One shallow fetch without blobs into a bare repository of our own, then one fetch of the blobs that
are wanted, all together: five requests over smart HTTP. Whatever Git knows about credentials,
proxies and `insteadOf` holds. Nothing is checked out by Git: no filter, hook or attribute of the
template or the user has a say in what lands.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from git_spacy.errors import GitSpacyError, Unavailable, masked
from git_spacy.git import process
from git_spacy.git.address import Address, no_such_ref
from git_spacy.git.process import Completed
from git_spacy.git.tree import Entry, Opened, Read

_SEALED = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "fetch.fsckObjects=true",
    "-c", "protocol.version=2",
)  # fmt: skip
_PROMISOR = (
    "-c", "remote.o.promisor=true",
    "-c", "remote.o.partialCloneFilter=blob:none",
)  # fmt: skip
_REF = "refs/git-spacy/wanted"


@contextmanager
def opened(address: Address, *, prompt: bool, warn: Callable[[str], None]) -> Iterator[Opened]:
    """(commit, listing of all trees, reader of blobs). See `sparse.opened`."""

    local = address.local
    if local is not None:
        git_dir = _local_git_dir(local)
        environ = process.environment(protocols="none")
        commit = _local_commit(git_dir, address, environ)
        yield commit, _listing(git_dir, environ, commit), _reader(git_dir, environ)
        return
    environ = _network_environment(address, prompt)
    folder = Path(tempfile.mkdtemp(prefix="git-spacy-"))
    try:
        process.run(("init", "-q", "--bare", "--template=", str(folder)), cwd=folder)
        filters = _fetch_commit(folder, environ, address, warn)
        commit = _git(folder, environ, "rev-parse", f"{_REF}^{{commit}}").stdout.decode().strip()
        fetch = _blob_fetcher(folder, environ, address) if filters else None
        yield commit, _listing(folder, environ, commit), _reader(folder, environ, fetch)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _git(
    git_dir: Path, environ: dict[str, str], *arguments: str, check: bool = True, **more: bytes
) -> Completed:
    full = (f"--git-dir={git_dir}", *_SEALED, *arguments)
    return process.run(full, cwd=git_dir, environ=environ, check=check, input=more.get("input"))


def _network_environment(address: Address, prompt: bool) -> dict[str, str]:
    environ = process.environment(prompt=prompt, protocols=address.protocol)
    asks = address.protocol == "ssh" and not prompt
    if asks and not environ.keys() & {"GIT_SSH", "GIT_SSH_COMMAND"}:
        configured = process.run(
            ("config", "core.sshCommand"), cwd=Path.cwd(), environ=dict(os.environ), check=False
        )
        command = configured.stdout.decode().strip() or "ssh"
        environ["GIT_SSH_COMMAND"] = f"{command} -oBatchMode=yes"
    return environ


def _fetch_commit(
    folder: Path, environ: dict[str, str], address: Address, warn: Callable[[str], None]
) -> bool:
    """Bring the commit and its trees; whether the server left the blobs out, as it was asked."""

    if address.ref is None:
        sources = ["HEAD"]
    elif address.is_commit:
        sources = [address.ref]
    else:
        # in full: `fetch main` would rather have a tag of that name
        sources = [f"refs/heads/{address.ref}", f"refs/tags/{address.ref}"]
    done = Completed(1, b"", b"")
    for source in sources:
        done = _fetch(folder, environ, address, "--depth=1", f"+{source}:{_REF}")
        if b"couldn't find remote ref" not in done.stderr:
            break
    if done.returncode:
        raise _failed(address, done)
    if b"filtering not recognized" not in done.stderr:
        return True
    size = sum(path.stat().st_size for path in (folder / "objects" / "pack").glob("*.pack"))
    warn(
        f"{address.shown} cannot send a part of a repository: the whole snapshot travelled"
        f" ({size / 1e6:.1f} MB)"
    )
    return False


def _fetch(
    folder: Path, environ: dict[str, str], address: Address, *arguments: str, input: bytes = b""
) -> Completed:
    options = ("-c", f"remote.o.url={address.url}", *_PROMISOR)
    fixed = ("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--filter=blob:none")
    return _git(
        folder, environ, *options, *fixed, *arguments[:-1], "--", "o", *arguments[-1:],
        check=False, input=input,
    )  # fmt: skip


def _blob_fetcher(
    folder: Path, environ: dict[str, str], address: Address
) -> Callable[[Sequence[str]], None]:
    def fetch(ids: Sequence[str]) -> None:
        listed = "".join(f"{id}\n" for id in dict.fromkeys(ids)).encode()
        options = ("-c", f"remote.o.url={address.url}", *_PROMISOR)
        done = _git(
            folder, environ, *options, "-c", "fetch.negotiationAlgorithm=noop", "fetch", "-q",
            "--no-tags", "--no-write-fetch-head", "--recurse-submodules=no",
            "--filter=blob:none", "--stdin", "o", check=False, input=listed,
        )  # fmt: skip
        if done.returncode:
            raise _failed(address, done)

    return fetch


def _listing(git_dir: Path, environ: dict[str, str], commit: str) -> tuple[Entry, ...]:
    """Every entry of every tree; no blob is asked for."""

    done = _git(git_dir, environ, "ls-tree", "-rtz", "--full-tree", commit)
    entries = []
    for record in done.stdout.split(b"\0")[:-1]:
        head, _, name = record.partition(b"\t")
        mode, _kind, object_id = head.split()
        entries.append(Entry(int(mode, 8), os.fsdecode(name), object_id.decode()))
    return tuple(entries)


def _reader(
    git_dir: Path,
    environ: dict[str, str],
    fetch: Callable[[Sequence[str]], None] | None = None,
) -> Read:
    def read(ids: Sequence[str]) -> Iterator[bytes]:
        if fetch and ids:
            fetch(ids)
        arguments = (f"--git-dir={git_dir}", *_SEALED, "cat-file", "--batch")
        # nothing may be fetched one by one behind our back now
        sealed = {**environ, "GIT_ALLOW_PROTOCOL": "none"}
        listed = "".join(f"{id}\n" for id in ids).encode()
        with process.streaming(arguments, cwd=git_dir, environ=sealed, input=listed) as stream:
            for object_id in ids:
                yield _next_blob(stream, object_id)

    return read


def _next_blob(stream: BinaryIO, object_id: str) -> bytes:
    head = stream.readline().split()
    if len(head) != 3 or head[1] != b"blob":
        raise Unavailable(f"the repository did not send object {object_id[:12]}")
    size = int(head[2])
    content = stream.read(size)
    if len(content) != size or stream.read(1) != b"\n":
        raise Unavailable(f"object {object_id[:12]} of the repository is cut off")
    return content


def _local_git_dir(path: Path) -> Path:
    if not path.is_dir():
        raise Unavailable(f"there is no repository at '{path}'", mend="correct the path")
    environ = process.environment(protocols="none")
    # this folder's repository, not that of one above it
    environ["GIT_CEILING_DIRECTORIES"] = str(path.resolve().parent)
    done = process.run(
        (*_SEALED, "rev-parse", "--absolute-git-dir"), cwd=path, environ=environ, check=False
    )
    if done.returncode:
        reason = done.message or "not a Git repository"
        raise Unavailable(f"'{path}': {reason}", mend="name the top folder of a repository")
    return Path(os.fsdecode(done.stdout.rstrip(b"\n")))


def _local_commit(git_dir: Path, address: Address, environ: dict[str, str]) -> str:
    names = ["HEAD"]
    if address.ref is not None:
        names = [f"refs/heads/{address.ref}", f"refs/tags/{address.ref}"]
        names = [address.ref] if address.is_commit else names
    for name in names:
        done = _git(
            git_dir, environ, "rev-parse", "-q", "--verify", "--end-of-options",
            f"{name}^{{commit}}", check=False,
        )  # fmt: skip
        if not done.returncode:
            return done.stdout.decode().strip()
    raise no_such_ref(address)


def _failed(address: Address, done: Completed) -> GitSpacyError:
    told = masked(done.message.replace(address.url, address.shown))
    lower = told.lower()
    if "couldn't find remote ref" in lower or "not our ref" in lower:
        return no_such_ref(address)
    mend = "check the address and the network"
    if any(word in lower for word in ("authentication", "username", "password", "403", "401")):
        mend = "let Git know the password: 'git credential approve', or an SSH key"
    elif "permission denied" in lower or "host key" in lower:
        mend = f"check that 'git ls-remote {address.shown}' works"
    elif "allowfilter" in lower or "unadvertised object" in lower:
        mend = "name a branch or a tag: the server gives out nothing else"
    return Unavailable(f"{address.shown}: {told or 'git fetch failed'}", mend=mend)
