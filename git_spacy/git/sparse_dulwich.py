"""The objects of a remote tree, brought by dulwich: for machines without a git program.

The same two fetches as `sparse_git`: the commit with its trees, then the blobs that are wanted.
Knows no credential helper; a user name and password may stand in the URL.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from git_spacy.errors import GitSpacyError, Unavailable, masked
from git_spacy.git.address import Address, no_such_ref
from git_spacy.git.tree import FOLDER, Entry, Opened, Read

_FILTER = b"blob:none"


@contextmanager
def opened(
    address: Address,
    *,
    prompt: bool,  # noqa: ARG001 (dulwich never asks)
    warn: Callable[[str], None],
) -> Iterator[Opened]:
    """(commit, listing of all trees, reader of blobs). See `sparse.opened`."""

    from dulwich.errors import NotGitRepository
    from dulwich.repo import Repo

    local = address.local
    if local is not None:
        try:
            repository = Repo(str(local))
        except NotGitRepository:
            raise Unavailable(
                f"there is no repository at '{local}'", mend="correct the path"
            ) from None
        with repository:
            commit = _local_commit(repository, address)
            yield commit, _listing(repository, commit), _reader(repository)
        return
    folder = Path(tempfile.mkdtemp(prefix="git-spacy-"))
    try:
        with Repo.init_bare(str(folder)) as repository:
            commit = _fetch_commit(repository, address)
            complete = _has_all_blobs(repository, commit)
            if complete:
                warn(
                    f"{address.shown} cannot send a part of a repository: the whole snapshot"
                    f" travelled ({_size(folder) / 1e6:.1f} MB)"
                )
            fetch = None if complete else _blob_fetcher(repository, address)
            yield commit, _listing(repository, commit), _reader(repository, fetch)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(repository: Any, address: Address, wants: Any, **more: Any) -> None:
    from dulwich.client import get_transport_and_path
    from dulwich.errors import GitProtocolError, HangupException, NotGitRepository

    options: dict[str, Any] = {}
    if address.protocol == "ssh" and (command := os.environ.get("GIT_SSH_COMMAND")):
        options["ssh_command"] = command
    try:
        client, path = get_transport_and_path(address.url, **options)
        client.fetch(path, repository, determine_wants=wants, filter_spec=_FILTER, **more)
    except NotGitRepository:
        raise Unavailable(f"{address.shown}: not found", mend="check the address") from None
    except (GitProtocolError, HangupException, OSError, ValueError, KeyError) as error:
        raise _failed(address, error) from None
    except Exception as error:
        if type(error).__module__.startswith("urllib3"):
            raise _failed(address, error) from None
        raise


def _failed(address: Address, error: Exception) -> GitSpacyError:
    told = masked(str(error).replace(address.url, address.shown)) or type(error).__name__
    return Unavailable(f"{address.shown}: {told}", mend="check the address and the network")


def _fetch_commit(repository: Any, address: Address) -> str:
    found: list[bytes] = []

    def wants(refs: Mapping[bytes, bytes], **_: object) -> list[bytes]:
        found.extend(_chosen(refs, address))
        return found

    name = (address.ref or "").encode()
    prefixes = [b"HEAD"]
    if name and not address.is_commit:
        prefixes = [b"refs/heads/" + name, b"refs/tags/" + name]
    _fetch(repository, address, wants, depth=1, ref_prefix=prefixes)
    if not found:
        raise no_such_ref(address)
    return _commit_of(repository, found[0], address)


def _chosen(refs: Mapping[bytes, bytes], address: Address) -> list[bytes]:
    if address.is_commit:
        return [(address.ref or "").encode()]
    name = (address.ref or "").encode()
    for ref in [b"refs/heads/" + name, b"refs/tags/" + name] if name else [b"HEAD"]:
        if refs.get(ref):
            return [refs[ref]]
    return []


def _commit_of(repository: Any, object_id: bytes, address: Address) -> str:
    """The commit that an id names, through annotated tags."""

    try:
        found = repository[object_id]
        while found.type_name == b"tag":
            found = repository[found.object[1]]
    except KeyError:
        raise no_such_ref(address) from None
    return str(found.id.decode())


def _local_commit(repository: Any, address: Address) -> str:
    refs = repository.get_refs()
    chosen = _chosen(refs, address)
    if not chosen:
        raise no_such_ref(address)
    return _commit_of(repository, chosen[0], address)


def _listing(repository: Any, commit: str) -> tuple[Entry, ...]:
    entries: list[Entry] = []
    pending = [("", repository[commit.encode()].tree)]
    while pending:
        prefix, tree = pending.pop()
        for item in repository[tree].items():
            name = prefix + os.fsdecode(item.path)
            entries.append(Entry(item.mode, name, item.sha.decode()))
            if item.mode == FOLDER:
                pending.append((name + "/", item.sha))
    return tuple(sorted(entries, key=lambda entry: entry.name))


def _has_all_blobs(repository: Any, commit: str) -> bool:
    """Whether the server sent the blobs too, though it was asked not to."""

    blobs = (entry for entry in _listing(repository, commit) if entry.mode & 0o170000 == 0o100000)
    first = next(blobs, None)
    return first is not None and first.id.encode() in repository.object_store


def _blob_fetcher(repository: Any, address: Address) -> Callable[[Sequence[str]], None]:
    def fetch(ids: Sequence[str]) -> None:
        wanted = [id.encode() for id in dict.fromkeys(ids)]
        _fetch(repository, address, lambda _refs, **_: wanted, ref_prefix=[b"HEAD"])

    return fetch


def _reader(repository: Any, fetch: Callable[[Sequence[str]], None] | None = None) -> Read:
    def read(ids: Sequence[str]) -> Iterator[bytes]:
        if fetch and ids:
            fetch(ids)
        for id in ids:
            try:
                yield repository[id.encode()].as_raw_string()
            except KeyError:
                raise Unavailable(f"the repository did not send object {id[:12]}") from None

    return read


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "objects" / "pack").glob("*.pack"))
