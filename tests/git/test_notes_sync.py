"""Notes between clones and a remote: pushes and pulls in any order lose no lines."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, InvalidInput
from git_spacy.git import commits, notes, notes_status, notes_sync
from git_spacy.git.repository import Repository
from tests.git.test_notes import SOURCE, discover
from tests.testing.git_server import GitServer
from tests.testing.repositories import commit, git, repository, write

REF = notes.REF


class Team:
    """A bare remote and clones of it with one common commit."""

    def __init__(self, folder: Path, clones: int = 2) -> None:
        seed = repository(folder / "seed")
        self.remote = folder / "remote.git"
        git(folder, "clone", "-q", "--bare", str(seed), str(self.remote))
        self.clones = [folder / f"clone{number}" for number in range(clones)]
        for clone in self.clones:
            git(folder, "clone", "-q", str(self.remote), str(clone))
        self.head = git(seed, "rev-parse", "HEAD")

    def note(self, clone: int, *lines: str) -> None:
        notes.append(discover(self.clones[clone]), self.head, lines)

    def lines(self, folder: Path) -> set[str]:
        is_bare = folder == self.remote
        found = Repository(folder, folder, None) if is_bare else discover(folder)
        ((_, lines),) = notes.NotesReader(found).lines([self.head])
        assert len(set(lines)) == len(lines)
        return set(lines)

    def push(self, clone: int) -> int:
        return notes_sync.push(discover(self.clones[clone]), "origin")

    def pull(self, clone: int) -> int:
        return notes_sync.pull(discover(self.clones[clone]), "origin")


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def test_alternating_pushes_and_pulls_lose_no_lines(team: Team) -> None:
    expected = set()
    for turn in range(6):
        clone = turn % 2
        line = f"line {turn} of {clone}"
        team.note(clone, line)
        expected.add(line)
        if turn % 3:
            assert team.push(clone) > 0
    team.push(0)
    team.push(1)
    team.pull(0)
    for folder in (team.remote, *team.clones):
        assert team.lines(folder) == expected
    assert (team.push(0), team.push(1), team.pull(0), team.pull(1)) == (0, 0, 0, 0)
    for folder in team.clones:
        assert git(folder, "for-each-ref", "--format=%(refname)", "refs/notes") == REF
        git(folder, "fsck", "--strict")
    assert git(team.remote, "notes", "--ref=spacy", "show", team.head).count("line ") == 6


def test_notes_without_common_history_are_merged(team: Team) -> None:
    team.note(0, "one", "two")
    team.note(1, "two", "three")
    assert team.push(0) == 2
    assert team.pull(1) == 1
    assert team.push(1) == 1
    assert team.pull(0) == 1
    assert team.lines(team.clones[0]) == team.lines(team.clones[1]) == {"one", "two", "three"}


def test_push_and_pull_return_the_number_of_new_lines(team: Team) -> None:
    assert team.pull(0) == 0
    assert team.push(0) == 0
    team.note(0, *(f"line {number}" for number in range(5)))
    assert team.push(0) == 5
    assert team.pull(1) == 5
    other = commit(team.clones[1], {"a": "b"})
    notes.append(discover(team.clones[1]), other, ["elsewhere"])
    team.note(1, "line 5")
    assert team.push(1) == 2


def test_unpushed_lines_survive_a_pull(team: Team) -> None:
    team.note(0, "theirs")
    team.push(0)
    team.note(1, "mine, not pushed")
    team.pull(1)
    assert team.lines(team.clones[1]) == {"theirs", "mine, not pushed"}


PUSH = """
import sys
from pathlib import Path
from git_spacy.git import notes, notes_sync
from git_spacy.git.repository import Repository
repository = Repository.discover(Path.cwd())
for number in range(5):
    notes.append(repository, sys.argv[1], [f"{sys.argv[2]} {number}"])
    notes_sync.push(repository, "origin")
"""


def test_four_concurrent_pushes_all_succeed(tmp_path: Path) -> None:
    team = Team(tmp_path, clones=4)
    pushing = [
        subprocess.Popen((sys.executable, "-c", PUSH, team.head, str(number)), cwd=clone, env=pythonpath())
        for number, clone in enumerate(team.clones)
    ]  # fmt: skip
    assert [process.wait(120) for process in pushing] == [0] * 4
    assert team.lines(team.remote) == {f"{who} {number}" for who in range(4) for number in range(5)}


def pythonpath() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": SOURCE}


def hook(team: Team, name: str, text: str) -> None:
    write(team.remote, {f"hooks/{name}*": f"#!/bin/sh\n{text}\n"})


def test_push_merges_again_if_another_push_was_faster(team: Team, tmp_path: Path) -> None:
    """The notes of the remote change twice between our fetch and our push."""

    team.note(0, "ours")
    team.note(1, "first of theirs")
    hook(
        team, "pre-receive",
        f"n=$(cat '{tmp_path}/count' 2>/dev/null || echo 0); echo $((n + 1)) > '{tmp_path}/count'\n"
        "unset GIT_QUARANTINE_PATH GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES\n"
        f"[ $n -ge 2 ] || git -c user.name=x -c user.email=x@y notes --ref=spacy append -m race$n {team.head}\n",
    )  # fmt: skip
    assert team.push(0) == 1
    assert team.lines(team.remote) == {"ours", "race0", "race1"}
    assert team.lines(team.clones[0]) == {"ours", "race0", "race1"}


def test_push_is_retried_while_the_remote_ref_is_locked(team: Team) -> None:
    """The remote answers `cannot lock ref`, as while another push is running."""

    team.note(0, "ours")
    lock = team.remote / "refs/notes/spacy.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    tried = team.remote / "tried"
    hook(team, "update", f"[ -e '{tried}' ] && rm -f '{lock}'; touch '{tried}'")
    assert team.push(0) == 1
    assert team.lines(team.remote) == {"ours"}


def test_reason_of_a_rejected_push_is_reported(team: Team) -> None:
    hook(team, "pre-receive", "echo 'no notes on this server' >&2; exit 1")
    team.note(0, "ours")
    with pytest.raises(ExternalError, match=r"(?s)rejected the notes: .*no notes on this server"):
        team.push(0)
    assert team.lines(team.clones[0]) == {"ours"}
    assert team.lines(team.remote) == set()


def test_all_that_ssh_and_the_server_said_is_reported_but_secrets(
    team: Team, tmp_path: Path
) -> None:
    """D3: ssh's reason, and every line of a server's hook."""

    clone = team.clones[0]
    write(tmp_path, {"ssh*": "#!/bin/sh\necho 'Host key verification failed.' >&2; exit 255\n"})
    git(clone, "config", "core.sshCommand", shlex.quote(str(tmp_path / "ssh")))
    git(clone, "remote", "set-url", "origin", "ssh://somewhere.invalid/x.git")
    team.note(0, "ours")
    for action in (team.push, team.pull):
        with pytest.raises(ExternalError) as error:
            action(0)
        said = str(error.value)
        assert "\n  Host key verification failed." in said
        assert "Could not read from remote repository" in said
        assert "and the repository exists." in said
    lines = [f"line {number}" for number in range(9)]
    script = "".join(f"echo '{line}' >&2; " for line in lines)
    hook(team, "pre-receive", f"{script} echo 'see https://user:secret@example.com/x' >&2; exit 1")
    git(clone, "remote", "set-url", "origin", str(team.remote))
    with pytest.raises(ExternalError) as error:
        team.push(0)
    said = str(error.value)
    assert [line for line in lines if f"\n  remote: {line}" not in said] == []
    assert "https://***@example.com/x" in said
    assert "secret" not in said


def test_a_server_with_rules_on_messages_gets_the_message_of_the_setting(team: Team) -> None:
    """It checks every commit that is pushed, e.g. those of earlier runs and of merges."""

    hook(
        team, "update",
        'case $2 in 0000*) range=$3;; *) range=$2..$3;; esac\n'
        "for id in $(git rev-list $range); do git log -1 --format=%s $id | grep -q ^PROJ-1 ||"
        " { echo 'no ticket' >&2; exit 1; }; done",
    )  # fmt: skip
    for number in (0, 1):
        team.note(number, f"by {number}")
        team.note(number, f"again by {number}")
    with pytest.raises(ExternalError, match="no ticket"):
        team.push(0)
    for number, pushed in ((0, 2), (1, 2), (0, 0)):
        git(team.clones[number], "config", "spacy.notesMessage", "PROJ-1: run records")
        assert team.push(number) == pushed
    everything = {"by 0", "again by 0", "by 1", "again by 1"}
    assert team.lines(team.remote) == team.lines(team.clones[0]) == everything
    subjects = git(team.remote, "log", "--format=%s", "refs/notes/spacy").splitlines()
    assert subjects == ["PROJ-1: run records"] * 2


def test_push_gives_up_on_a_permanent_lock(team: Team) -> None:
    lock = team.remote / "refs/notes/spacy.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    team.note(0, "ours")
    with pytest.raises(ExternalError, match="rejected the notes"):
        team.push(0)


def test_unreachable_remote_is_reported(team: Team) -> None:
    team.remote.rename(team.remote.with_name("gone"))
    team.note(0, "ours")
    for action in (team.push, team.pull):
        with pytest.raises(ExternalError, match="git fetch origin: "):
            action(0)


def test_push_runs_no_hooks_and_pushes_no_tags(team: Team) -> None:
    write(team.clones[0], {".git/hooks/pre-push*": "#!/bin/sh\nexit 1\n"})
    git(team.clones[0], "config", "push.followTags", "true")
    git(team.clones[0], "tag", "-a", "-m", "x", "v1")
    team.note(0, "ours")
    assert team.push(0) == 1
    assert git(team.remote, "tag") == ""


def test_shallow_clone_pushes_and_pulls(team: Team, tmp_path: Path) -> None:
    for number in range(3):
        commit(team.clones[0], {"a": str(number)})
    git(team.clones[0], "push", "-q")
    team.note(0, "on the first commit")
    team.push(0)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{team.remote}", str(shallow))
    here = discover(shallow)
    assert notes_sync.pull(here, "origin") == 1
    head = git(shallow, "rev-parse", "HEAD")
    notes.append(here, head, ["from the shallow one"])
    assert notes_sync.push(here, "origin") == 1
    assert team.pull(0) == 1
    found = notes_status.notes_status(here, "origin")
    assert found.shallow
    assert found.missing == (team.head,)
    assert (found.ahead, found.behind, found.stranded) == (0, 0, ())


def test_push_works_over_http(tmp_path: Path, git_server: GitServer) -> None:
    seed = repository(tmp_path / "seed")
    bare = tmp_path / "served" / "team.git"
    git(tmp_path, "clone", "-q", "--bare", str(seed), str(bare))
    git(bare, "config", "http.receivepack", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", git_server.url + "/team.git", str(clone))
    head = git(clone, "rev-parse", "HEAD")
    notes.append(discover(clone), head, ["over http"])
    assert notes_sync.push(discover(clone), "origin") == 1
    assert git(bare, "notes", "--ref=spacy", "show", head) == "over http"


def test_status_counts_lines_ahead_and_behind(team: Team) -> None:
    team.note(0, "a", "b")
    team.push(0)
    team.pull(1)
    team.note(0, "c")
    team.push(0)
    team.note(1, "d", "e")
    before = notes_status.notes_status(discover(team.clones[1]), "origin", fetch=False)
    assert (before.lines, before.commits, before.ahead, before.behind) == (4, 1, 2, 0)
    after = notes_status.notes_status(discover(team.clones[1]), "origin")
    assert (after.ahead, after.behind) == (2, 1)
    assert team.lines(team.clones[1]) == {"a", "b", "d", "e"}, "the status changes nothing"
    team.remote.rename(team.remote.with_name("gone"))
    lost = notes_status.notes_status(discover(team.clones[1]), "origin")
    assert lost.unreachable
    assert (lost.ahead, lost.behind) == (2, 1)


def test_status_lists_stranded_and_missing_commits(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    here = discover(root)
    git(root, "checkout", "-q", "-b", "work")
    gone = commit(root, {"a": "b"})
    notes.append(here, gone, ["x"])
    notes.append(here, git(root, "rev-parse", "main"), ["y"])
    assert notes_status.notes_status(here, None).stranded == ()
    git(root, "checkout", "-q", "main")
    git(root, "branch", "-q", "-D", "work")
    found = notes_status.notes_status(here, None)
    assert (found.stranded, found.missing) == ((gone,), ())
    git(root, "reflog", "expire", "--expire=now", "--all")
    git(root, "gc", "-q", "--prune=now")
    found = notes_status.notes_status(here, None)
    assert (found.stranded, found.missing, found.lines) == ((), (gone,), 2)
    assert not found.rewritten
    git(root, "config", "notes.rewriteRef", "refs/notes/*")
    assert notes_status.notes_status(here, None).rewritten


def test_status_is_empty_before_the_first_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "r")
    found = notes_status.notes_status(discover(tmp_path / "r"), None)
    assert found[:4] == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("remotes", "branch", "expected"),
    [
        (["origin"], None, "origin"),
        (["upstream"], None, "upstream"),
        (["origin", "upstream"], None, "origin"),
        (["origin", "upstream"], "upstream", "upstream"),
    ],
)
def test_default_remote_is_upstream_then_the_only_one_then_origin(
    tmp_path: Path, remotes: list[str], branch: str | None, expected: str
) -> None:
    root = repository(tmp_path / "r")
    for name in remotes:
        git(root, "remote", "add", name, f"../{name}.git")
    if branch:
        git(root, "config", "branch.main.remote", branch)
    assert notes_sync.choose_remote(discover(root), None) == expected


def test_unknown_remote_is_reported_with_a_suggestion(tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    with pytest.raises(InvalidInput, match="no Git remote"):
        notes_sync.choose_remote(discover(root), None)
    git(root, "remote", "add", "one", "x")
    git(root, "remote", "add", "two", "y")
    with pytest.raises(InvalidInput, match="more than one Git remote: one, two"):
        notes_sync.choose_remote(discover(root), None)
    with pytest.raises(InvalidInput) as caught:
        notes_sync.choose_remote(discover(root), "tow")
    assert "did you mean 'two'?" in str(caught.value)


def test_fallback_identity_merges_if_none_is_set(team: Team, sealed: Path) -> None:
    team.note(0, "a")
    team.note(1, "b")
    team.push(0)
    (sealed / ".gitconfig").write_text("")
    team.pull(1)
    assert git(team.clones[1], "log", "-1", "--format=%cn", REF) == "git-spacy"


def test_line_appended_during_a_merge_is_kept(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """Git itself does not honour our lock."""

    team.note(0, "theirs")
    team.push(0)
    team.note(1, "ours")
    real = notes_sync._merge_commits
    interruptions = []

    def merge_after_git(repository: Repository, ours: str, theirs: str) -> str:
        if not interruptions:
            interruptions.append(
                git(team.clones[1], "notes", "--ref=spacy", "append", "-m", "meanwhile", team.head)
            )
        return real(repository, ours, theirs)

    monkeypatch.setattr(notes_sync, "_merge_commits", merge_after_git)
    assert team.pull(1) == 1
    assert team.lines(team.clones[1]) == {"theirs", "ours", "meanwhile"}


def test_ten_thousand_notes_are_compared_with_few_processes(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "".join(
        f"commit refs/heads/many\nmark :{n}\ncommitter A <a@b> {n} +0000\ndata 1\nx\n"
        f"commit {REF}\ncommitter A <a@b> {n} +0000\ndata 1\nx\nN inline :{n}\ndata 6\n{n:05}\n\n"
        for n in range(1, 10_001)
    )
    git(team.clones[0], "fast-import", "--quiet", "--force", input=script)
    assert team.push(0) == 10_000
    assert team.pull(1) == 10_000
    team.note(0, "one more")

    started = []
    real = subprocess.Popen

    def counting(*arguments: object, **options: object) -> object:
        started.append(arguments)
        return real(*arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", counting)
    assert notes_status.notes_status(discover(team.clones[0]), "origin").ahead == 1
    assert len(started) < 20
    assert commits.head_commit(discover(team.clones[0]))
