"""The one starter of git."""

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


def test_the_variables_of_a_repository_are_those_that_git_lists() -> None:
    listed = subprocess.run(
        ("git", "rev-parse", "--local-env-vars"), capture_output=True, text=True
    )
    assert set(listed.stdout.split()) <= set(process.LOCAL_VARIABLES)


def test_scrubbed_drops_them_and_nothing_else() -> None:
    environ = dict.fromkeys(process.LOCAL_VARIABLES, "x")
    environ |= {"GIT_SSH_COMMAND": "ssh -v", "PATH": "/bin", "GIT_AUTHOR_NAME": "A"}
    assert process.scrub_environment(environ) == {
        "GIT_SSH_COMMAND": "ssh -v",
        "PATH": "/bin",
        "GIT_AUTHOR_NAME": "A",
    }


def test_a_hooks_environment_reaches_no_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = repository(tmp_path / "users")
    other = repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(users / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(users / ".git/index"))
    done = process.run_git(("rev-parse", "--absolute-git-dir"), cwd=other)
    assert os.fsdecode(done.stdout.strip()) == str(other / ".git")


def test_git_speaks_english_and_asks_nothing(tmp_path: Path) -> None:
    script = tmp_path / "git-environment"
    script.write_text('#!/bin/sh\necho "$LC_ALL|$LANGUAGE|$GIT_TERMINAL_PROMPT|$SSH_ASKPASS"\n')
    script.chmod(0o755)
    os.environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    os.environ["SSH_ASKPASS"] = "/bin/false"
    done = process.run_git(("environment",), cwd=tmp_path)
    assert done.stdout.decode().strip().startswith("C||0|")


def test_a_failure_is_told_in_gits_own_last_words(tmp_path: Path) -> None:
    with pytest.raises(ExternalError, match="not a git repository"):
        process.run_git(("rev-parse", "HEAD"), cwd=tmp_path)


def test_a_failure_masks_credentials(tmp_path: Path) -> None:
    url = "http://somebody:secret@127.0.0.1:1/r"
    with pytest.raises(ExternalError) as caught:
        process.run_git(
            ("ls-remote", "--", url), cwd=tmp_path, environ=process.environment(protocols="http")
        )
    assert "secret" not in str(caught.value)


def test_without_git_it_says_so(no_git: Path) -> None:
    assert not process.available()
    with pytest.raises(ExternalError, match="git"):
        process.run_git(("version",), cwd=no_git)


def test_arguments_are_never_words_for_a_shell(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    done = process.run_git(
        ("rev-parse", "--verify", "-q", "$(touch ran); `touch ran`"), cwd=made, check=False
    )
    assert done.returncode
    assert not (made / "ran").exists()


def test_a_stream_is_read_as_it_comes(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"a": "x" * 100_000})
    id = git(made, "rev-parse", "HEAD:a")
    with process.streaming(
        ("cat-file", "--batch"), cwd=made, environ=process.environment(), input=f"{id}\n".encode()
    ) as stream:
        assert stream.readline() == f"{id} blob 100000\n".encode()
        assert stream.read(5) == b"xxxxx"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_git_takes_what_it_started_with_it(tmp_path: Path, number: int) -> None:
    script = tmp_path / "git-slow"
    script.write_text(f"#!/bin/sh\nsleep 3600 &\necho $! > '{tmp_path}/pid'\nwait\n")
    script.chmod(0o755)
    code = f"""
import signal, sys
from pathlib import Path
from git_spacy.git import process
def end(*_): raise KeyboardInterrupt
signal.signal(signal.SIGTERM, end)
process.run(("slow",), cwd=Path({str(tmp_path)!r}))
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
    child.send_signal(number)  # to us alone: nobody else tells git
    child.wait(PATIENCE)
    sleeper = int(pid.read_text())
    wait_until(lambda: not _runs(sleeper), "the end of git's own child")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_helper_that_answers_late_or_never_is_not_waited_for() -> None:
    assert process.credential_helper(("/bin/sh", "-c", "cat"), "host=x\n", PATIENCE) == "host=x\n"
    assert process.credential_helper(("/bin/sh", "-c", "echo a; exit 1"), "", PATIENCE) == ""
    assert process.credential_helper(("/nowhere/helper",), "", PATIENCE) == ""
    late = ("/bin/sh", "-c", "sleep 120; echo late")
    assert process.credential_helper(late, "", 0.1) == ""
