"""Write a training config that logs to Weights & Biases, too, and is otherwise the same.

python scripts/add_wandb.py CONFIG.cfg OUTPUT.cfg --project NAME

The logger is the whole section [training.logger], and spaCy's overrides (--training.logger.…)
can add settings to a section but take none away. So the section is put in another's place here,
and the config with everything else in it stays the one that there is.
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
    """Write CONFIG.cfg to OUTPUT.cfg with three loggers in the place of one."""

    config = Config().from_disk(source, interpolate=False)
    config["training"]["logger"] = {
        "@loggers": "spacy.ChainLogger.v1",
        "logger1": config["training"]["logger"],  # what it was: the table on the terminal
        # before the next: it names the run before that begins, and adds to it before that ends
        "logger2": {"@loggers": "fashion.RunLink.v1"},
        "logger3": {
            "@loggers": "spacy.WandbLogger.v5",
            "project_name": project,
            "log_custom_stats": ["^(epoch|step)"],  # a $ would mean a variable to older spaCys
        },
    }
    config.to_disk(target, interpolate=False)
    typer.echo(f"{target}: {source} with a logger for the project '{project}'")


if __name__ == "__main__":
    typer.run(main)
