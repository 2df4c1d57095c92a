"""The cost of commands: modules imported, git processes started, files opened.

`scripts/bench` measures time; git/test_partial_clone.py counts requests and bytes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import git_spacy
from git_spacy.lock import lock_file, lock_format
from tests.testing.projects import Spacy, process, two_steps
from tests.testing.repositories import GIT, git, write

SOURCE = Path(git_spacy.__file__).parents[1]
HEAVY = {"requests", "urllib3", "http", "dulwich", "rich", "fsspec", "ray", "spacy", "asyncio"}
ONLY_IF_A_SCRIPT_RUNS = {
    "git_spacy.generate.graph", "git_spacy.history.commit_runs", "git_spacy.run.dry_run",
    "git_spacy.git.notes", "git_spacy.run.executor", "git_spacy.run.previous_outputs",
    "git_spacy.run.requirements", "git_spacy.run.scheduler", "git_spacy.run.variant_runs",
    "git_spacy.storage.run_cache", "random", "tarfile", "tempfile", "yaml",
}  # fmt: skip
# what commands that run many times a day do not import either, if there is nothing to report
SLOW = {
    "_hashlib", "click", "dataclasses", "difflib", "inspect", "secrets", "tempfile", "textwrap",
    "typing", "yaml",
}  # fmt: skip
WITHOUT_CLICK = ("run", "run all", "run all --dry", "assets", "log", "log --all", "show HEAD")
# command → the most git processes that it may start if all is up to date and committed
MAX_PROCESSES = {
    "--version": 0,
    "status": 0,
    "run": 0,
    "run all": 1,
    "run all --dry": 1,
    "assets": 3,
    "resolved": 0,
    "check": 3,
    "check --staged": 3,
    "log": 5,  # three of them build the index, which later commands only read
    "log --all": 2,
    "show HEAD": 3,
    "ignore --check": 2,
    "document --check": 0,
    "graph": 0,
    "schema": 0,
}
MAX_PROCESSES_OF_HOOKS = {
    "project": 2,
    "assets": 2,
    "lock": 2,
    "generated": 3,
    "outputs": 2,
    "all": 4,
}
# what one check needs and another does not, if there is nothing to report
NEEDLESS_IN_HOOKS = {
    "project": ("state.lock_check", "state.fetched_assets", "generate.registry"),
    "assets": ("state.lock_check", "project.script_line", "generate.registry"),
    "lock": ("check.lock_hints", "project.script_line", "generate.registry"),
    "outputs": ("check.checks", "project.loader", "state.project_view"),  # nothing is staged
}
MEASURING_CODE = """
import gc, json, os, sys
opened = set()
# files are opened relative to the descriptor of their folder: find the full path
real_open, paths = os.open, {}
def recording_open(path, flags, *more, dir_fd=None):
    descriptor = real_open(path, flags, *more, dir_fd=dir_fd)
    paths[descriptor] = os.path.join(paths.get(dir_fd, os.getcwd()), os.fsdecode(path))
    if not flags & os.O_DIRECTORY:
        opened.add(paths[descriptor])
    return descriptor
os.open = recording_open
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
    collections = sum(generation["collections"] for generation in gc.get_stats())
    json.dump([code, sorted(sys.modules), sorted(opened), collections], report)
"""


class Cost(NamedTuple):
    """The modules that a command imported, its git processes, the files that it opened, and how
    often Python looked for garbage."""

    modules: set[str]
    processes: list[str]
    opened: set[str]
    collections: int


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Create a project in a repository, run and commit all of it, and make its files look old."""

    root = two_steps(tmp_path / "p")
    git(root, "init", "-q")
    write(root, {f"scripts/more/{number}.py": "" for number in range(30)})
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("[scripts/write.py]", "[scripts]"))
    for arguments in (("ignore",), ("document",)):
        assert process(*arguments, cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "begin")
    assert process("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")
    for path in (root / "scripts").rglob("*"):
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    assert process("status", cwd=root).code == 0  # fills the caches
    return root


def measure(program: str, arguments: str, folder: Path) -> Cost:
    """Run a command, which must succeed, and return what it cost."""

    tools = folder.parent / "tools"
    log, report = tools / "log", tools / "report"
    write(
        tools, {"bin/git*": f"#!/bin/sh\necho \"$*\" >> '{log}'\nexec '{GIT}' \"$@\"\n", "log": ""}
    )
    environ = {
        **os.environ,
        "PATH": f"{tools / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path]),
        "REPORT": str(report),
    }
    argv = json.dumps([program, *arguments.split()])
    subprocess.run(
        (sys.executable, "-S", "-c", MEASURING_CODE, argv),
        cwd=folder, env=environ, check=True, capture_output=True,
    )  # fmt: skip
    code, modules, opened, collections = json.loads(report.read_text())
    assert code == 0
    return Cost(set(modules), log.read_text().splitlines(), set(opened), collections)


def test_commands_import_nothing_heavy_and_start_few_git_processes(root: Path) -> None:
    costs = {command: measure("git-spacy", command, root) for command in MAX_PROCESSES}
    heavy = {command: cost.modules & HEAVY for command, cost in costs.items()}
    assert {command: modules for command, modules in heavy.items() if modules} == {}
    often = ("status", "check", "check --staged", "--version")
    slow = {command: costs[command].modules & SLOW for command in often}
    slow |= {name: costs[name].modules & {"click"} for name in WITHOUT_CLICK}
    assert {command: modules for command, modules in slow.items() if modules} == {}
    too_many = {
        command: cost.processes
        for command, cost in costs.items()
        if len(cost.processes) > MAX_PROCESSES[command]
    }
    assert too_many == {}
    without = {command for command, cost in costs.items() if "subprocess" not in cost.modules}
    assert without >= {command for command, maximum in MAX_PROCESSES.items() if maximum == 0}
    assert not costs["run all"].modules & ONLY_IF_A_SCRIPT_RUNS
    with_openssl = {name for name, cost in costs.items() if "_hashlib" in cost.modules}
    assert with_openssl.isdisjoint(("status", "run", "run all", "run all --dry"))
    assert max(costs[name].collections for name in ("status", "run all", "check")) < 15


def test_log_and_show_load_neither_openssl_nor_what_only_builds_the_index(root: Path) -> None:
    costs = {
        command: measure("git-spacy", command, root) for command in ("log", "log --all", "show")
    }
    unwanted = {"_hashlib", "array", "difflib", "calendar", "textwrap"}
    imported = {command: sorted(cost.modules & unwanted) for command, cost in costs.items()}
    assert imported == {"log": ["_hashlib", "array", "calendar"], "log --all": [], "show": []}


def test_hooks_do_not_even_import_click_and_start_few_git_processes(root: Path) -> None:
    costs = {check: measure("git-spacy-hook", check, root) for check in MAX_PROCESSES_OF_HOOKS}
    unwanted = HEAVY | SLOW
    imported = {check: cost.modules & unwanted for check, cost in costs.items()}
    assert {check: modules for check, modules in imported.items() if modules} == {}
    needless = {
        check: sorted(costs[check].modules & {f"git_spacy.{name}" for name in modules})
        for check, modules in NEEDLESS_IN_HOOKS.items()
    }
    assert not any(needless.values()), needless
    too_many = {
        check: cost.processes
        for check, cost in costs.items()
        if len(cost.processes) > MAX_PROCESSES_OF_HOOKS[check]
    }
    assert too_many == {}


def test_the_hook_of_a_project_that_has_not_run_yet_does_not_import_yaml_either(root: Path) -> None:
    git(root, "rm", "-q", "--cached", "project.lock")
    assert not measure("git-spacy-hook", "lock", root).modules & SLOW


@pytest.mark.parametrize("command", ["run all", "status"])
def test_no_data_is_opened_if_nothing_changed(root: Path, command: str) -> None:
    opened = measure("git-spacy", command, root).opened
    inside = {
        os.path.relpath(os.path.join(root, name), root)
        for name in opened
        if os.path.realpath(os.path.join(root, name)).startswith(os.path.realpath(root) + os.sep)
    }
    files = {name for name in inside if (root / name).is_file()}
    project_files = {name for name in files if not name.startswith(".git/")}
    assert project_files == {"project.yml", "project.lock"}


def test_only_a_touched_file_is_hashed_again(root: Path) -> None:
    os.utime(root / "scripts/copy.py")
    opened = measure("git-spacy", "status", root).opened
    assert str(root / "corpus/words.txt") not in opened
    assert str(root / "scripts/copy.py") in opened


def chain(folder: Path, commands: int) -> Path:
    """Create a committed project of `commands` commands, each of which depends on the last."""

    text = "commands:\n" + "".join(
        f"- {{name: c{number}, script: [cp f{number} f{number + 1}], "
        f"deps: [f{number}], outputs: [f{number + 1}]}}\n"
        for number in range(commands)
    )
    all_names = ", ".join(f"c{number}" for number in range(commands))
    write(folder, {"project.yml": f"{text}workflows: {{all: [{all_names}]}}\n", "f0": "x"})
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "begin")
    return folder


def test_the_git_processes_of_a_run_grow_with_its_seconds_and_not_with_its_commands(
    tmp_path: Path,
) -> None:
    folder = chain(tmp_path / "p", 40)
    start = time.monotonic()
    processes = measure("git-spacy", "run all", folder).processes
    seconds = time.monotonic() - start
    assert len(processes) <= 16 + 12 * seconds
    assert len(processes) < 40 or seconds > 2, processes
    recorded = json.loads(process("log", "--json", cwd=folder).out)
    assert sum(len(commit["runs"]) for commit in recorded) == 40


def test_a_long_workflow_parses_its_lock_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spacy: Spacy
) -> None:
    folder = chain(tmp_path / "p", 30)
    assert spacy("run", "all", cwd=folder).code == 0
    parsed = []
    parse = lock_format.parse
    monkeypatch.setattr(lock_format, "parse", lambda data: parsed.append(data) or parse(data))
    assert spacy("run", "all", cwd=folder).err.endswith("ran 0, skipped 30\n")
    assert len(parsed) == 1


def test_each_command_of_a_long_run_reads_the_lock_twice_and_writes_its_own_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spacy: Spacy
) -> None:
    """Once to judge it, and once, with others kept out, to write its entry."""

    calls: Counter[str] = Counter()

    def count(module: ModuleType, name: str) -> None:
        called = getattr(module, name)

        def counted(*arguments: Any) -> Any:
            calls[name] += 1
            return called(*arguments)

        monkeypatch.setattr(module, name, counted)

    for name in ("content", "parse", "text"):
        count(lock_format, name)
    count(lock_file, "write_beneath")
    of_runs = []
    for commands in (5, 15):
        calls.clear()
        folder = chain(tmp_path / f"p{commands}", commands)
        assert spacy("run", "all", cwd=folder).code == 0
        of_runs.append(Counter(calls))
    short, long = of_runs
    assert long - short == {"content": 20, "text": 10, "write_beneath": 10}
