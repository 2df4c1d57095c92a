"""The checks as Git hooks: on what is staged, in all projects, without changing anything."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy import hook
from tests.testing.hooks import REFUSED, two_projects
from tests.testing.projects import SCRIPTS, CopyOf, process, project, snapshot
from tests.testing.repositories import commit, git, repository, write

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture
def top(tmp_path: Path, copy_of: CopyOf, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = copy_of(two_projects, tmp_path / "r")
    monkeypatch.chdir(root)
    return root


def test_a_good_commit_passes_without_output(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(top, {"one/notes.md": "a note"})
    git(top, "add", "-A")
    assert hook.main(["all"]) == 0
    assert hook.main(["all", "--strict"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", REFUSED)
def test_a_staged_problem_is_reported_with_its_line(
    top: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, line = REFUSED[name]
    check = name.removeprefix("git-spacy-")
    change(top)
    if check != "outputs":
        assert hook.main([check]) == 0, "it is not staged yet"
    git(top, "add", "-A")
    assert hook.main([check]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(line)
    assert len([text for text in lines if ": error: " in text]) == 1
    assert hook.main(["all"]) == 1
    others = [other for other in ("assets", "lock", "generated", "outputs") if other != check]
    if check == "assets":
        others.remove("lock")  # it has no data to compare: the asset is not a dependency
    if check != "project":
        assert [hook.main([other]) for other in others] == [0] * len(others)


def test_file_arguments_are_relative_to_the_current_folder(
    top: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "deep/two"):
        write(top, {f"{name}/project.yml": "nonsense"})
    git(top, "add", "-A")
    assert hook.main(["project", "one/project.yml"]) == 1
    assert capsys.readouterr().out.startswith("one/project.yml:1:1: error: ")
    monkeypatch.chdir(top / "deep")
    assert hook.main(["project", "two/project.yml"]) == 1
    assert capsys.readouterr().out.startswith("two/project.yml:1:1: error: ")
    assert hook.main(["project", "three/project.yml"]) == 0


def test_outputs_are_refused_unless_they_are_no_cache_or_allowed(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project(
        top / "one",
        (top / "one/project.yml")
        .read_text()
        .replace("outputs: [model]", "outputs: [model]\n    outputs_no_cache: [metrics.json]"),
    )
    write(
        top,
        {
            "one/metrics.json": "{}",
            "one/model/.gitkeep": "",
            "one/model/a": "1",
            "one/model/b": "2",
        },
    )
    git(top, "add", "-A", "-f")
    files = ["one/metrics.json", "one/model/.gitkeep", "README.md", "one/scripts/write.py"]
    assert hook.main(["outputs", *files]) == 0
    assert hook.main(["outputs", *files, "one/model/a", "one/model/b"]) == 1
    out = capsys.readouterr().out
    assert out == (
        "one/project.yml:20:15: error: output 'model' of 'train' is about to be committed:"
        " 'model/a' and 1 more\n"
        "hint: git -C one rm -r --cached model\n"
        "hint: or list it under 'outputs_no_cache' to keep it in Git\n"
    )
    assert hook.main(["outputs", "--allow=one/model/*", *files, "one/model/a"]) == 0


def test_a_fetched_asset_is_refused_and_a_private_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = repository(tmp_path / "r")
    project(
        made,
        "assets:\n  - {dest: a, url: 'https://example.com/a'}\n  - {dest: b}\n",
        {"a": "x", "b": "x"},
    )
    monkeypatch.chdir(made)
    git(made, "add", "-A")
    assert hook.main(["outputs"]) == 1
    assert capsys.readouterr().out.startswith(
        "project.yml:2:6: error: asset 'a', which is fetched, is about"
    )
    commit(made, {})
    assert hook.main(["outputs"]) == 0, "nothing is staged"
    assert hook.main(["outputs", "a", "b"]) == 1, "all files: pre-commit run --all-files"


def test_a_large_file_in_a_project_is_refused(
    top: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(top, {"one/data.bin": b"x" * 2_000_000, "large.bin": b"x" * 2_000_000})
    git(top, "add", "-A")
    assert hook.main(["outputs"]) == 0
    assert hook.main(["outputs", "--max-size=1m"]) == 1
    assert capsys.readouterr().out.startswith(
        "one/data.bin:1:1: error: file is 2.0 MB; the limit is 1.0 MB\n"
    )


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "no check given"),
        (["locks"], "unknown check 'locks'"),
        (["lock", "--stric"], "unknown option '--stric'"),
        (["outputs", "--max-size=big"], "invalid size 'big'"),
    ],
)
def test_an_invalid_command_line_exits_with_2(
    top: Path, argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hook.main(argv) == 2
    assert message in capsys.readouterr().err


def test_an_internal_error_is_one_line_and_exit_code_70(
    top: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("git_spacy.check.checks.run_checks", lambda *_, **__: 1 / 0)
    assert hook.main(["lock"]) == 70
    assert capsys.readouterr().err.startswith("error: internal error: ZeroDivision")


def test_a_file_may_have_the_name_of_a_check(top: Path) -> None:
    write(top, {"all": "x", "lock": "x"})
    git(top, "add", "-A")
    assert hook.main(["outputs", "all", "lock"]) == 0


def test_a_repository_without_projects_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(repository(tmp_path / "r", {"large": b"x" * 20_000_000}))
    assert hook.main(["all"]) == 0


@pytest.mark.threat("staged-content")
def test_the_hook_reads_what_is_staged_and_writes_nothing_but_caches(top: Path) -> None:
    """Nothing is written in the working tree, in the home, or in Git's folder but for .git/spacy.

    What is cached there is written once.
    """

    def state(*, caches: bool) -> dict[Path, tuple[int, bytes]]:
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for base in (top, Path(os.environ["HOME"]))
            for path in base.rglob("*")
            if caches or top / ".git/spacy" not in (path, *path.parents)
        }

    for name in ("one", "deep/two"):
        write(top, {f"{name}/project.yml": "nonsense", f"{name}/assets/x": "edited"})
        (top / name / "project.lock").unlink()
    before = state(caches=False)
    assert hook.main(["all"]) == 0
    assert state(caches=False) == before
    with_caches = state(caches=True)
    assert hook.main(["all"]) == 0
    assert state(caches=True) == with_caches


@pytest.mark.threat("staged-content")
def test_the_hook_starts_only_git_and_opens_no_connection(top: Path) -> None:
    project(
        top / "one",
        (top / "one/project.yml")
        .read_text()
        .replace("dest: assets/x", "dest: assets/x\n    url: http://127.0.0.1:9/x"),
        SCRIPTS,
    )
    assert process("document", cwd=top / "one").code == 0
    git(top, "add", "-A")
    code = (
        "import sys\n"
        "def record(event, args):\n"
        "    if event.startswith(('socket.', 'subprocess.', 'os.exec', 'os.system', 'os.posix_spawn')):\n"
        "        print(event, args[0] if event == 'subprocess.Popen' else '', file=sys.stderr)\n"
        "sys.addaudithook(record)\n"
        "from git_spacy.hook import main\n"
        "sys.exit(main(['all']))\n"
    )
    completed = subprocess.run(
        (sys.executable, "-c", code), cwd=top, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip
    events = set(completed.stderr.splitlines())
    assert events == {"subprocess.Popen git"}


def test_the_hook_imports_neither_click_nor_network_libraries(top: Path) -> None:
    code = (
        "import sys; from git_spacy.hook import main; main(['all']); print('\\n'.join(sys.modules))"
    )
    completed = subprocess.run(
        (sys.executable, "-S", "-c", code), cwd=top, capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path])},
    )  # fmt: skip
    imported = {name.split(".")[0] for name in completed.stdout.split()}
    assert "git_spacy" in imported
    assert not imported & {
        "click",
        "rich",
        "requests",
        "dulwich",
        "urllib3",
        "dataclasses",
        "asyncio",
    }


def test_path_prints_the_folder_of_the_git_hooks(capsys: pytest.CaptureFixture[str]) -> None:
    assert hook.main(["--path"]) == 0
    folder = Path(capsys.readouterr().out.strip())
    assert os.access(folder / "pre-commit", os.X_OK)


def test_the_hook_leaves_the_working_tree_unchanged(top: Path) -> None:
    before = snapshot(top)
    hook.main(["all"])
    assert snapshot(top) == before


USAGE = (
    "usage: git-spacy-hook all|project|assets|lock|generated|outputs"
    " [--strict] [--max-size=10m] [--allow=GLOB]"
)
SIZES = "write --max-size=500k, 10m or 2g"


@pytest.mark.parametrize(
    ("argv", "message", "hint"),
    [
        ([], "no check given", USAGE),
        (["locks"], "unknown check 'locks'", USAGE),
        (["lock", "--max-size"], "unknown option '--max-size'", USAGE),
        (["lock", "--allow"], "unknown option '--allow'", USAGE),
        (["lock", "--strict=1"], "unknown option '--strict=1'", USAGE),
        (["outputs", "--max-size="], "invalid size ''", SIZES),
        (["outputs", "--max-size=1t"], "invalid size '1t'", SIZES),
        (["outputs", "--max-size=-1"], "invalid size '-1'", SIZES),
    ],
)
def test_an_invalid_command_line_has_a_hint(
    argv: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hook.main(argv) == 2
    output = capsys.readouterr()
    assert output.out == ""
    first, *hints = output.err.splitlines()
    assert first.endswith(message)
    assert [line.split(": ", 1)[1] for line in hints] == [hint]


@pytest.mark.parametrize(
    ("size", "refused"),
    [("2048", False), ("2047", True), ("2k", False), ("1K", True), ("1m", False), ("1G", False)],
)
def test_max_size_is_in_bytes_or_in_units_of_1024(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str, refused: bool
) -> None:
    top = repository(tmp_path / "r", {"project.yml": "title: x\n"})
    write(top, {"big": "x" * 2048})
    git(top, "add", "-A")
    monkeypatch.chdir(top)
    assert hook.main(["outputs", f"--max-size={size}"]) == int(refused)
    assert hook.main(["outputs", "--max-size=1", "--allow=b*", "--allow=project.yml"]) == 0
