"""Keep the files of the user when the folder that an archive was extracted to is replaced.

Those are all files that the archive does not have. Files that were extracted before and are
unmodified are replaced or removed; edited ones are only with --force.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from git_spacy.assets.planner import MODIFIED, keep_existing
from git_spacy.assets.sources import FetchedContent
from git_spacy.errors import Refused
from git_spacy.files import Staging, resolve_beneath
from git_spacy.project.model import Asset
from git_spacy.state.extracted import digest_each, extracted_files
from git_spacy.state.hashing import files_below


def prepare(
    root: Path, asset: Asset, content: FetchedContent, staged: Staging, force: bool
) -> bool:
    """Add the user's files at the destination of `asset` to the staged `content`.

    Returns whether to replace the destination then, False if it has all that was extracted. Raises
    Refused for edited files, unless `force`, and for files in the way of the extracted ones;
    OSError.
    """

    dest, new = asset.dest.normal, content.files
    _, now = digest_each(root, files_below(root, dest) or [])
    if now.get("") in dict(content.source_digests).values():
        now = {}  # weasel leaves the archive itself at the destination
    before = extracted_files(root, dest)
    differing = [name for name in now if now[name] != new.get(name)]
    unmodified = {name for name in differing if now[name] == before.get(name)}
    fetched = {"", *new, *before}  # "" is a file in the place of a folder
    edited = [name for name in differing if name not in unmodified and name in fetched]
    if edited and not force:
        raise keep_existing(asset, f"{MODIFIED}{_describe(edited)}")
    if new.keys() <= now.keys() and not edited and not unmodified:
        return False
    source = resolve_beneath(root, dest)
    kept = [name for name in _names_below(source) if name not in new and name not in unmodified]
    for name in kept:
        try:
            _make_folders(staged.path, posixpath.dirname(name))
            _link(source / name, staged.path / name)
        except (FileExistsError, NotADirectoryError):
            path = posixpath.join(dest, name)
            raise Refused(
                f"'{path}' is in the way of what the archive contains",
                hint=f"move '{path}' elsewhere, then run the command again",
            ) from None
    return True


def _describe(edited: Sequence[str]) -> str:
    names = [name for name in edited if name]
    more = f" and {len(names) - 1:,} more" if len(names) > 1 else ""
    return f": '{names[0]}'{more}" if names else ""


def _names_below(top: Path) -> Iterator[str]:
    """Yield the names below a folder of everything but folders with content. Nothing for a file."""

    for folder, folders, files in os.walk(top):
        above = os.path.relpath(folder, top)
        above = "" if above == "." else above
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*links, *files):
            yield posixpath.join(above, name)
        if above and not folders and not files:
            yield above


def _make_folders(top: Path, folder: str) -> None:
    path = top
    for name in folder.split("/") if folder else ():
        path /= name
        if path.is_symlink():
            raise NotADirectoryError
        with suppress(FileExistsError):
            path.mkdir()


def _link(source: Path, target: Path) -> None:
    """Create a hard link, or a copy on a file system without them."""

    if source.is_symlink() and target.is_symlink():
        return  # both archives have it
    if source.is_dir() and not source.is_symlink():
        with suppress(FileExistsError):
            target.mkdir()
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except (FileExistsError, NotADirectoryError):
        raise
    except OSError:
        if os.path.lexists(target):
            raise FileExistsError from None
        shutil.copy2(source, target, follow_symlinks=False)
