"""Explain git's messages about files of its own that it cannot read."""

from __future__ import annotations

import re

from git_spacy.errors import InvalidInput

_BAD_CONFIG = r"(?m)bad config (?:line (\d+) in )?file ['\"]?(.+?)['\"]?$"
_BAD_INDEX = r"index file smaller than expected|index file corrupt|bad index version.*"


def check_damage(stderr: bytes) -> None:
    """Raise InvalidInput if git says that it cannot read its configuration or its index."""

    text = stderr.decode("utf-8", "replace")
    if match := re.search(_BAD_CONFIG, text):
        raise InvalidInput(
            "Git's configuration has a syntax error",
            hint="correct that line, or remove it",
            file=match[2],
            line=int(match[1] or 0),
        )
    if match := re.search(_BAD_INDEX, text):
        raise InvalidInput(
            f"Git's index is damaged: {match[0]}",
            hint='rm "$(git rev-parse --git-path index)" && git reset -q',
        )
