"""What push and pull share: their arguments, and the summary with the exit code."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple

from git_spacy.cli import output
from git_spacy.errors import CheckFailed

if TYPE_CHECKING:
    from git_spacy.cli.context import CommandContext
    from git_spacy.project.model import Project
    from git_spacy.storage.events import SkipKind
    from git_spacy.storage.remote import Remote
    from git_spacy.storage.selection import OutputSelection
    from git_spacy.storage.transfer_pool import TransferOutcome


class Transfer(NamedTuple):
    """The parsed arguments of push or pull."""

    context: CommandContext
    project: Project
    selection: OutputSelection
    remote: Remote

    def lock(self, *, write: bool, dry: bool) -> AbstractContextManager[object]:
        """Keep other processes from changing the selected outputs, and with `write` from reading
        them, and let the project be written. A dry run changes nothing."""

        from git_spacy.state.run_lock import claim_files

        if dry:
            return self.context.write_permission()
        chosen = [c for c in self.project.commands if self.selection.outputs_of(c)]
        return self.context.lock(claim_files(self.context.root, chosen, write=write))


def parse_arguments(context: CommandContext, arguments: tuple[str, ...]) -> Transfer:
    """Return what `[REMOTE] [NAME]… [PROJECT_DIR]` stands for. Opens the remote.

    Raises InvalidInput for an unknown name.
    """

    from git_spacy.project.remotes import known_addresses
    from git_spacy.storage import remote
    from git_spacy.storage.selection import select_outputs

    context, names = context.split_project_dir(arguments, anywhere=True)
    project = context.project_with_variants()
    known = known_addresses(project, context.settings)
    selection = select_outputs(project, context.root, known, names, context.cwd)
    address = remote.resolve_address(project, context.settings, selection.remote)
    return Transfer(context, project, selection, remote.open_remote(context.root, address))


def report_outcome(transfer: Transfer, outcome: TransferOutcome, done: str, *, dry: bool) -> None:
    """Print the summary of a push or a pull (`done` is "pushed" or "pulled"), and what to run.

    Raises the failures, or CheckFailed if an output that the user named was not transferred and is
    not there either, or if this is so for all outputs.
    """

    from git_spacy.cli.progress import SKIP_WORDS
    from git_spacy.project.matrix import command_line

    selection = transfer.selection
    if not any(selection.outputs.values()):
        output.message(f"{done} nothing: project.yml declares no outputs")
        return
    output.message(_summary(outcome, f"would be {done}" if dry else done, SKIP_WORDS))
    if error := outcome.error():
        raise error
    unavailable = outcome.of_kind("stale", "missing")
    wrong = outcome.of_kind("stale", "missing", "kept") if selection.is_explicit else unavailable
    to_run = {skipped.command for skipped in unavailable}
    hint = command_line(c for c in transfer.project.commands if c.name in to_run)
    if wrong and (selection.is_explicit or not (outcome.done or outcome.of_kind("present"))):
        names = ", ".join(f"'{path}'" for path in dict.fromkeys(skipped.path for skipped in wrong))
        raise CheckFailed(f"not {done}: {names}", hint=hint)
    if hint:
        output.message(output.as_typed_here(f"hint: {hint}"))


def _summary(outcome: TransferOutcome, done: str, words: dict[SkipKind, str]) -> str:
    """Return e.g. `pulled 1, skipped 0, missing 2`."""

    counts = Counter(words[skipped.kind] for skipped in outcome.skipped)
    parts = [f"{done} {len(outcome.done)}", f"skipped {counts.pop('skipped', 0)}"]
    parts += [f"{word} {counts[word]}" for word in words.values() if counts[word]]
    parts += [f"failed {len(outcome.failed)}"] if outcome.failed else []
    return ", ".join(parts)
