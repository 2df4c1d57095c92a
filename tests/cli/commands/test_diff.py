"""`git spacy diff` compares several commits and single runs, in tables of text and Markdown."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.cli.commands.test_log import keep, on_a_terminal
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git, write

SCORED = """\
vars:
  size: 4
commands:
  - name: prepare
    script: ["python prepare.py"]
    deps: [prepare.py]
    outputs_no_cache: [data.txt]
  - name: score
    script: ["python score.py ${vars.size}"]
    deps: [data.txt, score.py]
    outputs_no_cache: [metrics.json]
workflows:
  all: [prepare, score]
"""
FILES: dict[str, str | bytes] = {
    "prepare.py": "open('data.txt', 'w').write('x')\n",
    "score.py": (
        "import json, sys\nsize = int(sys.argv[1])\n"
        "found = {'loss': size, 'ents_f': size / 8, 'tokens': 100}\n"
        "json.dump(found, open('metrics.json', 'w'))\n"
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits with results of size 4, 2 and 8, and two experiments on the last."""

    from git_spacy.cli.main import main

    made = project(tmp_path_factory.mktemp("diff") / "r", SCORED, FILES)
    git(made, "init", "-q")
    for size in (4, 2, 8):
        write(made, {"project.yml": SCORED.replace("size: 4", f"size: {size}")})
        main(["-C", str(made), "run", "all"])
        keep(made, f"size {size}")
        git(made, "tag", f"size{size}")
    for size in (1, 16):
        main(["-C", str(made), "run", "score", "--vars.size", str(size)])
    git(made, "checkout", "-q", ".")
    return made


def run_ids(made: Path, spacy: Spacy) -> list[str]:
    """Return the ids of the experiments, the newest first."""

    return re.findall(r"not in a commit: (run-[0-9a-f]{7})\b", spacy("log", "--all", cwd=made).out)


def test_several_commits_are_compared_with_the_first_in_a_table(made: Path, spacy: Spacy) -> None:
    done = spacy("diff", "size4", "size2", "HEAD", cwd=made)
    assert done.code == 0, done.err
    printed = re.sub(r"\b[0-9a-f]{7}\b", "md5", done.out).splitlines()
    assert [" ".join(line.split()) for line in printed] == [
        "score",
        "size4 size2 HEAD",
        "variable size 4 2 8",
        "output metrics.json md5 md5 md5",
        "metric ents_f 0.5 0.25 (-0.25, worse) 1 (+0.5, better)",
        "metric loss 4 2 (-2, better) 8 (+4, worse)",
        "script, size4 → size2",
        "- python score.py 4",
        "+ python score.py 2",
        "script, size4 → HEAD",
        "- python score.py 4",
        "+ python score.py 8",
        "no differences: prepare",
    ]
    found = json.loads(spacy("diff", "size4", "size2", "HEAD", "--json", cwd=made).out)
    assert found["prepare"]["differences"] == []
    assert [run["revision"] for run in found["score"]["runs"]] == ["size4", "size2", "HEAD"]
    assert {"kind": "variable", "name": "size", "values": ["4", "2", "8"]} in found["score"][
        "differences"
    ]
    assert {"kind": "metric", "name": "loss", "values": ["4", "2", "8"]} in found["score"][
        "differences"
    ]


def test_a_value_that_two_of_three_commits_share_has_no_delta(made: Path, spacy: Spacy) -> None:
    lines = spacy("diff", "size4", "size2", "size4~0", cwd=made).out.splitlines()
    row = next(line for line in lines if "metric loss" in line)
    assert row.split() == ["metric", "loss", "4", "2", "(-2,", "better)", "4"]


def test_a_narrow_terminal_gets_several_tables_with_the_first_commit(made: Path) -> None:
    everything = ("diff", "size4", "size2", "HEAD", "HEAD~1", "HEAD~2")
    for columns in ("80", "60"):
        printed = on_a_terminal(made, *everything, COLUMNS=columns, GIT_PAGER="cat", NO_COLOR="1")
        assert max(map(len, printed.splitlines())) <= int(columns)
        titles = [
            line.split() for line in printed.splitlines() if line.lstrip().startswith("size4")
        ]
        assert len(titles) > 1
        assert all(title[0] == "size4" for title in titles)
        assert [name for title in titles for name in title[1:]] == list(everything[2:])


def test_experiments_are_compared_by_the_ids_in_the_log(made: Path, spacy: Spacy) -> None:
    ids = run_ids(made, spacy)
    assert len(ids) == 2
    done = spacy("diff", "HEAD", *ids, cwd=made)
    rows = [line.split() for line in done.out.splitlines()]
    assert ["variable", "size", "8", "16", "1"] in rows
    assert "prepare" not in done.out
    pair = spacy("diff", ids[1], ids[0], cwd=made).out.splitlines()
    assert pair[:2] == ["score", "  variable size 1 → 16"]
    assert "  metric ents_f 0.125 → 2 (+1.875, better)" in pair
    assert spacy("diff", f"{ids[1]}..{ids[0]}", cwd=made).out.splitlines() == pair
    shown = spacy("show", ids[1], cwd=made)
    assert shown.out.startswith(f"commit {git(made, 'rev-parse', 'HEAD')}\n    size 8\n\nscore ")
    assert "\n  vars    size = 1\n" in shown.out
    (run,) = json.loads(spacy("show", ids[1], "--json", cwd=made).out)
    assert run["id"].startswith(ids[1])
    assert spacy("show", run["id"], cwd=made).out == shown.out
    assert spacy("show", run["id"][:8], cwd=made).out == shown.out
    table = spacy("log", "--table", cwd=made).out.splitlines()
    assert [line.split()[-1] for line in table if "run-" in line] == [ids[1], ids[0]]


def test_markdown_has_a_table_and_the_script_for_each_command_that_differs(
    made: Path, spacy: Spacy
) -> None:
    done = spacy("diff", "size4", "size2", "--format", "md", cwd=made)
    printed = re.sub(r"\b[0-9a-f]{7}\b", "md5", done.out)
    assert printed == (
        "### `score`\n\n"
        "|  | `size4` | `size2` |\n"
        "| --- | ---: | ---: |\n"
        "| variable `size` | 4 | 2 |\n"
        "| output `metrics.json` | md5 | md5 |\n"
        "| metric `ents_f` | 0.5 | 0.25 (-0.25, worse) |\n"
        "| metric `loss` | 4 | 2 (-2, better) |\n\n"
        "script, `size4` → `size2`\n\n"
        "```diff\n- python score.py 4\n+ python score.py 2\n```\n\n"
        "no differences: `prepare`\n"
    )
    table = spacy("log", "--format", "md", "--sort", "ents_f", cwd=made).out.splitlines()
    assert table[0] == "### `score`"
    assert table[2].startswith("| `size` | `ents_f` | `loss` | `time` | `commit` |")
    assert table[4].startswith("| 16 | **2.000** | 16 | ")
    assert table[-1] == (
        "(bold: highest (lowest for `loss`); 1 metric is the same in all rows: --all-metrics)"
    )


def test_the_table_of_the_log_has_only_metrics_that_differ_unless_all_are_wanted(
    made: Path, spacy: Spacy
) -> None:
    table = spacy("log", "--table", cwd=made).out
    assert table.splitlines()[1].split()[:4] == ["size", "ents_f", "loss", "time"]
    assert "1 metric is the same in all rows: --all-metrics" in table
    for options in (["--all-metrics"], ["--metric", "tokens"], ["--sort", "tokens"]):
        assert "tokens" in spacy("log", "--table", *options, cwd=made).out.splitlines()[1]


def test_an_unknown_run_is_an_error_and_so_is_a_prefix_of_several(
    made: Path, tmp_path: Path, spacy: Spacy
) -> None:
    from tests.history.test_run_ids import records_with_a_common_prefix

    root = tmp_path / "r"  # gets further runs
    shutil.copytree(made, root, symlinks=True)
    done = spacy("diff", "HEAD", "run-0000000", cwd=root)
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: unknown run 'run-0000000'\nhint: git spacy log --all\n"
    prefix, lines = records_with_a_common_prefix()
    git(root, "notes", "--ref=spacy", "append", "-m", "\n".join(lines))
    done = spacy("show", prefix, cwd=root)
    assert done.code == 2
    hint = re.search(r"^hint: git spacy (show run-[0-9a-f]+)$", done.err, re.MULTILINE)
    assert hint
    assert f"run id '{prefix}' is ambiguous; candidates: run-" in done.err
    assert spacy(*hint[1].split(), cwd=root).code == 0
    git(root, "branch", prefix)  # Git's names come first
    assert spacy("show", prefix, cwd=root).out.startswith("commit ")
