"""Commands on a Ray cluster: the same lock and the same outputs as here, and nothing left behind."""

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
from pathlib import Path

import pytest

from git_spacy.project import loader
from git_spacy.state import lock
from tests.run.test_run import SLEEPER, start, wait_for
from tests.templates.test_ner_fashion import TEMPLATE, needs_spacy
from tests.testing.projects import Done, process, project, snapshot, two_steps
from tests.testing.ray_cluster import TOKEN, Ray, cluster
from tests.testing.repositories import commit, git, repository
from tests.testing.waiting import PATIENCE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed (the extra 'ray')"
    ),
]


@pytest.fixture(scope="module")
def ray() -> Iterator[Ray]:
    with cluster() as found:
        yield found
        assert not list(found.folder.glob("git-spacy-*")), "what travelled was left there"


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster's, in place of one in the home of each test."""

    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder for what a cluster that is started for a run writes; a socket's path is short."""

    with tempfile.TemporaryDirectory(
        prefix="ray", dir="/tmp", ignore_cleanup_errors=True
    ) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield


def on(ray: Ray, made: Path, *arguments: str, **environ: str) -> Done:
    return process("run", *arguments, "--address", ray.address, cwd=made, **environ)


def shipped(made: Path) -> Path:
    """With files that travel: as if the cluster's machines did not have the folder."""

    git(made, "config", "--global", "spacy.rayShared", "false")
    return made


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def gone(pids: list[int], seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not any(map(is_alive, pids))


def below(pid: int) -> list[int]:
    """All processes that one has started, and those that they have."""

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


def both(tmp_path: Path, text: str, *arguments: str, ray: Ray) -> Done:
    """Run it here and there; all that is left must be the same."""

    here, there = (project(tmp_path / name, text, FILES) for name in ("here", "there"))
    local = process("run", *arguments, cwd=here)
    assert local.code == 0, local.err
    done = on(ray, there, *arguments)
    assert done.code == 0, done.err
    assert snapshot(there) == snapshot(here)
    return done


@pytest.mark.parametrize("travels", [False, True], ids=["shared", "shipped"])
def test_a_diamond_leaves_what_it_leaves_here(tmp_path: Path, ray: Ray, travels: bool) -> None:
    if travels:
        shipped(tmp_path)
    done = both(tmp_path, DIAMOND, "all", ray=ray)
    assert done.err.count(": done in") == 4
    assert "right | $ python step.py d c" in done.err
    again = on(ray, tmp_path / "there", "all")
    assert "ran 0, skipped 4" in again.err


def test_four_variants_leave_what_they_leave_here(tmp_path: Path, ray: Ray) -> None:
    both(tmp_path, MATRIX, "make", "--matrix", "seed=0,1", "--matrix", "size=s,l", ray=ray)
    assert sorted(os.listdir(tmp_path / "there/out")) == ["0-l", "0-s", "1-l", "1-s"]
    assert len(lock.read(tmp_path / "there")) == 4


# writes down when it began and ended; with a second argument, it first waits for another one to begin
TIMES = (
    "import os, sys, time\nbegun = time.time()\nopen(sys.argv[1] + '.begun', 'w')\n"
    "while sys.argv[2:] and sum(name.endswith('.begun') for name in os.listdir()) < 2:\n"
    "    time.sleep(0.02)\n"
    "time.sleep(0.3)\nopen(sys.argv[1], 'w').write(f'{begun} {time.time()}')\n"
)


@pytest.mark.parametrize("needs", ["licence", "nothing"])
def test_what_a_command_needs_is_had_by_one_at_a_time(tmp_path: Path, ray: Ray, needs: str) -> None:
    more = " together" if needs == "nothing" else ""
    text = (
        f"commands:\n  - {{name: a, script: ['python t.py a{more}'], outputs: [a]}}\n"
        f"  - {{name: b, script: ['python t.py b{more}'], outputs: [b]}}\n"
        f"  - {{name: c, script: ['python t.py c{more}'], outputs: [c]}}\n"
        "workflows: {all: [a, b, c]}\n"
    )
    if needs == "licence":
        text += "resources: {a: {resources: {licence: 1}}, b: {resources: {licence: 1}}, c: {resources: {licence: 1}}}"
    made = project(tmp_path, text, {"t.py": TIMES})
    done = on(ray, made, "all")
    assert done.code == 0, done.err
    spans = sorted(tuple(map(float, (made / name).read_text().split())) for name in "abc")
    apart = [before[1] <= after[0] for before, after in itertools.pairwise(spans)]
    assert all(apart) == (needs == "licence"), spans


def test_what_they_write_arrives_told_apart(tmp_path: Path, ray: Ray) -> None:
    made = project(
        tmp_path,
        "commands:\n  - {name: a, script: ['python w.py 1']}\n  - {name: b, script: ['python w.py 2']}\n"
        "workflows: {all: [a, b]}\n",
        {
            "w.py": "import sys\nprint('out', sys.argv[1])\nprint('err\\rover', sys.argv[1], file=sys.stderr)\n"
            "sys.stdout.write('no break')"
        },
    )
    done = on(ray, made, "all")
    assert sorted(done.out.splitlines()) == [
        "a | no break", "a | out 1", "b | no break", "b | out 2",
    ]  # fmt: skip
    assert "a | over 1\n" in done.err
    assert "b | over 2\n" in done.err
    assert "ray" not in done.out.lower()


def test_much_is_written_and_nothing_is_lost(tmp_path: Path, ray: Ray) -> None:
    made = project(
        tmp_path,
        "commands: [{name: c, script: ['python -c \"for n in range(100000): print(n)\"']}]",
    )
    done = on(ray, made, "c")
    assert done.out.splitlines() == [f"c | {number}" for number in range(100_000)]


@pytest.mark.parametrize("travels", [False, True], ids=["shared", "shipped"])
def test_the_exit_code_of_a_script_is_passed_on(tmp_path: Path, ray: Ray, travels: bool) -> None:
    made = project(
        tmp_path,
        "commands:\n  - {name: bad, script: ['python -c \"exit(7)\"', 'python -c \"open(chr(97), chr(119))\"']}\n"
        "  - {name: none, script: ['streamlitt run x']}\n"
        "  - {name: unmade, script: ['python -c pass'], outputs: [out]}\n",
    )
    if travels:
        shipped(tmp_path)
        (made / "out").write_text("from before")
    done = on(ray, made, "bad")
    assert (done.code, "exit code 7" in done.err) == (7, True)
    assert not (made / "a").exists()
    done = on(ray, made, "none")
    assert (done.code, "program not found on the worker: 'streamlitt'" in done.err) == (127, True)
    if travels:
        done = on(ray, made, "unmade")
        assert (done.code, "did not produce its output 'out'" in done.err) == (1, True)
    assert not (made / "project.lock").exists()


def workers(name: str) -> list[int]:
    """The processes of workers that run the command `name`."""

    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::git spacy run " + name.encode()):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("travels", [False, True], ids=["shared", "shipped"])
def test_a_worker_that_is_killed_is_survived(tmp_path: Path, ray: Ray, travels: bool) -> None:
    name = f"killed{os.getpid()}{travels}"
    made = project(
        tmp_path / "p",
        f"commands: [{{name: {name}, script: ['python slow.py'], outputs: [out]}}]",
        {
            "slow.py": f"import os, time\nwhere = {str(tmp_path)!r}\n"
            "if not os.path.exists(where + '/tried'):\n"
            "    open(where + '/tried', 'w').write(f'{os.getpid()} {os.getcwd()}')\n    time.sleep(60)\n"
            "open('out', 'w').write('made')\n"
        },
    )
    if travels:
        shipped(made)
    child = start(made, "run", name, "--address", ray.address)
    first, where = wait_for(tmp_path / "tried").split(" ", 1)
    (worker,) = workers(name)
    os.kill(worker, signal.SIGKILL)
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 0, err
    assert f"'{name}' lost its worker (WorkerCrashedError); restart 1 of 3".encode() in err
    assert b"raylet" not in out + err
    assert gone([int(first)])
    assert (made / "out").read_text() == "made"
    assert Path(where).exists() == (not travels)


@pytest.mark.threat("signals-in-a-run", commands="run")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_a_signal_ends_what_runs_on_the_cluster(
    tmp_path: Path, ray: Ray, number: int, code: int
) -> None:
    files: dict[str, str | bytes] = {"sleeper.py": SLEEPER, "project.lock": "other: {}\n"}
    made = project(tmp_path, "commands: [{name: c, script: ['python sleeper.py']}]", files)
    child = start(made, "run", "c", "--address", ray.address)
    pids = [int(pid) for pid in wait_for(made / "pids").split()]
    assert all(map(is_alive, pids))
    child.send_signal(number)
    _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == code, err
    assert gone(pids)
    assert (made / "project.lock").read_text() == "other: {}\n"
    if code > 0:
        assert err.splitlines()[-1] == (
            b"error: interrupted" if code == 130 else b"error: terminated"
        )
        assert not list(tmp_path.rglob("ray-*"))


def test_control_c_ends_the_cluster_that_was_started_for_it(tmp_path: Path, short: None) -> None:
    made = project(
        tmp_path / "p",
        "commands: [{name: c, script: ['python sleeper.py']}]",
        {"sleeper.py": SLEEPER},
    )
    child = start(made, "run", "c", "--executor", "ray")
    pids = [int(pid) for pid in wait_for(made / "pids").split()]
    started = below(child.pid)
    assert len(started) > 3
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130, err
    assert out == b""
    assert b"ray" not in err.lower()
    assert gone([*pids, *started])


def test_a_cluster_that_is_started_for_it_does_the_same_and_refuses_what_it_never_has(
    tmp_path: Path, short: None
) -> None:
    made = two_steps(tmp_path)
    text = (made / "project.yml").read_text()
    (made / "project.yml").write_text(text + "resources: {train: {resources: {licence: 1}}}\n")
    done = process("run", "all", "--executor", "ray", cwd=made)
    assert done.code == 4
    assert "'train' requires 1 CPU, 1 licence, which this machine does not have" in done.err
    assert "raylet" not in done.err
    assert list(lock.read(made)) == ["prepare"]


def test_a_command_that_no_machine_has_room_for_is_told_of_and_waits(
    tmp_path: Path, ray: Ray
) -> None:
    made = project(
        tmp_path,
        "commands: [{name: train, script: ['python -c pass']}]\nresources: {train: {num_gpus: 1}}",
    )
    child = start(made, "run", "train", "--address", ray.address)
    assert child.stderr
    lines: list[bytes] = []
    while not lines or b"waits" not in lines[-1]:
        lines.append(child.stderr.readline())
        assert lines[-1], lines
    assert b"'train' waits: no machine of the cluster currently has 1 CPU, 1 GPU" in lines[-1]
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=PATIENCE)
    assert child.returncode == 130


def test_what_travels_is_what_git_has_or_would_take_and_what_the_command_reads(
    tmp_path: Path, ray: Ray
) -> None:
    made = repository(tmp_path / "top") / "p"
    shipped(tmp_path)
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
    project(made, text, files)
    (made / "loose").symlink_to("/etc/passwd")
    (made / "kept").symlink_to("tracked")
    done = on(ray, made, "look")
    assert done.code == 0, done.err
    cwd, *names = (made / "out/new/seen").read_text().splitlines()
    assert cwd.startswith(str(ray.folder / "git-spacy-"))
    assert cwd.endswith("/p")
    assert not Path(cwd).exists()
    assert sorted(names) == sorted(
        [".gitignore", "big/x", "fresh", "kept", "look.py", "out/new/link", "out/new/x", "project.yml",
         "tool", "tracked"]
    )  # fmt: skip
    assert os.readlink(made / "out/new/link") == "x"


@pytest.mark.threat("special-archive-members", commands="pull")
@pytest.mark.parametrize(
    "line",
    ["os.symlink('/etc/passwd', 'out/x')", "os.symlink('../..', 'out/x')", "os.mkfifo('out/x')"],
)
def test_what_must_not_come_back_is_refused(tmp_path: Path, ray: Ray, line: str) -> None:
    made = project(
        shipped(tmp_path),
        "commands: [{name: c, script: ['python c.py'], outputs: [out]}]",
        {"c.py": f"import os\nos.mkdir('out')\nopen('out/good', 'w')\n{line}\n", "out/old": "old"},
    )
    before = snapshot(made)
    done = on(ray, made, "c")
    assert done.code == 3, done.err
    assert "refused an output from the cluster: 'out/x'" in done.err
    assert snapshot(made) == before


@pytest.mark.threat("environment-values", commands="run")
@pytest.mark.parametrize("travels", [False, True], ids=["shared", "shipped"])
def test_values_of_the_environment_reach_the_script_and_nothing_else(
    tmp_path: Path, ray: Ray, travels: bool
) -> None:
    secret = f"s3cret{os.getpid()}{travels}"
    made = project(
        tmp_path,
        "env: {token: API_TOKEN}\ncommands: [{name: c, script: ['python use.py ${env.token}'], outputs: [out]}]",
        {
            "use.py": "import os, sys\nenv = os.environ\nopen('out', 'w').write(' '.join([str(len(sys.argv[1])),"
            " str(len(env['API_TOKEN'])), env.get('PRIVATE', '-'), env.get('ONLY_ON_THE_CLUSTER', '-')]))\n"
        },
    )
    if travels:
        shipped(made)
    done = on(ray, made, "c", API_TOKEN=secret, PRIVATE="mine")
    assert done.code == 0, done.err
    length = len(secret)
    assert (made / "out").read_text() == f"{length} {length} " + ("- yes" if travels else "mine -")
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
def test_a_worker_that_lacks_the_folder_gets_only_what_env_names(tmp_path: Path, ray: Ray) -> None:
    """Issue 17, A9: it got the whole environment, although it did not use it."""

    made = project(
        tmp_path / "p",
        "env: {token: API_TOKEN}\ncommands: [{name: c, script: ['python use.py'], outputs: [out]}]",
        {"use.py": "import json, os\njson.dump(dict(os.environ), open('out', 'w'))\n"},
    )
    done = subprocess.run(
        (sys.executable, "-c", WITHOUT_SHARED_FOLDER, "run", "c", "--address", ray.address),
        cwd=made, capture_output=True, text=True, check=False,
        env={
            **os.environ, "PYTHONPATH": str(Path(loader.__file__).parents[2]),
            "SENT": str(tmp_path / "sent"), "API_TOKEN": "for-the-script",
            "AWS_SECRET_ACCESS_KEY": "not-for-the-cluster",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((made / "out").read_text())
    assert found["API_TOKEN"] == "for-the-script"
    assert not {"AWS_SECRET_ACCESS_KEY", "SENT"} & set(found)
    assert found["HOME"] == str(ray.folder)
    sent = (tmp_path / "sent").read_bytes()
    assert b"for-the-script" in sent
    assert b"AWS_SECRET" not in sent
    assert b"not-for-the-cluster" not in sent


@pytest.mark.parametrize("how", ["closed", "silent", "web"])
def test_an_address_where_no_ray_answers_is_told_in_time(tmp_path: Path, how: str) -> None:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        if how != "closed":
            door.listen()
        child = start(
            two_steps(tmp_path), "run", "all", "--address", f"127.0.0.1:{door.getsockname()[1]}"
        )
        if how == "web":
            answer, _ = door.accept()
            answer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            answer.close()
        _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 4, err
    assert b"error: cannot connect to Ray at '127.0.0.1:" in err
    assert b"hint: correct --address" in err


def test_without_ray_it_says_how_to_get_it(tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from git_spacy.cli import main; sys.exit(main())"
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


def test_rays_own_client_is_refused(tmp_path: Path) -> None:
    done = process("run", "all", "--address", "ray://h:10001", cwd=two_steps(tmp_path))
    assert done.code == 2
    assert "cannot stream output" in done.err


def test_where_nothing_must_run_no_cluster_is_asked_for(tmp_path: Path) -> None:
    made = two_steps(tmp_path)
    assert process("run", "all", cwd=made).code == 0
    done = process("run", "all", "--address", "127.0.0.1:1", cwd=made)
    assert (done.code, "skipped 2" in done.err) == (0, True)


def test_what_runs_there_needs_no_git_spacy() -> None:
    from ray import cloudpickle

    from git_spacy.run import ray_worker

    code = (
        "import sys, ray.cloudpickle\nsys.modules['git_spacy'] = None\n"
        "execute = ray.cloudpickle.loads(sys.stdin.buffer.read())\nprint(execute.__name__)"
    )
    cloudpickle.register_pickle_by_value(ray_worker)  # type: ignore[no-untyped-call]
    try:
        data = cloudpickle.dumps(ray_worker.execute)  # type: ignore[no-untyped-call]
    finally:
        cloudpickle.unregister_pickle_by_value(ray_worker)  # type: ignore[no-untyped-call]
    done = subprocess.run(
        (sys.executable, "-I", "-c", code), input=data, capture_output=True, check=True
    )
    assert done.stdout == b"execute\n"


@needs_spacy
def test_the_embedded_template_trains_on_the_cluster_as_it_does_here(
    tmp_path: Path, ray: Ray
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for made in (here, there):
        shutil.copytree(TEMPLATE, made)
        text = (made / "project.yml").read_text()
        assert "--output training\n" in text
        quick = text.replace("--output training\n", "--output training --training.max_steps 40\n")
        (made / "project.yml").write_text(quick)
        repository(made)
        commit(made, {}, "template")
        assert process("assets", cwd=made).code == 0
    for name in ("preprocess", "train"):
        assert process("run", name, cwd=here).code == 0
        done = on(ray, there, name)
        assert done.code == 0, done.err
    assert (there / "project.lock").read_bytes() == (here / "project.lock").read_bytes()
