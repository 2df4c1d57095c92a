"""Build a repository of two projects that were run and committed, to check with hooks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.testing.projects import process, two_steps
from tests.testing.repositories import git, repository, write

DATA_MD5 = "8d777f385d3dfec8815d20f7496026dc"  # of "data"
Change = Callable[[Path], object]


def two_projects(folder: Path) -> Path:
    """Create the projects `one` and `deep/two`, each with a tracked asset and ignored outputs."""

    repository(folder, {"README.md": "two projects\n"})
    for name in ("one", "deep/two"):
        root = two_steps(folder / name)
        asset = f"assets:\n  - dest: assets/x\n    checksum: {DATA_MD5}\n"
        write(root, {
            "project.yml": asset + (root / "project.yml").read_text(),
            "assets/x": "data",
            ".gitignore": "/corpus/\n/model/\n",
        })  # fmt: skip
        for words in (("run", "all"), ("document",)):
            done = process(*words, cwd=root)
            assert done.code == 0, done.err
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "run")
    return folder


def edited(name: str, old: str, new: str) -> Change:
    """Return a function that replaces a text in a file."""

    def change(top: Path) -> None:
        text = (top / name).read_text()
        assert old in text
        (top / name).write_text(text.replace(old, new))

    return change


# hook → a change that it rejects, and the error that it reports
REFUSED: dict[str, tuple[Change, str]] = {
    "git-spacy-project": (
        edited("one/project.yml", "  - name: train", "  - nam: train"),
        "one/project.yml:15:5: error: this command has no 'name'",
    ),
    "git-spacy-assets": (
        lambda top: write(top, {"deep/two/assets/x": "other data"}),
        "deep/two/project.yml:3:5: error: checksum mismatch: the md5 of asset 'assets/x' is",
    ),
    "git-spacy-lock": (
        edited("one/scripts/write.py", "import sys", "import os, sys"),
        "one/project.lock:6:7: error: 'prepare': dependency 'scripts/write.py' changed",
    ),
    "git-spacy-generated": (
        edited("deep/two/project.yml", "help: Train on it", "help: Train"),
        "deep/two/README.md:1:1: error: out of date with project.yml",
    ),
    "git-spacy-outputs": (
        lambda top: git(top, "add", "-f", "one/corpus/words.txt"),
        "one/project.yml:14:15: error: output 'corpus/words.txt' of 'prepare' is about to be committed",
    ),
}
