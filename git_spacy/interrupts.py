"""SIGINT and SIGTERM: the one place that handles them, for as long as a command runs.

The first signal raises Interrupted in the main thread, once, so that nothing interrupts the
cleaning up. A second one is ignored: when a terminal sends the signal to the whole process group,
Git gets it as well as we do, and passes it on to us. The third makes whatever cleans up stop
waiting (`is_urgent`).

Code that must not be interrupted between two steps, such as starting a process and remembering it,
stands in `deferred()`; what may be interrupted within that stands in `allowed()`.
"""

from __future__ import annotations

import _thread
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from git_spacy.errors import Interrupted

_POLL = 0.02  # seconds between two looks at what is waited for
_NUMBERS = (signal.SIGINT, signal.SIGTERM)
_ONE_KEY = 2  # signals that one Ctrl-C, or one `kill` of the process group, sends us at most


class _State:
    """What has arrived since the last `begin`."""

    def __init__(self) -> None:
        self.is_handled = False  # whether the handlers are ours
        self.is_deferred = False
        self.count = 0
        self.number = 0  # of the signal that interrupts
        self.is_due = False  # whether that is still to be raised
        self.is_lost = False  # whether that was raised where Python drops exceptions
        self.is_accepted = False


_state = _State()


def handle() -> dict[int, Any]:
    """Handle the signals from now on, in the main thread; the handlers that there were before."""

    global _state
    _state = _State()
    _state.is_handled = True
    sys.unraisablehook = _raise_what_is_lost
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _NUMBERS}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:  # as a shell has it for what it starts in the background
            signal.signal(number, _handle)
    return before


@contextmanager
def handled() -> Iterator[None]:
    """Handle the signals until the block ends. Where they are handled already, and in a thread
    other than the main one, which gets none, the block is just run."""

    if _state.is_handled or not _is_main_thread():
        yield
        return
    hook = sys.unraisablehook
    before = handle()
    try:
        yield
    finally:
        _state.is_handled = False
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


def end(code: int) -> None:
    """Handle no signal any more: the process ends with `code`. Where a signal was the reason, none
    changes that; else one that arrives while Python ends kills it without a traceback."""

    is_interrupted = code in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    for number in _NUMBERS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_IGN if is_interrupted else signal.SIG_DFL)


def _handle(number: int, _frame: FrameType | None) -> None:
    state = _state
    if state.is_lost:
        state.is_lost, state.is_due = False, True
    else:
        state.count += 1
        if state.count == 1 or (state.is_accepted and _is_another(number)):
            state.is_accepted = False
            state.number, state.is_due = number, True
    _raise_if_due()


def _is_another(number: int) -> bool:
    """Whether the signal cannot come from the Ctrl-C that was accepted."""

    return _state.count > _ONE_KEY or number != _state.number


def _raise_if_due() -> None:
    if _state.is_due and not _state.is_deferred:
        _state.is_due = False
        raise Interrupted(_state.number)


def _raise_what_is_lost(lost: Any) -> None:
    """Python drops an exception in `__del__` and in a weak reference's callback, and a signal may
    find us there (each import has such callbacks). Raise it again, a little later."""

    if not issubclass(lost.exc_type, Interrupted):
        sys.__unraisablehook__(lost)
        return
    _state.is_lost = True
    _thread.start_new_thread(_raise_again, (_state,))


def _raise_again(state: _State) -> None:
    time.sleep(_POLL)
    if state.is_lost:
        _thread.interrupt_main(signal.Signals(state.number))


class deferred:
    """A block that no signal interrupts: one that arrives is raised at its end."""

    _value = True

    def __enter__(self) -> None:
        self._before = _state.is_deferred
        if _is_main_thread():
            _state.is_deferred = self._value

    def __exit__(self, *_: object) -> None:
        if _is_main_thread():
            _state.is_deferred = self._before
            _raise_if_due()


class allowed(deferred):
    """A block in a `deferred` one that signals do interrupt, also one that has arrived before."""

    _value = False

    def __enter__(self) -> None:
        super().__enter__()
        try:
            if _is_main_thread():
                _raise_if_due()
        except Interrupted:
            _state.is_deferred = self._before
            raise


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


def interrupted(number: int) -> Interrupted:
    """The exception to raise where a script was interrupted and we were not: from now on it is as
    if the signal had been ours."""

    if _state.count == 0:
        _state.count, _state.number = 1, number
    return Interrupted(_state.number or number)


def accept() -> None:
    """The signal that was raised has done what it was sent for, and the command goes on."""

    _state.is_accepted = True


def begin() -> None:
    """Something begins that an accepted signal was not sent for: the next one interrupts again."""

    if _state.is_accepted:
        _state.is_accepted, _state.count = False, 0


def is_urgent() -> bool:
    """Whether the user has no patience with the cleaning up."""

    return _state.count > _ONE_KEY and not _state.is_accepted


def wait_until(is_over: Callable[[], bool], seconds: float) -> bool:
    """Wait, in cleaning up, until `is_over` says so; False if `seconds` were not enough, or the
    user's patience was not."""

    deadline = time.monotonic() + seconds
    while not is_over():
        if is_urgent() or time.monotonic() >= deadline:
            return False
        time.sleep(_POLL)
    return True
