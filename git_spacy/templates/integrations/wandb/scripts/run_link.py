"""Link a run in Weights & Biases to its Git commit, its data and the model it produced.

`spacy train --code scripts/run_link.py` registers the logger "git_spacy.RunLink.v1". In Weights &
Biases, the commit is then the group and a tag of the run, and its config contains

    git.commit, git.uncommitted, git.project    the commit, for `git spacy show COMMIT`
    git_spacy.time                              the start of the run in `git spacy show`
    model_md5                                   the MD5 of the model, as `git spacy show` prints it

In return, `git spacy show` prints the id of the run in Weights & Biases. The summary has the scores
of the model that is kept, which is not that of the last step. The corpora and the model are
artifacts whose metadata has the MD5 in project.lock; WANDB_LOG_MODEL=false leaves out the model.

Runs are offline unless WANDB_MODE or the settings of `wandb online` say otherwise. A sweep's agent
is online. RUN_LINK_CODE is other code to import: `spacy train` has only one --code.

Outside a repository and before the first commit, the config contains no commit.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

from spacy import Language, registry
from spacy.util import import_file

# Set before wandb is imported, which otherwise sends error reports even in offline mode.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
if "WANDB_SWEEP_ID" not in os.environ and not Path("wandb/settings").exists():
    os.environ.setdefault("WANDB_MODE", "offline")
if other_code := os.environ.get("RUN_LINK_CODE"):
    import_file("python_code", other_code)

Loggers = tuple[Callable[[dict[str, Any] | None], None], Callable[[], None]]


class Commit(NamedTuple):
    """The commit of a run."""

    commit: str
    uncommitted: bool  # whether tracked files of the project differ from it
    project: str  # the project's folder in the repository; "" is the top folder


@registry.loggers("git_spacy.RunLink.v1")
def run_link() -> Callable[[Language, IO[str], IO[str]], Loggers]:
    """Create a logger for a chain; it must precede the logger that starts and finishes the run."""

    def setup(nlp: Language, _stdout: IO[str], _stderr: IO[str]) -> Loggers:
        commit = current_commit()
        config = nlp.config.interpolate()
        os.environ.update(run_settings("train", commit, f"seed {config['training']['seed']}"))
        rows: dict[int, dict[str, Any]] = {}  # step → what is logged of it
        last: dict[str, Any] = {}

        def log_step(info: dict[str, Any] | None) -> None:
            import wandb

            if not last and wandb.run is not None:
                report_run(wandb.run)
            last.update(info or {"step": 0})
            if info:
                rows[info["step"]] = logged_values(info)

        def finalize() -> None:
            import wandb

            if wandb.run is None or not rows:
                return  # the training failed before its first step
            output = last.get("output_path")  # the path of model-last; None without --output
            model = Path(output).with_name("model-best") if output else None
            link = run_config(commit, model)
            wandb.run.config.update(link)
            score, step = max(last["checkpoints"])
            wandb.run.summary.update({**rows[step], "best_score": score, "best_step": step})
            log_corpora(wandb.run, config["paths"])
            if model and os.environ.get("WANDB_LOG_MODEL", "").lower() not in ("false", "0"):
                metadata = {"md5": link["model_md5"], "score": score, **link.get("git", {})}
                log_artifact(wandb.run, "model", model, metadata)

        return log_step, finalize

    return setup


def logged_values(info: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a step, with the names that spaCy's logger gives them."""

    losses = {f"loss_{name}": loss for name, loss in info["losses"].items()}
    scores = {name: score for name, score in info["other_scores"].items() if score is not None}
    stats = {name: info[name] for name in ("epoch", "step", "score")}
    return {**losses, **scores, **stats}


def log_corpora(run: Any, paths: dict[str, Any]) -> None:
    """Log the corpora of a training as artifacts, so that a run names its data."""

    for name in ("train", "dev"):
        path = Path(paths.get(name) or "")
        if path.is_file():
            md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            log_artifact(run, name, path, {"md5": md5, "path": path.as_posix()}, kind="dataset")


def log_artifact(
    run: Any, name: str, path: Path, metadata: dict[str, Any], kind: str = "model"
) -> None:
    """Log a file or a folder as an artifact: a model of the run, or a dataset that it uses."""

    import wandb

    artifact = wandb.Artifact(f"{run.project}-{name}", type=kind, metadata=metadata)
    if path.is_dir():
        artifact.add_dir(str(path))
    elif path.is_file():
        artifact.add_file(str(path))
    else:
        return
    if kind == "dataset" and not run.offline:
        run.use_artifact(artifact)
    else:  # offline, Weights & Biases cannot use artifacts
        run.log_artifact(artifact)


def report_run(run: Any) -> None:
    """Let `git spacy run` record the id of the run, if that started the script."""

    if file := os.environ.get("GIT_SPACY_LINKS"):
        names = (run.entity, run.project, run.id)
        with open(file, "a", encoding="utf-8") as links:
            links.write(f"wandb {'/'.join(filter(None, names))}\n")


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
    if time := os.environ.get("GIT_SPACY_TIME"):
        config["git_spacy"] = {"time": time}
    return {**config, "model_md5": folder_md5(model)} if model else config


def folder_md5(folder: Path) -> str:
    """Return the MD5 of a folder as in project.lock: the contents of its files, concatenated in
    the order of their paths."""

    digest = hashlib.md5(usedforsecurity=False)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()
