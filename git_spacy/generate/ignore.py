"""The block in .gitignore that ignores fetched assets and the outputs of commands.

It leaves out paths that Git already tracks, results that are meant to be committed
(`outputs_no_cache`), private assets (which cannot be fetched again), and paths that other patterns
ignore. The patterns follow gitignore(5) and are anchored at the project.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from pathlib import Path

from git_spacy.errors import InvalidInput, Refused
from git_spacy.generate import writer
from git_spacy.generate.managed_block import HASH, GeneratedFile, find_block, insert_block
from git_spacy.generate.registry import GeneratorInput
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project import loader
from git_spacy.project.model import Project
from git_spacy.project.paths import ProjectPath
from git_spacy.state.counted_files import is_placeholder
from git_spacy.state.recorded_outputs import with_outputs_in_lock
from git_spacy.state.tracked_paths import TrackedPaths

FILE = ".gitignore"
_CACHES = ("__pycache__/",)
_INSIDE = "/-"  # an arbitrary path inside a folder, which may not exist yet
_SPECIAL = compile_late(r"([\\*?\[])")

EMPTY = GeneratedFile(FILE, "", "git spacy ignore", HASH, shared=True)


class IgnoreMatch(NamedTuple):
    """The pattern that decides whether a path is ignored, as `git check-ignore -v` prints it.

    `in_own` says whether it is in the project's own .gitignore; `line` is its line there (from 1).
    """

    in_own: bool
    line: int
    pattern: str


def candidates(project: Project) -> tuple[ProjectPath, ...]:
    """Return the paths of fetched assets and outputs in the project, without paths inside another
    of them and without those that are meant to be committed."""

    fetched = [asset.dest for asset in project.assets if asset.has_source]
    outputs = [path for command in project.commands for path in command.outputs]
    committed = {path.normal for path in project.committed}
    unique = {path.normal: path for path in (*fetched, *outputs)}.values()
    return tuple(
        path
        for path in unique
        if not path.outside
        and path.normal not in committed
        and not any(other.holds(path) for other in unique if other.normal != path.normal)
    )


def build_block(
    project: Project,
    text: str | None,
    tracked: Callable[[Iterable[ProjectPath]], Collection[str]],
    matches: Callable[[Iterable[ProjectPath]], dict[str, IgnoreMatch]],
) -> GeneratedFile:
    """Return the block for a .gitignore whose current content is `text`.

    `tracked` returns the paths (`ProjectPath.normal`) with files that Git tracks, and `matches`
    the patterns that already apply to paths.
    """

    paths = candidates(project)
    committed = project.committed
    tracked_paths = tracked(paths)
    existing = matches(paths)
    own_lines = _block_lines(text)
    ignored = [
        path
        for path in paths
        if path.normal not in tracked_paths
        and (path.normal not in existing or _is_own(existing[path.normal], own_lines))
    ]
    lines = [line for path in ignored for line in _patterns(path, committed)]
    caches = [cache for cache in _CACHES if lines and cache not in _other_patterns(text)]
    body = "".join(f"{line}\n" for line in (*lines, *caches))
    return GeneratedFile(FILE, body, "git spacy ignore", HASH, shared=True)


def _patterns(path: ProjectPath, committed: Iterable[ProjectPath]) -> list[str]:
    """Return the patterns that ignore `path`, but nothing `committed` that is in it."""

    exceptions = [other.normal for other in committed if path.holds(other)]
    if not exceptions:
        return [anchored_pattern(path.normal)]
    # Git does not look into an ignored folder: each one on the way is looked into
    lines = [f"{anchored_pattern(path.normal)}/*"]
    for name in exceptions:
        folder = path.normal
        for part in name[len(folder) + 1 :].split("/")[:-1]:
            folder += f"/{part}"
            lines += [f"!{anchored_pattern(folder)}/", f"{anchored_pattern(folder)}/*"]
        lines.append(f"!{anchored_pattern(name)}")
    return list(dict.fromkeys(lines))


def anchored_pattern(path: str) -> str:
    """Return the pattern that ignores exactly the file or folder `path` of the project."""

    escaped = _SPECIAL.sub(r"\\\1", path)
    bare = escaped.rstrip(" ")
    return "/" + bare + "\\ " * (len(escaped) - len(bare))


def _block_lines(text: str | None) -> range:
    """Return the line numbers (from 1) of our block in a .gitignore."""

    block = find_block(text, EMPTY) if text else None
    if not text or not block:
        return range(0)
    first = block.before.count("\n") + 1
    return range(first, text.count("\n") - block.after.count("\n") + 1)


def _is_own(match: IgnoreMatch, own_lines: range) -> bool:
    return match.in_own and match.line in own_lines


def _other_patterns(text: str | None) -> set[str]:
    own_lines = _block_lines(text)
    return {
        line.strip()
        for number, line in enumerate((text or "").splitlines(), start=1)
        if number not in own_lines
    }


def ignore_block(root: Path, project: Project, data: bytes) -> GeneratedFile | None:
    """Return the block for the project at `root`, or None outside of a worktree.

    It includes the outputs that project.lock names. `data` is the content of project.yml. Raises
    ExternalError if git fails, Refused and OSError.
    """

    git = TrackedPaths.open(root)
    return _ignore_block(root, project, data, git) if git else None


def _ignore_block(root: Path, project: Project, data: bytes, git: TrackedPaths) -> GeneratedFile:
    project = with_outputs_in_lock(project, data, root)
    tracked = partial(git.tracked, placeholders=False, besides=project.committed)
    return build_block(project, writer.read(root, FILE), tracked, partial(_matches, git))


def remove_block(data: bytes) -> bytes | None:
    """Return a .gitignore without our block; None if it has none or it was edited by hand."""

    text = data.decode("utf-8", "surrogateescape")
    block = find_block(text, EMPTY)
    if block is None or not block.intact:
        return None
    return insert_block(text, EMPTY).encode("utf-8", "surrogateescape")


def _matches(git: TrackedPaths, paths: Iterable[ProjectPath]) -> dict[str, IgnoreMatch]:
    names = [path.normal for path in paths]
    queried = [git.prefix + name + end for name in names for end in ("", _INSIDE)]
    patterns = git.git_index.patterns(queried) if names else {}
    matches = {}
    for name in names:
        match = patterns.get(git.prefix + name) or patterns.get(git.prefix + name + _INSIDE)
        if match:
            file, line, text = match
            matches[name] = IgnoreMatch(file == git.prefix + FILE, line, text)
    return matches


def regenerate(words: Sequence[str], subject: GeneratorInput) -> GeneratedFile | None:  # noqa: ARG001
    """Return the current output of `git spacy ignore` for the existing .gitignore."""

    if subject.git is None:
        return None
    return _ignore_block(subject.root, subject.loaded.project, subject.data, subject.git)


def update(root: Path, *, create: bool = True) -> bool:
    """Update the block; return False if it was up to date or there is no worktree.

    Without `create`, a .gitignore that has no block is left alone. Raises Refused if the block was
    edited by hand, InvalidInput, ExternalError if git fails or is not installed, and OSError.
    """

    if not create and find_block(writer.read(root, FILE) or "", EMPTY) is None:
        return False
    data = loader.read_bytes(root)
    block = ignore_block(root, loader.parse(data).project, data)
    return block is not None and writer.write(root, block)


def write_initial(root: Path) -> bool:
    """Update the block of a new project, all of whose existing files are going to be tracked.

    Returns False if the block was up to date, if there is no worktree, or if the project cannot be
    loaded.
    """

    git = TrackedPaths.open(root, {})  # ignore GIT_DIR: that of a hook is another repository
    if git is None:
        return False
    try:
        project = loader.load(root)
    except (InvalidInput, Refused):
        return False
    text = writer.read(root, FILE)
    block = build_block(project, text, partial(_existing, root), partial(_matches, git))
    return writer.write(root, block)


def _existing(root: Path, paths: Iterable[ProjectPath]) -> set[str]:
    return {path.normal for path in paths if _has_files(root / path.normal)}


def _has_files(path: Path) -> bool:
    if not path.is_dir() or path.is_symlink():
        return os.path.lexists(path)
    return any(not is_placeholder(name) for _, _, files in os.walk(path) for name in files)
