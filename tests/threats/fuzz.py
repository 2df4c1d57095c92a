"""What is read of strangers, given any bytes: one function for each kind of file or answer.

Each function raises AssertionError if the bytes bring down more than themselves: a defect (exit code
70), a second of computing, more than 150 MB, anything outside the project. test_fuzz.py feeds them
by Hypothesis, by_atheris.py by atheris, which looks for new ways through the code.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from git_spacy import cli
from git_spacy.assets.cancellation import Cancellation
from git_spacy.errors import GitSpacyError
from git_spacy.files import staging
from git_spacy.project.paths import ProjectPath
from git_spacy.state.stat_cache import state_dir
from git_spacy.storage import archive
from tests.storage.hostile import file, hard_link, link, uncompressed
from tests.testing.projects import two_steps
from tests.testing.repositories import git, write
from tests.threats.inputs import REFUSED

SECONDS, MEGABYTES = 1.0, 150.0
_PLAN = ("project.yml", "project.lock", "README.md", ".gitignore", "dvc.yaml")
TAKEN = (0, 1, 2, 3, 4, 5)  # whatever is wrong is told by one of these


class Arena:
    """A project that was run, in `folder`, which holds nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, two_steps(folder / "p")
        git(self.root, "init", "-q")
        write(self.root, {".gitignore": "/corpus/\n/model/\n"})
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", "x")
        for words in ("run all", "document", "dvc", "ignore"):
            assert self.spacy(*words.split()) == 0
        self.plan = {name: (self.root / name).read_bytes() for name in _PLAN}
        self.index = (state_dir(self.root) / "index").read_bytes()

    def spacy(self, *words: str) -> int:
        """The exit code of a verb in the project; what it says is not shown."""

        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            code = cli.main(["-C", str(self.root), *words])
        assert code in TAKEN, (words, code, err.getvalue())
        return code

    @contextmanager
    def holding(self, **what: bytes) -> Iterator[None]:
        """The project as it is, but for these files, within the bounds."""

        write(self.root, {**self.plan, **what})
        began = time.process_time()
        before = _reset_peak()
        yield
        assert time.process_time() - began < SECONDS, "too slow"
        assert _peak() - before < MEGABYTES, "too much memory"
        assert os.listdir(self.folder) == ["p"], "outside the project"


def _reset_peak() -> float:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak()


def _peak() -> float:
    """The most memory since it was reset, in MB; 0 where the system does not say."""

    try:
        found = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found[1]) / 1024 if found else 0


def project(arena: Arena, data: bytes) -> None:
    """project.yml, before all that reads it and runs nothing."""

    for words in (
        "resolved", "resolved --json", "status --porcelain", "check project assets lock", "run all --dry",
        "run", "run all -h", "ignore --stdout", "document --stdout", "dvc --stdout", "graph --no-status",
        "graph -f svg", "check generated",
    ):  # fmt: skip
        with arena.holding(**{"project.yml": data}):
            arena.spacy(*words.split())


def lock(arena: Arena, data: bytes) -> None:
    """project.lock."""

    for words in (
        "status",
        "status --json",
        "run all --dry",
        "check lock",
        "push",
        "cache gc",
        "lock resolve",
    ):
        with arena.holding(**{"project.lock": data}):
            arena.spacy(*words.split())
    arena.spacy("lock", "rebuild")


def note(arena: Arena, data: bytes) -> None:
    """The body of a note."""

    command = ("git", "notes", "--ref", "spacy", "add", "-f", "--allow-empty", "-F", "-")
    done = subprocess.run(command, cwd=arena.root, input=data, capture_output=True, check=False)
    if done.returncode:
        return  # git wants none of it
    for words in (
        "log",
        "log --json",
        "log --table",
        "show",
        "diff HEAD",
        "lock rebuild",
        "restore",
        "check lock --notes",
    ):
        with arena.holding():
            arena.spacy(*words.split())


def index(arena: Arena, data: bytes) -> None:
    """The stat index, which is a cache: whatever is in it, the verdict is the same."""

    for words in ("status --porcelain", "check"):
        (state_dir(arena.root) / "index").write_bytes(data)
        with arena.holding():
            arena.spacy(*words.split())
    arena.spacy("run", "all", "--dry")


def generated(arena: Arena, data: bytes) -> None:
    """The files around our blocks: README.md, .gitignore and dvc.yaml."""

    for words, name in (("document", "README.md"), ("ignore", ".gitignore"), ("dvc", "dvc.yaml")):
        for option in ((), ("--check",), ("--force",)):
            with arena.holding(**{name: data}):
                arena.spacy(words, *option)
        with arena.holding(**{name: data}):
            arena.spacy("check", "generated")


def members(arena: Arena, data: bytes) -> None:
    """The tar in an archive that a remote has."""

    out = ProjectPath("out", "out")
    with arena.holding():
        try:
            with staging(arena.root, "out") as staged:
                archive.unpack(io.BytesIO(gzip.compress(data, 1)), out, staged, 1 << 24)
        except (GitSpacyError, OSError):
            pass
        assert not os.path.lexists(arena.root / "out")


def response(arena: Arena, data: bytes) -> None:
    """All that a server says, from the first byte of its status line."""

    with answering(lambda _: data) as url:
        text = f"assets: [{{dest: fetched, url: '{url}/x'}}]\n".encode()
        with arena.holding(**{"project.yml": text}):
            arena.spacy("assets")
    (arena.root / "fetched").unlink(missing_ok=True)
    assert not list(arena.root.glob("*.tmp")), "something temporary is left"


def repository(arena: Arena, data: bytes) -> None:
    """What a Git server says over HTTP, heard without a git program: by dulwich and us."""

    def answer(asked: bytes) -> bytes:
        kind = b"result" if asked.startswith(b"POST") else b"advertisement"
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n" % len(data)
        return head + b"Content-Type: application/x-git-upload-pack-%s\r\n\r\n%s" % (kind, data)

    path, os.environ["PATH"] = os.environ["PATH"], ""
    try:
        with answering(answer) as url, arena.holding():
            code = arena.spacy("clone", "t", "cloned", "--repo", f"{url}/r")
    finally:
        os.environ["PATH"] = path
    assert code != 0
    assert not (arena.root / "cloned").exists()


@contextmanager
def answering(reply: Callable[[bytes], bytes]) -> Iterator[str]:
    """A server that says this to each request, and hangs up."""

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    one, _ = server.accept()
                    with one, contextlib.suppress(OSError):
                        one.sendall(reply(one.recv(65536)))

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


KINDS: dict[str, Callable[[Arena, bytes], None]] = {
    "project": project, "lock": lock, "note": note, "index": index, "generated": generated,
    "members": members, "response": response, "repository": repository,
}  # fmt: skip


_REF = b"1" * 40 + b" HEAD\0symref=HEAD:refs/heads/main shallow filter\n"


def packet(data: bytes) -> bytes:
    """A line of Git's protocol."""

    return b"%04x" % (len(data) + 4) + data


def good(arena: Arena, kind: str) -> list[bytes]:
    """Bytes of this kind as they should be."""

    plan = arena.plan
    return {
        "project": [plan["project.yml"], *(text.data for text in REFUSED if len(text.data) < 1000)],
        "lock": [plan["project.lock"]],
        "note": [git(arena.root, "notes", "--ref", "spacy", "show", "HEAD").encode()],
        "index": [arena.index],
        "generated": [plan[name] for name in ("README.md", ".gitignore", "dvc.yaml")],
        "members": [uncompressed([file("out/a", b"x" * 600), link("out/l", "a"), hard_link("out/h", "out/a")])],
        "repository": [b"".join((packet(b"# service=git-upload-pack\n"), b"0000", packet(_REF), b"0000"))],
        "response": [b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nETag: \"x\"\r\n\r\ndata"],
    }[kind]  # fmt: skip


def without_pauses() -> None:
    """Let no try wait for the next."""

    Cancellation.sleep = lambda self, seconds: self.check()  # type: ignore[method-assign]
