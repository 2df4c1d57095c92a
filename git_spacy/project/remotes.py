"""The names and addresses of remotes, from project.yml and from the user's settings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from git_spacy.project.model import Project

DEFAULT = "default"
_SETTING = re.compile(r"spacy\.remote\.(.+)\.url")


def known_addresses(project: Project, settings: Mapping[str, str]) -> dict[str, str]:
    """Return the addresses of the remotes, by name; the settings override project.yml."""

    known = {remote.name: remote.url for remote in project.remotes}
    return known | {
        match[1]: value for key, value in settings.items() if (match := _SETTING.fullmatch(key))
    }


def has_default(project: Project, settings: Mapping[str, str]) -> bool:
    """Return whether `git spacy pull` works without the name of a remote."""

    known = known_addresses(project, settings)
    return DEFAULT in known or len(known) == 1
