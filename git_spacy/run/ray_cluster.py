"""A Ray cluster: the user's, or one that is started here and ends with us.

Keeps Ray's manners to itself: it neither prints, nor calls home, nor takes our signals. Knows no
projects and no tasks.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import socket
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from git_spacy import interrupts
from git_spacy.errors import ExternalError, InvalidInput

_PATIENCE = 5.0  # seconds for a cluster to answer at all
# RFC 9113, 3.4: the first words of a client, and the frame that either side begins with
_SETTINGS = b"\0\0\0\4\0\0\0\0\0"
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
_CLIENT = "ray://"
_INSTALL = "pip install 'git-spacy[ray]'"
# for the import alone: Ray reads them then
_FOR_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}


def check(address: str | None) -> None:
    """Raises Malformed where Ray is not installed, or the address is not for us."""

    if address and address.startswith(_CLIENT):
        raise InvalidInput(
            f"'{_CLIENT}' is for Ray's client, which cannot stream what commands write",
            location="--address",
            hint="run on a machine of the cluster, with --address HOST:6379 (or auto)",
        )
    try:
        is_there = importlib.util.find_spec("ray") is not None
    except (ImportError, ValueError):
        is_there = False
    if not is_there:
        raise InvalidInput("Ray is not installed", hint=_INSTALL)


class Cluster:
    """A connection to one. `ray` is the library, `is_ours` whether it was started here, `added`
    the environment variables that it left in this process. Raises Malformed, Unavailable."""

    def __init__(self, address: str | None) -> None:
        # what `ray job submit` says is an address, too
        address = address or os.environ.get("RAY_ADDRESS")
        check(address)
        self.is_ours = address is None or address == "local"
        before = set(os.environ)
        with _undisturbed():
            import ray

            self.ray: Any = ray
            logging.getLogger("ray").setLevel(logging.ERROR)
            if address and not self.is_ours:
                _knock(address)
            self._connect(address or "local")
        self.added = set(os.environ) - before

    def _connect(self, address: str) -> None:
        try:
            self.ray.init(
                address=address,
                include_dashboard=False if self.is_ours else None,
                configure_logging=False,
                logging_level=logging.ERROR,
                log_to_driver=False,
                namespace="git-spacy",
            )
        except BaseException as error:
            with suppress(Exception):
                self.ray.shutdown()
            if isinstance(error, KeyboardInterrupt):
                raise
            if isinstance(error, SystemExit) and error.code == signal.SIGTERM:
                raise interrupts.interrupted(signal.SIGTERM) from None  # Ray's handler heard it
            what = (
                "Ray cannot be started here" if self.is_ours else f"no Ray answers at '{address}'"
            )
            said = str(error).strip().splitlines()
            hint = "see 'ray status' there, and that its version and Python are those of here"
            raise ExternalError(
                f"{what}: {said[0] if said else type(error).__name__}",
                hint="" if self.is_ours else hint,
            ) from None

    def has_room(self, wanted: Mapping[str, float]) -> bool:
        """Whether some machine of it has, used or not, all of `wanted`."""

        machines = (node["Resources"] for node in self.ray.nodes() if node["Alive"])
        return any(
            all(machine.get(name, 0) >= amount for name, amount in wanted.items())
            for machine in machines
        )

    def close(self) -> None:
        """Leave it, or end it if it was started here."""

        with _undisturbed(), suppress(Exception):
            self.ray.shutdown()


def _knock(address: str) -> None:
    """Ray itself asks for minutes. Raises Unavailable."""

    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return  # `auto`, or a name that Ray knows
    why = "what answers there speaks no HTTP/2, as Ray does"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _PATIENCE) as line:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            line.sendall(_HELLO)
            answer = line.recv(len(_SETTINGS), socket.MSG_WAITALL)
        if answer[3:4] == _SETTINGS[3:4]:
            return
    except (OSError, OverflowError, UnicodeError) as error:
        why = getattr(error, "strerror", None) or "nobody answers"
    raise ExternalError(
        f"no Ray answers at '{address}': {why}",
        hint="correct --address, or see that 'ray start --head' runs there",
    )


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ray sets signal handlers, warns, and has settings that it reads from the environment."""

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    new = {name: value for name, value in _FOR_RAY.items() if name not in os.environ}
    os.environ.update(new)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in new:
            os.environ.pop(name, None)
        for number, handler in handlers.items():
            with suppress(ValueError):  # not in the main thread, where Ray does not either
                signal.signal(number, handler)
