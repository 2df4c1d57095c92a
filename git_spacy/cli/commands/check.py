"""`git spacy check`: report problems in a project, for people and for CI."""

from __future__ import annotations

import os

import click

from git_spacy.cli import output
from git_spacy.cli.commands.run import project_dir
from git_spacy.errors import InvalidInput
from git_spacy.project.diagnostics import did_you_mean

_FORMATS = ("text", "github", "gitlab", "json")


@click.command()
@click.argument(
    "arguments", nargs=-1, metavar="[project|assets|lock|generated|all]... [PROJECT_DIR]"
)
@click.option("--staged", is_flag=True, help="Check staged files, not the working tree.")
@click.option("--strict", is_flag=True, help="Require a lock entry for each workflow command.")
@click.option("--notes", is_flag=True, help="Require a run record for every lock entry.")
@click.option("--fix", is_flag=True, help="Remove orphaned lock entries; write generated files.")
@click.option(
    "--format", "style", type=click.Choice(_FORMATS), default="text", show_default=True,
    help="Output format.",
)  # fmt: skip
@click.pass_context
def check(
    ctx: click.Context,
    arguments: tuple[str, ...],
    staged: bool,
    strict: bool,
    notes: bool,
    fix: bool,
    style: str,
) -> int:
    """Report problems in the project. Needs no data, so it works in CI.

    \b
      project    project.yml is valid
      assets     assets that are present match their checksums
      lock       project.lock matches the scripts and the files in Git
      generated  .gitignore, README.md, dvc.yaml, ... are up to date

    By default, check all of these. Prints nothing if there are no problems; otherwise lists them
    and exits with 1. Outside a project, checks all projects below the current folder.
    """

    from git_spacy.check import checks, generated, projects
    from git_spacy.check.finding import FORMATS
    from git_spacy.state.project_view import Staged, WorkTree

    start, names = project_dir(ctx.obj, arguments)
    names = names or ("all",)
    for name in names:
        if name not in (*checks.CHECKS, "all"):
            hint = did_you_mean(name, checks.CHECKS) or f"checks: all, {', '.join(checks.CHECKS)}"
            raise InvalidInput(f"unknown check '{name}'", hint=hint)
    chosen = [name for name in checks.CHECKS if name in names or "all" in names]
    # GitHub and GitLab need paths from the top of the repository; users, from their own folder.
    base = projects.work_tree_top(start) if style in ("github", "gitlab") else ctx.obj
    findings = []
    for root in projects.find_projects(start):
        if fix and "lock" in chosen:
            for name in checks.remove_orphaned_entries(root):
                output.message(f"removed lock entry '{name}'")
        if fix and "generated" in chosen:
            for name in generated.write_generated(root):
                output.message(f"wrote {name}")
        relative = os.path.relpath(os.path.realpath(root), os.path.realpath(base))
        prefix = "" if relative == "." else relative + "/"
        view = Staged(root) if staged else WorkTree(root)
        in_project = checks.run_checks(chosen, view, strict=strict)
        in_project += checks.unrecorded_entries(root, view) if notes and "lock" in chosen else []
        findings += [finding.below(prefix) for finding in in_project]
    if text := FORMATS[style](findings):
        show = output.findings if style == "text" else output.result
        show(text.rstrip("\n"))
    if not findings:
        output.success(f"no problems found ({', '.join(chosen)})")
    return 1 if any(finding.severity == "error" for finding in findings) else 0
