"""Tables, colours and widths of what is printed."""

from __future__ import annotations

import os
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_spacy.cli import output
from git_spacy.cli.registry import COMMANDS
from tests.testing.examples import examples
from tests.testing.projects import Spacy, project
from tests.testing.repositories import commit, repository
from tests.testing.terminal import at_terminal, wait_for_exit

LONG = "train --vars.seed 0 --vars.learning_rate 0.001 --vars.dropout 0.2"


def coloured_environ(**others: str) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return {**environ, "TERM": "xterm", **others}


def on_terminal(folder: Path, *arguments: str, **environ: str) -> str:
    """Run `git spacy …` on a terminal; return what it shows."""

    code, shown = wait_for_exit(*at_terminal(folder, *arguments, environ=environ or None))
    assert code in (0, 1), shown
    return shown.replace("\r\n", "\n")


def test_a_table_stays_aligned_below_a_name_that_is_too_long() -> None:
    rows = [("a", "stale", ["why"]), (LONG, "up to date", []), ("b", "stale", ["this", "that"])]
    lines = output.table(rows, {}).splitlines()
    assert lines[1] == f"  {LONG}"
    columns = {line.index(word) for line in lines for word in ("stale", "up to") if word in line}
    assert columns == {44}
    assert {line.index(word) for line in lines for word in ("why", "this", "that") if word in line}


@pytest.mark.parametrize("width", [40, 60, 80])
def test_a_table_fits_into_the_terminal_and_breaks_no_word(
    monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    words = [
        "script",
        "changed:",
        "line",
        "1",
        "is",
        "now",
        "'python",
        "scripts/report_of_everything.py'",
    ]
    rows = [("a-command-with-a-name", "stale", [" ".join(words)]), ("b", "up to date", [])]
    lines = output.table(rows, {}).splitlines()
    assert all(len(line) <= width for line in lines), lines
    assert set(words) <= set(" ".join(lines).split())
    text = output.columns([("a-command-with-a-name", " ".join(words))])
    assert all(len(line) <= width for line in text.splitlines())


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_options_in_help_fit_into_a_narrow_terminal(
    spacy: Spacy, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Blocks that are tables already are left as they are, and so are the command lines of examples,
    since one copies them."""

    monkeypatch.setenv("COLUMNS", "40")
    shown = spacy(*command.split(), "-h").out
    options = shown if not command else shown.partition("Options:")[2]
    lines = [line for line in options.splitlines() if not line.startswith("  git spacy ")]
    assert [line for line in lines if len(line) > 40] == []


def test_findings_are_coloured_on_a_terminal_only(tmp_path: Path, spacy: Spacy) -> None:
    text = "titel: x\ncommands: [{name: c, script: [x], deps: [a, a/b], outputs: [a/b]}]\n"
    root = project(tmp_path / "p", text)
    shown = on_terminal(root, "check", **coloured_environ())
    assert "project.yml:1:1: \x1b[33mwarning:\x1b[0m unknown key 'titel'" in shown
    assert "\x1b" not in on_terminal(root, "check", **coloured_environ(NO_COLOR="1"))
    assert "\x1b" not in spacy("check", cwd=root).out


def test_success_is_reported_on_a_terminal_only(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", "title: t\n")
    assert on_terminal(root, "check") == "no problems found (project, assets, lock, generated)\n"
    assert on_terminal(root, "cache", "verify").startswith("no damage found (0 results")
    assert spacy("check", cwd=root) == spacy("cache", "verify", cwd=root) == (0, "", "")


def test_the_pager_gets_utf_8_and_is_told_so_in_every_locale(tmp_path: Path, spacy: Spacy) -> None:
    """less would show the bytes of `→` under LC_ALL=C."""

    root = repository(tmp_path / "p")
    script = "python -c \"open('o', 'w').write('1')\""
    (root / "project.yml").write_text(
        f"commands:\n  - name: c\n    script:\n      - {script}\n    outputs: [o]\n"
    )
    commit(root, {}, "an arrow → here")
    assert spacy("run", "c", cwd=root).code == 0
    pager = 'echo "charset $LESSCHARSET"; cat'
    shown = on_terminal(root, "log", **{**os.environ, "LC_ALL": "C", "GIT_PAGER": pager})
    assert "charset utf-8\n" in shown
    assert "an arrow → here" in shown
    chosen = {**os.environ, "GIT_PAGER": pager, "LESSCHARSET": "latin1"}
    assert "charset latin1" in on_terminal(root, "log", **chosen)


@settings(max_examples=examples(200), deadline=None)
@given(st.text("ab -\u00a0\t\n\x0b\u2003é", max_size=12), st.integers(1, 12))
def test_short_texts_are_wrapped_as_textwrap_wraps_them(text: str, width: int) -> None:
    assert output._wrap(text, width) == textwrap.wrap(text, width, break_on_hyphens=False)
