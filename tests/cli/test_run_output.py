"""The output of several commands on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy import cli
from git_spacy.cli.run_output import progress_line, short_names
from tests.cli.test_output import coloured_environ, on_terminal
from tests.testing.projects import Spacy, project, two_steps
from tests.testing.repositories import git


@pytest.mark.parametrize(
    ("ended", "running", "queued", "total", "text"),
    [
        (0, [], 0, 4, "0 of 4 done, 4 waiting"),
        (1, ["train"], 0, 4, "1 of 4 done, running train, 2 waiting"),
        (3, ["a"], 0, 4, "3 of 4 done, running a"),
        (1, ["a", "b", "c", "d"], 0, 9, "1 of 9 done, running a, b and 2 more, 4 waiting"),
        (0, ["a", "b"], 4, 7, "0 of 7 done, running a, b, 4 queued, 1 waiting"),
        (0, [], 2, 2, "0 of 2 done, 2 queued"),
    ],
)
def test_the_progress_line_counts_commands(
    ended: int, running: list[str], queued: int, total: int, text: str
) -> None:
    assert progress_line(ended, running, queued, total) == text


def test_a_terminal_shows_coloured_names_and_a_temporary_progress_line(tmp_path: Path) -> None:
    names = ["one", "two"]
    script = "python wait.py"
    wait = (
        "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)\n"
        "print('done', 'and', 'dusted')\n"
    )
    commands = [{"name": name, "script": [script]} for name in names]
    root = project(tmp_path, json.dumps({"commands": commands, "workflows": {"all": names}}))
    (root / "wait.py").write_text(wait)
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    environ["PYTHONPATH"] = str(Path(cli.__file__).parents[2])
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(
        (sys.executable, "-m", "git_spacy", "run", "all", "-j", "2"),
        cwd=root, stdin=theirs, stdout=theirs, stderr=theirs, env=environ,
    ) as run:  # fmt: skip
        os.close(theirs)
        seen = b""
        try:
            while data := os.read(ours, 4096):
                seen += data
                if b"running one, two" in seen:
                    (root / "go").touch()
        except OSError:  # the last process has closed it
            pass
    os.close(ours)
    assert run.returncode == 0
    text = seen.decode()
    assert "0 of 2 done" in text
    assert "running one, two" in text
    assert re.search(r"\x1b\[3\dm(one|two) \| \x1b\[0m", text), text
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert "one | done and dusted" in plain
    # The last line is the summary: the progress line was removed.
    assert plain.rstrip().splitlines()[-1].endswith("ran 2, skipped 0")


MAKE = "import sys\nopen(sys.argv[1], 'w').close()\nprint('made')\n"


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("train", "train"),
        ("train --vars.seed 0", "train seed=0"),
        ("train --vars.seed 0 --variables.lr=1", "train seed=0 lr=1"),
        ("train --vars.seed 10 --vars.rate 0.1", "train see…0 rate=0.1"),
        ("a_command_with_a_very_long_name", "a_command…_long_name"),
    ],
)
def test_a_prefix_is_short_and_shows_both_ends(command: str, shown: str) -> None:
    """A quarter of the line, which has 80 columns in tests."""

    assert len(shown) <= 20
    assert short_names([command]) == {command: shown}


@pytest.mark.parametrize(
    ("commands", "shown"),
    [
        (
            [f"train --vars.width 64 --vars.rate {rate} --vars.long_seed 0" for rate in (0.1, 0.2)],
            ["train rate=0.1", "train rate=0.2"],
        ),
        (
            [f"train --vars.n {n}{'0' * 30}" for n in (1, 2)] + ["train --vars.n 3"],
            ["train n=1…0000000000", "train n=2…0000000000", "train n=3"],
        ),
        (
            [f"train --vars.n {'0' * 30}{n}{'0' * 30}" for n in (1, 2)],
            ["train n=…00000000 #1", "train n=…00000000 #2"],
        ),
        (
            [f"a_command_with_{x}_in_its_name" for x in "xy"],
            ["a_comman…its_name #1", "a_comman…its_name #2"],
        ),
    ],
)
def test_no_two_commands_have_the_same_prefix(commands: list[str], shown: list[str]) -> None:
    names = short_names(commands)
    assert list(names.values()) == shown
    assert max(map(len, shown)) <= 20


def test_the_prefixes_of_variants_are_aligned(tmp_path: Path, spacy: Spacy) -> None:
    text = """\
vars: {n: 1}
commands:
  - {name: make, script: ["python make.py o${vars.n}"], outputs_no_cache: ["o${vars.n}"]}
"""
    root = project(tmp_path / "p", text, {"make.py": MAKE})
    done = spacy("run", "make", "--matrix", "vars.n=1,20,333", "-j", "3", cwd=root)
    heads = [line.split("|")[0] for line in done.out.splitlines()]
    assert sorted(heads) == ["make       ", "make n=20  ", "make n=333 "], done


def test_headers_stand_out_on_a_terminal_and_are_plain_elsewhere(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path / "p")
    done = spacy("run", "all", "--force", cwd=root)
    assert "\x1b" not in done.err
    assert "" not in done.err.splitlines()
    assert "==> prepare: running (" in done.err
    shown = on_terminal(root, "run", "all", "--force", **coloured_environ())
    first, second = shown.split("\n\n\x1b[1;36m==> train:\x1b[0m running (--force)\n")
    assert "\x1b[1;36m==> prepare:\x1b[0m running (--force)\n" in first
    assert "\x1b[1;32m==> train:\x1b[0m done in " in second
    assert "\x1b" not in on_terminal(root, "run", "all", **coloured_environ(NO_COLOR="1"))


def test_long_reasons_are_wrapped_between_words_on_a_terminal(tmp_path: Path) -> None:
    text = "commands: [{{name: c, script: ['python make.py o {} {}'], outputs: [o]}}]\n"
    words = [f"word-{number}-of/a_path" for number in range(9)]
    root = project(tmp_path / "p", text.format(1, " ".join(words)), {"make.py": MAKE})
    on_terminal(root, "run", "c")
    project(root, text.format(2, " ".join(words)))
    environ = {**os.environ, "COLUMNS": "60"}
    shown = on_terminal(root, "run", "-D", "c", **environ).partition("$ ")[0]
    assert all(len(line) <= 60 for line in shown.splitlines()), shown
    assert shown.count("\n") > 3
    assert set(words[:8]) <= set(shown.split()), shown


def test_at_the_end_a_terminal_shows_what_to_commit(tmp_path: Path, spacy: Spacy) -> None:
    """The command names the files that belong together, as typed in the current folder."""

    root = two_steps(tmp_path / "p")
    assert "to commit" not in on_terminal(root, "run", "all")  # not in a repository
    git(root, "init", "--quiet")
    spacy("ignore", cwd=root)
    git(root, "add", ".gitignore")
    done = spacy("run", "all", "--force", cwd=root)
    assert "to commit" not in done.out + done.err
    (root / "sub").mkdir()
    shown = on_terminal(root / "sub", "run", "all", "--force")
    line = shown.splitlines()[-1]
    assert line.startswith("project.lock has changes to commit: git add ")
    typed = line.partition(": git ")[2].split()
    assert {"../project.yml", "../project.lock"} <= set(typed)
    git(root / "sub", *typed)
    git(root, "commit", "--quiet", "--message", "results")
    assert git(root, "status", "--porcelain") == ""
    assert "to commit" not in on_terminal(root, "run", "all", "--force")
    assert "to commit" not in on_terminal(root, "run", "all")
