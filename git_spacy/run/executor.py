"""Where processes run: a Protocol that every executor keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from git_spacy.run.script import Step


class Executor(Protocol):
    """Runs the steps of commands somewhere."""

    def run(self, step: Step, root: Path, environ: Mapping[str, str]) -> int:
        """Run one step in `root` to its end, its output streaming through; its exit code.

        Raises ScriptFailed if the program cannot be started, Interrupted if we or it were.
        """
        ...
