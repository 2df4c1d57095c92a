"""Threat model: full-disks, on a disk that is full indeed: a small one, which root may mount.

What is smaller than Python's own calls is seen here alone: Git's files, and those of scripts.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing.faults import failing
from tests.threats.test_every_system_call import (
    Case,
    case,
    is_between,
    left_over,
    ours,
    pristine,
    rerun,
    verb,
)

__all__ = ["case", "pristine"]
_PAGE = 4096
PAGES = (0, 1, 2, 3, 5, 8, 13, 21) if "GIT_SPACY_STRESS" in os.environ else (1, 4)
QUIET = 1 << 30


@pytest.fixture
def small(pristine: Path) -> Iterator[Path]:
    """The project on a disk of 96 MB."""

    root = pristine.parent / "work"
    shutil.rmtree(root)
    root.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=96m", "none", str(root))
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk, and not everywhere")
    shutil.copytree(pristine, root, symlinks=True, dirs_exist_ok=True)
    try:
        yield root
    finally:
        subprocess.run(("umount", "-l", str(root)), check=True)


@pytest.mark.threat("full-disks")
@pytest.mark.slow
@pytest.mark.parametrize("pages", PAGES)
def test_a_disk_with_room_for_so_much(case: Case, small: Path, pages: int) -> None:
    old = case.look(small)
    ballast = small / ".git/ballast"
    free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    ballast.write_bytes(bytes(max(free - pages * _PAGE, 0)))
    ended = failing(QUIET, verb(case, small), kills=False)
    found = ours(case, small)
    ballast.unlink()
    # 4: git could not write; a script that cannot write fails as it likes (Python's own code is 120)
    assert ended.code in (0, 1, 4, 5) or (case.words[0] == "run" and ended.code == 120), ended
    assert rerun(case, small) == 0
    new = case.look(small)
    assert is_between(found, old, new)
    assert left_over(small) == []
