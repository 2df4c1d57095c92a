"""Log the scores of a model to Weights & Biases, as the summary of a separate run.

python scripts/log_scores.py METRICS.json MODEL --project NAME

Both this run and the run that trained the model have the MD5 of the model in their config, which
links them. (Scores cannot be added to the finished training run offline.) In a sweep, WANDB_RUN_ID
names the training run, which they are added to.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from run_link import current_commit, report_run, run_config, run_settings


def main(
    metrics: Annotated[Path, typer.Argument(metavar="METRICS.json", exists=True, dir_okay=False)],
    model: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    project: Annotated[str, typer.Option(help="The project in Weights & Biases.")],
) -> None:
    """Log METRICS.json as the scores of MODEL."""

    commit = current_commit()
    config = run_config(commit, model)
    os.environ.update(run_settings("evaluate", commit, config["model_md5"][:7]))

    import wandb  # after run_link, which sets WANDB_ERROR_REPORTING

    # WANDB_RUN_ID may name the training, whose summary then has these scores as well
    with wandb.init(project=project, config=config, resume="allow") as run:
        report_run(run)
        run.summary.update(dict(numbers(json.loads(metrics.read_text(encoding="utf-8")))))


def numbers(scores: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """Yield the scores with their dotted names, e.g. ents_per_type.FASHION_BRAND.f."""

    for name, value in scores.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


if __name__ == "__main__":
    typer.run(main)
