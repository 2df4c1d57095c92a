"""Turn this project into a DVC project, step by step; a step that is already done is skipped.

    python scripts/dvc_setup.py repository
    python scripts/dvc_setup.py init
    python scripts/dvc_setup.py remote URL

By default, DVC sends usage reports and checks for newer versions of itself. This script turns both
off: in the environment for its own calls of DVC, and in .dvc/config for you and your team.
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

app = typer.Typer(help="Turn this project into a DVC project.", add_completion=False)


@app.command()
def repository() -> None:
    """Create a Git repository, unless the project is in one."""

    if git_top():
        print("already in a Git repository")
    else:
        run("git", "init", "--quiet")
        print("created a Git repository")


@app.command()
def init() -> None:
    """Initialize DVC without usage reports, unless it is initialized."""

    top = git_top()
    if top is None:
        sys.exit("error: not in a Git repository\nhint: git spacy run repository")
    if CONFIG.is_file():
        print("DVC is already initialized")
    else:
        # in a subfolder of a repository, DVC requires --subdir
        dvc("init", "--quiet", *(() if top.samefile(".") else ("--subdir",)))
        print("initialized DVC, which has staged its own files; nothing is committed")
    for name in ("analytics", "check_update"):
        if configured("core", name) is None:  # keep the team's own decision
            dvc("config", f"core.{name}", "false")


@app.command()
def remote(
    url: Annotated[str, typer.Argument(help="A folder, or s3://…, gs://…, ssh://…")],
) -> None:
    """Set DVC's remote. An existing remote with another address is an error."""

    current = configured(f"'remote \"{REMOTE}\"'", "url")
    if current is None:
        dvc("remote", "add", "--quiet", "--default", REMOTE, url)
        print(f"set remote '{REMOTE}' to {url}")
    elif is_same_address(current, url):
        print(f"remote '{REMOTE}' is already set to {url}")
    else:
        sys.exit(
            f"error: remote '{REMOTE}' is set to '{current}' in {CONFIG}, not to '{url}'\n"
            f"hint: python -m dvc remote modify {REMOTE} url '{url}', or change vars.remote"
        )


def git_top() -> Path | None:
    """Return the top folder of the Git repository, or None outside a repository."""

    command = ("git", "rev-parse", "--show-toplevel")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return Path(done.stdout.rstrip("\n")) if done.returncode == 0 else None


def configured(section: str, name: str) -> str | None:
    """Return a setting in the project's .dvc/config, or None."""

    settings = configparser.ConfigParser(interpolation=None)
    settings.read(CONFIG, encoding="utf-8")
    return settings.get(section, name, fallback=None)


def is_same_address(current: str, url: str) -> bool:
    """Return whether both are the same address. DVC stores folders relative to .dvc."""

    if "://" in current or "://" in url:
        return current == url
    return os.path.realpath(CONFIG.parent / current) == os.path.realpath(url)


def dvc(*arguments: str) -> None:
    """Run DVC."""

    run(sys.executable, "-m", "dvc", *arguments)


def run(*command: str) -> None:
    """Run a command; exit with its exit code if it fails."""

    done = subprocess.run(command, env={**os.environ, **NO_REPORTS}, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    app()
