"""Compatibility with weasel on a shared remote: each tool pulls what the other has pushed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.test_weasel import Weasel, skipped, weasel
from tests.storage.conftest import fresh_clone
from tests.testing.projects import Spacy, project, snapshot

pytest.importorskip("weasel")
__all__ = ["weasel"]

WRITE = """\
import pathlib, sys
for name in sys.argv[2:]:
    path = pathlib.Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sys.argv[1])
"""
# several names for a remote, names that are encoded in a URL, nested folders, and an environment
# variable; {remote} is a placeholder
TODAY = """\
vars: {{word: hello}}
env: {{who: WHO}}
remotes: {{default: {remote}}}
commands:
  - name: first
    script:
      - "python w.py ${{vars.word}}-${{env.who}} ./out/a.txt 'out/with space ü.txt'"
    deps: [w.py, ./w.py]
    outputs: [./out/a.txt, "out/with space ü.txt"]
  - name: second
    script: ["python w.py 2 'models/ä b/one' 'models/ä b/deep/er/two' 'models/ä b/zero'"]
    deps: ["out/with space ü.txt", out/a.txt]
    outputs: ["models/ä b"]
    outputs_no_cache: []
  - name: always
    no_skip: true
    script: ["python w.py 3 always.txt"]
    deps: ["models/ä b"]
    outputs: [always.txt]
workflows: {{all: [first, second, always]}}
"""
BEFORE = """\
variables: {{word: hello}}
remotes: {{default: {remote}}}
commands:
  - name: first
    script: ["python w.py {{word}} ./out/a.txt 'out/with space ü.txt'"]
    deps: [w.py]
    outputs: [./out/a.txt, "out/with space ü.txt"]
workflows: {{all: [first]}}
"""
OUTPUTS = ("out", "models", "always.txt")


@pytest.fixture
def made(tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Create a project from the text of a project.yml, and run it."""

    monkeypatch.setenv("WHO", "me and you")

    def make(text: str) -> Path:
        root = project(tmp_path / "made", text.format(remote=tmp_path / "remote"), {"w.py": WRITE})
        done = spacy("run", "all", cwd=root)
        assert done.code == 0, done.err
        return root

    return make


def keys(remote: Path) -> list[str]:
    return sorted(path.relative_to(remote).as_posix() for path in remote.glob("*/*/*"))


def test_we_pull_what_weasel_has_pushed(
    tmp_path: Path, spacy: Spacy, weasel: Weasel, made: Callable[[str], Path]
) -> None:
    root = made(TODAY)
    weasel("push", cwd=root)
    clone = fresh_clone(root, tmp_path / "clone", *OUTPUTS)
    done = spacy("pull", cwd=clone)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == "pulled 4, skipped 0"
    assert snapshot(clone) == snapshot(root), "project.lock, too"
    before = keys(tmp_path / "remote")
    assert spacy("push", cwd=clone).err.splitlines()[-1] == "pushed 0, skipped 4"
    assert keys(tmp_path / "remote") == before


def test_weasel_pulls_what_we_have_pushed(
    tmp_path: Path, spacy: Spacy, weasel: Weasel, made: Callable[[str], Path]
) -> None:
    root = made(TODAY)
    assert spacy("push", cwd=root).err.splitlines()[-1] == "pushed 4, skipped 0"
    before = keys(tmp_path / "remote")
    weasel("push", cwd=root)
    assert keys(tmp_path / "remote") == before
    clone = fresh_clone(root, tmp_path / "clone", *OUTPUTS)
    weasel("pull", cwd=clone)
    theirs = snapshot(clone)
    del theirs["project.lock"]  # weasel records the value of an environment variable, we do not
    assert theirs.items() < snapshot(root).items()
    assert skipped(weasel("run", "all", cwd=clone)) == 2


def test_both_pull_the_newest_of_several_versions(
    tmp_path: Path, spacy: Spacy, weasel: Weasel, made: Callable[[str], Path]
) -> None:
    root = made(TODAY)
    weasel("push", cwd=root)
    for number in range(3):
        (root / "models/ä b/one").write_text(f"chance {number}")
        spacy("lock", "record", "second", cwd=root)
        spacy("push", cwd=root)
    clones = []
    for tool in ("ours", "theirs"):
        clone = fresh_clone(root, tmp_path / tool, "models", "always.txt")
        if tool == "ours":
            spacy("pull", cwd=clone)
        else:
            weasel("pull", cwd=clone)
        clones.append(snapshot(clone))
    assert clones[0]["models/ä b/one"] == b"chance 2"
    assert clones[0]["models/ä b/one"] == clones[1]["models/ä b/one"]


def test_an_output_with_links_is_pushed_and_pulled_by_both(
    tmp_path: Path, spacy: Spacy, weasel: Weasel, made: Callable[[str], Path]
) -> None:
    root = made(TODAY)
    model = root / "models/ä b"
    (model / "best").symlink_to("deep")
    (model / "last").symlink_to("deep/er/two")
    (model / "empty").mkdir()
    spacy("lock", "record", "second", cwd=root)
    for pusher, puller in (("weasel", "ours"), ("ours", "weasel")):
        shutil.rmtree(tmp_path / "remote", ignore_errors=True)
        weasel("push", cwd=root) if pusher == "weasel" else spacy("push", cwd=root)
        clone = fresh_clone(root, tmp_path / puller, "models")
        weasel("pull", cwd=clone) if puller == "weasel" else spacy("pull", cwd=clone)
        assert snapshot(clone / "models") == snapshot(root / "models"), pusher


def test_both_lock_formats_have_the_same_remote_keys(
    tmp_path: Path, spacy: Spacy, weasel: Weasel, made: Callable[[str], Path]
) -> None:
    root = made(BEFORE)
    assert spacy("push", cwd=root).err.splitlines()[-1] == "pushed 2, skipped 0"
    before = keys(tmp_path / "remote")
    today = BEFORE.replace("variables:", "vars:").replace("{{word}}", "${{vars.word}}")
    (root / "project.yml").write_text(today.format(remote=tmp_path / "remote"))
    weasel("push", cwd=root)
    assert keys(tmp_path / "remote") == before
    clone = fresh_clone(root, tmp_path / "clone", "out")
    (clone / "project.yml").write_text(BEFORE.format(remote=tmp_path / "remote"))
    assert spacy("pull", cwd=clone).err.splitlines()[-1] == "pulled 2, skipped 0"


def test_both_distinguish_results_by_environment_values(
    tmp_path: Path,
    spacy: Spacy,
    weasel: Weasel,
    made: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = made(TODAY)
    weasel("push", cwd=root)
    clone = fresh_clone(root, tmp_path / "clone", *OUTPUTS)
    monkeypatch.setenv("WHO", "another user")
    done = spacy("pull", cwd=clone)
    assert (done.code, "pulled 0, skipped 0, missing 4" in done.err) == (1, True), done.err
    weasel("pull", cwd=clone)
    assert not (clone / "out").exists() or not list((clone / "out").iterdir())
