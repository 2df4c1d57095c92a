"""The context of a command: where it was started, and the project that it works on.

Every part is read when it is first used, so that a command pays only for what it needs.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from git_spacy.cli import command_line, output
from git_spacy.errors import Busy, GitSpacyError, InvalidInput, as_warning
from git_spacy.light_typing import TYPE_CHECKING, Any, NamedTuple
from git_spacy.real_paths import SETTING, granted

if TYPE_CHECKING:
    import click

    from git_spacy.git.repository import Repository
    from git_spacy.git.settings import Settings
    from git_spacy.project.loader import LoadedProject
    from git_spacy.project.model import Command, Project
    from git_spacy.run.run_context import RunContext
    from git_spacy.state.run_lock import Claim, Registration
    from git_spacy.storage.cache_store import CacheStore
    from git_spacy.storage.run_cache import OutputSource


# They report a damaged repository themselves, or need no repository.
_WITHOUT_WARNING = ("doctor", "clone", "schema", "lock")


class HistoryScope(NamedTuple):
    """A repository with run records, and the project in it: its root and its folder relative to
    the top. Both are None outside a project, which means all projects of the repository."""

    repository: Repository
    root: Path | None
    folder: str | None


class CommandContext:
    """What one command knows: `cwd`, the folder that it was started in (see `git spacy -C`);
    `start`, where the search for project.yml starts; and `variables`, the overrides by dotted name.
    """

    def __init__(
        self, cwd: Path, variables: Mapping[str, Any] | None = None, start: Path | None = None
    ) -> None:
        self.cwd = cwd
        self.variables: dict[str, Any] = dict(variables or {})
        self.start = start or cwd

    # The arguments of a command: each method returns the context for the project that they name.

    def with_variables(self, variables: Mapping[str, Any]) -> CommandContext:
        """Return the context with these overrides."""

        return CommandContext(self.cwd, variables, self.start)

    def split_project_dir(
        self, arguments: tuple[str, ...], *, anywhere: bool = False
    ) -> tuple[CommandContext, tuple[str, ...]]:
        """Return the context and the other arguments.

        The project's folder may be the last argument, as with `spacy project`; `anywhere` also
        allows it as the first of several.
        """

        if anywhere and len(arguments) > 1 and self._is_project(arguments[0]):
            arguments = (*arguments[1:], arguments[0])
        if arguments and self._is_project(arguments[-1]):
            start = self.cwd / arguments[-1]
            return CommandContext(self.cwd, self.variables, start), arguments[:-1]
        return self, arguments

    def only_project_dir(self, arguments: tuple[str, ...]) -> CommandContext:
        """Return the context; accept no argument but the project's folder."""

        context, others = self.split_project_dir(arguments)
        if others:
            raise _usage_error(f"'{others[0]}' is not a folder with a project.yml")
        return context

    def one_argument(
        self, arguments: tuple[str, ...], noun: str
    ) -> tuple[CommandContext, str | None]:
        """Return the context and at most one argument, which `noun` describes, in any order."""

        context, others = self.split_project_dir(arguments, anywhere=True)
        if len(others) > 1:
            raise _usage_error(f"expected one {noun}, got {len(others)}")
        return context, others[0] if others else None

    def _is_project(self, argument: str) -> bool:
        from git_spacy.project.project_file import PROJECT_FILE

        return (self.cwd / argument / PROJECT_FILE).is_file()

    # The project

    @cached_property
    def root(self) -> Path:
        """The project's folder. Raises InvalidInput if there is no project.yml."""

        from git_spacy.project import project_file

        root = project_file.find(self.start)
        command_line.set_project(root)
        return root

    @cached_property
    def data(self) -> bytes:
        """The content of project.yml."""

        from git_spacy.project import loader

        return loader.read_bytes(self.root)

    @cached_property
    def loaded(self) -> LoadedProject:
        """The project with its document and source map."""

        from git_spacy.project import loader

        return loader.parse(self.data, self.variables)

    @property
    def project(self) -> Project:
        """The project, without variants."""

        return self.loaded.project

    def read_again(self) -> CommandContext:
        """Return a context for the same project that reads project.yml itself."""

        again = CommandContext(self.cwd, self.variables, self.start)
        again.settings = self.settings
        return again

    def report_warnings(self) -> None:
        """Print the warnings about project.yml, and what counts of params.yaml instead."""

        for warning in self.project.warnings:
            output.diagnostic(warning)
        if params := [str(param) for param in self.loaded.params]:
            output.message(f"params.yaml counts: {', '.join(params)}")

    def mention_missing_setup(self) -> None:
        """Say, once in a clone, that it lacks hooks or merge driver that the team uses."""

        from git_spacy.setup.fresh_clone import missing_setup

        missing = missing_setup(self.root, os.environ)
        if missing:
            verb = "is" if missing == ("merge driver",) else "are"
            what = f"its {' and '.join(missing)} {verb} missing"
            output.message(
                f"This clone is not set up: {what}; run 'git spacy init'"
                " (git spacy doctor lists the details)"
            )

    def project_with_variants(self) -> Project:
        """Return the project with the variants that have entries in project.lock."""

        from git_spacy.lock import lock_format
        from git_spacy.project import matrix

        return matrix.with_variants(self.project, self.data, lock_format.read(self.root))

    def as_variants(self, commands: tuple[Command, ...]) -> tuple[Command, ...]:
        """Return the variants of `commands` that the overrides stand for, if they are recorded."""

        if not self.variables:
            return commands
        from git_spacy.lock import lock_format
        from git_spacy.project import matrix

        entries = lock_format.read(self.root)
        return matrix.recorded_variants(self.data, self.variables, commands, entries)

    # What a command works with

    @cached_property
    def settings(self) -> Settings:
        """The settings of git-spacy in Git's configuration."""

        from git_spacy.git.settings import read_settings

        return read_settings(self.root)

    @contextmanager
    def lock(self, claims: Sequence[Claim], *, wait: bool = True) -> Iterator[Registration]:
        """Keep other processes from what `claims` say until the block ends, and tell them what the
        user typed; see `project_lock`. The project may then be written where the user allowed it.

        Brings back the outputs that killed runs had set aside, and removes their copies of the
        project.
        """

        from git_spacy.state.run_lock import project_lock

        typed = command_line.typed()
        locked = project_lock(
            self.root, os.environ, claims, command_line=typed, wait=wait, waiting=output.message,
            recover=self._recover,
        )  # fmt: skip
        with self.write_permission(), locked as registration:
            yield registration

    def _recover(self, running: Collection[str]) -> None:
        from git_spacy.state import set_aside

        if set_aside.is_pending(self.root):
            from git_spacy.run.previous_outputs import recovered_warning

            for recovered in set_aside.recover(self.root, running):
                output.diagnostic(recovered_warning(recovered))

    def recover_outputs(self) -> None:
        """Bring back the outputs that a killed run had set aside."""

        from git_spacy.state import run_lock, set_aside

        if set_aside.is_pending(self.root):
            with suppress(Busy, OSError), self.write_permission():
                run_lock.recover_if_free(self.root, self._recover)

    def write_permission(self) -> AbstractContextManager[None]:
        """Let the project be written in the folders that the user's settings allow."""

        from git_spacy.git.settings import folders

        return granted(self.root, lambda: folders(self.settings, SETTING))

    def run_context(self, project: Project) -> RunContext:
        """Return the context that all commands of a run share; it follows the user's settings.

        Create it while holding the project's lock, since it reads the state of the files.
        """

        from git_spacy.git.settings import boolean
        from git_spacy.lock.lock_file import LockFile
        from git_spacy.run.foreground import ForegroundExecutor
        from git_spacy.run.interpreter import find_interpreter
        from git_spacy.run.recorder import Recorder
        from git_spacy.run.run_context import RunContext
        from git_spacy.state.stat_cache import StatCache

        python = find_interpreter(self.root, self.settings, os.environ)
        params = {param.name: param.value for param in self.loaded.params}
        recorder = Recorder(
            project, self.root, python, {**params, **self.variables}, output.diagnostic,
            self.settings.get("spacy.metrics", "").split(),
        )  # fmt: skip
        stats = StatCache.open(self.root)
        stats.declare(project)
        return RunContext(
            project=project,
            root=self.root,
            lock=LockFile(self.root),
            stats=stats,
            executor=ForegroundExecutor(),
            python=python,
            environ=os.environ,
            report=lambda _: None,
            recorder=recorder if boolean(self.settings, "spacy.notes") else None,
            keep_outputs=boolean(self.settings, "spacy.keepOutputs"),
        )

    def cache(self) -> CacheStore:
        """Return the local cache of outputs."""

        from git_spacy.git.settings import boolean
        from git_spacy.storage.cache_store import CacheStore

        return CacheStore.open_for(self.root, link=boolean(self.settings, "spacy.cacheLinks"))

    def output_source(self, project: Project) -> OutputSource:
        """Return the local cache and, if configured, the default remote as a source of outputs."""

        from git_spacy.git.settings import number
        from git_spacy.project.remotes import DEFAULT
        from git_spacy.storage import remote
        from git_spacy.storage.run_cache import OutputSource

        limit = number(self.settings, "spacy.maxOutputSize")
        default_remote = None
        with suppress(InvalidInput):  # no default remote
            address = remote.resolve_address(project, self.settings, None)
            default_remote = remote.open_remote(self.root, address)
        return OutputSource(self.cache(), default_remote, DEFAULT, limit)

    def open_history(self) -> HistoryScope:
        """Return the repository around `start`, and the project in it.

        First records the runs that could not be recorded when they ended. Raises InvalidInput
        outside a repository.
        """

        from git_spacy.git.repository import Repository
        from git_spacy.history import run_history

        repository = Repository.require(self.start)
        try:
            root = self.root
        except InvalidInput:
            return HistoryScope(repository, None, None)
        try:
            run_history.flush_pending(root)
        except (GitSpacyError, OSError) as error:
            output.diagnostic(as_warning(error, "earlier runs are not recorded yet"))
        return HistoryScope(repository, root, run_history.project_folder(root, repository))


def begin(directory: str, command: str | None) -> CommandContext:
    """Return the context of a command that is started in `directory`.

    Warns of a damaged repository, unless the command does so itself.
    """

    start = Path(os.path.abspath(directory))
    command_line.set_project(start)
    if command not in _WITHOUT_WARNING:
        _warn_of_damaged_repository(start)
    return CommandContext(start)


def _warn_of_damaged_repository(start: Path) -> None:
    from git_spacy.git.repository import find_damage

    if damage := find_damage(start):
        text = f"{damage.message}; working as outside of a repository"
        output.diagnostic(damage._replace(message=text, severity="warning"))


def _usage_error(message: str) -> click.UsageError:
    import click  # imported here, since some commands run without it

    return click.UsageError(message)
