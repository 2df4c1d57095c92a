"""Run `python -m MODULE …` in forks of a process that has already imported what MODULE imports.

For programs of others that take most of a second to import and are run dozens of times by one test
file. Each command still has a process, environment and working folder of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

DVC_IMPORTS = (
    "dvc.cli.parser", "dvc.cachemgr", "dvc.data_cloud", "dvc.repo.index", "dvc.repo.reproduce",
    "dvc.repo.status", "dvc.rwlock", "dvc.scm", "dvc.utils.strictyaml", "dvc_data.hashfile.db.local",
    "flufl.lock", "fsspec.implementations.memory", "psutil", "rich.console", "zc.lockfile",
)  # fmt: skip
SOURCE = str(Path(__file__).parents[2])


class Done(NamedTuple):
    """The exit code, negative for a signal, and the output of a command."""

    code: int
    out: str
    err: str


class Preloaded:
    """Client of a process that runs a module in forks of itself."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def __call__(self, folder: Path, *arguments: str, environ: Mapping[str, str]) -> Done:
        """Run the module in `folder` with these arguments and exactly this environment."""

        stdin, stdout = self._child.stdin, self._child.stdout
        assert stdin
        assert stdout
        with tempfile.TemporaryDirectory() as outputs:
            files = [f"{outputs}/out", f"{outputs}/err"]
            print(
                json.dumps([str(folder), arguments, dict(environ), files]), file=stdin, flush=True
            )
            code = int(stdout.readline())
            out, err = (Path(name).read_text(errors="replace") for name in files)
        return Done(code, out, err)


@contextmanager
def preloaded(module: str, *imports: str) -> Iterator[Preloaded]:
    """Start a process that imports `imports` and then runs `module` in forks."""

    with tempfile.TemporaryDirectory() as home:
        child = subprocess.Popen(
            (sys.executable, "-m", "tests.testing.preloaded", module, *imports),
            cwd=home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "HOME": home, "PYTHONPATH": SOURCE},
        )  # fmt: skip
        try:
            yield Preloaded(child)
        finally:
            child.communicate()


def _main(module: str, *imports: str) -> None:
    for name in imports:
        with suppress(ImportError):  # not every version of the program has each
            importlib.import_module(name)
    sys.path[:] = [path for path in sys.path if path not in ("", os.getcwd())]
    for line in sys.stdin:
        folder, arguments, environ, files = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run(module, folder, arguments, environ, files)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _run(
    module: str, folder: str, arguments: list[str], environ: dict[str, str], files: list[str]
) -> None:
    code: object = 1
    try:
        for number, path in enumerate([os.devnull, *files]):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT if number else os.O_RDONLY)
            os.dup2(descriptor, number)
            os.close(descriptor)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environ)
        sys.path.insert(0, folder)
        sys.argv = [module, *arguments]
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
            code = 0
        except SystemExit as end:
            code = end.code
            if not isinstance(code, int | None):
                print(code, file=sys.stderr)  # as the interpreter does
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        sys.stderr.flush()
    finally:
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    _main(*sys.argv[1:])
