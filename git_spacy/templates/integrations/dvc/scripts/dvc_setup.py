"""Make a DVC project of this one, step by step; each step leaves alone what is there already.

    python scripts/dvc_setup.py repository
    python scripts/dvc_setup.py init
    python scripts/dvc_setup.py remote URL

DVC reports how it is used, and looks for newer versions of itself, unless told not to. Here it is
told before it first runs, and .dvc/config tells it, and your team's, from then on.
"""

from __future__ import annotations

import configparser
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

CONFIG = Path(".dvc/config")
REMOTE = "storage"
NO_REPORTS = {"DVC_NO_ANALYTICS": "1"}

app = typer.Typer(help="Make a DVC project of this one.", add_completion=False)


@app.command()
def repository() -> None:
    """Make a Git repository, unless the project is in one."""

    if git_top():
        print("in a Git repository already")
    else:
        run("git", "init", "--quiet")
        print("made a Git repository")


@app.command()
def init() -> None:
    """Make a DVC project that reports nothing, unless it is one."""

    top = git_top()
    if top is None:
        sys.exit("error: not in a Git repository\nhint: git spacy run repository")
    if CONFIG.is_file():
        print("a DVC project already")
    else:
        # below the top of a larger repository, DVC wants to be told that this is meant
        dvc("init", "--quiet", *(() if top.samefile(".") else ("--subdir",)))
        print("made a DVC project; DVC has staged its own files, and nothing is committed")
    for name in ("analytics", "check_update"):
        if configured("core", name) is None:  # a team may have decided otherwise
            dvc("config", f"core.{name}", "false")


@app.command()
def remote(
    url: Annotated[str, typer.Argument(help="A folder, or s3://…, gs://…, ssh://…")],
) -> None:
    """Tell DVC where to push to. What somebody has set to another place is not changed."""

    known = configured(f"'remote \"{REMOTE}\"'", "url")
    if known is None:
        dvc("remote", "add", "--quiet", "--default", REMOTE, url)
        print(f"'{REMOTE}' is {url}")
    elif is_same_place(known, url):
        print(f"'{REMOTE}' is {url} already")
    else:
        sys.exit(
            f"error: '{REMOTE}' is '{known}' in {CONFIG}, and not '{url}'\n"
            f"hint: python -m dvc remote modify {REMOTE} url '{url}', or change vars.remote"
        )


def git_top() -> Path | None:
    """The top folder of the Git repository that this folder is in, if it is in one."""

    command = ("git", "rev-parse", "--show-toplevel")
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return Path(found.stdout.rstrip("\n")) if found.returncode == 0 else None


def configured(section: str, name: str) -> str | None:
    """What the project's DVC settings have there."""

    settings = configparser.ConfigParser(interpolation=None)
    settings.read(CONFIG, encoding="utf-8")
    return settings.get(section, name, fallback=None)


def is_same_place(known: str, url: str) -> bool:
    """Whether both are one address. DVC keeps a folder as seen from .dvc."""

    if "://" in known or "://" in url:
        return known == url
    return os.path.realpath(CONFIG.parent / known) == os.path.realpath(url)


def dvc(*arguments: str) -> None:
    """Run DVC."""

    run(sys.executable, "-m", "dvc", *arguments)


def run(*command: str) -> None:
    """Run a command; end as it does if it fails."""

    done = subprocess.run(command, env={**os.environ, **NO_REPORTS}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    app()
