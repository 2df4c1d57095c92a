"""Tasks in threads that an interruption finds at work, and cannot stop."""

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


def _swap_in(staged: Staging) -> None:
    staged.commit()


def _fail(staged: Staging) -> None:
    raise ValueError


@pytest.mark.parametrize("go_on", [_write_files, _open_a_file, _swap_in, _fail])
@pytest.mark.parametrize("begun", ["folder", "file", "nothing"])
@pytest.mark.parametrize("is_there", [True, False])
def test_what_a_thread_that_does_not_end_has_staged_is_removed_and_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, go_on: Callable[[Staging], None], begun: str,
    is_there: bool,
) -> None:  # fmt: skip
    """Issue 17, C14: `a/.file.git-spacy-new` was left by `assets`, whose thread still imported
    modules when the process ended."""

    monkeypatch.setattr(threads, "_CLEANUP_SECONDS", 0.0)
    write(tmp_path, {"a/beside": "x", **({"a/x/old": "old"} if is_there else {})})
    before = snapshot(tmp_path)
    has_begun, may_go_on = threading.Event(), threading.Event()
    workers = []

    def stuck() -> None:
        workers.append(threading.current_thread())
        try:
            with staging(tmp_path, "a/x") as staged:
                if begun == "folder":
                    write(staged.path, {"deep/file": "half", "file": "half"})
                elif begun == "file":
                    staged.path.write_text("half")
                has_begun.set()
                may_go_on.wait()
                go_on(staged)
        finally:
            with suppress(Exception), staging(tmp_path, "a/y") as another:
                another.open().close()
                another.commit()

    def take(number: int, result: object) -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        threads.run_all([stuck, partial(has_begun.wait, 60)], 2, take, nullcontext)
    assert snapshot(tmp_path) == before
    may_go_on.set()
    workers[0].join()
    assert snapshot(tmp_path) == before


def test_another_thread_s_staging_is_left_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "_CLEANUP_SECONDS", 0.0)
    may_go_on = threading.Event()

    def take(number: int, result: object) -> None:
        raise Interrupted(2)

    with staging(tmp_path, "x") as staged:
        staged.path.write_text("whole")
        with pytest.raises(Interrupted):
            threads.run_all([may_go_on.wait, lambda: True], 2, take, nullcontext)
        staged.commit()
    assert (tmp_path / "x").read_text() == "whole"
    may_go_on.set()


def test_so_is_its_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal between two files that the thread removed left the rest of a repository."""

    monkeypatch.setattr(threads, "_CLEANUP_SECONDS", 0.0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    has_begun, may_go_on = threading.Event(), threading.Event()
    workers = []

    def stuck() -> None:
        workers.append(threading.current_thread())
        with temporary_folder() as folder:
            write(folder, {"repository.git/objects/pack": "half"})
            has_begun.set()
            may_go_on.wait()
        with suppress(Abandoned), temporary_folder():
            raise AssertionError

    def take(number: int, result: object) -> None:
        raise Interrupted(2)

    with pytest.raises(Interrupted):
        threads.run_all([stuck, partial(has_begun.wait, 60)], 2, take, nullcontext)
    assert os.listdir(tmp_path) == []
    may_go_on.set()
    workers[0].join()
    assert os.listdir(tmp_path) == []
