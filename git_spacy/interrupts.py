"""Handle SIGINT and SIGTERM while a command runs.

The first signal raises Interrupted in the main thread. It does so only once, so that nothing
interrupts the cleanup. A second signal is ignored: when a terminal sends the signal to the whole
process group, Git receives it as well and passes it on to us. A third signal, or one that comes too
late to be the same Ctrl-C, makes the cleanup stop waiting (`is_urgent`).

Use `deferred()` for code that must not be interrupted between two steps, such as starting a process
and remembering it, and `allowed()` for the part of such code that may be interrupted.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from git_spacy.errors import Interrupted
from git_spacy.light_typing import TYPE_CHECKING, Any, TextIO, TypeVar

if TYPE_CHECKING:
    from queue import SimpleQueue

T = TypeVar("T")

_POLL_SECONDS = 0.02
_WAIT_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_FORWARDING_SECONDS = 0.5  # within which Git passes a signal on to us
_MAX_FROM_ONE_KEY = 2  # signals that one Ctrl-C, or one `kill` of the process group, can send us


class _State:
    """The signals that have arrived since `install`."""

    def __init__(self) -> None:
        self.is_handled = False  # whether our handlers are installed
        self.is_deferred = False
        self.count = 0
        self.number = 0  # the signal that interrupted
        self.is_due = False  # whether Interrupted is still to be raised
        self.is_lost = False  # whether it was raised where Python drops exceptions
        self.first_at = 0.0  # monotonic time of the first signal
        self.is_repeated = False


_state = _State()


def install() -> dict[int, Any]:
    """Install our signal handlers and return the previous ones. For the main thread."""

    global _state
    _state = _State()
    _state.is_handled = True
    sys.unraisablehook = _catch_lost_interrupt
    previous: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in previous.items():
        if handler is not signal.SIG_IGN:  # a shell ignores them for background jobs
            signal.signal(number, _handle)
    return previous


@contextmanager
def handling() -> Iterator[None]:
    """Handle the signals until the block ends.

    Does nothing if they are handled already, or outside the main thread, which gets no signals.
    """

    if _state.is_handled or not _is_main_thread():
        yield
        return
    hook = sys.unraisablehook
    previous = install()
    try:
        yield
    finally:
        _state.is_handled = False
        sys.unraisablehook = hook
        for number, handler in previous.items():
            signal.signal(number, handler)


def prepare_exit(code: int) -> None:
    """Stop handling signals, before the process exits with `code`.

    If a signal is the reason for the exit, further ones are ignored. Otherwise a signal that
    arrives while Python shuts down kills the process without a traceback.
    """

    is_interrupted = code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN if is_interrupted else signal.SIG_DFL)


def _handle(number: int, _frame: FrameType | None) -> None:
    state = _state
    if state.is_lost:
        state.is_lost, state.is_due = False, True
    else:
        state.count += 1
        if state.count == 1:
            state.number, state.is_due, state.first_at = number, True, time.monotonic()
        elif time.monotonic() - state.first_at > _FORWARDING_SECONDS:
            state.is_repeated = True
    _raise_if_due()


def _raise_if_due() -> None:
    if _state.is_due and not _state.is_deferred:
        _state.is_due = False
        raise Interrupted(_state.number)


def _catch_lost_interrupt(lost: Any) -> None:
    """Raise an Interrupted again that Python has dropped.

    Python drops exceptions in `__del__` and in the callbacks of weak references. A signal may
    arrive during one, since every import runs such callbacks.
    """

    if not issubclass(lost.exc_type, Interrupted):
        sys.__unraisablehook__(lost)
        return
    _state.is_lost = True
    _thread.start_new_thread(_raise_again, (_state,))


def _raise_again(state: _State) -> None:
    time.sleep(_POLL_SECONDS)
    if state.is_lost:
        _thread.interrupt_main(signal.Signals(state.number))


class deferred:
    """A context in which no signal interrupts; a signal that arrives is raised at its end."""

    _value = True

    def __enter__(self) -> None:
        self._previous = _state.is_deferred
        if _is_main_thread():
            _state.is_deferred = self._value

    def __exit__(self, *_: object) -> None:
        if _is_main_thread():
            _state.is_deferred = self._previous
            _raise_if_due()


class allowed(deferred):
    """A context within `deferred` in which signals interrupt, also those that arrived before."""

    _value = False

    def __enter__(self) -> None:
        super().__enter__()
        try:
            if _is_main_thread():
                _raise_if_due()
        except Interrupted:
            _state.is_deferred = self._previous
            raise


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def interrupted(number: int) -> Interrupted:
    """Return the exception to raise when a script was interrupted by a signal that we did not get.

    From now on, the signal counts as one of ours.
    """

    if _state.count == 0:
        _state.count, _state.number, _state.first_at = 1, number, time.monotonic()
    return Interrupted(_state.number or number)


def is_urgent() -> bool:
    """Return whether the cleanup must not wait any longer, since the user has interrupted again."""

    return _state.is_repeated or _state.count > _MAX_FROM_ONE_KEY


def read_line(stream: TextIO) -> str:
    """Read a line from a terminal; a signal interrupts at any moment.

    `input` drops an exception that is raised while it writes the prompt, and a signal that arrives
    just before the system call that reads does not end it. Here its byte in a pipe does.
    """

    import select

    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        while True:
            ready, _, _ = select.select([stream.fileno(), reader], [], [])
            if stream.fileno() in ready:
                return stream.readline()
            os.read(reader, 512)  # a signal that does not interrupt, e.g. of a resized window
    finally:
        signal.set_wakeup_fd(previous)
        os.close(reader)
        os.close(writer)


def get(queue: SimpleQueue[T]) -> T:
    """Return the next item of a queue; a signal interrupts the wait at any moment.

    A signal that arrives just before the system call that waits does not end it, so no single wait
    is long.
    """

    from queue import Empty

    while True:
        try:
            return queue.get(timeout=_WAIT_SECONDS)
        except Empty:
            continue


def wait_until(is_over: Callable[[], bool], seconds: float) -> bool:
    """Wait during a cleanup until `is_over` returns true; return whether it did.

    Gives up after `seconds`, or when the cleanup has become urgent.
    """

    deadline = time.monotonic() + seconds
    pause = _POLL_SECONDS / 32  # most processes end at once
    while not is_over():
        if is_urgent() or time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(2 * pause, _POLL_SECONDS)
    return True
