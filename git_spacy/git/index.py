"""What is staged: the user's own index as Git sees it, read and never written.

In a hook Git may name another index than the repository's own (`commit -a`, `commit FILE`), and
the folders relative to where the hook runs; in a linked work tree it names the repository, too.
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

_QUIET = ("-c", "core.fsmonitor=false")  # nobody's program is started for a question
_LITERAL = ("--literal-pathspecs", *_QUIET)  # names, not patterns
_GLOB = re.compile(r"[\\*?\[]")
_MOST_PATHS = 1000  # on one command line
_SMALL = 256 << 10  # bytes of index (some 2,500 files): reading all costs less than asking twice


class Index:
    """The index of the work tree at `top`, as it is when it is first asked. Raises Unavailable
    where git fails, or is not there."""

    def __init__(self, top: Path, environ: dict[str, str], file: Path) -> None:
        self.top = top
        self.environ = environ
        self._file = file

    @classmethod
    def open(cls, repository: Repository) -> Index | None:
        """The index that a hook means, or else the one of the work tree; None: it has no tree."""

        if repository.top is None:
            return None

        environ = repository.environment()
        file = repository.git_path("index")
        named = os.environ.get("GIT_INDEX_FILE")
        if named and _is_here(repository):
            environ["GIT_INDEX_FILE"] = os.path.abspath(named)
            file = Path(environ["GIT_INDEX_FILE"])
        return cls(repository.top, environ, file)

    @cached_property
    def _all(self) -> tuple[TreeEntry, ...] | None:
        """All of it, asked once; None: it is too large for that, or it is split, and its size
        does not tell."""

        try:
            small = self._file.stat().st_size <= _SMALL
        except OSError:
            return None
        split = small and any(self._file.parent.glob("sharedindex.*"))
        return tuple(self._listed(_QUIET, ())) if small and not split else None

    def entries(self, paths: Sequence[str]) -> list[TreeEntry]:
        """The files, links and submodules at or below `paths`; names and paths are relative to
        `top`, "" is everything. Of a file in conflict there is no entry."""

        listed = self._all
        wanted = {path.rstrip("/") for path in paths}
        if listed is not None and not any(map(_is_outside, wanted)):
            return [
                entry
                for entry in listed
                if "" in wanted or entry.name in wanted or not wanted.isdisjoint(_above(entry.name))
            ]
        found: dict[str, TreeEntry] = {}
        for some in _batches(paths):
            names = (path or "." for path in some)
            for entry in self._listed(_LITERAL, names):
                found[entry.name] = entry
        return list(found.values())

    def named(self, *names: str, folder: str = "") -> list[TreeEntry]:
        """The files of these names (`*` is any part of one), in any folder at or below `folder`:
        "", or with a slash at its end."""

        if self._all is not None:
            wanted = re.compile("|".join(map(_pattern, names)), re.DOTALL)
            return [
                entry
                for entry in self._all
                if entry.name.startswith(folder) and wanted.fullmatch(entry.name.rpartition("/")[2])
            ]
        literal = _GLOB.sub(r"\\\g<0>", folder)
        return list(self._listed(_QUIET, [f":(glob){literal}**/{name}" for name in names]))

    def contents(self, ids: Sequence[str]) -> Iterator[tuple[str, objects.BlobStream]]:
        """(id, content) of each; one is read before the next is asked for."""

        return objects.read_blobs(_QUIET, ids, cwd=self.top, environ=self.environ)

    def sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """The sizes of blobs in bytes, by id."""

        if not ids:
            return {}
        given = "".join(f"{id}\n" for id in ids).encode()
        arguments = (*_QUIET, "cat-file", "--batch-check=%(objectname) %(objectsize)")
        done = process.run_git(arguments, cwd=self.top, environ=self.environ, input=given)
        pairs = (line.split() for line in done.stdout.decode().splitlines())
        return {id: int(size) for id, size in pairs if size.isdigit()}

    def changed(self) -> set[str]:
        """The files that the commit to come would change or add."""

        arguments = ("diff-index", "--cached", "--name-only", "-z", "--diff-filter=d", "HEAD", "--")
        done = process.run_git(
            (*_QUIET, *arguments), cwd=self.top, environ=self.environ, check=False
        )
        if done.returncode:  # there is no commit yet; if it is anything else, this fails as well
            return {entry.name for entry in self.entries([""])}
        return {os.fsdecode(name) for name in done.stdout.split(b"\0") if name}

    def edited(self, paths: Sequence[str]) -> set[str]:
        """Which of the files at or below `paths` may differ from what the index has of them."""

        return {
            os.fsdecode(name)
            for some in _batches(paths)
            for name in self._run_git((*_LITERAL, "diff-files", "--name-only", "-z", "--", *some))
        }

    def ignored(self, paths: Sequence[str]) -> set[str]:
        """Which of `paths` Git would leave out of a commit, and has not in the index."""

        return {_unmarked(name) for name in self._check_ignore((), paths)}

    def patterns(self, paths: Sequence[str]) -> dict[str, tuple[str, int, str]]:
        """Which pattern decides about each of `paths`, tracked or not: the file that it is in (as
        Git names it: from `top`, or absolute), its line from 1, the pattern. Paths that no pattern
        is about are left out."""

        fields = self._check_ignore(("--no-index", "-v"), paths)
        records = zip(*(fields[start::4] for start in range(4)), strict=True)
        return {
            _unmarked(path): (file, int(line), pattern) for file, line, pattern, path in records
        }

    def _check_ignore(self, options: Sequence[str], paths: Iterable[str]) -> list[str]:
        """What it prints about `paths`; about what is beyond a link Git has no opinion."""

        folders = {folder for path in paths for folder in _above(path)}
        links = {folder for folder in folders if os.path.islink(self.top / folder)}
        asked = [path for path in paths if links.isdisjoint(_above(path))] if links else paths
        given = b"".join(os.fsencode(_marked(path)) + b"\0" for path in asked)
        if not given:
            return []
        arguments = (*_QUIET, "check-ignore", *options, "-z", "--stdin")
        done = process.run_git(
            arguments, cwd=self.top, environ=self.environ, input=given, accepted=(0, 1)
        )
        return [os.fsdecode(field) for field in done.stdout.split(b"\0")[:-1]]

    def _listed(self, options: Sequence[str], paths: Iterable[str]) -> Iterator[TreeEntry]:
        for record in self._run_git((*options, "ls-files", "--stage", "-z", "--", *paths)):
            head, _, name = record.partition(b"\t")
            mode, id, stage = head.split()
            if stage == b"0":
                yield TreeEntry(int(mode, 8), os.fsdecode(name), id.decode())

    def _run_git(self, arguments: Sequence[str]) -> Iterator[bytes]:
        done = process.run_git(arguments, cwd=self.top, environ=self.environ)
        return (record for record in done.stdout.split(b"\0") if record)


def _pattern(name: str) -> str:
    return "[^/]*".join(map(re.escape, name.split("*")))


def _is_outside(path: str) -> bool:
    """Whether git has something to say of `path` itself."""

    return path.startswith("/") or not {".", ".."}.isdisjoint(path.split("/"))


def _above(path: str) -> Iterator[str]:
    """The folders that `path` lies in."""

    cut = path.find("/")
    while cut > 0:
        yield path[:cut]
        cut = path.find("/", cut + 1)


def _marked(path: str) -> str:
    # check-ignore takes a colon for magic, and has no option against that
    return f"./{path}" if path.startswith(":") else path


def _unmarked(path: str) -> str:
    return path.removeprefix("./")


def _is_here(repository: Repository) -> bool:
    here = Repository.discover(Path.cwd())
    return here is not None and os.path.realpath(here.git_dir) == os.path.realpath(
        repository.git_dir
    )


def _batches(paths: Sequence[str]) -> Iterable[Sequence[str]]:
    return (paths[start : start + _MOST_PATHS] for start in range(0, len(paths), _MOST_PATHS))
