"""Tests of `git spacy push`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from git_spacy.errors import LocalFailure
from git_spacy.git.state_dir import state_dir
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import fingerprint
from git_spacy.storage import archive
from git_spacy.storage.remote_keys import TEMPORARY
from tests.storage.conftest import Shared
from tests.testing.projects import Spacy, project, snapshot
from tests.testing.repositories import write

WRITE = "import sys, pathlib\nfor n in sys.argv[2:]:\n p = pathlib.Path(n)\n p.parent.mkdir(parents=True, exist_ok=True)\n p.write_text(sys.argv[1])\n"


def test_outputs_that_are_up_to_date_are_pushed_once(shared: Shared) -> None:
    before = snapshot(shared.made)
    first = shared.push()
    assert first.code == 0, first.err
    assert first.err.splitlines()[-1] == "pushed 2, skipped 0"
    assert first.out == ""
    objects = shared.objects()
    assert sorted(name.split("/")[0] for name in objects) == ["corpus%2Fwords.txt", "model"]
    times = {name: (shared.remote / name).stat().st_mtime_ns for name in objects}
    second = shared.push()
    assert second.err.splitlines()[-1] == "pushed 0, skipped 2"
    assert "skipped model (already present)" in second.err
    assert {name: (shared.remote / name).stat().st_mtime_ns for name in objects} == times
    assert snapshot(shared.made) == before
    assert not list((state_dir(shared.made) / "push").iterdir())


def test_archives_are_reproducible(shared: Shared) -> None:
    shared.push()
    before = shared.objects()
    assert shared.push("--force").err.splitlines()[-1] == "pushed 2, skipped 0"
    assert shared.objects() == before


def test_stale_outputs_are_reported_and_not_pushed(shared: Shared) -> None:
    (shared.made / "model/weights.txt").write_text("edited")
    done = shared.push()
    assert done.code == 0
    assert "stale   model ('train' is not up to date: output 'model' changed)" in done.err
    assert done.err.splitlines()[-2:] == [
        "pushed 1, skipped 0, stale 1",
        "hint: git spacy run train",
    ]
    assert next(iter(shared.objects())).startswith("corpus")
    assert len(shared.objects()) == 1
    (shared.made / "scripts/write.py").write_text("# another\n")
    done = shared.push()
    assert done.code == 1
    assert "pushed 0, skipped 0, stale 2" in done.err


def test_nothing_is_pushed_before_the_first_run(shared: Shared) -> None:
    done = shared.spacy("push", cwd=shared.clone)
    assert done.code == 1
    assert done.err.splitlines() == [
        "missing corpus/words.txt (not present; 'prepare' produces it)",
        "missing model (not present; 'train' produces it)",
        "pushed 0, skipped 0, missing 2",
        "error: not pushed: 'corpus/words.txt', 'model'",
        "hint: git spacy run prepare train",
    ]
    assert not shared.remote.exists()


def make(spacy: Spacy, root: Path, commands: str, *, run: str = "c") -> Path:
    made = project(root, f"remotes: {{default: ../remote}}\n{commands}", {"w.py": WRITE})
    done = spacy("run", run, cwd=made)
    assert done.code == 0, done.err
    return made


def test_outputs_of_commands_that_always_run_are_pushed(tmp_path: Path, spacy: Spacy) -> None:
    made = make(
        spacy, tmp_path / "p", "commands: [{name: c, no_skip: true, script: ['python w.py x out'], deps: [w.py], outputs: [out]}]"
    )  # fmt: skip
    assert "pushed 1" in spacy("push", cwd=made).err


def test_an_output_without_files_is_not_pushed(tmp_path: Path, spacy: Spacy) -> None:
    script = "python -c \\\"import os; os.makedirs('out/inner', exist_ok=True)\\\""
    made = make(
        spacy, tmp_path / "p", f'commands: [{{name: c, script: ["{script}"], outputs: [out]}}]'
    )
    done = spacy("push", cwd=made)
    assert "skipped out (contains no files)" in done.err
    assert not (tmp_path / "remote").exists()
    (made / "out/inner/empty").touch()
    spacy("lock", "record", "c", cwd=made)
    assert "pushed 1" in spacy("push", cwd=made).err


def test_variants_of_a_command_are_pushed_and_pulled(tmp_path: Path, spacy: Spacy) -> None:
    text = """\
vars: {lang: en}
commands:
  - name: c
    script: ["python w.py ${vars.lang} out/${vars.lang}.txt"]
    deps: [w.py]
    outputs: ["out/${vars.lang}.txt"]
"""
    made = make(spacy, tmp_path / "p", text)
    done = spacy("run", "c", "--matrix", "vars.lang=de,fr", cwd=made)
    assert done.code == 0, done.err
    done = spacy("push", cwd=made)
    sent = [line for line in done.err.splitlines() if line.startswith("pushed  ")]
    assert len(sent) == 3, done.err
    for name in ("en", "de", "fr"):
        (made / f"out/{name}.txt").unlink()
    assert spacy("pull", cwd=made).code == 0
    assert sorted(path.read_text() for path in (made / "out").iterdir()) == ["de", "en", "fr"]


@pytest.mark.threat("pushed-paths-outside")
def test_a_link_out_of_the_project_stops_the_push(shared: Shared, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (shared.made / "model/link").symlink_to(tmp_path / "secret")
    assert shared.spacy("lock", "record", "train", cwd=shared.made).code == 0
    done = shared.push()
    assert done.code == 3
    assert "leads out of the project" in done.err
    assert not shared.remote.exists()


@pytest.mark.threat("pushed-paths-outside")
def test_an_output_that_became_a_link_out_of_the_project_is_not_pushed(
    shared: Shared, tmp_path: Path
) -> None:
    (shared.made / "model").rename(tmp_path / "elsewhere")
    (shared.made / "model").symlink_to(tmp_path / "elsewhere")
    assert shared.push().code == 3
    assert not shared.remote.exists()


def test_links_and_empty_folders_are_preserved(shared: Shared) -> None:
    model = shared.made / "model"
    (model / "epoch1").mkdir()
    (model / "epoch1/weights").write_text("1")
    (model / "best").symlink_to("epoch1")
    (model / "epoch1/up").symlink_to("../weights.txt")
    (model / "words").symlink_to("../corpus/words.txt")  # to another output: packed as a file
    (model / "empty/deep").mkdir(parents=True)
    os.chmod(model / "weights.txt", 0o755)
    assert shared.spacy("lock", "record", "train", cwd=shared.made).code == 0
    done = shared.push()
    assert done.code == 0, done.err
    done = shared.pull()
    assert done.code == 0, done.err
    pulled = shared.clone / "model"
    assert os.readlink(pulled / "best") == "epoch1"
    assert os.readlink(pulled / "epoch1/up") == "../weights.txt"
    assert not (pulled / "words").is_symlink()
    assert (pulled / "words").read_text() == "hello"
    assert (pulled / "empty/deep").is_dir()
    assert os.access(pulled / "weights.txt", os.X_OK)
    assert not os.access(pulled / "words", os.X_OK)
    assert (shared.clone / "project.lock").read_bytes() == (
        shared.made / "project.lock"
    ).read_bytes()


@pytest.mark.parametrize(
    ("spoil", "message", "hint"),
    [
        ("folder link", "'model/link' is a link to a folder outside 'model'",
         "replace the link with a copy of the folder"),
        ("absolute link", "'model/link' is a link to a folder outside 'model'",
         "replace the link with a copy of the folder"),
        ("repository", "'model/.git', which belongs to Git, or which Git could take for '.git', is "
         "never shared", "remove it from 'model'"),
    ],
)  # fmt: skip
def test_an_output_that_cannot_be_pulled_is_refused_before_anything_is_pushed(
    shared: Shared, spoil: str, message: str, hint: str
) -> None:
    model = shared.made / "model"
    if spoil == "repository":  # this changes the output, so it would be stale
        (model / ".git").mkdir()
        (model / ".git/config").write_text("")
        assert shared.spacy("lock", "record", "train", cwd=shared.made).code == 0
    else:
        (model / "link").symlink_to("../corpus" if spoil == "folder link" else model)
    lock = (shared.made / "project.lock").read_bytes()
    assert shared.push() == (3, "", f"error: {message}\nhint: {hint}\n")
    assert not shared.objects()
    assert shared.push("corpus/words.txt").code == 0, "others are pushed if they are named"
    assert [name.split("/")[0] for name in shared.objects()] == ["corpus%2Fwords.txt"]
    assert (shared.made / "project.lock").read_bytes() == lock


def test_an_output_that_changes_while_it_is_packed_is_not_pushed(
    shared: Shared, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = archive.pack

    def late(root: Path, path: ProjectPath, *rest: object) -> None:
        if path.text == "model":
            (root / "model/weights.txt").write_text("other")
        pack(root, path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(archive, "pack", late)
    done = shared.push()
    assert done.code == 5
    assert "'model' changed while it was read" in done.err
    assert not list(shared.remote.glob(f"{TEMPORARY}*"))
    assert [name.split("/")[0] for name in shared.objects()] == ["corpus%2Fwords.txt"]


@pytest.mark.parametrize("grows", [True, False])
def test_a_file_that_changes_its_size_while_it_is_read_is_an_error(
    tmp_path: Path, grows: bool
) -> None:
    (tmp_path / "out").write_bytes(bytes(3 << 20))
    path = ProjectPath("out", "out")
    found = fingerprint(tmp_path, "out")
    assert found

    def progress(_: int) -> None:
        os.truncate(tmp_path / "out", 4 << 20 if grows else 1 << 19)

    with open(tmp_path / "archive", "wb") as to:
        if grows:  # the bytes at the start are sent
            archive.pack(tmp_path, path, found.digest, to, progress)
            return
        with pytest.raises(LocalFailure, match="'out' changed while it was read"):
            archive.pack(tmp_path, path, found.digest, to, progress)


def test_temporary_files_of_a_killed_push_are_removed(shared: Shared) -> None:
    left = state_dir(shared.made) / "push/99999999-abc"
    left.mkdir(parents=True)
    (left / "x").write_text("x")
    assert shared.push().code == 0
    assert not left.exists()


def test_outputs_that_fail_for_one_cause_get_one_error(shared: Shared) -> None:
    """A remote that cannot be reached was reported twice per output, with a hint each."""

    write(shared.remote, {"corpus%2Fwords.txt": "a file", "model": "where folders should be"})
    done = shared.push()
    assert done.code == 5
    *lines, summary, error, hint = done.err.splitlines()
    assert sorted(lines) == ["failed  corpus/words.txt", "failed  model"]
    assert summary == "pushed 0, skipped 0, failed 2"
    assert error in (
        "error: 'corpus/words.txt', 'model': Not a directory",
        "error: 'model', 'corpus/words.txt': Not a directory",
    )
    assert hint == "hint: check the free disk space and the permissions"
