"""`git spacy status` as text, as JSON and as porcelain."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import pytest

from git_spacy.file_locks import file_lock
from git_spacy.state.run_lock import Claim, LockHolder
from tests.testing.projects import Spacy, process, project, snapshot, two_steps
from tests.testing.repositories import git, repository, write

ASKING = """\
import subprocess, sys
for option, file in (("--json", "seen.json"), ("", "seen.txt")):
    with open(file, "w") as target:
        subprocess.run([sys.executable, "-m", "git_spacy", "status", *option.split()], stdout=target)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return two_steps(repository(tmp_path / "p"))


def test_before_the_first_run_commands_have_not_run(root: Path, spacy: Spacy) -> None:
    assert spacy("status", cwd=root).out == (
        "Commands\n  prepare  not run\n  train    not run\nNext: git spacy run all\n"
    )


def test_after_a_run_everything_is_up_to_date(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=root)
    assert spacy("status", cwd=root) == (
        0,
        "Commands\n  prepare  up to date\n  train    up to date\n",
        "",
    )


def test_stale_commands_and_those_downstream_have_reasons(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=root)
    write(root, {"scripts/write.py": (root / "scripts/write.py").read_text() + "# edited\n"})
    assert spacy("status", cwd=root / "scripts").out == (
        "Commands\n"
        "  prepare  stale  dependency 'scripts/write.py' changed\n"
        "  train    stale  'prepare', which produces 'corpus/words.txt', is stale\n"
        "Next: git spacy run all\n"
    )
    done = spacy("run", "train", cwd=root)
    assert "==> train: up to date" in done.err
    assert (
        "warning: 'prepare', which produces 'corpus/words.txt', is stale\n"
        "hint: git spacy run prepare train\n" in done.err
    )


def test_every_reason_has_a_line_in_80_columns(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=root)
    write(
        root,
        {
            "scripts/copy.py": "import sys\n",
            "project.yml": (root / "project.yml")
            .read_text()
            .replace(
                "${vars.word}",
                "${vars.word} and many more words than one line can hold, as it happens",
            ),
        },
    )
    (root / "corpus/words.txt").unlink()
    out = spacy("status", cwd=root).out
    assert out == (
        "Commands\n"
        "  prepare  stale  script changed: line 1 is now 'python scripts/write.py\n"
        "                  corpus/words.txt hello and many more words than one line can\n"
        "                  hold, as it happens'\n"
        "                  output 'corpus/words.txt' is missing\n"
        "  train    stale  dependency 'scripts/copy.py' changed\n"
        "                  'prepare', which produces 'corpus/words.txt', is stale\n"
        "Next: git spacy run all\n"
    )
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(("workflows", "suggested"), [
    ("{prep: [a], rest: [b]}", ["prep", "rest"]),
    ("{rest: [b, c], prep: [a]}", ["rest", "prep"]),
    ("{base: [a, b], all: [base, c]}", ["all"]),
    ("{base: [a], short: [a, b], long: [a, b, up_to_date], other: [c]}", ["short", "other"]),
    ("{old: [up_to_date], all: [a]}", ["all"]),
])  # fmt: skip
def test_next_is_the_fewest_workflows_with_all_that_is_not_up_to_date(
    tmp_path: Path, spacy: Spacy, workflows: str, suggested: list[str]
) -> None:
    commands = "".join(
        f"- {{name: {name}, script: [touch {name}], outputs: [{name}]}}\n"
        for name in ("a", "b", "c", "up_to_date")
    )
    root = project(tmp_path / "p", f"commands:\n{commands}workflows: {workflows}\n")
    spacy("run", "up_to_date", cwd=root)
    expected = " && ".join(f"git spacy run {name}" for name in suggested)
    assert f"Next: {expected}\n" in spacy("status", cwd=root).out


ASSETS = """\
assets:
  - {dest: a/good, url: data/x, checksum: 9dd4e461268c8034f5c8564e155c67a6}
  - {dest: a/wrong, url: data/x, checksum: 9dd4e461268c8034f5c8564e155c67a6}
  - {dest: a/absent, url: data/x}
  - {dest: a/unsummed, url: data/x}
  - {dest: a/strong, url: data/x, checksum: "sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"}
commands:
  - {name: use, script: [x], deps: [a/absent], outputs: [o]}
  - {name: show, script: [x]}
"""


def test_assets_have_states_and_orphaned_entries_are_listed(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", ASSETS, {
        "a/good": "x", "a/wrong": "y", "a/unsummed": "z", "a/strong": "x",
        "project.lock": "usee:\n  cmd: weasel run usee\n  script:\n    - x\n  deps: []\n  outs: []\n",
    })  # fmt: skip
    assert spacy("status", cwd=root).out == (
        "Commands\n"
        "  use   not run      dependency 'a/absent' is missing\n"
        "  show  always runs  declares no outputs\n"
        "Assets\n"
        "  a/good      verified\n"
        "  a/wrong     checksum mismatch  differs from the checksum in project.yml\n"
        "  a/absent    missing\n"
        "  a/unsummed  unverified         no checksum in project.yml\n"
        "  a/strong    verified\n"
        "In project.lock\n"
        "  usee  orphaned  lock entry for 'usee', which no longer exists (did you mean\n"
        "                  'use'?)\n"
        "Next: git spacy assets && git spacy run use && git spacy check lock --fix\n"
    )
    assert spacy("status", "--porcelain", cwd=root).out.splitlines() == [
        "command\tnot_run\tuse\tnot_run\t",
        "command\tnot_run\tuse\tdependency\ta/absent",
        "command\talways_runs\tshow\talways_runs\t",
        "asset\tverified\ta/good\t\t",
        "asset\tchecksum_mismatch\ta/wrong\t\t",
        "asset\tmissing\ta/absent\t\t",
        "asset\tunverified\ta/unsummed\t\t",
        "asset\tverified\ta/strong\t\t",
        "lock\torphaned\tusee\t\t",
    ]
    found = json.loads(spacy("status", "--json", cwd=root).out)
    assert found["version"] == 1
    assert found["commands"][0] == {
        "name": "use",
        "state": "not_run",
        "reasons": [
            {"kind": "not_run", "subject": "", "message": "not run yet"},
            {
                "kind": "dependency",
                "subject": "a/absent",
                "message": "dependency 'a/absent' is missing",
            },
        ],
    }
    assert found["assets"][1] == {"dest": "a/wrong", "state": "checksum_mismatch"}
    assert found["orphaned_entries"] == ["usee"]


def test_no_data_shows_the_states_that_ci_sees(root: Path, spacy: Spacy) -> None:
    write(root, {".gitignore": "/corpus/\n/model/\n"})
    spacy("run", "all", cwd=root)
    git(root, "add", "-A")
    write(root, {"model/weights.txt": "edited by hand", "scripts/copy.py": "edited"})
    assert spacy("status", "--no-data", cwd=root).out == (
        "Commands\n  prepare  up to date\n  train    stale       dependency 'scripts/copy.py' changed\n"
        "Next: git spacy run all\n"
    )


def test_it_writes_nothing_to_the_project(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", cwd=root)
    write(root, {"corpus/words.txt": "edited"})
    before = snapshot(root)
    for option in ([], ["--json"], ["--porcelain"], ["--no-data"]):
        assert spacy("status", *option, cwd=root).code == 0
    assert snapshot(root) == before


def test_overrides_count_as_for_run(root: Path, spacy: Spacy) -> None:
    spacy("run", "all", "--vars.word", "bye", cwd=root)
    assert "script changed" in spacy("status", cwd=root).out
    assert "script changed" not in spacy("status", "--vars.word=bye", cwd=root).out


@pytest.mark.parametrize("names", [["all"], ["prepare"], ["train"]])
def test_stale_commands_are_those_that_a_dry_run_would_run(
    root: Path, spacy: Spacy, names: list[str]
) -> None:
    spacy("run", "all", cwd=root)
    write(root, {"corpus/words.txt": "edited"})
    states = {
        line.split("\t")[2]: line.split("\t")[1]
        for line in spacy("status", "--porcelain", cwd=root).out.splitlines()
    }
    dry = spacy("run", "--dry", *names, cwd=root).err
    for name in ("prepare", "train") if names == ["all"] else names:
        assert (f"==> {name}: would run" in dry) == (states[name] == "stale")


def test_terminal_escapes_in_names_are_escaped(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", 'commands: [{name: "a\\e[31mb\\tc", script: [x]}]')
    assert "a\\x1b[31mb" in spacy("status", cwd=root).out
    row = spacy("status", "--porcelain", cwd=root).out
    assert row == "command\talways_runs\ta\\x1b[31mb\\tc\talways_runs\t\n"


def test_an_empty_project_and_a_wrong_folder(tmp_path: Path, spacy: Spacy) -> None:
    project(tmp_path / "p", "title: x")
    assert (
        spacy("status", "p", cwd=tmp_path).out
        == "project.yml defines no commands and no assets yet.\n"
    )
    assert spacy("status", "nowhere", cwd=tmp_path).code == 2


def test_a_malformed_lock_is_an_error_with_a_hint(root: Path, spacy: Spacy) -> None:
    write(root, {"project.lock": "<<<<<<< ours\n"})
    done = spacy("status", cwd=root)
    assert done.code == 2
    assert "project.lock" in done.err


def test_it_works_in_a_separate_process_outside_a_repository(tmp_path: Path) -> None:
    root = two_steps(tmp_path / "p")
    assert process("status", cwd=root).out.startswith("Commands\n  prepare  not run")


def test_during_a_run_the_command_that_runs_has_its_start_and_process(
    root: Path, spacy: Spacy, tmp_path: Path
) -> None:
    """A script of the run asks for the status, as another terminal may do at that time."""

    write(root, {"scripts/copy.py": ASKING + (root / "scripts/copy.py").read_text()})
    done = process("run", "all", cwd=root)
    assert done.code == 0, done.err
    told = json.loads((root / "seen.json").read_text())["locked_by"][0]
    assert told["command"] == "git spacy run all"
    assert [command["name"] for command in told["running"]] == ["train"]
    assert told["since"] <= told["running"][0]["since"]
    seen = (root / "seen.txt").read_text()
    pattern = rf"running since \d\d:\d\d \(git spacy run all, process {told['process']}\)"
    assert re.search(rf"prepare +up to date\n +train +running +{pattern}\n$", seen), seen
    assert json.loads(spacy("status", "--json", cwd=root).out)["locked_by"] == []


def test_a_killed_run_does_not_seem_to_go_on(root: Path, spacy: Spacy) -> None:
    code = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"
    write(root, {"scripts/write.py": code})
    assert process("run", "all", cwd=root).code == -signal.SIGKILL
    (left,) = (root / ".git/spacy/runs").iterdir()
    assert '"prepare"' in left.read_text()
    assert spacy("status", cwd=root).out == (
        "Commands\n  prepare  not run\n  train    not run\nNext: git spacy run all\n"
    )


def test_an_unreadable_entry_of_another_process_says_nothing(root: Path, spacy: Spacy) -> None:
    entry = root / ".git/spacy/runs" / ("0" * 16)
    with file_lock(entry):
        entry.write_text("garbage\n")
        assert json.loads(spacy("status", "--json", cwd=root).out)["locked_by"] == []
        refused = spacy("run", "all", "--no-wait", cwd=root)
        assert refused.code == 75
        assert "error: locked by another run in this project" in refused.err


def test_names_in_the_lock_cannot_control_the_terminal(root: Path, spacy: Spacy) -> None:
    entry = root / ".git/spacy/runs" / ("0" * 16)
    with file_lock(entry) as held:
        claim = Claim("train", 1.0, (), (f"{root}/model\x1b[31m", f"{root}/corpus"))
        holder = LockHolder("git spacy \x1b[31m", 7, "else\x1bwhere", 0, (claim,))
        held.write(json.dumps(holder._asdict()))
        for words in ("status", "status --json", "run all --no-wait"):
            done = spacy(*words.split(), cwd=root)
            assert "\x1b" not in done.out + done.err
            assert "else" in done.out + done.err


def test_a_fresh_clone_with_a_remote_is_told_to_pull(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two_steps(repository(tmp_path / "r"))
    write(root, {".gitignore": "/corpus/\n/model/\n"})
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(root), str(clone))
    rerun = "git spacy run all"
    assert spacy("status", cwd=clone).out.splitlines()[-1] == f"Next: {rerun}", "no remote"
    for folder in (root, clone):
        git(folder, "config", "spacy.remote.default.url", str(tmp_path / "shared"))
    assert spacy("push", cwd=root).code == 0
    expected = ["Next: git spacy pull", f"or, to run the commands here: {rerun}"]
    assert spacy("status", cwd=clone).out.splitlines()[-2:] == expected
    assert expected[0] in spacy(cwd=clone).out
    assert spacy("pull", cwd=clone).code == 0
    assert "Next:" not in spacy("status", cwd=clone).out
    write(clone, {"scripts/write.py": "import os\n"})
    assert spacy("status", cwd=clone).out.splitlines()[-1] == f"Next: {rerun}", "not what is shared"


def test_a_remote_is_compared_only_when_asked_for(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(repository(tmp_path / "r"))
    write(root, {".gitignore": "/corpus/\n/model/\n"})
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    git(root, "config", "spacy.remote.default.url", "../shared")
    assert json.loads(spacy("status", "--json", cwd=root).out)["remote"] is None, "asks nobody"
    done = spacy("status", "--remote", cwd=root)
    assert done.out.splitlines()[-3:] == [
        "  corpus/words.txt  not pushed", "  model             not pushed",
        "Next: git spacy push",
    ]  # fmt: skip
    assert not (tmp_path / "shared").exists()
    assert spacy("push", "default", "prepare", cwd=root).code == 0
    objects = snapshot(tmp_path / "shared")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(root), str(clone))

    def states(root: Path, *options: str) -> dict[str, str]:
        lines = spacy("status", "--porcelain", *options, cwd=root).out.splitlines()
        rows = (line.split("\t") for line in lines)
        return {name: state for kind, state, name, *_ in rows if kind == "remote"}

    assert states(root) == {}
    assert states(root, "--remote") == {"corpus/words.txt": "shared", "model": "not_pushed"}
    before = snapshot(clone)
    remote = f"--remote={tmp_path}/shared"
    assert states(clone, remote) == {"corpus/words.txt": "can_pull", "model": "missing"}
    out = spacy("status", "--remote", cwd=root).out.splitlines()
    assert f"In the remote {root}/../shared" in out
    assert out[-1] == "Next: git spacy push"
    out = spacy("status", remote, cwd=clone).out.splitlines()
    assert out[-1] == f"Next: git spacy pull {shlex.quote(str(tmp_path / 'shared'))}"
    assert snapshot(clone) == before
    assert snapshot(tmp_path / "shared") == objects
    assert spacy("push", cwd=root).code == 0
    assert states(clone, remote) == {"corpus/words.txt": "can_pull", "model": "can_pull"}
    assert spacy("pull", tmp_path / "shared", cwd=clone).code == 0
    write(clone, {"model/weights.txt": "edited"})
    found = json.loads(spacy("status", "--json", remote, cwd=clone).out)["remote"]
    assert [(one["path"], one["state"]) for one in found["outputs"]] == [
        ("corpus/words.txt", "shared"), ("model", "kept"),
    ]  # fmt: skip
    assert "--force replaces it" in found["outputs"][1]["reason"]
    assert found["name"] == found["address"] == f"{tmp_path}/shared"
