"""Puts the man pages into the wheel, also into that of an editable install: they are made from the
commands as they are, so that none is committed and none can be stale."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManPages(BuildHookInterface):  # type: ignore[type-arg]
    """Writes them into a folder of its own, which lasts as long as the build."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Add `share/man/man1`."""

        sys.path.insert(0, self.root)
        from git_spacy.cli import manpages
        from git_spacy.cli.group import group

        self.folder = tempfile.TemporaryDirectory(prefix="git-spacy-man-")
        for name, text in manpages.pages(group).items():
            path = Path(self.folder.name, name)
            path.write_text(text, encoding="utf-8")
            build_data["shared_data"][str(path)] = f"share/man/man1/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the folder."""

        self.folder.cleanup()
