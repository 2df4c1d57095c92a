"""Create projects and run git-spacy on them."""

from __future__ import annotations

import importlib
import os
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import git_spacy
from git_spacy import cli
from git_spacy.cli.main import main
from git_spacy.lock.lock_file import LockFile
from git_spacy.lock.lock_format import LockEntry
from tests.testing.repositories import write
from tests.testing.waiting import PATIENCE

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
needs_corpus = pytest.mark.skipif(
    not CORPUS.is_dir(), reason="the corpus of public projects is not next to this checkout"
)


CopyOf = Callable[[Callable[[Path], object], Path], Path]  # the fixture `copy_of`


@cache
def import_commands() -> None:
    """Import all our modules, so that forks of this process do not have to."""

    for module in pkgutil.walk_packages(git_spacy.__path__, "git_spacy."):
        if not module.name.startswith(("git_spacy.templates.", "git_spacy.__main__")):
            importlib.import_module(module.name)


class Done(NamedTuple):
    """The exit code and output of a command."""

    code: int
    out: str
    err: str


class Spacy:
    """Runs `git spacy …` in this process, which is faster than `process`."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def __call__(self, *arguments: object, cwd: Path | None = None) -> Done:
        self._capfd.readouterr()
        before = os.getcwd()
        try:
            if cwd:
                os.chdir(cwd)
            code = main([*map(str, arguments)])
        finally:
            os.chdir(before)
        out, err = self._capfd.readouterr()
        return Done(code, out, err)


def process(*arguments: object, cwd: Path, **environ: str) -> Done:
    """Run `git spacy …` in a new process."""

    done = subprocess.run(
        (sys.executable, "-m", "git_spacy", *map(str, arguments)),
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2]), **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a `git-spacy` program into `folder` and that on PATH, for processes that Git starts."""

    source = Path(cli.__file__).parents[2]
    text = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{sys.executable}' -m git_spacy \"$@\"\n"
    write(folder, {"git-spacy*": text})
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def project(folder: Path, text: str, files: dict[str, str | bytes] | None = None) -> Path:
    """Create a project in `folder` with this project.yml."""

    folder.mkdir(parents=True, exist_ok=True)
    write(folder, {"project.yml": text, **(files or {})})
    return folder


def write_lock(root: Path, entries: Mapping[str, LockEntry]) -> None:
    """Write `entries` into the project.lock of the project at `root`."""

    lock_file = LockFile(root)
    with lock_file.exclusive():
        lock_file.replace(entries)


def snapshot(folder: Path) -> dict[str, bytes | str]:
    """Return the content below `folder`, without Git's folder; a link has its target."""

    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if ".git" in name.split("/"):
            continue
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
        else:
            found[name + "/"] = ""
    return found


TWO_STEPS = """\
title: Two steps
vars:
  word: hello
directories: [corpus]
commands:
  - name: prepare
    help: Prepare the corpus
    script:
      - "python scripts/write.py corpus/words.txt ${vars.word}"
    deps: [scripts/write.py]
    outputs: [corpus/words.txt]
  - name: train
    help: Train on it
    script:
      - "python scripts/copy.py corpus/words.txt model/weights.txt"
    deps: [corpus/words.txt, scripts/copy.py]
    outputs: [model]
workflows:
  all: [prepare, train]
"""
SCRIPTS: dict[str, str | bytes] = {
    "scripts/write.py": (
        "import sys, pathlib\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "path.parent.mkdir(parents=True, exist_ok=True)\n"
        "path.write_text(' '.join(sys.argv[2:]))\n"
    ),
    "scripts/copy.py": (
        "import sys, pathlib\n"
        "target = pathlib.Path(sys.argv[2])\n"
        "target.parent.mkdir(parents=True, exist_ok=True)\n"
        "target.write_text(pathlib.Path(sys.argv[1]).read_text().upper())\n"
    ),
}


def two_steps(folder: Path) -> Path:
    """Create a project of two commands, the second depending on the first."""

    return project(folder, TWO_STEPS, SCRIPTS)


SEEDS = """\
vars:
  seed: 0
  rate: 0.1
  size: 4
commands:
  - name: prepare
    script: ["python prepare.py ${vars.size}"]
    deps: [prepare.py]
    outputs: [words.txt]
  - name: train
    script: ["python train.py ${vars.seed} ${vars.rate} model-${vars.seed}-${vars.rate}"]
    deps: [words.txt, train.py]
    outputs: ["model-${vars.seed}-${vars.rate}"]
  - name: evaluate
    script: ["python evaluate.py model-${vars.seed}-${vars.rate} scores-${vars.seed}-${vars.rate}.json"]
    deps: ["model-${vars.seed}-${vars.rate}", evaluate.py]
    outputs_no_cache: ["scores-${vars.seed}-${vars.rate}.json"]
workflows:
  all: [prepare, train, evaluate]
"""
SEEDS_FILES: dict[str, str | bytes] = {
    "prepare.py": "import sys\nopen('words.txt', 'w').write('x' * int(sys.argv[1]))\n",
    "train.py": (
        "import sys\n"
        "if sys.argv[1] == '13': sys.exit(3)\n"
        "words = len(open('words.txt').read())\n"
        "open(sys.argv[3], 'w').write(f'{sys.argv[1]} {sys.argv[2]} {words}')\n"
    ),
    "evaluate.py": (
        "import json, sys\n"
        "seed, rate, words = map(float, open(sys.argv[1]).read().split())\n"
        "found = {'score': 0.8 + seed / 100 + rate, 'loss': {'ner': 1 / (words + seed)}}\n"
        "json.dump(found, open(sys.argv[2], 'w'))\n"
    ),
    ".gitignore": "words.txt\nmodel-*\nscores-*\n",
}


def seeds(folder: Path) -> Path:
    """Create a project to run with different variables.

    The score of `evaluate` grows with the seed and the rate; training with seed 13 fails.
    """

    return project(folder, SEEDS, SEEDS_FILES)
