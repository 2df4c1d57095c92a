"""Decide which commands are up to date in the worktree, where the data is present.

`run` checks one command at a time, because each command changes what the next one sees; `status`
checks all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from git_spacy.lock.lock_format import LockEntry
from git_spacy.project.model import Asset, Command, Project
from git_spacy.project.variables import fill_environment
from git_spacy.state.sparse import complete
from git_spacy.state.stat_cache import Observed, StatCache
from git_spacy.state.verdict import Verdict, changed_message, compute_verdict, with_upstream


def judge(
    project: Project,
    command: Command,
    entries: Mapping[str, LockEntry],
    stats: StatCache,
    environ: Mapping[str, str],
) -> tuple[Verdict, Observed]:
    """Return the verdict on one command and the fingerprints that it is based on.

    Upstream commands are not considered. Files that are not checked out count as in Git, but are
    missing if the command has to run. Raises Refused, OSError.
    """

    entry = entries.get(command.name)
    observed = complete(stats, stats.fingerprints(command.deps + command.produced))
    compared = _with_recorded(stats, [(command, entry)], observed)
    return _verdict(project, command, entries, stats, environ, compared[command.name]), observed


def judge_all(
    project: Project,
    entries: Mapping[str, LockEntry],
    stats: StatCache,
    environ: Mapping[str, str],
) -> dict[str, Verdict]:
    """Return the verdict on each command by name, upstream commands considered."""

    paths = (path for command in project.commands for path in command.deps + command.produced)
    observed = complete(stats, stats.fingerprints(paths))
    pairs = [(command, entries.get(command.name)) for command in project.commands]
    compared = _with_recorded(stats, pairs, observed)
    verdicts = {
        command.name: _verdict(project, command, entries, stats, environ, compared[command.name])
        for command in project.commands
    }
    return with_upstream(project, verdicts)


def wrong_assets(
    project: Project, command: Command, stats: StatCache
) -> list[tuple[Asset, str, str]]:
    """Return the assets that `command` depends on and that are not those of project.yml, each with
    what is wrong and a hint.

    Those that do not exist are left out. Raises Refused, OSError.
    """

    from git_spacy.state.fetched_assets import asset_problem

    wrong = []
    for asset in project.assets:
        if not any(asset.dest.touches(dependency) for dependency in command.deps):
            continue
        if problem := asset_problem(project, asset, stats):
            wrong.append((asset, *problem))
    return wrong


def _with_recorded(
    stats: StatCache, pairs: Sequence[tuple[Command, LockEntry | None]], observed: Observed
) -> dict[str, Observed]:
    """Return by command the `observed` fingerprints, with the recorded md5 where nothing changed.

    That is, where Git has only converted a file.
    """

    differing: dict[str, list[tuple[str, str]]] = {}
    for command, entry in pairs:
        recorded = {item.path: item.md5 for item in (*entry.deps, *entry.outs)} if entry else {}
        differing[command.name] = [
            (path.normal, md5)
            for path in command.deps + command.produced
            if (md5 := recorded.get(path.text))
            and (now := observed[path.normal])
            and now.digest != md5
        ]
    asked = {pair for listed in differing.values() for pair in listed}
    if not asked:
        return {command.name: observed for command, _ in pairs}
    from git_spacy.state.same_file import unchanged_in_git

    same = unchanged_in_git(stats, asked)
    return {
        name: _with_digests(observed, {path: md5 for path, md5 in listed if (path, md5) in same})
        for name, listed in differing.items()
    }


def _with_digests(observed: Observed, digests: Mapping[str, str]) -> Observed:
    if not digests:
        return observed
    return {
        path: now._replace(digest=digests.get(path, now.digest)) if now else None
        for path, now in observed.items()
    }


def _verdict(
    project: Project,
    command: Command,
    entries: Mapping[str, LockEntry],
    stats: StatCache,
    environ: Mapping[str, str],
    observed: Observed,
) -> Verdict:
    def same_line(line: str, recorded: str) -> bool:
        return fill_environment(line, project.environment, environ) == recorded

    entry = entries.get(command.name)
    previous = stats.previous_runs(command.name)
    messages = _change_messages(command, entry, stats, observed) if entry else {}
    verdict = compute_verdict(command, entry, observed, previous, same_line, messages, entries)
    absent = (
        path for path in command.deps + command.produced if stats.not_checked_out(path.normal)
    )
    return verdict._replace(missing=tuple(dict.fromkeys((*verdict.missing, *absent))))


def _change_messages(
    command: Command, entry: LockEntry, stats: StatCache, observed: Observed
) -> dict[str, str]:
    recorded = {item.path: item.md5 for item in entry.deps}
    return {
        path.normal: changed_message(stats.changed_files(path.normal, md5))
        for path in command.deps
        if (md5 := recorded.get(path.text))
        and (now := observed[path.normal])
        and now.names
        and now.digest != md5
    }
