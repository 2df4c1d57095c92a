"""Benchmarks that depend on the size of project.yml."""

from __future__ import annotations

from pathlib import Path

from benchmarks.contest import Budget, Row, contest, is_installed, self_timed
from tests.testing.projects import project

COMMANDS = 1000


def load(folder: Path) -> list[Row]:
    """Load a project.yml with 1,000 commands and sort its graph."""

    commands = "".join(
        f"  - name: command-{number}\n"
        f"    help: Make the output of number {number}\n"
        f"    script:\n"
        f'      - "python scripts/make.py data/{number}.txt data/{number + 1}.txt ${{vars.seed}}"\n'
        f"    deps: [scripts/make.py, data/{number}.txt]\n"
        f"    outputs: [data/{number + 1}.txt]\n"
        for number in range(COMMANDS)
    )
    steps = "".join(f"    - command-{number}\n" for number in range(COMMANDS))
    text = f"title: many\nvars:\n  seed: 1\ncommands:\n{commands}workflows:\n  all:\n{steps}"
    made = project(folder / "project", text)
    ours = (
        "import time; from pathlib import Path\n"
        "from git_spacy.project import graph, loader, plan; import yaml\n"
        "started = time.perf_counter()\n"
        "project = loader.load(Path.cwd())\n"
        "edges = graph.DependencyGraph(project.commands).upstream_names()\n"
        "order = graph.expand_names(project, ['all'])\n"
        "plan.graph_plan(order)\n"
        "took = time.perf_counter() - started\n"
        f"assert len(order) == {COMMANDS} and sum(map(len, edges.values())) == {COMMANDS - 1}\n"
        "print(took)\n"
    )
    theirs = (
        "import time; from pathlib import Path\n"
        "from weasel.util.config import load_project_config\n"
        "started = time.perf_counter()\n"
        "project = load_project_config(Path.cwd())\n"
        "took = time.perf_counter() - started\n"
        f"assert len(project['commands']) == {COMMANDS}\n"
        "print(took)\n"
    )
    contestants = {"load and graph": self_timed(ours, cwd=made)}
    if is_installed("weasel"):
        contestants["weasel's load"] = self_timed(theirs, cwd=made)
    budgets = [Budget("load and graph", 1 / 3, "weasel's load")]
    return contest("project.yml of 1,000 commands", contestants, budgets, rounds=7)
