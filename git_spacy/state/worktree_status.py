"""Decide which commands are up to date in the worktree, where the data is present.

`run` checks one command at a time, because each command changes what the next one sees; `status`
checks all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.model import Asset, Command, Project
from git_spacy.project.variables import fill_environment
from git_spacy.state.project_view import LINE_ENDINGS, WorkTree
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


def wrong_assets(project: Project, command: Command, stats: StatCache) -> list[Asset]:
    """Return the assets that `command` depends on and that do not match their checksums.

    Those that do not exist are left out, and those that differ only in line endings, as Git may
    have changed these. Raises Refused, OSError.
    """

    wrong = []
    for asset in project.assets:
        checksum = asset.checksum
        if checksum and any(asset.dest.touches(dependency) for dependency in command.deps):
            now = stats.fingerprint(asset.dest.normal, checksum.algorithm)
            if now and now.digest != checksum.digest:
                difference = WorkTree(stats.root).benign_difference(asset.dest, checksum.digest)
                wrong += [] if difference == LINE_ENDINGS else [asset]
    return wrong


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
