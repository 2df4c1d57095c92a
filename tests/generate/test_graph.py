"""The graph of assets, commands and files."""

from __future__ import annotations

import pytest

from git_spacy.generate import graph
from git_spacy.project.model import Asset, Command, Project, Workflow
from tests.testing.graphs import asset, command, project

CHAIN = project(
    asset("raw"),
    asset("unused"),
    command("train", "corpus configs", "model"),
    command("prepare", "raw/x", "corpus/a corpus/b"),
    command("other", "", ""),
    Workflow("all", ("train", "other", "train"), 1),
)


def summarize(found: graph.Graph) -> tuple[list[str], list[str]]:
    """Return nodes as `kind name` and edges as `name > name`, with `~` for a part."""

    names = {node.id: node.name for node in found.nodes}
    edges = [
        f"{names[edge.start]} {'~' if edge.is_part else '>'} {names[edge.end]}"
        for edge in found.edges
    ]
    return [f"{node.kind} {node.name}" for node in found.nodes], edges


def test_assets_commands_and_files_are_connected_by_overlapping_paths() -> None:
    assert summarize(graph.build_graph(CHAIN)) == (
        [
            "asset raw", "asset unused", "command prepare", "command train", "command other",
            "file raw/x", "file corpus/a", "file corpus/b", "file corpus", "source configs",
            "file model",
        ],
        [
            "raw ~ raw/x", "corpus/a ~ corpus", "corpus/b ~ corpus",
            "raw/x > prepare", "prepare > corpus/a", "prepare > corpus/b",
            "corpus > train", "configs > train", "train > model",
        ],
    )  # fmt: skip


def test_the_graph_of_a_workflow_has_its_commands_in_order_and_their_files() -> None:
    assert summarize(graph.build_graph(CHAIN, CHAIN.workflow("all"))) == (
        ["command train", "command other", "source corpus", "source configs", "file model"],
        ["corpus > train", "configs > train", "train > model"],
    )


@pytest.mark.parametrize(
    ("parts", "edges"),
    [
        ((command("a", "x", "x"),), ["x > a", "a > x"]),
        ((command("a", "", "d d/x"), command("b", "d/x")), ["a > d", "a > d/x", "d/x > b"]),
        ((command("a", "", "d"), command("b", "", "d/x")), ["d/x ~ d", "a > d", "b > d/x"]),
        (
            (command("a", "d", "d/x"), command("b", "d/x", "d")),  # a circle: b comes first
            ["d ~ d/x", "d/x ~ d", "d/x > b", "b > d", "d > a", "a > d/x"],
        ),
        ((asset("d"), command("a", "d", "d/x")), ["d/x ~ d", "d > a", "a > d/x"]),
        ((command("a", "./x//y x/y"),), ["./x//y > a"]),
        ((command("a", "x", "y"), command("b", "y", "x")), ["y > b", "b > x", "x > a", "a > y"]),
    ],
)  # fmt: skip
def test_overlapping_paths_are_connected(
    parts: tuple[Asset | Command, ...], edges: list[str]
) -> None:
    assert summarize(graph.build_graph(project(*parts)))[1] == edges


def test_producers_and_users_of_a_file_include_those_of_its_parent() -> None:
    found = graph.build_graph(CHAIN)
    adjacency = graph.Adjacency.from_graph(found)
    ids = {node.name: node.id for node in found.nodes}
    assert adjacency.producers(ids["corpus"]) == (ids["prepare"],)
    assert adjacency.producers(ids["raw/x"]) == (ids["raw"],)
    assert adjacency.producers(ids["configs"]) == ()
    assert adjacency.users(ids["corpus/a"]) == (ids["train"],)
    assert adjacency.users(ids["raw"]) == (ids["prepare"],)


def test_an_empty_project_has_an_empty_graph() -> None:
    assert graph.build_graph(Project("t", "", {}, (), (), (), (), (), ())) == graph.Graph(
        "t", (), ()
    )
