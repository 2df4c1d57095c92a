"""Names that a stranger chose, completed and entered: what they say is never run. (Issue 17, 8;
Threat model: injected-text.) Each of them would leave a file `X` behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from git_spacy import completion
from tests.testing.projects import on_path, process, project

REPOSITORY = Path(__file__).parents[1]
ISSUE = "'train;touch X;'\u0378"  # it was run
TYPED = [
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
    ISSUE,
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
OPEN = [
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
CLOSED = ["", "a", "''", '""', "\\'", "'a'", '"a"', "$'a\\''", "\\$'\\'", "`a`"]


def commands(folder: Path, *names: str) -> Path:
    listed = [{"name": name, "script": ["x"]} for name in names]
    return project(folder, json.dumps({"title": "t", "commands": listed}))


@pytest.mark.parametrize("name", NOT_OFFERED)
def test_what_cannot_be_typed_or_is_an_option_is_not_offered(tmp_path: Path, name: str) -> None:
    root = commands(tmp_path / "p", name, "train")
    assert process("complete", "run", "", cwd=root) == (0, "train\t\n", "")


def test_a_name_like_an_option_is_offered_where_it_is_a_name(tmp_path: Path) -> None:
    root = commands(tmp_path / "p", "--force")
    assert [word for word, _ in completion.candidates(["run", "--", "--"], root)] == ["--force"]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed")


def in_bash(folder: Path, name: str, typed: str, locale: str) -> str:
    """What bash has for `git-spacy run TYPED<TAB>` where the program offers `name`, as the words
    that it makes of the line once they are there."""

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
    done = subprocess.run(
        ("bash", "--norc", "-c", script), cwd=folder, env=environ, capture_output=True, check=True
    )
    assert not (folder / "X").exists()
    assert done.stderr == b""
    return done.stdout.decode()


@needs("bash")
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
@pytest.mark.parametrize("name", [*TYPED, ISSUE])
def test_bash_makes_one_word_of_a_name(tmp_path: Path, name: str, locale: str) -> None:
    assert in_bash(tmp_path, name, "", locale) == f"1\n{name}\n"


@pytest.mark.threat("injected-text")
@needs("bash")
@pytest.mark.parametrize("typed", OPEN)
def test_bash_offers_nothing_while_a_quote_is_open(tmp_path: Path, typed: str) -> None:
    assert in_bash(tmp_path, ISSUE, typed, "C.UTF-8") == "0\n\n"


@needs("bash")
@pytest.mark.parametrize("typed", CLOSED)
def test_bash_offers_names_behind_quotes_that_are_closed(tmp_path: Path, typed: str) -> None:
    assert in_bash(tmp_path, "train", typed, "C.UTF-8") == "1\ntrain\n"


@needs("fish")
def test_fish_takes_names_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """(What is inserted is quoted by fish itself, for the quotes that are open.)"""

    on_path(tmp_path / "bin", monkeypatch)
    root = commands(tmp_path / "p", *TYPED)
    for typed in ("", "'", '"'):
        line = f'source {REPOSITORY}/completion/git-spacy.fish; complete -C "git-spacy run $TYPED"'
        done = subprocess.run(
            ("fish", "-c", line), cwd=root, capture_output=True, text=True, check=True,
            env={**os.environ, "TYPED": typed, "LC_ALL": "C.UTF-8"},
        )  # fmt: skip
        offered = {one.split("\t")[0] for one in done.stdout.splitlines()}
        assert typed or offered <= set(TYPED) | {""}
        assert not (root / "X").exists()
