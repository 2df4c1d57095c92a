"""Recognize the file names that some operating system takes for `.git`."""

from __future__ import annotations

import re

# Code points that HFS+ ignores in names, as Git's utf8.c lists them: `.g\u200cit` is `.git`.
_HFS_IGNORED = dict.fromkeys(
    [*range(0x200C, 0x2010), *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
)
_GIT = re.compile(r"(?:\.git|git~\d+)[. ]*(?::.*)?", re.DOTALL)


def is_git_name(name: str) -> bool:
    """Return whether Git, Windows (NTFS) or macOS (HFS+) could take `name` for `.git`.

    The same holds for any part of it between backslashes, which Windows takes for separators.
    """

    folded = name.translate(_HFS_IGNORED).casefold()
    return any(_GIT.fullmatch(part) for part in folded.split("\\"))
