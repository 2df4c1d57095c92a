"""The isolation of the tests itself."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest


def test_a_write_to_the_real_home_fails() -> None:
    real_home = Path(pwd.getpwuid(os.getuid()).pw_dir)
    with pytest.raises(AssertionError, match="real home"):
        (real_home / "git-spacy-was-here").write_text("")
    with pytest.raises(AssertionError, match="real home"):
        (real_home / "git-spacy-was-here").mkdir()


def test_the_home_is_temporary(sealed: Path) -> None:
    assert Path.home() == sealed
    assert "GIT_DIR" not in os.environ
