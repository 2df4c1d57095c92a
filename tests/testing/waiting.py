"""Wait for a condition. The timeout only catches hangs: on an idle machine the conditions take a
second or two."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 300.0  # seconds; scripts that a test kills sleep longer


def wait_until(condition: Callable[[], object], what: str = "the condition") -> None:
    """Wait until `condition()` is true; fail if it never becomes so."""

    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE:.0f} s"
        time.sleep(0.01)
