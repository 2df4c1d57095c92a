"""The backend of `partial_clone` for machines without git: dulwich speaks the protocol.

Fetches in two steps, as the git backend does: the commit and its trees, then the wanted blobs by
id. Reads a repository on this machine in place. Never prompts; SHA-256 repositories need git.
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
from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, Warn, redact, warning
from git_spacy.git import process
from git_spacy.git.address import Address, no_such_ref, parse_address, without_credentials
from git_spacy.git.process import Limits
from git_spacy.git.remote_tree import (
    MAX_TREE_BYTES,
    FetchedTree,
    Stream,
    TreeEntry,
    limit_entries,
    no_such_content,
)

if TYPE_CHECKING:
    from dulwich.client import GitClient
    from dulwich.config import StackedConfig
    from dulwich.object_store import BaseObjectStore, DiskObjectStore
    from dulwich.objects import ObjectID

_TIMEOUT = 60.0  # seconds without a byte
_CHECK_INTERVAL = 8 << 20  # bytes between two checks of the disk
_MAX_PROTOCOL_BYTES = 32 << 20  # besides the pack; enough for a server to list 400,000 branches
_CREDENTIALS_HINT = "give Git a password by a credential helper (git help credentials), or use SSH"


@contextmanager
def open_with_dulwich(
    address: Address,
    *,
    prompt: bool,  # noqa: ARG001 (dulwich never asks)
    warn: Warn,
    limits: Limits,
) -> Iterator[FetchedTree]:
    """Provide (commit, entries of all trees, contents). See `partial_clone.open_remote_tree`."""

    import logging

    # We turn what dulwich logs into warnings or errors of our own.
    logging.getLogger("dulwich").addHandler(logging.NullHandler())
    if address.local_path is not None:
        with _open_local(address) as (store, id):
            yield *_read_commit(store, id, address), _LocalStore(store)
        return
    from dulwich.object_store import DiskObjectStore

    with temporary_folder() as folder:
        store = DiskObjectStore.init(os.path.join(folder, "objects"))
        remote = _RemoteStore(store, address, warn, limits)
        try:
            commit, listing = _read_commit(store, remote.fetch_commit(), address)
            remote.check_if_filtered(commit, listing)
            yield commit, listing, remote
        finally:
            store.close()
            remote.close()


def _read_commit(
    store: BaseObjectStore, id: bytes, address: Address
) -> tuple[str, tuple[TreeEntry, ...]]:
    """Return the id and the files of the commit `id`, or of the commit that the tag `id` names."""

    from dulwich.objects import Commit, ObjectID, Tag

    try:
        object = store[ObjectID(id)]
        while isinstance(object, Tag):
            object = store[object.object[1]]
        if not isinstance(object, Commit):
            raise InvalidInput(f"'{address.ref}' of {address.display_url} is not a commit")
        listing = tuple(limit_entries(_list_tree(store, object.tree), address.display_url))
    except KeyError as error:
        raise no_such_content(error.args[0].decode("ascii", "replace")) from None
    return object.id.decode("ascii"), listing


def _list_tree(store: BaseObjectStore, tree: ObjectID) -> Iterator[TreeEntry]:
    from dulwich.objects import Tree

    pending = [(b"", tree)]
    while pending:
        prefix, id = pending.pop()
        object = store[id]
        if not isinstance(object, Tree):
            raise no_such_content(id.decode("ascii"))
        for name, mode, inner in object.iteritems():
            if mode & 0o170000 == 0o040000:
                pending.append((prefix + name + b"/", inner))
            else:
                text = (prefix + name).decode("utf-8", "surrogateescape")
                yield TreeEntry(mode, text, inner.decode("ascii"))


class _LocalStore:
    """The contents in an object store on this machine."""

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
    """The contents of a remote repository, fetched to a temporary object store."""

    def __init__(
        self, store: DiskObjectStore, address: Address, warn: Warn, limits: Limits
    ) -> None:
        from dulwich.config import StackedConfig

        super().__init__(store)
        self._packs = store
        self._warn = warn
        self._limits = limits
        self._meter = _Meter(limits, Path(store.pack_dir))
        self._commit = b""
        self._config = StackedConfig.default()
        self._address = address = _apply_instead_of(address, self._config)
        self._passwords: Iterator[tuple[str, str]] | None = None
        self._client, self._path = _create_client(address, self._config, None, self._meter)

    def fetch_commit(self) -> bytes:
        """Fetch the commit and its trees, and return the id of the object that the ref names."""

        ref = self._address.ref
        names = [name.encode("utf-8", "surrogateescape") for name in self._address.refs]
        chosen: list[bytes] = []

        def choose(refs: dict[Any, Any], depth: int | None = None) -> list[Any]:  # noqa: ARG001
            if any(len(id) == 64 for id in refs.values()):
                raise ExternalError(
                    f"{self._address.display_url} uses SHA-256",
                    hint="install git; without it, only SHA-1 repositories can be read",
                )
            ids = [refs[name] for name in names if name in refs]
            if self._address.is_commit and ref:
                ids = [ref.encode("ascii")]
            chosen.extend(ids[:1])
            return chosen

        self._fetch(choose, prefixes=[b"HEAD"] if self._address.is_commit else names)
        if not chosen:
            raise no_such_ref(self._address)
        return chosen[0]

    def check_if_filtered(self, commit: str, listing: Sequence[TreeEntry]) -> None:
        """Remember the commit, and warn if the server sent the contents as well."""

        from dulwich.objects import ObjectID

        self._commit = commit.encode("ascii")
        if any(ObjectID(entry.id.encode("ascii")) in self._store for entry in listing):
            self._warn_full_snapshot("does not support partial clones")

    def fetch(self, ids: Sequence[str]) -> None:
        from dulwich.objects import ObjectID

        wanted = [ObjectID(id.encode("ascii")) for id in ids]
        missing = [id for id in wanted if id not in self._store]
        if not missing:
            return
        try:
            self._fetch(lambda *_, **__: missing, minimum=0)
        except (ExternalError, InvalidInput):
            self._fetch(lambda *_, **__: [self._commit], filter=False)
            self._warn_full_snapshot("does not serve single files")

    def _fetch(
        self,
        choose: Callable[..., list[Any]],
        prefixes: Sequence[bytes] = (b"HEAD",),
        filter: bool = True,
        minimum: int = MAX_TREE_BYTES,
    ) -> None:
        from dulwich.client import HTTPUnauthorized

        while True:
            file, commit, abort = self._packs.add_pack()
            self._meter.begin(file, minimum)
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
                raise _translate_error(self._address, error) from None

    def _next_password(self, error: Exception) -> None:
        from git_spacy.git.credentials import credentials

        if self._passwords is None:
            self._passwords = credentials(self._address.url, self._config)
        password = next(self._passwords, None)
        if password is None:
            raise _translate_error(self._address, error) from None
        self.close()
        self._client, self._path = _create_client(
            self._address, self._config, password, self._meter
        )

    def _warn_full_snapshot(self, reason: str) -> None:
        packs = Path(self._packs.pack_dir).glob("*.pack")
        size = sum(pack.stat().st_size for pack in packs)
        message = f"{reason}: fetched the whole commit ({size / 1e6:.1f} MB)"
        self._warn(warning(f"{self._address.display_url} {message}"))

    def close(self) -> None:
        for response in getattr(self._client, "responses", ()):
            response.close()
        manager = getattr(self._client, "pool_manager", None)
        if manager is not None:
            manager.clear()
        self._client.close()


class _Meter:
    """Counts the bytes from a server. Raises ExternalError beyond the limits."""

    def __init__(self, limits: Limits, folder: Path) -> None:
        self._limits = self._current_limits = limits
        self._folder = folder
        self._file: Any = None
        self._started_at = time.monotonic()
        self._text_bytes = self._protocol_bytes = self._pack_bytes = self._next_check = 0

    def begin(self, file: Any, minimum: int) -> None:
        """Start counting for a fetch to `file`, whose size limit is at least `minimum` bytes."""

        self._current_limits = self._limits.for_next_fetch(self._folder, minimum)
        self._file = file
        self._started_at = time.monotonic()
        self._text_bytes = self._protocol_bytes = self._pack_bytes = self._next_check = 0

    def progress(self, text: bytes) -> None:
        self._text_bytes += len(text)
        if self._text_bytes > self._limits.text:
            raise process.limit_exceeded(
                f"more than {self._limits.text:,} bytes of text", self._limits
            )

    def write(self, chunk: bytes) -> int:
        self._file.write(chunk)
        self._pack_bytes += len(chunk)
        if self._pack_bytes >= self._next_check:
            self._file.flush()
            process.check_limits(
                self._current_limits, time.monotonic() - self._started_at, self._folder
            )
            self._next_check = self._pack_bytes + min(_CHECK_INTERVAL, max(self._limits.size, 1))
        return len(chunk)

    def metered(self, read: Callable[[int], bytes]) -> Callable[[int], bytes]:
        """Wrap `read` to count bytes outside the pack, which dulwich holds in memory."""

        def counted(size: int) -> bytes:
            chunk = read(size)
            process.check_limits(self._current_limits, time.monotonic() - self._started_at)
            self._protocol_bytes += len(chunk)
            if self._protocol_bytes - self._pack_bytes > _MAX_PROTOCOL_BYTES:
                raise process.limit_exceeded(
                    f"more than {_MAX_PROTOCOL_BYTES:,} bytes of names", self._limits
                )
            return chunk

        return counted


class _EmptyHistory:
    """A graph walker for a clone without any commits."""

    shallow: frozenset[bytes] = frozenset()

    def __next__(self) -> None:
        return None

    def ack(self, _id: bytes) -> None: ...
    def nak(self) -> None: ...


@contextmanager
def _open_local(address: Address) -> Iterator[tuple[BaseObjectStore, bytes]]:
    """Provide the objects of a repository on this machine, and the id that the ref names."""

    from dulwich.errors import NotGitRepository
    from dulwich.objects import ObjectID
    from dulwich.refs import Ref
    from dulwich.repo import Repo

    try:
        repository = Repo(str(address.local_path))
    except (NotGitRepository, OSError, ValueError) as error:
        raise ExternalError(
            f"'{address.local_path}': {error}", hint="name the top folder of a repository"
        ) from None
    with repository:
        if address.is_commit and address.ref:
            ids = [ObjectID(address.ref.encode("ascii"))]
        else:
            ids = []
            for name in address.refs:
                with suppress(KeyError):  # a HEAD whose branch has no commit is listed, too
                    ids.append(repository.refs[Ref(name.encode("utf-8", "surrogateescape"))])
        if not ids or ids[0] not in repository.object_store:
            raise no_such_ref(address)
        yield repository.object_store, ids[0]


def _apply_instead_of(address: Address, config: StackedConfig) -> Address:
    """Rewrite `address` by the user's `url.….insteadOf`, and validate the result again."""

    from dulwich.config import apply_instead_of

    url = apply_instead_of(config, address.url)
    return address if url == address.url else parse_address(url, address.ref, trusted=True)


def _create_client(
    address: Address, config: StackedConfig, password: tuple[str, str] | None, meter: _Meter
) -> tuple[GitClient, str]:
    """Return a client for the server of `address`, and the path of the repository on it."""

    from urllib.parse import unquote, urlsplit

    from dulwich.client import SSHGitClient, SubprocessSSHVendor, TCPGitClient

    url = address.url
    scheme = url.partition("://")[0].lower() if "://" in url else ""
    parts = urlsplit(url) if scheme else urlsplit("ssh://" + url.replace(":", "/", 1))
    user, host = parts.username and unquote(parts.username), parts.hostname or ""
    path = unquote(parts.path) if scheme else url.partition(":")[2]
    if scheme in ("http", "https"):
        return _create_http_client(url, config, password, meter), parts.path
    if scheme == "git":
        return _meter_client(TCPGitClient(host, port=parts.port, thin_packs=False), meter), path
    ssh = SSHGitClient(
        host,
        port=parts.port if scheme else None,
        username=user or None,
        vendor=SubprocessSSHVendor(),  # not what other libraries set for all, as DVC does
        config=config,
        ssh_command=_ssh_command(config),
        thin_packs=False,
    )
    return _meter_client(ssh, meter), path


def _meter_client(client: Any, meter: _Meter) -> GitClient:
    connect = client._connect

    def connected(*args: Any, **kwargs: Any) -> Any:
        protocol, *others = connect(*args, **kwargs)
        protocol.read = meter.metered(protocol.read)
        return protocol, *others

    client._connect = connected
    typed: GitClient = client
    return typed


def _ssh_command(config: StackedConfig) -> str:
    """Return the ssh command that the user configured for git, else one that does not prompt."""

    import shlex

    if os.environ.get("GIT_SSH_COMMAND"):
        return os.environ["GIT_SSH_COMMAND"]
    with suppress(KeyError):
        return os.fsdecode(config.get((b"core",), b"sshCommand"))
    if os.environ.get("GIT_SSH"):
        return shlex.quote(os.environ["GIT_SSH"])
    return "ssh -o BatchMode=yes"


def _create_http_client(
    url: str, config: StackedConfig, password: tuple[str, str] | None, meter: _Meter
) -> GitClient:
    from urllib.parse import unquote, urlsplit

    from dulwich.client import Urllib3HttpGitClient

    class Client(Urllib3HttpGitClient):
        """An HTTP client that lists refs once and refuses redirects away from https.

        It keeps all responses, since dulwich does not close those that it treats as errors.
        """

        _cached_refs: Any = None
        responses: list[Any]

        def record_responses(self) -> None:
            request = self.pool_manager.request
            self.responses = []

            def recorded(*args: Any, **kwargs: Any) -> Any:
                self.responses.append(request(*args, **kwargs))
                return self.responses[-1]

            self.pool_manager.request = recorded  # type: ignore[method-assign]

        def _discover_references(self, *args: Any, **kwargs: Any) -> Any:
            if self._cached_refs is None:
                self._cached_refs = super()._discover_references(*args, **kwargs)
            return self._cached_refs

        def _http_request(self, url: str, *args: Any, **kwargs: Any) -> Any:
            response, read = super()._http_request(url, *args, **kwargs)
            final_url = response.geturl() or url
            if url.startswith("https:") and not final_url.startswith(("https:", "/")):
                raise ExternalError(f"'{without_credentials(url)}' redirects away from https")
            return response, meter.metered(read)

    parts = urlsplit(url)
    if password is None and parts.username:
        password = unquote(parts.username), unquote(parts.password or "")
    user, secret = password or (None, None)
    base = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    client = Client(
        base, config=config, username=user, password=secret, timeout=_TIMEOUT, thin_packs=False
    )
    client.record_responses()
    return client


def _translate_error(address: Address, error: Exception) -> GitSpacyError:
    """Turn an exception of dulwich into an error of ours."""

    from dulwich.client import HTTPUnauthorized
    from dulwich.errors import HangupException, NotGitRepository

    if isinstance(error, HTTPUnauthorized):
        return ExternalError(f"{address.display_url} requires a password", hint=_CREDENTIALS_HINT)
    if isinstance(error, NotGitRepository):
        return ExternalError(
            f"{address.display_url}: not found", hint="check the address and your access rights"
        )
    if address.is_commit and (
        "not our ref" in str(error) or isinstance(error, HangupException)  # over http
    ):
        return no_such_ref(address)
    message = redact(str(error).replace(address.url, address.display_url)) or type(error).__name__
    return ExternalError(
        f"{address.display_url}: {message}", hint="check the address and the network"
    )
