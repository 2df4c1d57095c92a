"""Write spaCy's scores per type as a list, for DVC's plots, and remove the speed from the others.

    python scripts/per_type.py metrics/metrics.json metrics/per-type.json

The speed depends on what else the machine does, so that it is not a score of the model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

PER_TYPE = "_per_type"


def main(
    scores: Annotated[Path, typer.Argument(help="The output of 'spacy evaluate'; it is changed.")],
    output: Annotated[Path, typer.Argument(help="Where to write the scores per type.")],
) -> None:
    """Write the scores per type of SCORES to OUTPUT, and remove the speed from SCORES."""

    found = json.loads(scores.read_text(encoding="utf-8"))
    found.pop("speed", None)
    rows = [
        {"of": name.removesuffix(PER_TYPE), "type": label, **values}
        for name, table in found.items()
        if name.endswith(PER_TYPE) and isinstance(table, dict)
        for label, values in sorted(table.items())
    ]
    write(scores, found)
    write(output, rows)


def write(path: Path, value: object) -> None:
    """Write a value as JSON."""

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
