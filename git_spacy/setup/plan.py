"""Plan what `init` changes in a repository, step by step, without changing anything.

Settings that already have the right effect, wherever they were made, are left alone.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from git_spacy.errors import Diagnostic, GitSpacyError, InvalidInput
from git_spacy.generate import ignore as ignoring
from git_spacy.generate import writer
from git_spacy.git import gitconfig
from git_spacy.git.gitconfig import ConfigValue
from git_spacy.git.index import Index
from git_spacy.git.repository import Repository
from git_spacy.git.settings import boolean
from git_spacy.project import loader
from git_spacy.setup import hooks
from git_spacy.setup.changes import Change, FileChange, SetConfig, left_unchanged
from git_spacy.setup.hook_scripts import alias_command, find_program, merge_driver_command
from git_spacy.setup.write_location import Location, locate, read_content

NOTES = "refs/notes/spacy"
DRIVER = "spacy-lock"
_ATTRIBUTES_FILE = ".gitattributes"
_ATTRIBUTE_LINE = f"project.lock merge={DRIVER}"
_LOCK = "project.lock"

PlannedChange = Change | Diagnostic


class RepoContext:
    """A repository with a working tree, its projects and its configuration."""

    def __init__(self, repository: Repository, top: Path, projects: tuple[Path, ...]) -> None:
        self.repository = repository
        self.top = top
        self.projects = projects
        self.config = gitconfig.read_config(repository)

    def locate(self, path: Path, *, follow: bool = True) -> Location:
        """Return the location of `path`. Raises Refused for a path that must not be written."""

        return locate(self.repository, self.top, path, follow=follow)


def open_context(start: Path) -> RepoContext:
    """Return the repository that contains `start`, with all of its projects that are not ignored,
    and the one at `start`.

    Raises InvalidInput without a repository or projects; ExternalError or Refused if git refuses.
    """

    repository = Repository.require(start, hint="git init && git spacy init")
    index = Index.require(repository)
    top = index.top.resolve()
    projects = {(top / entry.name).parent for entry in index.named(loader.PROJECT_FILE)}
    projects |= {(top / name).parent for name in _untracked_projects(repository)}
    try:
        projects.add(loader.find(start).resolve())
    except InvalidInput:
        if not projects:
            raise InvalidInput(
                "no project.yml in this repository",
                hint="git spacy init --new DIR\nor git spacy clone ner_fashion",
            ) from None
    existing = (root for root in projects if (root / loader.PROJECT_FILE).is_file())
    return RepoContext(repository, top, tuple(sorted(existing)))


def _untracked_projects(repository: Repository) -> list[str]:
    """Return the project.yml files that Git neither has nor ignores, relative to the top."""

    pattern = f":(top,glob)**/{loader.PROJECT_FILE}"
    result = repository.run_git(("ls-files", "-z", "--others", "--exclude-standard", "--", pattern))
    return os.fsdecode(result.stdout).split("\0")[:-1]


def plan_changes(context: RepoContext, steps: Collection[str]) -> tuple[PlannedChange, ...]:
    """Return the changes of the given steps (keys of `changes.STEPS`), and warnings of others.

    The subject of a warning is its step.

    Raises InvalidInput, Refused, ExternalError, OSError.
    """

    return tuple(
        change._replace(subject=step) if isinstance(change, Diagnostic) else change
        for step, plan_step in _STEP_PLANNERS.items()
        if step in steps
        for change in plan_step(context)
    )


def _notes(context: RepoContext) -> Iterator[PlannedChange]:
    if not _is_on(context, "spacy.notes"):
        return
    if not _covers(context.config.get("notes.rewriteref", ()), NOTES):
        yield SetConfig("notes", "notes.rewriteRef", NOTES, append=True)
    yield from _set_single(context, "notes", "notes.rewriteMode", "cat_sort_uniq")


def _display(context: RepoContext) -> Iterator[PlannedChange]:
    if not _covers(context.config.get("notes.displayref", ()), NOTES):
        yield SetConfig("display", "notes.displayRef", NOTES, append=True)


def _covers(values: tuple[ConfigValue, ...], ref: str) -> bool:
    return any(fnmatch.fnmatchcase(ref, value.text) for value in values)


def _set_single(context: RepoContext, step: str, name: str, wanted: str) -> Iterator[SetConfig]:
    """Set `name` to the value `wanted`, unless its last value, which is in effect, is that."""

    section, _, key = name.rpartition(".")
    values = context.config.get(f"{section}.{key.lower()}", ())
    if not values or values[-1].text != wanted:
        own = tuple(value.text for value in values if value.scope == "local")
        current = f"{values[-1].text}, {values[-1].scope}" if values else ""
        yield SetConfig(step, name, wanted, own_values=own, current=current)


def _merge(context: RepoContext) -> Iterator[PlannedChange]:
    driver = merge_driver_command(find_program())
    yield from _set_single(context, "merge", f"merge.{DRIVER}.name", "project.lock by entry")
    yield from _set_single(context, "merge", f"merge.{DRIVER}.driver", driver)
    locks = [f"{_prefix(root, context.top)}{_LOCK}" for root in context.projects]
    names = "".join(f"{name}\0" for name in locks).encode("utf-8", "surrogateescape")
    result = context.repository.run_git(("check-attr", "-z", "--stdin", "merge"), input=names)
    drivers = result.stdout.decode("utf-8", "surrogateescape").split("\0")[2::3]
    file = context.locate(context.top / _ATTRIBUTES_FILE)
    before = read_content(file)
    rows = (before or b"").splitlines()
    if any(driver != DRIVER for driver in drivers) and _ATTRIBUTE_LINE.encode() not in rows:
        newline = b"\r\n" if b"\r\n" in (before or b"") else b"\n"
        gap = newline if before and not before.endswith(b"\n") else b""
        after = (before or b"") + gap + _ATTRIBUTE_LINE.encode() + newline
        yield FileChange("merge", file.path, file.name, before, after)


def _ignore(context: RepoContext) -> Iterator[PlannedChange]:
    if not _is_on(context, "spacy.ignore"):
        return
    for root in context.projects:
        prefix = _prefix(root, context.top)
        file = context.locate(root / ignoring.FILE)
        try:
            data = loader.read_bytes(root)
            block = ignoring.ignore_block(root, loader.parse(data).project, data)
            if block is None:
                continue
            plan = writer.plan(writer.read(root, block.file), block)
        except GitSpacyError as error:
            problem = error.problems[0]
            skipped = left_unchanged(
                prefix + (problem.file or loader.PROJECT_FILE), problem.message, problem.hint
            )
            yield skipped._replace(line=problem.line, column=problem.column)
            continue
        if plan.action == "refuse":
            yield left_unchanged(prefix + block.file, plan.why, f"{block.command} --force")
        elif plan.action == "write":
            before, after = _encode(plan.before), _encode(plan.text)
            yield FileChange("ignore", file.path, file.name, before, after)


def _hooks(context: RepoContext) -> Iterator[PlannedChange]:
    if program := find_program():
        yield from _set_single(context, "hooks", "alias.spacy-hook", alias_command(program))
    folder = gitconfig.hooks_dir(context.repository)
    path = context.config.get("core.hookspath", ())
    yield from hooks.plan_hooks(context.repository, context.top, context.locate, folder, path)


def _is_on(context: RepoContext, name: str) -> bool:
    """Return whether the boolean setting `name` is on, which is the default."""

    values = context.config.get(name.lower(), ())
    return boolean({name: values[-1].text} if values else {}, name)


def _prefix(root: Path, top: Path) -> str:
    """Return the path of the folder `root` relative to `top`: "", or with a trailing slash."""

    return "" if root == top else f"{root.relative_to(top).as_posix()}/"


def _encode(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogateescape")


_STEP_PLANNERS: dict[str, Callable[[RepoContext], Iterator[PlannedChange]]] = {
    "notes": _notes,
    "display": _display,
    "merge": _merge,
    "ignore": _ignore,
    "hooks": _hooks,
}
