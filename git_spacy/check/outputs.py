"""Is something about to be committed that is made or fetched, or that is too large for Git?

`outputs_no_cache` are exempt: they are declared to be kept in Git rather than in a cache.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from git_spacy.check.finding import Finding
from git_spacy.errors import InvalidInput, Refused
from git_spacy.git.index import Index
from git_spacy.git.remote_tree import TreeEntry
from git_spacy.project import loader, source_map
from git_spacy.project.loader import PROJECT_FILE, LoadedProject
from git_spacy.project.paths import ProjectPath
from git_spacy.state.project_view import Staged, is_placeholder

MAX_SIZE = 10 << 20


def check_outputs(
    index: Index, files: Sequence[str], *, max_size: int = MAX_SIZE, allow: Sequence[str] = ()
) -> list[Finding]:
    """What is wrong with committing `files` (relative to the repository's top, as the findings).

    `allow` are patterns of paths that may be committed whatever they are; `max_size` is in bytes.
    Files of no project are nobody's business, and neither are those of a broken one.
    """

    folders = [folder(entry.name) for entry in index.named(PROJECT_FILE)]
    owned: dict[str, list[str]] = {}
    for name in files:
        owners = [one for one in folders if name.startswith(one)]
        if owners and not is_placeholder(name) and not _matches(name, allow):
            owned.setdefault(max(owners, key=len), []).append(name)
    entries = {
        entry.name: entry
        for entry in index.entries([name for names in owned.values() for name in names])
    }
    found = list(_too_large(index, list(entries.values()), max_size))
    for above, names in owned.items():
        try:
            loaded = loader.parse(Staged(index.top / above, index).project())
        except (InvalidInput, Refused):
            continue
        inner = [name[len(above) :] for name in names if name in entries]
        found += (finding.below(above) for finding in _made(loaded, inner, above))
    return sorted(found, key=lambda finding: (finding.file, finding.line))


def folder(project_file: str) -> str:
    """What stands before the paths of the project whose file this is: "" or `folder/`."""

    return project_file[: -len(PROJECT_FILE)]


def _matches(name: str, allow: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in allow)


def _too_large(index: Index, entries: Sequence[TreeEntry], most: int) -> Iterator[Finding]:
    sizes = index.sizes([entry.id for entry in entries])
    for entry in entries:
        if (size := sizes.get(entry.id, 0)) > most:
            what = f"{size / 1e6:,.1f} MB are much for Git; the limit is {most / 1e6:,.1f} MB"
            hint = "keep it elsewhere and name it as an asset, or raise --max-size"
            yield Finding("outputs", entry.name, 1, 1, what, hint)


def _made(loaded: LoadedProject, names: Sequence[str], above: str) -> Iterator[Finding]:
    project = loaded.project
    for command in project.commands:
        for output in command.outputs:
            place = source_map.nearest_position(
                loaded.source_map, "commands", command.name, "outputs", output.text
            )
            what = f"output '{output}' of '{command.name}' is about to be committed"
            hint = "if it belongs into Git, list it under outputs_no_cache"
            yield from _finding(output, names, place, what, hint, above)
    for asset in project.assets:
        if asset.url or asset.git:
            place = source_map.nearest_position(loaded.source_map, "assets", asset.dest.text)
            what = f"asset '{asset.dest}', which is fetched, is about to be committed"
            hint = "if it belongs into Git, remove its 'url' or 'git'"
            yield from _finding(asset.dest, names, place, what, hint, above)


def _finding(
    path: ProjectPath,
    names: Sequence[str],
    place: source_map.Position,
    what: str,
    hint: str,
    above: str,
) -> Iterator[Finding]:
    inside = [name for name in names if path.holds(ProjectPath(name, name))]
    if not inside:
        return
    if inside != [path.normal]:
        more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
        what += f": '{inside[0]}'{more}"
    undo = f"git rm -r --cached '{above}{path.normal}' and ignore it; {hint}"
    yield Finding("outputs", PROJECT_FILE, *place, what, undo)
