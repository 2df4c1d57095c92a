"""What runs on a worker of a Ray cluster: the lines of one command, and what they write, told.

It travels by value to machines that have no git-spacy, so it imports nothing of ours. Tells events
as plain tuples: ("unseen",): the project's folder is not here, and did not come along;
("step", number); ("wrote", is_error, bytes); ("made", bytes of a tar of the outputs);
("ended", exit code, whether the program could be started).
"""

from __future__ import annotations

import hashlib
import json
import os
import selectors
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import IO, Any, NamedTuple

GRACE = 5.0  # seconds between asking a group to end and ending it
_LOOK = 0.2  # seconds: an interruption is only noticed between two looks
_CHUNK = 1 << 16
_SECRET = 64  # characters
_PIECE = 8 << 20  # bytes of a tar that travel at a time
# which devices Ray has given to this worker
_GRANTED = (
    "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "HABANA_VISIBLE_MODULES",
    "ASCEND_RT_VISIBLE_DEVICES", "ONEAPI_DEVICE_SELECTOR", "NEURON_RT_VISIBLE_CORES",
    "TPU_VISIBLE_CHIPS",
)  # fmt: skip
# what Ray set for itself; with fewer threads the result might be another
_RAYS_OWN = ("RAY_", "PYTHONBREAKPOINT", "OMP_NUM_THREADS")
WorkerEvent = tuple[Any, ...]


class FolderProof(NamedTuple):
    """How to know the driver's folder: a file with a secret that nobody else knows, the secret's
    SHA-256, and the inode, time and size of its project.yml (folders of two machines may be copies
    of one disk)."""

    file: str
    digest: str
    stamp: tuple[int, int, int]


class WorkOrder(NamedTuple):
    """What is to run: the arguments of the lines; in the folder `root` with the environment that is
    `sealed` where the worker has the folder that `seen` describes, and so can open it; else in a
    folder of its own with the files of `parcel` (chunks of a tar in Ray's store) and nothing of the
    driver's environment but `named`. `python` is the interpreter in the arguments, `keeper` the
    text of ray_keeper. Waits `delay` seconds first."""

    lines: tuple[tuple[str, ...], ...]
    root: str
    sealed: bytes
    named: Mapping[str, str]
    python: str
    outputs: tuple[str, ...]
    keeper: str
    seen: FolderProof | None
    parcel: tuple[Any, ...] | None
    delay: float = 0.0

    def __repr__(self) -> str:
        return "Order(…)"  # Ray, or an exception, may log it: values of the environment are secret


def seal(environ: Mapping[str, str], secret: str) -> bytes:
    """`environ` in a form that only who knows `secret` can read: a nonce, and the JSON combined by
    XOR with SHAKE-256 of the two as the key stream (workers have but the standard library)."""

    nonce = os.urandom(32)
    return nonce + _combined(json.dumps(dict(environ)).encode("ascii"), secret, nonce)


def unseal(sealed: bytes, secret: str) -> dict[str, str]:
    """What `seal` was given."""

    found: dict[str, str] = json.loads(_combined(sealed[32:], secret, sealed[:32]))
    return found


def _combined(data: bytes, secret: str, nonce: bytes) -> bytes:
    stream = hashlib.shake_256(secret.encode("ascii") + nonce).digest(len(data))
    return bytes(one ^ other for one, other in zip(data, stream, strict=True))


def stamp(root: str) -> tuple[int, int, int]:
    """What tells a project.yml from a copy of it."""

    found = os.stat(os.path.join(root, "project.yml"))
    return found.st_ino, found.st_mtime_ns, found.st_size


def work(order: WorkOrder) -> Iterator[WorkerEvent]:
    """Run it. However it ends, no process is left of it."""

    until = time.monotonic() + order.delay
    while time.monotonic() < until:
        time.sleep(_LOOK)
    if order.seen and (secret := _secret(order.seen, order.root)):
        environ = {**unseal(order.sealed, secret), **_granted()}
        ended = yield from _run(order, order.root, environ, folder="")
    elif order.parcel is None:
        ended = ("unseen",)
    else:
        # (the keeper may be quicker to remove it)
        with tempfile.TemporaryDirectory(prefix="git-spacy-", ignore_cleanup_errors=True) as folder:
            root = os.path.join(folder, os.path.basename(order.root) or "project")
            _unpack(order.parcel, root)
            ended = yield from _run(order, root, _own_environment(order), folder=folder)
    # last of all: who hears it may end this process
    yield ended


def _secret(seen: FolderProof, root: str) -> str:
    """The secret in the file, if this is the driver's folder; otherwise ""."""

    try:
        with open(seen.file, encoding="ascii") as stream:
            secret = stream.read(_SECRET + 1)
        is_same = hashlib.sha256(secret.encode("ascii")).hexdigest() == seen.digest
        return secret if is_same and stamp(root) == seen.stamp else ""
    except (OSError, ValueError):
        return ""


def _granted() -> dict[str, str]:
    return {name: os.environ[name] for name in _GRANTED if name in os.environ}


def _own_environment(order: WorkOrder) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(_RAYS_OWN)}
    programs = os.path.dirname(_interpreter(order))
    environ["PATH"] = os.pathsep.join(filter(None, (programs, environ.get("PATH", os.defpath))))
    return {**environ, **order.named, **_granted()}


def _interpreter(order: WorkOrder) -> str:
    return order.python if os.access(order.python, os.X_OK) else sys.executable


def _run(
    order: WorkOrder, root: str, environ: Mapping[str, str], folder: str
) -> Generator[WorkerEvent, None, WorkerEvent]:
    """Tells all but the end, which is returned. `folder` is what is removed then, and holds the
    project if it came along."""

    for number, line in enumerate(order.lines):
        yield ("step", number)
        program = _interpreter(order) if line[0] == order.python else line[0]
        with _kept(order.keeper, (program, *line[1:]), root, environ, folder) as (child, status):
            told = yield from _listen(child, status)
        # (without a word: somebody ended who was to tell)
        code = int(told.lstrip(b"!") or 137)
        if code:
            return ("ended", code, not told.startswith(b"!"))
    if folder:
        yield from _made(root, order.outputs)
    return ("ended", 0, True)


@contextmanager
def _kept(
    keeper: str, program: tuple[str, ...], root: str, environ: Mapping[str, str], folder: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A program that runs as long as the block does, and the descriptor that tells how it ended."""

    told, tell = os.pipe()
    try:
        command = (sys.executable, "-I", "-S", "-c", keeper, str(tell), str(GRACE), folder)
        pipe = subprocess.PIPE
        child = subprocess.Popen(
            (*command, *program), cwd=root, env=dict(environ), stdin=pipe, stdout=pipe, stderr=pipe,
            pass_fds=(tell,),
        )  # fmt: skip
        os.close(tell)
        try:
            yield child, told
        finally:
            assert child.stdin
            child.stdin.close()
            _wait_until_closed(told)
            for stream in (child.stdout, child.stderr):
                assert stream
                stream.close()
            child.wait()
    finally:
        os.close(told)


def _wait_until_closed(descriptor: int) -> None:
    deadline = time.monotonic() + 2 * GRACE
    os.set_blocking(descriptor, False)
    while time.monotonic() < deadline:
        try:
            if not os.read(descriptor, 16):
                return
        except BlockingIOError:
            time.sleep(0.02)


def _listen(child: subprocess.Popen[bytes], status: int) -> Generator[WorkerEvent, None, bytes]:
    """What it writes, until it has ended; returns what the keeper says of that."""

    assert child.stdout
    assert child.stderr
    with selectors.DefaultSelector() as selector:
        streams = ((child.stdout, False), (child.stderr, True))
        for stream, is_error in streams:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, is_error)
        selector.register(status, selectors.EVENT_READ)
        told = None
        while told is None:
            for key, _ in selector.select(_LOOK):
                if key.fd == status:
                    told = os.read(status, 16)
                elif data := _read(key.fd):
                    yield ("wrote", key.data, data)
                elif data is not None:
                    selector.unregister(key.fileobj)
        for stream, is_error in streams:
            while data := _read(stream.fileno()):
                yield ("wrote", is_error, data)
    return told


def _read(descriptor: int) -> bytes | None:
    """What is there; nothing at the end, None if there is nothing yet."""

    try:
        return os.read(descriptor, _CHUNK)
    except BlockingIOError:
        return None


class _Joined:
    """Chunks in Ray's store, as a stream."""

    def __init__(self, chunks: tuple[Any, ...], get: Callable[[Any], bytes]) -> None:
        self._chunks = iter(chunks)
        self._get = get
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(self._get(chunk))
            wanted = size - len(found)
            found += self._rest[:wanted]
            self._rest = self._rest[wanted:]
        return found


def _unpack(chunks: tuple[Any, ...], root: str) -> None:
    import ray

    os.mkdir(root)
    stream: Any = _Joined(chunks, ray.get)
    how: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        tar.extractall(root, **how)


def _made(root: str, outputs: tuple[str, ...]) -> Iterator[WorkerEvent]:
    """The outputs that are there, as one tar, in pieces."""

    with tempfile.TemporaryFile() as file:
        pack(file, root, outputs)
        file.seek(0)
        while piece := file.read(_PIECE):
            yield ("made", piece)


def pack(file: IO[bytes], root: str, names: tuple[str, ...]) -> None:
    """Write a tar of `names` below `root`, and of what lies in them; links as they are."""

    with closing(tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)) as tar:
        for name in names:
            path = os.path.join(root, name)
            if os.path.lexists(path):
                tar.add(path, name, filter=lambda info: _plain(tar, info))


def _plain(tar: tarfile.TarFile, info: tarfile.TarInfo) -> tarfile.TarInfo:
    # two names of one file are two files there as well
    tar.inodes.clear()  # type: ignore[attr-defined]
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info
