"""Notes between clones and a remote: pushed and pulled in turn, and nothing is ever lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, InvalidInput
from git_spacy.git import commits, notes, notes_status, notes_sync
from git_spacy.git.repository import Repository
from tests.git.test_notes import SOURCE, opened
from tests.testing.git_server import GitServer
from tests.testing.repositories import commit, git, repository, write

REF = notes.REF


class Team:
    """A bare remote and clones of it, which have one commit in common."""

    def __init__(self, folder: Path, clones: int = 2) -> None:
        seed = repository(folder / "seed")
        self.remote = folder / "remote.git"
        git(folder, "clone", "-q", "--bare", str(seed), str(self.remote))
        self.clones = [folder / f"clone{number}" for number in range(clones)]
        for clone in self.clones:
            git(folder, "clone", "-q", str(self.remote), str(clone))
        self.head = git(seed, "rev-parse", "HEAD")

    def note(self, clone: int, *lines: str) -> None:
        notes.append(opened(self.clones[clone]), self.head, lines)

    def lines(self, folder: Path) -> set[str]:
        is_bare = folder == self.remote
        found = Repository(folder, folder, None) if is_bare else opened(folder)
        return set(notes.note_lines(found, self.head))

    def push(self, clone: int) -> int:
        return notes_sync.push(opened(self.clones[clone]), "origin")

    def pull(self, clone: int) -> int:
        return notes_sync.pull(opened(self.clones[clone]), "origin")


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return Team(tmp_path)


def test_both_write_both_push_and_pull_in_turn_and_none_is_lost(team: Team) -> None:
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


def test_histories_that_have_nothing_in_common_are_merged(team: Team) -> None:
    team.note(0, "one", "two")
    team.note(1, "two", "three")
    assert team.push(0) == 2
    assert team.pull(1) == 1
    assert team.push(1) == 1
    assert team.pull(0) == 1
    assert team.lines(team.clones[0]) == team.lines(team.clones[1]) == {"one", "two", "three"}


def test_the_count_is_of_lines_that_were_new(team: Team) -> None:
    assert team.pull(0) == 0
    assert team.push(0) == 0
    team.note(0, *(f"line {number}" for number in range(5)))
    assert team.push(0) == 5
    assert team.pull(1) == 5
    other = commit(team.clones[1], {"a": "b"})
    notes.append(opened(team.clones[1]), other, ["elsewhere"])
    team.note(1, "line 5")
    assert team.push(1) == 2


def test_what_is_only_here_survives_a_pull(team: Team) -> None:
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
here = Repository.discover(Path.cwd())
for number in range(5):
    notes.append(here, sys.argv[1], [f"{sys.argv[2]} {number}"])
    notes_sync.push(here, "origin")
"""


def test_four_clones_that_push_at_once_all_get_through(tmp_path: Path) -> None:
    team = Team(tmp_path, clones=4)
    pushing = [
        subprocess.Popen((sys.executable, "-c", PUSH, team.head, str(number)), cwd=clone, env=pythonpath())
        for number, clone in enumerate(team.clones)
    ]  # fmt: skip
    assert [one.wait(120) for one in pushing] == [0] * 4
    assert team.lines(team.remote) == {f"{who} {number}" for who in range(4) for number in range(5)}


def pythonpath() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": SOURCE}


def hook(team: Team, name: str, text: str) -> None:
    write(team.remote, {f"hooks/{name}*": f"#!/bin/sh\n{text}\n"})


def test_a_rejection_by_a_race_is_answered_with_another_merge(team: Team, tmp_path: Path) -> None:
    """The remote moves on between our look and our push, twice: somebody else was faster."""

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


def test_a_locked_ref_is_tried_again(team: Team) -> None:
    """`cannot lock ref`: another push holds it, for a moment."""

    team.note(0, "ours")
    lock = team.remote / "refs/notes/spacy.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    tried = team.remote / "tried"
    hook(team, "update", f"[ -e '{tried}' ] && rm -f '{lock}'; touch '{tried}'")
    assert team.push(0) == 1
    assert team.lines(team.remote) == {"ours"}


def test_a_remote_that_will_not_have_them_says_why(team: Team) -> None:
    hook(team, "pre-receive", "echo 'no notes on this server' >&2; exit 1")
    team.note(0, "ours")
    with pytest.raises(ExternalError, match=r"does not take the notes: .*no notes on this server"):
        team.push(0)
    assert team.lines(team.clones[0]) == {"ours"}
    assert team.lines(team.remote) == set()


def test_a_lock_that_stays_is_given_up(team: Team) -> None:
    lock = team.remote / "refs/notes/spacy.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    team.note(0, "ours")
    with pytest.raises(ExternalError, match="does not take the notes"):
        team.push(0)


def test_a_remote_that_is_gone_is_told(team: Team) -> None:
    team.remote.rename(team.remote.with_name("gone"))
    team.note(0, "ours")
    for action in (team.push, team.pull):
        with pytest.raises(ExternalError, match="git fetch origin: "):
            action(0)


def test_the_user_s_own_push_hook_and_tags_stay_out_of_it(team: Team) -> None:
    write(team.clones[0], {".git/hooks/pre-push*": "#!/bin/sh\nexit 1\n"})
    git(team.clones[0], "config", "push.followTags", "true")
    git(team.clones[0], "tag", "-a", "-m", "x", "v1")
    team.note(0, "ours")
    assert team.push(0) == 1
    assert git(team.remote, "tag") == ""


def test_a_shallow_clone_pushes_and_pulls(team: Team, tmp_path: Path) -> None:
    for number in range(3):
        commit(team.clones[0], {"a": str(number)})
    git(team.clones[0], "push", "-q")
    team.note(0, "on the first commit")
    team.push(0)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{team.remote}", str(shallow))
    here = opened(shallow)
    assert notes_sync.pull(here, "origin") == 1
    head = git(shallow, "rev-parse", "HEAD")
    notes.append(here, head, ["from the shallow one"])
    assert notes_sync.push(here, "origin") == 1
    assert team.pull(0) == 1
    found = notes_status.notes_status(here, "origin")
    assert found.shallow
    assert found.missing == (team.head,)
    assert (found.ahead, found.behind, found.stranded) == (0, 0, ())


def test_over_http_as_over_a_path(tmp_path: Path, git_server: GitServer) -> None:
    seed = repository(tmp_path / "seed")
    bare = tmp_path / "served" / "team.git"
    git(tmp_path, "clone", "-q", "--bare", str(seed), str(bare))
    git(bare, "config", "http.receivepack", "true")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", git_server.url + "/team.git", str(clone))
    head = git(clone, "rev-parse", "HEAD")
    notes.append(opened(clone), head, ["over http"])
    assert notes_sync.push(opened(clone), "origin") == 1
    assert git(bare, "notes", "--ref=spacy", "show", head) == "over http"


def test_the_status_counts_what_each_side_lacks(team: Team) -> None:
    team.note(0, "a", "b")
    team.push(0)
    team.pull(1)
    team.note(0, "c")
    team.push(0)
    team.note(1, "d", "e")
    before = notes_status.notes_status(opened(team.clones[1]), "origin", fetch=False)
    assert (before.lines, before.commits, before.ahead, before.behind) == (4, 1, 2, 0)
    after = notes_status.notes_status(opened(team.clones[1]), "origin")
    assert (after.ahead, after.behind) == (2, 1)
    assert team.lines(team.clones[1]) == {"a", "b", "d", "e"}, "a look changes nothing"
    team.remote.rename(team.remote.with_name("gone"))
    lost = notes_status.notes_status(opened(team.clones[1]), "origin")
    assert lost.unreachable
    assert (lost.ahead, lost.behind) == (2, 1)


def test_the_status_knows_which_notes_were_stranded(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    here = opened(made)
    git(made, "checkout", "-q", "-b", "work")
    gone = commit(made, {"a": "b"})
    notes.append(here, gone, ["x"])
    notes.append(here, git(made, "rev-parse", "main"), ["y"])
    assert notes_status.notes_status(here, None).stranded == ()
    git(made, "checkout", "-q", "main")
    git(made, "branch", "-q", "-D", "work")
    found = notes_status.notes_status(here, None)
    assert (found.stranded, found.missing) == ((gone,), ())
    git(made, "reflog", "expire", "--expire=now", "--all")
    git(made, "gc", "-q", "--prune=now")
    found = notes_status.notes_status(here, None)
    assert (found.stranded, found.missing, found.lines) == ((), (gone,), 2)
    assert not found.rewritten
    git(made, "config", "notes.rewriteRef", "refs/notes/*")
    assert notes_status.notes_status(here, None).rewritten


def test_the_status_of_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "r")
    found = notes_status.notes_status(opened(tmp_path / "r"), None)
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
def test_the_remote_is_the_branch_s_the_only_one_or_origin(
    tmp_path: Path, remotes: list[str], branch: str | None, expected: str
) -> None:
    made = repository(tmp_path / "r")
    for name in remotes:
        git(made, "remote", "add", name, f"../{name}.git")
    if branch:
        git(made, "config", "branch.main.remote", branch)
    assert notes_sync.remote(opened(made), None) == expected


def test_a_remote_that_is_not_known_is_told_with_a_suggestion(tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    with pytest.raises(InvalidInput, match="there is no remote"):
        notes_sync.remote(opened(made), None)
    git(made, "remote", "add", "one", "x")
    git(made, "remote", "add", "two", "y")
    with pytest.raises(InvalidInput, match="which remote: one, two"):
        notes_sync.remote(opened(made), None)
    with pytest.raises(InvalidInput) as told:
        notes_sync.remote(opened(made), "tow")
    assert "did you mean 'two'?" in str(told.value)


def test_without_an_identity_the_merge_is_somebody_s(team: Team, sealed: Path) -> None:
    team.note(0, "a")
    team.note(1, "b")
    team.push(0)
    (sealed / ".gitconfig").write_text("")
    team.pull(1)
    assert git(team.clones[1], "log", "-1", "--format=%cn", REF) == "git-spacy"


def test_a_record_noted_while_we_merge_is_kept(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a git that knows nothing of our lock."""

    team.note(0, "theirs")
    team.push(0)
    team.note(1, "ours")
    real = notes_sync._merged
    meddled = []

    def meddling(repository: Repository, ours: str, theirs: str) -> str:
        if not meddled:
            meddled.append(
                git(team.clones[1], "notes", "--ref=spacy", "append", "-m", "meanwhile", team.head)
            )
        return real(repository, ours, theirs)

    monkeypatch.setattr(notes_sync, "_merged", meddling)
    assert team.pull(1) == 1
    assert team.lines(team.clones[1]) == {"theirs", "ours", "meanwhile"}


def test_ten_thousand_notes_are_compared_in_a_few_processes(
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
    assert notes_status.notes_status(opened(team.clones[0]), "origin").ahead == 1
    assert len(started) < 20
    assert commits.head(opened(team.clones[0]))
