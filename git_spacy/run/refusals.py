"""Why a command cannot start: dependencies that are missing or wrong, paths without a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from shlex import quote

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.project.diagnostics import group_problems
from git_spacy.project.model import Asset, Command, Project
from git_spacy.project.paths import ProjectPath


def require_values(commands: Iterable[Command]) -> None:
    """Raise InvalidInput if paths of `commands` have no value yet."""

    problems = dict.fromkeys(problem for command in commands for problem in command.unset)
    if problems:
        raise InvalidInput.from_problems(list(problems))


def missing_dependencies(
    project: Project, root: Path, command: Command, paths: Sequence[ProjectPath]
) -> Iterator[Diagnostic]:
    """Yield the missing dependencies: one problem for those that Git has, one for those that the
    same command produces, and one for all assets. The hints say how to obtain them. Outputs outside
    the sparse checkout are missing, too."""

    from git_spacy.state.tracked_paths import missing_hint

    in_git: list[tuple[str, str, str]] = []
    others: list[tuple[str, str, str]] = []
    for path in paths:
        hint = missing_hint(project, root, command.name, path)
        if "sparse-checkout add " in hint:
            others.append((path.text, "outside the sparse checkout", hint))
        elif hint.startswith(("git restore ", "git checkout ")):
            in_git.append((path.normal, "", hint))
        else:
            others.append((path.text, "", hint))
    groups = group_problems(in_git, merge_arguments=True)
    groups += group_problems(_fetch_together(project, others))
    for group in groups:
        noun = "dependency" if len(group.names) == 1 else "dependencies"
        what = f"files {group.cause} are needed by" if group.cause else f"missing {noun} of"
        yield Diagnostic(
            f"{what} '{command.name}': {group.quoted_names}",
            group.hint,
            "project.yml",
            command.line,
        )


def _fetch_together(
    project: Project, problems: Sequence[tuple[str, str, str]]
) -> Iterator[tuple[str, str, str]]:
    """Yield (name, cause, hint) with one hint for all assets in place of one for each."""

    fetch = "git spacy assets"
    prefix = f"{fetch} "
    hints = [hint for _, _, hint in problems]
    dests = dict.fromkeys(hint.removeprefix(prefix) for hint in hints if hint.startswith(prefix))
    extra = any(quote(asset.dest.text) in dests for asset in project.assets if asset.extra)
    fetch_all = " ".join((fetch, *(dests if extra else ())))
    for name, cause, hint in problems:
        is_fetch = len(dests) > 1 and hint.startswith(prefix)
        yield name, cause, fetch_all if is_fetch else hint


def wrong_assets(
    command: Command, assets: Iterable[tuple[Asset, str, str]]
) -> Iterator[Diagnostic]:
    """Yield a problem for each of `assets`, which come with what is wrong and a hint."""

    for asset, problem, hint in assets:
        yield Diagnostic(
            f"'{command.name}' depends on asset '{asset.dest}', which {problem}",
            hint,
            "project.yml",
            asset.line,
        )
