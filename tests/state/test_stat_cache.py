"""The stat cache: unchanged files are not read again, and every change is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from git_spacy.git.state_dir import state_dir, user_cache_dir
from git_spacy.state import hashing, stat_cache, stat_cache_file
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import FetchedAsset, PreviousRun, StatCache
from tests.testing.examples import examples
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


def move_into_place(root: Path, stats: StatCache, *, age: float = 60) -> Fingerprint:
    """Write the folder `d` under another name, as if `age` seconds ago, and move it into place.

    Remembers a fingerprint that its content does not have, to tell whether it is hashed again.
    """

    write(root, {"new/a": "a", "new/b/c": "c"})
    for name in ("a", "b/c"):
        status = (root / "new" / name).stat()
        os.utime(root / "new" / name, ns=(0, status.st_ctime_ns - int(age * 1e9)))
    identity = hashing.file_identity(hashing.files_below(root, "new") or [])
    os.rename(root / "new", root / "d")
    remembered = Fingerprint("0" * 32, "1" * 32, 2)
    stats.remember_moved("d", remembered, identity)
    return remembered


def test_files_that_were_hashed_before_they_were_moved_are_not_hashed_again(
    tmp_path: Path, stats: StatCache, hashed: list[str]
) -> None:
    remembered = move_into_place(tmp_path, stats)
    assert stats.fingerprint("d") == remembered
    stats.save()
    assert StatCache(tmp_path, stats.file).fingerprint("d") == remembered
    assert hashed == []
    (tmp_path / "d/a").write_text("b")
    assert stats.fingerprint("d") == hashing.fingerprint(tmp_path, "d")


def test_a_file_that_was_hashed_before_it_was_moved_is_not_hashed_again(
    tmp_path: Path, stats: StatCache, hashed: list[str]
) -> None:
    write(tmp_path, {"new": "a"})
    os.utime(tmp_path / "new", ns=(0, (tmp_path / "new").stat().st_ctime_ns - 10**9))
    identity = hashing.file_identity(hashing.files_below(tmp_path, "new") or [])
    os.rename(tmp_path / "new", tmp_path / "d")
    remembered = Fingerprint("0" * 32, "", 1)
    stats.remember_moved("d", remembered, identity)
    assert stats.fingerprint("d") == remembered
    assert hashed == []


def test_files_that_were_written_when_they_were_moved_are_hashed_again(
    tmp_path: Path, stats: StatCache
) -> None:
    """An edit after the move could have given them the same time."""

    move_into_place(tmp_path, stats, age=0)
    assert stats.fingerprint("d") == hashing.fingerprint(tmp_path, "d")


@pytest.mark.parametrize(
    "change",
    [
        lambda d: (d / "a").write_text("b"),
        lambda d: (d / "a").write_text(""),
        lambda d: (d / "a").rename(d / "a0"),
        lambda d: (d / "b/c").unlink(),
        lambda d: shutil.copy2(shutil.copy2(d / "a", d / "copy"), d / "a0") and (d / "a").unlink(),
    ],
)
def test_files_that_were_changed_after_they_were_moved_are_hashed_again(
    tmp_path: Path, change: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(StatCache):
        def remember_moved(self, *args: Any) -> None:
            change(tmp_path / "d")  # type: ignore[operator]
            super().remember_moved(*args)

    stats = Late(tmp_path, tmp_path / "index-file")
    move_into_place(tmp_path, stats)
    assert stats.fingerprint("d") == hashing.fingerprint(tmp_path, "d")


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


NAMES = st.sampled_from(["a", "b", "c-", "c/d", "c/e"])
# fmt: off
EDITS = st.lists(
    st.tuples(
        st.sampled_from(
            ["write", "restore mtime", "write target", "remove", "move", "move folder", "touch",
             "chmod", "link", "hard link", "link to folder"]
        ),
        NAMES,
        NAMES,
    ),
    max_size=8,
)
# fmt: on


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(EDITS, st.booleans())
@example([("link", "a", "b"), ("write target", "a", "b"), ("link to folder", "c/d", "a")], True)
@example([("move folder", "a", "a"), ("write", "c/d", "a"), ("remove", "a", "a")], True)
@example([("restore mtime", "a", "b"), ("hard link", "b", "a"), ("move", "c/d", "c-")], True)
def test_the_stat_cache_agrees_with_hashing_everything(
    tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[str, str, str]], is_later: bool
) -> None:
    """If `is_later`, the cache only has the signature: nothing is racily clean."""

    root = tmp_path_factory.mktemp("edits")
    write(root, {"d/a": "1", "d/b": "2", "d/c/d": "3", "target": "t", "folder/f": "f"})
    for number, edit in enumerate(edits):
        stats = StatCache(root, root / "index-file")
        with pytest.MonkeyPatch.context() as patch:
            if is_later:
                move_clock(patch)
            assert stats.fingerprint("d") == hashing.fingerprint(root, "d")
        stats.save()
        wait_for_next_tick(root / "probe")
        with suppress(OSError):  # such as a folder that is now a file
            apply_edit(root, *edit, content=str(number % 3))
    stats = StatCache(root, root / "index-file")
    assert stats.fingerprint("d") == hashing.fingerprint(root, "d")
    assert [name_of(file) for file in stats.files("d")] == sorted(map(name_of, stats.files("d")))


def name_of(file: hashing.FileStat) -> list[str]:
    return file.name.split("/")


def wait_for_next_tick(probe: Path) -> None:
    """Wait until a change has another time than all before it."""

    probe.touch()
    before = probe.stat().st_ctime_ns
    while probe.stat().st_ctime_ns == before:
        probe.touch()


def apply_edit(root: Path, kind: str, name: str, other: str, *, content: str) -> None:
    path, second = root / "d" / name, root / "d" / other
    if kind in ("write", "restore mtime"):
        times = path.lstat() if kind != "write" else None
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
        if times:
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    elif kind == "write target":
        (root / "target").write_text(content)
        (root / "folder/f").write_text(content)
    elif kind == "remove":
        path.unlink()
    elif kind == "move":
        path.replace(second)
    elif kind == "move folder":
        (root / "d/c").rename(root / "d/c2")
    elif kind == "touch":
        path.touch(exist_ok=True)
    elif kind == "chmod":
        path.chmod(0o600 if path.stat().st_mode & 0o044 else 0o644)
    elif kind == "link to folder":
        if path.parent.name == "c":
            path = path.parent
            path.rename(root / f"moved-{content}")
        else:
            path.unlink(missing_ok=True)
        path.symlink_to(root / "folder")
    else:
        path.unlink(missing_ok=True)
        if kind == "link":
            path.symlink_to(root / "target")
        else:
            os.link(second, path)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version": 99}', '{"version": 2}', '{"version": 2, "paths": {"a": 1}}',
     '{"version": 2, "paths": {}, "runs": {"a": [[1]]}, "fetched": {}, "uncounted": {}, "contents": {}}',
     '{"version": 2, "paths": {}, "runs": {}, "fetched": {"a": [1, 2, 3]}, "uncounted": {}, "contents": {}}',
     '{"paths": {}, "runs": {}, "fetched": {}, "uncounted": {}, "contents": {}}',
     "\x00\xff", "[" * 100_000],
)  # fmt: skip
def test_an_invalid_file_counts_as_an_empty_cache(tmp_path: Path, text: str) -> None:
    for data in (text.encode(), sealed(text)):
        (tmp_path / "index-file").write_bytes(data)
        stats = StatCache(tmp_path, tmp_path / "index-file")
        assert stats.previous_runs("a") == []
        assert stats.fetched("a") is None


def sealed(text: str) -> bytes:
    """Return the text with the right checksum, as a hostile process could write it."""

    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    return b'{"checksum": "%s", %s' % (digest.encode(), text[1:].encode())


def test_a_file_with_the_right_checksum_is_read(tmp_path: Path) -> None:
    text = (
        '{"version": 2, "paths": {}, "runs": {}, "uncounted": {}, "contents": {},'
        f' "fetched": {{"a": ["https://x", "{"d" * 32}", ""]}}}}'
    )
    (tmp_path / "index-file").write_bytes(sealed(text))
    found = StatCache(tmp_path, tmp_path / "index-file").fetched("a")
    assert found == FetchedAsset("https://x", "d" * 32, "")


def test_a_cache_with_any_wrong_or_missing_byte_counts_as_empty(
    tmp_path: Path, stats: StatCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hexadecimal digit that changes into another would be another checksum of a file."""

    write(tmp_path, {"d/a": "a"})
    move_clock(monkeypatch)
    stats.fingerprint("d")
    stats.remember_run("train", PreviousRun((("x",), (("d", "0" * 32),), ()), {"d": "1" * 32}))
    stats.remember_fetched("e", FetchedAsset("https://x", "d" * 64, "e" * 32))
    stats.save()
    good = (tmp_path / "index-file").read_bytes()
    bad = [good[:end] for end in range(0, len(good), 5)] + [good + b" "]
    for position, byte in enumerate(good):
        bad.append(good[:position] + bytes([byte ^ 1]) + good[position + 1 :])
    assert not stat_cache_file.read(tmp_path / "gone")["paths"]
    assert stat_cache_file.read(tmp_path / "index-file")["paths"]
    for data in bad:
        (tmp_path / "damaged").write_bytes(data)
        assert not any(stat_cache_file.read(tmp_path / "damaged").values()), data


def test_a_damaged_cache_is_replaced(tmp_path: Path, stats: StatCache, hashed: list[str]) -> None:
    write(tmp_path, {"a": "a"})
    (tmp_path / "index-file").write_bytes(b"{")
    for _ in range(2):
        stats = StatCache(tmp_path, tmp_path / "index-file")
        assert stats.fingerprint("a") == hashing.fingerprint(tmp_path, "a")
        stats.remember_fetched("b", FetchedAsset("https://x", "d" * 64, "e" * 32))
        stats.save()
    assert stat_cache_file.read(tmp_path / "index-file")["fetched"]


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
    assert json.loads((tmp_path / "index-file").read_text())["version"] == 2


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
