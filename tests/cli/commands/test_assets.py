"""Tests of `git spacy assets`, run as a user would."""

from __future__ import annotations

import hashlib
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_spacy import cli
from git_spacy.assets.sources import http
from git_spacy.project.paths import ProjectPath
from git_spacy.state.run_lock import claim_paths, project_lock
from tests.testing.projects import Spacy, project
from tests.testing.repositories import write
from tests.testing.scripted import Answer, Scripted
from tests.testing.waiting import PATIENCE

DATA = b"some data\n" * 200
MD5 = hashlib.md5(DATA).hexdigest()


@pytest.fixture
def web() -> Iterator[Scripted]:
    with Scripted() as server:
        yield server


@pytest.fixture
def root(tmp_path: Path, web: Scripted) -> Path:
    """A project with an asset of each kind."""

    url = web.on("/x", Answer(DATA))
    return project(
        tmp_path / "project",
        f"""\
title: Assets
vars:
  name: x
assets:
  - dest: assets/train.jsonl
    url: {web.url}/${{vars.name}}
    checksum: {MD5}
  - dest: assets/dev.jsonl
    url: source.jsonl
  - dest: big/vectors.zip
    url: {url}
    extra: true
""",
        {"source.jsonl": DATA},
    )


def test_each_asset_gets_a_line_and_all_get_a_summary(root: Path, spacy: Spacy) -> None:
    done = spacy("assets", cwd=root)
    assert (done.code, done.out) == (0, "")
    *lines, summary = done.err.splitlines()
    assert sorted(lines) == [
        "fetched  assets/dev.jsonl (2.0 kB, unverified: no checksum)",
        "fetched  assets/train.jsonl (2.0 kB, md5 verified)",
    ]
    assert summary == "fetched 2, skipped 0; 1 more with --extra"
    assert spacy("assets", "--extra", cwd=root).err.splitlines() == [
        "skipped  assets/train.jsonl (already present, md5 verified)",
        "skipped  assets/dev.jsonl (already present, unverified: no checksum)",
        "fetched  big/vectors.zip (2.0 kB, unverified: no checksum)",
        "fetched 1, skipped 2",
    ]
    assert (root / "big/vectors.zip").read_bytes() == DATA


def test_assets_can_be_named_from_a_subfolder(root: Path, spacy: Spacy) -> None:
    (root / "assets").mkdir()
    assert spacy("assets", "dev.jsonl", cwd=root / "assets").code == 0
    assert spacy("assets", "assets/train.jsonl", cwd=root / "assets").code == 0
    assert spacy("assets", "../big", cwd=root / "assets").code == 0
    done = spacy("assets", "assets/tran.jsonl", cwd=root)
    assert done.code == 2
    assert "did you mean 'assets/train.jsonl'?" in done.err


def test_the_project_folder_can_be_the_last_argument(root: Path, spacy: Spacy) -> None:
    assert spacy("assets", root, cwd=root.parent).code == 0
    assert spacy("assets", "assets", "project", cwd=root.parent).code == 0
    assert spacy("assets", ".", cwd=root).code == 0


def test_variables_can_be_overridden(root: Path, spacy: Spacy, web: Scripted) -> None:
    web.on("/y", Answer(DATA))
    assert spacy("assets", "--vars.name", "y", cwd=root).code == 0
    assert len(web.requests_for("/y")) == 1


def test_a_failed_asset_is_reported_with_its_line_in_project_yml(
    root: Path, spacy: Spacy, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT", 0.001)
    web.on("/x", Answer(b"", 503))
    done = spacy("assets", cwd=root)
    assert done.code == 4
    assert "failed   assets/train.jsonl\n" in done.err
    assert "fetched  assets/dev.jsonl" in done.err
    assert "assets/train.jsonl: the server responded 503 " in done.err
    assert "; trying again in 0.0 s" in done.err
    assert "fetched 1, skipped 0, failed 1" in done.err
    assert "project.yml:5: error: asset 'assets/train.jsonl': the server responded 503" in done.err
    assert "hint: " in done.err


def test_assets_that_fail_for_one_cause_get_one_error(
    tmp_path: Path, spacy: Spacy, web: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four assets without a network: one retry line, one error and one hint per cause."""

    monkeypatch.setattr(http, "FIRST_WAIT", 0.001)
    for name in "abcd":
        web.on(f"/{name}", Answer(b"", 503))
    entries = [f"{{dest: {name}, url: '{web.url}/{name}'}}" for name in "abcd"]
    entries += [
        f"{{dest: {name}, git: {{repo: '{web.url}/{name}', branch: main, path: x}}}}"
        for name in "ef"
    ]
    root = project(tmp_path / "p", f"assets: [{', '.join(entries)}]\n")
    done = spacy("assets", cwd=root)
    assert done.code == 4
    assert done.err.count("trying again") == 1
    errors = [line for line in done.err.splitlines() if "error:" in line]
    assert len(errors) == done.err.count("hint:") == 2, done.err
    assert "error: assets 'a', 'b', 'c', 'd': the server responded 503" in errors[0]
    assert "error: assets 'e', 'f': " in errors[1]
    assert "/e" not in errors[1]  # the address of only one of them
    assert all(f"failed   {name}\n" in done.err for name in "abcdef")


def test_assets_that_must_not_be_replaced_share_one_command(tmp_path: Path, spacy: Spacy) -> None:
    text = "assets: [{dest: a, url: x}, {dest: b c, url: x}, {dest: d, url: x}]\n"
    root = project(tmp_path / "p", text, {"x": "x", "y": "y"})
    assert spacy("assets", cwd=root).code == 0
    (root / "project.yml").write_text(text.replace("url: x", "url: y"))
    for name in ("a", "b c", "d"):
        (root / name).write_text("mine")
    done = spacy("assets", cwd=root)
    assert done.code == 3
    assert [line for line in done.err.splitlines() if line.startswith("hint:")] == [
        "hint: move it, or replace it: git spacy assets --force a 'b c' d"
    ]
    assert spacy("assets", "--force", "a", "b c", "d", cwd=root).code == 0
    assert [(root / name).read_text() for name in ("a", "b c", "d")] == ["y"] * 3


@pytest.mark.threat("overwritten-work")
def test_a_folder_where_an_asset_is_a_file_is_moved_with_the_hint(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even --force deletes what is in it, so the hint does not name it."""

    md5 = hashlib.md5(b"x").hexdigest()
    text = f"assets: [{{dest: a, url: x}}, {{dest: b c, url: x, checksum: {md5}}}]\n"
    root = project(tmp_path / "p", text, {"x": "x", "a/1": "", "b c/it's": "mine", "sub/y": ""})
    monkeypatch.chdir(root / "sub")
    for force in ((), ("--force",)):
        done = spacy("assets", *force)
        assert done.code == 3
        hints = [line for line in done.err.splitlines() if line.startswith("hint:")]
        assert hints == [
            "hint: move it away: mv ../a ../a.old",
            "hint: move it away: mv '../b c' '../b c.old'",
        ]
    for hint in hints:
        subprocess.run(["sh", "-c", hint.removeprefix("hint: move it away: ")], check=True)
    assert spacy("assets").code == 0
    assert (root / "a").read_text() == (root / "b c").read_text() == "x"
    assert (root / "b c.old/it's").read_text() == "mine"


def test_the_assets_that_a_run_lacks_are_fetched_with_one_command(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = """\
assets: [{dest: a, url: x}, {dest: 'b c', url: x}, {dest: d, url: x, extra: true}]
commands:
  - {name: make, script: [make], outputs: [m, n]}
  - {name: use, script: ['true'], deps: [a, b c/1, m, n]}
  - {name: more, script: ['true'], deps: [a, 'b c', d]}
workflows: {all: [use], rest: [more]}
"""
    root = project(tmp_path / "p", text, {"x": "x"})
    assert spacy("run", "use", cwd=root).err.splitlines() == [
        "project.yml:4: error: missing dependencies of 'use': 'a', 'b c/1'",
        "hint: git spacy assets",
        "project.yml:4: error: missing dependencies of 'use': 'm', 'n'",
        "hint: git spacy run make",
    ]
    assert spacy("run", "rest", cwd=root).err.splitlines() == [
        "project.yml:5: error: missing dependencies of 'more': 'a', 'b c', 'd'",
        "hint: git spacy assets a 'b c' d",
    ]
    assert spacy("assets", "a", "b c", "d", cwd=root).code == 0
    assert spacy("run", "rest", cwd=root).code == 0


def test_a_missing_private_asset_is_reported(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", "assets:\n  - dest: mine\n    description: ask Ann\n")
    done = spacy("assets", cwd=root)
    assert done.code == 1
    assert done.err.startswith("missing  mine")
    assert "fetched 0, skipped 0, missing 1" in done.err
    assert "ask Ann" in done.err
    write(root, {"mine": "x"})
    assert spacy("assets", cwd=root).code == 0


def test_without_assets_nothing_is_fetched(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", "title: nothing\n")
    done = spacy("assets", cwd=root)
    assert (done.code, done.err) == (0, "fetched 0, skipped 0\n")
    root = project(tmp_path / "p", "assets: [{dest: x, url: y, extra: true}]\n")
    done = spacy("assets", cwd=root)
    assert done.code == 0
    assert "1 more with --extra" in done.err


def test_credentials_in_urls_are_redacted(root: Path, spacy: Spacy, web: Scripted) -> None:
    url = web.url.replace("://", "://user:s3cret@") + "/gone?token=s3cret"
    project(root, f"assets: [{{dest: x, url: '{url}'}}]\n")
    done = spacy("assets", cwd=root)
    assert done.code == 4
    assert "s3cret" not in done.out + done.err
    url = f"ftp://user:s3cret@{web.port}/gone?token=s3cret"
    project(root, f"assets: [{{dest: x, url: '{url}'}}]\n")
    assert "s3cret" not in spacy("assets", cwd=root).err


def test_no_wait_exits_with_75_while_another_run_holds_the_lock(root: Path, spacy: Spacy) -> None:
    dest = ProjectPath("assets", "assets")
    claims = [claim_paths(root, [dest])]
    with project_lock(root, {}, claims, command_line="x", waiting=print):
        assert spacy("assets", "--no-wait", cwd=root).code == 75
    assert spacy("assets", "--no-wait", cwd=root).code == 0


def start(root: Path, **options: object) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])}
    environ.pop("NO_COLOR", None)
    environ["TERM"] = "xterm"
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        (sys.executable, "-m", "git_spacy", "assets"), cwd=root, env=environ, **options
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_fetch_with_its_exit_code(root: Path, web: Scripted, number: int) -> None:
    web.on("/x", Answer(DATA, stall=100))
    write(root, {"assets/train.jsonl": b"old"})
    with start(root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert web.idle.wait(PATIENCE)
        child.send_signal(number)
        assert child.wait(PATIENCE) == 128 + number
        assert child.stderr is not None
        assert b"Traceback" not in child.stderr.read()
    assert (root / "assets/train.jsonl").read_bytes() == b"old"
    assert sorted(os.listdir(root / "assets")) in (
        ["train.jsonl"], ["dev.jsonl", "train.jsonl"]
    )  # fmt: skip


def test_a_terminal_shows_progress_bars(root: Path, web: Scripted) -> None:
    web.on("/x", Answer(DATA))
    ours, theirs = pty.openpty()
    with start(root, stdout=theirs, stderr=theirs, stdin=subprocess.DEVNULL) as child:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # Linux: the other end of the terminal is closed
                break
            if not piece:
                break
            shown += piece
        assert child.wait(PATIENCE) == 0
    os.close(ours)
    assert b"fetched  assets/train.jsonl (2.0 kB, md5 verified)" in shown
    assert b"fetched 2" in shown
    assert b"\x1b[" in shown  # a bar was drawn, and taken away again
