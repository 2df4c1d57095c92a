"""Feed arbitrary bytes to every parser of untrusted input: a function per kind of file or answer.

Each function raises AssertionError for an internal error (exit code 70), a second of processor
time, more than 150 MB of memory, or a change outside the project. test_fuzz.py calls them with
Hypothesis, by_atheris.py with atheris, which searches for new code paths.
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

from git_spacy.assets.cancellation import Cancellation
from git_spacy.cli.main import main
from git_spacy.errors import GitSpacyError
from git_spacy.files import staging
from git_spacy.git.state_dir import state_dir
from git_spacy.project.paths import ProjectPath
from git_spacy.storage import archive
from tests.storage.hostile import file, hard_link, link, uncompressed
from tests.testing.projects import two_steps
from tests.testing.repositories import git, write
from tests.threats.inputs import REFUSED

SECONDS, MEGABYTES = 1.0, 150.0
_PROJECT_FILES = ("project.yml", "project.lock", "README.md", ".gitignore", "dvc.yaml")
EXPECTED_CODES = (0, 1, 2, 3, 4, 5)  # any error must be reported with one of these


class Arena:
    """A project in `folder` that was run; the folder contains nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, two_steps(folder / "p")
        git(self.root, "init", "-q")
        write(self.root, {".gitignore": "/corpus/\n/model/\n"})
        git(self.root, "add", "-A")
        git(self.root, "commit", "-qm", "x")
        for command in ("run all", "document", "dvc", "ignore"):
            assert self.spacy(*command.split()) == 0
        self.plan = {name: (self.root / name).read_bytes() for name in _PROJECT_FILES}
        self.index = (state_dir(self.root) / "index").read_bytes()

    def spacy(self, *arguments: str) -> int:
        """Run a command in the project without showing its output, and return the exit code."""

        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as err,
        ):
            code = main(["-C", str(self.root), *arguments])
        assert code in EXPECTED_CODES, (arguments, code, err.getvalue())
        return code

    @contextmanager
    def with_files(self, **files: bytes) -> Iterator[None]:
        """Replace these files of the project, and check the limits at the end of the block."""

        write(self.root, {**self.plan, **files})
        start = time.process_time()
        memory_before = _reset_peak_memory()
        yield
        assert time.process_time() - start < SECONDS, "too slow"
        assert _peak_memory() - memory_before < MEGABYTES, "too much memory"
        assert os.listdir(self.folder) == ["p"], "changed something outside the project"


def _reset_peak_memory() -> float:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    return _peak_memory()


def _peak_memory() -> float:
    """Return the peak memory in MB since the last reset, or 0 if the system does not tell."""

    try:
        match = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(match[1]) / 1024 if match else 0


def project(arena: Arena, data: bytes) -> None:
    """Use `data` as project.yml, with every command that reads it and runs no scripts."""

    for command in (
        "resolved", "resolved --json", "status --porcelain", "check project assets lock", "run all --dry",
        "run", "run all -h", "ignore --stdout", "document --stdout", "dvc --stdout", "graph --no-status",
        "graph -f svg", "check generated",
    ):  # fmt: skip
        with arena.with_files(**{"project.yml": data}):
            arena.spacy(*command.split())


def lock(arena: Arena, data: bytes) -> None:
    """Use `data` as project.lock."""

    for command in (
        "status",
        "status --json",
        "run all --dry",
        "check lock",
        "push",
        "cache gc",
        "lock resolve",
    ):
        with arena.with_files(**{"project.lock": data}):
            arena.spacy(*command.split())
    arena.spacy("lock", "rebuild")


def note(arena: Arena, data: bytes) -> None:
    """Use `data` as the note on a commit."""

    command = ("git", "notes", "--ref", "spacy", "add", "-f", "--allow-empty", "-F", "-")
    done = subprocess.run(command, cwd=arena.root, input=data, capture_output=True, check=False)
    if done.returncode:
        return  # git does not accept this note
    for command in (
        "log",
        "log --json",
        "log --table",
        "show",
        "diff HEAD",
        "lock rebuild",
        "restore",
        "check lock --notes",
    ):
        with arena.with_files():
            arena.spacy(*command.split())


def index(arena: Arena, data: bytes) -> None:
    """Use `data` as the stat cache."""

    for command in ("status --porcelain", "check"):
        (state_dir(arena.root) / "index").write_bytes(data)
        with arena.with_files():
            arena.spacy(*command.split())
    arena.spacy("run", "all", "--dry")


def generated(arena: Arena, data: bytes) -> None:
    """Use `data` as a file with a generated block: README.md, .gitignore or dvc.yaml."""

    for command, name in (("document", "README.md"), ("ignore", ".gitignore"), ("dvc", "dvc.yaml")):
        for option in ((), ("--check",), ("--force",)):
            with arena.with_files(**{name: data}):
                arena.spacy(command, *option)
        with arena.with_files(**{name: data}):
            arena.spacy("check", "generated")


def archive_members(arena: Arena, data: bytes) -> None:
    """Use `data` as the tar stream in an archive of a remote."""

    out = ProjectPath("out", "out")
    with arena.with_files():
        try:
            with staging(arena.root, "out") as staged:
                archive.unpack(io.BytesIO(gzip.compress(data, 1)), out, staged, 1 << 24)
        except (GitSpacyError, OSError):
            pass
        assert not os.path.lexists(arena.root / "out")


def response(arena: Arena, data: bytes) -> None:
    """Use `data` as the whole response of an HTTP server, starting with its status line."""

    with answering(lambda _: data) as url:
        text = f"assets: [{{dest: fetched, url: '{url}/x'}}]\n".encode()
        with arena.with_files(**{"project.yml": text}):
            arena.spacy("assets")
    (arena.root / "fetched").unlink(missing_ok=True)
    assert not list(arena.root.glob("*.tmp")), "a temporary file was left behind"


def repository(arena: Arena, data: bytes) -> None:
    """Use `data` as the answer of a Git server over HTTP, read by dulwich instead of git."""

    def answer(request: bytes) -> bytes:
        kind = b"result" if request.startswith(b"POST") else b"advertisement"
        head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n" % len(data)
        return head + b"Content-Type: application/x-git-upload-pack-%s\r\n\r\n%s" % (kind, data)

    path, os.environ["PATH"] = os.environ["PATH"], ""
    try:
        with answering(answer) as url, arena.with_files():
            code = arena.spacy("clone", "t", "cloned", "--repo", f"{url}/r")
    finally:
        os.environ["PATH"] = path
    assert code != 0
    assert not (arena.root / "cloned").exists()


@contextmanager
def answering(reply: Callable[[bytes], bytes]) -> Iterator[str]:
    """Serve the result of `reply` for each request, and close the connection."""

    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection, contextlib.suppress(OSError):
                        connection.sendall(reply(connection.recv(65536)))

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


KINDS: dict[str, Callable[[Arena, bytes], None]] = {
    "project": project, "lock": lock, "note": note, "index": index, "generated": generated,
    "members": archive_members, "response": response, "repository": repository,
}  # fmt: skip


_REF = b"1" * 40 + b" HEAD\0symref=HEAD:refs/heads/main shallow filter\n"


def packet(data: bytes) -> bytes:
    """Encode a pkt-line of Git's protocol."""

    return b"%04x" % (len(data) + 4) + data


def valid_inputs(arena: Arena, kind: str) -> list[bytes]:
    """Return valid inputs of this kind, from which fuzzing starts."""

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


def skip_waiting() -> None:
    """Retry without waiting."""

    Cancellation.sleep = lambda self, seconds: self.check()  # type: ignore[method-assign]
