"""Of several entries for one command, the one that fits the project as it lies there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.state.lock import LockEntry, TrackedPath
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
    """An entry of one dependency and one output, each by its path and its content."""

    deps = (TrackedPath(dep[0], md5(dep[1])),)
    return LockEntry(
        name, (script,), deps, (TrackedPath(out[0], md5(out[1])),), f"weasel run {name}"
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project of which everything lies there as it was made of the input `one`."""

    return project(tmp_path / "p", TEXT, {"in": "one", "made": "made of one", "used": "used one"})


def chosen(root: Path, **choices: list[LockEntry]) -> dict[str, EntryChoice]:
    return pick_entries(loader.load(root), choices, WorkTree(root))


FITS = entry("make", ("in", "one"), ("made", "made of one"))
OLD = entry("make", ("in", "zero"), ("made", "made of zero"))
OLDER = entry("make", ("in", "less"), ("made", "made of less"))


@pytest.mark.parametrize(("order", "number"), [([FITS, OLD], 0), ([OLD, FITS], 1)])
def test_the_entry_that_is_fresh_is_chosen_wherever_it_stands(
    root: Path, order: list[LockEntry], number: int
) -> None:
    assert chosen(root, make=order) == {"make": EntryChoice(FITS, number, True)}


def test_of_two_that_are_fresh_the_first_is_chosen(root: Path) -> None:
    again = FITS._replace(cmd="spacy project run make")
    assert chosen(root, make=[again, FITS])["make"] == EntryChoice(again, 0, True)


def test_where_all_are_stale_the_first_is_chosen_and_does_not_fit(root: Path) -> None:
    assert chosen(root, make=[OLDER, OLD]) == {"make": EntryChoice(OLDER, 0, False)}


def test_what_is_not_known_to_be_stale_is_better_than_what_is(root: Path) -> None:
    text = TEXT + "assets: [{dest: in, url: u}]\n"  # it can be fetched: it is not just missing
    (root / "project.yml").write_text(text)
    (root / "in").unlink()
    stale = OLD._replace(script=("y",))
    assert chosen(root, make=[stale, FITS])["make"] == EntryChoice(FITS, 1, True)
    assert chosen(root, make=[FITS, stale])["make"] == EntryChoice(FITS, 0, True)


def test_a_command_that_always_runs_takes_the_entry_of_its_script(root: Path) -> None:
    (root / "project.yml").write_text("commands: [{name: make, script: [x], no_skip: true}]")
    other = FITS._replace(script=("y",))
    assert chosen(root, make=[other, FITS])["make"] == EntryChoice(FITS, 1, True)


def test_a_command_without_entries_has_none(root: Path) -> None:
    assert chosen(root, make=[]) == {}


def test_what_makes_a_dependency_is_chosen_first_and_what_reads_it_must_fit(root: Path) -> None:
    """The data is not here: all that there is to go by is what the other entry says."""

    for name in ("made", "used"):
        (root / name).unlink()
    fits = entry("use", ("made", "made of one"), ("used", "used one"))
    stale = entry("use", ("made", "made of zero"), ("used", "used zero"))
    found = chosen(root, use=[stale, fits], make=[OLD, FITS])
    assert found == {"make": EntryChoice(FITS, 1, True), "use": EntryChoice(fits, 1, True)}


def order_of(text: str) -> list[str]:
    found: Project = loader.parse(text.encode()).project
    return [command.name for command in producers_first(found)]


def test_each_command_comes_after_what_makes_its_dependencies() -> None:
    assert order_of(TEXT) == ["make", "use"]
    diamond = """\
commands:
  - {name: end, script: [x], deps: [left, right], outputs: [end]}
  - {name: right, script: [x], deps: [top], outputs: [right]}
  - {name: left, script: [x], deps: [top], outputs: [left]}
  - {name: top, script: [x], outputs: [top]}
  - {name: alone, script: [x]}
"""
    assert order_of(diamond) == ["top", "left", "right", "end", "alone"]


def test_commands_that_need_each_other_come_once_each() -> None:
    text = "commands: [{name: a, script: [x], deps: [b], outputs: [a]}, {name: b, script: [x], deps: [a], outputs: [b]}]"
    assert order_of(text) == ["b", "a"]
