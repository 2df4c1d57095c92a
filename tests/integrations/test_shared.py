"""What all templates of integrations/ have in common, whichever there are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from git_spacy import templates
from tests.testing.projects import Spacy, snapshot
from tests.testing.repositories import git

TEMPLATES = Path(templates.__file__).parent
NAMES = [name for name in templates.template_names() if name.startswith("integrations/")]
FROM_NER_FASHION = ("preprocess", "train", "evaluate")
# Where a tool must have a hand in a command that the others have word for word.
OTHERWISE = {
    "integrations/prodigy": {"preprocess"},  # its annotations are Prodigy's
    "integrations/wandb": {"train", "evaluate"},  # logged
}
LONG_RUNNING = {
    "integrations/fastapi": {"serve"},
    "integrations/prodigy": {"annotate"},
    "integrations/streamlit": {"visualize"},
}
# What the two that ner_fashion does not have are, with at least these dependencies.
TEST = {
    "name": "test",
    "help": "Test the best model with pytest and write metrics/test-report.html",
    "script": [
        "python -m pytest scripts/tests --model training/model-best"
        " --html metrics/test-report.html --self-contained-html -p no:cacheprovider"
    ],
    "deps": ["training/model-best", "scripts/tests/conftest.py", "scripts/tests/test_model.py"],
    "outputs": ["metrics/test-report.html"],
}
SCORE = {
    "name": "score",
    "help": "List the brands that the best model overlooks; fail below an F-score of least_score",
    "script": [
        "python scripts/score.py training/model-best corpus/dev.spacy metrics/score.json"
        " --least ${vars.least_score}"
    ],
    "deps": ["training/model-best", "corpus/dev.spacy", "scripts/score.py"],
    "outputs_no_cache": ["metrics/score.json"],
}

each = pytest.mark.parametrize("name", NAMES)


def project(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((TEMPLATES / name / "project.yml").read_text("utf-8"))
    return loaded


def commands(name: str) -> dict[str, dict[str, Any]]:
    return {command["name"]: command for command in project(name)["commands"]}


@pytest.fixture
def cloned(name: str, tmp_path: Path, spacy: Spacy) -> Path:
    """The template as a user gets it."""

    done = spacy("clone", name, tmp_path / "project")
    assert done.code == 0, done.err
    assert "warning" not in done.err
    return tmp_path / "project"


def test_the_list_names_them(spacy: Spacy) -> None:
    assert [name.partition("/")[2] for name in NAMES] == [
        "dvc", "fastapi", "prodigy", "ray", "streamlit", "wandb",
    ]  # fmt: skip
    listed = spacy("clone", "--list").out.split()
    assert [name for name in NAMES if name not in listed] == []


@each
def test_a_clone_begins_with_what_they_share_and_has_nothing_to_complain_of(
    name: str, cloned: Path, spacy: Spacy
) -> None:
    files = snapshot(cloned)
    shared = snapshot(TEMPLATES / "integrations/_shared")
    shared |= {
        f"data/{path}": data for path, data in snapshot(TEMPLATES / "ner_fashion/data").items()
    }
    for path, content in shared.items():
        if "__pycache__" not in path:
            assert files[path] == content, f"'{path}' is not as it is shared"
    assert "configs/config.cfg" in files
    assert "scripts/preprocess.py" in files
    assert git(cloned, "status", "--porcelain") == ""
    assert spacy("check", cwd=cloned) == (0, "", "")
    assert spacy("status", cwd=cloned).code == 0


@each
def test_its_assets_come_with_it_and_are_ignored(name: str, cloned: Path, spacy: Spacy) -> None:
    done = spacy("assets", cwd=cloned)
    assert done.code == 0, done.err
    assert "md5 verified" in done.err
    assert git(cloned, "status", "--porcelain") == ""


@each
def test_what_is_made_is_ignored_and_what_is_worth_keeping_is_not(
    name: str, cloned: Path, spacy: Spacy
) -> None:
    assert spacy("ignore", "--check", cwd=cloned).code == 0
    for command in commands(name).values():
        for path in command.get("outputs", ()):
            if "${" not in path:
                assert git(cloned, "check-ignore", path) == path
        for path in command.get("outputs_no_cache", ()):
            if "${" not in path:
                with pytest.raises(Exception, match="exit status 1"):
                    git(cloned, "check-ignore", path)


@each
def test_it_says_what_it_is_and_what_it_needs(name: str) -> None:
    assert len(project(name)["title"]) > 20
    assert project(name)["description"].endswith(".")
    readme = (TEMPLATES / name / "README.md").read_text("utf-8")
    assert readme.startswith("# ")
    for verb in ("git spacy assets", "git spacy run "):
        assert verb in readme
    needed = (TEMPLATES / name / "requirements.txt").read_text("utf-8").splitlines()
    lines = [line.partition("#")[0].strip() for line in needed]
    for line in filter(None, lines):
        assert re.fullmatch(r"[\w.\[\]-]+>=\d[\d.]*(,<\d[\d.]*)?", line), f"{line}: no range"
    packages = {re.split(r"[>\[]", line)[0] for line in lines}
    assert {"spacy", "typer", "pytest", "pytest-html"} <= packages


@each
def test_commands_that_have_a_name_in_common_are_the_same_word_for_word(name: str) -> None:
    own, model = commands(name), commands("ner_fashion")
    for shared in FROM_NER_FASHION:
        if shared not in OTHERWISE.get(name, ()):
            assert own[shared] == model[shared]
    for wanted in (TEST, SCORE):
        found = own[str(wanted["name"])]
        assert {**found, "deps": wanted["deps"]} == wanted
        assert set(wanted["deps"]) <= set(found["deps"])


@each
def test_what_is_an_exception_is_one(name: str) -> None:
    model, own = commands("ner_fashion"), commands(name)
    for command in OTHERWISE.get(name, ()):
        assert own[command] != model[command], "no exception any more"


@each
def test_run_all_begins_with_the_data_and_ends_with_scores(name: str) -> None:
    steps = project(name)["workflows"]["all"]
    wanted = ["preprocess", "train", "evaluate", "test", "score"]
    assert [step for step in steps if step in wanted] == wanted


@each
def test_what_runs_until_control_c_is_never_skipped(name: str) -> None:
    own = commands(name)
    for command in LONG_RUNNING.get(name, ()):
        assert own[command]["no_skip"] is True
        assert "outputs" not in own[command]
        assert "until Ctrl-C" in own[command]["help"]
    others = own.keys() - set(LONG_RUNNING.get(name, ()))
    assert not [other for other in others if "Ctrl-C" in own[other]["help"]]


@each
def test_the_documents_have_a_section_for_it(name: str) -> None:
    document = (Path(__file__).parents[2] / "docs/how-to/integrations.md").read_text("utf-8")
    assert f"\n## {name.partition('/')[2]}\n" in document
