"""`git spacy update` for a project whose template comes with git-spacy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_spacy import templates
from tests.testing.projects import Spacy
from tests.testing.repositories import commit, git


@pytest.fixture
def newer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of the templates of a git-spacy that is newer than the project's."""

    folder = tmp_path / "templates"
    shutil.copytree(templates.__path__[0], folder)
    monkeypatch.setattr("git_spacy.templates._TEMPLATES", folder)
    return folder


@pytest.mark.parametrize("name", ["ner_fashion", "integrations/wandb"])
def test_the_template_of_the_installed_version_is_merged(
    tmp_path: Path, spacy: Spacy, newer: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert spacy("clone", name, "mine", cwd=tmp_path).code == 0
    mine = tmp_path / "mine"
    readme = (mine / "README.md").read_text()
    commit(mine, {"README.md": readme + "\nMine.\n"}, "Mine")
    assert spacy("update", cwd=mine).out.startswith("Up to date with embedded:git-spacy@")

    file = newer / "ner_fashion/scripts/preprocess.py"
    text = file.read_text()
    for version, changed in (("998.0", f"# first\n{text}"), ("999.0", f"# first\n{text}# last\n")):
        monkeypatch.setattr("git_spacy.setup.embedded.__version__", version)
        file.write_text(changed)
        assert spacy("update", "--check", cwd=mine).code == 1
        done = spacy("update", cwd=mine)
        assert done.code == 0, done
        assert f"to embedded:git-spacy@{version}\n" in done.out
        assert (mine / "scripts/preprocess.py").read_bytes() == file.read_bytes()
        assert (mine / "README.md").read_text() == readme + "\nMine.\n"
        assert git(mine, "show", "--name-only", "--format=") == "scripts/preprocess.py"
        assert spacy("update", "--check", cwd=mine).code == 0
    assert spacy("update", "--to", "main", cwd=mine).code == 2
    monkeypatch.setattr("git_spacy.setup.embedded.__version__", "997.0")
    older = spacy("update", cwd=mine)
    assert older.code == 2
    assert "the template is from git-spacy 99" in older.err


def test_a_first_commit_with_edits_is_not_taken_for_the_template(
    tmp_path: Path, spacy: Spacy, newer: Path
) -> None:
    """Merging with it as the base would undo the edits."""

    assert spacy("clone", "ner_fashion", "mine", cwd=tmp_path).code == 0
    mine = tmp_path / "mine"
    (mine / "README.md").write_text("# Mine\n")
    git(mine, "commit", "-q", "-a", "--amend", "--no-edit")
    (newer / "ner_fashion/README.md").write_text("# New\n")
    done = spacy("update", cwd=mine)
    assert done.code == 2
    assert "does not have the template's files as they were" in done.err
    assert (mine / "README.md").read_text() == "# Mine\n"
