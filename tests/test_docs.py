"""Run the commands that the documents tell readers to type."""

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
from tests.testing.projects import Spacy, on_path
from tests.testing.repositories import GIT, git

REPOSITORY = Path(__file__).parents[1]
HOOKS = yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())


def blocks(document: str, language: str) -> list[str]:
    """Return the text of every block of code in this language."""

    text = (REPOSITORY / "docs" / document).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_commands_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """README.md: install, then clone, enter and run a template. (test_quickstart.py installs.)"""

    on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    install, first = blocks("../README.md", "sh")
    assert install == "pip install .\n"
    done = shell(f"set -e; {first}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.endswith("ran 2, skipped 0\n")


def test_the_project_of_the_readme_runs(first_steps: Path) -> None:
    (text,) = blocks("../README.md", "yaml")
    (first_steps / "project.yml").write_text(text)
    assert len(text.splitlines()) <= 12
    assert shell("git spacy run all", first_steps).stderr.endswith("ran 2, skipped 0\n")


@pytest.fixture
def clone_without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clone a repository with two projects that were run; their outputs are not in Git."""

    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    two_projects(tmp_path / "r")
    git(tmp_path, "clone", "-q", "r", "clone")
    assert not (tmp_path / "clone/one/model").exists()
    return tmp_path / "clone"


@pytest.fixture
def first_steps(tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return what `git spacy clone first_steps` gives to a reader, with git-spacy on the PATH."""

    return clone_template("first_steps", tmp_path, spacy, monkeypatch)


def clone_template(name: str, folder: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Clone a packaged template into `folder`."""

    on_path(folder / "bin", monkeypatch)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    assert spacy("clone", name, cwd=folder).code == 0
    return folder / name


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line in a shell."""

    return subprocess.run(
        ("sh", "-c", line), cwd=folder, capture_output=True, text=True, check=False
    )


def run_lines(text: str, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Run each line of a block; every one must succeed."""

    results = []
    for line in text.splitlines():
        results.append(shell(line, folder))
        assert results[-1].returncode == 0, (line, results[-1].stdout, results[-1].stderr)
    return results


def ci_jobs() -> dict[str, list[str]]:
    """Return the commands of each job in docs/how-to/ci.md except those that install."""

    github, gitlab = (yaml.safe_load(block) for block in blocks("how-to/ci.md", "yaml"))
    steps: list[dict[str, Any]] = github["jobs"]["check"]["steps"]
    jobs = {
        "github": [step["run"] for step in steps if "run" in step],
        "gitlab": gitlab["spacy-project"]["script"],
    }
    return {
        name: [line for line in lines if not line.startswith(("pip ", "git clone "))]
        for name, lines in jobs.items()
    }


def test_ci_jobs_only_install_and_check() -> None:
    assert ci_jobs() == {
        "github": ["git spacy check --format github"],
        "gitlab": ["git spacy check --format gitlab > git-spacy.json"],
    }


@pytest.mark.parametrize("job", ["github", "gitlab"])
def test_a_ci_job_passes_if_the_lock_matches_and_fails_if_it_is_stale(
    clone_without_data: Path, job: str
) -> None:
    for line in ci_jobs()[job]:
        done = shell(line, clone_without_data)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    REFUSED["git-spacy-lock"][0](clone_without_data)
    for line in ci_jobs()[job]:
        done = shell(line, clone_without_data)
        assert done.returncode == 1
    if job == "github":
        assert done.stdout.startswith("::error file=one/project.lock,line=6,col=7,")
    else:
        (problem,) = json.loads((clone_without_data / "git-spacy.json").read_text())
        assert problem["location"] == {"path": "one/project.lock", "lines": {"begin": 6}}


def test_the_configuration_for_pre_commit_names_our_hooks() -> None:
    (config,) = (yaml.safe_load(block) for block in blocks("how-to/hooks.md", "yaml"))
    (source,) = config["repos"]
    every, *others = (hook["id"] for hook in HOOKS)
    assert [hook["id"] for hook in source["hooks"]] == [every]
    text = (REPOSITORY / "docs/how-to/hooks.md").read_text()
    assert all(f"`{other}`" in text for other in others)


@pytest.mark.parametrize("number", [0, 1])
def test_both_ways_to_install_the_hooks_refuse_a_stale_lock(
    clone_without_data: Path, number: int
) -> None:
    lines = blocks("how-to/hooks.md", "sh")[number]
    (clone_without_data / ".git/hooks/pre-commit").write_text("#!/bin/sh\necho before >&2\n")
    (clone_without_data / ".git/hooks/pre-commit").chmod(0o755)
    assert shell(lines, clone_without_data).returncode == 0
    REFUSED["git-spacy-lock"][0](clone_without_data)
    done = subprocess.run(
        (GIT, "commit", "-am", "x"),
        cwd=clone_without_data, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "before"
    assert REFUSED["git-spacy-lock"][1] in done.stderr


def test_the_schema_is_written_and_editors_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    write, _ = blocks("how-to/editor.md", "sh")
    first, hooks = blocks("how-to/editor.md", "yaml")
    (settings,) = blocks("how-to/editor.md", "json")
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


def test_files_for_other_tools_are_generated(first_steps: Path) -> None:
    lines = "".join(blocks("how-to/generated-files.md", "sh"))
    run_lines(lines, first_steps)
    git(first_steps, "add", "-A")
    assert {".gitignore", "README.md", "dvc.yaml", "docs/project.md", "docs/graph.svg"} <= set(
        git(first_steps, "ls-files").splitlines()
    )
    assert shell("git spacy check generated", first_steps).returncode == 0
    commands = set(re.findall(r"git spacy (\w+)", lines))
    assert commands == set(registry.GENERATORS) - {"schema"}  # docs/how-to/editor.md has that


def test_outputs_are_restored(first_steps: Path) -> None:
    run_lines("".join(blocks("how-to/restore.md", "sh")), first_steps)


def test_the_hint_for_a_stale_lock_is_the_one_of_the_template() -> None:
    """test_quickstart.py holds the same line with the real template."""

    text = (REPOSITORY / "docs/how-to/hooks.md").read_text()
    assert "hint: git spacy run train evaluate package\n" in text


def test_outputs_are_pushed_to_a_remote_and_pulled(first_steps: Path) -> None:
    (lines,) = blocks("how-to/remotes.md", "sh")
    *before, pull = lines.splitlines()
    pushed = run_lines("\n".join(before), first_steps)[-1]
    assert re.search(r"^pushed 1, ", pushed.stderr, re.MULTILINE)
    (first_steps / "corpus/counts.json").unlink()
    assert re.search(r"^pulled 1, ", shell(pull, first_steps).stderr, re.MULTILINE)
    assert shell("git spacy run all", first_steps).stderr.endswith("ran 0, skipped 2\n")
    (example,) = blocks("how-to/remotes.md", "yaml")
    project = loader.parse(example.encode()).project
    assert [remote.name for remote in project.remotes] == ["default", "backup"]


def test_every_documented_remote_names_its_package() -> None:
    from git_spacy.storage.fsspec_remote import EXTRAS
    from git_spacy.storage.remote import SCHEMES

    text = (REPOSITORY / "docs/how-to/remotes.md").read_text()
    documented = dict(re.findall(r"\| `(\w+)://[^|]*\| `pip install '\.\[(\w+)\]'`", text))
    assert documented.items() <= EXTRAS.items()
    assert set(documented.values()) == set(EXTRAS.values())
    assert set(SCHEMES) == {*EXTRAS, "file"}
    extras = re.findall(r"^(\w+) = \[", (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert set(documented.values()) <= set(extras)


def test_a_repository_is_set_up_and_the_changes_are_undone(first_steps: Path) -> None:
    (lines,) = blocks("how-to/set-up-a-repository.md", "sh")
    assert all(done.stdout for done in run_lines(lines, first_steps))
    assert not (first_steps / ".gitattributes").exists()
    from git_spacy.setup.changes import DEFAULT, STEPS

    text = (REPOSITORY / "docs/how-to/set-up-a-repository.md").read_text()
    documented = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert sorted(documented) == sorted(STEPS)
    assert set(STEPS) - set(DEFAULT) == {"display"}


def test_commands_run_in_parallel_and_for_each_value_of_a_matrix(
    tmp_path: Path, first_steps: Path
) -> None:
    several, matrix, *_ = blocks("how-to/parallel.md", "sh")
    run_lines(several, first_steps)
    done = run_lines(matrix, first_steps)[-1]
    assert done.stderr.endswith("ran 3, skipped 0\n")
    text = (first_steps / "project.lock").read_text()
    assert "report --vars.least 3:\n  cmd: " in text
    example = blocks("how-to/parallel.md", "yaml")[0]
    edited = yaml.safe_load((first_steps / "project.yml").read_text())["commands"]
    assert yaml.safe_load(example) == [edited[1]]


def test_completion_is_turned_on(
    tmp_path: Path, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(tmp_path / "bin", monkeypatch)
    lines = blocks("how-to/install.md", "sh")[-1]
    assert shell(lines, tmp_path).returncode == 0
    link = sealed / ".local/share/bash-completion/completions/git-spacy"
    assert str(link.readlink()) == f"{sys.prefix}/share/bash-completion/completions/git-spacy"
