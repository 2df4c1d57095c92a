"""The user's `git config spacy.*`: which there are, what they are, where each comes from.

The one table of them. Whoever reads a setting names it here; the man page, `git spacy config` and
the tests of the README read the rest.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import GitSpacyError, InvalidInput, Problem
from git_spacy.git import process
from git_spacy.git.repository import Repository
from git_spacy.project.diagnostics import did_you_mean

Settings = Mapping[str, str]
"""The user's `git config spacy.*`: names as git prints them (`spacy.allowlocalpath`)."""

BOOLEAN, NUMBER, SIZE, TEXT = "true or false", "a number", "a size", "a text"


class Setting(NamedTuple):
    """One of them: how it is spelled, what kind of value it has, the one that holds where none is
    set (in Git's words), and what it does."""

    name: str
    kind: str
    default: str
    meaning: str


# In the order in which people are told. A `*` is a name of the user's own.
TABLE = (
    Setting("spacy.repo", TEXT, "",
        "The template repository that clone takes, instead of the embedded templates and"
        " github.com/explosion/projects."),
    Setting("spacy.python", TEXT, "",
        "The Python that scripts run with, instead of the active environment's, the project's"
        " .venv or git-spacy's own."),
    Setting("spacy.jobs", NUMBER, "1", "How many commands may run at a time."),
    Setting("spacy.restore", BOOLEAN, "false",
        "Keep what runs make in a store of this machine, and bring it back instead of running"
        " again."),
    Setting("spacy.cacheLinks", BOOLEAN, "false",
        "Let outputs be hard links into that store: no second copy, but read-only."),
    Setting("spacy.notes", BOOLEAN, "true", "Leave a record of each run in Git notes."),
    Setting("spacy.ignore", BOOLEAN, "true", "Let clone and assets keep .gitignore current."),
    Setting("spacy.remote.*.url", TEXT, "",
        "The address of a remote of this name for push, pull and restore; it wins over that in"
        " project.yml."),
    Setting("spacy.timeout", NUMBER, "30",
        "Seconds without a byte before a server is given up; it has twice as many for its header,"
        " and for each kilobyte."),
    Setting("spacy.fetchTimeout", NUMBER, "3600",
        "Seconds after which a fetch from a Git server is given up, whatever comes."),
    Setting("spacy.maxAssetSize", SIZE, "",
        "The largest asset that is fetched; by default, what the disk has room for."),
    Setting("spacy.maxOutputSize", SIZE, "",
        "The most that an output may have, unpacked, when it is pulled or restored; by default,"
        " what the disk has room for."),
    Setting("spacy.rayShared", BOOLEAN, "true",
        "Let Ray workers that see the project's folder work in it; else files always travel."),
    Setting("spacy.allowLocalPath", BOOLEAN, "false",
        "Let the url of an asset name paths outside the repository."),
    Setting("spacy.allowLocalRepository", BOOLEAN, "false",
        "Let git assets come from paths and file: URLs."),
    Setting("spacy.allowEnvInUrl", BOOLEAN, "false",
        "Let the url of an asset contain ${env.X}."),
)  # fmt: skip

_BY_NAME = {setting.name.lower(): setting for setting in TABLE}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off", "")


class SettingValue(NamedTuple):
    """A value as Git has it: the name in its spelling, the scope (`global`, `local` …) and the
    origin (`file:/home/me/.gitconfig`), both empty where no git can be asked."""

    name: str
    value: str
    scope: str = ""
    origin: str = ""


def settings(start: Path) -> dict[str, str]:
    """All `spacy.*` of the user's Git configuration as it holds in `start`; the last of several
    values counts. Asked of git in one process, of dulwich where there is no git."""

    return {entry.name: entry.value for entry in entries(start)}


def entries(start: Path) -> list[SettingValue]:
    """The same with where each comes from, the weakest first."""

    if not process.available():
        return [SettingValue(name, value) for name, value in _settings_without_git(start).items()]
    # the user's own repository and configuration: nothing is scrubbed here, but what a hook gave
    # us relative to our folder is not meant relative to `start`
    environ = {**os.environ, "LC_ALL": "C", "LANGUAGE": ""}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"):
        if name in environ:
            environ[name] = os.path.abspath(environ[name])
    arguments = ("config", "--null", "--show-scope", "--show-origin", "--get-regexp", r"^spacy\.")
    done = process.run_git(arguments, cwd=start, environ=environ, check=False)
    if done.returncode not in (0, 1):  # 1: there is none
        raise InvalidInput(
            f"Git's configuration cannot be read: {done.message}", hint="correct that file"
        )
    words = iter(done.stdout.decode("utf-8", "replace").split("\0"))
    found = []
    for scope, origin, record in zip(words, words, words, strict=False):
        name, has_value, value = record.partition("\n")
        found.append(SettingValue(name, value if has_value else "true", scope, origin))
    return found


def known(name: str) -> Setting | None:
    """The setting that Git means by `name`."""

    if re.fullmatch(r"spacy\.remote\..+\.url", name):
        name = "spacy.remote.*.url"
    return _BY_NAME.get(name.lower())


def problems(found: Iterable[SettingValue]) -> list[Problem]:
    """What is wrong with them: names that there are not, values that cannot be read."""

    wrong = []
    for entry in found:
        setting = known(entry.name)
        where = f"git config {setting.name if setting else entry.name}"
        if setting is None:
            spellings = [one.name for one in TABLE]
            hint = did_you_mean(entry.name, spellings) or "see 'git spacy config'"
            wrong.append(Problem("git-spacy has no such setting", hint, where))
            continue
        try:
            _READERS[setting.kind]({setting.name.lower(): entry.value}, setting.name)
        except GitSpacyError as error:
            wrong += error.problems
    return wrong


def _settings_without_git(start: Path) -> dict[str, str]:
    from dulwich.config import ConfigFile, StackedConfig

    found: dict[str, str] = {}
    files = list(reversed(StackedConfig.default_backends()))
    repository = Repository.discover(start)
    if repository and (repository.common_dir / "config").is_file():
        files.append(ConfigFile.from_path(str(repository.common_dir / "config")))
    for file in files:
        for section in file.sections():
            if section[0].lower() == b"spacy":
                for name, value in file.items(section):
                    parts = [b"spacy", *section[1:], name.lower()]
                    found[b".".join(parts).decode()] = value.decode("utf-8", "replace")
    return found


def boolean(values: Settings, name: str) -> bool:
    """A setting that is true or false, in Git's own words for it. Raises Malformed."""

    value = _value(values, name)
    if value.lower() in _TRUE or value.lower() in _FALSE:
        return value.lower() in _TRUE
    if value.isascii() and value.removeprefix("-").isdigit():
        return int(value) != 0
    raise InvalidInput(
        f"'{value}' is neither true nor false", location=f"git config {name}",
        hint=f"git config {name} true",
    )  # fmt: skip


def number(values: Settings, name: str) -> int:
    """A setting that is a whole number above 0, or a size in bytes (0: no limit), with Git's k, m
    and g (times 1024). Raises Malformed."""

    setting = _BY_NAME[name.lower()]
    value = _value(values, name)
    if not value and not setting.default:
        return 0
    factor = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(value[-1:].lower(), 1)
    digits = value[:-1] if factor > 1 else value
    if digits.isascii() and digits.isdigit() and (setting.kind == SIZE or int(digits)):
        return int(digits) * factor
    raise InvalidInput(
        f"'{value}' is not {setting.kind}",
        location=f"git config {name}",
        hint=f"git config {name} {setting.default or '2g'}",
    )


def limits(values: Settings) -> process.Limits:
    """What a Git server may cost. Raises Malformed."""

    seconds, size = number(values, "spacy.fetchTimeout"), number(values, "spacy.maxAssetSize")
    return process.Limits(seconds=seconds, size=size)


def _value(values: Settings, name: str) -> str:
    value = values.get(name.lower())
    return _BY_NAME[name.lower()].default if value is None else value


def _text(values: Settings, name: str) -> str:
    return _value(values, name)


_READERS = {BOOLEAN: boolean, NUMBER: number, SIZE: number, TEXT: _text}
