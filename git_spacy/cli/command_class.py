"""The classes of our commands: help has examples, usage errors name the command, and overrides of
variables may stand anywhere on the command line.

What belongs to a command stands in its module, as constants beside the function:

- EXAMPLES: command lines and their purposes, for `-h`, the man page and the documentation;
- SETTINGS: names (or patterns) of the settings that the pages list;
- SEE_ALSO: related man pages;
- EXIT_STATUS: what else the man page says about exit codes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable

import click

from git_spacy.cli import command_line
from git_spacy.errors import InvalidInput
from git_spacy.light_typing import Any

_NARROW = 60  # columns


def declared(command: click.Command, name: str) -> tuple[Any, ...]:
    """Return the constant `name` of the module that defines `command`; () if it has none."""

    module = sys.modules[command.callback.__module__] if command.callback else None
    values: tuple[Any, ...] = getattr(module, name, ())
    return values


class _HelpFormatter(click.HelpFormatter):
    """Click's formatter, for narrow terminals, too: click itself never wraps below 50 columns."""

    def __init__(self, *_: Any, **__: Any) -> None:
        from git_spacy.cli.output import terminal_width

        super().__init__(width=min(terminal_width(), 80) - 2)

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        narrow = self.width < _NARROW
        super().write_dl(list(rows), self.width // 3 if narrow else col_max, col_spacing)


class _HelpContext(click.Context):
    formatter_class = _HelpFormatter


class SpacyCommand(click.Command):
    """A command whose help has examples, and whose usage errors refer to that help."""

    context_class = _HelpContext

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser leaves it out
            raise

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        examples = declared(self, "EXAMPLES")
        if ctx.parent and ctx.parent.parent:  # a subcommand: the module has those of all
            examples = tuple(pair for pair in examples if pair[0].startswith(ctx.command_path))
        if examples and ctx.parent:  # the list of all commands is long enough without
            with formatter.section("Examples"):
                formatter.write_dl(examples, col_max=36)
        super().format_epilog(ctx, formatter)


class SpacyGroup(SpacyCommand, click.Group):
    """A command with subcommands."""

    command_class = SpacyCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and self.get_command(ctx, args[0]) is None:
            from git_spacy.project.diagnostics import did_you_mean

            name, path = args[0], ctx.command_path
            hint = did_you_mean(name, self.list_commands(ctx)) or f"see '{path} -h'"
            raise InvalidInput(f"'{name}' is not a {path} command", hint=hint)
        return super().resolve_command(ctx, args)


class OverridingCommand(SpacyCommand):
    """A command that accepts override options anywhere on its command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        from git_spacy.cli import overrides  # imported late: 'git spacy -h' does not need it

        rest, variables = overrides.split(args)
        command_line.set_overrides(overrides.as_options(variables))
        if ctx.obj:
            from_environment = overrides.from_environment(os.environ)
            ctx.obj = ctx.obj.with_variables(overrides.merge(from_environment, variables))
        return super().parse_args(ctx, rest)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from git_spacy.cli.overrides import VARIABLES

        super().format_options(ctx, formatter)
        with formatter.section("Variables"):
            formatter.write_dl(VARIABLES, col_max=40)
