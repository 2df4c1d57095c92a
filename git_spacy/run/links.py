"""Let scripts name their runs in other tools, e.g. Weights & Biases, for the run record.

A script finds the `time` of its record in GIT_SPACY_TIME, and in GIT_SPACY_LINKS the name of a file
to which it may append lines `TOOL ID`.
"""

from __future__ import annotations

from pathlib import Path

from git_spacy.errors import Refused, escape_controls, redact
from git_spacy.files import open_beneath
from git_spacy.history.run_record import format_time

_FILE, _TIME = "GIT_SPACY_LINKS", "GIT_SPACY_TIME"
_MAX_BYTES = 4096
_MAX_LINKS = 16


def link_environment(file: Path | None, started: float) -> dict[str, str]:
    """Return the environment variables for a command that began at `started`."""

    return {_TIME: format_time(started), **({_FILE: str(file)} if file else {})}


def take_links(file: Path | None) -> dict[str, str]:
    """Return the links that a command has written, by tool, and remove the file."""

    if file is None:
        return {}
    try:
        with open_beneath(file.parent, file.name) as stream:
            text = stream.read(_MAX_BYTES).decode("utf-8", "replace")
        file.unlink()
    except (OSError, Refused):  # as a rule, there is none
        return {}
    words = (line.split() for line in text.splitlines())
    links = {pair[0]: redact(pair[1]) for pair in words if len(pair) == 2}
    printable = {tool: id for tool, id in links.items() if escape_controls(tool + id) == tool + id}
    return dict(list(printable.items())[-_MAX_LINKS:])
