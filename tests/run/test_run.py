"""`git spacy run`, tested end to end with real processes."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from git_spacy.lock import lock_format
from git_spacy.project import loader
from tests.testing.projects import TWO_STEPS, Spacy, project, snapshot, two_steps
from tests.testing.repositories import git, repository
from tests.testing.terminal import at_terminal, wait_for_exit
from tests.testing.waiting import PATIENCE, wait_until


def commands_run(err: str) -> list[str]:
    """Return the names of the commands that ran, according to the output."""

    lines = (line for line in err.splitlines() if line.startswith("==> ") and ": done in" in line)
    return [line[4:].split(":")[0] for line in lines]


def test_a_workflow_runs_in_order_and_is_skipped_the_second_time(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path)
    first = spacy("run", "all", cwd=root)
    assert first.code == 0, first.err
    assert commands_run(first.err) == ["prepare", "train"]
    assert (root / "model/weights.txt").read_text() == "HELLO"
    before = snapshot(root)
    second = spacy("run", "all", cwd=root)
    assert second.code == 0
    assert commands_run(second.err) == []
    assert second.err.splitlines() == [
        "==> prepare: up to date",
        "==> train: up to date",
        "ran 0, skipped 2",
    ]
    assert snapshot(root) == before


def test_only_stale_commands_run_again(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    spacy("run", "all", cwd=root)
    copy = root / "scripts/copy.py"
    copy.write_text(copy.read_text() + "# edited\n")
    done = spacy("run", "all", cwd=root)
    assert commands_run(done.err) == ["train"]
    assert "==> train: running (dependency 'scripts/copy.py' changed)" in done.err


@pytest.mark.parametrize(
    ("damage", "expected", "reason"),
    [
        (lambda p: (p / "model/weights.txt").unlink(), ["train"], "output 'model' changed"),
        (lambda p: (p / "corpus/words.txt").unlink(), ["prepare"], "output 'corpus/words.txt' is missing"),
        (lambda p: (p / "model/weights.txt").rename(p / "model/w"), ["train"], "a file was renamed in 'model'"),
        (lambda p: (p / "project.lock").unlink(), ["prepare", "train"], "not run yet"),
        (lambda p: (p / "corpus/words.txt").touch(), [], ""),
    ],
)  # fmt: skip
def test_each_kind_of_change_reruns_the_command_and_is_given_as_the_reason(
    tmp_path: Path, spacy: Spacy, damage: object, expected: list[str], reason: str
) -> None:
    root = two_steps(tmp_path)
    spacy("run", "all", cwd=root)
    damage(root)  # type: ignore[operator]
    done = spacy("run", "all", cwd=root)
    assert commands_run(done.err) == expected
    assert reason in done.err


def test_force_runs_everything_and_dry_runs_nothing(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    before = snapshot(root)
    done = spacy("run", "all", "--dry", cwd=root)
    assert done.code == 0
    assert "==> prepare: would run (not run yet)" in done.err
    assert "==> train: would run (not run yet)" in done.err
    assert "would run 2, skipped 0" in done.err
    assert snapshot(root) == before
    spacy("run", "all", cwd=root)
    assert commands_run(spacy("run", "all", "--force", cwd=root).err) == ["prepare", "train"]
    assert "skipped 2" in spacy("run", "-D", "all", cwd=root).err


def test_a_dry_run_reports_all_missing_dependencies(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path,
        "commands:\n"
        "  - {name: a, script: [x], deps: [one], outputs: [a]}\n"
        "  - {name: b, script: [x], deps: [a, two], outputs: [b]}\n"
        "workflows: {all: [a, b]}\n",
    )
    done = spacy("run", "all", "--dry", cwd=root)
    assert done.code == 1
    assert "missing dependency of 'a': 'one'" in done.err
    assert "missing dependency of 'b': 'two'" in done.err
    assert "missing dependency of 'b': 'a'" not in done.err, "produced by the command before it"


def test_a_dry_run_predicts_the_run(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    spacy("run", "all", cwd=root)
    (root / "scripts/write.py").write_text("import sys; open(sys.argv[1], 'w').write('new')")
    dry = spacy("run", "all", "--dry", cwd=root)
    assert dry.err.count("would run (") == 2
    assert commands_run(spacy("run", "all", cwd=root).err) == ["prepare", "train"]


def test_a_missing_dependency_is_reported_with_its_producer(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path,
        "assets:\n  - {dest: assets/a, url: x}\n  - {dest: private}\n"
        "commands:\n"
        "  - {name: make, script: [x], outputs: [made]}\n"
        "  - {name: use, script: [x], deps: [made/part, assets/a, private, unmade], outputs: [o]}\n",
    )
    done = spacy("run", "use", cwd=root)
    assert done.code == 1
    assert done.err.splitlines() == [
        "project.yml:6: error: missing dependency of 'use': 'made/part'",
        "hint: git spacy run make",
        "project.yml:6: error: missing dependency of 'use': 'assets/a'",
        "hint: git spacy assets assets/a",
        "project.yml:6: error: missing dependency of 'use': 'private'",
        "hint: 'private' is a private asset: copy it there yourself",
        "project.yml:6: error: missing dependency of 'use': 'unmade'",
        "hint: no command produces it: create it, or correct the path in project.yml",
    ]
    assert not (root / "project.lock").exists()


def test_missing_dependencies_that_git_has_are_restored_with_one_command(
    tmp_path: Path, spacy: Spacy
) -> None:
    files = {"a.txt": "a", "with space.txt": "b", "c.txt": "c"}
    text = (
        "commands:\n"
        "  - {name: use, script: [x], deps: [a.txt, with space.txt, c.txt, d.txt], outputs: [o]}\n"
    )
    root = repository(tmp_path / "r", {"project.yml": text, **files})
    (root / "a.txt").unlink()
    (root / "with space.txt").unlink()
    done = spacy("run", "use", cwd=root)
    assert done.code == 1
    assert done.err.splitlines() == [
        "project.yml:2: error: missing dependencies of 'use': 'a.txt', 'with space.txt'",
        "hint: git restore -- a.txt 'with space.txt'",
        "project.yml:2: error: missing dependency of 'use': 'd.txt'",
        "hint: no command produces it: create it, or correct the path in project.yml",
    ]
    git(root, "restore", "--", "a.txt", "with space.txt")
    assert "restore" not in spacy("run", "use", cwd=root).err


def test_a_missing_output_fails_the_command(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path, "commands: [{name: c, script: ['python -c pass'], outputs: [out, other]}]"
    )
    done = spacy("run", "c", cwd=root)
    assert done.code == 1
    assert "did not produce its output 'out'" in done.err
    assert "did not produce its output 'other'" in done.err
    assert not (root / "project.lock").exists()


def test_a_dependency_edited_during_the_run_makes_the_command_stale(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['python slow.py'], deps: [in], outputs: [out]}]",
        {
            "in": "one",
            "slow.py": "open('out','w').write(open('in').read()); open('in','w').write('two')",
        },
    )
    done = spacy("run", "c", cwd=root)
    assert done.code == 0
    assert "'in' changed while 'c' was running; the next run repeats it" in done.err
    assert "dependency 'in' changed" in spacy("run", "c", "--dry", cwd=root).err


@pytest.mark.threat("missing-outputs", commands="run")
def test_renaming_a_file_in_a_dependency_reruns_the_command(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['python -c \"open(chr(111), chr(119))\"'], deps: [d], outputs: [o]}]",
        {"d/a": "1", "d/b": "2"},
    )
    assert spacy("run", "c", cwd=root).code == 0
    (root / "d/b").rename(root / "d/c")
    done = spacy("run", "c", cwd=root)
    assert "running (a file was renamed in 'd')" in done.err
    assert "up to date" in spacy("run", "c", cwd=root).err


def test_the_exit_code_of_a_script_is_passed_on_and_earlier_commands_stay_recorded(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = TWO_STEPS.replace("python scripts/copy.py corpus/words.txt", "python -c 'exit(7)'")
    root = two_steps(tmp_path)
    (root / "project.yml").write_text(text)
    done = spacy("run", "all", cwd=root)
    assert done.code == 7
    assert "'train' failed: a script line ended with exit code 7" in done.err
    assert list(lock_format.read(root)) == ["prepare"]


def test_a_failing_line_stops_the_script(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['python -c \"exit(3)\"', 'python -c \"open(chr(97), chr(119))\"']}]",
    )
    assert spacy("run", "c", cwd=root).code == 3
    assert not (root / "a").exists()


def test_a_missing_program_exits_with_127(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path, "commands: [{name: c, script: ['streamlitt run x']}]")
    done = spacy("run", "c", cwd=root)
    assert done.code == 127
    assert "program not found: 'streamlitt'" in done.err


def test_a_program_that_is_not_executable_exits_with_126(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path, "commands: [{name: c, script: ['./tool x']}]", {"tool": "#!/bin/sh\n"})
    done = spacy("run", "c", cwd=root)
    assert done.code == 126
    assert "chmod +x ./tool" in done.err


def test_an_unreadable_folder_in_path_does_not_change_the_exit_code(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    monkeypatch.setenv("PATH", f"{tmp_path}/closed{os.pathsep}{os.environ['PATH']}")
    root = project(tmp_path / "p", "commands: [{name: c, script: ['streamlitt run x']}]")
    assert spacy("run", "c", cwd=root).code == 127
    (tmp_path / "closed").chmod(0o700)


def test_output_is_passed_through_unchanged(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['python -c \"import sys; print(1); print(2, file=sys.stderr)\"']}]",
    )
    done = spacy("run", "c", cwd=root)
    assert done.out == "1\n"
    assert "2\n" in done.err


def test_scripts_run_with_the_configured_python_which_is_printed_once(
    tmp_path: Path, spacy: Spacy, sealed: Path
) -> None:
    fake = tmp_path / "env/bin/python"
    fake.parent.mkdir(parents=True)
    fake.write_text(f'#!/bin/sh\necho "mine: $*"\nexec {sys.executable} "$@"\n')
    fake.chmod(0o755)
    git(tmp_path, "config", "--global", "spacy.python", str(fake))
    root = two_steps(tmp_path / "p")
    done = spacy("run", "all", cwd=root)
    assert done.code == 0
    assert done.out.count("mine: ") == 2
    assert done.err.count(f"Python: {fake} (git config spacy.python)") == 1


@pytest.mark.parametrize(
    "arguments",
    [["--vars.word", "bye"], ["--vars.word=bye"], ["--set", "word=bye"], ["--set=vars.word=bye"]],
)
def test_variables_are_overridden_on_the_command_line(
    tmp_path: Path, spacy: Spacy, arguments: list[str]
) -> None:
    root = two_steps(tmp_path)
    assert spacy("run", *arguments, "all", cwd=root).code == 0
    assert (root / "model/weights.txt").read_text() == "BYE"
    assert lock_format.read(root)["prepare"].script == (
        "python scripts/write.py corpus/words.txt bye",
    )


def test_a_value_may_start_with_a_dash_and_a_missing_value_means_true(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path)
    spacy("run", "prepare", "--vars.word", "-1", cwd=root)
    assert (root / "corpus/words.txt").read_text() == "-1"
    spacy("run", "prepare", "--vars.word", cwd=root)
    assert (root / "corpus/words.txt").read_text() == "true"


def test_variables_are_overridden_in_the_environment_and_the_command_line_wins(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = two_steps(tmp_path)

    def word(*arguments: str) -> str:
        spacy("run", "prepare", *arguments, cwd=root)
        return (root / "corpus/words.txt").read_text()

    monkeypatch.setenv("WEASEL_CONFIG_OVERRIDES", "--vars.word weasel")
    assert word() == "weasel"
    monkeypatch.setenv("GIT_SPACY_VARS", "word=ours")
    assert word() == "ours"
    assert word("--vars.word", "mine") == "mine"
    monkeypatch.setenv("GIT_SPACY_VARS", "nonsense")
    assert spacy("run", "prepare", cwd=root).code == 2


def test_returning_to_earlier_variables_skips_the_command_if_its_outputs_are_unchanged(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(
        tmp_path,
        "vars: {seed: 0}\n"
        "commands: [{name: train, script: ['python scripts/write.py model-${vars.seed} ${vars.seed}'],"
        " outputs: ['model-${vars.seed}']}]",
        {"scripts/write.py": "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"},
    )
    assert commands_run(spacy("run", "train", cwd=root).err) == ["train"]
    first = (root / "project.lock").read_bytes()
    assert commands_run(spacy("run", "train", "--vars.seed", "1", cwd=root).err) == ["train"]
    back = spacy("run", "train", cwd=root)
    assert commands_run(back.err) == []
    assert (root / "project.lock").read_bytes() == first, (
        "the lock has the entry of the earlier run"
    )
    (root / "model-1").write_text("edited")
    assert commands_run(spacy("run", "train", "--vars.seed", "1", cwd=root).err) == ["train"]


@pytest.mark.threat("environment-values", commands="run")
def test_the_value_of_an_environment_variable_is_not_written_anywhere(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = project(
        tmp_path,
        "env: {token: API_TOKEN}\nvars: {auth: 'key=${env.token}'}\n"
        "commands: [{name: c, script: ['python use.py ${vars.auth}'], outputs: [out]}]",
        {"use.py": "import sys; open('out', 'w').write(str(len(sys.argv[1])))"},
    )
    repository(root)
    unset = spacy("run", "c", cwd=root)
    assert "environment variable API_TOKEN is not set, but used by 'c'" in unset.err
    monkeypatch.setenv("API_TOKEN", "s3cret")
    done = spacy("run", "c", "--force", cwd=root)
    assert done.code == 0
    assert (root / "out").read_text() == "10"
    assert '$ python use.py "key=${API_TOKEN}"' in done.err
    assert "s3cret" not in done.out + done.err
    assert "up to date" in spacy("run", "c", cwd=root).err
    for path in root.rglob("*"):
        if path.is_file():
            assert b"s3cret" not in path.read_bytes(), path


def test_without_a_name_commands_and_workflows_are_listed(tmp_path: Path, spacy: Spacy) -> None:
    done = spacy("run", cwd=two_steps(tmp_path))
    assert done.code == 0
    assert done.out == (
        "Two steps\n\nCommands (git spacy run NAME)\n  prepare  Prepare the corpus\n"
        "  train    Train on it\n\nWorkflows\n  all  prepare → train\n"
    )


def test_help_of_a_command_and_of_a_workflow(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    done = spacy("run", "train", "--help", cwd=root)
    assert "Train on it" in done.out
    assert "Dependencies:\n  corpus/words.txt\n  scripts/copy.py" in done.out
    assert (
        "In this order:\n  prepare  Prepare the corpus" in spacy("run", "all", "-h", cwd=root).out
    )
    assert "--force" in spacy("run", "-h", cwd=tmp_path).out


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("trian", "did you mean 'train'?"),
        ("assets", "git spacy assets"),
        ("zzz", "available: all, prepare, train"),
    ],
)
def test_an_unknown_name_is_reported_with_a_suggestion(
    tmp_path: Path, spacy: Spacy, name: str, hint: str
) -> None:
    done = spacy("run", name, cwd=two_steps(tmp_path))
    assert done.code == 2
    assert hint in done.err


def test_it_runs_in_a_subfolder_and_with_the_project_folder_as_argument(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path / "p")
    assert spacy("run", "prepare", cwd=root / "scripts").code == 0
    assert "up to date" in spacy("run", "prepare", "p", cwd=tmp_path).err
    done = spacy("run", "prepare", "./nowhere", cwd=root)
    assert done.code == 2
    assert "no project.yml in './nowhere'" in done.err


def test_directories_are_created_before_the_commands_run(tmp_path: Path, spacy: Spacy) -> None:
    root = project(
        tmp_path, "directories: [a/b]\ncommands: [{name: c, script: ['python -c pass']}]"
    )
    spacy("run", "c", "--dry", cwd=root)
    assert not (root / "a").exists()
    spacy("run", "c", cwd=root)
    assert (root / "a/b").is_dir()


@pytest.mark.threat("links-outside", commands="run")
def test_an_output_below_a_link_out_of_the_project_is_refused(tmp_path: Path, spacy: Spacy) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("secret")
    root = project(
        tmp_path / "p", "commands: [{name: c, script: ['python -c pass'], outputs: [link/x]}]"
    )
    (root / "link").symlink_to(tmp_path / "outside")
    done = spacy("run", "c", cwd=root)
    assert done.code == 3, done.err
    assert "output 'link/x' leads out of the project" in done.err


@pytest.mark.threat("links-outside", commands="run")
def test_a_directory_below_a_link_out_of_the_project_is_refused(
    tmp_path: Path, spacy: Spacy
) -> None:
    (tmp_path / "outside").mkdir()
    root = project(
        tmp_path / "p", "directories: [link/new]\ncommands: [{name: c, script: ['python -c pass']}]"
    )
    (root / "link").symlink_to(tmp_path / "outside")
    assert spacy("run", "c", cwd=root).code == 3
    assert list((tmp_path / "outside").iterdir()) == []


def test_an_invalid_lock_is_an_error_before_anything_runs(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    (root / "project.lock").write_text("prepare: [")
    before = snapshot(root)
    done = spacy("run", "all", cwd=root)
    assert done.code == 2
    assert "project.lock:" in done.err
    assert {name: data for name, data in snapshot(root).items() if name != "corpus/"} == before


def start_git_spacy(root: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        (sys.executable, "-m", "git_spacy", *arguments), cwd=root,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    )  # fmt: skip


def wait_for_content(path: Path) -> str:
    wait_until(lambda: path.exists() and path.read_text(), f"{path} with content")
    return path.read_text()


SLEEPER = (
    "import os, subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3600)'])\n"
    "open('pids', 'w').write(f'{os.getpid()} {child.pid}')\n"
    "time.sleep(3600)\n"
)


@pytest.mark.threat("signals-in-a-run", commands="run")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_process_group_of_the_script_and_leaves_the_lock_unchanged(
    tmp_path: Path, number: int, code: int
) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['python sleeper.py'], outputs: [out]}]",
        {
            "sleeper.py": SLEEPER,
            "project.lock": "other:\n  cmd: x\n  script: []\n  deps: []\n  outs: []\n",
        },
    )
    before = (root / "project.lock").read_bytes()
    child = start_git_spacy(root, "run", "c")
    pids = [int(pid) for pid in wait_for_content(root / "pids").split()]
    child.send_signal(number)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == code, err
    word = b"interrupted" if code == 130 else b"terminated"
    assert err.splitlines()[-2:] == [
        b"error: " + word + b" while 'c' was running; the next run repeats it",
        b"hint: git spacy run c",
    ]
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
    assert (root / "project.lock").read_bytes() == before


@pytest.mark.threat("concurrent-runs", commands="run")
def test_a_second_run_waits_or_fails_with_no_wait(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        "commands:\n"
        "  - {name: slow, script: ['python slow.py'], outputs: [slow]}\n"
        "  - {name: fast, script: ['python -c \"open(chr(102), chr(119))\"'], deps: [slow], outputs: [f]}\n",
        {
            "slow.py": "import os, time\nopen('begun', 'w').write('x')\n"
            "while not os.path.exists('go'): time.sleep(0.02)\nopen('slow', 'w')\n"
        },
    )
    first = start_git_spacy(root, "run", "slow")
    wait_for_content(root / "begun")
    refused = start_git_spacy(root, "run", "fast", "--no-wait")
    _, err = refused.communicate(timeout=PATIENCE)
    assert refused.returncode == 75
    holder = (
        rf"'slow' \(git spacy run slow, process {first.pid}, since \d\d:\d\d\), which writes 'slow'"
    )
    assert re.search(f"error: locked by {holder}", err.decode())
    assert f"hint: wait for it, or stop it: kill {first.pid}" in err.decode()
    second = start_git_spacy(root, "run", "fast")
    assert second.stderr is not None
    assert re.search(f"Waiting for {holder} …", second.stderr.readline().decode())
    assert second.poll() is None, "it did not wait"
    assert not (root / "f").exists()
    (root / "go").write_text("")
    assert first.wait(PATIENCE) == second.wait(PATIENCE) == 0
    for child in (first, second):
        child.communicate()
    assert set(lock_format.read(root)) == {"slow", "fast"}


def test_a_run_started_by_a_script_does_not_wait_for_the_outer_run(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        "commands:\n"
        "  - {name: outer, script: ['python -m git_spacy run inner'], outputs: [i]}\n"
        "  - {name: inner, script: ['python -c \"open(chr(105), chr(119))\"'], outputs: [i]}\n",
    )
    child = start_git_spacy(root, "run", "outer")
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err
    assert set(lock_format.read(root)) == {"outer", "inner"}


@pytest.mark.threat("template-links", commands="run")
def test_a_lock_or_project_yml_that_links_out_of_the_project_is_refused(
    tmp_path: Path, spacy: Spacy
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious: {}\n")
    root = two_steps(tmp_path / "p")
    (root / "project.lock").symlink_to(victim)
    assert spacy("run", "all", cwd=root).code == 3
    assert victim.read_text() == "precious: {}\n"
    (root / "project.lock").unlink()
    (root / "project.yml").unlink()
    (root / "project.yml").symlink_to(victim)
    done = spacy("run", "all", cwd=root)
    assert done.code == 3
    assert "precious" not in done.err


def test_a_project_opened_through_a_link_is_the_same_project(tmp_path: Path) -> None:
    root = project(
        tmp_path / "real",
        "commands:\n"
        "  - {name: outer, script: ['python -m git_spacy run inner'], outputs: [i]}\n"
        "  - {name: inner, script: ['python -c \"open(chr(105), chr(119))\"'], outputs: [i]}\n",
    )
    (tmp_path / "link").symlink_to(root)
    child = start_git_spacy(tmp_path, "-C", str(tmp_path / "link"), "run", "outer")
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err


def test_a_script_can_read_from_the_terminal(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['python ask.py'], outputs: [answer]}]",
        {"ask.py": "open('answer', 'w').write(input('colour? '))"},
    )
    pid, terminal = at_terminal(root, "run", "c")
    seen = b""
    while b"colour? " not in seen:
        seen += os.read(terminal, 1024)
    os.write(terminal, b"blue\n")
    code, _ = wait_for_exit(pid, terminal)
    assert code == 0, seen
    assert (root / "answer").read_text() == "blue"


def test_ctrl_c_ends_the_script_and_the_run(tmp_path: Path) -> None:
    root = project(
        tmp_path,
        "commands: [{name: c, script: ['python sleeper.py'], outputs: [out]}]",
        {"sleeper.py": SLEEPER},
    )
    pid, terminal = at_terminal(root, "run", "c")
    pids = [int(pid) for pid in wait_for_content(root / "pids").split()]
    os.write(terminal, b"\x03")
    code, seen = wait_for_exit(pid, terminal)
    assert code == 130, seen
    for pid in pids:
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()


SERVER = (
    "import signal, sys, time\n"
    "def stop(number, frame):\n"
    "    open('stopped', 'w').write('well')\n"
    "    sys.exit(int(sys.argv[1]))\n"
    "signal.signal(signal.SIGINT, stop)\n"
    "open('begun', 'w').write('x')\n"
    "while True: time.sleep(3600)\n"
)
SERVER_PROJECT = """\
commands:
  - {name: serve, script: ["python server.py 0"], deps: [server.py], no_skip: true}
  - {name: broken, script: ["python server.py 7"], deps: [server.py], no_skip: true}
  - {name: after, script: ["python -c pass"], outputs: [server.py]}
"""


def server_project(folder: Path) -> Path:
    return project(folder, SERVER_PROJECT, {"server.py": SERVER})


@pytest.mark.parametrize("setting", ["1", "3"])
def test_ctrl_c_stops_a_server_gracefully_and_is_not_a_failure(
    tmp_path: Path, setting: str
) -> None:
    root = server_project(repository(tmp_path / "r"))
    git(root, "config", "spacy.jobs", setting)
    for _ in range(2):  # it always runs
        (root / "begun").unlink(missing_ok=True)
        pid, terminal = at_terminal(root, "run", "serve")
        wait_for_content(root / "begun")
        os.write(terminal, b"\x03")
        code, seen = wait_for_exit(pid, terminal)
        assert code == 0, seen
        assert commands_run(seen) == ["serve"]
        assert "error" not in seen
    assert list(lock_format.read(root)) == ["serve"]


def test_sigint_to_git_spacy_alone_also_stops_a_server_gracefully(tmp_path: Path) -> None:
    root = server_project(tmp_path)
    child = start_git_spacy(root, "run", "serve")
    wait_for_content(root / "begun")
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err
    assert (root / "stopped").read_text() == "well"
    assert commands_run(err.decode()) == ["serve"]
    assert list(lock_format.read(root)) == ["serve"]


def test_a_server_that_exits_with_an_error_after_ctrl_c_has_failed(tmp_path: Path) -> None:
    root = server_project(tmp_path)
    pid, terminal = at_terminal(root, "run", "broken")
    wait_for_content(root / "begun")
    os.write(terminal, b"\x03")
    code, seen = wait_for_exit(pid, terminal)
    assert code == 7
    assert "'broken' failed: a script line ended with exit code 7" in seen
    assert lock_format.read(root) == {}


CATCHES = (
    "import signal, sys, time\n"
    "def stop(number, frame):\n"
    "    open('heard', 'a').write('x')\n"
    "    if 'ignore' not in sys.argv: sys.exit(0)\n"
    "signal.signal(signal.SIGINT, stop)\n"
    "open('out', 'w').write('half')\n"
    "open('begun', 'w').write('x')\n"
    "while True: time.sleep(3600)\n"
)
CATCHES_PROJECT = """\
commands:
  - {name: train, script: [python s.py], outputs: [out]}
  - {name: lines, script: [python s.py, touch next]}
  - {name: serve, script: [python s.py]}
  - {name: shell, script: ["python s.py && touch next"], outputs: [out]}
  - {name: after, script: [touch after], outputs: [after]}
  - {name: deaf, script: [python s.py ignore]}
"""


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("train", "terminal"),
        ("train", "signal"),
        ("shell", "terminal"),
        ("lines", "signal"),
        ("serve", "terminal"),
    ],
)
def test_a_script_that_catches_ctrl_c_and_exits_with_0_does_not_start_what_follows(
    tmp_path: Path, name: str, how: str
) -> None:
    root = project(tmp_path, CATCHES_PROJECT, {"s.py": CATCHES})
    if how == "terminal":
        pid, terminal = at_terminal(root, "run", name, "after")
        wait_for_content(root / "begun")
        os.write(terminal, b"\x03")
        code, seen = wait_for_exit(pid, terminal)
    else:
        child = start_git_spacy(root, "run", name, "after")
        wait_for_content(root / "begun")
        child.send_signal(signal.SIGINT)
        seen = child.communicate(timeout=PATIENCE)[1].decode()
        code = child.returncode
    assert code == 130, seen
    assert "==> after" not in seen
    assert not (root / "after").exists()
    assert not (root / "next").exists()
    assert list(lock_format.read(root)) == (["serve"] if name == "serve" else [])
    running = "" if name == "serve" else f" while '{name}' was running; the next run repeats it"
    lines = seen.replace("\r", "").splitlines()
    left = "after" if name == "serve" else f"{name} after"  # the server would start again
    assert lines[-2:] == [
        f"error: interrupted{running}; not started: after", f"hint: git spacy run {left}",
    ]  # fmt: skip


@pytest.mark.skipif(sys.version_info < (3, 11), reason="then the script has no terminal")
def test_ctrl_c_twice_kills_a_script_that_ignores_it(tmp_path: Path) -> None:
    root = project(tmp_path, CATCHES_PROJECT, {"s.py": CATCHES})
    pid, terminal = at_terminal(root, "run", "deaf", "after")
    wait_for_content(root / "begun")
    for presses in (1, 2):
        os.write(terminal, b"\x03")
        if presses == 1:
            wait_for_content(root / "heard")
            wait_until(lambda: watchers(pid) == 1, "a watcher for the next Ctrl-C")
    code, seen = wait_for_exit(pid, terminal)
    assert code == 130, seen
    assert "error: interrupted while 'deaf' was running" in seen
    assert not (root / "after").exists()


def watchers(parent: int) -> int:
    """Return how many `cat` are running below a process."""

    found = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = path.read_text().partition(" (")[2].rpartition(") ")
            state, ppid = rest.split()[:2]
            found += name == "cat" and int(ppid) == parent and state not in "ZX"
    return found


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("kill -KILL 0", 137, "killed by SIGKILL (exit code 137), often for lack of memory"),
        ("kill -SEGV $$", 139, "killed by SIGSEGV (exit code 139), by an error in compiled code"),
        ("kill -USR1 $$", 128 + signal.SIGUSR1, "killed by SIGUSR1 (exit code 138)"),
        ("exit 137", 137, "killed by SIGKILL (exit code 137), often for lack of memory"),
        ("exit 200", 200, "ended with exit code 200"),
        ("exit 3", 3, "ended with exit code 3"),
    ],
)
def test_how_a_script_line_ended_is_reported_with_its_place_and_what_to_type(
    tmp_path: Path, spacy: Spacy, line: str, code: int, words: str
) -> None:
    root = project(
        tmp_path,
        "commands:\n  - name: c\n    script:\n      - touch x\n"
        f"      - sh -c '{line}'\n    outputs: [x]\n",
    )
    for options in ((), ("--jobs", "2", "--executor", "local")):
        done = spacy("run", "c", *options, cwd=root)
        assert done.code == code
        last = [text for text in done.err.splitlines() if ": error: " in text][-1]
        assert last.startswith(f"project.yml:5:9: error: 'c' failed: a script line was {words}".replace(
            "was ended", "ended"))  # fmt: skip
        assert ("hint: git spacy run c" in done.err) == ("killed" in words)
        assert lock_format.read(root) == {}


def test_sigterm_in_a_shell_names_the_command(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path, "commands: [{name: c, script: [\"sh -c 'kill $$' && true\"]}]")
    done = spacy("run", "c", cwd=root)
    assert done.code == 143
    assert "error: terminated while 'c' was running; the next run repeats it" in done.err


# without a child, which would print a traceback if it is interrupted while Python starts
QUIET_SLEEPER = (
    "import signal, time\n"
    "signal.signal(signal.SIGINT, signal.SIG_DFL)\n"
    "open('started', 'w').write('yes')\n"
    "time.sleep(3600)\n"
)


def test_ctrl_c_ends_the_line_of_the_terminal_and_names_the_command_and_how_to_go_on(
    tmp_path: Path,
) -> None:
    root = project(
        tmp_path / "a b",
        "commands: [{name: c, script: ['python sleeper.py']}]\nworkflows: {all: [c]}\n",
        {"sleeper.py": QUIET_SLEEPER},
    )
    pid, terminal = at_terminal(tmp_path, "-C", "a b", "run", "all", "--no-wait")
    wait_for_content(root / "started")
    os.write(terminal, b"\x03")
    code, seen = wait_for_exit(pid, terminal)
    assert code == 130
    assert seen.replace("\r", "").endswith(
        "$ python sleeper.py\n\n"  # the terminal shows ^C in the second line
        "error: interrupted while 'c' was running; the next run repeats it\n"
        "hint: git spacy -C 'a b' run all --no-wait\n"
    )


def test_a_script_that_exits_with_130_counts_as_interrupted(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path, "commands: [{name: c, script: [\"python -c 'exit(130)'\"]}]")
    done = spacy("run", "c", cwd=root)
    assert done.code == 130
    assert done.err.splitlines()[-2].startswith("error: interrupted while 'c' was running")


def test_sigterm_terminates_the_run_whatever_the_exit_code_of_the_server(tmp_path: Path) -> None:
    root = server_project(tmp_path)
    (root / "server.py").write_text(SERVER.replace("SIGINT", "SIGTERM"))
    child = start_git_spacy(root, "run", "serve", "after")
    wait_for_content(root / "begun")
    child.terminate()
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 143
    assert err.splitlines()[-2].startswith(b"error: terminated while 'serve' was running")
    assert err.splitlines()[-1] == b"hint: git spacy run serve after"
    assert (root / "stopped").read_text() == "well"


IGNORES_SIGNALS = (
    "import os, signal, time\n"
    "signal.signal(signal.SIGINT, lambda *_: open('heard', 'a').write('x'))\n"
    "signal.signal(signal.SIGTERM, lambda *_: open('heard', 'a').write('x'))\n"
    "open('pid', 'w').write(str(os.getpid()))\n"
    "while True: time.sleep(3600)\n"
)
LONG_GRACE_PERIOD = (
    "import sys\n"
    "from git_spacy.run import foreground\n"
    "foreground.GRACE = 3600\n"
    "from git_spacy.__main__ import main\n"
    "main()\n"
)


@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_copy_of_the_first_signal_is_ignored_and_a_later_one_kills_a_script_that_ignores_signals(
    tmp_path: Path, number: int, jobs: str
) -> None:
    root = project(
        tmp_path, "commands: [{name: c, script: ['python s.py']}]", {"s.py": IGNORES_SIGNALS}
    )
    child = subprocess.Popen(
        (sys.executable, "-c", LONG_GRACE_PERIOD, "run", "c", "-j", jobs), cwd=root, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])},
    )  # fmt: skip
    pid = wait_for_content(root / "pid")
    child.send_signal(number)
    assert wait_for_content(root / "heard") == "x"
    deadline = time.monotonic() + PATIENCE
    sent = 1
    while child.poll() is None:  # two signals that arrive at the same moment count as one
        assert time.monotonic() < deadline, "still waiting for a script that ignores signals"
        child.send_signal(number)
        sent += 1
        with suppress(subprocess.TimeoutExpired):
            child.wait(0.5)
    assert sent >= 2
    _, err = child.communicate()
    assert child.returncode == 128 + number, err
    assert err.splitlines()[-2].startswith(
        (b"error: interrupted while", b"error: terminated while")
    )
    assert not Path(f"/proc/{pid}").exists()
    assert (root / "heard").read_text() == "x", "a signal was passed on twice"


WRONG_ASSET = """\
assets:
  - {dest: data/x.txt, url: source.txt, checksum: "CHECKSUM"}
  - {dest: typed.txt, checksum: "CHECKSUM"}
commands:
  - {name: read, script: [cp data/x.txt out.txt], deps: [DEPENDENCY], outputs: [out.txt]}
"""


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
@pytest.mark.parametrize(
    ("dependency", "file", "line", "hint"),
    [
        ("data/x.txt", "data/x.txt", 2, "git spacy assets --force data/x.txt"),
        ("data", "data/x.txt", 2, "git spacy assets --force data/x.txt"),
        ("typed.txt", "typed.txt", 3, "copy the right file to typed.txt"),
    ],
)
def test_an_asset_with_another_checksum_is_not_used(
    tmp_path: Path, spacy: Spacy, algorithm: str, dependency: str, file: str, line: int, hint: str
) -> None:
    digest = hashlib.new(algorithm, b"right\n").hexdigest()
    checksum = digest if algorithm == "md5" else f"sha256:{digest}"
    text = WRONG_ASSET.replace("CHECKSUM", checksum).replace("DEPENDENCY", dependency)
    root = project(tmp_path / "p", text, {"source.txt": "right\n", "typed.txt": "right\n"})
    assert spacy("assets", cwd=root).code == 0
    (root / file).write_text("wrong\n")
    message = f"project.yml:{line}: error: 'read' depends on asset '{file}'"
    for options in ((), ("--force",), ("--dry-run",)):
        done = spacy("run", "read", *options, cwd=root)
        assert (done.code, message in done.err, hint in done.err) == (1, True, True)
        assert not (root / "project.lock").exists()
        assert not (root / "out.txt").exists()
    (root / file).write_text("right\n")
    assert spacy("run", "read", cwd=root).code == 0


def test_a_lock_with_a_wrong_asset_hints_at_the_asset(tmp_path: Path, spacy: Spacy) -> None:
    """`git spacy run` would refuse it, or call it up to date."""

    text = WRONG_ASSET.replace("DEPENDENCY", "typed.txt").replace(', checksum: "CHECKSUM"', "")
    root = project(tmp_path / "p", text, {"source.txt": "x\n", "typed.txt": "wrong\n"})
    assert spacy("assets", cwd=root).code == 0
    assert spacy("run", "read", cwd=root).code == 0
    md5 = hashlib.md5(b"right\n", usedforsecurity=False).hexdigest()
    text = WRONG_ASSET.replace("DEPENDENCY", "typed.txt").replace("CHECKSUM", md5)
    (root / "project.yml").write_text(text)
    done = spacy("check", "lock", cwd=root)
    assert done.out.endswith(
        "hint: copy the right file to typed.txt\n"
        "hint: or, to accept this one: git spacy assets --update typed.txt\n"
    )
