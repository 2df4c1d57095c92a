"""Answer questions about commits with a git process or two: HEAD, tree ids, reachability.

Never fetches: an object that is not in this clone counts as missing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

from git_spacy.git import objects, process
from git_spacy.git.objects import ObjectReader
from git_spacy.git.repository import Repository
from git_spacy.light_typing import NamedTuple

MAX_BLOB_BYTES = 4 << 20
"""The size limit for project.yml and project.lock in a commit, as in the worktree."""


def head_commit(repository: Repository) -> str:
    """Return the id of the HEAD commit, or "" if there is no commit yet. Works without git."""

    if not process.available():
        return _head_without_git(repository)
    return resolve_or_empty(repository, "HEAD")


def _head_without_git(repository: Repository) -> str:
    from dulwich.repo import Repo

    with Repo(os.fspath(repository.cwd())) as opened:
        try:
            return opened.head().decode()
        except KeyError:
            return ""


def resolve_or_empty(repository: Repository, revision: str) -> str:
    """Return the id of the commit that `revision` names, or "" if it does not name one."""

    arguments = ("rev-parse", "-q", "--verify", "--end-of-options", f"{revision}^{{commit}}")
    done = repository.run_git(arguments, check=False)
    # For a range, some versions of git print one end before they fail.
    return "" if done.returncode else done.stdout.decode().strip()


def commit_in_ref_file(reader: ObjectReader, repository: Repository, ref: str) -> str:
    """Return the id of the commit that `ref`, which all worktrees share, points to.

    Returns "" if the ref has no file of its own: it is packed, symbolic or in a reftable, or it
    does not exist. Such a file takes precedence over packed refs.
    """

    try:
        content = (repository.common_dir / ref).read_bytes()
    except OSError:
        return ""
    id = content.decode("ascii", "replace").removesuffix("\n")
    (found,) = reader.describe([id]) if objects.is_object_id(id) else (None,)
    return id if found and found.kind == "commit" else ""


def tree_ids(repository: Repository, commits: Sequence[str], folder: str) -> dict[str, str]:
    """Map each of `commits` to the id of `folder` in it, or "" if it is missing there.

    `folder` is relative to the top of the repository: "" or `path/`.
    """

    return _object_ids(repository, commits, f":{folder}" if folder else "^{tree}", "tree")


def blob_ids(
    repository: Repository, commits: Sequence[str], name: str, max_bytes: int = MAX_BLOB_BYTES
) -> dict[str, str]:
    """Map each of `commits` to the id of the file `name` (from the top) in it.

    The id is "" if the file is missing or larger than `max_bytes`: git would read all of it.
    """

    return _object_ids(repository, commits, f":{name}", "blob", max_bytes)


def existing_blobs(
    reader: ObjectReader, names: Iterable[str], max_bytes: int = MAX_BLOB_BYTES
) -> dict[str, str]:
    """Map each name such as `COMMIT:PATH` to the id of that file; leave out those that are missing
    or larger than `max_bytes`."""

    wanted = [name for name in dict.fromkeys(names) if "\n" not in name]
    return {
        name: found.id
        for name, found in zip(wanted, reader.describe(wanted), strict=True)
        if found and found.kind == "blob" and found.size <= max_bytes
    }


def former_folders(repository: Repository, file: str) -> list[str]:
    """Return the folders that contained `file` before it was moved, the latest first.

    `file` is relative to the top of the repository, as it is named in HEAD or in the index. If Git
    does not see that it was renamed, since it was edited as well, the other files of the folder
    decide. (`git log --follow` also follows copies.)
    """

    names = [file]
    staged = _changes(repository, ("diff-index", "--cached", "HEAD"))
    if any(change.name == file for change in staged):
        names.append(_former_name(staged, file))
    commit = "HEAD"
    while names[-1] and commit:
        commit, changes = _addition(repository, commit, names[-1])
        names.append(_former_name(changes, names[-1]))
    return list(dict.fromkeys(os.path.dirname(name) for name in names[1:] if name))


class _Change(NamedTuple):
    """A file that was added, deleted or renamed (A, D, R), its former name and former blob."""

    status: str
    name: str
    old: str
    old_id: str


def _addition(repository: Repository, commit: str, file: str) -> tuple[str, list[_Change]]:
    """Return the parent of the latest commit before `commit` that added `file`, and what changed
    from it; ("", []) if there is none."""

    arguments = (
        "--literal-pathspecs", "log", "-1", "--diff-filter=A", "--format=%H %P",
        "--no-show-signature", "--no-notes", "--no-color", commit, "--", file,
    )  # fmt: skip
    ids = repository.run_git(arguments, check=False).stdout.decode().split()
    if len(ids) < 2:
        return "", []
    added, parent = ids[:2]
    return parent, _changes(repository, ("diff-tree", "-r", parent, added))


def _changes(repository: Repository, arguments: Sequence[str]) -> list[_Change]:
    options = ("-M", "--raw", "--no-abbrev", "-z", "--diff-filter=ADR", "--")
    done = repository.run_git((*arguments, *options), check=False)
    fields = iter(os.fsdecode(done.stdout).split("\0"))
    changes = []
    for head in fields:
        if head:
            _, _, old_id, _, status = head.split()
            old = next(fields)
            name = next(fields) if status[0] == "R" else old
            changes.append(_Change(status[0], name, old, old_id))
    return changes


def _former_name(changes: Sequence[_Change], file: str) -> str:
    """Return the name of `file` before these changes, or "" if it is new.

    That is the name that Git sees; else the one in a folder from which the file was deleted, and
    at least half of whose other files went to the same places in the new folder. Empty files do
    not count.
    """

    seen = next((change for change in changes if change.name == file), None)
    if seen is None or seen.status != "A":
        return seen.old if seen and seen.status == "R" else ""
    base = os.path.basename(file)
    new = file.removesuffix(base)
    moved: dict[str, int] = {}
    for deleted in changes:
        if deleted.status == "D" and os.path.basename(deleted.old) == base:
            old = deleted.old.removesuffix(base)
            left = [
                change
                for change in changes
                if change.status != "A" and change.old.startswith(old) and change != deleted
                if change.old_id not in _EMPTY_BLOBS
            ]
            count = sum(
                change.status == "R" and change.name == new + change.old[len(old) :]
                for change in left
            )
            if count and 2 * count >= len(left):
                moved[deleted.old] = count
    return max(moved, key=moved.__getitem__, default="")


_EMPTY_BLOBS = (
    "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391",
    "473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813",
)


def changed_files(repository: Repository, folder: str) -> set[str]:
    """Return the tracked files below `folder` ("" or `path/`) that differ from HEAD.

    Names are relative to `folder`.
    """

    arguments = (
        "--no-optional-locks", "status", "--porcelain", "-z", "--untracked-files=no",
        "--no-renames", "--ignore-submodules=dirty", "--", f":(top,literal){folder}",
    )  # fmt: skip
    entries = os.fsdecode(repository.run_git(arguments).stdout).split("\0")
    return {entry[3:].removeprefix(folder) for entry in entries if entry}


def _object_ids(
    repository: Repository, commits: Sequence[str], suffix: str, kind: str, max_bytes: int = 0
) -> dict[str, str]:
    if "\n" in suffix or not commits:  # cat-file reads one object name per line
        return dict.fromkeys(commits, "")
    names = (commit + suffix for commit in commits)
    answers = objects.describe_objects(
        repository, names, "%(objecttype) %(objectname) %(objectsize)"
    )
    ids = {}
    for commit, answer in zip(commits, answers, strict=True):
        head, _, size = answer.rpartition(" ")
        matches = head.startswith(f"{kind} ") and (not max_bytes or int(size) <= max_bytes)
        ids[commit] = head.removeprefix(f"{kind} ") if matches else ""
    return ids


def unreachable(
    repository: Repository, commits: Iterable[str], revisions: Sequence[str]
) -> set[str]:
    """Return the `commits` that cannot be reached from `revisions`.

    `revisions` are ids, and options such as `--branches`. Commits that are not in this clone are
    included.
    """

    wanted = set(commits)
    present = present_commits(repository, wanted)
    arguments = ("rev-list", "--ignore-missing", "--stdin", "--not", *revisions)
    stdin = "".join(f"{commit}\n" for commit in sorted(present)).encode()
    listed = repository.run_git(arguments, input=stdin).stdout.decode().split()
    return (wanted - present) | (present & set(listed))


def present_commits(repository: Repository, commits: Iterable[str]) -> set[str]:
    """Return the `commits` that are in this clone."""

    ids = sorted(commits)
    kinds = objects.describe_objects(repository, ids, "%(objecttype)")
    return {id for id, kind in zip(ids, kinds, strict=True) if kind == "commit"}


def head_state(repository: Repository) -> object | None:
    """Return a value that is different after HEAD, its branch or the index has changed.

    It is read from a few small files, without git. None if that is not possible.
    """

    if (repository.common_dir / "reftable").exists():
        return None
    index = os.environ.get("GIT_INDEX_FILE") or repository.git_path("index")
    try:
        head = repository.git_path("HEAD").read_bytes()
    except OSError:
        return None
    name = os.fsdecode(head.removeprefix(b"ref: ").strip())
    branch = None
    if head.startswith(b"ref: "):
        try:
            branch = (repository.common_dir / name).read_bytes()
        except OSError:
            pass  # packed
    packed_refs = repository.common_dir / "packed-refs"
    return head, branch, _file_state(packed_refs), _file_state(index)


def _file_state(path: os.PathLike[str] | str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def root_commit(repository: Repository) -> str:
    """Return the oldest root commit that HEAD reaches, or "" if there is no commit yet."""

    arguments = ("rev-list", "--max-parents=0", "HEAD", "--")
    roots = repository.run_git(arguments, check=False).stdout.decode().split()
    return roots[-1] if roots else ""


def is_shallow(repository: Repository) -> bool:
    """Return whether this is a shallow clone."""

    return (repository.common_dir / "shallow").is_file()
