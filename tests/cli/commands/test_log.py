"""`git spacy log`, `show` and `diff` show recorded runs and how they differ."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from git_spacy import cli
from git_spacy.git.objects import ObjectReader
from tests.testing.projects import Spacy, project, two_steps
from tests.testing.repositories import commit, git, repository, write
from tests.testing.waiting import PATIENCE

SCORED = """\
vars:
  size: 4
commands:
  - name: prepare
    script: ["python make.py data/x.txt ${vars.size}"]
    deps: [make.py]
    outputs: [data]
  - name: score
    script: ["python score.py"]
    deps: [data, score.py]
    outputs_no_cache: [metrics.json]
workflows:
  all: [prepare, score]
"""
MAKE = "import os, sys\nos.makedirs('data', exist_ok=True)\nopen(sys.argv[1], 'w').write('x' * int(sys.argv[2]))\n"
SCORE = "import json\njson.dump({'score': 1 / len(open('data/x.txt').read())}, open('metrics.json', 'w'))\n"


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    """A project in its first commit, with data and metrics ignored by Git."""

    made = project(tmp_path / "r", SCORED, {"make.py": MAKE, "score.py": SCORE})
    git(made, "init", "-q")
    write(made, {".gitignore": "/data/\nmetrics.json\n"})
    keep(made, "First")
    return made


def keep(folder: Path, message: str) -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def resize(folder: Path, size: int) -> None:
    text = (folder / "project.yml").read_text()
    before = text.split("size: ")[1].split("\n")[0]
    (folder / "project.yml").write_text(text.replace(f"size: {before}", f"size: {size}"))


def rows(out: str) -> list[str]:
    """Return the lines of the log without times, ids of runs and column widths."""

    lines = (re.sub(r"20\d\d-\S+ +\S+|\d+\.\d s", "", line) for line in out.splitlines())
    return [re.sub("(?<=: )run-[0-9a-f]{7}$", "ID", " ".join(line.split())) for line in lines]


def test_the_log_shows_runs_changes_and_metrics_by_commit(scored: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=scored)
    resize(scored, 5)
    spacy("run", "all", cwd=scored)
    keep(scored, "Make it larger")
    (scored / "score.py").write_text(SCORE + "# rounding\n")
    spacy("run", "all", cwd=scored)
    keep(scored, "Comment on rounding")
    write(scored, {"README.md": "changes no result"})
    keep(scored, "Describe it")
    resize(scored, 6)
    spacy("run", "prepare", cwd=scored)
    git(scored, "checkout", "-q", "project.yml", "project.lock")
    done = spacy("log", cwd=scored)
    assert done.code == 0, done.err
    ids = git(scored, "log", "--format=%h").split()
    committed = [
        f"{ids[1]} Comment on rounding",
        "score score 0.2",
        "changed: score.py",
        f"{ids[2]} Make it larger",
        "score score 0.2",
        "first run",
        "prepare first run",
    ]
    assert rows(done.out) == committed
    assert done.err == "1 run is not in a commit; to see them: git spacy log --all\n"
    assert max(map(len, done.out.splitlines())) <= 80
    assert rows(spacy("log", "--all", cwd=scored).out) == [
        f"{ids[0]} Describe it",
        "prepare changed: script (uncommitted)",
        "not in a commit: ID",
        *committed[:5],
        "changed: data",
        "prepare changed: script",
        f"{ids[3]} First",
        "score score 0.25",
        "first run",
        "not in a commit: ID",
        "prepare first run",
        "not in a commit: ID",
    ]
    only = spacy("log", "--command", "prepare", "-n", "1", cwd=scored)
    assert rows(only.out) == [f"{ids[2]} Make it larger", "prepare first run"]


def test_the_json_log_has_the_full_records(scored: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=scored)
    spacy("run", "-F", "score", "--vars.size", "7", cwd=scored)
    (first,) = json.loads(spacy("log", "--json", cwd=scored).out)
    assert first["commit"] == git(scored, "rev-parse", "HEAD")
    assert first["subject"] == "First"
    assert [run["command"] for run in first["runs"]] == ["score", "score", "prepare"]
    assert first["runs"][0]["vars"] == {"size": 7}
    assert first["runs"][0]["changed"] == []
    assert first["runs"][0]["metrics"] == {"metrics.json": {"score": 0.25}}
    assert json.loads(spacy("log", "--json", "--command", "none", cwd=scored).out) == []


def test_revisions_are_as_for_git_log(scored: Path, spacy: Spacy) -> None:
    spacy("run", "prepare", cwd=scored)
    git(scored, "checkout", "-q", "-b", "side")
    keep(scored, "On the side")
    spacy("run", "score", cwd=scored)
    keep(scored, "Its lock")
    git(scored, "tag", "-a", "-m", "tagged", "v1")
    git(scored, "checkout", "-q", "main")
    assert "score" not in spacy("log", cwd=scored).out
    assert "prepare" in spacy("log", cwd=scored).out
    assert "score " in spacy("log", "side", cwd=scored).out
    assert "score " in spacy("log", "v1", cwd=scored).out
    assert "score " in spacy("log", "main..side", cwd=scored).out
    assert "prepare" not in spacy("log", "side~1..side", cwd=scored).out
    assert "prepare" not in spacy("log", "side", "^side~1", cwd=scored).out
    wrong = spacy("log", "sied", cwd=scored)
    assert wrong.code == 2
    assert "unknown revision 'sied'" in wrong.err
    assert spacy("log", "--", "--all", cwd=scored).code == 2


def test_without_records_the_message_says_how_to_get_them(scored: Path, spacy: Spacy) -> None:
    done = spacy("log", cwd=scored)
    assert (done.code, done.out) == (0, "")
    assert "no runs are recorded for these commits" in done.err
    assert "git spacy notes pull" in done.err
    shown = spacy("show", cwd=scored)
    assert shown.code == 0
    assert "no runs are recorded for" in shown.err


@pytest.mark.parametrize("command", [["log"], ["show"], ["diff", "HEAD"], ["lock", "rebuild"]])
def test_outside_a_repository_and_before_the_first_commit_there_is_a_message(
    tmp_path: Path, spacy: Spacy, command: list[str]
) -> None:
    made = two_steps(tmp_path / "p")
    done = spacy(*command, cwd=made)
    assert done.code == 2
    assert "not a Git repository" in done.err
    git(made, "init", "-q")
    done = spacy(*command, cwd=made)
    assert done.code == 2
    assert "no commit" in done.err


def test_above_several_projects_the_log_shows_all(tmp_path: Path, spacy: Spacy) -> None:
    top = repository(tmp_path / "r", {".gitignore": "corpus/\nmodel/\n"})
    for name in ("one", "two"):
        two_steps(top / name)
    commit(top, {})
    for name in ("one", "two"):
        spacy("run", "prepare", cwd=top / name)
    printed = spacy("log", cwd=top)
    assert "one: prepare" in printed.out
    assert "two: prepare" in printed.out
    assert rows(spacy("log", cwd=top / "two").out)[1:] == ["prepare first run"]


def test_show_prints_the_runs_of_one_commit_in_full(scored: Path, spacy: Spacy) -> None:
    spacy("run", "all", "--vars.size", "5", cwd=scored)
    done = spacy("show", cwd=scored)
    head = git(scored, "rev-parse", "HEAD")
    assert done.out.startswith(f"commit {head}\n    First\n\nprepare  20")
    assert "\n  script  python make.py data/x.txt 5\n" in done.out
    assert "\n  vars    size = 5\n" in done.out
    assert "\n  metrics metrics.json\n          score  0.2\n" in done.out
    md5 = "fb0e22c79ac75679e9881e6ba183b354"  # of five times x
    assert f"\n  out     {md5}  data  5 B\n" in done.out
    (first, second) = json.loads(spacy("show", "--json", "HEAD", cwd=scored).out)
    assert (first["command"], second["command"]) == ("prepare", "score")


def test_show_of_a_commit_without_runs_names_the_last_commit_with_some(
    scored: Path, spacy: Spacy
) -> None:
    """The lock is ignored, as some teams do; otherwise the commit has the runs in its lock."""

    write(scored, {".gitignore": "/data/\nmetrics.json\nproject.lock\n"})
    keep(scored, "Ignore the lock")
    spacy("run", "all", cwd=scored)
    first = git(scored, "rev-parse", "--short", "HEAD")
    write(scored, {"README.md": "more"})
    keep(scored, "another")
    done = spacy("show", cwd=scored)
    assert (done.code, done.out) == (0, "")
    assert f"for the most recent ones: git spacy show {first}" in done.err
    assert spacy("show", "HEAD~1..HEAD", cwd=scored).code == 2


def test_diff_shows_why_results_of_each_command_differ(scored: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=scored)
    keep(scored, "its lock")
    resize(scored, 5)
    spacy("run", "all", cwd=scored)
    keep(scored, "larger")
    done = spacy("diff", "HEAD~1", cwd=scored)
    assert done.out.splitlines() == [
        "prepare",
        "  variable size 4 → 5",
        "  - python make.py data/x.txt 4",
        "  + python make.py data/x.txt 5",
        "  output data changed",
        "score",
        "  dependency data changed",
        "  output metrics.json changed",
        "  metric score 0.25 → 0.2 (-0.05, worse)",
    ]
    for same in (["HEAD~1..HEAD"], ["HEAD~1", "HEAD"], ["HEAD~1.."]):
        assert spacy("diff", *same, cwd=scored).out == done.out
    found = json.loads(spacy("diff", "--json", "HEAD", "HEAD~1", cwd=scored).out)
    assert {"kind": "metric", "name": "score", "before": "0.2", "after": "0.25"} in found["score"][
        "changes"
    ]


def test_diff_uses_the_run_that_matches_each_commit_not_the_last_run(
    scored: Path, spacy: Spacy
) -> None:
    """There are two experiments on one commit; only the first is committed."""

    resize(scored, 5)
    spacy("run", "all", cwd=scored)
    (scored / "project.lock").unlink()
    keep(scored, "five")
    git(scored, "checkout", "-q", "HEAD~1")
    resize(scored, 8)
    spacy("run", "all", cwd=scored)
    (scored / "project.lock").unlink()
    git(scored, "checkout", "-q", "-f", "main")
    resize(scored, 10)
    spacy("run", "all", cwd=scored)
    (scored / "project.lock").unlink()
    keep(scored, "ten")
    done = spacy("diff", "HEAD~1", "HEAD", cwd=scored)
    assert "  metric score 0.2 → 0.1 (-0.1, worse)" in done.out.splitlines()


def test_diff_says_if_a_commit_has_no_run_of_its_own(scored: Path, spacy: Spacy) -> None:
    spacy("run", "prepare", cwd=scored)
    keep(scored, "its lock")
    resize(scored, 9)
    keep(scored, "not run")
    done = spacy("diff", "HEAD~1", "HEAD", cwd=scored)
    assert done.out.splitlines() == [
        "prepare", "  no differences", "  (no run for HEAD: used the last one before it)"
    ]  # fmt: skip
    assert "unknown revision" in spacy("diff", "HEAD", "b", "c", cwd=scored).err


def on_a_terminal(folder: Path, *arguments: str, **environ: str) -> str:
    """Return what `git spacy` prints on a terminal."""

    shown, slave = pty.openpty()
    child = subprocess.Popen(
        (sys.executable, "-m", "git_spacy", *arguments), cwd=folder, stdin=slave, stdout=slave,
        stderr=slave, close_fds=True,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2]), "TERM": "xterm", **environ},
    )  # fmt: skip
    os.close(slave)
    printed = b""
    while True:
        try:
            piece = os.read(shown, 4096)
        except OSError:
            break
        if not piece:
            break
        printed += piece
    os.close(shown)
    child.wait(PATIENCE)
    return printed.decode()


def test_a_terminal_gets_git_s_pager_and_colours(
    scored: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR")
    spacy("run", "prepare", cwd=scored)
    git(scored, "config", "core.pager", "sed 's/^/paged: /'")
    printed = on_a_terminal(scored, "log")
    assert printed.startswith("paged: \x1b[33m")
    assert all(line.startswith("paged: ") for line in printed.splitlines())
    git(scored, "config", "color.ui", "false")
    assert "\x1b" not in on_a_terminal(scored, "show")
    assert "paged" not in on_a_terminal(scored, "log", GIT_PAGER="cat")
    git(scored, "config", "core.pager", "true")  # a pager that exits at once
    assert on_a_terminal(scored, "log") == ""


def test_control_characters_in_subjects_and_records_are_escaped(scored: Path, spacy: Spacy) -> None:
    git(scored, "commit", "-q", "--allow-empty", "-m", "\x1b]0;title\x07 subject")
    spacy("run", "prepare", cwd=scored)
    line = git(scored, "notes", "--ref=spacy", "show").replace('"prepare"', '"\\u001b[2Jprepare"')
    git(scored, "notes", "--ref=spacy", "add", "-f", "-m", line)
    for command in (["log"], ["show"], ["diff", "HEAD"]):
        assert "\x1b" not in spacy(*command, cwd=scored).out


def test_ten_thousand_commits_need_only_a_few_processes(
    scored: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:

    spacy("run", "prepare", cwd=scored)
    line = git(scored, "notes", "--ref=spacy", "show")
    script = "".join(
        f"commit refs/heads/main\nmark :{n}\ncommitter A <a@b> {n} +0000\ndata 1\nx\n"
        + ("from refs/heads/main^0\n" if n == 1 else "")
        + (f"commit refs/notes/spacy\ncommitter A <a@b> {n} +0000\ndata 1\nx\n"
           + ("from refs/notes/spacy^0\n" if n == 1 else "")
           + f"N inline :{n}\ndata {len(line) + 1}\n{line}\n\n" if n % 2 else "")
        for n in range(1, 10_001)
    )  # fmt: skip
    git(scored, "fast-import", "--quiet", "--force", input=script)
    started = []
    real = subprocess.Popen

    def counting(*arguments: object, **options: object) -> object:
        started.append(arguments)
        return real(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", counting)
    found = json.loads(spacy("log", "--json", cwd=scored).out)
    assert len(found) == 5001
    assert len(started) < 30
    started.clear()
    assert len(json.loads(spacy("log", "--json", "-n", "20", cwd=scored).out)) == 20
    assert len(started) < 10


def test_log_reads_only_the_notes_that_it_shows(
    scored: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    spacy("run", "all", cwd=scored)
    first = git(scored, "rev-parse", "HEAD")
    keep(scored, "Results")
    for size in (5, 6):
        resize(scored, size)
        spacy("run", "all", cwd=scored)
    git(scored, "checkout", "-q", ".")
    keep(scored, "Later")
    expected = spacy("log", cwd=scored).out
    assert "score" in expected
    ids: list[str] = []
    real = ObjectReader.read

    def reading(self: ObjectReader, names: Sequence[str]) -> object:
        ids.extend(names)
        return real(self, names)

    monkeypatch.setattr(ObjectReader, "read", reading)
    assert spacy("log", cwd=scored).out == expected
    assert ids == [git(scored, "notes", "--ref=spacy", "list", first)]
    spacy("log", "--all", cwd=scored)
    assert len(set(ids)) == 2


@pytest.mark.parametrize("command", ["log", "show", "diff", "provenance", "report", "lock rebuild"])
@pytest.mark.parametrize("name", ["prepare", "data"])
def test_a_command_or_an_output_in_place_of_a_commit_gets_the_hint_to_list_its_runs(
    scored: Path, spacy: Spacy, command: str, name: str
) -> None:
    spacy("run", "all", cwd=scored)
    done = spacy(*command.split(), name, cwd=scored)
    assert done.code == 2
    assert done.err.splitlines() == [
        f"error: unknown revision '{name}'",
        "hint: to list its runs: git spacy log --command prepare",
    ]
    assert "prepare" in spacy("log", "--command", "prepare", cwd=scored).out


def test_restore_of_a_command_gets_the_hint_to_restore_a_commit(scored: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=scored)
    keep(scored, "Run it")
    assert spacy("restore", "score", cwd=scored).err.endswith(": git spacy restore HEAD\n")
    assert spacy("restore", "HEAD", cwd=scored).code == 0


def test_an_unknown_command_without_runs_is_an_error(scored: Path, spacy: Spacy) -> None:
    """But the runs of a command that project.yml no longer has are listed."""

    spacy("run", "all", cwd=scored)
    done = spacy("log", "--command", "scroe", cwd=scored)
    assert done.code == 2
    assert done.err.endswith("no run of it is recorded\nhint: did you mean 'score'?\n")
    text = (scored / "project.yml").read_text()
    (scored / "project.yml").write_text(text.replace("name: score", "name: rate"))
    assert "score" in spacy("log", "--command", "score", cwd=scored).out
    assert spacy("log", "--command", "score", cwd=scored).code == 0
    assert "no runs are recorded" in spacy("log", "--command", "rate", cwd=scored).err


def test_an_older_commit_than_those_of_a_shallow_clone_gets_the_hint_to_fetch_it(
    scored: Path, tmp_path: Path, spacy: Spacy
) -> None:
    spacy("run", "all", cwd=scored)
    keep(scored, "Run it")
    git(tmp_path, "clone", "-q", "--depth", "1", scored.as_uri(), "shallow")
    shallow = tmp_path / "shallow"
    done = spacy("diff", "HEAD~1", cwd=shallow)
    assert done.code == 2
    assert done.err.endswith("older commits: git fetch --unshallow\n")
    git(shallow, "fetch", "-q", "--unshallow")
    assert spacy("diff", "HEAD~1", cwd=shallow).code == 0
