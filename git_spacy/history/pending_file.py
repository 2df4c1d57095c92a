"""The file of records that wait until they can be written into the notes."""

from __future__ import annotations

from pathlib import Path

from git_spacy.git.state_dir import state_dir, user_cache_dir

PENDING_FILE = "pending"


def pending_files(root: Path) -> tuple[Path, ...]:
    """Return where records of the project at `root` may wait: in the repository, and from before
    it had one."""

    return tuple(
        dict.fromkeys((state_dir(root) / PENDING_FILE, user_cache_dir(root) / PENDING_FILE))
    )
