"""Run every command that writes on a disk that is really full: a small one, mounted by root.

Threat model: full-disks. Only here, files that Git and scripts write fail to be written, too.
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
    command,
    guaranteed_state,
    is_between,
    left_over,
    pristine,
    rerun,
    sampled,
)

__all__ = ["case", "pristine"]
_PAGE = 4096
PAGES = (0, 1, 2, 3, 5, 8, 13, 21)
NO_FAILURE = 1 << 30


@pytest.fixture
def small(pristine: Path) -> Iterator[Path]:
    """The project on a disk of 96 MB."""

    root = pristine.parent / "work"
    shutil.rmtree(root)
    root.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=96m", "none", str(root))
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount a small disk")
    shutil.copytree(pristine, root, symlinks=True, dirs_exist_ok=True)
    try:
        yield root
    finally:
        subprocess.run(("umount", "-l", str(root)), check=True)


@pytest.mark.threat("full-disks")
@pytest.mark.slow
@pytest.mark.parametrize(("case", "pages"), sampled(PAGES), indirect=["case"])
def test_a_disk_with_little_room_is_repaired_by_a_rerun(
    case: Case, small: Path, pages: int
) -> None:
    old = case.state(small)
    ballast = small / ".git/ballast"
    free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    ballast.write_bytes(bytes(max(free - pages * _PAGE, 0)))
    ended = failing(NO_FAILURE, command(case, small), kills=False)
    state = guaranteed_state(case, small)
    ballast.unlink()
    # 4: git could not write; a script that cannot write exits as it likes (Python with 120)
    assert ended.code in (0, 1, 4, 5) or (case.words[0] == "run" and ended.code == 120), ended
    assert rerun(case, small) == 0
    new = case.state(small)
    assert is_between(state, old, new)
    assert left_over(small) == []
