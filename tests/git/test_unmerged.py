"""Large files in a conflict or in a commit are recognized by their size, and not read."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.git import commits, unmerged
from tests.git.test_notes import discover
from tests.testing.repositories import commit, git, repository


def test_large_side_of_a_conflict_is_refused_and_the_hint_resolves_it(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"project.lock": "base\n"})
    git(root, "checkout", "-q", "-b", "other")
    commit(root, {"project.lock": "x" * 1000})
    git(root, "checkout", "-q", "-")
    commit(root, {"project.lock": "ours\n"})
    assert subprocess.run(("git", "merge", "-q", "other"), cwd=root, check=False).returncode == 1
    stages = unmerged.read_stages(discover(root), "project.lock", 1000)
    assert stages == {1: b"base\n", 2: b"ours\n", 3: b"x" * 1000}
    with pytest.raises(
        InvalidInput, match="their side has 1,000 bytes; the limit is 999"
    ) as caught:
        unmerged.read_stages(discover(root), "project.lock", 999)
    subprocess.run(("sh", "-c", caught.value.problems[0].hint), cwd=root, check=True)
    assert unmerged.read_stages(discover(root), "project.lock", 999) == {}
    assert (root / "project.lock").read_text() == "ours\n"


def test_large_file_in_a_commit_counts_as_missing(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"project.lock": "x" * 1000})
    head = git(root, "rev-parse", "HEAD")
    assert commits.blob_ids(discover(root), [head], "project.lock", 1000)[head]
    assert commits.blob_ids(discover(root), [head], "project.lock", 999) == {head: ""}
