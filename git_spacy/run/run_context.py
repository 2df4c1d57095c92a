"""What the commands of one run share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from pathlib import Path

from git_spacy.light_typing import TYPE_CHECKING, NamedTuple
from git_spacy.lock.lock_file import LockFile
from git_spacy.project.model import Command, Project
from git_spacy.run.events import RunReporter
from git_spacy.run.executor import Executor
from git_spacy.run.interpreter import Interpreter, installed_version
from git_spacy.state.results import record_result
from git_spacy.state.stat_cache import Observed, StatCache

if TYPE_CHECKING:
    from git_spacy.run.logs import RunLogs
    from git_spacy.run.previous_outputs import OutputCache
    from git_spacy.run.recorder import Recorder
    from git_spacy.run.search import Search
    from git_spacy.run.variant_runs import VariantRuns


class RunContext(NamedTuple):
    """The settings and services that all commands of one run share.

    The commands named in `force` run even if they are up to date; `jobs` is how many may run at a
    time; with `keep_going`, a failure only stops the commands that depend on the failed one.
    `show_running` is called with the names of the commands that run, and of those that have not
    started, before each wait for them.
    With `keep_outputs`, scripts find the outputs of their earlier runs. `logs` are the logs of the
    run, which also take part in `report`. `variants` run in copies of the project. `search` adds
    commands while the run goes on.
    """

    project: Project
    root: Path
    lock: LockFile
    stats: StatCache
    executor: Executor
    python: Interpreter
    environ: Mapping[str, str]
    report: RunReporter
    recorder: Recorder | None = None
    force: frozenset[str] = frozenset()
    dry: bool = False
    jobs: int = 1
    keep_going: bool = False
    cache: OutputCache | None = None
    show_running: Callable[[Collection[str], Collection[str]], None] = lambda *_: None
    keep_outputs: bool = False
    logs: RunLogs | None = None
    variants: VariantRuns | None = None
    search: Search | None = None

    def record_result(
        self, command: Command, observed: Observed, before: AbstractSet[str] = frozenset()
    ) -> None:
        """Record the result of `command` in the lock, as `results.record_result` does."""

        spacy_version = partial(installed_version, self.python, "spacy")
        record_result(command, observed, self.lock, self.stats, spacy_version, before)
