"""Drive headless Chromium with the DevTools protocol over a pipe, which needs no port or driver."""

from __future__ import annotations

import base64
import json
import os
import selectors
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
needs_chromium = pytest.mark.skipif(
    PROGRAM is None, reason="Chromium is not installed (on Debian: apt-get install chromium)"
)
# The pipes of the protocol are file descriptors 3 and 4.
_PIPED = 'exec "$@" 3<&0 4>&1 0</dev/null 1>&2'


class Browser:
    """A page of a browser with its own profile in `folder`; a context manager that stops it."""

    def __init__(self, folder: Path, patience: float = 60.0) -> None:
        self._folder = folder
        self._deadline = time.monotonic() + patience
        self._number = 0
        self._unread = b""

    def __enter__(self) -> Browser:
        assert PROGRAM
        self._folder.mkdir(parents=True, exist_ok=True)
        self._log = (self._folder / "chromium.log").open("wb")
        options = (
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--no-first-run", "--window-size=1200,1000", "--remote-debugging-pipe",
            f"--user-data-dir={self._folder / 'profile'}",
        )  # fmt: skip
        self._process = subprocess.Popen(
            ("sh", "-c", _PIPED, "sh", PROGRAM, *options, "about:blank"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._session: str | None = None
            pages = self._call("Target.getTargets")["targetInfos"]
            page = next(target["targetId"] for target in pages if target["type"] == "page")
            attached = self._call("Target.attachToTarget", targetId=page, flatten=True)
            self._session = attached["sessionId"]
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait()
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        self._process.stdout.close()
        self._log.close()

    def open(self, url: str) -> None:
        self._call("Page.navigate", url=url)

    def ask(self, expression: str) -> Any:
        """Return the present value of a JavaScript expression in the page, or of its promise."""

        answer = self._call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Wait until the expression is true, and return its value."""

        while not (value := self.ask(expression)):
            if time.monotonic() > self._deadline:
                text = self.ask("document.body.innerText")
                raise AssertionError(f"{expression} is still false; the text of the page:\n{text}")
            time.sleep(0.1)
        return value

    def resize(self, width: int, height: int = 1000) -> None:
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def prefer(self, scheme: str) -> None:
        """Set the preferred colour scheme: light or dark."""

        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._call("Emulation.setEmulatedMedia", features=[feature])

    def go_offline(self) -> None:
        self._call("Network.enable")
        self._call(
            "Network.emulateNetworkConditions",
            offline=True, latency=0, downloadThroughput=0, uploadThroughput=0,
        )  # fmt: skip

    def press(self, key: str, text: str = "") -> None:
        """Press a key, named as in KeyboardEvent.key; `text` is what it types."""

        code = {"Enter": 13, "Tab": 9, "ArrowRight": 39}.get(key, 0)
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self._call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **typed
            )

    def point(self, selector: str) -> None:
        """Move the pointer to the middle of an element, after scrolling to it."""

        box = self.ask(
            f"(async () => {{ const one = document.querySelector({json.dumps(selector)});"
            " one.scrollIntoView({block: 'center', behavior: 'instant'});"
            " for (const _ of [1, 2]) await new Promise(requestAnimationFrame);"
            " const box = one.getBoundingClientRect();"
            " return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        self._call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0], y=box[1])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        assert self._process.stdin
        self._process.stdin.write(json.dumps(message).encode() + b"\0")
        self._process.stdin.flush()
        while True:
            answer = json.loads(self._next_message())
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _next_message(self) -> bytes:
        assert self._process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\0" not in self._unread:
                # a response may take longer than the deadline of `wait_for`
                ready = selector.select(max(5.0, self._deadline - time.monotonic()))
                chunk = os.read(self._process.stdout.fileno(), 1 << 16) if ready else b""
                if not chunk:
                    log = (self._folder / "chromium.log").read_text("utf-8", "replace")
                    raise AssertionError(f"Chromium does not respond:\n{log[-2000:]}")
                self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return message
