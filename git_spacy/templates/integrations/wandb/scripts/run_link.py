"""Link a run in Weights & Biases to its Git commit and to the model it produced.

`spacy train --code scripts/run_link.py` registers the logger "fashion.RunLink.v1". In Weights &
Biases, the commit is then the group and a tag of the run, and its config contains

    git.commit, git.uncommitted, git.project    the commit, for `git spacy show COMMIT`
    model_md5                                   the MD5 of the model, as `git spacy show` prints it

Outside a repository and before the first commit, the config only contains model_md5.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from spacy import Language, registry

# Set before wandb is imported, which otherwise sends error reports even in offline mode.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

Loggers = tuple[Callable[[dict[str, Any] | None], None], Callable[[], None]]


class Commit(NamedTuple):
    """The commit of a run."""

    commit: str
    uncommitted: bool  # whether tracked files of the project differ from it
    project: str  # the project's folder in the repository; "" is the top folder


@registry.loggers("fashion.RunLink.v1")
def run_link() -> Callable[[Language, IO[str], IO[str]], Loggers]:
    """Create a logger for a chain; it must precede the logger that starts and finishes the run."""

    def setup(nlp: Language, _stdout: IO[str], _stderr: IO[str]) -> Loggers:
        commit = current_commit()
        seed = nlp.config.interpolate()["training"]["seed"]
        os.environ.update(run_settings("train", commit, f"seed {seed}"))
        last: dict[str, Any] = {}

        def log_step(info: dict[str, Any] | None) -> None:
            last.update(info or {})

        def finalize() -> None:
            import wandb

            if wandb.run is None or not last:
                return  # the training failed before its first step
            output = last.get("output_path")  # the path of model-last; None without --output
            model = Path(output).with_name("model-best") if output else None
            wandb.run.config.update(run_config(commit, model))
            score, step = max(last["checkpoints"])
            wandb.run.summary.update({"best_score": score, "best_step": step})

        return log_step, finalize

    return setup


def current_commit() -> Commit | None:
    """Return the commit that is checked out, or None."""

    head = _git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head is None:
        return None
    # these files are changed by the run itself
    excluded = (":(exclude)project.lock", ":(exclude)metrics", ":(exclude).gitignore")
    changed = _git("diff", "--name-only", "HEAD", "--", ".", *excluded)
    return Commit(head, bool(changed), (_git("rev-parse", "--show-prefix") or "").rstrip("/"))


def _git(*arguments: str) -> str | None:
    """Return the output of a Git command, or None if it fails."""

    try:
        done = subprocess.run(("git", *arguments), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def run_settings(job: str, commit: Commit | None, detail: str) -> dict[str, str]:
    """Return the environment variables that Weights & Biases reads when a run starts."""

    short = commit.commit[:7] if commit else "no commit"
    tags = [short, *(["uncommitted"] if commit and commit.uncommitted else [])]
    return {
        "WANDB_JOB_TYPE": job,
        "WANDB_NAME": f"{job} {detail} {short}",
        "WANDB_RUN_GROUP": short,
        "WANDB_TAGS": ",".join(tags),
    }


def run_config(commit: Commit | None, model: Path | None) -> dict[str, Any]:
    """Return the config entries that link a run to its commit and its model."""

    config: dict[str, Any] = {"git": commit._asdict()} if commit else {}
    return {**config, "model_md5": folder_md5(model)} if model else config


def folder_md5(folder: Path) -> str:
    """Return the MD5 of a folder as in project.lock: the contents of its files, concatenated in
    the order of their paths."""

    digest = hashlib.md5(usedforsecurity=False)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()
