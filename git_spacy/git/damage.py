"""Explain git's messages about files of its own that it cannot read."""

from __future__ import annotations

import re

from git_spacy.errors import InvalidInput

_BAD_CONFIG = re.compile(r"bad config (?:line (\d+) in )?file ['\"]?(.+?)['\"]?$", re.MULTILINE)
_BAD_INDEX = re.compile(r"index file smaller than expected|index file corrupt|bad index version.*")


def check_damage(stderr: bytes) -> None:
    """Raise InvalidInput if git says that it cannot read its configuration or its index."""

    text = stderr.decode("utf-8", "replace")
    if match := _BAD_CONFIG.search(text):
        raise InvalidInput(
            "Git's configuration has a syntax error",
            hint="correct that line, or remove it",
            file=match[2],
            line=int(match[1] or 0),
        )
    if match := _BAD_INDEX.search(text):
        raise InvalidInput(
            f"Git's index is damaged: {match[0]}",
            hint='rm "$(git rev-parse --git-path index)" && git reset -q',
        )
