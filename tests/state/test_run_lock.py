"""Processes whose commands change each other's files exclude each other, and no others."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from git_spacy.errors import Busy
from git_spacy.file_locks import file_lock
from git_spacy.git.state_dir import state_dir
from git_spacy.project.paths import ProjectPath
from git_spacy.state import run_lock
from git_spacy.state.run_lock import Claim, Registration, claim_paths, lock_holders, project_lock


def fail_if_waiting(message: str) -> None:
    raise AssertionError(f"waited: {message}")


def claim(root: Path, name: str = "", *, reads: str = "", writes: str = "") -> Claim:
    as_paths = [[ProjectPath(word, word) for word in words.split()] for words in (reads, writes)]
    return claim_paths(root, *as_paths, name)


def locked(
    root: Path, *claims: Claim, environ: Mapping[str, str] = os.environ, wait: bool = False
) -> AbstractContextManager[Registration]:
    return project_lock(root, environ, claims, wait=wait, waiting=fail_if_waiting)


def is_free(root: Path, *claims: Claim, environ: Mapping[str, str] = os.environ) -> bool:
    try:
        with locked(root, *claims, environ=environ):
            return True
    except Busy as error:
        assert error.exit_code == 75
        assert f"kill {os.getpid()}" in str(error.problems[0].hint)
        return False


def test_only_overlapping_files_exclude_each_other(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("out")
    train = claim(tmp_path, "train", reads="corpus", writes="out/model")
    with locked(tmp_path, train):
        for writes in (
            "out/model",
            "out",
            "out/model/meta.json",
            "link/model",
            "corpus/train.spacy",
        ):
            assert not is_free(tmp_path, claim(tmp_path, writes=writes)), writes
        for reads in ("out", "out/model/meta.json", "link/model", "."):
            assert not is_free(tmp_path, claim(tmp_path, reads=reads)), reads
        assert not is_free(tmp_path, claim(tmp_path, "train"))
        assert not is_free(tmp_path, claim(tmp_path, writes="."))
        assert is_free(tmp_path, claim(tmp_path, "other", reads="corpus", writes="out/modelled x"))
        assert is_free(tmp_path)
    assert is_free(tmp_path, train)
    assert list((state_dir(tmp_path) / "runs").iterdir()) == []


def test_an_output_that_is_a_link_is_claimed_with_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    with locked(tmp_path, claim(tmp_path, writes="b")):
        assert not is_free(tmp_path, claim(tmp_path, reads="a"))
        assert not is_free(tmp_path, claim(tmp_path, reads="b"))


def test_a_run_gives_up_what_its_commands_do_not_need_any_more(tmp_path: Path) -> None:
    commands = [
        claim(tmp_path, "prepare", reads="raw", writes="corpus"),
        claim(tmp_path, "train", reads="corpus", writes="model"),
        claim(tmp_path, "serve", reads="model"),
    ]
    tests = {
        "raw": claim(tmp_path, writes="raw"),
        "corpus": claim(tmp_path, reads="corpus"),
        "model": claim(tmp_path, writes="model"),
        "serve": claim(tmp_path, "serve"),
    }

    def busy() -> list[str]:
        return [name for name, wanted in tests.items() if not is_free(tmp_path, wanted)]

    with locked(tmp_path, *commands) as registration:
        assert busy() == ["raw", "corpus", "model", "serve"], "nothing has started"
        assert lock_holders(tmp_path)[0].running == {}
        registration.show_running(["prepare"], ["train", "serve"])
        assert busy() == ["raw", "corpus", "model", "serve"]
        assert list(lock_holders(tmp_path)[0].running) == ["prepare"]
        registration.show_running(["train"], ["serve"])
        assert busy() == ["model", "serve"]
        assert not is_free(tmp_path, claim(tmp_path, writes="corpus")), "train reads it"
        registration.show_running(["serve"], [])
        assert busy() == ["serve"], "a server is in nobody's way"
    assert lock_holders(tmp_path) == ()


def test_a_script_may_use_what_the_run_that_started_it_has_claimed(tmp_path: Path) -> None:
    for name in ("a b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("a b")
    outer, other = tmp_path / "a b", tmp_path / "c"
    model = claim(outer, "train", writes="model")
    with locked(outer, model) as registration:
        inner = registration.child_env({"KEPT": "1"})
        assert inner["KEPT"] == "1"
        assert is_free(tmp_path / "link", model, environ=inner)
        assert not is_free(outer, model, environ={})
        with locked(other, environ=inner) as deeper:
            assert is_free(outer, model, environ=deeper.child_env(inner))
        with locked(outer, claim(outer, "more", writes="more"), environ=inner):
            assert not is_free(outer, claim(outer, reads="more"), environ={})
    with locked(outer, model):
        assert not is_free(outer, model, environ=inner), "the run of that script has ended"


def test_scripts_of_two_runs_do_not_wait_for_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A script of the first run waits for the second; then one of the second is refused."""

    a, b = claim(tmp_path, "a", writes="a"), claim(tmp_path, "b", writes="b")
    with locked(tmp_path, a) as first, locked(tmp_path, b) as second:
        refusals = []

        def other_script_asks(_: float) -> None:
            environ = second.child_env({})
            with pytest.raises(Busy) as refused, locked(tmp_path, a, environ=environ, wait=True):
                pass
            refusals.append(refused.value)
            second.show_running([], [])

        monkeypatch.setattr(run_lock.time, "sleep", other_script_asks)
        messages: list[str] = []
        environ = first.child_env({})
        with project_lock(tmp_path, environ, [b], waiting=messages.append):
            pass
    assert len(refusals) == len(messages) == 1
    assert "'a' (git spacy, process" in str(refusals[0])


def test_a_message_names_command_process_time_path_and_how_to_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = claim(tmp_path, "train", reads="corpus", writes="model")
    with project_lock(
        tmp_path, {}, [train], command_line="git spacy run all", waiting=fail_if_waiting
    ) as registration:
        for since, verb in ((None, "later writes"), ("train", "writes")):
            if since:
                registration.show_running([since], [])
            with pytest.raises(Busy) as refused, locked(tmp_path, claim(tmp_path, reads="model/x")):
                pass
            problem = refused.value.problems[0]
            who = f"'train' (git spacy run all, process {os.getpid()}, since "
            assert problem.message.startswith(f"locked by {who}")
            assert problem.message.endswith(f"), which {verb} 'model'")
            assert problem.hint == f"wait for it, or stop it: kill {os.getpid()}"
        messages: list[str] = []
        monkeypatch.setattr(
            run_lock.time, "sleep", lambda _: len(messages) and registration.show_running([], [])
        )
        clean = claim(tmp_path, writes="corpus")
        with project_lock(tmp_path, {}, [clean], waiting=messages.append):
            pass
    (message,) = messages
    assert message.startswith(f"Waiting for {who}")
    assert "which reads 'corpus' …\n" in message
    assert message.endswith(f"hint: to stop it: kill {os.getpid()}")


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "garbage\n", "[]\n", "null\n", "{}\n", "[" * 5000 + "\n",
        '{"command_line": 1, "process": 1, "host": "h", "since": 1}\n',
        '{"command_line": "c", "process": "1", "host": "h", "since": 1}\n',
        '{"command_line": "c", "process": 1, "host": "h", "since": 1e99}\n',
        '{"command_line": "c", "process": 1, "host": "h", "since": NaN}\n',
        '{"command_line": "c", "process": 1, "host": "h", "since": 1, "claims": [1]}\n',
        '{"command_line": "c", "process": 1, "host": "h", "since": 1, "claims": {"a": "b"}}\n',
        '{"command_line": "c", "process": 1, "host": "h", "since": 1, "claims": [["a", 0, [1], []]]}\n',
        '{"command_line": "c", "process": 1, "host": "h", "since": 1, "outer": 1}\n',
    ],
)  # fmt: skip
def test_a_process_whose_entry_is_not_ours_may_use_everything(tmp_path: Path, text: str) -> None:
    entry = state_dir(tmp_path) / "runs" / ("0" * 16)
    with file_lock(entry):
        entry.write_text(text)
        assert lock_holders(tmp_path) == ()
        with (
            pytest.raises(Busy, match="locked by another run in this project"),
            locked(tmp_path, claim(tmp_path, "other")),
        ):
            pass
        recovered: Sequence[str] = []
        run_lock.recover_if_free(tmp_path, recovered.append)  # type: ignore[attr-defined]
        assert recovered == [], "outputs that are set aside may be those of that process"
    assert is_free(tmp_path, claim(tmp_path, "other"))
    assert not entry.exists()


def test_what_killed_processes_left_is_recovered_but_not_what_runs(tmp_path: Path) -> None:
    seen: list[set[str]] = []
    killed = state_dir(tmp_path) / "runs" / ("0" * 16)
    killed.parent.mkdir(parents=True)
    holder = run_lock.LockHolder("c", 1, "h", 0, (claim(tmp_path, "killed", writes="x"),))
    killed.write_text(json.dumps(holder._asdict()) + "\n")
    with locked(tmp_path, claim(tmp_path, "train", writes="model")):
        run_lock.recover_if_free(tmp_path, lambda names: seen.append(set(names)))
        with project_lock(
            tmp_path, {}, [claim(tmp_path, writes="x")], waiting=fail_if_waiting,
            recover=lambda names: seen.append(set(names)),
        ):  # fmt: skip
            pass
    assert seen == [{"train"}, {"train"}]
    assert not killed.exists()


def test_a_process_that_stopped_while_it_registers_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "_MAX_REGISTRATION", 0)
    holder = run_lock.LockHolder("git spacy assets", 7, "elsewhere", 0)
    with file_lock(state_dir(tmp_path) / "run.lock") as held:
        with pytest.raises(Busy, match="locked by another run in this project"), locked(tmp_path):
            pass
        held.write(json.dumps(holder._asdict()))
        with pytest.raises(Busy) as busy, locked(tmp_path):
            pass
        assert "locked by git spacy assets (process 7 on elsewhere, since" in str(busy.value)
        assert busy.value.problems[0].hint == "wait for it, or stop it on elsewhere"
