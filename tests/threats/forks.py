"""Run git-spacy commands in forks of one small process, with limits, and measure them.

    python -m tests.threats.forks FOLDER…

reads a JSON list of arguments per line, and answers with a JSON list: the exit code, the output,
the processor time and memory of the command and its children, and the files in the FOLDERs that
it opened, listed or changed. `Forks` is the client.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.testing.projects import import_commands

SECONDS = 10  # of processor time per command
_WALL_TIMEOUT = 120  # seconds, for a command that waits forever
_ADDRESS_SPACE = 4 << 30  # bytes, to protect the machine
_PATH_COUNT = {"os.rename": 2, "os.link": 2, "os.symlink": 2}  # number of paths among the arguments
_EXCERPT = 4000


class CommandResult(NamedTuple):
    """The result of a command.

    `code` is negative for the signal that killed it; `touched` are the watched files that it
    accessed.
    """

    code: int
    output: str
    seconds: float
    megabytes: float
    touched: list[str]


class Forks:
    """Client of a process that runs commands in forks of itself."""

    def __init__(self, folder: Path, watched: Sequence[Path], environ: Mapping[str, str]) -> None:
        source = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.threats.forks", *map(str, watched)),
            cwd=folder, env={**environ, "PYTHONPATH": source},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, *arguments: str) -> CommandResult:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(arguments) + "\n")
        stdin.flush()
        return CommandResult(*json.loads(stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


def main() -> None:
    watched = tuple(os.path.realpath(folder) for folder in sys.argv[1:])
    import_commands()
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line), watched)), flush=True)


def _run(arguments: Sequence[str], watched: Sequence[str]) -> CommandResult:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as touched:
        pid = os.fork()
        if pid == 0:
            _run_in_child(arguments, watched, output.fileno(), touched.fileno())
        previous = signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
        signal.alarm(_WALL_TIMEOUT)
        try:
            _, status, used = os.wait4(pid, 0)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
        return CommandResult(
            os.waitstatus_to_exitcode(status),
            _shorten(_read_all(output)),
            round(used.ru_utime + used.ru_stime, 3),
            round(used.ru_maxrss / 1024, 1),
            sorted(set(_read_all(touched).splitlines())),
        )


def _run_in_child(
    command: Sequence[str], watched: Sequence[str], output: int, touched: int
) -> None:
    code = 99
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_SPACE, _ADDRESS_SPACE))
        with open(os.devnull) as devnull:
            os.dup2(devnull.fileno(), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)

        def audit(event: str, arguments: tuple[Any, ...]) -> None:
            if event != "open" and not event.startswith("os."):
                return
            for path in arguments[: _PATH_COUNT.get(event, 1)]:
                if isinstance(path, str | bytes):
                    full = os.path.abspath(os.fsdecode(path))
                    if full.startswith(watched):
                        os.write(touched, f"{event} {full}\n".encode("utf-8", "replace"))

        from git_spacy.cli.main import main as git_spacy

        sys.addaudithook(audit)
        code = git_spacy(list(command))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _read_all(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read(8 << 20).decode("utf-8", "replace"))


def _shorten(text: str) -> str:
    return text if len(text) <= 2 * _EXCERPT else f"{text[:_EXCERPT]}\n[…]\n{text[-_EXCERPT:]}"


if __name__ == "__main__":
    main()
