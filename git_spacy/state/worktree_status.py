"""Decide which commands are up to date in the worktree, where the data is present.

`run` checks one command at a time, because each command changes what the next one sees; `status`
checks all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.model import Command, Project
from git_spacy.project.variables import fill_environment
from git_spacy.state.stat_cache import Observed, StatCache
from git_spacy.state.verdict import Verdict, compute_verdict, with_upstream


def judge(
    project: Project,
    command: Command,
    entry: LockEntry | None,
    stats: StatCache,
    environ: Mapping[str, str],
) -> tuple[Verdict, Observed]:
    """Return the verdict on one command and the fingerprints that it is based on.

    Upstream commands are not considered. Raises Refused, OSError.
    """

    observed = stats.fingerprints(command.deps + command.produced)
    return _verdict(project, command, entry, stats, environ, observed), observed


def judge_all(
    project: Project,
    entries: Mapping[str, LockEntry],
    stats: StatCache,
    environ: Mapping[str, str],
) -> dict[str, Verdict]:
    """Return the verdict on each command by name, upstream commands considered."""

    observed = stats.fingerprints(
        path for command in project.commands for path in command.deps + command.produced
    )
    verdicts = {
        command.name: _verdict(
            project, command, entries.get(command.name), stats, environ, observed
        )
        for command in project.commands
    }
    return with_upstream(project, verdicts)


def _verdict(
    project: Project,
    command: Command,
    entry: LockEntry | None,
    stats: StatCache,
    environ: Mapping[str, str],
    observed: Observed,
) -> Verdict:
    def same_line(line: str, recorded: str) -> bool:
        return fill_environment(line, project.environment, environ) == recorded

    return compute_verdict(command, entry, observed, stats.previous_runs(command.name), same_line)
