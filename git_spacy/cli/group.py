"""The group of all commands, for click. Each command's module is imported only when it is used."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress

import click

from git_spacy import __version__
from git_spacy.cli.command_class import SpacyGroup
from git_spacy.cli.declared import DeclaredCommand
from git_spacy.cli.main import VERSION_OPTIONS
from git_spacy.cli.registry import COMMANDS, SUMMARIES, summary
from git_spacy.errors import InvalidInput
from git_spacy.light_typing import Any

# words that users type as commands, and the options that they stand for
_OPTION_NAMES = {"help": "-h", "version": "--version"}

EXAMPLES = (
    ("git spacy clone ner_fashion", "Copy a template."),
    ("git spacy assets", "Fetch its assets."),
    ("git spacy run all", "Run the stale commands of the workflow 'all'."),
    ("git spacy log", "Show which commands ran on which commit."),
)
EXIT_STATUS = ("If a script fails, 'git spacy run' exits with the script's exit code.",)
SETTINGS = ("spacy.*",)
SEE_ALSO = ("git(1)", "git-config(1)", "gitignore(5)")


class _CommandGroup(SpacyGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"git_spacy.cli.commands.{name}")
        declared = getattr(module, name)
        is_declared = isinstance(declared, DeclaredCommand)
        command: click.Command = declared.to_click() if is_declared else declared
        command.short_help = summary(name) or command.short_help
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] == "project":
            from git_spacy.cli import weasel_compat

            args = weasel_compat.translate(args[1:])
        if args and args[0] in _OPTION_NAMES:
            args = [*args[1:], _OPTION_NAMES[args[0]]]
            if len(args) == 1 or args[-1] == "--version":
                self.parse_args(ctx, args[-1:])  # prints it and exits
        if args and args[0] not in COMMANDS:
            from git_spacy.cli.usage_hints import command_hint

            raise InvalidInput(
                f"'{args[0]}' is not a git spacy command",
                hint=command_hint(args, ctx.params["directory"]),
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        from git_spacy.cli.output import columns

        width = max(map(len, COMMANDS))
        for heading, section in SUMMARIES.items():
            rows = [(f"{name:<{width}}", text) for name, text in section.items()]
            formatter.write(f"\n{heading}:\n{columns(rows)}\n")


@click.group(
    cls=_CommandGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="See 'git spacy COMMAND -h' for one command, 'git help spacy' for the manual.",
)
@click.version_option(
    __version__, *VERSION_OPTIONS, prog_name="git-spacy", message="%(prog)s %(version)s"
)
@click.option(
    "-C", "directory", type=click.Path(exists=True, file_okay=False), default=".",
    metavar="DIR", help="Run as if started in DIR.",
)  # fmt: skip
@click.pass_context
def group(ctx: click.Context, directory: str) -> None:
    """Run spaCy projects, verify their data and share their results with Git.

    Without COMMAND, summarize the project in the current folder.
    """

    from git_spacy.cli.context import begin  # imported here to keep help and --version fast

    ctx.obj = begin(directory, ctx.invoked_subcommand)
    if ctx.invoked_subcommand is None:
        from git_spacy.cli import output, overview

        output.result_painted(overview.overview(ctx.obj) or ctx.get_help())
        with suppress(InvalidInput):  # no project, so nothing to set up
            ctx.obj.mention_missing_setup()


def run(arguments: Sequence[str]) -> int:
    """Run the command line `arguments` with click and return the exit code.

    Raises InvalidInput for wrong usage, and what the command raises.
    """

    try:
        # `group.main` is not used: on a signal it prints an empty line and loses its number.
        with group.make_context("git spacy", list(arguments)) as context:
            result: Any = group.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.Abort as abort:  # a prompt that got no answer
        raise EOFError from abort
    except click.ClickException as error:
        if _show_group_help(error):
            return 0
        raise _usage_error(error, arguments) from None


def _show_group_help(error: click.ClickException) -> bool:
    """Print the help of a group that was called without a subcommand; return whether it was.

    Click 8.2 and later treat that as an error; earlier versions print the help.
    """

    no_subcommand = getattr(click.exceptions, "NoArgsIsHelpError", ())
    if isinstance(error, no_subcommand):
        from git_spacy.cli.output import result

        result(error.format_message())
        return True
    return False


def _usage_error(error: click.ClickException, arguments: Sequence[str]) -> InvalidInput:
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "git spacy"
    hint, message = "", error.format_message()
    if isinstance(error, click.NoSuchOption):
        from git_spacy.cli.usage_hints import option_hint

        hint, message = option_hint(error, arguments), error.message  # not click's suggestions
    message = message.rstrip(".").replace("valid integer range", "valid integer")
    if message[1:2].islower():  # Click's messages begin with a capital letter
        message = message[0].lower() + message[1:]
    return InvalidInput(message, hint=hint or f"see '{name} -h'")
