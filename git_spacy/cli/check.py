"""`git spacy check`: what is wrong, for people and for CI."""

from __future__ import annotations

import os

import click

from git_spacy.cli import output
from git_spacy.cli.run import project_dir
from git_spacy.errors import InvalidInput
from git_spacy.project.diagnostics import did_you_mean

_FORMATS = ("text", "github", "gitlab", "json")


@click.command()
@click.argument("what", nargs=-1, metavar="[project|assets|lock|generated|all]... [PROJECT_DIR]")
@click.option("--staged", is_flag=True, help="What is staged, not the work tree.")
@click.option("--strict", is_flag=True, help="Every command of a workflow needs a lock entry.")
@click.option("--notes", is_flag=True, help="Every lock entry needs a record of its run.")
@click.option(
    "--fix", is_flag=True, help="Remove lock entries of no command; write generated files."
)
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="text", show_default=True,
    help="How problems are told.",
)  # fmt: skip
@click.pass_context
def check(
    ctx: click.Context,
    what: tuple[str, ...],
    staged: bool,
    strict: bool,
    notes: bool,
    fix: bool,
    form: str,
) -> int:
    """Check that project.yml is valid, that the assets that are here have their checksums, and
    that project.lock and generated files are current; no data is needed. Silent if all is right,
    else exit code 1.
    Outside a project: all projects of the repository below."""

    from git_spacy.check import checks, generated, projects
    from git_spacy.check.finding import FORMATS
    from git_spacy.state.project_view import Staged, WorkTree

    start, names = project_dir(ctx.obj, what)
    names = names or ("all",)
    for name in names:
        if name not in (*checks.CHECKS, "all"):
            hint = (
                did_you_mean(name, checks.CHECKS) or f"there are: all, {', '.join(checks.CHECKS)}"
            )
            raise InvalidInput(f"there is no check '{name}'", hint=hint)
    chosen = [name for name in checks.CHECKS if name in names or "all" in names]
    # annotations want paths as the repository has them, people as they would type them
    base = projects.work_tree_top(start) if form in ("github", "gitlab") else ctx.obj
    found = []
    for root in projects.find_projects(start):
        if fix and "lock" in chosen:
            for name in checks.drop_orphans(root):
                output.note(f"removed the lock entry '{name}'")
        if fix and "generated" in chosen:
            for name in generated.write_generated(root):
                output.note(f"wrote {name}")
        inside = os.path.relpath(os.path.realpath(root), os.path.realpath(base))
        above = "" if inside == "." else inside + "/"
        view = Staged(root) if staged else WorkTree(root)
        here = checks.run_checks(chosen, view, strict=strict)
        here += checks.unrecorded_entries(root, view) if notes and "lock" in chosen else []
        found += [one.below(above) for one in here]
    if text := FORMATS[form](found):
        output.result(text.rstrip("\n"))
    return 1 if any(one.severity == "error" for one in found) else 0
