"""Prepare two versions of a template for a merge, so that only its author's changes are merged.

A project has generated text that its template does not have, or has in another version: the block
in .gitignore that `git spacy clone` writes, the block in README.md, drawings, project.lock. Both
versions get what the project has, so that there is nothing to merge.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import InvalidInput, Refused
from git_spacy.generate import document, ignore
from git_spacy.generate.managed_block import (
    GeneratedFile,
    find_block,
    find_commands,
    insert_block,
)
from git_spacy.generate.registry import PATTERNS
from git_spacy.git import objects, process
from git_spacy.git.commits import existing_blobs
from git_spacy.git.repository import Repository

LOCK = "project.lock"


def keep_generated_text(repository: Repository, prefix: str, old: Path, new: Path) -> None:
    """Put the generated text of the project in the folder `prefix` at HEAD into both versions.

    Text that the project has as in `old` is the template's own, and changes with it.
    """

    names = sorted({*_generated_names(old), *_generated_names(new), ignore.FILE})
    committed = _read_committed(repository, prefix, names)
    for name in names:
        ours = committed.get(name)
        if name == LOCK:
            _keep_whole(ours, old / name, new / name)
        elif ours is None:
            continue
        elif name == ignore.FILE:
            _keep_ignore_block(_text(ours), old, new)
        elif name == document.FILE:
            _keep_block(_text(ours), document.EMPTY, old / name, new / name)
        elif any(find_commands(_text(ours))):
            _keep_whole(ours, old / name, new / name)


def _generated_names(folder: Path) -> list[str]:
    """Return the files of a version that may be generated, relative to its folder."""

    found = [LOCK] if (folder / LOCK).is_file() else []
    for parent, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(parent, name)
            relative = os.path.relpath(path, folder)
            nested_ignore = name == ignore.FILE and relative != name
            if not nested_ignore and any(fnmatch(name, pattern) for pattern in PATTERNS):
                found += [] if os.path.islink(path) else [relative]
    return found


def _read_committed(repository: Repository, prefix: str, names: list[str]) -> Mapping[str, bytes]:
    by_object = {f"HEAD:{prefix}{name}": name for name in names}
    ids = existing_blobs(objects.ObjectReader(repository), by_object)
    wanted = list(dict.fromkeys(ids.values()))
    texts = {id: stream.read() for id, stream in objects.read_local_blobs(repository, wanted)}
    return {by_object[key]: texts[id] for key, id in ids.items()}


def _keep_whole(ours: bytes | None, old: Path, new: Path) -> None:
    """Make both versions of a file the same as `ours`, unless that is still the old version."""

    if ours == _read(old):
        return
    for path in (old, new):
        if path.is_symlink() or path.exists():
            path.unlink()
        if ours is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(ours)


def _keep_block(ours: str, generated: GeneratedFile, *versions: Path) -> None:
    """Make the block in all versions of a file the same as in `ours`, unless the first has it."""

    block = _block(ours, generated)
    first = _read(versions[0])
    if block is None or (first is not None and _block(_text(first), generated) == block):
        return
    for path in versions:
        data = _read(path)
        if data is None and path.is_symlink():
            continue
        text = _text(data or b"")
        found = find_block(text, generated)
        if found:
            _write(path, found.before + block.raw + found.after)
        elif not block.foreign:
            _write(path, _append(text, block.raw))


def _keep_ignore_block(ours: str, old: Path, new: Path) -> None:
    """Put the project's block of .gitignore into `old`, and into `new` with the template's changes.

    These are the lines that the blocks for both versions of project.yml do not share.
    """

    block = _block(ours, ignore.EMPTY)
    if block is None:
        return
    for folder in (old, new):
        _write_initial_block(folder)
    paths = (old / ignore.FILE, new / ignore.FILE)
    before, after = (_block(_text(_read(path) or b""), ignore.EMPTY) for path in paths)
    if before is not None and before.raw == block.raw:
        return
    old_lines, new_lines = (found.lines if found else [] for found in (before, after))
    lines = _merge_lines(block.lines, old_lines, new_lines)
    merged = block.raw
    if lines != block.lines and block.intact:
        body = "".join(f"{line}\n" for line in lines)
        written = _block(insert_block(None, ignore.EMPTY._replace(body=body)), ignore.EMPTY)
        merged = written.raw if written else ""
    for path, raw in zip(paths, (block.raw, merged), strict=True):
        text = _text(_read(path) or b"")
        found = find_block(text, ignore.EMPTY)
        if not path.is_symlink():
            _write(path, found.before + raw + found.after if found else _append(text, raw))


def _merge_lines(ours: list[str], old: list[str], new: list[str]) -> list[str]:
    """Return `ours` with what has changed from `old` to `new`, each line where it was changed."""

    from difflib import SequenceMatcher

    lines = list(ours)
    for _, start, end, new_start, new_end in SequenceMatcher(None, old, new).get_opcodes():
        added = [line for line in new[new_start:new_end] if line not in lines]
        positions = [lines.index(line) for line in old[start:end] if line in lines]
        positions += [lines.index(line) + 1 for line in old[:start][-1:] if line in lines]
        positions += [lines.index(line) for line in old[end:][:1] if line in lines]
        index = positions[0] if positions else len(lines)
        lines[index:index] = added
        removed = set(old[start:end]) - set(new)
        lines = [line for line in lines if line not in removed]
    return lines


def _write_initial_block(folder: Path) -> None:
    """Write the block into a version's .gitignore, as `git spacy clone` does."""

    process.run_git(("init", "-q", "--template="), cwd=folder)
    try:
        ignore.write_initial(folder)
    except (InvalidInput, Refused):
        pass  # the version keeps its own .gitignore


class _Block(NamedTuple):
    """A block of a text with its markers, `raw`. It is `foreign` if another tool wrote it, and not
    `intact` if it was edited by hand."""

    raw: str
    foreign: bool
    intact: bool

    @property
    def lines(self) -> list[str]:
        return self.raw.splitlines()[1:-1]


def _block(text: str, generated: GeneratedFile) -> _Block | None:
    found = find_block(text, generated)
    if found is None:
        return None
    return _Block(
        text[len(found.before) : len(text) - len(found.after)], not found.command, found.intact
    )


def _append(text: str, block: str) -> str:
    """Append a block as `insert_block` does."""

    end = "\r\n" if text.partition("\n")[0].endswith("\r") else "\n"
    if text and not text.endswith("\n"):
        text += end
    return text + (end if text else "") + block


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() and not path.is_symlink() else None


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
