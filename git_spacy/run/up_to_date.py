"""Find out whether a run has nothing to do.

Half of the time of such a run would be spent on YAML, and on importing what starts processes,
writes records and follows terminals. So the commands are judged first, with only what `status`
needs.
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

    Also returns False while another process is at work in the project, or if a killed one left
    something behind: the run may then still turn out to have nothing to do. Raises InvalidInput for
    an invalid project.lock, Refused, OSError.
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
    stats = StatCache.open(root, fork=True)
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
                or not stats.has_run(command.name, verdict.entry.fingerprint_key)
                or worktree_status.wrong_assets(project, command, stats)
            ):
                return False
            warn_of_stale_producers(command)
        return not warnings
    finally:
        stats.save()
