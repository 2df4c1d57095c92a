"""Type into an interactive shell on a terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import time
from pathlib import Path

from tests.testing.waiting import PATIENCE

_ESCAPES = re.compile(rb"\x1b(\[[0-9;?>=]*[A-Za-z]|[=>()][0-9A-B]?|\][^\x07]*\x07)")


class Shell:
    """An interactive shell in `folder`."""

    def __init__(self, *arguments: str, folder: Path, **environ: str) -> None:
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(folder)
            os.execvpe(arguments[0], arguments, {**os.environ, "TERM": "dumb", **environ})

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._terminal)

    def types(self, text: str, *expected: str) -> str:
        """Type `text`, wait until all `expected` texts are shown, and return the output."""

        os.write(self._terminal, text.encode())
        seen, end = b"", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            shown = _ESCAPES.sub(b"", seen).decode("utf-8", "replace")
            if all(part in shown for part in expected):
                return shown
            if select.select([self._terminal], [], [], 0.1)[0]:
                seen += os.read(self._terminal, 4096)
        raise AssertionError(f"{text!r} shows {seen.decode('utf-8', 'replace')!r}")

    def clears(self) -> None:
        """Delete the line that was typed."""

        self.types("\x15", "")
        self.types("echo cle''ared\n", "cleared\r\n")
