"""Workflows of workflows: expanded, with cycles and repeats reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.project import loader
from git_spacy.project.model import Project
from tests.testing.projects import Spacy
from tests.testing.repositories import repository

COMMANDS = """\
commands:
  - {name: prep, script: ["touch prep.out"], outputs: [prep.out]}
  - {name: train, script: ["touch train.out"], deps: [prep.out], outputs: [train.out]}
  - {name: gate, script: ["true"]}
workflows:
"""


def parse(workflows: str) -> Project:
    return loader.parse((COMMANDS + workflows).encode()).project


def steps(workflows: str, name: str = "all") -> tuple[str, ...]:
    workflow = parse(workflows).workflow(name)
    assert workflow
    return workflow.steps


@pytest.mark.parametrize(
    ("workflows", "expected"),
    [
        ("  base: [prep, train]\n  all: [base, gate]\n", "prep train gate"),
        ("  all: [base, gate]\n  base: [prep, train]\n", "prep train gate"),
        ("  all: [a, b]\n  a: [c]\n  c: [prep]\n  b: [train]\n", "prep train"),
        ("  base: [prep, train]\n  all: [gate, base, gate]\n", "gate prep train gate"),
        ("  base: []\n  all: [base, prep]\n", "prep"),
        ("  all: [prep, gate, prep]\n", "prep gate prep"),  # as weasel runs it
        ("  base: [prep, train]\n  all: [base, train, gate]\n", "prep train gate"),
        ("  x: [prep, gate]\n  y: [prep, train]\n  all: [x, y]\n", "prep gate train"),
    ],
)
def test_a_workflow_in_a_workflow_stands_for_its_commands(workflows: str, expected: str) -> None:
    assert " ".join(steps(workflows)) == expected


def test_a_hundred_levels_are_expanded_without_growing() -> None:
    lines = ["  w0: [prep, train]\n"]
    lines += [f"  w{n}: [w{n - 1}, w{n - 1}]\n" for n in range(1, 100)]
    assert steps("".join(lines), "w99") == ("prep", "train")


@pytest.mark.parametrize(
    ("workflows", "location", "chain", "hint"),
    [
        ("  all: [all]\n", "6:9", "'all' → 'all'", "remove 'all' from 'all'"),
        ("  all: [prep, b]\n  b: [train, all]\n", "7:14", "'all' → 'b' → 'all'",
         "remove 'all' from 'b'"),
        ("  x: [a]\n  a: [b]\n  b: [c]\n  c: [gate, a]\n", "9:13", "'a' → 'b' → 'c' → 'a'",
         "remove 'a' from 'c'"),
    ],
)  # fmt: skip
def test_a_cycle_of_workflows_is_an_error_with_its_chain_and_the_line_that_closes_it(
    workflows: str, location: str, chain: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(workflows)
    (problem,) = caught.value.problems
    assert problem.location == f"project.yml:{location}"
    assert (problem.message, problem.hint) == (f"workflow cycle: {chain}", hint)


@pytest.mark.parametrize(
    ("workflows", "location", "message", "hint"),
    [
        ("  base: [prep, train]\n  all: [base, train]\n", "7:15",
         "workflow 'all' has 'train' more than once ('all' → 'base'): it runs once",
         "remove 'train' from 'all'"),
        ("  base: [prep, train]\n  all: [base, gate, base]\n", "7:21",
         "workflow 'all' has 'prep', 'train' more than once ('all' → 'base'): each runs once",
         "remove 'base' from 'all'"),
        ("  x: [prep]\n  y: [prep, train]\n  all: [x, y]\n", "8:12",
         "workflow 'all' has 'prep' more than once ('all' → 'x'): it runs once",
         "list the other commands of 'y' in its place"),
    ],
)  # fmt: skip
def test_a_command_by_way_of_several_workflows_is_a_warning(
    workflows: str, location: str, message: str, hint: str
) -> None:
    (warning,) = parse(workflows).warnings
    assert warning.location == f"project.yml:{location}"
    assert (warning.message, warning.hint) == (message, hint)


def test_the_name_of_a_workflow_is_suggested_for_an_unknown_step() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse("  base: [prep]\n  all: [bsae]\n")
    assert caught.value.problems[0].hint == "did you mean 'base'?"


def test_every_command_uses_what_a_workflow_of_workflows_contains(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = COMMANDS + "  all: [base, gate]\n  base: [prep, train]\n"
    made = repository(tmp_path / "p", {"project.yml": text})
    assert "Next: git spacy run all" in spacy("status", cwd=made).out
    strict = spacy("check", "lock", "project", "--strict", cwd=made)
    assert strict.out.count("has no entry in project.lock") == 4
    assert "'gate' of workflow" not in strict.out  # without outputs it is not always recorded
    assert "project.yml:6:9: warning: weasel refuses the project: 'base' in" in strict.out
    assert "hint: for weasel, write: all: [prep, train, gate]" in strict.out
    assert "weasel" not in spacy("check", "project", cwd=made).out
    assert "ran 3, skipped 0" in spacy("run", "all", cwd=made).err
    assert "ran 1, skipped 2" in spacy("run", "all", cwd=made).err  # gate has no outputs
    assert "all   prep → train → gate" in spacy("run", cwd=made).out
    for name in ("prep", "train", "gate"):
        assert name in spacy("graph", "all", cwd=made).out
    assert spacy("dvc", "all", cwd=made).code == 0
    assert {"prep:", "train:"} <= set((made / "dvc.yaml").read_text().split())
    spacy("document", cwd=made)
    assert "| `all` | `prep` → `train` → `gate` |" in (made / "README.md").read_text()
    assert "'base'" not in spacy("status", cwd=made).err


def test_weasel_refuses_what_the_strict_check_warns_of(tmp_path: Path) -> None:
    config = pytest.importorskip("weasel.util.config")
    text = COMMANDS + "  all: [base, gate]\n  base: [prep, train]\n"
    (tmp_path / "project.yml").write_text(text)
    with pytest.raises(SystemExit):
        config.load_project_config(tmp_path)
    (tmp_path / "project.yml").write_text(text.replace("[base, gate]", "[prep, train, gate]"))
    config.load_project_config(tmp_path)
