"""The backend of `sparse` that is git itself: five requests, and of the contents only the wanted.

First the commit and its trees (`--filter=blob:none`, from a temporary bare repository), then the
contents by their ids in one request, then `cat-file`: git never writes a file of a stranger's.
The URL goes into that repository's configuration, not on a command line that others could read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from git_spacy.errors import GitSpacyError, LocalFailure, Malformed, Unavailable, Unsafe
from git_spacy.git import process
from git_spacy.git.address import Address, without_credentials
from git_spacy.git.tree import Entry, Stream, counted, no_such_content

_REMOTE = "git-spacy-source"
_REF = "refs/git-spacy/wanted"
# Nothing of the user's settings may start a program here or change what arrives.
_INERT = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.writeCommitGraph=false",
    "fetch.unpackLimit=1",
    "fetch.recurseSubmodules=false",
    "fetch.negotiationAlgorithm=noop",  # else the commit we have stands for its contents
    "protocol.version=2",
    "http.lowSpeedLimit=1",  # bytes a second, for
    "http.lowSpeedTime=60",  # seconds: a server that says nothing has gone
)
# "user": where the user's own words lead, but not where a server redirects to.
_PROTOCOLS = {"https": "always", "ssh": "always", "http": "user", "file": "user", "git": "user"}
_LAZY = (f"remote.{_REMOTE}.promisor=true", f"remote.{_REMOTE}.partialCloneFilter=blob:none")
# A repository of this machine is read through git's own door for strangers, which ignores its
# hooks; that it may filter is for us to say.
_UPLOAD_PACK = (
    "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack"
)
_NO_FILTER = b"filtering not recognized by server"
_NO_REF = re.compile(r"couldn't find remote ref|no such remote ref|not our ref")
_NOT_BY_ID = re.compile(r"not our ref|unadvertised object|upload-pack: not allowed")


class _Fetched:
    """A temporary repository, and which contents it has."""

    def __init__(self, address: Address, git_dir: Path, prompt: bool, warn: Callable[[str], None]):
        self.commit = ""
        self.listing: Sequence[Entry] = ()
        self._address = address
        self._git_dir = git_dir
        self._prompt = prompt
        self._warn = warn
        self._complete = False
        self._have: set[str] = set()

    def open(self) -> None:
        """Fetch commit and trees, and read them."""

        self._init("sha1")
        ref = self._fetch_first(_candidates(self._address))
        self.commit = self._commit(ref)
        self.listing = tuple(counted(self._listed(), without_credentials(self._address.url)))

    def _init(self, object_format: str) -> None:
        format = f"--object-format={object_format}"
        process.run(("init", "-q", "--bare", "--template=", format, "."), cwd=self._git_dir)
        url = self._address.url.replace("\\", "\\\\").replace('"', '\\"')
        with open(
            self._git_dir / "config", "a", encoding="utf-8", errors="surrogateescape"
        ) as file:
            file.write(f'[remote "{_REMOTE}"]\n\turl = "{url}"\n')

    def _fetch_first(self, refs: Sequence[str]) -> str:
        """Fetch the first of `refs` that is there; return its name."""

        for ref in refs:
            completed = self._fetch((f"+{ref}:{_REF}",), shallow=True)
            if b"mismatched algorithms" in completed.stderr:
                self._reinit("sha256")
                completed = self._fetch((f"+{ref}:{_REF}",), shallow=True)
            if completed.returncode == 0:
                if _NO_FILTER in completed.stderr:
                    self._complete = True
                    self._warn(f"the server cannot filter: {self._cost()}")
                return ref
            if not _NO_REF.search(completed.stderr.decode("utf-8", "replace")):
                raise self._failure(completed)
        raise self._no_such_ref()

    def _reinit(self, object_format: str) -> None:
        import shutil

        shutil.rmtree(self._git_dir)
        self._git_dir.mkdir()
        self._init(object_format)

    def _fetch(
        self,
        refspecs: Sequence[str],
        *,
        shallow: bool,
        filter: bool = True,
        ids: bytes | None = None,
    ) -> process.Completed:
        settings = list(_INERT) + [
            f"protocol.{name}.allow={use}" for name, use in self._protocols()
        ]
        settings += _LAZY if filter else ()
        args = [part for setting in settings for part in ("-c", setting)]
        args += ["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
        args += ["--depth=1"] if shallow else []
        args += ["--stdin"] if ids is not None else []
        args += [f"--upload-pack={_UPLOAD_PACK}"] if self._address.local else []
        return process.run(
            (*args, "--", _REMOTE, *refspecs),
            cwd=None,
            git_dir=self._git_dir,
            keep=process.COMMAND_LINE_SETTINGS,
            input=ids,
            check=False,
            prompt=self._prompt,
        )

    def _protocols(self) -> Iterator[tuple[str, str]]:
        yield "ext", "never"
        for name, use in _PROTOCOLS.items():
            yield name, "always" if self._address.url.startswith(f"{name}:") else use

    def _cost(self) -> str:
        packs = (self._git_dir / "objects" / "pack").glob("*.pack")
        size = sum(pack.stat().st_size for pack in packs)
        return f"the whole snapshot travelled ({size / 1e6:.1f} MB)"

    def _commit(self, ref: str) -> str:
        completed = process.run(
            ("rev-parse", "--verify", "-q", _REF + "^{commit}"),
            cwd=None,
            git_dir=self._git_dir,
            check=False,
        )
        if completed.returncode:
            raise Malformed(f"{ref!r} is no commit", mend="name a branch, a tag or a commit")
        return completed.stdout.decode("ascii").strip()

    def _listed(self) -> Iterator[Entry]:
        args = ("ls-tree", "-rz", "--full-tree", self.commit)
        with process.reading(args, cwd=None, git_dir=self._git_dir) as stream:
            rest = b""
            while chunk := stream.read(1 << 16):
                *records, rest = (rest + chunk).split(b"\0")
                for record in records:
                    head, _, name = record.partition(b"\t")
                    mode, _, id = head.split(b" ")
                    yield Entry(int(mode, 8), _text(name), id.decode("ascii"))

    def fetch(self, ids: Sequence[str]) -> None:
        missing = [id for id in ids if id not in self._have]
        if not missing or self._complete:
            return
        completed = self._fetch(
            (), shallow=False, ids="".join(f"{id}\n" for id in missing).encode()
        )
        if completed.returncode:
            said = completed.stderr.decode("utf-8", "replace")
            if not _NOT_BY_ID.search(said):
                raise self._failure(completed)
            self._fetch_all()
        self._have.update(missing)

    def _fetch_all(self) -> None:
        """The whole snapshot, from a server that filters, but gives no content by its id."""

        ref = self._address.ref and self.commit
        completed = self._fetch((f"+{ref or 'HEAD'}:{_REF}",), shallow=True, filter=False)
        if completed.returncode:
            raise self._failure(completed)
        self._complete = True
        self._warn(f"the server gives no single files: {self._cost()}")

    def blobs(self, ids: Sequence[str]) -> Iterator[tuple[str, Stream]]:
        with TemporaryFile() as wanted:
            wanted.write("".join(f"{id}\n" for id in ids).encode())
            wanted.seek(0)
            args = ("cat-file", "--batch")
            with process.reading(args, cwd=None, git_dir=self._git_dir, stdin=wanted) as stream:
                for id in ids:
                    header = stream.readline().split()
                    if len(header) != 3 or header[1] != b"blob":
                        raise no_such_content(id)
                    content = _Content(stream, int(header[2]))
                    yield id, content
                    content.skip()
                    stream.read(1)

    def _no_such_ref(self) -> GitSpacyError:
        repository = without_credentials(self._address.url)
        ref = self._address.ref
        if ref is None:
            return Malformed(
                f"'{repository}' is empty, or its HEAD names no branch",
                mend="name a branch with --branch",
            )
        if self._address.is_commit:
            return Malformed(f"'{repository}' has no commit '{ref}'", mend="check the commit id")
        mend = "see `git ls-remote --heads --tags` for what there is"
        if re.fullmatch(r"[0-9a-f]{4,64}", ref):
            mend = "a commit can be fetched by its full id only"
        return Malformed(f"'{repository}' has no branch or tag '{ref}'", mend=mend)

    def _failure(self, completed: process.Completed) -> GitSpacyError:
        return _told(without_credentials(self._address.url), completed)


class _Content:
    """The next `size` bytes of a stream."""

    def __init__(self, stream: Stream, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int = -1, /) -> bytes:
        size = self._left if size < 0 else min(size, self._left)
        chunk = self._stream.read(size)
        if len(chunk) < size:
            raise LocalFailure("git ended in the middle of a file", mend="try again")
        self._left -= size
        return chunk

    def skip(self) -> None:
        while self._left:
            self.read(1 << 20)


@contextmanager
def fetched(address: Address, *, prompt: bool, warn: Callable[[str], None]) -> Iterator[_Fetched]:
    """What `address` means, in a temporary repository that goes when the block ends."""

    with TemporaryDirectory(prefix="git-spacy-") as folder:
        git_dir = Path(folder) / "repository.git"
        git_dir.mkdir()
        source = _Fetched(address, git_dir, prompt, warn)
        source.open()
        yield source


def _candidates(address: Address) -> tuple[str, ...]:
    """The full names that `address.ref` can have, in order: a branch comes before a tag."""

    ref = address.ref
    if ref is None or ref == "HEAD":
        return ("HEAD",)
    if address.is_commit or ref.startswith("refs/"):
        return (ref,)
    return (f"refs/heads/{ref}", f"refs/tags/{ref}")


# What git says (in C locale), what that means, and the mend.
_MEANINGS: tuple[tuple[str, type[GitSpacyError], str], ...] = (
    (r"dubious ownership|unsafe repository", Unsafe, "if you trust it: {safe}"),
    (r"transport '.*' not allowed", Unsafe, "the repository leads where it must not"),
    (r"No space left on device", LocalFailure, "make room on the disk"),
    (
        r"Authentication failed|could not read (Username|Password)|terminal prompts disabled"
        r"|Permission denied|Invalid username or password|returned error: 40[13]",
        Unavailable,
        "give git your credentials for it: see `git help credentials`",
    ),
    (
        r"not found|does not appear to be a git repository|not valid: is this a git|404",
        Unavailable,
        "check the URL, and that you may read it",
    ),
)


def _told(repository: str, completed: process.Completed) -> GitSpacyError:
    """The error for a fetch that failed: git's last words, and what they mean."""

    said = process.last_words(completed.stderr)
    everything = completed.stderr.decode("utf-8", "replace")
    for pattern, family, mend in _MEANINGS:
        if re.search(pattern, everything, re.IGNORECASE):
            own = re.search(r"git config --global --add safe\.directory \S+", everything)
            mend = mend.format(safe=own[0] if own else "see `git help config`, safe.directory")
            return family(f"cannot read '{repository}': {said}", mend=mend)
    return Unavailable(
        f"cannot read '{repository}': {said}", mend="check the URL and the network, and try again"
    )


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")
