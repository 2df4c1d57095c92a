"""Remember how each asset was fetched, and tell its files from others in the same folder.

The stat cache has the source and the fingerprint of every asset. The digests of the files in a
folder have a file of their own, as most commands do not need them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from types import MappingProxyType
from urllib.parse import urlsplit

from git_spacy import formats, light_hashes
from git_spacy.errors import InvalidInput
from git_spacy.files import open_beneath, write_atomic
from git_spacy.git.address import without_credentials
from git_spacy.git.state_dir import state_dir
from git_spacy.project.graph import checksum_hint
from git_spacy.project.model import Asset, Project
from git_spacy.state.hashing import FileStat, digest_contents, files_below
from git_spacy.state.sparse import complete
from git_spacy.state.stat_cache import FetchedAsset, StatCache

_MAX_POINTER_BYTES = 1024


def describe_source(asset: Asset) -> str:
    """Return the source of an asset without credentials and query, for messages and records."""

    if asset.git:
        path = "/".join(part for part in asset.git.path.split("/") if part not in ("", "."))
        return f"{without_credentials(asset.git.repo)} {asset.git.branch or 'HEAD'}:{path}"
    return without_credentials(asset.url or "")


def fetched_asset(
    asset: Asset, digest: str, names: str, archive: Mapping[str, str] = MappingProxyType({})
) -> FetchedAsset:
    """Return the record of an asset that was fetched with this content, maybe from an archive."""

    source = describe_source(asset)
    return FetchedAsset(source, digest, names, _query_digest(asset), archive)


def has_other_source(asset: Asset, record: FetchedAsset) -> bool:
    """Return whether project.yml names another source than that of `record`."""

    return (record.source, record.query) != (describe_source(asset), _query_digest(asset))


def _query_digest(asset: Asset) -> str:
    """Return a digest of the query of the URL, which may have secrets; "" if it has none."""

    try:
        query = urlsplit(asset.url or "").query
    except ValueError:  # not a URL; `assets` reports it
        query = ""
    return light_hashes.md5(query.encode(), usedforsecurity=False).hexdigest() if query else ""


def paths_inside(project: Project, asset: Asset, *, nested_only: bool = False) -> tuple[str, ...]:
    """Return the paths inside the destination of `asset`, relative to it, that are not its own.

    These are the destinations of nested assets and, unless `nested_only`, outputs of commands.
    """

    paths = [other.dest for other in project.assets]
    if not nested_only:
        paths += [path for command in project.commands for path in command.produced]
    start = f"{asset.dest.normal}/"
    found = (path.normal for path in paths if path.normal.startswith(start))
    return tuple(dict.fromkeys(path.removeprefix(start) for path in found))


def is_at_or_below(name: str, paths: Iterable[str]) -> bool:
    """Return whether `name` is one of `paths` or inside one of them."""

    return any(name == path or name.startswith(f"{path}/") for path in paths)


def is_unmodified(project: Project, asset: Asset, stats: StatCache) -> bool:
    """Return whether the files that were fetched for `asset` are as they were fetched.

    Other files in its folder do not count. Raises Refused, OSError.
    """

    dest, record = asset.dest.normal, stats.fetched(asset.dest.normal)
    now = stats.fingerprint(dest)
    if record is None or now is None:
        return False
    if (now.digest, now.names) == (record.digest, record.names):
        return True
    inside = paths_inside(project, asset)
    key = _digest("\0".join((record.digest, *inside)).encode("utf-8", "surrogateescape"))
    if not record.names or stats.is_known_same(dest, key, "fetched"):
        return bool(record.names)
    fetched = read_fetched_files(stats.root, dest, record.digest)
    if not fetched:
        return False
    expected = {name: md5 for name, md5 in fetched.items() if not is_at_or_below(name, inside)}
    files = {file.name: file for file in files_below(stats.root, dest) or []}
    links = [name for name in expected if os.path.islink(stats.root / dest / name)]
    if not all(name in files or name in links for name in expected):
        return False
    for name, md5 in expected.items():
        if name in links:
            actual = link_digest(os.readlink(stats.root / dest / name))
        else:
            actual = digest_contents(stats.root, [files[name]])
        if actual != md5:
            return False
    stats.remember_same(dest, key, "fetched")
    return True


def matches_checksum(project: Project, asset: Asset, stats: StatCache) -> bool | None:
    """Return whether the content of `asset` matches its checksum.

    None if it has no checksum, or does not exist. The checksum of a folder is that of all files in
    it, as in weasel, or of those that belong to the asset. Content that only Git has converted,
    e.g. its line endings, matches. An extracted asset matches if it was extracted from the archive
    with the checksum, and is unmodified since; None if another program extracted it. Raises
    Refused, OSError.
    """

    if asset.checksum is None:
        return None
    if asset.extract:
        record = stats.fetched(asset.dest.normal)
        if record is None or not record.archive or stats.fingerprint(asset.dest.normal) is None:
            return None
        is_source = record.archive.get(asset.checksum.algorithm) == asset.checksum.digest
        return is_source and is_unmodified(project, asset, stats)
    algorithm, expected = asset.checksum
    dest = asset.dest.normal
    now = complete(stats, {dest: stats.fingerprint(dest, algorithm)}, algorithm)[dest]
    if now is None:
        return None
    if now.digest == expected:
        return True
    if now.names:
        files = files_below(stats.root, asset.dest.normal) or []
        own = own_files(project, asset, files, stats)
        if len(own) < len(files) and digest_contents(stats.root, own, algorithm) == expected:
            return True
    from git_spacy.state.same_file import unchanged_in_git

    return bool(unchanged_in_git(stats, {(asset.dest.normal, expected)}))


def own_files(
    project: Project, asset: Asset, files: Sequence[FileStat], stats: StatCache
) -> list[FileStat]:
    """Return those of `files`, at the destination of `asset`, that belong to it.

    These are the fetched ones; if they are not known, all but those of nested assets and commands.
    """

    dest, inside = asset.dest.normal, paths_inside(project, asset)
    record = stats.fetched(dest)
    fetched = read_fetched_files(stats.root, dest, record.digest) if record else {}
    return [
        file
        for file in files
        if not is_at_or_below(file.name, inside) and (not fetched or file.name in fetched)
    ]


def stale_source(project: Project, asset: Asset, stats: StatCache) -> str | None:
    """Return the source of the content of `asset` if project.yml now names another one, else None.

    None as well for content that the user modified, or that a checksum verifies.
    """

    record = stats.fetched(asset.dest.normal)
    if record is None or not asset.has_source or not has_other_source(asset, record):
        return None
    if asset.checksum or not is_unmodified(project, asset, stats):
        return None
    return record.source


def is_edited(project: Project, asset: Asset, stats: StatCache) -> bool:
    """Return whether the user modified `asset` since it was fetched. Raises Refused, OSError."""

    record = stats.fetched(asset.dest.normal)
    return record is not None and not is_unmodified(project, asset, stats)


def is_pointer(asset: Asset, stats: StatCache) -> bool:
    """Return whether the file at the destination of `asset` is only a Git LFS pointer."""

    now = stats.fingerprint(asset.dest.normal)
    if now is None or now.names or now.size > _MAX_POINTER_BYTES:
        return False
    from git_spacy.git.remote_tree import is_lfs_pointer

    with open_beneath(stats.root, asset.dest.normal, anywhere=True) as stream:
        return is_lfs_pointer(stream.read(), now.size)


def asset_problem(project: Project, asset: Asset, stats: StatCache) -> tuple[str, str] | None:
    """Return what is wrong with the content of `asset` in the worktree, and a hint; else None.

    Raises Refused, OSError.
    """

    if is_pointer(asset, stats):
        is_private = not asset.has_source
        hint = "git lfs pull" if is_private else f"git spacy assets {quote(asset.dest.text)}"
        return "is only a Git LFS pointer", hint
    if matches_checksum(project, asset, stats) is False:
        hint = checksum_hint(asset, edited=is_edited(project, asset, stats))
        is_not = (
            "is not what its archive contains" if asset.extract else "does not match its checksum"
        )
        return is_not, hint
    if source := stale_source(project, asset, stats):
        return f"was fetched from {source}", f"git spacy assets {quote(asset.dest.text)}"
    return None


# The files of a folder.


def read_fetched_files(root: Path, dest: str, digest: str) -> dict[str, str]:
    """Return the digests of the files that were fetched to the folder `dest`, by name.

    Returns {} if they are not known, or are not those of the content with this digest.
    """

    try:
        document = formats.document(_file(root, dest).read_bytes())
        files = document["files"]
        if document["digest"] != digest:
            return {}
        for md5 in files.values():
            formats.md5(md5)
    except (OSError, InvalidInput, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return dict(files)


def write_fetched_files(root: Path, dest: str, digest: str, files: Mapping[str, str]) -> None:
    """Remember the digests of the files that were fetched to the folder `dest`. Raises OSError."""

    file = _file(root, dest)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, json.dumps({"digest": digest, "files": dict(files)}).encode())


def link_digest(target: str) -> str:
    """Return the digest of a symbolic link, which differs from that of a file."""

    return _digest(b"link\0" + os.fsencode(target))


def _file(root: Path, dest: str) -> Path:
    return state_dir(root) / "fetched" / _digest(dest.encode("utf-8", "surrogateescape"))


def _digest(data: bytes) -> str:
    import hashlib

    return hashlib.md5(data, usedforsecurity=False).hexdigest()
