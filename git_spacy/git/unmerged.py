"""Read the three stages of a file in conflict, and mark the conflict as resolved."""

from __future__ import annotations

import shlex

from git_spacy.errors import InvalidInput
from git_spacy.git import objects
from git_spacy.git.repository import Repository

_STAGES = {1: "the common ancestor", 2: "our side", 3: "their side"}


def read_stages(repository: Repository, name: str, max_bytes: int) -> dict[int, bytes]:
    """Return the contents of the stages (1 base, 2 ours, 3 theirs) of the file `name`.

    `name` is relative to the top; there are no stages if the file is not in conflict. Raises
    InvalidInput if a stage has more than `max_bytes` bytes.
    """

    arguments = ("--literal-pathspecs", "ls-files", "--unmerged", "-z", "--", name)
    ids: dict[int, str] = {}
    for record in repository.run_git(arguments).stdout.split(b"\0"):
        if record:
            _, id, stage = record.partition(b"\t")[0].split()
            ids[int(stage)] = id.decode()
    sizes = objects.describe_objects(repository, ids.values(), "%(objectsize)") if ids else []
    for number, text in zip(ids, sizes, strict=True):
        size = int(text) if text.isdigit() else 0  # 0: it is missing, which reading it reports
        if size > max_bytes:
            path = shlex.quote(f":(top,literal){name}")
            side = "theirs" if number == 2 else "ours"
            raise InvalidInput(
                f"the version of {_STAGES[number]} has {size:,} bytes; the limit is {max_bytes:,}",
                hint=f"git checkout --{side} -- {path} && git add -- {path}",
                file=name,
            )
    contents = objects.read_local_blobs(repository, list(ids.values()))
    return {number: content.read() for number, (_, content) in zip(ids, contents, strict=True)}


def mark_resolved(repository: Repository, name: str) -> None:
    """Resolve the conflict in the file `name` by adding it from the worktree."""

    repository.run_git(("--literal-pathspecs", "add", "--", name))
