"""What verbs cost, in what can be counted: modules imported, git processes, files opened. (How long
they take is for `scripts/bench`; requests and bytes are counted in git/test_partial_clone.py.)"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import git_spacy
from tests.testing.projects import process, two_steps
from tests.testing.repositories import GIT, git, write

SOURCE = Path(git_spacy.__file__).parents[1]
HEAVY = {"requests", "urllib3", "http", "dulwich", "rich", "fsspec", "ray", "spacy", "asyncio"}
# verb → how many git processes it starts at most where all is fresh and committed
VERBS = {
    "status": 0,
    "run": 0,
    "run all": 1,
    "run all --dry": 1,
    "resolved": 0,
    "check": 3,
    "check --staged": 7,
    "log": 7,
    "show": 8,
    "ignore --check": 2,
    "document --check": 0,
    "graph": 0,
    "schema": 0,
}
HOOKS = {"project": 2, "assets": 2, "lock": 3, "generated": 6, "outputs": 2, "all": 8}
WATCHED = """
import json, os, sys
opened = set()
# a file that is opened from its folder's descriptor, by its whole path
plain, folders = os.open, {}
def spied(path, flags, *more, dir_fd=None):
    found = plain(path, flags, *more, dir_fd=dir_fd)
    folders[found] = os.path.join(folders.get(dir_fd, os.getcwd()), os.fsdecode(path))
    if not flags & os.O_DIRECTORY:
        opened.add(folders[found])
    return found
os.open = spied
sys.addaudithook(lambda event, args: event == "open" and opened.add(os.fsdecode(args[0])
                 if isinstance(args[0], (str, bytes)) else ""))
sys.argv[:] = json.loads(sys.argv[1])
module, name = {"git-spacy": ("git_spacy.__main__", "main"),
                "git-spacy-hook": ("git_spacy.hook", "main")}[sys.argv[0]]
try:
    code = getattr(__import__(module, fromlist=[name]), name)() or 0
except SystemExit as end:
    code = end.code or 0
with open(os.environ["REPORT"], "w") as report:
    json.dump([code, sorted(sys.modules), sorted(opened)], report)
"""


class Cost(NamedTuple):
    """What a command line imported, how often it started git, and what it opened."""

    modules: set[str]
    processes: list[str]
    opened: set[str]


@pytest.fixture
def fresh(tmp_path: Path) -> Path:
    """A project in a repository, all of it run, committed and left alone for a while."""

    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    write(root, {f"scripts/more/{number}.py": "" for number in range(30)})
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("[scripts/write.py]", "[scripts]"))
    for words in (("ignore",), ("document",)):
        assert process(*words, cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "begin")
    assert process("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    for path in (root / "scripts").rglob("*"):
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    assert process("status", cwd=root).code == 0  # has a look, that it may remember
    return root


def cost(program: str, words: str, folder: Path) -> Cost:
    """Run it, and count. It must end well."""

    kept = folder.parent / "kept"
    log, report = kept / "log", kept / "report"
    write(
        kept, {"bin/git*": f"#!/bin/sh\necho \"$*\" >> '{log}'\nexec '{GIT}' \"$@\"\n", "log": ""}
    )
    environ = {
        **os.environ,
        "PATH": f"{kept / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path]),
        "REPORT": str(report),
    }
    given = json.dumps([program, *words.split()])
    subprocess.run(
        (sys.executable, "-S", "-c", WATCHED, given),
        cwd=folder, env=environ, check=True, capture_output=True,
    )  # fmt: skip
    code, modules, opened = json.loads(report.read_text())
    assert code == 0
    return Cost({name.split(".")[0] for name in modules}, log.read_text().splitlines(), set(opened))


def test_verbs_import_nothing_heavy_and_start_git_no_more_than_they_must(fresh: Path) -> None:
    found = {words: cost("git-spacy", words, fresh) for words in VERBS}
    assert {words: one.modules & HEAVY for words, one in found.items() if one.modules & HEAVY} == {}
    more = {w: one.processes for w, one in found.items() if len(one.processes) > VERBS[w]}
    assert more == {}
    without = {words for words, one in found.items() if "subprocess" not in one.modules}
    assert without >= {words for words, most in VERBS.items() if most == 0}


def test_hooks_import_not_even_what_reads_command_lines(fresh: Path) -> None:
    found = {check: cost("git-spacy-hook", check, fresh) for check in HOOKS}
    light = HEAVY | {"click", "tempfile", "dataclasses"}
    assert {check: one.modules & light for check, one in found.items() if one.modules & light} == {}
    more = {c: one.processes for c, one in found.items() if len(one.processes) > HOOKS[c]}
    assert more == {}


@pytest.mark.parametrize("words", ["run all", "status"])
def test_no_data_is_opened_where_nothing_changed(fresh: Path, words: str) -> None:
    found = cost("git-spacy", words, fresh).opened
    inside = {
        os.path.relpath(os.path.join(fresh, name), fresh)
        for name in found
        if os.path.realpath(os.path.join(fresh, name)).startswith(os.path.realpath(fresh) + os.sep)
    }
    files = {name for name in inside if (fresh / name).is_file()}
    mine = {name for name in files if not name.startswith(".git/")}
    assert mine == {"project.yml", "project.lock"}


def test_one_touched_file_is_all_that_is_hashed_again(fresh: Path) -> None:
    os.utime(fresh / "scripts/copy.py")
    opened = cost("git-spacy", "status", fresh).opened
    assert str(fresh / "corpus/words.txt") not in opened
    assert str(fresh / "scripts/copy.py") in opened
