"""The JSON output of every command follows docs/reference/json.schema.json."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from git_spacy.cli.group import group
from git_spacy.cli.main import main
from tests.testing.projects import Spacy, seeds
from tests.testing.repositories import commit, git

REFERENCE = Path(__file__).parents[2] / "docs/reference"
SCHEMA = json.loads((REFERENCE / "json.schema.json").read_text())
COMMANDS = {
    "status --json": "status",
    "status --json --remote": "status",
    "check --format json": "check",
    "log --json": "log",
    "log --table --json": "log_table",
    "log --table --mean seed --json": "log_table",
    "show --json": "show",
    "diff HEAD~1 HEAD --json": "diff",
    "diff HEAD~1 HEAD HEAD~1 --json": "diff_several",
    "notes status --json": "notes_status",
    "config --json": "config",
    "doctor --json": "doctor",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with assets, variants, a failed run, a recorded and a restored result."""

    folder = tmp_path_factory.mktemp("json")
    root = seeds(folder / "p")
    text = (root / "project.yml").read_text()
    assets = "assets:\n- {dest: a, url: 'https://example.com/a'}\n- {dest: prepare.py}\n"
    (root / "project.yml").write_text(text + assets)
    git(root, "init", "-q")
    (root / ".gitignore").write_text("/words.txt\n/model-*\n")
    commit(root, {})
    git(folder, "init", "-q", "--bare", "remote.git")
    git(root, "remote", "add", "origin", str(folder / "remote.git"))
    git(root, "config", "spacy.restore", "true")
    (folder / "outputs").mkdir()
    git(root, "config", "spacy.remote.default.url", str(folder / "outputs"))

    def spacy(*arguments: str) -> None:
        main(["-C", str(root), *arguments])

    spacy("run", "all")
    (root / "words.txt").unlink()
    spacy("run", "prepare")  # restored from the cache
    spacy("run", "all", "--matrix", "vars.seed=1,2")
    commit(root, {"train.py": (root / "train.py").read_text() + "\n# changed\n"})
    spacy("run", "all", "--vars.seed", "13")
    spacy("run", "all", "--matrix", "vars.seed=0,1")
    spacy("lock", "record", "prepare")
    lock = root / "project.lock"
    lock.write_text(lock.read_text().replace("evaluate:", "gone:", 1))
    return root


def validate(value: Any, name: str) -> None:
    Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{name}"}).validate(value)


@pytest.mark.parametrize("command", COMMANDS)
def test_json_output_follows_the_schema(root: Path, spacy: Spacy, command: str) -> None:
    value = json.loads(spacy(*command.split(), cwd=root).out)
    assert value
    validate(value, COMMANDS[command])


def test_resolved_json_follows_the_schema_of_project_yml(root: Path, spacy: Spacy) -> None:
    schema = json.loads(spacy("schema", cwd=root).out)
    Draft202012Validator(schema).validate(json.loads(spacy("resolved", "--json", cwd=root).out))


def test_every_command_with_json_output_is_validated() -> None:
    def with_option(command: click.Command, name: str) -> Iterator[str]:
        if isinstance(command, click.Group):
            context = click.Context(command)
            for subcommand in command.list_commands(context):
                child = command.get_command(context, subcommand)
                assert child
                yield from with_option(child, f"{name} {subcommand}".strip())
        for option in command.params:
            choices = getattr(option.type, "choices", ())
            if "--json" in option.opts or "json" in choices:
                yield name

    validated = {re.split(r" --| HEAD", command)[0] for command in COMMANDS}
    assert set(with_option(group, "")) == validated | {"resolved"}


def properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", ())
        for part in schema.values():
            yield from properties(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from properties(part)


def test_every_field_is_in_snake_case_and_documented() -> None:
    text = (REFERENCE / "json.md").read_text()
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))
    names = set(properties(SCHEMA))
    assert len(names) > 50
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)
    assert names - documented == set()
