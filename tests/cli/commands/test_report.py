"""`git spacy report` writes a page and a comment with what is known about a project."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from git_spacy.cli.report.svg_charts import short_number
from git_spacy.history.run_ids import run_id
from git_spacy.history.run_logs import LogWriter
from git_spacy.history.run_record import RecordedFile, RunRecord
from tests.testing.projects import Spacy, project
from tests.testing.recorded import commit_results, md5, record_on_head
from tests.testing.repositories import git, write

CHECKSUM = "0123456789abcdef0123456789abcdef"
PROJECT = f"""\
title: Fashion brands
vars: {{seed: 0, size: 4}}
assets:
  - dest: data/raw.jsonl
    url: https://user:secret@example.com/raw.jsonl
    checksum: {CHECKSUM}
commands:
  - name: prepare
    script: [prepare data/raw.jsonl corpus]
    deps: [data/raw.jsonl, prepare.py]
    outputs: [corpus]
  - name: train
    script: ["train corpus/train.spacy model-${{vars.seed}}"]
    deps: [corpus/train.spacy]
    outputs: ["model-${{vars.seed}}"]
  - name: evaluate
    script: ["evaluate model-${{vars.seed}} metrics-${{vars.seed}}.json --size ${{vars.size}}"]
    deps: ["model-${{vars.seed}}"]
    outputs_no_cache: ["metrics-${{vars.seed}}.json"]
workflows:
  all: [prepare, train, evaluate]
"""


def files(*names: str, version: str = "") -> tuple[RecordedFile, ...]:
    return tuple(RecordedFile(name, md5(name + version), 10) for name in names)


def evaluated(minute: int, score: float, seed: int = 0, **changes: object) -> RunRecord:
    """Return a run of 'evaluate'."""

    labels = {"BRAND.p": 0.5, "BRAND.r": 1, "BRAND.f": score}
    metrics = {f"ents_per_type.{name}": value for name, value in labels.items()}
    metrics |= {"ents_f": score, "loss": 100 * score, "tokens": 7}
    name = f"metrics-{seed}.json"
    record = RunRecord(
        f"2026-11-20T10:{minute:02d}:00Z", "", "evaluate",
        (f"evaluate model-{seed} {name} --size 4",),
        files(f"model-{seed}", version=str(minute)), files(name, version=str(minute)), seconds=75,
        vars={"vars.seed": seed} if seed else {}, versions={"spacy": "3.8.2"},
        metrics={name: metrics},
    )  # fmt: skip
    return record._replace(**changes)


def results(minute: int, score: float) -> Sequence[RunRecord]:
    """Return the runs of all commands: the model is another one each time."""

    time = f"2026-11-20T10:{minute:02d}:00Z"
    return (
        RunRecord(
            time, "", "prepare", ("prepare data/raw.jsonl corpus",),
            (RecordedFile("data/raw.jsonl", CHECKSUM, 9), *files("prepare.py")), files("corpus"),
        ),
        RunRecord(
            time, "", "train", ("train corpus/train.spacy model-0",), files("corpus/train.spacy"),
            files("model-0", version=str(minute)),
        ),
        evaluated(minute, score),
    )  # fmt: skip


def log_training(root: Path, run: RunRecord, best: float) -> None:
    """Keep the log of a training, as spaCy prints it."""

    log = LogWriter(root, run.command, run.command)
    log.write_line("E    #       LOSS <B>  ENTS_F  SCORE ")
    log.write_line("---  ------  --------  ------  ------")
    for step, share in enumerate((0, 0.5, 1, 0.75)):
        score = f"{share * best:.2f}"
        log.write_line(f"  0  {step * 200:6}  {'nan' if step else '7.50':>8}  {score}  {score}")
    log.finish(run_id(run))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits with results, and experiments on the last one, of which one failed."""

    root = project(tmp_path_factory.mktemp("report") / "r", PROJECT, {"prepare.py": "prepare.py"})
    git(root, "init", "-q")
    git(root, "commit", "-q", "--allow-empty", "-m", "Begin without a project")
    git(root, "tag", "empty")
    for minute, score in enumerate((0.5, 0.25, 0.75)):
        write(root, {"note": str(minute)})
        commit_results(root, results(minute, score), f"Score {score}")
        git(root, "tag", f"v{minute}")
    for minute in (1, 2):
        log_training(root, results(minute, 0)[1], best=0.5 + minute / 10)
    experiments = [evaluated(10 + seed, 0.8 + seed / 100, seed) for seed in (1, 2, 3)]
    record_on_head(root, [*experiments, evaluated(20, 0, 4, exit=3, metrics={}, dirty=True)])
    return root


@pytest.fixture(scope="module")
def page(made: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    from git_spacy.cli.main import main

    file = tmp_path_factory.mktemp("page") / "p.html"
    assert main(["-C", str(made), "report", "-o", str(file)]) == 0
    return file.read_text("utf-8")


def section(page: str, name: str) -> str:
    found = re.search(rf'<section id="{name}".*?</section>', page, re.DOTALL)
    assert found, name
    return found[0]


def rows(html: str) -> list[list[str]]:
    """Return the texts of all cells, by row."""

    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)]
        for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    ]


def test_a_page_has_its_sections_in_order_and_needs_nothing_else(page: str) -> None:
    assert re.findall(r'<section id="(\w+)"', page) == [
        "changes", "metrics", "training", "variants", "labels", "runs", "graph", "origins",
    ]  # fmt: skip
    assert "<title>Fashion brands</title>" in page
    for link in re.findall(r'href="#([^"]+)"', page):
        assert f'id="{link}"' in page
    assert not re.search(r"""(src|srcset|href)="(?!#)|url\(|@import|fetch\(|innerHTML""", page)


def test_what_changed_is_between_the_last_two_results_unless_another_commit_is_named(
    made: Path, spacy: Spacy, page: str
) -> None:
    before, after = git(made, "log", "-2", "--reverse", "--format=%h").split()
    changed = section(page, "changes")
    assert f"From <code>{before}</code> to <code>{after}</code>." in changed
    assert ["metric ents_f", "0.25", "0.75 (+0.5, better)"] in rows(changed)
    assert ["metric loss", "25", "75 (+50, worse)"] in rows(changed)
    assert "No differences: <code>prepare</code>" in changed
    named = spacy("-C", made, "report", "-o", "-", "--compare", "v0").out
    assert ["metric ents_f", "0.5", "0.75 (+0.25, better)"] in rows(section(named, "changes"))
    assert ["BRAND", "0.5", "1", "0.75", "0.5"] in rows(section(named, "labels"))


def test_charts_have_the_runs_of_commits_on_a_line_and_experiments_as_rings(page: str) -> None:
    charts = re.findall(r"<figure>.*?</figure>", section(page, "metrics"))
    names = [re.search(r"<figcaption>(\w+) <strong>(\S+)</strong>", chart) for chart in charts]
    assert [found and found.groups() for found in names] == [("ents_f", "0.75"), ("loss", "75")]
    for chart in charts:  # 'tokens' is always the same
        assert chart.count("<circle") == 6
        assert chart.count('class="ring"') == 3
        assert chart.count('class="line"') == 1
        numbers = re.findall(r'data-r="(\d+)"', chart)
        assert len(set(numbers)) == 6
        assert all(f'<tr id="r{number}"' in page for number in numbers)
    assert 'aria-label="ents_f of evaluate: 6 runs, from 0.25 to 0.83, 0.83 in the last' in page


def test_trainings_that_are_logged_have_a_curve_for_each_run(page: str) -> None:
    curves = section(page, "training")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", curves) == [
        "score <span>best 0.7 at step 400 of 600</span>",
        "ents_f <span>best 0.7 at step 400 of 600</span>",
        "loss &lt;b&gt; <span>7.5 at the last step (600)</span>",
    ]
    score = re.findall(r"<svg.*?</svg>", curves, re.DOTALL)[0]
    lines = re.findall(r'<polyline(.*?) points="(.*?)" data-r="(\d+)" data-v="(.*?)"/>', score)
    assert [kind.strip() for kind, *_ in lines] == ["", 'class="newest"']
    assert [text for *_, text in lines] == [
        f"best {best} at step 400 of 600" for best in ("0.6", "0.7")
    ]
    assert {len(points.split()) for _, points, *_ in lines} == {4}
    shown = rows(section(page, "runs"))[1:]
    assert [shown[int(number)][1] for *_, number, _ in lines] == ["train", "train"]


def test_variants_are_lines_through_their_variables_and_metrics(page: str) -> None:
    chart = section(page, "variants")
    assert re.findall(r'class="name"[^>]*>([^<]*)<', chart) == ["seed", "ents_f", "loss"]
    assert re.findall(r'<polyline class="q(\d)"', chart) == ["1", "2", "3", "4"]


def test_the_table_of_runs_has_parameters_duration_metrics_and_state(page: str) -> None:
    table = rows(section(page, "runs"))
    head = ["Started", "Command", "Parameters", "State", "Took", "ents_f", "loss", "Commit",
            "Versions", "Run"]  # fmt: skip
    assert table[0] == head
    assert len(table) == 1 + 3 * 3 + 4
    by_command = [dict(zip(head, row, strict=True)) for row in table[1:]]
    failed, best = by_command[0], by_command[1]
    assert failed["State"] == "failed, exit code 3, with uncommitted edits"
    assert (best["Parameters"], best["Took"]) == ("seed=3, size=4", "1 min 15 s")
    assert (best["ents_f"], best["State"]) == ("0.83", "experiment")
    assert best["Versions"] == "spacy 3.8.2"
    assert best["Commit"].endswith("Score 0.75")
    assert by_command[4]["State"] == "in the commit"


def test_outputs_lead_back_to_the_checksums_of_assets(page: str) -> None:
    origins = section(page, "origins")
    (of_metrics,) = re.findall(r"<details><summary><code>metrics-0.*?</details>", origins)
    steps = re.findall(r'<a href="#(s\d+)"><code>(\w+)</code>', of_metrics)
    assert [name for _, name in steps] == ["prepare", "train", "evaluate"]
    assert all(f'<details id="{anchor}">' in origins for anchor, _ in steps)
    assert rows(of_metrics)[1:] == [
        ["data/raw.jsonl", CHECKSUM,
         f"asset: https://***@example.com/raw.jsonl, checksum {CHECKSUM}"],
        ["prepare.py", md5("prepare.py"), "file of the project"],
    ]  # fmt: skip
    assert "secret" not in origins


def test_a_dependency_that_is_not_what_its_producer_made_is_marked(
    made: Path, spacy: Spacy, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "-q", str(made), str(copy))
    lock = (copy / "project.lock").read_text()
    old = md5("model-02")
    assert lock.count(old) == 2
    (copy / "project.lock").write_text(lock.replace(old, md5("another"), 1))
    page = spacy("-C", copy, "report", "-o", "-").out
    assert "train (another version than it has now)" in str(rows(section(page, "origins")))


def test_the_comment_has_metrics_with_their_history_and_folds_the_rest(
    made: Path, spacy: Spacy
) -> None:
    text = spacy("-C", made, "report", "--format", "md", "--compare", "v0").out
    lines = text.splitlines()
    assert lines[0] == "<!-- git-spacy report -->"
    assert "## `Fashion brands`" in lines
    assert "`HEAD` compared with `v0`. Commands: 3 stale (`prepare`, `train`, `evaluate`)." in lines
    assert "| `evaluate` `ents_f` | 0.5 | **0.75** | 🟢 +0.25 better | ▅▁█ |" in lines
    assert "| `evaluate` `loss` | 50 | **75** | 🔴 +25 worse | ▅▁█ |" in lines
    assert "<details><summary>What changed</summary>" in lines
    assert re.search(r"\| `train` \| `run-\w{7}` \| ▁▅█▆ \| best 0.7 at step 400 of 600 \|", text)
    assert "<details><summary>4 variants</summary>" in lines
    assert "| `BRAND` | 0.5 | 1 | 0.75 | 0.5 |" in lines
    assert "```mermaid" in lines
    assert text.count("<details>") == text.count("</details>") == 5


def test_a_comment_is_never_longer_than_github_accepts(
    made: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_spacy.cli.report.comment._MAX_CHARACTERS", 900)
    text = spacy("-C", made, "report", "--format", "md", "--compare", "v0").out
    assert len(text) < 1100
    assert "`ents_f` | 0.5 | **0.75**" in text
    assert (
        "\nToo large for a comment: training, variants, scores by label, graph; see `git spacy report`.\n"
        in text
    )


def test_a_commit_without_a_project_has_nothing_to_compare_with(made: Path, spacy: Spacy) -> None:
    done = spacy("-C", made, "report", "--format", "md", "--compare", "empty")
    assert done.code == 0
    assert "warning: no runs of 'empty' are compared: not in that commit" in done.err
    assert "| `evaluate` `ents_f` | – | **0.75** |  | ▅▁█ |" in done.out
    unknown = spacy("-C", made, "report", "--compare", "nowhere")
    assert unknown.code == 2
    assert "nowhere" in unknown.err


def test_a_range_limits_the_runs(made: Path, spacy: Spacy) -> None:
    for revisions in (("v1..HEAD",), ("^v1", "HEAD"), ("v1..",)):
        page = spacy("-C", made, "report", "-o", "-", "--compare", "v0", *revisions).out
        assert page.count("<td>in the commit</td>") == 2
        assert page.count("<td>experiment</td>") == 3
        assert "From <code>v0</code> to <code>HEAD</code>." in page
    page = spacy("-C", made, "report", "-o", "-", "--compare", "v0", "v1").out
    assert "From <code>v0</code> to <code>v1</code>." in page
    assert "Score 0.75" not in page


def test_only_a_report_is_overwritten(made: Path, spacy: Spacy, tmp_path: Path) -> None:
    file = tmp_path / "out" / "report.html"
    write(tmp_path, {"out/report.html": "mine"})
    refused = spacy("-C", made, "report", "-o", file)
    assert (refused.code, file.read_text()) == (3, "mine")
    assert "is not a report" in refused.err
    hint = refused.err.partition("hint: to overwrite it: ")[2].strip()
    typed = shlex.split(hint)
    assert typed[:2] == ["git", "spacy"]
    assert spacy(*typed[2:]).code == 0
    for options in (("--format", "md"), ()):
        done = spacy("-C", made, "report", "-o", file, *options)
        assert done.code == 0, done.err
        assert "<!-- git-spacy report -->" in file.read_text()
    assert git(made, "status", "--porcelain") == ""


def test_a_project_without_runs_has_a_report_of_its_graph(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "r", "commands:\n  - {name: a, script: [a], outputs: [b]}\n")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "Begin")
    done = spacy("report", cwd=root)
    assert (done.code, done.err) == (0, "wrote report.html\n")
    page = (root / "report.html").read_text()
    assert re.findall(r'<section id="(\w+)"', page) == ["graph"]
    assert spacy("report", "-f", "md", cwd=root).out.count("\n## ") == 1


def test_1000_runs_make_a_page_below_2_mb_and_leave_room_for_those_of_commits(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(tmp_path / "r", PROJECT, {"prepare.py": "prepare.py"})
    git(root, "init", "-q")
    for minute in (0, 1):
        write(root, {"note": str(minute)})
        commit_results(root, results(minute, minute / 2), f"Score {minute}")
    many = {f"metric_{number}": 1 / 3 + number for number in range(15)}
    record_on_head(
        root,
        (
            evaluated(2, 0, number % 50, metrics={"m.json": {**many, "ents_f": number / 1200}})
            for number in range(1, 1201)
        ),
    )
    page = spacy("report", "-o", "-", cwd=root).out
    assert len(page.encode()) < 2_000_000
    assert page.count("<tr id=") == 1000
    assert page.count("<td>in the commit</td>") == 6
    assert "the newest 1,000" in page
    assert "the latest 200 of " in page


def test_a_section_that_is_too_large_names_the_command_that_shows_the_same(
    made: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_spacy.cli.report.html._MAX_BYTES", 3500)
    page = spacy("-C", made, "report", "-o", "-").out
    assert "ents_f" in section(page, "changes")
    for name, command in (("runs", "log --all"), ("graph", "graph"), ("origins", "show")):
        assert f"see <code>git spacy {command}</code>" in section(page, name)


def test_long_scripts_are_shortened(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "r", PROJECT, {"prepare.py": "prepare.py"})
    git(root, "init", "-q")
    first, *others = results(0, 0.5)
    for script in (("y" * 60_000,), ("x" * 60_000, *("a",) * 90)):
        write(root, {"note": script[0][:1]})
        commit_results(root, [first._replace(script=script), *others], "Long")
    page = spacy("report", "-o", "-", cwd=root).out
    assert len(page) < 100_000
    assert page.count("x" * 400) >= 2
    assert page.count("more lines)") == 2


def test_numbers_on_axes_are_short() -> None:
    for number, text in (
        (25112.4699, "25,112"), (0.12345, "0.1235"), (3, "3"), (-1234567.8, "-1,234,568"),
        (1e300, "1e+300"), (0.00031766, "0.00032"), (0, "0"),
    ):  # fmt: skip
        assert short_number(number) == text
