"""Digests of files and folders, compared with those of weasel."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from git_spacy.errors import Refused
from git_spacy.state.hashing import files_below, fingerprint
from tests.testing.examples import examples
from tests.testing.repositories import write

weasel_hashing = pytest.importorskip("weasel.util.hashing")

names = st.lists(
    st.sampled_from(["a", "B", "a.txt", "a-b", "é", "0", ".hidden"]), min_size=1, max_size=3
).map("/".join)


@settings(max_examples=examples(60), suppress_health_check=list(HealthCheck))
@given(st.dictionaries(names, st.binary(max_size=3), max_size=6))
def test_any_folder_has_the_md5_that_weasel_computes(
    tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    root = tmp_path_factory.mktemp("tree")
    (root / "d").mkdir()
    for name, content in contents.items():
        try:
            write(root, {f"d/{name}": content})
        except (NotADirectoryError, FileExistsError, IsADirectoryError):
            continue
    found = fingerprint(root, "d")
    assert found is not None
    assert found.digest == weasel_hashing.get_checksum(root / "d")


def test_a_file_an_empty_folder_and_a_missing_path(tmp_path: Path) -> None:
    write(tmp_path, {"file": "x"})
    (tmp_path / "empty").mkdir()
    file, empty = fingerprint(tmp_path, "file"), fingerprint(tmp_path, "empty")
    assert file is not None
    assert empty is not None
    assert (file.digest, file.names, file.size) == (
        weasel_hashing.get_checksum(tmp_path / "file"),
        "",
        1,
    )
    assert (empty.digest, empty.size) == (weasel_hashing.get_checksum(tmp_path / "empty"), 0)
    assert fingerprint(tmp_path, "nothing") is None


def test_folders_with_the_same_contents_differ_in_their_names(tmp_path: Path) -> None:
    write(tmp_path, {"one/a": "1", "one/b": "2", "two/a": "1", "two/c": "2"})
    first, second = fingerprint(tmp_path, "one"), fingerprint(tmp_path, "two")
    assert first is not None
    assert second is not None
    assert first.digest == second.digest
    assert first.names != second.names


def test_file_names_that_are_not_utf8_are_hashed(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / os.fsdecode(b"\xff\xfe")).write_text("x")
    assert fingerprint(tmp_path, "d") is not None


def test_a_path_that_is_neither_file_nor_folder_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(Refused, match="neither a file nor a folder"):
        files_below(tmp_path, "fifo")
    (tmp_path / "d").mkdir()
    os.mkfifo(tmp_path / "d/fifo")
    assert files_below(tmp_path, "d") == [], "inside a folder it is skipped, as in weasel"


def test_the_digest_uses_the_requested_algorithm(tmp_path: Path) -> None:
    write(tmp_path, {"d/a": "1", "d/b": "2"})
    for algorithm in ("md5", "sha256"):
        found = fingerprint(tmp_path, "d", algorithm)
        assert found is not None
        assert (found.digest, found.size) == (hashlib.new(algorithm, b"12").hexdigest(), 2)


def test_a_link_to_a_file_counts_as_the_file_at_any_depth(tmp_path: Path) -> None:
    write(tmp_path, {"real": "real", "other/x": "x", "d/a": "a"})
    (tmp_path / "d/deep").mkdir()
    (tmp_path / "d/deep/link").symlink_to("../../real")
    (tmp_path / "d/folder").symlink_to("../other")
    (tmp_path / "d/nowhere").symlink_to("gone")
    files = files_below(tmp_path, "d")
    assert files is not None
    assert [file.name for file in files] == ["a", "deep/link"]
    assert files[1].size == 4
    found = fingerprint(tmp_path, "d")
    assert found is not None
    assert (found.digest, found.size) == (hashlib.md5(b"areal").hexdigest(), 5)


def test_a_link_out_of_the_project_counts_as_the_file_that_it_leads_to(tmp_path: Path) -> None:
    write(tmp_path, {"data/file": "s", "p/d/deep/a": "a"})
    (tmp_path / "p/d/deep/link").symlink_to(tmp_path / "data/file")
    (tmp_path / "p/d/deep/folder").symlink_to(tmp_path / "data")  # skipped, as in weasel
    found = fingerprint(tmp_path / "p", "d")
    assert found is not None
    assert found.digest == hashlib.md5(b"as").hexdigest()
