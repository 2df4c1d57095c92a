"""Everything that the documents tell people to type, typed; or marked there as not tried here.

A block of `console` is a session in a real shell, all of a document's in one; a block of `sh` has
commands that some test runs. Whatever else a block is, it has no commands.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from git_spacy import cli
from git_spacy.project import loader, schema_keys
from git_spacy.state import lock
from tests.testing import console
from tests.testing.projects import on_path, seeds
from tests.testing.repositories import commit, git, write

REPOSITORY = Path(__file__).parents[1]
DOCUMENTS = sorted(
    (*REPOSITORY.glob("docs/*.md"), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md")
)
NOT_RUN = "# not run by the tests: "
# the documents with blocks of `sh`, and what runs them
RUN_BY = {
    "README.md": "tests/test_quickstart.py",
    "files.md": "tests/test_docs.py",
    "from-weasel.md": "tests/cli/test_weasel_compat.py",
    "hooks.md": "tests/test_docs.py",
    "init.md": "tests/test_docs.py",
    "integrations.md": "tests/integrations/test_shared.py",
    "parallel.md": "tests/test_docs.py",
    "remotes.md": "tests/test_docs.py",
    "restore.md": "tests/test_docs.py",
    "schema.md": "tests/test_docs.py",
    "shells.md": "tests/test_docs.py",
}


def nothing(folder: Path) -> None:
    """An empty folder."""


def some_seeds(folder: Path) -> None:
    """A project whose commands have metrics, and a remote."""

    seeds(folder)
    git(folder, "init", "-q")
    commit(folder, {}, "Begin")
    git(folder, "init", "-q", "--bare", str(folder.parent / "origin.git"))
    git(folder, "remote", "add", "origin", str(folder.parent / "origin.git"))


WORLDS: dict[str, Callable[[Path], None]] = {"tutorial.md": nothing, "ledger.md": some_seeds}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PATH with git-spacy, its hook and a `python`, as in an environment that has it."""

    source, python = str(REPOSITORY), sys.executable
    run = "import sys; from git_spacy.hook import main; sys.exit(main())"
    text = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{python}' -c '{run}' \"$@\"\n"
    write(tmp_path / "bin", {"git-spacy-hook*": text})
    os.symlink(python, tmp_path / "bin/python")
    on_path(tmp_path / "bin", monkeypatch)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", WORLDS)
def test_a_session_shows_what_it_says(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    WORLDS[name](folder)
    session = console.session(REPOSITORY / "docs" / name)
    done = console.typed([one.command for one in session], folder)
    assert len(done) == len(session)
    for one, (code, lines) in zip(session, done, strict=True):
        assert console.is_as_shown(one.shown, lines), (one.command, one.shown, lines)
        is_refused = any(": error: " in line or line.startswith("error: ") for line in one.shown)
        assert (code != 0) == is_refused, (one.command, lines)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_to_be_typed_is_run_or_marked(document: Path) -> None:
    name = document.name
    for language, text in console.fences(document):
        assert language, f"{name}: a block without a language: {text[:60]}"
        if text.startswith(NOT_RUN):
            continue
        if language == "console":
            assert name in WORLDS or name == "README.md"
        elif language == "sh":
            runner = RUN_BY.get(name)
            assert runner, f"{name}: nobody runs this: {text[:60]}"
            assert name in (REPOSITORY / runner).read_text() or name == "README.md"
        else:
            assert not re.search(r"^\$ ", text, re.MULTILINE)


def test_no_key_of_project_yml_is_missing_in_its_reference() -> None:
    text = (REPOSITORY / "docs/project-yml.md").read_text()
    sections = dict(re.findall(r"^##+ (.*?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    for title, table in {
        "The project": schema_keys.PROJECT, "Assets": schema_keys.ASSET, "git": schema_keys.GIT,
        "Commands": schema_keys.COMMAND, "Resources": schema_keys.RESOURCES,
    }.items():  # fmt: skip
        told = re.findall(r"^\| `(\w+)` \| (.*) \|$", sections[title], re.MULTILINE)
        assert sorted(name for name, _ in told) == sorted(table.keys), title
        needed = {name for name, means in told if means.endswith("Needed.")}
        assert title == "Commands" or needed == set(table.required)
    assert "`name` | What `run` and workflows call it. Needed." in sections["Commands"]


def test_the_examples_of_project_yml_are_projects() -> None:
    blocks = [
        text
        for language, text in console.fences(REPOSITORY / "docs/project-yml.md")
        if language == "yaml"
    ]
    today, first = (loader.parse(text.encode()).project for text in blocks)
    assert today.warnings == first.warnings == ()
    assert today.commands[0].script[0].endswith("--dropout 0.2")
    assert first.commands[0].outputs[0].text == "training/fashion"
    used = {line.split(":")[0].strip(" -") for line in blocks[0].splitlines()}
    assert set(schema_keys.COMMAND.keys) - used == {"no_skip"}


def test_the_example_of_project_lock_is_one_byte_for_byte() -> None:
    (block,) = [
        text
        for language, text in console.fences(REPOSITORY / "docs/ledger.md")
        if language == "yaml"
    ]
    assert lock.text(lock.parse(block.encode())) == block.encode()


def test_the_picture_of_the_house_has_every_room() -> None:
    text = (REPOSITORY / "docs/how-it-works.md").read_text()
    package = REPOSITORY / "git_spacy"
    rooms = {path.name + "/" for path in package.iterdir() if (path / "__init__.py").exists()}
    assert {room for room in rooms if room not in text} == {"templates/"}
    for name in re.findall(r"`((?:project|state|git)/\w+\.py|\w+\.py)`", text):
        assert (package / name).exists(), name


def subcommand(words: list[str]) -> tuple[click.Command, list[str]]:
    """The verb (or the verb of a verb) that `words` begin with, and the rest of them."""

    command: click.Command | None = cli.group
    rest = list(words)
    while isinstance(command, click.Group) and rest and re.fullmatch("[a-z-]+", rest[0]):
        command = command.get_command(click.Context(command), rest.pop(0))
    assert command is not None, words
    return command, rest


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_verb_and_option_that_a_document_names_is_there(document: Path) -> None:
    for line in re.findall(r"`git spacy ([a-z][^`]*)`", document.read_text()):
        words = re.split(r"[\s|]+", line.replace("[", "").replace("]", "").partition(" && ")[0])
        if words[0] in ("project", "count"):  # hands that know another tool; a recipe's
            continue
        command, rest = subcommand(words)
        known = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        free = ("--vars.", "--set")
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        unknown = {word for word in used - known - {"--help"} if not word.startswith(free)}
        assert unknown == set(), line


def test_comparing_is_loose_about_what_differs_and_strict_about_the_rest() -> None:
    seen = ["a1b2c3d Less", "  2026-11-24 10:03  train  45 s  x", "more", "end"]
    assert console.is_as_shown(
        ("e5f6a7b Less", "  2025-01-02 11:11  train  3.1 s   x", "...", "end"), seen
    )
    assert console.is_as_shown((), seen)
    assert console.is_as_shown(("...", "more", "..."), seen)
    assert not console.is_as_shown(("e5f6a7b More", "..."), seen)
    assert not console.is_as_shown(("a1b2c3d Less",), seen)
    assert not console.is_as_shown(("...", "more"), seen)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]*)(?:#[^)]*)?\)", document.read_text()):
        if target and "://" not in target:
            assert (document.parent / target).exists(), target
