"""`git spacy project …` accepts the command lines of `spacy project` and weasel."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from git_spacy.cli import weasel_compat
from git_spacy.cli.group import group
from tests.testing.projects import Spacy, on_path, two_steps
from tests.testing.repositories import repository


def test_it_does_what_the_command_does(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    assert spacy("project", "run", "all", str(root)).err.endswith("ran 2, skipped 0\n")
    assert spacy("project", "run", "all", "--dry", cwd=root).code == 0
    assert spacy("project", "run", cwd=root).out == spacy("run", cwd=root).out
    assert spacy("project", "assets", str(root), "--sparse").code == 0
    assert spacy("project", "push", str(tmp_path / "remote"), cwd=root).err.endswith(
        "pushed 2, skipped 0\n"
    )
    assert spacy("project", "pull", str(tmp_path / "remote"), cwd=root).code == 0


def test_document_prints_where_weasel_prints(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    assert "Two steps" in spacy("project", "document", cwd=root).out
    assert not (root / "README.md").exists()
    assert spacy("project", "document", "--output", "README.md", cwd=root).code == 0
    assert "Two steps" in (root / "README.md").read_text()


def test_dvc_takes_its_arguments_in_weasel_s_order(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(repository(tmp_path / "r"))
    assert spacy("project", "dvc", str(root), "all", "--verbose").code == 0
    assert (root / "dvc.yaml").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ["project"],
            "clone, assets, run, dvc, document, push, pull\nhint: without 'project': git spacy -h",
        ),
        (["project", "status"], "without 'project': git spacy status"),
        (["project", "rnu", "all"], "did you mean 'run'?"),
        (["project", "evaluate"], "see 'git spacy -h'"),
        (["project", "run", "--forse"], "did you mean: git spacy project run --force"),
    ],
)
def test_commands_that_weasel_does_not_have_are_errors(
    spacy: Spacy, arguments: list[str], expected: str
) -> None:
    done = spacy(*arguments)
    assert done.code == 2
    assert expected in done.err


def weasel_commands() -> dict[str, click.Command]:
    """Return the commands of the installed weasel."""

    pytest.importorskip("weasel")
    import typer.main
    from weasel.cli.main import app

    found = typer.main.get_command(app)
    return {name: found.commands[name] for name in found.commands}  # type: ignore[attr-defined]


def test_every_command_and_option_of_weasel_is_accepted() -> None:
    found = weasel_commands()
    assert set(weasel_compat.COMMANDS) <= set(found)
    assert set(found) - set(weasel_compat.COMMANDS) <= {"remote-storage"}
    context = click.Context(group)
    for name in weasel_compat.COMMANDS:
        ours = group.get_command(context, name)
        assert ours is not None
        known = {option for parameter in ours.params for option in parameter.opts}
        for parameter in found[name].params:
            if parameter.param_type_name != "option" or parameter.name == "help":
                continue
            for option in parameter.opts:
                left_out = option not in weasel_compat.translate([name, option])
                assert left_out or option in known, (name, option)


PAGE = Path(__file__).parents[2] / "docs/how-to/from-weasel.md"


def test_the_documentation_has_every_option_of_weasel() -> None:
    printed = PAGE.read_text()
    rows = [row for row in printed.splitlines() if row.startswith("| `")]
    for name, command in weasel_commands().items():
        if name in weasel_compat.COMMANDS:
            for parameter in command.params:
                longest = max(parameter.opts, key=len)
                if parameter.param_type_name == "option":
                    assert any(f"`{name}" in row and longest in row for row in rows), (
                        name,
                        longest,
                    )
    context = click.Context(group)
    for row in rows:
        for words in re.findall(r"`git spacy (.*?)`", row):
            name, *rest = words.split()
            ours = group.get_command(context, name)
            assert ours is not None
            known = {option for parameter in ours.params for option in parameter.opts}
            used = {word for word in rest if word.startswith("--") and "vars" not in word}
            assert used <= known, row


def test_an_unmodified_project_runs_with_both_as_documented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("weasel")
    on_path(tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"])
    root = two_steps(tmp_path / "p")
    (block,) = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    printed = [
        subprocess.run(("sh", "-c", line), cwd=root, capture_output=True, text=True, check=True)
        for line in block.splitlines()
    ]
    assert printed[0].stdout.count("Running command") == 2
    assert printed[1].stdout.count("up to date") == 2
    assert printed[2].stderr.endswith("ran 0, skipped 2\n")
    assert printed[3].stdout.count("nothing changed") == 2
