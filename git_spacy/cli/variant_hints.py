"""Say how to compare variants that ran in copies of the project, and how to get one of them."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from git_spacy.cli import output
from git_spacy.cli.overrides import as_options
from git_spacy.project.matrix import variant_variables
from git_spacy.project.model import Command

if TYPE_CHECKING:
    from git_spacy.project.plan import RunPlan
    from git_spacy.run.outcome import RunOutcome


def show_variant_hints(
    planned: RunPlan, outcome: RunOutcome, overrides: Mapping[str, Any], *, can_compare: bool
) -> None:
    """Print what to do with the results of the isolated commands, if there are any.

    With `can_compare`, there is a run history to compare them with.
    """

    names = {*outcome.ran, *outcome.skipped, *outcome.restored}
    done = [c for c in planned.commands if c.name in planned.isolated and c.name in names]
    if not done:
        return
    output.message("The project's own outputs are unchanged.")
    if can_compare:
        output.message(f"To compare the variants: {output.as_typed_here('git spacy log --table')}")
    restore = output.as_typed_here(restore_command(done, overrides))
    output.message(f"To bring one into the project: {restore}")


def restore_command(done: Sequence[Command], overrides: Mapping[str, Any]) -> str:
    """Return the command line that restores the last variant of `done` into the project, with those
    that go with it."""

    names: list[str] = []
    variables: dict[str, Any] = {}
    for command in reversed(done):
        own = variant_variables(command)
        if own.items() <= {**own, **variables}.items() and command.variant_of not in names:
            variables |= own
            names.insert(0, command.variant_of)
    options = shlex.join(as_options({**overrides, **variables}))
    return f"git spacy run {' '.join(map(shlex.quote, names))} {options} --restore"
