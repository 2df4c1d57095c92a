"""Read the user's index, without ever writing it.

In a hook Git may set GIT_INDEX_FILE to a temporary index (`commit -a`, `commit FILE`), with a path
relative to the hook's folder; in a linked worktree it sets GIT_DIR as well.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from git_spacy.errors import InvalidInput
from git_spacy.git import process
from git_spacy.git.objects import BlobStream, ObjectReader
from git_spacy.git.remote_tree import SUBMODULE, TreeEntry
from git_spacy.git.repository import Repository, submodule_paths
from git_spacy.light_typing import Literal
from git_spacy.patterns import compile_late

_NO_FSMONITOR = ("-c", "core.fsmonitor=false")  # reading must not start the user's programs
_LITERAL = ("--literal-pathspecs", *_NO_FSMONITOR)  # names, not patterns
_NO_LOCK = "--no-optional-locks"  # do not write the index, not even refreshed times
_GLOB = compile_late(r"[\\*?\[]")
_MAX_PATHS = 1000  # on one command line
_PLAIN_HEADER = b"DIRC\0\0\0\2"  # a version that cannot store the flags below, except the first
_ASSUME_UNCHANGED, _INTENT_TO_ADD, _SKIP_WORKTREE = 1 << 15, 1 << 29, 1 << 30  # Git's cache.h
_DEBUG_ENTRY = compile_late(rb"([^\0]+\0)  ctime: [^\0]*?\tflags: ([0-9a-f]+)\n")
_SMALL_INDEX = 256 << 10  # bytes, batch 2,500 files: listing all is cheaper than two queries

EntryState = Literal["in conflict", "not added", "sparse", "assumed unchanged"]
"""Why Git does not commit an entry, or does not compare it with the worktree.

It is in conflict, only intended to be added, outside the sparse checkout, or the user told Git to
assume that it is unchanged.
"""


class Index:
    """The index of the worktree at `top`, as of the first query.

    Methods raise ExternalError if git fails or is not installed.
    """

    def __init__(self, repository: Repository, environ: dict[str, str], file: Path) -> None:
        assert repository.top
        self.top = repository.top
        self.environ = environ
        self._file = file
        self._objects = ObjectReader(repository)
        self._conflicts: set[str] = set()  # among the entries that were listed

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
        return cls(repository, environ, file)

    @classmethod
    def discover(cls, start: Path, environ: Mapping[str, str] | None = None) -> Index | None:
        """Return the index of the worktree around `start`, as `open` does; None outside of any."""

        repository = Repository.discover(start, environ)
        return cls.open(repository) if repository else None

    @classmethod
    def require(cls, repository: Repository) -> Index:
        """Return the index as `open` does. Raises InvalidInput for a bare repository."""

        index = cls.open(repository)
        if index is None:
            raise InvalidInput(
                "this repository is bare: it has no working tree",
                hint="change to a clone or a worktree of it",
            )
        return index

    @property
    def is_partial(self) -> bool:
        """Whether this is the temporary index of `git commit FILE`, which has only those changes.

        Git's builtin/commit.c names it next-index-PID.lock.
        """

        return self._file.name.startswith("next-index-")

    @cached_property
    def _all_entries(self) -> tuple[TreeEntry, ...] | None:
        """Every entry, listed once; None if the index is large, or split (of unknown size)."""

        try:
            small = self._file.stat().st_size <= _SMALL_INDEX
        except OSError:
            return None
        whole = small and not self._is_split
        return tuple(self._list_entries(_NO_FSMONITOR, ())) if whole else None

    def entries(self, paths: Sequence[str]) -> list[TreeEntry]:
        """Return the files, links and submodules at or below `paths`.

        Names and paths are relative to `top`; "" means everything. What a commit would not contain
        has no entry: files in conflict, and files that the user only intends to add.
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
            for entry in self._list_entries(_LITERAL, batch):
                found[entry.name] = entry
        return list(found.values())

    def is_in_conflict(self, path: str) -> bool:
        """Return whether the file at `path` is in conflict."""

        self.entries([path])
        return path in self._conflicts

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

    def prepare(self) -> None:
        """Start the git process for `contents`, so that it gets ready meanwhile."""

        self._objects.start()

    def contents(self, ids: Sequence[str]) -> Iterator[tuple[str, BlobStream]]:
        """Yield (id, content) of each blob. Read each content before asking for the next."""

        return self._objects.read(ids)

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
        """Return the files at or below `paths` that `git status` calls modified, or deleted.

        Files that Git converts on checkout, or that were only touched, are not modified.
        """

        return {
            os.fsdecode(name)
            for batch in _batches(paths)
            for name in self._run_git((*_LITERAL, "ls-files", "--modified", "-z", "--", *batch))
        }

    def unstaged(self, paths: Sequence[str]) -> list[str]:
        """Return the files at or below `paths` that `git add` would add to the index as they are.

        These are the modified, deleted and untracked ones, and submodules with another commit; not
        those that Git ignores.
        """

        return [name for name, state in self._status(paths) if not _is_only_dirty(state)]

    def dirty_submodules(self, paths: Sequence[str]) -> list[str]:
        """Return the submodules at, below or around `paths` that have uncommitted changes."""

        if not self.submodules():
            return []
        return [
            name for name, state in self._status(paths) if state[:1] == b"S" and state[2:] != b".."
        ]

    def _status(self, paths: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield the files that differ in the worktree, with the state of a submodule (S, commit,
        modified, untracked) as in version 2 of Git's porcelain format."""

        arguments = (
            "status", "--porcelain=v2", "-z", "--no-renames", "--untracked-files=all",
            "--ignore-submodules=none",
        )  # fmt: skip
        around = {
            path: submodule.name
            for submodule in self.submodules()
            for path in paths
            if path.startswith(submodule.name + "/")
        }
        for batch in _batches([around.get(path, path) for path in paths]):
            for record in self._run_git((*_LITERAL, _NO_LOCK, *arguments, "--", *batch)):
                if record.startswith(b"? "):
                    yield os.fsdecode(record[2:]), b"N..."
                elif record[:1] in b"1u" and record[3:4] != b".":
                    fields = record.split(b" ", 8 if record[:1] == b"1" else 10)
                    yield os.fsdecode(fields[-1]), fields[2]

    def special(self, paths: Sequence[str]) -> dict[str, EntryState]:
        """Return the entries at or below `paths` that Git does not compare, or does not commit."""

        states: dict[str, EntryState] = {}
        for batch in _batches(paths):
            for mode, _, stage, flags, name in self._list_stages(_LITERAL, batch, debug=True):
                if stage:
                    states[name] = "in conflict"
                elif flags & _INTENT_TO_ADD:
                    states[name] = "not added"
                elif flags & _SKIP_WORKTREE:
                    states[name] = "sparse"
                elif flags & _ASSUME_UNCHANGED and mode != SUBMODULE:
                    states[name] = "assumed unchanged"
        return states

    def sparse(self, paths: Sequence[str]) -> list[TreeEntry]:
        """Return the entries at or below `paths` that Git leaves out of the worktree."""

        if not self._may_have_flags:
            return []
        return [
            TreeEntry(mode, name, id)
            for batch in _batches(paths)
            for mode, id, stage, flags, name in self._list_stages(_LITERAL, batch, debug=True)
            if not stage and flags & _SKIP_WORKTREE
        ]

    @property
    def is_cone(self) -> bool:
        """Whether the sparse checkout consists of whole folders, and not of patterns."""

        arguments = ("config", "--type=bool", "core.sparseCheckoutCone")
        done = process.run_git(arguments, cwd=self.top, environ=self.environ, accepted=(0, 1))
        return done.stdout.strip() == b"true"

    def untracked(self, paths: Sequence[str]) -> set[str]:
        """Return the files at or below `paths` that are neither in the index nor ignored.

        Files of other repositories in the worktree are left out.
        """

        arguments = (*_LITERAL, "ls-files", "--others", "--exclude-standard", "-z", "--")
        return {
            os.fsdecode(name)
            for batch in _batches(paths)
            for name in self._run_git((*arguments, *(path or "." for path in batch)))
            if not name.endswith(b"/")
        }

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Return the `paths` that Git ignores and that are not in the index."""

        return {_strip_prefix(name) for name in self._check_ignore((), paths)}

    def ignored_below(self, folders: Sequence[str], patterns: Sequence[str]) -> list[str]:
        """Return the untracked files in `folders` that Git, or one of the `patterns`, ignores.

        A folder of which everything is ignored ends with a slash; it may contain one of `folders`.
        The files of submodules are not listed.
        """

        options = ("--others", "--ignored", "--directory", "--exclude-standard", "-z")
        excluded = (f"--exclude={pattern}" for pattern in patterns)
        # without a common parent of all paths, since git fails if that parent is ignored
        arguments = (*_LITERAL, "ls-files", *options, *excluded, "--", ".git", *folders)
        return [os.fsdecode(name) for name in self._run_git(arguments)]

    def submodules(self) -> list[TreeEntry]:
        """Return the submodules in the index, present or not."""

        entries = self._all_entries
        if entries is None:
            paths = submodule_paths(self.top)
            entries = tuple(self.entries(paths)) if paths else ()
        return [entry for entry in entries if entry.mode == SUBMODULE]

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
        """Return the fields that `git check-ignore` prints; it rejects paths beyond a link
        or in a submodule."""

        folders = {folder for path in paths for folder in _parent_folders(path)}
        beyond = {folder for folder in folders if os.path.islink(self.top / folder)}
        beyond |= {entry.name for entry in self.submodules()}
        if beyond:
            paths = [path for path in paths if beyond.isdisjoint(_parent_folders(path))]
        stdin = b"".join(os.fsencode(_protect_colon(path)) + b"\0" for path in paths)
        if not stdin:
            return []
        arguments = (*_NO_FSMONITOR, "check-ignore", *options, "-z", "--stdin")
        done = process.run_git(
            arguments, cwd=self.top, environ=self.environ, input=stdin, accepted=(0, 1)
        )
        return [os.fsdecode(field) for field in done.stdout.split(b"\0")[:-1]]

    def _list_entries(self, options: Sequence[str], paths: Iterable[str]) -> Iterator[TreeEntry]:
        stages = self._list_stages(options, paths, debug=self._may_have_flags)
        for mode, id, stage, flags, name in stages:
            if stage:
                self._conflicts.add(name)
            elif not flags & _INTENT_TO_ADD:
                yield TreeEntry(mode, name, id)

    def _list_stages(
        self, options: Sequence[str], paths: Iterable[str], *, debug: bool
    ) -> Iterator[tuple[int, str, int, int, str]]:
        """Yield (mode, id, stage, flags, name); the flags are 0 without `debug`."""

        arguments = (*options, "ls-files", "--stage", "-z", *(["--debug"] * debug), "--", *paths)
        listed = process.run_git(arguments, cwd=self.top, environ=self.environ).stdout
        records = (
            ((match[1], int(match[2], 16)) for match in _DEBUG_ENTRY.finditer(listed))
            if debug
            else ((record, 0) for record in listed.split(b"\0"))
        )
        for record, flags in records:
            head, _, name = record.rstrip(b"\0").partition(b"\t")
            if name:
                mode, id, stage = head.split()
                yield int(mode, 8), id.decode(), int(stage), flags, os.fsdecode(name)

    @cached_property
    def _may_have_flags(self) -> bool:
        """Whether the index may store that files are only intended to be added, or are sparse."""

        try:
            with open(self._file, "rb") as stream:
                is_plain = stream.read(len(_PLAIN_HEADER)) == _PLAIN_HEADER
        except OSError:
            return False
        return not is_plain or self._is_split

    @cached_property
    def _is_split(self) -> bool:
        return any(self._file.parent.glob("sharedindex.*"))

    def _run_git(self, arguments: Sequence[str]) -> Iterator[bytes]:
        done = process.run_git(arguments, cwd=self.top, environ=self.environ)
        return (record for record in done.stdout.split(b"\0") if record)


def submodule_index(index: Index, submodule: TreeEntry) -> Index | None:
    """Return the index of a submodule; None if it is not checked out."""

    folder = index.top / submodule.name
    if not (folder / ".git").exists():
        return None
    return Index.discover(folder, {})


def _is_only_dirty(state: bytes) -> bool:
    """Return whether a submodule has uncommitted changes, and no other commit."""

    return state[:2] == b"S."


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
    paths = [path or "." for path in paths]
    return (paths[start : start + _MAX_PATHS] for start in range(0, len(paths), _MAX_PATHS))
