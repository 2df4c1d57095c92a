"""Describe how a process ended."""

from __future__ import annotations

import signal

_CAUSES = {
    signal.SIGKILL: "often for lack of memory",
    signal.SIGXCPU: "at a limit of computing time",
    signal.SIGSEGV: "by an error in compiled code",
    signal.SIGABRT: "by an error in compiled code",
    signal.SIGBUS: "by an error in compiled code",
    signal.SIGILL: "since this processor lacks an instruction of the compiled code",
    signal.SIGPIPE: "since nobody reads its output any more",
}


def describe_exit(code: int) -> str:
    """Return e.g. `ended with exit code 3`, or the signal that ended it.

    As in a shell, and for a program that a shell started, 128 + N stands for the signal N.
    """

    name = signal_name(code)
    if not name:
        return f"ended with exit code {code}"
    cause = _CAUSES.get(signal.Signals(code - 128))
    return f"was killed by {name} (exit code {code})" + (f", {cause}" if cause else "")


def signal_name(code: int) -> str:
    """Return the name of the signal that an exit code stands for, e.g. `SIGKILL`, or ""."""

    try:
        return signal.Signals(code - 128).name if code > 128 else ""
    except ValueError:
        return ""
