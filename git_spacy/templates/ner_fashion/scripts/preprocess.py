"""Convert annotated comments (JSON Lines) to spaCy's binary format.

    python scripts/preprocess.py INPUT.jsonl OUTPUT.spacy [--lang en]

A line is {"text": "…", "spans": [{"start": 0, "end": 4, "label": "FASHION_BRAND"}]}, with offsets
in characters. A span that does not begin and end where a token does cannot be learned from: it is
left out, reported and counted. Anything else that is wrong ends the conversion, and nothing is
written.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.tokens import Doc, DocBin


class BrokenLine(ValueError):
    """A line that is not an annotated comment."""


class Span(NamedTuple):
    """Where an entity is in a text, in characters, and what it is."""

    start: int
    end: int
    label: str


def convert(source: Path, target: Path, lang: str) -> None:
    """Write the comments of `source` to `target`."""

    make_doc = spacy.blank(lang).make_doc
    binary = DocBin()
    entities = left_out = 0
    for place, text, wanted in comments(source):
        doc = make_doc(text)
        left_out += annotate(doc, wanted, place)
        binary.add(doc)
        entities += len(doc.ents)
    target.parent.mkdir(parents=True, exist_ok=True)
    binary.to_disk(target)
    print(f"{target}: {len(binary)} comments, {entities} entities, {left_out} left out")


def annotate(doc: Doc, wanted: list[Span], place: str) -> int:
    """Make entities of the spans; of how many that cannot be done is told, and returned."""

    found = [doc.char_span(*span) for span in wanted]
    for span, entity in zip(wanted, found, strict=True):
        if entity is None:
            covered = doc.text[span.start : span.end]
            print(f"{place}: left out {covered!r}: not whole tokens", file=sys.stderr)
    doc.set_ents([entity for entity in found if entity is not None])
    return found.count(None)


def comments(source: Path) -> Iterator[tuple[str, str, list[Span]]]:
    """Each comment's place (file:line), text and spans; raises BrokenLine."""

    with source.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            place = f"{source}:{number}"
            try:
                yield place, *comment(json.loads(line.decode("utf-8")))
            except ValueError as error:
                raise BrokenLine(f"{place}: {error}") from error


def comment(record: Any) -> tuple[str, list[Span]]:
    """The text and the spans of one record, in order; raises ValueError."""

    match record:
        case {"text": str(text), "spans": list(items)}:
            spans = sorted(span(item, len(text)) for item in items)
        case _:
            raise ValueError('not an object with "text" (a string) and "spans" (a list)')
    for one, other in pairwise(spans):
        if other.start < one.end:
            raise ValueError(f"spans overlap: {one.start}-{one.end} and {other.start}-{other.end}")
    return text, spans


def span(item: Any, length: int) -> Span:
    """One span of a text of `length` characters; raises ValueError."""

    match item:
        case {"start": int(start), "end": int(end), "label": str(label)} if label:
            if not 0 <= start < end <= length:
                raise ValueError(f"span {start}-{end} is not within a text of {length} characters")
            return Span(start, end, label)
    raise ValueError(f'a span needs "start", "end" (numbers) and "label" (a string): {item!r}')


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("source", type=Path, metavar="INPUT.jsonl")
    parser.add_argument("target", type=Path, metavar="OUTPUT.spacy")
    parser.add_argument("--lang", default="en", help="language of the tokenizer (default: en)")
    arguments = parser.parse_args()
    try:
        convert(arguments.source, arguments.target, arguments.lang)
    except (BrokenLine, OSError) as error:
        sys.exit(f"error: {error}")
