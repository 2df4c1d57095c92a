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
from git_spacy.cli.run_output import progress_line
from tests.testing.projects import project


@pytest.mark.parametrize(
    ("ended", "running", "total", "text"),
    [
        (0, [], 4, "0 of 4 done, 4 waiting"),
        (1, ["train"], 4, "1 of 4 done, running train, 2 waiting"),
        (3, ["a"], 4, "3 of 4 done, running a"),
        (1, ["a", "b", "c", "d"], 9, "1 of 9 done, running a, b and 2 more, 4 waiting"),
    ],
)
def test_the_progress_line_counts_commands(
    ended: int, running: list[str], total: int, text: str
) -> None:
    assert progress_line(ended, running, total) == text


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
