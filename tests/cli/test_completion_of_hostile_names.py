"""Completion of hostile names never runs the code in them (threat model: injected-text).

Each name would create a file `X` if it was run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from git_spacy.cli import completion
from tests.testing.projects import on_path, process, project

REPOSITORY = Path(__file__).parents[2]
RAN_ONCE = "'train;touch X;'\u0378"  # a former version ran it
OFFERED = [
    "'train;touch X;'",
    '"; touch X; "',
    "$(touch X)",
    "`touch X`",
    '"$(touch X)"',
    "'\"$(touch X)\"'",
    "a; touch X",
    "a & touch X",
    "a | touch X",
    "a > X",
    "a && touch X #",
    "<(touch X)",
    "${X:=$(touch X)}",
    "a\\",
    "a\\'; touch X; '",
    "!touch",
    "!!; touch X",
    "*",
    "[a-z]*",
    "{a,b}",
    "~",
    "~root/x",
    "a b",
    " a",
    "a  ",
    "$'a\\x3btouch X'",
    "a=b; touch X",
    "a:b'; touch X; '",
    "# a",
    "ß; touch X",
    "%F{red}$(touch X)",
    "(touch X)",
]
NOT_OFFERED = [
    RAN_ONCE,
    "a\ntouch X\n",
    "a\ttouch X",
    "a\r; touch X\r",
    "a\x03touch X",
    "a\x1b[2J",
    "a\x7f; touch X",
    "a\x9b",
    "a\u202e",
    "a\u200b",
    "a\u2028touch X",
    "a\ue000",
    "a\ufdd0",
    "--force",
    "-C",
]
OPEN_QUOTES = [
    "'",
    '"',
    "$'",
    '$"',
    "`",
    "a'",
    'a"',
    "\\'\"",
    "'a'\"",
    '"a"\'',
    "\\",
    "a\\",
    '"\\"',
    "'\\",
]
CLOSED_QUOTES = ["", "a", "''", '""', "\\'", "'a'", '"a"', "$'a\\''", "\\$'\\'", "`a`"]


def commands(folder: Path, *names: str) -> Path:
    document = [{"name": name, "script": ["x"]} for name in names]
    return project(folder, json.dumps({"title": "t", "commands": document}))


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_unprintable_names_and_names_like_options_are_not_offered(
    tmp_path: Path, name: str
) -> None:
    root = commands(tmp_path / "p", name, "train")
    assert process("complete", "run", "", cwd=root) == (0, "train\t\n", "")


def test_a_name_like_an_option_is_offered_after_two_dashes(tmp_path: Path) -> None:
    root = commands(tmp_path / "p", "--force")
    assert [word for word, _ in completion.candidates(["run", "--", "--"], root)] == ["--force"]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def in_bash(folder: Path, name: str, typed: str, locale: str) -> str:
    """Return what bash completes for `git-spacy run TYPED<TAB>` if the program offers `name`.

    The result has the number of candidates, then the words that bash parses the completed line
    into.
    """

    tool = folder / "bin/git-spacy"
    tool.parent.mkdir(exist_ok=True)
    tool.write_text('#!/bin/sh\nprintf "%s\\t\\n" "$NAME"\n')
    tool.chmod(0o755)
    script = f"""
        . {REPOSITORY}/completion/git-spacy.bash
        COMP_LINE="git-spacy run $TYPED" COMP_POINT=${{#COMP_LINE}}
        COMP_WORDS=(git-spacy run "$TYPED") COMP_CWORD=2
        _git_spacy_alone
        echo "${{#COMPREPLY[@]}}"
        eval "set -- ${{COMPREPLY[0]}}"
        printf '%s\\n' "$@"
    """
    environ = {
        **os.environ, "NAME": name, "TYPED": typed, "LC_ALL": locale,
        "PATH": f"{tool.parent}:{os.environ['PATH']}",
    }  # fmt: skip
    completed = subprocess.run(
        ("bash", "--norc", "-c", script), cwd=folder, env=environ, capture_output=True, check=True
    )
    assert not (folder / "X").exists()
    assert completed.stderr == b""
    return completed.stdout.decode()


@needs("bash")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("name", [*OFFERED, RAN_ONCE])
def test_bash_parses_a_completed_name_as_one_word(tmp_path: Path, name: str, locale: str) -> None:
    assert in_bash(tmp_path, name, "", locale) == f"1\n{name}\n"


@pytest.mark.threat("injected-text")
@needs("bash")
@pytest.mark.parametrize("typed", OPEN_QUOTES)
def test_bash_offers_nothing_while_a_quote_is_open(tmp_path: Path, typed: str) -> None:
    assert in_bash(tmp_path, RAN_ONCE, typed, "C.UTF-8") == "0\n\n"


@needs("bash")
@pytest.mark.parametrize("typed", CLOSED_QUOTES)
def test_bash_offers_names_after_closed_quotes(tmp_path: Path, typed: str) -> None:
    assert in_bash(tmp_path, "train", typed, "C.UTF-8") == "1\ntrain\n"


@needs("fish")
def test_fish_offers_names_without_running_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """fish itself quotes what it inserts, also within open quotes."""

    on_path(tmp_path / "bin", monkeypatch)
    root = commands(tmp_path / "p", *OFFERED)
    for typed in ("", "'", '"'):
        line = f'source {REPOSITORY}/completion/git-spacy.fish; complete -C "git-spacy run $TYPED"'
        completed = subprocess.run(
            ("fish", "-c", line), cwd=root, capture_output=True, text=True, check=True,
            env={**os.environ, "TYPED": typed, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        offered = {line.split("\t")[0] for line in completed.stdout.splitlines()}
        assert typed or offered <= set(OFFERED) | {""}
        assert not (root / "X").exists()
