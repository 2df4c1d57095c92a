"""The drawings: each shows the whole graph and nothing else, whatever the names."""

from __future__ import annotations

import itertools
import json
import re
import time
from pathlib import Path
from typing import get_args
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from git_spacy.check.project_status import AssetState
from git_spacy.errors import InvalidInput
from git_spacy.generate import drawing, graph
from git_spacy.generate.drawing import label, palette, text, text_lanes
from git_spacy.generate.drawing.coordinates import BoxSize, place_boxes
from git_spacy.generate.managed_block import find_commands, split_command, with_markers
from git_spacy.generate.registry import GeneratorInput
from git_spacy.project import loader
from git_spacy.project.model import Asset, Project
from git_spacy.state.verdict import State
from tests.testing.examples import examples
from tests.testing.graphs import (
    HOSTILE,
    SVG,
    asset,
    command,
    parse_dot,
    parse_mermaid,
    parse_svg,
    project,
    projects,
)
from tests.testing.projects import CORPUS, needs_corpus


def some_states(found: graph.Graph) -> graph.NodeStates:
    """Return a state for each command and asset."""

    cycle = itertools.cycle(palette.STATES)
    return {node.id: next(cycle) for node in found.nodes if node.kind in ("command", "asset")}


def draw_all(found: graph.Graph, states: graph.NodeStates) -> dict[str, str]:
    return {form: drawing.draw(found, form, states) for form in drawing.FORMATS}


def check(found: graph.Graph, states: graph.NodeStates) -> None:
    """Check that every drawing shows exactly the graph and the states."""

    pictures = draw_all(found, states)
    assert pictures == draw_all(found, states)
    edges = [(edge.start, edge.end) for edge in found.edges]
    names = ["\n".join(label.lines(label.single_line(node.name), 60)) for node in found.nodes]
    shown = {
        node.id: "\n".join(filter(None, (name, palette.note(node, states))))
        for node, name in zip(found.nodes, names, strict=True)
    }
    for read, form in ((parse_mermaid, "mermaid"), (parse_dot, "dot")):
        picture = read(pictures[form])
        assert picture.nodes == {
            key: name.replace("ﬂ", "fl") if form == "mermaid" else name
            for key, name in shown.items()
        }
        assert picture.edges == edges
    check_svg(found, pictures["svg"])
    for line in pictures["text"].splitlines():
        assert label.display_width(line) <= text.WIDTH, line
        assert line == line.rstrip()
    for one in pictures.values():
        assert one.endswith("\n")
        assert not re.search(
            "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufffe\uffff]", one
        )
        assert len(one.split("\n")) == len(one.splitlines()) + 1


_ATTRIBUTES = {
    "aria-label", "d", "direction", "fill", "font-family", "font-size", "font-weight", "height", "role", "rx",
    "stroke", "stroke-dasharray", "stroke-width", "text-anchor", "transform", "viewBox", "width", "x", "y",
}  # fmt: skip


def check_svg(found: graph.Graph, picture: str) -> None:
    svg = parse_svg(picture)
    assert svg.texts == [label.single_line(node.name, 46) for node in found.nodes]
    ordered = sorted(svg.boxes)
    for at, (_, top, right, bottom) in enumerate(ordered):
        for other in ordered[at + 1 :]:
            if other[0] >= right:
                break
            assert other[1] >= bottom or other[3] <= top, "boxes overlap"
    place = {node.id: box for node, box in zip(found.nodes, svg.boxes, strict=True)}
    for edge, (first, tip) in zip(found.edges, svg.edges, strict=True):
        assert is_at(place[edge.start], first)
        assert is_at(place[edge.end], tip)
    tags = {element.tag for element in ElementTree.fromstring(picture).iter()}
    assert tags <= {SVG + tag for tag in ("svg", "title", "g", "path", "rect", "text")}
    names = {name for element in ElementTree.fromstring(picture).iter() for name in element.attrib}
    assert names <= _ATTRIBUTES


def is_at(box: tuple[float, float, float, float], point: tuple[float, float]) -> bool:
    """Return whether a point is on the border of a box."""

    left, top, right, bottom = box
    (x, y), near = point, 0.25
    within = left - near <= x <= right + near and top - near <= y <= bottom + near
    return within and min(abs(x - left), abs(x - right), abs(y - top), abs(y - bottom)) <= near


@settings(max_examples=examples(150), deadline=None)
@given(projects(), st.booleans())
def test_any_project_is_drawn_correctly_in_every_format(
    any_project: Project, is_known: bool
) -> None:
    found = graph.build_graph(any_project)
    check(found, some_states(found) if is_known else {})


@pytest.mark.threat("injected-text", commands="graph")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_malicious_name_is_only_shown(name: str) -> None:
    one = command("c", "a", "b")._replace(name=name, help=name)
    found = graph.build_graph(project(one, asset("a")._replace(description=name), title=name))
    check(found, some_states(found))
    pictures = draw_all(found, {})
    assert "<script" not in pictures["mermaid"] + pictures["svg"]


@needs_corpus
def test_every_public_project_is_drawn_in_every_format() -> None:
    seen = 0
    for path in sorted(CORPUS.glob("*/project.yml")):
        one = loader.parse(path.read_bytes()).project
        for workflow in (None, *one.workflows):
            found = graph.build_graph(one, workflow)
            check(found, some_states(found))
            check(found, {})
            seen += 1
    assert seen > 100


@pytest.mark.parametrize("deps", ["o/{before} config {at}", "o", "config"])
def test_a_thousand_commands_are_drawn_within_seconds(deps: str) -> None:
    commands = [
        command(f"c{at}", deps.format(at=at, before=at - 1), f"o/{at}") for at in range(1000)
    ]
    found = graph.build_graph(project(*commands))
    start = time.process_time()
    check_svg(found, draw_all(found, {})["svg"])
    assert time.process_time() - start < 30


# Text

TRAIN = project(
    asset("raw"),
    asset("spare")._replace(description="for later"),
    command("prepare", "raw scripts/prepare.py", "corpus"),
    command("train", "corpus config", "model"),
    command("try", "model"),
    command("score", "corpus/dev model", "score.json"),
    title="A project",
)


def test_the_text_lists_dependencies_and_outputs_in_the_order_of_the_run() -> None:
    found = graph.build_graph(TRAIN)
    states = {
        "c1": "up_to_date",
        "c2": "stale",
        "c3": "always_runs",
        "c4": "not_run",
        "a1": "verified",
    }
    assert (
        text.draw(found, states)
        == """\
A project

●     prepare  up to date
│       deps     raw                 verified  asset
│                scripts/prepare.py
│       outputs  corpus  for train, score
│
├─●   train  stale
│ │     deps     corpus  from prepare
│ │              config
│ │     outputs  model  for try, score
│ │
│ ├─● try  always runs
│ │     deps     model  from train
│ │
●─╯   score  not run
        deps     corpus/dev  from prepare
                 model       from train
        outputs  score.json

Assets that no command uses
  spare  for later
"""
    )


def test_paths_outside_the_project_are_marked_in_every_format() -> None:
    found = graph.build_graph(project(
        asset("/scratch/v"), asset("raw"), command("a", "/data/x ../y ~/z raw", "o /scratch/o"),
    ))  # fmt: skip
    missing = {node.id: "missing" for node in found.nodes if node.kind == "asset"}
    for states in ({}, missing):
        for name, drawn in draw_all(found, states).items():
            lines = [line for line in drawn.splitlines() if "outside the project" in line]
            for path in ("/data/x", "../y", "z", "/scratch/v", "/scratch/o"):
                assert any(path in line for line in lines), (name, path)
            assert len(lines) == 5, (name, lines)
            check(found, states)


def test_in_a_cycle_the_text_marks_producers_that_run_later() -> None:
    found = graph.build_graph(project(command("a", "y", "x"), command("b", "x", "y")))
    assert (
        text.draw(found, {})
        == """\
● b
│   deps     x  from a (later)
│   outputs  y  for a
│
● a
    deps     y  from b
    outputs  x  for b
"""
    )


def test_the_note_of_a_long_path_is_on_the_next_line_and_many_names_are_counted() -> None:
    long = "corpus/" + "x" * 58
    users = [command(f"user-number-{at}", long) for at in range(9)]
    lines = text.draw(graph.build_graph(project(command("a", "", long), *users)), {}).splitlines()
    assert lines[1:3] == [
        f"│     outputs  {long}",
        "│                for user-number-0, user-number-1, user-number-2 and 6 more",
    ]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [((), "No commands or assets.\n"), ((asset("a"),), "Assets\n  a\n")],
)
def test_a_project_without_commands_is_described(parts: tuple[Asset, ...], expected: str) -> None:
    assert text.draw(graph.build_graph(project(*parts)), {}) == expected


def test_colours_do_not_change_the_text() -> None:
    found = graph.build_graph(TRAIN)
    states = some_states(found)
    painted = text.draw(found, states, paint=lambda what, how: f"\x1b[{how};{what}\x1b[;")
    assert re.sub("\x1b\\[\\w*;", "", painted) == text.draw(found, states)


@given(st.dictionaries(st.integers(0, 30), st.sets(st.integers(0, 30), max_size=3), max_size=14))
def test_each_lane_leads_from_a_producer_to_the_commands_that_depend_on_it(
    needs: dict[int, set[int]],
) -> None:
    known = {str(one): {str(other) for other in made} for one, made in needs.items()}
    rows = text_lanes.lane_rows(known)
    assert len(rows) == len(known)
    assert len({len(row.head) for row in rows} | {len(row.rest) for row in rows}) <= 1
    if rows and rows[0].head:
        assert all(row.head.count(text_lanes.NODE) == 1 for row in rows)
        for row, after in itertools.pairwise(rows):
            for at in range(0, len(row.rest), 2):
                if row.rest[at] == "│":  # it goes on, or ends here
                    assert after.head[at] in "│├┤┼╰╯┴●"
        assert rows[-1].rest.strip() == ""


def test_too_many_lanes_are_not_drawn() -> None:
    many = {str(at): set[str]() for at in range(30)} | {"all": set(map(str, range(30)))}
    assert set(text_lanes.lane_rows(many)) == {text_lanes.LaneRow("", "")}


# Layout


@settings(max_examples=examples(100), deadline=None)
@given(
    st.integers(1, 12).flatmap(
        lambda count: st.tuples(
            st.lists(st.tuples(st.integers(10, 300), st.integers(20, 50)), min_size=count, max_size=count),
            st.lists(
                st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda e: e[0] != e[1]),
                max_size=20, unique=True,
            ),
        )
    ),
    st.booleans(),
)  # fmt: skip
def test_no_edge_crosses_a_box(
    given_: tuple[list[tuple[int, int]], list[tuple[int, int]]], down: bool
) -> None:
    sizes, edges = given_
    found = place_boxes([BoxSize(*size) for size in sizes], edges, down=down, width=800)
    for (start, end), points in zip(edges, found.edges, strict=True):
        for number, (a, b) in enumerate(itertools.pairwise(points)):
            for at, box in enumerate(found.boxes):
                if at in (start, end):
                    continue
                # a curve stays between the two heights of its ends
                left, right = sorted((a.x, b.x))
                top, bottom = sorted((a.y, b.y))
                is_beside = right <= box.x or left >= box.x + box.width
                is_apart = bottom <= box.y + 0.2 or top >= box.y + box.height - 0.2
                assert is_beside or is_apart, (number, at)
    for box in found.boxes:
        assert 0 <= box.x <= box.x + box.width <= found.width + 0.2
        assert 0 <= box.y <= box.y + box.height <= found.height + 0.2


# Labels and files


def test_long_names_are_broken_at_separators_not_cut() -> None:
    """Mermaid and DOT have room for any name, so none loses its middle."""

    name = "assets/annotations/of-the-second-round/training_corpus_without_duplicates.jsonl"
    command = "a-word" + "s" * 70
    text_ = f"commands: [{{name: {command}, script: [x], deps: [{name}], outputs: [o]}}]"
    found = graph.build_graph(loader.parse(text_.encode()).project)
    lines = ["assets/annotations/of-the-second-round/training_corpus_", "without_duplicates.jsonl"]
    for read, form in ((parse_mermaid, "mermaid"), (parse_dot, "dot")):
        shown = read(drawing.draw(found, form, {})).nodes.values()
        assert "\n".join(lines) in shown, shown
        assert f"a-\nword{'s' * 70}" in shown


@pytest.mark.parametrize(
    ("given_", "most", "shown"),
    [
        ("short", 10, "short"),
        ("training/model-best", 11, "train…-best"),
        ("日本語の名前", 7, "日…前"),
        ("a\n b\tc", 9, "a b c"),
        ("", 9, "(blank)"),
        ("\u200b", 9, "(blank)"),
        ("\x1b[31m", 20, "\\x1b[31m"),
        ("\u202e\ufffe", 20, "\\u202e\\ufffe"),
        ("https://me:secret@host/x", 40, "https://***@host/x"),
    ],
)
def test_a_label_is_a_single_visible_line(given_: str, most: int, shown: str) -> None:
    found = label.single_line(given_, most)
    assert label.display_width(found) <= most
    assert found == shown


@pytest.mark.parametrize(
    ("file", "form", "workflow", "typed"),
    [
        ("g.svg", "svg", None, "git spacy graph -o g.svg"),
        ("docs/G.MMD", "mermaid", "all", "git spacy graph -o docs/G.MMD all"),
        ("g.txt", "dot", "it's all", 'git spacy graph -f dot -o g.txt "it\'s all"'),
        ("g.gv", "dot", "-x", "git spacy graph -o g.gv -- -x"),
    ],
)
def test_the_marker_has_the_command_that_regenerates_the_file(
    file: str, form: str, workflow: str | None, typed: str
) -> None:
    content = with_markers(drawing.graph_file(graph.build_graph(TRAIN), file, form, workflow))
    assert [one for one, _ in find_commands(content)] == [typed]
    data = json.dumps({"workflows": {"all": [], "it's all": [], "-x": []}}).encode()
    subject = GeneratorInput(Path(), loader.parse(data), data, None)
    found = drawing.regenerate(split_command(typed)[1:], subject)
    assert found
    assert (found.file, found.command, found.comment) == (
        file, typed, drawing.FORMATS[form].comment,
    )  # fmt: skip
    assert drawing.regenerate(["-o", "g.pdf"], subject) is None
    assert content.splitlines()[1 if form == "svg" else 0].count(typed) == 1
    if form == "svg":
        ElementTree.fromstring(content)


def test_an_svg_whose_marker_would_be_an_invalid_comment_is_refused() -> None:
    with pytest.raises(InvalidInput, match="contains '--'"):
        drawing.graph_file(graph.build_graph(TRAIN), "a--b.svg", "svg", None)
    assert drawing.graph_file(graph.build_graph(TRAIN), "a--b.dot", "dot", None).file == "a--b.dot"


def test_every_state_of_status_has_colours() -> None:
    assert set(palette.STATES) == {*get_args(State), *get_args(AssetState)}


def test_an_svg_has_a_legend_of_its_states() -> None:
    picture = drawing.draw(graph.build_graph(TRAIN), "svg", {"c1": "up_to_date", "c2": "stale"})
    assert [one.text for one in ElementTree.fromstring(picture).iter(SVG + "text")][-2:] == [
        "up to date", "stale",
    ]  # fmt: skip
    assert "up to date" not in drawing.draw(graph.build_graph(TRAIN), "svg", {})
