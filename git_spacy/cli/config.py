"""`git spacy config`: the settings, and where each comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import click

from git_spacy.cli import output

if TYPE_CHECKING:
    from git_spacy.git.settings import Setting, SettingValue


class SettingRow(NamedTuple):
    """A setting as it is here; `entry` is None where nobody has set it."""

    name: str
    setting: Setting
    entry: SettingValue | None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="In JSON, with what each does.")
@click.pass_context
def config(ctx: click.Context, as_json: bool) -> None:
    """Show all settings of git-spacy: the value that holds, and where it comes from. Warn of those
    that there are not, and of values that cannot be read. To set one: 'git config spacy.NAME
    VALUE', with --global for all repositories. 'git help spacy' says what each does."""

    from git_spacy.git import settings

    found = settings.read_entries(ctx.obj)
    here = list(rows(found))
    if as_json:
        output.emit_json([document(row) for row in here])
    else:
        output.result(output.columns((row.name, shown(row)) for row in here))
    for problem in settings.find_problems(found):
        output.warning(f"{problem.location}: warning: {problem.message}; {problem.hint}")


def rows(found: list[SettingValue]) -> Iterator[SettingRow]:
    """One for each setting, more for one that holds for names of the user's own."""

    from git_spacy.git import settings

    last = {entry.name: entry for entry in found}  # of several values, that one counts
    for setting in settings.ALL_SETTINGS:
        mine = [entry for entry in last.values() if settings.find_setting(entry.name) == setting]
        for entry in mine:
            yield SettingRow(entry.name if "*" in setting.name else setting.name, setting, entry)
        if not mine:
            yield SettingRow(setting.name.replace("*", "NAME"), setting, None)


def shown(row: SettingRow) -> str:
    """The value, and in brackets where it comes from."""

    if row.entry is None:
        return f"{row.setting.default} (default)" if row.setting.default else "(not set)"
    where = " ".join(filter(None, (row.entry.scope, row.entry.origin.removeprefix("file:"))))
    return f"{row.entry.value} ({where})" if where else row.entry.value


def document(row: SettingRow) -> dict[str, str | None]:
    """The same for machines."""

    return {
        "name": row.name,
        "value": output.clean(row.entry.value) if row.entry else row.setting.default or None,
        "scope": row.entry.scope if row.entry else "default",
        "origin": row.entry.origin if row.entry else None,
        "default": row.setting.default or None,
        "kind": row.setting.kind,
        "meaning": row.setting.meaning,
    }
