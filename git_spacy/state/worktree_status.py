"""Fresh or stale where the data is: verdicts on the work tree as it lies there.

`run` asks for one command at a time, since each changes what the next one sees; `status` for all.
"""

from __future__ import annotations

from collections.abc import Mapping

from git_spacy.project.model import Command, Project
from git_spacy.project.variables import fill_environment
from git_spacy.state.lock import LockEntry
from git_spacy.state.stat_cache import Observed, StatCache
from git_spacy.state.verdict import Verdict, verdict, with_upstream


def judge(
    project: Project,
    command: Command,
    entry: LockEntry | None,
    stats: StatCache,
    environ: Mapping[str, str],
) -> tuple[Verdict, Observed]:
    """The verdict on one command as things stand, and what it is based on. Says nothing of those
    upstream of it. Raises Unsafe, OSError."""

    seen = stats.fingerprints(command.deps + command.produced)
    return _verdict(project, command, entry, stats, environ, seen), seen


def judge_all(
    project: Project,
    entries: Mapping[str, LockEntry],
    stats: StatCache,
    environ: Mapping[str, str],
) -> dict[str, Verdict]:
    """The verdicts on all commands, by name, and those upstream of each have a say."""

    seen = stats.fingerprints(
        path for command in project.commands for path in command.deps + command.produced
    )
    verdicts = {
        command.name: _verdict(project, command, entries.get(command.name), stats, environ, seen)
        for command in project.commands
    }
    return with_upstream(project, verdicts)


def _verdict(
    project: Project,
    command: Command,
    entry: LockEntry | None,
    stats: StatCache,
    environ: Mapping[str, str],
    seen: Observed,
) -> Verdict:
    def alike(line: str, recorded: str) -> bool:
        return fill_environment(line, project.environment, environ) == recorded

    return verdict(command, entry, seen, stats.previous_runs(command.name), alike)
