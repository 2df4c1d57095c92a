"""The files with the output of runs: their limits, and how they are found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from git_spacy.history import run_logs
from git_spacy.history.run_logs import (
    HEAD_SIZE,
    TAIL_SIZE,
    LogWriter,
    latest_log,
    log_folder,
    remove_oldest,
)

LIMIT = HEAD_SIZE + TAIL_SIZE
NOTICE = re.compile(rb"\[git-spacy: (\d+) bytes are left out here\]\n")


def finished(root: Path, *pieces: bytes) -> bytes:
    log = LogWriter(root, "train", "train")
    for piece in pieces:
        log.write(piece)
        assert log.path.stat().st_size <= LIMIT + TAIL_SIZE + 100
    log.finish("")
    return log.path.read_bytes()


@pytest.mark.threat("logged-output", commands="run")
@pytest.mark.parametrize("line", [b"%07d\n", b"%07d\r", b"%07d \xff"])
def test_of_a_long_log_the_start_and_the_end_are_kept(tmp_path: Path, line: bytes) -> None:
    pieces = [
        b"".join(line % number for number in range(start, start + 10_000))
        for start in range(0, 500_000, 10_000)
    ]
    printed = b"".join(pieces)
    kept = finished(tmp_path, *pieces)
    (left_out,) = NOTICE.findall(kept)  # one notice, although it was shortened several times
    head, tail = NOTICE.split(kept)[0], NOTICE.split(kept)[2]
    head = head if line.endswith(b"\n") else head.removesuffix(b"\n")  # ends before the notice
    assert printed.startswith(head)
    assert printed.endswith(tail)
    assert len(head) + int(left_out) + len(tail) == len(printed)
    assert HEAD_SIZE - 10 < len(head) <= HEAD_SIZE
    assert TAIL_SIZE - 10 < len(tail) <= TAIL_SIZE
    assert [path.suffix for path in log_folder(tmp_path).iterdir()] == [".log"]


def test_a_log_within_the_limit_is_kept_whole(tmp_path: Path) -> None:
    printed = b"x" * (LIMIT - 1)
    assert finished(tmp_path, printed, b"\n") == printed + b"\n"
    assert finished(tmp_path, printed, b"\n\n") != printed + b"\n\n"


@pytest.mark.threat("logged-output", commands="run")
def test_the_oldest_logs_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_logs, "MAX_TOTAL", 1000)
    monkeypatch.setattr(run_logs, "MAX_LOGS", 3)
    folder = log_folder(tmp_path)
    folder.mkdir(parents=True)
    digests = "0123456789abcdef.0123456789abcdef"
    names = [f"2026010{day}T000000000000000Z.{digests}.7.log" for day in range(1, 6)]
    for name in names:
        (folder / name).write_bytes(b"x" * 100)
    finished(tmp_path, b"new")
    remove_oldest(tmp_path)
    new = max(path.name for path in folder.iterdir())
    assert sorted(path.name for path in folder.iterdir()) == [*names[-2:], new]
    finished(tmp_path, b"x" * 2000)  # a single log is kept, however long
    remove_oldest(tmp_path)
    assert len(list(folder.iterdir())) == 1


def test_the_latest_log_of_a_command_may_be_that_of_a_variant(tmp_path: Path) -> None:
    assert latest_log(tmp_path) is None
    paths = {}
    for name, command in (("a", "a"), ("a --vars.n 1", "a"), ("b", "b")):
        log = LogWriter(tmp_path, name, command)
        log.write_line(name)
        log.finish(f"run-{len(paths):040}")
        paths[name] = log.path
    (log_folder(tmp_path) / "notes.txt").write_text("another file")
    found = {name: latest_log(tmp_path, name) for name in ("", "a", "a --vars.n 1", "b", "c")}
    assert {name: log and log.path for name, log in found.items()} == {
        "": paths["b"],
        "a": paths["a --vars.n 1"],
        "a --vars.n 1": paths["a --vars.n 1"],
        "b": paths["b"],
        "c": None,
    }
