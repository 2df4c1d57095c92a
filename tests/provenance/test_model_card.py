"""`git spacy document --model-card` writes a model card that Hugging Face's library parses."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from git_spacy.history.run_record import RecordedFile, RunRecord, parse_line, to_line
from git_spacy.lock import lock_format
from git_spacy.provenance import model_card
from tests.testing.projects import Spacy
from tests.testing.repositories import commit, git, write
from tests.testing.results import FILES, META, TRAINED, trained
from tests.threats.inputs import ESCAPES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from huggingface_hub import ModelCard


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the results of a trained model."""

    text = TRAINED.replace(
        "url: https://example.com/unused.jsonl",
        "url: https://huggingface.co/datasets/owner/brands/resolve/main/x.jsonl",
    )
    text = text.replace("deps: [assets/raw.txt, ", "deps: [assets/raw.txt, assets/unused.jsonl, ")
    text = re.sub(r"    checksum: sha256:5+\n", "", text)
    return trained(tmp_path_factory.mktemp("card") / "p", text, {"assets/unused.jsonl": "{}"})


def card_of(spacy: Spacy, root: Path) -> Any:
    done = spacy("document", "--model-card", "--stdout", cwd=root)
    assert done.code == 0, done.err
    return ModelCard(done.out, ignore_metadata_errors=False)


def test_the_card_parses_and_has_the_facts_in_its_metadata(root: Path, spacy: Spacy) -> None:
    data = card_of(spacy, root).data
    assert (data.language, data.license, data.library_name) == (["en"], "mit", "spacy")
    assert data.tags == ["spacy", "token-classification"]
    assert data.datasets == ["owner/brands"]
    assert data.model_name == "en_fashion"
    assert {
        (result.task_type, result.task_name, result.metric_name): result.metric_value
        for result in data.eval_results
    } == {
        ("token-classification", "NER", "NER Precision"): 0.8,
        ("token-classification", "NER", "NER Recall"): 0.9,
        ("token-classification", "NER", "NER F Score"): 0.85,
    }
    assert {result.dataset_name for result in data.eval_results} == {"corpus/dev.spacy"}


def test_the_text_has_the_data_commands_and_versions_with_the_md5s_of_the_lock(
    root: Path, spacy: Spacy
) -> None:
    text = card_of(spacy, root).text
    entries = lock_format.read(root)
    md5s = {
        file.path: file.md5 for entry in entries.values() for file in (*entry.deps, *entry.outs)
    }
    assert f"| Model | `training/model-best` |\n| md5 | `{md5s['training/model-best']}` |" in text
    found = dict(re.findall(r"^\| `([^`]+)` \| `([0-9a-f]{32})` \|", text, re.MULTILINE))
    assert found == {name: md5s[name] for name in ("assets/raw.txt", "assets/unused.jsonl")}
    assert "| `CC-BY-4.0` |" in text
    for entry in entries.values():
        assert all(f"`{line}`" in text for line in entry.script)
    (run,) = json.loads(spacy("log", "--command", "train", "--json", cwd=root).out)[0]["runs"]
    assert run["id"][:11] in text
    for name, version in run["versions"].items():
        assert f"| `{name}` | `{version}` |" in text
    assert "| `ents_per_type.BRAND.f` | `0.85` |" in text


def test_the_card_is_a_file_that_is_compared_and_whose_edits_are_kept(
    root: Path, spacy: Spacy
) -> None:
    file = root / "MODEL_CARD.md"
    try:
        assert spacy("document", "--model-card", cwd=root).err == "wrote MODEL_CARD.md\n"
        assert spacy("document", "--model-card", "--check", cwd=root).code == 0
        # it depends on results, so the check of generated files and its hook have no say
        assert spacy("check", "generated", cwd=root).code == 0
        ModelCard(file.read_text(), ignore_metadata_errors=False)
        file.write_text(file.read_text().replace("- en\n", "- de\n"))
        done = spacy("document", "--model-card", cwd=root)
        assert done.code == 3
        assert "hint: to overwrite it: git spacy document --model-card --force" in done.err
        assert spacy("document", "--model-card", "--force", cwd=root).code == 0
        assert "- en\n" in file.read_text()
    finally:
        file.unlink(missing_ok=True)
    assert spacy("document", "--model-card", "--no-emoji", cwd=root).code == 2


def test_without_the_recorded_model_the_card_has_what_is_recorded(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    git(tmp_path, "clone", "-q", str(root), "c")
    git(tmp_path / "c", "fetch", "-q", "origin", "refs/notes/spacy:refs/notes/spacy")
    card = card_of(spacy, tmp_path / "c")
    assert card.data.language == ["en"]  # of the configuration
    assert card.data.model_name == "Fashion brands"
    assert len(card.data.eval_results) == 3
    # another model in its place is not the one that was measured
    write(tmp_path / "c", {"training/model-best/meta.json": json.dumps({**META, "lang": "de"})})
    assert card_of(spacy, tmp_path / "c").data.language == ["en"]


def test_a_project_without_results_or_without_a_model_is_told_what_to_do(
    tmp_path: Path, spacy: Spacy
) -> None:
    write(tmp_path, {"project.yml": "commands: [{name: a, script: [], outputs_no_cache: [out]}]"})
    git(tmp_path, "init", "-q")
    commit(tmp_path, {"out": "x"})
    done = spacy("document", "--model-card", cwd=tmp_path)
    assert (done.code, done.err.splitlines()[0]) == (
        2, "error: no results are recorded for the work tree",
    )  # fmt: skip
    assert spacy("lock", "record", "a", cwd=tmp_path).code == 0
    done = spacy("document", "--model-card", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: no result of the project is a model\nhint: run the command")
    assert not (tmp_path / "MODEL_CARD.md").exists()


HOSTILE = f"x\n---\nlicense: evil\n<script>alert(1)</script> [a](javascript:b) | ` @all {ESCAPES}"


@pytest.mark.threat("injected-text", commands="document")
def test_hostile_text_adds_no_metadata_and_no_markup(tmp_path: Path, spacy: Spacy) -> None:
    quoted = json.dumps(HOSTILE)
    text = re.sub(r"(title|description|help|license): .*", lambda m: f"{m[1]}: {quoted}", TRAINED)
    meta = {**META, "name": HOSTILE, "description": HOSTILE, "license": "", "pipeline": [HOSTILE]}
    train = str(FILES["train.py"]).replace(repr(json.dumps(META)), repr(json.dumps(meta)))
    root = trained(tmp_path / "p", text, {"train.py": train})
    entry = lock_format.read(root)["evaluate"]
    files = [
        tuple(RecordedFile(item.path, item.md5, 1) for item in items)
        for items in (entry.deps, entry.outs)
    ]
    record = RunRecord(
        "2026-01-01T00:00:00Z", "", "evaluate", entry.script, *files,
        vars={HOSTILE: HOSTILE}, versions={"<b>": "1`|<b>"},
        metrics={"metrics.json": {"ents_f": 1e-05, HOSTILE: 1e300}},
    )  # fmt: skip
    assert parse_line(to_line(record))
    git(root, "notes", "--ref", "spacy", "remove", "HEAD~1")
    git(root, "notes", "--ref", "spacy", "append", "-m", to_line(record), "HEAD~1")
    done = spacy("document", "--model-card", "--stdout", cwd=root)
    assert done.code == 0, done.err
    assert not any(
        character in done.out for character in ESCAPES if character < " " or character > "~"
    )
    card = ModelCard(done.out, ignore_metadata_errors=False)
    metadata = yaml.safe_load(done.out.split("\n---\n")[0])
    assert set(metadata) == {
        "language", "library_name", "tags", "license", "license_name", "model-index",
    }  # fmt: skip
    assert metadata["license"] == "other"
    assert metadata["license_name"].startswith("x --- license: evil <script>")
    assert card.data.eval_results[0].metric_value == 1e-05
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(card.text)
    assert "<script" not in rendered
    assert "javascript:" not in "".join(re.findall(r'(?:href|src)="[^"]*"', rendered))


@pytest.mark.parametrize(
    "value",
    [
        "no",
        "null",
        "1e3",
        "0x1",
        "---",
        "- a",
        "# a",
        "a: b",
        "'",
        '"',
        "\\",
        "é\U0001f600",
        "*a",
        "<<",
    ],
)
def test_texts_are_texts_in_yaml(value: str) -> None:
    text = model_card._yaml({"a": value, "b": [value, {"c": value}], "d": {"e": 1e16, "f": 2e-7}})
    assert yaml.safe_load(text) == {
        "a": value, "b": [value, {"c": value}], "d": {"e": 1e16, "f": 2e-7},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("MIT", {"license": "mit"}),
        ("GPL-3.0-only", {"license": "gpl-3.0"}),
        ("CC BY 4.0", {"license": "other", "license_name": "CC BY 4.0"}),
        ("", {}),
    ],
)
def test_licenses_have_the_ids_of_hugging_face(name: str, expected: dict[str, str]) -> None:
    assert model_card._license(name) == expected
