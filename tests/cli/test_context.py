"""The context of a command: the project is read when it is first used, and once."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from git_spacy.cli.context import CommandContext
from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from tests.testing.projects import Spacy, project, two_steps
from tests.testing.repositories import git


def test_nothing_is_read_before_it_is_used(tmp_path: Path) -> None:
    context = CommandContext(tmp_path)
    with pytest.raises(InvalidInput, match=r"no project\.yml"):
        assert context.root
    project(tmp_path, "title: a")
    assert context.project.title == "a"
    assert context.root == tmp_path


def test_project_yml_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So all steps of a command see the same project, even if an editor writes it meanwhile."""

    context = CommandContext(project(tmp_path, "vars: {n: 1}\ntitle: ${vars.n}"), {"vars.n": 2})
    reads = []
    read_bytes = loader.read_bytes
    monkeypatch.setattr(loader, "read_bytes", lambda root: reads.append(root) or read_bytes(root))
    assert context.project.title == "2"
    assert context.loaded.document["title"] == 2
    assert context.data.startswith(b"vars")
    assert context.project_with_variants().title == "2"
    assert reads == [tmp_path]


def test_the_folder_of_the_project_may_be_an_argument(tmp_path: Path) -> None:
    project(tmp_path / "p", "title: p")
    (tmp_path / "empty").mkdir()
    here = CommandContext(tmp_path, {"vars.n": 1})
    context, others = here.split_project_dir(("all", "p"))
    assert (context.root, context.cwd, others) == (tmp_path / "p", tmp_path, ("all",))
    assert context.variables == {"vars.n": 1}
    assert here.split_project_dir(("p", "all")) == (here, ("p", "all"))
    assert here.split_project_dir(("empty",)) == (here, ("empty",))
    assert here.only_project_dir(("p",)).root == tmp_path / "p"
    with pytest.raises(click.UsageError, match="'empty' is not a folder with"):
        here.only_project_dir(("empty",))
    for arguments in (("p", "all"), ("all", "p")):
        context, name = here.one_argument(arguments, "workflow")
        assert (context.root, name) == (tmp_path / "p", "all")
    with pytest.raises(click.UsageError, match="expected one workflow, got 2"):
        here.one_argument(("all", "test", "p"), "workflow")


def test_the_history_outside_a_project_is_that_of_the_repository(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not a Git repository"):
        CommandContext(tmp_path).open_history()
    git(tmp_path, "init", "-q")
    assert CommandContext(tmp_path).open_history()[1:] == (None, None)
    project(tmp_path / "p", "title: p")
    assert CommandContext(tmp_path / "p").open_history()[1:] == (tmp_path / "p", "p")


@pytest.mark.parametrize("command", ["push", "pull", "dvc", "graph"])
def test_the_folder_of_the_project_may_come_first_or_last(
    tmp_path: Path, spacy: Spacy, command: str
) -> None:
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    spacy("run", "all", cwd=root)
    name = str(tmp_path / "remote") if command in ("push", "pull") else "all"
    assert spacy("push", tmp_path / "remote", cwd=root).code == 0
    for arguments in ((name, "p"), ("p", name)):
        assert spacy(command, *arguments, cwd=tmp_path).code == 0
