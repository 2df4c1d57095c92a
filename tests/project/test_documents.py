"""The cache of parsed documents: it is right or it is not used, whatever happened to its files."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_spacy.errors import GitSpacyError, Refused
from git_spacy.lock import lock_format
from git_spacy.project import documents, loader, yaml
from tests.testing.examples import examples
from tests.testing.faults import failing, on_full_disk
from tests.testing.projects import Spacy, process, two_steps
from tests.testing.repositories import git, write

TEXT = b"""\
# a comment
title: &title "caf\\u00e9"
vars: {yes: true, none: ~, int: 0x1F, float: 1.5e3, negative: -0.0, long: 12345678901234567890}
base: &base {deps: [a, 'b']}
commands:
- <<: *base
  name: one
  help: *title
  script: ["echo ${vars.int}"]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spacy"


def cached_file(folder: Path) -> Path:
    (file,) = (folder / "documents").iterdir()
    return file


def warm(folder: Path, data: bytes = TEXT) -> Path:
    """Fill the cache with `data`, and return the file."""

    with documents.cached(folder):
        documents.parse(data, "project.yml")
    return cached_file(folder)


def no_parser(data: bytes, file: str) -> Any:
    raise AssertionError("parsed again")


def test_a_document_is_the_same_from_the_cache(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed = yaml.parse_document(TEXT, "project.yml")
    warm(folder)
    monkeypatch.setattr(yaml, "parse_document", no_parser)
    with documents.cached(folder):
        assert repr(documents.parse(TEXT, "project.yml")) == repr(parsed)
    with pytest.raises(AssertionError, match="parsed again"):  # after the block
        documents.parse(TEXT, "project.yml")


@pytest.mark.parametrize(
    "text", [b"a: [", b"", b"a: 1\na: 2", b"a: !x 1", b"\xff", b"a: .nan", b"1: a", b"a: '\x00'"]
)
def test_a_document_with_a_problem_or_without_a_value_is_not_stored(
    folder: Path, text: bytes
) -> None:
    with documents.cached(folder):
        first, second = (documents.parse(text, "project.yml") for _ in range(2))
    assert repr(first) == repr(second) == repr(yaml.parse_document(text, "project.yml"))
    assert not folder.exists() or not any((folder / "documents").iterdir())


def test_no_changed_byte_and_no_missing_end_changes_the_document(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = warm(folder)
    right, parsed = file.read_bytes(), yaml.parse_document(TEXT, "project.yml")
    monkeypatch.setattr(documents, "_write", lambda *_: None)
    calls = []
    monkeypatch.setattr(yaml, "parse_document", lambda *_: calls.append(1) or parsed)
    wrong = [right[:end] for end in range(len(right))]
    for index in range(len(right)):
        for flipped in (right[index] ^ 1, right[index] ^ 0x80):
            wrong.append(right[:index] + bytes([flipped]) + right[index + 1 :])
    with documents.cached(folder):
        for content in (*wrong, right + b" ", b"", b"\n", right * 2):
            file.write_bytes(content)
            assert documents.parse(TEXT, "project.yml") == parsed
    assert len(calls) == len(wrong) + 4


def test_the_file_of_another_document_is_not_used(folder: Path) -> None:
    other = warm(folder, b"title: other").read_bytes()
    cached_file(folder).unlink()
    warm(folder).write_bytes(other)
    with documents.cached(folder):
        node, _ = documents.parse(TEXT, "project.yml")
    assert documents.to_plain(node)["title"] == "café"


@pytest.mark.parametrize(("name", "value"), [("__version__", "9"), ("_FORMAT", 9), ("_PARSER", "")])
def test_another_version_does_not_use_what_this_one_wrote(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: Any
) -> None:
    warm(folder)
    monkeypatch.setattr(documents, name, value)
    monkeypatch.setattr(yaml, "parse_document", no_parser)
    with documents.cached(folder), pytest.raises(AssertionError, match="parsed again"):
        documents.parse(TEXT, "project.yml")


def forge(folder: Path, content: bytes) -> None:
    """Replace the content of the only file in the cache, with the right checksum."""

    file = cached_file(folder)
    file.write_bytes(documents._checksum(file.name, content) + b"\n" + content)


@pytest.mark.threat("hostile-values", commands="check status")
@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"null", b'["a"]', b'["a",1,1,null,1]', b'["a","x",1,null,1,""]', b"[" * 100_000,
        b'[["a"],1,1,null,1,""]', b'[{"a":1},1,1,null,1,""]', b'["a",1e999,1,null,1,""]',
        b'["a",1,1,[1],1,""]', b'["a",1,1,{"a":1,"b":2},1,""]', b"\xff", b'["a",1,1,7,1,""]',
    ],
)  # fmt: skip
def test_what_is_not_a_document_is_not_used_even_with_the_right_checksum(
    folder: Path, content: bytes
) -> None:
    warm(folder)
    forge(folder, content)
    with documents.cached(folder):
        assert documents.parse(TEXT, "project.yml") == yaml.parse_document(TEXT, "project.yml")


@pytest.mark.threat("hostile-values", commands="check status")
def test_a_forged_document_passes_no_check_of_paths_or_digests(folder: Path) -> None:
    """Values are checked after the cache, so it cannot bring in what project.yml may not have."""

    text = b"assets: [{dest: inside}]\n"
    file = warm(folder, text)
    forge(folder, file.read_bytes().partition(b"\n")[2].replace(b'"inside"', b'"../out"'))
    with documents.cached(folder):
        project = loader.parse(text).project
    assert project.assets[0].dest.outside
    text = b"assets: [{dest: inside}]\n"
    forge(folder, file.read_bytes().partition(b"\n")[2].replace(b'"../out"', b'".git/x"'))
    with documents.cached(folder), pytest.raises(Refused):
        loader.parse(text)
    file.unlink()
    lock = b"one: {cmd: x, script: [], deps: [{path: a, md5: " + b"a" * 32 + b"}], outs: []}\n"
    file = warm(folder, lock)
    forge(folder, file.read_bytes().partition(b"\n")[2].replace(b'"' + b"a" * 32, b'"../../x'))
    with documents.cached(folder), pytest.raises(GitSpacyError, match="md5"):
        lock_format.parse(lock)


def link(path: Path) -> None:
    """Make a link to a pipe, as one might to /dev/null so that nothing is remembered."""

    os.mkfifo(path.with_name("pipe"))
    path.symlink_to("pipe")


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, link],
    ids=["folder", "pipe", "link"],
)
def test_what_is_not_a_regular_file_is_neither_read_nor_replaced(
    folder: Path, make: Callable[[Path], object]
) -> None:
    file = warm(folder)
    file.unlink()
    make(file)
    before = {path.name: path.lstat().st_ino for path in file.parent.iterdir()}
    with documents.cached(folder):
        assert documents.parse(TEXT, "project.yml") == yaml.parse_document(TEXT, "project.yml")
    assert {path.name: path.lstat().st_ino for path in file.parent.iterdir()} == before


@pytest.mark.threat("leaked-credentials", commands="status")
def test_a_document_with_a_password_is_not_remembered(folder: Path) -> None:
    text = b"assets: [{dest: a, url: 'https://me:hunter2@example.org/a'}]\n"
    with documents.cached(folder):
        assert documents.parse(text, "project.yml") == yaml.parse_document(text, "project.yml")
    assert not (folder / "documents").exists()


def test_no_text_is_no_document(folder: Path) -> None:
    with documents.cached(folder):
        assert documents.parse(b"", "project.yml") == yaml.parse_document(b"", "project.yml")


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", Path("/proc/1/spacy"), tmp_path / ("x" * 300)):
        with documents.cached(folder):
            assert documents.parse(TEXT, "project.yml")[0]


def test_the_cache_stays_small(folder: Path) -> None:
    with documents.cached(folder):
        for number in range(40):
            documents.parse(b"title: %d" % number, "project.yml")
        assert len(os.listdir(folder / "documents")) == documents._MAX_FILES
        documents.parse(b"title: " + b"x" * documents._MAX_FILE_BYTES, "project.yml")
    names = set(os.listdir(folder / "documents"))
    assert len(names) == documents._MAX_FILES
    assert documents._file_name(b"title: 39") in names, "the latest stay"


@pytest.mark.threat("torn-writes", commands="check")
@pytest.mark.parametrize("kills", [False, True])
def test_a_write_that_fails_or_is_killed_at_any_call_changes_no_document(
    folder: Path, kills: bool
) -> None:
    expected = repr(yaml.parse_document(TEXT, "project.yml"))

    def parse() -> int:
        with documents.cached(folder):
            return 0 if repr(documents.parse(TEXT, "project.yml")) == expected else 1

    number = 0
    while True:
        number += 1
        ended = failing(number, parse, kills=kills, code=errno.ENOSPC)
        assert ended.code == (None if kills and ended.was_touched else 0)
        assert parse() == 0
        (name,) = os.listdir(folder / "documents")
        assert not name.startswith("."), "a temporary file stays"
        if not ended.was_touched:
            break
        cached_file(folder).unlink()
    assert number > 4


@pytest.mark.threat("full-disks", commands="check")
@pytest.mark.parametrize("size", [0, 10, 100])
def test_a_full_disk_costs_only_time(folder: Path, size: int) -> None:
    def parse() -> int:
        with documents.cached(folder):
            return 0 if documents.parse(TEXT, "project.yml")[0] else 1

    assert on_full_disk(size, parse) == 0
    assert os.listdir(folder / "documents") == []


def test_processes_that_write_at_once_leave_only_right_files(folder: Path) -> None:
    texts = [b"title: %d" % number for number in range(24)]

    def parse_all(order: list[bytes]) -> int:
        with documents.cached(folder):
            for text in order * 2:
                node, _ = documents.parse(text, "project.yml")
                if documents.to_plain(node) != {"title": int(text[7:])}:
                    return 1
        return 0

    children = []
    for start in range(4):
        child = os.fork()
        if child == 0:
            os._exit(parse_all(texts[start * 6 :] + texts[: start * 6]))
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    for file in (folder / "documents").iterdir():
        assert documents._read(file), file.name
    assert parse_all(texts) == 0


FRAGMENTS = st.sampled_from((
    "title: x\n", "commands:\n", "- name: a\n", "  script: [echo]\n", "  deps: [a]\n", "vars: {a: 1}\n", "a", "b: ",
    "&x ", "*x", "<<: ", "- ", "  ", "\n", "'", '"', "{", "}", "[", "]", ", ", "# c\n", "|\n", ">-\n", "~", "true",
    "1.50", "1e3", "0o7", "-0.0", ".inf", ".nan", "!!str 1", "é", "\U0001f600", '"\\ud83d"', '"\\x85"', "\r\n", "\t",
))  # fmt: skip


@settings(max_examples=examples(150), deadline=None)
@given(st.lists(FRAGMENTS, max_size=24).map("".join))
def test_any_text_gives_the_same_with_a_warm_cache(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    """The same nodes and positions, and the same project or messages."""

    folder = tmp_path_factory.getbasetemp() / "documents-of-hypothesis"
    data = text.encode()
    expected, without = yaml.parse_document(data, "project.yml"), load(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        for _ in range(2):
            with documents.cached(folder):
                assert repr(documents.parse(data, "project.yml")) == repr(expected)
                assert load(data) == without


def load(data: bytes) -> str:
    try:
        return repr(loader.parse(data))
    except GitSpacyError as error:
        return repr(error.problems)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "begin")
    return root


@pytest.mark.parametrize("lines", ["", "Title: x\n", "unknown: x\n", "directories: x\n", "a: [\n"])
def test_commands_that_report_print_the_same_with_and_without_the_cache(
    root: Path, spacy: Spacy, lines: str
) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    write(root, {"project.yml": lines + (root / "project.yml").read_text()})
    git(root, "add", "-A")
    for words in (("status",), ("status", "--json"), ("check",), ("check", "--staged"), ()):
        cold, warm = (spacy(*words, cwd=root) for _ in range(2))
        assert (cold.code, cold.out, cold.err) == (warm.code, warm.out, warm.err)


@pytest.mark.threat("hostile-values", commands="run")
def test_a_forged_cache_does_not_decide_what_a_run_runs(root: Path, spacy: Spacy) -> None:
    """Only reports can be wrong if somebody else writes in .git."""

    assert spacy("run", "all", cwd=root).code == 0
    assert "stale" not in spacy("status", cwd=root).out
    for file in (root / ".git/spacy/documents").iterdir():
        nodes = json.loads(file.read_bytes().partition(b"\n")[2])
        if "commands" in nodes[0]:
            for command in nodes[0]["commands"][0]:
                command[0]["script"][0][0][0] = "touch OWNED"
        content = json.dumps(nodes).encode()
        file.write_bytes(documents._checksum(file.name, content) + b"\n" + content)
    assert "stale" in spacy("status", cwd=root).out, "the forgery works"
    assert spacy("run", "all", cwd=root).err.endswith("ran 0, skipped 2\n")
    for words in (("run", "all", "--force"), ("resolved",), ("document", "--stdout")):
        done = spacy(*words, cwd=root)
        assert done.code == 0
        assert "OWNED" not in done.out + done.err
    assert not (root / "OWNED").exists()


def test_a_shared_repository_has_files_that_the_group_may_replace(root: Path) -> None:
    git(root, "config", "core.sharedRepository", "group")
    assert process("status", cwd=root).code == 0
    folder = root / ".git/spacy/documents"
    assert folder.stat().st_mode & stat.S_IWGRP
    for file in folder.iterdir():
        assert file.stat().st_mode & stat.S_IWGRP
