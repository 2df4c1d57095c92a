"""Clones a template as a user does, and runs commands in it as separate processes.

For module-scoped fixtures, which cannot use the isolation of a single test and bring their own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from git_spacy import cli
from tests.testing.projects import Done
from tests.testing.repositories import git

SOURCE = Path(cli.__file__).parents[2]
DEADLINE = 300.0  # seconds; for machines that are slow and busy
KEPT = ("PATH", "LANG", "TMPDIR")


class Clone:
    """The template `name`, cloned to a folder in `parent`, with its own home folder."""

    def __init__(self, name: str, parent: Path) -> None:
        self.home = parent / "home"
        self.home.mkdir()
        self.folder = parent / "project"
        self.environ = {
            **{key: os.environ[key] for key in KEPT if key in os.environ},
            "HOME": str(self.home),
            "PYTHONPATH": str(SOURCE),
            "GIT_CONFIG_NOSYSTEM": "1",
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
        }
        (self.home / ".gitconfig").write_text(
            "[user]\n\tname = A U Thor\n\temail = author@example.com\n"
        )
        self._done("clone", f"integrations/{name}", "project", cwd=parent)
        self._done("assets")

    def __call__(self, *arguments: str) -> Done:
        """Run `git spacy …` in the clone."""

        return self.process(sys.executable, "-m", "git_spacy", *arguments)

    def run(self, *arguments: str) -> str:
        """Run `git spacy run …`, which must succeed, and return its output."""

        return self._done("run", *arguments)

    def process(self, *arguments: object, cwd: Path | None = None) -> Done:
        """Run a program in the clone."""

        done = subprocess.run(
            tuple(map(str, arguments)), cwd=cwd or self.folder, env=self.environ, text=True,
            capture_output=True, check=False, timeout=DEADLINE,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def started(self, *arguments: str, output: Path) -> subprocess.Popen[bytes]:
        """Start `git spacy …` in its own process group, without waiting for it."""

        with output.open("wb") as stream:
            return subprocess.Popen(
                (sys.executable, "-m", "git_spacy", *arguments), cwd=self.folder, env=self.environ,
                stdout=stream, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def commit(self, message: str) -> str:
        """Commit all files and return the ID of the commit."""

        git(self.folder, "add", "-A")
        git(self.folder, "commit", "-qm", message)
        return git(self.folder, "rev-parse", "HEAD").strip()

    def processes(self, patience: float = 20.0) -> list[str]:
        """Return the processes of the clone that are still running after `patience` seconds."""

        deadline = time.monotonic() + patience
        while (found := self._running()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    def _running(self) -> list[str]:
        found = []
        mark = f"HOME={self.home}\0".encode()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes():
                    line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append(f"{process.name} {line}")
            except OSError:
                pass  # the process has ended, or belongs to another user
        return found

    def _done(self, *arguments: str, cwd: Path | None = None) -> str:
        done = self.process(sys.executable, "-m", "git_spacy", *arguments, cwd=cwd)
        assert done.code == 0, done.out[-3000:] + done.err[-3000:]
        return done.out


def interrupt(process: subprocess.Popen[bytes]) -> int:
    """Send SIGINT to the process group, and return the exit code."""

    os.kill(process.pid, signal.SIGINT)
    return process.wait(DEADLINE)
