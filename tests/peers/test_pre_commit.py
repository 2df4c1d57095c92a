"""Our hooks in the real pre-commit, installed from this repository as a user does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.testing.hooks import REFUSED, two_projects
from tests.testing.projects import CopyOf, Done
from tests.testing.repositories import git, write

REPOSITORY = Path(__file__).parents[2]
PIP = {name: os.environ[name] for name in os.environ if name.startswith("PIP_")}
HOME = os.environ.get("HOME", "")  # contains the user's settings for pip
EVERY, *HOOKS = [
    hook["id"] for hook in yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
]
pytest.importorskip("pre_commit")
pytestmark = pytest.mark.slow


def test_the_hooks_are_the_documented_ones() -> None:
    names = ("project", "assets", "lock", "generated", "outputs")
    assert [f"git-spacy-{name}" for name in names] == HOOKS
    assert EVERY == "git-spacy"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with one commit of the current working tree."""

    folder = tmp_path_factory.mktemp("source") / "git-spacy"
    folder.mkdir()
    files = ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
    for name in files:
        shutil.copy(REPOSITORY / name, folder)
    for name in ("git_spacy", "hooks", "completion"):
        shutil.copytree(
            REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    person = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    git(folder, *person, "commit", "-qm", "as it is")
    return folder


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which pre-commit creates its environments."""

    return tmp_path_factory.mktemp("pre-commit-home")


def pre_commit(folder: Path, store: Path, *arguments: str) -> Done:
    environ = {**os.environ, **PIP, "PRE_COMMIT_HOME": str(store), "PRE_COMMIT_COLOR": "never"}
    if "PIP_CONFIG_FILE" not in environ and (Path(HOME) / ".config/pip/pip.conf").is_file():
        environ["PIP_CONFIG_FILE"] = str(Path(HOME) / ".config/pip/pip.conf")
    done = subprocess.run(
        (sys.executable, "-m", "pre_commit", *arguments),
        cwd=folder, env=environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def top(tmp_path: Path, source: Path, copy_of: CopyOf) -> Path:
    """A repository with two projects and all of our hooks in its configuration."""

    made = copy_of(two_projects, tmp_path / "r")
    configure(made, source, HOOKS)
    git(made, "add", "-A")
    git(made, "commit", "-qm", "hooks")
    return made


def configure(top: Path, source: Path, hooks: list[str]) -> None:
    """Write a configuration for pre-commit with these hooks."""

    config = {
        "repos": [
            {
                "repo": str(source),
                "rev": git(source, "rev-parse", "HEAD"),
                "hooks": [{"id": hook} for hook in hooks],
            }
        ]
    }
    write(top, {".pre-commit-config.yaml": yaml.safe_dump(config)})


def results(done: Done) -> dict[str, str]:
    """Return the result ("Passed" or "Failed") of each hook."""

    names = {
        hook["name"]: hook["id"]
        for hook in yaml.safe_load((REPOSITORY / ".pre-commit-hooks.yaml").read_text())
    }
    found = {}
    for line in done.out.splitlines():
        name, dots, state = line.partition("..")
        if dots and name in names:
            found[names[name]] = state.strip(".").removeprefix("(no files to check)")
    return found


def test_a_good_repository_passes(top: Path, store: Path, source: Path) -> None:
    done = pre_commit(top, store, "run", "--all-files")
    assert (done.code, results(done)) == (0, dict.fromkeys(HOOKS, "Passed")), done.out + done.err
    done = pre_commit(top, store, "try-repo", str(source), "--all-files")
    every = dict.fromkeys((EVERY, *HOOKS), "Passed")
    assert (done.code, results(done)) == (0, every), done.out + done.err


def test_the_combined_hook_runs_all_checks(top: Path, store: Path, source: Path) -> None:
    configure(top, source, [EVERY])
    git(top, "add", "-A")
    done = pre_commit(top, store, "run")
    assert (done.code, results(done)) == (0, {EVERY: "Passed"}), done.out + done.err
    for change, _ in REFUSED.values():
        change(top)
    git(top, "add", "-A")
    done = pre_commit(top, store, "run")
    assert (done.code, results(done)) == (1, {EVERY: "Failed"})
    told = {name for name, (_, line) in REFUSED.items() if line in done.out}
    # (if project.yml is invalid, the other checks of that project do not run)
    assert told >= {"git-spacy-project", "git-spacy-assets", "git-spacy-generated"}, done.out


@pytest.mark.parametrize("name", REFUSED)
def test_each_problem_is_reported_by_its_hook_with_its_line(
    top: Path, store: Path, name: str
) -> None:
    change, line = REFUSED[name]
    change(top)
    git(top, "add", "-A")
    for words in (["run"], ["run", "--all-files"]):
        done = pre_commit(top, store, *words)
        assert done.code == 1, done.out + done.err
        assert line in done.out
        assert results(done)[name] == "Failed"
        others = {hook: state for hook, state in results(done).items() if hook != name}
        if name != "git-spacy-project":
            assert set(others.values()) <= {"Passed", "Skipped"}, done.out


def test_a_commit_with_an_unstaged_edit_is_checked(
    top: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRE_COMMIT_HOME", str(store))
    assert pre_commit(top, store, "install").code == 0
    write(top, {"README.md": "fine", "one/scripts/write.py": "import os\n"})
    git(top, "commit", "-qm", "good", "README.md")
    git(top, "add", "-A")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        git(top, "commit", "-qm", "bad")
    assert "dependency 'scripts/write.py' changed" in caught.value.stderr
