"""The check of generated files, in the working tree and in the index."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from git_spacy.generate import registry
from tests.testing.projects import Spacy, process, snapshot, two_steps
from tests.testing.repositories import git, write

GENERATED = [
    (["ignore"], ".gitignore"),
    (["dvc", "all"], "dvc.yaml"),
    (["dvc", "--no-urls", "all"], "dvc.yaml"),
    (["document"], "README.md"),
    (["document", "-o", "docs/a b's.md", "--no-emoji"], "docs/a b's.md"),
    (["graph", "-o", "docs/graph.svg", "all"], "docs/graph.svg"),
    (["graph", "-o", "graph.mmd"], "graph.mmd"),
    (["graph", "-f", "text", "-o", "graph.gv"], "graph.gv"),
]
SCHEMA = (["schema", "-o", "project.schema.json"], "project.schema.json")
STALE = "error: out of date with project.yml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Create a project in a subfolder of its repository."""

    folder = two_steps(tmp_path / "r/sub/project")
    (folder / "docs").mkdir()
    git(tmp_path / "r", "init", "-q")
    return folder


def change_project(root: Path) -> None:
    text = (root / "project.yml").read_text()
    text = text.replace("help: Train on it", "help: Train").replace("[model]", "[model, log.txt]")
    write(root, {"project.yml": text})


def test_every_generator_has_a_case() -> None:
    assert {arguments[0] for arguments, _ in (*GENERATED, SCHEMA)} == set(registry.GENERATORS)


@pytest.mark.parametrize(("arguments", "name"), GENERATED)
def test_a_file_is_up_to_date_until_project_yml_changes(
    root: Path, spacy: Spacy, arguments: list[str], name: str
) -> None:
    assert spacy(*arguments, cwd=root).code == 0
    git(root, "add", "-A")
    for view in ([], ["--staged"]):
        done = spacy("check", "generated", *view, cwd=root)
        assert (done.code, done.out, done.err) == (0, "", "")
    change_project(root)
    assert spacy("check", "generated", "--staged", cwd=root).code == 0  # not staged yet
    done = spacy("check", "generated", cwd=root)
    assert done.code == 1
    first, hint = done.out.splitlines()
    line = 2 if name.endswith(".svg") else 1  # the first line is the XML declaration
    assert first == f"{name}:{line}:1: {STALE}"
    git(root, "add", "project.yml")
    assert spacy("check", "generated", "--staged", cwd=root).out == done.out
    # the hint works when pasted
    from git_spacy.generate.managed_block import split_command

    assert spacy(*split_command(hint.removeprefix("hint: ")), cwd=root).code == 0
    assert spacy("check", "generated", cwd=root).code == 0
    assert spacy("check", "generated", "--staged", cwd=root).code == 1
    git(root, "add", name)
    assert spacy("check", "generated", "--staged", cwd=root).code == 0


@pytest.mark.parametrize(("arguments", "name"), GENERATED)
def test_an_edited_file_is_reported_and_not_overwritten(
    root: Path, spacy: Spacy, arguments: list[str], name: str
) -> None:
    assert spacy(*arguments, cwd=root).code == 0
    path = root / name
    text = path.read_text().replace("model", "model2").replace("Train on", "Train of")
    path.write_text(text)
    git(root, "add", "-A")
    change_project(root)
    done = spacy("check", "generated", "--fix", cwd=root)
    assert done.code == 1
    assert "was edited" in done.out
    assert done.out.splitlines()[1].endswith(" --force")
    assert path.read_text() == text


def test_a_schema_does_not_depend_on_project_yml(root: Path, spacy: Spacy) -> None:
    arguments, name = SCHEMA
    assert spacy(*arguments, cwd=root).code == 0
    change_project(root)
    assert spacy("check", "generated", cwd=root).code == 0
    path = root / name
    path.write_text(path.read_text().replace('"title"', '"tittle"', 1))
    done = spacy("check", "generated", cwd=root)
    assert done.out.splitlines() == [
        f"{name}:2:1: error: the generated text in '{name}' was edited by hand",
        "hint: git spacy schema -o project.schema.json --force",
    ]


def test_fix_regenerates_all_files(root: Path, spacy: Spacy) -> None:
    for arguments, _ in GENERATED:
        assert spacy(*arguments, cwd=root).code == 0
    git(root, "add", "-A")
    change_project(root)
    done = spacy("check", "generated", "--fix", cwd=root)
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "wrote .gitignore", "wrote dvc.yaml", "wrote README.md", "wrote docs/a b's.md",
        "wrote docs/graph.svg", "wrote graph.gv", "wrote graph.mmd",
    ]  # fmt: skip
    assert spacy("check", "generated", "--fix", cwd=root).err == ""


def test_files_that_were_not_generated_are_ignored(root: Path, spacy: Spacy) -> None:
    write(root, {"README.md": "mine\n", "dvc.yaml": "stages: {}\n", "docs/x.md": "git-spacy\n"})
    git(root, "add", "-A")
    assert spacy("check", "generated", cwd=root).code == 0


def test_outside_a_repository_the_default_file_names_are_checked(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = two_steps(tmp_path / "p")
    assert spacy("document", cwd=root).code == 0
    assert spacy("check", "generated", cwd=root).code == 0
    change_project(root)
    assert f"README.md:1:1: {STALE}" in spacy("check", "generated", cwd=root).out


def test_each_project_has_its_own_generated_files(root: Path, spacy: Spacy) -> None:
    """A project inside another, a copy of a generated file, and a forged marker."""

    inner = two_steps(root / "inner")
    change_project(inner)
    assert spacy("document", cwd=root).code == 0
    assert spacy("document", cwd=inner).code == 0
    assert spacy("document", "-o", "docs/x.md", cwd=inner / "..").code == 0
    shutil.copy(root / "README.md", root / "docs/copy.md")
    forged = (root / "README.md").read_text().replace("git spacy document", "git spacy frob --x")
    write(root, {"docs/forged.md": forged, "docs/nul.md": b"git-spacy: generated by \0\xff"})
    git(root, "add", "-A")
    for folder in (root, inner):
        assert spacy("check", "generated", "--staged", cwd=folder).out == ""
    change_project(root)
    assert "docs/x.md:1:1" in spacy("check", "generated", cwd=root).out
    assert spacy("check", "generated", cwd=inner).code == 0


@pytest.mark.parametrize(
    "command",
    [
        "git spacy document -o",
        "git spacy document -o ../../x.md",
        "git spacy document x y z",
        "git spacy dvc no-such-workflow",
        'git spacy dvc "',
        "git spacy dvc -o",
        "git spacy",
        "git spacy ignore $(touch /tmp/x)",
    ],
)
def test_a_marker_is_parsed_and_never_run(root: Path, spacy: Spacy, command: str) -> None:
    marker = f"<!-- git-spacy: generated by '{command}' from project.yml; digest 0123456789ab -->"
    write(root, {"README.md": f"{marker}\n", "docs/x.md": f"{marker}\n"})
    git(root, "add", "-A")
    before = snapshot(root)
    done = spacy("check", "generated", cwd=root)
    assert done.code in (0, 1)
    assert "internal" not in done.err
    assert snapshot(root) == before


def test_a_project_that_dvc_cannot_express_is_reported(root: Path, spacy: Spacy) -> None:
    assert spacy("dvc", cwd=root).code == 0
    text = (root / "project.yml").read_text()
    write(root, {"project.yml": text.replace("outputs: [model]", "outputs: [corpus/words.txt]")})
    done = spacy("check", "generated", cwd=root)
    assert done.code == 1
    assert "DVC allows only one producer of a path" in done.out


def test_the_index_in_the_environment_is_checked(root: Path) -> None:
    from tests.testing.hooks import two_projects

    top = two_projects(root.parent / "two")
    change_project(top / "one")
    git(top, "add", "-A")
    environ = {"GIT_INDEX_FILE": str(top / ".git/index"), "GIT_DIR": str(top / ".git")}
    assert process("check", "generated", "--staged", cwd=top / "one", **environ).code == 1
