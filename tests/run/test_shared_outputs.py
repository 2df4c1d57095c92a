"""Outputs that two commands produce, and outputs inside those of another command."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from git_spacy.project import loader, yaml_text
from tests.testing.projects import Spacy
from tests.testing.repositories import git, repository

TWO_PRODUCERS = """\
commands:
  - name: train
    script: ["cp a.txt model"]
    deps: [a.txt]
    outputs: [model]
  - name: train-vectors
    script: ["cp b.txt model"]
    deps: [b.txt]
    outputs: [model]
  - name: evaluate
    script: ["cp model score"]
    deps: [model]
    outputs: [score]
workflows:
  all: [train, evaluate]
  all-vectors: [train-vectors, evaluate]
"""
NESTED = """\
commands:
  - name: train
    script:
      - mkdir -p training
      - cp a.txt training/model
    deps: [a.txt]
    outputs: [training]
  - name: evaluate
    script: ["cp b.txt training/metrics.json"]
    deps: [training/model, b.txt]
    outputs_no_cache: [training/metrics.json]
workflows:
  all: [train, evaluate]
"""
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


def two_producers(folder: Path) -> Path:
    files: dict[str, str | bytes] = {"project.yml": TWO_PRODUCERS, "a.txt": "a", "b.txt": "b"}
    return repository(folder, files)


def states(spacy: Spacy, root: Path) -> dict[str, str]:
    document = json.loads(spacy("status", "--json", cwd=root).out)
    return {command["name"]: command["state"] for command in document["commands"]}


def test_one_of_two_producers_is_enough(tmp_path: Path, spacy: Spacy) -> None:
    made = two_producers(tmp_path / "p")
    assert spacy("run", "all", cwd=made).code == 0
    again = spacy("run", "all", cwd=made)
    assert "ran 0, skipped 2" in again.err
    assert "warning" not in again.err
    found = spacy("status", cwd=made)
    assert states(spacy, made) == {
        "train": "up_to_date", "train-vectors": "not_run", "evaluate": "up_to_date",
    }  # fmt: skip
    assert "Next" not in found.out
    assert spacy("check", cwd=made).code == 0
    pushed = spacy("push", str(tmp_path / "remote"), cwd=made)
    assert "model" in pushed.out + pushed.err


def test_a_command_whose_output_another_one_replaced_has_not_run(
    tmp_path: Path, spacy: Spacy
) -> None:
    """Its lock entry is not wrong, so neither check nor hint asks for a run that undoes the other."""

    made = two_producers(tmp_path / "p")
    git(made, "config", "spacy.remote", str(tmp_path / "remote"))
    for workflow, name, other in (
        ("all", "train", ""),
        ("all-vectors", "train-vectors", "train"),
        ("all", "train", "train-vectors"),
    ):
        assert "ran 2" in spacy("run", workflow, cwd=made).err
        assert "ran 0, skipped 2" in spacy("run", workflow, cwd=made).err
        found = spacy("status", cwd=made).out
        assert "Next" not in found
        if other:
            assert f"{other}" in found
            assert f"output 'model' is that of '{name}'" in found
            assert states(spacy, made)[other] == "not_run"
        assert states(spacy, made)[name] == states(spacy, made)["evaluate"] == "up_to_date"
        git(made, "add", "-A", "-f")
        checked = spacy("check", "lock", "--staged", cwd=made)
        assert checked.code == 0, checked.out
        assert spacy("check", "lock", "--strict", cwd=made).code == (0 if other else 1)


def test_a_change_that_no_command_made_is_still_stale(tmp_path: Path, spacy: Spacy) -> None:
    made = two_producers(tmp_path / "p")
    spacy("run", "all", cwd=made)
    (made / "model").write_text("edited")
    assert states(spacy, made)["train"] == "stale"
    assert states(spacy, made)["evaluate"] == "stale"
    assert "Next: git spacy run all" in spacy("status", cwd=made).out
    spacy("run", "all", cwd=made)
    (made / "a.txt").write_text("aa")
    assert states(spacy, made)["train"] == "stale"
    assert states(spacy, made)["evaluate"] == "stale"


def test_upstream_runs_one_producer_only(tmp_path: Path, spacy: Spacy) -> None:
    made = two_producers(tmp_path / "p")
    assert "ran 2" in spacy("run", "--upstream", "evaluate", cwd=made).err
    assert (made / "score").read_text() == "a"
    assert "ran 2" in spacy("run", "--upstream", "train-vectors", "evaluate", cwd=made).err
    assert (made / "score").read_text() == "b"


def test_an_output_inside_another_does_not_make_its_command_run_again(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = repository(tmp_path / "p", {"project.yml": NESTED, "a.txt": "a", "b.txt": "b"})
    assert spacy("run", "all", cwd=made).code == 0
    assert "ran 0, skipped 2" in spacy("run", "all", cwd=made).err
    assert states(spacy, made) == {"train": "up_to_date", "evaluate": "up_to_date"}
    (made / "b.txt").write_text("c")
    assert "ran 1, skipped 1" in spacy("run", "all", cwd=made).err
    assert "ran 0, skipped 2" in spacy("run", "all", cwd=made).err
    checked = spacy("check", "project", "lock", cwd=made)
    assert checked.code == 0
    assert (
        "project.yml:11:24: warning: output 'training/metrics.json' of 'evaluate' is inside output"
        " 'training' of 'train' (line 7)" in checked.out
    )
    assert "hint: on line 7, list what 'train' itself writes in place of 'training'" in checked.out
    # an edit by hand counts as before, also if the inner command runs afterwards
    (made / "training/model").write_text("edited")
    assert spacy("run", "evaluate", cwd=made).code == 0
    assert states(spacy, made)["train"] == "stale"


def test_weasel_skips_a_command_with_another_output_inside_its_own(
    tmp_path: Path, spacy: Spacy
) -> None:
    commands = pytest.importorskip("weasel.cli.run")
    made = repository(tmp_path / "p", {"project.yml": NESTED, "a.txt": "a", "b.txt": "b"})
    spacy("run", "all", cwd=made)
    config = pytest.importorskip("weasel.util.config")
    for command in config.load_project_config(made)["commands"]:
        assert not commands.check_rerun(made, command)


PROJECTS = [
    path.parent.name
    for path in sorted(CORPUS.glob("*/project.yml"))
    if path.parent.name.endswith(
        ("_ner_demo", "_parser_demo", "_parser_intent_demo", "_spancat_demo", "_rel_component")
    )
]  # fmt: skip


@pytest.mark.parametrize("name", PROJECTS or ["none"])
def test_the_second_run_of_an_official_template_skips_everything(
    tmp_path: Path, spacy: Spacy, name: str
) -> None:
    """With scripts that only write the outputs in place of the real ones."""

    if not PROJECTS:
        pytest.skip("the corpus is not here")
    data = (CORPUS / name / "project.yml").read_bytes()
    project = loader.parse(data).project
    document = loader.resolve_document(data)
    for command in document["commands"]:
        outputs = [*command.get("outputs", ()), *command.get("outputs_no_cache", ())]
        code = 'for p; do mkdir -p "$(dirname $p)"; echo $0 >$p; done'
        command["script"] = [shlex.join(["sh", "-c", code, command["name"], *outputs])]
    made = repository(tmp_path / "p", {"project.yml": yaml_text.emit(document)})
    for command in project.commands:
        for path in command.deps:
            if not any(path.touches(other) for c in project.commands for other in c.produced):
                (made / path.normal).parent.mkdir(parents=True, exist_ok=True)
                (made / path.normal).write_text("input")
    flow = project.workflows[0]
    first = spacy("run", flow.name, cwd=made)
    assert first.code == 0, first.err
    always = sum(not project.command(step).produced for step in flow.steps)  # type: ignore[union-attr]
    again = spacy("run", flow.name, cwd=made)
    assert f"ran {always}, skipped {len(flow.steps) - always}" in again.err
    current = states(spacy, made)
    assert {current[step] for step in flow.steps} <= {"up_to_date", "always_runs"}
