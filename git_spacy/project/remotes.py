"""The names and addresses of remotes, from project.yml and from the user's settings. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from git_spacy.patterns import compile_late
from git_spacy.project.model import Project

DEFAULT = "default"
_SETTING = compile_late(r"spacy\.remote\.(.+)\.([^.]+)")


def known_addresses(project: Project, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of the remotes, by name; the settings override project.yml."""

    known = {remote.name: remote.url for remote in project.remotes}
    return known | {
        match[1]: value
        for key, value in settings.items()
        if (match := _SETTING.fullmatch(key)) and match[2] == "url"
    }


def settings_of(settings: Mapping[str, str], name: str) -> dict[str, str]:
    """Return the user's other settings of the remote `name`, e.g. its `endpoint`, by the last part
    of their names as Git prints them: in lower case."""

    return {
        match[2]: value
        for key, value in settings.items()
        if (match := _SETTING.fullmatch(key)) and match[1] == name and match[2] != "url"
    }


def default_name(project: Project, settings: Mapping[str, str]) -> str | None:
    """Return the name of the remote that is used if none is named, None without one."""

    known = known_addresses(project, settings)
    return next(iter(known)) if len(known) == 1 else DEFAULT if DEFAULT in known else None
