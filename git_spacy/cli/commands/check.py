"""`git spacy check`: report problems in a project, for people and for CI."""

from __future__ import annotations

from pathlib import Path

from git_spacy.cli import output
from git_spacy.cli.context import CommandContext
from git_spacy.cli.declared import command, parameter
from git_spacy.errors import InvalidInput
from git_spacy.light_typing import TYPE_CHECKING
from git_spacy.project.diagnostics import did_you_mean

if TYPE_CHECKING:
    from git_spacy.check.outputs import OutputLimits

EXAMPLES = (
    ("git spacy check", "Check the project, as in CI."),
    ("git spacy check lock --staged", "Check only the lock, as staged for commit."),
    ("git spacy check outputs", "Check that no output or large file is in Git."),
    ("git spacy check --format github", "Annotate the lines of a pull request on GitHub."),
)
SEE_ALSO = ("githooks(5)",)

_FORMATS = ("text", "github", "gitlab", "json")


@command(
    parameter(
        "arguments", nargs=-1,
        metavar="[project|assets|lock|generated|outputs|all]... [PROJECT_DIR]",
    ),
    parameter("--staged", is_flag=True, help="Check staged files, not the working tree."),
    parameter("--strict", is_flag=True, help="Require a lock entry for each workflow command."),
    parameter("--notes", is_flag=True, help="Require a run record for every lock entry."),
    parameter("--max-size", metavar="SIZE", help="outputs: the limit for a file (default: 10m)."),
    parameter(
        "--allow", multiple=True, metavar="GLOB",
        help="outputs: skip these paths from the repository's top.",
    ),
    parameter("--fix", is_flag=True, help="Remove orphaned lock entries; write generated files."),
    parameter(
        "--format", "style", choices=_FORMATS, default="text", show_default=True,
        help="Output format.",
    ),
)  # fmt: skip
def check(
    context: CommandContext,
    arguments: tuple[str, ...],
    staged: bool,
    strict: bool,
    notes: bool,
    max_size: str | None,
    allow: tuple[str, ...],
    fix: bool,
    style: str,
) -> int:
    """Report problems in the project. Needs no data, so it works in CI.

    \b
      project    project.yml is valid
      assets     assets that are present match their checksums
      lock       project.lock matches the scripts and the files in Git
      generated  .gitignore, README.md, dvc.yaml, ... are up to date
      all        these four (default)
      outputs    no output, fetched asset or large file is in Git, or
                 would be added by 'git add'; with --staged, to the commit

    Prints nothing if there are no problems; otherwise lists them and exits with 1. Outside a
    project, checks all projects below the current folder.
    """

    from git_spacy.check import projects
    from git_spacy.check.finding import FORMATS
    from git_spacy.git.index import Index

    context, names = context.split_project_dir(arguments)
    chosen = _chosen_checks(names)
    limits = _output_limits(chosen, max_size, allow)
    request = projects.CheckRequest(chosen, staged, strict, notes, limits)
    roots = projects.find_projects(context.start)
    if fix:
        _fix(chosen, roots)
    needs_index = staged or "outputs" in chosen
    index = Index.discover(context.start) if needs_index else None
    # GitHub and GitLab need paths from the top of the repository; users, from their own folder.
    in_ci = style in ("github", "gitlab")
    base = projects.work_tree_top(context.start) if in_ci else Path.cwd()
    findings = projects.check_projects(request, roots, base, index)
    if text := FORMATS[style](findings):
        show = output.findings if style == "text" else output.result
        show(text.rstrip("\n"))
    if not findings:
        output.success(f"no problems found ({', '.join(chosen)})")
    return 1 if any(finding.severity == "error" for finding in findings) else 0


def _chosen_checks(names: tuple[str, ...]) -> list[str]:
    """Return the checks that are named: without a name or with "all", those of `CHECKS`."""

    from git_spacy.check.checks import CHECKS
    from git_spacy.check.projects import CHECK_NAMES

    for name in names:
        if name not in (*CHECK_NAMES, "all"):
            hint = did_you_mean(name, CHECK_NAMES) or f"checks: all, {', '.join(CHECK_NAMES)}"
            raise InvalidInput(f"unknown check '{name}'", hint=hint)
    named = {*names, *CHECKS} if "all" in names or not names else set(names)
    return [name for name in CHECK_NAMES if name in named]


def _output_limits(chosen: list[str], max_size: str | None, allow: tuple[str, ...]) -> OutputLimits:
    from git_spacy.check.outputs import OutputLimits, parse_size

    if (max_size is not None or allow) and "outputs" not in chosen:
        option = "--allow" if max_size is None else "--max-size"
        raise InvalidInput(f"{option} is for the check 'outputs'", hint="git spacy check outputs")
    limits = OutputLimits(allow=allow)
    return limits if max_size is None else limits._replace(max_size=parse_size(max_size))


def _fix(chosen: list[str], roots: list[Path]) -> None:
    from git_spacy.check import checks, generated

    for root in roots:
        if "lock" in chosen:
            for name in checks.remove_orphaned_entries(root):
                output.message(f"removed lock entry '{name}'")
        if "generated" in chosen:
            for name in generated.write_generated(root):
                output.message(f"wrote {name}")
