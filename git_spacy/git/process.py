"""Start git: the only module that does, with a scrubbed environment and an explicit folder.

Knows nothing about git's subcommands. Imports little, since many commands only need to find the
repository and never start git.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, NamedTuple, cast

from git_spacy import interrupts
from git_spacy.errors import ExternalError, Refused, redact
from git_spacy.git.damage import check_damage
from git_spacy.project.paths import has_git_dir, is_git_dir

if TYPE_CHECKING:
    import subprocess
    from io import BufferedReader, BufferedWriter

# Variables that tie a process to one repository: `git rev-parse --local-env-vars`, held by a test.
LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
    "GIT_OBJECT_DIRECTORY",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_REPLACE_REF_BASE",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_COMMON_DIR",
    "GIT_INTERNAL_SUPER_PREFIX",
)
# Of these, the settings of `git -c NAME=VALUE spacy …` or of a CI, which belong to the user.
_SETTINGS = re.compile(r"GIT_CONFIG_(PARAMETERS|COUNT|(KEY|VALUE)_\d+)")
_COUNTED_CONFIG = re.compile(r"GIT_CONFIG_(KEY|VALUE)_\d+")

# Local commands never come near these limits; fetches have their own.
_MAX_STDOUT = 256 << 20  # bytes
_MAX_STDERR = 16 << 20  # bytes
_KEPT_STDERR = 64 << 10  # bytes that are kept of the beginning, and of the end
_CHUNK = 1 << 16
_POLL_INTERVAL = 0.2  # seconds between two checks of the time and the disk
_MIN_FREE_DISK = 64 << 20  # bytes that a fetch leaves free
RAISE_LIMIT = "to raise the limit: git config spacy.maxAssetSize 10g"  # a hint

_TERMINATION_GRACE = 3.0  # seconds between SIGTERM and SIGKILL
_running: set[subprocess.Popen[bytes]] = set()
_thread_local = threading.local()


class Limits(NamedTuple):
    """Limits for one fetch from a server: `seconds` in all, bytes of `text` on standard error,
    bytes on disk (0: unlimited), and bytes of `memory` for each process (on Linux only)."""

    seconds: float = 3600.0
    text: int = 1 << 20
    size: int = 0
    memory: int = 2 << 30

    def for_next_fetch(self, folder: Path, minimum: int = 0) -> Limits:
        """Return the limits for one more fetch to `folder`, of at least `minimum` bytes."""

        size = size_of_folder(folder) + max(self.size, minimum) if self.size else 0
        return self._replace(size=size)


LIMITS = Limits()
"""The limits for a server that the user has configured."""


class GitResult(NamedTuple):
    """The exit code and output of a git process; `stderr` is shortened in the middle if long."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def message(self) -> str:
        """The last lines of git's error message, without prefixes and hints."""

        lines = self.stderr.decode("utf-8", "replace").splitlines()
        errors = [line for line in lines if line.startswith(("fatal: ", "error: ", "remote: "))]
        return "; ".join(line.split(": ", 1)[-1] for line in (errors or lines)[-3:] if line.strip())


def available() -> bool:
    """Return whether git is installed."""

    import shutil

    return shutil.which("git") is not None


def scrub_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return `environ` without the variables that tie a process to a repository."""

    return {
        name: value
        for name, value in environ.items()
        if not name.startswith("GIT_")
        or (name not in LOCAL_VARIABLES and not _COUNTED_CONFIG.fullmatch(name))
    }


def reject_bare_repository(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Return `environ` for a git that starts in `cwd` and ignores bare repositories.

    A bare repository may be part of a template, and its config can name programs to run.
    """

    result = dict(environ)
    count = result.get("GIT_CONFIG_COUNT") or "0"
    if count.isascii() and count.isdigit():  # git itself reports any other value
        result[f"GIT_CONFIG_KEY_{count}"] = "safe.bareRepository"
        result[f"GIT_CONFIG_VALUE_{count}"] = "explicit"
        result["GIT_CONFIG_COUNT"] = str(int(count) + 1)
    if not result.get("GIT_DIR") and (bare := _find_bare_repository(cwd)):
        # Git before 2.38 does not know safe.bareRepository: name a repository that does not exist.
        result["GIT_DIR"] = str(bare / ".git")
    return result


def _find_bare_repository(cwd: Path) -> Path | None:
    """Return the bare repository that git would discover from `cwd`, if any."""

    for folder in (cwd, *cwd.parents):
        if has_git_dir(folder):
            return None
        if is_git_dir(folder):
            return folder
    return None


def can_prompt() -> bool:
    """Return whether there is a terminal on which to ask the user."""

    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def git_environment(
    *, prompt: bool = False, protocols: str | None = "", configured: bool = False
) -> dict[str, str]:
    """Return the environment for a git process on a repository that the caller names.

    Without `prompt`, neither git nor ssh prompts. Only the `protocols` (as in GIT_ALLOW_PROTOCOL,
    e.g. "https:ssh") are allowed; None leaves that to the user's configuration. With
    `configured`, settings from the command line (`git -c`) and the environment apply.
    """

    environ = dict(os.environ)
    result = scrub_environment(environ)
    if configured:
        kept = {name: text for name, text in environ.items() if _SETTINGS.fullmatch(name)}
        result.update(kept)
    result.update(LC_ALL="C", LANGUAGE="")
    if protocols is not None:
        result["GIT_ALLOW_PROTOCOL"] = protocols
    result["GIT_TERMINAL_PROMPT"] = "1" if prompt else "0"
    if not prompt:
        result["SSH_ASKPASS_REQUIRE"] = "never"  # GIT_ASKPASS stays: a CI passes passwords by it
        result.pop("SSH_ASKPASS", None)
    return result


@contextmanager
def stream_git(
    arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str], input: bytes,
    memory: int = 0,
) -> Iterator[BinaryIO]:  # fmt: skip
    """Run `git ARGUMENTS`, and provide its standard output as a stream.

    Git may allocate `memory` bytes (0: unlimited). Raises ExternalError if git fails after all
    its output was read; leaving the block earlier is not an error.
    """

    # Files rather than pipes, which would need a thread to fill and to empty them.
    environ = reject_bare_repository(environ, cwd)
    with _anonymous_file() as stdin, _anonymous_file() as stderr:
        stdin.write(input)
        stdin.seek(0)
        with _start_git(arguments, cwd, environ, stdin, stderr) as child:
            if memory:
                _limit_memory(child, memory)
            stream = cast("BinaryIO", child.stdout)
            yield stream
            if stream.read(1):
                return
            child.wait()
        stderr.seek(0)
        text = _Excerpt()
        while chunk := stderr.read(_CHUNK):
            text.add(chunk)
        _raise_for_status(arguments, GitResult(child.returncode, b"", text.text))


@contextmanager
def converse_with_git(
    arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str]
) -> Iterator[tuple[BufferedWriter, BufferedReader]]:
    """Run `git ARGUMENTS`, and provide its standard input and output; its messages are dropped.

    Git is terminated at the end of the block.
    """

    from subprocess import DEVNULL, PIPE

    environ = reject_bare_repository(environ, cwd)
    with _start_git(arguments, cwd, environ, PIPE, DEVNULL) as child:
        yield cast("BufferedWriter", child.stdin), cast("BufferedReader", child.stdout)


def _anonymous_file() -> BinaryIO:
    """Open a file without a name: in memory if the system can, which saves importing tempfile."""

    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("git-spacy"), "w+b")
    import tempfile

    return cast("BinaryIO", tempfile.TemporaryFile())


def run_git(
    arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str] | None = None,
    input: bytes | None = None, stdin: IO[bytes] | None = None, check: bool = True,
    accepted: Collection[int] = (0,), prompt: bool = False, allow_bare: bool = False,
    limits: Limits | None = None, folder: Path | None = None,
) -> GitResult:  # fmt: skip
    """Run `git ARGUMENTS` in `cwd`, wait for it, and return the result.

    Git reads `input` or the file `stdin`. With `allow_bare`, `cwd` may be a bare repository, as the
    user has named it. `limits` are for git processes that talk to a server and write to `folder`;
    raises ExternalError beyond them.

    With `check`, raises ExternalError with git's message if the exit code is not in `accepted`.
    Without `prompt`, git has no terminal. An interrupt terminates git and its children.
    """

    import subprocess

    pipe = subprocess.PIPE
    environ = git_environment() if environ is None else environ
    environ = environ if allow_bare else reject_bare_repository(environ, cwd)
    with _start_git(arguments, cwd, environ, stdin or pipe, pipe, prompt) as child:
        if limits:
            _limit_memory(child, limits.memory)
        stdout, stderr = _communicate(child, input or b"", limits, folder)
    completed = GitResult(child.returncode, stdout, stderr)
    if check and completed.returncode not in accepted:
        _raise_for_status(arguments, completed)
    return completed


class _Excerpt:
    """The beginning and the end of a text that may be long, and its length."""

    def __init__(self) -> None:
        self.length = 0
        self._first = b""
        self._last = b""

    def add(self, chunk: bytes) -> None:
        self.length += len(chunk)
        room = _KEPT_STDERR - len(self._first)
        self._first += chunk[:room]
        self._last = (self._last + chunk[room:])[-_KEPT_STDERR:]

    @property
    def text(self) -> bytes:
        left_out = self.length > len(self._first) + len(self._last)
        return self._first + (b"\n[...]\n" if left_out else b"") + self._last


def _communicate(
    child: subprocess.Popen[bytes], input: bytes, limits: Limits | None, folder: Path | None
) -> tuple[bytes, bytes]:
    """Communicate with the process as Popen.communicate does, but within limits."""

    import selectors
    import time

    start = time.monotonic()
    max_text = limits.text if limits else _MAX_STDERR
    stdout, stdout_size, stderr, rest = [], 0, _Excerpt(), memoryview(input)
    with selectors.DefaultSelector() as selector:
        for stream in (child.stdout, child.stderr):
            if stream:
                selector.register(stream, selectors.EVENT_READ)
        if child.stdin and rest:
            os.set_blocking(child.stdin.fileno(), False)
            selector.register(child.stdin, selectors.EVENT_WRITE)
        elif child.stdin:
            child.stdin.close()
        while selector.get_map():
            for key, _ in selector.select(_POLL_INTERVAL if limits else None):
                if key.fileobj is child.stdin:
                    try:
                        rest = rest[os.write(key.fd, rest[:_CHUNK]) :]
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:  # git does not want to read more
                        rest = rest[:0]
                    if not rest:
                        selector.unregister(key.fileobj)
                        child.stdin.close()
                    continue
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                elif key.fileobj is child.stderr:
                    stderr.add(chunk)
                else:
                    stdout.append(chunk)
                    stdout_size += len(chunk)
            if stderr.length > max_text:
                raise limit_exceeded(f"more than {max_text:,} bytes of text", limits)
            if stdout_size > _MAX_STDOUT:
                raise limit_exceeded(f"more than {_MAX_STDOUT:,} bytes", limits)
            if limits:
                check_limits(limits, time.monotonic() - start, folder)
    child.wait()
    return b"".join(stdout), stderr.text


def check_limits(limits: Limits, elapsed: float, folder: Path | None = None) -> None:
    """Raise ExternalError if a fetch to `folder` exceeds `limits` after `elapsed` seconds."""

    if elapsed > limits.seconds:
        raise ExternalError(
            f"the server did not finish within {limits.seconds:g} s",
            hint="to wait longer: git config spacy.fetchTimeout SECONDS",
        )
    if folder is None:
        return
    if limits.size and size_of_folder(folder) > limits.size:
        raise ExternalError(f"the server sent more than {limits.size:,} bytes", hint=RAISE_LIMIT)
    disk = os.statvfs(folder)
    block = disk.f_frsize or disk.f_bsize
    if disk.f_bavail * block < min(_MIN_FREE_DISK, disk.f_blocks * block // 100):
        raise ExternalError(
            "not enough disk space for the data of the server", hint="free some disk space"
        )


def size_of_folder(folder: Path) -> int:
    """Return the size of all files below `folder` in bytes; files may vanish meanwhile."""

    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def limit_exceeded(amount: str, limits: Limits | None) -> ExternalError:
    """Return the error for too much output: of a server if there are `limits`, else of git."""

    sender = "the server" if limits else "git"
    hint = "ask the administrator of the server" if limits else "try again"
    return ExternalError(f"{sender} sent {amount}", hint=hint)


def _limit_memory(child: subprocess.Popen[bytes], limit: int) -> None:
    """Limit the memory in bytes of `child`, and of every process that it starts from now on."""

    import resource

    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            _, hard = resource.prlimit(child.pid, resource.RLIMIT_DATA)
            limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.prlimit(child.pid, resource.RLIMIT_DATA, (limit, hard))


@contextmanager
def pager(command: str) -> Iterator[IO[str] | None]:
    """Provide the input of a pager, and wait until the user has quit it.

    `command` is a shell command, as from `git var GIT_PAGER`; less and lv get Git's default
    options. Provides None if the pager cannot be started.
    """

    import subprocess

    # the output is UTF-8 in every locale, also in one in which less would show it as bytes
    environ = {"LESS": "FRX", "LV": "-c", "LESSCHARSET": "utf-8", **os.environ}
    try:
        child = subprocess.Popen(
            ("sh", "-c", command), env=environ, stdin=subprocess.PIPE, text=True,
            encoding="utf-8", errors="backslashreplace",
        )  # fmt: skip
    except OSError:
        yield None
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # leave Ctrl-C to the pager
    try:
        yield child.stdin
    finally:
        with suppress(OSError):  # the user may have quit already
            child.communicate()
        signal.signal(signal.SIGINT, previous)


def credential_helper(command: Sequence[str], question: str, timeout: float) -> str:
    """Return the output of a credential helper, or "" if it fails or exceeds `timeout` seconds."""

    import subprocess

    try:
        with subprocess.Popen(
            command,
            env=git_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as child:
            try:
                answer, _ = child.communicate(question.encode(), timeout)
            except BaseException as error:
                _terminate(child, group=True)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                return ""
    except OSError:
        return ""
    return answer.decode("utf-8", "replace") if child.returncode == 0 else ""


def _raise_for_status(arguments: Sequence[str], completed: GitResult) -> None:
    if completed.returncode:
        check_ownership(completed)
        check_damage(completed.stderr)
        words = [
            word
            for previous, word in zip(("", *arguments), arguments, strict=False)
            if not word.startswith("-") and previous != "-c"
        ]
        message = completed.message or "failed with no output"
        raise ExternalError(redact(f"git {words[0] if words else ''}: {message}"))


def check_ownership(completed: GitResult) -> None:
    """Raise Refused if git refused to work on a repository that another user owns."""

    if hint := ownership_hint(completed):
        raise Refused("the repository is owned by another user", hint=hint)


def ownership_hint(completed: GitResult) -> str:
    """Return the hint for a repository that git refused because of its owner, else ""."""

    stderr = completed.stderr.decode("utf-8", "replace")
    if "dubious ownership" not in stderr and "unsafe repository" not in stderr:
        return ""
    command = re.search(r"git config --global --add safe\.directory .*", stderr)
    return f"if you trust it: {command[0] if command else 'see safe.directory'}"


@contextmanager
def _start_git(
    arguments: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str],
    stdin: int | IO[bytes],
    stderr: int | IO[bytes],
    prompt: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """Provide a running git, and terminate it at the end of the block.

    Without `prompt` it gets a new session, so that it has no terminal and can be terminated with
    its children. With `prompt` it keeps our session, where Ctrl-C reaches it anyway.
    """

    import subprocess

    check: Callable[[], None] = getattr(_thread_local, "check", lambda: None)
    check()
    child = None
    try:
        with interrupts.deferred():
            child = subprocess.Popen(
                ("git", *arguments),
                cwd=cwd,
                env=dict(environ),
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=not prompt,
            )
            _running.add(child)
        check()  # `end_all` may have run before this process was registered
        yield child
    except FileNotFoundError as error:
        if child is not None or error.filename == str(cwd) or not cwd.is_dir():
            raise
        raise ExternalError("git not found on the PATH", hint="install git") from None
    finally:
        if child is not None:
            if child.poll() is None:
                _terminate(child, group=not prompt)
            _running.discard(child)
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()


@contextmanager
def checked_before_start(check: Callable[[], None]) -> Iterator[None]:
    """Call `check`, which may raise, before this thread starts any git process."""

    _thread_local.check = check
    try:
        yield
    finally:
        del _thread_local.check


def end_all(number: int) -> None:
    """Send the signal to every running git; the threads that wait for them see them fail."""

    for child in list(_running):
        _send_signal(child, number, group=True)


def _terminate(child: subprocess.Popen[bytes], *, group: bool) -> None:
    """Terminate `child`, with `group` also its children: by SIGTERM, then by SIGKILL."""

    with interrupts.deferred():
        for number in (signal.SIGTERM, signal.SIGKILL):
            _send_signal(child, number, group=group)
            if interrupts.wait_until(lambda: child.poll() is not None, _TERMINATION_GRACE):
                return
        child.wait()


def _send_signal(child: subprocess.Popen[bytes], number: int, *, group: bool) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)
