"""The man pages, made from the commands themselves in Git's own form: command → roff.

Knows man(7), and nothing of what the verbs do: texts come from the commands, examples from
`examples`, settings and exit codes from their tables. hatch_build.py puts the pages into the wheel.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from git_spacy import __version__
from git_spacy.cli import overrides
from git_spacy.cli.examples import EXAMPLES
from git_spacy.errors import EXIT_CODES
from git_spacy.git import settings

# verb → the settings that its page tells of; git-spacy(1) has all of them
SETTINGS = {
    "clone": ("spacy.repo", "spacy.ignore", "spacy.fetchTimeout", "spacy.maxAssetSize"),
    "assets": (
        "spacy.ignore", "spacy.timeout", "spacy.fetchTimeout", "spacy.maxAssetSize",
        "spacy.allowLocalPath", "spacy.allowLocalRepository", "spacy.allowEnvInUrl",
    ),
    "run": ("spacy.python", "spacy.jobs", "spacy.restore", "spacy.notes", "spacy.rayShared"),
    "push": ("spacy.remote.*.url",),
    "pull": ("spacy.remote.*.url", "spacy.maxOutputSize"),
    "restore": ("spacy.remote.*.url", "spacy.maxOutputSize"),
    "cache": ("spacy.restore", "spacy.cacheLinks"),
}  # fmt: skip
_HELP = "-h, --help"  # it is everywhere, and git-spacy(1) tells of it
_SEE = {
    "": ("git(1)", "git-config(1)", "gitignore(5)"),
    "log": ("git-log(1)", "git-notes(1)"),
    "notes": ("git-notes(1)",),
    "lock": ("gitattributes(5)",),
    "ignore": ("gitignore(5)",),
    "check": ("githooks(5)",),
    "config": ("git-config(1)",),
}


def pages(group: click.Group) -> dict[str, str]:
    """File name → text of every page: one for `group`, one for each of its verbs, which `git help
    spacy-VERB` looks for as gitspacy-VERB(1)."""

    top = click.Context(group, info_name="git spacy", **group.context_settings)
    verbs = {name: group.get_command(top, name) for name in group.list_commands(top)}
    found = {"git-spacy.1": _main_page(top, verbs)}
    for name, command in verbs.items():
        if command and not command.hidden:
            found[f"git-spacy-{name}.1"] = _page(command, name, top)
            found[f"gitspacy-{name}.1"] = f".so man1/git-spacy-{name}.1\n"
    return found


def show(arguments: Sequence[str]) -> None:
    """Become `man` for `git spacy [VERB] --help`, if somebody looks and there is a page; return if
    not. (`git spacy --help` is Git's own: it never reaches us.)"""

    from git_spacy.cli.output import is_terminal

    if len(arguments) > 2 or arguments[-1:] != ["--help"] or not is_terminal():
        return
    page = Path(sys.prefix, "share/man/man1", "-".join(("git-spacy", *arguments[:-1])) + ".1")
    if page.is_file():
        try:
            os.execvp("man", ("man", str(page)))
        except OSError:
            return  # there is no man here: the short help will do


def _main_page(top: click.Context, verbs: dict[str, click.Command | None]) -> str:
    parts = [
        _head("git-spacy", "spaCy projects, native to Git"),
        _section("SYNOPSIS", _synopsis("git spacy", "[-C DIR] COMMAND [ARGS]...")),
        _section(
            "DESCRIPTION",
            _text(
                "Clones project templates, fetches and verifies their data, runs their commands and"
                " skips what is current. It reads and writes the project.yml and project.lock of"
                " 'spacy project' and weasel, byte for byte. Only 'git spacy run' executes what a"
                " project says."
                "\n\nIt works from any subfolder of the project, and outside a repository, too."
            ),
        ),
        _section(
            "OPTIONS",
            _options(top.command, top)
            + _item("-h", "Show the short help; that of a command after its name.")
            + _item("--help", "Show this page; that of a command after its name."),
        ),
        _section(
            "COMMANDS",
            "".join(
                _item(f"git-spacy-{name}(1)", _first_sentence(command))
                for name, command in verbs.items()
                if command and not command.hidden
            ),
        ),
    ]
    return _finished(parts, "", settings.ALL_SETTINGS, [f"git-spacy-{name}(1)" for name in verbs])


def _page(command: click.Command, name: str, top: click.Context) -> str:
    ctx = click.Context(command, info_name=name, parent=top)
    subs = (
        {sub: command.commands[sub] for sub in command.list_commands(ctx)}
        if isinstance(command, click.Group)
        else {}
    )
    subs = {sub: one for sub, one in subs.items() if not one.hidden}
    contexts = {sub: click.Context(one, info_name=sub, parent=ctx) for sub, one in subs.items()}
    lines = [
        _synopsis(f"git spacy {name} {sub}", _usage(one, contexts[sub]))
        for sub, one in subs.items()
    ] or [_synopsis(f"git spacy {name}", _usage(command, ctx))]
    parts = [
        _head(f"git-spacy-{name}", _first_sentence(command).rstrip(".")),
        _section("SYNOPSIS", ".br\n".join(lines)),
        _section("DESCRIPTION", _text(command.help or "")),
    ]
    if subs:
        items = (
            _item(sub, one.help or "")
            + "".join(f".RS\n{part}.RE\n" for part in [_options(one, contexts[sub])] if part)
            for sub, one in subs.items()
        )
        parts.append(_section("COMMANDS", "".join(items)))
    parts.append(_section("OPTIONS", _options(command, ctx)))
    wanted = SETTINGS.get(name, ())
    table = settings.ALL_SETTINGS if name == "config" else [
        setting for setting in settings.ALL_SETTINGS if setting.name in wanted
    ]  # fmt: skip
    return _finished(parts, name, table, ["git-spacy(1)"])


def _finished(
    parts: list[str], name: str, table: Iterable[settings.Setting], related: Iterable[str]
) -> str:
    examples = "".join(
        f".PP\n{_roff(what)}\n.PP\n.RS 4\n.nf\n$ {_roff(line)}\n.fi\n.RE\n"
        for line, what in EXAMPLES.get(name, ())
    )
    codes = {code: text for code, text in EXIT_CODES.items() if code not in (130, 143)}
    exits = "".join(_item(str(code), text) for code, text in codes.items())
    exits += _item("130, 143", "Interrupted, terminated.")
    if name in ("", "run"):
        exits += _text("'git spacy run' passes on the code of the script that failed.")
    see = [*related, *_SEE.get(name, ())]
    parts += [
        _section("EXAMPLES", examples),
        _section("CONFIGURATION", "".join(map(_setting, table))),
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
    options = [one for one in command.get_params(ctx) if isinstance(one, click.Option)]
    rows = [row for option in options if (row := option.get_help_record(ctx))]
    if isinstance(command, overrides.OverridingCommand):
        rows += overrides.VARIABLES
    return "".join(_item(left, right) for left, right in rows if left != _HELP)


def _usage(command: click.Command, ctx: click.Context) -> str:
    return " ".join(command.collect_usage_pieces(ctx))


def _first_sentence(command: click.Command | None) -> str:
    text = " ".join(((command.help if command else "") or "").split())
    return re.split(r"(?<=[.:]) ", text, maxsplit=1)[0].rstrip(":.") + "."


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
    """Paragraphs, and as they are those that are indented: command lines."""

    for block in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if block.startswith("\b\n"):  # click's own mark for what is not to be wrapped
            lines = "\n".join(map(_roff, inspect.cleandoc(block[2:]).splitlines()))
            yield f".RS 4\n.nf\n{lines}\n.fi\n.RE\n"
        elif block.strip():
            yield _roff(" ".join(block.split())) + "\n"


def _bold(text: str) -> str:
    return f"\\fB{_roff(text)}\\fR"


def _italic(text: str) -> str:
    return f"\\fI{_roff(text)}\\fR"


def _roff(text: str) -> str:
    """`text` as roff would print it: hyphens that can be copied, nothing taken for a request."""

    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    text = text.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "\\&" + text if text.startswith((".", "\\(aq")) else text
