"""Tests of summaries of the status of files, made by one process or by two."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from git_spacy.state import stat_summary as module
from git_spacy.state.counted_files import Selection
from git_spacy.state.hashing import files_below
from git_spacy.state.stat_summary import StatSummary, stat_summary
from tests.testing.projects import Spacy, project
from tests.testing.repositories import write

NAMES = [f"{folder}/{name}" for folder in "abcdefgh" for name in ("1", "2", "3", "deep/4")]


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The process IDs of the children, also if this process has threads, as under pytest-xdist."""

    found: list[int] = []
    fork = os.fork

    def counted() -> int:
        child = fork()
        if child:
            found.append(child)
        return child

    monkeypatch.setattr(os, "fork", counted)
    monkeypatch.setattr(module, "_can_fork", lambda: True)
    yield found
    for child in found:
        with pytest.raises(ChildProcessError):  # it was waited for
            os.waitpid(child, os.WNOHANG)


@pytest.fixture
def two_processes(children: list[int], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let small folders be summarized by two processes; the process IDs of the children."""

    monkeypatch.setattr(module, "_PART_LENGTH", 2)
    monkeypatch.setattr(module, "_PARTS_BEFORE_FORK", 1)
    return children


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, {f"d/{name}": name * (number + 1) for number, name in enumerate(NAMES)})
    write(tmp_path, {"elsewhere/x": "a long text"})
    (tmp_path / "d/a/link").symlink_to(tmp_path / "elsewhere/x")
    (tmp_path / "d/b/folder").symlink_to(tmp_path / "elsewhere")  # skipped, as in weasel
    (tmp_path / "d/c/broken").symlink_to(tmp_path / "gone")
    (tmp_path / "d/empty/empty").mkdir(parents=True)
    os.mkfifo(tmp_path / "d/e/pipe")
    return tmp_path


def summary(root: Path, selection: Selection | None = None) -> StatSummary:
    found = stat_summary(root, "d", selection, fork=True)
    assert found is not None
    return found


def test_it_has_the_number_of_files_their_size_and_the_latest_change(tmp_path: Path) -> None:
    write(tmp_path, {"d/a": "12", "d/b/c": "345", "d/z": ""})
    for name in ("a", "b/c", "z"):
        os.utime(tmp_path / "d" / name, ns=(10**18, 10**18))
    future = 4 * 10**18
    os.utime(tmp_path / "d/b/c", ns=(10**18, future))
    found = summary(tmp_path)
    assert (found.files, found.size, found.newest) == (3, 5, future)
    assert found.is_folder
    assert stat_summary(tmp_path, "gone") is None
    file = stat_summary(tmp_path, "d/b/c")
    assert file is not None
    assert (file.files, file.size, file.newest, file.is_folder) == (1, 3, future, False)


def test_a_link_out_of_the_project_counts_as_the_file_that_it_leads_to(tmp_path: Path) -> None:
    write(tmp_path, {"data/file": "s", "p/d/deep/a": "a"})
    (tmp_path / "p/d/deep/link").symlink_to(tmp_path / "data/file")
    (tmp_path / "p/d/deep/folder").symlink_to(tmp_path / "data")  # skipped, as in weasel
    found = summary(tmp_path / "p")
    assert (found.files, found.size) == (2, 2)


@pytest.mark.parametrize(
    "selection",
    [
        None,
        Selection(frozenset(("a", "b/deep", "c/1")), {}),
        Selection(frozenset(("a", "b")), {"a/2": False, "b/deep": True}),
    ],
)
def test_two_processes_find_what_one_finds_and_what_is_hashed(
    root: Path, two_processes: list[int], selection: Selection | None
) -> None:
    found = summary(root, selection)
    assert found == stat_summary(root, "d", selection)
    assert len(two_processes) == 1
    files = files_below(root, "d", selection)
    assert files
    assert (found.files, found.size) == (len(files), sum(file.size for file in files))
    assert found.newest == max(max(file.mtime_ns, file.ctime_ns) for file in files)


def replace(file: Path) -> None:
    """Put another file in place, with the same content and time."""

    status = file.stat()
    other = file.with_name("other")
    other.write_bytes(file.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)


CHANGES: list[Callable[[Path], object]] = [
    Path.unlink,
    lambda file: file.rename(file.with_name("new")),
    lambda file: file.with_name("new").touch(),
    lambda file: os.utime(file, ns=(0, file.stat().st_mtime_ns + 1)),
    lambda file: file.write_text("a text of another length"),
    replace,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["a/1", "d/3", "e/deep/4", "h/deep/4"])  # of both processes
def test_the_signature_changes_with_any_file(
    root: Path, two_processes: list[int], name: str, change: Callable[[Path], object]
) -> None:
    before = summary(root)
    assert summary(root) == before
    change(root / "d" / name)
    assert summary(root).signature != before.signature
    assert len(two_processes) == 3


def interrupt_me() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def fail() -> None:
    raise OSError("the disk is on fire")


@pytest.mark.parametrize("end", [interrupt_me, fail, lambda: os._exit(0), lambda: os._exit(3)])
def test_without_the_result_of_the_child_the_parent_does_all_the_work(
    root: Path, two_processes: list[int], monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str], end: Callable[[], object],
) -> None:  # fmt: skip
    expected = stat_summary(root, "d")
    real = module._summarize_every_other

    def failing(*arguments: object) -> object:
        if arguments[-1] == 1:
            end()
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_summarize_every_other", failing)
    assert summary(root) == expected
    assert len(two_processes) == 1
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("data", [b"", b"\0", b"[\2\0\0\0N", b"[\1\0\0\0N", b"\xff"])
def test_a_wrong_answer_of_the_child_is_not_used(
    root: Path, two_processes: list[int], monkeypatch: pytest.MonkeyPatch, data: bytes
) -> None:
    expected = stat_summary(root, "d")

    def wrong(_root: Path, _parts: object, pipe: int) -> None:
        os.write(pipe, data)
        os._exit(0)

    monkeypatch.setattr(module, "_work_as_child", wrong)
    assert summary(root) == expected
    assert len(two_processes) == 1


@pytest.mark.usefixtures("two_processes")
@pytest.mark.parametrize("name", ["fork", "pipe"])
def test_without_a_child_one_process_does_all_the_work(
    root: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    expected = stat_summary(root, "d")
    opened = len(os.listdir("/proc/self/fd"))

    def failing() -> None:
        raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(os, name, failing)
    assert summary(root) == expected
    assert len(os.listdir("/proc/self/fd")) == opened


def test_an_interrupted_parent_ends_the_child(
    root: Path, two_processes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def waiting(_root: Path, _parts: object, share: int) -> None:
        if share == 0:
            raise KeyboardInterrupt
        signal.pause()

    monkeypatch.setattr(module, "_summarize_every_other", waiting)
    with pytest.raises(KeyboardInterrupt):
        summary(root)
    assert len(two_processes) == 1


@pytest.mark.usefixtures("two_processes")
def test_an_error_is_that_of_one_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = module._summarize_part

    def failing(root: Path, part: module._FolderPart) -> object:
        if part.prefix == "h/deep/":
            raise PermissionError(f"cannot read {part.folder}")
        return real(root, part)

    monkeypatch.setattr(module, "_summarize_part", failing)
    with pytest.raises(PermissionError, match=r"cannot read .*h/deep"):
        summary(root)


def test_no_child_inherits_the_lock_of_a_thread() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        assert not module._can_fork()
    finally:
        ended.set()
        thread.join()


def test_a_status_of_a_large_folder_takes_two_processes_and_says_the_same(
    tmp_path: Path, spacy: Spacy, children: list[int]
) -> None:
    text = "commands: [{name: c, script: [touch m], deps: [d], outputs: [m]}]\n"
    made = project(tmp_path, text, {f"d/{number}.txt": "text" for number in range(3000)})
    assert spacy("run", "c", cwd=made).code == 0
    done = spacy("run", "c", cwd=made)
    assert (done.code, len(children)) == (0, 1), done.err
    assert "c: up to date" in done.out + done.err
    (made / "d/2999.txt").write_text("changed")
    done = spacy("status", cwd=made)
    assert done.code == 0, done.err
    assert len(children) > 1
    assert "dependency 'd' changed" in done.out
