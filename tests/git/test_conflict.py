"""Files of a commit or of a conflict that are too large: known by their size, and never read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.git import commits, unmerged
from tests.git.test_notes import opened
from tests.testing.repositories import commit, git, repository


def test_a_side_of_a_conflict_that_is_too_large_is_refused_and_the_hint_settles_it(
    tmp_path: Path,
) -> None:
    made = repository(tmp_path / "r", {"project.lock": "base\n"})
    git(made, "checkout", "-q", "-b", "other")
    commit(made, {"project.lock": "x" * 1000})
    git(made, "checkout", "-q", "-")
    commit(made, {"project.lock": "ours\n"})
    assert subprocess.run(("git", "merge", "-q", "other"), cwd=made, check=False).returncode == 1
    found = unmerged.stages(opened(made), "project.lock", 1000)
    assert found == {1: b"base\n", 2: b"ours\n", 3: b"x" * 1000}
    with pytest.raises(
        InvalidInput, match="their side has 1,000 bytes; the limit is 999"
    ) as caught:
        unmerged.stages(opened(made), "project.lock", 999)
    subprocess.run(("sh", "-c", caught.value.problems[0].hint), cwd=made, check=True)
    assert unmerged.stages(opened(made), "project.lock", 999) == {}
    assert (made / "project.lock").read_text() == "ours\n"


def test_a_file_of_a_commit_that_is_too_large_counts_as_missing(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"project.lock": "x" * 1000})
    head = git(made, "rev-parse", "HEAD")
    assert commits.blobs(opened(made), [head], "project.lock", 1000)[head]
    assert commits.blobs(opened(made), [head], "project.lock", 999) == {head: ""}
