"""Record which template a project comes from, in trailers of commits, and find that again.

The newest commit with these trailers that changes the project counts. They are found anywhere in
its message, since a squashed commit has the messages of all its commits.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from git_spacy.errors import Refused
from git_spacy.git.address import Address
from git_spacy.git.commits import former_folders
from git_spacy.git.repository import Repository
from git_spacy.light_typing import NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project.project_file import PROJECT_FILE

EMBEDDED = "embedded:"
"""The beginning of the address of a template that comes with git-spacy."""
FIRST_SUBJECT = "Start from the template"
"""The beginning of the subject of the commit that adds a project."""
_COMMIT_ID = compile_late(r"[0-9a-f]{40}|[0-9a-f]{64}")
_TRAILER = compile_late(
    r"^( *)Template(|-Commit|-Path|-Branch|-Digest|-Folder): *(\S.*?) *$", re.MULTILINE
)
_LOG = (
    "log", "--no-show-signature", "--no-notes", "--no-color", "--basic-regexp",
    "--grep=^ *Template: ",
)  # fmt: skip
_FIELDS = {
    "": "source",
    "-Commit": "commit",
    "-Path": "path",
    "-Branch": "branch",
    "-Digest": "digest",
}


class Origin(NamedTuple):
    """The template of a project, as of its latest update.

    `source` is the address of a repository without credentials, or begins with EMBEDDED; `path` is
    a folder in it, "" for the whole. `branch` is the branch or tag that updates follow, "" for the
    repository's HEAD. A template that comes with git-spacy has no `commit`, but a `digest` of its
    files. `recorded_in` is the commit of the project with these trailers.
    """

    source: str
    commit: str = ""
    path: str = ""
    branch: str = ""
    digest: str = ""
    recorded_in: str = ""

    @property
    def name(self) -> str:
        """The last part of the template's path or address."""

        return (self.path or self.source).rstrip("/").rsplit("/", 1)[-1]

    @property
    def location(self) -> str:
        """The address and the path, as `git spacy clone` accepts them."""

        return f"{self.source}//{self.path}" if self.path else self.source


def branch_to_follow(address: Address) -> str:
    """Return the branch or tag that updates follow: what the user named, unless it is a commit."""

    return "" if address.is_commit or address.ref in (None, "HEAD") else str(address.ref)


def trailers(origin: Origin, folder: str = "") -> str:
    """Return the lines that record `origin` of the project in `folder`, relative to the top.

    Raises Refused for a path that could be taken for another line.
    """

    for path in (origin.path, folder):
        if not path.isprintable():
            raise Refused(f"the folder {path!r} has control characters", hint="rename it")
    lines = [f"Template: {origin.source}"]
    lines += [f"Template-Commit: {origin.commit}"] if origin.commit else []
    lines += [f"Template-Path: {origin.path}"] if origin.path else []
    lines += [f"Template-Branch: {origin.branch}"] if origin.branch else []
    lines += [f"Template-Digest: {origin.digest}"] if origin.digest else []
    lines += [f"Template-Folder: {folder.rstrip('/')}"] if folder else []
    return "".join(f"{line}\n" for line in lines)


def first_message(origin: Origin, folder: str = "") -> str:
    """Return the message of the commit that adds a project in `folder`, relative to the top."""

    return f"{FIRST_SUBJECT} {origin.name}\n\n{trailers(origin, folder)}"


def find_origin(repository: Repository, prefix: str) -> Origin | None:
    """Return where the project in the folder `prefix` ("" or "folder/") comes from, or None."""

    return next((origin for origin, _ in find_origins(repository, prefix)), None)


def find_origins(repository: Repository, prefix: str) -> Iterator[tuple[Origin, str]]:
    """Yield all that is recorded of the project in the folder `prefix`, the latest first.

    Each origin comes with the folder that the project was in then.
    """

    recorded = _commits_with_trailers(repository)
    if not recorded:
        return
    former = former_folders(repository, prefix + PROJECT_FILE)
    for folder in dict.fromkeys((prefix, *(f"{name}/" if name else "" for name in former))):
        own = _commits_in(repository, folder)
        for commit, message in recorded:
            found = _parse(message, folder)
            if found and (commit in own or (found[1] == folder and _is_empty(repository, commit))):
                yield found[0]._replace(recorded_in=commit), found[1]


def _commits_with_trailers(repository: Repository) -> list[tuple[str, str]]:
    """Return (id, message) of the commits with trailers, the newest first."""

    arguments = (*_LOG, "-z", "--format=%H%n%B", "--encoding=UTF-8", "HEAD", "--")
    done = repository.run_git(arguments, check=False)  # fails if there is no commit yet
    records = done.stdout.decode("utf-8", "replace").split("\0")
    return [(record[:end], record[end:]) for record in records if (end := record.find("\n")) > 0]


def _commits_in(repository: Repository, prefix: str) -> set[str]:
    """Return the commits with trailers that change the project in the folder `prefix`, other than
    projects in folders of it."""

    own = f":(top,literal){prefix}"
    listed = os.fsdecode(repository.run_git(("ls-files", "-z", "--", own)).stdout).split("\0")
    nested = (
        f":(top,exclude,literal){os.path.dirname(name)}"
        for name in listed
        if name.endswith(f"/{PROJECT_FILE}") and name != prefix + PROJECT_FILE
    )
    done = repository.run_git((*_LOG, "--format=%H", "HEAD", "--", own, *nested))
    return set(done.stdout.decode().split())


def _is_empty(repository: Repository, commit: str) -> bool:
    """Return whether a commit changes no file, as an update whose changes were made before."""

    arguments = ("diff-tree", "--quiet", f"{commit}^", commit, "--")
    return repository.run_git(arguments, check=False).returncode == 0


def _parse(message: str, prefix: str) -> tuple[Origin, str] | None:
    """Return the latest origin in a message and the folder of its project, "" or "folder/".

    If a message has those of several projects, that of the folder `prefix` is preferred.
    """

    blocks: list[dict[str, str]] = []
    indented = False
    for indent, field, text in _TRAILER.findall(message):
        if not field:
            blocks.append({})
            indented = bool(indent)
        if blocks:
            blocks[-1].setdefault(field, text)
    found = []
    for block in blocks:
        fields = {name: block.get(field, "") for field, name in _FIELDS.items()}
        folder = block.get("-Folder", "")
        origin = Origin(**fields)
        if _COMMIT_ID.fullmatch(origin.commit) or origin.source.startswith(EMBEDDED):
            found.append((origin, f"{folder}/" if folder else ""))
    found = [one for one in found if one[1] == prefix] or found
    # `git merge --squash` indents the messages and has the newest first, `git rebase` the oldest
    return (found[0] if indented else found[-1]) if found else None
