"""Record outputs that exist already, as if their commands had just produced them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from git_spacy.errors import CheckFailed, Diagnostic
from git_spacy.project.model import Command
from git_spacy.run import refusals

if TYPE_CHECKING:
    from git_spacy.run.run_context import RunContext


def record_existing(commands: Sequence[Command], context: RunContext) -> None:
    """Record the existing outputs of `commands` in the lock and the run history.

    Raises CheckFailed, and records nothing, if a dependency or an output is missing; InvalidInput
    for paths without a value.
    """

    refusals.require_values(commands)
    observed = {c.name: context.stats.fingerprints(c.deps + c.produced) for c in commands}
    problems = [
        Diagnostic(
            f"cannot record '{command.name}': '{path}' is missing",
            f"git spacy run {command.name}",
            "project.yml",
            command.line,
        )
        for command in commands
        for path in command.deps + command.produced
        if observed[command.name][path.normal] is None or context.stats.not_checked_out(path.normal)
    ]
    if problems:
        raise CheckFailed.from_problems(problems)
    for command in commands:
        pending = context.recorder.begin() if context.recorder else None
        states = observed[command.name]
        entry = context.lock.entries.get(command.name)
        known = {(out.path, out.md5) for out in entry.outs} if entry else set()
        context.record_result(command, states)
        for path in command.produced:
            now = states[path.normal]
            if now and (path.text, now.digest) not in known:
                context.stats.remember_from_hand(path.normal, now)
        if context.recorder and pending:
            context.recorder.end(pending, command, states, states, how="record")
    context.stats.save()
    if context.recorder:
        context.recorder.flush()
