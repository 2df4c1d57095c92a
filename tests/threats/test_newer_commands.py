"""Hostile archives and missing outputs, for every way to restore or run.

Threat model: archive-members-outside to pushed-paths-outside, missing-outputs.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.storage.hostile import file, hard_link, link, md5, replace_object, zipped
from tests.testing.projects import Spacy, project, snapshot
from tests.testing.repositories import git, write
from tests.threats.test_every_command import assert_clean

MAKE = "import os\nos.makedirs('model', exist_ok=True)\nopen('model/a', 'w').write('x')\n"
HOSTILE = {
    "outside": zipped(file("model/a"), file("../outside/x")),
    "link": zipped(link("model", "../outside"), file("model/x")),
    "hard link": zipped(file("model/a"), hard_link("model/h", "project.yml")),
    "unrequested": zipped(file("model/a"), file("make.py", b"evil")),
    "other content": zipped(file("model/a", b"y")),
    "truncated": zipped(file("model/a"))[:-9],
    "bomb": zipped(file("model/a", bytes(1 << 20))),
}


CORRUPT = ("other content", "truncated", "bomb")


@pytest.fixture
def shared(tmp_path: Path, spacy: Spacy) -> Path:
    """A project that was run and pushed; its output is neither present nor in the cache."""

    text = (
        f"remotes: {{default: {tmp_path / 'remote'}}}\nvars: {{x: 1}}\n"
        "commands: [{name: all, script: [python make.py], deps: [make.py], outputs: [model]}]\n"
    )
    root = project(tmp_path / "p", text, {"make.py": MAKE, ".gitignore": "/model/\n"})
    write(tmp_path, {"outside/kept": "mine"})
    git(root, "init", "-q")
    git(root, "config", "spacy.maxOutputSize", "64k")
    for words in ("run all", "push"):
        assert spacy(*words.split(), cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "ran")
    shutil.rmtree(root / "model")
    return root


@pytest.mark.threat(
    "archive-members-outside",
    "special-archive-members",
    "unrequested-archive-members",
    "corrupt-archives",
    "decompression-bombs",
)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize(
    "words", ["pull", "pull --force", "restore", "restore --force", "run all --restore"]
)
def test_a_hostile_archive_is_refused(
    shared: Path, tmp_path: Path, spacy: Spacy, words: str, name: str
) -> None:
    replace_object(tmp_path / "remote", "model", HOSTILE[name], md5(b"x"))
    before = snapshot(tmp_path)
    done = spacy(*words.split(), cwd=shared)
    assert_clean(done)
    if words.startswith("run"):
        assert done.code == 0, done  # the command runs instead
        shutil.rmtree(shared / "model")
    else:
        assert done.code == (4 if name in CORRUPT else 3), done
    assert snapshot(tmp_path) == before


@pytest.mark.threat("interrupted-uploads")
@pytest.mark.parametrize(
    "words", ["push nowhere", "pull nowhere", "push ./nowhere", "pull nowhere --force"]
)
def test_an_unknown_remote_is_an_error(
    shared: Path, tmp_path: Path, spacy: Spacy, words: str
) -> None:
    before = snapshot(tmp_path)
    done = spacy(*words.split(), cwd=shared)
    assert_clean(done)
    if "./" not in words:  # "./nowhere" is an address
        assert done.code == 2
        assert snapshot(tmp_path) == before


RUNS = (
    "run all",
    "run all -j 2",
    "run all --restore",
    "run all --upstream",
    "run all --keep-going",
    "run all --vars.x 2",
)


@pytest.mark.threat("missing-outputs", commands="lock push run")
@pytest.mark.parametrize("words", RUNS)
def test_a_missing_output_is_not_recorded_or_pushed(shared: Path, spacy: Spacy, words: str) -> None:
    write(shared, {"make.py": "pass\n"})
    before = (shared / "project.lock").read_bytes()
    done = spacy(*words.split(), cwd=shared)
    assert done.code == 1, done
    assert "'model'" in done.err
    assert (shared / "project.lock").read_bytes() == before
    assert spacy("lock", "record", "all", cwd=shared).code == 1
    assert "pushed 0" in spacy("push", cwd=shared).err


@pytest.mark.threat("missing-outputs", commands="check push run")
@pytest.mark.parametrize("words", RUNS)
def test_a_dependency_edited_during_the_run_is_never_up_to_date(
    shared: Path, tmp_path: Path, spacy: Spacy, words: str
) -> None:
    write(shared, {"make.py": MAKE + "open('make.py', 'a').write('#')\n"})
    pushed = snapshot(tmp_path / "remote")
    assert spacy(*words.split(), cwd=shared).code == 0
    overrides = ("--vars.x", "2") if "vars" in words else ()
    assert "up to date" not in spacy("run", "all", "--dry", *overrides, cwd=shared).out
    assert "pushed 0" in spacy("push", *overrides, cwd=shared).err
    assert snapshot(tmp_path / "remote") == pushed
    assert spacy("check", "lock", *overrides, cwd=shared).code in (1, 2)
    assert "all" in lock_format.read(shared)
