"""Run a Ray cluster of two nodes in a child process, which prints its address and stops when its
input is closed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

_ATTEMPTS = 6  # Ray gives up if a node does not start within 30 s, as on a busy machine
TOKEN = "0123456789abcdef" * 4


class Ray(NamedTuple):
    """The address of the cluster, and the folder with all its files."""

    address: str
    folder: Path


@contextmanager
def cluster(auth_mode: str = "disabled") -> Iterator[Ray]:
    """Start a cluster with two CPUs on each node, and one `licence` on the second.

    With `auth_mode` "token", it requires TOKEN, as one of `ray start --head` does if the user has
    a token.
    """

    # the path of a socket must be short
    with tempfile.TemporaryDirectory(
        prefix="ray", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        for _ in range(_ATTEMPTS):
            with _start(folder, auth_mode) as child:
                assert child.stdout
                if address := child.stdout.readline().strip():
                    try:
                        yield Ray(address, Path(folder))
                    finally:
                        child.communicate(timeout=60)  # closes its input, and waits for it
                    return
        raise AssertionError((Path(folder) / "stderr").read_text())


def _start(folder: str, auth_mode: str) -> subprocess.Popen[str]:
    with (Path(folder) / "stderr").open("wb") as stderr:
        return subprocess.Popen(
            (sys.executable, __file__, folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=stderr, cwd=folder, text=True, env={**environ(folder), "RAY_AUTH_MODE": auth_mode},
        )  # fmt: skip


def environ(folder: str) -> dict[str, str]:
    """Return the environment of the cluster, without our sources or the user's home."""

    return {
        "PATH": os.environ["PATH"],
        "HOME": folder,
        "TMPDIR": folder,
        "RAY_AUTH_TOKEN": TOKEN,
        "RAY_USAGE_STATS_ENABLED": "0",
        "ONLY_ON_THE_CLUSTER": "yes",
    }


def _main(folder: str) -> None:
    from ray.cluster_utils import Cluster

    memory: dict[str, Any] = {"object_store_memory": 100 << 20, "include_dashboard": False}
    own = {"num_cpus": 2, "temp_dir": f"{folder}/ray", **memory}  # Ray also writes to TMPDIR/ray
    try:
        made = Cluster(True, head_node_args=own)
    except Exception:
        traceback.print_exc()
        os._exit(1)  # Ray would wait for its dead server; its other processes end with us
    made.add_node(num_cpus=2, resources={"licence": 1}, **memory)
    made.wait_for_nodes()
    print(made.address, flush=True)
    sys.stdin.read()
    made.shutdown()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    _main(sys.argv[1])
