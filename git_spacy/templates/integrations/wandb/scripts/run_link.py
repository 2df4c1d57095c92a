"""Link a run in Weights & Biases to the Git commit that it began on, and to the model it made.

`spacy train --code scripts/run_link.py` makes the logger "fashion.RunLink.v1" known. In
Weights & Biases, the run then has the commit as its group and among its tags, and in its config

    git.commit, git.uncommitted, git.project    what `git spacy show COMMIT` tells of
    model_md5                                   the model, by the md5 that is told there

Outside a repository, and before the first commit, there is the model alone.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from spacy import Language, registry

# Before wandb is imported: it would report its own failures to its makers, even when offline.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

Loggers = tuple[Callable[[dict[str, Any] | None], None], Callable[[], None]]


class Commit(NamedTuple):
    """Where a run began."""

    commit: str
    uncommitted: bool  # tracked files of the project differ from it
    project: str  # the project's folder in the repository, "" at the top


@registry.loggers("fashion.RunLink.v1")
def run_link() -> Callable[[Language, IO[str], IO[str]], Loggers]:
    """A logger for a chain, to stand before the one that begins and ends the run."""

    def setup(nlp: Language, _stdout: IO[str], _stderr: IO[str]) -> Loggers:
        found = commit()
        seed = nlp.config.interpolate()["training"]["seed"]
        os.environ.update(settings("train", found, f"seed {seed}"))
        last: dict[str, Any] = {}

        def log_step(info: dict[str, Any] | None) -> None:
            last.update(info or {})

        def finalize() -> None:
            import wandb

            if wandb.run is None or not last:
                return  # it failed before there was anything to link
            output = last.get("output_path")  # of model-last; none was asked for: no model
            model = Path(output).with_name("model-best") if output else None
            wandb.run.config.update(config(found, model))
            score, step = max(last["checkpoints"])
            wandb.run.summary.update({"best_score": score, "best_step": step})

        return log_step, finalize

    return setup


def commit() -> Commit | None:
    """The commit that is checked out here, or None."""

    head = _git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head is None:
        return None
    # a run changes these itself
    made = (":(exclude)project.lock", ":(exclude)metrics", ":(exclude).gitignore")
    changed = _git("diff", "--name-only", "HEAD", "--", ".", *made)
    return Commit(head, bool(changed), (_git("rev-parse", "--show-prefix") or "").rstrip("/"))


def _git(*arguments: str) -> str | None:
    """What Git prints, or None if it does not know."""

    try:
        done = subprocess.run(("git", *arguments), capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def settings(job: str, found: Commit | None, detail: str) -> dict[str, str]:
    """What Weights & Biases reads from the environment when a run begins."""

    short = found.commit[:7] if found else "no commit"
    tags = [short, *(["uncommitted"] if found and found.uncommitted else [])]
    return {
        "WANDB_JOB_TYPE": job,
        "WANDB_NAME": f"{job} {detail} {short}",
        "WANDB_RUN_GROUP": short,
        "WANDB_TAGS": ",".join(tags),
    }


def config(found: Commit | None, model: Path | None) -> dict[str, Any]:
    """What the config of a run says of where it began, and of the model if there is one."""

    linked = {"git": found._asdict()} if found else {}
    return {**linked, "model_md5": md5(model)} if model else linked


def md5(folder: Path) -> str:
    """The md5 of a folder as project.lock has it: of its files, one after the other."""

    digest = hashlib.md5(usedforsecurity=False)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()
