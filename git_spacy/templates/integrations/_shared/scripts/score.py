"""Score a trained pipeline, and list the brands that it overlooked.

python scripts/score.py MODEL CORPUS OUTPUT [--least SCORE]

The command line is defined with typer, which validates the arguments and provides --help. In
project.yml, variables are passed as options: `--least ${vars.least_score}`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import spacy
import typer
from spacy.scorer import Scorer
from spacy.tokens import DocBin
from spacy.training import Example


def main(
    model: Annotated[Path, typer.Argument(exists=True, help="A trained pipeline.")],
    corpus: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .spacy file.")],
    output: Annotated[Path, typer.Argument(help="The JSON file to write.")],
    least: Annotated[float, typer.Option(min=0.0, max=1.0, help="Fail below this F-score.")] = 0.0,
) -> None:
    """Score MODEL on CORPUS and write OUTPUT."""

    nlp = spacy.load(model)
    gold = list(DocBin().from_disk(corpus).get_docs(nlp.vocab))
    guesses = nlp.pipe(doc.text for doc in gold)
    examples = [Example(guess, doc) for guess, doc in zip(guesses, gold, strict=True)]
    scores = Scorer.score_spans(examples, "ents")
    overlooked = [
        {"text": example.reference.text, "brand": entity.text}
        for example in examples
        for entity in example.reference.ents
        if entity.text not in {predicted.text for predicted in example.predicted.ents}
    ]
    report = {"ents_f": scores["ents_f"], "comments": len(gold), "overlooked": len(overlooked)}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**report, "examples": overlooked[:20]}, indent=2) + "\n")
    typer.echo(f"F-score {scores['ents_f']:.3f}; {len(overlooked)} brands overlooked: {output}")
    if scores["ents_f"] < least:
        typer.secho(f"error: the F-score is below {least}", err=True, fg="red")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
