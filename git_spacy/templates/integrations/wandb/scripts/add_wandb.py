"""Write a copy of a training config that also logs to Weights & Biases.

python scripts/add_wandb.py CONFIG.cfg OUTPUT.cfg --project NAME

Only the section [training.logger] is replaced. This cannot be done with spaCy's overrides
(--training.logger.…), which can add settings to a section but not remove any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from thinc.api import Config


def main(
    source: Annotated[Path, typer.Argument(metavar="CONFIG.cfg", exists=True, dir_okay=False)],
    target: Annotated[Path, typer.Argument(metavar="OUTPUT.cfg")],
    project: Annotated[str, typer.Option(help="The project in Weights & Biases.")],
) -> None:
    """Write CONFIG.cfg to OUTPUT.cfg with a chain of three loggers instead of one."""

    config = Config().from_disk(source, interpolate=False)
    config["training"]["logger"] = {
        "@loggers": "spacy.ChainLogger.v1",
        "logger1": config["training"]["logger"],  # the original one: the table on the terminal
        # before WandbLogger: it names the run before that starts, and completes it before that ends
        "logger2": {"@loggers": "git_spacy.RunLink.v1"},
        "logger3": {
            "@loggers": "spacy.WandbLogger.v5",
            "project_name": project,
            "log_custom_stats": [
                "^(epoch|step)"
            ],  # older versions of spaCy interpret a $ as a variable
        },
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    config.to_disk(target, interpolate=False)
    typer.echo(f"{target}: {source} with a logger for the project '{project}'")


if __name__ == "__main__":
    typer.run(main)
