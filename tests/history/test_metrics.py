"""Metrics: which files have them, which come first, and what is better."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from git_spacy.history.metrics import by_importance, is_lower_better, judge, metric_files
from git_spacy.project import loader
from tests.cli.commands.test_log import keep
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git, write

COUNTS = """\
commands:
  - name: count
    script: ["python count.py"]
    deps: [count.py]
    outputs: [counts.json, scores/dev.json]
    outputs_no_cache: [metrics.json]
"""
COUNT = """\
import json, os
os.makedirs('scores', exist_ok=True)
json.dump({f'word{n}': n for n in range(20)}, open('counts.json', 'w'))
json.dump({'f': 0.75}, open('scores/dev.json', 'w'))
json.dump({'speed': 900, 'other': {'deep': 1}, 'ents_f': 0.5, 'loss': 2.0} | {
    f'm{n}': n for n in range(9)}, open('metrics.json', 'w'))
"""


@pytest.fixture
def counts(tmp_path: Path) -> Path:
    made = project(
        tmp_path / "r", COUNTS, {"count.py": COUNT, ".gitignore": "counts.json\nscores/\n"}
    )
    git(made, "init", "-q")
    keep(made, "First")
    return made


def recorded(folder: Path, spacy: Spacy) -> dict[str, dict[str, float]]:
    (run,) = json.loads(spacy("show", "--json", cwd=folder).out)
    metrics: dict[str, dict[str, float]] = run["metrics"]
    return metrics


def test_only_outputs_that_git_keeps_have_metrics_unless_patterns_name_others(
    counts: Path, spacy: Spacy
) -> None:
    """D5: word counts are not metrics."""

    spacy("run", "count", cwd=counts)
    keep(counts, "Its results")
    assert list(recorded(counts, spacy)) == ["metrics.json"]
    logged = spacy("log", cwd=counts).out
    assert " ents_f 0.5, speed 900, loss 2, " in " ".join(logged.split())
    assert "deep" not in logged
    assert "other.deep 1" in " ".join(spacy("log", "--all-metrics", cwd=counts).out.split())
    table = spacy("log", "--table", cwd=counts).out
    assert "5 more metrics: --all-metrics" in table
    assert table.split()[1:3] == ["ents_f", "speed"]
    assert "other.deep" in spacy("log", "--table", "--all-metrics", cwd=counts).out
    git(counts, "config", "spacy.metrics", "scores/*.json counts.json")
    write(counts, {"count.py": COUNT + "\n"})
    spacy("run", "count", cwd=counts)
    keep(counts, "Again")
    assert list(recorded(counts, spacy)) == ["counts.json", "scores/dev.json"]


@pytest.mark.parametrize(
    ("script", "files"),
    [
        ("python -m spacy evaluate m d --output scores.json", ["scores.json"]),
        ("spacy benchmark accuracy m d -o scores.json --gpu-id 0", ["scores.json"]),
        ("python -m spacy evaluate m d --output='scores.json'", ["scores.json"]),
        ("python -m spacy evaluate m d", []),
        ("python evaluate.py --output scores.json", []),
    ],
)
def test_what_spacy_evaluate_writes_has_metrics(script: str, files: list[str]) -> None:
    text = json.dumps(
        {"commands": [{"name": "e", "script": [script], "outputs": ["scores.json", "other.json"]}]}
    )
    (command,) = loader.parse(text.encode()).project.commands
    assert [path.text for path in metric_files(command)] == files


def test_scores_of_spacy_come_first() -> None:
    names = ["a.b", "zeta", "token_acc", "dev:ents_f", "alpha", "cats_score"]
    assert by_importance(names) == ["cats_score", "dev:ents_f", "token_acc", "zeta", "alpha", "a.b"]


@pytest.mark.parametrize(
    ("name", "change", "judged"),
    [
        ("ents_f", 0.1, "better"), ("dev:ents_per_type.ORG.f", -0.1, "worse"),
        ("loss.ner", -1, "better"), ("mean_squared_error", 0.1, "worse"), ("F1", 0.1, "better"),
        ("words", 1, ""), ("score", 0, ""), ("seconds", 3, "worse"),
    ],
)  # fmt: skip
def test_a_change_is_judged_only_if_the_name_tells(name: str, change: float, judged: str) -> None:
    assert judge(name, change) == judged


def test_lower_is_better_for_losses_only() -> None:
    assert [name for name in ("loss", "tok2vec_loss", "f", "gloss") if is_lower_better(name)] == [
        "loss", "tok2vec_loss",
    ]  # fmt: skip


def test_without_commits_diff_compares_the_work_tree_with_head(counts: Path, spacy: Spacy) -> None:
    """D6, also without a record, e.g. after weasel ran."""

    spacy("run", "count", cwd=counts)
    keep(counts, "Its results")
    assert spacy("diff", cwd=counts).out == "count\n  no differences\n"
    write(counts, {"count.py": COUNT.replace("0.5", "0.6").replace("2.0", "2.5")})
    git(counts, "config", "spacy.notes", "false")
    spacy("run", "count", cwd=counts)
    lines = spacy("diff", cwd=counts).out.splitlines()
    assert "  metric ents_f 0.5 → 0.6 (+0.1, better)" in lines
    assert "  metric loss 2 → 2.5 (+0.5, worse)" in lines
    assert "  dependency count.py changed" in lines
    write(counts, {"project.yml": COUNTS.replace("count.py", "count.py x", 1)})
    assert "no run for the work tree" in spacy("diff", cwd=counts).out
    found = json.loads(spacy("diff", "--json", cwd=counts).out)
    assert found["count"]["after"] == {"recorded_on": None, "matches_commit": False}
