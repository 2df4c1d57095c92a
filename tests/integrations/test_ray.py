"""The template integrations/ray: parallel trials with a table of their scores, and an evaluation in
shards with the same scores as a normal one."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from git_spacy.lock import lock_format
from tests.testing.projects import Done
from tests.testing.ray_cluster import START_ATTEMPTS, TOKEN, Ray, cluster
from tests.testing.serving import copy, environment, spacy, trained, until_all_ended

pytestmark = pytest.mark.slow
needs_time = pytest.mark.skipif(
    "GIT_SPACY_STRESS" not in os.environ, reason="a minute of training or Ray: scripts/stress"
)
AXES = ("--matrix", "width=32,64", "--matrix", "seed=0,1")


@pytest.fixture(scope="module")
def trained_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Clone the template and run it. Shared by the tests, which must not change it."""

    for module in ("spacy", "ray", "typer", "pytest_html"):
        if find_spec(module) is None:
            pytest.skip(f"'{module}' is not installed")
    return trained("integrations/ray", tmp_path_factory)


@pytest.fixture
def folder(trained_template: tuple[Path, dict[str, Done]], tmp_path: Path) -> Path:
    """A copy of the trained template, which a test may change."""

    return copy(trained_template[0], tmp_path)


@pytest.fixture
def short_tmpdir() -> Iterator[str]:
    """A short temporary folder for Ray, since the path of a socket is limited."""

    with tempfile.TemporaryDirectory(
        prefix="ray", dir="/tmp", ignore_cleanup_errors=True
    ) as trained_template:
        yield trained_template


@pytest.fixture(scope="module")
def ray(trained_template: tuple[Path, dict[str, Done]]) -> Iterator[Ray]:
    with cluster() as found:
        yield found


def scores(path: Path) -> dict[str, Any]:
    """Return the scores of an evaluation, without its speed."""

    found: dict[str, Any] = json.loads(path.read_text())
    found.pop("speed", None)
    return found


def test_the_template_runs_as_in_its_readme_and_is_then_up_to_date(
    trained_template: tuple[Path, dict[str, Done]], folder: Path
) -> None:
    assert trained_template[1]["run"].err.endswith("ran 5, skipped 0\n")
    assert spacy(folder, "check", "--strict") == (0, "", "")
    assert spacy(folder, "run", "all").err.endswith("ran 0, skipped 5\n")
    assert spacy(folder, "status").err == ""


@needs_time
def test_trials_run_on_ray_and_are_compared_in_a_table(folder: Path, short_tmpdir: str) -> None:
    project = folder / "project.yml"
    project.write_text(project.read_text().replace("steps: 120", "steps: 60"))
    done = spacy(folder, "run", "trial", *AXES, "--executor", "ray", RAY_TMPDIR=short_tmpdir)
    assert "ran 4, skipped 0\n" in done.err, done.out[-2000:] + done.err[-2000:]
    until_all_ended(folder.parent)

    trials = list(itertools.product((0, 1), (32, 64)))
    others = [f"trial --vars.seed {seed} --vars.width {width}" for seed, width in trials]
    others.remove(
        "trial --vars.seed 0 --vars.width 64"
    )  # not a variant: these are the values in project.yml
    assert {"trial", *others} <= set(lock_format.read(folder))
    found = {
        (seed, width): scores(folder / f"metrics/trials/{width}-0.2-{seed}.json")
        for seed, width in trials
    }
    assert len({one["ents_f"] for one in found.values()}) == 4, "they are not told apart"

    table = json.loads(spacy(folder, "log", "--table", "--command", "trial", "--json").out)
    assert {
        (row["vars"]["seed"], row["vars"]["width"]): row["metrics"]["ents_f"] for row in table
    } == {trial: one["ents_f"] for trial, one in found.items()}
    mean = spacy(folder, "log", "--table", "--command", "trial", "--mean", "seed").out
    assert mean.count(" ± ") >= 2
    again = spacy(folder, "run", "trial", *AXES, "--executor", "ray", RAY_TMPDIR=short_tmpdir)
    assert again.err.endswith("ran 0, skipped 4\n")

    words = ("run", "trial", "--vars.seed", "1", "--vars.width", "32", "--force")
    assert spacy(folder, *words).code == 0
    assert scores(folder / "metrics/trials/32-0.2-1.json") == found[1, 32], "as without Ray"


def test_evaluation_on_a_local_cluster_has_the_scores_of_spacy(
    folder: Path, short_tmpdir: str
) -> None:
    for _ in range(START_ATTEMPTS):
        done = spacy(folder, "run", "parallel-evaluate", RAY_TMPDIR=short_tmpdir)
        if "node timed out during startup" not in done.err:
            break
    assert done.code == 0, done.err
    assert "100 comments in 4 shards: metrics/parallel.json\n" in done.out
    assert scores(folder / "metrics/parallel.json") == scores(folder / "metrics/metrics.json")
    assert scores(folder / "metrics/parallel.json")["ents_f"] > 0.8
    until_all_ended(folder.parent)
    assert spacy(folder, "run", "parallel-evaluate").err.endswith("up to date\n")
    assert spacy(folder, "check", "--strict") == (0, "", "")


@needs_time
def test_scores_do_not_depend_on_the_number_of_shards(folder: Path, ray: Ray) -> None:
    """Evaluates 100 comments in one shard and in seven of different sizes, the latter from a task of
    the same cluster."""

    serial = scores(folder / "metrics/metrics.json")
    for shards, more in (("1", ()), ("7", ("--address", ray.address))):
        done = spacy(
            folder, "run", "parallel-evaluate", "--vars.address", ray.address,
            "--vars.shards", shards, *more, RAY_AUTH_TOKEN=TOKEN,
        )  # fmt: skip
        assert done.code == 0, done.err
        assert f"100 comments in {shards} shards: " in done.out
        assert scores(folder / "metrics/parallel.json") == serial


def test_an_address_without_ray_is_reported(folder: Path) -> None:
    """The connection is faked: `auto` would find the clusters of other tests, and Ray retries a
    closed port for minutes."""

    script = (
        "import parallel_evaluate, ray\n"
        "def init(*_, **how): raise ConnectionError('no cluster')\n"
        "ray.init = init\n"
        "parallel_evaluate.typer.run(lambda: parallel_evaluate.connect('auto'))"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), cwd=folder / "scripts", capture_output=True, text=True,
        env=environment(folder.parent), check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: cannot connect to Ray at 'auto': no cluster\n"


def test_ray_sends_usage_statistics_only_if_the_user_enables_them(folder: Path) -> None:
    ask = (
        "import importlib, os, parallel_evaluate\n"
        "from ray._common.usage import usage_lib\n"
        "print(usage_lib.usage_stats_enabled())\n"
        "os.environ['RAY_USAGE_STATS_ENABLED'] = '1'\n"
        "importlib.reload(parallel_evaluate)\n"
        "print(usage_lib.usage_stats_enabled())\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", ask), cwd=folder / "scripts", capture_output=True, text=True,
        env=environment(folder.parent), check=True,
    )  # fmt: skip
    assert done.stdout == "False\nTrue\n"
