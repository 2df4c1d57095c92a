"""The template integrations/ray: trials side by side and a table of them, and an evaluation in parts
that gives the very numbers of the whole."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from git_spacy.state import lock
from tests.testing.projects import Done
from tests.testing.ray_cluster import TOKEN, Ray, cluster
from tests.testing.serving import copy, environment, spacy, trained, until_all_ended

pytestmark = pytest.mark.slow
AXES = ("--matrix", "width=32,64", "--matrix", "seed=0,1")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """The template, cloned and run: do not run anything in it."""

    for module in ("spacy", "ray", "typer", "pytest_html"):
        if find_spec(module) is None:
            pytest.skip(f"'{module}' is not installed")
    return trained("integrations/ray", tmp_path_factory)


@pytest.fixture
def folder(made: tuple[Path, dict[str, Done]], tmp_path: Path) -> Path:
    """A copy to run things in."""

    return copy(made[0], tmp_path)


@pytest.fixture
def short() -> Iterator[str]:
    """A folder for what a cluster that is started for a run writes; a socket's path is short."""

    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as made:
        yield made


@pytest.fixture(scope="module")
def ray(made: tuple[Path, dict[str, Done]]) -> Iterator[Ray]:
    with cluster() as found:
        yield found


def scores(path: Path) -> dict[str, Any]:
    """What an evaluation found, but for how fast it was."""

    found: dict[str, Any] = json.loads(path.read_text())
    found.pop("speed", None)
    return found


def test_the_template_runs_by_its_readme_and_is_then_fresh(
    made: tuple[Path, dict[str, Done]], folder: Path
) -> None:
    assert made[1]["run"].err.endswith("ran 5, skipped 0\n")
    assert spacy(folder, "check", "--strict") == (0, "", "")
    assert spacy(folder, "run", "all").err.endswith("ran 0, skipped 5\n")
    assert spacy(folder, "status").err == ""


def test_trials_run_as_tasks_of_ray_and_are_compared_in_a_table(folder: Path, short: str) -> None:
    project = folder / "project.yml"
    project.write_text(project.read_text().replace("steps: 120", "steps: 60"))
    done = spacy(folder, "run", "trial", *AXES, "--executor", "ray", RAY_TMPDIR=short)
    assert done.err.endswith("ran 4, skipped 0\n"), done.out[-2000:] + done.err[-2000:]
    until_all_ended(folder.parent)

    trials = list(itertools.product((0, 1), (32, 64)))
    others = [f"trial --vars.seed {seed} --vars.width {width}" for seed, width in trials]
    others.remove("trial --vars.seed 0 --vars.width 64")  # which is what project.yml has
    assert {"trial", *others} <= set(lock.read(folder))
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
    again = spacy(folder, "run", "trial", *AXES, "--executor", "ray", RAY_TMPDIR=short)
    assert again.err.endswith("ran 0, skipped 4\n")

    words = ("run", "trial", "--vars.seed", "1", "--vars.width", "32", "--force")
    assert spacy(folder, *words).code == 0
    assert scores(folder / "metrics/trials/32-0.2-1.json") == found[1, 32], "as without Ray"


def test_a_cluster_that_is_started_here_evaluates_as_spacy_does(folder: Path, short: str) -> None:
    done = spacy(folder, "run", "parallel-evaluate", RAY_TMPDIR=short)
    assert done.code == 0, done.err
    assert "100 comments in 4 shards: metrics/parallel.json\n" in done.out
    assert scores(folder / "metrics/parallel.json") == scores(folder / "metrics/metrics.json")
    assert scores(folder / "metrics/parallel.json")["ents_f"] > 0.8
    until_all_ended(folder.parent)
    assert spacy(folder, "run", "parallel-evaluate").err.endswith("up to date\n")
    assert spacy(folder, "check", "--strict") == (0, "", "")


def test_any_number_of_shards_on_a_cluster_gives_the_same(folder: Path, ray: Ray) -> None:
    """100 comments, in one and in seven that differ in size. The latter is asked for by a task, of
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


def test_an_address_where_no_ray_is_is_named(folder: Path) -> None:
    """(`auto` would find the clusters of other tests, and a closed port is tried for minutes.)"""

    script = (
        "import parallel_evaluate, ray\n"
        "def init(*_, **how): raise ConnectionError('nobody there')\n"
        "ray.init = init\n"
        "parallel_evaluate.typer.run(lambda: parallel_evaluate.connect('auto'))"
    )
    done = subprocess.run(
        (sys.executable, "-c", script), cwd=folder / "scripts", capture_output=True, text=True,
        env=environment(folder.parent), check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "error: cannot connect to Ray at 'auto': nobody there\n"


def test_ray_reports_nothing_unless_somebody_wants_it(folder: Path) -> None:
    ask = (
        "import parallel_evaluate\n"
        "from ray._common.usage import usage_lib\n"
        "print(usage_lib.usage_stats_enabled())"
    )
    for environ, enabled in (({}, "False"), ({"RAY_USAGE_STATS_ENABLED": "1"}, "True")):
        done = subprocess.run(
            (sys.executable, "-c", ask), cwd=folder / "scripts", capture_output=True, text=True,
            env={**environment(folder.parent), **environ}, check=True,
        )  # fmt: skip
        assert done.stdout == f"{enabled}\n"
