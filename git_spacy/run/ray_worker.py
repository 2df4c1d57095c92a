"""Run the script lines of one command on a worker of a Ray cluster, and report their output.

The module is pickled by value for machines without git-spacy, so it imports nothing from git_spacy.
Events are plain tuples: ("no_folder",) if the project's folder is neither shared with this machine
nor was it sent; ("step", number); ("printed", is_error, bytes); ("archived", bytes of a tar of the
outputs); ("timed_out",) before the exit, if the lines were ended at the timeout; ("exited", exit
code, whether the program could be started, seconds that the lines ran, id of the node).
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import selectors
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import IO, Any, NamedTuple

GRACE = 5.0  # seconds between SIGTERM and SIGKILL
TIMED_OUT = 124  # exit code
_POLL_INTERVAL = 0.2  # seconds; Ray can only cancel a task between two calls that wait
_READ_SIZE = 1 << 16
_SECRET_LENGTH = 64  # characters
_ARCHIVE_CHUNK_SIZE = 8 << 20
# set by Ray: the devices that it has assigned to this worker
_DEVICE_VARIABLES = (
    "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "HABANA_VISIBLE_MODULES",
    "ASCEND_RT_VISIBLE_DEVICES", "ONEAPI_DEVICE_SELECTOR", "NEURON_RT_VISIBLE_CORES",
    "TPU_VISIBLE_CHIPS",
)  # fmt: skip
# set by Ray for its own use; fewer OpenMP threads could change a script's results
_RAY_PREFIXES = ("RAY_", "PYTHONBREAKPOINT", "OMP_NUM_THREADS")
WorkerEvent = tuple[Any, ...]


class FolderProof(NamedTuple):
    """Proves that a worker sees the driver's folder: a file with a secret, the SHA-256 of the
    secret, and the inode, mtime and size of project.yml (the disks of two machines may be copies of
    each other)."""

    file: str
    digest: str
    stamp: tuple[int, int, int]


class WorkOrder(NamedTuple):
    """A command for a worker to run: the arguments of its script lines.

    If the worker sees the folder that `proof` describes, the lines run in that folder, `root`, with
    the driver's environment, which the worker can then decrypt from `sealed_environ`. Otherwise
    they run in a temporary folder with the files of `archive` (chunks of a tar in Ray's object
    store) and only the variables in `public_environ`. `python` is the interpreter that occurs in
    the arguments, `supervisor` the source of ray_supervisor. The worker waits `delay` seconds
    before it starts. It ends the lines `timeout` seconds later, unless that is 0. With
    `has_own_python`, the interpreter is that of the worker, for which Ray has installed packages.
    """

    lines: tuple[tuple[str, ...], ...]
    root: str
    sealed_environ: bytes
    public_environ: Mapping[str, str]
    python: str
    outputs: tuple[str, ...]
    supervisor: str
    proof: FolderProof | None
    archive: tuple[Any, ...] | None
    delay: float = 0.0
    timeout: float = 0.0
    has_own_python: bool = False

    def __repr__(self) -> str:
        return "WorkOrder(…)"  # Ray or an exception may log it, and environment values are secret


def seal(environ: Mapping[str, str], secret: str) -> bytes:
    """Encrypt `environ` with `secret`.

    The result is a nonce, followed by the JSON combined by XOR with a key stream, SHAKE-256 of
    secret and nonce (workers only have the standard library).
    """

    nonce = os.urandom(32)
    return nonce + _xor_key_stream(json.dumps(dict(environ)).encode("ascii"), secret, nonce)


def unseal(sealed: bytes, secret: str) -> dict[str, str]:
    """Decrypt the result of `seal`."""

    environ: dict[str, str] = json.loads(_xor_key_stream(sealed[32:], secret, sealed[:32]))
    return environ


def _xor_key_stream(data: bytes, secret: str, nonce: bytes) -> bytes:
    stream = hashlib.shake_256(secret.encode("ascii") + nonce).digest(len(data))
    return bytes(byte ^ key for byte, key in zip(data, stream, strict=True))


def project_stamp(root: str) -> tuple[int, int, int]:
    """Return inode, mtime and size of project.yml, which distinguish it from a copy."""

    status = os.stat(os.path.join(root, "project.yml"))
    return status.st_ino, status.st_mtime_ns, status.st_size


def execute(order: WorkOrder) -> Iterator[WorkerEvent]:
    """Run the script lines of a work order, and yield the events.

    No process is left running, however this ends.
    """

    until = time.monotonic() + order.delay
    while time.monotonic() < until:
        time.sleep(_POLL_INTERVAL)
    if order.proof and (secret := _read_secret(order.proof, order.root)):
        environ = {**unseal(order.sealed_environ, secret), **_device_environ()}
        if order.has_own_python:
            environ |= {"PATH": _own_path(order, environ), "VIRTUAL_ENV": sys.prefix}
        last_event = yield from _run_lines(order, order.root, environ, folder="")
    elif order.archive is None:
        last_event = ("no_folder",)
    else:
        # (ignoring errors, since the supervisor may remove the folder first)
        with tempfile.TemporaryDirectory(prefix="git-spacy-", ignore_cleanup_errors=True) as folder:
            root = os.path.join(folder, os.path.basename(order.root) or "project")
            _unpack(order.archive, root)
            last_event = yield from _run_lines(order, root, _isolated_environ(order), folder=folder)
    # after all cleanup, since the driver may end this process once it has received the event
    yield last_event


def _read_secret(proof: FolderProof, root: str) -> str:
    """Return the secret in the file if this is the driver's folder, otherwise ""."""

    try:
        with open(proof.file, encoding="ascii") as stream:
            secret = stream.read(_SECRET_LENGTH + 1)
        is_same = hashlib.sha256(secret.encode("ascii")).hexdigest() == proof.digest
        return secret if is_same and project_stamp(root) == proof.stamp else ""
    except (OSError, ValueError):
        return ""


def _device_environ() -> dict[str, str]:
    return {name: os.environ[name] for name in _DEVICE_VARIABLES if name in os.environ}


def _isolated_environ(order: WorkOrder) -> dict[str, str]:
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(_RAY_PREFIXES)
    }
    environ["PATH"] = _own_path(order, environ)
    return {**environ, **order.public_environ, **_device_environ()}


def _own_path(order: WorkOrder, environ: Mapping[str, str]) -> str:
    programs = os.path.dirname(_interpreter(order))
    return os.pathsep.join(filter(None, (programs, environ.get("PATH", os.defpath))))


def _interpreter(order: WorkOrder) -> str:
    if order.has_own_python:
        return sys.executable
    return order.python if os.access(order.python, os.X_OK) else sys.executable


def _run_lines(
    order: WorkOrder, root: str, environ: Mapping[str, str], folder: str
) -> Generator[WorkerEvent, None, WorkerEvent]:
    """Run the lines, yield their events, and return the last one.

    `folder` is the temporary folder that contains the uploaded project, or "".
    """

    code, was_started, began = 0, True, time.monotonic()
    deadline = began + order.timeout if order.timeout else math.inf
    for number, line in enumerate(order.lines):
        yield ("step", number)
        arguments = _with_interpreter(line, order)
        with _supervised(order.supervisor, arguments, root, environ, folder) as (child, status):
            report = yield from _forward_output(child, status, deadline)
        # (an empty report means that the supervisor ended the lines, or was itself killed)
        code, was_started = int(report.lstrip(b"!") or 137), not report.startswith(b"!")
        if not report and time.monotonic() >= deadline:
            code = TIMED_OUT
            yield ("timed_out",)
        if code:
            break
    seconds = time.monotonic() - began
    if folder and not code:
        yield from _archive_outputs(root, order.outputs)
    return ("exited", code, was_started, seconds, _node_id())


def _node_id() -> str:
    import ray

    return str(ray.get_runtime_context().get_node_id())


def _with_interpreter(line: tuple[str, ...], order: WorkOrder) -> tuple[str, ...]:
    """Return the arguments with the worker's interpreter: as the program, or in what a shell runs
    (the last argument then), where it is a function called `python`."""

    python = _interpreter(order)
    if line[0] == order.python:
        return (python, *line[1:])
    if line[0] == "sh" and python != order.python:
        ours, theirs = shlex.quote(order.python), shlex.quote(python)
        return (*line[:-1], line[-1].replace(f"() {{ {ours} ", f"() {{ {theirs} "))
    return line


@contextmanager
def _supervised(
    supervisor: str, program: tuple[str, ...], root: str, environ: Mapping[str, str], folder: str
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run a program under the supervisor for as long as the block lasts.

    Yields the supervisor's process and the descriptor from which its report can be read.
    """

    reader, writer = os.pipe()
    try:
        command = (sys.executable, "-I", "-S", "-c", supervisor, str(writer), str(GRACE), folder)
        pipe = subprocess.PIPE
        child = subprocess.Popen(
            (*command, *program), cwd=root, env=dict(environ), stdin=pipe, stdout=pipe, stderr=pipe,
            pass_fds=(writer,),
        )  # fmt: skip
        os.close(writer)
        try:
            yield child, reader
        finally:
            assert child.stdin
            child.stdin.close()
            _wait_until_closed(reader)
            for stream in (child.stdout, child.stderr):
                assert stream
                stream.close()
            child.wait()
    finally:
        os.close(reader)


def _wait_until_closed(descriptor: int) -> None:
    deadline = time.monotonic() + 2 * GRACE
    os.set_blocking(descriptor, False)
    while time.monotonic() < deadline:
        try:
            if not os.read(descriptor, 16):
                return
        except BlockingIOError:
            time.sleep(0.02)


def _forward_output(
    child: subprocess.Popen[bytes], status: int, deadline: float
) -> Generator[WorkerEvent, None, bytes]:
    """Yield the output of the program until it has ended, and return the supervisor's report.

    At the `deadline`, let the supervisor end the program.
    """

    assert child.stdin
    assert child.stdout
    assert child.stderr
    with selectors.DefaultSelector() as selector:
        streams = ((child.stdout, False), (child.stderr, True))
        for stream, is_error in streams:
            os.set_blocking(stream.fileno(), False)
            selector.register(stream, selectors.EVENT_READ, is_error)
        selector.register(status, selectors.EVENT_READ)
        report = None
        while report is None:
            if time.monotonic() >= deadline:
                child.stdin.close()
            for key, _ in selector.select(_POLL_INTERVAL):
                if key.fd == status:
                    report = os.read(status, 16)
                elif data := _read(key.fd):
                    yield ("printed", key.data, data)
                elif data is not None:
                    selector.unregister(key.fileobj)
        for stream, is_error in streams:
            while data := _read(stream.fileno()):
                yield ("printed", is_error, data)
    return report


def _read(descriptor: int) -> bytes | None:
    """Read what is available: b"" at the end of the stream, None if there is no data yet."""

    try:
        return os.read(descriptor, _READ_SIZE)
    except BlockingIOError:
        return None


class _ChunkReader:
    """Reads chunks in Ray's object store as one stream."""

    def __init__(self, chunks: tuple[Any, ...], get: Callable[[Any], bytes]) -> None:
        self._chunks = iter(chunks)
        self._get = get
        self._rest = memoryview(b"")

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not self._rest:
                chunk = next(self._chunks, None)
                if chunk is None:
                    break
                self._rest = memoryview(self._get(chunk))
            missing = size - len(data)
            data += self._rest[:missing]
            self._rest = self._rest[missing:]
        return data


def _unpack(chunks: tuple[Any, ...], root: str) -> None:
    import ray

    os.mkdir(root)
    stream: Any = _ChunkReader(chunks, ray.get)
    with tarfile.open(fileobj=stream, mode="r|") as tar:
        extract_sent(tar, root)


def extract_sent(tar: tarfile.TarFile, root: str) -> None:
    """Extract the tar of a project that `workspace_archive` has packed on the user's machine."""

    # from Python 3.10.12, 3.11.4 and 3.12 on
    options: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    tar.extractall(root, **options)


def _archive_outputs(root: str, outputs: tuple[str, ...]) -> Iterator[WorkerEvent]:
    """Yield the existing outputs as the chunks of one tar."""

    with tempfile.TemporaryFile() as file:
        pack(file, root, outputs)
        file.seek(0)
        while chunk := file.read(_ARCHIVE_CHUNK_SIZE):
            yield ("archived", chunk)


def pack(file: IO[bytes], root: str, names: tuple[str, ...]) -> None:
    """Write a tar of the files and folders `names` below `root`, without following links."""

    with closing(tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)) as tar:
        for name in names:
            path = os.path.join(root, name)
            if os.path.lexists(path):
                tar.add(path, name, filter=lambda info: _normalize_member(tar, info))


def _normalize_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> tarfile.TarInfo:
    # store hard links as separate files
    tar.inodes.clear()  # type: ignore[attr-defined]
    info.uid = info.gid = 0
    info.mode &= 0o777  # a setgid folder passes its bit on to new folders; the driver refuses it
    info.uname = info.gname = ""
    return info
