"""Follow the recipes of CONTRIBUTING.md."""

from __future__ import annotations

import re
import sys
import textwrap
import types
from pathlib import Path

import pytest

from git_spacy.assets import sources
from git_spacy.cli import group
from git_spacy.cli.registry import COMMANDS
from git_spacy.generate import registry
from tests.testing.projects import Spacy, project, two_steps

REPOSITORY = Path(__file__).parents[1]
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
CREATED_BY_RECIPES = {
    "git_spacy/cli/commands/count.py", "tests/cli/commands/test_count.py", "git_spacy/assets/sources/text.py",
    "git_spacy/generate/names.py",
}  # fmt: skip
COMMAND, SOURCE, GENERATOR = (
    textwrap.dedent(block) for block in re.findall(r"^ +```python\n(.*?)^ +```$", TEXT, re.M | re.S)
)


def create_module(name: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Import `code` as if it were in a file of its own."""

    module = types.ModuleType(name)
    exec(compile(code, name, "exec"), module.__dict__)
    assert module.__doc__
    monkeypatch.setitem(sys.modules, name, module)


def test_every_named_file_exists() -> None:
    named = set(re.findall(r"`((?:git_spacy|tests|docs|scripts)/[\w./-]*|[A-Z]+\.md)`", TEXT))
    assert {name for name in named if not (REPOSITORY / name).exists()} == CREATED_BY_RECIPES


def test_every_script_that_is_listed_exists() -> None:
    scripts = set(re.findall(r"^(scripts/\w+)", TEXT, re.MULTILINE))
    assert len(scripts) >= 6
    assert {name for name in scripts if not (REPOSITORY / name).is_file()} == set()


def test_scripts_stress_runs_every_file_with_a_long_form() -> None:
    run = re.findall(r"\btests/[\w./]+", (REPOSITORY / "scripts/stress").read_text())
    files = {
        str(file.relative_to(REPOSITORY))
        for file in REPOSITORY.glob("tests/**/test_*.py")
        if re.search("environ.*GIT_SPACY_STRESS|GIT_SPACY_STRESS.*environ", file.read_text())
    } - {"tests/test_contributing.py"}
    assert len(files) > 10
    assert {name for name in files if not name.startswith(tuple(run))} == set()


def test_every_name_is_defined_in_the_file_that_is_named_with_it() -> None:
    pairs = re.findall(r"`(\w+)` of\s+`([\w./]+\.py)`", TEXT)
    assert len(pairs) >= 6
    for name, file in pairs:
        assert re.search(rf"\b{name}\b", (REPOSITORY / file).read_text()), (name, file)
    for name, file in (
        ("SUMMARIES", "git_spacy/cli/registry.py"),
        ("NAMES", "git_spacy/generate/registry.py"),
        ("MAY_IMPORT", "tests/test_architecture.py"),
    ):
        assert f"`{name}`" in TEXT
        assert re.search(rf"^{name}\b.* = ", (REPOSITORY / file).read_text(), re.MULTILINE)


def test_how_we_write_has_six_pairs() -> None:
    section = TEXT.partition("\n## How we write\n")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\| [A-Z][\w ]+ \| .+ \| .+ \|$", section, re.MULTILINE)) == 6


def test_the_recipe_for_a_command_works(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_module("git_spacy.cli.commands.count", COMMAND, monkeypatch)
    monkeypatch.setattr(group, "COMMANDS", (*COMMANDS, "count"))
    assert spacy("count", cwd=two_steps(tmp_path)) == (0, "2\n", "")
    shown = spacy("count", "-h").out
    assert shown.startswith("Usage: git spacy count ")
    assert shown.endswith("Examples:\n  git spacy count  Print how many commands can be run.\n")


def test_the_recipe_for_a_source_of_assets_works(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_module("git_spacy.assets.sources.text", SOURCE, monkeypatch)
    monkeypatch.setitem(sources.SOURCES, "text", "git_spacy.assets.sources.text")
    md5 = "5d41402abc4b2a76b9719d911017c592"  # of "hello"
    root = project(
        tmp_path,
        f"assets:\n- {{dest: a, url: 'text:hello', checksum: {md5}}}\n"
        f"- {{dest: b, url: 'text:good bye', checksum: {md5}}}\n",
    )
    done = spacy("assets", cwd=root)
    assert done.code == 4
    assert "fetched  a (5 B, md5 verified)\n" in done.out + done.err
    assert f"project.yml expects {md5}\nhint: if it changed on purpose: git spacy" in done.err
    assert (root / "a").read_text() == "hello"
    assert not (root / "b").exists()


def test_the_recipe_for_a_generator_works(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_module("git_spacy.generate.names", GENERATOR, monkeypatch)
    monkeypatch.setitem(registry.GENERATORS, "names", "git_spacy.generate.names")
    monkeypatch.setattr(registry, "NAMES", (*registry.NAMES, "names.txt"))
    from git_spacy.generate import writer
    from git_spacy.project import loader

    root = two_steps(tmp_path)
    generate = sys.modules["git_spacy.generate.names"].generate
    assert writer.write(root, generate(loader.load(root)))
    assert (root / "names.txt").read_text().endswith("prepare\ntrain\n")
    assert spacy("check", "generated", cwd=root).code == 0
    (root / "project.yml").write_text((root / "project.yml").read_text().replace("train", "fit"))
    assert "names.txt:1:1: error: " in spacy("check", "generated", cwd=root).out
