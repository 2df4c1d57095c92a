"""The man pages look like Git's, match the commands, and are found by man and git."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from git_spacy.cli import manpages
from git_spacy.cli.command_class import declared
from git_spacy.cli.group import group
from git_spacy.cli.registry import COMMANDS
from git_spacy.errors import EXIT_CODES, GitSpacyError
from git_spacy.git.settings import ALL_SETTINGS
from tests.testing.projects import Spacy, on_path
from tests.testing.repositories import git
from tests.testing.terminal import wait_for_exit

REPOSITORY = Path(__file__).parents[2]
PAGES = manpages.pages(group)
SECTIONS = [
    "NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXAMPLES", "CONFIGURATION",
    "EXIT STATUS", "SEE ALSO",
]  # fmt: skip
needs_man = pytest.mark.skipif(
    not (shutil.which("man") and shutil.which("groff")), reason="there is no man with groff"
)


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prefix")
    (folder / "share/man/man1").mkdir(parents=True)
    for name, text in PAGES.items():
        (folder / "share/man/man1" / name).write_text(text)
    return folder


def rendered(page: Path) -> str:
    done = subprocess.run(
        ("man", "--warnings", "-l", str(page)), capture_output=True, text=True, check=True,
        env={**os.environ, "MANWIDTH": "80", "MANROFFOPT": "-ww", "GROFF_NO_SGR": "1"},
    )  # fmt: skip
    assert done.stderr == ""
    return re.sub(".\b", "", done.stdout)


def test_git_spacy_and_every_command_have_a_page() -> None:
    pages = {f"git-spacy-{command}.1" for command in COMMANDS}
    assert {name for name in PAGES if name.startswith("git-")} == {"git-spacy.1", *pages}


@needs_man
@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("git-")])
def test_a_page_looks_like_git_s_and_contains_the_whole_help(
    name: str, prefix: Path, spacy: Spacy
) -> None:
    text = rendered(prefix / "share/man/man1" / name)
    lines = text.splitlines()
    long = [line for line in lines if len(line) > 80]
    assert all(line.strip().startswith("git config ") for line in long)  # to be copied whole
    found = [line for line in lines if line and line[0] != " "][1:-1]
    assert found == [section for section in SECTIONS if section in found]
    assert {"NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "EXIT STATUS", "SEE ALSO"} <= set(found)
    command = name.removeprefix("git-spacy").removesuffix(".1").strip("-")
    help_text = spacy(*filter(None, [command]), "-h").out
    for option in re.findall(r"(?m)^  (-\S+)", help_text):
        assert option == "-h," or option.rstrip(",") in text


@needs_man
def test_the_main_page_lists_every_command_setting_and_exit_code(prefix: Path) -> None:
    text = rendered(prefix / "share/man/man1/git-spacy.1")
    for command in COMMANDS:
        assert f"git-spacy-{command}(1)" in text
    for setting in ALL_SETTINGS:
        assert setting.name.replace("*", "<name>") in text
    for code in EXIT_CODES:
        assert re.search(rf"(?m)^       (130, )?{code}\b", text)


def commands() -> dict[str, click.Command]:
    """Return each command by name; "" is git spacy itself."""

    context = click.Context(group, info_name="git spacy")
    found = {name: group.get_command(context, name) for name in COMMANDS}
    return {"": group, **{name: command for name, command in found.items() if command}}


def test_pages_list_only_settings_that_exist() -> None:
    listed = {name: declared(command, "SETTINGS") for name, command in commands().items()}
    known_in_order = [setting.name for setting in ALL_SETTINGS]
    known = set(known_in_order)
    assert {name for names in listed.values() for name in names} - known == {"spacy.*"}
    everything = [name for name, names in listed.items() if "spacy.*" in names]
    assert everything == ["", "config"]
    assert manpages.settings_of(group) == list(ALL_SETTINGS)
    of_push = [setting.name for setting in manpages.settings_of(commands()["push"])]
    of_remotes = [name for name in known_in_order if name.startswith("spacy.remote.*.")]
    assert sorted(of_push) == sorted([*of_remotes, "spacy.allowOutside"])


def test_the_exit_code_of_every_error_is_documented() -> None:
    families = [GitSpacyError, *GitSpacyError.__subclasses__()]
    assert {family.exit_code for family in families} <= set(EXIT_CODES)


def test_every_command_has_an_example_and_every_example_parses() -> None:
    for name, described in commands().items():
        examples = declared(described, "EXAMPLES")
        assert examples, name
        for line, purpose in examples:
            git_, spacy_, *rest = shlex.split(line)
            assert purpose.endswith(".")
            if (git_, spacy_) == ("git", "config"):
                continue
            assert (git_, spacy_) == ("git", "spacy")
            assert name in ("", rest[0])
            context = click.Context(group, info_name="git spacy")
            command: click.Command | None = group
            while isinstance(command, click.Group):
                command = command.get_command(context, rest.pop(0))
            assert command is not None
            command.make_context("x", rest, parent=context).close()  # raises what a user would see


@needs_man
def test_git_and_man_find_the_installed_pages(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(prefix / "bin", monkeypatch)
    for arguments, page in (
        (("spacy", "--help"), "GIT-SPACY(1)"),
        (("help", "spacy"), "GIT-SPACY(1)"),
        (("help", "spacy-run"), "GIT-SPACY-RUN(1)"),
    ):
        assert git(prefix, *arguments, MANPAGER="cat").startswith(page)


def test_without_a_terminal_or_a_page_help_is_the_short_help(spacy: Spacy) -> None:
    for arguments in ([], ["run"], ["lock", "rebuild"]):
        assert spacy(*arguments, "--help").out == spacy(*arguments, "-h").out != ""


@pytest.mark.slow
@needs_man
def test_a_wheel_contains_current_pages_and_completion(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
    built = subprocess.run(
        (*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(REPOSITORY)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    environment = tmp_path / "venv"
    make = (sys.executable, "-m", "venv", "--system-site-packages", "--without-pip")
    subprocess.run((*make, str(environment)), check=True)
    (wheel,) = tmp_path.glob("*.whl")
    target = ("--python", str(environment / "bin/python"))
    install = (*pip, *target, "install", "--no-deps", "--ignore-installed", str(wheel))
    subprocess.run(install, check=True)
    shared = environment / "share"
    for name, text in PAGES.items():
        assert (shared / "man/man1" / name).read_text() == text
    for shell, place in (
        ("bash", "bash-completion/completions/git-spacy"),
        ("zsh", "zsh/site-functions/_git-spacy"),
        ("fish", "fish/vendor_completions.d/git-spacy.fish"),
    ):
        source = REPOSITORY / f"completion/git-spacy.{shell}"
        assert (shared / place).read_bytes() == source.read_bytes()
    child, terminal = pty.fork()
    if child == 0:
        found = {"PYTHONPATH": os.pathsep.join(sys.path), "MANPAGER": "cat"}
        program = environment / "bin/git-spacy"
        os.execve(program, ("git-spacy", "run", "--help"), {**os.environ, **found})
    code, shown = wait_for_exit(child, terminal)
    assert code == 0
    assert "GIT-SPACY-RUN(1)" in shown
