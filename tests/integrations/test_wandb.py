"""The template integrations/wandb: offline runs contain the scores that spaCy printed, and the
commit."""

from __future__ import annotations

import json
import re
import shutil
import sys
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from git_spacy.lock import lock_format
from tests.integrations.clones import Clone
from tests.testing.projects import Done
from tests.testing.repositories import git

pytest.importorskip("spacy", reason="spaCy is not installed (the extra 'spacy')")
pytest.importorskip("wandb", reason="wandb is not installed (the extra 'dev')")

from tests.integrations.wandb_files import Run, runs

pytestmark = pytest.mark.slow
# a row of the table that spaCy prints: epoch, step, losses, scores in percent, score
ROW = re.compile(r"^ *(\d+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$")


class Logged(NamedTuple):
    """The template after it was run, with the output and the recorded runs."""

    clone: Clone
    commit: str
    printed: list[str]
    checked: Done  # after `run all`
    model: str  # the MD5 of the last model, from the lock
    runs: list[Run]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Logged:
    clone = Clone("wandb", tmp_path_factory.mktemp("wandb"))
    config = clone.folder / "configs/config.cfg"
    config.write_text(config.read_text().replace("max_steps = 240", "max_steps = 120"))
    commit = clone.commit("Train less")
    printed = [clone.run("all")]
    checked = clone("check", "--strict")
    printed.append(clone.run("train", "--vars.seed", "1"))
    (model,) = lock_format.read(clone.folder)["train"].outs
    (clone.folder / "README.md").write_text("changed\n")
    clone.run("evaluate")
    return Logged(clone, commit, printed, checked, str(model.md5), runs(clone.folder))


def rows(printed: str) -> list[tuple[float, ...]]:
    matches = (ROW.match(line) for line in printed.splitlines())
    return [tuple(map(float, match.groups())) for match in matches if match]


def history(run: Run) -> list[dict[str, Any]]:
    """Return the values logged at each evaluation; the logger logs them in five parts."""

    merged: list[dict[str, Any]] = []
    for _, parts in groupby(run.history, key=lambda row: row["_step"] // 5):
        merged.append({})
        for part in parts:
            merged[-1].update(part)
    return merged


def test_each_training_and_each_evaluation_is_an_offline_run(logged: Logged) -> None:
    jobs = [run.record.job_type for run in logged.runs]
    assert jobs == ["train", "evaluate", "train", "evaluate"]
    assert {run.record.project for run in logged.runs} == {"ner_fashion"}
    assert len({run.record.run_id for run in logged.runs}) == 4
    assert all(run.record.telemetry.feature.offline for run in logged.runs)


def test_logged_losses_and_scores_match_the_printed_ones(logged: Logged) -> None:
    trainings = [run for run in logged.runs if run.record.job_type == "train"]
    for printed, run in zip(logged.printed, trainings, strict=True):
        table = rows(printed)
        assert [row[1] for row in table] == [0, 40, 80, 120]
        for row, line in zip(history(run), table, strict=True):
            numbers = (
                row["epoch"], row["step"], row["loss_tok2vec"], row["loss_ner"],
                *(100 * row[name] for name in ("ents_f", "ents_p", "ents_r")), row["score"],
            )  # fmt: skip
            assert numbers == pytest.approx(line, abs=0.0051)
        best = max(table, key=lambda line: line[-2:])
        assert run.summary["best_step"] == best[1]
        assert run.summary["best_score"] == pytest.approx(best[-1], abs=0.0051)


def test_the_logged_config_is_spacys_and_contains_the_seed(logged: Logged) -> None:
    first, _, second, _ = logged.runs
    assert first.config["training"]["max_steps"] == 120
    assert first.config["components"]["tok2vec"]["model"]["encode"]["depth"] == 3
    assert [run.config["training"]["seed"] for run in (first, second)] == [0, 1]
    assert first.history[-1] != second.history[-1]


def test_every_run_is_linked_to_its_commit(logged: Logged) -> None:
    clean = {"commit": logged.commit, "uncommitted": False, "project": ""}
    short = logged.commit[:7]
    *before, last = logged.runs
    for run in before:
        assert run.config["git"] == clean
        assert run.record.run_group == short
        assert list(run.record.tags) == [short]
        assert run.record.display_name.endswith(short)
    assert logged.runs[2].record.display_name == f"train seed 1 {short}"
    assert last.config["git"] == {**clean, "uncommitted": True}
    assert list(last.record.tags) == [short, "uncommitted"]


def test_model_md5_matches_the_lock_and_the_run_record(logged: Logged) -> None:
    train, evaluate, train_again, evaluate_again = (run.config["model_md5"] for run in logged.runs)
    assert train == evaluate != train_again == evaluate_again
    assert train_again == logged.model
    shown = logged.clone("show", logged.commit).out
    assert train in shown
    assert train_again in shown


def test_the_evaluation_run_has_the_scores_in_metrics_json(logged: Logged) -> None:
    metrics = json.loads((logged.clone.folder / "metrics/metrics.json").read_text())
    summary = logged.runs[-1].summary
    brand = metrics.pop("ents_per_type")["FASHION_BRAND"]
    assert metrics == {name: summary[name] for name in metrics}
    assert brand == {part: summary[f"ents_per_type.FASHION_BRAND.{part}"] for part in "prf"}


def test_runs_are_ignored_by_git_and_the_lock_and_no_process_is_left(logged: Logged) -> None:
    folder = logged.clone.folder
    changed = git(folder, "status", "--porcelain", "-uall").split()[1::2]
    assert changed == ["README.md", "metrics/metrics.json", "metrics/score.json", "project.lock"]
    text = (folder / "project.lock").read_text()
    assert str(folder.parent) not in text
    assert str(Path(sys.prefix)) not in text
    assert logged.clone.processes() == []


def test_everything_is_up_to_date_after_a_run(logged: Logged) -> None:
    assert logged.checked == (0, "", "")
    again = logged.clone("run", "preprocess", "config", "evaluate")
    assert again.err.endswith("ran 0, skipped 3\n")
    report = (logged.clone.folder / "metrics/test-report.html").read_text()
    assert "test_finds_a_known_brand" in report


def test_the_training_config_only_differs_in_its_logger(logged: Logged) -> None:
    from thinc.api import Config

    folder = logged.clone.folder / "configs"
    plain, made = (
        Config().from_disk(folder / name, interpolate=False) for name in ("config.cfg", "wandb.cfg")
    )
    chained = made["training"].pop("logger")
    assert chained["logger1"] == plain["training"].pop("logger")
    assert chained["logger3"]["@loggers"] == "spacy.WandbLogger.v5"
    assert "$" not in json.dumps(chained["logger3"]), "a variable, to spaCy 3.7"
    assert made == plain


def test_wandb_sync_finds_the_offline_runs(logged: Logged) -> None:
    program = Path(sys.executable).with_name("wandb")
    done = logged.clone.process(program, "sync", "--dry-run")
    assert done.code == 0, done.err
    for run in logged.runs:
        assert run.record.run_id in done.out + done.err


def test_outside_a_repository_a_run_is_only_linked_to_its_model(
    logged: Logged, tmp_path: Path
) -> None:
    folder = tmp_path / "plain"
    for name in ("scripts", "metrics", "training/model-best"):
        shutil.copytree(logged.clone.folder / name, folder / name)
    done = logged.clone.process(
        "env", "WANDB_MODE=offline", sys.executable, "scripts/log_scores.py",
        "metrics/metrics.json", "training/model-best", "--project", "p", cwd=folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    (run,) = runs(folder)
    assert "git" not in run.config
    assert run.config["model_md5"] == logged.model
    assert run.record.run_group == "no commit"


def test_the_default_mode_is_offline() -> None:
    from git_spacy import templates

    path = Path(templates.__file__).parent / "integrations/wandb/project.yml"
    project = yaml.safe_load(path.read_text())
    assert project["vars"]["wandb_mode"] == "offline"
    lines = [line for command in project["commands"] for line in command["script"]]
    logging = [line for line in lines if "run_link" in line or "log_scores" in line]
    assert len(logging) == 2
    assert all(line.startswith("env WANDB_MODE=${vars.wandb_mode} ") for line in logging)
