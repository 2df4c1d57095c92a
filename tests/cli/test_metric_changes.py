"""`git spacy run` ends with what became better or worse than in HEAD."""

from __future__ import annotations

from pathlib import Path

import pytest

from git_spacy.cli import metric_changes
from git_spacy.history.head_metrics import MetricChange
from tests.testing.projects import Spacy, project
from tests.testing.repositories import commit, git, write
from tests.threats.inputs import ESCAPES

SCORED = """\
vars: {size: 4}
commands:
  - name: score
    script: ["python score.py ${vars.size}"]
    deps: [score.py]
    outputs_no_cache: [metrics.json]
  - name: other
    script: ["python -c pass"]
    outputs: []
"""
SCORE = (
    "import json, sys\nsize = int(sys.argv[1])\n"
    "found = {'ents_f': size / 8, 'loss': size, 'tokens': size, 'speed': 7}\n"
    "json.dump(found, open('metrics.json', 'w'))\n"
)


@pytest.fixture
def root(tmp_path: Path, spacy: Spacy) -> Path:
    """A project whose results with size 4 are committed."""

    root = project(tmp_path / "p", SCORED, {"score.py": SCORE})
    git(root, "init", "-q")
    commit(root, {})
    done = spacy("run", "score", cwd=root)
    assert "compared with HEAD" not in done.err  # which has no results yet
    commit(root, {}, "size 4")
    return root


def test_a_run_ends_with_what_became_better_or_worse_than_in_head(root: Path, spacy: Spacy) -> None:
    line = "compared with HEAD: better: ents_f 0.5 → 0.75; worse: loss 4 → 6"
    done = spacy("run", "score", "--vars.size", "6", cwd=root)
    assert done.err.splitlines()[-1] == line
    # HEAD is still the commit of size 4, whatever ran since
    assert spacy("run", "score", "--vars.size", "8", cwd=root).code == 0
    done = spacy("run", "score", "--vars.size", "6", cwd=root)
    assert done.err.splitlines()[-1] == line
    # nothing ran, a dry run, the same metrics, no metrics
    for words in (
        ("score", "--vars.size", "6"), ("--dry", "score"), ("score",), ("score", "--force"),
        ("other",),
    ):  # fmt: skip
        assert "compared with HEAD" not in spacy("run", *words, cwd=root).err, words


def test_results_that_are_not_committed_are_compared_with_earlier_runs_on_head(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(tmp_path / "p", SCORED, {"score.py": SCORE, ".gitignore": "project.lock\n"})
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "commit", "-qm", "sources")
    assert "compared" not in spacy("run", "score", "--vars.size", "6", cwd=root).err
    assert spacy("run", "score", "--vars.size", "2", cwd=root).err.splitlines()[-1] == (
        "compared with HEAD: better: loss 6 → 2; worse: ents_f 0.75 → 0.25"
    )


def test_without_a_repository_or_records_a_run_says_nothing_of_metrics(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    outside = project(tmp_path / "outside", SCORED, {"score.py": SCORE})
    assert "compared" not in spacy("run", "score", cwd=outside).err
    git(root, "update-ref", "-d", "refs/notes/spacy")
    write(root, {"score.py": SCORE + "\n"})
    done = spacy("run", "score", "--vars.size", "1", cwd=root)
    assert (done.code, "compared" in done.err) == (0, False)


def change(name: str, before: float, after: float, judged: str, command: str = "a") -> MetricChange:
    return MetricChange(command, name, before, after, judged)  # type: ignore[arg-type]


def test_the_line_is_one_line_and_names_the_most_important_metrics() -> None:
    changes = [change(f"f{number}", 0, 1, "better") for number in range(5)]
    assert metric_changes.format_changes(changes) == (
        "compared with HEAD: better: f0 0 → 1, f1 0 → 1, f2 0 → 1 and 2 more"
    )
    unknown = change("tokens", 1, 2, "")
    assert metric_changes.format_changes([unknown]) == "compared with HEAD: changed: tokens 1 → 2"
    assert "tokens" not in metric_changes.format_changes([unknown, *changes])
    assert metric_changes.format_changes([]) == ""
    two = [change("f", 0, 1, "better"), change("f", 1, 0.5, "worse", "b")]
    assert metric_changes.format_changes(two) == (
        "compared with HEAD: better: a: f 0 → 1; worse: b: f 1 → 0.5"
    )
    hostile = change(f"f\n{ESCAPES}", 0, 1, "better", f"b\n{ESCAPES}")
    text = metric_changes.format_changes([hostile, changes[0]])
    assert text.isprintable()
