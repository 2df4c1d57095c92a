"""A file in conflict: its three stages in the user's index, and the word that it is resolved."""

from __future__ import annotations

import shlex

from git_spacy.errors import InvalidInput
from git_spacy.git import objects
from git_spacy.git.repository import SAFE_CONFIG, Repository

_STAGES = {1: "the common ancestor", 2: "our side", 3: "their side"}


def stages(repository: Repository, name: str, most: int) -> dict[int, bytes]:
    """The contents of the stages (1 base, 2 ours, 3 theirs) of `name`, relative to the top; none
    if it is not in conflict. Raises Malformed if one has more than `most` bytes."""

    asked = ("--literal-pathspecs", "ls-files", "--unmerged", "-z", "--", name)
    found: dict[int, str] = {}
    for record in repository.run_git(asked).stdout.split(b"\0"):
        if record:
            _, name_of, number = record.partition(b"\t")[0].split()
            found[int(number)] = name_of.decode()
    ids, where, environ = list(found.values()), repository.cwd(), repository.environment()
    sizes = objects.sizes(SAFE_CONFIG, ids, cwd=where, environ=environ) if ids else {}
    for stage, id in found.items():
        if sizes[id] > most:
            path = shlex.quote(f":(top,literal){name}")
            side = "theirs" if stage == 2 else "ours"
            raise InvalidInput(
                f"the version of {_STAGES[stage]} has {sizes[id]:,} bytes; the limit is {most:,}",
                hint=f"git checkout --{side} -- {path} && git add -- {path}",
                location=name,
            )
    contents = objects.read_blobs(SAFE_CONFIG, ids, cwd=where, environ=environ)
    return {stage: content.read() for stage, (_, content) in zip(found, contents, strict=True)}


def mark_resolved(repository: Repository, name: str) -> None:
    """Tell Git that the conflict in `name` is settled as it lies in the work tree."""

    repository.run_git(("--literal-pathspecs", "add", "--", name))
