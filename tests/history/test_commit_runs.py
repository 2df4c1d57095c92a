"""A commit has the runs whose results its project.lock holds, wherever they were recorded."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.commands.test_log import keep, rows
from tests.testing.projects import Spacy, project
from tests.testing.repositories import git, write

COUNTED = """\
vars:
  n: 1
commands:
  - name: make
    script: ["python make.py ${vars.n}"]
    deps: [make.py, in.txt]
    outputs: [a.txt]
  - name: use
    script: ["python use.py"]
    deps: [use.py, a.txt]
    outputs_no_cache: [metrics.json]
workflows:
  all: [make, use]
"""
FILES: dict[str, str | bytes] = {
    "make.py": "import sys\nopen('a.txt', 'w').write(open('in.txt').read() * int(sys.argv[1]))\n",
    "use.py": "import json\njson.dump({'n': len(open('a.txt').read())}, open('metrics.json', 'w'))\n",
    "in.txt": "x",
    ".gitignore": "a.txt\n",
}


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """A project of two commands in its first commit, which has not run yet."""

    made = project(tmp_path / "r", COUNTED, FILES)
    git(made, "init", "-q", "-b", "main")
    keep(made, "First")
    return made


def set_n(folder: Path, number: int) -> None:
    text = (folder / "project.yml").read_text()
    before = text.split("n: ")[1].split("\n")[0]
    (folder / "project.yml").write_text(text.replace(f"n: {before}\n", f"n: {number}\n"))


def run_with(folder: Path, spacy: Spacy, number: int, message: str = "") -> str:
    """Edit, run and commit, as the tutorial has it."""

    set_n(folder, number)
    assert spacy("run", "all", cwd=folder).code == 0
    return keep(folder, message or f"n = {number}")


def shown(folder: Path, spacy: Spacy, revision: str = "HEAD") -> dict[str, str]:
    """Return the last script line of each run that `show` prints."""

    runs = json.loads(spacy("show", "--json", revision, cwd=folder).out)
    return {run["command"]: run["script"][-1] for run in runs}


def both(number: int) -> dict[str, str]:
    return {"make": f"python make.py {number}", "use": "python use.py"}


def test_each_commit_shows_its_runs_right_after_edit_run_commit(
    counted: Path, spacy: Spacy
) -> None:
    """D1: the records lie on the parents."""

    ids = [run_with(counted, spacy, number)[:7] for number in (1, 2, 3)]
    for revision, number in (("HEAD", 3), ("HEAD~1", 2), ("HEAD~2", 1)):
        assert shown(counted, spacy, revision) == both(number), revision
    printed = rows(spacy("log", cwd=counted).out)
    assert printed == [
        f"{ids[2]} n = 3", "use n 3", "changed: a.txt", "make changed: script",
        f"{ids[1]} n = 2", "use n 2", "changed: a.txt", "make changed: script",
        f"{ids[0]} n = 1", "use n 1", "first run", "make first run",
    ]  # fmt: skip
    done = spacy("diff", "HEAD~1", cwd=counted)
    assert "  metric n 2 → 3 (+1)" in done.out.splitlines()
    assert spacy("show", "HEAD~3", cwd=counted).out.count("commit ") == 1


def test_merges_squashes_cherry_picks_and_reverts_have_the_runs_of_their_results(
    counted: Path, spacy: Spacy
) -> None:
    run_with(counted, spacy, 1)
    git(counted, "checkout", "-q", "-b", "topic")
    run_with(counted, spacy, 2)
    topic = run_with(counted, spacy, 3)
    git(counted, "checkout", "-q", "main")
    git(counted, "merge", "-q", "--no-ff", "-m", "Merge it", "topic")
    assert shown(counted, spacy) == both(3)
    assert "Merge it" not in spacy("log", cwd=counted).out  # its parents brought the results
    git(counted, "revert", "-m", "1", "--no-edit", "HEAD")
    assert shown(counted, spacy) == both(1)
    git(counted, "checkout", "-q", "-b", "squashed", "main~2")
    git(counted, "merge", "-q", "--squash", "topic")
    keep(counted, "Squashed")
    git(counted, "branch", "-q", "-D", "topic", "main")
    assert shown(counted, spacy) == both(3)
    assert rows(spacy("log", "-n", "1", cwd=counted).out)[0].endswith("Squashed")
    git(counted, "checkout", "-q", "-b", "picked", "HEAD~1")
    git(counted, "cherry-pick", "--strategy-option", "theirs", topic)
    assert shown(counted, spacy) == both(3)


def test_a_shallow_clone_finds_the_runs_of_its_only_commit(
    counted: Path, spacy: Spacy, tmp_path: Path
) -> None:
    run_with(counted, spacy, 1)
    run_with(counted, spacy, 2)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{counted}", "clone")
    clone = tmp_path / "clone"
    missing = spacy("show", cwd=clone)
    assert "git spacy notes pull" in missing.err
    spacy("notes", "pull", cwd=clone)
    assert shown(clone, spacy) == both(2)
    assert rows(spacy("log", cwd=clone).out)[0].endswith("n = 2")


def test_a_renamed_project_keeps_its_history(tmp_path: Path, spacy: Spacy) -> None:
    """D2: the records have the old folder, and so do the old commits."""

    top = tmp_path / "r"
    made = project(top / "one", COUNTED, FILES)
    git(top, "init", "-q", "-b", "main")
    keep(top, "First")
    run_with(made, spacy, 1)
    run_with(made, spacy, 2)
    for number, new in enumerate(("two", "deep/three", "[4]")):
        (top / new).parent.mkdir(exist_ok=True)
        git(top, "mv", str(made.relative_to(top)), new)
        shutil.rmtree(made, ignore_errors=True)
        made = top / new
        if new == "[4]":  # so that Git sees no rename of project.yml
            text = (made / "project.yml").read_text()
            write(made, {"project.yml": text + "# one more line\n" * 100})
            git(top, "add", "-A")
        assert shown(made, spacy) == both(2), "renamed, but not committed"
        keep(top, f"Rename it to {new}")
        for revision, expected in ((f"HEAD~{number + 1}", 2), (f"HEAD~{number + 2}", 1)):
            assert shown(made, spacy, revision) == both(expected), (new, revision)
        assert shown(made, spacy) == both(2)
    subjects = [row.split(" ", 1)[1] for row in rows(spacy("log", cwd=made).out) if " = " in row]
    assert subjects == ["n = 2", "n = 1"]
    done = spacy("diff", "HEAD~4", cwd=made)
    assert "  metric n 1 → 2 (+1)" in done.out.splitlines(), done.err
    (made / "project.lock").unlink()
    assert spacy("lock", "rebuild", cwd=made).code == 0
    assert git(top, "status", "--porcelain", "--untracked-files=no") == ""
    assert spacy("check", "lock", "--notes", cwd=made).out == ""


def test_a_run_with_other_parameters_is_not_listed_even_if_all_md5s_coincide(
    counted: Path, spacy: Spacy
) -> None:
    """D4: the output does not depend on the parameter, or equals the input."""

    write(counted, {"make.py": "import sys\nopen('a.txt', 'w').write(open('in.txt').read())\n"})
    run_with(counted, spacy, 1)
    run_with(counted, spacy, 2)
    run_with(counted, spacy, 3)
    git(counted, "checkout", "-q", "--orphan", "alone", "HEAD~1")
    keep(counted, "Alone")
    assert shown(counted, spacy) == both(2)
    scripts = [line for line in spacy("show", cwd=counted).out.splitlines() if "make.py " in line]
    assert [line.split()[-1] for line in scripts if "python" in line] == ["2"]
    assert "make.py 3" not in spacy("log", "--json", cwd=counted).out


def test_runs_that_no_commit_holds_are_experiments(counted: Path, spacy: Spacy) -> None:
    run_with(counted, spacy, 1)
    for number in (7, 8):
        set_n(counted, number)
        spacy("run", "all", cwd=counted)
    write(counted, {"use.py": "raise SystemExit(3)\n"})
    assert spacy("run", "use", cwd=counted).code == 3
    git(counted, "checkout", "-q", "use.py")
    run_with(counted, spacy, 9)
    assert shown(counted, spacy) == both(9)
    done = spacy("log", "--json", "--all", cwd=counted)
    found = {
        commit["subject"]: sorted(
            (run["script"][-1], run.get("experiment", False), run["exit"]) for run in commit["runs"]
        )
        for commit in json.loads(done.out)
    }
    assert found == {
        "n = 9": [("python make.py 9", False, 0), ("python use.py", False, 0)],
        "n = 1": [
            ("python make.py 1", False, 0), ("python make.py 7", True, 0),
            ("python make.py 8", True, 0), ("python use.py", False, 0), ("python use.py", True, 0),
            ("python use.py", True, 0), ("python use.py", True, 3),
        ],
    }  # fmt: skip


def test_an_entry_of_weasel_with_the_value_of_an_environment_variable_finds_its_run(
    counted: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEED", "17")
    text = COUNTED.replace("make.py ${vars.n}", "make.py ${vars.n} ${env.SEED}")
    write(counted, {"project.yml": "env: {SEED: SEED}\n" + text})
    spacy("run", "all", cwd=counted)
    lock = (counted / "project.lock").read_text()
    write(counted, {"project.lock": lock.replace("${env.SEED}", "17")})
    keep(counted, "By weasel")
    assert shown(counted, spacy)["make"] == "python make.py 1 ${env.SEED}"
    write(counted, {"project.lock": lock.replace("make.py 1 ${env.SEED}", "make.py 2 17")})
    keep(counted, "Not run")
    assert set(shown(counted, spacy)) == {"use"}
    assert "no run is recorded for make" in spacy("show", cwd=counted).err
