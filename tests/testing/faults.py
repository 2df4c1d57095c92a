"""Run a function in a forked child whose N-th call that changes the file system fails or kills it.

Counted are calls of `os` and `open` in Python. Processes of git are not affected: keeping their
files intact is up to Git.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.testing.projects import import_commands

CHANGING = (
    "rename", "replace", "unlink", "remove", "mkdir", "rmdir", "fsync", "link", "symlink", "chmod",
    "fchmod", "truncate", "ftruncate",
)  # fmt: skip
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_UNTOUCHED = 77  # exit code of the child if there was no N-th call


class Ended(NamedTuple):
    """The exit code of the child (None if it was killed), and whether it made the N-th call."""

    code: int | None
    was_touched: bool


def failing(number: int, do: Callable[[], int], *, kills: bool, code: int = errno.EIO) -> Ended:
    """Call `do` in a child whose `number`-th changing call fails with `code` or kills it."""

    def child() -> int:
        calls = _arm(number, kills, code)
        done = do()
        return _UNTOUCHED if calls[0] < number and done == 0 else done

    status = _forked(child)
    if os.WIFSIGNALED(status):
        return Ended(None, True)
    ended = os.waitstatus_to_exitcode(status)
    return Ended(0, False) if ended == _UNTOUCHED else Ended(ended, True)


def on_full_disk(size: int, do: Callable[[], int]) -> int:
    """Call `do` in a child whose files are limited to `size` bytes; return its exit code."""

    def child() -> int:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        # its output may go to a file of the test
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        return do()

    return os.waitstatus_to_exitcode(_forked(child))


def _forked(do: Callable[[], int]) -> int:
    import_commands()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = do()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1]


def _arm(number: int, kills: bool, code: int) -> list[int]:
    calls = [0]

    def count() -> None:
        calls[0] += 1
        if calls[0] == number:
            if kills:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(code, os.strerror(code))

    def counting(real: Callable[..., Any], counts: Callable[..., bool]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if counts(*arguments, **options):
                count()
            return real(*arguments, **options)

        return call

    for name in CHANGING:
        setattr(os, name, counting(getattr(os, name), lambda *_, **__: True))
    os.open = counting(os.open, lambda _, flags, *__, **___: bool(flags & _WRITING))  # type: ignore[assignment]
    opened = counting(builtins.open, _writes)
    builtins.open = io.open = opened  # type: ignore[assignment]
    return calls


def _writes(file: Any, mode: str = "r", *_: Any, **__: Any) -> bool:
    # a descriptor was counted when it was opened; devices do not count
    is_path = not isinstance(file, int) and os.fspath(file) not in (os.devnull, b"/dev/null")
    return is_path and any(letter in mode for letter in "wax+")
