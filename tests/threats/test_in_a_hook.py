"""Run every command with the environment of a Git hook.

Threat model: git-environment, staged-content. If Git's variables name a repository and an index, as
in a hook of `git commit -a`, that index must not change, and scripts must not see the variables.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing.projects import Spacy, two_steps
from tests.testing.repositories import git, repository, write
from tests.threats.inputs import OTHERS, READS
from tests.threats.test_every_command import assert_clean

CHECK_ENVIRONMENT = "import os\nassert not [name for name in os.environ if name.startswith('GIT_') and name in SCRUBBED]\n"
SCRUBBED = (
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_WORK_TREE",
    "GIT_PREFIX",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
)


@pytest.fixture(params=["plain", "linked worktree", "submodule"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A project in each kind of worktree, whose scripts fail if they see Git's variables."""

    top = two_steps(tmp_path / "top")
    scripts = {
        name: f"SCRUBBED = {SCRUBBED}\n{CHECK_ENVIRONMENT}{(top / name).read_text()}"
        for name in ("scripts/write.py", "scripts/copy.py")
    }
    text = (top / "project.yml").read_text()
    asset = f"assets: [{{dest: theirs, git: {{repo: '{tmp_path / 'theirs'}', path: ''}}}}]\n"
    write(
        top, {**scripts, "project.yml": text + asset, ".gitignore": "/corpus/\n/model/\n/theirs/\n"}
    )
    repository(tmp_path / "theirs", {"f": "x"})
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "x")
    root = top
    if request.param == "linked worktree":
        root = tmp_path / "linked"
        git(top, "worktree", "add", "-q", str(root))
    elif request.param == "submodule":
        repository(tmp_path / "above", {"f": "x"})
        git(
            tmp_path / "above",
            "-c",
            "protocol.file.allow=always",
            "submodule",
            "--quiet",
            "add",
            str(top),
            "sub",
        )
        root = tmp_path / "above/sub"
    git(root, "config", "spacy.allowLocalRepository", "true")
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    return root


@pytest.mark.threat("git-environment")
def test_the_index_of_a_hook_and_all_branches_stay_unchanged(
    root: Path, tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_dir = Path(git(root, "rev-parse", "--absolute-git-dir"))
    index = git_dir / "next-index-7.lock"
    index.write_bytes((git_dir / "index").read_bytes())
    watched = [
        index,
        git_dir / "index",
        tmp_path / "theirs/.git/index",
        tmp_path / "top/.git/index",
    ]
    watched += [path for path in (tmp_path / "above/.git/index",) if path.exists()]

    def state() -> list[object]:
        heads = [
            git(folder, "for-each-ref", "refs/heads") for folder in (root, tmp_path / "theirs")
        ]
        return [*(path.read_bytes() for path in watched), *heads]

    before = state()
    for words in (
        "assets",
        "run all",
        *READS,
        *OTHERS,
        "lock resolve",
        "push",
        "pull --force",
        "clone ner_fashion cloned",
    ):
        if "ray" in words:
            continue  # tests/run/test_ray.py checks the environment of workers
        with monkeypatch.context() as hook:
            for name, value in {
                "GIT_DIR": git_dir,
                "GIT_INDEX_FILE": index,
                "GIT_WORK_TREE": root,
                "GIT_PREFIX": "",
            }.items():
                hook.setenv(name, str(value))
            done = spacy(*words.split(), cwd=root)
        assert_clean(done)
        is_done = words.startswith(("run all", "assets", "push", "pull")) and "matrix" not in words
        assert done.code in ((0,) if is_done else (0, 1, 2)), (words, done)
        assert state() == before, words
    assert (root / "theirs/f").read_text() == "x"
