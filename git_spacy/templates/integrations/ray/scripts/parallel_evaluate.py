"""Evaluate a trained pipeline with Ray: the corpus in shards, each a task on some processor.

    python scripts/parallel_evaluate.py MODEL CORPUS OUTPUT [--shards 4] [--address auto]

What takes long is the predictions, so these are what is done side by side. The scores of shards are
not merged: an F-score of the whole is no mean of F-scores. The predictions are, and then scored as
`spacy evaluate` does it, so the numbers are the same with any number of shards. (But for the speed,
which is not written: it is another one each time.)

Model and documents travel to the workers; these need spaCy, but none of the project's files.
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

# Before it is imported: Ray reports how it is used unless it is told not to.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
import ray


def main(
    model: Annotated[Path, typer.Argument(exists=True, help="A trained pipeline.")],
    corpus: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A .spacy file.")],
    output: Annotated[Path, typer.Argument(help="The JSON file to write.")],
    shards: Annotated[int, typer.Option(min=1, help="How many tasks to make of it.")] = 4,
    address: Annotated[
        str, typer.Option(help="A Ray cluster: HOST:6379, auto; local starts one here.")
    ] = "local",
) -> None:
    """Score MODEL on CORPUS."""

    nlp = spacy.load(model)
    examples = list(Corpus(corpus)(nlp))
    shards = min(shards, len(examples)) or 1
    connect(address)
    try:
        docs = predicted(nlp, [example.predicted for example in examples], shards)
    finally:
        ray.shutdown()
    for example, doc in zip(examples, docs, strict=True):
        example.predicted = doc
    scores = Scorer(nlp).score(examples)
    output.parent.mkdir(parents=True, exist_ok=True)
    srsly.write_json(output, {name: one for name, one in scores.items() if one is not None})
    typer.echo(f"{len(docs)} comments in {shards} shards: {output}")
    for name in ("ents_p", "ents_r", "ents_f"):
        typer.echo(f"{name}  {scores[name]:.4f}")


def connect(address: str) -> None:
    """Join the cluster at `address`, or start one."""

    own = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **own)
    except ConnectionError as error:
        typer.secho(f"error: no Ray at '{address}': {error}", err=True, fg="red")
        raise typer.Exit(1) from None


def predicted(nlp: Language, docs: list[Doc], shards: int) -> list[Doc]:
    """The docs with the predictions of the pipeline, in their order."""

    at = [len(docs) * number // shards for number in range(shards + 1)]
    packed = ray.put((nlp.config.to_str(), nlp.to_bytes()))  # once, for all tasks
    tasks = [
        ray.remote(predict).remote(packed, DocBin(docs=docs[start:end]).to_bytes())
        for start, end in pairwise(at)
    ]
    return [doc for part in ray.get(tasks) for doc in unpacked(part, nlp)]


def predict(pipeline: tuple[str, bytes], docs: bytes) -> bytes:
    """What a task does: the predictions for one shard."""

    config, content = pipeline
    nlp = util.load_model_from_config(util.load_config_from_str(config)).from_bytes(content)
    return DocBin(docs=nlp.pipe(unpacked(docs, nlp)), store_user_data=True).to_bytes()


def unpacked(docs: bytes, nlp: Language) -> list[Doc]:
    """The docs in bytes of DocBin."""

    return list(DocBin().from_bytes(docs).get_docs(nlp.vocab))


if __name__ == "__main__":
    typer.run(main)
