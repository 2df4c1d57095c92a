"""The packages that Ray installs on its workers, from a requirements file of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, InvalidInput, Refused
from git_spacy.project.model import Resources
from git_spacy.run import ray_options
from git_spacy.run.ray_packages import read_requirements
from tests.testing.projects import project
from tests.testing.repositories import git, repository

FILE = """\
# comment
spacy>=3.7,<4   # another
  tomli ; python_version < "3.11"

--extra-index-url https://packages.example/simple
model @ https://models.example/model-1.0.whl#sha256=00
https://models.example/other-1.0.whl
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return project(repository(tmp_path / "r"), "title: x\n", {"requirements.txt": FILE})


def test_nothing_is_installed_unless_the_user_asks_for_it(root: Path) -> None:
    assert read_requirements(root) == ()
    assert "runtime_env" not in ray_options.task_options(Resources(), "c", ())
    git(root, "config", "spacy.rayRequirements", "")
    assert read_requirements(root) == ()


def test_ray_gets_the_lines_of_the_file_and_nothing_else(root: Path) -> None:
    git(root, "config", "spacy.rayRequirements", "./requirements.txt")
    lines = read_requirements(root)
    assert lines == (
        "spacy>=3.7,<4",
        'tomli ; python_version < "3.11"',
        "--extra-index-url https://packages.example/simple",
        "model @ https://models.example/model-1.0.whl#sha256=00",
        "https://models.example/other-1.0.whl",
    )
    options = ray_options.task_options(Resources(num_gpus=0.5), "c", lines)
    assert options["runtime_env"] == {"pip": list(lines)}, "no variables of the environment"
    assert options["num_gpus"] == 0.5


@pytest.mark.threat("paths-outside", "links-outside", commands="run")
@pytest.mark.parametrize(
    "name", ["../requirements.txt", "/etc/passwd", ".git/config", "link", "~/x"]
)
def test_a_file_outside_the_project_is_refused(root: Path, name: str) -> None:
    (root.parent / "requirements.txt").write_text("spacy")
    (root / "link").symlink_to(root.parent / "requirements.txt")
    git(root, "config", "spacy.rayRequirements", name)
    with pytest.raises(Refused):
        read_requirements(root)


def test_a_file_that_does_not_exist_is_an_error_whose_hint_works(root: Path) -> None:
    git(root, "config", "--global", "spacy.rayRequirements", "none.txt")
    with pytest.raises(InvalidInput, match="No such file") as caught:
        read_requirements(root)
    (problem,) = caught.value.problems
    assert problem.location == "git config spacy.rayRequirements"
    assert problem.hint == "to install nothing: git config spacy.rayRequirements ''"
    git(root, "config", "spacy.rayRequirements", "")
    assert read_requirements(root) == ()


@pytest.mark.parametrize(
    "line", ["-r more.txt", "-rmore.txt", "--requirement=x", "-c x", "-e .", ".", "./pkg", "../pkg",
             "/opt/x.whl", "x @ file:///opt/x.whl"],
)  # fmt: skip
def test_a_line_that_refers_to_a_file_is_an_error_with_its_line(root: Path, line: str) -> None:
    (root / "requirements.txt").write_text(f"spacy\n{line}\n")
    git(root, "config", "spacy.rayRequirements", "requirements.txt")
    with pytest.raises(InvalidInput, match="refers to a file") as caught:
        read_requirements(root)
    assert caught.value.problems[0].location == "requirements.txt:2"


@pytest.mark.threat("leaked-credentials", commands="run")
@pytest.mark.parametrize(
    "url", ["https://me:secret@host.example/simple", "https://host.example/x.whl?token=secret"]
)
def test_a_password_is_not_sent_to_the_cluster(root: Path, url: str) -> None:
    (root / "requirements.txt").write_text(f"--extra-index-url {url}\n")
    git(root, "config", "spacy.rayRequirements", "requirements.txt")
    with pytest.raises(Refused) as caught:
        read_requirements(root)
    assert caught.value.problems[0].location == "requirements.txt:1"
    assert "secret" not in str(caught.value)


def test_what_pip_says_is_part_of_the_error() -> None:
    kind = type("RuntimeEnvSetupError", (Exception,), {})
    text = (
        "Failed to set up runtime environment.\n[Node 1] Traceback\n  x\nERROR: No matching x\nmore"
    )
    error = ray_options.task_error("c", kind(text))
    assert isinstance(error, ExternalError)
    assert "Ray could not install packages for 'c': No matching x" in str(error)
    assert "Failed to set up" in str(ray_options.task_error("c", kind("Failed to set up")))
