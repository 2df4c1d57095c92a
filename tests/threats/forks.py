"""Commands of git-spacy, each in a fork of one small process: measured, limited, and watched.

    python -m tests.threats.forks FOLDER…

reads one JSON list of arguments per line and answers with one JSON object: the exit code, what the
command printed, the processor time and the memory that it and all its children took, and each file
of the FOLDERs that it opened, listed or changed. `Forks` is the other side of it.
"""

from __future__ import annotations

import importlib
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

SECONDS = 10  # of processor time
_NO_END = 120  # seconds on the wall: a command that waits for something that never comes
_ADDRESSES = 4 << 30  # bytes: what needs more is stopped before the machine suffers
_CHANGES = {"os.rename": 2, "os.link": 2, "os.symlink": 2}  # paths among their arguments
_SHOWN = 4000


class Ended(NamedTuple):
    """What a command left: `code` is negative for the signal that ended it; `touched` are the files
    that it should know nothing of."""

    code: int
    said: str
    seconds: float
    megabytes: float
    touched: list[str]


class Forks:
    """A process that runs commands in forks of itself."""

    def __init__(self, folder: Path, watched: Sequence[Path], environ: Mapping[str, str]) -> None:
        source = str(Path(__file__).parents[2])
        self._process = subprocess.Popen(
            (sys.executable, "-m", "tests.threats.forks", *map(str, watched)),
            cwd=folder, env={**environ, "PYTHONPATH": source},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __call__(self, *words: str) -> Ended:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin
        assert stdout
        stdin.write(json.dumps(words) + "\n")
        stdin.flush()
        return Ended(*json.loads(stdout.readline()))

    def close(self) -> None:
        self._process.communicate()


def main() -> None:
    watched = tuple(os.path.realpath(folder) for folder in sys.argv[1:])
    from git_spacy import cli

    for module in (
        *cli.COMMANDS,
        "history_format",
        "output",
        "run_output",
        "transfer_progress",
        "metrics_table",
        "columns",
    ):
        importlib.import_module(f"git_spacy.cli.{module}")
    for line in sys.stdin:
        print(json.dumps(_run(json.loads(line), watched)), flush=True)


def _run(words: Sequence[str], watched: Sequence[str]) -> Ended:
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as touched:
        pid = os.fork()
        if pid == 0:
            _fork(words, watched, said.fileno(), touched.fileno())
        previous = signal.signal(signal.SIGALRM, lambda *_: os.killpg(pid, signal.SIGKILL))
        signal.alarm(_NO_END)
        try:
            _, status, used = os.wait4(pid, 0)
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, previous)
        return Ended(
            os.waitstatus_to_exitcode(status),
            _ends(_content(said)),
            round(used.ru_utime + used.ru_stime, 3),
            round(used.ru_maxrss / 1024, 1),
            sorted(set(_content(touched).splitlines())),
        )


def _fork(words: Sequence[str], watched: Sequence[str], said: int, touched: int) -> None:
    code = 99
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
        with open(os.devnull) as nothing:
            os.dup2(nothing.fileno(), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)

        def heard(event: str, arguments: tuple[Any, ...]) -> None:
            if event != "open" and not event.startswith("os."):
                return
            for path in arguments[: _CHANGES.get(event, 1)]:
                if isinstance(path, str | bytes):
                    full = os.path.abspath(os.fsdecode(path))
                    if full.startswith(watched):
                        os.write(touched, f"{event} {full}\n".encode("utf-8", "replace"))

        from git_spacy import cli

        sys.addaudithook(heard)
        code = cli.main(list(words))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _content(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read(8 << 20).decode("utf-8", "replace"))


def _ends(text: str) -> str:
    return text if len(text) <= 2 * _SHOWN else f"{text[:_SHOWN]}\n[…]\n{text[-_SHOWN:]}"


if __name__ == "__main__":
    main()
