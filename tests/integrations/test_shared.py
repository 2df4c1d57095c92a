"""Properties that all templates of integrations/ have in common."""

from __future__ import annotations

import json
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
# Commands that differ from those of the other templates, because they use the tool.
OTHERWISE = {
    "integrations/dvc": {"evaluate"},  # writes scores per type for DVC's plots
    "integrations/prodigy": {"preprocess"},  # reads annotations from Prodigy
    "integrations/wandb": {"train", "evaluate"},  # log to Weights & Biases
}
LONG_RUNNING = {
    "integrations/fastapi": {"serve"},
    "integrations/prodigy": {"annotate"},
    "integrations/streamlit": {"visualize"},
}
# The two commands that ner_fashion does not have; a template may add dependencies.
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


def without_seed_in_paths(command: dict[str, Any]) -> dict[str, Any]:
    """Return a command of ner_fashion with the paths that the integrations use.

    Only ner_fashion has the seed in the paths of its models, for `--matrix seed=…`.
    """

    changed: dict[str, Any] = json.loads(json.dumps(command).replace("/seed-${vars.seed}", ""))
    return changed


@pytest.fixture
def cloned(name: str, tmp_path: Path, spacy: Spacy) -> Path:
    """Clone the template as a user does."""

    done = spacy("clone", name, tmp_path / "project")
    assert done.code == 0, done.err
    assert "warning" not in done.err
    return tmp_path / "project"


def test_clone_list_includes_the_integrations(spacy: Spacy) -> None:
    assert [name.partition("/")[2] for name in NAMES] == [
        "dvc", "fastapi", "prodigy", "ray", "streamlit", "wandb",
    ]  # fmt: skip
    listed = spacy("clone", "--list").out.split()
    assert [name for name in NAMES if name not in listed] == []


@each
def test_a_clone_contains_the_shared_files_and_passes_all_checks(
    name: str, cloned: Path, spacy: Spacy
) -> None:
    files = snapshot(cloned)
    shared = snapshot(TEMPLATES / "integrations/_shared")
    shared |= {
        f"data/{path}": data for path, data in snapshot(TEMPLATES / "ner_fashion/data").items()
    }
    for path, content in shared.items():
        if "__pycache__" not in path:
            assert files[path] == content, f"'{path}' differs from the shared file"
    assert "configs/config.cfg" in files
    assert "scripts/preprocess.py" in files
    assert git(cloned, "status", "--porcelain") == ""
    assert spacy("check", cwd=cloned) == (0, "", "")
    assert spacy("status", cwd=cloned).code == 0


@each
def test_the_assets_are_part_of_the_template_and_ignored_by_git(
    name: str, cloned: Path, spacy: Spacy
) -> None:
    done = spacy("assets", cwd=cloned)
    assert done.code == 0, done.err
    assert "md5 verified" in done.err
    assert git(cloned, "status", "--porcelain") == ""


@each
def test_git_ignores_outputs_but_not_outputs_no_cache(
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
def test_it_has_a_description_a_readme_and_version_ranges(name: str) -> None:
    assert len(project(name)["title"]) > 20
    assert project(name)["description"].endswith(".")
    readme = (TEMPLATES / name / "README.md").read_text("utf-8")
    assert readme.startswith("# ")
    for command in ("git spacy assets", "git spacy run "):
        assert command in readme
    needed = (TEMPLATES / name / "requirements.txt").read_text("utf-8").splitlines()
    lines = [line.partition("#")[0].strip() for line in needed]
    for line in filter(None, lines):
        assert re.fullmatch(r"[\w.\[\]-]+>=\d[\d.]*(,<\d[\d.]*)?", line), (
            f"{line}: no version range"
        )
    packages = {re.split(r"[>\[]", line)[0] for line in lines}
    assert {"spacy", "typer", "pytest", "pytest-html"} <= packages


@each
def test_commands_with_the_same_name_are_identical(name: str) -> None:
    actual_commands, reference = commands(name), commands("ner_fashion")
    for shared in FROM_NER_FASHION:
        if shared not in OTHERWISE.get(name, ()):
            assert actual_commands[shared] == without_seed_in_paths(reference[shared])
    for expected in (TEST, SCORE):
        actual = actual_commands[str(expected["name"])]
        assert {**actual, "deps": expected["deps"]} == expected
        assert set(expected["deps"]) <= set(actual["deps"])


@each
def test_commands_listed_as_different_are_different(name: str) -> None:
    reference, actual_commands = commands("ner_fashion"), commands(name)
    for command in OTHERWISE.get(name, ()):
        assert actual_commands[command] != without_seed_in_paths(reference[command]), (
            "no longer different"
        )


@each
def test_the_workflow_all_has_the_common_commands_in_order(name: str) -> None:
    steps = project(name)["workflows"]["all"]
    expected = ["preprocess", "train", "evaluate", "test", "score"]
    assert [step for step in steps if step in expected] == expected


@each
def test_commands_that_run_until_ctrl_c_are_never_skipped(name: str) -> None:
    actual_commands = commands(name)
    for command in LONG_RUNNING.get(name, ()):
        assert actual_commands[command]["no_skip"] is True
        assert "outputs" not in actual_commands[command]
        assert "until Ctrl-C" in actual_commands[command]["help"]
    others = actual_commands.keys() - set(LONG_RUNNING.get(name, ()))
    assert not [other for other in others if "Ctrl-C" in actual_commands[other]["help"]]


@each
def test_the_docs_have_a_section_for_it(name: str) -> None:
    document = (Path(__file__).parents[2] / "docs/how-to/integrations.md").read_text("utf-8")
    assert f"\n## {name.partition('/')[2]}\n" in document
