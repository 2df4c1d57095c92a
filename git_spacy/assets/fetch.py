"""Fetch the assets of a project side by side: decide on all, act on each, swap in what is right.

One that fails does not stop the others. Events of all workers reach the reporter one at a time, in
the caller's thread.
"""

from __future__ import annotations

import importlib
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Union

from git_spacy.assets.decision import Decision, Standing, decide, source
from git_spacy.assets.sources import Context, Source, scheme_of
from git_spacy.errors import (
    CheckFailed,
    GitSpacyError,
    LocalFailure,
    Problem,
    Unavailable,
    Unsafe,
    local_failure,
)
from git_spacy.files import Staging, make_directory, staging
from git_spacy.project.model import Asset, Project
from git_spacy.state.fingerprint import files_below, fingerprint
from git_spacy.state.index import Fetched, StatIndex


class Decided(NamedTuple):
    """What will be done with an asset."""

    decision: Decision


class Progress(NamedTuple):
    """Bytes that have come, of how many (None: not known)."""

    asset: Asset
    done: int
    total: int | None


class Noted(NamedTuple):
    """Something about an asset that stops nothing."""

    asset: Asset
    text: str


class Finished(NamedTuple):
    """It is in its place; how it was verified, and its size in bytes."""

    asset: Asset
    how: str
    size: int


class Failed(NamedTuple):
    """It is not, and what was there before is."""

    asset: Asset
    error: GitSpacyError


Event = Union[Decided, Progress, Noted, Finished, Failed]  # noqa: UP007 (3.10)
Reporter = Callable[[Event], None]


class Outcome(NamedTuple):
    """What came of it."""

    fetched: tuple[Asset, ...]
    kept: tuple[Asset, ...]
    errors: tuple[GitSpacyError, ...]

    def failure(self) -> GitSpacyError | None:
        """The errors as one, of the gravest family among them: unsafe, then this machine, then
        the network, then what the user has to put there. None if all is well."""

        if not self.errors:
            return None
        families = (Unsafe, LocalFailure, Unavailable, CheckFailed)
        family = next(
            (family for family in families if any(isinstance(e, family) for e in self.errors)),
            type(self.errors[0]),
        )
        return family.of(problem for error in self.errors for problem in error.problems)


def fetch(
    project: Project,
    assets: Sequence[Asset],
    context: Context,
    index: StatIndex,
    report: Reporter,
    *,
    jobs: int = 8,
    force: bool = False,
) -> Outcome:
    """Bring `assets`. `context.progress` and `context.note` are replaced by `report`.

    Raises Interrupted or KeyboardInterrupt, with no partial file left.
    """

    for directory in project.directories:
        make_directory(context.root, directory.normal)
    kept, wanted, errors = [], [], []
    for asset in assets:
        try:
            decision = _decided(asset, context, index, force)
        except GitSpacyError as error:
            errors.append(error)
            report(Failed(asset, error))
            continue
        report(Decided(decision))
        if decision.action == "keep":
            kept.append(asset)
        elif decision.action == "fetch":
            wanted.append(asset)
        else:
            errors.append(_refusal(decision))
    fetched = []
    try:
        for event in _Workers(context, wanted, jobs).events():
            report(event)
            if isinstance(event, Finished):
                fetched.append(event.asset)
                if event.asset.git:
                    _remember(event.asset, index)
            elif isinstance(event, Failed):
                errors.append(event.error)
    finally:
        index.save()
    return Outcome(tuple(fetched), tuple(kept), tuple(errors))


def _decided(asset: Asset, context: Context, index: StatIndex, force: bool) -> Decision:
    past = index.fetched(asset.dest.normal)
    decision = decide(asset, _standing(asset, context, index, past), past, force)
    if decision.action == "fetch":
        scheme_of(asset)
    return decision


def _standing(asset: Asset, context: Context, index: StatIndex, past: Fetched | None) -> Standing:
    dest = asset.dest.normal
    facts = files_below(context.root, dest)
    if facts is None:
        return Standing("absent")
    kind = "file" if len(facts) == 1 and not facts[0].name else "folder"
    verified = ours = None
    if asset.checksum:
        found = (
            index.fingerprint(dest)
            if asset.checksum.algorithm == "md5"
            else fingerprint(context.root, dest, asset.checksum.algorithm)
        )
        verified = found is not None and found.digest == asset.checksum.digest
    if asset.git:
        now = index.fingerprint(dest)
        ours = past is not None and now is not None and past[1:] == now[:2]
    size = sum(fact.size for fact in facts)
    return Standing("file" if kind == "file" else "folder", size, verified, ours)


def _refusal(decision: Decision) -> GitSpacyError:
    asset, reason = decision.asset, decision.reason
    where = f"project.yml:{asset.line}"
    if decision.action == "lacking":
        return CheckFailed.of([Problem(f"'{asset.dest}': {reason}", "", where)])
    mend = f"move it away, or replace it: git spacy assets --force {asset.dest}"
    return Unsafe.of([Problem(f"'{asset.dest}' is not replaced: {reason}", mend, where)])


def _remember(asset: Asset, index: StatIndex) -> None:
    now = index.fingerprint(asset.dest.normal)
    if now is not None:
        index.remember_fetched(asset.dest.normal, Fetched(source(asset), now.digest, now.names))


class _Workers:
    """Threads that fetch, and one queue through which they tell.

    Daemons, not a pool: an interrupted run does not wait for a server that has stalled.
    """

    def __init__(self, context: Context, assets: Sequence[Asset], jobs: int) -> None:
        self.told: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.context = context._replace(
            progress=lambda asset, done, total: self.told.put(Progress(asset, done, total)),
            note=lambda asset, text: self.told.put(Noted(asset, text)),
        )
        self.todo: queue.SimpleQueue[Asset] = queue.SimpleQueue()
        for asset in assets:
            self.todo.put(asset)
        self.remaining = len(assets)
        self.staged: set[Staging] = set()
        self.threads = [
            threading.Thread(target=self._work, daemon=True)
            for _ in range(min(max(jobs, 1), len(assets)))
        ]

    def events(self) -> Iterable[Event]:
        for thread in self.threads:
            thread.start()
        try:
            while self.remaining:
                event = self.told.get()
                if isinstance(event, (Finished, Failed)):
                    self.remaining -= 1
                yield event
        except BaseException:
            self.context.stop.set()
            for thread in self.threads:
                thread.join(0.5)
            for staged in list(self.staged):
                staged.discard()
            raise
        for thread in self.threads:
            thread.join()

    def _work(self) -> None:
        while not self.context.stop.is_set():
            try:
                asset = self.todo.get_nowait()
            except queue.Empty:
                return
            self.told.put(self._fetch(asset))

    def _fetch(self, asset: Asset) -> Event:
        try:
            module, function = _table(asset)
            bring: Source = getattr(importlib.import_module(module), function)
            with staging(self.context.root, asset.dest.normal) as staged:
                self.staged.add(staged)
                try:
                    how = bring(asset, staged, self.context)
                    if not self.context.stop.is_set():
                        staged.swap_in()
                finally:
                    self.staged.discard(staged)
        except GitSpacyError as error:
            return Failed(asset, error)
        except OSError as error:
            return Failed(asset, local_failure(error, f"'{asset.dest}'"))
        except Exception as error:
            # a thread has no one above it: what is a defect here must still reach the user
            return Failed(asset, GitSpacyError(f"'{asset.dest}': {type(error).__name__}: {error}"))
        facts = files_below(self.context.root, asset.dest.normal) or []
        return Finished(asset, how, sum(fact.size for fact in facts))


def _table(asset: Asset) -> list[str]:
    from git_spacy.assets.sources import SOURCES

    return SOURCES[scheme_of(asset)].split(":")
