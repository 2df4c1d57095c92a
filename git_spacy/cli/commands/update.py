"""`git spacy update`: update a project to a newer version of its template."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from git_spacy.cli import output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext

if TYPE_CHECKING:
    from git_spacy.git.version_merge import VersionMerge
    from git_spacy.setup.template_update import TemplateUpdate

EXAMPLES = (
    ("git spacy update --dry-run", "Show what is new in the template."),
    ("git spacy update", "Merge it, and commit."),
    ("git spacy update --to v2.0", "Update to a tag, or another branch."),
    ("git spacy update --check", "Exit with 1 if there is something new."),
)
SETTINGS = ("spacy.fetchTimeout", "spacy.maxAssetSize", "spacy.allowLocalRepository")
SEE_ALSO = ("git-cherry-pick(1)", "git-mergetool(1)", "git-rerere(1)")
EXIT_STATUS = ("1: there are conflicts to resolve, or --check found something new.",)
_MAX_COMMITS = 30  # that are listed


@click.command(cls=SpacyCommand)
@click.argument("names", nargs=-1, metavar="[PROJECT_DIR]")
@click.option("--to", metavar="REF", help="Update to this branch, tag or full commit ID.")
@click.option("-n", "--dry-run", "--dry", "dry", is_flag=True, help="Only show what would change.")
@click.option("--check", is_flag=True, help="Exit with 1 if the template has changed.")
@click.pass_obj
def update(
    context: CommandContext, names: tuple[str, ...], to: str | None, dry: bool, check: bool
) -> int:
    """Merge the changes of the template since the project was cloned or last updated, and commit
    them. The template is the one that trailers of the project's commits name.

    Git merges, as in 'git cherry-pick': resolve conflicts as usual, then 'git cherry-pick
    --continue', or 'git cherry-pick --abort'. Only the template's folder is downloaded.
    """

    from git_spacy.git.process import can_prompt
    from git_spacy.setup import template_update

    context = context.only_project_dir(names)
    project = template_update.find_project(context.root)
    with template_update.open_update(
        project, to, context.settings, prompt=can_prompt(), warn=output.diagnostic
    ) as found:
        _show(found)
        if not found.is_newer or check:
            return int(found.is_newer)
        with template_update.prepared(found, output.diagnostic, keep=not dry) as merge:
            output.result(merge.diff_stat(project.folder, output.terminal_width()))
            return _preview(merge) if dry else _merge(merge)


def _show(found: TemplateUpdate) -> None:
    from git_spacy.setup.template_update import count_commits

    old, new = found.project.origin, found.new
    if not found.is_newer:
        output.result(f"Up to date with {old.location} at {old.commit[:12]}")
        return
    output.result(f"Template: {new.location}{f' ({new.branch})' if new.branch else ''}")
    if new.path != old.path:
        output.result(f"The template has moved from '{old.path}' to '{new.path}'")
    what = f": {count_commits(found.commits)}" if found.commits else ""
    output.result(f"Update from {old.commit[:12]} to {new.commit[:12]}{what}")
    for commit in found.commits[:_MAX_COMMITS]:
        output.result(f"  {commit.id[:7]} {commit.date} {commit.subject}")
    if (more := len(found.commits) - _MAX_COMMITS) > 0:
        output.result(f"  and {more} more")


def _preview(merge: VersionMerge) -> int:
    conflicts = merge.preview().conflicts
    for name in conflicts:
        output.result(f"conflict: {name}")
    if not conflicts:
        output.message("It can be merged without conflicts.")
    return 0


def _merge(merge: VersionMerge) -> int:
    merged = merge.apply()
    if merged.commit:
        output.message(f"Updated: commit {merged.commit[:12]}; to undo: git reset --keep HEAD^")
        return 0
    for line in merged.messages:
        output.result(line)
    output.diagnostic(merged.problem)
    return 1
