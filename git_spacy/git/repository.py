"""Small questions about the user's own repository, one each. Opening it asks nothing.

Finds the folders by the rules of gitrepository-layout(5), without starting a process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from git_spacy.files import resolve_beneath
from git_spacy.git import process
from git_spacy.project.paths import bare_repository, has_git_dir, is_git_dir

_BARE = re.compile(r"^\s*bare\s*=\s*true\s*$", re.IGNORECASE | re.MULTILINE)

SAFE_CONFIG = ("-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false")
"""Before git's verb: nobody's program is started for a question, or for notes."""


class Repository(NamedTuple):
    """A repository as seen from one work tree. `top` is that work tree, None in a bare one;
    `common_dir` is shared by all work trees of the repository."""

    git_dir: Path
    common_dir: Path
    top: Path | None

    @classmethod
    def discover(cls, start: Path, environ: Mapping[str, str] | None = None) -> Repository | None:
        """The repository that `start` lies in, as Git would find it; None if there is none. Raises
        Unsafe for a bare one that nobody named (as Git does with safe.bareRepository=explicit).

        GIT_DIR and GIT_WORK_TREE of `environ` (None: of this process) count as they do for git.
        """

        environ = os.environ if environ is None else environ
        if named := environ.get("GIT_DIR"):
            top = environ.get("GIT_WORK_TREE")
            git_dir = Path(os.path.abspath(named))
            found = (
                Path(os.path.abspath(top))
                if top
                else _work_tree(git_dir, Path(os.path.abspath(start)))
            )
            return cls._at(git_dir, found) if is_git_dir(git_dir) else None
        start = Path(os.path.abspath(start))
        for folder in (start, *start.parents):
            dot_git = folder / ".git"
            if is_git_dir(dot_git):
                return cls._at(dot_git, folder)
            if (pointed := _pointed(dot_git)) is not None:
                return cls._at(pointed, folder)
            if is_git_dir(folder):
                raise bare_repository(folder)
        return None

    @classmethod
    def _at(cls, git_dir: Path, top: Path | None) -> Repository:
        try:
            common = (git_dir / "commondir").read_text().strip()
        except OSError:
            return cls(git_dir, git_dir, top)
        return cls(git_dir, Path(os.path.normpath(git_dir / common)), top)

    def git_path(self, name: str) -> Path:
        """Where a file of ours belongs, as `git rev-parse --git-path NAME` would have it: each
        work tree has its own."""

        return self.git_dir / name

    def cwd(self) -> Path:
        """Where to start git for questions about it."""

        return self.top or self.git_dir

    def environment(self, *, allow_network: bool = False, prompt: bool = False) -> dict[str, str]:
        """The environment of such a git; what a hook said of the repository holds, in words that
        do not depend on the folder. Unless it `talks`, it may not speak to anybody; then it may
        what the user's configuration says, and ask with `prompt`."""

        protocols = None if allow_network else "none"
        environ = process.environment(prompt=prompt, protocols=protocols, configured=True)
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
        """Run `git ARGUMENTS` on it, with no hook or monitor of anybody's. With `check`, raises
        Unavailable if its exit code is none of `accepted`; in any case Unsafe if it belongs to
        somebody else."""

        done = process.run_git(
            (*SAFE_CONFIG, *arguments),
            cwd=self.cwd(), environ=self.environment(), input=input, check=check,
            accepted=accepted,
        )  # fmt: skip
        if done.returncode:
            process.check_ownership(done)
        return done


def confined(path: Path) -> tuple[Path, str]:
    """The folder below which a file that the user named as `path` is written, and its path from
    there: the work tree that it lies in; where there is none, its own folder, links resolved.

    Raises Unsafe if a link leads out of a work tree that it lies in, or into Git's own folder: a
    stranger may have committed that link.
    """

    path = Path(os.path.abspath(path))
    tops = [folder for folder in path.parents if has_git_dir(folder)]
    for top in tops:
        resolve_beneath(top, os.path.relpath(path, top))
    if tops:
        return tops[0], os.path.relpath(path, tops[0])
    folder, name = os.path.split(os.path.realpath(path))
    return Path(folder), name


def _work_tree(git_dir: Path, start: Path) -> Path | None:
    """None for a bare repository. Else GIT_DIR alone makes the current folder the top, except for
    a linked work tree, which knows its own, and a submodule, which is known by its `.git`: hooks
    run there with GIT_DIR set."""

    with suppress(OSError):
        if _BARE.search((git_dir / "config").read_text("utf-8", "replace")):
            return None
    real = os.path.realpath(git_dir)
    for folder in (start, *start.parents):
        dot_git = folder / ".git"
        if os.path.realpath(_pointed(dot_git) or dot_git) == real:
            return folder
    try:
        return Path((git_dir / "gitdir").read_text().strip()).parent
    except OSError:
        return git_dir.parent if git_dir.name == ".git" else start


def _pointed(dot_git: Path) -> Path | None:
    """What a `.git` file of a linked work tree or a submodule points to."""

    try:
        text = dot_git.read_text() if dot_git.is_file() else ""
    except (OSError, UnicodeDecodeError):
        return None
    if not text.startswith("gitdir: "):
        return None
    target = Path(os.path.normpath(dot_git.parent / text[len("gitdir: ") :].strip()))
    return target if is_git_dir(target) else None
