"""Tests of `git spacy add`: an integration in a project that is not one of its templates."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from git_spacy import templates
from git_spacy.setup.integrations import INTEGRATIONS
from tests.testing.projects import CORPUS, Spacy, needs_corpus, process, project, snapshot
from tests.testing.repositories import git, repository, write

TRAINS = """\
# Our recognizer
title: 'ours'   # quotes stay
vars:
  config: 'small.cfg'
  gpu_id: -1
workflows:
  all: [train]
commands:
  # the training
  - name: train
    script:
      - python -m spacy train configs/${vars.config} -o models/ner --paths.train data/train.spacy --paths.dev=data/dev.spacy --gpu-id ${vars.gpu_id} --code scripts/pipes.py
    deps: [configs/small.cfg, data/train.spacy, data/dev.spacy, scripts/pipes.py]
    outputs: [models/ner/model-best]
"""
INPUTS: dict[str, str | bytes] = dict.fromkeys(("configs/small.cfg", "data/train.spacy", "data/dev.spacy", "scripts/pipes.py", "models/ner/model-best/meta.json", "assets/texts.jsonl"), "x\n")  # fmt: skip


def ours(folder: Path, text: str = TRAINS, **files: str) -> Path:
    return repository(folder, {"project.yml": text, **INPUTS, **files})


def files(folder: Path) -> dict[str, bytes | str]:
    """Return the contents without the folders: Git leaves empty ones behind."""

    return {name: data for name, data in snapshot(folder).items() if not name.endswith("/")}


def undo(err: str, cwd: Path) -> None:
    """Type the command line that undoes the addition."""

    line = re.search(r"^To undo: (.*)$", err, re.MULTILINE)
    assert line, err
    subprocess.run(line[1], shell=True, cwd=cwd, check=True)


@pytest.mark.parametrize("name", INTEGRATIONS)
def test_an_integration_is_added_once_can_be_run_and_is_undone(
    tmp_path: Path, spacy: Spacy, name: str
) -> None:
    root = ours(tmp_path)
    before = files(root)
    shown = spacy("add", name, "--dry-run", cwd=root)
    assert shown.code == 0
    assert files(root) == before
    done = spacy("add", name, cwd=root)
    assert (done.code, done.out) == (0, shown.out), done.err
    text = (root / "project.yml").read_text()
    lines = iter(text.splitlines())
    assert all(any(line == other for other in lines) for line in TRAINS.splitlines())
    assert "fashion" not in text.lower() or name == "prodigy"
    again = spacy("add", name, cwd=root)
    assert (again.code, again.out, again.err) == (0, "", f"'{name}' is already there\n")
    checked = spacy("check", "project", cwd=root)
    assert (checked.code, checked.err) == (0, ""), checked
    command = next(iter(INTEGRATIONS[name].commands.values()))
    planned = spacy("run", command, "--dry-run", cwd=root)
    assert planned.code == 0, planned
    undo(done.err, root)
    assert files(root) == before
    assert git(root, "status", "--porcelain") == ""


@pytest.mark.parametrize("name", INTEGRATIONS)
def test_what_an_integration_adds_is_in_its_template(name: str) -> None:
    integration = INTEGRATIONS[name]
    folder = templates.template_folder(f"integrations/{name}")
    for file in (*integration.scripts, *integration.settings):
        assert (folder / file).is_file()
    assert all(line in (folder / ".gitignore").read_text() for line in integration.ignored)
    required = (folder / "requirements.txt").read_text()
    assert all(
        re.search(rf"^{package}\b", required, re.MULTILINE) for package in integration.packages
    )
    imported = re.compile(r"^(?:import|from) (\w+)", re.MULTILINE)
    modules = {
        module
        for file in integration.scripts
        for module in imported.findall((folder / file).read_text())
    }
    assert modules & {"typer", "fastapi", "uvicorn", "ray", "streamlit"} <= set(
        integration.packages
    )


def test_without_a_name_the_integrations_are_listed(tmp_path: Path, spacy: Spacy) -> None:
    done = spacy("add", cwd=tmp_path)
    assert [line.split()[0] for line in done.out.splitlines()] == sorted(INTEGRATIONS)
    assert spacy("add", "--list", cwd=tmp_path).out == done.out
    unknown = spacy("add", "wandbb", cwd=ours(tmp_path / "p"))
    assert unknown.code == 2
    assert "hint: git spacy add --list" in unknown.err


def test_the_training_of_the_project_is_logged(tmp_path: Path, spacy: Spacy) -> None:
    root = ours(tmp_path)
    spacy("add", "wandb", cwd=root)
    resolved = " ".join(spacy("resolved", cwd=root).out.split())
    for words in (
        "scripts/add_wandb.py configs/small.cfg configs/wandb.cfg --project",
        "RUN_LINK_CODE=scripts/pipes.py python -m spacy train configs/wandb.cfg",
        "--output models/ner-wandb --code scripts/run_link.py",
        "--paths.train data/train.spacy --paths.dev=data/dev.spacy --gpu-id -1",
        "models/ner-wandb/model-best",
    ):
        assert words in resolved, words
    assert resolved.count("--code") == 2
    assert (root / ".gitignore").read_text() == "/wandb/\n"
    write(root, {"scripts/run_link.py": "# changed by the user\n"})
    assert spacy("add", "wandb", cwd=root).err == "'wandb' is already there\n"


def test_what_project_yml_does_not_tell_becomes_a_variable(tmp_path: Path, spacy: Spacy) -> None:
    root = ours(tmp_path, "commands: [{name: a, script: ['python x.py']}]\n")
    done = spacy("add", "fastapi", cwd=root)
    assert "vars.fastapi_model" in done.err
    text = (root / "project.yml").read_text()
    assert 'fastapi_model: "training/model-best" # set this: the trained model\n' in text
    assert '{"name": "serve"' in text  # in flow style, as the others
    assert "python scripts/serve.py m --host" in " ".join(
        spacy("resolved", "--vars.fastapi_model", "m", cwd=root).out.split()
    )


@pytest.mark.parametrize(
    ("text", "others", "named"),
    [
        (f"{TRAINS}  - name: serve\n    script: [x]\n", {}, "the command 'serve'"),
        (TRAINS.replace("all: [", "serve: [train]\n  all: ["), {}, "the workflow 'serve'"),
        (TRAINS.replace("gpu_id", "fastapi_port: 1\n  gpu_id", 1), {}, "the var 'fastapi_port'"),
        (TRAINS, {"scripts/api.py": "mine\n"}, "the file 'scripts/api.py'"),
    ],
)  # fmt: skip
def test_nothing_is_replaced_and_the_hint_uses_other_names(
    tmp_path: Path, spacy: Spacy, text: str, others: dict[str, str], named: str
) -> None:
    root = ours(tmp_path, text, **others)
    before = files(root)
    done = spacy("add", "fastapi", cwd=root)
    assert done.code == 3
    assert named in done.err
    assert files(root) == before
    hint = re.search(r"use other names: git spacy (.*)", done.err)
    assert hint, done.err
    again = spacy(*hint[1].split(), cwd=root)
    assert again.code == 0, again.err
    assert spacy(*hint[1].split(), cwd=root).err == "'fastapi' is already there\n"
    label = hint[1].split()[-1]
    assert (root / f"scripts/{label}/api.py").is_file()
    assert spacy("run", f"{label}-serve", "--dry-run", cwd=root).code == 0
    assert {name: data for name, data in files(root).items() if name in before} == {
        **before, "project.yml": (root / "project.yml").read_bytes()
    }  # fmt: skip


def test_changes_that_the_undo_would_lose_are_staged_first(tmp_path: Path, spacy: Spacy) -> None:
    root = ours(tmp_path / "r", **{"requirements.txt": "spacy"})
    write(root, {"project.yml": TRAINS + "# edited\n"})
    before = files(root)
    refused = spacy("add", "streamlit", cwd=root / "data")
    assert refused.code == 3
    assert files(root) == before
    hint = re.search(r"hint: (git .*)", refused.err)
    assert hint, refused.err
    subprocess.run(hint[1], shell=True, cwd=root / "data", check=True)
    done = spacy("add", "streamlit", cwd=root / "data")
    assert done.code == 0, done.err
    assert (root / "requirements.txt").read_text().startswith("spacy\nspacy-streamlit>=")
    undo(done.err, root / "data")
    assert files(root) == before
    new = project(tmp_path / "new", TRAINS)
    assert "There is no undo" in spacy("add", "ray", cwd=new).err
    git(new, "init", "-q")
    untracked = spacy("add", "streamlit", cwd=new)
    assert untracked.code == 3
    assert "hint: git add -- requirements.txt project.yml" in untracked.err


def test_files_that_a_sparse_checkout_leaves_out_are_not_hidden(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = ours(tmp_path / "r", **{"p/project.yml": TRAINS, "p/requirements.txt": "spacy\n"})
    git(root, "sparse-checkout", "set", "--no-cone", "p/project.yml")
    refused = spacy("add", "streamlit", cwd=root / "p")
    assert refused.code == 3
    assert not (root / "p/requirements.txt").exists()
    hint = re.search(r"hint: (git .*)", refused.err)
    assert hint, refused.err
    subprocess.run(hint[1], shell=True, cwd=root / "p", check=True)
    done = spacy("add", "streamlit", cwd=root / "p")
    assert done.code == 0, done.err
    undo(done.err, root / "p")
    assert (root / "p/requirements.txt").read_text() == "spacy\n"
    assert (root / "p/project.yml").read_text() == TRAINS


def test_line_ends_stay_and_existing_settings_are_kept(tmp_path: Path, spacy: Spacy) -> None:
    text = TRAINS.replace("\n", "\r\n").rstrip()
    root = ours(
        tmp_path, text, **{".streamlit/config.toml": "mine\n", "requirements.txt": "Streamlit\r\n"}
    )
    before = files(root)
    done = spacy("add", "streamlit", cwd=root)
    assert "'.streamlit/config.toml' exists with other contents: kept" in done.err
    for name in ("project.yml", "requirements.txt"):
        data = (root / name).read_bytes()
        assert data.count(b"\r\n") == data.count(b"\n") > 1
    assert (root / "requirements.txt").read_text().count("streamlit>") == 1  # spacy-streamlit
    undo(done.err, root)
    assert files(root) == before


def test_an_invalid_project_stays_as_it_is(tmp_path: Path, spacy: Spacy) -> None:
    root = ours(tmp_path, "vars:\n\ta: 1\n")
    assert spacy("add", "wandb", cwd=root).code == 2
    assert git(root, "status", "--porcelain") == ""


@needs_corpus
@pytest.mark.parametrize(
    "name",
    ["pipelines__ner_demo", "tutorials__rel_component", "integrations__streamlit"],
)
def test_published_projects_get_the_integrations_one_after_the_other(
    tmp_path: Path, spacy: Spacy, name: str
) -> None:
    data = (CORPUS / f"explosion__projects__{name}/project.yml").read_bytes()
    root = repository(tmp_path, {"project.yml": data})
    for integration in INTEGRATIONS:
        done = spacy("add", integration, cwd=root)
        hint = re.search(r"use other names: git spacy (.*)", done.err)
        if hint:
            done = spacy(*hint[1].split(), cwd=root)
        assert done.code == 0, done.err
        assert spacy("add", *(hint[1].split()[1:] if hint else [integration]), cwd=root).out == ""
        checked = spacy("check", "project", cwd=root)
        assert "error" not in checked.err + checked.out, checked
        git(root, "add", "-A")
    planned = spacy("run", "wandb-config", "wandb-train", "--dry-run", cwd=root)
    assert "wandb-train" in planned.out + planned.err


def test_the_project_directory_can_be_an_argument(tmp_path: Path) -> None:
    ours(tmp_path / "r", **{"p/project.yml": TRAINS})
    done = process("add", "ray", "r/p", cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / "r/p/scripts/parallel_evaluate.py").is_file()
    undo(done.err, tmp_path)
    assert git(tmp_path / "r", "status", "--porcelain") == ""
