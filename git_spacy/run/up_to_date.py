"""Find out whether a run has nothing to do.

Reading YAML, and the modules that start processes, write records and follow terminals, take half of
the time of such a run. So it is judged first, by what only reports need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from git_spacy.errors import Diagnostic
from git_spacy.git.repository import Repository
from git_spacy.history.pending_file import pending_files
from git_spacy.lock import lock_format
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command, Project
from git_spacy.run.stale_producers import StaleProducers
from git_spacy.state import set_aside, worktree_status
from git_spacy.state.run_lock import lock_holders
from git_spacy.state.stat_cache import StatCache
from git_spacy.state.verdict import Verdict


def is_up_to_date(
    project: Project, commands: Sequence[Command], root: Path, environ: Mapping[str, str]
) -> bool:
    """Return whether a run of `commands` would skip each of them, and change and warn of nothing.

    If False, the run may still turn out to have nothing to do: it also is if another process is at
    work in the project, or if something is left of a killed one. Raises InvalidInput for an invalid
    project.lock, Refused, OSError.
    """

    entries = lock_format.read(root)
    for command in commands:  # what can be said without looking at a file
        if command.name not in entries or command.no_skip or command.unset or command.variant_of:
            return False
    if (
        lock_holders(root)
        or set_aside.is_pending(root)
        or (any(file.exists() for file in pending_files(root)) and Repository.discover(root))
        or not all((root / folder.normal).is_dir() for folder in project.directories)
    ):
        return False
    stats = StatCache.open(root)
    stats.declare(project)
    stats.assume_no_changes()
    warnings: list[Diagnostic] = []

    def judge(command: Command) -> Verdict:
        return worktree_status.judge(project, command, entries, stats, environ)[0]

    warn_of_stale_producers = StaleProducers(
        DependencyGraph(project.commands), commands, judge, warnings.append
    )
    try:
        for command in commands:
            verdict = judge(command)
            if (
                verdict.must_run
                or verdict.entry != entries[command.name]
                or verdict.entry.fingerprint_key not in _previous_keys(stats, command)
                or worktree_status.wrong_assets(project, command, stats)
            ):
                return False
            warn_of_stale_producers(command)
        return not warnings
    finally:
        stats.save()


def _previous_keys(stats: StatCache, command: Command) -> list[object]:
    return [run.fingerprint_key for run in stats.previous_runs(command.name)]
