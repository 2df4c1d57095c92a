"""`git spacy config`: show the settings and where each comes from."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import InvalidInput, sanitize

if TYPE_CHECKING:
    from git_spacy.git.settings import Setting, SettingValue

EXAMPLES = (
    ("git spacy config", "Show all settings."),
    ("git config --global spacy.jobs 4", "Run up to four commands at a time."),
)
SETTINGS = ("spacy.*",)
SEE_ALSO = ("git-config(1)",)


class SettingRow(NamedTuple):
    """A setting and its value in effect; `entry` is None if it is not set."""

    name: str
    setting: Setting
    entry: SettingValue | None


@click.command(cls=SpacyCommand)
@click.argument("words", nargs=-1, metavar="")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with descriptions.")
@click.option("--global", "is_global", is_flag=True, hidden=True)  # as git config has it
@click.pass_obj
def config(context: CommandContext, words: tuple[str, ...], as_json: bool, is_global: bool) -> None:
    """Show every setting of git-spacy, its value and where that comes from. Warn about unknown
    settings and invalid values.

    To change one, run 'git config spacy.NAME VALUE', with --global for all repositories.
    'git help spacy' describes each setting.
    """

    from git_spacy.git import settings

    if words or is_global:
        words = (*(("--global",) if is_global else ()), *(words or ("spacy.NAME", "VALUE")))
        purpose = "to read one" if len(words) == 1 else "to set one"
        hint = f"{purpose}: {shlex.join(('git', 'config', *words))}"
        raise InvalidInput("'git spacy config' only shows the settings", hint=hint)
    entries = settings.read_entries(context.cwd)
    table = list(setting_rows(entries))
    if as_json:
        output.emit_json([to_json(row) for row in table])
    else:
        output.result(output.columns((row.name, format_value(row)) for row in table))
    for problem in settings.find_problems(entries):
        output.diagnostic(problem)


def setting_rows(entries: list[SettingValue]) -> Iterator[SettingRow]:
    """Yield a row per setting: one for each of its names if users choose a part of it, and one for
    each of its values if it may be given several times."""

    from git_spacy.git import settings

    effective = {entry.name: entry for entry in entries}  # the last value counts
    for setting in settings.ALL_SETTINGS:
        is_list = setting.kind == settings.FOLDERS
        values = [
            entry
            for entry in (entries if is_list else effective.values())
            if settings.find_setting(entry.name) == setting
        ]
        for entry in values:
            yield SettingRow(entry.name if "*" in setting.name else setting.name, setting, entry)
        if not values:
            yield SettingRow(setting.name.replace("*", "NAME"), setting, None)


def format_value(row: SettingRow) -> str:
    """Return the value, followed by its scope and file in parentheses."""

    if row.entry is None:
        return f"{row.setting.default} (default)" if row.setting.default else "(not set)"
    where = " ".join(filter(None, (row.entry.scope, row.entry.origin.removeprefix("file:"))))
    return f"{row.entry.value} ({where})" if where else row.entry.value


def to_json(row: SettingRow) -> dict[str, str | None]:
    """Return the row as `config --json` prints it (docs/reference/json.md)."""

    from git_spacy.git import settings

    types = {
        settings.BOOLEAN: "boolean",
        settings.NUMBER: "number",
        settings.SIZE: "size",
        settings.TEXT: "text",
        settings.FOLDERS: "folders",
    }
    return {
        "name": row.name,
        "value": sanitize(row.entry.value) if row.entry else row.setting.default or None,
        "scope": row.entry.scope if row.entry else "default",
        "origin": row.entry.origin if row.entry else None,
        "default": row.setting.default or None,
        "type": types[row.setting.kind],
        "description": row.setting.meaning,
    }
