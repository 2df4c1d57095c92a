"""Outputs are restored from the cache or a remote, by `run --restore` and `restore`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from git_spacy.state.hashing import fingerprint
from git_spacy.storage.cache_store import CacheStore
from tests.storage.hostile import file, md5, zipped
from tests.testing.projects import SCRIPTS, TWO_STEPS, Spacy, project, snapshot, two_steps
from tests.testing.repositories import git, write


def states(err: str) -> dict[str, str]:
    """Return the state of each command: `done`, `up`, `restored` …"""

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
    """Commit everything that Git does not ignore."""

    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")


def set_word(root: Path, word: str) -> None:
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(re.sub(r"word: \w+", f"word: {word}", text))


def test_switching_branches_restores_outputs_instead_of_training_again(
    root: Path, spacy: Spacy
) -> None:
    assert states(spacy("run", "all", cwd=root).err) == {"prepare": "done", "train": "done"}
    saved(root)
    git(root, "checkout", "-q", "-b", "b")
    set_word(root, "other")
    assert states(spacy("run", "all", cwd=root).err) == {"prepare": "done", "train": "done"}
    saved(root)
    for branch, word in (("a", "HELLO"), ("b", "OTHER"), ("a", "HELLO")):
        git(root, "checkout", "-q", branch)
        done = spacy("run", "all", cwd=root)
        assert done.code == 0
        assert states(done.err) == {"prepare": "restored", "train": "restored"}, done.err
        assert done.err.splitlines()[-1] == "ran 0, skipped 0, restored 2"
        assert (root / "model/weights.txt").read_text() == word
        assert git(root, "status", "--porcelain") == ""  # the lock is the branch's own
        commands = json.loads(spacy("status", "--json", cwd=root).out)["commands"]
        assert {command["state"] for command in commands} == {"up_to_date"}


def test_a_second_clone_restores_outputs_from_the_remote(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    saved(root)
    git(tmp_path, "clone", "-q", str(root), "second")
    second = tmp_path / "second"
    git(second, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    git(root, "remote", "add", "origin", str(root))
    # With notes, the record names the outputs; without, the name of the remote object does.
    git(second, "fetch", "-q", "origin", "+refs/notes/spacy:refs/notes/spacy")
    done = spacy("run", "all", "--restore", cwd=second)
    assert states(done.err) == {"prepare": "restored", "train": "restored"}, done.err
    assert "restored from the remote 'default'" in done.err
    assert (second / "model/weights.txt").read_text() == "HELLO"
    assert git(second, "status", "--porcelain") == ""
    shown = spacy("log", cwd=second).out
    assert shown.count("restored") == 2
    assert "restored from the remote 'default'" in spacy("show", cwd=second).out
    assert str(tmp_path) not in git(second, "log", "--notes=spacy", "--format=%N")


def test_worktrees_share_the_cache(root: Path, spacy: Spacy, tmp_path: Path) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "worktree", "add", "-q", str(tmp_path / "w"), "HEAD")
    done = spacy("run", "all", cwd=tmp_path / "w")
    assert states(done.err) == {"prepare": "restored", "train": "restored"}
    assert (tmp_path / "w/model/weights.txt").read_text() == "HELLO"


def test_it_is_off_by_default_and_options_override_the_setting(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = two_steps(tmp_path)
    git(made, "init", "-q")
    assert spacy("run", "all", cwd=made).code == 0
    assert not (made / ".git/spacy/store").exists()
    assert spacy("run", "all", "--restore", cwd=made).code == 0  # keeps what is current
    assert "2 results, 2 outputs" in spacy("cache", "status", cwd=made).out
    for name in ("corpus", "model"):
        shutil.rmtree(made / name)
    assert states(spacy("run", "all", "--no-restore", cwd=made).err) == {
        "prepare": "done", "train": "done",
    }  # fmt: skip


def test_commands_that_are_forced_or_always_run_are_not_restored(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = TWO_STEPS.replace("    outputs: [model]\n", "    outputs: [model]\n    no_skip: true\n")
    made = project(tmp_path, text, SCRIPTS)
    for _ in range(2):
        done = spacy("run", "all", "--restore", cwd=made)
        assert states(done.err)["train"] == "done"
    assert states(spacy("run", "all", "--restore", "-F", cwd=made).err) == {
        "prepare": "done", "train": "done",
    }  # fmt: skip


@pytest.mark.threat("only-copies")
def test_damaged_cache_files_are_not_restored_and_a_run_replaces_them(
    root: Path, spacy: Spacy
) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    for path in (root / ".git/spacy/store/objects").glob("??/*"):
        path.chmod(0o644)
        path.write_bytes(path.read_bytes()[::-1])
    shutil.rmtree(root / "model")
    done = spacy("run", "all", cwd=root)
    assert states(done.err) == {"prepare": "up", "train": "done"}
    assert (root / "model/weights.txt").read_text() == "HELLO"
    assert spacy("cache", "verify", cwd=root).code == 0


def test_an_unwritable_cache_does_not_stop_a_run(root: Path, spacy: Spacy) -> None:
    (root / ".git/spacy").mkdir(exist_ok=True)
    (root / ".git/spacy/store").write_text("a file in its place")
    done = spacy("run", "all", cwd=root)
    assert done.code == 0
    assert done.err.count("warning: not saved to the local cache: ") == 1


def test_a_failing_remote_is_reported_and_the_command_runs(
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
    assert states(done.err) == {"prepare": "done", "train": "done"}
    assert (
        "warning: not restored: archive of 'corpus/words.txt' in the remote is damaged" in done.err
    )


# git spacy restore


def test_outputs_of_a_commit_are_restored(root: Path, spacy: Spacy) -> None:
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


def test_the_only_copy_of_an_output_is_replaced_only_by_force(root: Path, spacy: Spacy) -> None:
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


def test_outputs_that_cannot_be_restored_are_listed(root: Path, spacy: Spacy) -> None:
    git(root, "config", "spacy.restore", "false")
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    shutil.rmtree(root / "model")
    done = spacy("restore", cwd=root)
    assert done.code == 1
    assert "corpus/words.txt  skipped   already present" in done.out
    assert "model             missing   neither the local cache nor a remote has it" in done.out


@pytest.mark.parametrize(
    ("removed", "hint"),
    [(("model",), "git spacy run train"), (("corpus", "model"), "git spacy run all")],
)
def test_the_hint_produces_missing_outputs_again(
    root: Path, spacy: Spacy, removed: tuple[str, ...], hint: str
) -> None:
    git(root, "config", "spacy.restore", "false")
    assert spacy("run", "all", cwd=root).code == 0
    saved(root)
    for name in removed:
        shutil.rmtree(root / name)
    done = spacy("restore", cwd=root)
    assert (done.code, done.err) == (1, f"hint: {hint}\n")
    assert spacy(*hint.split()[2:], cwd=root).code == 0
    assert (root / "model/weights.txt").exists()
    present = spacy("restore", cwd=root)
    assert (present.code, present.err) == (0, "")
    assert spacy("restore", "nowhere", cwd=root).code == 2


def test_a_remote_object_is_found_by_its_content(root: Path, spacy: Spacy, tmp_path: Path) -> None:
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    git(root, "config", "spacy.restore", "false")
    assert spacy("run", "all", cwd=root).code == 0
    assert spacy("push", cwd=root).code == 0
    saved(root)
    shutil.rmtree(root / "model")
    assert "the remote 'default'" in spacy("restore", cwd=root).out
    assert (root / "model/weights.txt").read_text() == "HELLO"


def test_paths_outside_the_project_in_locks_and_notes_are_ignored(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    text = (root / "project.lock").read_text().replace("path: model", "path: ../outside")
    write(root, {"project.lock": text})
    saved(root)
    spacy("restore", "--force", cwd=root)
    assert not (tmp_path / "outside").exists()


def declaring(root: Path, path: str, tmp_path: Path, spacy: Spacy) -> None:
    """Commit a lock that lists another output, and put an archive of it on the remote."""

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
def test_undeclared_outputs_are_not_restored(
    root: Path, spacy: Spacy, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Threat model: undeclared-outputs."""

    declaring(root, "sitecustomize.py", tmp_path, spacy)
    assert [out.path for out in lock_format.read(root)["train"].outs] == [
        "model",
        "sitecustomize.py",
    ]
    done = spacy("restore", *options, cwd=root)
    assert "warning: 'sitecustomize.py' is not an output of 'train' at that commit" in done.err
    assert not (root / "sitecustomize.py").exists()
    assert "model             skipped   already present" in done.out


@pytest.mark.threat("undeclared-outputs", commands="restore")
@pytest.mark.parametrize("content", ["", "mine"])
def test_a_file_that_git_tracks_is_not_replaced_unless_forced(
    root: Path, spacy: Spacy, tmp_path: Path, content: str
) -> None:
    """This holds for an empty file, too, and although the project declares it as an output."""

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
    assert "refused   the path is tracked by Git; --force replaces it" in done.out
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
def test_outputs_that_a_restore_replaces_are_saved_first(
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
    assert states(spacy("run", "all", cwd=root).err) == {"prepare": "up", "train": "restored"}
    assert (root / "model/weights.txt").read_text() == "HELLO"
    assert CacheStore.open_for(root).has_intact(edited)


def test_gc_keeps_outputs_named_in_the_lock(root: Path, spacy: Spacy) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    set_word(root, "second")
    assert spacy("run", "all", cwd=root).code == 0
    done = spacy("cache", "gc", "--days", "0", cwd=root)
    assert (done.code, done.err.split(" B")[0]) == (0, "removed 4 results, 2 outputs, 2 files, 10")
    assert "0 results, 2 outputs, 2 files" in spacy("cache", "status", cwd=root).out
    shutil.rmtree(root / "model")
    assert spacy("restore", cwd=root).code in (0, 1)
    assert list(lock_format.read(root)) == ["prepare", "train"]


TRACKED = """\
commands:
  - name: evaluate
    script: [python evaluate.py]
    deps: [in.txt]
    outputs: [model]
    outputs_no_cache: [metrics.json, plots]
"""
EVALUATE = """\
import os, pathlib
text = open("in.txt").read()
for name in ("model", "plots/deep"):
    os.makedirs(name, exist_ok=True)
for name in ("model/w", "metrics.json", "plots/a.svg", "plots/deep/run.sh"):
    pathlib.Path(name).write_text(name + text)
os.chmod("plots/deep/run.sh", 0o755)
if not os.path.lexists("plots/b.svg"):
    os.symlink("a.svg", "plots/b.svg")
"""


def test_outputs_that_git_has_are_restored_from_git(tmp_path: Path, spacy: Spacy) -> None:
    """They were missing: neither the local cache nor a remote had them."""

    files: dict[str, str | bytes] = {
        "in.txt": "1", "evaluate.py": EVALUATE, ".gitignore": "model\n", "top.txt": "x",
    }  # fmt: skip
    root = project(tmp_path / "top/p", TRACKED, files)
    git(tmp_path / "top", "init", "-q")
    for text in ("1", "2"):
        write(root, {"in.txt": text})
        assert spacy("run", "evaluate", cwd=root).code == 0
        saved(root)
    second = snapshot(root)
    done = spacy("restore", "HEAD~1", cwd=root)
    assert done.code == 1
    assert "metrics.json  refused   the path is tracked by Git; --force replaces it" in done.out
    assert snapshot(root) == second
    done = spacy("restore", "--force", "HEAD~1", cwd=root)
    assert "metrics.json  restored  Git" in done.out
    assert "plots         restored  Git" in done.out
    assert "model         missing   neither the local cache nor a remote has it" in done.out
    assert (root / "metrics.json").read_text() == "metrics.json1"
    assert git(root, "diff", "HEAD~1", "--name-only", "--", "plots", "metrics.json") == ""
    # what does not exist is restored without --force, and also without a lock
    for name in ("project.lock", "metrics.json"):
        (root / name).unlink()
    shutil.rmtree(root / "plots")
    git(root, "rm", "-q", "--cached", "project.lock")
    git(root, "commit", "-qm", "no lock")
    git(root, "update-ref", "-d", "refs/notes/spacy")
    shutil.rmtree(root / "model")
    done = spacy("restore", cwd=root)
    assert done.code == 0, done.out
    assert re.findall(r"^  (\S+) +(\w+ +Git)$", done.out, re.MULTILINE) == [
        ("metrics.json", "restored  Git"), ("plots", "restored  Git"),
    ]  # fmt: skip
    assert git(root, "diff", "HEAD", "--name-only", "--", "plots", "metrics.json") == ""
    assert "skipped   already present" in spacy("restore", cwd=root).out


def test_only_content_that_git_really_has_is_restored_from_git(
    tmp_path: Path, spacy: Spacy
) -> None:
    """A Git LFS pointer is not the output; a link that leads out is not made."""

    root = project(tmp_path, TRACKED, {"in.txt": "1", "evaluate.py": EVALUATE})
    git(root, "init", "-q")
    assert spacy("run", "evaluate", cwd=root).code == 0
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    write(root, {"metrics.json": pointer})
    (root / "plots/out").symlink_to("../../elsewhere")
    saved(root)
    lock = (root / "project.lock").read_bytes()
    for name in ("metrics.json", "plots/out"):
        (root / name).unlink()
    (root / "model/w").write_text("other than project.lock lists")
    saved(root)
    shutil.rmtree(root / "model")
    done = spacy("restore", "--force", "HEAD~1", cwd=root)
    assert done.code == 1
    assert "a remote has it; Git has only a Git LFS pointer" in " ".join(done.out.split())
    assert not (root / "metrics.json").exists()
    assert not (root / "plots/out").is_symlink()
    shutil.rmtree(root / "model")
    done = spacy("restore", cwd=root)
    assert "restored  Git, which has another version than project.lock lists" in done.out
    assert (root / "model/w").read_text() == "other than project.lock lists"
    assert (root / "project.lock").read_bytes() == lock
