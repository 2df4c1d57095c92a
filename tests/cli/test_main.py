"""The command line: help, usage errors, exit codes, signals and encodings."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from git_spacy import __version__, cli
from git_spacy.cli import output, overrides
from git_spacy.cli.command_class import declared
from git_spacy.cli.group import group
from git_spacy.cli.registry import COMMANDS, summary
from git_spacy.errors import InvalidInput
from tests.testing.projects import Spacy, process, project, two_steps
from tests.testing.repositories import git, repository
from tests.testing.waiting import PATIENCE


def test_git_runs_it_as_a_subcommand(tmp_path: Path) -> None:
    program = tmp_path / "git-spacy"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m git_spacy "$@"\n')
    program.chmod(0o755)
    environ = {
        "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(Path(cli.__file__).parents[2]),
    }
    assert git(tmp_path, "spacy", "--version", **environ) == f"git-spacy {__version__}"


@pytest.mark.parametrize("arguments", [[], ["-h"], ["--help"]])
def test_help_lists_every_command_with_a_summary(spacy: Spacy, arguments: list[str]) -> None:
    done = spacy(*arguments)
    assert done.code == 0
    assert done.err == ""
    lines = done.out.splitlines()
    assert len(lines) <= 53
    assert all(len(line) <= 80 for line in lines)
    for name in COMMANDS:
        assert any(line.split() == [name, *summary(name).split()] for line in lines)


def test_summaries_are_short_and_differ() -> None:
    summaries = [summary(name) for name in COMMANDS]
    assert len(set(summaries)) == len(summaries)
    assert all(text.endswith(".") and len(text) < 60 for text in summaries)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_own_help(spacy: Spacy, command: str) -> None:
    done = spacy(command, "-h")
    assert done.code == 0
    assert done.out.startswith(f"Usage: git spacy {command} ")
    assert all(len(line) <= 80 for line in done.out.splitlines())
    assert "..." not in done.out.partition("Options:")[2]  # cut short


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_ends_with_examples(spacy: Spacy, command: str) -> None:
    _, heading, section = spacy(command, "-h").out.partition("\nExamples:\n")
    assert heading
    words = section.split()
    found = group.get_command(click.Context(group), command)
    assert found
    for line, purpose in declared(found, "EXAMPLES"):
        assert f"  {line}" in section, "it can be copied as one line"
        assert set(purpose.split()) <= set(words)


def test_the_help_of_a_subcommand_has_the_examples_of_that_subcommand(spacy: Spacy) -> None:
    assert "  git spacy lock record train  Record a model" in spacy("lock", "record", "-h").out
    assert "rebuild" not in spacy("lock", "record", "-h").out.partition("Examples:")[2]
    assert "Examples:" not in spacy("cache", "verify", "-h").out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["clon"], "did you mean 'clone'?"),
        (["frobnicate"], "see 'git spacy -h'"),
        (["run", "--forse"], "--force"),
        (["run", "--set", "x"], "--set requires NAME=VALUE"),
        (["-C", "/nowhere", "run"], "/nowhere"),
        (["resolved", "what"], "not a folder with a project.yml"),
        (["assets", "--jobs", "0"], "--jobs"),
        (["assets", "--jobs", "many"], "'many' is not a valid integer\n"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_to_do(
    spacy: Spacy, arguments: list[str], expected: str
) -> None:
    done = spacy(*arguments)
    assert done.code == 2
    assert expected in done.err
    assert done.err.startswith("error: ")
    assert done.out == ""


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("help", "-h"),
        ("help run", "run -h"),
        ("help lock rebuild", "lock rebuild -h"),
        ("-C . help graph", "graph -h"),
        ("version", "--version"),
        ("-V", "--version"),
    ],
)
def test_help_and_version_can_be_typed_as_commands(spacy: Spacy, typed: str, meant: str) -> None:
    done = spacy(*typed.split())
    assert done == spacy(*meant.split())
    assert done.code == 0


def test_help_describes_a_command_of_the_project(tmp_path: Path, spacy: Spacy) -> None:
    root = two_steps(tmp_path)
    assert spacy("help", "run", "train", cwd=root) == spacy("run", "-h", "train", cwd=root)
    assert "did you mean 'run'?" in spacy("help", "rum").err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("graph --svg", "graph -f svg"),
        ("graph all --dot --no-status", "graph all -f dot --no-status"),
        ("check lock --json", "check lock --format json"),
        ("run all --grouped -j 2", "run all --output grouped -j 2"),
        ("run report --least 4", "run report --vars.least 4"),
        ("run report --least=4 -D", "run report --vars.least=4 -D"),
        ("run report --seed 4", "run report --vars.train.seed 4"),
        ("status --train.rate 4", "status --vars.train.rate 4"),
    ],
)
def test_an_unknown_option_that_is_a_value_or_a_variable_gets_the_command_line_that_works(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, typed: str, meant: str
) -> None:
    text = """\
vars: {least: 3, train: {seed: 0, rate: 1}, eval: {rate: 2}}
commands: [{name: report, script: ["python -c pass"], outputs_no_cache: []}]
workflows: {all: [report]}
"""
    root = project(tmp_path / "p", text)
    monkeypatch.chdir(root)
    done = spacy(*typed.split())
    assert done.code == 2
    error, hint = done.err.splitlines()
    unknown = next(word for word in typed.split() if word.startswith("--"))
    assert error.startswith("error: no such option")
    assert unknown.partition("=")[0] in error
    assert "mean" not in error
    assert hint == f"hint: did you mean: git spacy {meant}"
    assert spacy(*meant.split()).code == 0


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("run --all", "run all"),
        ("run all --froce", "run all --force"),
        ("run all --no-restor", "run all --no-restore"),
        ("run -d all", "run -D all"),
        ("clean --all --dry-run", "clean all --dry-run"),
        ("check --lock", "check lock"),
        ("init --merge --dry-run", "init merge --dry-run"),
        ("log -1", "log -n 1"),
        ("log -12 --all", "log -n 12 --all"),
        ("train", "run train"),
        ("trian --dry-run", "run train --dry-run"),
        ("project assets --froce", "project assets --force"),
    ],
)
def test_a_slip_in_an_option_or_a_command_gets_the_command_line_that_works(
    tmp_path: Path, spacy: Spacy, typed: str, meant: str
) -> None:
    """The options of Git and spaCy, arguments with dashes, and commands of the project."""

    text = "commands: [{name: train, script: [python -c pass]}]\nworkflows: {all: [train]}\n"
    root = project(repository(tmp_path / "r"), text)
    for options, cwd in ((), root), (("-C", str(root)), tmp_path):
        done = spacy(*options, *typed.split(), cwd=cwd)
        assert done.code == 2
        error, hint = done.err.splitlines()
        assert "mean" not in error
        expected = shlex.join(("git", "spacy", *options, *meant.split()))
        assert hint == f"hint: did you mean: {expected}"
        assert spacy(*options, *meant.split(), cwd=cwd).code == 0


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("notes pul", "did you mean 'pull'?"),
        ("lock foo", "see 'git spacy lock -h'"),
        ("stat", "did you mean 'status'?"),
        ("foo", "see 'git spacy -h'"),
        ("log --since yesterday", "see 'git spacy log -h'"),
        ("report --open", "see 'git spacy report -h'"),
        ("run -Fx", "see 'git spacy run -h'"),
    ],
)
def test_what_resembles_nothing_gets_no_guess(spacy: Spacy, typed: str, hint: str) -> None:
    done = spacy(*typed.split())
    assert done.code == 2
    assert done.err.splitlines()[1:] == [f"hint: {hint}"]


def test_an_unknown_option_that_could_be_two_variables_gets_no_guess(
    tmp_path: Path, spacy: Spacy
) -> None:
    text = "vars: {a: {rate: 1}, b: {rate: 2}}\ncommands: [{name: c, script: [x]}]\n"
    root = project(tmp_path / "p", text)
    for arguments in (("run", "c", "--rate", "1"), ("graph", "--pdf")):
        assert f"hint: see 'git spacy {arguments[0]} -h'" in spacy(*arguments, cwd=root).err


def all_commands() -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield the words and the click command of each command and subcommand."""

    context = click.Context(group)
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command
        yield (name,), command
        for subname, subcommand in getattr(command, "commands", {}).items():
            yield (name, subname), subcommand


def usage_errors() -> Iterator[tuple[str, ...]]:
    """Yield command lines with a usage error of each kind, for each command that can have it."""

    yield ("-C",)
    yield ("--qqqq",)
    for words, command in all_commands():
        if command.hidden:
            continue
        yield (*words, "--qqqq")
        for option in command.params:
            if isinstance(option, click.Option) and option.is_flag:
                yield (*words, f"{option.opts[-1]}=value")
            elif isinstance(option, click.Option) and not isinstance(option.flag_value, str):
                # which is the value of an option that needs none, such as `status --remote`
                yield (*words, option.opts[-1])
                if isinstance(option.type, click.IntRange | click.Choice):
                    yield (*words, option.opts[-1], "qqqq")
        if isinstance(command, click.Group):
            yield (*words, "qqqq")
        elif all(argument.nargs == 1 for argument in command.params):
            yield (*words, "1", "2", "3")


@pytest.mark.parametrize("arguments", list(usage_errors()), ids=" ".join)
def test_the_hint_of_a_usage_error_is_about_the_command_that_was_typed(
    spacy: Spacy, arguments: tuple[str, ...]
) -> None:
    """Such as of `run -j` without a number, which click's parser reports without a command."""

    done = spacy(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    words = [word for word in arguments[:2] if word.isalpha() and word not in ("qqqq", "value")]
    typed = "git spacy" + "".join(f" {word}" for word in words)
    hint = done.err.splitlines()[1]
    assert hint == f"hint: see '{typed} -h'"
    assert spacy(*words, "-h").out.startswith(f"Usage: {typed} ")


@pytest.mark.parametrize("command", ["lock", "notes"])
def test_a_group_without_a_subcommand_prints_its_help(spacy: Spacy, command: str) -> None:
    done = spacy(command)
    assert done == spacy(command, "-h")
    assert done.code == 0


def test_cache_without_a_subcommand_shows_its_status(tmp_path: Path, spacy: Spacy) -> None:
    made = project(tmp_path, "title: T")
    assert spacy("cache", cwd=made) == spacy("cache", "status", cwd=made)
    assert spacy("cache", cwd=made).out == "0 results, 0 outputs, 0 files, 0 B\n"


def test_outside_a_project_the_error_says_what_to_do(tmp_path: Path, spacy: Spacy) -> None:
    done = spacy("run", cwd=tmp_path)
    assert done.code == 2
    hints = [line.partition(": git spacy ")[2] for line in done.err.splitlines()[1:]]
    assert hints == ["", "init --new my_project", "clone ner_fashion"]
    for hint in hints[1:]:
        assert spacy(*hint.split(), cwd=tmp_path).code == 0
        assert spacy("run", cwd=tmp_path / hint.split()[-1]).code == 0


@pytest.mark.parametrize(
    ("folder", "option", "file", "spacy_command", "add"),
    [
        (".", (), "project.yml", "git spacy run a", "git add x"),
        ("data/raw", (), "../../project.yml", "git spacy run a", "git -C ../.. add x"),
        ("..", ("-C", "p"), "p/project.yml", "git spacy -C p run a", "git -C p add x"),
        ("../o", ("-C", "../p/data"), "../p/project.yml", "git spacy -C ../p run a",
         "git -C ../p add x"),
    ],
)  # fmt: skip
def test_messages_are_about_files_and_commands_as_seen_from_the_current_folder(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch,
    folder: str, option: tuple[str, ...], file: str, spacy_command: str, add: str,
) -> None:  # fmt: skip
    """As those of `git spacy -C`, and of commands in a folder of a project."""

    root = project(tmp_path / "p", "commands: [{name: a, script: ['false'], outputs: [x]}]\n")
    (root / "data/raw").mkdir(parents=True)
    (tmp_path / "o").mkdir()
    monkeypatch.chdir(root / folder)
    assert f"\n{file}:1:31: error: 'a' failed" in spacy(*option, "run", "a").err
    assert f"Next: {spacy_command}\n" in spacy(*option).out
    (root / "x").touch()
    typed = " ".join(["git spacy", *option, "clean --force"])
    assert spacy(*option, "clean").err.endswith(f"hint: {typed}\n")
    hint = output.as_typed_here("git spacy run a && git add x\nor: git config a.b c")
    config = f"git {f'-C {os.path.dirname(file)} ' if option else ''}config a.b c"
    assert hint == f"{spacy_command} && {add}\nor: {config}"
    for key, severity in (("comands", "error"), ("owner", "warning")):
        (root / "project.yml").write_text(f"{key}: []\n")
        start = f"{file}:1:1: {severity}: unknown key '{key}'"
        assert spacy(*option, "status").err.startswith(start)


def test_a_project_above_the_repository_is_not_found(tmp_path: Path, spacy: Spacy) -> None:
    project(tmp_path, "title: outer")
    (tmp_path / "inner").mkdir()
    git(tmp_path / "inner", "init", "-q")
    assert spacy("resolved", cwd=tmp_path / "inner").code == 2


def test_resolved_shows_defaults_and_its_json_has_the_keys_of_weasel(
    tmp_path: Path, spacy: Spacy
) -> None:
    made = project(
        tmp_path,
        "title: T\nvars: {n: 1}\nenv: {token: API_TOKEN}\n"
        "assets:\n  - {dest: a, git: {repo: 'https://u:s3cret@h/r', path: ''}}\n  - {dest: b}\n"
        "commands: [{name: c, script: ['x ${vars.n} ${env.token}'], deps: [a]}]\n",
    )
    done = spacy("resolved", cwd=made)
    assert "branch: the remote's HEAD (default)" in done.out
    assert "checksum: (none: not verified)" in done.out
    assert "    x 1 ${env.token}" in done.out
    assert "always runs: declares no outputs (default)" in done.out
    assert "s3cret" not in done.out
    document = json.loads(spacy("resolved", "--json", cwd=made).out)
    assert document["commands"] == [{"name": "c", "script": ["x 1 ${env.token}"], "deps": ["a"]}]
    assert document["env"] == {"token": "API_TOKEN"}


def test_terminal_escapes_in_a_project_are_escaped(tmp_path: Path, spacy: Spacy) -> None:
    made = project(
        tmp_path,
        'title: "a\\e[2Jb"\ncommands: [{name: "n\\a", help: "h\\u202ex", script: [x]}]\n',
    )
    for arguments in (["run"], ["resolved"], ["run", "n"], ["run", "n\a", "-h"]):
        done = spacy(*arguments, cwd=made)
        assert not {"\x1b", "\a", "\u202e"} & set(done.out + done.err)
    assert "a\\x1b[2Jb" in spacy("run", cwd=made).out


def test_an_internal_error_is_one_line_that_asks_for_a_bug_report(
    spacy: Spacy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("oops")

    monkeypatch.setattr("git_spacy.project.project_file.find", broken)
    done = spacy("run", cwd=tmp_path)
    assert done.code == 70
    assert "Traceback" not in done.err
    assert "RuntimeError: oops" in done.err
    monkeypatch.setenv("GIT_SPACY_DEBUG", "1")
    with pytest.raises(RuntimeError):
        spacy("run", cwd=tmp_path)


def test_a_closed_pipe_is_not_an_error(tmp_path: Path) -> None:
    made = two_steps(tmp_path)
    child = subprocess.Popen(
        f"{sys.executable} -m git_spacy resolved | head -1; exit ${{PIPESTATUS[0]}}",
        shell=True, executable="/bin/bash", cwd=made, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(cli.__file__).parents[2])},
    )  # fmt: skip
    out, err = child.communicate(timeout=PATIENCE)
    assert out.startswith(b"title:")
    assert b"Broken" not in err
    assert b"Traceback" not in err


def test_the_signal_handler_is_restored(spacy: Spacy) -> None:
    before = signal.getsignal(signal.SIGTERM)
    spacy("-h")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_locale_without_unicode_is_not_an_error(tmp_path: Path) -> None:
    done = process("run", cwd=two_steps(tmp_path), PYTHONIOENCODING="ascii", LC_ALL="C")
    assert done.code == 0
    assert "prepare \\u2192 train" in done.out


@pytest.mark.parametrize(
    ("arguments", "rest", "values"),
    [
        (["all", "--vars.a", "1", "-F"], ["all", "-F"], {"vars.a": 1}),
        (["--vars.a=x=y", "all"], ["all"], {"vars.a": "x=y"}),
        (["--vars.a", "--vars.b", "2"], [], {"vars.a": True, "vars.b": 2}),
        (["--set", "a=b c"], [], {"a": "b c"}),
        (["--", "--vars.a", "1"], ["--", "--vars.a", "1"], {}),
    ],
)
def test_overrides_may_stand_anywhere_on_the_command_line(
    arguments: list[str], rest: list[str], values: dict[str, object]
) -> None:
    assert overrides.split(arguments) == (rest, values)


def test_an_invalid_override_in_the_environment_is_an_error() -> None:
    with pytest.raises(InvalidInput, match="WEASEL_CONFIG_OVERRIDES: no closing quotation"):
        overrides.from_environment({"WEASEL_CONFIG_OVERRIDES": "--vars.a 'x"})


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s")],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1200, "1.2 kB"), (3.2e9, "3.2 GB")]
)
def test_sizes_are_readable(count: float, text: str) -> None:
    assert output.size(count) == text


def test_colours_only_on_a_terminal_and_never_with_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "is_terminal", lambda *_: True)
    assert output.paint("x", "red") == "x", "NO_COLOR is set"
    monkeypatch.delenv("NO_COLOR")
    assert output.paint("x", "red") == "\x1b[31mx\x1b[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert output.paint("x", "red") == "x"
