"""The sealed world in which every test runs, with a home, Git settings and an identity of its own.

No test sees the developer's settings, proxies or repositories, and none can write to the real
home: that raises, wherever in this process it is tried.
"""

from __future__ import annotations

import os
import pwd
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

_REAL_HOME = os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir)
_CHECKOUT = Path(__file__).resolve().parent.parent
# What a developer may well keep below the home, and what tests rightly write to.
_EXEMPT = tuple(
    os.path.realpath(path) + os.sep
    for path in (_CHECKOUT, tempfile.gettempdir(), sys.prefix, sys.base_prefix)
)
_FOREIGN = ("GIT_", "XDG_", "SSH_", "SPACY_", "PRE_COMMIT", "EMAIL", "EDITOR", "VISUAL", "CDPATH")
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_CHANGES = {"os.mkdir": 1, "os.remove": 1, "os.rmdir": 1, "os.rename": 2, "os.link": 2}


def _guard(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path, _mode, flags = args
        paths = [path] if isinstance(flags, int) and flags & _WRITING else []
    elif event == "os.symlink":
        paths = [args[1]]
    elif event in _CHANGES:
        paths = list(args[: _CHANGES[event]])
    else:
        return
    for path in paths:
        if not isinstance(path, str | bytes | os.PathLike):
            continue
        full = os.path.abspath(os.fsdecode(path)) + os.sep
        if full.startswith(_REAL_HOME + os.sep) and not full.startswith(_EXEMPT):
            raise AssertionError(f"a test writes to the real home: {event} {full}")


sys.addaudithook(_guard)


@pytest.fixture(autouse=True)
def sealed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fresh home; the current folder is an empty one outside of any repository."""

    world = tmp_path_factory.mktemp("world")
    home = world / "home"
    work = world / "work"
    home.mkdir()
    work.mkdir()
    for name in os.environ:
        if name.startswith(_FOREIGN) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    settings = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(world),
        "GIT_AUTHOR_NAME": "A U Thor",
        "GIT_AUTHOR_EMAIL": "author@example.com",
        "GIT_AUTHOR_DATE": "1700000000 +0000",
        "GIT_COMMITTER_NAME": "C O Mitter",
        "GIT_COMMITTER_EMAIL": "committer@example.com",
        "GIT_COMMITTER_DATE": "1700000000 +0000",
        "GIT_EDITOR": "false",
        "GIT_TERMINAL_PROMPT": "0",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "100",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "no_proxy": "*",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    (home / ".gitconfig").write_text("[init]\n\tdefaultBranch = main\n")
    monkeypatch.chdir(work)
    return home


@pytest.fixture
def no_git(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH without git; what is in the folder that is returned is all there is."""

    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    return folder
