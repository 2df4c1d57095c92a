"""Log the scores of a model to Weights & Biases, as the summary of a run of their own.

python scripts/log_scores.py METRICS.json MODEL --project NAME

The run has the md5 of the model in its config, and so has the run that trained it: that is how
the two find each other. (A run that has ended is continued on the server only; this works offline.)
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from run_link import commit, config, settings


def main(
    metrics: Annotated[Path, typer.Argument(metavar="METRICS.json", exists=True, dir_okay=False)],
    model: Annotated[Path, typer.Argument(exists=True, file_okay=False)],
    project: Annotated[str, typer.Option(help="The project in Weights & Biases.")],
) -> None:
    """Log METRICS.json as the scores of MODEL."""

    found = commit()
    linked = config(found, model)
    os.environ.update(settings("evaluate", found, linked["model_md5"][:7]))

    import wandb  # after run_link: see there

    with wandb.init(project=project, config=linked) as run:
        run.summary.update(dict(numbers(json.loads(metrics.read_text(encoding="utf-8")))))


def numbers(scores: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The scores by their dotted names: ents_per_type.FASHION_BRAND.f."""

    for name, value in scores.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


if __name__ == "__main__":
    typer.run(main)
