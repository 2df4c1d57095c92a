"""Train once: outputs from the store and the remote instead of runs, and as they were at a commit."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from git_spacy.state import lock
from git_spacy.state.hashing import fingerprint
from git_spacy.storage.cache_store import CacheStore
from tests.storage.hostile import file, md5, zipped
from tests.testing.projects import SCRIPTS, TWO_STEPS, Spacy, project, snapshot, two_steps
from tests.testing.repositories import git, write


def told(err: str) -> dict[str, str]:
    """What became of each command: `done`, `up`, `restored` …"""

    found = re.findall(r"^==> (\w+): (done|up|restored)", err, re.MULTILINE)
    return dict(found)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = two_steps(tmp_path / "p")
    write(made, {".gitignore": "/corpus/\n/model/\n"})
    git(made, "init", "-q", "-b", "a")
    git(made, "config", "spacy.restore", "true")
    saved(made)
    return made


def saved(root: Path) -> None:
    """Everything committed that Git does not ignore."""

    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")


def set_word(root: Path, word: str) -> None:
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(re.sub(r"word: \w+", f"word: {word}", text))


def test_two_branches_trained_once_each_and_switched_between(root: Path, spacy: Spacy) -> None:
    assert told(spacy("run", "all", cwd=root).err) == {"prepare": "done", "train": "done"}
    saved(root)
    git(root, "checkout", "-q", "-b", "b")
    set_word(root, "other")
    assert told(spacy("run", "all", cwd=root).err) == {"prepare": "done", "train": "done"}
    saved(root)
    for branch, word in (("a", "HELLO"), ("b", "OTHER"), ("a", "HELLO")):
        git(root, "checkout", "-q", branch)
        done = spacy("run", "all", cwd=root)
        assert done.code == 0
        assert told(done.err) == {"prepare": "restored", "train": "restored"}, done.err
        assert done.err.splitlines()[-1] == "ran 0, skipped 0, restored 2"
        assert (root / "model/weights.txt").read_text() == word
        assert git(root, "status", "--porcelain") == ""  # the lock is the branch's own
        states = json.loads(spacy("status", "--json", cwd=root).out)["commands"]
        assert {one["state"] for one in states} == {"up_to_date"}


def test_a_second_clone_has_it_from_the_remote(root: Path, spacy: Spacy, tmp_path: Path) -> None:
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    saved(root)
    git(tmp_path, "clone", "-q", str(root), "second")
    second = tmp_path / "second"
    git(second, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    git(root, "remote", "add", "origin", str(root))
    # the notes say what was made; without them the name of the object has to do
    git(second, "fetch", "-q", "origin", "+refs/notes/spacy:refs/notes/spacy")
    done = spacy("run", "all", "--restore", cwd=second)
    assert told(done.err) == {"prepare": "restored", "train": "restored"}, done.err
    assert "restored from the remote 'default'" in done.err
    assert (second / "model/weights.txt").read_text() == "HELLO"
    assert git(second, "status", "--porcelain") == ""
    shown = spacy("log", cwd=second).out
    assert shown.count("restored") == 2
    assert "restored from the remote 'default'" in spacy("show", cwd=second).out
    assert str(tmp_path) not in git(second, "log", "--notes=spacy", "--format=%N")


def test_another_work_tree_shares_the_store(root: Path, spacy: Spacy, tmp_path: Path) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "worktree", "add", "-q", str(tmp_path / "w"), "HEAD")
    done = spacy("run", "all", cwd=tmp_path / "w")
    assert told(done.err) == {"prepare": "restored", "train": "restored"}
    assert (tmp_path / "w/model/weights.txt").read_text() == "HELLO"


def test_it_is_off_by_default_and_an_option_has_the_last_word(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path)
    git(made, "init", "-q")
    assert spacy("run", "all", cwd=made).code == 0
    assert not (made / ".git/spacy/store").exists()
    assert spacy("run", "all", "--restore", cwd=made).code == 0  # keeps what is current
    assert "2 results, 2 outputs" in spacy("cache", "status", cwd=made).out
    for name in ("corpus", "model"):
        shutil.rmtree(made / name)
    assert told(spacy("run", "all", "--no-restore", cwd=made).err) == {
        "prepare": "done", "train": "done",
    }  # fmt: skip


def test_what_is_forced_or_always_runs_is_not_restored(tmp_path: Path, spacy: Spacy) -> None:
    text = TWO_STEPS.replace("    outputs: [model]\n", "    outputs: [model]\n    no_skip: true\n")
    made = project(tmp_path, text, SCRIPTS)
    for _ in range(2):
        done = spacy("run", "all", "--restore", cwd=made)
        assert told(done.err)["train"] == "done"
    assert told(spacy("run", "all", "--restore", "-F", cwd=made).err) == {
        "prepare": "done", "train": "done",
    }  # fmt: skip


@pytest.mark.threat("only-copies")
def test_a_damaged_store_is_no_reason_for_a_wrong_output_and_is_healed_by_a_run(
    root: Path, spacy: Spacy
) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    for path in (root / ".git/spacy/store/objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[::-1])
    shutil.rmtree(root / "model")
    done = spacy("run", "all", cwd=root)
    assert told(done.err) == {"prepare": "up", "train": "done"}
    assert (root / "model/weights.txt").read_text() == "HELLO"
    assert spacy("cache", "verify", cwd=root).code == 0


def test_a_store_that_cannot_be_written_stops_nothing(root: Path, spacy: Spacy) -> None:
    (root / ".git/spacy").mkdir(exist_ok=True)
    (root / ".git/spacy/store").write_text("a file in its place")
    done = spacy("run", "all", cwd=root)
    assert done.code == 0
    assert done.err.count("warning: not saved to the local cache: ") == 1


def test_a_remote_that_fails_is_told_and_the_command_runs(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    for path in (tmp_path / "remote").rglob("*"):
        if path.is_file():
            path.write_bytes(b"no archive")
    for name in ("corpus", "model", ".git/spacy/store"):
        shutil.rmtree(root / name)
    done = spacy("run", "all", cwd=root)
    assert done.code == 0
    assert told(done.err) == {"prepare": "done", "train": "done"}
    assert (
        "warning: not restored: what the remote has of 'corpus/words.txt' is no whole" in done.err
    )


# As they were at a commit


def test_outputs_come_back_as_they_were_at_a_commit(root: Path, spacy: Spacy) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    set_word(root, "second")
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    entries = (root / "project.lock").read_bytes()
    done = spacy("restore", "HEAD~1", cwd=root)
    assert (done.code, done.err) == (0, "")
    assert re.findall(r"^  (\S+) +(\w+)", done.out, re.MULTILINE) == [
        ("corpus/words.txt", "restored"), ("model", "restored"),
    ]  # fmt: skip
    assert (root / "model/weights.txt").read_text() == "HELLO"
    assert (root / "project.lock").read_bytes() == entries  # that is 'lock rebuild'
    assert spacy("restore", cwd=root).code == 0
    assert (root / "model/weights.txt").read_text() == "SECOND"
    assert re.findall(r" (skipped) ", spacy("restore", cwd=root).out) == ["skipped"] * 2


def test_what_is_kept_nowhere_is_not_overwritten_unless_forced(root: Path, spacy: Spacy) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    write(root, {"model/weights.txt": "days of work", "model/more.txt": "x"})
    before = snapshot(root)
    done = spacy("restore", cwd=root)
    assert done.code == 1
    assert "model             refused" in done.out
    assert snapshot(root) == before
    assert spacy("restore", "--force", cwd=root).code == 0
    assert (root / "model/weights.txt").read_text() == "HELLO"
    assert not (root / "model/more.txt").exists()


def test_what_cannot_be_had_is_told(root: Path, spacy: Spacy) -> None:
    git(root, "config", "spacy.restore", "false")
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    shutil.rmtree(root / "model")
    done = spacy("restore", cwd=root)
    assert done.code == 1
    assert "corpus/words.txt  skipped   already present" in done.out
    assert "model             missing   neither the local cache nor a remote has it" in done.out
    assert spacy("restore", "nowhere", cwd=root).code == 2


def test_a_remote_has_it_by_its_content_alone(root: Path, spacy: Spacy, tmp_path: Path) -> None:
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    git(root, "config", "spacy.restore", "false")
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    saved(root)
    shutil.rmtree(root / "model")
    assert "the remote 'default'" in spacy("restore", cwd=root).out
    assert (root / "model/weights.txt").read_text() == "HELLO"


def test_a_path_of_a_lock_or_note_that_leaves_the_project_is_none(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    text = (root / "project.lock").read_text().replace("path: model", "path: ../outside")
    write(root, {"project.lock": text})
    saved(root)
    spacy("restore", "--force", cwd=root)
    assert not (tmp_path / "outside").exists()


def declaring(root: Path, path: str, tmp_path: Path, spacy: Spacy) -> None:
    """A committed lock that lists another output, of which a shared remote has an archive."""

    git(root, "config", "spacy.notes", "false")  # a record would be believed rather
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    assert spacy("run", "all", cwd=root).code == 0
    planted = tmp_path / "remote" / path.replace("/", "%2F") / ("a" * 32)
    write(planted, {md5(b"import os"): zipped(file(path, b"import os"))})
    text = (root / "project.lock").read_text()
    extra = f"    - path: {path}\n      md5: {md5(b'import os')}\n"
    write(root, {"project.lock": text + extra})
    saved(root)


@pytest.mark.threat("undeclared-outputs", commands="restore")
@pytest.mark.parametrize("options", [(), ("--force",)])
def test_what_the_project_does_not_declare_is_not_restored(
    root: Path, spacy: Spacy, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Threat model: undeclared-outputs."""

    declaring(root, "sitecustomize.py", tmp_path, spacy)
    assert [out.path for out in lock.read(root)["train"].outs] == ["model", "sitecustomize.py"]
    done = spacy("restore", *options, cwd=root)
    assert "warning: 'sitecustomize.py' is not an output of 'train' at that commit" in done.err
    assert not (root / "sitecustomize.py").exists()
    assert "model             skipped   already present" in done.out


@pytest.mark.threat("undeclared-outputs", commands="restore")
@pytest.mark.parametrize("content", ["", "mine"])
def test_a_file_that_git_tracks_is_not_replaced_unless_forced(
    root: Path, spacy: Spacy, tmp_path: Path, content: str
) -> None:
    """Issue 17, A2: an empty one was, too. (Here the project itself declares it.)"""

    text = (root / "project.yml").read_text()
    write(root, {"project.yml": text.replace("[model]", "[model, pkg/__init__.py]")})
    write(root, {"scripts/copy.py": "import os\nos.makedirs('model', exist_ok=True)\n"
                 "os.makedirs('pkg', exist_ok=True)\nopen('model/w', 'w').write('x')\n"
                 "open('pkg/__init__.py', 'w').write('made')\n"})  # fmt: skip
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    write(root, {"pkg/__init__.py": content})
    saved(root)
    done = spacy("restore", "HEAD~1", cwd=root)
    assert done.code == 1
    assert "refused   Git tracks what is there; --force replaces it" in done.out
    assert (root / "pkg/__init__.py").read_text() == content
    assert spacy("restore", "--force", "HEAD~1", cwd=root).code == 0
    assert (root / "pkg/__init__.py").read_text() == "made"


def spoil_store(root: Path) -> None:
    for path in (root / ".git/spacy/store/objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[::-1])


@pytest.mark.threat("only-copies", commands="restore")
def test_the_last_copy_is_not_replaced_while_its_cached_copy_is_damaged(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    """Threat model: only-copies."""

    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    saved(root)
    set_word(root, "second")
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    spoil_store(root)
    done = spacy("restore", "HEAD~1", cwd=root)
    assert done.code == 1
    assert "model             refused   the present content has no other copy" in done.out
    assert (root / "model/weights.txt").read_text() == "SECOND"
    assert spacy("run", "all", cwd=root).code == 0  # saves it again
    done = spacy("restore", "HEAD~1", cwd=root)
    assert done.code == 0, done.out
    assert (root / "model/weights.txt").read_text() == "HELLO"


@pytest.mark.threat("undeclared-outputs", commands="run")
def test_what_a_run_restores_something_over_is_saved_first(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    """Threat model: only-copies, for what was edited, and for what lost its cached copy."""

    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    write(root, {"model/weights.txt": "days of work", "model/more.txt": "x"})
    edited = fingerprint(root, "model")
    assert edited
    assert not CacheStore.open_for(root).has_intact(edited)
    assert told(spacy("run", "all", cwd=root).err) == {"prepare": "up", "train": "restored"}
    assert (root / "model/weights.txt").read_text() == "HELLO"
    assert CacheStore.open_for(root).has_intact(edited)


def test_gc_keeps_what_the_lock_names(root: Path, spacy: Spacy) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    set_word(root, "second")
    assert spacy("run", "all", cwd=root).code == 0
    done = spacy("cache", "gc", "--days", "0", cwd=root)
    assert (done.code, done.err.split(" B")[0]) == (0, "removed 4 results, 2 outputs, 2 files, 10")
    assert "0 results, 2 outputs, 2 files" in spacy("cache", "status", cwd=root).out
    shutil.rmtree(root / "model")
    assert spacy("restore", cwd=root).code in (0, 1)
    assert list(lock.read(root)) == ["prepare", "train"]
