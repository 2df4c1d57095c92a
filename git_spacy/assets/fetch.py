"""Fetch the assets of a project in parallel, verify them and move them into place.

Every asset is planned before the first is fetched, and a failure does not stop the others. The
caller raises `FetchOutcome.error()`.
"""

from __future__ import annotations

import errno
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from git_spacy import threads
from git_spacy.assets import asset_status, extraction, merging, sources
from git_spacy.assets.cancellation import Cancellation, Cancelled
from git_spacy.assets.events import (
    FetchEvent,
    FetchFailed,
    FetchFinished,
    FetchReporter,
    FetchSkipped,
    FetchStarted,
)
from git_spacy.assets.http_client import SessionPool
from git_spacy.assets.planner import (
    Decision,
    Fetch,
    Missing,
    Refuse,
    Skip,
    plan_asset,
    select_assets,
    verification,
)
from git_spacy.assets.sources import FetchContext, FetchedContent
from git_spacy.errors import (
    CheckFailed,
    Diagnostic,
    ExternalError,
    GitSpacyError,
    InvalidInput,
    LocalFailure,
    Refused,
)
from git_spacy.files import Staging, make_directory, recover, staging
from git_spacy.git import process
from git_spacy.git.address import without_credentials
from git_spacy.git.http_settings import HttpConfig
from git_spacy.git.settings import Settings
from git_spacy.project.diagnostics import group_problems
from git_spacy.project.graph import check_destinations
from git_spacy.project.model import Asset, Project
from git_spacy.project.permission import require_writable
from git_spacy.state.fetched_assets import (
    describe_source,
    fetched_asset,
    paths_inside,
    read_fetched_files,
    write_fetched_files,
)
from git_spacy.state.hashing import digest_contents, files_below, fingerprint
from git_spacy.state.stat_cache import StatCache

JOBS = 50  # most wait for a server; as uv and curl --parallel; git-lfs has 8

# The first of these classes among the failures sets the exit code. What the user must decide or
# correct comes before failures of this machine, and those before failures of a server.
_WORST_FIRST: tuple[type[GitSpacyError], ...] = (
    Refused,
    InvalidInput,
    LocalFailure,
    ExternalError,
    CheckFailed,
)


class FetchFailure(NamedTuple):
    """An asset and the reason why it was not fetched."""

    asset: Asset
    error: GitSpacyError

    def cause(self, message: str) -> str:
        """Return `message` without the address of the asset's repository, which others share."""

        address = without_credentials(self.asset.git.repo).rstrip("/") if self.asset.git else ""
        return message.rpartition(address)[2].lstrip("/': ") if address else message


class FetchOutcome(NamedTuple):
    """The assets by result, each list in the order of project.yml. `contents` has what the sources
    sent, by destination."""

    fetched: tuple[Asset, ...]
    skipped: tuple[Asset, ...]
    failed: tuple[FetchFailure, ...]
    missing: tuple[FetchFailure, ...]
    contents: Mapping[str, FetchedContent] = MappingProxyType({})

    def error(self) -> GitSpacyError | None:
        """Return all failures as one error of the worst class, None without failures."""

        failures = (*self.failed, *self.missing)
        if not failures:
            return None
        codes = [failure.error.exit_code for failure in failures]
        worst = next((kind for kind in _WORST_FIRST if kind.exit_code in codes), ExternalError)
        return worst.from_problems(_grouped(failures))


def fetch(
    project: Project,
    root: Path,
    *,
    index: StatCache,
    settings: Settings,
    environ: Mapping[str, str],
    report: Callable[[FetchEvent], None],
    names: Sequence[str] = (),
    extra: bool = False,
    force: bool = False,
    refresh: bool = False,
    dry_run: bool = False,
    jobs: int = JOBS,
) -> FetchOutcome:
    """Fetch the assets of `project` that `names` select, unless they are present and verified.

    With `refresh`, fetch them in any case; with `dry_run`, replace nothing.

    `report` is called from several threads, but never from two at a time. Raises InvalidInput for
    an unknown name, for overlapping assets and for a destination without a value before anything
    is changed.
    """

    if project.unset:
        raise InvalidInput.from_problems(project.unset)
    check_destinations(project.assets)
    wanted = select_assets(project.assets, names, extra=extra)
    cancellation = Cancellation()
    nested = {asset.dest.normal: paths_inside(project, asset, nested_only=True) for asset in wanted}
    context = FetchContext(
        root, settings, environ, project.environment, cancellation, cancellation.sleep,
        SessionPool(cancellation, HttpConfig(root, environ)),
        threading.Semaphore(sources.MAX_REPOSITORIES), nested,
    )  # fmt: skip
    reporter = _SerialReporter(report, cancellation)
    work = _FetchRun(context, project, index, reporter.report, force, refresh, dry_run)
    for directory in project.directories:
        make_directory(root, directory.normal)
    try:
        for decision in [work.plan(asset) for asset in wanted]:
            work.dispatch(decision)
        work.fetch_all(jobs)
        if reporter.broken:
            raise reporter.broken
    finally:
        context.sessions.close()
        index.save()
    return work.outcome(wanted)


class _FetchRun:
    """The state of one fetch."""

    def __init__(
        self,
        context: FetchContext,
        project: Project,
        index: StatCache,
        report: FetchReporter,
        force: bool,
        refresh: bool,
        dry_run: bool,
    ) -> None:
        self._context = context
        self._project = project
        self._index = index
        self._report = report
        self._force = force
        self._refresh = refresh
        self._dry_run = dry_run
        self._contents: dict[str, FetchedContent] = {}
        self._fetches: list[Fetch] = []
        self._results: dict[str, str] = {}
        self._failures: dict[str, FetchFailure] = {}

    def plan(self, asset: Asset) -> Decision:
        """Decide what to do with an asset."""

        try:
            if asset.has_source:
                require_writable(self._context.root, asset.dest)
                recover(self._context.root, asset.dest.normal)
            if asset.extract:
                recover(self._context.root, extraction.archive_path(asset))
            status = asset_status.inspect_asset(
                self._project, asset, self._context.root, self._index
            )
        except Refused as error:
            return Refuse(asset, error)
        except OSError as error:
            return Refuse(asset, _local_error(error, "cannot read the existing file"))
        refusal = None
        if asset.url is not None or asset.git is not None:
            refusal = sources.refusal(asset, self._context)
        return plan_asset(asset, status, refusal=refusal, force=self._force, refresh=self._refresh)

    def dispatch(self, decision: Decision) -> None:
        """Report an asset that is not fetched, or add it to the queue."""

        if isinstance(decision, Skip):
            self._finish(decision.asset, FetchSkipped(decision.asset.dest.text, decision.reason))
        elif isinstance(decision, Missing):
            self._fail(decision.asset, CheckFailed(decision.reason))
        elif isinstance(decision, Refuse):
            self._fail(decision.asset, decision.error)
        else:
            self._fetches.append(decision)

    def fetch_all(self, jobs: int) -> None:
        """Fetch the assets in the queue, those inside the folder of another one after that.

        An interruption cancels all of them and is raised.
        """

        waiting = self._fetches
        while waiting:
            ready = [
                fetch
                for fetch in waiting
                if not any(_is_inside(fetch.asset, other.asset) for other in waiting)
            ]
            waiting = [fetch for fetch in waiting if fetch not in ready]
            self._fetch_together(ready, jobs)

    def _fetch_together(self, fetches: Sequence[Fetch], jobs: int) -> None:
        internal_errors: list[BaseException] = []
        tasks = [partial(self._fetch_one, fetch) for fetch in fetches]

        def collect(number: int, result: tuple[bool, FetchedContent] | BaseException) -> None:
            self._collect(fetches[number].asset, result, internal_errors)

        threads.run_all(tasks, jobs, collect, self._stopping, "git-spacy-asset")
        if internal_errors:
            raise internal_errors[0]

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        self._context.cancellation.cancel()
        process.end_all(signal.SIGTERM)
        try:
            yield
        finally:
            process.end_all(signal.SIGKILL)

    def _collect(
        self, asset: Asset, result: tuple[bool, FetchedContent] | BaseException,
        internal_errors: list[BaseException],
    ) -> None:  # fmt: skip
        """Record the result of one fetch."""

        if isinstance(result, Cancelled):
            return
        if isinstance(result, GitSpacyError):
            self._fail(asset, result)
        elif isinstance(result, OSError):
            self._fail(asset, _local_error(result, "cannot write the asset"))
        elif isinstance(result, BaseException):
            internal_errors.append(result)
        else:
            is_new, content = result
            self._contents[asset.dest.normal] = content
            if self._dry_run:
                return
            archive = content.source_digests if asset.extract else {}
            record = fetched_asset(asset, content.digest, content.names, archive)
            self._index.remember_fetched(asset.dest.normal, record)
            dest = asset.dest.text
            if is_new:
                verified = "" if self._refresh else verification(asset)
                detail = ", ".join(filter(None, (verified, content.detail)))
                self._finish(asset, FetchFinished(dest, content.size, detail))
            else:
                self._finish(asset, FetchSkipped(dest, "already present, identical to its source"))

    # Runs in a thread.

    def _fetch_one(self, fetch: Fetch) -> tuple[bool, FetchedContent]:
        """Fetch an asset; return whether the destination was replaced, and the content."""

        asset, context = fetch.asset, self._context
        context.cancellation.check()
        self._report(FetchStarted(asset.dest.text, describe_source(asset), fetch.reason))
        try:
            with (
                process.checked_before_start(context.cancellation.check),
                staging(context.root, asset.dest.normal) as staged,
            ):
                content = self._fetch_content(asset, staged)
                context.cancellation.check()
                if self._dry_run:
                    return False, content
                entries = merging.staged_entries(staged)
                is_new = self._merge(fetch, staged, content)
                if is_new:
                    staged.commit()
                if entries:
                    dest = asset.dest.normal
                    write_fetched_files(context.root, dest, content.digest, entries)
                return is_new, content
        except ExternalError as error:
            if fetch.protect_existing:
                reason = f"and cannot be compared: {error.problems[0].message}"
                raise merging.edits_refused(asset, reason) from None
            raise
        except Exception:
            if context.cancellation.is_set:  # the error comes from the socket that was shut down
                raise Cancelled from None
            raise

    def _fetch_content(self, asset: Asset, staged: Staging) -> FetchedContent:
        source, context = sources.get_source(asset, self._context), self._context
        if asset.extract:
            return extraction.fetch_and_extract(source, asset, staged, context, self._report)
        content = source.fetch(asset, staged, context, self._report)
        if not self._refresh:
            return content
        sha256 = fingerprint(context.root, staged.relative, "sha256")
        digests = {"md5": content.digest, "sha256": sha256.digest if sha256 else ""}
        return content._replace(source_digests=digests)

    def _merge(self, fetch: Fetch, staged: Staging, content: FetchedContent) -> bool:
        """Return whether to replace the destination, False if it has the same content.

        Raises Refused if that has edits of the user. Only Git assets are compared: a file with a
        URL is always replaced.
        """

        asset, root, dest = fetch.asset, self._context.root, fetch.asset.dest.normal
        facts = files_below(root, dest)
        if facts and not facts[0].name and asset.git and not self._force:
            current = digest_contents(root, facts)
            if current == content.digest and not content.names:
                return False
            if fetch.protect_existing:
                raise merging.edits_refused(asset)
            if fetch.existing is None or current != fetch.existing.digest:
                raise merging.edits_refused(asset, "during the fetch")
        record = self._index.fetched(dest)
        if facts and not facts[0].name and asset.extract and not self._force:
            current = digest_contents(root, facts)
            # weasel leaves the archive itself at the destination
            known = {
                content.digest,
                record.digest if record else "",
                *content.source_digests.values(),
            }
            if current not in known:
                raise merging.edits_refused(asset)
            if current == content.digest and not content.names:
                return False
        fetched = read_fetched_files(root, dest, record.digest) if record else {}
        inside = paths_inside(self._project, asset)
        return merging.merge(asset, staged, fetched, inside, force=self._force)

    # Results.

    def _finish(self, asset: Asset, event: FetchFinished | FetchSkipped) -> None:
        self._results[asset.dest.normal] = (
            "skipped" if isinstance(event, FetchSkipped) else "fetched"
        )
        self._report(event)

    def _fail(self, asset: Asset, error: GitSpacyError) -> None:
        self._failures[asset.dest.normal] = FetchFailure(asset, error)
        self._report(FetchFailed(asset.dest.text, error))

    def outcome(self, wanted: Iterable[Asset]) -> FetchOutcome:
        """Return the result of each wanted asset."""

        assets = tuple(wanted)

        def assets_with(result: str) -> tuple[Asset, ...]:
            return tuple(
                asset for asset in assets if self._results.get(asset.dest.normal) == result
            )

        failures = [
            self._failures[asset.dest.normal]
            for asset in assets
            if asset.dest.normal in self._failures
        ]
        return FetchOutcome(
            assets_with("fetched"),
            assets_with("skipped"),
            tuple(failure for failure in failures if not isinstance(failure.error, CheckFailed)),
            tuple(failure for failure in failures if isinstance(failure.error, CheckFailed)),
            self._contents,
        )


class _SerialReporter:
    """Reports events from one thread at a time. If that fails, e.g. with a closed pipe, it cancels
    the fetch."""

    def __init__(self, report: FetchReporter, cancellation: Cancellation) -> None:
        self._report = report
        self._cancellation = cancellation
        self._lock = threading.Lock()
        self.broken: Exception | None = None

    def report(self, event: FetchEvent) -> None:
        """Report an event. Raises Cancelled if an earlier report failed."""

        with self._lock:
            if self.broken:
                raise Cancelled
            try:
                self._report(event)
            except Exception as error:
                self.broken = error
                self._cancellation.cancel()
                raise Cancelled from None


def _grouped(failures: Sequence[FetchFailure]) -> Iterator[Diagnostic]:
    """Yield one problem for each cause, with the line of its first asset in project.yml."""

    failed = [(failure, problem) for failure in failures for problem in failure.error.problems]
    causes = (
        (failure.asset.dest.text, failure.cause(problem.message), problem.hint)
        for failure, problem in failed
    )
    for group in group_problems(causes, merge_arguments=True):
        failure, problem = failed[group.first]
        is_single = len(group.names) == 1
        message = problem.message if is_single else group.cause
        noun = "asset" if is_single else "assets"
        yield Diagnostic(
            f"{noun} {group.quoted_names}: {message}",
            group.hint,
            "project.yml",
            failure.asset.line,
        )


def _is_inside(asset: Asset, other: Asset) -> bool:
    return other.dest.holds(asset.dest) and asset.dest.normal != other.dest.normal


def _local_error(error: OSError, doing: str) -> LocalFailure:
    hint = "free disk space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else ""
    return LocalFailure(
        f"{doing}: {error.strerror or error}", hint=hint or "check the permissions of its folder"
    )
