"""Tests of remotes over SSH, with a real sshd."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from git_spacy.git.state_dir import state_dir
from git_spacy.storage.remote_keys import TEMPORARY
from tests.storage.conftest import Shared
from tests.testing.projects import process, snapshot
from tests.testing.repositories import git
from tests.testing.sshd import SSHD, Sshd, sshd
from tests.testing.waiting import PATIENCE

pytest.importorskip("sshfs", reason="the extra ssh is not installed")
pytestmark = pytest.mark.skipif(not SSHD, reason="there is no sshd (Debian: openssh-server)")


IS_LONG = "GIT_SPACY_STRESS" in os.environ
SIGNALS = (signal.SIGINT, signal.SIGTERM) if IS_LONG else (signal.SIGINT,)


@pytest.fixture
def server(shared: Shared, tmp_path: Path, sealed: Path) -> Iterator[Sshd]:
    """An sshd with a known host key and the key of the user, as the remote of the projects."""

    with sshd(tmp_path / "sshd", sealed / ".ssh/id_ed25519") as running:
        (sealed / ".ssh/known_hosts").write_text(running.known)
        for root in (shared.made, shared.clone):
            text = (root / "project.yml").read_text()
            there = running.address(shared.remote)
            (root / "project.yml").write_text(text.replace(str(shared.remote), there))
        yield running


def test_outputs_are_pushed_and_pulled(shared: Shared, server: Sshd) -> None:
    done = process("push", cwd=shared.made)
    assert done.code == 0, done.err
    assert done.err.splitlines()[-1] == "pushed 2, skipped 0"
    before = shared.objects()
    assert sorted(name.split("/")[0] for name in before) == ["corpus%2Fwords.txt", "model"]
    assert process("push", cwd=shared.made).err.splitlines()[-1] == "pushed 0, skipped 2"
    done = process("push", "--force", cwd=shared.made)
    assert done.err.splitlines()[-1] == "pushed 2, skipped 0", done.err
    assert shared.objects() == before, "and nothing beside them"
    done = process("pull", cwd=shared.clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0", done.err
    assert snapshot(shared.clone / "model") == snapshot(shared.made / "model")
    assert process("pull", cwd=shared.clone).err.splitlines()[-1] == "pulled 0, skipped 2"


def test_a_remote_over_ssh_can_be_read_as_a_folder(shared: Shared, server: Sshd) -> None:
    process("push", cwd=shared.made)
    done = shared.spacy("pull", shared.remote, cwd=shared.clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0"


def test_the_newest_is_fetched(shared: Shared, server: Sshd) -> None:
    process("push", cwd=shared.made)
    (first,) = (shared.remote / "model").glob("*/*")
    os.utime(first, (1, 1))
    (shared.made / "model/extra").write_text("by chance")
    shared.spacy("lock", "record", "train", cwd=shared.made)
    assert process("push", cwd=shared.made).code == 0
    assert process("pull", cwd=shared.clone).code == 0
    assert (shared.clone / "model/extra").exists()


def assert_fails(shared: Shared, *words: str) -> None:
    for command, root in (("push", shared.made), ("pull", shared.clone)):
        before = snapshot(root)
        done = process(command, cwd=root)
        assert done.code == 4, done.err
        assert "Traceback" not in done.err
        for word in words:
            assert word in done.err, done.err
        assert snapshot(root) == before
        assert not shared.remote.exists()


def test_a_rejected_key_is_an_error(shared: Shared, server: Sshd, tmp_path: Path) -> None:
    (tmp_path / "sshd/authorized").write_text("")
    assert_fails(shared, "Permission denied")


def test_an_unknown_host_is_not_trusted(shared: Shared, server: Sshd, sealed: Path) -> None:
    (sealed / ".ssh/known_hosts").unlink()
    assert_fails(shared, "ost key")


def test_a_host_with_another_key_is_not_trusted(shared: Shared, server: Sshd, sealed: Path) -> None:
    other = (sealed / ".ssh/id_ed25519.pub").read_text()
    (sealed / ".ssh/known_hosts").write_text(f"[127.0.0.1]:{server.port} {other}")
    assert_fails(shared, "ost key")


def test_a_stopped_server_is_an_error(shared: Shared, server: Sshd) -> None:
    server.process.terminate()
    server.process.wait(PATIENCE)
    assert_fails(shared, "127.0.0.1")


def test_a_read_only_folder_is_an_error(shared: Shared, server: Sshd) -> None:
    shared.remote.write_text("a file")
    done = process("push", cwd=shared.made)
    assert done.code == 4, done.err
    assert shared.remote.read_text() == "a file"


@contextmanager
def sending(shared: Shared) -> Iterator[subprocess.Popen[str]]:
    """A push that is sending a large output."""

    (shared.made / "model/large").write_bytes(os.urandom(60 << 20))
    shared.spacy("lock", "record", "train", cwd=shared.made)
    child = subprocess.Popen(
        (sys.executable, "-m", "git_spacy", "push"), cwd=shared.made, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    words = shared.remote / "corpus%2Fwords.txt"
    while child.poll() is None:
        if list(words.glob("*/*")) and list(shared.remote.glob(f"{TEMPORARY}*")):
            break  # small files are complete by now, so this is the large one
        time.sleep(0.002)
    yield child
    child.wait(PATIENCE)
    assert child.stderr
    child.stderr.close()


def assert_push_and_pull_work(shared: Shared) -> None:
    assert process("push", cwd=shared.made).code == 0
    done = process("pull", cwd=shared.clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0"
    assert snapshot(shared.clone / "model") == snapshot(shared.made / "model")


@pytest.mark.threat("interrupted-uploads", commands="push")
def test_a_killed_push_leaves_no_incomplete_object(shared: Shared, server: Sshd) -> None:
    with sending(shared) as child:
        child.kill()
    whole = list((shared.remote / "model").glob("*/*"))
    assert not whole or whole[0].stat().st_size > 60 << 20
    assert_push_and_pull_work(shared)


def test_a_server_that_stops_during_a_push_is_an_error(shared: Shared, server: Sshd) -> None:
    with sending(shared) as child:
        for process_id in below(server.process.pid):
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        _, err = child.communicate(timeout=PATIENCE)
    assert child.returncode == 4, err
    assert "Traceback" not in err
    assert "failed  model" in err
    assert not list((shared.remote / "model").glob("*/*"))
    assert_push_and_pull_work(shared)


def below(process_id: int) -> list[int]:
    """Return all descendants of a process."""

    try:
        text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
    except FileNotFoundError:
        return []
    found = [int(word) for word in text.split()]
    return found + [inner for one in found for inner in below(one)]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_interrupt_during_a_push_ends_it(
    shared: Shared, server: Sshd, number: signal.Signals
) -> None:
    with sending(shared) as child:
        for process_id in below(server.process.pid):
            os.kill(process_id, signal.SIGSTOP)  # so that it cannot exit by itself
        child.send_signal(number)
        _, err = child.communicate(timeout=PATIENCE)
        for process_id in below(server.process.pid):
            os.kill(process_id, signal.SIGCONT)
    assert child.returncode == 128 + number
    assert "Traceback" not in err
    assert not list((state_dir(shared.made) / "push").iterdir())
    assert_push_and_pull_work(shared)


def test_the_home_folder_of_the_server_and_a_key_file_are_used(
    shared: Shared, server: Sshd, tmp_path: Path, sealed: Path
) -> None:
    """`~` was a folder of that name at the top of the server."""

    (sealed / ".ssh/id_ed25519").rename(sealed / "key")
    user = server.address(Path("/~/below/outputs"))
    for root in (shared.made, shared.clone):
        git(root, "init", "-q")
        git(root, "config", "spacy.remote.default.url", user)
        git(root, "config", "spacy.remote.default.keyFile", "~/key")
    done = process("push", cwd=shared.made)
    assert done.err.splitlines()[-1] == "pushed 2, skipped 0", done.err
    objects = tmp_path / "sshd/home/below/outputs"
    assert sorted(os.listdir(objects)) == ["corpus%2Fwords.txt", "model"]
    assert process("push", cwd=shared.made).err.splitlines()[-1] == "pushed 0, skipped 2"
    done = process("pull", cwd=shared.clone)
    assert done.err.splitlines()[-1] == "pulled 2, skipped 0", done.err
    objects.rename(tmp_path / "away")
    shutil.rmtree(shared.clone / "model")
    done = process("pull", cwd=shared.clone)
    assert done.code == 4
    assert "the folder does not exist" in done.err
    git(shared.clone, "config", "spacy.remote.default.url", user.replace("~", "~other"))
    done = process("pull", cwd=shared.clone)
    assert done.code == 2
    assert "'~other/below/outputs' is the home folder of another user" in done.err
