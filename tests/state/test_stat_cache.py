"""The stat cache: unchanged files are not read again, and every change is noticed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_spacy.git.state_dir import state_dir, user_cache_dir
from git_spacy.state import hashing, stat_cache
from git_spacy.state.stat_cache import FetchedAsset, PreviousRun, StatCache
from tests.testing.repositories import git, repository, write


@pytest.fixture
def stats(tmp_path: Path) -> StatCache:
    return StatCache(tmp_path, tmp_path / "index-file")


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose content was hashed."""

    paths: list[str] = []
    real = hashing.digest_contents

    def counted(root: Path, files: list[hashing.FileStat], algorithm: str = "md5") -> str:
        paths.extend(file.path for file in files)
        return real(root, files, algorithm)

    monkeypatch.setattr(stat_cache, "digest_contents", counted)
    return paths


def move_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move the clock ahead, so that files written before are not racily clean."""

    real = stat_cache.time.time_ns
    monkeypatch.setattr(stat_cache.time, "time_ns", lambda: real() + 5 * 10**9)


def test_an_unchanged_folder_is_not_hashed_again(
    tmp_path: Path, stats: StatCache, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"d/a": "a", "d/b/c": "c"})
    move_clock(monkeypatch)
    first = stats.fingerprint("d")
    stats.save()
    again = StatCache(tmp_path, tmp_path / "index-file").fingerprint("d")
    assert first == again
    assert len(hashed) == 2


def test_a_file_just_written_is_racily_clean_and_hashed_again(
    tmp_path: Path, stats: StatCache, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "one"})
    moment = (tmp_path / "a").stat().st_ctime_ns
    monkeypatch.setattr(stat_cache.time, "time_ns", lambda: moment + 1000)
    stats.fingerprint("a")
    stats.fingerprint("a")
    assert len(hashed) == 2


@pytest.mark.parametrize(
    "change",
    [
        lambda d: (d / "a").write_text("other"),
        lambda d: (d / "a").write_text("b"),
        lambda d: (d / "a").rename(d / "z"),
        lambda d: (d / "new").write_text(""),
        lambda d: (d / "b/c").unlink(),
        lambda d: os.replace(d / "b/c", d / "a"),
    ],
)
def test_any_change_is_noticed(
    tmp_path: Path, stats: StatCache, change: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"d/a": "a", "d/b/c": "c"})
    move_clock(monkeypatch)
    before = stats.fingerprint("d")
    change(tmp_path / "d")  # type: ignore[operator]
    assert stats.fingerprint("d") != before


def test_a_change_with_its_mtime_set_back_is_noticed(
    tmp_path: Path, stats: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "one"})
    status = (tmp_path / "a").stat()
    move_clock(monkeypatch)
    before = stats.fingerprint("a")
    (tmp_path / "a").write_text("two")
    os.utime(tmp_path / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stats.fingerprint("a") != before


NAMES = st.sampled_from(["a", "b", "c/d", "c/e"])
EDITS = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "move", "touch"]), NAMES, NAMES), max_size=8
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(EDITS)
def test_the_stat_cache_agrees_with_hashing_everything(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, str, str]]
) -> None:
    root = tmp_path_factory.mktemp("edits")
    write(root, {"d/a": "1", "d/b": "2"})
    stats = StatCache(root, root / "index-file")
    for number, (kind, name, other) in enumerate(edits):
        path = root / "d" / name
        if kind == "write":
            write(root, {f"d/{name}": str(number % 3)})
        elif path.exists() and kind == "remove":
            path.unlink()
        elif path.exists() and kind == "touch":
            path.touch()
        elif path.exists() and kind == "move":
            (root / "d" / other).parent.mkdir(exist_ok=True)
            path.replace(root / "d" / other)
        assert stats.fingerprint("d") == hashing.fingerprint(root, "d")
        stats.save()
        stats = StatCache(root, root / "index-file")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 99}', '{"version": 1}', '{"version": 1, "paths": {"a": 1}}',
     '{"version": 1, "paths": {}, "runs": {"a": [[1]]}, "fetched": {}}',
     '{"version": 1, "paths": {}, "runs": {}, "fetched": {"a": [1, 2, 3]}}', "\x00\xff", "[" * 100_000],
)  # fmt: skip
def test_an_invalid_file_counts_as_an_empty_cache(tmp_path: Path, text: str) -> None:
    (tmp_path / "index-file").write_text(text)
    stats = StatCache(tmp_path, tmp_path / "index-file")
    assert stats.previous_runs("a") == []
    assert stats.fetched("a") is None


def test_runs_and_fetches_are_remembered_across_processes(tmp_path: Path, stats: StatCache) -> None:
    past = PreviousRun((("python x",), (("dep", "0" * 32),), (("out", None),)), {"dep": "1" * 32})
    stats.remember_run("train", past)
    stats.remember_fetched("assets/a", FetchedAsset("https://x", "d" * 64, "e" * 32))
    stats.save()
    again = StatCache(tmp_path, tmp_path / "index-file")
    assert again.previous_runs("train") == [past]
    assert again.fetched("assets/a") == FetchedAsset("https://x", "d" * 64, "e" * 32)


def test_two_processes_keep_each_others_changes(tmp_path: Path) -> None:
    first, second = (StatCache(tmp_path, tmp_path / "index-file") for _ in range(2))
    first.remember_run("train", PreviousRun((("a",), (), ()), {}))
    second.remember_run("evaluate", PreviousRun((("b",), (), ()), {}))
    second.save()
    first.save()
    again = StatCache(tmp_path, tmp_path / "index-file")
    assert again.previous_runs("train")
    assert again.previous_runs("evaluate")


def test_each_set_of_variables_is_remembered_once_the_latest_first(stats: StatCache) -> None:
    def run(script: str, md5: str) -> PreviousRun:
        return PreviousRun(((script,), (), (("out", md5),)), {})

    for script, md5 in (("a", "1"), ("b", "2"), ("a", "3")):
        stats.remember_run("train", run(script, md5))
    assert stats.previous_runs("train") == [run("a", "3"), run("b", "2")]
    for number in range(40):
        stats.remember_run("train", run(str(number), "x"))
    assert len(stats.previous_runs("train")) == 16


def test_each_project_of_a_repository_and_each_worktree_has_its_own_folder(tmp_path: Path) -> None:
    top = repository(tmp_path / "r", {"one/x": "", "two/x": ""})
    git(top, "worktree", "add", "-q", str(tmp_path / "linked"))
    folders = [state_dir(folder) for folder in (top, top / "one", top / "two", tmp_path / "linked")]
    assert len(set(folders)) == 4
    assert folders[0] == top / ".git/spacy"
    assert all(top / ".git" in folder.parents for folder in folders)


def test_the_state_folder_is_in_the_users_cache_outside_a_repository(
    tmp_path: Path, sealed: Path
) -> None:
    assert sealed / ".cache/git-spacy" in state_dir(tmp_path).parents


def test_a_cache_that_cannot_be_written_is_not_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    stats = StatCache(tmp_path, tmp_path / "blocked" / "index")
    write(tmp_path, {"a": "a"})
    stats.fingerprint("a")
    stats.save()


def test_data_outside_is_hashed_again_only_when_it_changes(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"data/x": "x", "p/d/a": "a"})
    (tmp_path / "p/d/link").symlink_to(tmp_path / "data/x")
    (tmp_path / "p/linked").symlink_to(tmp_path / "data")
    move_clock(monkeypatch)
    for path in ("d", "../data/x", str(tmp_path / "data"), "linked/x"):
        cache = StatCache(tmp_path / "p", tmp_path / "index-file")
        before = cache.fingerprint(path)
        cache.save()
        hashed.clear()
        assert StatCache(tmp_path / "p", tmp_path / "index-file").fingerprint(path) == before
        assert hashed == [], path
        (tmp_path / "data/x").write_text((tmp_path / "data/x").read_text() + "x")
        assert StatCache(tmp_path / "p", tmp_path / "index-file").fingerprint(path) != before


def test_the_stat_cache_is_a_json_file(tmp_path: Path, stats: StatCache) -> None:
    write(tmp_path, {"a": "a"})
    stats.fingerprint("a")
    stats.save()
    assert json.loads((tmp_path / "index-file").read_text())["version"] == 1


def test_hashed_bytes_are_counted_once(
    tmp_path: Path, stats: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "123", "d/b": "4567"})
    move_clock(monkeypatch)
    assert stats.bytes_hashed == 0
    stats.fingerprint("a")
    stats.fingerprint("d")
    stats.fingerprint("a")
    assert stats.bytes_hashed == 7
    stats.remember_staged("s", "signature", hashing.Fingerprint("d", "", 5))
    assert stats.bytes_hashed == 12


def test_an_empty_folder_has_the_digest_of_each_algorithm(tmp_path: Path, stats: StatCache) -> None:
    (tmp_path / "empty").mkdir()
    for algorithm in ("md5", "sha256"):
        found = stats.fingerprint("empty", algorithm)
        assert found == hashing.fingerprint(tmp_path, "empty", algorithm)
        assert found is not None
        assert found.digest == hashlib.new(algorithm, b"").hexdigest()


def test_digests_of_different_algorithms_are_kept_apart(
    tmp_path: Path, stats: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "a"})
    move_clock(monkeypatch)
    for _ in range(2):
        for algorithm in ("md5", "sha256"):
            found = stats.fingerprint("a", algorithm)
            assert found is not None
            assert found.digest == hashlib.new(algorithm, b"a").hexdigest()


def test_staged_fingerprints_depend_on_their_signature_and_not_on_the_worktree(
    tmp_path: Path, stats: StatCache
) -> None:
    write(tmp_path, {"a": "a"})
    staged = hashing.Fingerprint("d" * 32, "", 5)
    assert stats.staged_fingerprint("a", "1" * 32) is None
    stats.remember_staged("a", "1" * 32, staged)
    stats.save()
    again = StatCache(tmp_path, tmp_path / "index-file")
    assert again.staged_fingerprint("a", "1" * 32) == staged
    assert again.staged_fingerprint("a", "2" * 32) is None
    assert again.staged_fingerprint("b", "one") is None
    assert again.fingerprint("a") == hashing.fingerprint(tmp_path, "a")


def test_a_deleted_file_is_removed_from_the_cache(
    tmp_path: Path, stats: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "a", "b": "b"})
    move_clock(monkeypatch)
    stats.fingerprint("a")
    stats.fingerprint("b")
    stats.save()
    (tmp_path / "a").unlink()
    later = StatCache(tmp_path, tmp_path / "index-file")
    assert later.fingerprint("a") is None
    later.save()
    assert list(json.loads((tmp_path / "index-file").read_text())["paths"]) == ["b"]


def test_xdg_cache_home_sets_the_users_cache(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, folder in (("", sealed / ".cache"), (str(tmp_path / "c"), tmp_path / "c")):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert user_cache_dir(tmp_path / "p").parent == folder / "git-spacy"
    assert user_cache_dir(tmp_path / "p") != user_cache_dir(tmp_path / "q")
    assert user_cache_dir(tmp_path / "p") == user_cache_dir(tmp_path / "x/../p")
