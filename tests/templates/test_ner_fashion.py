"""The template ner_fashion: its data, project.yml and scripts, tested without training.

The training itself is tested in test_quickstart.py.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.testing.preloaded import Done, preloaded
from tests.testing.projects import Spacy

TEMPLATE = Path(__file__).parents[2] / "git_spacy/templates/ner_fashion"
SETS = ("comments_train", "comments_dev")

needs_spacy = pytest.mark.skipif(
    importlib.util.find_spec("spacy") is None, reason="spaCy is not installed (the extra 'spacy')"
)


def records(name: str) -> list[dict[str, Any]]:
    lines = (TEMPLATE / f"data/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def covered(record: dict[str, Any]) -> list[str]:
    return [record["text"][span["start"] : span["end"]] for span in record["spans"]]


def brands(name: str) -> set[str]:
    return {brand.lower() for record in records(name) for brand in covered(record)}


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-B", str(TEMPLATE / "scripts" / name), *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, check=False)


Preprocess = Callable[..., Done]


@pytest.fixture(scope="module")
def preprocess() -> Iterator[Preprocess]:
    """Return a function that runs scripts/preprocess.py in a fork of a process that has spaCy."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        with preloaded("preprocess", "spacy", "spacy.lang.en") as program:
            yield lambda *arguments: program(
                TEMPLATE / "scripts", *map(str, arguments), environ=os.environ
            )


def project() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TEMPLATE / "project.yml").read_text("utf-8"))
    return loaded


def test_the_generator_reproduces_the_committed_data(tmp_path: Path) -> None:
    done = script("generate_data.py", tmp_path)
    assert done.returncode == 0, done.stderr
    assert sorted(path.stem for path in tmp_path.iterdir()) == sorted(SETS)
    for name in SETS:
        output = (tmp_path / f"{name}.jsonl").read_bytes()
        assert output == (TEMPLATE / f"data/{name}.jsonl").read_bytes()


def test_every_checksum_matches_its_file() -> None:
    assets = project()["assets"]
    assert sorted(asset["url"] for asset in assets) == sorted(f"data/{n}.jsonl" for n in SETS)
    for asset in assets:
        content = (TEMPLATE / asset["url"]).read_bytes()
        assert asset["checksum"] == hashlib.md5(content).hexdigest(), asset["url"]


def test_every_dependency_is_shipped_fetched_or_produced_by_an_earlier_command() -> None:
    available = {asset["dest"] for asset in project()["assets"]}
    for command in project()["commands"]:
        for dependency in command["deps"]:
            assert dependency in available or (TEMPLATE / dependency).is_file(), dependency
        available.update(command.get("outputs", ()))


def test_train_accepts_a_matrix_of_seeds(tmp_path: Path, spacy: Spacy) -> None:
    """The example of docs/how-to/variants.md works in the template, as a dry run shows without spaCy."""

    shutil.copytree(TEMPLATE, tmp_path / "project")
    corpus = tmp_path / "project/corpus"
    corpus.mkdir()
    for name in ("train", "dev"):
        (corpus / f"{name}.spacy").touch()
    done = spacy("run", "train", "--matrix", "vars.seed=0,1,2", "--dry", cwd=tmp_path / "project")
    assert done.code == 0, done.err
    assert done.err.count("would run (") == 3
    for seed in range(3):
        assert f"--output training/seed-{seed} " in done.err + done.out


@pytest.mark.parametrize("name", SETS)
def test_every_span_is_within_its_text_and_covers_whole_words(name: str) -> None:
    for record in records(name):
        text = record["text"]
        for span, words in zip(record["spans"], covered(record), strict=True):
            assert 0 <= span["start"] < span["end"] <= len(text), record
            assert words == words.strip() != "", record
            assert not text[: span["start"]][-1:].isalnum(), record
            assert not text[span["end"] :][:1].isalnum(), record
            assert span["label"] == "FASHION_BRAND"


@pytest.mark.parametrize(("name", "size"), [("comments_train", 400), ("comments_dev", 100)])
def test_each_set_has_comments_with_zero_one_and_two_brands(name: str, size: int) -> None:
    counts = [len(record["spans"]) for record in records(name)]
    assert len(counts) == size
    assert set(counts) == {0, 1, 2}


def test_no_comment_occurs_twice_or_in_both_sets() -> None:
    texts = [record["text"].lower() for name in SETS for record in records(name)]
    assert len(texts) == len(set(texts))


def test_the_development_set_has_brands_that_are_not_in_the_training_set() -> None:
    assert len(brands("comments_dev") - brands("comments_train")) >= 10
    assert len(brands("comments_dev") & brands("comments_train")) >= 10


def test_some_brands_also_occur_as_ordinary_words() -> None:
    plain = {
        word
        for record in records("comments_train")
        if not record["spans"]
        for word in record["text"].lower().split()
    }
    assert {"gap", "guess", "next", "coach", "diesel"} <= plain & brands("comments_train")


@needs_spacy
@pytest.mark.parametrize("name", SETS)
def test_preprocess_converts_every_comment_and_aligns_every_span(
    name: str, tmp_path: Path, preprocess: Preprocess
) -> None:
    import spacy
    from spacy.tokens import DocBin

    output = tmp_path / "new/set.spacy"
    done = preprocess(TEMPLATE / f"data/{name}.jsonl", output)
    assert done.code == 0, done.err
    assert done.out.endswith(" 0 left out\n")
    docs = list(DocBin().from_disk(output).get_docs(spacy.blank("en").vocab))
    expected = [(record["text"], covered(record)) for record in records(name)]
    assert [(doc.text, [entity.text for entity in doc.ents]) for doc in docs] == expected


GOOD = '{"text": "my Zara coat", "spans": [{"start": 3, "end": 7, "label": "B"}]}'
BROKEN: dict[str, tuple[str | bytes, str]] = {
    "not JSON": ("{", "Expecting property name"),
    "not UTF-8": (b"\xff\xfe{", "codec can't decode"),
    "an empty line": ("", "Expecting value"),
    "not an object": ("[1]", 'not an object with "text"'),
    "no spans": ('{"text": "b"}', 'not an object with "text" (a string) and "spans" (a list)'),
    "a text that is not a string": ('{"text": 1, "spans": []}', '"text" (a string)'),
    "a span with no label": (
        '{"text": "ab", "spans": [{"start": 0, "end": 1}]}',
        'a span needs "start", "end" (numbers) and "label" (a string)',
    ),
    "a span outside its text": (
        '{"text": "ab", "spans": [{"start": 1, "end": 3, "label": "B"}]}',
        "span 1-3 is not within a text of 2 characters",
    ),
    "spans that overlap": (
        '{"text": "a b c", "spans": [{"start": 2, "end": 5, "label": "B"},'
        ' {"start": 0, "end": 3, "label": "B"}]}',
        "spans overlap: 0-3 and 2-5",
    ),
}


@needs_spacy
@pytest.mark.parametrize("case", BROKEN)
def test_preprocess_reports_an_invalid_line_and_writes_nothing(
    case: str, tmp_path: Path, preprocess: Preprocess
) -> None:
    line, reason = BROKEN[case]
    broken, target = tmp_path / "broken.jsonl", tmp_path / "out.spacy"
    middle = line if isinstance(line, bytes) else line.encode()
    broken.write_bytes(b"\n".join((GOOD.encode(), middle, GOOD.encode(), b"")))
    done = preprocess(broken, target)
    assert done.code == 1
    assert done.err.startswith(f"error: {broken}:2: ")
    assert reason in done.err
    assert "Traceback" not in done.err
    assert not target.exists()


@needs_spacy
def test_preprocess_reports_and_counts_a_span_that_is_not_whole_tokens(
    tmp_path: Path, preprocess: Preprocess
) -> None:
    source, target = tmp_path / "a.jsonl", tmp_path / "out.spacy"
    cut = '{"text": "my Zara coat", "spans": [{"start": 3, "end": 6, "label": "B"}]}'
    source.write_text(f"{GOOD}\n{cut}\n", encoding="utf-8")
    done = preprocess(source, target)
    assert done.code == 0
    assert done.err == f"{source}:2: left out 'Zar': not whole tokens\n"
    assert done.out == f"{target}: 2 comments, 1 entities, 1 left out\n"


@needs_spacy
def test_preprocess_reports_a_missing_file(tmp_path: Path, preprocess: Preprocess) -> None:
    done = preprocess(tmp_path / "none.jsonl", tmp_path / "out.spacy")
    assert done.code == 1
    assert "none.jsonl" in done.err
    assert "Traceback" not in done.err
