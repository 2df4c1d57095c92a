"""What may stand next on a command line: `git-spacy complete WORD…`, which the shells ask.

The last word is the one that is being typed, perhaps empty. Answers a candidate a line, with a tab
and what it is behind it. Reads project.yml and asks Git for names; never runs anything of the
project, and where anything is wrong says nothing. It is asked at each TAB, so what takes long to
import (click among it) is imported only where options or verbs are asked for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from git_spacy.errors import escape_controls

if TYPE_CHECKING:
    import click

    from git_spacy.project.model import Project

Candidate = tuple[str, str]
"""A word, and what it is."""


def main(words: Sequence[str]) -> int:
    """Print what may stand for the last of `words` (those after `git spacy`). Always 0: a shell
    shows nothing of ours but candidates."""

    try:
        if len(words) == 2 and words[0] == "--path":
            sys.stdout.write(f"{installed(words[1])}\n")
            return 0
        text = "".join(
            f"{word}\t{told}\n" for word, told in _cleaned(candidates(words, Path.cwd()))
        )
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt):  # a defect of ours, too, must not garble the prompt
        return 0
    return 0


def installed(shell: str) -> Path:
    """The file for `shell` (bash, zsh or fish) that came with us. Raises KeyError."""

    return Path(sys.prefix, "share", FILES[shell])


def candidates(words: Sequence[str], start: Path) -> Iterator[Candidate]:
    """What may stand for the last of `words` in the folder `start`."""

    *before, current = words or [""]
    while before[:1] == ["-C"] and len(before) > 1:
        start = start / before[1]
        before = before[2:]
    if before[:1] == ["project"]:  # as spaCy's own command line begins
        before = before[1:]
    found = _next(before, current, start)
    return (one for one in found if one[0].startswith(current) and one[0] != "")


def _next(before: Sequence[str], current: str, start: Path) -> Iterable[Candidate]:
    if not before:
        return _options(()) if current.startswith("-") else _verbs()
    if before == ["-C"]:
        return ()
    verb = tuple(before[:2]) if before[0] in GROUPS else (before[0],)
    if len(verb) == 1 and verb[0] in GROUPS:
        return _options(verb) if current.startswith("-") else _subcommands(verb[0])
    if current.startswith("--vars."):
        return _variables(start, "--vars.", "")
    if "--" not in before:
        if before[-1].startswith("-") and (after := _values(verb, before[-1], start)) is not None:
            return after
        option, has_value, _ = current.partition("=")
        if option.startswith("--") and has_value:
            return ((f"{option}={one}", told) for one, told in _values(verb, option, start) or ())
        if current.startswith("-"):
            return _options(verb)
    names = ARGUMENTS.get(verb, _nothing)(start)
    # a name that would be taken for an option is offered only where it is not
    return names if "--" in before else (one for one in names if not one[0].startswith("-"))


def _verbs() -> Iterator[Candidate]:
    from git_spacy.cli import COMMANDS, SUMMARIES

    lines = {name: line for names, line in SUMMARIES.items() for name in names}
    return ((verb, lines.get(verb, "")) for verb in COMMANDS)


def _command(verb: Sequence[str]) -> click.Command | None:
    import click

    from git_spacy.cli import group

    command: click.Command | None = group
    for name in verb:
        if not isinstance(command, click.Group):
            return None
        command = command.get_command(click.Context(command), name)
    return command


def _subcommands(verb: str) -> Iterator[Candidate]:
    commands = getattr(_command((verb,)), "commands", {})
    return (
        (name, command.get_short_help_str(70))
        for name, command in commands.items()
        if not command.hidden
    )


def _options(verb: Sequence[str]) -> Iterator[Candidate]:
    from git_spacy.cli.overrides import OverridingCommand

    command = _command(verb)
    for parameter in command.params if command else ():
        told = getattr(parameter, "help", "") or ""
        if getattr(parameter, "hidden", False) or parameter.param_type_name != "option":
            continue
        for name in (*parameter.opts, *parameter.secondary_opts):
            yield name, told
    if isinstance(command, OverridingCommand):
        yield "--vars.", "Override a variable of project.yml."
        yield "--set", "Override a variable of project.yml."
    yield "--help", "Show the man page."


def _values(verb: Sequence[str], option: str, start: Path) -> Iterable[Candidate] | None:
    """What may follow an option; None if it takes no value."""

    if option in VALUES:
        return VALUES[option](start)
    if option.startswith("--vars."):
        return () if "=" not in option else None
    for parameter in getattr(_command(verb), "params", ()):
        if option in parameter.opts and not parameter.is_flag:
            return ((choice, "") for choice in getattr(parameter.type, "choices", ()))
    return None


def _nothing(start: Path) -> Iterable[Candidate]:  # noqa: ARG001
    return ()


def _project(start: Path) -> Project:
    from git_spacy.project import loader

    return loader.load(loader.find(start), {})


def _workflows(start: Path) -> Iterator[Candidate]:
    for workflow in _project(start).workflows:
        yield workflow.name, "workflow: " + ", ".join(workflow.steps)


def _commands(start: Path) -> Iterator[Candidate]:
    for command in _project(start).commands:
        yield command.name, command.help


def _runnable(start: Path) -> Iterator[Candidate]:
    project = _project(start)
    for workflow in project.workflows:
        yield workflow.name, "workflow: " + ", ".join(workflow.steps)
    for command in project.commands:
        yield command.name, command.help


def _assets(start: Path) -> Iterator[Candidate]:
    for asset in _project(start).assets:
        yield str(asset.dest), asset.description


def _variables(start: Path, prefix: str = "", suffix: str = "=") -> Iterator[Candidate]:
    def flat(table: Mapping[str, object], before: str) -> Iterator[Candidate]:
        for name, value in table.items():
            if isinstance(value, dict):
                yield from flat(value, f"{before}{name}.")
            else:
                yield f"{prefix}{before}{name}{suffix}", str(value)

    from git_spacy.project import loader

    document = loader.document(loader.content(loader.find(start)))
    return flat(document.get("variables") or document["vars"], "")


def _axes(start: Path) -> Iterator[Candidate]:
    return _variables(start, "vars.")


def _templates(start: Path) -> Iterator[Candidate]:  # noqa: ARG001
    from git_spacy import templates

    return ((name, "embedded template") for name in templates.names())


def _remotes(start: Path) -> Iterator[Candidate]:
    from git_spacy.git.settings import read_settings

    for remote in _project(start).remotes:
        yield remote.name, "of project.yml"
    for name in read_settings(start):
        if name.startswith("spacy.remote.") and name.endswith(".url"):
            yield name[len("spacy.remote.") : -len(".url")], "of git config"


def _asked(start: Path, *arguments: str) -> list[str]:
    from git_spacy.git.repository import Repository

    repository = Repository.discover(start)
    return (
        repository.run_git(arguments).stdout.decode("utf-8", "replace").split()
        if repository
        else []
    )


def _git_remotes(start: Path) -> Iterator[Candidate]:
    return ((name, "") for name in _asked(start, "remote"))


def _revisions(start: Path) -> Iterator[Candidate]:
    yield "HEAD", ""
    words = ("for-each-ref", "--format=%(refname:strip=2)", "refs/heads", "refs/tags")
    yield from ((name, "") for name in _asked(start, *words))


def _checks(start: Path) -> Iterator[Candidate]:  # noqa: ARG001
    return ((name, "") for name in ("project", "assets", "lock", "generated", "all"))


def _parts(start: Path) -> Iterable[Candidate]:  # noqa: ARG001
    from git_spacy.setup.changes import STEPS

    return STEPS.items()


def _cleaned(found: Iterable[Candidate]) -> Iterator[Candidate]:
    """Those that can be typed, each once; what is told of them in one printable line. What cannot
    be seen, or is not assigned in Unicode, is not offered: shells quote it in their own ways."""

    seen = set()
    for word, told in found:
        if word not in seen and word.isprintable():
            seen.add(word)
            yield word, escape_controls(" ".join(told.split()))


FILES = {
    "bash": "bash-completion/completions/git-spacy",
    "zsh": "zsh/site-functions/_git-spacy",
    "fish": "fish/vendor_completions.d/git-spacy.fish",
}
GROUPS = ("lock", "notes", "store")  # verbs that have verbs of their own
# verb → what its arguments may be
ARGUMENTS: dict[tuple[str, ...], Callable[[Path], Iterable[Candidate]]] = {
    ("clone",): _templates,
    ("init",): _parts,
    ("assets",): _assets,
    ("run",): _runnable,
    ("check",): _checks,
    ("log",): _revisions,
    ("show",): _revisions,
    ("diff",): _revisions,
    ("restore",): _revisions,
    ("lock", "restore"): _revisions,
    ("lock", "record"): _runnable,
    ("notes", "push"): _git_remotes,
    ("notes", "pull"): _git_remotes,
    ("notes", "status"): _git_remotes,
    ("dvc",): _workflows,
    ("graph",): _workflows,
    ("push",): _remotes,
    ("pull",): _remotes,
}
# option → what its value may be, where click does not know it
VALUES: dict[str, Callable[[Path], Iterable[Candidate]]] = {
    "--set": _variables,
    "--matrix": _axes,
    "--command": _commands,
}
