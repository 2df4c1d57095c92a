"""Find the user's repository, and run git on it.

Finds the folders by the rules of gitrepository-layout(5), without starting a process.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import chain
from pathlib import Path

from git_spacy.errors import Diagnostic, InvalidInput
from git_spacy.files import resolve_beneath
from git_spacy.git import process
from git_spacy.git.damage import check_damage
from git_spacy.light_typing import TYPE_CHECKING, BinaryIO, NamedTuple
from git_spacy.project.paths import bare_repository, has_git_dir, is_git_dir

if TYPE_CHECKING:
    from io import BufferedReader, BufferedWriter

# compiled where they are used, which most commands never do
_SUBMODULE_PATH = r"(?m)^\s*path\s*=\s*(.*?)\s*$"
_BARE = r"(?im)^\s*bare\s*=\s*true\s*$"

SAFE_CONFIG = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
"""Options before git's subcommand, so that it does not start hooks or a file system monitor."""


class Repository(NamedTuple):
    """A repository as seen from one of its worktrees.

    `top` is the folder of that worktree, or None in a bare repository; `common_dir` is shared by
    all worktrees.
    """

    git_dir: Path
    common_dir: Path
    top: Path | None

    @classmethod
    def discover(cls, start: Path, environ: Mapping[str, str] | None = None) -> Repository | None:
        """Return the repository that contains `start`, as Git would find it, or None.

        Honours GIT_DIR and GIT_WORK_TREE of `environ` (default: of this process). Raises Refused
        for a bare repository that GIT_DIR does not name, like safe.bareRepository=explicit.
        """

        environ = os.environ if environ is None else environ
        if git_dir_variable := environ.get("GIT_DIR"):
            top = environ.get("GIT_WORK_TREE")
            git_dir = Path(os.path.abspath(git_dir_variable))
            worktree = (
                Path(os.path.abspath(top))
                if top
                else _find_worktree(git_dir, Path(os.path.abspath(start)))
            )
            return cls._from_git_dir(git_dir, worktree) if is_git_dir(git_dir) else None
        start = Path(os.path.abspath(start))
        for folder in chain((start,), start.parents):  # seldom all of them
            dot_git = folder / ".git"
            if is_git_dir(dot_git):
                return cls._from_git_dir(dot_git, folder)
            if (target := _read_gitfile(dot_git)) is not None:
                return cls._from_git_dir(target, folder)
            if dot_git.is_file():  # where Git stops, too
                return None
            if is_git_dir(folder):
                raise bare_repository(folder)
        return None

    @classmethod
    def require(cls, start: Path, hint: str = "git init") -> Repository:
        """Return the repository that contains `start`, as `discover` does.

        Raises InvalidInput with `hint` if there is none.
        """

        repository = cls.discover(start)
        if repository is None:
            raise _no_repository(start, hint)
        return repository

    @classmethod
    def _from_git_dir(cls, git_dir: Path, top: Path | None) -> Repository:
        try:
            common = (git_dir / "commondir").read_text().strip()
        except OSError:
            return cls(git_dir, git_dir, top)
        return cls(git_dir, Path(os.path.normpath(git_dir / common)), top)

    def git_path(self, name: str) -> Path:
        """Return the path that `git rev-parse --git-path NAME` prints: one per worktree."""

        return self.git_dir / name

    def cwd(self) -> Path:
        """Return the folder in which to run git."""

        return self.top or self.git_dir

    def environment(self, *, allow_network: bool = False, prompt: bool = False) -> dict[str, str]:
        """Return the environment for git processes on this repository.

        GIT_DIR and GIT_WORK_TREE, as set by a hook, become absolute. With `allow_network`, git may
        use the protocols that the user's configuration allows, and prompt if `prompt` is set.
        """

        protocols = None if allow_network else "none"
        environ = process.git_environment(prompt=prompt, protocols=protocols, configured=True)
        if not allow_network:
            environ["GIT_NO_LAZY_FETCH"] = "1"
        if self.top is None or os.environ.get("GIT_DIR"):
            environ["GIT_DIR"] = str(self.git_dir)
            if self.top:
                environ["GIT_WORK_TREE"] = str(self.top)
        return environ

    def run_git(
        self, arguments: Sequence[str], *, input: bytes = b"", check: bool = True,
        accepted: Collection[int] = (0,),
    ) -> process.GitResult:  # fmt: skip
        """Run `git ARGUMENTS` on the repository, without hooks or a file system monitor.

        With `check`, raises ExternalError if the exit code is not in `accepted`. Always raises
        Refused if another user owns the repository.
        """

        done = process.run_git(
            (*SAFE_CONFIG, *arguments),
            cwd=self.cwd(), environ=self.environment(), input=input, check=check,
            accepted=accepted,
        )  # fmt: skip
        if done.returncode:
            process.check_ownership(done)
            check_damage(done.stderr)
        return done

    def stream_git(
        self, arguments: Sequence[str], *, memory: int = 0
    ) -> AbstractContextManager[BinaryIO]:
        """Run `git ARGUMENTS` as `run_git` does, and provide its output as a stream.

        Git may allocate `memory` bytes (0: unlimited).
        """

        return process.stream_git(
            (*SAFE_CONFIG, *arguments),
            cwd=self.cwd(), environ=self.environment(), input=b"", memory=memory,
        )  # fmt: skip

    def converse_with_git(
        self, arguments: Sequence[str]
    ) -> AbstractContextManager[tuple[BufferedWriter, BufferedReader]]:
        """Run `git ARGUMENTS` as `run_git` does, and provide its input and output as streams."""

        return process.converse_with_git(
            (*SAFE_CONFIG, *arguments), cwd=self.cwd(), environ=self.environment()
        )


def prefix(root: Path, top: Path) -> str:
    """Return the project's folder relative to the top of its repository: "" or "folder/"."""

    relative = os.path.relpath(os.path.realpath(root), os.path.realpath(top))
    return "" if relative == "." else relative + "/"


def submodule_paths(top: Path) -> list[str]:
    """Return the paths that `.gitmodules` names, whether or not there are submodules."""

    try:
        text = (top / ".gitmodules").read_text("utf-8", "surrogateescape")
    except OSError:
        return []
    return [path.strip('"') for path in re.findall(_SUBMODULE_PATH, text)]


def find_damage(start: Path) -> Diagnostic | None:
    """Return why Git finds no repository around `start` although there is a `.git`, else None."""

    found = None
    start = Path(os.path.abspath(start))
    if os.environ.get("GIT_DIR"):
        return None
    for folder in (start, *start.parents):
        dot_git = folder / ".git"
        if is_git_dir(dot_git) or _read_gitfile(dot_git) is not None:
            return None
        if dot_git.is_file():
            return found or _gitfile_damage(dot_git)
        if dot_git.is_dir() and found is None and any(dot_git.iterdir()):
            found = _git_dir_damage(dot_git)
    return found


def _no_repository(start: Path, hint: str) -> InvalidInput:
    """Return the error for a command that needs a repository, where Git finds none.

    If there is a damaged one, `git init` would not help, so that is reported instead.
    """

    message = f"not a Git repository: '{start}'"
    error = InvalidInput(message, hint=hint)
    if damage := find_damage(start):
        error.problems = (damage._replace(message=f"{damage.message}; {message}"),)
    return error


def _gitfile_damage(dot_git: Path) -> Diagnostic:
    try:
        text = dot_git.read_text("utf-8", "replace").removeprefix("gitdir: ").strip()
    except OSError as error:
        text = error.strerror or ""
    target = os.path.normpath(dot_git.parent / text)
    return Diagnostic(
        f"it names the Git folder '{target}', which does not exist" if text else "it is empty",
        "use a checkout of the whole repository, or remove this file",
        str(dot_git),
    )


def _git_dir_damage(dot_git: Path) -> Diagnostic:
    """Return what a `.git` folder lacks for Git to accept it."""

    for name in ("objects", "refs"):
        if not (dot_git / name).is_dir():
            hint = f"mkdir {shlex.quote(str(dot_git / name))}" if name == "refs" else ""
            return Diagnostic("the folder is missing", hint, str(dot_git / name))
    branches = dot_git / "refs/heads"
    names = sorted(path.name for path in branches.iterdir()) if branches.is_dir() else []
    branch = "main" if "main" in names or not names else names[0]
    head = dot_git / "HEAD"
    content = "is empty" if head.exists() and not head.read_bytes().strip() else "is damaged"
    command = f"echo {shlex.quote(f'ref: refs/heads/{branch}')} > {shlex.quote(str(head))}"
    return Diagnostic(f"it {content if head.exists() else 'is missing'}", command, str(head))


def confine(path: Path) -> tuple[Path, str]:
    """Return the folder that writing to `path` must not leave, and `path` relative to it.

    That is the worktree which contains `path`, or else its parent folder with links resolved.
    Raises Refused if a link leads out of a worktree that contains `path`, or into its `.git`: the
    link may come from an untrusted commit.
    """

    path = Path(os.path.abspath(path))
    tops = [folder for folder in path.parents if has_git_dir(folder)]
    for top in tops:
        resolve_beneath(top, os.path.relpath(path, top))
    if tops:
        return tops[0], os.path.relpath(path, tops[0])
    folder, name = os.path.split(os.path.realpath(path))
    return Path(folder), name


def _find_worktree(git_dir: Path, start: Path) -> Path | None:
    """Return the worktree for a `git_dir` that GIT_DIR names, or None for a bare repository.

    GIT_DIR alone makes the current folder the top, except in a linked worktree or a submodule,
    where hooks run with GIT_DIR set: these are found by their `gitdir` and `.git` files.
    """

    with suppress(OSError):
        if re.search(_BARE, (git_dir / "config").read_text("utf-8", "replace")):
            return None
    real = os.path.realpath(git_dir)
    for folder in (start, *start.parents):
        dot_git = folder / ".git"
        if os.path.realpath(_read_gitfile(dot_git) or dot_git) == real:
            return folder
    try:
        return Path((git_dir / "gitdir").read_text().strip()).parent
    except OSError:
        return git_dir.parent if git_dir.name == ".git" else start


def _read_gitfile(dot_git: Path) -> Path | None:
    """Return the Git folder that the `.git` file of a linked worktree or submodule names."""

    try:
        text = dot_git.read_text() if dot_git.is_file() else ""
    except (OSError, UnicodeDecodeError):
        return None
    if not text.startswith("gitdir: "):
        return None
    target = Path(os.path.normpath(dot_git.parent / text[len("gitdir: ") :].strip()))
    return target if is_git_dir(target) else None
