"""Tests of `git spacy pull`."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

import pytest

from git_spacy.state import stat_cache
from git_spacy.state.hashing import FileStat, fingerprint
from git_spacy.storage import pull
from git_spacy.storage.cache_store import CacheStore
from tests.storage.conftest import Shared, fresh_clone
from tests.storage.hostile import file, md5, replace_object, zipped
from tests.testing.projects import Done, Spacy, project, snapshot, two_steps
from tests.testing.repositories import git, repository, write

UNRECORDED = "a version that is not recorded is present; --force replaces it"
COPY = "import sys, pathlib\na, b = map(pathlib.Path, sys.argv[1:])\nb.parent.mkdir(parents=True, exist_ok=True)\nb.write_text(a.read_text() + '+')\n"


def test_pull_fetches_all_outputs_and_writes_the_same_lock(shared: Shared) -> None:
    shared.push()
    done = shared.pull()
    assert done.code == 0, done.err
    assert done.err.splitlines() == [
        "pulled  corpus/words.txt (5 B, md5 verified)",
        "pulled  model (5 B, md5 verified)",
        "pulled 2, skipped 0",
    ]
    assert done.out == ""
    assert snapshot(shared.clone) == snapshot(shared.made)
    assert "ran 0, skipped 2" in shared.spacy("run", "all", cwd=shared.clone).err
    before = snapshot(shared.clone)
    assert shared.pull().err.splitlines()[-1] == "pulled 0, skipped 2"
    assert snapshot(shared.clone) == before


def test_a_large_output_that_was_hashed_while_it_was_unpacked_is_not_hashed_again(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    real = stat_cache.digest_contents

    def digest(root: Path, files: list[FileStat], algorithm: str = "md5") -> str:
        hashed.extend(os.path.relpath(file.path, root) for file in files)
        return real(root, files, algorithm)

    shared.push()
    monkeypatch.setattr(stat_cache, "digest_contents", digest)
    monkeypatch.setattr(pull, "_SLOW_TO_HASH", 0)
    assert "pulled 2, skipped 0" in shared.pull().err
    assert "up to date" in shared.spacy("status", cwd=shared.clone).out
    assert not any(path.startswith(("corpus", "model")) for path in hashed), hashed
    assert snapshot(shared.clone) == snapshot(shared.made)
    (shared.clone / "model/weights").write_text("HELL!")
    assert "model" in shared.spacy("status", cwd=shared.clone).out
    assert "model/weights" in hashed


def test_outputs_are_pulled_if_a_dependency_is_partly_outside_the_sparse_checkout(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = """\
commands:
- name: make
  script: [sh -c 'cat data/* > out.txt']
  deps: [data]
  outputs: [out.txt]
"""
    files: dict[str, str | bytes] = {"data/a": "1", "data/b": "2", ".gitignore": "out.txt\n"}
    made = repository(project(tmp_path / "made", text, files))
    remote, clone = tmp_path / "remote", tmp_path / "clone"
    git(made, "config", "spacy.remote.default.url", str(remote))
    assert spacy("run", "make", cwd=made).code == 0
    git(made, "add", "-A")
    git(made, "commit", "-qm", "run")
    git(made, "sparse-checkout", "set", "--no-cone", "/*", "!/data/b")
    assert "pushed 1" in spacy("push", cwd=made).err, "what was made from all files"
    git(tmp_path, "clone", "-q", "made", "clone")
    git(clone, "config", "spacy.remote.default.url", str(remote))
    git(clone, "sparse-checkout", "set", "--no-cone", "/*", "!/data/b")
    assert "pulled 1" in spacy("pull", cwd=clone).err
    assert (clone / "out.txt").read_text() == "12"
    assert git(clone, "status", "--porcelain") == "", "project.lock has the md5 of the whole folder"
    assert "pulled 0, skipped 1" in spacy("pull", cwd=clone).err
    assert "make  up to date" in spacy("status", cwd=clone).out


def push_with_other_names(shared: Shared) -> None:
    """Push the same content of `model` with other file names."""

    replace_object(
        shared.remote, "model", zipped(file("model/weights", b"HEL"), file("model/x.py", b"LO")),
        md5(b"HELLO"),
    )  # fmt: skip


def test_file_names_that_differ_from_those_of_this_worktree_are_rejected(shared: Shared) -> None:
    """The md5 of a folder does not cover its file names."""

    shared.push()
    assert shared.pull().code == 0
    lock = (shared.clone / "project.lock").read_bytes()
    shutil.rmtree(shared.clone / "model")
    push_with_other_names(shared)
    done = shared.pull()
    assert done.code == 4
    assert "'model' in the remote has other file names than were recorded" in done.err
    assert not (shared.clone / "model").exists()
    assert (shared.clone / "project.lock").read_bytes() == lock


@pytest.mark.threat("undeclared-outputs", commands="pull")
def test_file_names_that_differ_from_a_run_record_are_rejected(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = two_steps(tmp_path / "made")
    write(made, {".gitignore": "/corpus/\n/model/\n"})
    remote, clone = tmp_path / "remote", tmp_path / "clone"
    repository(made)
    git(made, "config", "spacy.remote.default.url", str(remote))
    assert spacy("run", "all", cwd=made).code == 0
    assert spacy("push", cwd=made).code == 0
    git(made, "add", "-A")
    git(made, "commit", "-qm", "the lock")
    git(tmp_path, "clone", "-q", "made", "clone")
    git(clone, "config", "spacy.remote.default.url", str(remote))
    assert spacy("notes", "pull", cwd=clone).code == 0
    shared = Shared(made, clone, remote, spacy)
    assert "model (5 B, verified)" in shared.pull().err
    for name in ("model", "corpus", ".git/spacy"):
        shutil.rmtree(clone / name, ignore_errors=True)
    push_with_other_names(shared)
    done = shared.pull()
    assert done.code == 4
    assert "corpus/words.txt (5 B, verified)" in done.err
    assert "'model' in the remote has other file names than were recorded" in done.err
    assert not (clone / "model").exists()
    # without recorded names, the message says what was verified
    git(clone, "update-ref", "-d", "refs/notes/spacy")
    shutil.rmtree(clone / ".git/spacy", ignore_errors=True)
    assert "pulled  model (5 B, md5 verified)" in shared.pull().err


@pytest.mark.threat("undeclared-outputs", commands="pull")
def test_a_broken_link_is_only_replaced_with_force(shared: Shared) -> None:
    shared.push()
    (shared.clone / "model").symlink_to("to come")
    done = shared.pull()
    assert "kept    model (a broken link is present; --force replaces it)" in done.err
    assert (shared.clone / "model").is_symlink()
    assert shared.pull("--force").code == 0
    assert not (shared.clone / "model").is_symlink()


def test_pull_does_not_change_a_matching_lock(shared: Shared) -> None:
    shared.push()
    shutil.copy(shared.made / "project.lock", shared.clone)
    before = (shared.clone / "project.lock").read_bytes()
    assert shared.pull().code == 0
    assert (shared.clone / "project.lock").read_bytes() == before


def test_pull_only_changes_outputs_and_the_lock(shared: Shared) -> None:
    shared.push()
    repository(shared.clone, {".gitignore": "corpus/\nmodel/\n"})
    assert shared.pull().code == 0
    assert git(shared.clone, "status", "--porcelain") == "?? project.lock"


def test_only_what_is_missing_is_fetched(shared: Shared) -> None:
    shared.push()
    shared.pull()
    (shared.clone / "model/weights.txt").unlink()
    (shared.clone / "model").rmdir()
    done = shared.pull()
    assert "skipped corpus/words.txt (already present)" in done.err
    assert done.err.splitlines()[-1] == "pulled 1, skipped 1"


def test_a_present_output_is_only_replaced_with_force(shared: Shared) -> None:
    shared.push()
    shared.pull()
    lock = (shared.clone / "project.lock").read_bytes()
    (shared.clone / "model/weights.txt").write_text("mine")
    (shared.clone / "model/more").write_text("mine")
    before = snapshot(shared.clone)
    done = shared.pull()
    assert done.code == 0
    assert f"kept    model ({UNRECORDED})" in done.err
    assert snapshot(shared.clone) == before
    done = shared.pull("--force")
    assert done.err.splitlines()[-1] == "pulled 1, skipped 1"
    assert snapshot(shared.clone) == snapshot(shared.made)
    assert (shared.clone / "project.lock").read_bytes() == lock


def test_force_replaces_a_link_and_not_its_target(shared: Shared) -> None:
    shared.push()
    (shared.clone / "precious").mkdir()
    (shared.clone / "precious/x").write_text("x")
    (shared.clone / "model").symlink_to("precious")
    assert shared.pull("--force").code == 0
    assert not (shared.clone / "model").is_symlink()
    assert (shared.clone / "precious/x").read_text() == "x"


def test_a_link_out_of_the_project_on_the_way_is_refused(shared: Shared, tmp_path: Path) -> None:
    shared.push()
    (tmp_path / "elsewhere").mkdir()
    (shared.clone / "corpus").symlink_to(tmp_path / "elsewhere")
    done = shared.pull()
    assert done.code == 3
    assert not list((tmp_path / "elsewhere").iterdir())


def versions(shared: Shared) -> tuple[str, str]:
    """Push two versions of the model for the same command, older first; return their keys."""

    shared.push()
    (first,) = (shared.remote / "model").glob("*/*")
    os.utime(first, (1, 1))
    (shared.made / "model/extra").write_text("by chance")
    text = (shared.made / "project.lock").read_text()
    shared.spacy("lock", "record", "train", cwd=shared.made)
    if (shared.made / "project.lock").read_text() == text:
        shared.spacy("lock", "record", cwd=shared.made)
    done = shared.push()
    assert "pushed  model" in done.err, done.err
    (second,) = set((shared.remote / "model").glob("*/*")) - {first}
    return first.name, second.name


def test_the_newest_object_is_fetched_without_a_lock_entry(shared: Shared) -> None:
    first, second = versions(shared)
    shared.pull()
    text = (shared.clone / "project.lock").read_text()
    assert second in text
    assert first not in text


def test_the_object_in_the_lock_is_preferred_to_a_newer_one(shared: Shared) -> None:
    lock = (shared.made / "project.lock").read_bytes()
    first, _ = versions(shared)
    (shared.clone / "project.lock").write_bytes(lock)
    shared.pull()
    assert (shared.clone / "project.lock").read_bytes() == lock
    assert first in lock.decode()
    assert not (shared.clone / "model/extra").exists()


def test_outputs_of_other_dependencies_are_not_fetched(shared: Shared) -> None:
    shared.push()
    (shared.clone / "scripts/copy.py").write_text("print('another')\n")
    done = shared.pull()
    assert done.code == 0
    assert (
        "missing model (the remote has no version that matches the current dependencies of 'train')"
        in done.err
    )
    assert not (shared.clone / "model").exists()
    (shared.clone / "corpus/words.txt").unlink()
    done = shared.spacy("pull", "--vars.word", "other", cwd=shared.clone)
    assert (
        "the remote has no version that matches the current dependencies of 'prepare'" in done.err
    )


def test_missing_dependencies_are_reported(shared: Shared) -> None:
    shared.push()
    (shared.clone / "scripts/write.py").unlink()
    done = shared.pull()
    assert "missing corpus/words.txt (dependencies of 'prepare' are missing)" in done.err
    assert "missing model (dependencies of 'train' are missing)" in done.err
    assert done.code == 1


def test_an_edited_output_is_not_recorded_with_a_fetched_one(tmp_path: Path, spacy: Spacy) -> None:
    text = (
        "remotes: {default: ../remote}\ncommands:\n  - name: c\n    script: ['python c.py in a', 'python c.py in b']\n"
        "    deps: [in, c.py]\n    outputs: [a, b]\n"
    )
    made = project(tmp_path / "made", text, {"c.py": COPY, "in": "1"})
    spacy("run", "c", cwd=made)
    spacy("push", cwd=made)
    clone = fresh_clone(made, tmp_path / "clone", "a", "b")
    (clone / "b").write_text("edited")
    done = spacy("pull", cwd=clone)
    assert (clone / "a").read_text() == "1+"
    assert f"kept    b ({UNRECORDED})" in done.err
    assert not (clone / "project.lock").exists()
    assert spacy("pull", "--force", cwd=clone).code == 0
    assert (clone / "project.lock").read_bytes() == (made / "project.lock").read_bytes()


def test_outputs_of_a_killed_pull_are_recorded_by_the_next(shared: Shared) -> None:
    shared.push()
    shared.pull()
    (shared.clone / "project.lock").unlink()
    done = shared.pull()
    assert done.err.splitlines()[-1] == "pulled 0, skipped 2"
    assert (shared.clone / "project.lock").read_bytes() == (
        shared.made / "project.lock"
    ).read_bytes()


def test_an_output_outside_the_cache_is_only_recorded_unchanged(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = (
        "remotes: {default: ../remote}\ncommands:\n  - name: c\n    script: ['python c.py in a', 'python c.py in m.json']\n"
        "    deps: [in, c.py]\n    outputs: [a]\n    outputs_no_cache: [m.json]\n"
    )
    made = project(tmp_path / "made", text, {"c.py": COPY, "in": "1"})
    spacy("run", "c", cwd=made)
    lock = (made / "project.lock").read_bytes()
    assert spacy("push", cwd=made).err.splitlines()[-1] == "pushed 1, skipped 0"
    clone = fresh_clone(made, tmp_path / "clone", "a")
    (clone / "project.lock").write_bytes(lock)
    (clone / "m.json").write_text("edited")
    assert spacy("pull", cwd=clone).code == 0
    assert (clone / "a").exists()
    assert (clone / "project.lock").read_bytes() == lock
    (clone / "m.json").unlink()
    (clone / "a").unlink()
    (clone / "project.lock").unlink()
    assert spacy("pull", cwd=clone).code == 0
    assert not (clone / "project.lock").exists(), "one output is not here"


def test_a_command_waits_for_outputs_inside_its_dependencies(tmp_path: Path, spacy: Spacy) -> None:
    text = """\
remotes: {default: ../remote}
commands:
  - {name: use, script: ['python c.py data/made/x used'], deps: [data], outputs: [used]}
  - {name: make, script: ['python c.py in data/made/x'], deps: [in], outputs: [data/made]}
workflows: {all: [make, use]}
"""
    made = project(tmp_path / "made", text, {"c.py": COPY, "in": "1", "data/given": "g"})
    assert spacy("run", "all", cwd=made).code == 0
    spacy("push", cwd=made)
    clone = fresh_clone(made, tmp_path / "clone", "data/made", "used")
    done = spacy("pull", cwd=clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0"
    assert (clone / "project.lock").read_bytes() == (made / "project.lock").read_bytes()
    (clone / "data/made/x").write_text("stale")
    (clone / "used").write_text("stale")
    assert spacy("pull", "--force", cwd=clone).err.splitlines()[-1] == "pulled 2, skipped 0"
    assert (clone / "used").read_text() == "1++"


def test_a_chain_of_commands_in_any_order_is_fetched(tmp_path: Path, spacy: Spacy) -> None:
    lines = [
        f"  - {{name: c{n}, script: ['python c.py f{n} f{n + 1}'], deps: [f{n}], outputs: [f{n + 1}]}}"
        for n in range(12)
    ]
    text = "remotes: {default: ../remote}\ncommands:\n" + "\n".join(lines[::-1]) + "\n"
    text += f"workflows: {{all: [{', '.join(f'c{n}' for n in range(12))}]}}\n"
    made = project(tmp_path / "made", text, {"c.py": COPY, "f0": "1"})
    assert spacy("run", "all", cwd=made).code == 0
    spacy("push", cwd=made)
    clone = fresh_clone(made, tmp_path / "clone", *(f"f{n}" for n in range(1, 13)))
    assert spacy("pull", "-j", "3", cwd=clone).err.splitlines()[-1] == "pulled 12, skipped 0"
    assert "ran 0, skipped 12" in spacy("run", "all", cwd=clone).err


@pytest.mark.parametrize("output", ["ü b/ö&+%.txt", "./x//y z", "-d", "a#?=b"])
def test_unusual_output_names_are_pushed_and_pulled(
    tmp_path: Path, spacy: Spacy, output: str
) -> None:
    text = (
        'remotes: {default: "../the remote"}\ncommands:\n  - name: c\n'
        f"    script: [\"python c.py in './{output}'\"]\n    deps: [in]\n    outputs: ['{output}']\n"
    )
    made = project(tmp_path / "made", text, {"c.py": COPY, "in": "1"})
    assert spacy("run", "c", cwd=made).code == 0
    assert spacy("push", cwd=made).err.splitlines()[-1] == "pushed 1, skipped 0"
    clone = fresh_clone(made, tmp_path / "clone", output)
    assert spacy("pull", cwd=clone).err.splitlines()[-1] == "pulled 1, skipped 0"
    assert snapshot(clone) == snapshot(made)


def test_a_failure_does_not_stop_the_others_and_the_worst_sets_the_exit_code(
    shared: Shared,
) -> None:
    shared.push()
    (words,) = (shared.remote / "corpus%2Fwords.txt").glob("*/*")
    words.write_bytes(b"rubbish")
    shared.spacy("run", "prepare", cwd=shared.clone)
    (shared.clone / "corpus/words.txt").write_text("edited")
    done = shared.pull("--force")
    assert done.code == 4
    assert (shared.clone / "corpus/words.txt").read_text() == "edited"
    assert "failed 1" in done.err.splitlines()[-3]


def test_pull_keeps_the_format_of_an_older_lock(shared: Shared) -> None:
    shared.push()
    text = (
        (shared.made / "project.lock")
        .read_text()
        .replace("python -m weasel run", "python -m spacy run")
    )
    head, _, _ = text.partition("train:")
    (shared.clone / "project.lock").write_text(head)
    assert shared.pull().code == 0
    assert (shared.clone / "project.lock").read_text() == text


def test_nested_and_shared_outputs_are_fetched_in_sequence(tmp_path: Path, spacy: Spacy) -> None:
    text = """\
remotes: {default: ../remote}
commands:
  - {name: c, script: ['python c.py in m/a', 'python c.py in m/best/b'], deps: [in], outputs: [m/best, m]}
  - {name: d, script: ['python c.py in m/best/b'], deps: [in], outputs: [m/best]}
"""
    made = project(tmp_path / "made", text, {"c.py": COPY, "in": "1"})
    assert spacy("run", "c", "d", cwd=made).code == 0
    assert spacy("push", cwd=made).err.splitlines()[-1] == "pushed 3, skipped 0"
    clone = fresh_clone(made, tmp_path / "clone", "m")
    done = spacy("pull", cwd=clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0", done.err
    assert snapshot(clone / "m") == snapshot(made / "m")
    done = spacy("pull", cwd=clone)
    assert done.err.splitlines()[-1] == "pulled 0, skipped 3", done.err
    assert (clone / "project.lock").read_bytes() == (made / "project.lock").read_bytes()


def typed(spacy: Spacy, line: str, cwd: Path) -> Done:
    """Type a hint."""

    program, *arguments = shlex.split(line.removeprefix("hint: "))[1:]
    assert program == "spacy", line
    return spacy(*arguments, cwd=cwd)


def test_what_the_remote_does_not_have_is_missing_and_not_skipped(shared: Shared) -> None:
    shared.remote.mkdir()
    done = shared.pull()
    assert done.code == 1
    *_, summary, error, hint = done.err.splitlines()
    assert summary == "pulled 0, skipped 0, missing 2"
    assert error == "error: not pulled: 'corpus/words.txt', 'model'"
    assert hint == "hint: git spacy run prepare train"
    shared.push("default", "prepare")
    done = shared.pull()
    assert done.code == 0, "some of it was there"
    assert done.err.splitlines()[-2:] == [
        "pulled 1, skipped 0, missing 1",
        "hint: git spacy run train",
    ]
    assert shared.pull().code == 0, "the same, once more"
    assert "error: not pulled: 'model'\nhint: git spacy run train\n" in shared.pull("model").err
    assert typed(shared.spacy, "hint: git spacy run train", shared.clone).code == 0
    assert shared.pull("train").code == 0


def test_a_remote_that_does_not_exist_is_an_error(shared: Shared, tmp_path: Path) -> None:
    """It was reported as a remote that has none of the outputs, with exit code 0."""

    before = snapshot(tmp_path)
    for name in ((), (tmp_path / "nosuch",), ("../nosuch/deep",)):
        done = shared.pull(*name)
        assert done.code == 2, done.err
        assert "is not a folder\nhint: correct the address" in done.err
    done = shared.spacy("push", tmp_path / "not/connected", cwd=shared.made)
    assert done.code == 2, "only its last folder is created"
    assert f"or: mkdir -p {shlex.quote(f'{tmp_path}/not')}\n" in done.err
    assert snapshot(tmp_path) == before
    hint = shared.pull().err.splitlines()[-1].partition("to create it: ")[2]
    assert typed(shared.spacy, hint, shared.made).err.splitlines()[-1] == "pushed 2, skipped 0"
    assert shared.pull().code == 0


def test_a_project_without_outputs_has_nothing_to_share(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", "remotes: {default: ../r}\ncommands: [{name: c, script: [x]}]\n")
    for command, word in (("push", "pushed"), ("pull", "pulled")):
        done = spacy(command, cwd=root)
        assert (done.code, done.err) == (0, f"{word} nothing: project.yml declares no outputs\n")
    done = spacy("pull", "c", cwd=root)
    assert done.code == 2
    assert "'c' has no outputs that a remote could have" in done.err


RANDOM = "import os, pathlib\npathlib.Path('model').mkdir(exist_ok=True)\npathlib.Path('model/w').write_bytes(os.urandom(8))\n"
TRAINED = """\
remotes: {default: ../remote}
commands:
  - {name: train, script: [python train.py], deps: [in.txt], outputs: [model]}
"""


MAKES_A_FOLDER = """\
from pathlib import Path
for name in ("model/w", "scores/a.json", "f/m.json", "f/big"):
    Path("out", name).parent.mkdir(parents=True, exist_ok=True)
    Path("out", name).write_text(name)
"""


def two_clones(tmp_path: Path, spacy: Spacy) -> tuple[Path, Path]:
    """Two clones of a repository, each with a model of its own from the same inputs; the lock of
    both is that of the second, and only that model is in the remote."""

    files: dict[str, str | bytes] = {"in.txt": "1", "train.py": RANDOM, ".gitignore": "model\n"}
    mine = project(tmp_path / "mine", TRAINED, files)
    git(mine, "init", "-q")
    git(mine, "add", "-A")
    git(mine, "commit", "-qm", "a project")
    git(tmp_path, "clone", "-q", "mine", "theirs")
    for root in (mine, tmp_path / "theirs"):
        assert spacy("run", "train", cwd=root).code == 0
    assert spacy("push", cwd=tmp_path / "theirs").code == 0
    shutil.copy(tmp_path / "theirs/project.lock", mine)  # as by git pull
    return mine, tmp_path / "theirs"


@pytest.mark.threat("only-copies", commands="pull")
def test_an_own_result_is_replaced_by_the_one_in_the_lock(tmp_path: Path, spacy: Spacy) -> None:
    """The clone's own model, which is recorded and unmodified, was only replaced with --force."""

    mine, theirs = two_clones(tmp_path, spacy)
    own = snapshot(mine / "model")
    lock = (mine / "project.lock").read_bytes()
    assert "would be pulled model" in spacy("pull", "--dry-run", cwd=mine).err
    assert snapshot(mine / "model") == own
    done = spacy("pull", cwd=mine)
    assert done.err.splitlines()[-1] == "pulled 1, skipped 0", done.err
    assert snapshot(mine / "model") == snapshot(theirs / "model")
    assert (mine / "project.lock").read_bytes() == lock
    # the only copy of the own model is in the local cache now
    found = fingerprint(theirs, "model")
    assert found
    store = CacheStore.open_for(mine)
    assert not store.has_intact(found)
    (theirs / "model/w").write_bytes(own["w"])  # type: ignore[arg-type]
    found = fingerprint(theirs, "model")
    assert found
    assert store.has_intact(found)


@pytest.mark.threat("undeclared-outputs", commands="pull")
@pytest.mark.parametrize("edit", ["content", "name", "tracked"])
def test_an_output_that_is_recorded_nowhere_is_protected(
    tmp_path: Path, spacy: Spacy, edit: str
) -> None:
    mine, _ = two_clones(tmp_path, spacy)
    reason = UNRECORDED
    if edit == "content":
        (mine / "model/w").write_bytes(b"edited")
    elif edit == "name":
        (mine / "model/w").rename(mine / "model/x")
    else:
        git(mine, "add", "-f", "model")
        reason = "it is tracked by Git; --force replaces it"
    before = snapshot(mine)
    done = spacy("pull", cwd=mine)
    assert done.code == 0
    assert done.err.splitlines() == [f"kept    model ({reason})", "pulled 0, skipped 0, kept 1"]
    assert spacy("pull", "model", cwd=mine).code == 1
    assert snapshot(mine) == before


def test_an_output_of_which_git_has_only_the_committed_part_is_pulled(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = project(tmp_path / "made", """\
commands:
- {name: train, script: [python make.py], outputs: [out], outputs_no_cache: [out/scores, out/f/m.json]}
""", {"make.py": MAKES_A_FOLDER, ".gitignore": "/out/*\n!/out/scores\n!/out/f\n/out/f/*\n!/out/f/m.json\n"})  # fmt: skip
    git(made, "init", "-q")
    assert spacy("run", "train", cwd=made).code == 0
    git(made, "add", "-A")
    git(made, "commit", "-qm", "run")
    git(made, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    assert spacy("push", cwd=made).code == 0
    git(tmp_path, "clone", "-q", "made", "clone")
    clone = tmp_path / "clone"
    git(clone, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    committed = snapshot(clone / "out")
    assert sorted(committed) == ["f/", "f/m.json", "scores/", "scores/a.json"]
    assert "Next: git spacy pull\n" in spacy("status", cwd=clone).out

    for name, content in {"out/scores/a.json": "edited", "out/new": "x"}.items():
        write(clone, {name: content})
        assert "kept    out (it is tracked by Git; " in spacy("pull", cwd=clone).err
        assert (clone / name).read_text() == content
        assert "Next: git spacy run train\n" in spacy("status", cwd=clone).out
        git(clone, "checkout", "-q", ".")
        (clone / "out/new").unlink(missing_ok=True)
    assert spacy("pull", cwd=clone).err.splitlines()[-1] == "pulled 1, skipped 0"
    assert snapshot(clone / "out") == snapshot(made / "out")
    assert git(clone, "status", "--porcelain") == ""


def test_an_own_result_that_is_in_the_remote_too_is_replaced(tmp_path: Path, spacy: Spacy) -> None:
    """The remote has two models of the same inputs: the one that the lock lists is meant."""

    mine, theirs = two_clones(tmp_path, spacy)
    listed = (mine / "project.lock").read_bytes()
    assert spacy("lock", "record", "train", cwd=mine).code == 0
    assert spacy("push", cwd=mine).err.splitlines()[-1] == "pushed 1, skipped 0"
    (mine / "project.lock").write_bytes(listed)
    shutil.rmtree(mine / ".git/spacy")
    git(mine, "update-ref", "-d", "refs/notes/spacy")
    assert spacy("pull", cwd=mine).err.splitlines()[-1] == "pulled 1, skipped 0"
    assert snapshot(mine / "model") == snapshot(theirs / "model")
    assert (mine / "project.lock").read_bytes() == listed


def test_one_output_is_fetched_without_those_that_it_was_made_from(shared: Shared) -> None:
    """The lock has the md5s of dependencies that are not present."""

    shared.push()
    shutil.copy(shared.made / "project.lock", shared.clone)
    lock = (shared.clone / "project.lock").read_bytes()
    done = shared.pull("--dry-run", "default", "train")
    assert done.err.splitlines() == ["would be pulled model", "would be pulled 1, skipped 0"]
    assert not (shared.clone / "model").exists()
    done = shared.pull("model")
    assert done.err.splitlines()[-1] == "pulled 1, skipped 0", done.err
    assert not (shared.clone / "corpus").exists()
    assert (shared.clone / "project.lock").read_bytes() == lock
    (shared.clone / "scripts/copy.py").write_text("another\n")
    done = shared.pull("model")
    assert done.code == 1, "the inputs that are present count"
    done = shared.pull("--dry-run")
    assert "would be pulled corpus/words.txt" in done.err
    assert not (shared.clone / "corpus").exists()
