"""Check the documents: what they tell readers to type is run, what they list is complete.

A block of `console` is a session in a real shell; all blocks of a document are one session. A block
of `sh` has commands that the test named in `RUN_BY` runs, or says in its first line that no test
runs them. Blocks in other languages contain no commands.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from pathlib import Path

import click
import pytest

from git_spacy.cli.main import group
from git_spacy.cli.registry import COMMANDS
from git_spacy.errors import EXIT_CODES
from git_spacy.lock import lock_format
from git_spacy.project import loader, schema_keys
from tests.testing import console
from tests.testing.projects import Spacy, on_path, project
from tests.testing.repositories import write

REPOSITORY = Path(__file__).parents[1]
DOCS = REPOSITORY / "docs"
DOCUMENTS = {
    path.relative_to(DOCS if path.is_relative_to(DOCS) else REPOSITORY).as_posix(): path
    for path in (
        *sorted(DOCS.rglob("*.md")), REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md",
    )
}  # fmt: skip
NOT_RUN = "# not run by the tests: "
# Documents with blocks of `sh` or transcripts that are not typed here, and the tests that run them.
RUN_BY = {
    "README.md": "tests/test_docs.py",
    "how-to/editor.md": "tests/test_docs.py",
    "how-to/from-weasel.md": "tests/cli/test_weasel_compat.py",
    "how-to/generated-files.md": "tests/test_docs.py",
    "how-to/hooks.md": "tests/test_docs.py",
    "how-to/install.md": "tests/test_docs.py",
    "how-to/integrations.md": "tests/integrations/test_shared.py",
    "how-to/parallel.md": "tests/test_docs.py",
    "how-to/remotes.md": "tests/test_docs.py",
    "how-to/restore.md": "tests/test_docs.py",
    "how-to/set-up-a-repository.md": "tests/test_docs.py",
    "tutorial/train-a-model.md": "tests/test_quickstart.py",
}


SESSIONS = ("tutorial/first-steps.md", "how-to/run-history.md")  # each in an empty folder


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put git-spacy, its hook and `python` on the PATH, as in an environment that has git-spacy."""

    source, python = str(REPOSITORY), sys.executable
    run = "import sys; from git_spacy.hook import main; sys.exit(main())"
    text = f"#!/bin/sh\nPYTHONPATH='{source}' exec '{python}' -c '{run}' \"$@\"\n"
    write(tmp_path / "bin", {"git-spacy-hook*": text})
    os.symlink(python, tmp_path / "bin/python")
    on_path(tmp_path / "bin", monkeypatch)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", SESSIONS)
def test_a_session_prints_what_the_document_shows(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    session = console.session(DOCUMENTS[name])
    results = console.run_commands([step.command for step in session], folder)
    assert len(results) == len(session)
    for step, (code, lines) in zip(session, results, strict=True):
        assert console.matches_document(step.shown, lines), (step.command, step.shown, lines)
        shows_error = any(": error: " in line or line.startswith("error: ") for line in step.shown)
        assert (code != 0) == shows_error, (step.command, lines)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_block_is_run_by_a_test_or_marked(name: str) -> None:
    for language, text in console.fences(DOCUMENTS[name]):
        assert language, f"{name}: a block without a language: {text[:60]}"
        if text.startswith(NOT_RUN):
            continue
        if language in ("console", "sh") and name not in SESSIONS:
            runner = RUN_BY.get(name)
            assert runner, f"{name}: no test runs this block: {text[:60]}"
            assert name in (REPOSITORY / runner).read_text()
        elif language not in ("console", "sh"):
            assert not re.search(r"^\$ ", text, re.MULTILINE)


def test_the_readme_is_short() -> None:
    assert len(DOCUMENTS["README.md"].read_text().splitlines()) < 120


def test_the_reference_of_project_yml_lists_every_key() -> None:
    text = DOCUMENTS["reference/project-yml.md"].read_text()
    sections = dict(re.findall(r"^##+ (.*?)\n(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL))
    for title, table in {
        "The project": schema_keys.PROJECT, "Assets": schema_keys.ASSET, "git": schema_keys.GIT,
        "Commands": schema_keys.COMMAND, "Resources": schema_keys.RESOURCES,
    }.items():  # fmt: skip
        rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", sections[title], re.MULTILINE)
        assert sorted(key for key, _ in rows) == sorted(table.keys), title
        required = {key for key, meaning in rows if meaning.endswith("Required.")}
        assert title == "Commands" or required == set(table.required)
    assert "`name` | The name for `run` and for workflows. Required." in sections["Commands"]


def test_the_examples_of_project_yml_are_valid_projects() -> None:
    blocks = [
        text
        for language, text in console.fences(DOCUMENTS["reference/project-yml.md"])
        if language == "yaml"
    ]
    today, first = (loader.parse(text.encode()).project for text in blocks)
    assert today.warnings == first.warnings == ()
    assert today.commands[0].script[0].endswith("--dropout 0.2")
    assert first.commands[0].outputs[0].text == "training/fashion"
    used = {line.split(":")[0].strip(" -") for line in blocks[0].splitlines()}
    assert set(schema_keys.COMMAND.keys) - used == {"no_skip"}


def test_the_example_of_project_lock_is_formatted_byte_for_byte() -> None:
    (block,) = [
        text
        for language, text in console.fences(DOCUMENTS["reference/run-records.md"])
        if language == "yaml"
    ]
    assert lock_format.text(lock_format.parse(block.encode())) == block.encode()


def test_the_reference_lists_every_exit_code() -> None:
    text = DOCUMENTS["reference/exit-codes.md"].read_text()
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert listed == {*EXIT_CODES, 127}


def test_the_reference_lists_every_command() -> None:
    text = DOCUMENTS["reference/commands.md"].read_text()
    listed = re.findall(r"`git spacy ([a-z]+)[^`]*`(?=[^|]*\| )", text)
    assert set(listed) - {"project"} == set(COMMANDS)


def test_the_examples_of_errors_are_what_git_spacy_prints(tmp_path: Path, spacy: Spacy) -> None:
    lines = "\n" * 10 + "assets:\n  - dest: ../x\n    url: https://example.com/x\n"
    done = spacy("check", "project", cwd=project(tmp_path / "p", lines))
    (example,) = [
        text
        for language, text in console.fences(DOCUMENTS["reference/commands.md"])
        if language == "text"
    ]
    assert done.out == example

    text = "commands: [{name: x, script: [python -m nosuchmodule]}]"
    root = project(tmp_path / "q", text, {"requirements.txt": "nosuchmodule\n"})
    (example,) = [
        text
        for language, text in console.fences(DOCUMENTS["how-to/integrations.md"])
        if language == "text" and ": error: " in text
    ]
    example = example.replace("streamlit run …", "nosuchmodule").replace(
        "streamlit", "nosuchmodule"
    )
    assert spacy("run", "x", cwd=root).err.endswith(example)


def test_a_page_with_every_option_is_generated_for_each_command() -> None:
    pages = runpy.run_path(str(REPOSITORY / "scripts/command_pages.py"))
    commands = pages["commands"]()
    assert set(commands) == set(COMMANDS)
    for name, command in commands.items():
        text = pages["page"](name, command)
        assert text.startswith(f"# git spacy {name}\n")
        subcommands = command.commands.values() if isinstance(command, click.Group) else ()
        for option in (*command.params, *(each for sub in subcommands for each in sub.params)):
            if isinstance(option, click.Option) and not option.hidden and "-h" not in option.opts:
                assert option.opts[-1] in text, (name, option.opts)


def test_the_architecture_shows_every_package_and_names_modules_that_exist() -> None:
    text = DOCUMENTS["explanation/architecture.md"].read_text()
    root = REPOSITORY / "git_spacy"
    packages = {path.name + "/" for path in root.iterdir() if (path / "__init__.py").exists()}
    assert {package for package in packages if package not in text} == {"templates/"}
    for name in re.findall(r"`((?:\w+/)*\w+\.py)`", text.replace("git_spacy/", "")):
        if name.startswith("tests/"):
            continue
        assert (root / name).exists(), name


def find_command(words: list[str]) -> tuple[click.Command, list[str]]:
    """Return the command or subcommand that `words` begin with, and the other words."""

    command: click.Command | None = group
    rest = list(words)
    while isinstance(command, click.Group) and rest and re.fullmatch("[a-z-]+", rest[0]):
        command = command.get_command(click.Context(command), rest.pop(0))
    assert command is not None, words
    return command, rest


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_command_and_option_that_a_document_names_exists(name: str) -> None:
    for line in re.findall(r"`git spacy ([a-z][^`]*)`", DOCUMENTS[name].read_text()):
        words = re.split(r"[\s|]+", line.replace("[", "").replace("]", "").partition(" && ")[0])
        if words[0] in ("project", "count"):  # weasel's commands; the example of CONTRIBUTING.md
            continue
        command, rest = find_command(words)
        known = {
            option
            for parameter in command.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        variables = ("--vars.", "--set")
        used = {word.partition("=")[0] for word in rest if word.startswith("--")}
        unknown = {
            option for option in used - known - {"--help"} if not option.startswith(variables)
        }
        assert unknown == set(), line


def test_sessions_are_compared_strictly_except_for_ids_dates_and_durations() -> None:
    seen = ["a1b2c3d Less", "  2026-11-24 10:03  train  45 s  x", "more", "end"]
    assert console.matches_document(
        ("e5f6a7b Less", "  2025-01-02 11:11  train  3.1 s   x", "...", "end"), seen
    )
    assert console.matches_document((), seen)
    assert console.matches_document(("...", "more", "..."), seen)
    assert not console.matches_document(("e5f6a7b More", "..."), seen)
    assert not console.matches_document(("a1b2c3d Less",), seen)
    assert not console.matches_document(("...", "more"), seen)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_documents_lead_to_files_and_headings(name: str) -> None:
    document = DOCUMENTS[name]
    for target, heading in re.findall(r"\]\(([^)#]*)(?:#([^)]*))?\)", document.read_text()):
        if "://" in target:
            continue
        linked = document.parent / target if target else document
        assert linked.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert heading in map(anchor, titles), f"{target}#{heading}"


def anchor(title: str) -> str:
    """Return the anchor of a heading, as Git hosts and mkdocs make it."""

    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
