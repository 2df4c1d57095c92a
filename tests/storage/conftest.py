"""Fixtures: a project that was run, its remote, and a clone without outputs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy.cli.main import main
from tests.testing.preloaded import Preloaded, preloaded
from tests.testing.projects import CopyOf, Done, Spacy, two_steps
from tests.testing.waiting import PATIENCE


class Shared(NamedTuple):
    """A project that was run (`made`), a copy without outputs and lock (`clone`), and the remote
    of both."""

    made: Path
    clone: Path
    remote: Path
    spacy: Spacy

    def push(self, *options: object) -> Done:
        return self.spacy("push", *options, cwd=self.made)

    def pull(self, *options: object) -> Done:
        return self.spacy("pull", *options, cwd=self.clone)

    def objects(self) -> dict[str, bytes]:
        """Return the objects in the remote."""

        return {
            path.relative_to(self.remote).as_posix(): path.read_bytes()
            for path in sorted(self.remote.rglob("*"))
            if path.is_file()
        }


def fresh_clone(made: Path, clone: Path, *left_out: str) -> Path:
    """Copy a project without `left_out` and project.lock."""

    shutil.copytree(made, clone, symlinks=True)
    for name in (*left_out, "project.lock"):
        path = clone / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    return clone


MEASURED = """\
import pathlib, re, sys, time
from git_spacy.cli.main import main
began = time.process_time()
code = main(sys.argv[1:])
# the peak of getrusage includes the memory of the parent process
peak = re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())
print(code, peak[1], time.process_time() - began)
"""


def run_measured(
    *arguments: object, cwd: Path, patience: float = PATIENCE, **environ: str
) -> tuple[int, float, float, str]:
    """Run `git spacy …` in a new process, which is killed after `patience` seconds.

    Returns (exit code, peak memory in MB, CPU time in seconds, stderr).
    """

    done = subprocess.run(
        (sys.executable, "-c", MEASURED, *map(str, arguments)), cwd=cwd, capture_output=True,
        text=True, check=False, timeout=patience, env={**os.environ, **environ},
    )  # fmt: skip
    assert done.stdout, done.stderr
    code, peak, seconds = done.stdout.split()[-3:]
    return int(code), int(peak) / 1024, float(seconds), done.stderr


def ran_project(folder: Path) -> None:
    two_steps(folder)
    assert main(["-C", str(folder), "run", "all"]) == 0


Process = Callable[..., Done]  # the fixture `process`


@pytest.fixture(scope="session")
def forks_with_clouds() -> Iterator[Preloaded]:
    """A process that has imported the libraries of S3 and Google Cloud, which takes most of a second."""

    with preloaded("git_spacy", "git_spacy.cli.main", "s3fs", "gcsfs") as program:
        yield program


@pytest.fixture
def process(forks_with_clouds: Preloaded) -> Process:
    """Return a function that runs `git spacy` in a process of its own."""

    def run(*arguments: str, cwd: Path) -> Done:
        return Done(*forks_with_clouds(cwd, *arguments, environ=os.environ))

    return run


@pytest.fixture
def shared(tmp_path: Path, spacy: Spacy, copy_of: CopyOf) -> Shared:
    remote = tmp_path / "remote"
    made = copy_of(ran_project, tmp_path / "made")
    with (made / "project.yml").open("a") as file:
        file.write(f"remotes:\n  default: {remote}\n")
    clone = fresh_clone(made, tmp_path / "clone", "corpus", "model")
    return Shared(made, clone, remote, spacy)
