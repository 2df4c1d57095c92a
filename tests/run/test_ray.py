"""Runs on a Ray cluster: the same lock and outputs as a local run, and no files or processes left."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError
from git_spacy.lock import lock_format
from git_spacy.project import loader
from git_spacy.run import ray_cluster, ray_options, ray_worker
from tests.run.test_run import SLEEPER, start_git_spacy, wait_for_content
from tests.templates.test_ner_fashion import TEMPLATE, needs_spacy
from tests.testing.projects import Done, process, project, snapshot, two_steps
from tests.testing.ray_cluster import TOKEN, Ray, cluster
from tests.testing.repositories import commit, git, repository, write
from tests.testing.waiting import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra 'ray')"
    ),
]
needs_time = pytest.mark.skipif(
    "GIT_SPACY_STRESS" not in os.environ, reason="a long form of another test: scripts/stress"
)


@pytest.fixture(scope="module")
def ray() -> Iterator[Ray]:
    with cluster("token") as found:
        yield found
        assert not list(found.folder.glob("git-spacy-*")), "uploaded files were not removed"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the token of the cluster, which Ray otherwise reads from the home folder of each test."""

    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)


@pytest.fixture
def short_tmpdir(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set a short temporary folder for Ray, since the path of a socket is limited."""

    with tempfile.TemporaryDirectory(
        prefix="ray", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield


def run_on(ray: Ray, root: Path, *arguments: str, **environ: str) -> Done:
    return process("run", *arguments, "--address", ray.address, cwd=root, **environ)


def without_shared_folder(root: Path) -> Path:
    """Upload the project's files, as if the cluster's machines did not share its folder."""

    git(root, "config", "--global", "spacy.rayShared", "false")
    return root


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def have_ended(pids: list[int], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_alive, pids))


def descendants(pid: int) -> list[int]:
    """Return the processes started by `pid`, directly or indirectly."""

    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


STEP = "import sys\nout, *read = sys.argv[1:]\nopen(out, 'w').write(''.join(open(r).read() for r in read) + out)\n"
DIAMOND = """\
commands:
  - {name: top, script: ['python step.py a in'], deps: [in, step.py], outputs: [a]}
  - {name: left, script: ['python step.py b a'], deps: [a], outputs: [b]}
  - {name: right, script: ['python step.py c a', 'python step.py d c'], deps: [a], outputs: [d], outputs_no_cache: [c]}
  - {name: bottom, script: ['python step.py e b c d'], deps: [b, c, d], outputs: [e]}
workflows: {all: [top, left, right, bottom]}
"""
MATRIX = """\
vars: {seed: 0, size: s}
directories: [out]
commands:
  - name: make
    script: ['python step.py out/${vars.seed}-${vars.size} in']
    deps: [in, step.py]
    outputs: ['out/${vars.seed}-${vars.size}']
resources:
  make: {num_cpus: 1, resources: {licence: 1}}
"""
FILES: dict[str, str | bytes] = {"in": "in", "step.py": STEP}


def run_both(tmp_path: Path, text: str, *arguments: str, ray: Ray) -> Done:
    """Run a project locally and on the cluster, and compare all resulting files."""

    local, remote = (project(tmp_path / name, text, FILES) for name in ("local", "remote"))
    done = process("run", *arguments, cwd=local)
    assert done.code == 0, done.err
    done = run_on(ray, remote, *arguments)
    assert done.code == 0, done.err
    assert snapshot(remote) == snapshot(local)
    return done


SHARED_AND_UPLOADED = pytest.mark.parametrize(
    "uploads", [False, pytest.param(True, marks=needs_time)], ids=["shared", "uploaded"]
)


@SHARED_AND_UPLOADED
def test_a_workflow_has_the_same_results_as_a_local_run(
    tmp_path: Path, ray: Ray, uploads: bool
) -> None:
    if uploads:
        without_shared_folder(tmp_path)
    done = run_both(tmp_path, DIAMOND, "all", ray=ray)
    assert done.err.count(": done in") == 4
    assert "right | $ python step.py d c" in done.err
    again = run_on(ray, tmp_path / "remote", "all")
    assert "ran 0, skipped 4" in again.err


def test_four_variants_have_the_same_results_as_a_local_run(tmp_path: Path, ray: Ray) -> None:
    without_shared_folder(tmp_path)
    run_both(tmp_path, MATRIX, "make", "--matrix", "seed=0,1", "--matrix", "size=s,l", ray=ray)
    assert sorted(os.listdir(tmp_path / "remote/out")) == ["0-l", "0-s", "1-l", "1-s"]
    assert len(lock_format.read(tmp_path / "remote")) == 4


EARLIER = """\
vars: {n: 2}
keep_outputs: [grow]
commands:
  - {name: make, script: ['python make.py out ${vars.n}'], deps: [make.py], outputs: [out]}
  - {name: grow, script: ['python make.py grown ${vars.n}'], deps: [make.py], outputs: [grown]}
workflows: {all: [make, grow]}
"""
MAKE = """\
import os, sys
os.makedirs(sys.argv[1], exist_ok=True)
for n in range(int(sys.argv[2])):
    open(f'{sys.argv[1]}/{n}', 'a').write('x')
sys.exit(os.path.exists('fail'))
"""


@needs_time
def test_earlier_outputs_are_set_aside_kept_and_brought_back_as_in_a_local_run(
    tmp_path: Path, ray: Ray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outputs come back from a folder of the worker, which has what stays in the project."""

    without_shared_folder(tmp_path)
    monkeypatch.setitem(FILES, "make.py", MAKE)
    run_both(tmp_path, EARLIER, "all", ray=ray)
    for name in ("local", "remote"):
        (tmp_path / name / "out/.gitkeep").touch()
    run_both(tmp_path, EARLIER.replace("n: 2", "n: 1"), "all", ray=ray)
    remote = tmp_path / "remote"
    assert sorted(os.listdir(remote / "out")) == [".gitkeep", "0"]
    assert (remote / "grown/0").read_text() == "xx"
    before = snapshot(remote / "out")
    (remote / "fail").touch()
    done = run_on(ray, remote, "make", "--force")
    assert done.code == 1
    assert snapshot(remote / "out") == before


# records its start and end time
RECORD_TIMES = (
    "import sys, time\nbegun = time.monotonic()\ntime.sleep(0.3)\n"
    "open(sys.argv[1], 'w').write(f'{begun} {time.monotonic()}')\n"
)


def test_commands_that_require_the_same_resource_do_not_overlap(tmp_path: Path, ray: Ray) -> None:
    commands = "".join(
        f"  - {{name: {n}, script: ['python t.py {n}'], outputs: [{n}]}}\n" for n in "abc"
    )
    text = f"commands:\n{commands}workflows: {{all: [a, b, c]}}\n"
    text += "resources: {a: {resources: {licence: 1}}, b: {resources: {licence: 1}}, c: {resources: {licence: 1}}}"
    root = project(tmp_path, text, {"t.py": RECORD_TIMES})
    repository(root)
    began = time.monotonic()
    done = run_on(ray, root, "all")
    assert done.code == 0, done.err
    ended = time.monotonic()
    spans = []
    for name in "abc":
        first, last = map(float, (root / name).read_text().split())
        spans.append((first, last, name))
    spans.sort()
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans)), spans
    check_recorded_times(root, [(began, began, ""), *spans, (ended, ended, "")])


def check_recorded_times(root: Path, spans: list[tuple[float, float, str]]) -> None:
    """Compare the records of commands that ran one after the other with their `spans`: begin and
    end by the script's own clock (they ran on this machine), and name. The first and the last span
    are those of the run itself. A command's time is without that of the others, for which it was
    queued."""

    lines = git(root, "notes", "--ref=spacy", "show", "HEAD").splitlines()
    records = {record["command"]: record for record in map(json.loads, lines)}
    for before, (begun, ended, name), after in zip(spans, spans[1:], spans[2:], strict=False):
        record = records[name]
        assert ended - begun - 0.001 <= record["seconds"] <= after[0] - before[1] + 0.001, spans
        assert 0 < record["queued"] <= begun - spans[0][0] + 0.001
        assert record["resources"] == {"CPU": 1, "licence": 1}
    (node,) = {record["node"] for record in records.values()}  # only one has the licence
    assert f"on node {node[:12]} with 1 CPU, 1 licence, after " in process("show", cwd=root).out


def test_output_of_parallel_commands_is_prefixed_and_complete(tmp_path: Path, ray: Ray) -> None:
    """`a` and `b` wait for each other, so they run at the same time."""

    root = project(
        tmp_path,
        "commands:\n  - {name: a, script: ['python w.py 1']}\n  - {name: b, script: ['python w.py 2']}\n"
        "  - {name: c, script: ['python -c \"for n in range(100000): print(n)\"']}\n"
        "workflows: {all: [a, b, c]}\n",
        {
            "w.py": "import os, sys, time\nopen('begun' + sys.argv[1], 'w')\n"
            "while not os.path.exists('begun1') or not os.path.exists('begun2'): time.sleep(0.02)\n"
            "print('out', sys.argv[1])\nprint('err\\rover', sys.argv[1], file=sys.stderr)\n"
            "sys.stdout.write('no break')"
        },
    )
    done = run_on(ray, root, "all")
    lines = done.out.splitlines()
    large = [line for line in lines if line.startswith("c | ")]
    assert large == [f"c | {number}" for number in range(100_000)]
    assert sorted(set(lines) - set(large)) == [
        "a | no break", "a | out 1", "b | no break", "b | out 2",
    ]  # fmt: skip
    assert "a | over 1\n" in done.err
    assert "b | over 2\n" in done.err
    assert "ray" not in done.out.lower()


@pytest.mark.parametrize(
    "uploads", [pytest.param(False, marks=needs_time), True], ids=["shared", "uploaded"]
)
def test_the_exit_code_of_a_script_is_passed_on(tmp_path: Path, ray: Ray, uploads: bool) -> None:
    root = project(
        tmp_path,
        "commands:\n  - {name: bad, script: ['python -c \"exit(7)\"', 'python -c \"open(chr(97), chr(119))\"']}\n"
        "  - {name: none, script: ['streamlitt run x']}\n"
        "  - {name: unmade, script: ['python -c pass'], outputs: [out]}\n"
        "workflows: {all: [bad, none, unmade]}\n",
    )
    if uploads:
        without_shared_folder(tmp_path)
        (root / "out").write_text("from before")
    done = run_on(ray, root, "all", "--keep-going", "--jobs", "1")
    assert (done.code, "exit code 7" in done.err) == (7, True)
    assert not (root / "a").exists()
    assert "program not found on the worker: 'streamlitt'" in done.err
    assert "did not produce its output 'out'" in done.err or not uploads
    assert not (root / "project.lock").exists()


def workers(name: str) -> list[int]:
    """Return the worker processes that run the command `name`."""

    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::git spacy run " + name.encode()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@SHARED_AND_UPLOADED
def test_a_command_restarts_after_its_worker_was_killed(
    tmp_path: Path, ray: Ray, uploads: bool
) -> None:
    name = f"killed{os.getpid()}{uploads}"
    root = project(
        tmp_path / "p",
        f"commands: [{{name: {name}, script: ['python slow.py'], outputs: [out]}}]",
        {
            "slow.py": f"import os, time\nwhere = {str(tmp_path)!r}\n"
            "if not os.path.exists(where + '/tried'):\n"
            "    open(where + '/tried', 'w').write(f'{os.getpid()} {os.getcwd()}')\n    time.sleep(60)\n"
            "open('out', 'w').write('made')\n"
        },
    )
    if uploads:
        without_shared_folder(root)
    child = start_git_spacy(root, "run", name, "--address", ray.address)
    first, where = wait_for_content(tmp_path / "tried").split(" ", 1)
    (worker,) = workers(name)
    os.kill(worker, signal.SIGKILL)
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err
    assert f"'{name}' lost its worker (WorkerCrashedError); restart 1 of 3".encode() in err
    assert b"raylet" not in out + err
    assert have_ended([int(first)])
    assert (root / "out").read_text() == "made"
    assert Path(where).exists() == (not uploads)


@needs_time
@pytest.mark.parametrize("uploads", [False, True])
def test_a_command_with_retries_starts_again_after_its_worker_was_killed_or_its_timeout(
    tmp_path: Path, ray: Ray, uploads: bool
) -> None:
    """Its first attempt loses the worker, the second exceeds the timeout, the third succeeds."""

    name, tried = f"attempts-{uploads}", tmp_path / "tried"
    script = f"""\
import os, pathlib, time
tried = pathlib.Path({str(tried)!r})
number = len(tried.read_text().splitlines()) + 1 if tried.exists() else 1
found = os.path.exists("out")
open("out", "w").write(str(number))
with tried.open("a") as stream:
    stream.write(f"{{os.getpid()}} {{found}}\\n")
time.sleep(0 if number == 3 else 1000)
"""
    root = project(
        tmp_path / "p",
        f"commands: [{{name: {name}, script: [python s.py], deps: [s.py], outputs: [out]}}]\n"
        f"resources: {{{name}: {{timeout: 20s, retries: 2}}}}\n",
        {"s.py": script},
    )
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")
    if uploads:
        without_shared_folder(root)
    child = start_git_spacy(root, "run", name, "--address", ray.address)
    wait_for_content(tried)
    (worker,) = workers(name)
    os.kill(worker, signal.SIGKILL)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err
    assert f"warning: '{name}' lost its worker (WorkerCrashedError)\n".encode() in err
    assert f"'{name}' was ended at its timeout of 20s\n".encode() in err
    assert b": attempt 2 of 3\n" in err
    assert b": attempt 3 of 3\n" in err
    pids, found = zip(*(line.split() for line in tried.read_text().splitlines()), strict=True)
    assert found == ("False",) * 3, "an attempt has found what an earlier one wrote"
    assert have_ended([int(pid) for pid in pids])
    assert (root / "out").read_text() == "3"
    (record,) = json.loads(process("show", "--json", cwd=root).out)
    assert [attempt["exit"] for attempt in record["attempts"]] == [4, 124]


@needs_time
@pytest.mark.parametrize("uploads", [False, True])
def test_ray_installs_the_requirements_of_the_project(
    tmp_path: Path, ray: Ray, uploads: bool
) -> None:
    """This needs a package index, as `pip install` does."""

    script = "import tomli_w, sys; open('out', 'w').write(tomli_w.__file__)"
    text = f'commands: [{{name: c, script: ["python -c \\"{script}\\""], outputs: [out]}}]'
    root = project(tmp_path / "p", text, {"requirements.txt": "tomli-w  # small\n"})
    git(root, "init", "-q")
    git(root, "config", "spacy.rayRequirements", "requirements.txt")
    if uploads:
        without_shared_folder(root)
    done = run_on(ray, root, "c")
    assert done.code == 0, done.err
    assert (root / "out").read_text().startswith(str(ray.folder))
    (root / "requirements.txt").write_text("tomli-w==99999\n")
    done = run_on(ray, root, "c", "--force")
    assert done.code == 4
    assert "Ray could not install packages for 'c'" in done.err


@needs_time
def test_ray_accepts_all_amounts_that_the_project_file_may_have() -> None:
    import ray

    for amount in (0, 0.0001, 0.1, 1 / 3, 0.99999, 1, 2, 8.0):
        text = (
            f"commands: [{{name: c}}]\nresources: {{c: {{num_gpus: {amount}, num_cpus: {amount}}}}}"
        )
        loaded = loader.parse(text.encode()).project
        options = ray_options.task_options(loaded.resources["c"], "c")
        assert options["num_gpus"] == amount
        ray.remote(ray_worker.execute).options(**options)
    with pytest.raises(ValueError, match="precision"):
        ray.remote(ray_worker.execute).options(num_gpus=0.00001)


@pytest.mark.threat("signals-in-a-run", commands="run")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=needs_time),
        (signal.SIGKILL, -9),
    ],
)
def test_a_signal_ends_the_scripts_on_the_cluster(
    tmp_path: Path, ray: Ray, number: int, code: int
) -> None:
    files: dict[str, str | bytes] = {"sleeper.py": SLEEPER, "project.lock": "other: {}\n"}
    root = project(tmp_path, "commands: [{name: c, script: ['python sleeper.py']}]", files)
    child = start_git_spacy(root, "run", "c", "--address", ray.address)
    pids = [int(pid) for pid in wait_for_content(root / "pids").split()]
    assert all(map(is_alive, pids))
    child.send_signal(number)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == code, err
    assert have_ended(pids)
    assert (root / "project.lock").read_text() == "other: {}\n"
    if code > 0:
        word = b"interrupted" if code == 130 else b"terminated"
        assert err.splitlines()[-2].startswith(b"error: " + word + b" while 'c' was running")
        assert not list(tmp_path.rglob("ray-*"))


def test_a_local_cluster_refuses_resources_it_does_not_have_and_stops_at_ctrl_c(
    tmp_path: Path, short_tmpdir: None
) -> None:
    root = project(
        tmp_path / "p",
        "commands:\n  - {name: first, script: [touch made], outputs: [made]}\n"
        "  - {name: train, script: ['python -c pass']}\n"
        "  - {name: c, script: ['python sleeper.py']}\n"
        "workflows: {all: [first, train, c]}\nresources: {train: {resources: {licence: 1}}}\n",
        {"sleeper.py": SLEEPER},
    )
    child = start_git_spacy(root, "run", "all", "--executor", "ray", "--keep-going", "--jobs", "1")
    pids = [int(pid) for pid in wait_for_content(root / "pids").split()]
    started = descendants(child.pid)
    assert len(started) > 3
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130, err
    assert out == b""
    assert b"'train' requires 1 CPU, 1 licence, which this machine does not have" in err
    ours = (b"--executor ray", os.fsencode(sys.executable))
    assert b"ray" not in reduce(lambda text, word: text.replace(word, b""), ours, err).lower()
    assert have_ended([*pids, *started])
    assert list(lock_format.read(root)) == ["first"]


def test_a_command_waits_with_a_warning_if_no_machine_has_its_resources(
    tmp_path: Path, ray: Ray
) -> None:
    root = project(
        tmp_path,
        "commands: [{name: train, script: ['python -c pass']}]\nresources: {train: {num_gpus: 1}}",
    )
    child = start_git_spacy(root, "run", "train", "--address", ray.address)
    assert child.stderr
    lines: list[bytes] = []
    while not lines or b"waits" not in lines[-1]:
        lines.append(child.stderr.readline())
        assert lines[-1], lines
    assert b"'train' waits: no machine of the cluster currently has 1 CPU, 1 GPU" in lines[-1]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=PATIENCE)
    assert child.returncode == 130


def test_uploaded_are_files_not_ignored_by_git_and_the_dependencies(
    tmp_path: Path, ray: Ray
) -> None:
    root = repository(tmp_path / "top") / "p"
    without_shared_folder(tmp_path)
    files: dict[str, str | bytes] = {
        "look.py": "import os\nfound = sorted(os.path.join(f, n)[2:] for f, _, ns in os.walk('.') for n in ns)\n"
        "open('out/new/seen', 'w').write(os.getcwd() + '\\n' + '\\n'.join(found))\n",
        "tool*": "#!/bin/sh\nmkdir -p out/new\ncp big/x out/new\nln -s x out/new/link\n",
        "tracked": "", "fresh": "", "ignored": "", "big/x": "x", "other": "o", "sub/venv/pyvenv.cfg": "",
        "sub/venv/lib": "", ".gitignore": "ignored\nbig\n",
    }  # fmt: skip
    text = (
        "directories: [logs]\ncommands:\n"
        "  - {name: look, script: [./tool, 'python look.py'], deps: [big], outputs: [out/new]}\n"
        "  - {name: next, script: [x], outputs: [other]}\n"
    )
    project(root, text, files)
    (root / "loose").symlink_to("/etc/passwd")
    (root / "kept").symlink_to("tracked")
    done = run_on(ray, root, "look")
    assert done.code == 0, done.err
    cwd, *names = (root / "out/new/seen").read_text().splitlines()
    assert cwd.startswith(str(ray.folder / "git-spacy-"))
    assert cwd.endswith("/p")
    assert not Path(cwd).exists()
    assert sorted(names) == sorted(
        [".gitignore", "big/x", "fresh", "kept", "look.py", "out/new/link", "out/new/x", "project.yml",
         "tool", "tracked"]
    )  # fmt: skip
    assert os.readlink(root / "out/new/link") == "x"


@pytest.mark.threat("special-archive-members", commands="pull")
def test_outputs_with_a_link_or_a_special_file_are_refused(tmp_path: Path, ray: Ray) -> None:
    lines = ("os.symlink('/etc/passwd', '{}')", "os.symlink('../..', '{}')", "os.mkfifo('{}')")
    names = [f"c{number}" for number in range(len(lines))]
    root = project(
        without_shared_folder(tmp_path),
        "commands:\n"
        + "".join(f"  - {{name: {n}, script: ['python {n}.py'], outputs: [{n}]}}\n" for n in names)
        + f"workflows: {{all: [{', '.join(names)}]}}\n",
        {
            path: text
            for n, line in zip(names, lines, strict=True)
            for path, text in (
                (f"{n}.py", f"import os\nos.mkdir('{n}')\nopen('{n}/good', 'w')\n{line.format(n + '/x')}\n"),
                (f"{n}/old", "old"),
            )
        },
    )  # fmt: skip
    before = snapshot(root)
    done = run_on(ray, root, "all", "--keep-going")
    assert done.code == 3, done.err
    for name in names:
        assert f"refused an output from the cluster: '{name}/x'" in done.err
    assert snapshot(root) == before


@pytest.mark.threat("environment-values", commands="run")
@pytest.mark.parametrize("uploads", [False, True], ids=["shared", "uploaded"])
def test_environment_values_reach_the_script_but_not_the_logs(
    tmp_path: Path, ray: Ray, uploads: bool
) -> None:
    secret = f"s3cret{os.getpid()}{uploads}"
    root = project(
        tmp_path,
        "env: {token: API_TOKEN}\ncommands: [{name: c, script: ['python use.py ${env.token}'], outputs: [out]}]",
        {
            "use.py": "import os, sys\nenv = os.environ\nopen('out', 'w').write(' '.join([str(len(sys.argv[1])),"
            " str(len(env['API_TOKEN'])), env.get('PRIVATE', '-'), env.get('ONLY_ON_THE_CLUSTER', '-')]))\n"
        },
    )
    if uploads:
        without_shared_folder(root)
    done = run_on(ray, root, "c", API_TOKEN=secret, PRIVATE="mine")
    assert done.code == 0, done.err
    length = len(secret)
    assert (root / "out").read_text() == f"{length} {length} " + ("- yes" if uploads else "mine -")
    assert secret not in done.out + done.err
    logs = [path for path in ray.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(logs) > 5
    assert not [path for path in logs if secret.encode() in path.read_bytes()]


# Let workers search for the proof of the folder in the wrong path, and write down the work orders.
WITHOUT_SHARED_FOLDER = """
import os, pickle, sys
from git_spacy.run import ray_options
create_folder_proof = ray_options.create_folder_proof
build_work_order = ray_options.build_work_order
def create_wrong_proof(root):
    proof, secret = create_folder_proof(root)
    return proof._replace(file=proof.file + "-elsewhere"), secret
def build_and_log_work_order(*arguments):
    order = build_work_order(*arguments)
    with open(os.environ["SENT"], "ab") as file:
        file.write(repr(order).encode() + pickle.dumps(order))
    return order
ray_options.create_folder_proof = create_wrong_proof
ray_options.build_work_order = build_and_log_work_order
from git_spacy.__main__ import main
main()
"""


@pytest.mark.threat("leaked-credentials", commands="run")
def test_a_worker_without_the_folder_gets_only_the_variables_named_in_env(
    tmp_path: Path, ray: Ray
) -> None:
    """It used to receive the whole environment, although it did not use it."""

    root = project(
        tmp_path / "p",
        "env: {token: API_TOKEN}\ncommands: [{name: c, script: ['python use.py'], outputs: [out]}]",
        {"use.py": "import json, os\njson.dump(dict(os.environ), open('out', 'w'))\n"},
    )
    done = subprocess.run(
        (sys.executable, "-c", WITHOUT_SHARED_FOLDER, "run", "c", "--address", ray.address),
        cwd=root, capture_output=True, text=True, check=False,
        env={
            **os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2]),
            "SENT": str(tmp_path / "sent"), "API_TOKEN": "for-the-script",
            "AWS_SECRET_ACCESS_KEY": "not-for-the-cluster",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((root / "out").read_text())
    assert found["API_TOKEN"] == "for-the-script"
    assert not {"AWS_SECRET_ACCESS_KEY", "SENT"} & set(found)
    assert found["HOME"] == str(ray.folder)
    sent = (tmp_path / "sent").read_bytes()
    assert b"for-the-script" in sent
    assert b"AWS_SECRET" not in sent
    assert b"not-for-the-cluster" not in sent


@pytest.mark.parametrize("server_kind", ["closed", "silent", "web"])
def test_an_address_without_ray_is_an_error_after_seconds(tmp_path: Path, server_kind: str) -> None:
    with socket.socket() as listener, ThreadPoolExecutor(1) as pool:
        listener.bind(("127.0.0.1", 0))
        if server_kind != "closed":
            listener.listen()
        if server_kind == "web":
            pool.submit(answer_like_a_web_server, listener)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        if server_kind == "closed":
            done = process("run", "all", "--address", address, cwd=two_steps(tmp_path))
            assert done.code == 4, done.err
            assert f"error: cannot connect to Ray at '{address}'" in done.err
            assert "hint: correct --address" in done.err
        else:
            with pytest.raises(ExternalError, match=f"cannot connect to Ray at '{address}'"):
                ray_cluster.Cluster(address)


def answer_like_a_web_server(listener: socket.socket) -> None:
    answer, _ = listener.accept()
    answer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    answer.close()


def test_a_cluster_that_requires_a_token_gets_that_of_the_user(tmp_path: Path, ray: Ray) -> None:
    """The other tests have it in RAY_AUTH_TOKEN. Ray itself sends none to an address."""

    root = project(tmp_path / "p", "commands: [{name: c, script: [touch made]}]")
    no = {"RAY_AUTH_TOKEN": "", "HOME": str(tmp_path / "home")}
    done = run_on(ray, root, "c", **no)
    assert done.code == 4
    assert done.err.splitlines()[-2:] == [
        f"error: the Ray cluster at '{ray.address}' requires a token",
        "hint: set RAY_AUTH_TOKEN to what 'ray get-auth-token' prints on the cluster's head",
    ]
    for wrong in ("ab" * 32, "ab" * 600):  # the latter is as long as a token of Kubernetes
        done = run_on(ray, root, "c", RAY_AUTH_TOKEN=wrong)
        assert (done.code, "requires another token than ours\n" in done.err) == (4, True)
    assert not (root / "made").exists()
    write(tmp_path / "home", {".ray/auth_token": f"{TOKEN}\n"})
    done = run_on(ray, root, "c", **no, RAY_AUTH_MODE="disabled")
    assert (done.code, done.err.splitlines()[-1]) == (4, "hint: unset RAY_AUTH_MODE")
    done = run_on(ray, root, "c", **no)
    assert done.code == 0, done.err
    assert (root / "made").exists()


def test_missing_ray_is_reported_with_an_installation_hint(tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from git_spacy.cli.main import main; sys.exit(main())"
    done = subprocess.run(
        (sys.executable, "-c", code, "run", "all", "--executor", "ray"), cwd=two_steps(tmp_path),
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-2:] == [
        "error: Ray is not installed",
        "hint: pip install 'ray>=2.9'",
    ]


def test_an_address_of_the_ray_client_is_refused(tmp_path: Path) -> None:
    done = process("run", "all", "--address", "ray://h:10001", cwd=two_steps(tmp_path))
    assert done.code == 2
    assert "cannot stream output" in done.err


def test_no_cluster_is_contacted_if_everything_is_up_to_date(tmp_path: Path) -> None:
    root = two_steps(tmp_path)
    assert process("run", "all", cwd=root).code == 0
    done = process("run", "all", "--address", "127.0.0.1:1", cwd=root)
    assert (done.code, "skipped 2" in done.err) == (0, True)


def test_the_worker_code_does_not_depend_on_git_spacy() -> None:
    code = (
        "import sys\nfrom ray import cloudpickle\nfrom git_spacy.run import ray_worker\n"
        "cloudpickle.register_pickle_by_value(ray_worker)\n"
        "data = cloudpickle.dumps(ray_worker.execute)\n"
        "ours = [name for name in sys.modules if name.split('.')[0] == 'git_spacy']\n"
        "sys.modules.update(dict.fromkeys(ours))\ndel ray_worker\n"
        "execute = cloudpickle.loads(data)\nprint(execute.__name__)"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2])}
    done = subprocess.run(
        (sys.executable, "-c", code), env=environ, capture_output=True, check=True
    )
    assert done.stdout == b"execute\n"


@needs_spacy
@needs_time
def test_ner_fashion_trains_on_the_cluster_with_the_same_lock_as_locally(
    tmp_path: Path, ray: Ray
) -> None:
    local, remote = tmp_path / "local", tmp_path / "remote"
    for root in (local, remote):
        shutil.copytree(TEMPLATE, root)
        text = (root / "project.yml").read_text()
        output = "--output training/seed-${vars.seed}\n"
        assert output in text
        quick = text.replace(output, f"{output[:-1]} --training.max_steps 40\n")
        (root / "project.yml").write_text(quick)
        repository(root)
        commit(root, {}, "template")
        assert process("assets", cwd=root).code == 0
    for name in ("preprocess", "train"):
        assert process("run", name, cwd=local).code == 0
        done = run_on(ray, remote, name)
        assert done.code == 0, done.err
    assert (remote / "project.lock").read_bytes() == (local / "project.lock").read_bytes()
