"""A run as a job of a cluster, from the submission to the collection. The cluster is an HTTP server
that does the job when the test says so; tests/jobs/test_on_ray.py has the same on Ray."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from git_spacy.cli.completion import candidates
from git_spacy.git.state_dir import state_dir
from git_spacy.jobs import order as orders
from git_spacy.lock import lock_format
from tests.testing.jobs_server import JobsServer
from tests.testing.projects import Spacy, project, snapshot
from tests.testing.repositories import commit, git, repository, write

PROJECT = """\
vars: {word: hello}
env: {GREETING: GREETING}
directories: [corpus]
commands:
  - name: prepare
    script: ["python scripts/write.py corpus/words.txt ${vars.word}"]
    deps: [scripts/write.py]
    outputs: [corpus/words.txt]
  - name: train
    script: ["python scripts/train.py"]
    deps: [corpus/words.txt, scripts/train.py]
    outputs: [model]
    outputs_no_cache: [metrics.json]
workflows: {all: [prepare, train]}
"""
WRITE = """\
import os, pathlib, sys
pathlib.Path(sys.argv[1]).write_text(sys.argv[2])
print("variables", os.environ.get("GREETING"), os.environ.get("SECRET"), os.environ.get("ONLY_THERE"))
"""
TRAIN = """\
import pathlib
pathlib.Path("model").mkdir()
pathlib.Path("model/weights").write_bytes(pathlib.Path("corpus/words.txt").read_bytes() * 2)
pathlib.Path("metrics.json").write_text('{"score": 0.5}')
"""
FILES: dict[str, str | bytes] = {
    "scripts/write.py": WRITE, "scripts/train.py": TRAIN, "project.yml": PROJECT,
    ".gitignore": "corpus\nmodel\n",
}  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JobsServer]:
    with JobsServer(tmp_path / "cluster", token="s3cret") as server:
        yield server


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RAY_AUTH_TOKEN", "s3cret")
    monkeypatch.setenv("GREETING", "hi")
    monkeypatch.setenv("SECRET", "unspoken")
    root = repository(tmp_path / "p", FILES)
    git(root, "config", "spacy.remote.default.url", "../store")
    return root


def submit(spacy: Spacy, root: Path, server: JobsServer, *words: str) -> str:
    done = spacy("run", *(words or ("all",)), "--detach", "--address", server.url, cwd=root)
    assert done.code == 0, done
    return done.out.strip()


def job_files(root: Path) -> list[Path]:
    return sorted((state_dir(root) / "jobs").glob("*.json"))


def test_a_job_is_submitted_done_elsewhere_and_collected(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    before = snapshot(root)
    done = spacy("run", "all", "--executor", "ray", "--detach", "--address", server.url, cwd=root)
    id = done.out.strip()
    assert done.code == 0
    assert f"git spacy jobs follow {id}" in done.err
    assert snapshot(root) == before
    assert {token for *_, token in server.requests if token} == {"Bearer s3cret"}
    package = server.packages[next(iter(server.packages))]
    assert (
        b"unspoken"
        not in package + (root.parent / f"store/git-spacy-jobs/{id}/project.tar").read_bytes()
    )
    listed = spacy("jobs", cwd=root).out
    assert all(
        word in listed for word in (id, "pending", "run all", git(root, "rev-parse", "HEAD")[:7])
    )

    done = spacy("jobs", "collect", cwd=root)
    assert (done.code, snapshot(root)) == (1, before)
    assert f"hint: git spacy jobs follow {id}" in done.err

    away = root.rename(root.parent / "away")  # the cluster needs nothing of this machine
    assert server.run(id) == 0, server.logs[id]
    away.rename(root)
    assert not (server.folder / id / "project").exists()
    done = spacy("jobs", "follow", id[:4], cwd=root)
    assert done.code == 0
    assert "variables hi None yes" in done.out

    done = spacy("jobs", "collect", id, cwd=root)
    assert done.code == 0, done
    assert (root / "model/weights").read_text() == "hellohello"
    assert (root / "metrics.json").exists(), "also what a remote does not have otherwise"
    assert spacy("status", "--porcelain", cwd=root).out.count("up_to_date") == 2, spacy(
        "status", "--porcelain", cwd=root
    )
    log = spacy("log", cwd=root).out
    assert "score 0.5" in log
    records = git(root, "notes", "--ref", "spacy", "show", "HEAD").splitlines()
    assert [json.loads(line)["dirty"] for line in records] == [False, False]
    assert {json.loads(line)["tree"] for line in records} == {git(root, "rev-parse", "HEAD^{tree}")}
    assert "collected" in spacy("jobs", cwd=root).out

    server.shutdown()
    assert spacy("jobs", "collect", cwd=root).code == 0, "again, and without the cluster"
    assert git(root, "notes", "--ref", "spacy", "show", "HEAD").splitlines() == records
    assert spacy("run", "all", "--detach", cwd=root).err.endswith("all commands are up to date\n")


def test_what_changed_since_is_kept_and_recorded_as_it_was(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    assert spacy("run", "prepare", "--vars.word", "old", cwd=root).code == 0
    id = submit(spacy, root, server)
    entries = lock_format.read(root)
    write(root, {"scripts/train.py": TRAIN + "# changed\n", "corpus/words.txt": "edited"})
    assert server.run(id) == 0, server.logs[id]

    done = spacy("jobs", "collect", cwd=root)
    assert done.code == 1
    assert f"hint: git spacy jobs collect {id} --force" in done.err
    assert (root / "corpus/words.txt").read_text() == "edited"
    assert (root / "model/weights").read_text() == "hellohello"
    now = lock_format.read(root)
    assert now["prepare"] == entries["prepare"], "its output is not that of the job"
    assert now["train"].deps[0].md5 != entries["prepare"].outs[0].md5

    assert spacy("jobs", "collect", "--force", cwd=root).code == 0
    assert (root / "corpus/words.txt").read_text() == "hello"
    status = spacy("status", cwd=root).out
    assert "scripts/train.py" in status, "the job did not have what is there now"
    assert "prepare  up to date" in status


def test_a_job_that_fails_delivers_what_was_complete(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    commit(root, {"scripts/train.py": "raise SystemExit(7)\n"})
    id = submit(spacy, root, server)
    assert server.run(id) == 7
    assert spacy("jobs", "follow", cwd=root).code == 1
    done = spacy("jobs", "collect", cwd=root)
    assert done.code == 1
    assert f"job {id} failed with exit code 7" in done.err
    assert (root / "corpus/words.txt").read_text() == "hello"
    assert [*lock_format.read(root)] == ["prepare"]
    exits = {
        (line["command"], line["exit"])
        for line in map(
            json.loads, git(root, "notes", "--ref", "spacy", "show", "HEAD").splitlines()
        )
    }
    assert exits == {("prepare", 0), ("train", 7)}


def test_a_job_is_submitted_with_variables_and_without_what_it_makes_again(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    write(root, {"corpus/words.txt": "stale", "untracked": "sent", "corpus/other": "ignored"})
    id = submit(spacy, root, server, "all", "--vars.word", "other", "--force")
    assert server.run(id) == 0, server.logs[id]
    assert spacy("jobs", "collect", cwd=root).code == 1, "an output without a record is kept"
    assert spacy("jobs", "collect", "--force", cwd=root).code == 0
    assert (root / "corpus/words.txt").read_text() == "other"
    assert (
        spacy("status", "--vars.word", "other", "--porcelain", cwd=root).out.count("up_to_date")
        == 2
    )
    with tarfile.open(root.parent / f"store/git-spacy-jobs/{id}/project.tar") as tar:
        names = tar.getnames()
    assert {"untracked", "project.yml", "scripts/train.py"} <= {*names}
    assert not {"corpus/words.txt", "corpus/other"} & {*names}


def test_stop_and_follow_speak_of_the_job_that_is_named(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    first, second = submit(spacy, root, server), submit(spacy, root, server, "prepare")
    done = spacy("jobs", "stop", cwd=root)
    assert done.code == 2
    assert "which of 2 jobs" in done.err
    assert spacy("jobs", "stop", first, cwd=root).code == 0
    assert (server.jobs[first]["status"], server.jobs[second]["status"]) == ("STOPPED", "PENDING")
    assert "already ended: stopped" in spacy("jobs", "stop", first, cwd=root).err
    assert spacy("jobs", "follow", first, cwd=root).code == 1
    for prefix in ("x", "../", ""):
        assert spacy("jobs", "stop", prefix, cwd=root).code == 2
    server.jobs.clear()  # the cluster was restarted
    assert spacy("jobs", cwd=root).out.count("forgotten") == 2
    done = spacy("jobs", "follow", second, cwd=root)
    assert done.code == 4
    assert (
        f"hint: if it was restarted, collect what the job had delivered: git spacy jobs collect {second}"
        in done.err
    )
    assert len(job_files(root)) == 2


REFUSALS = (
    ("--address 10.0.0.1:6379", 2, "not the address of a cluster's Jobs API", "--address http://10.0.0.1:8265"),
    ("--address ray://h:10001", 2, "not the address", "--address http://h:8265"),
    ("--address auto", 2, "not the address", "--address http://127.0.0.1:8265"),
    ("--address URL --executor local", 2, "needs a cluster", "run -h"),
    ("--address URL --matrix vars.word=a,b", 2, "--matrix", "run -h"),
    ("--search vars.word=a,b", 2, "--search", "run -h"),
    ("--address http://127.0.0.1:1", 4, "cannot reach", "ssh -N -L 8265:localhost:8265 HOST"),
    ("--address URL/nowhere", 4, "unexpected answer", "the cluster's Ray dashboard"),
)  # fmt: skip


def test_a_run_that_cannot_be_submitted_is_refused_and_leaves_nothing(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    server.raw["/nowhere/api/version"] = (200, b"<html>")
    for words, code, message, hint in REFUSALS:
        arguments = words.replace("URL", server.url).split()
        done = spacy("run", "all", "--detach", *arguments, cwd=root)
        assert (done.code, job_files(root)) == (code, []), (words, done)
        assert message in done.err
        assert hint in done.err
    assert not server.jobs


def test_the_address_is_taken_from_rays_variables(
    root: Path, server: JobsServer, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    done = spacy("run", "all", "--detach", cwd=root)
    assert done.code == 2
    assert "RAY_ADDRESS: error: '10.0.0.1:6379' is not" in done.err
    assert "export RAY_API_SERVER_ADDRESS=http://10.0.0.1:8265" in done.err
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", server.url)
    assert spacy("run", "all", "--detach", cwd=root).code == 0


def test_a_token_is_required_where_the_cluster_wants_one(
    root: Path, server: JobsServer, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token, problem in (("", "requires a token"), ("wrong", "another token than ours")):
        monkeypatch.setenv("RAY_AUTH_TOKEN", token)
        done = spacy("run", "all", "--detach", "--address", server.url, cwd=root)
        assert done.code == 4
        assert problem in done.err
        assert "hint: set RAY_AUTH_TOKEN to what 'ray get-auth-token' prints" in done.err
    assert not server.packages


@pytest.mark.parametrize(
    ("url", "message", "hint"),
    [
        ("", "a job needs a remote", "git config spacy.remote.default.url"),
        ("sftp://me:pw@host/x", "has a password", "its own environment"),
        ("/nowhere/at/all", "does not exist", "mkdir -p /nowhere/at"),
    ],
)
def test_a_job_needs_a_remote_that_the_cluster_can_use(
    root: Path, server: JobsServer, spacy: Spacy, url: str, message: str, hint: str
) -> None:
    git(root, "config", "--unset", "spacy.remote.default.url")
    if url:
        git(root, "config", "spacy.remote.default.url", url)
    done = spacy("run", "all", "--detach", "--address", server.url, cwd=root)
    assert done.code in (2, 3)
    assert message in done.err
    assert hint in done.err
    assert "pw" not in done.err
    assert not server.jobs


def test_a_cluster_that_does_not_see_the_remote_says_so_before_it_runs_anything(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    id = submit(spacy, root, server)
    (root.parent / "store").rename(root.parent / "elsewhere")
    assert server.run(id) == 4
    assert "project.tar" in server.logs[id]
    assert "prepare" not in server.logs[id]


@pytest.mark.threat("foreign-results", commands="run")
def test_another_project_in_the_remote_than_was_submitted_is_not_run(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    id = submit(spacy, root, server)
    archive = root.parent / "store" / orders.archive_name(id)
    archive.write_bytes(archive.read_bytes().replace(b"import pathlib", b"import os,glob"))
    assert server.run(id) == 4
    assert "not the one that was submitted" in server.logs[id]
    shutil.rmtree(root.parent / "store")


NOT_RESULTS = (
    "", "[]", "{}", "\0", '{"id": "ID"}', "[" * 5000,
    '{"v":1,"id":"000000000000","exit":0,"lock":"","records":[]}',
    '{"v":1,"id":"ID","exit":"0","lock":"","records":[]}',
    '{"v":1,"id":"ID","exit":0,"lock":"- x","records":[]}',
    '{"v":1,"id":"ID","exit":0,"lock":"<<<<<<< a","records":[]}',
    '{"v":1,"id":"ID","exit":0,"lock":7,"records":[]}',
    '{"v":1,"id":"ID","exit":0,"lock":"","records":3}',
)  # fmt: skip


def test_a_result_that_is_not_one_is_refused(root: Path, server: JobsServer, spacy: Spacy) -> None:
    id = submit(spacy, root, server)
    before = snapshot(root)
    key = json.loads(job_files(root)[0].read_text())["key"]
    results = [text.replace("ID", id) for text in NOT_RESULTS]
    for text in (*results, *(orders.signed(result, key) for result in results)):
        write(root.parent / "store", {orders.delivery_name(id): text})
        done = spacy("jobs", "collect", cwd=root)
        assert (done.code, snapshot(root)) == (4, before), text
        assert f"the result of job {id} in the remote is damaged" in done.err
        assert f"git spacy jobs follow {id}" in done.err


@pytest.mark.threat("undeclared-outputs", "hostile-values", "foreign-results", commands="jobs")
def test_a_hostile_result_writes_only_verified_outputs_that_are_declared(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    id = submit(spacy, root, server)
    assert server.run(id) == 0, server.logs[id]
    file = root.parent / "store" / orders.delivery_name(id)
    key = json.loads(job_files(root)[0].read_text())["key"]
    document = json.loads(file.read_text().partition("\n")[2])
    lock = document["lock"].replace(
        "path: corpus/words.txt\n      md5", "path: ../escaped\n      md5", 2
    )
    lock = lock.replace(
        "prepare:",
        "unknown: {script: [], deps: [], outs: [{path: .git/config, md5: null}]}\nprepare:",
    )
    records = [
        line.replace('"command":"train"', '"command":"evil"') for line in document["records"]
    ]
    hostile = json.dumps({**document, "lock": lock, "records": [*records, "x", 3, "{}"]})
    file.write_text(orders.signed(hostile, key))
    weights = next((root.parent / "store/model").rglob("*/*"))
    weights.write_bytes(b"not the model")
    done = spacy("jobs", "collect", "--force", cwd=root)
    assert done.code == 4
    assert "its outputs are not collected" in done.err
    assert "no command 'unknown'" in done.err
    assert "archive of 'model' in the remote is damaged" in done.err
    assert not (root / "model").exists()
    assert not (root.parent / "escaped").exists()
    assert not (root / "project.lock").exists()
    notes = git(root, "notes", "--ref", "spacy", "show", "HEAD")
    assert '"command":"prepare"' in notes
    assert "evil" not in notes


@pytest.mark.threat("foreign-results", commands="jobs")
def test_a_result_that_another_has_written_into_the_remote_is_refused(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    id = submit(spacy, root, server)
    assert server.run(id) == 0, server.logs[id]
    file = root.parent / "store" / orders.delivery_name(id)
    signature, _, document = file.read_text().partition("\n")
    changed = document.replace("hello", "howdy")
    for text in (document, f"{signature}\n{changed}", orders.signed(changed, orders.new_key())):
        file.write_text(text)
        done = spacy("jobs", "collect", cwd=root)
        assert (done.code, "not signed by the job" in done.err) == (4, True), text
    file.write_text(f"{signature}\n{document}")
    assert spacy("jobs", "collect", cwd=root).code == 0


CHANGES: tuple[dict[str, object], ...] = (
    {"id": "../../../x"}, {"id": 3}, {"address": "file:///etc/passwd"}, {"commands": "all"},
    {"base": []}, {"submitted": 1e400}, {"typed": "a\nb"}, {"exit": "0"}, {"key": "00"},
    {"base": {"commit": "-x", "tree": "", "dirty": False}},
)  # fmt: skip


def test_a_file_of_a_job_with_anything_else_is_ignored(
    root: Path, server: JobsServer, spacy: Spacy
) -> None:
    submit(spacy, root, server)
    (file,) = job_files(root)
    original = json.loads(file.read_text())
    for change in CHANGES:
        file.write_text(json.dumps({**original, **change}))
        done = spacy("jobs", cwd=root)
        assert (done.code, done.out) == (0, ""), change
        assert "warning: ignored" in done.err
    assert spacy("jobs", "collect", cwd=root).code == 2
    file.unlink()
    os.mkfifo(file)
    assert "warning: ignored" in spacy("jobs", cwd=root).err


def test_jobs_of_a_project_in_a_subfolder_are_its_own(
    tmp_path: Path, root: Path, server: JobsServer, spacy: Spacy
) -> None:
    inner = project(
        root / "inner", PROJECT, {name: text for name, text in FILES.items() if "/" in name}
    )
    commit(root, {"inner/note": "x"})
    id = submit(spacy, inner, server)
    assert spacy("jobs", cwd=root).out == ""
    assert server.run(id) == 0, server.logs[id]
    assert spacy("jobs", "collect", cwd=inner).code == 0
    records = git(root, "notes", "--ref", "spacy", "show", "HEAD").splitlines()
    assert {json.loads(line)["project"] for line in records} == {"inner"}


def test_ctrl_c_ends_only_the_command_that_follows(
    root: Path, server: JobsServer, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = submit(spacy, root, server)
    monkeypatch.setattr(time, "sleep", lambda _: os.kill(os.getpid(), signal.SIGINT))
    done = spacy("jobs", "follow", cwd=root)
    assert done.code == 130
    assert f"Job {id} goes on. To stop it: git spacy jobs stop {id}" in done.err
    assert server.jobs[id]["status"] == "PENDING"


def test_the_ids_of_jobs_are_completed(root: Path, server: JobsServer, spacy: Spacy) -> None:
    id = submit(spacy, root, server)
    for command in ("follow", "collect", "stop"):
        assert list(candidates(["jobs", command, id[:2]], root)) == [(id, "run all")]
    assert [name for name, _ in candidates(["jobs", "co"], root)] == ["collect"]
