"""Threat model: paths-outside to reserved-paths, checksum-format, project-file-type to broken-lock, git-environment, staged-content: one table of hostile files, one of verbs, and each
verb meets each file. Refused with its code, in one message, and nothing is made, run or changed.

What a verb alone must bear is tested where its code is; docs/explanation/threat-model.md has the whole list.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.testing.projects import Done, Spacy, project, snapshot
from tests.testing.repositories import commit, git, repository, write
from tests.threats.inputs import ESCAPES, OTHERS, READS, REFUSED, Text


def clean(done: Done) -> None:
    """What holds for all that is ever said."""

    assert done.code not in (70, -6), done.err
    assert "Traceback" not in done.out + done.err
    assert not any(character in done.out + done.err for character in ESCAPES if character < " ")


def everything(folder: Path) -> dict[str, bytes | str]:
    """All files below, those of Git that a verb may not write included."""

    found = snapshot(folder)
    for name in ("config", "index", "HEAD", "hooks/pre-commit"):
        path = folder / "p/.git" / name
        if path.exists():
            found[str(path)] = path.read_bytes()
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with nothing in it but what an asset could be copied from."""

    write(tmp_path, {"outside/kept": "mine"})
    root = repository(tmp_path / "p", {"source": "data"})
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    return root


# 1, 3, 4, 20, 29 to 35: what is wrong in the text of project.yml


@pytest.mark.threat(
    "paths-outside",
    "reserved-paths",
    "checksum-format",
    "project-file-type",
    "yaml-bombs",
    "huge-project-file",
    "yaml-syntax",
    "wrong-types-and-keys",
    "split-commands",
    "variable-cycles",
)
@pytest.mark.parametrize("text", REFUSED, ids=lambda text: f"{text.threat}-{text.name}")
def test_a_hostile_project_is_refused_by_every_verb(
    root: Path, tmp_path: Path, spacy: Spacy, text: Text
) -> None:
    data = text.data.replace(b"{outside}", os.fsencode(tmp_path / "outside"))
    commit(root, {"project.yml": data})
    before = everything(tmp_path)
    for words in READS:
        done = spacy(*words.split(), cwd=root)
        clean(done)
        # (to check is to find: one code for whatever is wrong)
        is_check = words in ("check", "check --staged")
        assert done.code == (1 if is_check else text.code), (words, done.err)
        assert text.shown in done.out + done.err, words
        assert "hint: " in done.out + done.err, words
        assert everything(tmp_path) == before, words
    for words in OTHERS:
        clean(spacy(*words.split(), cwd=root))
    (root / "project.schema.json").unlink()  # which is of no project
    assert everything(tmp_path) == before


@pytest.mark.threat("project-file-type")
@pytest.mark.parametrize("kind", ["folder", "FIFO", "link to a device", "link out", "socket"])
def test_what_is_no_file_is_refused_by_every_verb(
    root: Path, tmp_path: Path, spacy: Spacy, kind: str
) -> None:
    import socket

    path = root / "project.yml"
    write(tmp_path, {"outside/project.yml": "title: mine\n"})
    with socket.socket(socket.AF_UNIX) as bound:
        os.chdir(root)
        {
            "folder": lambda: path.mkdir(),
            "FIFO": lambda: os.mkfifo(path),
            "link to a device": lambda: path.symlink_to("/dev/zero"),
            "link out": lambda: path.symlink_to(tmp_path / "outside/project.yml"),
            "socket": lambda: bound.bind("project.yml"),
        }[kind]()
        before = snapshot(tmp_path)
        for words in READS:
            done = spacy(*words.split(), cwd=root)
            clean(done)
            assert done.code in (1, 2, 3, 5), (words, done)
            assert snapshot(tmp_path) == before


# 36: project.lock

LOCKS = {
    "empty": b"",
    "a text": b"hello\n",
    "no mapping": b"- x\n",
    "binary": bytes(range(256)),
    "conflict markers": b"<<<<<<< HEAD\nprepare: {}\n=======\n>>>>>>> other\n",
    "an entry that is none": b"prepare: 1\n",
    "deps that are none": b"prepare:\n  cmd: x\n  script: []\n  deps: 7\n  outs: []\n",
    "a number for a checksum": b"prepare:\n  cmd: x\n  script: []\n  deps:\n  - path: x\n    md5: 1\n  outs: []\n",
    "a tag": b"prepare: !!python/object/apply:os.system [x]\n",
    "10,000 levels": b"prepare: " + b"[" * 10_000,
}
READ_LOCK = (
    "run all", "run all --dry", "run all --force", "run all -j 2", "run all --restore", "run prepare",
    "run all --upstream", "run all --executor ray", "run all --matrix vars.word=1,2",
    "status", "status --json", "status --no-data", "check", "check lock", "check lock --staged",
    "lock record all", "push", "pull", "cache gc",
)  # fmt: skip
ONE_STEP = """\
vars: {word: hello}
commands: [{name: prepare, script: ["python x.py"], deps: [x.py], outputs: ["out-${vars.word}"]}]
workflows: {all: [prepare]}
"""
MAKE = "import os, sys\nif os.path.isdir('out-hello'): sys.exit(1)\nopen('out-hello', 'w').write('x')\n"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A project in a repository whose output is there, and nothing says of what it was made."""

    root = project(tmp_path / "p", ONE_STEP, {"x.py": "", "out-hello": "made"})
    git(root, "init", "-q")
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    return root


@pytest.mark.threat("broken-lock")
@pytest.mark.parametrize("name", LOCKS)
def test_a_broken_lock_is_left_alone_by_every_verb_that_reads_it(
    made: Path, tmp_path: Path, spacy: Spacy, name: str
) -> None:
    commit(made, {"project.lock": LOCKS[name]})
    before = snapshot(tmp_path)
    for words in READ_LOCK:
        done = spacy(*words.split(), cwd=made)
        clean(done)
        assert done.code == (1 if words.startswith("check") else 2), (words, done)
        assert "project.lock" in done.out + done.err, words
        assert "git spacy " in done.out + done.err, words  # what rebuilds or resolves it
        assert snapshot(tmp_path) == before, words
    for words in ("graph", "log", "show", "diff HEAD", "resolved", "ignore --check", "restore"):
        clean(spacy(*words.split(), cwd=made))
        assert snapshot(tmp_path) == before, words


@pytest.mark.threat("paths-outside", commands="check lock pull push status")
@pytest.mark.parametrize("path", ["../../outside/kept", "/etc/passwd", ".git/config", "~/x"])
def test_a_lock_that_names_paths_outside_leads_nobody_there(
    made: Path, tmp_path: Path, spacy: Spacy, path: str
) -> None:
    write(tmp_path, {"outside/kept": "mine"})
    lock = ""
    for name in ("prepare", "gone"):
        lock += f"{name}:\n  cmd: python -m weasel run {name}\n  script:\n  - python x.py\n"
        for key in ("deps", "outs"):
            lock += f"  {key}:\n  - path: {path}\n    md5: {'0' * 32}\n"
    commit(made, {"project.lock": lock})
    before = everything(tmp_path)
    for words in READ_LOCK[7:]:
        clean(spacy(*words.split(), cwd=made))
        found = everything(tmp_path)
        # (a remote, or the lock, may have changed: nothing else)
        assert all(
            found.get(name) == data for name, data in before.items() if name != "p/project.lock"
        ), words


# 2: links out where a verb is to write

WRITES = {
    ".gitignore": ("ignore", "ignore --force", "assets"),
    "dvc.yaml": ("dvc", "dvc --force"),
    "README.md": ("document", "document --force"),
    "project.schema.json": ("schema -o project.schema.json", "schema -o project.schema.json --force"),
    "graph.svg": ("graph -o graph.svg", "graph -o graph.svg --force"),
    "project.lock": ("run all", "run all -j 2", "run all --restore", "run all --executor ray",
                     "lock record all", "lock rebuild", "pull"),
    "out-hello": ("run all", "run all -j 2", "run all --restore", "run all --executor ray",
                  "pull", "pull --force", "restore", "restore --force", "push", "lock record all"),
}  # fmt: skip


@pytest.mark.threat("links-outside")
@pytest.mark.parametrize("kind", ["of a file", "of nothing yet"])
@pytest.mark.parametrize("name", WRITES)
def test_a_link_out_is_not_written_through(
    made: Path, tmp_path: Path, spacy: Spacy, name: str, kind: str
) -> None:
    write(tmp_path, {"outside/kept": "mine"})
    commit(made, {"project.yml": f"{ONE_STEP}assets: [{{dest: a, url: x.py}}]\n", "x.py": MAKE})
    for words in ("run all --restore", "push", "assets"):
        assert spacy(*words.split(), cwd=made).code == 0
    git(made, "add", "-A")
    git(made, "commit", "-qm", "ran")
    target = tmp_path / "outside" / ("kept" if kind == "of a file" else "new")
    (made / name).unlink(missing_ok=True)
    (made / name).symlink_to(target)
    for words in WRITES[name]:
        done = spacy(*words.split(), cwd=made)
        clean(done)
        # (assets only keeps .gitignore current beside what it does)
        assert done.code == (0 if words == "assets" else 3), (words, done)
        assert "leads out of the project" in " ".join((done.out + done.err).split()), words
        assert snapshot(tmp_path / "outside") == {"kept": b"mine"}, words
        assert (made / name).is_symlink()


# 29, of all that is read besides


class Late(BaseException):
    """It waits for a writer that never comes."""


@pytest.mark.threat("project-file-type")
@pytest.mark.parametrize("kind", ["FIFO", "folder", "device"])
@pytest.mark.parametrize("name", [*WRITES, "x.py", "a"])
def test_what_is_no_file_holds_nobody_up(
    made: Path, tmp_path: Path, spacy: Spacy, name: str, kind: str
) -> None:
    commit(made, {"project.yml": f"{ONE_STEP}assets: [{{dest: a, url: x.py}}]\n", "x.py": MAKE})
    for words in ("run all --restore", "push", "assets", "ignore", "document", "dvc"):
        assert spacy(*words.split(), cwd=made).code == 0
    git(made, "add", "-A")
    git(made, "commit", "-qm", "ran")
    (made / name).unlink(missing_ok=True)
    if kind == "FIFO":
        os.mkfifo(made / name)
    elif kind == "folder":
        (made / name).mkdir()
    else:
        (made / name).symlink_to("/dev/zero")

    def late(number: int, _: object) -> None:
        raise Late(words)

    previous = signal.signal(signal.SIGALRM, late)
    try:
        for words in (*READS, *OTHERS, *WRITES[".gitignore"], "graph -o graph.svg --check"):
            if "ray" in words or (kind == "FIFO" and name == "x.py" and words.startswith("run")):
                continue
            signal.alarm(10)
            clean(spacy(*words.split(), cwd=made))
            signal.alarm(0)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
