"""What git-spacy proposes to type for DVC, from the files of DVC; tests/peers has the real DVC."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from git_spacy.state.dvc_files import can_pull, stages_to_commit
from tests.testing.projects import Spacy, project, two_steps
from tests.testing.repositories import git, repository, write

REMOTE = "[core]\n    remote = store\n['remote \"store\"']\n    url = /store\n"


@pytest.mark.parametrize(
    ("config", "local", "expected"),
    [
        (REMOTE, "", True),
        ("[core]\n    remote = store\n", "['remote \"store\"']\n    url = /store\n", True),
        (REMOTE.replace("    remote = store\n", ""), "", False),
        (REMOTE.replace('"store"', '"other"'), "", False),
        ("[core]\n    autostage = true\n", "", False),
        ("this is [not] a config\n", REMOTE, True),
        ("\0\xff", "", False),
    ],
    ids=["one", "local", "no default", "another", "none", "garbage", "binary"],
)
def test_dvc_can_pull_with_a_default_remote(
    tmp_path: Path, config: str, local: str, expected: bool
) -> None:
    root = tmp_path / "top/project"
    write(tmp_path / "top", {".dvc/config": config, ".dvc/config.local": local})
    write(root, {"dvc.lock": ""})
    assert can_pull(root) == expected
    (root / "dvc.lock").unlink()
    assert not can_pull(root)


def test_the_configuration_outside_the_repository_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, {".dvc/config": REMOTE})
    root = repository(tmp_path / "clone", {"dvc.lock": ""})
    assert not can_pull(root)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").symlink_to(tmp_path / ".dvc/config")
    assert not can_pull(root)
    (root / ".dvc/config").unlink()
    os.mkfifo(root / ".dvc/config")
    assert not can_pull(root)


def test_in_a_clone_without_data_the_next_step_is_dvc_pull(tmp_path: Path, spacy: Spacy) -> None:
    root = repository(two_steps(tmp_path / "p"))
    spacy("run", "all", cwd=root)
    spacy("ignore", cwd=root)
    write(root, {".dvc/config": REMOTE, "dvc.lock": "schema: '2.0'\n"})
    git(root, "add", "-A")
    for path in ("corpus", "model"):
        shutil.rmtree(root / path)
    steps = "\nNext: dvc pull\nor, to run the commands here: git spacy run all\n"
    assert steps in spacy("status", cwd=root).out
    # where our own remote is configured, it comes first
    project(root, (root / "project.yml").read_text() + "remotes: {default: ../remote}\n")
    assert "\nNext: git spacy pull\n" in spacy("status", cwd=root).out


def test_the_stages_of_commands_that_ran_without_dvc_are_named(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = "commands:\n" + "".join(
        f'  - {{name: \'{name}\', script: ["python -c 0"], deps: [a], help: "Make it: x"}}\n'
        for name in ("a b", "plain", "other")
    )
    root = project(tmp_path, text, {"a": "x"})
    assert spacy("dvc", cwd=root).code == 0
    assert stages_to_commit(root, ["plain"], {}) == (), "DVC has never run"
    write(root, {"dvc.lock": ""})
    assert stages_to_commit(root, ["plain", "other"], {}) == ("plain", "other")
    assert stages_to_commit(root, ["plain"], {"DVC_STAGE": "plain"}) == ()
    assert "for dvc.lock, too: dvc commit --force plain\n" in spacy("run", "plain", cwd=root).err
    assert "dvc commit" not in spacy("run", "plain", "--set", "x=1", cwd=root).err
    (root / "sub").mkdir()
    done = spacy("run", "plain", cwd=root / "sub")
    assert "dvc commit --force ../dvc.yaml:plain\n" in done.err
    (root / "dvc.yaml").write_text("stages: {plain: {cmd: x}}\n")
    assert stages_to_commit(root, ["plain"], {}) == ()


def test_a_stage_does_not_run_with_a_label_that_its_command_does_not_use(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`dvc exp run --set-param project.yml:vars.word=x` fills in the references in project.yml."""

    root = two_steps(tmp_path)
    text = (root / "project.yml").read_text()
    spacy("dvc", cwd=root)
    monkeypatch.setenv("DVC_STAGE", "prepare")
    assert spacy("run", "prepare", cwd=root).code == 0
    filled_in = text.replace("${vars.word}", "x").replace("word: hello", "word: x")
    project(root, filled_in)
    for stage in ("prepare", "dvc.yaml:prepare"):
        monkeypatch.setenv("DVC_STAGE", stage)
        done = spacy("run", "prepare", cwd=root)
        assert done.code == 2
        assert done.err.endswith(
            "project.yml: error: no command uses 'word', with which DVC labels the results of"
            " 'prepare'\n"
            "hint: if 'dvc exp run' has changed the file: git checkout project.yml\n"
            "hint: or, if you have changed it: git spacy check generated --fix\n"
        )
    assert (root / "corpus/words.txt").read_text() == "hello"
    # another stage, and a dvc.yaml that is regenerated
    monkeypatch.setenv("DVC_STAGE", "train")
    assert spacy("run", "train", cwd=root).code == 0
    monkeypatch.setenv("DVC_STAGE", "prepare")
    assert spacy("check", "generated", "--fix", cwd=root).code == 0
    assert spacy("run", "prepare", cwd=root).code == 0
    monkeypatch.setenv("DVC_STAGE", "no:such: [stage")
    assert spacy("run", "prepare", cwd=root).code == 0
