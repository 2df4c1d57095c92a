"""Threat model: terminal-escapes, for every verb: no title, name, help, path, file name, commit, note, metric,
remote or server makes a terminal do anything. Each verb is run on a terminal, and with its output
taken, in a project that has an escape in all of these."""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest

from git_spacy import cli
from tests.testing.projects import Spacy, process, project
from tests.testing.repositories import git, write
from tests.testing.scripted import Answer, Scripted
from tests.testing.terminal import wait_for_exit
from tests.threats.inputs import ESCAPES, OTHERS, READS

# what may reach a terminal: colours, and the cursor of progress bars
_OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AKGJ])|[\r\n\t]")
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
IN_YAML = '"NAME\\e]0;owned\\a\\x9b2J\\u202e"'
IN_PATH = '"NAME\\x9b2J\\u202e"'  # of a path the lower ones are refused at load


def evil(name: str) -> str:
    return IN_YAML.replace("NAME", name)


def path(name: str) -> str:
    return IN_PATH.replace("NAME", name)


def text(server: str, remote: Path) -> str:
    return f"""\
title: {evil("title")}
description: {evil("about")}
vars: {{word: {evil("value")}, x: 1}}
env: {{who: {evil("WHO")}}}
remotes: {{{evil("other")}: {evil("/remote")}, default: {remote}}}
{evil("unknown key")}: 1
directories: [{path("folder")}]
assets:
  - {{dest: {path("private")}, description: {evil("help")}}}
  - {{dest: {path("gone")}, url: "{server}/gone"}}
  - {{dest: {path("wrong")}, url: "{server}/wrong", checksum: {"a" * 32}}}
commands:
  - name: {evil("make")}
    help: {evil("help")}
    script: [{evil("python make.py ")}]
    deps: [make.py, in]
    outputs: [{path("out")}]
    outputs_no_cache: [scores.json]
  - name: {evil("fail")}
    help: {evil("help")}
    script: ["python -c 'raise SystemExit(3)'"]
    deps: [{path("nowhere")}]
workflows:
  all: [{evil("make")}]
  {evil("flow")}: [{evil("fail")}]
"""


MAKE = """\
import json, pathlib, sys
pathlib.Path(OUT).write_text("made")
pathlib.Path("scores.json").write_text(json.dumps({NAME: 1.5, "loss": {NAME: 2}}))
"""


@pytest.fixture
def root(tmp_path: Path, web: Scripted) -> Path:
    """The project, run twice with something else in between, and what a stranger noted."""

    def gone(handler: object) -> None:
        handler.wfile.write(  # type: ignore[attr-defined]
            b"HTTP/1.1 404 " + ESCAPES.encode() + b"\r\nContent-Length: 0\r\n\r\n"
        )

    web.on("/gone", gone)
    web.on("/wrong", Answer(ESCAPES.encode()))
    make = MAKE.replace("OUT", ascii("out\x9b2J\u202e")).replace("NAME", ascii("metric" + ESCAPES))
    root = project(tmp_path / "p", text(web.url, tmp_path / "remote"), {"make.py": make})
    write(root, {f"in/{ESCAPES.replace('/', '')}": "x"})
    git(root, "init", "-q")
    for number in range(2):
        write(root, {"in/x": str(number)})
        git(root, "add", "-A")
        git(root, "commit", "-qm", f"subject {ESCAPES}", "--author", f"{ESCAPES} <a@b>")
        done = process("run", "all", cwd=root)
        assert done.code == 0, done.err
    note = json.loads(git(root, "notes", "--ref", "spacy", "show", "HEAD").splitlines()[0])
    for key in ("command", "project", "tree", "source", "script"):
        note[key] = [ESCAPES] if key == "script" else "" if key == "project" else ESCAPES
    note["vars"] = note["versions"] = {ESCAPES: ESCAPES}
    note["metrics"] = {ESCAPES: {ESCAPES: 1}}
    git(root, "notes", "--ref", "spacy", "append", "-m", json.dumps(note), "HEAD")
    return root


VERBS = (
    *READS, *OTHERS, "run", "run -h", "run all -h", "push -h", "graph -f mermaid", "graph -f dot",
    "graph -f svg", "document --stdout", "dvc --stdout", "ignore --stdout", "status --porcelain",
    "check --format json", "check --format github", "check --format gitlab", "diff HEAD~1", "show HEAD~1",
    "log --metric metric", "notes push", "notes pull", "lock resolve",
)  # fmt: skip
NAMED = (
    ("run", f"make{ESCAPES}"), ("run", f"fail{ESCAPES}"), ("run", f"fail{ESCAPES}", "-h"),
    ("run", f"none{ESCAPES}"), ("assets", f"gone{ESCAPES}"), ("assets", "gone\x9b2J\u202e"),
    ("push", f"other{ESCAPES}"), ("push", f"none{ESCAPES}"), ("pull", f"none{ESCAPES}"),
    ("show", f"none{ESCAPES}"), ("restore", f"none{ESCAPES}"), ("clone", f"none{ESCAPES}"),
    (f"none{ESCAPES}",), ("run", "all", f"--vars.{ESCAPES}", "x"), ("graph", f"flow{ESCAPES}"),
    ("graph", "-o", f"{ESCAPES}"), ("dvc", f"flow{ESCAPES}"), ("log", f"--command={ESCAPES}"),
    ("check", f"{ESCAPES}"), ("lock", "record", f"{ESCAPES}"), ("run", "all", "--matrix", f"{ESCAPES}=1"),
    ("run", "all", "--executor", f"{ESCAPES}"),
)  # fmt: skip


# what they print there is a file's own text, in which a path is what it is
FILES = ("dvc --stdout", "ignore --stdout")


def on_a_terminal(root: Path, words: tuple[str, ...]) -> tuple[int, str]:
    """The verb in a fork of this process, on a terminal of its own: the exit code, what is shown."""

    pid, terminal = pty.fork()
    if pid == 0:
        code = 99
        try:
            for number, name in enumerate(("stdin", "stdout", "stderr")):
                setattr(sys, name, open(number, "rww"[number]))  # noqa: SIM115
            code = cli.main(["-C", str(root), *words])
        finally:
            os._exit(code)
    return wait_for_exit(pid, terminal)


@pytest.mark.threat("terminal-escapes")
@pytest.mark.parametrize("where", ["on a terminal", "taken"])
def test_nothing_that_a_stranger_wrote_moves_a_terminal(
    root: Path, where: str, monkeypatch: pytest.MonkeyPatch, spacy: Spacy
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("GIT_PAGER", "cat")
    monkeypatch.delenv("NO_COLOR")
    found = {}
    for words in (*(tuple(line.split()) for line in VERBS if "ray" not in line), *NAMED):
        if where == "on a terminal":
            code, seen = on_a_terminal(root, words)
        else:
            code, *said = spacy(*words, cwd=root)
            seen = "" if " ".join(words) in FILES else "".join(said)
        assert code not in (70, 99), (words, seen)
        if left := _OBEYED.findall(_OWN.sub("", seen)):
            found[ascii(words)] = left
    assert found == {}


@pytest.mark.threat("terminal-escapes", commands="check log resolved status")
def test_what_machines_read_is_json_all_the_same(root: Path, spacy: Spacy) -> None:
    for words in ("status --json", "resolved --json", "log --json", "check --format json"):
        done = spacy(*words.split(), cwd=root)
        assert not _OBEYED.search(done.out.replace("\n", ""))
        json.loads(done.out)
    title = json.loads(spacy("resolved", "--json", cwd=root).out)["title"]
    assert title == f"title{ESCAPES}"
