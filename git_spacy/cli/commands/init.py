"""`git spacy init`: set up a repository, undo that, or create a small project."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy import interrupts
from git_spacy.cli import command_line, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import Diagnostic, InvalidInput

if TYPE_CHECKING:
    from git_spacy.setup import plan
    from git_spacy.setup.changes import Change

EXAMPLES = (
    ("git spacy init --dry", "Show what would be set up in this repository."),
    ("git spacy init hooks", "Set up only the hooks."),
    ("git spacy init --undo", "Undo the setup."),
    ("git spacy init --new hello", "Create a small project in the folder 'hello'."),
)

_TEMPLATE = "first_steps"


@click.command(cls=SpacyCommand)
@click.argument("names", nargs=-1, metavar="[STEP]...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option(
    "-n", "--dry", "--dry-run", "dry", is_flag=True, help="Show what would change; change nothing."
)
@click.option("--undo", is_flag=True, help="Undo all changes made by 'git spacy init'.")
@click.option("--new", is_flag=True, help="Create a small project: --new [DIR].")
@click.pass_obj
def init(
    context: CommandContext, names: tuple[str, ...], yes: bool, dry: bool, undo: bool, new: bool
) -> int:
    """Set up this repository for spaCy projects. Shows all changes and asks before making them.
    Running it again is safe, and --undo reverts the changes.

    \b
    STEP is one of these (default: all but 'display'):
      notes    keep run records when commits are amended or rebased
      merge    merge project.lock entry by entry instead of line by line
      ignore   list fetched assets and outputs in .gitignore
      hooks    refuse commits with a stale project.lock or with outputs
      display  show run records in 'git log', one long line each

    With --new, create a small project that is ready to run, in DIR or in this folder, which must
    be empty.
    """

    if new:
        return _new(context.cwd, names, other_options=yes or dry or undo)
    from git_spacy.setup import plan
    from git_spacy.setup.changes import DEFAULT, STEPS

    unknown = [name for name in names if name not in STEPS]
    if unknown:
        raise click.UsageError(f"unknown step '{unknown[0]}'; steps: {', '.join(STEPS)}")
    if undo and names:
        raise click.UsageError("--undo undoes all steps: it takes no STEP")
    repository = plan.open_context(context.cwd)
    if undo:
        return _undo(repository, yes, dry)
    return _set_up(repository, context.cwd, names or DEFAULT, yes, dry)


def _set_up(
    context: plan.RepoContext, start: Path, steps: Sequence[str], yes: bool, dry: bool
) -> int:
    from git_spacy.setup import apply
    from git_spacy.setup.plan import plan_changes

    decided = plan_changes(context, steps)
    changes = [change for change in decided if not isinstance(change, Diagnostic)]
    skipped = [change for change in decided if isinstance(change, Diagnostic)]
    for change in skipped:
        output.diagnostic(change)
    # (if the hooks were skipped, the hint about that comes first)
    try_hooks = "hooks" in steps and "hooks" not in {change.subject for change in skipped}
    if not changes:
        if "hooks" not in steps or (try_hooks and _commits_are_checked(context)):
            output.message("already set up; nothing to do")
        return 0
    _show(changes)
    if dry:
        return 0
    chosen = changes if yes else _ask(changes)
    apply.apply(context, chosen)
    if not chosen:
        output.message("nothing was changed")
        return 0
    text = f"made {_count(chosen)}; to undo: git spacy init --undo"
    output.message(output.as_typed_here(text))
    if files := _to_commit(chosen):
        typed = _shell_paths([*_results_to_commit(context, start), *files], context)
        output.message(f"Next: git add {typed} && git commit")
    if try_hooks and any(change.step == "hooks" for change in chosen):
        _commits_are_checked(context)
    return 0


def _commits_are_checked(context: plan.RepoContext) -> bool:
    """Return whether a commit runs our checks; if not, print a warning."""

    from git_spacy.setup.hook_status import hook_status

    status = hook_status(context.repository)
    if status.runs:
        return True
    message = f"commits are not checked yet: {status.reason}"
    output.diagnostic(Diagnostic(message, status.hint, severity="warning"))
    return False


def _undo(context: plan.RepoContext, yes: bool, dry: bool) -> int:
    from git_spacy.git.index import Index
    from git_spacy.setup import apply, undo

    undo_plan = undo.plan_undo(context)
    for skipped in undo_plan.skipped:
        output.diagnostic(skipped)
    if not undo_plan.changes:
        if not dry:  # forget the changes that were undone by other means
            apply.undo(context, (), undo_plan.folders, undo_plan.remaining)
        if not undo_plan.skipped:
            output.message("nothing to undo")
        return 1 if undo_plan.skipped else 0
    _show(undo_plan.changes, undoing=True)
    if dry:
        return 0
    if not yes and not _ask(undo_plan.changes, whole=True):
        output.message("nothing was changed")
        return 0
    apply.undo(context, undo_plan.changes, undo_plan.folders, undo_plan.remaining)
    output.message(f"undid {_count(undo_plan.changes)}")
    index = Index.open(context.repository)
    tracked = (
        {entry.name for entry in index.entries(_to_commit(undo_plan.changes))} if index else set()
    )
    if tracked:
        output.message(f"Next: git add {_shell_paths(sorted(tracked), context)} && git commit")
    return 1 if undo_plan.skipped else 0


def _show(changes: Sequence[Change], *, undoing: bool = False) -> None:
    """Print the changes, grouped by step."""

    from git_spacy.setup.changes import STEPS, format_change

    step = ""
    for change in changes:
        if change.step != step:
            step = change.step
            summary = "" if undoing else f": {STEPS[step]}"
            output.result_painted(output.paint(step, "bold") + summary)
        for line in format_change(change):
            output.result(f"  {line}")


def _without_asking() -> str:
    """Return the command line that makes the same changes without asking."""

    return f"{command_line.typed()} --yes"


def _ask(changes: Sequence[Change], *, whole: bool = False) -> list[Change]:
    """Return the changes that the user agrees to. Raises InvalidInput without a terminal."""

    from git_spacy.git.process import can_prompt
    from git_spacy.setup.changes import STEPS

    if not can_prompt():
        hint = _without_asking()
        raise InvalidInput("cannot ask for confirmation without a terminal", hint=hint)
    steps = list(dict.fromkeys(change.step for change in changes))
    if whole or len(steps) == 1:
        confirmed = _choose("Make these changes? [y/N]", ("yes", "no")) == "yes"
        return list(changes) if confirmed else []
    question = "Make these changes? [y]es, [n]o, or ask for [e]ach step [n]"
    answer = _choose(question, ("yes", "no", "each"))
    if answer == "each":
        steps = [
            step
            for step in steps
            if _choose(f"{step}: {STEPS[step]}? [y/N]", ("yes", "no")) == "yes"
        ]
    elif answer == "no":
        steps = []
    return [change for change in changes if change.step in steps]


def _choose(question: str, choices: Sequence[str]) -> str:
    """Ask on the terminal; return one of `choices`, which can be shortened.

    An empty line means "no". Raises InvalidInput at the end of the input.
    """

    while True:
        output.prompt(f"{question}: ")
        line = interrupts.read_line(sys.stdin)
        if not line:  # the end of the input
            raise InvalidInput("no answer", hint=_without_asking())
        answer = line.strip().lower() or "no"
        for choice in choices:
            if choice.startswith(answer):
                return choice
        output.message(f"error: '{answer}' is not one of {', '.join(choices)}")


def _count(changes: Sequence[Change]) -> str:
    return f"{len(changes)} change" + ("s" if len(changes) > 1 else "")


def _to_commit(changes: Sequence[Change]) -> list[str]:
    """Return the changed files that are to be committed, relative to the top of the worktree."""

    from git_spacy.setup.changes import FileChange

    files = {change.name for change in changes if isinstance(change, FileChange)}
    return sorted(name for name in files if not name.startswith((".git/", "/")))


def _results_to_commit(context: plan.RepoContext, start: Path) -> list[str]:
    """Return project.yml, project.lock and the results beside it that are not committed either,
    relative to the top of the worktree."""

    from git_spacy.cli.overview import files_to_commit
    from git_spacy.errors import GitSpacyError
    from git_spacy.project import loader

    try:
        root = loader.find(start)
        files = files_to_commit(root, loader.load(root))
    except (GitSpacyError, OSError):
        return []
    top = os.path.realpath(context.top)
    return [os.path.relpath(os.path.realpath(file), top) for file in files]


def _shell_paths(files: Sequence[str], context: plan.RepoContext) -> str:
    """Return `files`, relative to the top of the worktree, as typed in the current folder."""

    unique = dict.fromkeys(files)
    return shlex.join(os.path.relpath(context.top / file) for file in unique)


def _new(start: Path, names: Sequence[str], *, other_options: bool) -> int:
    from git_spacy.git.settings import read_settings
    from git_spacy.setup.clone import CloneRequest, clone

    if other_options or len(names) > 1:
        raise click.UsageError("--new takes at most one DIR and no other option")
    dest = start / names[0] if names else start
    entries = {path.name for path in dest.iterdir()} if dest.is_dir() else set()
    if entries == {".git"}:
        return _new_in_repository(dest)
    if entries or (dest.exists() and not dest.is_dir()):
        raise InvalidInput(
            f"'{os.path.relpath(dest)}' is not an empty folder",
            hint="choose a new folder: git spacy init --new DIR",
        )
    configured = {name: text for name, text in read_settings(start).items() if name != "spacy.repo"}
    done = clone(
        CloneRequest(_TEMPLATE, dest), configured, start, prompt=False, warn=output.diagnostic
    )
    where = os.path.relpath(done.dest)
    output.message(f"Created a project with {done.checkout.files} files in '{where}'")
    if done.created_repository:
        output.message("Created a Git repository with one commit.")
    cd = "" if where == "." else f"cd {shlex.quote(where)} && "
    output.message(f"Next: {cd}git spacy run all")
    return 0


def _new_in_repository(dest: Path) -> int:
    """Create the project in a new, empty repository, and leave the first commit to the user."""

    from git_spacy import templates
    from git_spacy.generate import ignore

    templates.copy_template(_TEMPLATE, dest)
    ignore.write_initial(dest)
    output.message("Created a project; nothing is committed yet.")
    output.message("Next: git add -A && git commit, then git spacy run all")
    return 0
