"""Connect to the user's Ray cluster, or start one that ends with us.

Keep Ray from printing, from sending usage statistics, and from replacing our signal handlers.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from git_spacy import interrupts
from git_spacy.errors import ExternalError, InvalidInput
from git_spacy.run.ray_probe import AUTH_MODE, check_address

_CLIENT_SCHEME = "ray://"
_INSTALL = "pip install 'ray>=2.9'"
# only set while Ray is imported, which is when it reads them
_RAY_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}


def require_ray(address: str | None) -> None:
    """Raise InvalidInput if Ray is not installed or the address is unsupported."""

    if address and address.startswith(_CLIENT_SCHEME):
        raise InvalidInput(
            f"unsupported address: the Ray client ('{_CLIENT_SCHEME}') cannot stream output",
            file="--address",
            hint="run on a machine of the cluster, with --address HOST:6379 (or auto)",
        )
    try:
        is_installed = importlib.util.find_spec("ray") is not None
    except (ImportError, ValueError):
        is_installed = False
    if not is_installed:
        raise InvalidInput("Ray is not installed", hint=_INSTALL)


class Cluster:
    """A connection to a cluster. Raises InvalidInput or ExternalError if it cannot be made.

    `ray` is the module, `is_ours` whether we started the cluster, and `added_variables` are the
    environment variables that Ray set in this process.
    """

    def __init__(self, address: str | None) -> None:
        # `ray job submit` passes the address in this variable
        address = address or os.environ.get("RAY_ADDRESS")
        require_ray(address)
        self.is_ours = address is None or address == "local"
        before = set(os.environ)
        with _isolate_ray():
            if address and not self.is_ours:
                check_address(address)
            import ray

            self.ray: Any = ray
            logging.getLogger("ray").setLevel(logging.ERROR)
            self._connect(address or "local")
        self.added_variables = set(os.environ) - before

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
                raise interrupts.interrupted(signal.SIGTERM) from None  # by Ray's signal handler
            message = (
                "cannot start Ray" if self.is_ours else f"cannot connect to Ray at '{address}'"
            )
            lines = str(error).strip().splitlines()
            hint = (
                "check 'ray status' on the cluster, that its Ray and Python versions match, and "
                "RAY_AUTH_TOKEN if it requires a token"
            )
            raise ExternalError(
                f"{message}: {lines[0] if lines else type(error).__name__}",
                hint="" if self.is_ours else hint,
            ) from None

    def has_capacity(self, required: Mapping[str, float]) -> bool:
        """Return whether a machine of the cluster has all `required` resources, in use or not."""

        machines = (node["Resources"] for node in self.ray.nodes() if node["Alive"])
        return any(
            all(machine.get(name, 0) >= amount for name, amount in required.items())
            for machine in machines
        )

    def close(self) -> None:
        """Disconnect from the cluster, and stop it if we started it."""

        with _isolate_ray(), suppress(Exception):
            self.ray.shutdown()
        if AUTH_MODE in self.added_variables:
            os.environ.pop(AUTH_MODE, None)


@contextmanager
def _isolate_ray() -> Iterator[None]:
    """Restore the signal handlers that Ray replaces, silence its warnings, and set the environment
    variables that it reads."""

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    new = {name: value for name, value in _RAY_SETTINGS.items() if name not in os.environ}
    os.environ.update(new)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in new:
            os.environ.pop(name, None)
        for number, handler in handlers.items():
            with suppress(ValueError):  # outside the main thread, where Ray sets no handlers
                signal.signal(number, handler)
