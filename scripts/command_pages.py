"""A hook of mkdocs: generate a page for each command from the command itself, as the man pages are.

The pages are in no file, so they cannot be out of date.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from git_spacy.cli import manpages, overrides
from git_spacy.cli.command_class import OverridingCommand, declared
from git_spacy.cli.group import group
from git_spacy.git import settings

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

FOLDER = "reference/command-line"
OVERVIEW = "reference/commands.md"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the pages to the navigation, below Reference."""

    (reference,) = [entry["Reference"] for entry in config.nav or [] if "Reference" in entry]
    entries: list[Any] = [{f"git spacy {name}": path(name)} for name in commands()]
    reference.append({"Command line": entries})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages themselves."""

    from mkdocs.structure.files import File  # the tests of `page` have no mkdocs

    for name, command in commands().items():
        files.append(File.generated(config, path(name), content=page(name, command)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Link each command in the overview to its page."""

    if page.file.src_uri != OVERVIEW:
        return markdown
    known = commands()
    rows = []
    for row in markdown.split("\n"):
        first, bar, rest = row.removeprefix("| ").partition(" | ")
        if row.startswith("| `git spacy ") and bar:
            first = re.sub(
                r"`git spacy ([a-z]+)[^`]*`",
                lambda match: (
                    f"[{match[0]}](command-line/{match[1]}.md)" if match[1] in known else match[0]
                ),
                first,
            )
            row = f"| {first} | {rest}"
        rows.append(row)
    return "\n".join(rows)


def commands() -> dict[str, click.Command]:
    """Return the commands that `git spacy -h` lists, by name."""

    context = click.Context(group, info_name="git spacy")
    found = ((name, group.get_command(context, name)) for name in group.list_commands(context))
    return {name: command for name, command in found if command and not command.hidden}


def path(name: str) -> str:
    """Return the path of a command's page, relative to docs/."""

    return f"{FOLDER}/{name}.md"


def page(name: str, command: click.Command) -> str:
    """Return the page of a command as Markdown."""

    top = click.Context(group, info_name="git spacy", **group.context_settings)
    context = click.Context(command, info_name=name, parent=top)
    parts = [f"# git spacy {name}\n", text(command.help)]
    subcommands = subcommands_of(command, context)
    usages = [usage(sub) for sub in subcommands.values()] or [usage(context)]
    parts += ["```text\n" + "\n".join(usages) + "\n```\n"]
    for sub, sub_context in subcommands.items():
        parts += [
            f"## {sub}\n",
            text(sub_context.command.help),
            *options(sub_context, "### Options"),
        ]
    parts += options(context, "## Options")
    if examples := declared(command, "EXAMPLES"):
        parts.append("## Examples\n")
        parts += [f"{meaning}\n\n```console\n$ {line}\n```\n" for line, meaning in examples]
    if rows := manpages.settings_of(command):
        parts += ["## Settings\n", table(("Setting", "Meaning"), settings_rows(rows))]
        parts.append("All settings: [Settings](../settings.md).\n")
    return "\n".join(parts)


def subcommands_of(command: click.Command, context: click.Context) -> dict[str, click.Context]:
    """Return a context for each subcommand that is not hidden."""

    if not isinstance(command, click.Group):
        return {}
    return {
        name: click.Context(command.commands[name], info_name=name, parent=context)
        for name in command.list_commands(context)
        if not command.commands[name].hidden
    }


def usage(context: click.Context) -> str:
    """Return the usage line of a command."""

    return " ".join((context.command_path, *context.command.collect_usage_pieces(context)))


def options(context: click.Context, heading: str) -> list[str]:
    """Return the heading and a table of the options, if there are any but --help."""

    command = context.command
    parameters = [
        option for option in command.get_params(context) if isinstance(option, click.Option)
    ]
    rows = [row for option in parameters if (row := option.get_help_record(context))]
    if isinstance(command, OverridingCommand):
        rows += overrides.VARIABLES
    rows = [(left, right) for left, right in rows if "--help" not in left]
    cells = [(f"`{left}`", escape(right)) for left, right in rows]
    return [f"{heading}\n", table(("Option", "Meaning"), cells)] if cells else []


def settings_rows(rows: Iterable[settings.Setting]) -> list[tuple[str, str]]:
    """Return the name and the meaning of each setting."""

    return [
        (
            f"`{setting.name.replace('*', 'NAME')}`",
            escape(setting.meaning)
            + (f" The default is `{setting.default}`." if setting.default else ""),
        )
        for setting in rows
    ]


def table(head: tuple[str, str], rows: Iterable[tuple[str, str]]) -> str:
    """Return a table in Markdown."""

    lines = [f"| {left} | {right} |".replace("\n", " ") for left, right in rows]
    return "\n".join((f"| {head[0]} | {head[1]} |", "|---|---|", *lines, ""))


def text(help_text: str | None) -> str:
    """Return a help text as Markdown: click marks indented command lines with a backspace."""

    parts = []
    for block in re.split(r"\n\s*\n", inspect.cleandoc(help_text or "")):
        if block.startswith("\b\n"):
            parts.append(f"```text\n{inspect.cleandoc(block[2:])}\n```\n")
        else:
            parts.append(escape(" ".join(block.split())) + "\n")
    return "\n".join(parts)


def escape(words: str) -> str:
    """Return text that Markdown shows as it is."""

    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", words)
