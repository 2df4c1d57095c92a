"""Questions about commits, a process or two each: HEAD, the trees of a folder, what is reachable.

Nothing is fetched for an answer, and what is not here is said to be missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from git_spacy.git import process
from git_spacy.git.repository import Repository

MOST_BYTES = 4 << 20
"""Of project.yml or project.lock in a commit, as in the work tree."""


def head(repository: Repository) -> str:
    """The id of the commit that HEAD is; "" if there is none yet. Needs no git program."""

    if not process.available():
        return _head_without_git(repository)
    return resolve(repository, "HEAD")


def _head_without_git(repository: Repository) -> str:
    from dulwich.repo import Repo

    with Repo(os.fspath(repository.cwd())) as opened:
        try:
            return opened.head().decode()
        except KeyError:
            return ""


def resolve(repository: Repository, revision: str) -> str:
    """The id of the commit that `revision` names; "" if there is none."""

    asked = ("rev-parse", "-q", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    done = repository.run_git(asked, check=False)
    # (of a range, some gits print one end before they fail)
    return "" if done.returncode else done.stdout.decode().strip()


def trees(repository: Repository, commits: Sequence[str], folder: str) -> dict[str, str]:
    """The id of `folder` ("" or `path/`, from the top) in each of `commits`; "" where it is not."""

    return _named(repository, commits, f":{folder}" if folder else "^{tree}", "tree")


def blobs(
    repository: Repository, commits: Sequence[str], name: str, most: int = MOST_BYTES
) -> dict[str, str]:
    """The id of the file `name` (from the top) in each of `commits`; "" where it is not, or has
    more than `most` bytes: git would read all of it."""

    return _named(repository, commits, f":{name}", "blob", most)


def changed(repository: Repository, folder: str) -> set[str]:
    """The tracked files below `folder` ("" or `path/`) that are not as HEAD has them, named from
    there."""

    asked = (
        "--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=no",
        "--no-renames", "--ignore-submodules=dirty", "--", f":(top,literal){folder}",
    )  # fmt: skip
    found = os.fsdecode(repository.run_git(asked).stdout).split("\0")
    return {entry[3:].removeprefix(folder) for entry in found if entry}


def _named(
    repository: Repository, commits: Sequence[str], what: str, kind: str, most: int = 0
) -> dict[str, str]:
    if "\n" in what or not commits:  # (no line of cat-file's could say that)
        return dict.fromkeys(commits, "")
    names = os.fsencode("".join(f"{one}{what}\n" for one in commits))
    asked = ("cat-file", "--batch-check=%(objecttype) %(objectname) %(objectsize)")
    answers = repository.run_git(asked, input=names).stdout.decode().splitlines()
    found = {}
    for one, answer in zip(commits, answers, strict=True):
        head, _, size = answer.rpartition(" ")
        is_one = head.startswith(f"{kind} ") and (not most or int(size) <= most)
        found[one] = head.removeprefix(f"{kind} ") if is_one else ""
    return found


def unreachable(
    repository: Repository, commits: Iterable[str], revisions: Sequence[str]
) -> set[str]:
    """Those of `commits` that none of `revisions` (ids, and options like `--branches`) reaches;
    what is not here at all is among them."""

    wanted = set(commits)
    found_here = present_commits(repository, wanted)
    asked = ("rev-list", "--ignore-missing", "--stdin", "--not", *revisions)
    given = "".join(f"{one}\n" for one in sorted(found_here)).encode()
    found = repository.run_git(asked, input=given).stdout.decode().split()
    return (wanted - found_here) | (found_here & set(found))


def present_commits(repository: Repository, commits: Iterable[str]) -> set[str]:
    """Those of `commits` that are in this clone."""

    listed = sorted(commits)
    asked = ("cat-file", "--batch-check=%(objecttype)")
    given = "".join(f"{one}\n" for one in listed).encode()
    found = repository.run_git(asked, input=given).stdout.splitlines()
    return {one for one, kind in zip(listed, found, strict=True) if kind == b"commit"}


def root_commit(repository: Repository) -> str:
    """The oldest commit without parents that HEAD reaches; "" if there is none."""

    asked = ("rev-list", "--max-parents=0", "HEAD", "--")
    found = repository.run_git(asked, check=False).stdout.decode().split()
    return found[-1] if found else ""


def is_shallow(repository: Repository) -> bool:
    """Whether history was cut off when this was cloned."""

    return (repository.common_dir / "shallow").is_file()
