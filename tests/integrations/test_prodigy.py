"""The template integrations/prodigy, from an export to a trained model. The commands that start
Prodigy, which cannot be installed here, are tested with a stand-in."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from git_spacy import templates
from git_spacy.lock import lock_format
from tests.integrations import prodigy_stand_in
from tests.testing.projects import Done
from tests.testing.serving import (
    copy,
    environment,
    serving,
    spacy,
    trained,
    until_all_ended,
)
from tests.testing.terminal import at_terminal, wait_for_exit

TEMPLATES = Path(templates.__file__).parent
TEMPLATE = TEMPLATES / "integrations/prodigy"
needs_spacy = pytest.mark.skipif(find_spec("spacy") is None, reason="spaCy is not installed")
Entities = dict[str, list[str]]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Import scripts/from_prodigy.py and the script that it imports."""

    pytest.importorskip("spacy", reason="spaCy is not installed (the extra 'spacy')")
    for folder in (TEMPLATES / "ner_fashion/scripts", TEMPLATE / "scripts"):
        monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield import_module("from_prodigy")
    for name in ("from_prodigy", "preprocess"):
        del sys.modules[name]


def entities(path: Path) -> Entities:
    """Return the comments in a .spacy file, each with the texts of its entities."""

    import spacy
    from spacy.tokens import DocBin

    docs = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    return {doc.text: [item.text for item in doc.ents] for doc in docs}


def task(text: str, *spans: tuple[int, int], **more: Any) -> dict[str, Any]:
    marked = [{"start": start, "end": end, "label": "B"} for start, end in spans]
    return {"text": text, "spans": marked, "answer": "accept", **more}


def write_tasks(path: Path, *tasks: Any) -> Path:
    path.write_text("".join(json.dumps(item) + "\n" for item in tasks), encoding="utf-8")
    return path


def convert_to_sets(
    script: ModuleType, folder: Path, *sources: Path, share: float = 0.5
) -> Entities:
    """Convert the sources; return the comments of both sets except PADDING."""

    train, dev = folder / "out/train.spacy", folder / "out/dev.spacy"
    script.main(list(sources), train, dev, share, "en")
    both = entities(train), entities(dev)
    assert not both[0].keys() & both[1].keys(), "a comment is in both sets"
    return {text: actual for text, actual in (both[0] | both[1]).items() if text not in ("a", "b")}


# One of these is held out and the other is not, so neither set is empty.
PADDING = (task("a"), task("b"))


def test_only_accepted_answers_are_used(script: ModuleType, tmp_path: Path) -> None:
    export = write_tasks(
        tmp_path / "export.jsonl", *PADDING,
        task("my Nike shoes", (3, 7), tokens=[{"text": "my", "id": 0}], _input_hash=-1),
        task("my Puma shoes", (3, 7), answer="reject"),
        task("???", (0, 3), answer="ignore"),
        {"text": "my Zara coat", "spans": [{"start": 3, "end": 7, "label": "B"}]},  # for db-in
        {"text": "nothing here", "spans": None, "answer": "accept"},
        {"text": "nor here"},
    )  # fmt: skip
    assert convert_to_sets(script, tmp_path, export) == {
        "my Nike shoes": ["Nike"], "my Zara coat": ["Zara"], "nothing here": [], "nor here": [],
    }  # fmt: skip


def test_the_last_answer_for_a_text_is_used(script: ModuleType, tmp_path: Path) -> None:
    first = write_tasks(
        tmp_path / "first.jsonl", *PADDING, task("my Nike shoes"), task("my Nike shoes", (3, 7)),
        task("a Gucci bag", (2, 7)),
    )  # fmt: skip
    second = write_tasks(tmp_path / "second.jsonl", task("a Gucci bag", answer="reject"))
    assert convert_to_sets(script, tmp_path, first, second) == {"my Nike shoes": ["Nike"]}
    assert len(convert_to_sets(script, tmp_path, second, first)) == 2


def test_a_text_stays_in_its_set_when_others_are_added(script: ModuleType, tmp_path: Path) -> None:
    texts = [f"comment {number}" for number in range(300)]
    few = write_tasks(tmp_path / "few.jsonl", *map(task, texts[:100]))
    all_of_them = write_tasks(tmp_path / "all.jsonl", *map(task, reversed(texts)))
    convert_to_sets(script, tmp_path, few, share=0.2)
    before = set(entities(tmp_path / "out/dev.spacy"))
    convert_to_sets(script, tmp_path, all_of_them, share=0.2)
    after = set(entities(tmp_path / "out/dev.spacy"))
    assert after & set(texts[:100]) == before
    assert 40 < len(after) < 80


def test_a_span_that_is_not_whole_tokens_is_left_out_and_reported(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export = write_tasks(tmp_path / "e.jsonl", *PADDING, task("my Zara coat", (3, 6), (8, 12)))
    assert convert_to_sets(script, tmp_path, export) == {"my Zara coat": ["coat"]}
    assert capsys.readouterr().err == f"{export}:3: left out 'Zar': not whole tokens\n"


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ([1], 'not an object with "text": was this'),
        ({"image": "a.png", "answer": "accept"}, 'not an object with "text": was this'),
        ({"text": 1}, '"text" (a string)'),
        (
            task("ab", answer="maybe"),
            "invalid \"answer\" 'maybe': expected accept, reject or ignore",
        ),
        (task("ab", (1, 3)), "span 1-3 is not within a text of 2 characters"),
        (task("a b", (0, 3), (2, 3)), "spans overlap: 0-3 and 2-3"),
    ],
)
def test_an_invalid_line_is_reported_and_nothing_is_written(
    script: ModuleType, tmp_path: Path, broken: Any, reason: str
) -> None:
    export = write_tasks(tmp_path / "e.jsonl", *PADDING, broken)
    with pytest.raises(SystemExit) as ended:
        convert_to_sets(script, tmp_path, export)
    assert f"error: {export}:3: " in str(ended.value)
    assert reason in str(ended.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("share", "reason"),
    [(0.0, "evaluation: annotate more"), (1.0, "training")],
)
def test_an_empty_set_is_an_error(
    script: ModuleType, tmp_path: Path, share: float, reason: str
) -> None:
    with pytest.raises(SystemExit, match=f"none of the 2 accepted comments is left for {reason}"):
        convert_to_sets(script, tmp_path, write_tasks(tmp_path / "e.jsonl", *PADDING), share=share)


def test_an_invalid_spacy_file_is_reported(script: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "e.spacy").write_text("{}")
    with pytest.raises(SystemExit, match=r"error: .*/e.spacy: not a .spacy file: "):
        convert_to_sets(script, tmp_path, tmp_path / "e.spacy")


def lines(name: str) -> list[dict[str, Any]]:
    text = (TEMPLATE / f"data/{name}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


@needs_spacy
def test_the_example_export_has_prodigys_format_and_covers_the_raw_comments() -> None:
    import spacy

    make_doc = spacy.blank("en").make_doc
    actual = lines("annotations")
    texts = [item["text"] for item in lines("comments_raw")]
    assert len(texts) == 30
    assert list(dict.fromkeys(item["text"] for item in actual)) == texts
    assert len(actual) == 31, "one of them was answered twice"
    assert {item["answer"] for item in actual} == {"accept", "reject", "ignore"}
    for item in actual:
        tokens = [
            (token.text, token.idx, bool(token.whitespace_)) for token in make_doc(item["text"])
        ]
        assert [(token["text"], token["start"], token["ws"]) for token in item["tokens"]] == tokens
        for span in item["spans"]:
            assert item["text"][span["start"] : span["end"]] == span["text"]
            assert item["tokens"][span["token_start"]]["start"] == span["start"]
            assert item["tokens"][span["token_end"]]["end"] == span["end"]


def test_the_commands_use_documented_arguments_of_prodigy(tmp_path: Path) -> None:
    """With all variables filled in."""

    assert spacy(tmp_path, "clone", "integrations/prodigy").code == 0
    resolved = json.loads(spacy(tmp_path / "prodigy", "resolved", "--json").out)
    commands = {item["name"]: item for item in resolved["commands"]}
    given = []
    for name in ("annotate", "data-to-spacy"):
        assert commands[name]["no_skip"] is True
        (line,) = commands[name]["script"]
        program, option, module, *arguments = shlex.split(line)
        assert (program, option, module) == ("python", "-m", "prodigy")
        given.append(vars(prodigy_stand_in.parser().parse_args(arguments)))
    assert given == [
        {
            "recipe": "ner.correct", "dataset": "fashion_brands", "label": "FASHION_BRAND",
            "spacy_model": "training/model-best", "source": "assets/comments_raw.jsonl",
        },
        {
            "recipe": "data-to-spacy", "output_dir": Path("corpus/prodigy"), "lang": "en",
            "ner": "fashion_brands", "eval_split": 0.0,
        },
    ]  # fmt: skip


@pytest.fixture(scope="module")
def trained_template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Done]]:
    """Clone the template and run it. Shared by the tests, which must not change it."""

    for module in ("spacy", "typer", "pytest_html"):
        if find_spec(module) is None:
            pytest.skip(f"'{module}' is not installed")
    return trained("integrations/prodigy", tmp_path_factory)


@pytest.fixture
def folder(trained_template: tuple[Path, dict[str, Done]], tmp_path: Path) -> Path:
    """A copy of the trained template, which a test may change."""

    return copy(trained_template[0], tmp_path)


@pytest.mark.slow
def test_the_template_runs_without_prodigy_and_is_then_up_to_date(
    trained_template: tuple[Path, dict[str, Done]], folder: Path
) -> None:
    done_run = trained_template[1]["run"]
    assert done_run.err.endswith("ran 5, skipped 0\n")
    assert "accept: 526, reject: 2, ignore: 2\n" in done_run.out
    assert spacy(folder, "check", "--strict") == (0, "", "")
    assert spacy(folder, "run", "all").err.endswith("ran 0, skipped 5\n")
    status = spacy(folder, "status")
    assert status.err == ""
    for name in ("annotate", "data-to-spacy"):
        assert f"{name:13}  always runs  sets no_skip" in status.out
    assert json.loads((folder / "metrics/score.json").read_text())["ents_f"] > 0.8


@pytest.mark.slow
@pytest.mark.parametrize("name", ["annotate", "data-to-spacy"])
def test_missing_prodigy_is_reported_with_an_installation_hint(folder: Path, name: str) -> None:
    before = (folder / "project.lock").read_bytes()
    done = spacy(folder, "run", name)
    assert done.code == 127
    assert "error: Python module not found: 'prodigy'" in done.err
    assert "hint: Prodigy is licensed; how to get and install it: https://prodi.gy/docs" in done.err
    assert (folder / "project.lock").read_bytes() == before
    assert not (folder / "corpus/prodigy").exists()


@pytest.mark.slow
def test_annotations_can_be_used_by_export_or_data_to_spacy(folder: Path) -> None:
    shutil.copy(prodigy_stand_in.__file__, folder / "prodigy.py")
    words = ("run", "annotate", "data-to-spacy")
    with serving(folder, sys.executable, "-m", "git_spacy", *words) as process:
        process.wait_until(lambda: prodigy_stand_in.READY in process.said or None, "Prodigy")
        assert process.stop() == 130, process.said
        assert "==> annotate: done in " in process.said
        assert process.said.endswith(
            "error: interrupted; not started: data-to-spacy\nhint: git spacy run data-to-spacy\n"
        )
    until_all_ended(folder.parent)
    assert spacy(folder, "run", "data-to-spacy").code == 0
    corrected = folder / "corpus/prodigy/train.spacy"
    assert len(entities(corrected)) == 28, "one of 30 was rejected, one ignored"

    config = folder / "configs/config.cfg"
    config.write_text(config.read_text().replace("max_steps = 160", "max_steps = 80"))
    steps = ("preprocess", "train", "evaluate")
    done = spacy(folder, "run", *steps, "--vars.annotations", "corpus/prodigy/train.spacy")
    assert "ran 3, skipped 0\n" in done.err, done.err
    assert "accept: 528, reject: 0, ignore: 0\n" in done.out
    train, dev = (entities(folder / f"corpus/{name}.spacy") for name in ("train", "dev"))
    assert entities(corrected).items() <= {**train, **dev}.items()

    exported = (folder.parent / ".prodigy/fashion_brands.jsonl").read_bytes()
    (folder / "annotations.jsonl").write_bytes(exported)
    before = (folder / "corpus/train.spacy").read_bytes()
    done = spacy(folder, "run", "preprocess", "--vars.annotations", "annotations.jsonl")
    assert "accept: 528, reject: 1, ignore: 1\n" in done.out
    assert (folder / "corpus/train.spacy").read_bytes() == before


@pytest.mark.slow
def test_ctrl_c_ends_annotating_successfully_and_it_always_runs(folder: Path) -> None:
    shutil.copy(prodigy_stand_in.__file__, folder / "prodigy.py")
    for _ in range(2):
        pid, terminal = at_terminal(folder, "run", "annotate", environ=environment(folder.parent))
        seen = b""
        while prodigy_stand_in.READY.encode() not in seen:
            seen += os.read(terminal, 4096)
        os.write(terminal, b"\x03")
        code, rest = wait_for_exit(pid, terminal)
        assert code == 0, rest
        assert b"==> annotate: running (sets no_skip)" in seen
        assert "==> annotate: done in " in rest
    until_all_ended(folder.parent)
    assert list(lock_format.read(folder))[-1] == "annotate"


def test_requirements_do_not_list_prodigy_which_pip_cannot_find() -> None:
    listed = (TEMPLATE / "requirements.txt").read_text()
    assert "prodi.gy" in listed
    assert not [line for line in listed.splitlines() if line.startswith("prodigy")]
    project = yaml.safe_load((TEMPLATE / "project.yml").read_text("utf-8"))
    assert {"annotate", "data-to-spacy"}.isdisjoint(project["workflows"]["all"])
