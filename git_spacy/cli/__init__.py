"""The command line: its verbs, each imported when it is asked for, under one handler.

`main` is the only place that turns a failure into text and an exit code.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

from git_spacy import __version__, interrupts
from git_spacy.errors import GitSpacyError, InternalError, Interrupted, InvalidInput, local_failure
from git_spacy.project.diagnostics import did_you_mean

# a function of its own name in a module of its own name, imported when it is asked for
COMMANDS = (
    "clone", "init", "assets", "run", "status", "check", "log", "show", "diff", "lock", "notes",
    "ignore", "dvc", "document", "graph", "schema", "push", "pull", "restore", "cache",
    "resolved", "config",
)  # fmt: skip
# the list of them: what belongs together in one line, here so that it imports none
SUMMARIES = {
    ("clone", "init"): "Get a project template; set a repository up.",
    ("assets",): "Fetch the project's data and verify it.",
    ("run",): "Run commands or workflows; skip what is current.",
    ("status",): "Say what is up to date, what is stale, and why.",
    ("check",): "Find what is wrong, for hooks and for CI.",
    ("log", "show", "diff"): "Say what was run, by commit, and how results differ.",
    ("lock", "notes"): "Put project.lock right; share what was run.",
    ("document", "ignore", "dvc"): "Write README.md, .gitignore, dvc.yaml.",
    ("graph", "schema"): "Draw what is made of what; a JSON Schema for editors.",
    ("push", "pull"): "Share outputs: with a folder, S3, ssh and others.",
    ("restore", "cache"): "Restore outputs from a commit; manage the cache.",
    ("resolved", "config"): "Print the project as understood; the settings.",
}


class _CommandGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"git_spacy.cli.{name}")
        command: click.Command = getattr(module, name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] == "project":
            args = _translate_weasel(args[1:])
        if args and args[0] not in COMMANDS:
            raise InvalidInput(
                f"'{args[0]}' is not a git spacy command",
                hint=did_you_mean(args[0], COMMANDS) or "see 'git spacy -h'",
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(", ".join(names), line) for names, line in SUMMARIES.items()])


def _translate_weasel(words: list[str]) -> list[str]:
    """`git spacy project …`: somebody's habit."""

    from git_spacy.cli import weasel_compat

    if not words or words[0] not in weasel_compat.COMMANDS:
        raise InvalidInput(
            "'git spacy project' takes the commands of 'spacy project': "
            + ", ".join(weasel_compat.COMMANDS),
            hint=f"without 'project': git spacy {words[0] if words else '-h'}",
        )
    return weasel_compat.translate(words)


@click.group(
    cls=_CommandGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Help for one: git spacy COMMAND -h; the man page: git help spacy",
)
@click.version_option(__version__, prog_name="git-spacy", message="%(prog)s %(version)s")
@click.option(
    "-C", "directory", type=click.Path(exists=True, file_okay=False), default=".",
    metavar="DIR", help="Work as if started in DIR.",
)  # fmt: skip
@click.pass_context
def group(ctx: click.Context, directory: str) -> None:
    """spaCy projects, native to Git."""

    from pathlib import Path  # which help and version need not pay

    ctx.obj = Path(os.path.abspath(directory))
    if ctx.invoked_subcommand is None:
        from git_spacy.cli import output, overview

        output.result_painted(overview.overview(ctx.obj) or ctx.get_help())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (by default the process's own) and return its exit code."""

    with interrupts.handled():
        try:
            return _main(list(sys.argv[1:] if argv is None else argv))
        except (KeyboardInterrupt, click.Abort, EOFError) as stopped:
            number = getattr(stopped, "number", signal.SIGINT)
            return _fail(interrupts.interrupted(number))


def _main(arguments: list[str]) -> int:
    try:
        if arguments[-1:] == ["--help"]:
            from git_spacy.cli import manpages

            manpages.show(arguments)
        # not `group.main`, which writes an empty line for a signal and forgets which one it was
        with group.make_context("git spacy", arguments) as context:
            result: Any = group.invoke(context)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except GitSpacyError as error:
        return _fail(error)
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except click.ClickException as error:
        if _is_help(error):
            return 0
        return _fail(_usage(error))
    except (click.Abort, EOFError):  # a prompt had no answer
        raise
    except BrokenPipeError:
        # whoever read us has enough, as `git log | head` has; keep the interpreter from saying so
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        return _fail(local_failure(error))
    except Exception as error:
        if isinstance(error.__cause__, KeyboardInterrupt):  # Python 3.11 wraps it in making a class
            raise error.__cause__ from None
        if os.environ.get("GIT_SPACY_DEBUG"):
            raise
        return _fail(InternalError(error))


def _fail(error: GitSpacyError | Interrupted) -> int:
    _print_error(str(error))
    return error.exit_code


def _print_error(text: str) -> None:
    from git_spacy.cli.output import diagnostic

    try:
        sys.stdout.flush()
        diagnostic(text)
    except OSError:
        pass  # nobody is left to tell


def _is_help(error: click.ClickException) -> bool:
    """Whether a verb of verbs stood alone: newer clicks take that for a mistake, and it is told
    as older ones do."""

    alone = getattr(click.exceptions, "NoArgsIsHelpError", ())
    if isinstance(error, alone):
        from git_spacy.cli.output import result

        result(error.format_message())
        return True
    return False


def _usage(error: click.ClickException) -> GitSpacyError:
    context = getattr(error, "ctx", None)
    name = context.command_path if context else "git spacy"
    return InvalidInput(error.format_message().rstrip("."), hint=f"see '{name} -h'")
