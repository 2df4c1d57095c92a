"""Which file names were recorded for an output: what its md5 does not say.

The stat index knows those of this work tree's own runs, the run records those of everybody's.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from git_spacy.errors import GitSpacyError
from git_spacy.project.paths import ProjectPath
from git_spacy.state import run_history
from git_spacy.state.stat_cache import StatCache


class RecordedNames:
    """The digests of names that are recorded for the paths of the project at `root`. The records
    are only read when the stat index does not know."""

    def __init__(self, root: Path, stats: StatCache) -> None:
        self._root = root
        self._stats = stats

    def digests(self, command: str, path: ProjectPath, md5: str) -> frozenset[str]:
        """Those that what `command` made at `path` had, when it had this md5; none if nobody has
        recorded that."""

        own = {
            past.names[path.text]
            for past in self._stats.previous_runs(command)
            if path.text in past.names and dict(past.fingerprint_key[2]).get(path.text) == md5
        }
        return frozenset(own or self._noted.get((path.text, md5), set()))

    @cached_property
    def _noted(self) -> dict[tuple[str, str], set[str]]:
        found: dict[tuple[str, str], set[str]] = {}
        try:
            for record in run_history.all_records(self._root):
                for file in (*record.deps, *record.outs):
                    if file.md5:
                        found.setdefault((file.path, file.md5), set()).add(file.names)
        except (GitSpacyError, OSError):
            pass  # no repository, no notes
        return found
