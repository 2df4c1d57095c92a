"""Tests of `git spacy assets --update`."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.assets.conftest import md5
from tests.testing.archives import tar_of
from tests.testing.projects import Spacy, project, snapshot, write
from tests.testing.repositories import git, repository
from tests.testing.scripted import Answer, Scripted
from tests.testing.terminal import at_terminal, wait_for_exit

PROJECT = """\
# data of the project
title: "t"
assets:
  - dest: a.txt      # the first
    url: source.txt
    checksum: 'OLD'  # as published
  - {dest: b.txt, url: source.txt}
  - {dest: c.txt, url: source.txt, checksum: "sha256:SHA"}
  - dest: folder
    url: source.tar
    extract: true
  - dest: later.txt
    url: source.txt
    extra: true
  - dest: private.txt
    checksum: OLD
"""
DATA = b"data\n"
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    text = PROJECT.replace("OLD", "f" * 32).replace("SHA", "e" * 64)
    root = project(repository(tmp_path / "p"), text)
    (root / "source.txt").write_bytes(DATA)
    (root / "source.tar").write_bytes(tar_of({"x": b"1"}))
    (root / "private.txt").write_text("mine")
    return root


def test_the_checksums_of_what_the_sources_have_are_written(root: Path, spacy: Spacy) -> None:
    (root / "a.txt").write_text("another")
    before = (root / "project.yml").read_text()
    refused = spacy("assets", "a.txt", cwd=root)
    assert refused.code == 4
    assert "hint: if it changed on purpose: git spacy assets --update a.txt\n" in refused.err

    files = snapshot(root)
    dry = spacy("assets", "--update", "--dry-run", cwd=root)
    assert dry.code == 0, dry.err
    assert snapshot(root) == files
    assert "would change 4 checksums in project.yml" in dry.err

    done = spacy("assets", "--update", cwd=root)
    assert done.code == 0, done.err
    assert done.out == dry.out == (
        f"a.txt: {'f' * 32} → {md5(DATA)}\n"
        f"b.txt: no checksum → {md5(DATA)}\n"
        f"c.txt: sha256:{'e' * 64} → sha256:{SHA256}\n"
        f"folder: no checksum → {md5(tar_of({'x': b'1'}))}\n"
    )  # fmt: skip
    assert (root / "a.txt").read_bytes() == DATA
    expected = before.replace(f"'{'f' * 32}'", f"'{md5(DATA)}'").replace("e" * 64, SHA256)
    expected = expected.replace(
        "b.txt, url: source.txt}", f"b.txt, url: source.txt, checksum: '{md5(DATA)}'}}"
    )
    archive = f"    url: source.tar\n    checksum: '{md5(tar_of({'x': b'1'}))}'\n"
    expected = expected.replace("    url: source.tar\n", archive)
    assert (root / "project.yml").read_text() == expected

    states = json.loads(spacy("status", "--json", cwd=root).out)["assets"]
    assert [asset["state"] for asset in states] == [
        *["verified"] * 4, "missing", "checksum_mismatch"
    ]  # fmt: skip
    again = spacy("assets", "--update", cwd=root)
    assert again.out == ""
    assert "changed 0 checksums in project.yml" in again.err
    assert (root / "project.yml").read_text() == expected


def test_a_terminal_is_told_once_how_to_record_checksums(root: Path) -> None:
    hint = "to record the checksums of what was fetched: git spacy assets --update b.txt"
    code, shown = wait_for_exit(*at_terminal(root, "assets", "b.txt"))
    assert code == 0, shown
    assert hint in shown
    code, shown = wait_for_exit(*at_terminal(root, "assets", "b.txt"))
    assert code == 0, shown
    assert "--update" not in shown


def test_a_private_asset_is_only_accepted_by_its_name(root: Path, spacy: Spacy) -> None:
    done = spacy("check", "assets", cwd=root)
    assert "to accept this one: git spacy assets --update private.txt" in done.out
    done = spacy("assets", "--update", "private.txt", cwd=root)
    assert done.code == 0, done.err
    assert done.out == f"private.txt: {'f' * 32} → {md5(b'mine')}\n"
    assert spacy("check", "assets", cwd=root).code == 0
    os.unlink(root / "private.txt")
    assert spacy("assets", "--update", "private.txt", cwd=root).code == 1


def test_assets_nested_in_an_extracted_folder_are_separate(tmp_path: Path, spacy: Spacy) -> None:
    outer = "{dest: data, url: source, extract: true}"
    inner = "{dest: data/in/x, url: inner}"
    root = project(tmp_path / "p", f"assets:\n- {inner}\n- {outer}\n", {"inner": "inner"})
    (root / "source").write_bytes(tar_of({"a": b"1", "in/x": b"of the archive"}))
    assert spacy("assets", cwd=root).code == 0
    assert (root / "data/in/x").read_text() == "inner"
    archive = tar_of({"a": b"2", "in/x": b"of the archive", "b": b"2"})
    (root / "source").write_bytes(archive)
    done = spacy("assets", "--update", "data/", cwd=root)
    assert done.code == 0, done.err
    assert done.out == f"data: no checksum → {md5(archive)}\n"
    assert (root / "data/in/x").read_text() == "inner"
    assert (root / "data/a").read_text() == (root / "data/b").read_text() == "2"
    states = json.loads(spacy("status", "--json", cwd=root).out)["assets"]
    assert [asset["state"] for asset in states] == ["unverified", "verified"]
    assert spacy("assets", "--update", "--extra", "data/in", cwd=root).code == 0


def test_what_cannot_be_changed_is_refused_before_anything_is_fetched(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = "vars: {sum: OLD}\nassets:\n- {dest: a, url: source, checksum: '${vars.sum}'}\n- {dest: b, url: source}\n"
    root = project(tmp_path / "p", text.replace("OLD", "f" * 32), {"source": "x"})
    before = snapshot(root)
    done = spacy("assets", "--update", cwd=root)
    assert done.code == 2
    assert "project.yml:3:" in done.err
    assert "the checksum comes from a variable: ${vars.sum}" in done.err
    assert snapshot(root) == before
    hint = "git spacy assets --update --dry-run a"
    assert hint in done.err
    assert spacy(*hint.split()[2:], cwd=root).out == f"a: {'f' * 32} → {md5(b'x')}\n"
    assert spacy("assets", "--update", "b", cwd=root).code == 0

    assert spacy("assets", "--update", "--vars.sum", "e" * 32, cwd=root).code == 2
    assert spacy("assets", "--dry-run", cwd=root).code == 2


def test_a_failed_fetch_leaves_its_file_and_checksum(
    tmp_path: Path, spacy: Spacy, web: Scripted
) -> None:
    url = web.on("/a", Answer(b"a"))
    gone = web.on("/b", Answer(status=404))
    page = web.on("/c", Answer(b"<!doctype html>", headers=(("Content-Type", "text/html"),)))
    assets = "".join(
        f"- {{dest: {dest}, url: '{source}', checksum: {'f' * 32}}}\n"
        for dest, source in (("a", url), ("b", gone), ("c", page))
    )
    root = project(tmp_path / "p", f"assets:\n{assets}", {"b": "old", "c": "old"})
    done = spacy("assets", "--update", cwd=root)
    assert done.code == 4
    assert done.out == f"a: {'f' * 32} → {md5(b'a')}\n"
    text = (root / "project.yml").read_text()
    assert text.count("f" * 32) == 2
    assert (root / "b").read_text() == (root / "c").read_text() == "old"


def test_the_checksum_of_a_git_folder_is_that_of_weasel(
    tmp_path: Path, spacy: Spacy, sealed: Path
) -> None:
    get_checksum = pytest.importorskip("weasel.util").get_checksum
    upstream = repository(
        tmp_path / "upstream", {"data/b": "2", "data/a/x": "1", "data/a.txt": "3"}
    )
    git(
        upstream,
        "config",
        "--file",
        str(sealed / ".gitconfig"),
        "spacy.allowLocalRepository",
        "true",
    )
    asset = f"- dest: data\n  git:\n    repo: {upstream}\n    path: data\n"
    root = project(tmp_path / "p", f"assets:\n{asset}")
    done = spacy("assets", "--update", cwd=root)
    assert done.code == 0, done.err
    checksum = get_checksum(root / "data")
    assert (root / "project.yml").read_text() == f"assets:\n{asset}  checksum: {checksum}\n"

    write(upstream, {"data/b": "4"})
    git(upstream, "commit", "-qam", "change")
    (root / "data/a.txt").write_text("edited")
    before = snapshot(root)
    assert spacy("assets", "--update", cwd=root).code == 3, "edits are not overwritten"
    assert snapshot(root) == before
    assert spacy("assets", "--update", "--force", cwd=root).code == 0
    assert get_checksum(root / "data") in (root / "project.yml").read_text()
    assert (root / "data/a.txt").read_text() == "3"


@pytest.mark.parametrize(
    ("edited", "written"),
    [
        ("assets:\n- {dest: new, url: b}\n- {dest: a, url: URL}\n",
         "assets:\n- {dest: new, url: b}\n- {dest: a, url: URL, checksum: NEW}\n"),
        ("assets:\n- {dest: b, url: b}  # mine\n- {url: URL, dest: ./a}\n",
         "assets:\n- {dest: b, url: b}  # mine\n- {url: URL, checksum: NEW, dest: ./a}\n"),
        ("assets:\n- {dest: a, checksum: OLD, url: URL}\n",
         "assets:\n- {dest: a, checksum: NEW, url: URL}\n"),
        ("vars: {c: OLD}\nassets:\n- {dest: a, url: URL, checksum: '${vars.c}'}\n", "a variable"),
        ("vars: {d: null}\nassets:\n- {dest: '${vars.d}/x', url: b}\n- {dest: a, url: URL}\n",
         "hint: git spacy assets --vars.d PATH"),
        ("assets:\n- {dest: b, url: b}\n- {dest: a, url: b}\n",
         "hint: git spacy assets --update a\n"),
        ("assets:\n- {dest: a, url: URL, extract: true}\n", "hint: git spacy assets --update a\n"),
        ("assets:\n- {dest: b, url: b}\n", "hint: fetch what project.yml has now: git spacy assets\n"),
        ("assets: [\n", "project.yml:1:10: error: '[' is not closed"),
    ],
)  # fmt: skip
def test_a_checksum_goes_to_its_asset_although_project_yml_is_edited_during_the_fetch(
    tmp_path: Path, spacy: Spacy, web: Scripted, edited: str, written: str
) -> None:
    """`written` is the text after that, or what the error says, with the text as it was edited."""

    def edit_and_serve(handler: Any) -> None:
        (root / "project.yml").write_text(edited)
        web.send_answer(handler, Answer(b"data"))

    url = web.on("/a", edit_and_serve)
    edited, written = (
        text.replace("URL", f"'{url}'").replace("OLD", "f" * 32).replace("NEW", md5(b"data"))
        for text in (edited, written)
    )
    root = project(tmp_path / "p", f"assets:\n- {{dest: a, url: '{url}'}}\n- {{dest: b, url: b}}\n")
    done = spacy("assets", "--update", "a", cwd=root)
    found = (root / "project.yml").read_text()
    if written.startswith(("assets", "vars")):
        assert (done.code, found) == (0, written), done.err
        assert done.out == f"a: no checksum → {md5(b'data')}\n"
    else:
        assert (done.code, found, done.out) == (2, edited, ""), done.err
        assert written in done.err
        assert (root / "a").read_bytes() == b"data"


def test_checksums_of_the_other_assets_are_written_if_one_was_edited(
    tmp_path: Path, spacy: Spacy, web: Scripted
) -> None:
    def edit_and_serve(handler: Any) -> None:
        text = (root / "project.yml").read_text()
        (root / "project.yml").write_text(text.replace("dest: a,", "dest: renamed,"))
        web.send_answer(handler, Answer(b"data"))

    url = web.on("/a", edit_and_serve)
    root = project(
        tmp_path / "p",
        f"assets:\n- {{dest: a, url: '{url}'}}\n- {{dest: b, url: source}}\n",
        {"source": "data"},
    )
    done = spacy("assets", "--update", cwd=root)
    assert done.code == 2
    assert done.out == f"b: no checksum → {md5(b'data')}\n"
    assert "project.yml: error: asset 'a': " in done.err
    assert f"dest: b, url: source, checksum: {md5(b'data')}" in (root / "project.yml").read_text()
    assert spacy("assets", cwd=root).code == 0, "the hint"
    assert spacy("assets", "--update", cwd=root).code == 0
