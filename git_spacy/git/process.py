"""The one starter of git: an argument tuple, a scrubbed environment, an explicit folder.

Knows how to start git, stop it and read why it failed; knows no repository and no subcommand.
What a hook's environment says about the user's repository never reaches a child that works on
another one. Git's messages are asked for in English, since callers tell failures apart by them.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from git_spacy.errors import GitSpacyError, LocalFailure, Unavailable, local_failure

if TYPE_CHECKING:
    from subprocess import Popen

# `git rev-parse --local-env-vars`: what ties a process to one repository. A test compares.
LOCAL_VARIABLES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)
# Of these, what `git -c NAME=VALUE spacy …` sets: no repository, the user's own words.
COMMAND_LINE_SETTINGS = ("GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT")

_GRACE = 3.0  # seconds between SIGTERM and SIGKILL


class Completed(NamedTuple):
    """How a git ended: its exit code and all it wrote."""

    returncode: int
    stdout: bytes
    stderr: bytes


def available() -> bool:
    """Whether there is a git on the PATH."""

    import shutil

    return shutil.which("git") is not None


def scrubbed(environ: Mapping[str, str], keep: Sequence[str] = ()) -> dict[str, str]:
    """`environ` without what ties it to a repository, but for the names in `keep`."""

    dropped = set(LOCAL_VARIABLES).difference(keep)
    return {name: value for name, value in environ.items() if name not in dropped}


def run(
    args: Sequence[str],
    *,
    cwd: Path | None,
    git_dir: Path | None = None,
    environment: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    input: bytes | None = None,
    check: bool = True,
    prompt: bool = False,
) -> Completed:
    """Run `git ARGS…` in `cwd` (None: in `git_dir`) to its end.

    `environment` is added to a scrubbed one in which the names in `keep` survived. Without
    `prompt` nothing it starts can ask a question: it has no terminal. With `check`, a git that
    fails raises what `failure` makes of it. Interrupted, its whole process group ends first.
    """

    from subprocess import DEVNULL, PIPE

    stdin = DEVNULL if input is None else PIPE
    with _started(args, cwd, git_dir, environment, keep, prompt, stdin, PIPE) as process:
        stdout, stderr = process.communicate(input)
    completed = Completed(process.returncode, stdout, stderr)
    if check and completed.returncode:
        raise failure(args, completed)
    return completed


@contextmanager
def reading(
    args: Sequence[str],
    *,
    cwd: Path | None,
    git_dir: Path | None = None,
    environment: Mapping[str, str] | None = None,
    keep: Sequence[str] = (),
    stdin: IO[bytes] | None = None,
) -> Iterator[IO[bytes]]:
    """What `git ARGS…` writes, as a stream, for output that may not fit into memory.

    Raises what `failure` makes of it if git fails after its output was read to the end; a reader
    that stops earlier stops git, and that is no failure.
    """

    from subprocess import DEVNULL
    from tempfile import TemporaryFile

    with TemporaryFile() as complaints:
        source = DEVNULL if stdin is None else stdin
        with _started(args, cwd, git_dir, environment, keep, False, source, complaints) as process:
            assert process.stdout is not None
            yield process.stdout
            ended = not process.stdout.read(1)
            if ended:
                process.wait()
        if ended and process.returncode:
            complaints.seek(0)
            raise failure(args, Completed(process.returncode, b"", complaints.read()))


@contextmanager
def _started(
    args: Sequence[str],
    cwd: Path | None,
    git_dir: Path | None,
    environment: Mapping[str, str] | None,
    keep: Sequence[str],
    prompt: bool,
    stdin: int | IO[bytes],
    stderr: int | IO[bytes],
) -> Iterator[Popen[bytes]]:
    from subprocess import PIPE, Popen

    folder = cwd or git_dir
    assert folder is not None, "git is started in no folder but an explicit one"
    variables = scrubbed(os.environ, keep)
    variables.update(LC_ALL="C", LANGUAGE="")
    if not prompt:
        # Without a terminal (start_new_session) neither git nor ssh can ask; a window could.
        variables.update(GIT_TERMINAL_PROMPT="0", SSH_ASKPASS_REQUIRE="never")
        variables.pop("SSH_ASKPASS", None)
    if git_dir is not None:
        variables["GIT_DIR"] = str(git_dir)
    variables.update(environment or {})
    try:
        process = Popen(
            ("git", *args),
            cwd=folder,
            env=variables,
            stdin=stdin,
            stdout=PIPE,
            stderr=stderr,
            start_new_session=not prompt,
        )
    except FileNotFoundError:
        if not folder.is_dir():
            raise LocalFailure("no such folder", where=str(folder)) from None
        raise Unavailable(
            "git is not installed", mend="install git, or put it on the PATH"
        ) from None
    except OSError as error:
        raise local_failure(error, "cannot start git") from None
    try:
        yield process
    finally:
        if process.poll() is None:
            _end(process, group=not prompt)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def _end(process: Popen[bytes], *, group: bool) -> None:
    """End `process`, and with `group` all that it started: politely, then not."""

    from subprocess import TimeoutExpired

    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            if group:
                os.killpg(process.pid, number)
            else:
                process.send_signal(number)
        try:
            process.wait(_GRACE)
            return
        except TimeoutExpired:
            continue
    process.wait()


def last_words(stderr: bytes) -> str:
    """What git said in the end: its last fatal or error lines, or else its last line."""

    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    lines = [line for line in lines if line]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ERROR"))]
    said = [line.removeprefix("fatal: ").removeprefix("error: ") for line in telling[-3:]]
    return "; ".join(dict.fromkeys(said)) or (lines[-1] if lines else "")


def failure(args: Sequence[str], completed: Completed) -> GitSpacyError:
    """What a failed git becomes where its caller knows no better."""

    said = last_words(completed.stderr)
    verb = next((word for word in args if word.isalpha()), "")
    if "No space left on device" in said:
        return LocalFailure(f"git {verb}: {said}", mend="make room on the disk")
    if completed.returncode < 0:
        said = said or f"ended by signal {-completed.returncode}"
    if verb in ("fetch", "push", "ls-remote"):
        return Unavailable(f"git {verb}: {said}")
    return LocalFailure(f"git {verb}: {said or f'exit code {completed.returncode}'}")
