"""Isolation of the tests: none sees the user's home, Git configuration, editor, time zone or proxies,
and none leaves files behind."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from git_spacy import interrupts
from tests.testing.examples import examples
from tests.testing.git_server import GitServer
from tests.testing.projects import CopyOf, Spacy
from tests.testing.repositories import git

REAL_HOME = Path(os.path.expanduser("~"))
# Folders that tests may write to even where a developer has them below the home.
WRITABLE = tuple(
    os.path.realpath(path) + os.sep
    for path in (
        Path(__file__).parent.parent, tempfile.gettempdir(), sys.prefix, sys.base_prefix,
    )
)  # fmt: skip
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
PATH_ARGUMENTS = {"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.link": 2}
# No deadline: test machines are slow and busy at times. CI uses the same examples in each run, so that
# a failure is due to the change under test; everywhere else the examples are new.
settings.register_profile(
    "git-spacy",
    deadline=None,
    max_examples=examples(100),
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("git-spacy")

# A shell ignores Ctrl-C in its background jobs, and their child processes inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

KEPT_VARIABLES = ("PATH", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV")


def guard_home(event: str, args: tuple[Any, ...]) -> None:
    """Fail any write to the real home by this process: an audit hook."""

    if event == "open":
        path, _mode, flags = args
        paths = [path] if isinstance(flags, int) and flags & WRITE_FLAGS else []
    elif event == "os.symlink":
        paths = [args[1]]
    elif event in PATH_ARGUMENTS:
        paths = list(args[: PATH_ARGUMENTS[event]])
    else:
        return
    for path in paths:
        if isinstance(path, str | bytes | os.PathLike):
            full = os.path.abspath(os.fsdecode(path)) + os.sep
            if full.startswith(str(REAL_HOME) + os.sep) and not full.startswith(WRITABLE):
                raise AssertionError(f"a test writes to the real home: {event} {full}")


sys.addaudithook(guard_home)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Start each worker with slow modules, so that no worker ends with one while the others idle.

    `--dist worksteal` gives each worker an equal and contiguous part of the tests.
    """

    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    modules: dict[str, list[pytest.Item]] = {}
    for item in items:
        modules.setdefault(item.nodeid.partition("::")[0], []).append(item)
    slow, quick = [], []
    for module in modules.values():
        is_slow = any(item.get_closest_marker("slow") for item in module)
        (slow if is_slow else quick).append(module)
    parts: list[list[pytest.Item]] = [
        [item for module in slow[number::count] for item in module] for number in range(count)
    ]
    size = len(items) / count
    number = 0
    for module in quick:
        while number < count - 1 and len(parts[number]) >= size:
            number += 1
        parts[number].extend(module)
    items[:] = [item for part in parts for item in part]


# After a commit, Git would start a process to see whether there is something to tidy up.
GIT_CONFIG = """\
[user]
	name = A U Thor
	email = author@example.com
[init]
	defaultBranch = main
	templateDir = {template}
[gc]
	auto = 0
[maintenance]
	auto = false
"""


@pytest.fixture(scope="session")
def git_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Git's template of a repository, without the 14 examples of hooks."""

    folder = tmp_path_factory.mktemp("template")
    (folder / "hooks").mkdir()
    (folder / "info").mkdir()
    (folder / "info/exclude").write_text("# no patterns\n")
    return folder


@pytest.fixture(scope="session", autouse=True)
def git_config(tmp_path_factory: pytest.TempPathFactory, git_template: Path) -> Iterator[None]:
    """Give fixtures of modules, which come before `sealed`, an identity for Git, and nothing of the
    user's configuration."""

    config = tmp_path_factory.mktemp("git") / "config"
    config.write_text(GIT_CONFIG.format(template=git_template))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_CONFIG_GLOBAL", str(config))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        yield


@pytest.fixture(autouse=True)
def sealed(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, git_template: Path
) -> Path:
    """Give each test its own home, which has an identity for Git and nothing else."""

    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name not in KEPT_VARIABLES and not name.startswith(
            ("PYTEST_", "COV", "GIT_SPACY_TEST_")
        ):
            monkeypatch.delenv(name)
    for name, value in {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_EDITOR": "false",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_TEST_FSYNC": "0",  # keeps Git from waiting for the disk
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "NO_COLOR": "1",
        "COLUMNS": "80",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    monkeypatch.setattr(interrupts, "_state", interrupts._State())  # no signal has arrived
    (home / ".gitconfig").write_text(GIT_CONFIG.format(template=git_template))
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def copy_of(tmp_path_factory: pytest.TempPathFactory, sealed: Path) -> CopyOf:
    """Return a function that creates a folder as `build` does, by copying what it built once.

    What is built must not contain its own path.
    """

    def copy(build: Callable[[Path], object], folder: Path) -> Path:
        name = f"{build.__module__}.{build.__qualname__}"
        original = tmp_path_factory.getbasetemp() / "built" / name
        if not original.exists():
            unfinished = tmp_path_factory.mktemp("unfinished")
            build(unfinished)
            original.parent.mkdir(exist_ok=True)
            unfinished.rename(original)
        shutil.copytree(original, folder, symlinks=True)
        if (folder / ".git").exists():
            git(folder, "update-index", "-q", "--refresh")  # the copies are other inodes
        return folder

    return copy


@pytest.fixture
def git_server(tmp_path: Path) -> Iterator[GitServer]:
    """Start a real smart-HTTP server for the repositories under `tmp_path/served`."""

    (tmp_path / "served").mkdir(exist_ok=True)
    with GitServer(tmp_path / "served") as server:
        yield server


@pytest.fixture
def no_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set PATH to an empty folder, so that git is not found, and return the folder."""

    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on another file system than `tmp_path`, which may be in memory or on a disk."""

    ours = tmp_path.stat().st_dev
    for parent in map(Path, ("/dev/shm", "/tmp", "/var/tmp")):
        if os.access(parent, os.W_OK) and parent.stat().st_dev != ours:
            with tempfile.TemporaryDirectory(dir=parent) as folder:
                yield Path(os.path.realpath(folder))
            return
    pytest.skip("there is no other file system")


@pytest.fixture(params=["git", "dulwich"])
def backend(request: pytest.FixtureRequest) -> str:
    """Run a test with the git program, and once more without it (with dulwich)."""

    if request.param == "dulwich":
        request.getfixturevalue("no_git")
    return str(request.param)


@pytest.fixture
def spacy(capfd: pytest.CaptureFixture[str]) -> Spacy:
    """Return a function that runs `git spacy` in this process."""

    return Spacy(capfd)
