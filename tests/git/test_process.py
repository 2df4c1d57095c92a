"""Running git: environment, errors, streams, interrupts and credential helpers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError
from git_spacy.git import process
from tests.testing.repositories import git, repository
from tests.testing.waiting import PATIENCE, wait_until


def test_local_variables_include_those_that_git_lists() -> None:
    listed = subprocess.run(
        ("git", "rev-parse", "--local-env-vars"), capture_output=True, text=True
    )
    assert set(listed.stdout.split()) <= set(process.LOCAL_VARIABLES)


def test_scrubbing_removes_local_variables_and_nothing_else() -> None:
    environ = dict.fromkeys(process.LOCAL_VARIABLES, "x")
    environ |= {"GIT_CONFIG_KEY_0": "x", "GIT_CONFIG_VALUE_0": "x"}
    environ |= {"GIT_SSH_COMMAND": "ssh -v", "PATH": "/bin", "GIT_AUTHOR_NAME": "A"}
    assert process.scrub_environment(environ) == {
        "GIT_SSH_COMMAND": "ssh -v",
        "PATH": "/bin",
        "GIT_AUTHOR_NAME": "A",
    }


def test_environment_of_a_hook_is_not_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = repository(tmp_path / "users")
    other = repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(users / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(users / ".git/index"))
    done = process.run_git(("rev-parse", "--absolute-git-dir"), cwd=other)
    assert os.fsdecode(done.stdout.strip()) == str(other / ".git")


def test_git_runs_in_english_without_prompts(tmp_path: Path) -> None:
    script = tmp_path / "git-environment"
    script.write_text('#!/bin/sh\necho "$LC_ALL|$LANGUAGE|$GIT_TERMINAL_PROMPT|$SSH_ASKPASS"\n')
    script.chmod(0o755)
    os.environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    os.environ["SSH_ASKPASS"] = "/bin/false"
    done = process.run_git(("environment",), cwd=tmp_path)
    assert done.stdout.decode().strip().startswith("C||0|")


def test_failure_has_the_last_lines_of_git(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match="git rev-parse: not a git repository"):
        process.run_git(("rev-parse", "HEAD"), cwd=tmp_path)


def test_error_message_shows_no_credentials(tmp_path: Path) -> None:
    url = "http://user:secret@127.0.0.1:1/r"
    with pytest.raises(ExternalError) as caught:
        process.run_git(
            ("ls-remote", "--", url),
            cwd=tmp_path,
            environ=process.git_environment(protocols="http"),
        )
    assert "secret" not in str(caught.value)


def test_missing_git_is_reported(no_git: Path) -> None:
    assert not process.available()
    with pytest.raises(ExternalError, match="git not found"):
        process.run_git(("version",), cwd=no_git)


def test_arguments_are_not_interpreted_by_a_shell(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    done = process.run_git(
        ("rev-parse", "--verify", "-q", "$(touch ran); `touch ran`"), cwd=root, check=False
    )
    assert done.returncode
    assert not (root / "ran").exists()


def test_stream_is_read_incrementally(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"a": "x" * 100_000})
    id = git(root, "rev-parse", "HEAD:a")
    with process.stream_git(
        ("cat-file", "--batch"),
        cwd=root,
        environ=process.git_environment(),
        input=f"{id}\n".encode(),
    ) as stream:
        assert stream.readline() == f"{id} blob 100000\n".encode()
        assert stream.read(5) == b"xxxxx"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_terminates_git_and_its_children(tmp_path: Path, number: int) -> None:
    script = tmp_path / "git-slow"
    script.write_text(f"#!/bin/sh\nsleep 3600 &\necho $! > '{tmp_path}/pid'\nwait\n")
    script.chmod(0o755)
    code = f"""
import signal, sys
from pathlib import Path
from git_spacy.git import process
def end(*_): raise KeyboardInterrupt
signal.signal(signal.SIGTERM, end)
process.run_git(("slow",), cwd=Path({str(tmp_path)!r}))
"""
    environ = {
        **os.environ,
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(process.__file__).parents[2]),
    }
    child = subprocess.Popen(
        (sys.executable, "-c", code), env=environ, stderr=subprocess.DEVNULL, start_new_session=True
    )
    pid = tmp_path / "pid"
    wait_until(lambda: pid.exists() and pid.read_text().strip(), "git's own child")
    child.send_signal(number)  # to our process only: git is in another session
    child.wait(PATIENCE)
    sleeper = int(pid.read_text())
    wait_until(lambda: not _is_running(sleeper), "the end of git's own child")


def _is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_slow_or_failing_credential_helpers_return_nothing() -> None:
    assert process.credential_helper(("/bin/sh", "-c", "cat"), "host=x\n", PATIENCE) == "host=x\n"
    assert process.credential_helper(("/bin/sh", "-c", "echo a; exit 1"), "", PATIENCE) == ""
    assert process.credential_helper(("/nowhere/helper",), "", PATIENCE) == ""
    late = ("/bin/sh", "-c", "sleep 120; echo late")
    assert process.credential_helper(late, "", 0.1) == ""
