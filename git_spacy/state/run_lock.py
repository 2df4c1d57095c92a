"""Keep processes that would change each other's files from working in a project at once.

Each process registers what it will read and write before it starts, and waits while a process that
is registered has other plans with the same files. Nothing else is locked: a server that runs for
days has no outputs, so no process waits for it.

A process registers once, for all of its commands, and later only gives up what it no longer needs.
It never waits while it is registered, so that processes cannot wait for each other. The exception
is a `git spacy run` inside a script. It ignores the claims of the runs that started it, and is
refused if it would wait for a process that waits itself.
"""

from __future__ import annotations

import json
import os
import shlex
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from git_spacy.errors import Busy, redact
from git_spacy.file_locks import FileLock, file_lock, holder_text, host_name, owner_file
from git_spacy.files import is_alive
from git_spacy.git.state_dir import state_dir
from git_spacy.light_typing import Any, NamedTuple
from git_spacy.patterns import compile_late
from git_spacy.project.model import Command
from git_spacy.project.paths import ProjectPath
from git_spacy.state.variant_folder import abandoned_folders, remove_variant_folders

_OUTER_RUNS = "GIT_SPACY_RUN"
"""Environment variable of scripts: the ids of the runs that started them."""

_ID = compile_late(r"[0-9a-f]{16}")
_POLL_SECONDS = 0.1
_MAX_REGISTRATION = 2.0  # seconds that another process may need for its registration
_MAX_TIME = 1 << 33


class Claim(NamedTuple):
    """The real paths that a process reads and writes, for the command `name` of the project if it
    has one. `since` is when that command started, in seconds since the epoch; 0 if it has not."""

    name: str
    since: float
    reads: tuple[str, ...]
    writes: tuple[str, ...]


class LockHolder(NamedTuple):
    """A process at work in a project.

    `command_line` is what the user typed, `since` is in seconds since the epoch, and `outer` are
    the ids of the runs in whose scripts it was started. While it `is_waiting` for another process,
    it has no claims.
    """

    command_line: str
    process: int
    host: str
    since: float
    claims: tuple[Claim, ...] = ()
    outer: tuple[str, ...] = ()
    is_waiting: bool = False

    @property
    def running(self) -> dict[str, float]:
        """The commands of the project that it runs now, with their start."""

        return {claim.name: claim.since for claim in self.claims if claim.since}

    def describe_process(self) -> str:
        """Return `process 4711`, with the machine if it is another one."""

        where = "" if self.host == host_name() else f" on {self.host}"
        return f"process {self.process}{where}"

    def stop_hint(self) -> str:
        """Return how to stop the process."""

        if self.host == host_name():
            return f"wait for it, or stop it: kill {self.process}"
        return f"wait for it, or stop it on {self.host}"


class _Conflict(NamedTuple):
    """What keeps a process from registering: another one (None if its entry cannot be read), a
    claim of it, and the path that one would write while the other uses it, if any."""

    id: str
    holder: LockHolder | None = None
    claim: Claim = Claim("", 0, (), ())
    path: str = ""

    def describe(self, root: Path) -> str:
        """Return e.g. `'train' (git spacy run, process 4711, since 12:01), which writes 'm'`."""

        holder, (name, since, _, writes) = self.holder, self.claim
        if holder is None:
            return "another run in this project"
        who = f"'{name}' ({holder.command_line}" if name else f"{holder.command_line} ("
        start = f"since {clock(since or holder.since)}"
        who += f"{', ' if name else ''}{holder.describe_process()}, {start})"
        if not self.path:
            return who
        verb = "writes" if self.path in writes else "reads"
        shown = os.path.relpath(self.path, os.path.realpath(root))
        shown = self.path if shown.startswith("..") else shown
        return f"{who}, which {verb if since or not name else f'later {verb}'} '{shown}'"


class Registration:
    """What this process has registered, until it ends its work in the project."""

    def __init__(self, root: Path, id: str, holder: LockHolder, file: FileLock) -> None:
        self._root = root
        self.id = id
        self._holder = holder
        self._file = file
        self._claims: dict[str, list[Claim]] = {}  # by the name of the command
        self._claim_texts: dict[str, str] = {}

    def enter(self, holder: LockHolder) -> None:
        """Replace the entry of this process. The caller holds the lock of the registry."""

        self._holder = holder
        self._claims.clear()
        for claim in holder.claims:
            self._claims.setdefault(claim.name, []).append(claim)
        self._claim_texts = {name: _text(claims) for name, claims in self._claims.items()}
        self._write()

    def _write(self) -> None:
        fields = self._holder._asdict()
        del fields["claims"]
        claims = ", ".join(self._claim_texts.values())
        self._file.write(f'{{"claims": [{claims}], {json.dumps(fields)[1:]}')

    def show_running(self, running: Collection[str], waiting: Collection[str]) -> None:
        """Give up the claims of commands that neither run nor wait, and what a running command
        without outputs reads."""

        # if another process holds the lock for long, the claims stay: they are only too many
        with suppress(Busy), _registry_lock(self._root):
            for name in self._claims.keys() - {*running, *waiting}:
                del self._claims[name], self._claim_texts[name]
            for name in self._claims.keys() & {*running}:
                started = [_started(claim) for claim in self._claims[name]]
                self._claims[name], self._claim_texts[name] = started, _text(started)
            self._write()

    def child_env(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return `environ` for scripts that this process starts."""

        return {**environ, _OUTER_RUNS: ":".join((*_outer_runs(environ), self.id))}


def _text(claims: Iterable[Claim]) -> str:
    return ", ".join(map(json.dumps, claims))


def _started(claim: Claim) -> Claim:
    """Return the claim of a command that runs now."""

    reads = claim.reads if claim.writes else ()
    return claim._replace(since=claim.since or time.time(), reads=reads)


def clock(seconds: float) -> str:
    """Return the local time, with the date if it is not today's."""

    then = time.localtime(seconds)
    is_today = then[:3] == time.localtime()[:3]
    return time.strftime("%H:%M" if is_today else "%Y-%m-%d %H:%M", then)


def claim_paths(
    root: Path, reads: Iterable[ProjectPath] = (), writes: Iterable[ProjectPath] = (),
    name: str = "",
) -> Claim:  # fmt: skip
    """Return the claim on paths of the project at `root`."""

    return Claim(name, 0.0, tuple(_real_paths(root, reads)), tuple(_real_paths(root, writes)))


def claim_commands(root: Path, commands: Iterable[Command]) -> list[Claim]:
    """Return the claims of `commands`, which are going to run."""

    return [claim_paths(root, c.deps, c.produced, c.name) for c in commands]


def claim_files(root: Path, commands: Iterable[Command], *, write: bool) -> list[Claim]:
    """Return the claim of a process that reads the dependencies and outputs of `commands`, and
    writes the outputs with `write`, without running them."""

    deps = [path for command in commands for path in command.deps]
    outs = [path for command in commands for path in command.produced]
    return [claim_paths(root, deps, outs) if write else claim_paths(root, deps + outs)]


def _real_paths(root: Path, paths: Iterable[ProjectPath]) -> Iterator[str]:
    """Yield the paths with links resolved, and a link itself, too: a script may replace it."""

    for path in paths:
        folder, name = os.path.split(os.path.join(root, path.normal))
        link = os.path.normpath(os.path.join(os.path.realpath(folder), name))
        yield link
        if os.path.islink(link):
            yield os.path.realpath(link)


@contextmanager
def project_lock(
    root: Path, environ: Mapping[str, str], claims: Sequence[Claim] = (), *,
    command_line: str = "git spacy", wait: bool = True, waiting: Callable[[str], None],
    recover: Callable[[Collection[str]], None] = lambda _: None,
) -> Iterator[Registration]:  # fmt: skip
    """Register this process in the project at `root`, with `claims`, until the block ends.

    Calls `waiting` with a message before it waits for a process with conflicting claims; raises
    Busy instead if `wait` is false. Before it is registered, calls `recover` with the names of the
    commands of others that may run now. Removes the copies of the project that killed runs left.
    """

    id, outer = os.urandom(8).hex(), _outer_runs(environ)
    holder = LockHolder(
        redact(command_line), os.getpid(), host_name(), time.time(), (), outer, is_waiting=True
    )
    registration: Registration | None = None
    shown: tuple[object, ...] | None = None
    with ExitStack() as stack:
        while True:
            with _registry_lock(root, wait=wait, waiting=waiting) as registry:
                registry.write(json.dumps(holder._asdict()))
                others = _processes(root)
                others.pop(id, None)
                conflict = _find_conflict(claims, others, outer)
                if registration is None:
                    registration = stack.enter_context(_registered(root, id, holder))
                if conflict is None:
                    _recover(others, recover)
                    abandoned = abandoned_folders(root, {id, *others})
                    registration.enter(holder._replace(claims=tuple(claims), is_waiting=False))
                    break
                registration.enter(holder)
            if not wait or (others.keys() & outer and _is_waiting(conflict.id, others)):
                raise _busy(root, conflict)
            if shown != (shown := (conflict.id, conflict.claim.name)):
                waiting(_wait_message(root, conflict))
            time.sleep(_POLL_SECONDS)
        remove_variant_folders(abandoned)
        yield registration


def lock_holders(root: Path) -> tuple[LockHolder, ...]:
    """Return the processes that are at work in the project at `root`, the earliest first."""

    try:
        found = [holder for holder in _processes(root, clean=False).values() if holder]
    except OSError:
        return ()
    return tuple(sorted(found, key=lambda holder: holder.since))


def recover_if_free(root: Path, recover: Callable[[Collection[str]], None]) -> None:
    """Call `recover` as `project_lock` does, unless another process registers at this moment.
    Raises Busy, OSError."""

    with file_lock(_registry(root), wait=False):
        _recover(_processes(root), recover)


def _recover(
    others: Mapping[str, LockHolder | None], recover: Callable[[Collection[str]], None]
) -> None:
    known = [other for other in others.values() if other]
    if len(known) == len(others):
        recover({claim.name for other in known for claim in other.claims})


@contextmanager
def _registered(root: Path, id: str, holder: LockHolder) -> Iterator[Registration]:
    path = _folder(root) / id
    with file_lock(path) as lock:
        try:
            yield Registration(root, id, holder, lock)
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _registry_lock(
    root: Path, *, wait: bool = False, waiting: Callable[[str], None] = lambda _: None
) -> Iterator[FileLock]:
    """Keep other processes from registering until the block ends, which is soon.

    Raises Busy if `wait` is false and another process holds this lock for long.
    """

    path, until = _registry(root), time.monotonic() + _MAX_REGISTRATION
    with ExitStack() as stack:
        while True:
            try:
                lock = stack.enter_context(file_lock(path, wait=False))
                break
            except Busy:
                if time.monotonic() < until:
                    time.sleep(_POLL_SECONDS / 5)
                    continue
                conflict = _Conflict("", _read(path))
                if not wait:
                    raise _busy(root, conflict) from None
                waiting(_wait_message(root, conflict))
                lock = stack.enter_context(file_lock(path))
                break
        yield lock


def _processes(root: Path, *, clean: bool = True) -> dict[str, LockHolder | None]:
    """Return the registered processes by id; None for one whose entry cannot be read.

    Removes the entries of killed processes with `clean`: the caller holds the registry's lock.
    """

    folder = _folder(root)
    try:
        names = sorted(filter(_ID.fullmatch, os.listdir(folder)))
    except FileNotFoundError:
        return {}
    found: dict[str, LockHolder | None] = {}
    for name in names:
        text = holder_text(folder / name)
        if text is not None:
            found[name] = _parse(text)
        elif clean:
            for path in (folder / name, owner_file(folder / name)):
                path.unlink(missing_ok=True)
    return found


def _find_conflict(
    claims: Sequence[Claim], others: Mapping[str, LockHolder | None], outer: Collection[str]
) -> _Conflict | None:
    """Return the first claim of another process that `claims` have to wait for."""

    if not claims:
        return None
    names = {claim.name for claim in claims if claim.name}
    writes = _ClaimedPaths.collect(path for claim in claims for path in claim.writes)
    used = _ClaimedPaths.collect(path for claim in claims for path in claim.reads + claim.writes)
    for id, holder in others.items():
        if id in outer:
            continue
        if holder is None:
            return _Conflict(id)
        for theirs in holder.claims:
            path = used.find(theirs.writes) or writes.find(theirs.reads)
            if path or theirs.name in names:
                return _Conflict(id, holder, theirs, path)
    return None


def _is_waiting(id: str, others: Mapping[str, LockHolder | None]) -> bool:
    """Return whether a script of the process `id` waits for another process."""

    return any(other is not None and other.is_waiting and id in other.outer
               for other in others.values())  # fmt: skip


class _ClaimedPaths(NamedTuple):
    """Paths, and the folders above them."""

    known: frozenset[str]
    above: frozenset[str]

    @classmethod
    def collect(cls, paths: Iterable[str]) -> _ClaimedPaths:
        known = frozenset(paths)
        return cls(known, frozenset(parent for path in known for parent in _parents(path)))

    def find(self, paths: Iterable[str]) -> str:
        """Return the first of `paths` that is one of these, below or above one; "" if none is."""

        for path in paths:
            if path in self.above or not self.known.isdisjoint((path, *_parents(path))):
                return path
        return ""


def _parents(path: str) -> Iterator[str]:
    slash = path.rfind("/")
    while slash > 0:
        path = path[:slash]
        yield path
        slash = path.rfind("/")


def _outer_runs(environ: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(filter(_ID.fullmatch, environ.get(_OUTER_RUNS, "").split(":")))


def _registry(root: Path) -> Path:
    return state_dir(root) / "run.lock"


def _folder(root: Path) -> Path:
    return state_dir(root) / "runs"


def _wait_message(root: Path, conflict: _Conflict) -> str:
    hints = [_unlock_hint(root, conflict)]
    if conflict.holder and conflict.holder.host == host_name():
        hints.insert(0, f"to stop it: kill {conflict.holder.process}")
    hint = "".join(f"\nhint: {hint}" for hint in hints if hint)
    return f"Waiting for {conflict.describe(root)} …{hint}"


def _busy(root: Path, conflict: _Conflict) -> Busy:
    holder = conflict.holder
    hints = (
        holder.stop_hint() if holder else "wait for it, or stop it",
        _unlock_hint(root, conflict),
    )
    return Busy(f"locked by {conflict.describe(root)}", hint="\n".join(filter(None, hints)))


def _unlock_hint(root: Path, conflict: _Conflict) -> str:
    """Return what to do about a lock of which only its owner's machine can tell that it is over."""

    holder = conflict.holder
    held = owner_file(_folder(root) / conflict.id if conflict.id else _registry(root))
    is_seen = holder is not None and holder.host == host_name() and is_alive(holder.process)
    if is_seen or not held.exists():
        return ""
    return f"if it has ended without unlocking: rm {shlex.quote(str(held))}"


def _read(path: Path) -> LockHolder | None:
    with suppress(OSError):
        return _parse(holder_text(path) or "")
    return None


def _parse(text: str) -> LockHolder | None:
    """Return the holder, or None if the text is not what `Registration` writes."""

    try:
        fields: Any = json.loads(text)
        holder = LockHolder(**fields)
        claims = tuple(Claim(*claim) for claim in holder.claims)
        holder = holder._replace(claims=claims, outer=tuple(holder.outer))
        texts = [holder.command_line, holder.host, *holder.outer]
        texts += [text for claim in claims for text in (claim.name, *claim.reads, *claim.writes)]
    except (ValueError, TypeError, RecursionError):
        return None
    times = (holder.since, *(claim.since for claim in claims))
    is_valid = (
        all(isinstance(text, str) for text in texts)
        and type(holder.process) is int
        and isinstance(holder.is_waiting, bool)
        and all(isinstance(moment, int | float) and 0 <= moment < _MAX_TIME for moment in times)
    )
    return holder if is_valid else None
