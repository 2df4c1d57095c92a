"""Command variants: which a matrix yields, their names, and their entries in project.lock."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.project import loader, matrix, plan
from git_spacy.project.matrix import Axis, parse_axis
from git_spacy.project.model import Command, Project
from git_spacy.state.verdict import orphaned_entries

DATA = b"""
vars:
  seed: 0
  config: a.cfg
  out: "training/${vars.seed}"
  unused: 1
commands:
  - {name: prepare, script: ["prepare x"], outputs: [corpus]}
  - {name: train, script: ["train ${vars.seed} ${vars.config}"], deps: [corpus], outputs: ["${vars.out}"]}
  - {name: evaluate, script: ["evaluate ${vars.out}"], deps: ["${vars.out}"], outputs: ["${vars.out}.json"]}
  - {name: report, script: [report], deps: [training], outputs: [report.md]}
"""
PLAIN = loader.parse(DATA).project


def select_all(project: Project) -> Iterable[Command]:
    return project.commands


def variants(*axes: str, overrides: dict[str, object] | None = None) -> tuple[Command, ...]:
    return matrix.expand_matrix(
        DATA, overrides or {}, [parse_axis(text) for text in axes], select_all
    )


def names(commands: Iterable[Command]) -> list[str]:
    return [command.name for command in commands]


def test_a_matrix_yields_each_command_once_per_values_that_affect_it() -> None:
    found = variants("vars.seed=0,1,2")
    assert names(found) == [
        "prepare", "train", "evaluate", "report",
        "train --vars.seed 1", "evaluate --vars.seed 1",
        "train --vars.seed 2", "evaluate --vars.seed 2",
    ]  # fmt: skip
    second = found[4]
    assert second.variant_of == "train"
    assert second.script == ("train 1 a.cfg",)
    assert [path.text for path in second.produced] == ["training/1"]
    assert second.cli_name == "git spacy run train --vars.seed 1"
    assert matrix.variant_variables(second) == {"vars.seed": 1}
    # the values of project.yml itself yield no variant
    assert found[1] == PLAIN.command("train")
    assert matrix.variant_variables(found[1]) == {}


def test_axes_are_combined() -> None:
    found = names(variants("seed=0,1", "config=a.cfg,b c.cfg"))
    assert found[:3] == ["prepare", "train", "evaluate"]
    assert [name for name in found if name.startswith("train")] == [
        "train",
        "train --vars.seed 0 --vars.config 'b c.cfg'",
        "train --vars.seed 1 --vars.config a.cfg",
        "train --vars.seed 1 --vars.config 'b c.cfg'",
    ]
    with pytest.raises(InvalidInput, match=r"uses 'vars\.unused', so all runs would be the same"):
        variants("seed=0,1", "unused=1,2,3")


def test_variants_depend_on_each_other_by_their_paths() -> None:
    found = plan.graph_plan(variants("vars.seed=0,1"))
    after = {
        command.name: {found.commands[other].name for other in others}
        for command, others in zip(found.commands, found.after, strict=True)
    }
    assert after == {
        "prepare": set(),
        "train": {"prepare"},
        "evaluate": {"train"},
        "train --vars.seed 1": {"prepare"},
        "evaluate --vars.seed 1": {"train --vars.seed 1"},
        # it depends on all of 'training'
        "report": {"train", "evaluate", "train --vars.seed 1", "evaluate --vars.seed 1"},
    }


def test_variants_that_would_overwrite_each_other_are_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        plan.graph_plan(variants("vars.config=a.cfg,b.cfg"))
    (problem,) = caught.value.problems
    assert problem.message == (
        "'train' and 'train --vars.config b.cfg' both produce 'training/0':"
        " one would overwrite the other"
    )
    assert "'training/${vars.config}/0'" in problem.hint


def test_overrides_apply_to_all_variants() -> None:
    found = variants("vars.seed=0,1", overrides={"config": "z.cfg"})
    assert [command.script[0] for command in found if command.name.startswith("train")] == [
        "train 0 z.cfg", "train 1 z.cfg",
    ]  # fmt: skip
    assert found[4].name == "train --vars.seed 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vars.seed=0,1", Axis("vars.seed", ("0", "1"))),
        ("seed=-1", Axis("seed", ("-1",))),
        ("c=a.cfg,b.cfg", Axis("c", ("a.cfg", "b.cfg"))),
        ('c=["a,b", "1", 1, 1.5, true, null]', Axis("c", ("a,b", '"1"', "1", "1.5", "true", "null"))),
        ("c=1.0,1.00", None),
        ("c=a=b", Axis("c", ("a=b",))),
        ("c=a..b", Axis("c", ("a..b",))),
        ("c=1..x,../y", Axis("c", ("1..x", "../y"))),
        ("c", None),
        ("c=", None),
        ("=1", None),
        ("c=1,,2", None),
        ("c=1,1", None),
        ("c=[]", None),
    ],
)  # fmt: skip
def test_an_axis_is_parsed_from_the_command_line(text: str, expected: Axis | None) -> None:
    if expected is None:
        with pytest.raises(InvalidInput, match=r"--matrix: error: "):
            parse_axis(text)
    else:
        assert parse_axis(text) == expected


def test_an_unknown_or_repeated_variable_of_a_matrix_is_reported() -> None:
    with pytest.raises(InvalidInput, match=r"did you mean 'seed'"):
        variants("vars.seeed=1")
    with pytest.raises(InvalidInput, match=r"'vars.seed' is given twice"):
        variants("vars.seed=1", "seed=2")


def test_lock_entries_of_variants_are_recognized() -> None:
    entries = [
        "train", "train --vars.seed 1", "evaluate --vars.seed 1 --vars.config b.cfg",
        "gone --vars.seed 1", "train --vars.gone 1", "train --seed 1", "train --vars.seed", "train '",
    ]  # fmt: skip
    project = matrix.with_variants(PLAIN, DATA, entries)
    assert names(project.commands)[4:] == entries[1:3]
    assert project.commands[4] == variants("vars.seed=1")[1]
    assert [reason.about for reason in orphaned_entries(project, entries)] == entries[3:]
    assert matrix.with_variants(PLAIN, DATA, ["train"]) == PLAIN


json_values = st.one_of(
    st.text(max_size=8).filter(lambda text: "\0" not in text),
    st.integers(), st.booleans(), st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip


@given(st.lists(json_values, min_size=1, max_size=3, unique_by=repr))
def test_a_variants_name_preserves_any_value(values: list[object]) -> None:
    import json

    try:
        found = variants(f"config={json.dumps(values)}")
    except InvalidInput:  # a repeated value, or an empty string
        return
    for command in found:
        if command.variant_of:
            project = matrix.with_variants(PLAIN, DATA, [command.name])
            assert project.commands[-1] == command
            assert set(matrix.variant_variables(command)) == {"vars.config"}


def test_a_command_recorded_as_a_variant_is_matched_to_that_entry() -> None:
    overrides = {"seed": 1}
    project = loader.parse(DATA, overrides).project
    entries = ["train", "train --vars.seed 1"]
    found = matrix.recorded_variants(DATA, overrides, project.commands, entries)
    assert names(found) == ["prepare", "train --vars.seed 1", "evaluate", "report"]
    assert names(matrix.recorded_variants(DATA, overrides, project.commands, ["train"])) == names(
        PLAIN.commands
    )


def test_the_command_line_groups_commands_with_the_same_variables() -> None:
    train, evaluate = (variants("vars.seed=0,1")[number] for number in (4, 5))
    plain = PLAIN.commands
    assert matrix.command_line([]) == ""
    assert matrix.command_line(plain[:2]) == "git spacy run prepare train"
    assert matrix.command_line([plain[0], train, evaluate, plain[3]]) == (
        "git spacy run prepare && git spacy run train evaluate --vars.seed 1"
        " && git spacy run report"
    )


def test_the_command_line_is_quoted_for_a_shell() -> None:
    unusual = PLAIN.commands[0]._replace(name="a b;c")
    assert matrix.command_line([unusual]) == "git spacy run 'a b;c'"
    variant = variants('config=["x y"]')[0:2][1]
    assert variant.name == "train --vars.config 'x y'"
    assert matrix.command_line([variant]) == "git spacy run train --vars.config 'x y'"


@pytest.mark.parametrize(
    ("name", "command", "variables"),
    [
        ("train", "train", {}),
        ("train --vars.seed 1", "train", {"vars.seed": 1}),
        ("train --vars.a x --variables.b '[1]'", "train", {"vars.a": "x", "variables.b": [1]}),
        ("train --seed 1", "train --seed 1", {}),
        ("train --vars.seed", "train --vars.seed", {}),
        ("train '", "train '", {}),
        ("", "", {}),
    ],
)
def test_only_a_variants_name_is_split(
    name: str, command: str, variables: dict[str, object]
) -> None:
    assert matrix.split_name(name) == (command, variables)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "c",
            "invalid value 'c'; expected VARIABLE=VALUE,VALUE",
            "e.g. --matrix vars.seed=0,1,2",
        ),
        ("c=1,2,1", "duplicate value 1 in 'c=1,2,1'", "remove one of them"),
        ("c=1..3", "'1..3' is a range, which only --search takes",
         "list the values: --matrix c=1,2,3\nor search: --search c=1..3"),
        ("c=-1..1", "'-1..1' is a range, which only --search takes",
         "list the values: --matrix c=-1,0,1\nor search: --search c=-1..1"),
        ("c=0..1000", "'0..1000' is a range, which only --search takes",
         "list the values: --matrix c=0,1000\nor search: --search c=0..1000"),
        ("c=-0.5..1e-2", "'-0.5..1e-2' is a range, which only --search takes",
         "list the values: --matrix c=-0.5,1e-2\nor search: --search c=-0.5..1e-2"),
    ],
)  # fmt: skip
def test_an_invalid_axis_is_reported_with_a_hint(text: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_axis(text)
    assert caught.value.problems == (Diagnostic(message, hint, "--matrix"),)


def test_a_variable_on_two_axes_is_reported_with_a_hint() -> None:
    with pytest.raises(InvalidInput) as caught:
        variants("vars.seed=1", "seed=2")
    assert caught.value.problems == (
        Diagnostic(
            "variable 'vars.seed' is given twice",
            "list all its values in one option",
            "--matrix",
        ),
    )


def test_the_variables_of_a_command_are_in_the_order_of_project_yml() -> None:
    known = matrix.Variants(DATA)
    assert known.used_variables("train") == ["vars.seed", "vars.config", "vars.out"]
    assert known.used_variables("prepare") == known.used_variables("gone") == []
    assert known.full_names({"seed": 1, "vars.config": "x"}) == {"vars.seed": 1, "vars.config": "x"}


def test_overrides_make_a_variant_only_if_they_change_the_command() -> None:
    known = matrix.Variants(DATA)
    found = known.variant("train", {"config": "b c", "seed": 1})
    assert found is not None
    assert (found.name, found.variant_of) == ("train --vars.seed 1 --vars.config 'b c'", "train")
    for overrides in ({}, {"unused": 2}, {"seed": 0}):
        assert known.variant("train", overrides) == PLAIN.command("train")
    assert known.variant("gone", {}) is None
    assert known.variant("train", {"gone": 1}) is None


def test_only_variants_are_added_to_a_project() -> None:
    found = variants("vars.seed=0,1")
    assert names(matrix.with_commands(PLAIN, found).commands)[4:] == names(found[4:])
    assert matrix.with_commands(PLAIN, PLAIN.commands) == PLAIN
