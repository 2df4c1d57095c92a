"""While nothing has run, each path is looked at once; after that, whenever a command is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.state import stat_cache
from tests.testing.projects import Spacy, project

# "all": the commands depend on the same folder, and the second also writes into it
TEXT = """\
commands:
  - {name: one, script: [ls data | sort > one.txt], deps: [data], outputs: [one.txt]}
  - {name: two, script: [cp in.txt data/copy.txt], deps: [in.txt], outputs: [data/copy.txt]}
  - {name: three, script: [cat data/a data/copy.txt > three.txt], deps: [data], outputs: [three.txt]}
  - {name: four, script: [cat data/copy.txt > four.txt], deps: [data, data/copy.txt], outputs: [four.txt]}
workflows: {all: [one, two, three, four], ends: [one, three, four]}
"""


@pytest.fixture
def root(tmp_path: Path, spacy: Spacy) -> Path:
    root = project(tmp_path, TEXT, {"data/a": "a\n", "data/b/c": "c\n", "in.txt": "1\n"})
    for _ in range(2):  # `one` depends on what `two` writes
        assert spacy("run", "all", cwd=root).code == 0
    return root


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths whose files were looked at."""

    paths: list[str] = []
    real = stat_cache.stat_summary

    def spied(root: Path, path: str, *more: object, **options: bool) -> object:
        paths.append(path)
        return real(root, path, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stat_cache, "stat_summary", spied)
    return paths


@pytest.mark.parametrize("arguments", [["all"], ["--dry", "all"], ["ends"], ["--jobs", "2", "all"]])
def test_a_run_with_nothing_to_do_looks_at_each_path_once(
    root: Path, spacy: Spacy, looked_at: list[str], arguments: list[str]
) -> None:
    done = spacy("run", *arguments, cwd=root)
    assert done.code == 0, done.err
    assert "running" not in done.err
    assert sorted(looked_at) == sorted(set(looked_at))
    assert "data" in looked_at


def test_a_command_sees_what_the_commands_before_it_wrote(root: Path, spacy: Spacy) -> None:
    (root / "in.txt").write_text("2\n")
    done = spacy("run", "all", cwd=root)
    assert [line.split()[1] for line in done.err.splitlines() if "running" in line] == [
        "two:", "three:", "four:",
    ]  # fmt: skip
    assert (root / "three.txt").read_text() == "a\n2\n"
    assert (root / "four.txt").read_text() == "2\n"
    again = spacy("run", "all", cwd=root)
    assert [line.split()[1] for line in again.err.splitlines() if "running" in line] == ["one:"]


def test_a_failed_command_does_not_hide_what_it_changed(tmp_path: Path, spacy: Spacy) -> None:
    text = """\
commands:
  - {name: one, script: [cp side.txt one.txt], deps: [side.txt], outputs: [one.txt]}
  - {name: two, script: [cp in.txt two.txt && cp in.txt side.txt], deps: [in.txt], outputs: [two.txt]}
  - {name: three, script: [cp side.txt three.txt], deps: [side.txt], outputs: [three.txt]}
workflows: {all: [one, two, three]}
"""
    root = project(tmp_path, text, {"side.txt": "1\n", "in.txt": "1\n"})
    assert spacy("run", "all", cwd=root).code == 0
    (root / "project.yml").write_text(
        text.replace("side.txt], deps: [in", "side.txt && false], deps: [in")
    )
    (root / "in.txt").write_text("2\n")
    done = spacy("run", "--keep-going", "all", cwd=root)
    assert done.code == 1
    running = [line.split()[1] for line in done.err.splitlines() if "running" in line]
    assert running == ["two:", "three:"]
    assert (root / "three.txt").read_text() == "2\n"
