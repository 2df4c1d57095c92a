"""Run on the cluster as a job: do what the order says, and deliver the results to the remote.

`python -m git_spacy.jobs` starts in a folder with this package and the order. Results are delivered
whenever commands have finished, so that little is lost if the cluster is.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from git_spacy.errors import GitSpacyError, local_failure
from git_spacy.jobs import order as orders
from git_spacy.jobs.driver import Delivery, unpack_project
from git_spacy.jobs.order import JobOrder
from git_spacy.storage.events import TransferEvent, TransferFinished
from git_spacy.storage.remote import RemoteAddress, open_remote

_INTERVAL = 30.0  # seconds between two deliveries
_POLL = 0.5
_OVERRIDES = ("GIT_SPACY_VARS", "WEASEL_CONFIG_OVERRIDES")  # the order has the variables


def main() -> int:
    """Run the job in the current folder; return its exit code."""

    folder = Path.cwd()
    order = orders.parse_order((folder / orders.ORDER_FILE).read_text())
    os.environ.update(order.environ, XDG_CACHE_HOME=str(folder / "state"))
    for name in _OVERRIDES:
        os.environ.pop(name, None)
    root = folder / "project"
    try:
        remote = open_remote(root, RemoteAddress(order.remote, "", order.remote_settings))
        unpack_project(order, remote, root)
        delivery = Delivery(order, root, remote, _report_transfer)
        delivery.send(None)  # before hours of work: can this machine write to the remote?
    except (GitSpacyError, OSError) as error:
        _report(error)
        return 4
    try:
        return _run(order, root, delivery)
    finally:
        for part in (root, folder / "state"):
            shutil.rmtree(part, ignore_errors=True)


def _run(order: JobOrder, root: Path, delivery: Delivery) -> int:
    """Run the commands, and deliver what they have produced whenever some have finished."""

    path = os.pathsep.join(filter(None, (str(root.parent), os.environ.get("PYTHONPATH"))))
    child = subprocess.Popen(
        (sys.executable, "-m", "git_spacy", "run", "--executor", "ray", *order.arguments),
        cwd=root, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip

    def stop(number: int, _: FrameType | None) -> None:
        child.send_signal(number)  # Ray also sends it to the child, which ends its scripts

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    next_delivery = time.monotonic() + _INTERVAL
    while child.poll() is None:
        time.sleep(_POLL)
        if time.monotonic() >= next_delivery:
            _try_send(delivery, None)
            next_delivery = time.monotonic() + _INTERVAL
    is_delivered = _try_send(delivery, child.returncode)
    return child.returncode if child.returncode or is_delivered else 4


def _try_send(delivery: Delivery, exit: int | None) -> bool:
    """Deliver the results; report a failure, and return whether all was sent."""

    try:
        delivery.send(exit)
    except (GitSpacyError, OSError) as error:
        _report(error)
        return False
    return True


def _report_transfer(event: TransferEvent) -> None:
    if isinstance(event, TransferFinished):
        print(f"delivered {event.path}", flush=True)


def _report(error: GitSpacyError | OSError) -> None:
    shown = local_failure(error) if isinstance(error, OSError) else error
    for problem in shown.problems:
        print(problem, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
