"""Tests of the local cache."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_spacy import cli
from git_spacy.errors import InvalidInput, LocalFailure
from git_spacy.files import Staging, staging
from git_spacy.state.hashing import Fingerprint, digest_names, files_below, fingerprint
from git_spacy.storage.cache_store import CachedResult, CacheSize, CacheStore
from git_spacy.storage.staged_output import staged_fingerprint
from tests.testing.examples import examples
from tests.testing.projects import snapshot
from tests.testing.repositories import git, noise, repository, write

FOLDER: dict[str, str | bytes] = {
    "out/a": "one", "out/b/c": "two", "out/b/run*": "#!/bin/sh\n", "out/same": "one",
}  # fmt: skip


def save(store: CacheStore, root: Path, name: str) -> Fingerprint:
    known = fingerprint(root, name)
    assert known is not None
    store.save(files_below(root, name) or [], known)
    return known


@contextmanager
def staged_output(
    store: CacheStore, root: Path, known: Fingerprint, to: str
) -> Iterator[Staging | None]:
    with staging(root, to) as staged:
        yield staged if store.restore(known.digest, known.names, staged) else None


def restored(store: CacheStore, root: Path, known: Fingerprint, to: str) -> Fingerprint | None:
    with staged_output(store, root, known, to) as staged:
        if staged is None:
            return None
        staged.commit()
    return fingerprint(root, to)


def objects(store_at: Path) -> list[Path]:
    return sorted((store_at / "objects").glob("??/*"))


def is_listed(store: CacheStore, digest: str, names: str | None = None) -> bool:
    return bool(store._trees(digest, names))


@pytest.mark.parametrize("link", [False, True])
def test_an_output_is_restored_unchanged(tmp_path: Path, link: bool) -> None:
    write(tmp_path / "p", {**FOLDER, "file.bin": noise(100_000)})
    store = CacheStore(tmp_path / "store", link=link)
    root = tmp_path / "p"
    for name in ("out", "file.bin"):
        known = save(store, root, name)
        assert is_listed(store, known.digest)
        assert is_listed(store, known.digest, known.names)
        assert not is_listed(store, known.digest, "0" * 32)
        assert restored(store, root, known, f"again/{name}") == known
    assert os.access(root / "again/out/b/run", os.X_OK)
    assert not os.access(root / "again/out/a", os.X_OK)
    shares = (root / "again/file.bin").stat().st_nlink > 1
    assert shares == link
    if not link:
        (root / "again/file.bin").write_bytes(b"edited")  # not shared by a hard link
        assert store.verify() == []
    assert store.size().objects == 4  # equal files are stored once
    assert store.size().trees == 2


@pytest.mark.parametrize("link", [False, True])
def test_damage_that_the_times_do_not_show_is_in_the_digest(tmp_path: Path, link: bool) -> None:
    """Files are hashed while they are copied; those that are linked are read afterwards."""

    write(tmp_path, FOLDER)
    store = CacheStore(tmp_path / "store", link=link)
    known = save(store, tmp_path, "out")
    for is_damaged in (False, True):
        if is_damaged:
            path = next(path for path in objects(store._top) if path.read_bytes() == b"two")
            times = path.stat()
            path.chmod(0o644)
            path.write_bytes(b"TWO")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        with staging(tmp_path, "again") as staged:
            written = store.restore(known.digest, known.names, staged)
            assert written
            assert bool(written.digest) != link
            found = staged_fingerprint(tmp_path, staged, written)
            assert found == fingerprint(tmp_path, staged.relative)
        assert (found == known) != is_damaged


def test_a_missing_output_is_not_restored(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "store")
    assert restored(store, tmp_path, Fingerprint("0" * 32, "", 0), "x") is None
    assert not (tmp_path / "store").exists()
    assert store.results("0" * 64) == []
    assert store.size() == CacheSize(0, 0, 0, 0)


def test_the_same_content_under_other_names_is_another_output(tmp_path: Path) -> None:
    write(tmp_path, {"one/a": "x", "two/b": "x"})
    store = CacheStore(tmp_path / "store")
    one, two = save(store, tmp_path, "one"), save(store, tmp_path, "two")
    assert one.digest == two.digest
    restored(store, tmp_path, one, "again")
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["a"]
    restored(store, tmp_path, two, "again")
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["b"]


def test_an_output_that_changes_during_the_save_is_not_saved(tmp_path: Path) -> None:
    write(tmp_path, {"out/a": "one"})
    store = CacheStore(tmp_path / "store")
    known = fingerprint(tmp_path, "out")
    assert known
    (tmp_path / "out/a").write_text("two")
    with pytest.raises(LocalFailure, match="changed while"):
        store.save(files_below(tmp_path, "out") or [], known)
    assert not is_listed(store, known.digest)


def test_damage_is_found_and_removed(tmp_path: Path) -> None:
    write(tmp_path, FOLDER)
    store = CacheStore(tmp_path / "store")
    known = save(store, tmp_path, "out")
    victim = next(path for path in objects(tmp_path / "store") if path.read_bytes() == b"two")
    victim.chmod(0o644)
    victim.write_bytes(b"TWO")
    assert store.verify() == [known.digest]
    assert not is_listed(store, known.digest)
    assert not victim.exists()
    assert store.verify() == []


def test_temporary_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "store")
    begun = tmp_path / f"store/trees/aa/.{'a' * 32}-.1234567.tmp"
    write(tmp_path, {begun.relative_to(tmp_path).as_posix(): "[["})
    assert store.verify() == []
    assert not begun.exists()


@pytest.mark.parametrize("text", [b"", b"nonsense", b"{}", b"[1]", b'[["a"]]', b"[[[1, 2, 3], 1]]"])
def test_invalid_cache_files_are_ignored(tmp_path: Path, text: bytes) -> None:
    store = CacheStore(tmp_path / "store")
    store.add_result("ab" * 32, CachedResult((("out", "1" * 32, ""),)))
    (path,) = (tmp_path / "store/results").glob("??/*")
    path.write_bytes(text)
    assert store.results("ab" * 32) == []


NO_MD5 = ["../../../evil", "../../../../docs/**/*", "*", "", "A" * 32, "a" * 31, "/" + "a" * 31]


@pytest.mark.threat("hostile-values", commands="cache restore run")
@pytest.mark.parametrize("value", NO_MD5)
def test_an_invalid_hash_never_becomes_a_path(tmp_path: Path, value: str) -> None:
    """Threat model: hostile-values: with `../../../../docs/**/*` files outside the cache were deleted."""

    write(tmp_path, {"docs/a-b": "mine", "evil-": "[]", "store/trees/aa/x": "", "p/x": "x"})
    (tmp_path / "p/trees").mkdir()
    store = CacheStore(tmp_path / "p/a/b/store")
    save(store, tmp_path / "p", "x")
    before = snapshot(tmp_path)
    for names in (None, "", value):
        with pytest.raises(InvalidInput), staging(tmp_path / "p", "out") as staged:
            store.restore(value, names, staged)
        with pytest.raises(InvalidInput):
            is_listed(store, value, names)
        with pytest.raises(InvalidInput):
            store.discard(value, names)
    with pytest.raises(InvalidInput):
        store.save([], Fingerprint(value, "", 0))
    with pytest.raises(InvalidInput):
        store.results(value)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize(
    "items",
    [
        [["../x", "ID", 1, True]], [["/x", "ID", 1, True]], [["a/../../x", "ID", 1, True]],
        [[".git/hooks/post-checkout", "ID", 1, True]], [["a\0b", "ID", 1, True]], [[1, "ID", 1, True]],
        [["a", "../../../secret", 6, False]], [["a", "", 1, False]], [["a", "ID", -1, False]],
        [["a", "ID", 1]], [["a"]], ["a"], [None], {"a": 1}, "a", None,
        [["a", "ID", 1, False], ["a", "ID", 1, False]],
        [["a", "ID", 1, False], ["a/b", "ID", 1, False]], [["a" * 5000, "ID", 1, False]],
        [["\ud800", "ID", 1, False]],
    ],
    ids=lambda items: repr(items)[:40],
)  # fmt: skip
def test_an_invalid_list_of_files_restores_nothing(tmp_path: Path, items: Any) -> None:
    """Threat model: hostile-values: the list of files of an output names their paths and objects."""

    write(tmp_path, {"secret": "secret", "p/one": "x"})
    store = CacheStore(tmp_path / "store")
    known = save(store, tmp_path / "p", "one")
    id = objects(tmp_path / "store")[0].parent.name + objects(tmp_path / "store")[0].name
    text = json.dumps(items).replace('"ID"', f'"{id}"')
    given = json.loads(text)
    are_files = isinstance(given, list) and all(isinstance(one, list) for one in given)
    names = [str(one[0]) for one in given] if are_files else ["x"]
    digest = digest_names([name.encode("utf-8", "replace").decode() for name in names])
    tree = tmp_path / f"store/trees/{known.digest[:2]}/{known.digest}-{digest}"
    tree.write_text(text)
    with staging(tmp_path / "p", "out") as staged:
        assert not store.restore(known.digest, digest, staged)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p", "secret", "store"]
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["one"]
    assert not store.has_intact(known._replace(names=digest)) or "a/b" in names or len(names) == 2
    store.size()
    store.collect(0, [known.digest])


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "", "{", "9" * 10_000, "[1e999]", "\0", "[[]]", "null"]
)
def test_an_invalid_cache_file_counts_as_missing_and_is_rewritten(
    tmp_path: Path, text: str
) -> None:
    write(tmp_path, {"out/a": "one"})
    store = CacheStore(tmp_path / "store")
    known = save(store, tmp_path, "out")
    (tree,) = (tmp_path / "store/trees").glob("??/*")
    tree.write_text(text)
    assert not is_listed(store, known.digest, known.names)
    assert not is_listed(store, known.digest)
    assert restored(store, tmp_path, known, "again") is None
    store.collect(3600)
    assert store.verify() == [known.digest]
    tree.write_text(text)
    assert save(store, tmp_path, "out") == known
    assert restored(store, tmp_path, known, "again") == known


def spoiled(path: Path, how: str) -> None:
    """Damage a file of the cache."""

    path.chmod(0o644)
    data = path.read_bytes()
    if how == "cut":
        path.write_bytes(data[:-1])
    elif how == "edited":
        path.write_bytes(data[::-1])
    elif how == "edited unseen":  # e.g. by a failing disk
        status = path.stat()
        path.write_bytes(data[::-1])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns - 10_000_000_000))
    else:
        path.unlink()
        if how == "a folder":
            write(path, {"x": "x"})
        elif how == "a link":
            path.symlink_to("/dev/zero")
        elif how == "a pipe":
            os.mkfifo(path)


@pytest.mark.threat("only-copies", commands="cache run")
@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize(
    "how", ["gone", "cut", "edited", "edited unseen", "a folder", "a link", "a pipe"]
)
def test_a_damaged_output_is_not_restored_and_is_repaired_by_the_next_save(
    tmp_path: Path, how: str, link: bool
) -> None:
    """Threat model: only-copies."""

    write(tmp_path, {"out/a": "one", "out/b": "two", "copy/a": "one", "copy/b": "two"})
    store = CacheStore(tmp_path / "store", link=link)
    known = save(store, tmp_path, "copy" if link else "out")
    assert store.has_intact(known)
    spoiled(next(path for path in objects(tmp_path / "store") if path.read_bytes() == b"two"), how)
    assert not store.has_intact(known)
    found = restored(store, tmp_path, known, "again")
    assert found != known
    if how != "edited unseen":
        store.save(files_below(tmp_path, "out") or [], known, verify=False)
        assert store.has_intact(known)
    save(store, tmp_path, "out")
    assert store.has_intact(known)
    assert restored(store, tmp_path, known, "again") == known
    assert store.verify() == []


def test_an_output_with_a_git_folder_is_not_saved(tmp_path: Path) -> None:
    for name in (".git/config", "a\nb"):
        write(tmp_path, {f"out/{name}": "x"})
        with pytest.raises(InvalidInput):
            save(CacheStore(tmp_path / "store"), tmp_path, "out")
        (tmp_path / "out" / name).unlink()
        assert not (tmp_path / "store").exists()


def test_results_are_listed_newest_first(tmp_path: Path) -> None:
    store = CacheStore(tmp_path / "store")
    one, two = (CachedResult((("out", digit * 32, ""),), "c" * 40, float(digit)) for digit in "12")
    for result in (one, two, one):
        store.add_result("ab" * 32, result)
    assert [result.outs for result in store.results("ab" * 32)] == [one.outs, two.outs]
    for number in range(40):
        store.add_result("ab" * 32, CachedResult((("out", f"{number:032}", ""),)))
    assert len(store.results("ab" * 32)) == 16


def test_unused_outputs_are_collected_unless_referenced(tmp_path: Path) -> None:
    write(tmp_path, {"a/x": "one", "b/x": "two", "c/x": "three"})
    store = CacheStore(tmp_path / "store")
    a, b, c = (save(store, tmp_path, name) for name in "abc")
    store.add_result("aa" * 32, CachedResult((("a", a.digest, a.names),)))
    store.add_result("bb" * 32, CachedResult((("b", b.digest, b.names),)))
    (tmp_path / "store/tmp-99999999").write_text("left by a kill")
    assert store.collect(3600) == CacheSize(0, 0, 0, 0)
    assert not list((tmp_path / "store").glob("tmp-*"))
    old = time.time() - 7200
    for path in (tmp_path / "store").glob("*/??/*"):
        os.utime(path, (old, old))
    with staged_output(store, tmp_path, b, "again"):  # this counts as use
        pass
    gone = store.collect(3600, keep=[c.digest])
    assert (gone.results, gone.trees, gone.objects) == (2, 1, 1)
    assert not is_listed(store, a.digest)
    assert is_listed(store, b.digest)
    assert is_listed(store, c.digest)


def test_saving_an_output_again_marks_it_as_used(tmp_path: Path) -> None:
    write(tmp_path, {"out": "one"})
    store = CacheStore(tmp_path / "store")
    for _ in range(2):  # a run, and a skipped run
        for path in (tmp_path / "store").glob("*/??/*"):
            os.utime(path, (1, 1))
        known = save(store, tmp_path, "out")
        store.add_result("ab" * 32, CachedResult((("out", known.digest, known.names),)))
    assert store.collect(3600) == CacheSize(0, 0, 0, 0)


def test_the_cache_is_in_the_common_folder_of_all_worktrees(tmp_path: Path) -> None:
    top = repository(tmp_path / "r", FOLDER)
    git(top, "worktree", "add", "-q", str(tmp_path / "other"))
    known = save(CacheStore.open_for(top), top, "out")
    assert is_listed(CacheStore.open_for(tmp_path / "other"), known.digest)
    assert (top / ".git/spacy/store").is_dir()


def test_concurrent_saves_lose_nothing(tmp_path: Path) -> None:
    write(tmp_path, {f"out{n}/{m}": f"{n % 3} {m}" for n in range(12) for m in range(5)})

    def save_numbered(number: int) -> Fingerprint:
        store = CacheStore(tmp_path / "store")
        known = save(store, tmp_path, f"out{number}")
        store.add_result("ab" * 32, CachedResult(((f"out{number}", known.digest, known.names),)))
        return known

    # processes use the same lock, but threads start faster
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(save_numbered, range(12)))
    store = CacheStore(tmp_path / "store")
    assert all(is_listed(store, known.digest, known.names) for known in found)
    assert store.verify() == []
    assert len(store.results("ab" * 32)) == 12


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.15, 0.3])
def test_a_killed_save_leaves_all_of_an_output_or_nothing(tmp_path: Path, delay: float) -> None:
    write(tmp_path, {f"out/{number}": noise(2_000_000, number) for number in range(12)})
    code = (
        "import sys; from pathlib import Path\n"
        "from tests.storage.test_cache_store import save, CacheStore\n"
        "print('ready', flush=True)\n"
        "save(CacheStore(Path(sys.argv[1]) / 'store'), Path(sys.argv[1]), 'out')\n"
    )
    top = Path(cli.__file__).parents[2]
    with subprocess.Popen(
        (sys.executable, "-c", code, str(tmp_path)), stdout=subprocess.PIPE, cwd=top,
        env={**os.environ, "PYTHONPATH": str(top)},
    ) as run:  # fmt: skip
        assert run.stdout
        run.stdout.readline()
        time.sleep(delay)
        run.send_signal(signal.SIGKILL)
    store = CacheStore(tmp_path / "store")
    assert store.verify() == []
    known = save(store, tmp_path, "out")
    assert restored(store, tmp_path, known, "again") == known
    store.collect(0, [known.digest])
    assert not list((tmp_path / "store").glob("tmp-*"))


contents = st.dictionaries(
    st.text("abc", min_size=1, max_size=3), st.binary(max_size=20), min_size=1, max_size=4
)


@given(st.lists(contents, min_size=1, max_size=3))
@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_output_can_be_restored(
    tmp_path_factory: pytest.TempPathFactory, outputs: list[dict[str, bytes]]
) -> None:
    root = tmp_path_factory.mktemp("store")
    store = CacheStore(root / "store")
    found = []
    for number, files in enumerate(outputs):
        write(root, {f"out{number}/{name}": data for name, data in files.items()})
        found.append(save(store, root, f"out{number}"))
    for number, known in enumerate(found):
        assert restored(store, root, known, f"again{number}") == known
