"""Dependencies between commands, and the commands that a name refers to."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.project import graph, loader
from git_spacy.project.model import Command
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
def test_names_expand_to_commands_in_order(names: list[str], commands: str) -> None:
    assert "".join(command.name for command in graph.expand_names(PROJECT, names)) == commands


def test_an_unknown_name_is_reported() -> None:
    with pytest.raises(InvalidInput, match="unknown command or workflow 'al'"):
        graph.expand_names(PROJECT, ["a", "al"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("corpus/train.spacy", ["a", "c"]),
        ("corpus", ["a", "c"]),
        ("corpus/dev.spacy", ["c"]),
        ("metrics.json", ["b"]),
        ("assets/raw/x", ["assets/raw"]),
        ("corpusx", []),
    ],
)
def test_the_producers_of_a_path_are_those_whose_outputs_overlap_with_it(
    path: str, expected: list[str]
) -> None:
    found = graph.producers(PROJECT, ProjectPath(path, path))
    names = [
        producer.name if isinstance(producer, Command) else str(producer.dest) for producer in found
    ]
    assert names == expected


NAMES = st.lists(st.sampled_from("ab"), min_size=1, max_size=3).map("/".join)
PATHS = NAMES.map(lambda name: ProjectPath(name, name))


@given(st.lists(PATHS, max_size=8), PATHS)
def test_the_index_finds_the_same_paths_as_comparing_them_all(
    paths: list[ProjectPath], path: ProjectPath
) -> None:
    index = graph.PathIndex((other, number) for number, other in enumerate(paths))
    expected = [(other, number) for number, other in enumerate(paths) if other.touches(path)]
    assert sorted(index.touching(path)) == sorted(expected)


@given(st.dictionaries(st.integers(0, 6), st.sets(st.integers(0, 6), max_size=3), max_size=7))
def test_a_cycle_is_found_if_and_only_if_there_is_one(dependencies: dict[int, set[int]]) -> None:
    cycle = graph.find_cycle(dependencies)
    if cycle:
        assert len(set(cycle)) == len(cycle)
        for dependency, item in itertools.pairwise([*cycle, cycle[0]]):
            assert dependency in dependencies[item]
    else:  # without a cycle, all items can be processed in some order
        done: set[int] = set()
        while len(done) < len(dependencies):
            done |= {
                item for item in dependencies if dependencies[item] & set(dependencies) <= done
            }


def test_a_cycle_starts_with_the_item_that_was_defined_first() -> None:
    assert graph.find_cycle({"a": {"c"}, "b": {"a"}, "c": {"b"}}) == ["a", "b", "c"]
    assert graph.find_cycle({"a": {"a"}}) == ["a"]
    assert graph.find_cycle({"b": {"elsewhere"}, "a": {"b"}}) == []


def test_each_command_is_mapped_to_the_producers_of_its_dependencies() -> None:
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
    assert graph.DependencyGraph(project.commands).upstream_names() == {
        "use": ("get", "train"), "train": ("get",), "get": (), "again": ("get",), "alone": (),
    }  # fmt: skip

    def upstream(name: str) -> dict[str, tuple[str, ...]]:
        commands = graph.workflow_commands(project, project.workflow(name))
        return graph.DependencyGraph(commands).upstream_names()

    assert upstream("all") == {
        "train": ("get",),
        "get": (),
    }
    assert upstream("none") == {}


@given(st.dictionaries(st.integers(0, 6), st.sets(st.integers(0, 6), max_size=3), max_size=7))
def test_sorting_puts_dependencies_first_and_loses_no_item(
    dependencies: dict[int, set[int]],
) -> None:
    found = graph.topological_sort(dependencies)
    assert sorted(found) == sorted(dependencies)
    if not graph.find_cycle(dependencies):
        for index, item in enumerate(found):
            assert dependencies[item] & set(dependencies) <= set(found[:index])


def test_sorting_keeps_the_order_of_independent_items_and_cuts_cycles_at_their_end() -> None:
    assert graph.topological_sort({"b": (), "a": ("c",), "c": ()}) == ["b", "c", "a"]
    assert graph.topological_sort({"a": ("c",), "b": ("a",), "c": ("b",)}) == ["b", "c", "a"]
    chain: dict[int, tuple[int, ...]] = {number: (number + 1,) for number in range(5000)}
    assert graph.topological_sort(chain)[0] == 4999


def test_an_unknown_workflow_is_reported_with_a_suggestion() -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(PROJECT, "othr")
    assert "did you mean 'other'?" in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(PROJECT, "a")
    assert "available workflows: all, other" in str(caught.value)
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(loader.parse(b"title: x").project, "a")
    assert "add it under 'workflows:'" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "name", "hint"),
    [
        ("commands: [{name: train, script: [x]}]", "trian", "did you mean 'train'?"),
        ("commands: [{name: train, script: [x]}]", "zzz", "available: train"),
        ("commands: [{name: train, script: [x]}]\nworkflows: {all: [train]}", "zzz",
         "available: all, train"),
        ("commands: [{name: train, script: [x]}]", "assets", "to fetch the assets: git spacy assets"),
        ("commands: [{name: train, script: [x]}]", "asset", "to fetch the assets: git spacy assets"),
        ("title: x", "train", "add it under 'commands:' in project.yml"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_reported_with_a_hint(text: str, name: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.expand_names(loader.parse(text.encode()).project, [name])
    (problem,) = caught.value.problems
    assert problem == Diagnostic(f"unknown command or workflow '{name}'", hint, "project.yml")


def test_an_unknown_workflow_is_reported_in_project_yml() -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.find_workflow(PROJECT, "othr")
    (problem,) = caught.value.problems
    assert problem == Diagnostic("unknown workflow 'othr'", "did you mean 'other'?", "project.yml")


@pytest.mark.parametrize(
    ("workflow", "expected"), [(None, ["a", "b", "c"]), ("all", ["a", "b"]), ("other", ["b"])]
)
def test_a_workflow_has_each_of_its_commands_once(
    workflow: str | None, expected: list[str]
) -> None:
    commands = graph.workflow_commands(PROJECT, PROJECT.workflow(workflow) if workflow else None)
    assert [command.name for command in commands] == expected


PRODUCERS = loader.parse(
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
    ("name", "path", "hint"),
    [
        ("b", "corpus/train", "git spacy run a"),
        ("b", "corpus", "git spacy run a"),
        ("b", "assets/raw", "git spacy assets assets/raw"),
        ("b", "assets/raw/deep", "git spacy assets assets/raw"),
        ("b", "assets/repo", "git spacy assets assets/repo"),
        ("b", "assets/mine", "'assets/mine' is a private asset: copy it there yourself"),
        ("a", "a.txt", "no command produces it: create it, or correct the path in project.yml"),
        ("b", "else", "no command produces it: create it, or correct the path in project.yml"),
    ],
)
def test_the_hint_for_a_missing_dependency_says_how_to_obtain_it(
    name: str, path: str, hint: str
) -> None:
    assert graph.producer_hint(PRODUCERS, name, ProjectPath(path, path)) == hint


def test_overlapping_asset_destinations_are_reported_all_at_once() -> None:
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
    hint = "give each asset its own destination"
    assert caught.value.problems == (
        Diagnostic("asset destination 'a' is already used on line 2", hint, "project.yml", 4),
        Diagnostic("asset destination 'a/x' is inside 'a' (line 2)", hint, "project.yml", 6),
        Diagnostic("asset destination 'b' contains 'b/c' (line 3)", hint, "project.yml", 5),
        Diagnostic("asset destination 'a/x' is inside 'a' (line 4)", hint, "project.yml", 6),
    )
    graph.check_destinations(PRODUCERS.assets)
