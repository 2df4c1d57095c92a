"""The order in which commands run, and which of them may run at the same time."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.project import loader, plan
from git_spacy.project.model import Project


def make_project(**commands: tuple[list[str], list[str]]) -> Project:
    """Return a project with these commands, each given by its dependencies and its outputs."""

    return parse_commands(
        [
            {"name": name, "deps": deps, "outputs": outputs}
            for name, (deps, outputs) in commands.items()
        ]
    )


def parse_commands(commands: list[dict[str, Any]]) -> Project:
    return loader.parse(json.dumps({"commands": commands}).encode()).project


def names_with_predecessors(run_plan: plan.RunPlan) -> list[tuple[str, list[str]]]:
    return [
        (command.name, [run_plan.commands[other].name for other in sorted(after)])
        for command, after in zip(run_plan.commands, run_plan.after, strict=True)
    ]


def all_after(found: plan.RunPlan, index: int) -> set[int]:
    """Return the indices of the commands that wait for this one, directly or indirectly."""

    waiting = {index}
    for later in range(index + 1, len(found.commands)):
        if not waiting.isdisjoint(found.after[later]):
            waiting.add(later)
    return waiting - {index}


def test_in_a_sequential_plan_each_command_waits_for_the_previous_one() -> None:
    project = make_project(a=([], []), b=([], []))
    twice = plan.sequential_plan([*project.commands, project.commands[0]])
    assert names_with_predecessors(twice) == [("a", []), ("b", ["a"]), ("a", ["b"])]
    assert names_with_predecessors(plan.sequential_plan([])) == []


def test_in_a_graph_plan_each_command_waits_only_for_its_dependencies() -> None:
    diamond = make_project(
        top=([], ["t"]), left=(["t"], ["l"]), right=(["t"], ["r"]), bottom=(["l", "r"], ["b"])
    )
    found = plan.graph_plan(diamond.commands)
    assert names_with_predecessors(found) == [
        ("top", []), ("left", ["top"]), ("right", ["top"]), ("bottom", ["left", "right"]),
    ]  # fmt: skip
    assert all_after(found, 1) == {3}
    assert all_after(found, 0) == {1, 2, 3}


def test_producers_come_first_in_whatever_order_commands_are_named() -> None:
    project = make_project(use=(["made/part"], []), make=([], ["made"]), other=([], []))
    found = plan.graph_plan(project.commands)
    assert names_with_predecessors(found) == [("make", []), ("use", ["make"]), ("other", [])]


def test_commands_with_overlapping_outputs_never_run_at_the_same_time() -> None:
    project = make_project(
        a=([], ["out"]), b=([], ["out/b"]), c=([], ["other"]), d=(["out/b"], ["out/d"])
    )
    found = plan.graph_plan(project.commands)
    assert names_with_predecessors(found) == [("a", []), ("b", ["a"]), ("c", []), ("d", ["a", "b"])]


def test_a_command_that_depends_on_its_own_output_does_not_wait_for_itself() -> None:
    project = make_project(a=(["a"], ["a/b"]))
    assert names_with_predecessors(plan.graph_plan(project.commands)) == [("a", [])]


def test_a_graph_plan_runs_each_command_once() -> None:
    project = make_project(a=([], []))
    assert names_with_predecessors(plan.graph_plan([*project.commands, *project.commands])) == [
        ("a", [])
    ]


def test_a_dependency_cycle_is_reported_with_its_commands() -> None:
    project = make_project(x=([], []), a=(["c"], ["a"]), b=(["a"], ["b"]), c=(["b"], ["c"]))
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(project.commands)
    assert "dependency cycle: 'a' → 'b' → 'c' → 'a'" in str(caught.value)


def test_all_paths_with_two_producers_are_reported_at_once() -> None:
    project = make_project(a=([], ["x", "y"]), b=([], ["x"]), c=([], ["./y"]))
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(project.commands)
    assert [problem.message for problem in caught.value.problems] == [
        "'a' and 'b' both produce 'x'", "'a' and 'c' both produce './y'",
    ]  # fmt: skip


def test_upstream_commands_are_added_and_no_others() -> None:
    project = make_project(
        other=([], ["z"]), use=(["l", "data"], ["u"]), left=(["t"], ["l"]), top=([], ["t"])
    )
    use = project.commands[1]
    found = plan.with_producers(project, [use])
    assert [command.name for command in plan.graph_plan(found).commands] == ["top", "left", "use"]
    assert plan.with_producers(project, [project.commands[3]]) == (project.commands[3],)


def test_upstream_commands_of_a_cycle_are_found_without_looping_forever() -> None:
    project = make_project(a=(["b"], ["a"]), b=(["a"], ["b"]))
    assert len(plan.with_producers(project, project.commands[:1])) == 2


paths = st.sampled_from(["a", "b", "c", "d", "a/x", "b/x", "b/y", "e/f/g", "e/f", "e"])
graphs = st.lists(
    st.tuples(st.lists(paths, max_size=3), st.lists(paths, max_size=2)), min_size=1, max_size=8
)


@given(graphs, st.randoms())
def test_any_plan_respects_dependencies_and_separates_overlapping_outputs(
    graph: list[tuple[list[str], list[str]]], random: Any
) -> None:
    project = parse_commands(
        [{"name": f"c{n}", "deps": d, "outputs": o} for n, (d, o) in enumerate(graph)]
    )
    commands = list(project.commands)
    random.shuffle(commands)
    try:
        found = plan.graph_plan(commands)
    except InvalidInput:
        return
    planned_names = sorted(command.name for command in found.commands)
    assert planned_names == sorted(command.name for command in commands)
    dependents = [all_after(found, index) for index in range(len(commands))]
    for index, earlier in enumerate(found.commands):
        assert all(other < index for other in found.after[index])
        for later_index in range(index + 1, len(commands)):
            later = found.commands[later_index]
            depends = any(out.touches(dep) for out in earlier.produced for dep in later.deps)
            overlaps = any(a.touches(b) for a in earlier.produced for b in later.produced)
            if depends or overlaps:
                assert later_index in dependents[index]
            # no command depends on the output of a later one
            assert not any(out.touches(dep) for out in later.produced for dep in earlier.deps)


@given(graphs)
def test_a_valid_order_is_kept(graph: list[tuple[list[str], list[str]]]) -> None:
    """project.lock must be the same with one job and with many."""

    project = parse_commands(
        [{"name": f"c{n}", "deps": d, "outputs": o} for n, (d, o) in enumerate(graph)]
    )
    try:
        found = plan.graph_plan(project.commands)
    except InvalidInput:
        return
    assert plan.graph_plan(found.commands).commands == found.commands


def test_a_thousand_commands_are_planned_without_recursion() -> None:
    count = 1000
    project = parse_commands(
        [{"name": f"c{n}", "deps": [f"f{n}"], "outputs": [f"f{n + 1}"]} for n in range(count)][::-1]
    )
    found = plan.graph_plan(plan.with_producers(project, [project.commands[0]]))
    assert [command.name for command in found.commands] == [f"c{n}" for n in range(count)]


def test_a_dependency_cycle_is_reported_at_its_first_command_with_a_hint() -> None:
    project = make_project(x=([], []), a=(["b"], ["a"]), b=(["a"], ["b"]))
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(project.commands)
    (problem,) = caught.value.problems
    assert problem == Diagnostic(
        "dependency cycle: 'a' → 'b' → 'a'",
        "remove one of the dependencies, or run the commands one at a time",
        "project.yml",
        project.commands[1].line,
    )


def test_two_producers_are_reported_at_the_second_with_a_hint() -> None:
    text = "commands:\n  - {name: a, outputs: [x]}\n  - {name: b, outputs_no_cache: [x]}\n"
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(loader.parse(text.encode()).project.commands)
    (problem,) = caught.value.problems
    assert problem == Diagnostic(
        "'a' and 'b' both produce 'x'",
        "give each its own output, or run them one at a time",
        "project.yml",
        3,
    )


@pytest.mark.parametrize(("path", "suggested"), [
    ("out", "out/${vars.seed}"),
    ("metrics.json", "metrics-${vars.seed}.json"),
    ("training/model-best", "training/${vars.seed}/model-best"),
    ("a/b/scores.json", "a/b/${vars.seed}/scores.json"),
    (".cache", ".cache/${vars.seed}"),
])  # fmt: skip
@pytest.mark.parametrize("names", [
    ("c", "c --vars.seed 1"), ("c --vars.seed 1", "c"),
    ("c --vars.seed 1", "c --vars.seed 2", "c --vars.seed 3"),
])  # fmt: skip
def test_variants_with_the_same_output_get_the_hint_to_include_the_variable_in_its_path(
    names: tuple[str, ...], path: str, suggested: str
) -> None:
    (command,) = make_project(c=([], [path])).commands
    all_ = [command._replace(name=name, variant_of="c" if " " in name else "") for name in names]
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(all_)
    (problem,) = caught.value.problems
    assert problem.message == (
        f"'{names[0]}' and '{names[1]}' both produce '{path}': one would overwrite the other"
    )
    assert problem.hint == (
        f"include the variable in the path, also where the script writes it: '{suggested}'"
    )
    assert problem.location == f"project.yml:{command.line}"


@pytest.mark.parametrize(("variants", "variables"), [
    (["a 1 b 1", "a 1 b 2", "a 2 b 1", "a 2 b 2"], "variables .*'m/${vars.a}-${vars.b}'"),
    (["b 1", "a 2 b 1", ""], "variables .*'m/${vars.b}-${vars.a}'"),
    (["a 1 b 1", "a 1 b 2"], "variable .*'m/${vars.b}'"),
])  # fmt: skip
def test_the_hint_names_all_variables_in_which_variants_differ_and_no_other(
    variants: list[str], variables: str
) -> None:
    (command,) = make_project(c=([], ["m"])).commands
    names = [re.sub("([ab]) ", r"--vars.\1 ", f"c {variant}").strip() for variant in variants]
    all_ = [command._replace(name=name, variant_of="c" if " " in name else "") for name in names]
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(all_)
    (problem,) = caught.value.problems
    assert re.match(f"include the {re.escape(variables)}".replace(r"\.\*", ".*"), problem.hint)


def test_upstream_commands_come_before_the_named_ones_in_the_order_of_the_project() -> None:
    project = make_project(
        b=([], ["b"]), use=(["a", "b", "c"], ["u"]), c=(["b"], ["c"]), a=([], ["a"])
    )
    found = plan.with_producers(project, [project.commands[1]])
    assert [command.name for command in found] == ["b", "c", "a", "use"]
    named = plan.with_producers(project, [project.commands[1], project.commands[3]])
    assert [command.name for command in named] == ["b", "c", "use", "a"], "as they were named"
