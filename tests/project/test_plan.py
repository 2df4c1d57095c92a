"""In which order commands run, and which at the same time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import InvalidInput
from git_spacy.project import loader, plan
from git_spacy.project.model import Project


def made(**commands: tuple[list[str], list[str]]) -> Project:
    """A project of commands, each by what it reads and what it makes."""

    return of([{"name": name, "deps": d, "outputs": o} for name, (d, o) in commands.items()])


def of(commands: list[dict[str, Any]]) -> Project:
    return loader.parse(json.dumps({"commands": commands}).encode()).project


def told(found: plan.RunPlan) -> list[tuple[str, list[str]]]:
    return [
        (command.name, [found.commands[other].name for other in sorted(after)])
        for command, after in zip(found.commands, found.after, strict=True)
    ]


def test_in_turn_each_waits_for_the_one_before_it() -> None:
    project = made(a=([], []), b=([], []))
    twice = plan.sequential_plan([*project.commands, project.commands[0]])
    assert told(twice) == [("a", []), ("b", ["a"]), ("a", ["b"])]
    assert told(plan.sequential_plan([])) == []


def test_by_the_graph_each_waits_for_what_it_needs_alone() -> None:
    diamond = made(
        top=([], ["t"]), left=(["t"], ["l"]), right=(["t"], ["r"]), bottom=(["l", "r"], ["b"])
    )
    found = plan.graph_plan(diamond.commands)
    assert told(found) == [
        ("top", []), ("left", ["top"]), ("right", ["top"]), ("bottom", ["left", "right"]),
    ]  # fmt: skip
    assert found.dependents(1) == {3}
    assert found.dependents(0) == {1, 2, 3}


def test_makers_come_first_wherever_they_were_named() -> None:
    project = made(use=(["made/part"], []), make=([], ["made"]), other=([], []))
    found = plan.graph_plan(project.commands)
    assert told(found) == [("make", []), ("use", ["make"]), ("other", [])]


def test_those_that_write_around_one_another_never_run_together() -> None:
    project = made(a=([], ["out"]), b=([], ["out/b"]), c=([], ["other"]), d=(["out/b"], ["out/d"]))
    found = plan.graph_plan(project.commands)
    assert told(found) == [("a", []), ("b", ["a"]), ("c", []), ("d", ["a", "b"])]


def test_one_that_reads_what_it_makes_does_not_wait_for_itself() -> None:
    project = made(a=(["a"], ["a/b"]))
    assert told(plan.graph_plan(project.commands)) == [("a", [])]


def test_each_runs_once() -> None:
    project = made(a=([], []))
    assert told(plan.graph_plan([*project.commands, *project.commands])) == [("a", [])]


def test_a_circle_is_told_with_its_chain() -> None:
    project = made(x=([], []), a=(["c"], ["a"]), b=(["a"], ["b"]), c=(["b"], ["c"]))
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(project.commands)
    assert "each of these needs what the one before it makes: 'a' → 'b' → 'c' → 'a'" in str(
        caught.value
    )


def test_two_makers_of_one_path_are_told_all_at_once() -> None:
    project = made(a=([], ["x", "y"]), b=([], ["x"]), c=([], ["./y"]))
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(project.commands)
    assert [problem.message for problem in caught.value.problems] == [
        "'a' and 'b' both make 'x'", "'a' and 'c' both make './y'",
    ]  # fmt: skip


def test_what_is_upstream_comes_along_and_nothing_else() -> None:
    project = made(
        other=([], ["z"]), use=(["l", "data"], ["u"]), left=(["t"], ["l"]), top=([], ["t"])
    )
    use = project.commands[1]
    found = plan.with_producers(project, [use])
    assert [one.name for one in plan.graph_plan(found).commands] == ["top", "left", "use"]
    assert plan.with_producers(project, [project.commands[3]]) == (project.commands[3],)


def test_upstream_ends_in_a_circle_too() -> None:
    project = made(a=(["b"], ["a"]), b=(["a"], ["b"]))
    assert len(plan.with_producers(project, project.commands[:1])) == 2


paths = st.sampled_from(["a", "b", "c", "d", "a/x", "b/x", "b/y", "e/f/g", "e/f", "e"])
graphs = st.lists(
    st.tuples(st.lists(paths, max_size=3), st.lists(paths, max_size=2)), min_size=1, max_size=8
)


@given(graphs, st.randoms())
def test_every_plan_is_in_order_and_keeps_writers_apart(
    graph: list[tuple[list[str], list[str]]], random: Any
) -> None:
    project = of([{"name": f"c{n}", "deps": d, "outputs": o} for n, (d, o) in enumerate(graph)])
    commands = list(project.commands)
    random.shuffle(commands)
    try:
        found = plan.graph_plan(commands)
    except InvalidInput:
        return
    assert sorted(one.name for one in found.commands) == sorted(one.name for one in commands)
    behind = [found.dependents(number) for number in range(len(commands))]
    for number, one in enumerate(found.commands):
        assert all(other < number for other in found.after[number])
        for later in range(number + 1, len(commands)):
            two = found.commands[later]
            needs = any(out.touches(dep) for out in one.produced for dep in two.deps)
            shares = any(a.touches(b) for a in one.produced for b in two.produced)
            if needs or shares:
                assert later in behind[number]
            # the later one makes nothing that the earlier one needs
            assert not any(out.touches(dep) for out in two.produced for dep in one.deps)


@given(graphs)
def test_an_order_that_is_one_already_is_kept(graph: list[tuple[list[str], list[str]]]) -> None:
    """So that the lock is the same with one job and with many."""

    project = of([{"name": f"c{n}", "deps": d, "outputs": o} for n, (d, o) in enumerate(graph)])
    try:
        found = plan.graph_plan(project.commands)
    except InvalidInput:
        return
    assert plan.graph_plan(found.commands).commands == found.commands


def test_a_thousand_commands_are_planned_without_recursion() -> None:
    count = 1000
    project = of(
        [{"name": f"c{n}", "deps": [f"f{n}"], "outputs": [f"f{n + 1}"]} for n in range(count)][::-1]
    )
    found = plan.graph_plan(plan.with_producers(project, [project.commands[0]]))
    assert [one.name for one in found.commands] == [f"c{n}" for n in range(count)]


def test_a_circle_is_told_at_its_first_line_with_a_way_out() -> None:
    project = made(x=([], []), a=(["b"], ["a"]), b=(["a"], ["b"]))
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(project.commands)
    (problem,) = caught.value.problems
    assert problem == (
        "each of these needs what the one before it makes: 'a' → 'b' → 'a'",
        "take one of the dependencies out, or run them one by one",
        f"project.yml:{project.commands[1].line}",
    )


def test_two_makers_are_told_at_the_line_of_the_second_with_a_way_out() -> None:
    text = "commands:\n  - {name: a, outputs: [x]}\n  - {name: b, outputs_no_cache: [x]}\n"
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(loader.parse(text.encode()).project.commands)
    (problem,) = caught.value.problems
    assert problem == (
        "'a' and 'b' both make 'x'",
        "give each an output of its own, or run them one by one",
        "project.yml:3",
    )


@pytest.mark.parametrize("names", [("c", "c --vars.seed 1"), ("c --vars.seed 1", "c")])
def test_variants_of_one_output_are_told_to_put_the_variable_into_its_path(
    names: tuple[str, str],
) -> None:
    (command,) = made(c=([], ["out"])).commands
    both = [one._replace(name=name, variant_of="c" if " " in name else "")
            for name, one in zip(names, (command, command), strict=True)]  # fmt: skip
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(both)
    (problem,) = caught.value.problems
    assert problem.message == (
        f"'{names[0]}' and '{names[1]}' both make 'out': one would overwrite the other"
    )
    assert problem.hint == "put the variable into the path, as in 'out/${vars.seed}'"
    assert problem.location == f"project.yml:{command.line}"


def test_what_comes_along_is_in_the_order_of_the_project_and_before_what_was_named() -> None:
    project = made(b=([], ["b"]), use=(["a", "b", "c"], ["u"]), c=(["b"], ["c"]), a=([], ["a"]))
    found = plan.with_producers(project, [project.commands[1]])
    assert [one.name for one in found] == ["b", "c", "a", "use"]
    named = plan.with_producers(project, [project.commands[1], project.commands[3]])
    assert [one.name for one in named] == ["b", "c", "use", "a"], "as they were named"
