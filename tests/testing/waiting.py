"""Waiting for a condition. The bound only says that something does not hang: what is waited for takes
a second or two on a machine that has nothing else to do."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 300.0  # seconds; scripts that are to be ended sleep longer


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until `condition()` is true; fail if it never becomes so."""

    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:.0f} s"
        time.sleep(0.01)
