"""Compatibility with DVC 3: `dvc dag` has the same edges between commands as our graph."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.errors import InvalidInput
from git_spacy.generate import dvc as generator
from git_spacy.generate import graph, params_file
from git_spacy.generate.managed_block import with_markers
from git_spacy.project import loader
from git_spacy.project.graph import DependencyGraph, workflow_commands
from git_spacy.project.model import Command, Project, Workflow
from git_spacy.project.variable_usage import find_usage
from tests.testing.projects import CORPUS, TWO_STEPS, needs_corpus
from tests.testing.repositories import write

pytest.importorskip("dvc")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # DVC's own

NESTED_OUTPUTS = """\
assets: [{dest: assets/raw, url: raw}]
commands:
  - {name: split, script: [x], deps: [assets/raw/x], outputs: [corpus/train, corpus/dev]}
  - {name: train, script: [x], deps: [corpus], outputs: [model]}
  - {name: use, script: [x], deps: [model/best, corpus/dev/x]}
workflows: {all: [split, train, use]}
"""


@pytest.fixture(autouse=True)
def ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "dvc"))


def dvc_graph(folder: Path, names: dict[str, str]) -> dict[str, set[str]]:
    """Return DVC's graph with the names of commands, without the stages for assets."""

    from dvc.repo import Repo

    with Repo.init(str(folder), no_scm=True) as repo:
        return {
            names[stage.name]: {names[made.name] for made in makers if made.name in names}
            for stage, makers in repo.index.graph.adjacency()
            if stage.name in names
        }


def compare(folder: Path, data: bytes, workflow: Workflow) -> None:
    loaded = loader.parse(data)
    project = loaded.project
    stages = generator.build_stages(project, find_usage(data), workflow, lambda _: ())
    part = generator.dvc_file(folder, loaded, data, workflow.name, urls=True)
    params = params_file.updated(None, part.params)
    write(folder, {"project.yml": data, "dvc.yaml": with_markers(part), "params.yaml": params})
    names = {one.name: one.producer.name for one in stages if isinstance(one.producer, Command)}
    ours = DependencyGraph(workflow_commands(project, workflow)).upstream_names()
    known = set(names.values())
    assert dvc_graph(folder, names) == {
        name: set(makers) for name, makers in ours.items() if name in known
    }
    assert drawn_graph(project, workflow) == {name: set(makers) for name, makers in ours.items()}


def drawn_graph(project: Project, workflow: Workflow) -> dict[str, set[str]]:
    """Return the edges between commands in our drawn graph, derived from its files."""

    found = graph.build_graph(project, workflow)
    ways = graph.Adjacency.from_graph(found)
    names = {node.id: node.name for node in found.nodes if node.kind == "command"}
    return {
        name: {
            names[maker]
            for edge in ways.incoming[key]
            for maker in ways.producers(edge.start)
            if maker in names and maker != key
        }
        for key, name in names.items()
    }


@pytest.mark.parametrize("text", [TWO_STEPS, NESTED_OUTPUTS])
def test_edges_between_commands_match_dvc(text: str, tmp_path: Path) -> None:
    data = text.encode()
    compare(tmp_path / "p", data, loader.parse(data).project.workflows[0])


@needs_corpus
def test_the_edges_of_every_public_project_match_dvc(tmp_path: Path) -> None:
    seen = 0
    for path in sorted(CORPUS.glob("*/project.yml")):
        data = path.read_bytes()
        project = loader.parse(data).project
        for workflow in project.workflows:
            try:
                compare(tmp_path / str(seen), data, workflow)
            except InvalidInput:  # for projects that DVC cannot express
                continue
            seen += 1
    assert seen > 60
