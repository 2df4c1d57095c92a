"""The block in .gitignore: what git-spacy fetches and commands make, and nobody commits.

Not for what Git tracks already, for results that are to be committed (outputs_no_cache), for
private data (nobody fetches it again), nor for what another pattern ignores. The patterns are
gitignore(5)'s, anchored at the project.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput, Refused
from git_spacy.generate import writer
from git_spacy.generate.managed_block import HASH, GeneratedFile, find_block, insert_block
from git_spacy.generate.registry import GeneratorInput
from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state.project_view import is_placeholder
from git_spacy.state.tracked_paths import TrackedPaths

FILE = ".gitignore"
_CACHES = ("__pycache__/",)
_BELOW = "/-"  # stands for whatever lies in a folder: it may not be there yet
_SPECIAL = re.compile(r"([\\*?\[])")

_EMPTY = GeneratedFile(FILE, "", "git spacy ignore", HASH, shared=True)


class IgnoreMatch(NamedTuple):
    """What decides about a path, as `git check-ignore -v` has it: whether the last pattern for it
    is in the project's own .gitignore, the line there (from 1), the pattern."""

    in_own: bool
    line: int
    pattern: str


def candidates(project: Project) -> tuple[ProjectPath, ...]:
    """What git-spacy brings or commands make, without what lies in another of them."""

    brought = [asset.dest for asset in project.assets if asset.url or asset.git]
    made = [path for command in project.commands for path in command.outputs]
    kept = [path for command in project.commands for path in command.outputs_no_cache]
    unique = {path.normal: path for path in (*brought, *made)}.values()
    return tuple(
        path
        for path in unique
        if not any(path.holds(other) for other in kept)
        and not any(other.holds(path) for other in unique if other.normal != path.normal)
    )


def build_block(
    project: Project,
    text: str | None,
    tracked: Callable[[Iterable[ProjectPath]], Collection[str]],
    matches: Callable[[Iterable[ProjectPath]], dict[str, IgnoreMatch]],
) -> GeneratedFile:
    """The block for a .gitignore that is `text` now. `tracked` says which paths (`normal`) Git has
    files of, `matches` which have a pattern."""

    wanted = candidates(project)
    already = tracked(wanted)
    found = matches(wanted)
    ours = _lines(text)
    needed = [
        path
        for path in wanted
        if path.normal not in already
        and (path.normal not in found or _is_ours(found[path.normal], ours))
    ]
    lines = [anchored_pattern(path.normal) for path in needed]
    caches = [one for one in _CACHES if lines and one not in _others(text)]
    body = "".join(f"{line}\n" for line in (*lines, *caches))
    return GeneratedFile(FILE, body, "git spacy ignore", HASH, shared=True)


def anchored_pattern(path: str) -> str:
    """The pattern that ignores exactly `path` of the project, be it a file or a folder."""

    escaped = _SPECIAL.sub(r"\\\1", path)
    bare = escaped.rstrip(" ")
    return "/" + bare + "\\ " * (len(escaped) - len(bare))


def _lines(text: str | None) -> range:
    """The lines (from 1) of our block in a .gitignore."""

    found = find_block(text, _EMPTY) if text else None
    if not text or not found:
        return range(0)
    first = found.before.count("\n") + 1
    return range(first, text.count("\n") - found.after.count("\n") + 1)


def _is_ours(match: IgnoreMatch, ours: range) -> bool:
    return match.in_own and match.line in ours


def _others(text: str | None) -> set[str]:
    ours = _lines(text)
    return {
        line.strip()
        for number, line in enumerate((text or "").splitlines(), start=1)
        if number not in ours
    }


def ignore_block(root: Path, project: Project, text: str | None = None) -> GeneratedFile | None:
    """The block for the project at `root`, whose .gitignore is `text` (None: as it lies there), by
    what Git tracks and ignores there; None where there is no work tree.

    Raises Unavailable where git fails, Unsafe, OSError.
    """

    git = TrackedPaths.open(root)
    if git is None:
        return None
    now = writer.read(root, FILE) if text is None else text

    return build_block(
        project, now, partial(git.tracked, placeholders=False), partial(_matches, git)
    )


def remove_block(data: bytes) -> bytes | None:
    """A .gitignore without our block; None: it has none, or a person edited it."""

    text = data.decode("utf-8", "surrogateescape")
    found = find_block(text, _EMPTY)
    if found is None or not found.intact:
        return None
    return insert_block(text, _EMPTY).encode("utf-8", "surrogateescape")


def _matches(git: TrackedPaths, paths: Iterable[ProjectPath]) -> dict[str, IgnoreMatch]:
    names = [path.normal for path in paths]
    asked = [git.prefix + name + end for name in names for end in ("", _BELOW)]
    found = git.git_index.patterns(asked) if names else {}
    decided = {}
    for name in names:
        match = found.get(git.prefix + name) or found.get(git.prefix + name + _BELOW)
        if match:
            file, line, text = match
            decided[name] = IgnoreMatch(file == git.prefix + FILE, line, text)
    return decided


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile | None:  # noqa: ARG001
    """The part that `git spacy ignore` makes now, by the .gitignore that lies there."""

    return ignore_block(subject.root, subject.loaded.project)


def update(root: Path, project: Project) -> bool:
    """Bring the block up to date; False: it was, or there is no work tree. Raises Unsafe for a
    block that was edited, Unavailable where git fails or is not there, OSError."""

    current = ignore_block(root, project)
    return current is not None and writer.write(root, current)


def write_initial(root: Path) -> bool:
    """The same for a project that has just been placed at `root`, and all of which is going to be
    tracked; False also for a project that cannot be loaded."""

    git = TrackedPaths.open(root, {})  # by where it lies: a hook's GIT_DIR says nothing about it
    if git is None:
        return False
    try:
        project = loader.load(root)
    except (InvalidInput, Refused):
        return False
    now = writer.read(root, FILE)
    return writer.write(
        root, build_block(project, now, partial(_here, root), partial(_matches, git))
    )


def _here(root: Path, paths: Iterable[ProjectPath]) -> set[str]:
    return {path.normal for path in paths if _has_files(root / path.normal)}


def _has_files(path: Path) -> bool:
    if not path.is_dir() or path.is_symlink():
        return os.path.lexists(path)
    return any(not is_placeholder(name) for _, _, files in os.walk(path) for name in files)
