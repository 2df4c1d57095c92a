"""The command line: the one handler for errors and signals.

`main` is the only place that turns an exception into a message and an exit code. `group` has the
commands. click, whose import takes longer than the start of Python, is imported only with it.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Sequence

from git_spacy import __version__, interrupts
from git_spacy.cli import command_line
from git_spacy.errors import (
    GitSpacyError,
    InternalError,
    Interrupted,
    UnknownRevision,
    local_failure,
)

VERSION_OPTIONS = ("--version", "-V")

# Commands that people wait for many times a day: they run without click if they can.
_WITHOUT_CLICK = ("status", "check", "run", "assets", "log", "show")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: this process's arguments) and return the exit code."""

    arguments = tuple(sys.argv[1:] if argv is None else argv)
    with interrupts.handling():
        try:
            return _main(list(arguments))
        except (KeyboardInterrupt, EOFError) as interruption:
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
        command_line.remember(arguments)
        code = _run_without_click(arguments)
        if code is None:
            from git_spacy.cli import group

            code = group.run(arguments)
        sys.stdout.flush()
        return code
    except UnknownRevision as error:
        from git_spacy.cli.usage_hints import with_revision_hint

        return _fail(with_revision_hint(error, arguments))
    except GitSpacyError as error:
        return _fail(error)
    except EOFError:  # a prompt that got no answer; `main` handles it
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


def _run_without_click(arguments: Sequence[str]) -> int | None:
    """Run a command line that needs no click, and return the exit code; None for all others."""

    if len(arguments) == 1 and arguments[0] in VERSION_OPTIONS:
        sys.stdout.write(f"git-spacy {__version__}\n")
        return 0
    if not arguments or arguments[0] not in _WITHOUT_CLICK:
        return None
    name, *words = arguments
    command = getattr(importlib.import_module(f"git_spacy.cli.commands.{name}"), name)
    values = command.read(words)
    if values is None:
        return None
    from git_spacy.cli.context import begin

    context = begin(".", name)
    if command.has_overrides:
        from git_spacy.cli import overrides

        context = context.with_variables(overrides.from_environment(os.environ))
    try:
        result = command.function(context, **values)
    except Exception as error:
        if "click" in sys.modules and isinstance(error, sys.modules["click"].UsageError):
            return None  # click runs the command again, and says how to use it
        raise
    return result if isinstance(result, int) else 0


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
