"""`git spacy init`: set a repository up, and take that back; or start a project from nothing."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.errors import InvalidInput

if TYPE_CHECKING:
    from git_spacy.setup import plan
    from git_spacy.setup.changes import Change, SkippedChange

_TEMPLATE = "first_steps"


@click.command()
@click.argument("names", nargs=-1, metavar="[STEP]...")
@click.option("-y", "--yes", is_flag=True, help="Do it without asking.")
@click.option("-n", "--dry", "--dry-run", "dry", is_flag=True, help="Only show what would be done.")
@click.option("--undo", is_flag=True, help="Take back what was done here.")
@click.option("--new", is_flag=True, help="Start a project from nothing: --new [DIR].")
@click.pass_context
def init(
    ctx: click.Context, names: tuple[str, ...], yes: bool, dry: bool, undo: bool, new: bool
) -> int:
    """Set this repository up for its spaCy projects: show each change, ask, make it. Twice changes
    nothing, and --undo takes it all back.

    \b
    STEP, all but 'display' by default:
      notes    records follow their commits through amend and rebase
      merge    project.lock is merged by entry, not by line
      ignore   .gitignore has what is fetched and made
      hooks    no commit with a stale lock or an output in it
      display  'git log' shows the records, too: a long line for each

    With --new it starts a small project that runs, in DIR or this folder, if that is empty.
    """

    if new:
        return _new(ctx.obj, names, others=yes or dry or undo)
    from git_spacy.setup import plan
    from git_spacy.setup.changes import DEFAULT, STEPS

    unknown = [name for name in names if name not in STEPS]
    if unknown:
        raise click.UsageError(f"'{unknown[0]}' is none of {', '.join(STEPS)}")
    if undo and names:
        raise click.UsageError("--undo takes back all that was done: it takes no STEP")
    here = plan.open_context(ctx.obj)
    if undo:
        return _undo(here, ctx.obj, yes, dry)
    return _set_up(here, ctx.obj, names or DEFAULT, yes, dry)


def _set_up(here: plan.RepoContext, start: Path, parts: Sequence[str], yes: bool, dry: bool) -> int:
    from git_spacy.setup import apply
    from git_spacy.setup.changes import SkippedChange
    from git_spacy.setup.plan import decide

    decided = decide(here, parts)
    changes = [one for one in decided if not isinstance(one, SkippedChange)]
    for left in decided:
        if isinstance(left, SkippedChange):
            output.warning(_show_skipped(left))
    if not changes:
        output.note("all is set up; nothing to do")
        return 0
    _show(changes)
    if dry:
        return 0
    chosen = changes if yes else _asked(changes, "--yes")
    apply.apply(here, chosen)
    if not chosen:
        output.note("nothing was changed")
        return 0
    output.note(f"done: {_count(chosen)}; to take it back: git spacy init --undo")
    files = _to_commit(chosen)
    if files:
        output.note(f"Next: git add {_typed(files, here, start)} && git commit")
    if any(one.step == "hooks" and one.name == ".pre-commit-config.yaml" for one in chosen):
        output.note("pre-commit runs it once it is installed here: pre-commit install")
    return 0


def _undo(here: plan.RepoContext, start: Path, yes: bool, dry: bool) -> int:
    from git_spacy.git.index import Index
    from git_spacy.setup import apply, undo

    found = undo.plan_undo(here)
    for left in found.skipped:
        output.warning(_show_skipped(left))
    if not found.changes:
        if not dry:  # to forget what others have taken back
            apply.undo(here, (), found.folders, found.remaining)
        if not found.skipped:
            output.note("nothing was set up here; nothing to undo")
        return 1 if found.skipped else 0
    _show(found.changes, undoing=True)
    if dry:
        return 0
    if not yes and not _asked(found.changes, "--undo --yes", whole=True):
        output.note("nothing was changed")
        return 0
    apply.undo(here, found.changes, found.folders, found.remaining)
    output.note(f"taken back: {_count(found.changes)}")
    index = Index.open(here.repository)
    known = {entry.name for entry in index.entries(_to_commit(found.changes))} if index else set()
    if known:
        output.note(f"Next: git add {_typed(sorted(known), here, start)} && git commit")
    return 1 if found.skipped else 0


def _show(changes: Sequence[Change], *, undoing: bool = False) -> None:
    """All of them, by their parts."""

    from git_spacy.setup.changes import STEPS, format_change

    part = ""
    for change in changes:
        if change.step != part:
            part = change.step
            told = "" if undoing else f": {STEPS[part]}"
            output.result_painted(output.paint(part, "bold") + told)
        for line in format_change(change):
            output.result(f"  {line}")


def _asked(changes: Sequence[Change], option: str, *, whole: bool = False) -> list[Change]:
    """Those of `changes` that the user wants. Raises Malformed if nobody is there to ask."""

    from git_spacy.git.process import can_prompt
    from git_spacy.setup.changes import STEPS

    if not can_prompt():
        raise InvalidInput("there is no terminal to ask on", hint=f"git spacy init {option}")
    parts = list(dict.fromkeys(change.step for change in changes))
    if whole or len(parts) == 1:
        return list(changes) if click.confirm("Do this?", err=True) else []
    answer = click.prompt(
        "Do all of this? [y]es, [n]o, or [e]ach part by itself", default="n", err=True,
        type=click.Choice(("y", "n", "e", "yes", "no", "each")), show_choices=False,
    )  # fmt: skip
    if answer[0] == "e":
        parts = [part for part in parts if click.confirm(f"{part}: {STEPS[part]}?", err=True)]
    elif answer[0] == "n":
        parts = []
    return [change for change in changes if change.step in parts]


def _show_skipped(left: SkippedChange) -> str:
    hint = f"\nhint: {left.hint}" if left.hint else ""
    return f"{left.location}: warning: left as it is: {left.reason}{hint}"


def _count(changes: Sequence[Change]) -> str:
    return f"{len(changes)} change" + ("s" if len(changes) > 1 else "")


def _to_commit(changes: Sequence[Change]) -> list[str]:
    """The files among them that a team shares, from the top of the work tree."""

    from git_spacy.setup.changes import FileChange

    files = {change.name for change in changes if isinstance(change, FileChange)}
    return sorted(name for name in files if not name.startswith((".git/", "/")))


def _typed(files: Sequence[str], here: plan.RepoContext, start: Path) -> str:
    """`files`, named from the top, as one types them in the folder `start`."""

    return shlex.join(os.path.relpath(here.top / file, start.resolve()) for file in files)


def _new(start: Path, names: Sequence[str], *, others: bool) -> int:
    from git_spacy.clone import CloneRequest, clone
    from git_spacy.git.settings import read_settings

    if others or len(names) > 1:
        raise click.UsageError("--new takes one DIR and no other option")
    dest = start / names[0] if names else start
    there = {path.name for path in dest.iterdir()} if dest.is_dir() else set()
    if there == {".git"}:
        return _new_in_repository(dest)
    if there or (dest.exists() and not dest.is_dir()):
        raise InvalidInput(
            f"'{os.path.relpath(dest, start)}' is not an empty folder",
            hint="name a new one: git spacy init --new DIR",
        )
    configured = {name: text for name, text in read_settings(start).items() if name != "spacy.repo"}
    done = clone(
        CloneRequest(_TEMPLATE, dest), configured, start, prompt=False, warn=output.warning
    )
    where = os.path.relpath(done.dest, start)
    output.note(f"Made a project of {done.checkout.files} files in '{where}'")
    if done.created_repository:
        output.note("Made it a Git repository with one commit.")
    go = "" if where == "." else f"cd {shlex.quote(where)} && "
    output.note(f"Next: {go}git spacy run all")
    return 0


def _new_in_repository(dest: Path) -> int:
    """Somebody has typed `git init` first; so committing is left to him, too."""

    from git_spacy import templates
    from git_spacy.generate import ignore

    templates.copy_template(_TEMPLATE, dest)
    ignore.write_initial(dest)
    output.note("Made a project; nothing of it is committed yet.")
    output.note("Next: git add -A && git commit, then git spacy run all")
    return 0
