"""A repository of a folder, with one commit of all that is in it, exactly as it is.

For a folder that came from elsewhere: its attributes start no filter, nobody's hooks run, nothing
is signed or converted. Knows nothing of templates.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from git_spacy.git import process
from git_spacy.git.ident import FALLBACK, person
from git_spacy.git.remote_tree import EXECUTABLE, FILE, LINK

_SEALED = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
_CHUNK = 1 << 20


def make(folder: Path, message: str, prepare: Callable[[], object] = lambda: None) -> None:
    """Make `folder` a repository whose first commit says `message`. `prepare` is called before
    that, when Git can be asked about the folder already; not where there is no git.

    Raises Unavailable if git fails, OSError if the disk does.
    """

    if process.available():
        environ = process.environment(protocols="none")
        process.run_git(("init", "-q", "--template="), cwd=folder, environ=environ)
        prepare()
        _by_git(folder, message, environ)
    else:
        _by_dulwich(folder, message)


def _files(folder: Path) -> Iterator[tuple[str, int]]:
    """(name relative to `folder`, Git mode) of every file and link, in order."""

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


def _by_git(folder: Path, message: str, environ: dict[str, str]) -> None:
    """Through `git fast-import`, which knows no filter, attribute, hook or signature."""

    import tempfile

    head = process.run_git(("symbolic-ref", "HEAD"), cwd=folder, environ=environ)
    people = [person(folder, environ, role) for role in ("AUTHOR", "COMMITTER")]
    text = message.encode()
    with tempfile.TemporaryFile() as script:
        script.write(b"commit " + head.stdout.strip() + b"\n")
        script.write(b"author %s\ncommitter %s\n" % (people[0], people[1]))
        script.write(b"data %d\n%s\n" % (len(text), text))
        for name, mode in _files(folder):
            script.write(b"M %o inline %s\n" % (mode, _quoted(name)))
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
        script.write(b"done\n")
        script.seek(0)
        arguments = (*_SEALED, "fast-import", "--quiet", "--done")
        process.run_git(arguments, cwd=folder, environ=environ, stdin=script)
    process.run_git((*_SEALED, "read-tree", "HEAD"), cwd=folder, environ=environ)


def _quoted(name: str) -> bytes:
    """A path as fast-import wants it: in quotes, C style."""

    raw = os.fsencode(name).replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + raw.replace(b"\n", b"\\n") + b'"'


def _by_dulwich(folder: Path, message: str) -> None:
    import time

    from dulwich.index import IndexEntry, commit_tree, index_entry_from_stat
    from dulwich.objects import Blob, Commit
    from dulwich.repo import Repo

    with Repo.init(str(folder)) as repository:
        index = repository.open_index()
        blobs = []
        for name, mode in _files(folder):
            path = folder / name
            content = os.fsencode(os.readlink(path)) if mode == LINK else path.read_bytes()
            blob = Blob.from_string(content)
            repository.object_store.add_object(blob)
            blobs.append((os.fsencode(name), blob.id, mode))
            entry: IndexEntry = index_entry_from_stat(os.lstat(path), blob.id, mode=mode)
            index[os.fsencode(name)] = entry
        commit = Commit()
        commit.tree = commit_tree(repository.object_store, blobs)
        commit.author, commit.committer = _people(repository)
        commit.author_time = commit.commit_time = int(time.time())
        commit.author_timezone = commit.commit_timezone = -time.timezone
        commit.encoding = b"UTF-8"
        commit.message = message.encode()
        repository.object_store.add_object(commit)
        repository.refs.set_if_equals(b"HEAD", None, commit.id)  # type: ignore[arg-type]
        index.write()


def _people(repository: object) -> tuple[bytes, bytes]:
    from dulwich.repo import Repo

    assert isinstance(repository, Repo)
    config = repository.get_config_stack()
    people = []
    for role in ("AUTHOR", "COMMITTER"):
        known = []
        for part, fallback in zip(("name", "email"), FALLBACK, strict=True):
            given = os.environ.get(f"GIT_{role}_{part.upper()}", "").encode()
            if not given:
                try:
                    given = config.get((b"user",), part.encode())
                except KeyError:
                    given = fallback.encode()
            known.append(given)
        people.append(b"%s <%s>" % (known[0], known[1]))
    return people[0], people[1]
