"""Threat model: large-outputs: large outputs and many files take little memory."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import fingerprint
from git_spacy.storage import archive
from tests.storage.conftest import Shared, run_measured

PARTS = 75 if "GIT_SPACY_STRESS" in os.environ else 30  # of 4 MB each: 300 MB or 120 MB


@pytest.mark.threat("large-outputs", commands="pull push")
@pytest.mark.slow
def test_large_outputs_are_streamed(shared: Shared) -> None:
    with open(shared.made / "model/large", "wb") as stream:
        for _ in range(PARTS):
            stream.write(os.urandom(4 << 20))
    assert shared.spacy("lock", "record", "train", cwd=shared.made).code == 0
    code, peak, seconds, err = run_measured("push", cwd=shared.made)
    assert code == 0, err
    assert peak < 100
    code, peak, pulled, err = run_measured("pull", cwd=shared.clone)
    assert code == 0, err
    assert peak < 100
    print(f"push {seconds:.1f} s, pull {pulled:.1f} s, {peak:.0f} MB")
    found = [fingerprint(root, "model") for root in (shared.made, shared.clone)]
    assert found[0] == found[1]


@pytest.mark.slow
def test_many_files_take_little_memory(shared: Shared) -> None:
    model = shared.made / "model"
    for folder in range(100):
        (model / f"{folder}").mkdir()
        for number in range(200):
            (model / f"{folder}/a-name-of-some-length-{number}").touch()
    assert shared.spacy("lock", "record", "train", cwd=shared.made).code == 0
    for verb, root in (("push", shared.made), ("pull", shared.clone)):
        code, peak, _, err = run_measured(verb, cwd=root)
        assert code == 0, err
        assert peak < 100


def test_an_archive_can_be_read_by_tarfile_and_names_no_user(tmp_path: Path) -> None:
    (tmp_path / "out/ü").mkdir(parents=True)
    (tmp_path / "out/ü/b").write_text("1")
    (tmp_path / "out/link").symlink_to("ü/b")
    path = ProjectPath("./out", "out")
    found = fingerprint(tmp_path, "out")
    assert found
    read: list[int] = []
    with open(tmp_path / "archive", "wb") as stream:
        archive.pack(tmp_path, path, found.digest, stream, read.append)
    assert sum(read) == 2
    with tarfile.open(tmp_path / "archive") as tar:
        assert tar.getnames() == ["out", "out/link", "out/ü", "out/ü/b"]
        assert [member.uname for member in tar] == [""] * 4, "the archive must not name a user"
