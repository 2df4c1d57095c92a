"""Copy what a script prints to our own output and to a log.

The script keeps our input, our terminal and its process group, so that it can ask questions, and
Ctrl-C and Ctrl-Z work as without a log. Where our output is a terminal, the script's is a
pseudo-terminal of the same size, so that it prints colours and progress bars. Only programs that
read keys through their output, such as full-screen editors, do not work.

A thread copies. The main thread waits for the script, and handles all signals.
"""

from __future__ import annotations

import os
import select
import selectors
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from git_spacy.light_typing import NamedTuple

_CHUNK_SIZE = 1 << 16
_RESIZE_INTERVAL = 0.25  # seconds between looks at the size of the terminal
_IDLE = 0.1  # seconds without data after which a script that has ended has printed everything
_LAST_WORDS = 2.0  # seconds to copy the rest of the output, where it does not end
_left_behind: list[subprocess.Popen[bytes]] = []


class _Channel(NamedTuple):
    """The two ends of a pipe or a pseudo-terminal, and the descriptor to copy to."""

    source: int
    sink: int
    target: int
    is_terminal: bool


class Relay:
    """The output of one process: `streams` are arguments for Popen, without those that are closed
    in this process. `group` is the process group of the script, once it has started."""

    def __init__(self, on_data: Callable[[bytes], None]) -> None:
        self.streams: dict[str, int] = {}
        self.group = 0
        self._on_data = on_data
        self._channels: list[_Channel] = []
        self._wake, self._wake_end = os.pipe()
        for name, target in (("stdout", 1), ("stderr", 2)):
            if name == "stderr" and self.streams and os.path.sameopenfile(1, 2):
                self.streams[name] = self.streams["stdout"]  # in the order in which it is printed
            elif _is_open(target):
                self._channels.append(_open_channel(target))
                self.streams[name] = self._channels[-1].sink
        self._thread = threading.Thread(target=self._copy, name="git-spacy-relay", daemon=True)

    def start(self) -> None:
        """Start to copy."""

        # signals are for the main thread; and `stty tostop` must not stop us
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            self._thread.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)

    def finish(self, seconds: float | None = None) -> None:
        """Copy the rest of the output, and end.

        With `seconds`, give up after that time: the reader of our own output may have stopped.
        """

        for sink in set(self.streams.values()):
            os.close(sink)
        os.close(self._wake_end)  # the other end becomes readable
        self._thread.join(seconds)

    def _copy(self) -> None:
        channels = dict.fromkeys(self._channels)
        try:
            with selectors.DefaultSelector() as selector:
                self._copy_from(channels, selector)
            for channel in channels:  # a background process of the script has it
                _left_behind.append(_copy_in_background(channel))
        finally:
            for channel in channels:
                os.close(channel.source)
            os.close(self._wake)

    def _copy_from(self, channels: dict[_Channel, None], selector: selectors.BaseSelector) -> None:
        """Copy until the output has ended; remove the channels that are closed."""

        selector.register(self._wake, selectors.EVENT_READ)
        for channel in channels:
            selector.register(channel.source, selectors.EVENT_READ, channel)
        has_terminal = any(channel.is_terminal for channel in channels)
        timeout = _RESIZE_INTERVAL if has_terminal else None
        deadline = float("inf")
        while channels and time.monotonic() < deadline:
            ready = selector.select(timeout)
            if not ready and timeout == _IDLE:
                return
            for key, _ in ready:
                if key.data is None:
                    selector.unregister(key.fd)
                    timeout, deadline = _IDLE, time.monotonic() + _LAST_WORDS
                elif not self._pass_on(key.data):
                    selector.unregister(key.fd)
                    del channels[key.data]
                    os.close(key.fd)
            self._follow_size(channels)

    def _pass_on(self, channel: _Channel) -> bool:
        """Copy some data; return whether more can follow."""

        try:
            data = os.read(channel.source, _CHUNK_SIZE)
        except OSError:  # EIO: the other end of a pseudo-terminal is closed
            return False
        if not data:
            return False
        self._on_data(data)
        try:
            _write_all(channel.target, data)
        except OSError:  # without a reader; the script gets SIGPIPE, as without us
            return False
        return True

    def _follow_size(self, channels: Iterable[_Channel]) -> None:
        """Give each pseudo-terminal its terminal's size; tell the script once if one changed."""

        terminals = [channel for channel in channels if channel.is_terminal]
        changed = [channel for channel in terminals if _copy_size(channel.target, channel.source)]
        if changed and self.group:
            with suppress(OSError):
                os.killpg(self.group, signal.SIGWINCH)


@contextmanager
def relayed(on_data: Callable[[bytes], None] | None) -> Iterator[Relay | None]:
    """Yield the relay for a process that is started and ends in this block.

    All of its output has been copied at the end. Yields None without `on_data`.
    """

    if on_data is None:
        yield None
        return
    relay = Relay(on_data)
    relay.start()
    try:
        yield relay
    except BaseException:
        relay.finish(_LAST_WORDS)
        raise
    relay.finish()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _open_channel(target: int) -> _Channel:
    if not os.isatty(target):
        return _Channel(*os.pipe(), target, False)
    source, sink = os.openpty()
    attributes = termios.tcgetattr(target)
    attributes[1] &= ~termios.OPOST  # the terminal that we copy to does it
    termios.tcsetattr(sink, termios.TCSANOW, attributes)
    _copy_size(target, sink)
    return _Channel(source, sink, target, True)


def _copy_size(source: int, target: int) -> bool:
    """Copy the size of a terminal to another; return whether it was different."""

    with suppress(OSError):
        size = os.get_terminal_size(source)
        if size != os.get_terminal_size(target):
            _set_size(target, size)
            return True
    return False


def _set_size(terminal: int, size: os.terminal_size) -> None:
    import fcntl
    import struct

    packed = struct.pack("HHHH", size.lines, size.columns, 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, packed)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            select.select((), (descriptor,), ())


def _copy_in_background(channel: _Channel) -> subprocess.Popen[bytes]:
    """Let a process copy what background processes print from now on, as long as they run."""

    return subprocess.Popen(
        ("cat",), stdin=channel.source, stdout=channel.target, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
