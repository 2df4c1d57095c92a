"""What the documents tell people to do, done."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from git_spacy.generate import registry
from git_spacy.project import loader
from tests.testing.hooks import REFUSED, two_projects
from tests.testing.projects import on_path, project, two_steps
from tests.testing.repositories import GIT, git, repository

REPOSITORY = Path(__file__).parents[1]
HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())


def blocks(document: str, language: str) -> list[str]:
    text = (REPOSITORY / "docs" / document).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone, without any data, of a repository of two projects that were run."""

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    two_projects(tmp_path / "r")
    git(tmp_path, "clone", "-q", "r", "clone")
    assert not (tmp_path / "clone/one/model").exists()
    return tmp_path / "clone"


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("sh", "-c", line), cwd=folder, capture_output=True, text=True, check=False
    )


def ci_jobs() -> dict[str, list[str]]:
    """The commands of each job of docs/ci.md but those that install."""

    github, gitlab = (yaml.safe_load(block) for block in blocks("ci.md", "yaml"))
    steps: list[dict[str, Any]] = github["jobs"]["check"]["steps"]
    found = {
        "github": [step["run"] for step in steps if "run" in step],
        "gitlab": gitlab["spacy-project"]["script"],
    }
    return {
        name: [line for line in lines if not line.startswith("pip ")]
        for name, lines in found.items()
    }


def test_both_jobs_install_and_check() -> None:
    assert ci_jobs() == {
        "github": ["git spacy check --format github"],
        "gitlab": ["git spacy check --format gitlab > git-spacy.json"],
    }


@pytest.mark.parametrize("job", ["github", "gitlab"])
def test_a_ci_job_passes_where_all_is_right_and_fails_where_not(clone: Path, job: str) -> None:
    for line in ci_jobs()[job]:
        done = shell(line, clone)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    REFUSED["git-spacy-lock"][0](clone)
    for line in ci_jobs()[job]:
        done = shell(line, clone)
        assert done.returncode == 1
    if job == "github":
        assert done.stdout.startswith("::error file=one/project.lock,line=6,col=7,")
    else:
        (found,) = json.loads((clone / "git-spacy.json").read_text())
        assert found["location"] == {"path": "one/project.lock", "lines": {"begin": 6}}


def test_the_configuration_for_pre_commit_names_our_hooks() -> None:
    (config,) = (yaml.safe_load(block) for block in blocks("hooks.md", "yaml"))
    (source,) = config["repos"]
    every, *others = (hook["id"] for hook in HOOKS)
    assert [hook["id"] for hook in source["hooks"]] == [every]
    text = (REPOSITORY / "docs/hooks.md").read_text()
    assert all(f"`{other}`" in text for other in others)


@pytest.mark.parametrize("number", [0, 1])
def test_both_ways_to_install_the_hooks_refuse_a_stale_lock(clone: Path, number: int) -> None:
    lines = blocks("hooks.md", "sh")[number]
    (clone / ".git/hooks/pre-commit").write_text("#!/bin/sh\necho before >&2\n")
    (clone / ".git/hooks/pre-commit").chmod(0o755)
    assert shell(lines, clone).returncode == 0
    REFUSED["git-spacy-lock"][0](clone)
    done = subprocess.run(
        (GIT, "commit", "-am", "x"), cwd=clone, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "before"
    assert REFUSED["git-spacy-lock"][1] in done.stderr


def test_the_schema_is_written_as_told_and_its_first_line_troubles_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    write, _ = blocks("schema.md", "sh")
    first, hooks = blocks("schema.md", "yaml")
    (settings,) = blocks("schema.md", "json")
    assert shell(write, tmp_path).returncode == 0
    (name,) = [path.name for path in tmp_path.iterdir()]
    assert shell("git spacy schema --check", tmp_path).returncode == 0
    assert first.startswith(f"# yaml-language-server: $schema={name}\n")
    assert loader.parse(first.encode()).project.title == "A project"
    assert list(json.loads(settings)["yaml.schemas"]) == [f"./{name}"]
    (hook,) = yaml.safe_load(hooks)["repos"][0]["hooks"]
    assert hook["entry"].endswith(f" --schemafile {name}")
    assert re.search(hook["files"], "a/project.yml")
    assert not re.search(hook["files"], "a/my-project.yml")


def test_files_for_others_are_written_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    (root / "docs").mkdir()
    lines = [line for block in blocks("files.md", "sh") for line in block.splitlines()]
    for line in lines:
        done = shell(line, root)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
    git(root, "add", "-A")
    assert {".gitignore", "README.md", "dvc.yaml", "docs/project.md", "docs/graph.svg"} <= set(
        git(root, "ls-files").splitlines()
    )
    assert shell("git spacy check generated", root).returncode == 0
    verbs = {line.split()[2] for line in lines}
    assert verbs == set(registry.GENERATORS) - {"schema"}  # which has a page of its own


def test_outputs_are_restored_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    for block in blocks("restore.md", "sh"):
        for line in block.splitlines():
            done = shell(line, root)
            assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_the_example_of_the_readme_is_what_is_said() -> None:
    """(test_quickstart.py has the same line from the real template.)"""

    for document in ("README.md", "docs/hooks.md"):
        assert "hint: git spacy run train evaluate package\n" in (REPOSITORY / document).read_text()


def test_outputs_go_to_a_remote_and_back_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    (lines,) = blocks("remotes.md", "sh")
    assert shell("git spacy run all", root).returncode == 0
    *before, pull = lines.splitlines()
    for line in before:
        done = shell(line, root)
        assert done.returncode == 0, (line, done.stderr)
    assert done.stderr.endswith("pushed 2, skipped 0\n")
    for name in ("model/weights.txt", "corpus/words.txt", "project.lock"):
        (root / name).unlink()
    (root / "model").rmdir()
    assert shell(pull, root).stderr.endswith("pulled 2, skipped 0\n")
    assert shell("git spacy run all", root).stderr.endswith("ran 0, skipped 2\n")
    (example,) = blocks("remotes.md", "yaml")
    project = loader.parse(example.encode()).project
    assert [remote.name for remote in project.remotes] == ["default", "backup"]


def test_every_remote_that_is_documented_has_an_extra() -> None:
    from git_spacy.storage.fsspec_remote import EXTRAS
    from git_spacy.storage.remote import SCHEMES

    text = (REPOSITORY / "docs/remotes.md").read_text()
    told = dict(re.findall(r"\| `(\w+)://[^|]*\| `git-spacy\[(\w+)\]`", text))
    assert told.items() <= EXTRAS.items()
    assert set(told.values()) == set(EXTRAS.values())
    assert set(SCHEMES) == {*EXTRAS, "file"}
    extras = re.findall(r"^(\w+) = \[", (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert set(told.values()) <= set(extras)


def test_a_repository_is_set_up_and_taken_back_as_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    (lines,) = blocks("init.md", "sh")
    for line in lines.splitlines():
        done = shell(line, root)
        assert (done.returncode, done.stdout != "") == (0, True), (line, done.stderr)
    assert not (root / ".gitattributes").exists()
    from git_spacy.setup.changes import DEFAULT, STEPS

    told = re.findall(r"^\| `(\w+)` \|", (REPOSITORY / "docs/init.md").read_text(), re.MULTILINE)
    assert sorted(told) == sorted(STEPS)
    assert set(STEPS) - set(DEFAULT) == {"display"}


def test_commands_run_side_by_side_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    root = two_steps(repository(tmp_path / "p"))
    many, matrix, _ = blocks("parallel.md", "sh")
    for line in many.splitlines():
        done = shell(line, root)
        assert done.returncode == 0, (line, done.stderr)
    example = blocks("parallel.md", "yaml")[0]
    script = "import sys; open(sys.argv[1], 'x')"
    files: dict[str, str | bytes] = {"scripts/train.py": script, "corpus/x": "", "model/.keep": ""}
    variants = project(tmp_path / "variants", example, files)
    done = shell(matrix, variants)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("ran 3, skipped 0\n")
    assert "train --vars.seed 1:\n  cmd: " in (variants / "project.lock").read_text()


def test_completion_is_turned_on_as_told(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    (lines,) = blocks("shells.md", "sh")
    assert shell(lines, tmp_path).returncode == 0
    link = sealed / ".local/share/bash-completion/completions/git-spacy"
    assert str(link.readlink()) == f"{sys.prefix}/share/bash-completion/completions/git-spacy"
