"""The command line: the group of commands, and the one handler for errors and signals.

Each command's module is imported only when the command is used. `main` is the only place that turns
an exception into a message and an exit code.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import click

from git_spacy import __version__, interrupts
from git_spacy.cli import command_line
from git_spacy.cli.command_class import SpacyGroup
from git_spacy.cli.registry import COMMANDS, SUMMARIES, summary
from git_spacy.errors import GitSpacyError, InternalError, Interrupted, InvalidInput, local_failure
from git_spacy.project.diagnostics import did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

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

# They report it themselves, or need no repository.
_WITHOUT_WARNING = ("doctor", "clone", "schema", "lock")


class _CommandGroup(SpacyGroup):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"git_spacy.cli.commands.{name}")
        command: click.Command = getattr(module, name)
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
            raise InvalidInput(
                f"'{args[0]}' is not a git spacy command",
                hint=did_you_mean(args[0], COMMANDS) or "see 'git spacy -h'",
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
    __version__, "--version", "-V", prog_name="git-spacy", message="%(prog)s %(version)s"
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

    from pathlib import Path  # imported here to keep help and --version fast

    from git_spacy.cli.context import CommandContext

    start = Path(os.path.abspath(directory))
    command_line.set_project(start)
    if ctx.invoked_subcommand not in _WITHOUT_WARNING:
        _warn_of_damaged_repository(start)
    ctx.obj = CommandContext(start)
    if ctx.invoked_subcommand is None:
        from git_spacy.cli import output, overview

        output.result_painted(overview.overview(ctx.obj) or ctx.get_help())
        with suppress(InvalidInput):  # no project, so nothing to set up
            ctx.obj.mention_missing_setup()


def _warn_of_damaged_repository(start: Path) -> None:
    from git_spacy.git.repository import find_damage

    if damage := find_damage(start):
        from git_spacy.cli import output

        text = f"{damage.message}; working as outside of a repository"
        output.diagnostic(damage._replace(message=text, severity="warning"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's arguments) and return the exit code."""

    arguments = tuple(sys.argv[1:] if argv is None else argv)
    with interrupts.handling():
        try:
            return _main(list(arguments))
        except (KeyboardInterrupt, click.Abort, EOFError) as interruption:
            error = interrupts.interrupted(getattr(interruption, "number", signal.SIGINT))
            error.running = getattr(interruption, "running", ())
            error.not_started = getattr(interruption, "not_started", ())
            if error.running:
                error.hint = command_line.shell_line(arguments)
            elif error.not_started:  # what Ctrl-C ended is done: a server would start again
                error.hint = command_line.shell_line(("run", *error.not_started))
            return _fail(error)


def _main(arguments: list[str]) -> int:
    command_line.set_project("")
    command_line.set_overrides(())
    try:
        if arguments[-1:] == ["--help"]:
            from git_spacy.cli import manpages

            manpages.show(arguments)
        # `group.main` is not used: on a signal it prints an empty line and loses its number.
        with group.make_context("git spacy", list(arguments)) as context:
            command_line.remember(context, arguments)
            result: Any = group.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except GitSpacyError as error:
        return _fail(error)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        if _show_group_help(error):
            return 0
        return _fail(_usage_error(error, arguments))
    except (click.Abort, EOFError):  # a prompt that got no answer; `main` handles it
        raise
    except BrokenPipeError:
        # The reader closed the pipe, as in `git spacy log | head`. Redirect stdout so that the
        # interpreter does not report the failed flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        return _fail(local_failure(error))
    except Exception as error:
        # Python 3.11 wraps an interrupt that arrives while it creates a class.
        if isinstance(error.__cause__, KeyboardInterrupt):
            raise error.__cause__ from None
        if os.environ.get("GIT_SPACY_DEBUG"):
            raise
        return _fail(InternalError(error))


def _fail(error: GitSpacyError | Interrupted) -> int:
    _print_error(error)
    return error.exit_code


def _print_error(error: GitSpacyError | Interrupted) -> None:
    from git_spacy.cli.output import diagnostic, is_terminal, message

    try:
        sys.stdout.flush()
        if getattr(error, "number", 0) == signal.SIGINT and is_terminal(sys.stderr):
            message("")  # ends the line in which the terminal shows ^C
        for problem in error.problems:
            diagnostic(problem)
    except OSError:
        pass  # stderr is closed, too: the exit code has to do


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


def _usage_error(error: click.ClickException, arguments: Sequence[str]) -> GitSpacyError:
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "git spacy"
    hint, message = "", error.format_message()
    if isinstance(error, click.NoSuchOption):
        from git_spacy.cli.usage_hints import option_hint

        if hint := option_hint(error, arguments):
            message = error.message  # without click's own suggestions
    message = message.rstrip(".")
    if message[1:2].islower():  # Click's messages begin with a capital letter
        message = message[0].lower() + message[1:]
    return InvalidInput(message, hint=hint or f"see '{name} -h'")
