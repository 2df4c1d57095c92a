"""A file in conflict: its three stages in the user's index, and the word that it is resolved."""

from __future__ import annotations

from git_spacy.git import objects
from git_spacy.git.repository import SEALED, Repository


def stages(repository: Repository, name: str) -> dict[int, bytes]:
    """The contents of the stages (1 base, 2 ours, 3 theirs) of `name`, relative to the top; none
    if it is not in conflict."""

    asked = ("--literal-pathspecs", "ls-files", "--unmerged", "-z", "--", name)
    found = {}
    for record in repository.ask(asked).stdout.split(b"\0"):
        if record:
            _, id, stage = record.partition(b"\t")[0].split()
            found[int(stage)] = id.decode()
    contents = objects.read(
        SEALED, list(found.values()), cwd=repository.place(), environ=repository.environment()
    )
    return {stage: content.read() for stage, (_, content) in zip(found, contents, strict=True)}


def resolved(repository: Repository, name: str) -> None:
    """Tell Git that the conflict in `name` is settled as it lies in the work tree."""

    repository.ask(("--literal-pathspecs", "add", "--", name))
