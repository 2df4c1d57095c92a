"""Tests of remotes in S3, with a local server."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.storage.conftest import Process, Shared, fresh_clone, run_measured
from tests.testing.preloaded import preloaded
from tests.testing.projects import Spacy, project, snapshot
from tests.testing.repositories import git, write
from tests.testing.servers import free_port, started

pytest.importorskip("s3fs", reason="the extra s3 is not installed")
pytest.importorskip("moto.server", reason="there is no moto[server]")

MEGABYTES = 300 if "GIT_SPACY_STRESS" in os.environ else 60  # a part has 50
ADDRESS = "s3://bucket/some/where"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an S3 server."""

    port = free_port()
    log = tmp_path_factory.mktemp("s3") / "log"
    with started(port, log, sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def s3(server: str, shared: Shared, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shared]:
    """Projects whose remote is an empty bucket."""

    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "hunter2",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    client().create_bucket(Bucket="bucket")
    for root in (shared.made, shared.clone):
        text = (root / "project.yml").read_text()
        (root / "project.yml").write_text(text.replace(str(shared.remote), ADDRESS))
    yield shared
    for name in objects():
        client().delete_object(Bucket="bucket", Key=name)
    client().delete_bucket(Bucket="bucket")


def client() -> Any:
    import boto3

    return boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL"])


def objects() -> dict[str, Any]:
    found = client().list_objects_v2(Bucket="bucket").get("Contents", [])
    return {one["Key"]: one["LastModified"] for one in found}


def test_outputs_are_pushed_and_pulled(s3: Shared, process: Process) -> None:
    done = process("push", cwd=s3.made)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == "pushed 2, skipped 0"
    before = objects()
    assert all(name.startswith("some/where/") for name in before)
    assert process("push", cwd=s3.made).err.splitlines()[-1] == "pushed 0, skipped 2"
    assert objects() == before
    done = process("pull", cwd=s3.clone)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0"
    assert snapshot(s3.clone) == snapshot(s3.made)
    assert process("pull", cwd=s3.clone).err.splitlines()[-1] == "pulled 0, skipped 2"


def test_names_with_special_characters_are_pushed_and_pulled(
    s3: Shared, process: Process, tmp_path: Path
) -> None:
    text = (
        f"remotes: {{default: '{ADDRESS}'}}\ncommands:\n  - name: c\n"
        "    script: ['python w.py']\n    outputs: ['ü b/x+%.txt', './q?#&=']\n"
    )
    write = "import os\nos.makedirs('ü b', exist_ok=True)\n" + "".join(
        f"open({name!r}, 'w').write('1')\n" for name in ("ü b/x+%.txt", "q?#&=")
    )
    made = project(tmp_path / "odd", text, {"w.py": write})
    assert s3.spacy("run", "c", cwd=made).code == 0
    assert process("push", cwd=made).err.splitlines()[-1] == "pushed 2, skipped 0"
    assert process("push", cwd=made).err.splitlines()[-1] == "pushed 0, skipped 2"
    clone = fresh_clone(made, tmp_path / "odd clone", "ü b", "q?#&=")
    done = process("pull", cwd=clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0", done.err
    assert snapshot(clone) == snapshot(made)


def test_the_newest_is_fetched(s3: Shared, process: Process) -> None:
    process("push", cwd=s3.made)
    time.sleep(1.1)  # S3 has times in seconds
    (s3.made / "model/extra").write_text("by chance")
    s3.spacy("lock", "record", "train", cwd=s3.made)
    process("push", cwd=s3.made)
    assert len(objects()) == 3
    assert process("pull", cwd=s3.clone).code == 0
    assert (s3.clone / "model/extra").exists()


def test_weasel_reads_and_writes_the_same_remote(s3: Shared, process: Process) -> None:
    pytest.importorskip("weasel")
    pytest.importorskip("cloudpathlib.s3")
    from tests.peers.test_weasel import Weasel

    with preloaded("weasel") as program:
        weasel = Weasel(program)
        weasel("push", cwd=s3.made)
        before = objects()
        assert len(before) == 2
        assert process("push", cwd=s3.made).err.splitlines()[-1] == "pushed 0, skipped 2"
        assert process("pull", cwd=s3.clone).err.splitlines()[-1] == "pulled 2, skipped 0"
        assert snapshot(s3.clone) == snapshot(s3.made)
        assert process("push", "--force", cwd=s3.made).code == 0
        assert list(objects()) == list(before)
        again = fresh_clone(s3.made, s3.made.parent / "again", "corpus", "model")
        weasel("pull", cwd=again)
        assert snapshot(again) == snapshot(s3.made)


def assert_fails(
    process: Process, command: str, root: Path, *words: str, within: float = 60
) -> None:
    before = snapshot(root)
    began = time.monotonic()
    done = process(command, cwd=root)
    assert done.code == 4, done.err
    assert "Traceback" not in done.err
    assert "hunter2" not in done.err
    assert "hint: check the address, the network and your credentials" in done.err
    for word in words:
        assert word in done.err
    assert snapshot(root) == before
    assert time.monotonic() - began < within


@pytest.mark.parametrize("command", ["push", "pull"])
def test_a_missing_bucket_is_an_error(s3: Shared, process: Process, command: str) -> None:
    root = s3.made if command == "push" else s3.clone
    text = (root / "project.yml").read_text()
    (root / "project.yml").write_text(text.replace("s3://bucket/", "s3://absent/"))
    assert_fails(
        process, command, root, "s3://absent/some/where: The specified bucket does not exist"
    )


@pytest.mark.parametrize("command", ["push", "pull"])
def test_a_stopped_server_is_an_error(
    s3: Shared, process: Process, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", gone)
        assert_fails(
            process,
            command,
            s3.made if command == "push" else s3.clone,
            "s3://bucket/some/where: ",
            gone,
        )


@pytest.mark.parametrize("command", ["push", "pull"])
def test_missing_credentials_are_an_error(
    s3: Shared, process: Process, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        assert_fails(process, command, s3.made if command == "push" else s3.clone, "redentials")


@pytest.fixture
def strict(server: str) -> Iterator[None]:
    """Make the server check credentials."""

    import requests

    requests.post(f"{server}/moto-api/reset-auth", data=b"0", timeout=10)
    yield
    requests.post(f"{server}/moto-api/reset-auth", data=b"inf", timeout=10)


@pytest.mark.parametrize("command", ["push", "pull"])
def test_wrong_credentials_are_an_error(
    s3: Shared, process: Process, strict: None, command: str
) -> None:
    try:
        assert_fails(
            process, command, s3.made if command == "push" else s3.clone, "s3://bucket/some/where: "
        )
    finally:
        import requests

        requests.post(
            f"{os.environ['AWS_ENDPOINT_URL']}/moto-api/reset-auth", data=b"inf", timeout=10
        )


@pytest.mark.threat("interrupted-uploads", commands="pull push")
def test_a_truncated_object_is_rejected_and_can_be_pushed_again(
    s3: Shared, process: Process
) -> None:
    process("push", cwd=s3.made)
    (name,) = [name for name in objects() if "/model/" in name]
    body = client().get_object(Bucket="bucket", Key=name)["Body"].read()
    client().put_object(Bucket="bucket", Key=name, Body=body[:-10])
    done = process("pull", cwd=s3.clone)
    assert done.code == 4
    assert "in the remote is damaged" in done.err
    assert not (s3.clone / "model").exists()
    assert process("push", "--force", cwd=s3.made).code == 0
    assert process("pull", cwd=s3.clone).code == 0


@pytest.mark.slow
def test_large_outputs_are_uploaded_in_parts(s3: Shared, spacy: Spacy) -> None:
    (s3.made / "model/large").write_bytes(os.urandom(MEGABYTES << 20))
    spacy("lock", "record", "train", cwd=s3.made)
    code, peak, _, err = run_measured("push", cwd=s3.made)
    assert code == 0, err
    assert peak < 200
    code, peak, _, err = run_measured("pull", cwd=s3.clone)
    assert code == 0, err
    assert peak < 200
    assert snapshot(s3.clone / "model") == snapshot(s3.made / "model")


def test_a_remote_has_settings_of_its_own(
    s3: Shared, process: Process, server: str, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name in project.yml: the environment has neither server nor credentials."""

    before = client()  # with the environment
    for name in ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    write(sealed, {".aws/credentials": "[team]\naws_access_key_id=k\naws_secret_access_key=s\n"})
    git(s3.made, "init", "-q")
    for name, value in {"endpoint": server, "profile": "team", "region": "us-east-1"}.items():
        git(s3.made, "config", f"spacy.remote.default.{name}", value)
    done = process("push", cwd=s3.made)
    assert done.err.splitlines()[-1] == "pushed 2, skipped 0", done.err
    assert len(before.list_objects_v2(Bucket="bucket")["Contents"]) == 2
    git(s3.made, "config", "spacy.remote.default.profile", "nobody")
    done = process("push", cwd=s3.made)
    assert done.code == 4
    assert "nobody" in done.err
    git(s3.made, "config", "spacy.remote.default.keyFile", "~/x")
    done = process("push", cwd=s3.made)
    assert done.code == 2
    assert done.err == (
        "git config spacy.remote.default.keyfile: error: keyFile is not a setting of s3: remotes\n"
        "hint: git config --unset spacy.remote.default.keyfile\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
