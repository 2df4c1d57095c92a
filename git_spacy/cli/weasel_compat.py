"""Translate `git spacy project …`, a command line of `spacy project` or weasel, to ours. Pure.

The commands have the same names. docs/how-to/from-weasel.md lists the differences for users.
"""

from __future__ import annotations

from collections.abc import Sequence

from git_spacy.cli import registry
from git_spacy.errors import InvalidInput
from git_spacy.project.diagnostics import did_you_mean

COMMANDS = ("clone", "assets", "run", "dvc", "document", "push", "pull")
# Options of weasel that have no effect here: only the necessary files are fetched anyway, and
# there is no verbose output.
_IGNORED_OPTIONS = {
    "clone": ("--sparse", "-S"),
    "assets": ("--sparse", "-S"),
    "dvc": ("--verbose", "-V", "--quiet", "-q"),
}
_OUTPUT_OPTIONS = ("-o", "--output", "-h", "--help")


def translate(arguments: Sequence[str]) -> list[str]:
    """Return our arguments for the `arguments` after `spacy project`.

    Raises InvalidInput if they do not begin with a command of weasel.
    """

    if not arguments or arguments[0] not in COMMANDS:
        name = arguments[0] if arguments else "-h"
        is_ours = name == "-h" or name in registry.COMMANDS
        raise InvalidInput(
            "'git spacy project' takes the commands of 'spacy project': " + ", ".join(COMMANDS),
            hint=f"without 'project': git spacy {name}"
            if is_ours
            else did_you_mean(name, COMMANDS) or "see 'git spacy -h'",
        )
    command, *options = arguments
    options = [option for option in options if option not in _IGNORED_OPTIONS.get(command, ())]
    if command == "document" and not any(text.startswith(_OUTPUT_OPTIONS) for text in options):
        options.append("--stdout")  # weasel's default
    return [command, *options]
