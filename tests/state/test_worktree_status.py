"""Verdicts in the worktree: correct after any edit, and without reading unchanged files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.state import hashing, stat_cache, worktree_status
from git_spacy.state.stat_cache import PreviousRun, StatCache
from tests.testing.examples import examples
from tests.testing.projects import project
from tests.testing.repositories import repository, write

IS_LONG = "GIT_SPACY_STRESS" in os.environ
FOLDERS, BYTES = (200, 1 << 28) if IS_LONG else (40, 1 << 25)  # of 100 files; of a large file
PROJECT = b"""\
commands:
  - {name: one, script: [x], deps: [in, in.txt], outputs: [mid]}
  - {name: two, script: [x], deps: [mid/a, in], outputs: [out, out.txt]}
"""
NAMES = ("in/a", "in/b", "in/d/c", "in.txt", "mid/a", "mid/b", "out/a", "out.txt")
LOADED = loader.parse(PROJECT).project

PathContents = dict[str, tuple[str, str] | None]


def hash_everything(root: Path, project: Project) -> dict[str, PathContents]:
    """Return the digest of the content and of the names of each path of each command."""

    def hash_path(path: str) -> tuple[str, str] | None:
        fingerprint = hashing.fingerprint(root, path)
        return (fingerprint.digest, fingerprint.names) if fingerprint else None

    return {
        command.name: {
            path.text: hash_path(path.normal) for path in command.deps + command.produced
        }
        for command in project.commands
    }


def record(root: Path, stats: StatCache) -> tuple[dict[str, LockEntry], dict[str, PathContents]]:
    """Record both commands as if they had just run."""

    entries = {}
    contents = hash_everything(root, LOADED)
    for command in LOADED.commands:
        now = stats.fingerprints(command.deps + command.produced)
        deps, outs = (
            tuple(
                TrackedPath(p.text, known.digest if (known := now[p.normal]) else None)
                for p in paths
            )
            for paths in (command.deps, command.produced)
        )
        entries[command.name] = LockEntry(command.name, command.script, deps, outs)
        listings = {path: known[1] for path, known in contents[command.name].items() if known}
        stats.remember_run(command.name, PreviousRun((command.script, deps, outs), listings))
    stats.save()
    return entries, contents


texts = st.sampled_from(["", "a", "b", "ab", "same size 1", "same size 2"])
edits = st.one_of(
    st.tuples(st.just("write"), st.sampled_from(NAMES), texts),
    st.tuples(st.just("touch"), st.sampled_from(NAMES), st.sampled_from(["now", "old"])),
    st.tuples(st.just("delete"), st.sampled_from(NAMES), st.just("")),
    st.tuples(st.just("move"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("swap"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.just("none"), st.just(""), st.just("")),
)


def apply(root: Path, edit: tuple[str, str, str]) -> None:
    kind, name, other = edit
    path = root / name
    if kind == "write":
        write(root, {name: other})
    elif kind == "touch" and path.is_file():
        os.utime(path, None if other == "now" else (1_000_000_000, 1_000_000_000))
    elif kind == "delete":
        path.unlink(missing_ok=True)
    elif kind == "move" and path.is_file():
        (root / other).parent.mkdir(parents=True, exist_ok=True)
        path.rename(root / other)
    elif kind == "swap" and path.is_file() and (root / other).is_file():
        first, second = path.read_bytes(), (root / other).read_bytes()
        write(root, {name: second, other: first})


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(edits, max_size=8))
def test_the_verdict_agrees_with_hashing_everything(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[str, str, str]]
) -> None:
    """After any edits, renames, touches and deletions, with a status after each of them."""

    root = tmp_path_factory.mktemp("p")
    write(root, dict.fromkeys(NAMES, "a") | {"in/b": "same size 1"})
    file = root.parent / f"{root.name}-index"
    entries, before = record(root, StatCache(root, file))
    for edit in changes:
        apply(root, edit)
        stats = StatCache(root, file)
        found = worktree_status.judge_all(LOADED, entries, stats, {})
        stats.save()
        now = hash_everything(root, LOADED)
        one_is_same, two_is_same = (now[name] == before[name] for name in ("one", "two"))
        has_missing = {
            name: any(now[name][p.text] is None for p in c.deps)
            for name, c in zip(now, LOADED.commands, strict=True)
        }
        up_to_date = {"one": one_is_same, "two": two_is_same and one_is_same}
        for name, verdict in found.items():
            assert (verdict.state == "up_to_date") == up_to_date[name], (edit, name, verdict)
            assert bool(verdict.missing) == has_missing[name]
    shutil.rmtree(root)


READS = """
import json, os, sys, threading
files, opened = set(), []
# a file that is opened from its folder's descriptor, by its whole path
plain, folders = os.open, {}
def spied(path, flags, *more, dir_fd=None):
    found = plain(path, flags, *more, dir_fd=dir_fd)
    folders[found] = os.path.join(folders.get(dir_fd, os.getcwd()), os.fsdecode(path))
    if not flags & os.O_DIRECTORY:
        opened.append(folders[found])
    return found
os.open = spied
def seen(event, args):
    if event == "open" and isinstance(args[0], str):
        opened.append(os.path.abspath(args[0]))
sys.addaudithook(seen)
from git_spacy.cli.main import main
code = main(sys.argv[1:])
print(json.dumps([code, [path for path in opened if "/data/" in path or "/big/" in path]]), file=sys.__stdout__)
"""


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A project whose outputs are many small files and four large ones."""

    return project(
        repository(tmp_path / "p"),
        "commands:\n"
        "  - {name: make, script: [python make.py], outputs: [data, big]}\n"
        "  - {name: use, script: [cp make.py done], deps: [data, big], outputs: [done]}\n"
        "workflows: {all: [make, use]}\n",
        {
            "make.py": (
                "import os\n"
                f"for d in range({FOLDERS}):\n"
                "    os.makedirs(f'data/{d}', exist_ok=True)\n"
                "    for f in range(100):\n"
                "        open(f'data/{d}/{f}', 'w').write(f'{d} {f}')\n"
                "os.makedirs('big', exist_ok=True)\n"
                "for n in range(4):\n"
                f"    os.truncate(os.open('big/%d' % n, os.O_CREAT | os.O_WRONLY), {BYTES})\n"
            ),
        },
    )


def run_and_list_reads(root: Path, *arguments: str) -> tuple[int, list[str]]:
    """Run `git spacy`; return its exit code and the data files that it opened."""

    done = subprocess.run(
        (sys.executable, "-c", READS, *arguments), cwd=root, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    )  # fmt: skip
    code, opened = json.loads(done.stdout.splitlines()[-1])
    return code, opened


@pytest.mark.slow
def test_no_data_is_read_if_nothing_changed(large: Path) -> None:
    """Opened files are counted, since timing is not reliable."""

    code, opened = run_and_list_reads(large, "run", "all")
    assert code == 0
    assert len(set(opened)) >= 100 * FOLDERS + 4, "the first run opens every file"
    run_and_list_reads(large, "run", "all")  # racily clean files are hashed again
    for words in (["run", "all"], ["status"], ["check"], ["run", "--dry", "all"]):
        assert run_and_list_reads(large, *words) == (0, []), words
    os.utime(large / "data/7/7")
    assert len(set(run_and_list_reads(large, "run", "all")[1])) == 100 * FOLDERS, (
        "one folder has one fingerprint"
    )
    run_and_list_reads(large, "run", "all")
    assert run_and_list_reads(large, "run", "all") == (0, [])
    (large / "big/2").rename(large / "big/7")
    code, opened = run_and_list_reads(large, "status")
    assert {os.path.dirname(path) for path in opened} <= {str(large / "big")}


def test_several_large_paths_are_hashed_in_parallel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {f"in/{n}" if n else "in.txt": b"x" * (9 << 20) for n in range(2)})
    threads = set()
    real = hashing.digest_contents

    def spied(root: Path, files: list[hashing.FileStat], algorithm: str = "md5") -> str:
        threads.add(threading.get_ident())
        return real(root, files, algorithm)

    monkeypatch.setattr(stat_cache, "digest_contents", spied)
    StatCache(tmp_path, tmp_path / "index").fingerprints(LOADED.commands[0].deps)
    assert threading.get_ident() not in threads
