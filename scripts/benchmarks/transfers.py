"""Benchmarks of outputs that go to a remote in a folder and come back: many small files, a large
one."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.contest import OURS, Budget, Row, contest, is_installed, timed
from tests.testing.projects import project
from tests.testing.repositories import git, noise

FILES, SIZE = 10_000, 2000
LARGE_SIZE = 1_000_000_000
_PROJECT = "commands: [{name: c, script: ['cp -r ../source out'], outputs: [out]}]\n"


def small_files(folder: Path) -> list[Row]:
    """Push, pull and restore an output of 10,000 files of 2 kB."""

    for number in range(FILES):
        path = folder / f"source/{number % 100}/{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise(SIZE, number))
    return _compare("10,000 files of 2 kB", folder)


def large_file(folder: Path) -> list[Row]:
    """Push, pull and restore an output of 1 GB."""

    block = noise(1_000_000)
    with (folder / "source").open("wb") as stream:
        for _ in range(LARGE_SIZE // len(block)):
            stream.write(block)
    return _compare("a file of 1 GB", folder)


def _compare(content: str, folder: Path) -> list[Row]:
    """Compare the transfers of an output, a copy of `source`, with those of other tools, each of
    which copies it and verifies the copy."""

    made = project(folder / "project", _PROJECT)
    peer = folder / "dvc"
    copies = folder / "copies"
    ours, theirs, copy = (str(copies / name) for name in ("ours", "dvc", "rclone"))
    copies.mkdir()
    (made / ".gitignore").write_text("/out\n")
    git(made, "init", "-q")
    git(made, "config", "spacy.restore", "true")  # the run saves its output to the cache
    _quietly(made, OURS, "run", "c")
    git(made, "add", "-A")
    git(made, "commit", "-qm", "output")
    push = {"push": timed(OURS, "push", ours, cwd=made, before=_removing(copies / "ours"))}
    pull = {"pull": timed(OURS, "pull", ours, cwd=made, before=_removing(made / "out"))}
    restore = {"restore": timed(OURS, "restore", "HEAD", cwd=made, before=_removing(made / "out"))}
    if is_installed("rclone"):
        name = "rclone copyto" if (made / "out").is_file() else "rclone copy"
        words = (*name.split(), str(made / "out"), copy)
        push[name] = timed(*words, cwd=made, before=_removing(copies / "rclone"))
        back = copies / "back"
        words = (*name.split(), copy, str(back))
        pull[name] = restore[name] = timed(*words, cwd=made, before=_removing(back))
    if is_installed("dvc"):
        peer.mkdir()
        _quietly(folder, "cp", "-r", "source", str(peer / "out"))
        _quietly(peer, "dvc", "init", "-q", "--no-scm")
        _quietly(peer, "dvc", "remote", "add", "-q", "-d", "folder", theirs)
        _quietly(peer, "dvc", "add", "-q", "out")
        cache = peer / ".dvc/cache"
        push["dvc push"] = timed("dvc", "push", cwd=peer, before=_removing(copies / "dvc"))
        pull["dvc pull"] = timed("dvc", "pull", cwd=peer, before=_removing(peer / "out", cache))
        restore["dvc checkout"] = timed("dvc", "checkout", cwd=peer, before=_removing(peer / "out"))
    rclone = next((name for name in push if name.startswith("rclone")), "rclone copy")
    rows = []
    for verb, contestants, other in (
        ("push", push, "dvc push"),
        ("pull", pull, "dvc pull"),
        ("restore", restore, "dvc checkout"),
    ):
        budgets = [Budget(verb, 1 / 5, other), Budget(verb, 1.3, rclone)]
        rows += contest(f"{verb} {content}", contestants, budgets, rounds=3)
    return rows


def _removing(*paths: Path) -> Callable[[], None]:
    def remove() -> None:
        for path in paths:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        subprocess.run(("sync",), check=False)

    return remove


def _quietly(folder: Path, *command: str) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
