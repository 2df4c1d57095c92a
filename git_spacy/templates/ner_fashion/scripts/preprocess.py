"""Convert annotated comments (JSON Lines) to spaCy's binary format.

    python scripts/preprocess.py LANG INPUT.jsonl OUTPUT.spacy

Each line is {"text": "…", "spans": [{"start": 0, "end": 4, "label": "FASHION_BRAND"}]}, offsets in
characters. A span that does not begin and end with a token is left out and counted.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import spacy
from spacy.tokens import Doc, DocBin


class BrokenLine(ValueError):
    """A line that is not an annotated comment."""


def main(lang: str, source: Path, target: Path) -> None:
    """Convert one file."""

    nlp = spacy.blank(lang)
    binary = DocBin()
    entities = left_out = 0
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            doc, missed = annotated(nlp.make_doc, json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            raise BrokenLine(f"{source}:{number}: {error}") from error
        binary.add(doc)
        entities += len(doc.ents)
        left_out += missed
    target.parent.mkdir(parents=True, exist_ok=True)
    binary.to_disk(target)
    print(f"{target}: {len(binary)} comments, {entities} brands, {left_out} not aligned")


def annotated(make_doc, record: dict) -> tuple[Doc, int]:
    """The document of one record, and how many spans did not fit its tokens."""

    doc = make_doc(record["text"])
    spans = [doc.char_span(span["start"], span["end"], span["label"]) for span in record["spans"]]
    doc.set_ents([span for span in spans if span is not None])
    return doc, spans.count(None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("lang")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    try:
        main(arguments.lang, arguments.source, arguments.target)
    except BrokenLine as error:
        sys.exit(f"error: {error}")
