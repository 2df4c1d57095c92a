"""The classes of our commands: usage errors name the command, and overrides of variables may stand
anywhere on the command line."""

from __future__ import annotations

import os

import click

from git_spacy.cli import overrides


class SpacyCommand(click.Command):
    """A command whose usage errors refer to its own help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx  # click's parser leaves it out
            raise


class SpacyGroup(SpacyCommand, click.Group):
    """A command with subcommands."""

    command_class = SpacyCommand


class OverridingCommand(SpacyCommand):
    """A command that accepts override options anywhere on its command line."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        rest, variables = overrides.split(args)
        if ctx.obj:
            from_environment = overrides.from_environment(os.environ)
            ctx.obj = ctx.obj.with_variables(overrides.merge(from_environment, variables))
        return super().parse_args(ctx, rest)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        with formatter.section("Variables"):
            formatter.write_dl(overrides.VARIABLES, col_max=40)
