"""Judge the commands of a run: in the project, or in a copy of it if they are isolated variants."""

from __future__ import annotations

from collections.abc import Sequence

from git_spacy.light_typing import TYPE_CHECKING
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath
from git_spacy.run.stale_producers import StaleProducers
from git_spacy.state import worktree_status
from git_spacy.state.stat_cache import Observed
from git_spacy.state.verdict import Verdict

if TYPE_CHECKING:
    from git_spacy.run.run_context import RunContext


def judge(command: Command, context: RunContext) -> tuple[Verdict, Observed]:
    """Judge a command by the present state of its files; return the verdict and that state."""

    if context.variants and command.name in context.variants:
        return context.variants.judge(command, context)
    entries = context.lock.entries
    return worktree_status.judge(context.project, command, entries, context.stats, context.environ)


def stale_producers(
    planned: Sequence[Command], context: RunContext, graph: DependencyGraph
) -> StaleProducers:
    """Return what warns of stale producers that are not in the plan."""

    return StaleProducers(
        graph, planned, lambda command: judge(command, context)[0], context.report
    )


def displayed_reasons(
    verdict: Verdict, remade: Sequence[ProjectPath], force: bool
) -> tuple[str, ...]:
    """Return why a command runs; `remade` are the dependencies that a dry run would change."""

    if force and not verdict.must_run:
        return ("--force",)
    missing = {path.text for path in verdict.missing} if remade else set()
    reasons = [reason.text for reason in verdict.reasons if reason.about not in missing]
    return tuple(reasons) or tuple(f"dependency '{output}' would change" for output in remade)
