"""Read the user's settings from `git config spacy.*`, and describe them in one table.

Every setting that the package reads is in the table, which also feeds the man page,
`git spacy config` and the tests of the documentation.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path

from git_spacy.errors import Diagnostic, GitSpacyError, InvalidInput
from git_spacy.git import process
from git_spacy.git.damage import check_damage
from git_spacy.git.repository import Repository, find_damage
from git_spacy.light_typing import NamedTuple
from git_spacy.project.diagnostics import did_you_mean

Settings = Mapping[str, str]
"""Values of `git config spacy.*` by name, as git prints it (`spacy.allowlocalpath`)."""

BOOLEAN, NUMBER, SIZE, TEXT = "true or false", "a number", "a size", "a text"
FOLDERS = "an absolute path; may be given several times"


class Setting(NamedTuple):
    """A setting: its spelling, kind of value, default (in Git's notation) and description."""

    name: str
    kind: str
    default: str
    meaning: str


# In the order in which they are shown. A `*` stands for a name that the user chooses.
ALL_SETTINGS = (
    Setting("spacy.repo", TEXT, "",
        "The template repository for clone, instead of the built-in templates and"
        " github.com/explosion/projects."),
    Setting("spacy.python", TEXT, "",
        "The Python interpreter for scripts, instead of that of the active environment, the"
        " project's .venv or git-spacy itself."),
    Setting("spacy.jobs", NUMBER, "1", "The number of commands to run at the same time."),
    Setting("spacy.restore", BOOLEAN, "false",
        "Save outputs in the run cache of this machine, and restore them instead of running"
        " a command again."),
    Setting("spacy.cacheLinks", BOOLEAN, "false",
        "Make outputs hard links into the run cache: saves disk space, but they are read-only."),
    Setting("spacy.keepOutputs", BOOLEAN, "false",
        "Let scripts find the outputs of their earlier runs, as with weasel; by default, only those"
        " of the commands in keep_outputs of project.yml."),
    Setting("spacy.notes", BOOLEAN, "true", "Record each run in Git notes."),
    Setting("spacy.log", BOOLEAN, "",
        "Keep what scripts print, for 'git spacy show --log'; by default, unless a script prints"
        " to a terminal."),
    Setting("spacy.notesMessage", TEXT, "",
        "The message of the commit that 'git spacy notes push' sends, for servers with rules on"
        " messages."),
    Setting("spacy.metrics", TEXT, "",
        "The JSON outputs whose numbers are metrics, as patterns such as 'metrics/*.json'; by"
        " default, those in outputs_no_cache and those that 'spacy evaluate' writes."),
    Setting("spacy.ignore", BOOLEAN, "true", "Let clone and assets update .gitignore."),
    Setting("spacy.remote.*.url", TEXT, "",
        "The address of the remote with this name, for push, pull and restore; overrides"
        " project.yml."),
    Setting("spacy.remote.*.endpoint", TEXT, "",
        "The URL of the server of this remote, for S3 and Google Cloud; the host, for Azure."),
    Setting("spacy.remote.*.profile", TEXT, "",
        "The name of the AWS profile with the credentials for this remote (S3)."),
    Setting("spacy.remote.*.region", TEXT, "", "The region of this remote (S3)."),
    Setting("spacy.remote.*.account", TEXT, "", "The storage account of this remote (Azure)."),
    Setting("spacy.remote.*.project", TEXT, "", "The Google Cloud project of this remote."),
    Setting("spacy.remote.*.keyFile", TEXT, "",
        "The file with the private key (ssh) or the service account's key (Google Cloud) for this"
        " remote."),
    Setting("spacy.remote.*.anonymous", BOOLEAN, "false",
        "Read this remote without credentials (S3, Google Cloud, Azure)."),
    Setting("spacy.timeout", NUMBER, "30",
        "Seconds to wait for data from a server; twice as long for its headers, and for each"
        " kilobyte."),
    Setting("spacy.fetchTimeout", NUMBER, "3600",
        "Seconds that a fetch from a Git server may take in all."),
    Setting("spacy.maxAssetSize", SIZE, "",
        "The maximum size of an asset; by default, as much as the disk has room for."),
    Setting("spacy.maxOutputSize", SIZE, "",
        "The maximum unpacked size of an output to pull or restore; by default, as much as the"
        " disk has room for."),
    Setting("spacy.rayShared", BOOLEAN, "true",
        "Let Ray workers that can access the project's folder work in it; otherwise, always"
        " transfer the files."),
    Setting("spacy.rayRequirements", TEXT, "",
        "A file of requirements in the project, e.g. requirements.txt, that Ray installs with pip"
        " for each command that it runs."),
    Setting("spacy.allowOutside", FOLDERS, "",
        "A folder outside of the project in which outputs, assets and directories may be written."
        " An empty value clears the list."),
    Setting("spacy.allowLocalPath", BOOLEAN, "false",
        "Allow asset URLs to name paths outside the repository."),
    Setting("spacy.allowLocalRepository", BOOLEAN, "false",
        "Allow git assets from paths and file: URLs."),
    Setting("spacy.allowEnvInUrl", BOOLEAN, "false",
        "Allow asset URLs to contain ${env.X}."),
)  # fmt: skip

_BY_NAME = {setting.name.lower(): setting for setting in ALL_SETTINGS}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off", "")


class SettingValue(NamedTuple):
    """A configured value, with the name as Git prints it.

    `scope` (`global`, `local` …) and `origin` (`file:/home/me/.gitconfig`) are empty if git is not
    installed.
    """

    name: str
    value: str
    scope: str = ""
    origin: str = ""


def read_settings(start: Path) -> dict[str, str]:
    """Return all `spacy.*` settings that apply in the folder `start`; the last value wins.

    The values of a setting that may be given several times are joined by newlines. Runs one git
    process; uses dulwich if git is not installed.
    """

    values: dict[str, str] = {}
    for name, value, *_ in read_entries(start):
        _add_value(values, name, value)
    return values


def _add_value(values: dict[str, str], name: str, value: str) -> None:
    setting = find_setting(name)
    is_list = setting and setting.kind == FOLDERS and value and values.get(name)
    values[name] = f"{values[name]}\n{value}" if is_list else value


def read_entries(start: Path) -> list[SettingValue]:
    """Return all `spacy.*` values with their scope and origin, lowest precedence first."""

    if not process.available():
        return [SettingValue(name, value) for name, value in _settings_without_git(start).items()]
    environ = user_environment(start)
    arguments = ("config", "--null", "--show-scope", "--show-origin", "--get-regexp", r"^spacy\.")
    done = process.run_git(arguments, cwd=start, environ=environ, check=False)
    if done.returncode not in (0, 1):  # 1: no setting found
        check_damage(done.stderr)
        raise InvalidInput(
            f"cannot read the Git configuration: {done.message}", hint="correct that file"
        )
    fields = iter(done.stdout.decode("utf-8", "replace").split("\0"))
    values = []
    for scope, origin, record in zip(fields, fields, fields, strict=False):
        name, has_value, value = record.partition("\n")
        values.append(SettingValue(name, value if has_value else "true", scope, origin))
    return values


def user_environment(start: Path) -> dict[str, str]:
    """Return the environment for a git that reads the user's own configuration in `start`.

    It is not scrubbed; but paths which a hook sets are relative to the current folder.
    """

    environ = {**os.environ, "LC_ALL": "C", "LANGUAGE": ""}
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR"):
        if name in environ:
            environ[name] = os.path.abspath(environ[name])
    if find_damage(start):  # outside of a repository, which git would refuse to be
        environ["GIT_DIR"] = os.devnull
    return environ


def find_setting(name: str) -> Setting | None:
    """Return the setting with this name, in any case, or None."""

    if match := re.fullmatch(r"spacy\.remote\..+\.([^.]+)", name):
        name = f"spacy.remote.*.{match[1]}"
    return _BY_NAME.get(name.lower())


def find_problems(values: Iterable[SettingValue]) -> list[Diagnostic]:
    """Return a warning about each unknown setting and each invalid value."""

    problems = []
    for entry in values:
        setting = find_setting(entry.name)
        if setting is None:
            hint = did_you_mean(entry.name, [known.name for known in ALL_SETTINGS])
            location = f"git config {entry.name}"
            problems.append(Diagnostic("unknown setting", hint or "git spacy config", location))
            continue
        try:
            _READERS[setting.kind]({setting.name.lower(): entry.value}, setting.name)
        except GitSpacyError as error:
            problems += error.problems
    return [problem._replace(severity="warning") for problem in problems]


def _settings_without_git(start: Path) -> dict[str, str]:
    from dulwich.config import ConfigFile, StackedConfig

    values: dict[str, str] = {}
    files = list(reversed(StackedConfig.default_backends()))
    repository = Repository.discover(start)
    if repository and (repository.common_dir / "config").is_file():
        files.append(ConfigFile.from_path(str(repository.common_dir / "config")))
    for file in files:
        for section in file.sections():
            if section[0].lower() == b"spacy":
                for name, value in file.items(section):
                    parts = [b"spacy", *section[1:], name.lower()]
                    _add_value(values, b".".join(parts).decode(), value.decode("utf-8", "replace"))
    return values


def boolean(values: Settings, name: str) -> bool:
    """Return the value of a boolean setting, which may be any word that Git accepts.

    Raises InvalidInput.
    """

    value = _value(values, name)
    if value.lower() in _TRUE or value.lower() in _FALSE:
        return value.lower() in _TRUE
    if value.isascii() and value.removeprefix("-").isdigit():
        return int(value) != 0
    raise InvalidInput(
        f"'{value}' is neither true nor false", file=f"git config {name}",
        hint=f"git config {name} true",
    )  # fmt: skip


def number(values: Settings, name: str) -> int:
    """Return the value of a setting that is a positive integer, or a size in bytes (0: no limit).

    Accepts Git's suffixes k, m and g (powers of 1024). Raises InvalidInput.
    """

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
        file=f"git config {name}",
        hint=f"git config {name} {setting.default or '2g'}",
    )


def text_value(values: Settings, name: str) -> str:
    """Return a setting of any text; "" if it is not set."""

    return values.get(name.lower(), "")


def folders(values: Settings, name: str) -> list[str]:
    """Return the folders of a setting, with `~` replaced. Raises InvalidInput."""

    found = [os.path.expanduser(value) for value in _value(values, name).splitlines() if value]
    for folder in found:
        if not os.path.isabs(folder):
            raise InvalidInput(
                f"'{folder}' is not {_BY_NAME[name.lower()].kind}", file=f"git config {name}",
                hint=f"git config {name} {shlex.quote(os.path.abspath(folder))}",
            )  # fmt: skip
    return found


def fetch_limits(values: Settings) -> process.Limits:
    """Return the user's limits for fetches from a Git server. Raises InvalidInput."""

    seconds, size = number(values, "spacy.fetchTimeout"), number(values, "spacy.maxAssetSize")
    return process.Limits(seconds=seconds, size=size)


def _value(values: Settings, name: str) -> str:
    value = values.get(name.lower())
    return _BY_NAME[name.lower()].default if value is None else value


def _text(values: Settings, name: str) -> str:
    return _value(values, name)


_READERS = {BOOLEAN: boolean, NUMBER: number, SIZE: number, TEXT: _text, FOLDERS: folders}
