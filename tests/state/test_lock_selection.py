"""Which of several lock entries for a command is chosen."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.state.lock_selection import EntryChoice, pick_entries, producers_first
from git_spacy.state.project_view import WorkTree
from tests.testing.projects import project

TEXT = """\
commands:
  - {name: use, script: [x], deps: [made], outputs: [used]}
  - {name: make, script: [x], deps: [in], outputs: [made]}
"""


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def entry(name: str, dep: tuple[str, str], out: tuple[str, str], script: str = "x") -> LockEntry:
    """Build an entry with one dependency and one output, given as (path, content)."""

    deps = (TrackedPath(dep[0], md5(dep[1])),)
    return LockEntry(
        name, (script,), deps, (TrackedPath(out[0], md5(out[1])),), f"weasel run {name}"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with all files, as they were produced from the input "one"."""

    return project(tmp_path / "p", TEXT, {"in": "one", "made": "made of one", "used": "used one"})


def pick(root: Path, **choices: list[LockEntry]) -> dict[str, EntryChoice]:
    return pick_entries(loader.load(root), choices, WorkTree(root))


CURRENT = entry("make", ("in", "one"), ("made", "made of one"))
OLD = entry("make", ("in", "zero"), ("made", "made of zero"))
OLDEST = entry("make", ("in", "less"), ("made", "made of less"))


@pytest.mark.parametrize(("order", "position"), [([CURRENT, OLD], 0), ([OLD, CURRENT], 1)])
def test_the_entry_that_is_up_to_date_is_chosen_at_any_position(
    root: Path, order: list[LockEntry], position: int
) -> None:
    assert pick(root, make=order) == {"make": EntryChoice(CURRENT, position, True)}


def test_the_first_of_two_up_to_date_entries_is_chosen(root: Path) -> None:
    same = CURRENT._replace(cmd="spacy project run make")
    assert pick(root, make=[same, CURRENT])["make"] == EntryChoice(same, 0, True)


def test_the_first_entry_is_chosen_if_all_are_stale(root: Path) -> None:
    assert pick(root, make=[OLDEST, OLD]) == {"make": EntryChoice(OLDEST, 0, False)}


def test_an_entry_of_unknown_state_is_preferred_to_a_stale_one(root: Path) -> None:
    text = (
        TEXT + "assets: [{dest: in, url: u}]\n"
    )  # an asset that can be fetched is unknown, not missing
    (root / "project.yml").write_text(text)
    (root / "in").unlink()
    stale = OLD._replace(script=("y",))
    assert pick(root, make=[stale, CURRENT])["make"] == EntryChoice(CURRENT, 1, True)
    assert pick(root, make=[CURRENT, stale])["make"] == EntryChoice(CURRENT, 0, True)


def test_a_command_that_always_runs_gets_the_entry_with_its_script(root: Path) -> None:
    (root / "project.yml").write_text("commands: [{name: make, script: [x], no_skip: true}]")
    other = CURRENT._replace(script=("y",))
    assert pick(root, make=[other, CURRENT])["make"] == EntryChoice(CURRENT, 1, True)


def test_a_command_without_entries_has_no_choice(root: Path) -> None:
    assert pick(root, make=[]) == {}


def test_the_entry_of_a_consumer_must_match_the_chosen_entry_of_its_producer(root: Path) -> None:
    """Without the data, the entry of the producer is the only evidence."""

    for name in ("made", "used"):
        (root / name).unlink()
    matching = entry("use", ("made", "made of one"), ("used", "used one"))
    stale = entry("use", ("made", "made of zero"), ("used", "used zero"))
    found = pick(root, use=[stale, matching], make=[OLD, CURRENT])
    assert found == {"make": EntryChoice(CURRENT, 1, True), "use": EntryChoice(matching, 1, True)}


def ordered_names(text: str) -> list[str]:
    loaded: Project = loader.parse(text.encode()).project
    return [command.name for command in producers_first(loaded)]


def test_each_command_comes_after_the_producers_of_its_dependencies() -> None:
    assert ordered_names(TEXT) == ["make", "use"]
    diamond = """\
commands:
  - {name: end, script: [x], deps: [left, right], outputs: [end]}
  - {name: right, script: [x], deps: [top], outputs: [right]}
  - {name: left, script: [x], deps: [top], outputs: [left]}
  - {name: top, script: [x], outputs: [top]}
  - {name: alone, script: [x]}
"""
    assert ordered_names(diamond) == ["top", "left", "right", "end", "alone"]


def test_commands_in_a_cycle_come_once_each() -> None:
    text = "commands: [{name: a, script: [x], deps: [b], outputs: [a]}, {name: b, script: [x], deps: [a], outputs: [b]}]"
    assert ordered_names(text) == ["b", "a"]
