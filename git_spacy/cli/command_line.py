"""Remember the command line that the user typed, for messages that repeat it."""

from __future__ import annotations

from collections.abc import Sequence

import click

_KEY = "git_spacy.arguments"


def remember(ctx: click.Context, arguments: Sequence[str]) -> None:
    """Keep the arguments of `git spacy`, in the context of the group."""

    ctx.meta[_KEY] = tuple(arguments)


def typed(ctx: click.Context) -> str:
    """Return the command line of this process, as one would paste it."""

    return shell_line(ctx.meta.get(_KEY, ()))


def shell_line(arguments: Sequence[str]) -> str:
    """Return the command line of `git spacy` with these arguments, quoted for a shell."""

    import shlex

    return shlex.join(("git", "spacy", *arguments))
