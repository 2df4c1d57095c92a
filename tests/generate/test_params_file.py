"""Values that `git spacy dvc` adds to a params.yaml which people have changed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from git_spacy.errors import InvalidInput
from git_spacy.generate.params_file import updated
from git_spacy.project.params import nested

VALUES: dict[str, Any] = {"train.seed": 3, "train.opt.betas": [0.9, 0.99], "note": "a: b"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "# mine\ntrain:\n  # of the optimizer\n  rate: 0.1 # low\n\n# end\nsize: 4\n",
            "# mine\ntrain:\n  # of the optimizer\n  rate: 0.1 # low\n  seed: 3\n  opt:\n"
            "    betas:\n      - 0.9\n      - 0.99\n\n# end\nsize: 4\nnote: 'a: b'\n",
        ),
        (
            "size: 4\r\ntrain: {opt: {}} # short",
            'size: 4\r\ntrain: {opt: {"betas": [0.9, 0.99]}, "seed": 3} # short\r\nnote: \'a: b\'',
        ),
        ("{size: 4}\n", '{size: 4, "train": {"seed": 3, "opt": {"betas": [0.9, 0.99]}}, "note": "a: b"}\n'),
    ],
)  # fmt: skip
def test_what_is_there_keeps_its_comments_and_its_notation(text: str, expected: str) -> None:
    assert updated(text, VALUES) == expected
    assert updated(expected, VALUES) == expected


@pytest.mark.parametrize(
    "text",
    ["train: &t {rate: 1}\nother: *t\n", "base: &b {rate: 1}\ntrain:\n  <<: *b\n", "? train\n: {}\n", "{}"],
)  # fmt: skip
def test_a_notation_that_cannot_be_extended_is_written_anew_with_all_values(text: str) -> None:
    kept = yaml.safe_load(text)
    added = nested(VALUES)
    train = {**kept.get("train", {}), **added["train"]}
    assert yaml.safe_load(updated(text, VALUES)) == {**kept, **added, "train": train}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("size: 4\ntrain: 3\n", "params.yaml:2:1: error: 'train' and 'vars.train.seed'"),
        ("train:\n", "params.yaml:1:1: error: 'train' and 'vars.train.seed'"),
        ("train: {opt: {betas: {a: 1}}}", ":1:23: error: 'train.opt.betas.a' and 'vars.train.opt.betas'"),
    ],
)  # fmt: skip
def test_a_value_in_place_of_a_table_is_named_and_nothing_is_lost(text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        updated(text, VALUES)
    assert place in str(caught.value)
    assert "hint: remove 'train" in str(caught.value)
