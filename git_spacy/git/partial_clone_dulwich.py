"""The backend of `sparse` where there is no git: dulwich speaks the protocol.

The same two steps as with git: the commit and its trees, then the wanted contents by their ids. A
repository of this machine is read where it lies. Asks for no password; SHA-256 needs git.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from git_spacy.abandoned import temporary_folder
from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, redact
from git_spacy.git import process
from git_spacy.git.address import Address, no_such_ref, parse_address, public
from git_spacy.git.process import Limits
from git_spacy.git.remote_tree import (
    MOST_TREES,
    Opened,
    Stream,
    TreeEntry,
    counted,
    no_such_content,
)

if TYPE_CHECKING:
    from dulwich.client import GitClient
    from dulwich.config import StackedConfig
    from dulwich.object_store import BaseObjectStore, DiskObjectStore
    from dulwich.objects import ObjectID

_PATIENCE = 60.0  # seconds without a byte
_LOOK = 8 << 20  # bytes between two looks at the disk
_MOST_TALK = 32 << 20  # bytes beside the pack: some 400,000 branches, where all of them are told
_CREDENTIALS_HINT = "let Git know the password: set a credential.helper, or use an SSH key"


@contextmanager
def opened(
    address: Address,
    *,
    prompt: bool,  # noqa: ARG001 (dulwich never asks)
    warn: Callable[[str], None],
    limits: Limits,
) -> Iterator[Opened]:
    """(commit, listing of all trees, contents). See `sparse.opened`."""

    import logging

    # Its remarks become warnings of ours, or errors.
    logging.getLogger("dulwich").addHandler(logging.NullHandler())
    if address.local is not None:
        with _local(address) as (store, id):
            yield *_read(store, id, address), _LocalStore(store)
        return
    from dulwich.object_store import DiskObjectStore

    with temporary_folder() as folder:
        store = DiskObjectStore.init(os.path.join(folder, "objects"))
        remote = _RemoteStore(store, address, warn, limits)
        try:
            commit, listing = _read(store, remote.fetch_commit(), address)
            remote.arrived(commit, listing)
            yield commit, listing, remote
        finally:
            store.close()
            remote.close()


def _read(store: BaseObjectStore, id: bytes, address: Address) -> tuple[str, tuple[TreeEntry, ...]]:
    """The commit that the object `id` is or tags, and its files."""

    from dulwich.objects import Commit, ObjectID, Tag

    try:
        found = store[ObjectID(id)]
        while isinstance(found, Tag):
            found = store[found.object[1]]
        if not isinstance(found, Commit):
            raise InvalidInput(f"'{address.ref}' of {address.shown} is no commit")
        listing = tuple(counted(_listed(store, found.tree), address.shown))
    except KeyError as error:
        raise no_such_content(error.args[0].decode("ascii", "replace")) from None
    return found.id.decode("ascii"), listing


def _listed(store: BaseObjectStore, tree: ObjectID) -> Iterator[TreeEntry]:
    from dulwich.objects import Tree

    pending = [(b"", tree)]
    while pending:
        prefix, id = pending.pop()
        found = store[id]
        if not isinstance(found, Tree):
            raise no_such_content(id.decode("ascii"))
        for name, mode, inner in found.iteritems():
            if mode & 0o170000 == 0o040000:
                pending.append((prefix + name + b"/", inner))
            else:
                text = (prefix + name).decode("utf-8", "surrogateescape")
                yield TreeEntry(mode, text, inner.decode("ascii"))


class _LocalStore:
    """Contents that lie in a store of this machine."""

    def __init__(self, store: BaseObjectStore) -> None:
        self._store = store

    def fetch(self, ids: Sequence[str]) -> None:
        pass

    def read(self, ids: Sequence[str]) -> Iterator[tuple[str, Stream]]:
        from dulwich.objects import Blob, ObjectID

        for id in ids:
            try:
                kind, content = self._store.get_raw(ObjectID(id.encode("ascii")))
            except KeyError:
                raise no_such_content(id) from None
            if kind != Blob.type_num:
                raise no_such_content(id)
            yield id, BytesIO(content)


class _RemoteStore(_LocalStore):
    """Contents that lie elsewhere, and how they are asked for."""

    def __init__(
        self, store: DiskObjectStore, address: Address, warn: Callable[[str], None], limits: Limits
    ) -> None:
        from dulwich.config import StackedConfig

        super().__init__(store)
        self._packs = store
        self._warn = warn
        self._limits = limits
        self._meter = _Meter(limits, Path(store.pack_dir))
        self._commit = b""
        self._config = StackedConfig.default()
        self._address = address = _rewritten(address, self._config)
        self._passwords: Iterator[tuple[str, str]] | None = None
        self._client, self._path = _client(address, self._config, None, self._meter)

    def fetch_commit(self) -> bytes:
        """Bring the commit and its trees; return the id of what the wanted name is."""

        ref = self._address.ref
        names = [name.encode("utf-8", "surrogateescape") for name in self._address.refs]
        chosen: list[bytes] = []

        def choose(refs: dict[Any, Any], depth: int | None = None) -> list[Any]:  # noqa: ARG001
            if any(len(id) == 64 for id in refs.values()):
                raise ExternalError(
                    f"{self._address.shown} uses SHA-256",
                    hint="install git: without it only SHA-1 repositories can be read",
                )
            found = [refs[name] for name in names if name in refs]
            if self._address.is_commit and ref:
                found = [ref.encode("ascii")]
            chosen.extend(found[:1])
            return chosen

        self._fetch(choose, prefixes=[b"HEAD"] if self._address.is_commit else names)
        if not chosen:
            raise no_such_ref(self._address)
        return chosen[0]

    def arrived(self, commit: str, listing: Sequence[TreeEntry]) -> None:
        """Note the commit, and tell what it cost if the contents came along unasked."""

        from dulwich.objects import ObjectID

        self._commit = commit.encode("ascii")
        if any(ObjectID(entry.id.encode("ascii")) in self._store for entry in listing):
            self._whole("cannot send a part of a repository")

    def fetch(self, ids: Sequence[str]) -> None:
        from dulwich.objects import ObjectID

        wanted = [ObjectID(id.encode("ascii")) for id in ids]
        missing = [id for id in wanted if id not in self._store]
        if not missing:
            return
        try:
            self._fetch(lambda *_, **__: missing, least=0)
        except (ExternalError, InvalidInput):
            self._fetch(lambda *_, **__: [self._commit], filter=False)
            self._whole("gives out no single files")

    def _fetch(
        self,
        choose: Callable[..., list[Any]],
        prefixes: Sequence[bytes] = (b"HEAD",),
        filter: bool = True,
        least: int = MOST_TREES,
    ) -> None:
        from dulwich.client import HTTPUnauthorized

        while True:
            file, commit, abort = self._packs.add_pack()
            self._meter.begin(file, least)
            try:
                self._client.fetch_pack(
                    self._path,
                    choose,
                    _EmptyHistory(),
                    self._meter.write,
                    progress=self._meter.progress,
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
                raise _failed(self._address, error) from None

    def _next_password(self, error: Exception) -> None:
        from git_spacy.git.credentials import credentials

        if self._passwords is None:
            self._passwords = credentials(self._address.url, self._config)
        password = next(self._passwords, None)
        if password is None:
            raise _failed(self._address, error) from None
        self.close()
        self._client, self._path = _client(self._address, self._config, password, self._meter)

    def _whole(self, why: str) -> None:
        packs = Path(self._packs.pack_dir).glob("*.pack")
        size = sum(pack.stat().st_size for pack in packs)
        self._warn(
            f"{self._address.shown} {why}: the whole snapshot travelled ({size / 1e6:.1f} MB)"
        )

    def close(self) -> None:
        for answer in getattr(self._client, "answers", ()):
            answer.close()
        manager = getattr(self._client, "pool_manager", None)
        if manager is not None:
            manager.clear()
        self._client.close()


class _Meter:
    """Counts what comes from a server. Raises Unavailable where it is too much."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        self._limits = self._now = limits
        self._folder = folder
        self._file: Any = None
        self._begin = time.monotonic()
        self._text = self._talk = self._pack = self._next_look = 0

    def begin(self, file: Any, least: int) -> None:
        """What comes now goes to `file`, which may have `least` bytes at any rate."""

        self._now = self._limits.after(self._folder, least)
        self._file = file
        self._begin = time.monotonic()
        self._text = self._talk = self._pack = self._next_look = 0

    def progress(self, text: bytes) -> None:
        self._text += len(text)
        if self._text > self._limits.text:
            raise process.beyond(f"more than {self._limits.text:,} bytes of text", self._limits)

    def write(self, chunk: bytes) -> int:
        self._file.write(chunk)
        self._pack += len(chunk)
        if self._pack >= self._next_look:
            self._file.flush()
            process.check_limits(self._now, time.monotonic() - self._begin, self._folder)
            self._next_look = self._pack + min(_LOOK, max(self._limits.size, 1))
        return len(chunk)

    def reading(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """The same `read`, counted: what is no pack is held in memory."""

        def counted(size: int) -> bytes:
            chunk = read(size)
            process.check_limits(self._now, time.monotonic() - self._begin)
            self._talk += len(chunk)
            if self._talk - self._pack > _MOST_TALK:
                raise process.beyond(f"more than {_MOST_TALK:,} bytes of names", self._limits)
            return chunk

        return counted


class _EmptyHistory:
    """The history that we have, as the protocol asks for it: none."""

    shallow: frozenset[bytes] = frozenset()

    def __next__(self) -> None:
        return None

    def ack(self, _id: bytes) -> None: ...
    def nak(self) -> None: ...


@contextmanager
def _local(address: Address) -> Iterator[tuple[BaseObjectStore, bytes]]:
    """The objects of a repository of this machine, and the id of what the wanted name is."""

    from dulwich.errors import NotGitRepository
    from dulwich.objects import ObjectID
    from dulwich.refs import Ref
    from dulwich.repo import Repo

    try:
        repository = Repo(str(address.local))
    except (NotGitRepository, OSError, ValueError) as error:
        raise ExternalError(
            f"'{address.local}': {error}", hint="name the top folder of a repository"
        ) from None
    with repository:
        if address.is_commit and address.ref:
            ids = [ObjectID(address.ref.encode("ascii"))]
        else:
            ids = []
            for name in address.refs:
                with suppress(KeyError):  # a HEAD whose branch has no commit is there, and is not
                    ids.append(repository.refs[Ref(name.encode("utf-8", "surrogateescape"))])
        if not ids or ids[0] not in repository.object_store:
            raise no_such_ref(address)
        yield repository.object_store, ids[0]


def _rewritten(address: Address, config: StackedConfig) -> Address:
    """`address` after the user's `url.….insteadOf`, through the same gate again."""

    from dulwich.config import apply_instead_of

    url = apply_instead_of(config, address.url)
    return address if url == address.url else parse_address(url, address.ref, trusted=True)


def _client(
    address: Address, config: StackedConfig, password: tuple[str, str] | None, meter: _Meter
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
        return _http_client(url, config, password, meter), parts.path
    if scheme == "git":
        return _metered(TCPGitClient(host, port=parts.port, thin_packs=False), meter), path
    ssh = SSHGitClient(
        host,
        port=parts.port if scheme else None,
        username=user or None,
        config=config,
        ssh_command=_ssh_command(config),
        thin_packs=False,
    )
    return _metered(ssh, meter), path


def _metered(client: Any, meter: _Meter) -> GitClient:
    connect = client._connect

    def connected(*args: Any, **kwargs: Any) -> Any:
        protocol, *others = connect(*args, **kwargs)
        protocol.read = meter.reading(protocol.read)
        return protocol, *others

    client._connect = connected
    made: GitClient = client
    return made


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


def _http_client(
    url: str, config: StackedConfig, password: tuple[str, str] | None, meter: _Meter
) -> GitClient:
    from urllib.parse import unquote, urlsplit

    from dulwich.client import Urllib3HttpGitClient

    class Client(Urllib3HttpGitClient):
        """Asks what there is only once, is led from https nowhere else, and can be closed even
        where dulwich forgets an answer that it did not like."""

        _known: Any = None
        answers: list[Any]

        def record(self) -> None:
            request = self.pool_manager.request
            self.answers = []

            def recorded(*args: Any, **kwargs: Any) -> Any:
                self.answers.append(request(*args, **kwargs))
                return self.answers[-1]

            self.pool_manager.request = recorded  # type: ignore[method-assign]

        def _discover_references(self, *args: Any, **kwargs: Any) -> Any:
            if self._known is None:
                self._known = super()._discover_references(*args, **kwargs)
            return self._known

        def _http_request(self, url: str, *args: Any, **kwargs: Any) -> Any:
            response, read = super()._http_request(url, *args, **kwargs)
            led = response.geturl() or url
            if url.startswith("https:") and not led.startswith(("https:", "/")):
                raise ExternalError(f"'{public(url)}' leads away from https")
            return response, meter.reading(read)

    parts = urlsplit(url)
    if password is None and parts.username:
        password = unquote(parts.username), unquote(parts.password or "")
    user, secret = password or (None, None)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    client = Client(
        base, config=config, username=user, password=secret, timeout=_PATIENCE, thin_packs=False
    )
    client.record()
    return client


def _failed(address: Address, error: Exception) -> GitSpacyError:
    """The error for what dulwich raised."""

    from dulwich.client import HTTPUnauthorized
    from dulwich.errors import HangupException, NotGitRepository

    if isinstance(error, HTTPUnauthorized):
        return ExternalError(f"{address.shown} wants a password", hint=_CREDENTIALS_HINT)
    if isinstance(error, NotGitRepository):
        return ExternalError(
            f"{address.shown}: not found", hint="check the address, and that you may read it"
        )
    if address.is_commit and (
        "not our ref" in str(error) or isinstance(error, HangupException)  # so says http
    ):
        return no_such_ref(address)
    told = redact(str(error).replace(address.url, address.shown)) or type(error).__name__
    return ExternalError(f"{address.shown}: {told}", hint="check the address and the network")
