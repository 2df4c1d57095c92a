"""Tests of the hints for missing paths: whether an output is pulled or made again."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest

from tests.testing.projects import Done, Spacy, two_steps
from tests.testing.repositories import git, repository, write


@pytest.fixture
def clone(tmp_path: Path, spacy: Spacy) -> Path:
    """A fresh clone, whose remote is an empty folder, of a project that was run."""

    root = two_steps(repository(tmp_path / "made"))
    write(root, {".gitignore": "/corpus/\n/model/\n"})
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    git(tmp_path, "clone", "-q", "made", "clone")
    (tmp_path / "shared").mkdir()
    for name in ("made", "clone"):
        git(tmp_path / name, "config", "spacy.remote.default.url", "../shared")
    return tmp_path / "clone"


def type_hint(spacy: Spacy, hint: str, cwd: Path) -> Done:
    """Type a hint of commands joined by `&&`; return the last that ran."""

    for line in hint.split(" && "):
        done = spacy(*shlex.split(line.removeprefix("hint: git spacy ")), cwd=cwd)
        if done.code:
            break
    return done


def hint_of(done: Done) -> str:
    lines = (done.err + done.out).splitlines()
    return next(line for line in lines if line.startswith("hint: ")).replace("&& git spacy ", "&& ")


def test_a_missing_output_is_pulled_where_a_remote_may_have_it(clone: Path, spacy: Spacy) -> None:
    """The hint was to run again what a pull would fetch."""

    done = spacy("run", "train", cwd=clone)
    assert done.code == 1
    assert "missing dependency of 'train': 'corpus/words.txt'" in done.err
    assert hint_of(done) == "hint: git spacy pull prepare"
    # the remote has nothing: then the hint is to run it
    pulled = type_hint(spacy, hint_of(done), clone)
    assert (pulled.code, hint_of(pulled)) == (1, "hint: git spacy run prepare")
    assert spacy("push", cwd=clone.parent / "made").code == 0
    pulled = type_hint(spacy, hint_of(done), clone)
    assert pulled.err.splitlines()[-1] == "pulled 1, skipped 0"
    assert not (clone / "model").exists()
    assert spacy("run", "train", cwd=clone).code == 0
    # without a remote or without an entry, only a run helps
    shutil.rmtree(clone / "corpus")
    (clone / "project.lock").unlink()
    assert hint_of(spacy("run", "train", cwd=clone)) == "hint: git spacy run prepare"
    git(clone, "checkout", "-q", "project.lock")
    git(clone, "config", "--unset", "spacy.remote.default.url")
    assert hint_of(spacy("run", "train", cwd=clone)) == "hint: git spacy run prepare"
    # a remote with the name of the command is named first
    git(clone, "config", "spacy.remote.prepare.url", "../shared")
    assert hint_of(spacy("run", "train", cwd=clone)) == "hint: git spacy pull prepare prepare"
    assert type_hint(spacy, "hint: git spacy pull prepare prepare", clone).code == 0
    # nothing produces it: neither a pull nor a run helps
    text = (clone / "project.yml").read_text() + "remotes: {default: ../shared}\n"
    write(clone, {"project.yml": text.replace("[corpus/words.txt,", "[corpus/words.txt, no.txt,")})
    assert "hint: no command produces it" in spacy("run", "train", cwd=clone).err


def test_check_pulls_what_a_stale_command_needs(clone: Path, spacy: Spacy) -> None:
    write(clone, {"scripts/copy.py": "import os; os.mkdir('model'); open('model/w', 'w')\n"})
    git(clone, "commit", "-qam", "another script")
    hint = hint_of(spacy("check", cwd=clone))
    assert hint == "hint: git spacy pull prepare && run train"
    done = type_hint(spacy, hint, clone)
    assert hint_of(done) == "hint: git spacy run prepare", "the remote is empty"
    assert type_hint(spacy, hint_of(done), clone).code == 0
    assert hint_of(spacy("check", cwd=clone)) == "hint: git spacy run train"
    shutil.rmtree(clone / "corpus")
    assert spacy("push", cwd=clone.parent / "made").code == 0
    assert type_hint(spacy, hint, clone).code == 0
    assert spacy("check", cwd=clone).code == 0
