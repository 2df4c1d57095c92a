"""Experiments of DVC 3 run with the values that they are labelled with.

The labels are what DVC shows, and the scores are what the commands wrote. Both must agree in the
workspace, in the queue and in a temporary folder. The slow ones run in scripts/stress.
"""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from tests.peers.test_dvc import Dvc, dvc, ready  # noqa: F401 (fixtures)
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git, repository

pytest.importorskip("dvc")
is_slow = pytest.mark.skipif(
    "GIT_SPACY_STRESS" not in os.environ, reason="minutes of DVC: scripts/stress"
)

PROJECT = """\
# The score is the seed, and the label of an experiment must say so.
vars:
  seed: 0
  model: {name: small, rate: 0.5}
  id: "${vars.model.name}-${vars.seed}"
commands:
  - name: train
    script: ["python train.py ${vars.seed} models/${vars.model.name} ${vars.id}"]
    deps: [train.py]
    outputs: ["models/${vars.model.name}"]
  - name: evaluate
    script: ["python evaluate.py models/${vars.model.name} scores.json ${vars.model.rate}"]
    deps: ["models/${vars.model.name}", evaluate.py]
    outputs_no_cache: [scores.json]
workflows:
  all: [train, evaluate]
"""
SCRIPTS: dict[str, str | bytes] = {
    "train.py": (
        "import sys, pathlib\n"
        "seed, out, id = sys.argv[1:]\n"
        "pathlib.Path(out).mkdir(parents=True, exist_ok=True)\n"
        "pathlib.Path(out, 'weights.txt').write_text(f'{seed} {id}')\n"
    ),
    "evaluate.py": (
        "import json, sys, pathlib\n"
        "model, out, rate = sys.argv[1:]\n"
        "seed, id = pathlib.Path(model, 'weights.txt').read_text().split()\n"
        "scores = {'score': int(seed), 'rate': float(rate), 'id': id}\n"
        "pathlib.Path(out).write_text(json.dumps(scores))\n"
    ),
}


@pytest.fixture
def root(tmp_path: Path, spacy: Spacy, dvc: Dvc) -> Path:  # noqa: F811
    """Create a project whose results are committed, with the seed 0."""

    folder = repository(project(tmp_path / "p", PROJECT, SCRIPTS))
    dvc(folder, "init", "-q")
    assert spacy("ignore", cwd=folder).code == 0
    assert spacy("dvc", cwd=folder).code == 0
    dvc(folder, "repro", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "seed 0")
    return folder


def scores(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "scores.json").read_text())
    return found


def states(spacy: Spacy, folder: Path) -> set[str]:
    done = spacy("status", "--json", cwd=folder)
    return {command["state"] for command in json.loads(done.out)["commands"]}


def labels(dvc: Dvc, folder: Path) -> dict[str, tuple[str, str]]:  # noqa: F811
    """Return the seed and the score that `dvc exp show` has of each experiment."""

    rows = csv.DictReader(io.StringIO(dvc(folder, "exp", "show", "--csv")))
    return {row["Experiment"] or row["rev"]: (row["seed"], row["score"]) for row in rows}


def test_each_experiment_runs_with_the_seed_it_is_labelled_with(
    root: Path,
    spacy: Spacy,
    dvc: Dvc,  # noqa: F811
) -> None:
    before = (root / "project.yml").read_bytes()
    for seed, name in ((7, "seven"), (8, "eight")):
        dvc(root, "exp", "run", "-q", "-S", f"seed={seed}", "-n", name)
        assert scores(root) == {"score": seed, "rate": 0.5, "id": f"small-{seed}"}
        assert (root / "project.yml").read_bytes() == before
        assert states(spacy, root) == {"up_to_date"}
    assert labels(dvc, root).items() >= {
        ("seven", ("7", "7")), ("eight", ("8", "8")), ("workspace", ("8", "8")),
    }  # fmt: skip
    assert spacy("dvc", "--check", cwd=root).code == 0, "the values do not change dvc.yaml"
    assert json.loads(dvc(root, "params", "diff", "--json")) == {
        "params.yaml": {"seed": {"old": 0, "new": 8, "diff": 8}}
    }
    assert git(root, "status", "--porcelain").split() == [
        "M", "dvc.lock", "M", "params.yaml", "M", "project.lock", "M", "scores.json",
    ]  # fmt: skip
    # the record of the run has the value as well
    commits = json.loads(spacy("log", "--all", "--json", cwd=root).out)
    runs = [run for found in commits for run in found["runs"] if run["command"] == "evaluate"]
    assert sorted((run["vars"].get("seed", 0), run["metrics"]["scores.json"]["score"]) for run in runs) == [
        (0, 0), (7, 7), (8, 8),
    ]  # fmt: skip


@is_slow
def test_a_path_and_a_table_of_an_experiment_are_filled_in(
    root: Path,
    spacy: Spacy,
    dvc: Dvc,  # noqa: F811
) -> None:
    dvc(root, "exp", "run", "-q", "-S", "model.name=large", "-S", "model.rate=1e-5")
    assert (root / "models/large/weights.txt").read_text() == "0 large-0"
    assert scores(root) == {"score": 0, "rate": 1e-5, "id": "large-0"}
    assert dvc.stale(root) == set()
    assert states(spacy, root) == {"up_to_date"}
    assert spacy("check", "lock", "generated", cwd=root).code == 0


@is_slow
def test_queued_and_temporary_experiments_tell_the_truth(
    root: Path,
    spacy: Spacy,
    dvc: Dvc,  # noqa: F811
) -> None:
    before = (root / "project.yml").read_bytes()
    for seed in (1, 2, 3):
        dvc(root, "exp", "run", "-q", "--queue", "-S", f"seed={seed}", "-n", f"queued-{seed}")
    dvc(root, "exp", "run", "-q", "--run-all")
    dvc(root, "exp", "run", "-q", "--temp", "-S", "seed=4", "-n", "in-temp")
    assert scores(root)["score"] == 0, "the workspace is as it was"
    assert git(root, "status", "--porcelain") == ""
    expected = {f"queued-{seed}": (str(seed), str(seed)) for seed in (1, 2, 3)}
    assert labels(dvc, root).items() >= {**expected, "in-temp": ("4", "4")}.items()
    for name, seed in (("queued-2", 2), ("in-temp", 4)):
        dvc(root, "exp", "apply", "-q", name)
        assert scores(root)["score"] == seed
        assert dvc.stale(root) == set()
        assert states(spacy, root) == {"up_to_date"}
        assert (root / "project.yml").read_bytes() == before
    git(root, "add", "-A")
    assert spacy("check", "lock", "generated", "--staged", cwd=root).code == 0


@is_slow
def test_an_experiment_that_changes_project_yml_itself_fails(root: Path, dvc: Dvc) -> None:  # noqa: F811
    """DVC fills in each reference of the file, so that later experiments would all be the same."""

    before = (root / "project.yml").read_bytes()
    with pytest.raises(AssertionError, match="no command uses 'seed', with which DVC labels"):
        dvc(root, "exp", "run", "-S", "project.yml:vars.seed=7")
    git(root, "checkout", "project.yml")
    assert (root / "project.yml").read_bytes() == before
    dvc(root, "exp", "run", "-q", "-S", "seed=7")
    assert scores(root)["score"] == 7
