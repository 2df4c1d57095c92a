"""Read the user's index, without ever writing it.

In a hook Git may set GIT_INDEX_FILE to a temporary index (`commit -a`, `commit FILE`), with a path
relative to the hook's folder; in a linked worktree it sets GIT_DIR as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

from git_spacy.git import objects, process
from git_spacy.git.remote_tree import TreeEntry
from git_spacy.git.repository import Repository

_NO_FSMONITOR = ("-c", "core.fsmonitor=false")  # reading must not start the user's programs
_LITERAL = ("--literal-pathspecs", *_NO_FSMONITOR)  # names, not patterns
_GLOB = re.compile(r"[\\*?\[]")
_MAX_PATHS = 1000  # on one command line
_SMALL_INDEX = 256 << 10  # bytes, batch 2,500 files: listing all is cheaper than two queries


class Index:
    """The index of the worktree at `top`, as of the first query.

    Methods raise ExternalError if git fails or is not installed.
    """

    def __init__(self, top: Path, environ: dict[str, str], file: Path) -> None:
        self.top = top
        self.environ = environ
        self._file = file

    @classmethod
    def open(cls, repository: Repository) -> Index | None:
        """Return the index that a running hook refers to, else that of the worktree.

        Returns None for a bare repository.
        """

        if repository.top is None:
            return None

        environ = repository.environment()
        file = repository.git_path("index")
        index_file = os.environ.get("GIT_INDEX_FILE")
        if index_file and _is_current_repository(repository):
            environ["GIT_INDEX_FILE"] = os.path.abspath(index_file)
            file = Path(environ["GIT_INDEX_FILE"])
        return cls(repository.top, environ, file)

    @cached_property
    def _all_entries(self) -> tuple[TreeEntry, ...] | None:
        """Every entry, listed once; None if the index is large, or split (of unknown size)."""

        try:
            small = self._file.stat().st_size <= _SMALL_INDEX
        except OSError:
            return None
        split = small and any(self._file.parent.glob("sharedindex.*"))
        return tuple(self._list_entries(_NO_FSMONITOR, ())) if small and not split else None

    def entries(self, paths: Sequence[str]) -> list[TreeEntry]:
        """Return the files, links and submodules at or below `paths`.

        Names and paths are relative to `top`; "" means everything. Files in conflict have no
        entry.
        """

        listed = self._all_entries
        wanted = {path.rstrip("/") for path in paths}
        if listed is not None and not any(map(_needs_git, wanted)):
            return [
                entry
                for entry in listed
                if "" in wanted
                or entry.name in wanted
                or not wanted.isdisjoint(_parent_folders(entry.name))
            ]
        found: dict[str, TreeEntry] = {}
        for batch in _batches(paths):
            names = (path or "." for path in batch)
            for entry in self._list_entries(_LITERAL, names):
                found[entry.name] = entry
        return list(found.values())

    def named(self, *names: str, folder: str = "") -> list[TreeEntry]:
        """Return the files with these names (may contain `*`) in any folder at or below `folder`.

        `folder` is "" or ends with a slash.
        """

        if self._all_entries is not None:
            wanted = re.compile("|".join(map(_glob_to_regex, names)), re.DOTALL)
            return [
                entry
                for entry in self._all_entries
                if entry.name.startswith(folder) and wanted.fullmatch(entry.name.rpartition("/")[2])
            ]
        literal = _GLOB.sub(r"\\\g<0>", folder)
        return list(
            self._list_entries(_NO_FSMONITOR, [f":(glob){literal}**/{name}" for name in names])
        )

    def contents(self, ids: Sequence[str]) -> Iterator[tuple[str, objects.BlobStream]]:
        """Yield (id, content) of each blob. Read each content before asking for the next."""

        return objects.read_blobs(_NO_FSMONITOR, ids, cwd=self.top, environ=self.environ)

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the sizes of blobs in bytes, by id."""

        if not ids:
            return {}
        stdin = "".join(f"{id}\n" for id in ids).encode()
        arguments = (*_NO_FSMONITOR, "cat-file", "--batch-check=%(objectname) %(objectsize)")
        done = process.run_git(arguments, cwd=self.top, environ=self.environ, input=stdin)
        pairs = (line.split() for line in done.stdout.decode().splitlines())
        return {id: int(size) for id, size in pairs if size.isdigit()}

    def changed(self) -> set[str]:
        """Return the files that the next commit would change or add."""

        arguments = ("diff-index", "--cached", "--name-only", "-z", "--diff-filter=d", "HEAD", "--")
        done = process.run_git(
            (*_NO_FSMONITOR, *arguments), cwd=self.top, environ=self.environ, check=False
        )
        if done.returncode:  # no commit yet; for any other reason, the next line fails as well
            return {entry.name for entry in self.entries([""])}
        return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}

    def edited(self, paths: Sequence[str]) -> set[str]:
        """Return the files at or below `paths` that may differ from their entries in the index."""

        return {
            os.fsdecode(name)
            for batch in _batches(paths)
            for name in self._run_git((*_LITERAL, "diff-files", "--name-only", "-z", "--", *batch))
        }

    def unstaged(self, paths: Sequence[str]) -> list[str]:
        """Return the files at or below `paths` that `git add` would stage: edited, deleted, or new
        and not ignored."""

        environ = {**self.environ, "GIT_OPTIONAL_LOCKS": "0"}  # never write the index
        arguments = ("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--")
        found = []
        for batch in _batches(paths):
            done = process.run_git((*_LITERAL, *arguments, *batch), cwd=self.top, environ=environ)
            records = (os.fsdecode(record) for record in done.stdout.split(b"\0") if record)
            found += [record[3:] for record in records if record[1] != " "]
        return found

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that Git ignores and that are not in the index."""

        return {_strip_prefix(name) for name in self._check_ignore((), paths)}

    def patterns(self, paths: Sequence[str]) -> dict[str, tuple[str, int, str]]:
        """Return the ignore pattern that applies to each of `paths`, tracked or not.

        A pattern is its file (relative to `top`, or absolute), its line (from 1) and its text.
        Paths without a pattern are left out.
        """

        fields = self._check_ignore(("--no-index", "-v"), paths)
        records = zip(*(fields[start::4] for start in range(4)), strict=True)
        return {
            _strip_prefix(path): (file, int(line), pattern) for file, line, pattern, path in records
        }

    def _check_ignore(self, options: Sequence[str], paths: Iterable[str]) -> list[str]:
        """Return the fields that `git check-ignore` prints; it rejects paths beyond a link."""

        folders = {folder for path in paths for folder in _parent_folders(path)}
        links = {folder for folder in folders if os.path.islink(self.top / folder)}
        if links:
            paths = [path for path in paths if links.isdisjoint(_parent_folders(path))]
        stdin = b"".join(os.fsencode(_protect_colon(path)) + b"\0" for path in paths)
        if not stdin:
            return []
        arguments = (*_NO_FSMONITOR, "check-ignore", *options, "-z", "--stdin")
        done = process.run_git(
            arguments, cwd=self.top, environ=self.environ, input=stdin, accepted=(0, 1)
        )
        return [os.fsdecode(field) for field in done.stdout.split(b"\0")[:-1]]

    def _list_entries(self, options: Sequence[str], paths: Iterable[str]) -> Iterator[TreeEntry]:
        for record in self._run_git((*options, "ls-files", "--stage", "-z", "--", *paths)):
            head, _, name = record.partition(b"\t")
            mode, id, stage = head.split()
            if stage == b"0":
                yield TreeEntry(int(mode, 8), os.fsdecode(name), id.decode())

    def _run_git(self, arguments: Sequence[str]) -> Iterator[bytes]:
        done = process.run_git(arguments, cwd=self.top, environ=self.environ)
        return (record for record in done.stdout.split(b"\0") if record)


def _glob_to_regex(name: str) -> str:
    return "[^/]*".join(map(re.escape, name.split("*")))


def _needs_git(path: str) -> bool:
    """Return whether only git can resolve `path`: it is absolute, or contains `.` or `..`."""

    return path.startswith("/") or not {".", ".."}.isdisjoint(path.split("/"))


def _parent_folders(path: str) -> Iterator[str]:
    """Yield the parent folders of `path`, outermost first."""

    slash = path.find("/")
    while slash > 0:
        yield path[:slash]
        slash = path.find("/", slash + 1)


def _protect_colon(path: str) -> str:
    # check-ignore reads a leading colon as pathspec magic, and has no option to turn that off.
    return f"./{path}" if path.startswith(":") else path


def _strip_prefix(path: str) -> str:
    return path.removeprefix("./")


def _is_current_repository(repository: Repository) -> bool:
    current = Repository.discover(Path.cwd())
    return current is not None and os.path.realpath(current.git_dir) == os.path.realpath(
        repository.git_dir
    )


def _batches(paths: Sequence[str]) -> Iterable[Sequence[str]]:
    return (paths[start : start + _MAX_PATHS] for start in range(0, len(paths), _MAX_PATHS))
