"""Look up which file names were recorded for an output, since its md5 covers only the content.

The stat cache knows the names of runs in this worktree, the run records those of all runs.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from git_spacy.errors import GitSpacyError
from git_spacy.history import run_history
from git_spacy.project.paths import ProjectPath
from git_spacy.state.stat_cache import StatCache


class RecordedNames:
    """Recorded digests of file names in the project at `root`.

    Run records are read only if the stat cache has no answer.
    """

    def __init__(self, root: Path, stats: StatCache) -> None:
        self._root = root
        self._stats = stats

    def digests(self, command: str, path: ProjectPath, md5: str) -> frozenset[str]:
        """Return the digests of names recorded for the output `path` of `command` with this md5."""

        local = {
            past.names[path.text]
            for past in self._stats.previous_runs(command)
            if path.text in past.names and dict(past.fingerprint_key[2]).get(path.text) == md5
        }
        return frozenset(local or self._from_records.get((path.text, md5), set()))

    @cached_property
    def _from_records(self) -> dict[tuple[str, str], set[str]]:
        digests: dict[tuple[str, str], set[str]] = {}
        try:
            for record in run_history.all_records(self._root):
                for file in (*record.deps, *record.outs):
                    if file.md5:
                        digests.setdefault((file.path, file.md5), set()).add(file.names)
        except (GitSpacyError, OSError):
            pass  # without a repository there are no run records
        return digests
