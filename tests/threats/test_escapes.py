"""Untrusted text never reaches the terminal unescaped. Threat `terminal-escapes`.

Runs every command, on a terminal and with captured output, in a project with escape sequences in
its title, names, help texts, paths, file names, commits, notes, metrics, remotes and servers.
"""

from __future__ import annotations

import json
import os
import pty
import re
import sys
from pathlib import Path

import pytest

from git_spacy.cli.main import main
from git_spacy.history.run_record import RecordedFile, RunRecord, parse_line, to_line
from tests.testing.projects import Spacy, process, project
from tests.testing.repositories import git, write
from tests.testing.scripted import Answer, Scripted
from tests.testing.terminal import wait_for_exit
from tests.threats.inputs import ESCAPES, OTHERS, READS

# sequences that we print ourselves: colours, and cursor movements of progress bars
_OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AKGJ])|[\r\n\t]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
IN_YAML = '"NAME\\e]0;owned\\a\\x9b2J\\u202e"'
IN_PATH = '"NAME\\x9b2J\\u202e"'  # project.yml may not have C0 controls in paths


def escape_in_yaml(name: str) -> str:
    return IN_YAML.replace("NAME", name)


def path_in_yaml(name: str) -> str:
    return IN_PATH.replace("NAME", name)


def text(server: str, remote: Path) -> str:
    return f"""\
title: {escape_in_yaml("title")}
description: {escape_in_yaml("about")}
vars: {{word: {escape_in_yaml("value")}, x: 1}}
env: {{who: {escape_in_yaml("WHO")}}}
remotes: {{{escape_in_yaml("other")}: {escape_in_yaml("/remote")}, default: {remote}}}
{escape_in_yaml("unknown key")}: 1
directories: [{path_in_yaml("folder")}]
assets:
  - {{dest: {path_in_yaml("private")}, description: {escape_in_yaml("help")}}}
  - {{dest: {path_in_yaml("gone")}, url: "{server}/gone"}}
  - {{dest: {path_in_yaml("wrong")}, url: "{server}/wrong", checksum: {"a" * 32}}}
commands:
  - name: {escape_in_yaml("make")}
    help: {escape_in_yaml("help")}
    script: [{escape_in_yaml("python make.py '")[:-1]}'"]
    deps: [make.py, in]
    outputs: [{path_in_yaml("out")}]
    outputs_no_cache: [scores.json]
  - name: {escape_in_yaml("fail")}
    help: {escape_in_yaml("help")}
    script: ["python -c 'raise SystemExit(3)'"]
    deps: [{path_in_yaml("nowhere")}]
workflows:
  all: [{escape_in_yaml("make")}]
  {escape_in_yaml("flow")}: [{escape_in_yaml("fail")}]
"""


MAKE = """\
import json, pathlib, sys
pathlib.Path(OUT).write_text("made")
pathlib.Path("scores.json").write_text(json.dumps({NAME: 1.5, "loss": {NAME: 2}}))
"""


@pytest.fixture
def root(tmp_path: Path, web: Scripted) -> Path:
    """A project that was run twice, with a hostile run record in its notes."""

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
        assert "run not recorded: the record of 'make" in done.err
    # one record that is readable but hostile in all fields that may hold any text, and one that is
    # hostile in the others, too
    readable = RunRecord(
        time="2026-11-27T00:00:00.000Z", project="", command="make", script=(ESCAPES,), deps=(),
        outs=(RecordedFile("out", "0" * 32, 1),), vars={ESCAPES: ESCAPES},
        metrics={ESCAPES: {ESCAPES: 1.0}},
    )  # fmt: skip
    assert parse_line(to_line(readable))
    note = json.loads(to_line(readable))
    for key in ("command", "tree", "source"):
        note[key] = ESCAPES
    note["versions"] = {ESCAPES: ESCAPES}
    lines = f"{to_line(readable)}\n{json.dumps(note)}"
    git(root, "notes", "--ref", "spacy", "append", "-m", lines, "HEAD")
    return root


COMMANDS = (
    *READS, *OTHERS, "run", "run -h", "run all -h", "push -h", "graph -f mermaid", "graph -f dot",
    "graph -f svg", "report -f md", "document --stdout", "dvc --stdout", "ignore --stdout", "status --porcelain",
    "check --format json", "check --format github", "check --format gitlab", "diff HEAD~1", "show HEAD~1",
    "log --metric metric", "log --plot *", "notes push", "notes pull", "lock resolve",
)  # fmt: skip
WITH_NAMES = (
    ("run", f"make{ESCAPES}"), ("run", f"fail{ESCAPES}"), ("run", f"fail{ESCAPES}", "-h"),
    ("run", f"none{ESCAPES}"), ("assets", f"gone{ESCAPES}"), ("assets", "gone\x9b2J\u202e"),
    ("push", f"other{ESCAPES}"), ("push", f"none{ESCAPES}"), ("pull", f"none{ESCAPES}"),
    ("show", f"none{ESCAPES}"), ("restore", f"none{ESCAPES}"), ("clone", f"none{ESCAPES}"),
    (f"none{ESCAPES}",), ("run", "all", f"--vars.{ESCAPES}", "x"), ("graph", f"flow{ESCAPES}"),
    ("graph", "-o", f"{ESCAPES}"), ("dvc", f"flow{ESCAPES}"), ("log", f"--command={ESCAPES}"),
    ("check", f"{ESCAPES}"), ("lock", "record", f"{ESCAPES}"), ("run", "all", "--matrix", f"{ESCAPES}=1"),
    ("run", "all", "--executor", f"{ESCAPES}"),
)  # fmt: skip


# these print the content of a file, which must have paths verbatim
VERBATIM = ("dvc --stdout", "ignore --stdout")


def run_on_terminal(root: Path, words: tuple[str, ...]) -> tuple[int, str]:
    """Run the command in a fork on its own terminal, and return the exit code and the output."""

    pid, terminal = pty.fork()
    if pid == 0:
        code = 99
        try:
            for number, name in enumerate(("stdin", "stdout", "stderr")):
                setattr(sys, name, open(number, "rww"[number]))  # noqa: SIM115
            code = main(["-C", str(root), *words])
        finally:
            os._exit(code)
    return wait_for_exit(pid, terminal)


@pytest.mark.threat("terminal-escapes")
@pytest.mark.parametrize("mode", ["terminal", "captured"])
def test_no_command_prints_escape_sequences_of_untrusted_text(
    root: Path, mode: str, monkeypatch: pytest.MonkeyPatch, spacy: Spacy
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("GIT_PAGER", "cat")
    monkeypatch.delenv("NO_COLOR")
    found = {}
    for words in (*(tuple(line.split()) for line in COMMANDS if "ray" not in line), *WITH_NAMES):
        if mode == "terminal":
            code, output = run_on_terminal(root, words)
        else:
            code, *streams = spacy(*words, cwd=root)
            output = "" if " ".join(words) in VERBATIM else "".join(streams)
        assert code not in (70, 99), (words, output)
        if escapes := _CONTROL.findall(_OWN.sub("", output)):
            found[ascii(words)] = escapes
    assert found == {}


@pytest.mark.threat("terminal-escapes", commands="check log resolved status")
def test_json_output_is_valid_and_escaped(root: Path, spacy: Spacy) -> None:
    for words in ("status --json", "resolved --json", "log --json", "check --format json"):
        done = spacy(*words.split(), cwd=root)
        assert not _CONTROL.search(done.out.replace("\n", ""))
        json.loads(done.out)
    title = json.loads(spacy("resolved", "--json", cwd=root).out)["title"]
    assert title == f"title{ESCAPES}"
