"""Convert annotations from Prodigy to a training set and an evaluation set.

    python scripts/from_prodigy.py SOURCE… --train TRAIN.spacy --dev DEV.spacy [--hold-out 0.2]

A SOURCE is a JSON Lines file in the format of `db-out` and `db-in`, or a .spacy file written by
`data-to-spacy`. Each line has the form {"text": "…", "spans": [{"start": 0, "end": 4,
"label": "…"}], "answer": "accept"}. A missing answer means "accept", as for `db-in`. Other keys
(tokens, hashes) are ignored, since training uses spaCy's own tokens.

Rejected and ignored answers are left out, since they do not say what the correct annotation would
be. If a text has several answers, the last one is used. Whether a text is held out for evaluation
depends on the text alone, so it stays in its set when others are added.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import spacy
import typer
from preprocess import InvalidLine, Span, annotate, parse_comment
from spacy.tokens import DocBin

ANSWERS = ("accept", "reject", "ignore")


class Answer(NamedTuple):
    """The answer of an annotator for one text, with its location (file:line)."""

    location: str
    text: str
    spans: list[Span]
    answer: str


def main(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE", exists=True, dir_okay=False, help="The annotations."),
    ],
    train: Annotated[Path, typer.Option(metavar="TRAIN.spacy", help="The training set to write.")],
    dev: Annotated[Path, typer.Option(metavar="DEV.spacy", help="The evaluation set to write.")],
    hold_out: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The share to hold out for evaluation.")
    ] = 0.2,
    lang: Annotated[str, typer.Option(help="Language of the tokenizer.")] = "en",
) -> None:
    """Write the accepted annotations of all SOURCEs to TRAIN.spacy and DEV.spacy."""

    try:
        last = {answer.text: answer for source in sources for answer in read_answers(source)}
        counts = Counter(answer.answer for answer in last.values())
        typer.echo(", ".join(f"{name}: {counts[name]}" for name in ANSWERS))
        accepted = [answer for answer in last.values() if answer.answer == "accept"]
        held_out = [answer for answer in accepted if is_held_out(answer.text, hold_out)]
        rest = [answer for answer in accepted if not is_held_out(answer.text, hold_out)]
        for comments, purpose in ((rest, "training"), (held_out, "evaluation")):
            if not comments:
                raise InvalidLine(
                    f"none of the {len(accepted)} accepted comments is left for {purpose}:"
                    " annotate more, or change --hold-out"
                )
        for comments, target in ((rest, train), (held_out, dev)):
            write(comments, target, lang)
    except (InvalidLine, OSError) as error:
        sys.exit(f"error: {error}")


def read_answers(source: Path) -> Iterator[Answer]:
    """Yield the answers in a file, in order. Raises InvalidLine."""

    if source.suffix == ".spacy":
        yield from read_docs(source)
        return
    with source.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            location = f"{source}:{number}"
            try:
                yield parse_answer(location, json.loads(line.decode("utf-8")))
            except ValueError as error:
                raise InvalidLine(f"{location}: {error}") from error


def read_docs(source: Path) -> Iterator[Answer]:
    """Yield the docs that `data-to-spacy` exported, as accepted answers. Raises InvalidLine."""

    try:
        docs = list(DocBin().from_disk(source).get_docs(spacy.blank("xx").vocab))
    except Exception as error:  # spaCy has no specific exception for an invalid file
        raise InvalidLine(f"{source}: not a .spacy file: {error}") from error
    for number, doc in enumerate(docs, start=1):
        spans = [Span(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
        yield Answer(f"{source}:{number}", doc.text, spans, "accept")


def parse_answer(location: str, record: Any) -> Answer:
    """Return the answer in a record of Prodigy. Raises ValueError."""

    match record:
        case {"text": str(text), "answer": "reject" | "ignore" as answer}:
            return Answer(location, text, [], answer)
        case {"answer": answer} if answer != "accept":
            raise ValueError(f'invalid "answer" {answer!r}: expected accept, reject or ignore')
        case {"text": _}:
            text, spans = parse_comment({**record, "spans": record.get("spans") or []})
            return Answer(location, text, spans, "accept")
    raise ValueError('not an object with "text": was this annotated with ner.correct?')


def is_held_out(text: str, share: float) -> bool:
    """Return whether a text belongs to the evaluation set: pseudo-random, but always the same for
    the same text."""

    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


def write(comments: list[Answer], target: Path, lang: str) -> None:
    """Write comments in spaCy's binary format."""

    make_doc = spacy.blank(lang).make_doc
    binary = DocBin()
    entities = left_out = 0
    for comment in comments:
        doc = make_doc(comment.text)
        left_out += annotate(doc, comment.spans, comment.location)
        binary.add(doc)
        entities += len(doc.ents)
    target.parent.mkdir(parents=True, exist_ok=True)
    binary.to_disk(target)
    typer.echo(f"{target}: {len(binary)} comments, {entities} entities, {left_out} left out")


if __name__ == "__main__":
    typer.run(main)
