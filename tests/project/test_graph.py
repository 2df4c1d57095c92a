"""Who makes what, and what a name stands for."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.project import graph, loader
from git_spacy.project.paths import ProjectPath

PROJECT = loader.parse(
    b"""
assets:
  - {dest: assets/raw, url: u}
commands:
  - {name: a, script: [x], outputs: [corpus/train.spacy]}
  - {name: b, script: [x], deps: [corpus], outputs_no_cache: [metrics.json]}
  - {name: c, script: [x], outputs: [corpus]}
workflows:
  all: [a, b]
  other: [b, b]
"""
).project


@pytest.mark.parametrize(
    ("names", "commands"),
    [(["all"], "ab"), (["c", "all"], "cab"), (["other"], "bb"), (["a"], "a"), ([], "")],
)
def test_names_stand_for_commands_in_order(names: list[str], commands: str) -> None:
    assert "".join(command.name for command in graph.expand_names(PROJECT, names)) == commands


def test_a_name_that_is_neither_is_told() -> None:
    with pytest.raises(InvalidInput, match="no command or workflow 'al'"):
        graph.expand_names(PROJECT, ["a", "al"])


@pytest.mark.parametrize(
    ("path", "makers"),
    [
        ("corpus/train.spacy", ["a", "c"]),
        ("corpus", ["a", "c"]),
        ("corpus/dev.spacy", ["c"]),
        ("metrics.json", ["b"]),
        ("assets/raw/x", ["assets/raw"]),
        ("corpusx", []),
    ],
)
def test_the_makers_of_a_path_are_those_that_write_at_above_or_below_it(
    path: str, makers: list[str]
) -> None:
    found = graph.producers(PROJECT, ProjectPath(path, path))
    assert [getattr(maker, "name", None) or str(maker.dest) for maker in found] == makers  # type: ignore[union-attr]


NAMES = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join)
PATHS = NAMES.map(lambda name: ProjectPath(name, name))


@given(st.lists(PATHS, max_size=8), PATHS)
def test_what_touches_a_path_is_found_as_if_all_were_compared(
    paths: list[ProjectPath], path: ProjectPath
) -> None:
    owned = graph.PathIndex((one, number) for number, one in enumerate(paths))
    slow = [(one, number) for number, one in enumerate(paths) if one.touches(path)]
    assert sorted(owned.touching(path)) == sorted(slow)


@given(st.dictionaries(st.integers(0, 6), st.sets(st.integers(0, 6), max_size=3), max_size=7))
def test_a_circle_is_found_if_there_is_one(needs: dict[int, set[int]]) -> None:
    found = graph.find_cycle(needs)
    if found:
        assert len(set(found)) == len(found)
        for maker, user in itertools.pairwise([*found, found[0]]):
            assert maker in needs[user]
    else:  # then there is an order
        done: set[int] = set()
        while len(done) < len(needs):
            done |= {one for one in needs if needs[one] & set(needs) <= done}


def test_a_circle_begins_with_what_comes_first() -> None:
    assert graph.find_cycle({"a": {"c"}, "b": {"a"}, "c": {"b"}}) == ["a", "b", "c"]
    assert graph.find_cycle({"a": {"a"}}) == ["a"]
    assert graph.find_cycle({"b": {"elsewhere"}, "a": {"b"}}) == []


def test_each_command_has_the_commands_that_make_what_it_needs() -> None:
    project = loader.parse(
        b"""
commands:
  - {name: use, script: [x], deps: [data/raw/x, model/best, ./data//raw/x, src], outputs: [out]}
  - {name: train, script: [x], deps: [data], outputs: [model]}
  - {name: get, script: [x], outputs: [data/raw, log]}
  - {name: again, script: [x], deps: [log], outputs_no_cache: [log]}
  - {name: alone, script: [x]}
workflows: {all: [train, get, train], none: []}
"""
    ).project
    assert graph.upstream_commands(project) == {
        "use": ("get", "train"), "train": ("get",), "get": (), "again": ("get",), "alone": (),
    }  # fmt: skip
    assert graph.upstream_commands(project, project.workflow("all")) == {
        "train": ("get",),
        "get": (),
    }
    assert graph.upstream_commands(project, project.workflow("none")) == {}


@given(st.dictionaries(st.integers(0, 6), st.sets(st.integers(0, 6), max_size=3), max_size=7))
def test_things_come_after_what_they_need_and_none_is_lost(needs: dict[int, set[int]]) -> None:
    found = graph.topological_sort(needs)
    assert sorted(found) == sorted(needs)
    if not graph.find_cycle(needs):
        for number, one in enumerate(found):
            assert needs[one] & set(needs) <= set(found[:number])


def test_things_that_need_nothing_stay_as_they_are_and_a_circle_is_cut_at_its_end() -> None:
    assert graph.topological_sort({"b": (), "a": ("c",), "c": ()}) == ["b", "c", "a"]
    assert graph.topological_sort({"a": ("c",), "b": ("a",), "c": ("b",)}) == ["b", "c", "a"]
    chain: dict[int, tuple[int, ...]] = {number: (number + 1,) for number in range(5000)}
    assert graph.topological_sort(chain)[0] == 4999


def test_a_workflow_that_is_not_there_is_told_with_the_one_that_is_near() -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(PROJECT, "othr")
    assert "did you mean 'other'?" in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(PROJECT, "a")
    assert "there are: all, other" in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(loader.parse(b"title: x").project, "a")
    assert "project.yml defines none" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("commands: [{name: train, script: [x]}]", "trian", "did you mean 'train'?"),
        ("commands: [{name: train, script: [x]}]", "zzz", "there are: train"),
        ("commands: [{name: train, script: [x]}]\nworkflows: {all: [train]}", "zzz",
         "there are: all, train"),
        ("commands: [{name: train, script: [x]}]", "assets", "to fetch the assets: git spacy assets"),
        ("commands: [{name: train, script: [x]}]", "asset", "to fetch the assets: git spacy assets"),
        ("title: x", "train", "project.yml defines none"),
    ],
)  # fmt: skip
def test_a_name_that_is_neither_comes_with_what_might_be_meant(
    text: str, name: str, hint: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.expand_names(loader.parse(text.encode()).project, [name])
    (problem,) = caught.value.problems
    assert problem == (f"no command or workflow '{name}'", hint, "project.yml")


def test_a_workflow_that_is_not_there_is_told_with_its_place() -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(PROJECT, "othr")
    (problem,) = caught.value.problems
    assert problem == ("no workflow 'othr'", "did you mean 'other'?", "project.yml")


def test_the_steps_of_a_workflow_are_its_commands_each_once() -> None:
    assert [one.name for one in graph.workflow_commands(PROJECT)] == ["a", "b", "c"]
    assert [one.name for one in graph.workflow_commands(PROJECT, PROJECT.workflow("all"))] == [
        "a",
        "b",
    ]
    assert [one.name for one in graph.workflow_commands(PROJECT, PROJECT.workflow("other"))] == [
        "b"
    ]


MADE = loader.parse(
    b"""
assets:
  - {dest: assets/raw, url: u}
  - {dest: assets/repo, git: {repo: r, path: p}}
  - {dest: assets/mine}
commands:
  - {name: a, script: [x], deps: [a.txt], outputs: [a.txt, corpus/train]}
"""
).project


@pytest.mark.parametrize(
    ("name", "path", "typed"),
    [
        ("b", "corpus/train", "git spacy run a"),
        ("b", "corpus", "git spacy run a"),
        ("b", "assets/raw", "git spacy assets assets/raw"),
        ("b", "assets/raw/deep", "git spacy assets assets/raw"),
        ("b", "assets/repo", "git spacy assets assets/repo"),
        ("b", "assets/mine", "'assets/mine' is private: put it there yourself"),
        ("a", "a.txt", "nothing in project.yml makes it: put it there, or correct the path"),
        ("b", "else", "nothing in project.yml makes it: put it there, or correct the path"),
    ],
)
def test_what_to_type_for_a_dependency_that_is_missing(name: str, path: str, typed: str) -> None:
    assert graph.producer_hint(MADE, name, ProjectPath(path, path)) == typed


def test_assets_that_would_destroy_each_other_are_told_all_at_once() -> None:
    text = """\
assets:
  - {dest: a, url: u}
  - {dest: b/c, url: u}
  - {dest: a, url: u}
  - {dest: b, url: u}
  - {dest: a/x, url: u}
  - {dest: ab, url: u}
"""
    with pytest.raises(InvalidInput) as caught:
        graph.check_destinations(loader.parse(text.encode()).project.assets)
    hint = "give each asset a place of its own"
    assert caught.value.problems == (
        ("asset destination 'a' is that of line 2 or lies in it", hint, "project.yml:4"),
        ("asset destination 'a/x' is that of line 2 or lies in it", hint, "project.yml:6"),
        ("asset destination 'b' holds 'b/c' of line 3", hint, "project.yml:5"),
        ("asset destination 'a/x' is that of line 4 or lies in it", hint, "project.yml:6"),
    )
    graph.check_destinations(MADE.assets)
