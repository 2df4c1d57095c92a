"""`run --search`: trials with values that Optuna proposes, on a project as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections import Counter
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from tests.testing.projects import Done, Spacy, process, project, snapshot
from tests.testing.repositories import git, write

pytest.importorskip("optuna")

TRIALS = 20 if "GIT_SPACY_STRESS" in os.environ else 8
PROJECT = """\
title: A model whose score is known
vars: {rate: 0.1, width: 64, size: 4}
directories: [training]
commands:
  - name: convert
    script: ["sh convert.sh ${vars.size}"]
    deps: [convert.sh]
    outputs: [data.txt]
  - name: train
    script: ["sh train.sh training/model ${vars.rate} ${vars.width}"]
    deps: [train.sh, data.txt]
    outputs: [training/model]
  - name: evaluate
    script: ["sh evaluate.sh training/model metrics.json"]
    deps: [evaluate.sh, training/model]
    outputs_no_cache: [metrics.json]
workflows:
  all: [convert, train, evaluate]
"""
# The score is 1 for the rate 0.001 and the width 96, and lower elsewhere; 0.5 in the first row.
# With a file `hang`, a model that is not good is trained until somebody stops it.
SCRIPTS: dict[str, str | bytes] = {
    "convert.sh": "echo $1 >> log.txt; echo $1 > data.txt\n",
    "train.sh": """\
test $3 != 13 || exit 3
test $3 != 14 || { kill -INT $PPID; exec sleep 600; }
awk -v rate=$2 -v width=$3 -v model=$1 'BEGIN {
    distance = log(rate) / log(10) + 3
    score = 1 - distance * distance / 10 - (width - 96) * (width - 96) / 10000
    print "E    #       LOSS NER  ENTS_F  SCORE "
    print "---  ------  --------  ------  ------"
    for (step = 0; step <= 400; step += 100)
        printf "%3d  %6d  %8.2f  %6.2f  %6.2f\\n", step / 100, step, 9, 50, \\
            0.5 + (score - 0.5) * step / 400
    print score > model
    exit score < 0.98
}' || test ! -f hang || exec sleep 600
""",
    "evaluate.sh": 'echo "{\\"speed\\": 9, \\"ents_f\\": $(cat $1), \\"loss\\": 0.5}" > $2\n',
    ".gitignore": "/training/\n/data.txt\n/log.txt\n",
}
SEARCH = ("--search", "rate=1e-5..1e-1,log", "--search", "vars.width=32..128,step=32")
FEW = ("--search", "width=32,96,128")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in its first commit that has not run yet."""

    root = project(tmp_path / "r", PROJECT, SCRIPTS)
    git(root, "init", "-q")
    return keep(root)


def keep(root: Path) -> Path:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")
    return root


def ran(done: Done) -> Counter[str]:
    """Count the commands that started, without their variables."""

    return Counter(re.findall(r"^==> (\w+)[^:]*: running", done.err, re.MULTILINE))


def rows(done: Done) -> list[list[str]]:
    """Return the rows of the table of trials."""

    table = done.out[done.out.index("trials of train, evaluate\n") :].splitlines()
    return [line.split() for line in table[2:] if not line.startswith("  *")]


def counts(done: Done) -> str:
    """Return the line that counts the trials."""

    (line,) = re.findall(r"^[0-9]+ trials?: .*$", done.err, re.MULTILINE)
    return str(line)


def restore_best(root: Path, spacy: Spacy, done: Done) -> Done:
    """Type the command that the run shows at its end."""

    (hint,) = re.findall("To bring the best into the project: git spacy (run .*)", done.err)
    return spacy(*shlex.split(hint), cwd=root)


def test_a_search_finds_the_best_values_and_prunes_the_others(root: Path, spacy: Spacy) -> None:
    before = snapshot(root)
    search = ("run", "all", *SEARCH, "--trials")
    done = spacy(*search, TRIALS, cwd=root)
    assert done.code == 0, done.err
    table = rows(done)
    complete = [row for row in table if row[-1] != "pruned"]
    scores = [float(row[-1].rstrip("*")) for row in complete]
    pruned = len(table) - len(complete)
    assert (scores, complete[0][-1][-1]) == (sorted(scores, reverse=True), "*")
    assert (len(table), scores[0] > 0.97, pruned > 1) == (TRIALS, True, True)
    assert counts(done) == f"{TRIALS} trials: {len(complete)} complete, {pruned} pruned"
    # what was pruned was not evaluated; the rest ran once, in the project
    assert ran(done) == {"convert": 1, "train": TRIALS, "evaluate": len(complete)}
    assert list(lock_format.read(root)) == ["convert"]
    lock = (root / "project.lock").read_bytes()
    added = {"data.txt": b"4\n", "log.txt": b"4\n", "training/": "", "project.lock": lock}
    assert snapshot(root) == {**before, **added}
    assert not list((root / ".git/spacy").glob("**/variants"))
    log = spacy("log", cwd=root).out
    assert (log.count("  pruned  "), log.count("failed")) == (pruned, 0)
    assert "failed" not in spacy("log", "--table", cwd=root).err
    page = root.parent / "report.html"
    assert spacy("report", "-o", page, cwd=root).code == 0
    assert page.read_text().count("pruned by a search") == pruned
    (name,) = re.findall(r"^==> (train .*): pruned", done.err, re.MULTILINE)[-1:]
    assert "pruned (score " in spacy("show", "--log", name, cwd=root).out.splitlines()[-1]

    again = spacy(*search, TRIALS, cwd=root)
    assert (ran(again), rows(again)) == (Counter(), table)
    assert counts(again).endswith(f"; {TRIALS} of them ran before")
    # the next trials are others; they know the scores of those before, and a process is stopped
    write(root, {"hang": ""})
    more = spacy(*search, TRIALS + 4, cwd=root)
    new = [row for row in rows(more) if row[0] not in {row[0] for row in table}]
    assert ran(more)["train"] == len(new) == 4
    assert {tuple(row[1:3]) for row in new}.isdisjoint(tuple(row[1:3]) for row in table)
    assert "pruned" in {row[-1] for row in new}

    assert "restored 2" in restore_best(root, spacy, more).err
    metrics = json.loads((root / "metrics.json").read_text())
    assert f"{metrics['ents_f']:.4g}" == rows(more)[0][-1].rstrip("*")


def test_a_search_ends_when_all_values_are_tried(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", "--matrix", "width=96", "--matrix", "rate=0.1,0.2", cwd=root)
    done = spacy("run", "all", "--search", "width=96,128", "--jobs", "3", cwd=root)
    assert (done.code, counts(done)) == (0, "2 trials: 2 complete")
    assert re.search(r"^evaluate [12] \| \$ sh evaluate", done.err, re.MULTILINE), done.err
    # those of a matrix count as trials, too
    pinned = ("--search", "rate=0.1,0.01", "--search", "width=96,128")
    both = spacy("run", "all", *pinned, "--jobs", "2", cwd=root)
    assert counts(both) == "4 trials: 4 complete; 1 of them ran before"
    forced = spacy("run", "all", *pinned, "--jobs", "2", "--force", cwd=root)
    assert ran(forced) == {"convert": 1, "train": 4, "evaluate": 4}
    write(root, {"evaluate.sh": 'echo "{\\"ents_f\\": 0.5}" > $2\n'})
    changed = spacy("run", "all", *pinned, cwd=root)
    assert (ran(changed), counts(changed)) == ({"evaluate": 4}, "4 trials: 4 complete")


def test_a_failed_trial_does_not_end_the_search(root: Path, spacy: Spacy) -> None:
    done = spacy("run", "all", "--search", "width=13,96,128", cwd=root)
    assert (done.code, counts(done)) == (3, "3 trials: 2 complete, 1 failed")
    assert [row[1] for row in rows(done)] == ["96", "128", "13"]
    assert "restored 2" in restore_best(root, spacy, done).err
    # if all fail, or a command that all need, the values are not the reason
    write(root, {"evaluate.sh": "exit 9\n"})
    failed = spacy("run", "all", *SEARCH, cwd=root)
    assert (failed.code, counts(failed)) == (9, "3 trials: 3 failed")
    assert "To bring" not in failed.err
    write(root, {"convert.sh": "exit 8\n"})
    failed = spacy("run", "all", *SEARCH, cwd=root)
    assert (failed.code, ran(failed)) == (8, {"convert": 1})


@pytest.mark.parametrize(
    ("objective", "order", "sign"),
    [((), ["96", "128", "32"], "highest"), (("-ents_f",), ["32", "128", "96"], "lowest")],
)
def test_the_objective_can_be_chosen(
    root: Path, spacy: Spacy, objective: tuple[str, ...], order: list[str], sign: str
) -> None:
    options = [word for name in objective for word in ("--objective", name)]
    done = spacy("run", "all", *FEW, *options, cwd=root)
    assert [row[1] for row in rows(done)] == order
    assert f"* {sign}\n" in done.out


def test_an_objective_that_is_not_clear_is_an_error_with_a_hint_that_works(
    root: Path, spacy: Spacy
) -> None:
    write(root, {"evaluate.sh": 'echo "{\\"good\\": $(cat $1), \\"new\\": 2}" > $2\n'})
    unclear = spacy("run", "all", *FEW, cwd=root)
    assert (unclear.code, ran(unclear)["train"]) == (2, 1)
    assert "which metric is the objective? there are: good, new\n" in unclear.err
    assert "hint: add --objective good\n" in unclear.err
    assert "==> trial 1 of 3: failed: no objective\n" in unclear.err
    wrong = spacy("run", "all", *FEW, "--objective", "goood", cwd=root)
    assert (wrong.code, "hint: did you mean 'good'?\n" in wrong.err) == (2, True)
    other = spacy("run", "all", *FEW, "--objective", "speed", cwd=root)
    assert other.err.endswith(
        "--objective: error: unknown metric 'speed'\nhint: available: good, new\n"
    )
    assert spacy("run", "all", *FEW, "--objective", "good", cwd=root).code == 0
    # once the project has the file, nothing runs before the error
    spacy("run", "all", cwd=root)
    unclear = spacy("run", "all", "--search", "width=70,71", cwd=root)
    assert (unclear.code, ran(unclear)) == (2, Counter())
    without = spacy("run", "train", *FEW, cwd=root)
    assert "hint: also name a command that has one: evaluate\n" in without.err
    assert spacy("run", "train", "evaluate", *FEW, "--objective", "new", cwd=root).code == 0


def test_an_interrupted_search_shows_its_trials_and_goes_on(root: Path, spacy: Spacy) -> None:
    search = ("run", "all", "--search", "width=14,96,97,98", "--search-seed", "2")
    done = process(*search, cwd=root)
    assert done.code == 130, done.err
    finished = int(counts(done).partition(" ")[0])
    assert ran(done)["evaluate"] == finished > 0
    assert spacy("log", cwd=root).out.count("width=") == 2 * finished  # not the interrupted one
    script = str(SCRIPTS["train.sh"])
    write(root, {"train.sh": script.replace("test $3 != 14", "true")})
    done = spacy(*search, cwd=root)
    assert (done.code, counts(done)) == (0, "4 trials: 4 complete")


def test_a_trial_cannot_have_paths_outside_the_project(root: Path, spacy: Spacy) -> None:
    text = PROJECT.replace("outputs: [training/model]", "outputs: [training/model, ../outside]")
    write(root, {"project.yml": text})
    done = spacy("run", "all", *FEW, cwd=root)
    assert (done.code, ran(done), "'../outside' is outside the project" in done.err) == (
        3, Counter(), True
    )  # fmt: skip


def test_a_dry_run_says_what_would_be_searched(root: Path, spacy: Spacy) -> None:
    done = spacy("run", "all", *SEARCH, "--dry-run", "--objective", "-loss", cwd=root)
    assert done.code == 0
    assert done.err.endswith(
        "would search with up to 20 trials of train, evaluate:\n"
        "  vars.rate from 1e-05 to 0.1, log\n"
        "  vars.width from 32 to 128, step 32\n"
        "  for the lowest loss\n"
    )
    assert not (root / "data.txt").exists()


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (("--trials", 3), "--trials belongs to a search", "add --search VARIABLE=LOW..HIGH"),
        ((*FEW, "--matrix", "rate=1,2"), "exclude each other", "VARIABLE=VALUE,VALUE"),
        ((*FEW, "--executor", "ray"), "a search runs on this machine", "--jobs N"),
        ((*FEW, *FEW), "'vars.width' is given twice", "in one option"),
        (("--search", "size=1..3"), "'evaluate' does not use 'vars.size'", "convert"),
        (("--search", "widht=1..3"), "unknown variable 'widht'", "did you mean 'width'?"),
        (("--search", "width=1..3,sqrt"), "invalid 'sqrt'", "--search width=1..3,log"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    root: Path, spacy: Spacy, options: tuple[object, ...], message: str, hint: str
) -> None:
    done = spacy("run", "evaluate", *options, cwd=root)
    assert done.code == 2
    assert message in done.err
    assert hint in done.err


def test_optuna_is_named_if_it_is_missing(
    root: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    done = spacy("run", "all", *FEW, cwd=root)
    assert (done.code, done.err) == (
        2,
        "--search: error: Optuna is not installed\nhint: pip install 'optuna>=4.0'\n",
    )
