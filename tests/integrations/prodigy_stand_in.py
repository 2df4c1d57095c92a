"""A stand-in for Prodigy, which requires a licence; copied next to a project.yml as prodigy.py.

It accepts the documented arguments of four commands and writes the same files: `ner.correct` serves
until Ctrl-C, and then saves a dataset in which the suggestions of the model were accepted. It only
shows that the commands of the template work together, not that they work with Prodigy.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

DATABASE = Path.home() / ".prodigy"
READY = "Starting the web server at http://localhost:8080 ..."


def parser() -> argparse.ArgumentParser:
    """Return the parser for the arguments of both recipes."""

    made = argparse.ArgumentParser(prog="prodigy", allow_abbrev=False)
    recipes = made.add_subparsers(dest="recipe", required=True)
    correct = recipes.add_parser("ner.correct", allow_abbrev=False)
    for name in ("dataset", "spacy_model", "source"):
        correct.add_argument(name)
    correct.add_argument("--label", "-l")
    to_spacy = recipes.add_parser("data-to-spacy", allow_abbrev=False)
    to_spacy.add_argument("output_dir", type=Path)
    to_spacy.add_argument("--ner", "-n")
    to_spacy.add_argument("--eval-split", "-es", type=float)
    to_spacy.add_argument("--lang", "-l")
    for name in ("db-in", "db-out"):
        recipes.add_parser(name, allow_abbrev=False).add_argument("dataset")
    recipes.choices["db-in"].add_argument("source", type=Path)
    return made


def correct(model: str, source: str, dataset: str, label: str) -> None:
    import spacy

    print(READY, flush=True)
    signal.sigwait([signal.SIGINT])
    nlp, labels = spacy.load(model), label.split(",")
    texts = [json.loads(line)["text"] for line in Path(source).read_text("utf-8").splitlines()]
    tasks: list[dict[str, Any]] = [
        {
            "text": doc.text,
            "tokens": [{"text": one.text, "start": one.idx, "id": one.i} for one in doc],
            "spans": [
                {"start": one.start_char, "end": one.end_char, "label": one.label_}
                for one in doc.ents
                if one.label_ in labels
            ],
            "answer": "accept",
        }
        for doc in nlp.pipe(texts)
    ]
    tasks[0]["answer"], tasks[1]["answer"] = "reject", "ignore"
    DATABASE.mkdir(exist_ok=True)
    lines = "".join(json.dumps(task) + "\n" for task in tasks)
    (DATABASE / f"{dataset}.jsonl").write_text(lines, encoding="utf-8")
    print(f"Saved {len(tasks)} annotations to database SQLite")


def to_spacy(folder: Path, dataset: str, lang: str) -> None:
    import spacy
    from spacy.tokens import DocBin

    docs = DocBin()
    for line in (DATABASE / f"{dataset}.jsonl").read_text("utf-8").splitlines():
        task = json.loads(line)
        if task["answer"] == "accept":
            doc = spacy.blank(lang).make_doc(task["text"])
            spans = [doc.char_span(one["start"], one["end"], one["label"]) for one in task["spans"]]
            doc.set_ents(spans)
            docs.add(doc)
    folder.mkdir(parents=True, exist_ok=True)
    docs.to_disk(folder / "train.spacy")


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    given = parser().parse_args()
    if given.recipe == "ner.correct":
        correct(given.spacy_model, given.source, given.dataset, given.label)
    elif given.recipe == "data-to-spacy":
        assert given.eval_split == 0
        to_spacy(given.output_dir, given.ner, given.lang)
    elif given.recipe == "db-out":
        sys.stdout.write((DATABASE / f"{given.dataset}.jsonl").read_text("utf-8"))
