"""Who makes what, and what a name stands for."""

from __future__ import annotations

import pytest

from git_spacy.errors import Malformed
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
    assert "".join(command.name for command in graph.order(PROJECT, names)) == commands


def test_a_name_that_is_neither_is_told() -> None:
    with pytest.raises(Malformed, match="no command or workflow 'al'"):
        graph.order(PROJECT, ["a", "al"])


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
    found = graph.makers(PROJECT, ProjectPath(path, path))
    assert [getattr(maker, "name", None) or str(maker.dest) for maker in found] == makers  # type: ignore[union-attr]
