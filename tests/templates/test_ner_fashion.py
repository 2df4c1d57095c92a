"""The embedded template: its data is what its generator writes, and its scripts do what they say.

That it trains is shown by scripts/quickstart, which `tests/test_quickstart.py` runs.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from git_spacy import templates
from git_spacy.project import loader

FOLDER = templates.folder("ner_fashion")


def records(name: str) -> list[dict[str, Any]]:
    lines = (FOLDER / f"data/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def brands(name: str) -> set[str]:
    return {
        record["text"][span["start"] : span["end"]].lower()
        for record in records(name)
        for span in record["spans"]
    }


def script(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, str(FOLDER / "scripts" / name), *map(str, arguments))
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_generator_writes_the_committed_data_byte_for_byte(tmp_path: Path) -> None:
    assert script("generate_data.py", tmp_path).returncode == 0
    for name in ("comments_train.jsonl", "comments_dev.jsonl"):
        assert (tmp_path / name).read_bytes() == (FOLDER / "data" / name).read_bytes()


def test_every_checksum_is_that_of_its_file() -> None:
    project = loader.load(FOLDER)
    assert project.warnings == ()
    for asset in project.assets:
        assert asset.checksum is not None
        assert asset.url is not None
        content = (FOLDER / asset.url).read_bytes()
        assert hashlib.md5(content).hexdigest() == asset.checksum.digest


@pytest.mark.parametrize("name", ["comments_train", "comments_dev"])
def test_every_span_lies_in_its_text_and_covers_whole_words(name: str) -> None:
    for record in records(name):
        text = record["text"]
        for span in record["spans"]:
            covered = text[span["start"] : span["end"]]
            assert covered == covered.strip() != ""
            before, after = text[: span["start"]][-1:], text[span["end"] :][:1]
            assert not before.isalnum()
            assert not after.isalnum()


def test_the_evaluation_is_honest() -> None:
    train = {record["text"].lower() for record in records("comments_train")}
    dev = {record["text"].lower() for record in records("comments_dev")}
    assert not train & dev
    assert len(brands("comments_dev") - brands("comments_train")) >= 10
    assert any(not record["spans"] for record in records("comments_dev"))


def test_no_file_of_the_template_names_a_path_of_a_machine() -> None:
    for path in FOLDER.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert "/home/" not in path.read_text(encoding="utf-8")


def test_preprocess_converts_and_names_the_line_that_is_broken(tmp_path: Path) -> None:
    spacy = pytest.importorskip("spacy", reason="needs the extra 'spacy'")
    from spacy.tokens import DocBin

    source = FOLDER / "data/comments_dev.jsonl"
    done = script("preprocess.py", "en", source, tmp_path / "dev.spacy")
    assert done.returncode == 0, done.stderr
    assert "110 comments" in done.stdout
    docs = DocBin().from_disk(tmp_path / "dev.spacy").get_docs(spacy.blank("en").vocab)
    assert sum(len(doc.ents) for doc in docs) == sum(
        len(r["spans"]) for r in records("comments_dev")
    )
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a", "spans": []}\n{"text": "b"}\n')
    done = script("preprocess.py", "en", broken, tmp_path / "x.spacy")
    assert done.returncode == 1
    assert f"{broken}:2: " in done.stderr
    assert "Traceback" not in done.stderr
