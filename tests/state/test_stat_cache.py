"""The stat index: what was not touched is not read, and what was touched is always seen."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_spacy.errors import Refused
from git_spacy.state import hashing, stat_cache
from git_spacy.state.stat_cache import FetchedAsset, PreviousRun, StatCache, state_dir
from tests.testing.repositories import git, repository, write


@pytest.fixture
def opened(tmp_path: Path) -> StatCache:
    return StatCache(tmp_path, tmp_path / "index-file")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files whose content was read."""

    seen: list[str] = []
    real = hashing.digest_contents

    def counted(root: Path, facts: list[hashing.FileStat], algorithm: str = "md5") -> str:
        seen.extend(fact.path for fact in facts)
        return real(root, facts, algorithm)

    monkeypatch.setattr(stat_cache, "digest_contents", counted)
    return seen


def age(folder: Path) -> None:
    """Make everything look as if it had stood there for an hour (its ctime cannot be set)."""

    for path in [folder, *folder.rglob("*")]:
        if path.is_file():
            os.utime(path, ns=(10**18 + 1, 10**18 + 1))


def settle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a moment pass: what was written before is not racy any more."""

    real = stat_cache.time.time_ns
    monkeypatch.setattr(stat_cache.time, "time_ns", lambda: real() + 5 * 10**9)


def test_what_was_not_touched_is_not_read_again(
    tmp_path: Path, opened: StatCache, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"d/a": "a", "d/b/c": "c"})
    settle(monkeypatch)
    first = opened.fingerprint("d")
    opened.save()
    again = StatCache(tmp_path, tmp_path / "index-file").fingerprint("d")
    assert first == again
    assert len(read) == 2


def test_a_file_just_written_is_racily_clean_and_read_again(
    tmp_path: Path, opened: StatCache, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "one"})
    moment = (tmp_path / "a").stat().st_ctime_ns
    monkeypatch.setattr(stat_cache.time, "time_ns", lambda: moment + 1000)
    opened.fingerprint("a")
    opened.fingerprint("a")
    assert len(read) == 2


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
def test_any_change_is_seen(
    tmp_path: Path, opened: StatCache, change: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"d/a": "a", "d/b/c": "c"})
    settle(monkeypatch)
    before = opened.fingerprint("d")
    change(tmp_path / "d")  # type: ignore[operator]
    assert opened.fingerprint("d") != before


def test_a_touch_that_sets_the_time_back_is_seen(
    tmp_path: Path, opened: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "one"})
    status = (tmp_path / "a").stat()
    settle(monkeypatch)
    before = opened.fingerprint("a")
    (tmp_path / "a").write_text("two")
    os.utime(tmp_path / "a", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert opened.fingerprint("a") != before


NAMES = st.sampled_from(["a", "b", "c/d", "c/e"])
EDITS = st.lists(
    st.tuples(st.sampled_from(["write", "remove", "move", "touch"]), NAMES, NAMES), max_size=8
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(EDITS)
def test_the_index_says_what_reading_everything_says(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, str, str]]
) -> None:
    root = tmp_path_factory.mktemp("edits")
    write(root, {"d/a": "1", "d/b": "2"})
    opened = StatCache(root, root / "index-file")
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
        assert opened.fingerprint("d") == hashing.fingerprint(root, "d")
        opened.save()
        opened = StatCache(root, root / "index-file")


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 99}', '{"version": 1}', '{"version": 1, "paths": {"a": 1}}',
     '{"version": 1, "paths": {}, "runs": {"a": [[1]]}, "fetched": {}}',
     '{"version": 1, "paths": {}, "runs": {}, "fetched": {"a": [1, 2, 3]}}', "\x00\xff", "[" * 100_000],
)  # fmt: skip
def test_an_index_that_cannot_be_read_is_an_empty_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "index-file").write_text(text)
    opened = StatCache(tmp_path, tmp_path / "index-file")
    assert opened.previous_runs("a") == []
    assert opened.fetched("a") is None


def test_runs_and_fetches_are_remembered_across_processes(
    tmp_path: Path, opened: StatCache
) -> None:
    past = PreviousRun((("python x",), (("dep", "0" * 32),), (("out", None),)), {"dep": "1" * 32})
    opened.remember_run("train", past)
    opened.remember_fetched("assets/a", FetchedAsset("https://x", "d" * 64, "e" * 32))
    opened.save()
    again = StatCache(tmp_path, tmp_path / "index-file")
    assert again.previous_runs("train") == [past]
    assert again.fetched("assets/a") == FetchedAsset("https://x", "d" * 64, "e" * 32)


def test_two_processes_at_once_lose_nothing_of_each_other(tmp_path: Path) -> None:
    one, other = (StatCache(tmp_path, tmp_path / "index-file") for _ in range(2))
    one.remember_run("train", PreviousRun((("a",), (), ()), {}))
    other.remember_run("evaluate", PreviousRun((("b",), (), ()), {}))
    other.save()
    one.save()
    again = StatCache(tmp_path, tmp_path / "index-file")
    assert again.previous_runs("train")
    assert again.previous_runs("evaluate")


def test_each_variable_set_is_remembered_once_and_the_latest_first(opened: StatCache) -> None:
    def run(script: str, md5: str) -> PreviousRun:
        return PreviousRun(((script,), (), (("out", md5),)), {})

    for script, md5 in (("a", "1"), ("b", "2"), ("a", "3")):
        opened.remember_run("train", run(script, md5))
    assert opened.previous_runs("train") == [run("a", "3"), run("b", "2")]
    for number in range(40):
        opened.remember_run("train", run(str(number), "x"))
    assert len(opened.previous_runs("train")) == 16


def test_each_project_of_a_repository_and_each_work_tree_has_its_own(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"one/x": "", "two/x": ""})
    git(made, "worktree", "add", "-q", str(tmp_path / "linked"))
    places = [
        state_dir(folder) for folder in (made, made / "one", made / "two", tmp_path / "linked")
    ]
    assert len(set(places)) == 4
    assert places[0] == made / ".git/spacy"
    assert all(made / ".git" in place.parents for place in places)


def test_outside_a_repository_it_lies_in_the_users_cache(tmp_path: Path, sealed: Path) -> None:
    assert sealed / ".cache/git-spacy" in state_dir(tmp_path).parents


def test_a_disk_that_refuses_the_index_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blocked").write_text("a file where the folder should be")
    opened = StatCache(tmp_path, tmp_path / "blocked" / "index")
    write(tmp_path, {"a": "a"})
    opened.fingerprint("a")
    opened.save()


def test_a_link_out_of_the_project_is_never_read(tmp_path: Path, read: list[str]) -> None:
    (tmp_path / "secret").write_text("x")
    write(tmp_path / "p", {"d/a": "a"})
    (tmp_path / "p/d/link").symlink_to(tmp_path / "secret")
    with pytest.raises(Refused):
        StatCache(tmp_path / "p", tmp_path / "index-file").fingerprint("d")
    assert read == []


def test_the_file_is_plain_json(tmp_path: Path, opened: StatCache) -> None:
    write(tmp_path, {"a": "a"})
    opened.fingerprint("a")
    opened.save()
    assert json.loads((tmp_path / "index-file").read_text())["version"] == 1


def test_what_is_read_is_counted_in_bytes_and_only_once(
    tmp_path: Path, opened: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "123", "d/b": "4567"})
    settle(monkeypatch)
    assert opened.bytes_hashed == 0
    opened.fingerprint("a")
    opened.fingerprint("d")
    opened.fingerprint("a")
    assert opened.bytes_hashed == 7
    opened.remember_staged("s", "signature", hashing.Fingerprint("d", "", 5))
    assert opened.bytes_hashed == 12


def test_an_empty_folder_is_known_by_each_algorithm(tmp_path: Path, opened: StatCache) -> None:
    (tmp_path / "empty").mkdir()
    for algorithm in ("md5", "sha256"):
        found = opened.fingerprint("empty", algorithm)
        assert found == hashing.fingerprint(tmp_path, "empty", algorithm)
        assert found is not None
        assert found.digest == hashlib.new(algorithm, b"").hexdigest()


def test_digests_of_two_algorithms_do_not_get_mixed_up(
    tmp_path: Path, opened: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "a"})
    settle(monkeypatch)
    for _ in range(2):
        for algorithm in ("md5", "sha256"):
            found = opened.fingerprint("a", algorithm)
            assert found is not None
            assert found.digest == hashlib.new(algorithm, b"a").hexdigest()


def test_what_is_staged_is_known_by_its_signature_and_apart_from_the_work_tree(
    tmp_path: Path, opened: StatCache
) -> None:
    write(tmp_path, {"a": "a"})
    staged = hashing.Fingerprint("d" * 32, "", 5)
    assert opened.staged_fingerprint("a", "1" * 32) is None
    opened.remember_staged("a", "1" * 32, staged)
    opened.save()
    again = StatCache(tmp_path, tmp_path / "index-file")
    assert again.staged_fingerprint("a", "1" * 32) == staged
    assert again.staged_fingerprint("a", "2" * 32) is None
    assert again.staged_fingerprint("b", "one") is None
    assert again.fingerprint("a") == hashing.fingerprint(tmp_path, "a")


def test_what_is_gone_is_forgotten(
    tmp_path: Path, opened: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"a": "a", "b": "b"})
    settle(monkeypatch)
    opened.fingerprint("a")
    opened.fingerprint("b")
    opened.save()
    (tmp_path / "a").unlink()
    later = StatCache(tmp_path, tmp_path / "index-file")
    assert later.fingerprint("a") is None
    later.save()
    assert list(json.loads((tmp_path / "index-file").read_text())["paths"]) == ["b"]


def test_the_users_cache_may_lie_elsewhere(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value, folder in (("", sealed / ".cache"), (str(tmp_path / "c"), tmp_path / "c")):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert stat_cache.user_cache_dir(tmp_path / "p").parent == folder / "git-spacy"
    assert stat_cache.user_cache_dir(tmp_path / "p") != stat_cache.user_cache_dir(tmp_path / "q")
    assert stat_cache.user_cache_dir(tmp_path / "p") == stat_cache.user_cache_dir(
        tmp_path / "x/../p"
    )
