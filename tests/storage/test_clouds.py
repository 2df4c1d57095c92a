"""Tests of remotes in Google Cloud and Azure, with local emulators if they are installed."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.storage.conftest import Process, Shared
from tests.testing.projects import snapshot
from tests.testing.servers import free_port, started

NAME, KEY = "devstoreaccount1", "c2VjcmV0IG9mIG5vYm9keQ=="


@contextmanager
def google(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    if not (find_spec("gcsfs") and find_spec("gcp_storage_emulator")):
        pytest.skip("gcsfs or gcp-storage-emulator is not installed")
    port = free_port()
    patch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{port}")
    arguments = ("-m", "gcp_storage_emulator", "start", "--host=127.0.0.1", f"--port={port}")
    log = folder.with_suffix(".log")
    with started(port, log, sys.executable, *arguments, "--in-memory", "--default-bucket=bucket"):
        yield "gs://{}/some/where"


@contextmanager
def azure(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[str]:
    azurite = shutil.which(os.environ.get("GIT_SPACY_TEST_AZURITE", "")) or shutil.which(
        "azurite-blob"
    )
    if not (find_spec("adlfs") and azurite):
        pytest.skip("adlfs or azurite-blob is not installed")
    port = free_port()
    connection = (
        f"DefaultEndpointsProtocol=http;AccountName={NAME};AccountKey={KEY};"
        f"BlobEndpoint=http://127.0.0.1:{port}/{NAME};"
    )
    patch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    arguments = ("--silent", "--skipApiVersionCheck", "--location", folder, "--blobPort", port)
    log = folder.with_suffix(".log")
    with started(port, log, azurite, *arguments, AZURITE_ACCOUNTS=f"{NAME}:{KEY}"):
        from azure.storage.blob import BlobServiceClient

        client: Any = BlobServiceClient.from_connection_string(connection)
        with client:
            client.create_container("bucket")
        yield "az://{}/some/where"


CLOUDS: dict[str, Callable[..., Any]] = {"google": google, "azure": azure}


@pytest.fixture(params=CLOUDS)
def cloud(
    request: pytest.FixtureRequest, shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Shared, str]]:
    """Projects whose remote is an empty bucket, and the address format of the cloud."""

    with CLOUDS[request.param](tmp_path / "cloud", monkeypatch) as address:
        for root in (shared.made, shared.clone):
            text = (root / "project.yml").read_text()
            url = address.format("bucket")
            (root / "project.yml").write_text(text.replace(str(shared.remote), url))
        yield shared, address


def test_outputs_are_pushed_and_pulled(cloud: tuple[Shared, str], process: Process) -> None:
    shared, _ = cloud
    done = process("push", cwd=shared.made)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == "pushed 2, skipped 0"
    assert process("push", cwd=shared.made).err.splitlines()[-1] == "pushed 0, skipped 2"
    done = process("pull", cwd=shared.clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0", done.err
    assert snapshot(shared.clone) == snapshot(shared.made)
    assert process("push", "--force", cwd=shared.made).err.splitlines()[-1] == "pushed 2, skipped 0"
    (shared.clone / "scripts/copy.py").write_text("another\n")
    (shared.clone / "model/weights.txt").unlink()
    (shared.clone / "model").rmdir()
    done = process("pull", cwd=shared.clone)
    assert done.code == 0, done.err
    assert "the remote has no version that matches the current dependencies of 'train'" in done.err


def test_the_newest_is_fetched(cloud: tuple[Shared, str], process: Process) -> None:
    shared, _ = cloud
    process("push", cwd=shared.made)
    time.sleep(1.1)
    (shared.made / "model/extra").write_text("by chance")
    shared.spacy("lock", "record", "train", cwd=shared.made)
    assert process("push", cwd=shared.made).code == 0
    assert process("pull", cwd=shared.clone).code == 0
    assert (shared.clone / "model/extra").exists()


@pytest.mark.parametrize("command", ["push", "pull"])
def test_a_missing_bucket_is_an_error(
    cloud: tuple[Shared, str], process: Process, command: str
) -> None:
    shared, address = cloud
    root = shared.made if command == "push" else shared.clone
    before = snapshot(root)
    done = process(command, address.format("absent"), cwd=root)
    assert done.code == 4, done.err
    assert "Traceback" not in done.err
    assert snapshot(root) == before
