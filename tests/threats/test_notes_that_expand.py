"""Notes that are small in a repository but expand to fill memory.

Threat model: expanding-notes. Trees can have millions of entries, and notes many megabytes; anyone
who can push to a remote can send them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from git_spacy.git import notes
from tests.testing.projects import project
from tests.testing.repositories import git

REF = notes.REF
SOURCE = str(Path(notes.__file__).parents[2])
PROJECT = "commands: [{name: all, script: [python make.py], deps: [make.py], outputs: [out.txt]}]\n"
MAKE = "open('out.txt', 'w').write('x')\n"
SECONDS, MEGABYTES = 10, 300
IS_LONG = "GIT_SPACY_STRESS" in os.environ
HUGE = 400 << 20 if IS_LONG else (MEGABYTES + 20) << 20  # bytes of a note
ADDRESSES = 4 << 30  # bytes of address space
MEASURED = f"""
import resource, subprocess, sys
sys.path.insert(0, {SOURCE!r})
from git_spacy.__main__ import main
sys.argv = ["git-spacy", *sys.argv[1:]]
resource.setrlimit(resource.RLIMIT_AS, ({ADDRESSES}, {ADDRESSES}))
resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
try:
    code = main() or 0
except SystemExit as end:
    code = end.code or 0
own, children = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
seconds = sum(used.ru_utime + used.ru_stime for used in (own, children))
# not ru_maxrss: a new process inherits that of the test process
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print("\\nMEASURED", code, max(peak, children.ru_maxrss) // 1024, seconds)
"""


class Done(NamedTuple):
    code: int
    out: str
    err: str


def spacy(folder: Path, *words: str) -> Done:
    """Run a command; it must stay within the limits of memory and processor time."""

    done = subprocess.run(
        (sys.executable, "-c", MEASURED, *words), cwd=folder, capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip
    out, _, rest = done.stdout.rpartition("\nMEASURED ")
    assert rest, done.stderr
    code, megabytes, seconds = rest.split()
    assert int(megabytes) < MEGABYTES, (words, megabytes)
    assert float(seconds) < SECONDS, (words, seconds)
    assert "internal error" not in done.stderr
    return Done(int(code), out, done.stderr)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A project that was run once and is a clone of `remote.git`, which has no records."""

    root = project(tmp_path / "p", PROJECT, {"make.py": MAKE, ".gitignore": "/out.txt\n"})
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "x")
    git(tmp_path, "clone", "-q", "--bare", "p", "remote.git")
    git(root, "remote", "add", "origin", str(tmp_path / "remote.git"))
    assert spacy(root, "run", "all").code == 0
    return root


def blob(folder: Path, text: str) -> str:
    return git(folder, "hash-object", "-w", "--stdin", input=text)


def tree(folder: Path, kind: str, id: str, names: Iterator[str]) -> str:
    mode = "040000" if kind == "tree" else "100644"
    return git(folder, "mktree", input="".join(f"{mode} {kind} {id}\t{name}\n" for name in names))


def pairs() -> Iterator[str]:
    return (f"{n:02x}" for n in range(256))


def many_notes(folder: Path) -> str:
    """Three trees with 256³ notes."""

    last = tree(folder, "blob", blob(folder, "x\n"), (f"{n:036x}" for n in range(256)))
    return tree(folder, "tree", tree(folder, "tree", last, pairs()), pairs())


def many_trees(folder: Path) -> str:
    """Trees with 256³ trees and no notes."""

    id = git(folder, "mktree", input="")
    for _ in range(3):
        id = tree(folder, "tree", id, pairs())
    return id


def deep_trees(folder: Path) -> str:
    """Trees nested 200 levels deep, with long names."""

    id = tree(folder, "blob", blob(folder, "x\n"), iter(["0" * 40]))
    for _ in range(200):
        id = tree(folder, "tree", id, iter(["ab" * 100]))
    return id


BOMBS = {"many notes": many_notes, "many trees": many_trees, "deep trees": deep_trees}


def bomb(folder: Path, kind: str, *parents: str) -> str:
    options = [word for parent in parents for word in ("-p", parent)]
    return git(folder, "commit-tree", BOMBS[kind](folder), *options, "-m", "Notes added by git")


def hint(done: Done) -> str:
    """Return the command in the hint."""

    match = re.search(r"\bgit [a-z-]+ .*", done.err.split("hint:")[-1])
    assert match, done.err
    return match[0].strip()


@pytest.mark.threat("expanding-notes", commands="notes")
@pytest.mark.parametrize("kind", BOMBS)
def test_fetched_notes_that_expand_are_not_merged_and_the_hint_repairs_the_remote(
    clone: Path, tmp_path: Path, kind: str
) -> None:
    remote = tmp_path / "remote.git"
    git(remote, "update-ref", REF, bomb(remote, kind))
    before = git(clone, "rev-parse", REF)
    for words in (("notes", "pull"), ("notes", "push"), ("notes", "pull")):
        done = spacy(clone, *words)
        assert done.code == 4, done.err
        assert "cannot merge the run records of 'origin'" in done.err
        assert git(clone, "rev-parse", REF) == before
    assert spacy(clone, "notes", "status").code == 4
    for words in (("log",), ("show",), ("run", "all", "--force"), ("status",)):
        assert spacy(clone, *words).code == 0
    git(clone, *hint(spacy(clone, "notes", "pull")).split()[1:])
    assert spacy(clone, "notes", "push").code == 0
    assert spacy(clone, "notes", "pull").code == 0
    assert git(remote, "rev-parse", REF) == git(clone, "rev-parse", REF)


def test_a_clone_without_records_does_not_fetch_notes_that_expand(
    clone: Path, tmp_path: Path
) -> None:
    remote = tmp_path / "remote.git"
    git(remote, "update-ref", REF, bomb(remote, "many notes"))
    git(clone, "update-ref", "-d", REF)
    done = spacy(clone, "notes", "pull")
    assert done.code == 4
    assert git(clone, "for-each-ref", REF) == ""
    git(clone, *hint(done).split()[1:])
    assert spacy(clone, "notes", "pull").code == 0


WAYS = ("the last sound one", "the reflog", "the parent", "nothing")


@pytest.mark.threat("expanding-notes", commands="diff log notes run show status")
@pytest.mark.parametrize("way", WAYS if IS_LONG else WAYS[::3])
def test_local_notes_that_expand_do_not_stop_a_run_and_the_hint_resets_them(
    clone: Path, way: str
) -> None:
    """Such notes come with a plain `git fetch`, or from a pull by an earlier version."""

    sound = git(clone, "rev-parse", REF)
    if way != "the last sound one":
        (clone / ".git/spacy/notes-sound").unlink(missing_ok=True)
    if way == "nothing":
        git(clone, "update-ref", "-d", REF)
    if way in ("the parent", "nothing"):
        git(clone, "config", "core.logAllRefUpdates", "false")
        (clone / ".git/logs" / REF).unlink(missing_ok=True)
    parents = [sound] if way == "the parent" else []
    git(clone, "update-ref", REF, bomb(clone, "many notes", *parents))
    ran = spacy(clone, "run", "all", "--force")
    assert ran.code == 0
    assert "run not recorded: the notes have more than" in ran.err
    assert spacy(clone, "status").code == 0
    assert spacy(clone, "run", "all").code == 0
    all_readers = (("log",), ("show",), ("diff", "HEAD"), ("notes", "push"), ("notes", "status"))
    # the hint is that of one function, so one of the readers shows it in the other ways
    for words in all_readers if way == "the last sound one" else all_readers[:1]:
        done = spacy(clone, *words)
        assert done.code == 4, (words, done.err)
        assert "more than 100,000 entries" in done.err
        assert hint(done) == (
            f"git update-ref -d {REF}" if way == "nothing" else f"git update-ref {REF} {sound}"
        )
    git(clone, *hint(spacy(clone, "log")).split()[1:])
    history = json.loads(spacy(clone, "log", "--json").out)
    runs = sum(len(commit["runs"]) for commit in history)
    assert runs == (1 if way == "nothing" else 2), "pending runs are recorded"


class HugeNote(NamedTuple):
    """A blob that is larger than the memory of a command, and a folder with its object."""

    id: str
    objects: Path

    def add_to(self, git_dir: Path) -> None:
        shutil.copytree(self.objects, git_dir / "objects", dirs_exist_ok=True)


@pytest.fixture(scope="module")
def huge(tmp_path_factory: pytest.TempPathFactory) -> HugeNote:
    folder = tmp_path_factory.mktemp("huge")
    with (folder / "file").open("wb") as stream:
        stream.truncate(HUGE)
    git(folder, "init", "-q", "--bare", "--template=", "repository")
    id = git(folder / "repository", "hash-object", "-w", str(folder / "file"))
    return HugeNote(id, folder / "repository/objects")


@pytest.mark.threat("expanding-notes", commands="log notes")
def test_a_fetched_note_that_is_huge_is_skipped_and_the_others_are_read(
    clone: Path, tmp_path: Path, huge: HugeNote
) -> None:
    remote, head = tmp_path / "remote.git", git(clone, "rev-parse", "HEAD")
    huge.add_to(remote)
    id = huge.id
    git(remote, "config", "core.bigFileThreshold", "1m")  # so that the server needs little memory
    other = git(remote, "commit-tree", f"{head}^{{tree}}", "-m", "other")
    git(remote, "update-ref", "refs/heads/other", other)
    script = f"100644 blob {id}\t{head}\n100644 blob {id}\t{other}\n"
    top = git(remote, "mktree", input=script)
    git(remote, "update-ref", REF, git(remote, "commit-tree", top, "-m", "x"))
    pulled = spacy(clone, "notes", "pull")
    assert pulled.code == 0
    assert "skipped 2 notes of the remote that are too large" in pulled.err
    assert "nothing to pull" in pulled.err
    assert git(clone, "notes", "--ref=spacy", "list").split()[1::2] == [head]
    assert len(json.loads(spacy(clone, "log", "--json").out)) == 1
    assert spacy(clone, "notes", "push").code == 0
    assert git(remote, "notes", "--ref=spacy", "list").split()[1::2] == [head]


def test_a_local_note_that_is_huge_is_named_in_a_warning(clone: Path, huge: HugeNote) -> None:
    first = git(clone, "rev-parse", "HEAD")
    git(clone, "commit", "-q", "--allow-empty", "-m", "y")
    head = git(clone, "rev-parse", "HEAD")
    huge.add_to(clone / ".git")
    git(clone, "notes", "--ref=spacy", "add", "-C", huge.id, head)
    for words in (("log",), ("show",), ("diff", first), ("notes", "status")):
        done = spacy(clone, *words)
        assert done.code == 0, done.err
        assert f"skipped the note on {head}: it has {HUGE:,} bytes" in done.err
    ran = spacy(clone, "run", "all", "--force")
    assert ran.code == 0
    assert "run not recorded: " in ran.err
    git(clone, *hint(ran).split()[1:])
    assert len(json.loads(spacy(clone, "log", "--json").out)) == 2


def test_a_large_note_on_many_commits_is_counted_for_each_commit(clone: Path) -> None:
    """The repository stores it once; printing it takes memory for each commit.

    Half of its records have many lists, and half many lines of a script.
    """

    head = git(clone, "rev-parse", "HEAD")
    record = json.loads(git(clone, "notes", "--ref=spacy", "show"))
    lists = json.dumps(record | {"vars": {str(n): [[]] for n in range(60_000)}})
    texts = json.dumps(record | {"script": ["ab"] * 150_000})
    assert max(map(len, (lists, texts))) <= notes.MAX_LINE_LENGTH
    lines = [f'{line[:-1]}, "seconds": {n}}}\n' for line in (lists, texts) for n in range(3)]
    id = blob(clone, "".join(lines))
    script = "".join(
        f"commit refs/heads/many\nmark :{n}\ncommitter A <a@b> {n} +0000\ndata 1\nx\n"
        + (f"from {head}\n" if n == 1 else "")
        + f"commit {REF}\ncommitter A <a@b> {n} +0000\ndata 1\nx\n"
        + (f"from {REF}^0\n" if n == 1 else "")
        + f"N {id} :{n}\n"
        for n in range(1, 300)
    )
    git(clone, "fast-import", "--quiet", "--force", input=script)
    assert spacy(clone, "log", "-n", "3").code == 0, "they are only on another branch"
    for words in (("log", "many"), ("notes", "status"), ("show",), ("run", "all")):
        assert spacy(clone, *words).code == 0


def test_a_line_that_is_too_long_is_skipped_and_the_others_are_read(clone: Path) -> None:
    text = git(clone, "notes", "--ref=spacy", "show")
    head = git(clone, "rev-parse", "HEAD")
    id = blob(clone, f'{text}\n{{"v":1,"script":["{"x" * notes.MAX_LINE_LENGTH}"]}}\n')
    git(clone, "notes", "--ref=spacy", "add", "-f", "-C", id, head)
    done = spacy(clone, "log", "--json")
    assert len(json.loads(done.out)) == 1
    assert "it has more than 1,048,576 characters" in done.err
