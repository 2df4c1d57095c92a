"""Test properties that the trained pipeline must have, whatever its scores.

python -m pytest scripts/tests --model training/model-best --html metrics/test-report.html
"""

from __future__ import annotations

import pytest
from spacy.language import Language


@pytest.mark.parametrize(
    ("text", "brand"),
    [
        ("Swapped my old Nike runners for new ones", "Nike"),
        ("my Patagonia parka is older than you", "Patagonia"),
        ("I love my Adidas sneakers", "Adidas"),
    ],
)
def test_finds_a_known_brand(nlp: Language, text: str, brand: str) -> None:
    assert brand in [entity.text for entity in nlp(text).ents]


@pytest.mark.parametrize("text", ["", " ", "The weather is nice today.", "ok", "🙂" * 50])
def test_finds_nothing_in_a_text_without_brands(nlp: Language, text: str) -> None:
    assert nlp(text).ents == ()


def test_entities_are_labelled_as_brands_and_have_correct_offsets(nlp: Language) -> None:
    doc = nlp("Nike or Adidas? I could not say, and took the Puma shoes.")
    for entity in doc.ents:
        assert entity.label_ == "FASHION_BRAND"
        assert doc.text[entity.start_char : entity.end_char] == entity.text


def test_a_batch_gives_the_same_entities_as_single_texts(nlp: Language) -> None:
    texts = ["my Nike shoes", "no brand here", "a Gucci bag"] * 10
    single = [[entity.text for entity in nlp(text).ents] for text in texts]
    batch = [[entity.text for entity in doc.ents] for doc in nlp.pipe(texts, batch_size=7)]
    assert single == batch
