"""The packages that Ray installs on its workers: the lines of a requirements file of the project.

The file is named by `git config spacy.rayRequirements`. Ray shows the lines on its dashboard and
writes them into logs, so they may contain no password.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from git_spacy.errors import InvalidInput, Refused, redact
from git_spacy.files import open_beneath
from git_spacy.git.settings import read_settings, text_value
from git_spacy.project.paths import ProjectPath, parse_path

SETTING = "spacy.rayRequirements"
_LOCATION = f"git config {SETTING}"
_TURN_OFF = f"to install nothing: git config {SETTING} ''"
_MAX_BYTES = 1 << 20
_COMMENT = re.compile(r"(^|\s)#.*")
# options and paths that name a file beside this one
_LOCAL = re.compile(
    r"-[rce].*|--(requirement|constraint|editable)\b.*|\.{0,2}/.*|\.{1,2}|.*\bfile:.*"
)


def read_requirements(root: Path) -> tuple[str, ...]:
    """Return the requirements that Ray shall install, one a line; () if the user asked for none.

    Raises InvalidInput if the file does not exist or a worker could not use it, and Refused if it
    is outside the project or contains a password.
    """

    name = text_value(read_settings(root), SETTING)
    if not name:
        return ()
    path = parse_path(name, "dependency")
    if not isinstance(path, ProjectPath) or path.outside:
        raise Refused(f"'{name}' is not a file in the project", hint=_TURN_OFF, file=_LOCATION)
    try:
        with open_beneath(root, path.normal) as stream:
            text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
    except OSError as error:
        message = f"cannot read '{name}': {error.strerror}"
        raise InvalidInput(message, hint=_TURN_OFF, file=_LOCATION) from None
    return tuple(_requirements(path.normal, text))


def _requirements(name: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        plain = _COMMENT.sub("", line).strip()
        if _LOCAL.fullmatch(plain):
            raise InvalidInput(
                "this line refers to a file, which the workers do not have",
                hint="write the names or URLs of packages here, e.g. spacy>=3.7",
                file=name,
                line=number,
            )
        if redact(plain) != plain:
            raise Refused(
                "Ray would show the password in this URL on its dashboard",
                hint="remove it, and put it into pip's configuration on the cluster's machines",
                file=name,
                line=number,
            )
        if plain:
            yield plain
