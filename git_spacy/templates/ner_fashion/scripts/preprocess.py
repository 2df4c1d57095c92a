"""Convert annotated comments (JSON Lines) to spaCy's binary format.

    python scripts/preprocess.py INPUT.jsonl OUTPUT.spacy [--lang en]

Each line has the form {"text": "…", "spans": [{"start": 0, "end": 4, "label": "FASHION_BRAND"}]},
with offsets in characters. A span that does not begin and end at a token boundary cannot be used
for training: it is left out, reported and counted. After any other error nothing is written.
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


class InvalidLine(ValueError):
    """A line is not a valid annotated comment."""


class Span(NamedTuple):
    """The position of an entity in a text, in characters, and its label."""

    start: int
    end: int
    label: str


def convert(source: Path, target: Path, lang: str) -> None:
    """Convert the comments in `source` and write them to `target`."""

    make_doc = spacy.blank(lang).make_doc
    binary = DocBin()
    entities = left_out = 0
    for location, text, spans in read_comments(source):
        doc = make_doc(text)
        left_out += annotate(doc, spans, location)
        binary.add(doc)
        entities += len(doc.ents)
    target.parent.mkdir(parents=True, exist_ok=True)
    binary.to_disk(target)
    print(f"{target}: {len(binary)} comments, {entities} entities, {left_out} left out")


def annotate(doc: Doc, spans: list[Span], location: str) -> int:
    """Set the entities of a doc; report the spans that are not whole tokens, and return their
    number."""

    entities = [doc.char_span(*span) for span in spans]
    for span, entity in zip(spans, entities, strict=True):
        if entity is None:
            covered = doc.text[span.start : span.end]
            print(f"{location}: left out {covered!r}: not whole tokens", file=sys.stderr)
    doc.set_ents([entity for entity in entities if entity is not None])
    return entities.count(None)


def read_comments(source: Path) -> Iterator[tuple[str, str, list[Span]]]:
    """Yield the location (file:line), text and spans of each comment. Raises InvalidLine."""

    with source.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            location = f"{source}:{number}"
            try:
                yield location, *parse_comment(json.loads(line.decode("utf-8")))
            except ValueError as error:
                raise InvalidLine(f"{location}: {error}") from error


def parse_comment(record: Any) -> tuple[str, list[Span]]:
    """Return the text and the sorted spans of a record. Raises ValueError."""

    match record:
        case {"text": str(text), "spans": list(items)}:
            spans = sorted(parse_span(item, len(text)) for item in items)
        case _:
            raise ValueError('not an object with "text" (a string) and "spans" (a list)')
    for first, second in pairwise(spans):
        if second.start < first.end:
            raise ValueError(
                f"spans overlap: {first.start}-{first.end} and {second.start}-{second.end}"
            )
    return text, spans


def parse_span(item: Any, length: int) -> Span:
    """Return a span of a text of `length` characters. Raises ValueError."""

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
    except (InvalidLine, OSError) as error:
        sys.exit(f"error: {error}")
