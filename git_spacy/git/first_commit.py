"""Turn a folder into a repository with one commit that contains every file, byte for byte.

For folders from untrusted sources: attributes in them start no filters, no hooks run, and nothing
is signed or converted.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from git_spacy.git import process
from git_spacy.git.ident import FALLBACK_IDENT, format_ident
from git_spacy.git.remote_tree import EXECUTABLE, FILE, LINK
from git_spacy.git.repository import SAFE_CONFIG

_CHUNK = 1 << 20


def create_repository(
    folder: Path, message: str, prepare: Callable[[], object] = lambda: None
) -> None:
    """Make `folder` a repository, and commit all its files with `message`.

    `prepare` is called after `git init` and before the commit; not at all if git is not installed.
    Raises ExternalError if git fails, OSError if the disk does.
    """

    if process.available():
        environ = process.git_environment(protocols="none")
        process.run_git(("init", "-q", "--template="), cwd=folder, environ=environ)
        prepare()
        _commit_with_git(folder, message, environ)
    else:
        _commit_with_dulwich(folder, message)


def _list_files(folder: Path) -> Iterator[tuple[str, int]]:
    """Yield (name relative to `folder`, Git mode) of every file and link, sorted by name."""

    found = []
    for top, folders, files in os.walk(folder):
        if top == str(folder) and ".git" in folders:
            folders.remove(".git")
        for name in (*files, *folders):
            path = os.path.join(top, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISLNK(mode):
                found.append((os.path.relpath(path, folder), LINK))
            elif stat.S_ISREG(mode):
                kind = EXECUTABLE if mode & stat.S_IXUSR else FILE
                found.append((os.path.relpath(path, folder), kind))
    yield from sorted(found)


def _commit_with_git(folder: Path, message: str, environ: dict[str, str]) -> None:
    """Commit with `git fast-import`, which runs no filters and hooks, and signs nothing."""

    import tempfile

    head = process.run_git(("symbolic-ref", "HEAD"), cwd=folder, environ=environ)
    author, committer = (format_ident(folder, environ, role) for role in ("AUTHOR", "COMMITTER"))
    text = message.encode()
    with tempfile.TemporaryFile() as script:
        script.write(b"commit " + head.stdout.strip() + b"\n")
        script.write(b"author %s\ncommitter %s\n" % (author, committer))
        script.write(b"data %d\n%s\n" % (len(text), text))
        write_files(script, folder)
        script.write(b"done\n")
        script.seek(0)
        arguments = (*SAFE_CONFIG, "fast-import", "--quiet", "--done")
        process.run_git(arguments, cwd=folder, environ=environ, stdin=script)
    process.run_git((*SAFE_CONFIG, "read-tree", "HEAD"), cwd=folder, environ=environ)


def write_files(script: IO[bytes], folder: Path, prefix: str = "") -> None:
    """Add the files of `folder` to a script for fast-import, below the path `prefix`."""

    for name, mode in _list_files(folder):
        script.write(b"M %o inline %s\n" % (mode, quote_path(prefix + name)))
        path = folder / name
        if mode == LINK:
            target = os.fsencode(os.readlink(path))
            script.write(b"data %d\n%s\n" % (len(target), target))
            continue
        with open(path, "rb") as source:
            script.write(b"data %d\n" % os.fstat(source.fileno()).st_size)
            while chunk := source.read(_CHUNK):
                script.write(chunk)
        script.write(b"\n")


def quote_path(name: str) -> bytes:
    """Quote a path for fast-import, which expects C-style quoting."""

    raw = os.fsencode(name).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + raw.replace(b"\n", b"\\n") + b'"'


def _commit_with_dulwich(folder: Path, message: str) -> None:
    import time

    from dulwich.index import IndexEntry, commit_tree, index_entry_from_stat
    from dulwich.objects import Blob, Commit
    from dulwich.repo import Repo

    with Repo.init(str(folder)) as repository:
        index = repository.open_index()
        blobs = []
        for name, mode in _list_files(folder):
            path = folder / name
            content = os.fsencode(os.readlink(path)) if mode == LINK else path.read_bytes()
            blob = Blob.from_string(content)
            repository.object_store.add_object(blob)
            blobs.append((os.fsencode(name), blob.id, mode))
            entry: IndexEntry = index_entry_from_stat(os.lstat(path), blob.id, mode=mode)
            index[os.fsencode(name)] = entry
        commit = Commit()
        commit.tree = commit_tree(repository.object_store, blobs)
        commit.author, commit.committer = _author_and_committer(repository)
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = -time.timezone
        commit.encoding = b"UTF-8"
        commit.message = message.encode()
        repository.object_store.add_object(commit)
        repository.refs.set_if_equals(b"HEAD", None, commit.id)  # type: ignore[arg-type]
        index.write()


def _author_and_committer(repository: object) -> tuple[bytes, bytes]:
    from dulwich.repo import Repo

    assert isinstance(repository, Repo)
    config = repository.get_config_stack()
    idents = []
    for role in ("AUTHOR", "COMMITTER"):
        parts = []
        for part, fallback in zip(("name", "email"), FALLBACK_IDENT, strict=True):
            value = os.environ.get(f"GIT_{role}_{part.upper()}", "").encode()
            if not value:
                try:
                    value = config.get((b"user",), part.encode())
                except KeyError:
                    value = fallback.encode()
            parts.append(value)
        idents.append(b"%s <%s>" % (parts[0], parts[1]))
    return idents[0], idents[1]
