"""The backend of `sparse` where there is no git: dulwich speaks the protocol.

The same two steps as with git: the commit and its trees, then the wanted contents by their ids. A
repository of this machine is read where it lies. Asks for no password; SHA-256 needs git.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from git_spacy.errors import GitSpacyError, Malformed, Unavailable
from git_spacy.git.address import Address, parse_address, without_credentials
from git_spacy.git.tree import Entry, Stream, counted, no_such_content

if TYPE_CHECKING:
    from dulwich.client import GitClient
    from dulwich.config import StackedConfig
    from dulwich.object_store import BaseObjectStore
    from dulwich.objects import ObjectID

_PATIENCE = 60.0  # seconds without a byte
_CREDENTIALS_MEND = "set a credential.helper for it: see `git help credentials`"


class _Fetched:
    """A store of objects, where to get more of them, and what has been got."""

    def __init__(self, repository: str, store: BaseObjectStore, get: _Remote | None) -> None:
        self.commit = ""
        self.listing: Sequence[Entry] = ()
        self._repository = repository
        self._store = store
        self._remote = get

    def open(self, id: bytes) -> None:
        """Find the commit that the object `id` is or tags, and list its files."""

        from dulwich.objects import Commit, ObjectID, Tag

        found = self._store[ObjectID(id)]
        while isinstance(found, Tag):
            found = self._store[found.object[1]]
        if not isinstance(found, Commit):
            raise Malformed(f"'{id.decode()}' of '{self._repository}' is no commit")
        self.commit = found.id.decode("ascii")
        self.listing = tuple(counted(self._listed(found.tree), self._repository))

    def _listed(self, tree: ObjectID) -> Iterator[Entry]:
        from dulwich.objects import Tree

        pending = [(b"", tree)]
        while pending:
            prefix, id = pending.pop()
            found = self._store[id]
            assert isinstance(found, Tree)
            for name, mode, inner in found.iteritems():
                if mode & 0o170000 == 0o040000:
                    pending.append((prefix + name + b"/", inner))
                else:
                    text = (prefix + name).decode("utf-8", "surrogateescape")
                    yield Entry(mode, text, inner.decode("ascii"))

    def fetch(self, ids: Sequence[str]) -> None:
        from dulwich.objects import ObjectID

        wanted = [ObjectID(id.encode("ascii")) for id in ids]
        missing = [id for id in wanted if id not in self._store]
        if missing and self._remote is not None:
            self._remote.get(self._store, missing)

    def blobs(self, ids: Sequence[str]) -> Iterator[tuple[str, Stream]]:
        from dulwich.objects import Blob, ObjectID

        for id in ids:
            try:
                kind, content = self._store.get_raw(ObjectID(id.encode("ascii")))
            except KeyError:
                raise no_such_content(id) from None
            if kind != Blob.type_num:
                raise no_such_content(id)
            yield id, BytesIO(content)


class _Remote:
    """A repository elsewhere, and how it is spoken to."""

    def __init__(self, address: Address, warn: Callable[[str], None]) -> None:
        from dulwich.config import StackedConfig

        self._address = address
        self._warn = warn
        self._config = StackedConfig.default()
        self._passwords: Iterator[tuple[str, str]] | None = None
        self._client, self._path = _client(address, self._config, None)

    def first(self, store: BaseObjectStore) -> bytes:
        """Fetch the commit that is wanted, and its trees; return the id that its name has."""

        ref = self._address.ref
        names = _candidates(ref)
        chosen: list[bytes] = []

        def choose(refs: dict[Any, Any], depth: int | None = None) -> list[Any]:  # noqa: ARG001
            if any(len(id) == 64 for id in refs.values()):
                raise Unavailable(
                    f"'{without_credentials(self._address.url)}' uses SHA-256",
                    mend="install git: without it only SHA-1 repositories can be read",
                )
            found = [refs[name] for name in names if name in refs]
            if self._address.is_commit and ref:
                found = [ref.encode("ascii")]
            chosen.extend(found[:1])
            return chosen

        self._fetch(store, choose, prefixes=names)
        if not chosen:
            raise _no_such_ref(self._address)
        return chosen[0]

    def get(self, store: BaseObjectStore, ids: list[ObjectID]) -> None:
        """Fetch these contents; where the server gives none by id, the whole snapshot."""

        try:
            self._fetch(store, lambda *_, **__: ids)
        except Unavailable:
            self._fetch(store, lambda *_, **__: [self._commit], filter=False)
            self._warn(f"the server gives no single files: {_cost(store)}")

    def opened(self, fetched: _Fetched, store: BaseObjectStore) -> None:
        """Note the commit, and tell what it cost if the contents came along."""

        from dulwich.objects import ObjectID

        self._commit = ObjectID(fetched.commit.encode("ascii"))
        if any(ObjectID(entry.id.encode("ascii")) in store for entry in fetched.listing):
            self._warn(f"the server cannot filter: {_cost(store)}")

    def _fetch(
        self,
        store: BaseObjectStore,
        choose: Callable[..., list[Any]],
        prefixes: Sequence[bytes] = (b"HEAD",),
        filter: bool = True,
    ) -> None:
        from dulwich.client import HTTPUnauthorized
        from dulwich.object_store import PackCapableObjectStore

        assert isinstance(store, PackCapableObjectStore)
        while True:
            file, commit, abort = store.add_pack()
            try:
                self._client.fetch_pack(
                    self._path,
                    choose,
                    _NothingHere(),
                    file.write,
                    depth=1,
                    ref_prefix=list(prefixes),
                    filter_spec=b"blob:none" if filter else None,
                )
                if file.tell():
                    commit()
                else:
                    abort()
                return
            except HTTPUnauthorized as error:
                abort()
                self._next_password(error)
            except BaseException as error:
                with suppress(Exception):
                    abort()
                if isinstance(error, GitSpacyError) or not isinstance(error, Exception):
                    raise
                raise _told(self._address, error) from None

    def _next_password(self, error: Exception) -> None:
        from git_spacy.git.credentials import credentials

        if self._passwords is None:
            self._passwords = credentials(self._address.url, self._config)
        password = next(self._passwords, None)
        if password is None:
            raise _told(self._address, error) from None
        self.close()
        self._client, self._path = _client(self._address, self._config, password)

    def close(self) -> None:
        manager = getattr(self._client, "pool_manager", None)
        if manager is not None:
            manager.clear()
        self._client.close()


class _NothingHere:
    """The history that we have, as the protocol asks for it: none."""

    shallow: frozenset[bytes] = frozenset()

    def __next__(self) -> None:
        return None

    def ack(self, _id: bytes) -> None: ...
    def nak(self) -> None: ...


@contextmanager
def fetched(address: Address, *, warn: Callable[[str], None]) -> Iterator[_Fetched]:
    """What `address` means, for as long as the block lasts."""

    import logging

    # Its remarks become warnings of ours, or errors.
    logging.getLogger("dulwich").addHandler(logging.NullHandler())
    repository = without_credentials(address.url)
    if address.local is not None:
        with _local(address, repository) as found:
            yield found
        return
    from dulwich.object_store import DiskObjectStore

    remote = _Remote(_rewritten(address), warn)
    with TemporaryDirectory(prefix="git-spacy-") as folder:
        store = DiskObjectStore.init(os.path.join(folder, "objects"))
        try:
            found = _Fetched(repository, store, remote)
            try:
                found.open(remote.first(store))
            except (KeyError, AssertionError) as error:
                raise Unavailable(
                    f"'{repository}' did not send what it promised: {error}", mend="try again"
                ) from None
            remote.opened(found, store)
            yield found
        finally:
            store.close()
            remote.close()


@contextmanager
def _local(address: Address, repository: str) -> Iterator[_Fetched]:
    from dulwich.errors import NotGitRepository
    from dulwich.objects import ObjectID
    from dulwich.refs import Ref
    from dulwich.repo import Repo

    try:
        opened = Repo(str(address.local))
    except (NotGitRepository, OSError, ValueError) as error:
        raise Unavailable(
            f"cannot read '{repository}': {error}", mend="give the path of a Git repository"
        ) from None
    with opened:
        found = _Fetched(repository, opened.object_store, None)
        if address.is_commit and address.ref:
            ids = [ObjectID(address.ref.encode("ascii"))]
        else:
            names = [Ref(name) for name in _candidates(address.ref)]
            ids = [opened.refs[name] for name in names if name in opened.refs]
        if not ids or ids[0] not in opened.object_store:
            raise _no_such_ref(address)
        found.open(ids[0])
        yield found


def _candidates(ref: str | None) -> tuple[bytes, ...]:
    """The full names that `ref` can have, in order: a branch comes before a tag."""

    if ref is None or ref == "HEAD":
        return (b"HEAD",)
    name = ref.encode("utf-8", "surrogateescape")
    return (name,) if ref.startswith("refs/") else (b"refs/heads/" + name, b"refs/tags/" + name)


def _rewritten(address: Address) -> Address:
    """`address` after the user's `url.….insteadOf`, through the same gate again."""

    from dulwich.config import StackedConfig, apply_instead_of

    url = apply_instead_of(StackedConfig.default(), address.url)
    return parse_address(url, address.ref, trusted=True)


def _client(
    address: Address, config: StackedConfig, password: tuple[str, str] | None
) -> tuple[GitClient, str]:
    """How to speak to `address`, and the path of the repository there."""

    from urllib.parse import unquote, urlsplit

    from dulwich.client import SSHGitClient, TCPGitClient

    url = address.url
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    parts = urlsplit(url) if scheme else urlsplit("ssh://" + url.replace(":", "/", 1))
    user, host = parts.username and unquote(parts.username), parts.hostname or ""
    path = unquote(parts.path) if scheme else url.partition(":")[2]
    if scheme in ("http", "https"):
        return _http_client(url, config, password), parts.path
    if scheme == "git":
        return TCPGitClient(host, port=parts.port, thin_packs=False), path
    ssh = SSHGitClient(
        host,
        port=parts.port if scheme else None,
        username=user or None,
        config=config,
        ssh_command=_ssh_command(config),
        thin_packs=False,
    )
    return ssh, path


def _ssh_command(config: StackedConfig) -> str:
    """The ssh that the user set for git, else one that asks nothing."""

    import shlex

    if os.environ.get("GIT_SSH_COMMAND"):
        return os.environ["GIT_SSH_COMMAND"]
    with suppress(KeyError):
        return os.fsdecode(config.get((b"core",), b"sshCommand"))
    if os.environ.get("GIT_SSH"):
        return shlex.quote(os.environ["GIT_SSH"])
    return "ssh -o BatchMode=yes"


def _http_client(url: str, config: StackedConfig, password: tuple[str, str] | None) -> GitClient:
    from urllib.parse import unquote, urlsplit

    from dulwich.client import Urllib3HttpGitClient

    class Client(Urllib3HttpGitClient):
        """Asks what there is only once, and is led from https nowhere else."""

        _known: Any = None

        def _discover_references(self, *args: Any, **kwargs: Any) -> Any:
            if self._known is None:
                self._known = super()._discover_references(*args, **kwargs)
            return self._known

        def _http_request(self, url: str, *args: Any, **kwargs: Any) -> Any:
            response, read = super()._http_request(url, *args, **kwargs)
            led = response.geturl() or url
            if url.startswith("https:") and not led.startswith(("https:", "/")):
                raise Unavailable(f"'{without_credentials(url)}' leads away from https")
            return response, read

    parts = urlsplit(url)
    if password is None and parts.username:
        password = unquote(parts.username), unquote(parts.password or "")
    user, secret = password or (None, None)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return Client(
        base, config=config, username=user, password=secret, timeout=_PATIENCE, thin_packs=False
    )


def _cost(store: BaseObjectStore) -> str:
    folder = Path(str(getattr(store, "pack_dir", "")))
    size = sum(pack.stat().st_size for pack in folder.glob("*.pack"))
    return f"the whole snapshot travelled ({size / 1e6:.1f} MB)"


def _no_such_ref(address: Address) -> GitSpacyError:
    repository = without_credentials(address.url)
    if address.ref is None:
        return Malformed(
            f"'{repository}' is empty, or its HEAD names no branch",
            mend="name a branch with --branch",
        )
    return Malformed(
        f"'{repository}' has no branch, tag or full commit id '{address.ref}'",
        mend="check its name",
    )


def _told(address: Address, error: Exception) -> GitSpacyError:
    """The error for what dulwich raised."""

    from dulwich.client import HTTPUnauthorized
    from dulwich.errors import NotGitRepository

    repository = without_credentials(address.url)
    if isinstance(error, HTTPUnauthorized):
        return Unavailable(f"'{repository}' wants credentials", mend=_CREDENTIALS_MEND)
    if isinstance(error, NotGitRepository):
        return Unavailable(
            f"there is no repository '{repository}'", mend="check the URL, and that you may read it"
        )
    if "not our ref" in str(error) and address.is_commit:
        return _no_such_ref(address)
    said = str(error) or type(error).__name__
    return Unavailable(f"cannot read '{repository}': {said}", mend="check the URL and the network")
