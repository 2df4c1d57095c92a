"""Remember what the user typed, and about which project, for messages that repeat it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from git_spacy.patterns import compile_late

_arguments: tuple[str, ...] = ()  # what the user typed after `git spacy`
_project = ""  # the folder that paths and commands in diagnostics are relative to
_overrides = ""  # the overrides of variables that the user typed, which hints repeat
# Commands that accept overrides, where the hint has none and does not only ask for help.
_OVERRIDABLE = compile_late(
    r"git spacy (?:-C (?:'[^']*'|\S+) )?(?:assets|clean|pull|push|run|status)\b"
    r"(?! -h)(?![^&\n]* --(?:vars|variables|set|matrix)\b)(?: (?:'[^']*'|[^\s&']+))*"
)


def set_project(folder: str | os.PathLike[str]) -> None:
    """Set the folder of the project; "" is the current folder."""

    global _project
    _project = os.fspath(folder)


def set_overrides(options: Sequence[str]) -> None:
    """Set the options for overrides of variables that the user typed."""

    global _overrides
    import shlex

    _overrides = shlex.join(options)


def with_overrides(commands: str) -> str:
    """Return commands with the overrides that the user typed, where they accept overrides."""

    if not _overrides:
        return commands
    return _OVERRIDABLE.sub(lambda match: f"{match[0]} {_overrides}", commands)


def in_project(path: str) -> str:
    """Return the path of a file, which is relative to the project, from the current folder."""

    return os.path.join(_project, path)


def as_seen_here(path: str) -> str:
    """Return the shortest relative path from the current folder to `path` in the project."""

    return os.path.relpath(in_project(path))


def remember(arguments: Sequence[str]) -> None:
    """Keep the arguments of `git spacy`."""

    global _arguments
    _arguments = tuple(arguments)


def typed() -> str:
    """Return the command line of this process, as one would paste it."""

    return shell_line(_arguments)


def shell_line(arguments: Sequence[str]) -> str:
    """Return the command line of `git spacy` with these arguments, quoted for a shell."""

    import shlex

    return shlex.join(("git", "spacy", *arguments))
