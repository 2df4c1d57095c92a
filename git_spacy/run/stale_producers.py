"""Warn of stale commands that a run leaves out, though it uses their outputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from git_spacy.errors import Warn, warning
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command
from git_spacy.state.verdict import Verdict, is_current


class StaleProducers:
    """Warns of the producers of a command's dependencies that are stale and not `planned`."""

    def __init__(
        self, graph: DependencyGraph, planned: Iterable[Command],
        judge: Callable[[Command], Verdict], report: Warn,
    ) -> None:  # fmt: skip
        self._graph, self._judge, self._report = graph, judge, report
        self._planned = {command.name for command in planned}

    def __call__(self, command: Command) -> None:
        """Warn if a dependency of `command`, which is up to date, is the output of one.

        Of several commands that produce the same, one that is up to date or planned is enough.
        """

        for producer, path in self._graph.upstream.get(command.name, ()):
            others = self._graph.alternatives(producer, path)
            if not self._planned.isdisjoint(other.name for other in (producer, *others)):
                continue
            if self._judge(producer).state not in ("stale", "not_run"):
                continue
            if not any(is_current(self._judge(other)) for other in others):
                text = f"'{producer.name}', which produces '{path}', is stale"
                self._report(warning(text, f"git spacy run {producer.name} {command.name}"))
