"""Run every command in every hostile project.

Threat model: paths-outside to reserved-paths, checksum-format, project-file-type to broken-lock,
git-environment, staged-content. Each command must refuse each file with its exit code, in one
message, and must not create, run or change anything. Threats to a single command are tested with its
code; docs/explanation/threat-model.md lists all threats.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.testing.projects import Done, Spacy, project, snapshot
from tests.testing.repositories import commit, git, repository, write
from tests.testing.waiting import PATIENCE
from tests.threats.inputs import ESCAPES, OTHERS, OUTSIDE, READS, REFUSED, Text


def assert_clean(done: Done) -> None:
    """Check that output has no internal error, traceback or escape sequence."""

    assert done.code not in (70, -6), done.err
    assert "Traceback" not in done.out + done.err
    assert not any(character in done.out + done.err for character in ESCAPES if character < " ")


def snapshot_with_git(folder: Path) -> dict[str, bytes | str]:
    """Return all files, and those files of Git that no command may change."""

    files = snapshot(folder)
    for name in ("config", "index", "HEAD", "hooks/pre-commit"):
        path = folder / "p/.git" / name
        if path.exists():
            files[str(path)] = path.read_bytes()
    return files


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that only has a source for an asset."""

    write(tmp_path, {"outside/kept": "mine"})
    root = repository(tmp_path / "p", {"source": "data"})
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    return root


# Invalid or dangerous text in project.yml


ROLES = {
    "dest": "assets: [{dest: 'PATH', url: source}]",
    "outputs": "commands: [{name: all, script: ['touch OWNED', 'true ${vars.x}'], outputs: ['PATH']}]",
    "outputs_no_cache": "commands: [{name: all, script: ['touch OWNED', 'true ${vars.x}'], outputs_no_cache: ['PATH']}]",
    "directories": "directories: ['PATH']\ncommands: [{name: all, script: ['touch OWNED', 'true ${vars.x}']}]",
}
QUICK = ("assets", "run all", "run all --dry", "status", "check")
READING = ("status", "status --json", "check", "check --staged", "graph", "document", "resolved")


@pytest.mark.threat(
    "paths-outside",
    "links-outside",
    commands="assets check document dvc graph ignore lock pull push resolved restore run schema status",
)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("text", OUTSIDE, ids=lambda text: f"{text.threat}-{text.name}")
def test_a_project_with_paths_outside_is_read_but_nothing_is_written_there(
    root: Path, tmp_path: Path, spacy: Spacy, text: Text, role: str
) -> None:
    path = text.data.replace(b"{outside}", os.fsencode(tmp_path / "outside")).decode()
    reads = f"vars: {{up: .., x: 0}}\n{ROLES[role].replace('PATH', path)}\n"
    reads += "" if "commands" in reads else "commands: [{name: all, script: ['touch OWNED']}]\n"
    (root / "link").symlink_to(tmp_path / "outside")
    # what a project says about itself is no permission
    text_of_config = f"[spacy]\n\tallowOutside = {tmp_path}\n"
    files = {"project.yml": reads, ".gitconfig": text_of_config, "config": text_of_config}
    commit(root, files)
    words_for_role = READS if role == "outputs" else QUICK
    for words in words_for_role:
        done = spacy(*words.split(), cwd=root)
        assert_clean(done)
        is_refused = words.split()[0] == ("assets" if role == "dest" else "run")
        is_refused |= role == "directories" and words.startswith("assets")
        if is_refused:
            assert done.code == text.code, (words, done)
            assert text.shown in " ".join((done.out + done.err).split()), words
            assert "hint: git config --add spacy.allowOutside " in done.err, words
            assert "project.yml:" in done.err, words
        elif words in READING:
            assert done.code == 0, (words, done)
        else:
            assert done.code < 3, (words, done)
        assert not is_refused or not (root / "OWNED").exists(), words
        (root / "OWNED").unlink(missing_ok=True)
        assert snapshot(tmp_path / "outside") == {"kept": b"mine"}, words


@pytest.mark.threat(
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
def test_a_hostile_project_is_refused_by_every_command(
    root: Path, tmp_path: Path, spacy: Spacy, text: Text
) -> None:
    data = text.data.replace(b"{outside}", os.fsencode(tmp_path / "outside"))
    commit(root, {"project.yml": data})
    before = snapshot_with_git(tmp_path)
    for words in READS:
        done = spacy(*words.split(), cwd=root)
        assert_clean(done)
        # check has one code for every kind of problem
        is_check = words in ("check", "check --staged")
        assert done.code == (1 if is_check else text.code), (words, done.err)
        assert text.shown in done.out + done.err, words
        assert "hint: " in done.out + done.err, words
        assert snapshot_with_git(tmp_path) == before, words
    for words in OTHERS:
        assert_clean(spacy(*words.split(), cwd=root))
    (root / "project.schema.json").unlink()  # it does not depend on the project
    assert snapshot_with_git(tmp_path) == before


@pytest.mark.threat("project-file-type")
@pytest.mark.parametrize("kind", ["folder", "FIFO", "link to a device", "link out", "socket"])
def test_a_project_file_that_is_not_a_regular_file_is_refused_by_every_command(
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
            assert_clean(done)
            assert done.code in (1, 2, 3, 5), (words, done)
            assert snapshot(tmp_path) == before


# Broken project.lock

LOCKS = {
    "empty": b"",
    "a text": b"hello\n",
    "not a mapping": b"- x\n",
    "binary": bytes(range(256)),
    "conflict markers": b"<<<<<<< HEAD\nprepare: {}\n=======\n>>>>>>> other\n",
    "an entry that is a number": b"prepare: 1\n",
    "deps that are a number": b"prepare:\n  cmd: x\n  script: []\n  deps: 7\n  outs: []\n",
    "a number for a checksum": b"prepare:\n  cmd: x\n  script: []\n  deps:\n  - path: x\n    md5: 1\n  outs: []\n",
    "a tag": b"prepare: !!python/object/apply:os.system [x]\n",
    "10,000 levels": b"prepare: " + b"[" * 10_000,
}
READ_LOCK = (
    "run all", "run all --dry", "run all --force", "run all -j 2", "run all --restore", "run prepare",
    "run all --upstream", "run all --executor ray", "run all --matrix vars.word=1,2",
    "status", "status --json", "status --no-data", "check", "check lock", "check lock --staged",
    "lock record all", "push", "pull", "cache gc", "clean --force",
)  # fmt: skip
ONE_STEP = """\
vars: {word: hello}
commands: [{name: prepare, script: ["python x.py"], deps: [x.py], outputs: ["out-${vars.word}"]}]
workflows: {all: [prepare]}
"""
MAKE = "import os, sys\nif os.path.isdir('out-hello'): sys.exit(1)\nopen('out-hello', 'w').write('x')\n"


@pytest.fixture
def unrecorded(tmp_path: Path) -> Path:
    """A project in a repository whose output exists, without a lock entry."""

    root = project(tmp_path / "p", ONE_STEP, {"x.py": "", "out-hello": "made"})
    git(root, "init", "-q")
    git(root, "config", "spacy.remote.default.url", str(tmp_path / "remote"))
    return root


@pytest.mark.threat("broken-lock")
@pytest.mark.parametrize("name", LOCKS)
def test_a_broken_lock_is_not_changed_by_any_command(
    unrecorded: Path, tmp_path: Path, spacy: Spacy, name: str
) -> None:
    commit(unrecorded, {"project.lock": LOCKS[name]})
    before = snapshot(tmp_path)
    for words in READ_LOCK:
        done = spacy(*words.split(), cwd=unrecorded)
        assert_clean(done)
        assert done.code == (1 if words.startswith("check") else 2), (words, done)
        assert "project.lock" in done.out + done.err, words
        assert "git spacy " in done.out + done.err, words  # the hint: lock rebuild or lock resolve
        assert snapshot(tmp_path) == before, words
    for words in ("graph", "log", "show", "diff HEAD", "resolved", "ignore --check", "restore"):
        assert_clean(spacy(*words.split(), cwd=unrecorded))
        assert snapshot(tmp_path) == before, words


@pytest.mark.threat("paths-outside", commands="check lock pull push status")
@pytest.mark.parametrize("path", ["../../outside/kept", "/etc/passwd", ".git/config", "~/x"])
def test_paths_outside_in_a_lock_are_not_read_or_written(
    unrecorded: Path, tmp_path: Path, spacy: Spacy, path: str
) -> None:
    write(tmp_path, {"outside/kept": "mine"})
    lock = ""
    for name in ("prepare", "gone"):
        lock += f"{name}:\n  cmd: python -m weasel run {name}\n  script:\n  - python x.py\n"
        for key in ("deps", "outs"):
            lock += f"  {key}:\n  - path: {path}\n    md5: {'0' * 32}\n"
    commit(unrecorded, {"project.lock": lock})
    before = snapshot_with_git(tmp_path)
    for words in READ_LOCK[7:]:
        assert_clean(spacy(*words.split(), cwd=unrecorded))
        after = snapshot_with_git(tmp_path)
        # only a remote and the lock may have changed
        assert all(
            after.get(name) == data for name, data in before.items() if name != "p/project.lock"
        ), words


# Links out of the project where a command writes

WRITES = {
    ".gitignore": ("ignore", "ignore --force", "assets"),
    "requirements.txt": ("add streamlit",),
    "dvc.yaml": ("dvc", "dvc --force"),
    "README.md": ("document", "document --force"),
    "project.schema.json": ("schema -o project.schema.json", "schema -o project.schema.json --force"),
    "graph.svg": ("graph -o graph.svg", "graph -o graph.svg --force"),
    "report.html": ("report", "report --force"),
    "project.lock": ("run all", "run all -j 2", "run all --restore", "run all --executor ray",
                     "lock record all", "lock rebuild", "pull"),
    "out-hello": ("run all", "run all -j 2", "run all --restore", "run all --executor ray",
                  "pull", "pull --force", "restore", "restore --force", "push", "lock record all"),
}  # fmt: skip


@pytest.mark.threat("links-outside")
@pytest.mark.parametrize("kind", ["to a file", "to a missing file"])
@pytest.mark.parametrize("name", WRITES)
def test_a_link_out_is_not_written_through(
    unrecorded: Path, tmp_path: Path, spacy: Spacy, name: str, kind: str
) -> None:
    write(tmp_path, {"outside/kept": "mine"})
    commit(
        unrecorded, {"project.yml": f"{ONE_STEP}assets: [{{dest: a, url: x.py}}]\n", "x.py": MAKE}
    )
    for words in ("run all --restore", "push", "assets"):
        assert spacy(*words.split(), cwd=unrecorded).code == 0
    git(unrecorded, "add", "-A")
    git(unrecorded, "commit", "-qm", "ran")
    target = tmp_path / "outside" / ("kept" if kind == "to a file" else "new")
    (unrecorded / name).unlink(missing_ok=True)
    (unrecorded / name).symlink_to(target)
    for words in WRITES[name]:
        done = spacy(*words.split(), cwd=unrecorded)
        assert_clean(done)
        # an output may be read there; assets only updates .gitignore as a side effect
        may_pass = name == "out-hello" and words in ("pull", "push", "lock record all")
        if not may_pass:
            assert done.code == (0 if words == "assets" else 3), (words, done)
            assert "leads out of the project" in " ".join((done.out + done.err).split()), words
        assert snapshot(tmp_path / "outside") == {"kept": b"mine"}, words
        assert (unrecorded / name).is_symlink()


# Other files that are not regular files


class TimedOut(BaseException):
    """A command waits for a writer that never comes."""


KINDS = ("FIFO", "folder", "device")
NAMES = (*WRITES, "x.py", "a")
ANY = (*READS, *OTHERS, *WRITES[".gitignore"], "graph -o graph.svg --check")


@pytest.mark.threat("project-file-type")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_no_command_waits_for_a_file_that_is_not_a_regular_file(
    unrecorded: Path, tmp_path: Path, spacy: Spacy, name: str, kind: str
) -> None:
    commit(
        unrecorded, {"project.yml": f"{ONE_STEP}assets: [{{dest: a, url: x.py}}]\n", "x.py": MAKE}
    )
    for words in ("run all --restore", "push", "assets", "ignore", "document", "dvc"):
        assert spacy(*words.split(), cwd=unrecorded).code == 0
    git(unrecorded, "add", "-A")
    git(unrecorded, "commit", "-qm", "ran")
    (unrecorded / name).unlink(missing_ok=True)
    if kind == "FIFO":
        os.mkfifo(unrecorded / name)
    elif kind == "folder":
        (unrecorded / name).mkdir()
    else:
        (unrecorded / name).symlink_to("/dev/zero")

    def time_out(number: int, _: object) -> None:
        raise TimedOut(words)

    # by default, a third of the commands: each command with each name and with each kind
    step = 1 if "GIT_SPACY_STRESS" in os.environ else len(KINDS)
    previous = signal.signal(signal.SIGALRM, time_out)
    try:
        for words in ANY[(NAMES.index(name) + KINDS.index(kind)) % step :: step]:
            if "ray" in words or (kind == "FIFO" and name == "x.py" and words.startswith("run")):
                continue
            signal.alarm(int(PATIENCE))
            assert_clean(spacy(*words.split(), cwd=unrecorded))
            signal.alarm(0)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
