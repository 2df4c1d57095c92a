"""Generate man pages from the commands, laid out like Git's.

Texts come from the commands' help; examples, settings and related pages from the constants of their
modules; exit codes from their table. hatch_build.py adds the pages to the wheel.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

import click

from git_spacy import __version__
from git_spacy.cli import overrides
from git_spacy.cli.command_class import OverridingCommand, declared
from git_spacy.errors import EXIT_CODES
from git_spacy.git import settings

_HELP = "-h, --help"  # every command has it; only git-spacy(1) describes it


def pages(group: click.Group) -> dict[str, str]:
    """Return the text of each page by file name: one for `group` and one per command.

    `git help spacy-COMMAND` looks for gitspacy-COMMAND(1), which therefore exists as an alias.
    """

    top = click.Context(group, info_name="git spacy", **group.context_settings)
    commands = {name: group.get_command(top, name) for name in group.list_commands(top)}
    texts = {"git-spacy.1": _main_page(top, commands)}
    for name, command in commands.items():
        if command and not command.hidden:
            texts[f"git-spacy-{name}.1"] = _page(command, name, top)
            texts[f"gitspacy-{name}.1"] = f".so man1/git-spacy-{name}.1\n"
    return texts


def show(arguments: Sequence[str]) -> None:
    """Replace this process with `man` for `git spacy COMMAND --help`.

    Return if stdout is not a terminal or there is no page. `git spacy --help` is handled by Git.
    """

    from git_spacy.cli.output import is_terminal

    if len(arguments) > 2 or arguments[-1:] != ["--help"] or not is_terminal():
        return
    page = Path(sys.prefix, "share/man/man1", "-".join(("git-spacy", *arguments[:-1])) + ".1")
    if page.is_file():
        try:
            os.execvp("man", ("man", str(page)))
        except OSError:
            return  # man is not installed: fall back to the short help


def _main_page(top: click.Context, commands: dict[str, click.Command | None]) -> str:
    parts = [
        _head("git-spacy", "spaCy projects, native to Git"),
        _section("SYNOPSIS", _synopsis("git spacy", "[-C DIR] COMMAND [ARGS]...")),
        _section(
            "DESCRIPTION",
            _text(
                "git-spacy clones project templates, fetches and verifies their assets, and runs"
                " their commands, skipping those that are up to date. It reads and writes the"
                " project.yml and project.lock of 'spacy project' and weasel, byte for byte. Only"
                " 'git spacy run' executes commands of a project."
                "\n\nIt works in any subfolder of a project, and also outside a Git repository."
            ),
        ),
        _section(
            "OPTIONS",
            _options(top.command, top)
            + _item("-h", "Show a short help; after a COMMAND, that of the command.")
            + _item("--help", "Show this page; after a COMMAND, that of the command."),
        ),
        _section(
            "COMMANDS",
            "".join(
                _item(f"git-spacy-{name}(1)", _summary(command))
                for name, command in commands.items()
                if command and not command.hidden
            ),
        ),
    ]
    return _finished(parts, top.command, [f"git-spacy-{name}(1)" for name in commands])


def _page(command: click.Command, name: str, top: click.Context) -> str:
    ctx = click.Context(command, info_name=name, parent=top)
    subs = (
        {sub: command.commands[sub] for sub in command.list_commands(ctx)}
        if isinstance(command, click.Group)
        else {}
    )
    subs = {sub: subcommand for sub, subcommand in subs.items() if not subcommand.hidden}
    contexts = {
        sub: click.Context(subcommand, info_name=sub, parent=ctx)
        for sub, subcommand in subs.items()
    }
    lines = [
        _synopsis(f"git spacy {name} {sub}", _usage(subcommand, contexts[sub]))
        for sub, subcommand in subs.items()
    ] or [_synopsis(f"git spacy {name}", _usage(command, ctx))]
    parts = [
        _head(f"git-spacy-{name}", _summary(command).rstrip(".")),
        _section("SYNOPSIS", ".br\n".join(lines)),
        _section("DESCRIPTION", _text(command.help or "")),
    ]
    if subs:
        items = (
            _item(sub, subcommand.help or "")
            + "".join(f".RS\n{part}.RE\n" for part in [_options(subcommand, contexts[sub])] if part)
            for sub, subcommand in subs.items()
        )
        parts.append(_section("COMMANDS", "".join(items)))
    parts.append(_section("OPTIONS", _options(command, ctx)))
    return _finished(parts, command, ["git-spacy(1)"])


def settings_of(command: click.Command) -> list[settings.Setting]:
    """Return the settings that the page of a command lists: those that match its SETTINGS."""

    patterns = declared(command, "SETTINGS")
    return [
        setting
        for setting in settings.ALL_SETTINGS
        if any(fnmatchcase(setting.name, pattern) for pattern in patterns)
    ]


def _finished(parts: list[str], command: click.Command, related: Iterable[str]) -> str:
    examples = "".join(
        f".PP\n{_roff(purpose)}\n.PP\n.RS 4\n.nf\n$ {_roff(line)}\n.fi\n.RE\n"
        for line, purpose in declared(command, "EXAMPLES")
    )
    codes = {code: text for code, text in EXIT_CODES.items() if code not in (130, 143)}
    exits = "".join(_item(str(code), text) for code, text in codes.items())
    exits += _item("130, 143", "Interrupted, terminated.")
    exits += "".join(map(_text, declared(command, "EXIT_STATUS")))
    see = [*related, *declared(command, "SEE_ALSO")]
    parts += [
        _section("EXAMPLES", examples),
        _section("CONFIGURATION", "".join(map(_setting, settings_of(command)))),
        _section("EXIT STATUS", exits),
        _section("SEE ALSO", ",\n".join(map(_reference, see)) + "\n"),
    ]
    return "".join(parts)


def _reference(page: str) -> str:
    name, _, volume = page.partition("(")
    return f"{_bold(name)}({volume}"


def _setting(setting: settings.Setting) -> str:
    default = f" The default is {setting.default}." if setting.default else ""
    kind = "" if setting.kind == settings.TEXT else f" {setting.kind.capitalize()}."
    suffix = " May end in k, m or g." if setting.kind == settings.SIZE else ""
    name = setting.name.replace("*", "<name>")
    return _item(name, f"{setting.meaning}{kind}{suffix}{default}")


def _options(command: click.Command, ctx: click.Context) -> str:
    options = [
        parameter for parameter in command.get_params(ctx) if isinstance(parameter, click.Option)
    ]
    rows = [row for option in options if (row := option.get_help_record(ctx))]
    if isinstance(command, OverridingCommand):
        rows += overrides.VARIABLES
    return "".join(_item(left, right) for left, right in rows if left != _HELP)


def _usage(command: click.Command, ctx: click.Context) -> str:
    return " ".join(command.collect_usage_pieces(ctx))


def _summary(command: click.Command) -> str:
    return command.get_short_help_str(limit=80)


def _head(name: str, line: str) -> str:
    return (
        f'.TH "{_roff(name.upper())}" "1" "" "git-spacy {_roff(__version__)}" "Git Manual"\n'
        f".nh\n.ad l\n" + _section("NAME", f"{_roff(name)} \\- {_roff(line)}\n")
    )


def _section(title: str, body: str) -> str:
    return f'.SH "{title}"\n{body}' if body else ""


def _synopsis(words: str, rest: str) -> str:
    return f"{_italic(words)} {_roff(rest)}\n"


def _item(left: str, right: str) -> str:
    return f".PP\n{_bold(left)}\n.RS 4\n{_body(right)}.RE\n"


def _text(text: str) -> str:
    return "".join(f".PP\n{part}" for part in _blocks(text))


def _body(text: str) -> str:
    return ".PP\n".join(_blocks(text)) or "\\&\n"


def _blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs as roff; those marked with click's `\\b` keep their lines."""

    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if block.startswith("\b\n"):
            lines = "\n".join(map(_roff, inspect.cleandoc(block[2:]).splitlines()))
            yield f".RS 4\n.nf\n{lines}\n.fi\n.RE\n"
        elif block.strip():
            yield _roff(" ".join(block.split())) + "\n"


def _bold(text: str) -> str:
    return f"\\fB{_roff(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_roff(text)}\\fR"


def _roff(text: str) -> str:
    """Escape `text` for roff: hyphens can be copied, and no line is taken for a request."""

    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    text = text.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + text if text.startswith((".", "\\(aq")) else text
