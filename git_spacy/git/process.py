"""The one place that starts git: argument tuples, a scrubbed environment, an explicit folder.

Knows how to run a program named git and what its environment must not be; knows no subcommand.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from git_spacy.errors import Unavailable, masked

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
_COUNTED_CONFIG = re.compile(r"GIT_CONFIG_(KEY|VALUE)_\d+")


class Completed(NamedTuple):
    """What a git process left: its exit code and its two outputs."""

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

    return shutil.which("git") is not None


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """`environ` without what ties it to a repository: for work on another one, and for scripts."""

    return {
        name: value
        for name, value in environ.items()
        if name not in LOCAL_VARIABLES and not _COUNTED_CONFIG.fullmatch(name)
    }


def may_prompt() -> bool:
    """Whether somebody is there to answer: a terminal to ask on."""

    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def environment(*, prompt: bool = False, protocols: str = "") -> dict[str, str]:
    """The environment of a git process that works on a repository of our own choosing.

    Without `prompt` neither git nor ssh asks anything; `protocols` (as GIT_ALLOW_PROTOCOL, e.g.
    "https:ssh") are the only ones it may speak.
    """

    result = scrubbed(os.environ)
    result.update(LC_ALL="C", LANGUAGE="")
    result["GIT_ALLOW_PROTOCOL"] = protocols
    result["GIT_TERMINAL_PROMPT"] = "1" if prompt else "0"
    if not prompt:
        result["SSH_ASKPASS_REQUIRE"] = "never"  # GIT_ASKPASS stays: a CI answers with it
    return result


@contextmanager
def streaming(
    arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str], input: bytes
) -> Iterator[BinaryIO]:
    """The standard output of a running `git ARGUMENTS`, for what is too large to hold."""

    with tempfile.TemporaryFile() as given:  # a pipe would want a thread to fill it
        given.write(input)
        given.seek(0)
        with subprocess.Popen(
            ("git", *arguments), cwd=cwd, env=dict(environ),
            stdin=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as child:  # fmt: skip
            try:
                yield cast("BinaryIO", child.stdout)
            except BaseException:
                child.kill()
                raise


def run(
    arguments: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str] | None = None,
    input: bytes | None = None,
    check: bool = True,
) -> Completed:
    """Run `git ARGUMENTS` in `cwd` to its end.

    With `check`, raises Unavailable with git's own words if it fails. An interruption ends git
    too: it belongs to our process group, or is killed by `subprocess` as we leave.
    """

    try:
        done = subprocess.run(
            ("git", *arguments),
            cwd=cwd,
            env=dict(environment() if environ is None else environ),
            input=b"" if input is None else input,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise Unavailable("there is no 'git' on the PATH", mend="install git") from None
    completed = Completed(done.returncode, done.stdout, done.stderr)
    if check and done.returncode:
        verb = next((word for word in arguments if not word.startswith("-")), "")
        raise Unavailable(masked(f"git {verb}: {completed.message or 'failed without a word'}"))
    return completed
