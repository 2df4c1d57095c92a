"""The variables of a past run are those of its record and of project.yml at that time."""

from __future__ import annotations

from pathlib import Path

from tests.cli.test_log_table import THREE, change, keep, made, table
from tests.testing.projects import SEEDS, Spacy
from tests.testing.repositories import git, write

__all__ = ["made"]


def test_runs_without_overrides_show_the_values_of_project_yml(made: Path, spacy: Spacy) -> None:
    """A record only has variables that were overridden; the others are in project.yml."""

    spacy("run", "all", cwd=made)
    spacy("run", "all", "--matrix", "vars.seed=0,1", "--matrix", "rate=0.1,0.2", cwd=made)
    printed = table(spacy("log", "--table", cwd=made))
    assert [" ".join(line.split()[:3]) for line in printed[2:-1]] == [
        "0 0.1 0.90", "0 0.2 1.00", "1 0.1 0.91", "1 0.2 1.01*"
    ]  # fmt: skip


def test_values_edited_in_project_yml_are_compared_whether_committed_or_not(
    made: Path, spacy: Spacy
) -> None:
    spacy("run", "all", cwd=made)
    change(made, "project.yml", "rate: 0.1", "rate: 0.2")
    spacy("run", "all", cwd=made)
    second = keep(made, "Faster")
    change(made, "project.yml", "rate: 0.2", "rate: 0.4")
    spacy("run", "all", cwd=made)
    printed = table(spacy("log", "--table", cwd=made))
    second = git(made, "rev-parse", "--short", second)
    first = git(made, "rev-parse", "--short", "HEAD~1")
    rows = [line.split() for line in printed[2:5]]
    assert [(row[0], row[row.index("2026-01-01") - 1]) for row in rows] == [
        ("0.1", first), ("0.2", second), ("0.4", f"{second}+")
    ]  # fmt: skip
    assert "  + with uncommitted edits" in printed[5:]


def test_without_a_matching_project_yml_only_overridden_variables_are_shown(
    made: Path, spacy: Spacy
) -> None:
    change(made, "project.yml", "evaluate.py model", "evaluate.py   model")
    spacy("run", "all", "--matrix", "vars.seed=0,1", cwd=made)
    git(made, "checkout", "-q", "--", "project.yml")
    printed = table(spacy("log", "--table", cwd=made))
    assert [line.split()[0] for line in printed[1:4]] == ["seed", "1", "–"]


def test_an_invalid_project_yml_does_not_hide_past_runs(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    write(made, {"project.yml": SEEDS + "nonsense: ["})
    assert len(table(spacy("log", "--table", cwd=made))) == 6
