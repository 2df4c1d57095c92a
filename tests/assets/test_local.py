"""Tests of assets that are local files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from git_spacy.files import open_beneath
from tests.testing.fetching import Fetcher
from tests.testing.repositories import git, repository

DATA = b"some data\n"
MD5 = hashlib.md5(DATA).hexdigest()


def test_a_file_of_the_project_is_copied(fetcher: Fetcher) -> None:
    (fetcher.root / "source.txt").write_bytes(DATA)
    fetcher.write_asset("deep/er/copy.txt", url="source.txt", checksum=MD5)
    assert fetcher.code() == 0
    assert (fetcher.root / "deep/er/copy.txt").read_bytes() == DATA
    assert not (fetcher.root / "deep/er/copy.txt").is_symlink()


def test_a_file_elsewhere_in_the_repository_is_copied(fetcher: Fetcher) -> None:
    repository(fetcher.root.parent, {"shared/x.txt": DATA})
    fetcher.write_asset("x.txt", url="../shared/x.txt")
    assert fetcher.code() == 0
    assert fetcher.files() == {"x.txt": DATA}


def test_a_wrong_or_missing_source_changes_nothing(fetcher: Fetcher) -> None:
    (fetcher.root / "source.txt").write_bytes(b"another")
    (fetcher.root / "x.txt").write_bytes(b"old")
    before = fetcher.files()
    fetcher.write_asset("x.txt", url="source.txt", checksum=MD5)
    assert fetcher.code() == 4
    fetcher.write_asset("x.txt", url="nowhere.txt", checksum=MD5)
    assert fetcher.code() == 4
    fetcher.write_asset("x.txt", url=".", checksum=MD5)
    assert fetcher.code() == 4
    assert fetcher.files() == before


@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
@pytest.mark.parametrize("allowed", [True, False])
def test_a_special_file_is_rejected_without_blocking(
    fetcher: Fetcher, kind: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = fetcher.root / "source"
    if allowed:
        fetcher.settings["spacy.allowlocalpath"] = "true"
    if kind == "fifo":
        os.mkfifo(source)
    elif kind == "socket":
        import socket

        monkeypatch.chdir(fetcher.root)
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("source")
    else:
        source = Path("/dev/zero")
    fetcher.write_asset("x", url=str(source) if kind == "device" else "source")
    assert fetcher.code() == (3 if kind == "device" and not allowed else 4)
    assert not (fetcher.root / "x").exists()


def test_a_file_in_the_git_folder_is_refused(fetcher: Fetcher) -> None:
    git(fetcher.root, "init", "-q")
    fetcher.write_asset("x", url=".git/config")
    assert fetcher.code() == 3
    os.symlink(".git/config", fetcher.root / "link")
    fetcher.write_asset("x", url="link")
    assert fetcher.code() == 3
    assert not (fetcher.root / "x").exists()


def test_a_link_inside_the_root_may_be_followed(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/x").write_bytes(DATA)
    (root / "inner").symlink_to("a")
    with open_beneath(root, "inner/x") as stream:
        assert stream.read() == DATA
