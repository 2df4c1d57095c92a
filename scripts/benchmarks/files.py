"""Benchmarks that depend on the amount of data: detecting changes, hashing and memory."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from benchmarks.contest import (
    OURS,
    Budget,
    Contestant,
    Row,
    contest,
    is_installed,
    peak_memory,
    timed,
)
from tests.testing.projects import project
from tests.testing.repositories import git, noise

FILES, SIZE = 20_000, 2000
LARGE, EACH = 4, 256 << 20
MANY = 200_000
HUGE = 3_000_000_000
_MD5SUM = "find d large -type f -print0 | xargs -0 -P$(nproc) -n200 md5sum"
_DVC = """\
stages:
  c:
    cmd: python -c "open('made', 'w')"
    deps: [d, large/0, large/1, large/2, large/3]
    outs: [made]
"""


def no_op(folder: Path) -> list[Row]:
    """Detect that nothing changed in 20,000 files of 2 kB and 1 GiB in 4 files."""

    made = many_files(folder)
    contestants = {
        "run all": timed(OURS, "run", "all", cwd=made, times=5),
        "git status": timed("git", "status", cwd=made, times=5),
    } | _peers(made)
    if is_installed("dvc"):
        (made / "dvc.yaml").write_text(_DVC)
        for words in (("init", "-q", "--no-scm"), ("repro", "-q")):
            subprocess.run(("dvc", *words), cwd=made, check=True, capture_output=True)
        contestants["dvc repro"] = timed("dvc", "repro", cwd=made)
    budgets = [
        Budget("run all", 1 / 25, "weasel run all"),
        Budget("run all", 1 / 8, "dvc repro"),
        Budget("run all", 3.5, "git status"),
    ]
    return contest("20,000 files and 1 GiB, nothing changed", contestants, budgets, rounds=5)


def cold(folder: Path) -> list[Row]:
    """The same with an empty stat cache."""

    made = many_files(folder)
    forget = partial(shutil.rmtree, made / ".git/spacy")
    contestants = {"run all": timed(OURS, "run", "all", cwd=made, before=forget)}
    contestants |= _peers(made)
    if is_installed("md5sum", "xargs"):
        contestants["md5sum"] = timed("sh", "-c", _MD5SUM, cwd=made)
    budgets = [
        Budget("run all", 1 / 1.7, "weasel run all"),
        Budget("run all", 1 / 0.9, "md5sum"),
    ]
    return contest("the same, nothing hashed yet", contestants, budgets, rounds=5)


def touched(folder: Path) -> list[Row]:
    """The same with a new mtime of one of the 20,000 files."""

    made = many_files(folder)
    touch = partial(os.utime, made / "d/7/7")
    contestants = {"run all": timed(OURS, "run", "all", cwd=made, before=touch, times=2)}
    budgets = [Budget("run all", 1 / 2, "weasel run all")]
    return contest("the same, one touched", contestants | _peers(made), budgets, rounds=5)


def _peers(made: Path) -> Mapping[str, Contestant]:
    if not is_installed("weasel"):
        return {}
    return {"weasel run all": timed("weasel", "run", "all", cwd=made)}


def many_files(folder: Path) -> Path:
    """Create the project in a repository that tracks all files, and run it once."""

    large = ", ".join(f"large/{number}" for number in range(LARGE))
    text = (
        "commands:\n- name: c\n"
        "  script: ['''python -c \"open(chr(109), chr(119))\"''']\n"
        f"  deps: [d, {large}]\n  outputs: [m]\nworkflows: {{all: [c]}}\n"
    ).replace("'''", "'")
    made = project(folder / "project", text)
    for number in range(FILES):
        path = made / f"d/{number % 100}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(SIZE, number))
    (made / "large").mkdir()
    for number in range(LARGE):
        with (made / f"large/{number}").open("wb") as stream:
            block = noise(1 << 20, number)
            for _ in range(EACH >> 20):
                stream.write(block)
    git(made, "init", "-q")
    git(made, "-c", "core.compression=0", "-c", "core.bigFileThreshold=1m", "add", "-A")
    git(made, "commit", "-qm", "data")
    os.sync()
    subprocess.run((OURS, "run", "all"), cwd=made, check=True, capture_output=True)
    return made


def memory(folder: Path) -> list[Row]:
    """Measure the peak memory for an output of 3 GB and for one of 200,000 files."""

    text = "commands: [{{name: c, script: ['true'], outputs: [{}]}}]\nworkflows: {{all: [c]}}\n"
    huge = project(folder / "huge", text.format("huge"))
    with (huge / "huge").open("wb") as stream:
        stream.truncate(HUGE)
    many = project(folder / "many", text.format("many"))
    for number in range(MANY):
        path = many / f"many/{number // 1000}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    for made in (huge, many):
        subprocess.run((OURS, "lock", "record", "c"), cwd=made, check=True, capture_output=True)
    forget = partial(shutil.rmtree, folder / "home/.cache/git-spacy", ignore_errors=True)
    contestants = {
        "--version": peak_memory(OURS, "--version", cwd=folder),
        "3 GB": peak_memory(OURS, "run", "c", cwd=huge, before=forget),
        "200,000 files": peak_memory(OURS, "run", "c", cwd=many, before=forget),
    }
    budgets = [
        Budget("3 GB", 60, above="--version", unit="MB"),
        Budget("200,000 files", 150, unit="MB"),
    ]
    return contest("peak memory", contestants, budgets, rounds=3)
