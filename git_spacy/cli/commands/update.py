"""`git spacy update`: update a project to a newer version of its template."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from git_spacy import interrupts
from git_spacy.cli import command_line, output
from git_spacy.cli.command_class import SpacyCommand
from git_spacy.cli.context import CommandContext
from git_spacy.errors import InvalidInput

if TYPE_CHECKING:
    from git_spacy.git.version_merge import VersionMerge
    from git_spacy.setup.adoption import NearestVersion
    from git_spacy.setup.template_update import TemplateUpdate

EXAMPLES = (
    ("git spacy update --dry-run", "Show what is new in the template."),
    ("git spacy update", "Merge it, and commit."),
    ("git spacy update --to v2.0", "Update to a tag, or another branch."),
    ("git spacy update --check", "Exit with 1 if there is something new."),
    (
        "git spacy update --adopt https://example.com/x//ner",
        "Find the version that the project was copied from, and update from it.",
    ),
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
@click.option("--adopt", metavar="URL//FOLDER", help="Use this template, from its nearest version.")
@click.option("-y", "--yes", is_flag=True, help="With --adopt: do not ask.")
@click.pass_obj
def update(
    context: CommandContext, names: tuple[str, ...], to: str | None, dry: bool, check: bool,
    adopt: str | None, yes: bool,
) -> int:  # fmt: skip
    """Merge the changes of the template since the project was cloned or last updated, and commit
    them. The template is the one that trailers of the project's commits name.

    If no commit does, --adopt finds the version of the template whose files are nearest to those
    of the project, shows how near it is, and asks before it updates from there.

    Git merges, as in 'git cherry-pick': resolve conflicts as usual, then 'git cherry-pick
    --continue', or 'git cherry-pick --abort'. Only the template's folder is downloaded.
    """

    from git_spacy.git.process import can_prompt
    from git_spacy.setup import adoption, template_news, template_update

    context = context.only_project_dir(names)
    root, settings, prompt = context.root, context.settings, can_prompt()
    if adopt:
        with adoption.open_adoption(
            root, adopt, to, settings, context.cwd, prompt=prompt, warn=output.diagnostic
        ) as (found, nearest):
            _show_nearest(nearest)
            if not (dry or check or yes or _is_confirmed()):
                return 0
            return _update(found, dry=dry, check=check, record=True)
    project = template_update.find_project(root)
    with template_update.open_update(
        project, to, settings, prompt=prompt, warn=output.diagnostic
    ) as found:
        if to is None:
            template_news.remember(root, found)
        code = _update(found, dry=dry, check=check)
    if not (code or dry):
        template_news.forget(root)
    return code


def _update(found: TemplateUpdate, *, dry: bool, check: bool, record: bool = False) -> int:
    """Show the update and, unless told otherwise, apply it; `record` also applies an empty one."""

    from git_spacy.setup.template_update import prepared

    _show(found)
    if check or not (found.is_newer or (record and not dry)):
        return int(found.is_newer)
    with prepared(found, output.diagnostic, keep=not dry) as merge:
        if found.is_newer:
            output.result(merge.diff_stat(found.project.folder, output.terminal_width()))
        return _preview(merge) if dry else _merge(merge)


def _show_nearest(nearest: NearestVersion) -> None:
    commit = nearest.commit
    output.result(
        f"Nearest of {nearest.versions} versions: {commit.id[:12]} {commit.date} {commit.subject}"
    )
    total = nearest.same + len(nearest.different) + len(nearest.missing)
    output.result(f"  {nearest.same} of its {total} files are the same")
    for label, names in (
        ("different", nearest.different),
        ("missing", nearest.missing),
        ("only in other versions", nearest.extra),
    ):
        for name in names[:_MAX_COMMITS]:
            output.result(f"  {label}: {name}")
        if (more := len(names) - _MAX_COMMITS) > 0:
            output.result(f"  and {more} more")


def _is_confirmed() -> bool:
    from git_spacy.git.process import can_prompt

    again = f"{command_line.typed()} --yes"
    if not can_prompt():
        raise InvalidInput("cannot ask for confirmation without a terminal", hint=again)
    output.prompt("Update from this version? [y/N]: ")
    return interrupts.read_line(sys.stdin).strip().lower() in ("y", "yes")


def _show(found: TemplateUpdate) -> None:
    from git_spacy.setup.template_update import count_commits

    old, new = found.project.origin, found.new
    if not found.is_newer:
        at = f" at {old.commit[:12]}" if old.commit else ""
        output.result(f"Up to date with {old.location}{at}")
        return
    output.result(f"Template: {new.location}{f' ({new.branch})' if new.branch else ''}")
    if new.path != old.path:
        output.result(f"The template has moved from '{old.path}' to '{new.path}'")
    what = f": {count_commits(found.commits)}" if found.commits else ""
    before, after = old.commit[:12] or old.source, new.commit[:12] or new.source
    output.result(f"Update from {before} to {after}{what}")
    for commit in found.commits[:_MAX_COMMITS]:
        output.result(f"  {commit.id[:7]} {commit.date} {commit.subject}")
    if (more := len(found.commits) - _MAX_COMMITS) > 0:
        output.result(f"  and {more} more")


def _preview(merge: VersionMerge) -> int:
    conflicts = merge.preview().conflicts
    for name in conflicts or ():
        output.result(f"conflict: {name}")
    if conflicts is None:
        output.message("Whether there are conflicts can be told with Git 2.38 or later.")
    elif not conflicts:
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
