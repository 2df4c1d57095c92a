"""Check that no outputs, fetched assets or very large files are in Git.

`outputs_no_cache` are exempt, since they are meant to be in Git rather than in a cache.
"""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from git_spacy.check.finding import findings_of
from git_spacy.errors import Diagnostic, InvalidInput, Refused
from git_spacy.git.state_dir import state_dir
from git_spacy.light_typing import TYPE_CHECKING, NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project import source_map
from git_spacy.project.paths import ProjectPath
from git_spacy.project.project_file import PROJECT_FILE
from git_spacy.state.counted_files import is_placeholder

if TYPE_CHECKING:
    from git_spacy.git.index import Index
    from git_spacy.project.loader import LoadedProject
    from git_spacy.state.project_view import View

_SIZE = compile_late(r"(\d+)([kmg]?)", re.IGNORECASE)


class OutputLimits(NamedTuple):
    """Which files may be in Git: those of up to `max_size` bytes, and those whose path from the top
    of the repository matches a pattern of `allow`. `remedy` says how to allow a larger one."""

    max_size: int = 10 << 20
    allow: tuple[str, ...] = ()
    remedy: str = "allow it: --max-size=SIZE or --allow=GLOB"


class FileGroup(NamedTuple):
    """Files that are in Git or may get there, by name relative to the top of the repository.

    `sizes` returns the sizes of those that exist. `state` completes the sentence "the output …";
    `remedy` returns the command that changes it for paths in the project.
    """

    names: Sequence[str]
    sizes: Callable[[Collection[str]], Mapping[str, int]]
    state: str
    remedy: Callable[..., str]


def staged_files(index: Index, names: Sequence[str] = ()) -> list[FileGroup]:
    """Return the staged files `names`, by default all that the next commit changes or adds."""

    def sizes(names: Collection[str]) -> dict[str, int]:
        entries = index.entries(list(names))
        by_id = index.sizes([entry.id for entry in entries])
        return {entry.name: by_id.get(entry.id, 0) for entry in entries}

    names = names or sorted(index.changed())
    return [FileGroup(names, sizes, "is about to be committed", _unstage_command)]


def worktree_files(index: Index, folders: Collection[str]) -> list[FileGroup]:
    """Return the files below `folders` that Git tracks, then those that `git add` would add."""

    def sizes(names: Collection[str]) -> dict[str, int]:
        return {name: size for name in names if (size := _file_size(index, name)) is not None}

    tracked = sorted({entry.name for entry in index.entries(list(folders))})
    untracked = sorted(index.untracked(list(folders)))
    return [
        FileGroup(tracked, sizes, "is in Git", _unstage_command),
        FileGroup(untracked, sizes, "is not ignored by Git", _ignore_command),
    ]


def check_outputs(
    groups: Iterable[FileGroup],
    projects: Mapping[str, Callable[[], View] | None],
    limits: OutputLimits,
) -> list[Diagnostic]:
    """Check each file of `groups` by the project that it belongs to.

    `projects` has, for the folder of every project, the function that opens it, or None if it is
    not to be checked. Folders are prefixes of names: "" or "folder/". The findings are as seen from
    the top of the repository. Files outside of projects are not checked, and in a project whose
    project.yml is invalid only their sizes are.
    """

    findings: list[Diagnostic] = []
    loaded: dict[str, LoadedProject | None] = {}
    reported: set[str] = set()  # a path is reported for the first group that has files of it
    for group in groups:
        names_by_folder = _by_project(group.names, projects, limits.allow)
        sizes = group.sizes([name for names in names_by_folder.values() for name in names])
        findings += _too_large(sizes, limits)
        for folder, names in names_by_folder.items():
            if folder not in loaded:
                loaded[folder] = _load(projects[folder])
            project = loaded[folder]
            committed = project.project.committed if project else []
            for path, subject, position, alternative in (
                _generated_paths(project) if project else ()
            ):
                full = folder + path.normal
                kept = [other for other in committed if path.holds(other)]
                files = [
                    name
                    for name in names
                    if name in sizes and _holds(path, folder, name)
                    if not any(_holds(other, folder, name) for other in kept)
                ]
                if not files or full in reported:
                    continue
                reported.add(full)
                message = f"{subject} {group.state}{_describe_files(files, full, folder)}"
                some = [name[len(folder) :] for name in files] if kept else [path.normal]
                hint = f"{group.remedy(*some)}\nor {alternative}"
                finding = Diagnostic(message, hint, PROJECT_FILE, *position)
                findings.append(finding.below(folder))
    findings.sort(key=lambda finding: (finding.file, finding.line))
    return findings_of("outputs", findings, PROJECT_FILE)


def parse_size(text: str) -> int:
    """Return a size in bytes: `500k`, `10m`, `2g`. Raises InvalidInput."""

    match = _SIZE.fullmatch(text)
    if not match:
        raise InvalidInput(f"invalid size '{text}'", hint="write --max-size=500k, 10m or 2g")
    return int(match[1]) << {"": 0, "k": 10, "m": 20, "g": 30}[match[2].lower()]


def project_folder(project_file: str) -> str:
    """Return the folder of a project.yml, as a prefix for paths: "" or `folder/`."""

    return project_file[: -len(PROJECT_FILE)]


def _by_project(
    names: Iterable[str],
    projects: Mapping[str, Callable[[], View] | None],
    allow: Sequence[str],
) -> dict[str, list[str]]:
    """Return the names to check by the folder of their project: the innermost one."""

    names_by_folder: dict[str, list[str]] = {}
    for name in names:
        owners = [folder for folder in projects if name.startswith(folder)]
        if not owners or is_placeholder(name):
            continue
        folder = max(owners, key=len)
        if projects[folder] and not any(fnmatchcase(name, pattern) for pattern in allow):
            names_by_folder.setdefault(folder, []).append(name)
    return names_by_folder


def _load(open_view: Callable[[], View] | None) -> LoadedProject | None:
    # imported here, since most commits contain no file of a project that is checked
    from git_spacy.project import loader
    from git_spacy.project.documents import cached
    from git_spacy.state.recorded_outputs import with_recorded_outputs

    try:
        if open_view is None:
            return None
        view = open_view()
        with cached(state_dir(view.root)):
            data = view.project()
            loaded = loader.parse(data)
            project = with_recorded_outputs(loaded.project, data, view.lock)
            return loaded._replace(project=project)
    except (InvalidInput, Refused):
        return None  # the check 'project' reports it


def _too_large(sizes: Mapping[str, int], limits: OutputLimits) -> Iterator[Diagnostic]:
    for name, size in sizes.items():
        if size > limits.max_size:
            message = f"file is {size / 1e6:,.1f} MB; the limit is {limits.max_size / 1e6:,.1f} MB"
            hint = f"store it elsewhere and list it under 'assets'\nor {limits.remedy}"
            yield Diagnostic(message, hint, name)


def _generated_paths(
    loaded: LoadedProject,
) -> Iterator[tuple[ProjectPath, str, source_map.Position, str]]:
    """Yield each path that does not belong into Git, what it is, its position in project.yml, and
    how to declare that it does."""

    for command in loaded.project.commands:
        for output in command.outputs:
            position = source_map.nearest_position(
                loaded.source_map,
                "commands", command.variant_of or command.name, "outputs", output.text,
            )  # fmt: skip
            alternative = "list it under 'outputs_no_cache' to keep it in Git"
            yield (
                output,
                f"output '{output}' of '{command.variant_of or command.name}'",
                position,
                alternative,
            )
    for asset in loaded.project.assets:
        if asset.has_source:
            position = source_map.nearest_position(loaded.source_map, "assets", asset.dest.text)
            alternative = "remove its 'url' or 'git' to keep it in Git"
            yield asset.dest, f"asset '{asset.dest}', which is fetched,", position, alternative


def _holds(path: ProjectPath, folder: str, name: str) -> bool:
    inner = name[len(folder) :]
    return path.holds(ProjectPath(inner, inner))


def _describe_files(files: Sequence[str], path: str, folder: str) -> str:
    if files == [path]:
        return ""
    more = f" and {len(files) - 1} more" if len(files) > 1 else ""
    return f": '{files[0][len(folder) :]}'{more}"


def _file_size(index: Index, name: str) -> int | None:
    try:
        status = os.lstat(index.top / name)
    except OSError:
        return None
    return None if stat.S_ISDIR(status.st_mode) else status.st_size  # a folder is a submodule


def _unstage_command(*paths: str) -> str:
    return shlex.join(("git", "rm", "-r", "--cached", *paths))


def _ignore_command(*paths: str) -> str:  # noqa: ARG001
    return "git spacy ignore"
