"""Say what to type about the entries of project.lock that do not match their files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from git_spacy.lock.lock_format import LOCK_FILE
from git_spacy.project.diagnostics import group_problems
from git_spacy.project.graph import DependencyGraph, checksum_hint, paths_in_git
from git_spacy.project.matrix import command_line
from git_spacy.project.model import Asset, Command, Project
from git_spacy.state.fetched_assets import is_edited, matches_checksum
from git_spacy.state.project_view import View
from git_spacy.state.tracked_paths import missing_hint, pull_hint
from git_spacy.state.verdict import Reason, Verdict


class LockHints:
    """The hints for commands that must run again. What they need is computed for the first one,
    since most checks find nothing."""

    def __init__(self, project: Project, view: View) -> None:
        self._project = project
        self._view = view
        self._commands = {command.name: command for command in project.commands}

    @cached_property
    def _graph(self) -> tuple[dict[str, tuple[str, ...]], list[str]]:
        graph = DependencyGraph(self._project.commands)
        return graph.upstream_names(), graph.producers_first()

    @cached_property
    def _mismatched(self) -> dict[str, Asset]:
        """The assets that exist and have another md5 than their checksum, by destination."""

        md5s = {
            asset.dest.normal: (asset, asset.checksum.digest)
            for asset in self._project.assets
            if asset.checksum and asset.content_checksum and asset.checksum.algorithm == "md5"
        }
        present = self._view.present([asset.dest for asset, _ in md5s.values()])
        return {
            asset.dest.text: asset
            for path, (asset, digest) in md5s.items()
            if (now := present[path])
            and now.digest != digest
            and not (now.names and matches_checksum(self._project, asset, self._view.stats))
        }

    def files(self, name: str) -> tuple[str, ...]:
        """Return the files that a commit of the results of the command `name` includes."""

        paths = paths_in_git(self._project, [self._commands[name]])
        return (LOCK_FILE, *(path.normal for path in paths))

    def hint(self, name: str, verdict: Verdict, reason: Reason) -> str:
        """Return what to type about one reason of the verdict on the command `name`."""

        missing = {path.text: path for path in verdict.missing}
        if reason.about in missing:
            return missing_hint(self._project, self._view.root, name, missing[reason.about])
        if reason.about in self._mismatched:
            asset = self._mismatched[reason.about]
            edited = is_edited(self._project, asset, self._view.stats)
            return checksum_hint(asset, edited=edited)
        return self._rerun_command(name)

    def _rerun_command(self, name: str) -> str:
        """Return a command line that runs `name` again, and all commands that then become stale.

        What `name` could not run without comes first: files that Git or an asset's source has, and
        commands whose outputs do not exist; these are pulled if a remote may have them.
        """

        root = self._view.root
        upstream, order = self._graph
        names = {name}
        for other in order:
            if self._commands[other].produced and not names.isdisjoint(upstream[other]):
                names.add(other)
        needed, queue, to_pull = {name}, [name], []
        for other in queue:
            for producer in upstream[other]:
                command = self._commands[producer]
                if producer in needed or not _lacks_outputs(command, root):
                    continue
                needed.add(producer)
                if producer not in names and pull_hint(self._project, root, [command]):
                    to_pull.append(command)
                else:
                    queue.append(producer)
        names |= needed - {command.name for command in to_pull}
        to_run = [self._commands[other] for other in order if other in names]
        pull = [pull_hint(self._project, root, to_pull)] if to_pull else []
        return " && ".join([*self._obtain_sources(to_run), *pull, command_line(to_run)])

    def _obtain_sources(self, commands: Sequence[Command]) -> list[str]:
        """Return the command lines that obtain what no command produces and does not exist."""

        root = self._view.root
        produced = [path for command in self._project.commands for path in command.produced]
        missing = {
            path: command.name
            for command in commands
            for path in command.deps
            if not os.path.lexists(root / path.normal) and not any(map(path.touches, produced))
        }
        hints = (
            (path.normal, "", missing_hint(self._project, root, name, path))
            for path, name in missing.items()
        )
        groups = group_problems(hints, merge_arguments=True)
        return [group.hint for group in groups if group.hint.startswith(("git ", "dvc pull"))]


def _lacks_outputs(command: Command, root: Path) -> bool:
    return not all(os.path.lexists(root / path.normal) for path in command.produced)
