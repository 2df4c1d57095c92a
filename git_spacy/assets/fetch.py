"""Fetch what a project names: side by side, each beside its destination, swapped in when verified.

Decides about every asset before it acts on one. One that fails does not stop the others. Prints
nothing; whoever calls raises `Outcome.error()`.
"""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from git_spacy import threads
from git_spacy.assets import asset_status, sources
from git_spacy.assets.cancellation import Cancellation, Cancelled
from git_spacy.assets.events import (
    FetchEvent,
    FetchFailed,
    FetchFinished,
    FetchReporter,
    FetchSkipped,
    FetchStarted,
)
from git_spacy.assets.planner import (
    Decision,
    Fetch,
    Missing,
    Refuse,
    Skip,
    decide,
    describe_source,
    select_assets,
    verification,
)
from git_spacy.assets.sources import FetchContext, FetchedContent
from git_spacy.errors import (
    CheckFailed,
    ExternalError,
    GitSpacyError,
    InvalidInput,
    LocalFailure,
    Problem,
    Refused,
)
from git_spacy.files import make_directory, recover, staging
from git_spacy.git import process
from git_spacy.git.settings import Settings
from git_spacy.project.graph import check_destinations
from git_spacy.project.model import Asset, Project
from git_spacy.state.hashing import digest_contents, digest_file_names, files_below
from git_spacy.state.stat_cache import FetchedAsset

JOBS = 8

# Which failure gives a fetch its exit code, the worst first: what was refused needs a decision of
# the user's, a wrong file a correction, this machine a repair; a server may be better tomorrow.
_WORST_FIRST: tuple[type[GitSpacyError], ...] = (
    Refused,
    InvalidInput,
    LocalFailure,
    ExternalError,
    CheckFailed,
)


class FetchStatCache(asset_status.FingerprintSource, Protocol):
    """What of `state.index.StatIndex` is used here, from one thread at a time."""

    def remember_fetched(self, dest: str, what: FetchedAsset) -> None: ...
    def save(self) -> None: ...


class FetchFailure(NamedTuple):
    """An asset and why it could not be had."""

    asset: Asset
    error: GitSpacyError

    @property
    def as_problems(self) -> tuple[Problem, ...]:
        """The same, told as a problem of the line in project.yml."""

        return tuple(
            Problem(
                f"asset '{self.asset.dest}': {problem.message}",
                problem.hint,
                f"project.yml:{self.asset.line}",
            )
            for problem in self.error.problems
        )


class FetchOutcome(NamedTuple):
    """What became of the assets, each list in the order of project.yml."""

    fetched: tuple[Asset, ...]
    skipped: tuple[Asset, ...]
    failed: tuple[FetchFailure, ...]
    missing: tuple[FetchFailure, ...]

    def error(self) -> GitSpacyError | None:
        """Everything that went wrong as one error of the worst family; None if nothing did."""

        wrong = (*self.failed, *self.missing)
        if not wrong:
            return None
        codes = [failure.error.exit_code for failure in wrong]
        family = next(
            (family for family in _WORST_FIRST if family.exit_code in codes), ExternalError
        )
        return family.from_problems(problem for failure in wrong for problem in failure.as_problems)


def fetch(
    project: Project,
    root: Path,
    *,
    index: FetchStatCache,
    settings: Settings,
    environ: Mapping[str, str],
    report: Callable[[FetchEvent], None],
    names: Sequence[str] = (),
    extra: bool = False,
    force: bool = False,
    jobs: int = JOBS,
) -> FetchOutcome:
    """Fetch the assets of `project` (those that `names` mean) that are not there and right.

    `report` is called from several threads, never from two at once. Raises Malformed for a name
    that means nothing and for assets that overlap, before anything is done.
    """

    check_destinations(project.assets)
    wanted = select_assets(project.assets, names, extra=extra)
    cancellation = Cancellation()
    place = FetchContext(
        root, settings, environ, project.environment, cancellation, cancellation.sleep
    )
    turns = _SerialReporter(report, cancellation)
    work = _FetchRun(place, index, turns.report, force)
    for directory in project.directories:
        make_directory(root, directory.normal)
    try:
        for decision in [work.decision(asset) for asset in wanted]:
            work.dispatch(decision)
        work.fetch_all(jobs)
        if turns.broken:
            raise turns.broken
    finally:
        index.save()
    return work.outcome(wanted)


class _FetchRun:
    """One fetch as it goes on."""

    def __init__(
        self, place: FetchContext, index: FetchStatCache, report: FetchReporter, force: bool
    ) -> None:
        self._place = place
        self._index = index
        self._report = report
        self._force = force
        self._fetches: list[Fetch] = []
        self._ends: dict[str, str] = {}
        self._failures: dict[str, FetchFailure] = {}

    def decision(self, asset: Asset) -> Decision:
        """What is to be done about an asset, as things stand."""

        try:
            recover(self._place.root, asset.dest.normal)
            found = asset_status.inspect_asset(asset, self._place.root, self._index)
        except Refused as error:
            return Refuse(asset, error)
        except OSError as error:
            return Refuse(asset, _local(error, "what stands there cannot be read"))
        refusal = None
        if asset.url is not None or asset.git is not None:
            refusal = sources.refusal(asset, self._place)
        return decide(asset, found, refusal=refusal, force=self._force)

    def dispatch(self, decision: Decision) -> None:
        """Act on what needs nothing brought; put the others in the queue."""

        if isinstance(decision, Skip):
            self._finish(decision.asset, FetchSkipped(decision.asset.dest.text, decision.reason))
        elif isinstance(decision, Missing):
            self._fail(decision.asset, CheckFailed(decision.reason))
        elif isinstance(decision, Refuse):
            self._fail(decision.asset, decision.error)
        else:
            self._fetches.append(decision)

    def fetch_all(self, jobs: int) -> None:
        """Bring what is in the queue. An interruption ends all of it, and is passed on."""

        defects: list[BaseException] = []
        tasks = [partial(self._fetch_one, fetch) for fetch in self._fetches]

        def note(number: int, ended: tuple[bool, FetchedContent] | BaseException) -> None:
            self._collect(self._fetches[number].asset, ended, defects)

        threads.run_all(tasks, jobs, note, self._stopping, "git-spacy-asset")
        if defects:
            raise defects[0]

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        self._place.cancellation.cancel()
        process.end_all(signal.SIGTERM)
        try:
            yield
        finally:
            process.end_all(signal.SIGKILL)

    def _collect(
        self, asset: Asset, ended: tuple[bool, FetchedContent] | BaseException,
        defects: list[BaseException],
    ) -> None:  # fmt: skip
        """Record one that ended."""

        if isinstance(ended, Cancelled):
            return
        if isinstance(ended, GitSpacyError):
            self._fail(asset, ended)
        elif isinstance(ended, OSError):
            self._fail(asset, _local(ended, "it cannot be written"))
        elif isinstance(ended, BaseException):
            defects.append(ended)
        else:
            is_new, brought = ended
            what = FetchedAsset(describe_source(asset), brought.digest, brought.names)
            self._index.remember_fetched(asset.dest.normal, what)
            dest = asset.dest.text
            if is_new:
                how = ", ".join(filter(None, (verification(asset), brought.detail)))
                self._finish(asset, FetchFinished(dest, brought.size, how))
            else:
                self._finish(asset, FetchSkipped(dest, "already present, identical to its source"))

    # In a thread.

    def _fetch_one(self, fetch: Fetch) -> tuple[bool, FetchedContent]:
        """Stage, verify, look again, swap in. Whether it was, and what was brought."""

        asset, place = fetch.asset, self._place
        place.cancellation.check()
        self._report(FetchStarted(asset.dest.text, describe_source(asset), fetch.reason))
        try:
            with (
                process.checked_before_start(place.cancellation.check),
                staging(place.root, asset.dest.normal) as staged,
            ):
                brought = sources.get_source(asset, place).fetch(asset, staged, place, self._report)
                place.cancellation.check()
                if not self._may_replace(fetch, brought):
                    return False, brought
                staged.commit()
                return True, brought
        except ExternalError as error:
            if fetch.protect_existing:
                why = f" and cannot be compared: {error.problems[0].message}"
                raise _not_ours(asset, why) from None
            raise
        except Exception:
            if place.cancellation.is_set:  # what a socket says that was shut under its reader
                raise Cancelled from None
            raise

    def _may_replace(self, fetch: Fetch, brought: FetchedContent) -> bool:
        """Whether what was brought may take the place of what stands there; False: it is the same.

        Raises Unsafe if that is somebody's work. Only Git assets are looked at: a file with an
        address is replaced by definition.
        """

        if fetch.asset.git is None or self._force:
            return True
        facts = files_below(self._place.root, fetch.asset.dest.normal)
        if not facts:
            return True
        now = (digest_contents(self._place.root, facts), digest_file_names(facts))
        if now == (brought.digest, brought.names):
            return False
        if fetch.protect_existing:
            raise _not_ours(fetch.asset, " and differs from what project.yml names")
        if fetch.found is None or now != (fetch.found.digest, fetch.found.names):
            raise _not_ours(fetch.asset, ", it changed while its source was fetched")
        return True

    # What became of each.

    def _finish(self, asset: Asset, event: FetchFinished | FetchSkipped) -> None:
        self._ends[asset.dest.normal] = "skipped" if isinstance(event, FetchSkipped) else "fetched"
        self._report(event)

    def _fail(self, asset: Asset, error: GitSpacyError) -> None:
        self._failures[asset.dest.normal] = FetchFailure(asset, error)
        self._report(FetchFailed(asset.dest.text, error))

    def outcome(self, wanted: Iterable[Asset]) -> FetchOutcome:
        """The account of it."""

        assets = tuple(wanted)

        def ended(how: str) -> tuple[Asset, ...]:
            return tuple(asset for asset in assets if self._ends.get(asset.dest.normal) == how)

        failures = [
            self._failures[asset.dest.normal]
            for asset in assets
            if asset.dest.normal in self._failures
        ]
        return FetchOutcome(
            ended("fetched"),
            ended("skipped"),
            tuple(one for one in failures if not isinstance(one.error, CheckFailed)),
            tuple(one for one in failures if isinstance(one.error, CheckFailed)),
        )


class _SerialReporter:
    """A reporter that threads use in turn. If it fails (nobody reads any more), all ends."""

    def __init__(self, report: FetchReporter, cancellation: Cancellation) -> None:
        self._report = report
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self.broken: Exception | None = None

    def report(self, event: FetchEvent) -> None:
        """Raises Cancelled."""

        with self._lock:
            if self.broken:
                raise Cancelled
            try:
                self._report(event)
            except Exception as error:
                self.broken = error
                self._cancellation.cancel()
                raise Cancelled from None


def _not_ours(asset: Asset, why: str) -> Refused:
    return Refused(
        f"what stands there was not put there by git spacy, or was changed since{why}",
        hint=f"move it away, or replace it: git spacy assets --force {asset.dest}",
    )


def _local(error: OSError, doing: str) -> LocalFailure:
    hint = "make room on the disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return LocalFailure(
        f"{doing}: {error.strerror or error}", hint=hint or "look at the permissions of its folder"
    )
