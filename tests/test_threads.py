"""Interrupted tasks in threads that do not end in time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest

from git_spacy import threads
from git_spacy.abandoned import Abandoned, temporary_folder
from git_spacy.errors import Interrupted
from git_spacy.files import Staging, staging
from tests.testing.projects import snapshot
from tests.testing.repositories import write


def _write_files(staged: Staging) -> None:
    os.makedirs(staged.path / "deep", exist_ok=True)
    (staged.path / "deep/more").write_text("half")


def _open_a_file(staged: Staging) -> None:
    staged.open().close()


def _commit(staged: Staging) -> None:
    staged.commit()


def _fail(staged: Staging) -> None:
    raise ValueError


@pytest.mark.parametrize("go_on", [_write_files, _open_a_file, _commit, _fail])
@pytest.mark.parametrize("staged_kind", ["folder", "file", "nothing"])
@pytest.mark.parametrize("dest_exists", [True, False])
def test_the_staging_of_an_abandoned_thread_is_removed_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_on: Callable[[Staging], None],
    staged_kind: str, dest_exists: bool,
) -> None:  # fmt: skip
    """`git spacy assets` once left `a/.file.git-spacy-new`: its thread was still importing modules
    when the process ended."""

    monkeypatch.setattr(threads, "_CLEANUP_SECONDS", 0.0)
    write(tmp_path, {"a/beside": "x", **({"a/x/old": "old"} if dest_exists else {})})
    before = snapshot(tmp_path)
    has_started, may_go_on = threading.Event(), threading.Event()
    workers = []

    def stuck() -> None:
        workers.append(threading.current_thread())
        try:
            with staging(tmp_path, "a/x") as staged:
                if staged_kind == "folder":
                    write(staged.path, {"deep/file": "half", "file": "half"})
                elif staged_kind == "file":
                    staged.path.write_text("half")
                has_started.set()
                may_go_on.wait()
                go_on(staged)
        finally:
            with suppress(Exception), staging(tmp_path, "a/y") as another:
                another.open().close()
                another.commit()

    def interrupt(index: int, result: object) -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        threads.run_all([stuck, partial(has_started.wait, 60)], 2, interrupt, nullcontext)
    assert snapshot(tmp_path) == before
    may_go_on.set()
    workers[0].join()
    assert snapshot(tmp_path) == before


def test_the_staging_of_another_thread_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_CLEANUP_SECONDS", 0.0)
    may_go_on = threading.Event()

    def interrupt(index: int, result: object) -> None:
        raise Interrupted(2)

    with staging(tmp_path, "x") as staged:
        staged.path.write_text("whole")
        with pytest.raises(Interrupted):
            threads.run_all([may_go_on.wait, lambda: True], 2, interrupt, nullcontext)
        staged.commit()
    assert (tmp_path / "x").read_text() == "whole"
    may_go_on.set()


def test_the_temporary_folder_of_an_abandoned_thread_is_removed_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal that arrived while the thread was removing files once left half a repository."""

    monkeypatch.setattr(threads, "_CLEANUP_SECONDS", 0.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    has_started, may_go_on = threading.Event(), threading.Event()
    workers = []

    def stuck() -> None:
        workers.append(threading.current_thread())
        with temporary_folder() as folder:
            write(folder, {"repository.git/objects/pack": "half"})
            has_started.set()
            may_go_on.wait()
        with suppress(Abandoned), temporary_folder():
            raise AssertionError

    def interrupt(index: int, result: object) -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        threads.run_all([stuck, partial(has_started.wait, 60)], 2, interrupt, nullcontext)
    assert os.listdir(tmp_path) == []
    may_go_on.set()
    workers[0].join()
    assert os.listdir(tmp_path) == []
