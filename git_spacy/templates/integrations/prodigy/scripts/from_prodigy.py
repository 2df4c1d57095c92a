"""Make a training set and an evaluation set of annotations that came out of Prodigy.

    python scripts/from_prodigy.py SOURCE… --train TRAIN.spacy --dev DEV.spacy [--hold-out 0.2]

A SOURCE has JSON Lines, as `db-out` writes and `db-in` reads them, or is a .spacy file of
`data-to-spacy`. A line is {"text": "…", "spans": [{"start": 0, "end": 4, "label": "…"}],
"answer": "accept"}. Without an answer it is accepted, as `db-in` has it, and what else Prodigy
writes (tokens, hashes) is not read: spaCy's own tokens are what is trained on.

Rejected and ignored answers are left out: that something is wrong does not say what is right. Of
several answers for a text the last one counts. Which texts are held out for evaluation depends on
each text alone, so that a text stays on its side however many others come in.
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
from preprocess import BrokenLine, Span, annotate, comment
from spacy.tokens import DocBin

ANSWERS = ("accept", "reject", "ignore")


class Answer(NamedTuple):
    """What somebody said of a text, and where that is (file:line)."""

    place: str
    text: str
    spans: list[Span]
    said: str


def main(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="SOURCE", exists=True, dir_okay=False, help="What was annotated."),
    ],
    train: Annotated[Path, typer.Option(metavar="TRAIN.spacy", help="To write: to train on.")],
    dev: Annotated[Path, typer.Option(metavar="DEV.spacy", help="To write: to evaluate on.")],
    hold_out: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="The part to hold out for evaluation.")
    ] = 0.2,
    lang: Annotated[str, typer.Option(help="Language of the tokenizer.")] = "en",
) -> None:
    """Write the accepted annotations of all SOURCEs to TRAIN.spacy and DEV.spacy."""

    try:
        last = {one.text: one for source in sources for one in answers(source)}
        said = Counter(one.said for one in last.values())
        typer.echo(", ".join(f"{name}: {said[name]}" for name in ANSWERS))
        accepted = [one for one in last.values() if one.said == "accept"]
        held = [one for one in accepted if is_held_out(one.text, hold_out)]
        rest = [one for one in accepted if not is_held_out(one.text, hold_out)]
        for some, purpose in ((rest, "to train on"), (held, "to evaluate on")):
            if not some:
                raise BrokenLine(
                    f"of {len(accepted)} accepted comments none is left {purpose}:"
                    " annotate more, or change --hold-out"
                )
        for some, target in ((rest, train), (held, dev)):
            write(some, target, lang)
    except (BrokenLine, OSError) as error:
        sys.exit(f"error: {error}")


def answers(source: Path) -> Iterator[Answer]:
    """The answers in a file, in its order; raises BrokenLine."""

    if source.suffix == ".spacy":
        yield from accepted_docs(source)
        return
    with source.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            place = f"{source}:{number}"
            try:
                yield answer(place, json.loads(line.decode("utf-8")))
            except ValueError as error:
                raise BrokenLine(f"{place}: {error}") from error


def accepted_docs(source: Path) -> Iterator[Answer]:
    """What `data-to-spacy` took over; raises BrokenLine."""

    try:
        docs = list(DocBin().from_disk(source).get_docs(spacy.blank("xx").vocab))
    except Exception as error:  # it has no kind of error for a file that it does not know
        raise BrokenLine(f"{source}: not a file of spaCy's: {error}") from error
    for number, doc in enumerate(docs, start=1):
        spans = [Span(one.start_char, one.end_char, one.label_) for one in doc.ents]
        yield Answer(f"{source}:{number}", doc.text, spans, "accept")


def answer(place: str, record: Any) -> Answer:
    """One line of Prodigy's; raises ValueError."""

    match record:
        case {"text": str(text), "answer": "reject" | "ignore" as said}:
            return Answer(place, text, [], said)
        case {"answer": said} if said != "accept":
            raise ValueError(f'"answer" is {said!r}: neither accept, nor reject, nor ignore')
        case {"text": _}:
            return Answer(place, *comment({**record, "spans": record.get("spans") or []}), "accept")
    raise ValueError('not an object with "text": was this annotated with ner.correct?')


def is_held_out(text: str, part: float) -> bool:
    """Whether a text is in the part for evaluation; at random, but each time the same."""

    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:4], "big") < part * 2**32


def write(some: list[Answer], target: Path, lang: str) -> None:
    """Write comments in spaCy's binary format."""

    make_doc = spacy.blank(lang).make_doc
    binary = DocBin()
    entities = left_out = 0
    for one in some:
        doc = make_doc(one.text)
        left_out += annotate(doc, one.spans, one.place)
        binary.add(doc)
        entities += len(doc.ents)
    target.parent.mkdir(parents=True, exist_ok=True)
    binary.to_disk(target)
    typer.echo(f"{target}: {len(binary)} comments, {entities} entities, {left_out} left out")


if __name__ == "__main__":
    typer.run(main)
