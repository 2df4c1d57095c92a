"""Show what a run would do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from git_spacy.errors import CheckFailed, GitSpacyError
from git_spacy.project.graph import DependencyGraph
from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath
from git_spacy.run import refusals
from git_spacy.run.events import CommandSkipped, CommandStarted, StepStarted
from git_spacy.run.judging import displayed_reasons, judge, stale_producers
from git_spacy.run.outcome import RunOutcome
from git_spacy.run.script import shown_lines
from git_spacy.state import worktree_status

if TYPE_CHECKING:
    from git_spacy.run.run_context import RunContext


def dry_run(commands: Sequence[Command], context: RunContext) -> RunOutcome:
    """Report what would run, in the order of a run with one job."""

    ran: list[Command] = []
    skipped: list[str] = []
    failed: list[tuple[str, GitSpacyError]] = []
    graph = DependencyGraph(context.project.commands)
    warn_of_stale_producers = stale_producers(commands, context, graph)
    for command in commands:
        verdict, _ = judge(command, context)
        seen = [c for c in ran if not context.variants or context.variants.sees(command, c)]
        remade = _remade_dependencies(command, seen)
        missing = [path for path in verdict.missing if not _covers(remade, path)]
        is_forced = command.name in context.force
        if missing and (verdict.must_run or is_forced or remade):
            problems = refusals.missing_dependencies(
                context.project, context.root, command, missing
            )
            failed.append((command.name, CheckFailed.from_problems(problems)))
        if wrong := worktree_status.wrong_assets(context.project, command, context.stats):
            problems = refusals.wrong_assets(command, wrong)
            failed.append((command.name, CheckFailed.from_problems(problems)))
        if not verdict.must_run and not is_forced and not remade:
            context.report(CommandSkipped(command.name))
            warn_of_stale_producers(command)
            skipped.append(command.name)
            continue
        reasons = displayed_reasons(verdict, remade, is_forced)
        context.report(CommandStarted(command.name, reasons, True))
        for line in shown_lines(command, context.python, context.project, context.environ):
            context.report(StepStarted(command.name, line))
        ran.append(command)
    context.stats.save()
    return RunOutcome(tuple(command.name for command in ran), tuple(skipped), failed=tuple(failed))


def _remade_dependencies(command: Command, ran: Iterable[Command]) -> tuple[ProjectPath, ...]:
    """Return the dependencies of `command` that the earlier commands of a dry run would remake."""

    outputs = [output for other in ran for output in other.produced]
    return tuple(output for output in outputs if any(output.touches(dep) for dep in command.deps))


def _covers(remade: Iterable[ProjectPath], path: ProjectPath) -> bool:
    return any(output.touches(path) for output in remade)
