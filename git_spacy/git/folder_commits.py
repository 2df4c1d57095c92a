"""Commit folders below a path of the user's repository, without its worktree, index or hooks.

The files are committed byte for byte, as in `first_commit`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from git_spacy import interrupts
from git_spacy.abandoned import temporary_folder
from git_spacy.errors import ExternalError
from git_spacy.git import process
from git_spacy.git.first_commit import quote_path, write_files
from git_spacy.git.ident import format_ident
from git_spacy.git.repository import SAFE_CONFIG, Repository


def commit_folders(
    repository: Repository, prefix: str, folders: Sequence[tuple[Path, str]],
    environ: Mapping[str, str], *, parent: str = "",
) -> list[str]:  # fmt: skip
    """Commit each of the (folder, message), the next one on top of it, and return their ids.

    Each commit has the files of HEAD, but those of the folder below `prefix` ("" or "folder/"). The
    first one is a child of `parent`, or has no parent. No ref names them. `environ` is that of the
    repository, and may name another folder for new objects.
    """

    head = repository.run_git(("rev-parse", "HEAD", "HEAD^{tree}")).stdout.split()
    local = dict(environ)
    people = [format_ident(repository.cwd(), local, role) for role in ("AUTHOR", "COMMITTER")]
    with temporary_folder() as temporary, tempfile.TemporaryFile() as script:
        for number, (folder, message) in enumerate(folders, 1):
            text = message.encode()
            script.write(b"commit refs/heads/versions\nmark :%d\n" % number)
            script.write(b"author %s\ncommitter %s\n" % tuple(people))
            script.write(b"data %d\n%s\n" % (len(text), text))
            if parent and number == 1:
                script.write(b"from %s\n" % parent.encode())
            script.write(b'M 040000 %s ""\n' % head[1] if prefix else b"deleteall\n")
            if prefix:
                script.write(b"D %s\n" % quote_path(prefix.rstrip("/")))
            write_files(script, folder, prefix)
        marks = b"".join(b"get-mark :%d\n" % (number + 1) for number in range(len(folders)))
        script.write(marks + b"done\n")
        script.seek(0)
        # a repository of its own for the branch, but the objects of the user's
        git_dir = temporary / "commits.git"
        object_format = f"--object-format={'sha256' if len(head[0]) == 64 else 'sha1'}"
        init = ("init", "-q", "--bare", "--template=", object_format, str(git_dir))
        process.run_git(init, cwd=temporary)
        local.pop("GIT_WORK_TREE", None)
        local["GIT_DIR"] = str(git_dir)
        local.setdefault("GIT_OBJECT_DIRECTORY", str(repository.common_dir / "objects"))
        arguments = (*SAFE_CONFIG, "fast-import", "--quiet", "--done")
        done = process.run_git(arguments, cwd=git_dir, environ=local, stdin=script, allow_bare=True)
    return done.stdout.decode().split()


def add_folder(repository: Repository, prefix: str, folder: Path, message: str) -> str:
    """Commit `folder`, which is in the worktree at `prefix`, on top of HEAD; return the commit.

    The rest of the index does not change. Raises ExternalError if HEAD has changed meanwhile.
    """

    parent = repository.run_git(("rev-parse", "HEAD")).stdout.decode().strip()
    environ = repository.environment()
    (commit,) = commit_folders(repository, prefix, [(folder, message)], environ, parent=parent)
    reason = message.partition("\n")[0]
    update = ("update-ref", "-m", f"commit: {reason}", "HEAD", commit, parent)
    listing = ("--literal-pathspecs", "ls-tree", "-r", "-z", "--full-tree", commit, "--")
    entries = repository.run_git((*listing, prefix.rstrip("/"))).stdout
    with interrupts.deferred():  # not between the branch and the index
        if repository.run_git(update, check=False).returncode:
            raise ExternalError("the branch has changed meanwhile", hint="git status")
        repository.run_git(("update-index", "-z", "--index-info"), input=entries)
    repository.run_git(("update-index", "-q", "--refresh"), check=False)
    return commit
