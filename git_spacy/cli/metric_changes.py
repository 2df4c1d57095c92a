"""The last line of `git spacy run`: which metrics became better or worse than those of HEAD."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from git_spacy.errors import GitSpacyError, escape_controls
from git_spacy.history.run_record import format_number

if TYPE_CHECKING:
    from git_spacy.cli.context import CommandContext
    from git_spacy.history.head_metrics import MetricChange
    from git_spacy.project.model import Command

_MAX_SHOWN = 3  # of each kind


def changes_line(context: CommandContext, commands: Sequence[Command], started: float) -> str:
    """Return the line for the commands that ran since `started`; "" if no metric changed."""

    from git_spacy.history.head_metrics import changes_from_head

    patterns = context.settings.get("spacy.metrics", "").split()
    try:
        changes = changes_from_head(context.root, commands, patterns, started)
    except (GitSpacyError, OSError):  # the run is done; `git spacy diff` says what is wrong
        return ""
    return format_changes(changes)


def format_changes(changes: Sequence[MetricChange]) -> str:
    """Return e.g. `compared with HEAD: better: ents_f 0.81 → 0.85; worse: speed 900 → 800`.

    Metrics whose names do not tell what is better are named only if no other changed.
    """

    several = len({change.command for change in changes}) > 1
    parts = []
    for judged in ("better", "worse") if any(change.judged for change in changes) else ("",):
        names = [change for change in changes if change.judged == judged]
        shown = [_format(change, with_command=several) for change in names[:_MAX_SHOWN]]
        more = f" and {len(names) - _MAX_SHOWN} more" if len(names) > _MAX_SHOWN else ""
        if shown:
            parts.append(f"{judged or 'changed'}: {', '.join(shown)}{more}")
    return f"compared with HEAD: {'; '.join(parts)}" if parts else ""


def _format(change: MetricChange, *, with_command: bool) -> str:
    name = f"{change.command}: {change.name}" if with_command else change.name
    name = " ".join(escape_controls(name).split())
    return f"{name} {format_number(change.before)} → {format_number(change.after)}"
