"""The one place that starts git: argument tuples, a scrubbed environment, an explicit folder.

Knows how to run a program named git and what its environment must not be; knows no subcommand. To
be imported costs little: many a verb asks where the repository is, and never starts git.
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
from git_spacy.project.paths import has_git_dir, is_git_dir

if TYPE_CHECKING:
    import subprocess

# `git rev-parse --local-env-vars` (a test compares): what ties a process to one repository.
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
# Of these, what `git -c NAME=VALUE spacy …` or a CI sets: no repository, the user's own words.
_SETTINGS = re.compile(r"GIT_CONFIG_(PARAMETERS|COUNT|(KEY|VALUE)_\d+)")
_COUNTED_CONFIG = re.compile(r"GIT_CONFIG_(KEY|VALUE)_\d+")

# What local work never comes near; a fetch has its own.
_MOST_OUTPUT = 256 << 20  # bytes of standard output
_MOST_TEXT = 16 << 20  # bytes of standard error
_KEPT_TEXT = 64 << 10  # bytes of standard error that are kept, at its begin and at its end
_CHUNK = 1 << 16
_POLL = 0.2  # seconds between two looks at the clock and the disk
_SPARE = 64 << 20  # bytes of the disk that a fetch leaves free

_GRACE = 3.0  # seconds between asking git to end and ending it
_running: set[subprocess.Popen[bytes]] = set()
_of_thread = threading.local()


class Limits(NamedTuple):
    """What a server may cost: `seconds` in all, bytes of `text` to be shown, bytes on the disk
    (0: what it has room for), and bytes of `memory` of each process (where the system can limit
    another process: Linux)."""

    seconds: float = 3600.0
    text: int = 1 << 20
    size: int = 0
    memory: int = 2 << 30

    def after(self, folder: Path, least: int = 0) -> Limits:
        """The same for one more fetch to `folder`, which may bring `least` bytes at any rate."""

        size = bytes_in(folder) + max(self.size, least) if self.size else 0
        return self._replace(size=size)


LIMITS = Limits()
"""Those of a server of the user's own."""


class GitResult(NamedTuple):
    """What a git process left: its exit code and its two outputs; of a long standard error, the
    begin and the end."""

    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def message(self) -> str:
        """The last lines of git's own complaint, without its prefixes and hints."""

        lines = self.stderr.decode("utf-8", "replace").splitlines()
        told = [line for line in lines if line.startswith(("fatal: ", "error: ", "remote: "))]
        return "; ".join(line.split(": ", 1)[1] for line in (told or lines)[-3:] if line.strip())


def available() -> bool:
    """Whether there is a git to start."""

    import shutil

    return shutil.which("git") is not None


def scrub_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what ties it to a repository: for work on another one, and for scripts."""

    return {
        name: value
        for name, value in environ.items()
        if name not in LOCAL_VARIABLES and not _COUNTED_CONFIG.fullmatch(name)
    }


def guarded(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """`environ` for a git that looks for its repository from `cwd` on: it takes no bare one that
    only lies there, since that may be part of a template and name programs to run."""

    result = dict(environ)
    count = result.get("GIT_CONFIG_COUNT") or "0"
    if count.isascii() and count.isdigit():  # (of anything else git itself complains)
        result[f"GIT_CONFIG_KEY_{count}"] = "safe.bareRepository"
        result[f"GIT_CONFIG_VALUE_{count}"] = "explicit"
        result["GIT_CONFIG_COUNT"] = str(int(count) + 1)
    if not result.get("GIT_DIR") and (found := _found_bare(cwd)):
        # what a git before 2.38 understands: there is no repository here
        result["GIT_DIR"] = str(found / ".git")
    return result


def _found_bare(cwd: Path) -> Path | None:
    """The bare repository that git would find from `cwd` on, if that is what it would find."""

    for folder in (cwd, *cwd.parents):
        if has_git_dir(folder):
            return None
        if is_git_dir(folder):
            return folder
    return None


def can_prompt() -> bool:
    """Whether somebody is there to answer: a terminal to ask on."""

    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def environment(
    *, prompt: bool = False, protocols: str | None = "", configured: bool = False
) -> dict[str, str]:
    """The environment of a git process that works on a repository of our own choosing.

    Without `prompt` neither git nor ssh asks anything; `protocols` (as GIT_ALLOW_PROTOCOL, e.g.
    "https:ssh") are the only ones it may speak, None: what the user's configuration says. With
    `configured`, settings of the command line (`git -c`) and the environment hold too.
    """

    result = scrub_environment(os.environ)
    if configured:
        kept = {name: text for name, text in os.environ.items() if _SETTINGS.fullmatch(name)}
        result.update(kept)
    result.update(LC_ALL="C", LANGUAGE="")
    if protocols is not None:
        result["GIT_ALLOW_PROTOCOL"] = protocols
    result["GIT_TERMINAL_PROMPT"] = "1" if prompt else "0"
    if not prompt:
        result["SSH_ASKPASS_REQUIRE"] = "never"  # GIT_ASKPASS stays: a CI answers with it
        result.pop("SSH_ASKPASS", None)
    return result


@contextmanager
def streaming(
    arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str], input: bytes,
    memory: int = 0,
) -> Iterator[BinaryIO]:  # fmt: skip
    """The standard output of a running `git ARGUMENTS`, for what is too large to hold. `memory` is
    how many bytes it may allocate (0: as many as there are).

    Raises Unavailable if git fails after all was read; to stop reading earlier is no failure.
    """

    # files, since a pipe would want a thread to fill or to empty it
    with _scratch() as given, _scratch() as complaints:
        given.write(input)
        given.seek(0)
        with _started(arguments, cwd, guarded(environ, cwd), given, complaints) as child:
            if memory:
                _limit_memory(child, memory)
            stream = cast("BinaryIO", child.stdout)
            yield stream
            if stream.read(1):
                return
            child.wait()
        complaints.seek(0)
        text = _Ends()
        while chunk := complaints.read(_CHUNK):
            text.add(chunk)
        _check(arguments, GitResult(child.returncode, b"", text.text))


def _scratch() -> BinaryIO:
    """A file without a name: in memory where the system has such, which spares the imports that
    a temporary one wants."""

    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("git-spacy"), "w+b")
    import tempfile

    return cast("BinaryIO", tempfile.TemporaryFile())


def run_git(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str] | None = None,
    input: bytes | None = None,
    stdin: IO[bytes] | None = None,
    check: bool = True,
    accepted: Collection[int] = (0,),
    prompt: bool = False,
    named: bool = False,
    limits: Limits | None = None,
    folder: Path | None = None,
) -> GitResult:
    """Run `git ARGUMENTS` in `cwd` to its end, with `input` or the file `stdin` to read.

    With `named` the user has named `cwd`: it may be a bare repository. `limits` are for what talks
    to a server, and `folder` is where what comes from it is put; raises Unavailable beyond them.

    With `check`, raises Unavailable with git's own words if its exit code is none of `accepted`.
    Without `prompt` it has no terminal to ask on. An interruption ends git and what it started.
    """

    import subprocess

    pipe = subprocess.PIPE
    environ = environment() if environ is None else environ
    environ = environ if named else guarded(environ, cwd)
    with _started(arguments, cwd, environ, stdin or pipe, pipe, prompt) as child:
        if limits:
            _limit_memory(child, limits.memory)
        stdout, stderr = _communicate(child, input or b"", limits, folder)
    completed = GitResult(child.returncode, stdout, stderr)
    if check and completed.returncode not in accepted:
        _check(arguments, completed)
    return completed


class _Ends:
    """The begin and the end of a text that may be long, and its length."""

    def __init__(self) -> None:
        self.length = 0
        self._first = b""
        self._last = b""

    def add(self, chunk: bytes) -> None:
        self.length += len(chunk)
        room = _KEPT_TEXT - len(self._first)
        self._first += chunk[:room]
        self._last = (self._last + chunk[room:])[-_KEPT_TEXT:]

    @property
    def text(self) -> bytes:
        left_out = self.length > len(self._first) + len(self._last)
        return self._first + (b"\n[...]\n" if left_out else b"") + self._last


def _communicate(
    child: subprocess.Popen[bytes], input: bytes, limits: Limits | None, folder: Path | None
) -> tuple[bytes, bytes]:
    """As Popen.communicate, within limits."""

    import selectors
    import time

    begin = time.monotonic()
    most_text = limits.text if limits else _MOST_TEXT
    stdout, output, text, rest = [], 0, _Ends(), memoryview(input)
    with selectors.DefaultSelector() as waiting:
        for stream in (child.stdout, child.stderr):
            if stream:
                waiting.register(stream, selectors.EVENT_READ)
        if child.stdin and rest:
            os.set_blocking(child.stdin.fileno(), False)
            waiting.register(child.stdin, selectors.EVENT_WRITE)
        elif child.stdin:
            child.stdin.close()
        while waiting.get_map():
            for key, _ in waiting.select(_POLL if limits else None):
                if key.fileobj is child.stdin:
                    try:
                        rest = rest[os.write(key.fd, rest[:_CHUNK]) :]
                    except BlockingIOError:
                        continue
                    except BrokenPipeError:  # it has read enough
                        rest = rest[:0]
                    if not rest:
                        waiting.unregister(key.fileobj)
                        child.stdin.close()
                    continue
                chunk = os.read(key.fd, _CHUNK)
                if not chunk:
                    waiting.unregister(key.fileobj)
                elif key.fileobj is child.stderr:
                    text.add(chunk)
                else:
                    stdout.append(chunk)
                    output += len(chunk)
            if text.length > most_text:
                raise beyond(f"more than {most_text:,} bytes of text", limits)
            if output > _MOST_OUTPUT:
                raise beyond(f"more than {_MOST_OUTPUT:,} bytes", limits)
            if limits:
                check_limits(limits, time.monotonic() - begin, folder)
    child.wait()
    return b"".join(stdout), text.text


def check_limits(limits: Limits, seconds: float, folder: Path | None = None) -> None:
    """Raise Unavailable where a server goes beyond `limits`, `seconds` after it was asked, with
    what it sent in `folder`."""

    if seconds > limits.seconds:
        raise ExternalError(
            f"the server was not done after {limits.seconds:g} s",
            hint="try again; or give it more: git config spacy.fetchTimeout SECONDS",
        )
    if folder is None:
        return
    if limits.size and bytes_in(folder) > limits.size:
        raise ExternalError(
            f"the server sent more than {limits.size:,} bytes",
            hint="if that is right, set the limit in bytes: git config spacy.maxAssetSize 10g",
        )
    disk = os.statvfs(folder)
    block = disk.f_frsize or disk.f_bsize
    if disk.f_bavail * block < min(_SPARE, disk.f_blocks * block // 100):
        raise ExternalError(
            "the disk has no room for what the server sends", hint="make room on the disk"
        )


def bytes_in(folder: Path) -> int:
    """How many bytes the files below `folder` have, which may come and go."""

    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(where, name)).st_size
    return total


def beyond(what: str, limits: Limits | None) -> ExternalError:
    """The error for more than is taken, from a server if there are `limits`."""

    who = "the server" if limits else "git"
    return ExternalError(
        f"{who} sent {what}", hint="ask whoever runs it" if limits else "try again"
    )


def _limit_memory(child: subprocess.Popen[bytes], most: int) -> None:
    """Bound what `child`, and all that it starts from now on, may allocate."""

    import resource

    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            _, hard = resource.prlimit(child.pid, resource.RLIMIT_DATA)
            most = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.prlimit(child.pid, resource.RLIMIT_DATA, (most, hard))


def pager_config(start: Path) -> tuple[str, bool]:
    """The user's pager and whether to write in colours to a terminal, as Git has them in the
    folder `start`: `git var GIT_PAGER`, color.spacy or color.ui."""

    asked = ("var", "GIT_PAGER"), ("config", "--get-colorbool", "color.spacy", "true")
    environ = {**os.environ, "LC_ALL": "C"}
    told = (run_git(one, cwd=start, environ=environ, check=False).stdout for one in asked)
    command, colours = (answer.decode("utf-8", "replace").strip() for answer in told)
    return command, colours != "false"


@contextmanager
def pager(command: str) -> Iterator[IO[str] | None]:
    """Where to write what the user pages through with `command`, which is the shell's, as
    `git var GIT_PAGER` says it; with Git's own defaults for less and lv. None: it cannot be
    started. Waits until the user has left it."""

    import subprocess

    environ = {"LESS": "FRX", "LV": "-c", **os.environ}
    try:
        child = subprocess.Popen(
            ("sh", "-c", command), env=environ, stdin=subprocess.PIPE, text=True,
            encoding="utf-8", errors="backslashreplace",
        )  # fmt: skip
    except OSError:
        yield None
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
    try:
        yield child.stdin
    finally:
        with suppress(OSError):  # who has seen enough has left it
            child.communicate()
        signal.signal(signal.SIGINT, before)


def credential_helper(command: Sequence[str], question: str, patience: float) -> str:
    """What a program that the user set for git (a credential helper) answers; "" if it fails or
    takes more than `patience` seconds. It has no terminal to ask on."""

    import subprocess

    try:
        with subprocess.Popen(
            command,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as child:
            try:
                answer, _ = child.communicate(question.encode(), patience)
            except BaseException as error:
                _end(child, group=True)
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                return ""
    except OSError:
        return ""
    return answer.decode("utf-8", "replace") if child.returncode == 0 else ""


def _check(arguments: Sequence[str], completed: GitResult) -> None:
    if completed.returncode:
        check_ownership(completed)
        words = [
            word
            for before, word in zip(("", *arguments), arguments, strict=False)
            if not word.startswith("-") and before != "-c"
        ]
        said = completed.message or "failed without a word"
        raise ExternalError(redact(f"git {words[0] if words else ''}: {said}"))


def check_ownership(completed: GitResult) -> None:
    """Raise Unsafe where git refused a repository for whose it is: that answers no question."""

    if hint := ownership_hint(completed):
        raise Refused("the repository belongs to somebody else", hint=hint)


def ownership_hint(completed: GitResult) -> str:
    """What to type where git refused a repository for whose it is; "" if that was not why."""

    told = completed.stderr.decode("utf-8", "replace")
    if "dubious ownership" not in told and "unsafe repository" not in told:
        return ""
    own = re.search(r"git config --global --add safe\.directory .*", told)
    return f"if you trust it: {own[0] if own else 'see safe.directory'}"


@contextmanager
def _started(
    arguments: Sequence[str],
    cwd: Path,
    environ: Mapping[str, str],
    stdin: int | IO[bytes],
    stderr: int | IO[bytes],
    prompt: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """A running git. In a session of its own it has no terminal, and can be ended with all that
    it started; one that may ask must keep ours, where Ctrl-C reaches it by itself."""

    import subprocess

    check: Callable[[], None] = getattr(_of_thread, "check", lambda: None)
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
        check()  # `end_all` may not have seen this one
        yield child
    except FileNotFoundError as error:
        if child is not None or error.filename == str(cwd) or not cwd.is_dir():
            raise
        raise ExternalError("there is no 'git' on the PATH", hint="install git") from None
    finally:
        if child is not None:
            if child.poll() is None:
                _end(child, group=not prompt)
            _running.discard(child)
            for stream in (child.stdin, child.stdout, child.stderr):
                if stream is not None:
                    with suppress(OSError):
                        stream.close()


@contextmanager
def checked(check: Callable[[], None]) -> Iterator[None]:
    """Let this thread start no git where `check` raises an exception."""

    _of_thread.check = check
    try:
        yield
    finally:
        del _of_thread.check


def end_all(number: int) -> None:
    """Send the signal to every git that another thread waits for: that thread sees it fail."""

    for child in list(_running):
        _signal(child, number, group=True)


def _end(child: subprocess.Popen[bytes], *, group: bool) -> None:
    """End `child`, and with `group` all that it started: politely, then not."""

    with interrupts.deferred():
        for number in (signal.SIGTERM, signal.SIGKILL):
            _signal(child, number, group=group)
            if interrupts.wait_until(lambda: child.poll() is not None, _GRACE):
                return
        child.wait()


def _signal(child: subprocess.Popen[bytes], number: int, *, group: bool) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if group:
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)
