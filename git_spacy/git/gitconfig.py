"""Read Git's configuration, change a repository's config file with git, and restore it exactly."""

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
    """A value and its scope: `system`, `global`, `local`, `worktree` or `command`, as in Git."""

    scope: str
    text: str


def read_config(repository: Repository) -> dict[str, tuple[ConfigValue, ...]]:
    """Return every value that applies in `repository`, by name, lowest precedence first.

    The section and the last part of a name are in lower case. Raises ExternalError or Refused if
    git fails.
    """

    arguments = ("config", "--null", "--show-scope", "--list")
    done = process.run_git(arguments, cwd=repository.cwd(), environ=repository.environment())
    fields = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    values: dict[str, tuple[ConfigValue, ...]] = {}
    for scope, record in zip(fields[::2], fields[1::2], strict=False):
        name, has_value, text = record.partition("\n")
        value = ConfigValue(scope, text if has_value else "true")
        values[name] = (*values.get(name, ()), value)
    return values


def repository_config(repository: Repository) -> Path:
    """Return the path of the repository's config file, which its worktrees share."""

    return repository.common_dir / "config"


def set_value(repository: Repository, name: str, value: str, *, append: bool) -> None:
    """Set `name` in the repository's config file; with `append`, keep its present values.

    Raises ExternalError.
    """

    action = "--add" if append else "--replace-all"
    _config(repository, action, name, value)


def unset_value(repository: Repository, name: str, value: str) -> None:
    """Remove `value` of `name` from the repository's config file. Raises ExternalError."""

    _config(repository, "--fixed-value", "--unset-all", name, value)


def _config(repository: Repository, *arguments: str) -> None:
    process.run_git(
        ("config", "--local", *arguments),
        cwd=repository.cwd(), environ=repository.environment(),
    )  # fmt: skip


def rewrite_config(repository: Repository, change: Callable[[bytes], bytes | None]) -> bool:
    """Replace the content of the repository's config file by the result of `change`.

    Returns False, and writes nothing, if that is None. Holds Git's own lock on the file meanwhile.
    Raises Busy if another git holds it, OSError.
    """

    path = repository_config(repository)
    with _config_lock(path):
        new_content = change(path.read_bytes())
        if new_content is not None:
            write_atomic(path, new_content)
    return new_content is not None


@contextmanager
def _config_lock(path: Path) -> Iterator[None]:
    """Lock the file as git does."""

    lock = path.with_name(f"{path.name}.lock")
    try:
        os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666))
    except FileExistsError:
        raise Busy(
            f"another git process is writing '{path}'",
            hint=f"try again; if no git is running: rm {lock}",
        ) from None
    try:
        yield
    finally:
        lock.unlink()


def hooks_dir(repository: Repository) -> Path:
    """Return the folder of the hooks, honouring core.hooksPath; it need not exist."""

    done = process.run_git(
        ("-c", "core.fsmonitor=false", "rev-parse", "--git-path", "hooks"),
        cwd=repository.cwd(), environ=repository.environment(),
    )  # fmt: skip
    path = os.fsdecode(done.stdout.removesuffix(b"\n"))
    return Path(os.path.normpath(repository.cwd() / path))


def pager_config(start: Path) -> tuple[str, bool]:
    """Return the user's pager (GIT_PAGER) and whether color.spacy or color.ui allow colours."""

    queries = ("var", "GIT_PAGER"), ("config", "--get-colorbool", "color.spacy", "true")
    environ = {**os.environ, "LC_ALL": "C"}
    command, colours = (
        process.run_git(query, cwd=start, environ=environ, check=False)
        .stdout.decode("utf-8", "replace")
        .strip()
        for query in queries
    )
    return command, colours != "false"
