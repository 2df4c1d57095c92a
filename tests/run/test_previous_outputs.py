"""What happens to the outputs of earlier runs when a command runs again."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy.state.set_aside import is_pending
from tests.testing.projects import Spacy, process, project, snapshot
from tests.testing.repositories import git, repository, write

GEN = """\
import pathlib, sys
out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
for number in range(int(sys.argv[2])):
    (out / str(number)).write_text(f"{number}\\n")
if pathlib.Path("fail").exists():
    sys.exit(3)
"""
NUMBERS = """\
vars: {n: 3}
commands:
  - name: make
    script: ["python gen.py out ${vars.n}"]
    deps: [gen.py]
    outputs: [out]
"""


def numbers(root: Path, text: str = NUMBERS) -> Path:
    """Create a project in a repository whose command writes n files into the folder `out`."""

    project(root, text, {"gen.py": GEN, ".gitignore": "out/*\n!.gitkeep\n.git-spacy/\n"})
    return repository(root)


def set_n(root: Path, n: int) -> None:
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(re.sub(r"n: \d+", f"n: {n}", text))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def kept(root: Path, folder: str = "kept") -> dict[str, bytes | str]:
    """Return the files that were moved out of the project, without the first folder's name."""

    found = (
        snapshot(root / ".git/spacy" / folder) if (root / ".git/spacy" / folder).exists() else {}
    )
    inner = {name.partition("/")[2]: content for name, content in found.items()}
    return {name: content for name, content in inner.items() if name and name[-1] != "/"}


def test_an_output_has_only_what_its_last_run_produced(tmp_path: Path, spacy: Spacy) -> None:
    """B10; with --force and other variables the same, and a folder of `directories` exists."""

    root = numbers(tmp_path / "p", NUMBERS + "directories: [out/sub]\n")
    script = root / "gen.py"
    script.write_text(GEN.replace("out.mkdir(parents=True, exist_ok=True)\n", ""))
    assert spacy("run", "make", cwd=root).code == 0
    assert names(root / "out") == ["0", "1", "2", "sub"]
    set_n(root, 1)
    done = spacy("run", "make", cwd=root)
    assert done.code == 0
    assert "kept" not in done.err
    assert names(root / "out") == ["0", "sub"]
    (root / "out/sub/stale").touch()
    lock = (root / "project.lock").read_text()
    spacy("run", "make", "--force", cwd=root)
    assert (root / "project.lock").read_text() == lock
    spacy("run", "make", "--vars.n", "2", cwd=root)
    assert names(root / "out") == ["0", "1", "sub"]
    assert not is_pending(root)


@pytest.mark.parametrize("options", [("-j", "2"), ("--matrix", "vars.n=2,1", "-j", "2")])
def test_parallel_commands_and_variants_start_without_their_earlier_outputs(
    tmp_path: Path, spacy: Spacy, options: tuple[str, ...]
) -> None:
    text = NUMBERS.replace("gen.py out ", "gen.py out/${vars.n} ").replace(
        "[out]", "['out/${vars.n}']"
    )
    other = text[text.index("  - name: make") :].replace("make", "other").replace("out/", "out/o")
    root = numbers(tmp_path / "p", text + other)
    for name in ("1", "2", "3", "o1", "o2", "o3"):
        write(root, {f"out/{name}/stale": "x"})
    assert spacy("run", "make", "other", *options, cwd=root).code == 0
    produced = sorted(path.name for path in root.glob("out/*") if names(path) != ["stale"])
    assert produced == (["3", "o3"] if len(options) == 2 else ["1", "2", "o1", "o2"])
    assert all("stale" not in names(root / "out" / name) for name in produced)


def test_files_that_are_not_from_a_run_stay_or_are_kept(tmp_path: Path, spacy: Spacy) -> None:
    """What Git tracks stays in place; what the user put there is moved, with a message."""

    root = numbers(tmp_path / "p")
    write(root, {"out/.gitkeep": "", "out/mine.txt": "mine", "out/deep/tracked": "t"})
    git(root, "add", "-f", "out/.gitkeep", "out/deep/tracked")
    done = spacy("run", "make", cwd=root)
    assert done.code == 0
    assert names(root / "out") == [".gitkeep", "0", "1", "2", "deep"]
    assert kept(root) == {"out/mine.txt": b"mine"}
    assert (
        "replaced files that no recorded run produced, or that cannot be deleted ('out')"
        in done.err
    )
    hint = re.search(r"hint: if you do not need them: (rm -rf \S+)", done.err)
    assert hint
    set_n(root, 1)
    assert "kept" not in spacy("run", "make", cwd=root).err
    assert names(root / "out") == [".gitkeep", "0", "deep"]
    (root / "out/0").write_text("edited")
    assert "they are kept in" in spacy("run", "make", cwd=root).err
    assert kept(root)["out/0"] == b"edited"
    subprocess.run(hint[1], shell=True, check=True, cwd=root)
    assert "out/mine.txt" not in kept(root)


@pytest.mark.threat("only-copies", commands="run")
def test_an_output_that_was_made_by_hand_and_recorded_is_kept(tmp_path: Path, spacy: Spacy) -> None:
    """Not the result of a run that was recorded again, though."""

    root = numbers(tmp_path / "p")
    write(root, {"out/mine": "mine"})
    assert spacy("lock", "record", "make", cwd=root).code == 0
    write(root, {"fail": ""})
    assert spacy("run", "make", "-F", cwd=root).code == 3
    (root / "fail").unlink()
    assert "they are kept in" in spacy("run", "make", "-F", cwd=root).err
    assert kept(root) == {"out/mine": b"mine"}
    assert spacy("lock", "record", "make", cwd=root).code == 0
    set_n(root, 1)
    assert "kept" not in spacy("run", "make", cwd=root).err
    assert names(root / "out") == ["0"]


@pytest.mark.parametrize("forgotten", [False, True], ids=["", "without the stat cache"])
def test_outputs_that_become_files_of_the_former_output_folder_are_results_of_a_run(
    tmp_path: Path, spacy: Spacy, forgotten: bool
) -> None:
    """Unless something in the folder was changed: then all of them may have been."""

    root = numbers(tmp_path / "p", NUMBERS.replace("[out]", "[out/]"))
    for outputs in ("out/0, out/1", "out/0"):
        assert spacy("run", "make", "--force", cwd=root).code == 0
        if forgotten:
            (root / ".git/spacy/index").unlink()
        text = (root / "project.yml").read_text()
        (root / "project.yml").write_text(re.sub(r"outputs: .*", f"outputs: [{outputs}]", text))
        done = spacy("run", "make", "--force", cwd=root)
        assert done.code == 0
        assert "kept" not in done.err
        (root / "project.yml").write_text(re.sub(r"outputs: .*", "outputs: [out/]", text))
    assert spacy("run", "make", "--force", cwd=root).code == 0
    (root / "out/0").write_text("edited")
    (root / "project.yml").write_text(re.sub(r"outputs: .*", "outputs: [out/0]", text))
    assert "they are kept in" in spacy("run", "make", cwd=root).err
    assert kept(root)["out/0"] == b"edited"


def test_outputs_come_back_if_the_command_fails(tmp_path: Path, spacy: Spacy) -> None:
    root = numbers(tmp_path / "p")
    assert spacy("run", "make", cwd=root).code == 0
    before = snapshot(root / "out")
    write(root, {"fail": ""})
    set_n(root, 1)
    for _ in range(2):
        done = spacy("run", "make", cwd=root)
        assert done.code == 3
        assert snapshot(root / "out") == before
        assert "the outputs of 'make' are those from before the run" in done.err
        assert [name.partition("/")[2] for name in kept(root, "failed")] == ["out/0"]
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("[out]", "[out, never]"))
    (root / "fail").rename(root / "pass")
    done = spacy("run", "make", cwd=root)
    assert "'make' did not produce its output 'never'" in done.err
    assert snapshot(root / "out") == before
    (root / "project.yml").write_text(text)
    assert spacy("run", "make", cwd=root).code == 0
    assert names(root / "out") == ["0"]
    assert not (root / ".git/spacy/failed").exists()


def test_what_a_failed_run_left_does_not_become_a_result(tmp_path: Path, spacy: Spacy) -> None:
    root = numbers(tmp_path / "p")
    write(root, {"fail": ""})
    assert spacy("run", "make", cwd=root).code == 3
    assert names(root / "out") == ["0", "1", "2"]  # for the user to look at
    set_n(root, 2)
    done = spacy("run", "make", cwd=root)
    assert done.code == 3
    assert names(root / "out") == ["0", "1"]
    left = "the files that an earlier failed run of 'make' left are in '.git/spacy/failed/make/"
    assert left in done.err  # that one may have worked for hours, and this one for a second
    assert [name[-5:] for name in kept(root, "failed")] == ["out/0", "out/1", "out/2"]
    (root / "fail").unlink()
    set_n(root, 1)
    done = spacy("run", "make", cwd=root)
    assert names(root / "out") == ["0"]
    assert "kept" not in done.err


def test_a_recorded_result_is_not_what_a_failed_run_left(tmp_path: Path, spacy: Spacy) -> None:
    """A failed run may write again what an earlier run had produced, and the user deleted."""

    root = numbers(tmp_path / "p")
    assert spacy("run", "make", cwd=root).code == 0
    before = snapshot(root / "out")
    shutil.rmtree(root / "out")
    write(root, {"fail": ""})
    assert spacy("run", "make", cwd=root).code == 3
    assert snapshot(root / "out") == before
    set_n(root, 1)
    done = spacy("run", "make", cwd=root)
    assert done.code == 3
    assert "the outputs of 'make' are those from before the run" in done.err
    assert snapshot(root / "out") == before
    assert [name.partition("/")[2] for name in kept(root, "failed")] == ["out/0"]

    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("[out]", "[out, never]"))
    shutil.rmtree(root / "out")
    (root / "fail").unlink()
    assert spacy("run", "make", cwd=root).code == 1  # recorded as a failed run, with 'out'
    set_n(root, 2)
    assert spacy("run", "make", cwd=root).code == 1
    assert names(root / "out") == ["0", "1"], "that of the latest failed run"


LATE_FAILURE = """\
commands:
  - {name: whole, script: ["python whole.py"], deps: [whole.py], outputs: [out, log]}
  - {name: inner, script: ["python inner.py VALUE"], deps: [inner.py], outputs: [out/inner, other]}
workflows: {all: [whole, inner]}
"""


@pytest.mark.parametrize("is_first", [True, False])
def test_a_result_stays_if_its_run_fails_after_it_is_recorded(
    tmp_path: Path, spacy: Spacy, is_first: bool
) -> None:
    """Here, the script replaces an output of another command, whose md5s are then updated."""

    inner = """\
import os, sys
for name in ("out/inner", "other"):
    open(name, "w").write(sys.argv[1])
if sys.argv[1] == "break":
    os.unlink("log")
    os.mkfifo("log")
"""
    whole = "import os\nos.makedirs('out', exist_ok=True)\nopen('log', 'w').write('x')\n"
    root = project(tmp_path / "p", LATE_FAILURE, {"whole.py": whole, "inner.py": inner})
    assert spacy("run", "whole" if is_first else "all", cwd=repository(root)).code == 0
    (root / "project.yml").write_text(LATE_FAILURE.replace("VALUE", "break"))
    done = spacy("run", "inner", cwd=root)
    assert done.code == 3
    assert "'log' is neither a file nor a folder" in done.err
    for name in ("out/inner", "other"):
        assert (root / name).read_text() == "break"
    (root / "log").unlink()
    assert "inner: up to date" in spacy("run", "inner", cwd=root).err
    (root / "project.yml").write_text(LATE_FAILURE.replace("VALUE", "1; false"))
    assert spacy("run", "inner", cwd=root).code == 1
    assert (root / "other").read_text() == "break", "that of the run that is recorded"


RESUMES = """\
commands:
  - name: train
    script: ["python train.py"]
    deps: [train.py]
    outputs: [model]
"""
TRAIN = """\
import pathlib
model = pathlib.Path("model")
model.mkdir(exist_ok=True)
log = model / "log"
log.write_text((log.read_text() if log.exists() else "") + "epoch\\n")
"""


def test_a_command_that_resumes_finds_its_outputs(tmp_path: Path, spacy: Spacy) -> None:
    """By keep_outputs in project.yml, or the setting for all projects of the user."""

    root = repository(project(tmp_path / "p", RESUMES, {"train.py": TRAIN}))
    log = root / "model/log"
    for _ in range(2):
        assert spacy("run", "train", "-F", cwd=root).code == 0
    assert log.read_text() == "epoch\n"
    (root / "project.yml").write_text(RESUMES + "keep_outputs: [train]\n")
    spacy("run", "train", "-F", cwd=root)
    assert log.read_text() == "epoch\n" * 2
    (root / "project.yml").write_text(RESUMES)
    git(root, "config", "spacy.keepOutputs", "true")
    spacy("run", "train", "-F", cwd=root)
    assert log.read_text() == "epoch\n" * 3
    (root / "project.yml").write_text(RESUMES + "keep_outputs: [trian]\n")
    done = spacy("run", "train", "-F", cwd=root)
    assert done.code == 2
    assert "unknown command 'trian' in 'keep_outputs'" in done.err


SHARED = """\
directories: [data]
assets:
  - dest: data/asset.txt
commands:
  - name: one
    script: ["python add.py data one"]
    outputs: [data]
    no_skip: true
  - name: two
    script: ["python add.py data/two two"]
    outputs: [data/two]
  - name: both
    script: ["python add.py model both"]
    outputs: [model]
    no_skip: true
  - name: either
    script: ["python add.py model either"]
    outputs: [model]
    no_skip: true
  - name: grow
    script: ["python add.py words grow"]
    deps: [words]
    outputs: [words]
    no_skip: true
  - name: reads
    script: ["python -c pass"]
    deps: [data/given.txt]
"""
ADD = """\
import pathlib, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(exist_ok=True)
(folder / sys.argv[2]).write_text("x")
"""


def test_what_others_need_stays_in_place(tmp_path: Path, spacy: Spacy) -> None:
    """Outputs that two commands write, a command's own dependency, assets, and outputs inside."""

    root = repository(project(tmp_path / "p", SHARED, {"add.py": ADD}))
    write(root, {"data/asset.txt": "a", "data/given.txt": "g", "words/old": "o"})
    for name in ("one", "two", "both", "either", "grow"):
        assert spacy("run", name, cwd=root).code == 0, name
    assert kept(root) == {"data/given.txt": b"g"}  # also 'reads' needs it
    assert names(root / "model") == ["both", "either"]
    assert names(root / "words") == ["grow", "old"]
    write(root, {"data/given.txt": "g"})
    assert spacy("lock", "record", "one", cwd=root).code in (0, 2)
    write(root, {"data/stale": ""})
    done = spacy("run", "one", cwd=root)
    assert names(root / "data") == ["asset.txt", "one", "two"]
    assert "they are kept in" in done.err


def test_the_current_folder_and_links_stay(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = numbers(tmp_path / "p")
    spacy("run", "make", cwd=root)
    (root / "out/sub").mkdir()
    monkeypatch.chdir(root / "out/sub")
    set_n(root, 1)
    assert spacy("run", "make").code == 0
    assert os.path.samefile(".", root / "out/sub")
    assert names(root / "out") == ["0", "sub"]
    monkeypatch.chdir(root)
    (root / "out").rename(root / "real")
    (root / "out").symlink_to("real")
    done = spacy("run", "make", "-F")
    assert done.code == 0
    assert "'out' is a link to a folder, so earlier files stay in it" in done.err
    assert (root / "out").is_symlink()


def test_outputs_behind_a_link_that_the_user_allowed_stay(tmp_path: Path, spacy: Spacy) -> None:
    text = NUMBERS.replace("gen.py out", "gen.py data/out").replace("[out]", "[data/out]")
    root = numbers(tmp_path / "p", text)
    (tmp_path / "disk").mkdir()
    (root / "data").symlink_to(tmp_path / "disk")
    git(root, "config", "spacy.allowOutside", str(tmp_path / "disk"))
    for n in (3, 1):
        set_n(root, n)
        done = spacy("run", "make", cwd=root)
        assert done.code == 0, done.err
    assert names(tmp_path / "disk/out") == ["0", "1", "2"]


def test_an_interrupted_run_brings_its_outputs_back(tmp_path: Path, spacy: Spacy) -> None:
    root = numbers(tmp_path / "p")
    assert spacy("run", "make", cwd=root).code == 0
    before = snapshot(root / "out")
    (root / "gen.py").write_text(
        GEN + "import os, signal\nos.kill(os.getppid(), signal.SIGTERM)\nsignal.pause()\n"
    )
    done = process("run", "make", cwd=root)
    assert done.code == 143
    assert snapshot(root / "out") == before
    assert "the outputs of 'make' are those from before the run" in done.err


ANNOTATE = """\
import os, pathlib, signal, sys
out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True)
(out / "answers").write_text(sys.argv[2])
os.kill(os.getppid(), signal.SIGINT)
try:
    signal.pause()
except KeyboardInterrupt:
    sys.exit(int(pathlib.Path("code").read_text()))
"""


@pytest.mark.threat("only-copies", commands="run")
def test_what_a_person_made_in_sessions_that_ended_with_ctrl_c_is_never_deleted(
    tmp_path: Path, spacy: Spacy
) -> None:
    """Whatever the exit code of the tool, before the first result and after it."""

    root = numbers(tmp_path / "p")
    (root / "gen.py").write_text(ANNOTATE)
    for session, code in ((1, 0), (2, 1), (3, 0)):
        set_n(root, session)
        write(root, {"code": str(code)})
        assert process("run", "make", cwd=root).code == 130
    assert (root / "out/answers").read_bytes() == b"1"  # not touched by the later sessions
    assert sorted(sessions(root)) == [b"2", b"3"]
    (root / "gen.py").write_text(GEN)
    for _ in range(2):
        assert spacy("run", "make", "-F", cwd=root).code == 0
    assert sorted(sessions(root)) == [b"1", b"2", b"3"]


def sessions(root: Path) -> list[bytes]:
    return [path.read_bytes() for path in (root / ".git/spacy/kept").glob("*/out/answers")]


KILLER = "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n"


@pytest.mark.parametrize("command", [("status",), ("run", "--dry", "make")])
def test_the_next_command_brings_back_what_a_killed_run_had_set_aside(
    tmp_path: Path, spacy: Spacy, command: tuple[str, ...]
) -> None:
    root = numbers(tmp_path / "p")
    assert spacy("run", "make", cwd=root).code == 0
    before = snapshot(root / "out")
    (root / "gen.py").write_text(GEN + KILLER)
    set_n(root, 2)
    assert process("run", "make", cwd=root).code == -signal.SIGKILL
    assert names(root / "out") == ["0", "1"]
    assert is_pending(root)
    done = spacy(*command, cwd=root)
    assert "the outputs of 'make' are those from before the run" in done.err
    assert snapshot(root / "out") == before
    assert list(kept(root)) == ["out/0", "out/1"]
    assert not is_pending(root)


def test_commands_beside_a_run_leave_what_it_has_set_aside(tmp_path: Path, spacy: Spacy) -> None:
    """`status` in the script itself, and in another process without its environment."""

    root = numbers(tmp_path / "p")
    assert spacy("run", "make", cwd=root).code == 0
    inner = f"""\
import os, subprocess
status = ({sys.executable!r}, "-m", "git_spacy", "status", "--porcelain")
subprocess.run(status, check=True)
environ = {{name: value for name, value in os.environ.items() if name != "GIT_SPACY_RUN"}}
subprocess.run(status, check=True, env=environ)
subprocess.run((*status[:3], "run", "--dry", "make"), check=True, env=environ)
assert not os.path.exists("out/2")
"""
    (root / "gen.py").write_text(GEN + inner)
    set_n(root, 1)
    done = spacy("run", "make", cwd=root)
    assert done.code == 0, done.err
    assert names(root / "out") == ["0"]


EDITS = """\
commands:
  - name: train
    script: ["python edit.py model/log model/log"]
    deps: [edit.py]
    outputs: [model]
    no_skip: true
  - name: score
    script: ["python edit.py score.txt model/log"]
    deps: [edit.py, model]
    outputs: [score.txt]
keep_outputs: [train]
"""
EDIT = """\
import pathlib, sys
pathlib.Path(sys.argv[1]).parent.mkdir(exist_ok=True)
for name in sys.argv[1:]:
    with open(name, "a") as stream:
        stream.write("x")
"""
# root without the capabilities that let it write everywhere
AS_ORDINARY_USER = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search,-fowner")


def test_scripts_may_write_to_outputs_that_are_hard_links_into_the_cache(
    tmp_path: Path, spacy: Spacy
) -> None:
    """B8: in an output that stays or that is set aside, and as root even in a dependency."""

    root = repository(project(tmp_path / "p", EDITS, {"edit.py": EDIT}))
    for setting in ("restore", "cacheLinks"):
        git(root, "config", f"spacy.{setting}", "true")
    log, size = root / "model/log", 0
    for run in range(2):
        assert spacy("run", "train", cwd=root).code == 0
        size += 2
        assert len(log.read_text()) == size
        assert (log.stat().st_nlink, log.stat().st_mode & 0o222) == (2, 0), run
    (root / "edit.py").write_text(EDIT.replace("sys.argv[1:]", "sys.argv[1:2]"))
    for links in (2, 1):  # the second result is in the cache already
        assert spacy("run", "score", "-F", cwd=root).code == 0
        assert (root / "score.txt").stat().st_nlink == links
    if os.geteuid() == 0:
        (root / "edit.py").write_text(EDIT)
        spacy("run", "score", cwd=root)
        assert len(log.read_text()) == size + 1
    assert spacy("cache", "verify", cwd=root).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="the other test runs as an ordinary user then")
def test_an_ordinary_user_may_write_to_linked_outputs(tmp_path: Path, spacy: Spacy) -> None:
    root = repository(project(tmp_path / "p", EDITS, {"edit.py": EDIT}))
    for setting in ("restore", "cacheLinks"):
        git(root, "config", f"spacy.{setting}", "true")
    program = (*AS_ORDINARY_USER, sys.executable, "-m", "git_spacy", "run", "train")
    for _ in range(2):
        subprocess.run(program, cwd=root, check=True, capture_output=True)
    assert (root / "model/log").read_text() == "xxxx"
    assert spacy("cache", "verify", cwd=root).code == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_of_another_user_do_not_stop_the_commands_after_a_run(
    tmp_path: Path, spacy: Spacy
) -> None:
    """E.g. of a container that ran as root."""

    root = numbers(tmp_path / "p")
    write(root, {"gen.py": GEN + "(out / 'sub').mkdir()\n(out / 'sub/x').write_text('x')\n"})
    assert spacy("run", "make", cwd=root).code == 0
    os.chown(root / "out/sub", 12345, 12345)
    program = (*AS_ORDINARY_USER, sys.executable, "-m", "git_spacy", "run", "make", "-F")
    done = subprocess.run(program, cwd=root, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "cannot be deleted ('out'); they are kept in" in done.stderr
    assert not is_pending(root)
    assert kept(root)["out/sub/x"] == b"x"


@pytest.mark.threat("only-copies", commands="run")
def test_the_only_copy_of_an_output_is_saved_before_it_is_deleted(
    tmp_path: Path, spacy: Spacy
) -> None:
    """Also if its copy in the cache is damaged, and as many runs ago as the cache has."""

    root = numbers(tmp_path / "p")
    git(root, "config", "spacy.restore", "true")
    assert spacy("run", "make", cwd=root).code == 0
    for path in (root / ".git/spacy/store/objects").glob("*/*"):
        path.chmod(0o644)
        path.write_text("!")
        os.utime(path, (0, 0))
    set_n(root, 1)
    assert spacy("run", "make", cwd=root).code == 0
    assert names(root / "out") == ["0"]
    assert spacy("cache", "verify", cwd=root).code == 0
    set_n(root, 3)
    assert "restored from the local cache" in spacy("run", "make", cwd=root).err
    assert names(root / "out") == ["0", "1", "2"]
