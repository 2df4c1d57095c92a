"""`git spacy update` gives what `git merge` gives in a repository that has the template's history."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.testing.projects import Spacy, snapshot
from tests.testing.repositories import GIT, commit, git
from tests.testing.template_history import EDITS, FOLDER, REVISIONS, build

# Each edit at one revision, which takes a few seconds; all of them take some minutes.
ALL = [(edit, revision) for edit in EDITS for revision in range(REVISIONS)]
SOME = [(edit, (11 * number) % 45) for number, edit in enumerate(EDITS)]


def result(repository: Path, folder: str) -> tuple[object, object]:
    """Return the files below a folder, without the labels of conflicts, and Git's conflicts."""

    files = {
        name: re.sub(rb"(?m)^([<>]{7}) .*$", rb"\1", text) if isinstance(text, bytes) else text
        for name, text in snapshot(repository / folder).items()
    }
    unmerged = git(repository, "ls-files", "-u").replace(f"\t{folder}/", "\t")
    return files, unmerged


def compare(tmp_path: Path, spacy: Spacy, edit: str, revision: int, source: Path) -> bool:
    """Update and merge, compare, and return whether there were conflicts."""

    place = tmp_path / f"{edit}-{revision}".replace(" ", "-")
    done = spacy("clone", "fashion", place, "--repo", source, "-b", f"r{revision}", cwd=tmp_path)
    assert done.code == 0, done.err
    EDITS[edit](place)
    commit(place, {}, edit)
    updated = spacy("update", "--to", "main", cwd=place)

    with_history = tmp_path / "with-history"
    git(with_history, "checkout", "-q", "-f", "--detach", f"r{revision}")
    EDITS[edit](with_history / FOLDER)
    commit(with_history, {}, edit)
    merge = (GIT, "merge", "-q", "main")
    subprocess.run(merge, cwd=with_history, capture_output=True, check=False)
    expected = result(with_history, FOLDER)
    assert result(place, "") == expected
    assert updated.code == (1 if expected[1] else 0), updated
    git(with_history, "reset", "-q", "--hard")
    return bool(expected[1])


@pytest.fixture
def source(tmp_path: Path, sealed: Path) -> Path:
    git(sealed, "config", "--global", "spacy.ignore", "false")
    source = build(tmp_path / "source")
    git(tmp_path, "clone", "-q", str(source), "with-history")
    return source


def test_typical_edits_are_updated_as_git_merges_them(
    tmp_path: Path, source: Path, spacy: Spacy
) -> None:
    conflicts = {edit for edit, at in SOME if compare(tmp_path, spacy, edit, at, source)}
    assert conflicts
    assert len(conflicts) < len(EDITS)
