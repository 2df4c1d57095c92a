"""`scripts/bench --compare`: which version is measured, and what counts as a difference."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture
def benchmarks(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of the benchmarks by name."""

    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    return {name: importlib.import_module(f"benchmarks.{name}") for name in ("compare", "contest")}


def test_both_versions_take_turns_and_only_what_is_ours_is_measured(
    benchmarks: dict[str, ModuleType], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    compare, contest = benchmarks["compare"], benchmarks["contest"]
    measured = []

    def measure() -> dict[str, float]:
        version = os.environ["PYTHONPATH"]
        measured.append("old" if version == str(tmp_path) else "new")
        assert version in (str(tmp_path), str(ROOT))
        return {"s": 2.0 if measured[-1] == "old" else 1.0 + len(measured) / 1000}

    def peer() -> dict[str, float]:
        raise AssertionError("other tools do not change")

    comparison = compare.Comparison(tmp_path, rounds=6)
    monkeypatch.setattr(contest, "comparison", comparison)
    contestants = {"ours": contest.Contestant(measure, 2), "other": contest.Contestant(peer)}
    budgets = [contest.Budget("ours", 1, "other"), contest.Budget("ours", 2)]
    assert contest.contest("case", contestants, budgets) == []
    new, old = ["new"] * 3, ["old"] * 3  # one of them is not counted
    assert measured == (new + old + old + new) * 3
    assert "PYTHONPATH" not in os.environ
    (change,) = comparison.changes
    assert change[:3] == ("case", "ours", "s")
    assert (change.old, change.verdict) == (2.0, "less")
    assert 0.5 < change.low <= change.ratio <= change.high < 0.52
    assert "| case | ours | 2 s | 1.0" in compare.as_table([change], "main")


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ([1.0], (1.0, 1.0)),
        ([0.9, 1.1, 1.0, 0.8, 1.2], (0.8, 1.2)),
        ([0.5, 0.6, 0.7, 0.8, 0.9, 0.95], (0.5, 0.95)),
        ([0.1, 0.7, 0.8, 0.8, 0.8, 0.8, 0.9, 0.9, 7.0], (0.7, 0.9)),  # P(2 to 8 of 9) = 96.1 %
    ],
)
def test_the_interval_is_that_of_the_sign_test(
    benchmarks: dict[str, ModuleType], ratios: list[float], expected: tuple[float, float]
) -> None:
    assert benchmarks["compare"].interval(ratios) == expected


def test_a_difference_within_the_noise_is_not_called_one(
    benchmarks: dict[str, ModuleType], tmp_path: Path
) -> None:
    compare = benchmarks["compare"]
    rounds = [({"s": 1.0}, {"s": ratio}) for ratio in (0.9, 1.2, 1.1, 0.8, 1.1, 1.2, 1.1, 0.9, 1.1)]
    change = compare._change("case", "ours", "s", rounds)
    assert (change.ratio, change.verdict) == (1.1, "no difference found")
    assert compare._change("case", "ours", "s", [({"s": 1.0}, {"s": 1.1})] * 9).verdict == "more"


def test_an_unknown_revision_is_an_error(benchmarks: dict[str, ModuleType], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="unknown revision 'no-such-revision'"):
        benchmarks["compare"].extract("no-such-revision", tmp_path / "old")
    assert not (tmp_path / "old").exists()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
def test_the_command_measures_the_package_of_the_revision(tmp_path: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'scripts'}{os.pathsep}{ROOT}"}
    arguments = ("--compare", "HEAD", "--rounds", "1", "start-up")
    done = subprocess.run(
        (sys.executable, "-m", "benchmarks", *arguments),
        cwd=tmp_path, env=environ, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [line.split("|")[1:3] for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[1:] == [
        [" start-up ", f" {name} "] for name in ("--version", "--version", "-h", "-h")
    ]
