"""The template integrations/wandb: offline runs contain the scores that spaCy printed, and the
commit."""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import sys
from itertools import groupby, product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest
import yaml

from git_spacy import templates
from git_spacy.lock import lock_format
from tests.integrations.clones import Clone
from tests.testing.projects import Done
from tests.testing.repositories import git, write

pytest.importorskip("spacy", reason="spaCy is not installed (the extra 'spacy')")
pytest.importorskip("wandb", reason="wandb is not installed (the extra 'dev')")

from tests.integrations.wandb_files import Run, runs

pytestmark = pytest.mark.slow
# a row of the table that spaCy prints: epoch, step, losses, scores in percent, score
ROW = re.compile(r"^ *(\d+) +(\d+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+) +([\d.]+)$")


TRIAL = "trial001"  # the id of a run that the server of a sweep chose


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
    printed.append(start_trial(clone, trials(clone.folder)[1], TRIAL))
    (model,) = lock_format.read(clone.folder)["train"].outs
    (clone.folder / "README.md").write_text("changed\n")
    clone.run("evaluate")
    return Logged(clone, commit, printed, checked, str(model.md5), runs(clone.folder))


def start_trial(clone: Clone, words: list[str], id: str) -> str:
    """Run a command line of a sweep's agent in the environment that it would set, but offline."""

    assert words[:2] == ["git", "spacy"]
    done = clone.process(
        "env", f"WANDB_RUN_ID={id}", "WANDB_SWEEP_ID=sweep1", "WANDB_PROJECT=ner_fashion",
        "WANDB_MODE=offline",
        sys.executable, "-m", "git_spacy", *words[2:],
    )  # fmt: skip
    assert done.code == 0, done.out + done.err
    return done.out


def trials(folder: Path) -> list[list[str]]:
    """Return the command lines of an agent for sweep.yaml, as wandb's own code expands them.

    The server would choose the values: for a grid, each combination.
    """

    from wandb.sdk.launch.sweeps import utils

    sweep = yaml.safe_load((folder / "sweep.yaml").read_text())
    assert sweep["method"] == "grid"
    lines = []
    for values in product(*(value["values"] for value in sweep["parameters"].values())):
        args = {
            name: {"value": value} for name, value in zip(sweep["parameters"], values, strict=True)
        }
        macros = utils.create_sweep_command_args({"args": args}) | {"program": [sweep["program"]]}
        words = utils.create_sweep_command(sweep["command"])
        lines.append([str(part) for word in words
                      for part in (macros[word[2:-1]] if word.startswith("${") else [word])])  # fmt: skip
    return lines


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
        sys.executable, "scripts/log_scores.py",
        "metrics/metrics.json", "training/model-best", "--project", "p", cwd=folder,
    )  # fmt: skip
    assert done.code == 0, done.err
    (run,) = runs(folder)
    assert "git" not in run.config
    assert run.config["model_md5"] == logged.model
    assert run.record.run_group == "no commit"


@pytest.mark.parametrize(
    ("environ", "settings", "mode"),
    [
        ({}, False, "offline"),
        ({"WANDB_MODE": "online"}, False, "online"),
        ({"WANDB_MODE": "disabled"}, True, "disabled"),
        ({}, True, None),  # `wandb online` has written the mode into its settings
        ({"WANDB_SWEEP_ID": "x"}, False, None),  # an agent is online
    ],
)
def test_runs_are_offline_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], settings: bool,
    mode: str | None,
) -> None:  # fmt: skip
    for name in ("WANDB_MODE", "WANDB_SWEEP_ID", "WANDB_ERROR_REPORTING"):
        monkeypatch.setenv(name, "")  # is restored after the test, whatever the module sets
        monkeypatch.delenv(name)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    if settings:
        write(tmp_path, {"wandb/settings": "[default]\nmode = online\n"})
    script = templates.template_folder("integrations/wandb") / "scripts/run_link.py"
    runpy.run_path(str(script))
    assert os.environ.get("WANDB_MODE") == mode


def test_a_later_but_worse_step_is_not_the_summary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for the run: which step is the best one is up to the test, not to spaCy."""

    import spacy
    import wandb

    for name in (
        "WANDB_MODE",
        "WANDB_ERROR_REPORTING",
        "WANDB_JOB_TYPE",
        "WANDB_NAME",
        "WANDB_RUN_GROUP",
        "WANDB_TAGS",
    ):
        monkeypatch.setenv(name, "")  # is restored after the test
    monkeypatch.setenv("GIT_SPACY_LINKS", str(tmp_path / "links"))
    run = SimpleNamespace(config={}, summary={"score": 0.5}, id="i", project="p", entity="")
    monkeypatch.setattr(wandb, "run", run)
    script = templates.template_folder("integrations/wandb") / "scripts/run_link.py"
    nlp = spacy.blank("en")
    log_step, finalize = runpy.run_path(str(script))["run_link"]()(nlp, sys.stdout, sys.stderr)
    checkpoints = []
    for step, score in ((0, 0.2), (40, 0.9), (80, 0.5)):
        checkpoints.append((score, step))
        log_step({
            "step": step, "epoch": step, "score": score, "losses": {"ner": 1.0 - score},
            "other_scores": {"ents_f": score, "speed": None}, "checkpoints": checkpoints,
        })  # fmt: skip
        log_step(None)
    finalize()
    assert run.summary == {
        "score": 0.9, "best_score": 0.9, "step": 40, "best_step": 40, "epoch": 40, "ents_f": 0.9,
        "loss_ner": pytest.approx(0.1),
    }  # fmt: skip
    assert (tmp_path / "links").read_text() == "wandb p/i\n"


def test_each_run_and_its_record_name_each_other(logged: Logged) -> None:
    shown = json.loads(logged.clone("show", "--json", logged.commit).out)
    by_link = {record["links"]["wandb"]: record for record in shown if "links" in record}
    for run in logged.runs:
        record = by_link[f"ner_fashion/{run.record.run_id}"]
        assert record["command"] == run.record.job_type
        assert record["time"] == run.config["git_spacy"]["time"]
    assert logged.runs[2].record.run_id == TRIAL
    assert by_link[f"ner_fashion/{TRIAL}"]["vars"] == {"dropout": 0.1, "seed": 1}


def test_the_summary_has_the_scores_of_the_kept_model(logged: Logged) -> None:
    for run in logged.runs[::2]:
        kept = next(row for row in history(run) if row["step"] == run.summary["best_step"])
        for name in ("step", "score", "ents_f", "ents_p", "ents_r", "loss_ner"):
            assert run.summary[name] == kept[name], name
        meta = run.summary["ents_f"]
        assert run.summary["score"] == pytest.approx(meta, abs=1e-6)
    meta = json.loads((logged.clone.folder / "training/model-best/meta.json").read_text())
    assert logged.runs[2].summary["ents_f"] == pytest.approx(meta["performance"]["ents_f"])


def test_corpora_and_model_are_artifacts_with_the_checksums_of_the_lock(logged: Logged) -> None:
    entry = lock_format.read(logged.clone.folder)["train"]
    checksums = {file.path: file.md5 for file in (*entry.deps, *entry.outs)}
    for run in logged.runs[::2]:
        found = {artifact.name: artifact for artifact in run.artifacts}
        metadata = {name: json.loads(artifact.metadata) for name, artifact in found.items()}
        assert {name: artifact.type for name, artifact in found.items()} == {
            "ner_fashion-train": "dataset", "ner_fashion-dev": "dataset", "ner_fashion-model": "model",
        }  # fmt: skip
        for name in ("train", "dev"):
            assert metadata[f"ner_fashion-{name}"]["md5"] == checksums[f"corpus/{name}.spacy"]
        assert metadata["ner_fashion-model"]["md5"] == run.config["model_md5"]
        assert metadata["ner_fashion-model"]["commit"] == logged.commit
        files = {file.path for file in found["ner_fashion-model"].manifest.contents}
        assert {"meta.json", "config.cfg", "ner/model"} <= files


@pytest.mark.skipif("GIT_SPACY_STRESS" not in os.environ, reason="four trainings; scripts/stress")
def test_a_sweep_of_four_trials_has_four_runs_and_records(tmp_path: Path) -> None:
    clone = Clone("wandb", tmp_path)
    config = clone.folder / "configs/config.cfg"
    config.write_text(config.read_text().replace("max_steps = 240", "max_steps = 40"))
    commit = clone.commit("Train less")
    clone.run("preprocess", "config")
    lines = trials(clone.folder)
    for number, line in enumerate(lines):
        start_trial(clone, line, f"trial{number}")
    tried = [
        (round(run.config["training"]["dropout"], 9), run.config["training"]["seed"])
        for run in runs(clone.folder)
    ]
    assert tried == [(0.1, 0), (0.1, 1), (0.3, 0), (0.3, 1)]
    shown = json.loads(clone("log", "--json", "--all", commit).out)
    records = [run for entry in shown for run in entry["runs"] if run["command"] == "train"]
    assert {run["links"]["wandb"] for run in records} == {
        f"ner_fashion/trial{number}" for number in range(4)
    }
