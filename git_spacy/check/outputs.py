"""Check that no outputs, fetched assets or very large files are committed.

`outputs_no_cache` are exempt, since they are meant to be in Git rather than in a cache.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from git_spacy.check.finding import findings_of
from git_spacy.errors import Diagnostic, InvalidInput, Refused
from git_spacy.git.index import Index
from git_spacy.git.remote_tree import TreeEntry
from git_spacy.project import loader, source_map
from git_spacy.project.loader import PROJECT_FILE, LoadedProject
from git_spacy.project.paths import ProjectPath
from git_spacy.state.counted_files import is_placeholder
from git_spacy.state.project_view import Staged

MAX_SIZE = 10 << 20


def check_outputs(
    index: Index, files: Sequence[str], *, max_size: int = MAX_SIZE, allow: Sequence[str] = ()
) -> list[Diagnostic]:
    """Check `files`, which are about to be committed. Their paths are relative to the repository.

    Paths that match a pattern of `allow` are not checked; `max_size` is in bytes. Files outside
    of projects are not checked, and in a project whose project.yml is invalid only their sizes are.
    """

    folders = [project_folder(entry.name) for entry in index.named(PROJECT_FILE)]
    files_of: dict[str, list[str]] = {}
    for name in files:
        owners = [folder for folder in folders if name.startswith(folder)]
        if owners and not is_placeholder(name) and not _matches(name, allow):
            files_of.setdefault(max(owners, key=len), []).append(name)
    entries = {
        entry.name: entry
        for entry in index.entries([name for names in files_of.values() for name in names])
    }
    findings = list(_too_large(index, list(entries.values()), max_size))
    for folder, names in files_of.items():
        try:
            loaded = loader.parse(Staged(index.top / folder, index).project())
        except (InvalidInput, Refused):
            continue
        inner = [name[len(folder) :] for name in names if name in entries]
        findings += (finding.below(folder) for finding in _generated_paths(loaded, inner))
    findings.sort(key=lambda finding: (finding.file, finding.line))
    return findings_of("outputs", findings, PROJECT_FILE)


def project_folder(project_file: str) -> str:
    """Return the folder of a project.yml, as a prefix for paths: "" or `folder/`."""

    return project_file[: -len(PROJECT_FILE)]


def _matches(name: str, allow: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in allow)


def _too_large(index: Index, entries: Sequence[TreeEntry], max_size: int) -> Iterator[Diagnostic]:
    sizes = index.sizes([entry.id for entry in entries])
    for entry in entries:
        if (size := sizes.get(entry.id, 0)) > max_size:
            message = f"file is {size / 1e6:,.1f} MB; the limit is {max_size / 1e6:,.1f} MB"
            hint = (
                "store it elsewhere and list it under 'assets'\n"
                "or commit it anyway: git commit --no-verify (with pre-commit, raise --max-size)"
            )
            yield Diagnostic(message, hint, entry.name)


def _generated_paths(loaded: LoadedProject, names: Sequence[str]) -> Iterator[Diagnostic]:
    project = loaded.project
    for command in project.commands:
        for output in command.outputs:
            position = source_map.nearest_position(
                loaded.source_map, "commands", command.name, "outputs", output.text
            )
            message = f"output '{output}' of '{command.name}' is about to be committed"
            hint = "or list it under 'outputs_no_cache' to keep it in Git"
            yield from _finding(output, names, position, message, hint)
    for asset in project.assets:
        if asset.url or asset.git:
            position = source_map.nearest_position(loaded.source_map, "assets", asset.dest.text)
            message = f"asset '{asset.dest}', which is fetched, is about to be committed"
            hint = "or remove its 'url' or 'git' to keep it in Git"
            yield from _finding(asset.dest, names, position, message, hint)


def _finding(
    path: ProjectPath,
    names: Sequence[str],
    position: source_map.Position,
    message: str,
    hint: str,
) -> Iterator[Diagnostic]:
    files = [name for name in names if path.holds(ProjectPath(name, name))]
    if not files:
        return
    if files != [path.normal]:
        more = f" and {len(files) - 1} more" if len(files) > 1 else ""
        message += f": '{files[0]}'{more}"
    hint = f"{shlex.join(['git', 'rm', '-r', '--cached', path.normal])}\n{hint}"
    yield Diagnostic(message, hint, PROJECT_FILE, *position)
