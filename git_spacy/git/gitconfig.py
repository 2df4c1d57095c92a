"""Git's configuration beyond our own settings: what holds, where it is from, and the repository's
own file, changed by git alone and put back byte for byte."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from git_spacy.errors import Busy
from git_spacy.files import write_atomic
from git_spacy.git import process
from git_spacy.git.repository import Repository


class ConfigValue(NamedTuple):
    """One value, and its scope in Git's own word: system, global, local, worktree, command."""

    scope: str
    text: str


def read_config(repository: Repository) -> dict[str, tuple[ConfigValue, ...]]:
    """All that holds in `repository`, weakest first, by name with its section and last part in
    lower case. Raises Unavailable or Unsafe where git refuses."""

    arguments = ("config", "--null", "--show-scope", "--list")
    done = process.run_git(arguments, cwd=repository.cwd(), environ=repository.environment())
    fields = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    found: dict[str, tuple[ConfigValue, ...]] = {}
    for scope, record in zip(fields[::2], fields[1::2], strict=False):
        name, has_value, text = record.partition("\n")
        value = ConfigValue(scope, text if has_value else "true")
        found[name] = (*found.get(name, ()), value)
    return found


def own_file(repository: Repository) -> Path:
    """The repository's own configuration, which all of its work trees share."""

    return repository.common_dir / "config"


def set_value(repository: Repository, name: str, value: str, *, added: bool) -> None:
    """Set `name` in the repository's own configuration; beside the values there if `added`, else
    instead of them. Raises Unavailable."""

    how = "--add" if added else "--replace-all"
    _config(repository, how, name, value)


def unset_value(repository: Repository, name: str, value: str) -> None:
    """Take `value` of `name` out of the repository's own configuration. Raises Unavailable."""

    _config(repository, "--fixed-value", "--unset-all", name, value)


def _config(repository: Repository, *arguments: str) -> None:
    process.run_git(
        ("config", "--local", *arguments),
        cwd=repository.cwd(), environ=repository.environment(),
    )  # fmt: skip


def rewrite(repository: Repository, change: Callable[[bytes], bytes | None]) -> bool:
    """Replace the repository's own file by what `change` makes of it; False: that is None. No git
    writes it meanwhile. Raises Busy if one does, OSError."""

    path = own_file(repository)
    with _locked(path):
        after = change(path.read_bytes())
        if after is not None:
            write_atomic(path, after)
    return after is not None


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """As git itself locks it."""

    lock = path.with_name(f"{path.name}.lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
    except FileExistsError:
        raise Busy(
            f"another git is writing '{path}'", hint=f"wait; if there is none: rm {lock}"
        ) from None
    try:
        yield
    finally:
        lock.unlink()


def hooks_folder(repository: Repository) -> Path:
    """Where Git looks for hooks, core.hooksPath and all; it need not exist."""

    done = process.run_git(
        ("-c", "core.fsmonitor=false", "rev-parse", "--git-path", "hooks"),
        cwd=repository.cwd(), environ=repository.environment(),
    )  # fmt: skip
    told = os.fsdecode(done.stdout.removesuffix(b"\n"))
    return Path(os.path.normpath(repository.cwd() / told))
