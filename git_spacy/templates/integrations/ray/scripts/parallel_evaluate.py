"""Evaluate a trained pipeline with Ray, with the corpus split into shards, one task each.

    python scripts/parallel_evaluate.py MODEL CORPUS OUTPUT [--shards 4] [--address auto]

Only the predictions are computed in parallel, since they take the most time. They are then merged
and scored in the same way as by `spacy evaluate`, so the scores do not depend on the number of
shards; F-scores of shards could not be averaged. (The speed is not written, since it varies.)

The model and the documents are sent to the workers, which need spaCy but no files of the project.
"""

from __future__ import annotations

import logging
import os
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import spacy
import srsly
import typer
from spacy import util
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.tokens import Doc, DocBin
from spacy.training import Corpus

# Turn off usage statistics; Ray reads the variable when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray


def main(
    model: Annotated[Path, typer.Argument(exists=True, help="A trained pipeline.")],
    corpus: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .spacy file.")],
    output: Annotated[Path, typer.Argument(help="The JSON file to write.")],
    shards: Annotated[int, typer.Option(min=1, help="The number of tasks.")] = 4,
    address: Annotated[
        str, typer.Option(help="A Ray cluster: HOST:6379 or auto; local starts one.")
    ] = "local",
) -> None:
    """Score MODEL on CORPUS and write OUTPUT."""

    nlp = spacy.load(model)
    examples = list(Corpus(corpus)(nlp))
    shards = min(shards, len(examples)) or 1
    connect(address)
    try:
        docs = predict_all(nlp, [example.predicted for example in examples], shards)
    finally:
        ray.shutdown()
    for example, doc in zip(examples, docs, strict=True):
        example.predicted = doc
    scores = Scorer(nlp).score(examples)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, {name: score for name, score in scores.items() if score is not None})
    typer.echo(f"{len(docs)} comments in {shards} shards: {output}")
    for name in ("ents_p", "ents_r", "ents_f"):
        typer.echo(f"{name}  {scores[name]:.4f}")


def connect(address: str) -> None:
    """Connect to the cluster at `address`, or start a local one."""

    options = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except ConnectionError as error:
        typer.secho(f"error: cannot connect to Ray at '{address}': {error}", err=True, fg="red")
        raise typer.Exit(1) from None


def predict_all(nlp: Language, docs: list[Doc], shards: int) -> list[Doc]:
    """Return the docs with the predictions of the pipeline, in order."""

    bounds = [len(docs) * number // shards for number in range(shards + 1)]
    pipeline = ray.put((nlp.config.to_str(), nlp.to_bytes()))  # once, for all tasks
    tasks = [
        ray.remote(predict).remote(pipeline, DocBin(docs=docs[start:end]).to_bytes())
        for start, end in pairwise(bounds)
    ]
    return [doc for shard in ray.get(tasks) for doc in load_docs(shard, nlp)]


def predict(pipeline: tuple[str, bytes], docs: bytes) -> bytes:
    """Compute the predictions for one shard, as a Ray task."""

    config, content = pipeline
    nlp = util.load_model_from_config(util.load_config_from_str(config)).from_bytes(content)
    return DocBin(docs=nlp.pipe(load_docs(docs, nlp)), store_user_data=True).to_bytes()


def load_docs(docs: bytes, nlp: Language) -> list[Doc]:
    """Return the docs in a serialized DocBin."""

    return list(DocBin().from_bytes(docs).get_docs(nlp.vocab))


if __name__ == "__main__":
    typer.run(main)
