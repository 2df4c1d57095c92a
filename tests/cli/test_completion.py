"""Completion: what the program offers, and what real shells make of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from git_spacy.cli import completion
from git_spacy.cli.registry import ARGUMENTS, COMMANDS
from tests.testing.projects import on_path, process, project
from tests.testing.repositories import commit, git
from tests.testing.shells import Shell

REPOSITORY = Path(__file__).parents[2]
BASH_COMPLETION = Path("/usr/share/bash-completion")
PROJECT = """\
vars: {seed: 1, model: {width: 96}}
assets: [{dest: assets/train.jsonl, url: 'https://example.com/x', description: "Some text"}]
commands:
  - {name: prepare, help: "Prepare\\tit", script: [x]}
  - {name: train, script: [x], outputs: [training/best]}
  - {name: two words, script: [x]}
  - {name: 'a:b', script: [x]}
workflows: {all: [prepare, train]}
remotes: {default: /somewhere, backup: 's3://b/x'}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    on_path(tmp_path / "bin", monkeypatch)
    folder = project(tmp_path / "p", PROJECT)
    git(folder, "init", "-q")
    commit(folder, {})
    git(folder, "config", "spacy.remote.mine.url", "/mine")
    git(folder, "remote", "add", "origin", "x")
    return folder


def words(folder: Path, *typed: str) -> list[str]:
    return [word for word, _ in completion.candidates(typed, folder)]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["r"], ["run", "report", "restore", "resolved"]),
        (["run", "tr"], ["train"]),
        (["run", "a"], ["all", "a:b"]),
        (["project", "run", "tr"], ["train"]),
        (["init", "h"], ["hooks"]),
        (["run", "all", "pre"], ["prepare"]),
        (["run", "--exec"], ["--executor"]),
        (["run", "--executor", ""], ["local", "ray"]),
        (["run", "--executor=r"], ["--executor=ray"]),
        (["run", "--vars.s"], ["--vars.seed"]),
        (["run", "--vars.seed", ""], []),
        (["run", "--vars.seed=2", "tr"], ["train"]),
        (["run", "--set", "m"], ["model.width="]),
        (["run", "--matrix", ""], ["vars.seed=", "vars.model.width="]),
        (["run", "--search", ""], ["vars.seed=", "vars.model.width="]),
        (["run", "--force", "tr"], ["train"]),
        (["run", "--", "tr"], ["train"]),
        (["log", "--command", "p"], ["prepare"]),
        (["report", "--compare", "ma"], ["main"]),
        (["clone", "ner"], ["ner_fashion"]),
        (["assets", ""], ["assets/train.jsonl"]),
        (["push", ""], ["default", "backup", "mine", "all", "train", "training/best"]),
        (["pull", "mine", "tr"], ["train", "training/best"]),
        (["pull", "b"], ["backup"]),
        (["notes", "p"], ["push", "pull"]),
        (["notes", "push", ""], ["origin"]),
        (["lock", "re"], ["rebuild", "record", "resolve"]),
        (["lock", "record", "tr"], ["train"]),
        (["lock", "record", "--se"], ["--set"]),
        (["cache", "gc", "--da"], ["--days"]),
        (["dvc", ""], ["all"]),
        (["show", "m"], ["main"]),
        (["-C", ".", "run", "tr"], ["train"]),
        (["-"], ["-C", "--version", "-V", "--help"]),
        (["frobnicate", ""], []),
        (["--", ""], []),
    ],
    ids=" ".join,
)
def test_candidates_for_a_command_line(root: Path, typed: list[str], expected: list[str]) -> None:
    assert sorted(words(root, *typed)) == sorted(expected)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_its_options_are_completed(root: Path, command: str) -> None:
    assert command in words(root, "")
    assert "--help" in words(root, command, "-")


def test_the_table_of_arguments_has_the_commands_and_subcommands_that_exist() -> None:
    from git_spacy.cli.group import group

    context = click.Context(group)
    commands = {name: group.get_command(context, name) for name in COMMANDS}
    groups = {name for name, command in commands.items() if isinstance(command, click.Group)}
    assert {name for name, entry in ARGUMENTS.items() if isinstance(entry, dict)} == groups
    assert set(ARGUMENTS) <= set(COMMANDS)
    kinds = set()
    for name, entry in ARGUMENTS.items():
        assert isinstance(entry, str) or set(entry) <= set(commands[name].commands)
        kinds |= {entry} if isinstance(entry, str) else set(entry.values())
    assert kinds == set(completion.CANDIDATES)


def test_a_description_follows_a_tab(root: Path) -> None:
    assert process("complete", "run", "pre", cwd=root).out == "prepare\tPrepare it\n"


@pytest.mark.parametrize(
    "text", ["commands: [", "a: &a [*a]", "commands: [{name: \"x\\n\\e[2J\", script: []}]"]
)  # fmt: skip
def test_errors_are_never_printed(root: Path, text: str) -> None:
    (root / "project.yml").write_text(text)
    (root / ".git/config").write_text("[broken")
    for typed in (["run", ""], ["push", ""], ["notes", "push", ""], ["-C", "/nowhere", "run", ""]):
        assert process("complete", *typed, cwd=root) == (0, "", "")


def test_names_are_completed_without_importing_click(root: Path) -> None:
    code = (
        "import sys; from git_spacy.cli import completion; completion.main(['run', '']);"
        "completion.main(['clone', '']); sys.exit('click' in sys.modules)"
    )
    subprocess.run((sys.executable, "-c", code), cwd=root, check=True, capture_output=True)


def test_path_prints_the_installed_completion_scripts(root: Path) -> None:
    for shell in ("bash", "zsh", "fish"):
        path = Path(process("complete", "--path", shell, cwd=root).out.strip())
        assert path.is_relative_to(Path(sys.prefix) / "share")
        wheel = (REPOSITORY / "pyproject.toml").read_text()
        assert f'"completion/git-spacy.{shell}" = "{path.relative_to(sys.prefix)}"' in wheel


def needs(*programs: str) -> pytest.MarkDecorator:
    missing = [name for name in programs if not shutil.which(name)]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


@pytest.fixture
def bash(root: Path) -> Iterator[Shell]:
    if not (BASH_COMPLETION / "bash_completion").is_file():
        pytest.skip("bash-completion is not installed")
    # without a space in its path, at which bash-completion splits it
    with tempfile.TemporaryDirectory(dir="/tmp") as data:
        script = Path(data, "bash-completion/completions/git-spacy")
        script.parent.mkdir(parents=True)
        script.symlink_to(REPOSITORY / "completion/git-spacy.bash")
        with Shell("bash", "--norc", "--noprofile", "-i", folder=root, XDG_DATA_HOME=data) as shell:
            shell.types(
                "bind 'set enable-bracketed-paste off'; bind 'set show-all-if-ambiguous on';"
                f" . {BASH_COMPLETION}/bash_completion; echo rea''dy\n",
                "ready\r\n",
            )
            yield shell


TYPED = [
    ("git spacy run tr", "git spacy run train "),
    ("git spacy clone ner", "git spacy clone ner_fashion "),
    ("git spacy push b", "git spacy push backup "),
    ("git-spacy run tr", "git-spacy run train "),
    ("git spacy notes push ", "git spacy notes push origin "),
    ("git spacy run --exec", "git spacy run --executor "),
]


@needs("bash")
def test_bash_completes_git_spacy_with_and_without_a_dash(bash: Shell) -> None:
    bash.types("git spacy r\t", "resolved", "restore", "run")
    bash.clears()
    bash.types("git spacy push \t", "backup", "default", "mine", "train")
    bash.clears()
    for typed, expected in (
        *TYPED,
        ("git -C ../p spacy run tr", "git -C ../p spacy run train "),
        ("git spacy run tw", "git spacy run two\\ words "),
        ("git spacy run a:", "git spacy run a:b "),
        ("git spacy run --executor=r", "git spacy run --executor=ray "),
        ("git spacy run --set s", "git spacy run --set seed="),
    ):
        bash.types(typed + "\t", expected)
        bash.clears()


@needs("zsh")
def test_zsh_completes_git_spacy_with_and_without_a_dash(root: Path, tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    functions.mkdir()
    (functions / "_git-spacy").symlink_to(REPOSITORY / "completion/git-spacy.zsh")
    with Shell("zsh", "-f", "-i", folder=root, ZDOTDIR=str(tmp_path)) as shell:
        shell.types(
            f"unsetopt zle_bracketed_paste; fpath=('{functions}' $fpath); autoload -Uz compinit;"
            f" compinit -u -d '{tmp_path}/dump'; echo rea''dy\n",
            "ready\r\n",
        )
        shell.types("git spacy r\t", "resolved", "restore", "skip what is up to date")
        shell.clears()
        for typed, expected in TYPED:
            shell.types(typed + "\t", expected.split()[-1])
            shell.clears()


@needs("fish")
def test_fish_completes_git_spacy_with_and_without_a_dash(root: Path) -> None:
    for typed, expected in TYPED:
        line = f"source {REPOSITORY}/completion/git-spacy.fish; complete -C '{typed}'"
        completed = subprocess.run(
            ("fish", "-c", line), cwd=root, capture_output=True, text=True, check=True
        )
        assert [line.split("\t")[0] for line in completed.stdout.splitlines()] == [
            expected.split()[-1]
        ]
        assert completed.stderr == ""
