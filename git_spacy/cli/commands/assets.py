"""`git spacy assets`: fetch the project's assets and verify them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from shlex import quote

from git_spacy.cli import generated, output
from git_spacy.cli.context import CommandContext
from git_spacy.cli.declared import command, parameter
from git_spacy.errors import InvalidInput
from git_spacy.light_typing import TYPE_CHECKING, Any

_MOST_DESTS = 5  # in one hint

if TYPE_CHECKING:
    from git_spacy.assets.fetch import FetchOutcome
    from git_spacy.project.model import Project
    from git_spacy.state.run_lock import Claim

EXAMPLES = (
    ("git spacy assets", "Fetch assets that are missing or have changed."),
    ("git spacy assets --extra assets/vectors", "Also fetch the extra assets in one folder."),
    ("git spacy assets --update assets/vectors", "Fetch them anew, and record their checksums."),
)
SETTINGS = (
    "spacy.ignore", "spacy.timeout", "spacy.fetchTimeout", "spacy.maxAssetSize",
    "spacy.allowLocalPath", "spacy.allowLocalRepository", "spacy.allowEnvInUrl",
    "spacy.allowOutside",
)  # fmt: skip


@command(
    parameter("names", nargs=-1, light=True, metavar="[DEST]... [PROJECT_DIR]"),
    parameter("-e", "--extra", is_flag=True, help="Also fetch assets marked 'extra'."),
    parameter(
        "-f", "-F", "--force", is_flag=True,
        help="Fetch unverified assets again; overwrite local edits.",
    ),
    parameter(
        "-j", "--jobs", minimum=1, maximum=64, default=50, show_default=True, light=True,
        metavar="N", help="Fetch up to N assets at a time.",
    ),
    parameter(
        "--update", is_flag=True, help="Fetch anew; write the checksums into project.yml."
    ),
    parameter("--dry-run", is_flag=True, help="With --update, only show the new checksums."),
    parameter("--no-wait", is_flag=True, help="Exit with 75 instead of waiting for another run."),
    parameter("-S", "--sparse", is_flag=True, hidden=True, expose_value=False),  # always on
    has_overrides=True,
)  # fmt: skip
def assets(
    context: CommandContext,
    /,
    names: tuple[str, ...],
    extra: bool,
    force: bool,
    jobs: int,
    update: bool,
    dry_run: bool,
    no_wait: bool,
) -> None:
    """Fetch the assets in project.yml and verify their checksums.

    DEST is the destination of an asset, or a folder with several. By default, fetch all assets
    except those marked 'extra'. Assets that are present and unchanged are skipped.

    With --update, accept what the sources have now: fetch the assets again, whatever exists, and
    change or add their checksums in project.yml, and nothing else in it. A private asset is only
    included by its own name: then its checksum becomes that of the existing file.
    """

    context, names = context.split_project_dir(names)
    project, root = context.project, context.root
    context.report_warnings()
    names = tuple(_destination(context, name) for name in names)

    if update or dry_run:
        _check_update_options(context, update)

    from git_spacy.cli.progress import fetch_reporter
    from git_spacy.project.permission import require_all_writable, written_directories
    from git_spacy.state.stat_cache import StatCache

    claims = _claims(context, names, extra=extra, update=update)
    with context.lock(claims, wait=not no_wait), fetch_reporter() as report:
        if not dry_run:
            require_all_writable(root, written_directories(context.loaded, root))
            generated.update_gitignore(context, create=True)
        options: Any = {
            "names": names, "extra": extra, "force": force, "jobs": jobs, "report": report,
            "index": StatCache.open(root), "settings": context.settings, "environ": os.environ,
        }  # fmt: skip
        if update:
            outcome = _update(project, root, dry_run, options)
        else:
            from git_spacy.assets.fetch import fetch

            outcome = fetch(project, root, **options)
    _print_summary(project, outcome, others=not extra and not names, update=update)
    if error := outcome.error():
        raise error


def _claims(
    context: CommandContext, names: tuple[str, ...], *, extra: bool, update: bool
) -> list[Claim]:
    from git_spacy.assets.planner import select_assets
    from git_spacy.project.loader import PROJECT_FILE
    from git_spacy.project.paths import ProjectPath
    from git_spacy.state.run_lock import claim_paths

    written = [asset.dest for asset in select_assets(context.project.assets, names, extra=extra)]
    if update:
        written.append(ProjectPath(PROJECT_FILE, PROJECT_FILE))
    return [claim_paths(context.root, writes=written)]


def _check_update_options(context: CommandContext, update: bool) -> None:
    if not update:
        import click

        raise click.UsageError("--dry-run is only for --update")
    if context.variables:
        raise InvalidInput(
            "--update cannot be used with overridden variables: project.yml has one checksum for"
            " all of their values",
            hint="change the variables in project.yml, or write the checksum there by hand",
        )


def _update(project: Project, root: Path, dry_run: bool, options: Any) -> FetchOutcome:
    """Fetch assets and update their checksums; print what changed."""

    from git_spacy.assets.update import update_checksums

    outcome = update_checksums(project, root, dry_run=dry_run, **options)
    for asset, new in outcome.changes:
        output.result(f"{asset.dest}: {asset.checksum or 'no checksum'} → {new}")
    count = len(outcome.changes)
    would = "would change" if dry_run else "changed"
    noun = "checksum" if count == 1 else "checksums"
    output.message(f"{would} {count} {noun} in project.yml, {outcome.unchanged} as before")
    return outcome.fetched


def _print_summary(project: Project, outcome: FetchOutcome, *, others: bool, update: bool) -> None:
    """Print the numbers of assets; `others` says whether extra assets were left out."""

    counts = {"failed": outcome.failed, "missing": outcome.missing}
    summary = f"fetched {len(outcome.fetched)}, skipped {len(outcome.skipped)}"
    summary += "".join(f", {word} {len(assets)}" for word, assets in counts.items() if assets)
    if others and (count := sum(asset.extra for asset in project.assets)):
        summary += f"; {count} more with --extra"
    output.message(summary)
    unverified = [quote(asset.dest.text) for asset in outcome.fetched if not asset.checksum]
    if unverified and not update and output.is_terminal(sys.stderr):
        record = " ".join(("git spacy assets --update", *unverified[:_MOST_DESTS]))
        output.message(f"to record the checksums of what was fetched: {record}")


def _destination(context: CommandContext, name: str) -> str:
    """Return `name` relative to the project if it is relative to the folder of the user."""

    relative = os.path.relpath(os.path.abspath(context.start / name), context.root)
    for asset in context.project.assets:
        if f"{asset.dest.normal}/".startswith(f"{relative}/"):
            return relative
    return name
