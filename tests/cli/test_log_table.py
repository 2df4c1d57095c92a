"""`git spacy log --table` compares the metrics of real runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.commands.test_log import on_a_terminal
from tests.testing.projects import Done, Spacy, seeds, two_steps
from tests.testing.repositories import git, write

THREE = ("run", "all", "--matrix", "vars.seed=1,2,10")
MANY = (
    "import json, sys\n"
    "found = {f'a_long_name_{n}': n + float(sys.argv[1][6:].split('-')[0]) for n in range(9)}\n"
    "json.dump(found, open(sys.argv[2], 'w'))\n"
)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project in its first commit that has not run yet."""

    made = seeds(tmp_path / "r")
    git(made, "init", "-q")
    keep(made, "First")
    return made


def keep(folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "--short", "HEAD")


def change(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text()
    assert old in text
    (folder / name).write_text(text.replace(old, new))


def table(done: Done) -> list[str]:
    """Return the lines, with every duration as 0.1 s and every date as January 1."""

    assert done.code == 0, done.err
    return normalize(done.out)


def normalize(text: str) -> list[str]:
    text = re.sub(r"20\d\d-\d\d-\d\d", "2026-01-01", text)
    return re.sub(r"\d\.\d s", "0.1 s", text).splitlines()


def test_variants_are_rows_in_the_order_of_their_variables(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    id = git(made, "rev-parse", "--short", "HEAD")
    done = spacy("log", "--table", cwd=made)
    assert table(done) == [
        "evaluate",
        "  seed  score  loss.ner   time  commit   date",
        f"     1  0.91    0.2000   0.1 s  {id}  2026-01-01",
        f"     2  0.92    0.1667   0.1 s  {id}  2026-01-01",
        f"    10  1.00*   0.0714*  0.1 s  {id}  2026-01-01",
        "  * highest (lowest for loss.ner)",
    ]
    assert done.err == "without metrics: prepare, train\n"


def test_failed_runs_are_listed_below_the_table(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    assert spacy("run", "train", "--vars.seed", "13", cwd=made).code != 0
    done = spacy("log", "--table", cwd=made)
    assert len(done.out.splitlines()) == 6
    assert "1 failed run left out: train seed=13" in done.err.splitlines()
    assert "failed" not in spacy("log", "--table", "--command", "evaluate", cwd=made).err


def test_the_last_run_with_the_same_variables_counts(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    change(made, "evaluate.py", "0.8", "0.7")
    second = keep(made, "Score lower")
    spacy(*THREE, cwd=made)
    assert re.sub("run-[0-9a-f]{7}$", "ID", table(spacy("log", "--table", cwd=made))[3]) == (
        f"     2  0.82    0.1667   0.1 s  {second}  2026-01-01  ID"
    )
    before = table(spacy("log", "--table", "HEAD~1", cwd=made))
    assert before[3].split()[1] == "0.92"
    assert table(spacy("log", "--table", "HEAD~1..", cwd=made))[3].split()[1] == "0.82"
    keep(made, "Nothing ran here")
    assert len(table(spacy("log", "--table", "-n", "1", cwd=made))) == 6


def test_mean_shows_the_standard_deviation_over_seeds(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, "--matrix", "vars.rate=0.1,0.2", cwd=made)
    printed = table(spacy("log", "--table", "--mean", "vars.seed", cwd=made))
    assert printed == [
        "evaluate",
        "  rate             score   time  runs",
        "   0.1  0.9433  ± 0.0493  0.1 s     3",
        "   0.2  1.0433* ± 0.0493  0.1 s     3",
        "  * highest",
        "  ± standard deviation of these runs",
        "  1 metric is the same in all rows: --all-metrics",
    ]
    wrong = spacy("log", "--table", "--mean", "sed", cwd=made)
    assert wrong.code == 2
    assert "did you mean 'seed'?" in wrong.err


@pytest.mark.parametrize(
    ("sort", "seeds_then"),
    [(["--sort", "score"], "10 2 1"), (["--sort=-score"], "1 2 10"), (["--sort", "-loss.ner"], "10 2 1")],
)  # fmt: skip
def test_rows_can_be_sorted_by_a_metric(
    made: Path, spacy: Spacy, sort: list[str], seeds_then: str
) -> None:
    spacy(*THREE, cwd=made)
    printed = table(spacy("log", "--table", *sort, cwd=made))
    assert [line.split()[0] for line in printed[2:5]] == seeds_then.split()
    assert printed[1].split()[1] == sort[-1].split("=")[-1].removeprefix("-")


def test_metrics_can_be_chosen_and_an_unknown_name_is_an_error(made: Path, spacy: Spacy) -> None:
    spacy(*THREE, cwd=made)
    printed = table(spacy("log", "--table", "--metric", "loss.*", cwd=made))
    assert printed[1].split() == ["seed", "loss.ner", "time", "commit", "date"]
    assert printed[-1] == "  * lowest"
    for option in ("--metric", "--sort"):
        wrong = spacy("log", "--table", option, "scroe", cwd=made)
        assert wrong.code == 2
        assert "these runs have no metric 'scroe'" in wrong.err
        assert "did you mean 'score'?" in wrong.err


def test_without_metrics_the_message_says_how_to_record_them(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path / "r")
    git(made, "init", "-q")
    keep(made, "First")
    done = spacy("log", "--table", cwd=made)
    assert (done.code, done.out) == (0, "")
    assert "no runs are recorded for these commits" in done.err
    spacy("run", "all", cwd=made)
    done = spacy("log", "--table", cwd=made)
    assert (done.code, done.out) == (0, "")
    assert "list such a file under 'outputs_no_cache' in project.yml" in done.err


def test_json_rows_have_the_full_records(made: Path, spacy: Spacy) -> None:
    spacy("run", "all", "--matrix", "vars.seed=0,1", cwd=made)
    first, second = json.loads(spacy("log", "--table", "--json", cwd=made).out)
    assert first["vars"] == {"seed": 0, "rate": 0.1}
    assert second["metrics"] == {"score": pytest.approx(0.91), "loss.ner": 0.2}
    assert second["runs"][0]["commit"] == git(made, "rev-parse", "HEAD")
    assert second["runs"][0]["vars"] == {"seed": 1}
    (mean,) = json.loads(spacy("log", "--mean", "seed", "--json", cwd=made).out)
    assert mean["vars"] == {}
    assert mean["metrics"]["score"] == {
        "mean": pytest.approx(0.905), "standard_deviation": pytest.approx(0.00707, rel=0.01)
    }  # fmt: skip
    assert len(mean["runs"]) == 2


def test_a_terminal_shows_the_columns_that_fit_and_names_the_others(
    made: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR")
    write(made, {"evaluate.py": MANY})
    id = keep(made, "Many numbers")
    spacy("run", "all", "--matrix", "vars.seed=0,1", cwd=made)
    printed = normalize(on_a_terminal(made, "log", "--table", COLUMNS="80", GIT_PAGER="cat"))
    plain = [re.sub(r"\x1b\[\d*m", "", line).rstrip() for line in printed]
    assert (
        plain[:7]
        == [
            "evaluate",
            "  seed  a_long_name_0  a_long_name_1  a_long_name_2  a_long_name_3  commit",
            f"     0            0.0            1.0            2.0            3.0   {id}",
            f"     1            1.0*           2.0*           3.0*           4.0*  {id}",
            "  * highest",
            "  no room for a_long_name_4, a_long_name_5, a_long_name_6 and 4 more: --metric",
            "  NAME (or 'ents_*') chooses, --json has all",
        ]
        or "no room for" in plain[5]
    )
    assert max(map(len, plain)) <= 80
    assert "\x1b[1m" in printed[3]
    wide = on_a_terminal(made, "log", "--table", COLUMNS="200", GIT_PAGER="cat")
    assert "a_long_name_7" in wide.splitlines()[1]
    assert "a_long_name_8" not in wide
    assert "a_long_name_8" in spacy("log", "--table", "--all-metrics", cwd=made).out.splitlines()[1]


def test_above_several_projects_each_has_its_own_table(tmp_path: Path, spacy: Spacy) -> None:
    top = tmp_path / "r"
    for name in ("one", "two"):
        seeds(top / name)
    git(top, "init", "-q")
    keep(top, "First")
    for name in ("one", "two"):
        spacy("run", "all", "--matrix", "vars.seed=0,1", cwd=top / name)
    printed = table(spacy("log", "--table", cwd=top))
    assert [line for line in printed if "evaluate" in line] == ["one: evaluate", "two: evaluate"]
    assert [line.split()[0] for line in printed if " 0." in line] == ["0", "1", "0", "1"]
    assert "one:" not in spacy("log", "--table", cwd=top / "one").out


def test_control_characters_in_records_are_escaped(made: Path, spacy: Spacy) -> None:
    spacy("run", "all", "--matrix", "vars.seed=0,1", cwd=made)
    lines = git(made, "notes", "--ref=spacy", "show")
    for old, new in (
        ('"score"', '"sc\\u001b[2J\\nore"'),
        ('{"seed":1}', '{"seed":"\\u001b[2J\\n"}'),
    ):
        assert old in lines
        lines = lines.replace(old, new)
    git(made, "notes", "--ref=spacy", "add", "-f", "-m", lines)
    done = spacy("log", "--table", cwd=made)
    assert "\x1b" not in done.out + done.err
    assert len(done.out.splitlines()) == 5
