"""The template integrations/dvc with the real DVC: set up, run again, changed, pushed and cloned."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy.lock import lock_format
from tests.testing.preloaded import DVC_IMPORTS, Preloaded, preloaded
from tests.testing.projects import on_path, snapshot

for module in ("dvc", "spacy", "typer", "pytest_html"):
    pytest.importorskip(module, reason=f"the template needs {module}, which is not installed")

PATIENCE = 300  # seconds; training takes ten on an idle machine


class World(NamedTuple):
    """Runs commands in an isolated environment."""

    environ: dict[str, str]
    program: Preloaded

    def __call__(self, folder: Path, *command: str, code: int = 0, **environ: str) -> str:
        """Run a command and return its output and errors."""

        done = subprocess.run(
            command, cwd=folder, env={**self.environ, **environ}, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.returncode == code, f"{command}\n{done.stdout[-3000:]}"
        return done.stdout

    def spacy(self, folder: Path, *arguments: str, code: int = 0, **environ: str) -> str:
        return self(folder, "git", "spacy", *arguments, code=code, **environ)

    def dvc(self, folder: Path, *arguments: str) -> str:
        done = self.program(folder, *arguments, environ=self.environ)
        assert done.code == 0, f"dvc {arguments}\n{done.out[-3000:]}{done.err[-3000:]}"
        return done.out

    def git(self, folder: Path, *arguments: str) -> str:
        return self(folder, "git", *arguments).rstrip("\n")

    def stale(self, folder: Path) -> set[str]:
        """Return the stages that `dvc status` reports as changed."""

        return set(json.loads(self.dvc(folder, "status", "--json")))

    def states(self, folder: Path) -> dict[str, str]:
        """Return the states of the commands of `all` in `git spacy status`."""

        done = subprocess.run(
            ("git", "spacy", "status", "--json"), cwd=folder, env=self.environ, check=False,
            capture_output=True, text=True, timeout=PATIENCE,
        )  # fmt: skip
        found = {one["name"]: one["state"] for one in json.loads(done.stdout)["commands"]}
        return {name: found[name] for name in ALL}


ALL = ("preprocess", "train", "evaluate", "test", "score")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An isolated environment in which DVC has its own site folder and no network access."""

    folder = tmp_path_factory.mktemp("dvc")
    with pytest.MonkeyPatch.context() as patch:
        on_path(folder / "bin", patch)
        path = os.environ["PATH"]
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = A U Thor\n\temail = author@example.com\n[init]\n\tdefaultBranch = main\n"
    )
    environ = {
        "PATH": path,
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DVC_SITE_CACHE_DIR": str(folder / "dvc-site"),
        "DVC_NO_ANALYTICS": "1",
        "CI": "1",  # so that DVC does not check for updates
        "TMPDIR": str(folder),
    }
    with preloaded("dvc", *DVC_IMPORTS) as program:
        yield World(environ, program)


@pytest.fixture
def cloned(world: World, tmp_path: Path) -> Path:
    """Clone the template."""

    world.spacy(tmp_path, "clone", "integrations/dvc", "project")
    return tmp_path / "project"


@pytest.mark.slow
def test_setup_repeated_runs_changes_and_clones(world: World, tmp_path: Path) -> None:
    world.spacy(tmp_path, "clone", "integrations/dvc", "first")
    first = tmp_path / "first"
    world.spacy(first, "assets")
    world.spacy(first, "run", "setup")
    check_dvc_trained_and_committed_nothing(world, first)
    check_running_setup_again_changes_nothing(world, first)
    check_a_changed_variable_makes_its_stage_stale(world, first)
    check_clones_can_pull_and_are_up_to_date(world, first)


def check_dvc_trained_and_committed_nothing(world: World, first: Path) -> None:
    assert len(world.git(first, "log", "--format=%s").splitlines()) == 1, "the template's only"
    assert world.stale(first) == set()
    assert set(world.states(first).values()) == {"up_to_date"}
    assert world.spacy(first, "check", "--strict") == ""
    assert set(ALL) <= set(lock_format.read(first)), "DVC's run of each is in our lock file"
    scores = json.loads((first / "metrics/metrics.json").read_text())
    assert scores["ents_f"] > 0.75
    assert "speed" not in scores
    (plot,) = json.loads(world.dvc(first, "plots", "show", "--json"))["data"][
        "metrics/per-type.json"
    ]
    assert [row["type"] for row in plot["content"]["data"]["values"]] == ["FASHION_BRAND"]
    changed = world.git(first, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert sorted(line[3:] for line in changed) == [
        ".dvc/.gitignore", ".dvc/config", ".dvcignore", "dvc.lock", "dvc.yaml",
        "metrics/metrics.json", "metrics/per-type.json", "metrics/score.json", "params.yaml",
        "project.lock",
    ]  # fmt: skip
    for name in ("dvc.lock", "dvc.yaml", "project.lock", ".dvc/config"):
        assert str(first.parent) not in (first / name).read_text(), "no machine's paths"
    assert "url = ../../dvc-storage\n" in (first / ".dvc/config").read_text()


def check_running_setup_again_changes_nothing(world: World, first: Path) -> None:
    before, state = snapshot(first), world.git(first, "status", "--porcelain")
    out = world.spacy(first, "run", "setup")
    assert "train: running" not in out
    assert "remote 'storage' is already set to ../dvc-storage" in out
    after = snapshot(first)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert [name for name in changed if not name.startswith(".dvc/tmp/")] == []
    assert world.git(first, "status", "--porcelain") == state


def check_a_changed_variable_makes_its_stage_stale(world: World, first: Path) -> None:
    cases = {
        ("params.yaml", "seed: 0", "seed: 1"): {"train"},
        ("params.yaml", "least_score: 0.8", "least_score: 0.7"): {"score"},
        # of no command of `all`
        ("project.yml", '"../dvc-storage"', '"../elsewhere"'): set(),
    }
    for (name, old, new), expected in cases.items():
        text = (first / name).read_text()
        assert old in text
        (first / name).write_text(text.replace(old, new))
        assert world.stale(first) == expected, new
        (first / name).write_text(text)
    assert world.stale(first) == set()


def check_clones_can_pull_and_are_up_to_date(world: World, first: Path) -> None:
    world.git(first, "add", "--all")
    tracked = world.git(first, "ls-files").splitlines()
    assert not [name for name in tracked if name.startswith(("assets", "corpus", "training"))]
    world.git(first, "commit", "--quiet", "--message", "Train with DVC")
    for name, command in (("second", "dvc-pull"), ("third", "setup")):
        world.git(first.parent, "clone", "--quiet", "first", name)
        clone = first.parent / name
        assert not (clone / "training").exists()
        assert world.spacy(clone, "check", "--strict") == "", "without any data"
        assert "train: running" not in world.spacy(clone, "run", command), "brought, not made"
        for made in ("assets", "corpus", "training/model-best", "metrics"):
            assert snapshot(clone / made) == snapshot(first / made)
        assert world.stale(clone) == set()
        assert set(world.states(clone).values()) == {"up_to_date"}
        assert world.git(clone, "status", "--porcelain") == ""


@pytest.mark.slow
def test_in_a_subfolder_setup_only_changes_that_folder(world: World, tmp_path: Path) -> None:
    world.git(tmp_path, "init", "--quiet", "large")
    large = tmp_path / "large"
    world.spacy(large, "clone", "integrations/dvc", "part")
    part = large / "part"
    assert not (part / ".git").exists()
    out = world.spacy(part, "run", "repository", "dvc-init", "dvc-remote", "dvc-yaml")
    assert "already in a Git repository" in out
    world.dvc(part, "repro", "preprocess")
    assert (part / ".dvc/config").is_file()
    assert not (large / ".dvc").exists()
    assert world.states(part)["preprocess"] == "up_to_date"
    assert not world.git(large, "status", "--porcelain", "--", "part/corpus", "part/assets")


def test_setup_creates_a_repository_if_there_is_none(world: World, tmp_path: Path) -> None:
    world.spacy(tmp_path, "clone", "--no-git", "integrations/dvc", "project")
    folder = tmp_path / "project"
    assert "hint: git spacy run repository" in world.spacy(folder, "run", "dvc-init", code=1)
    assert "created a Git repository\n" in world.spacy(folder, "run", "repository", "dvc-init")
    assert (folder / ".git").is_dir()
    assert "DVC is already initialized" in world.spacy(folder, "run", "repository", "dvc-init")


def test_an_existing_remote_is_not_changed(world: World, cloned: Path) -> None:
    world.spacy(cloned, "run", "dvc-init", "dvc-remote")
    config = (cloned / ".dvc/config").read_bytes()
    out = world.spacy(cloned, "run", "dvc-remote", "--vars.remote", "s3://bucket/path", code=1)
    assert (
        "error: remote 'storage' is set to '../../dvc-storage' in .dvc/config, not to 's3://bucket/path'"
        in out
    )
    assert "hint: python -m dvc remote modify storage url 's3://bucket/path'" in out
    assert "Traceback" not in out
    # the same folder, with a different spelling
    world.spacy(cloned, "run", "dvc-remote", "--vars.remote", f"{cloned}/../dvc-storage")
    assert (cloned / ".dvc/config").read_bytes() == config
    world.dvc(cloned, "remote", "modify", "storage", "url", "s3://bucket/path")
    assert "already" in world.spacy(
        cloned, "run", "dvc-remote", "--vars.remote", "s3://bucket/path"
    )


def test_dvc_sends_usage_reports_only_if_the_user_enables_them(world: World, cloned: Path) -> None:
    """Without the environment variable that turns reports off. DVC sends them from a background
    process, which can write a log file. The addresses are replaced by a closed port."""

    log = cloned.parent / "log"
    environ = {
        **world.environ,
        "DVC_DAEMON_LOGFILE": str(log),
        "DVC_ANALYTICS_ENDPOINT": "http://127.0.0.1:9/analytics",
        "DVC_UPDATER_ENDPOINT": "http://127.0.0.1:9/updater",
    }
    for name in ("DVC_NO_ANALYTICS", "CI"):
        del environ[name]
    talkative = World(environ, world.program)
    talkative.spacy(cloned, "run", "dvc-init", "dvc-remote", "dvc-yaml")
    talkative.dvc(cloned, "status")
    assert not log.exists()

    talkative.dvc(cloned, "config", "core.analytics", "true")
    assert log.exists(), "so it would have been seen"
    talkative.spacy(cloned, "run", "dvc-init")
    assert "analytics = true\n" in (cloned / ".dvc/config").read_text(), "what a team decided stays"
