"""Fetching one folder of a repository with git and with dulwich, over every transport."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dulwich.config import StackedConfig

from git_spacy.errors import (
    Diagnostic,
    ExternalError,
    GitSpacyError,
    InvalidInput,
    LocalFailure,
    Warn,
)
from git_spacy.git import remote_tree as trees
from git_spacy.git.address import parse_address
from git_spacy.git.credentials import credentials
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.remote_tree import CheckoutResult, RemoteTree
from tests.testing.git_server import GitServer
from tests.testing.repositories import (
    commit,
    fake_ssh,
    git,
    repository,
    serve,
    templates,
)

FOLDER = "tutorials/ner_fashion_brands"


@contextmanager
def open_tree(
    url: str | Path, ref: str | None = None, warnings: list[Diagnostic] | None = None
) -> Iterator[RemoteTree]:
    """Open the tree at `url`; fail on a warning unless `warnings` collects them."""

    def unexpected(warning: Diagnostic) -> None:
        raise AssertionError(warning)

    warn: Warn = unexpected if warnings is None else warnings.append
    with open_remote_tree(parse_address(str(url), ref, trusted=True), warn=warn) as tree:
        yield tree


def check_out(url: str | Path, dest: Path, path: str = "", ref: str | None = None) -> Path:
    with open_tree(url, ref) as tree:
        tree.checkout(path, dest)
    return dest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return templates(tmp_path / "source")


@pytest.fixture
def url(git_server: GitServer, source: Path) -> str:
    return git_server.url + serve(source, git_server.root)


# --- what is fetched ---


def test_at_most_five_requests_fetch_only_the_requested_folder(
    url: str, git_server: GitServer, tmp_path: Path, backend: str
) -> None:
    with open_tree(url) as tree:
        before = git_server.sent
        assert FOLDER in tree.folders()
        assert tree.files("nowhere") == ()
        assert git_server.sent == before, "listing names needs no request"
        result = tree.checkout(FOLDER, tmp_path / "out")
    assert result == CheckoutResult(4, ())
    found = (path for path in (tmp_path / "out").rglob("*") if not path.is_dir())
    assert sorted(path.relative_to(tmp_path / "out").as_posix() for path in found) == [
        "README.md", "link.md", "project.yml", "scripts/run.sh",
    ]  # fmt: skip
    assert len(git_server.requests) <= {"git": 5, "dulwich": 4}[backend]
    assert git_server.sent < 10_000, "the other folders hold 1.5 MB"


@pytest.mark.usefixtures("backend")
def test_full_commit_id_saves_one_request(
    url: str, git_server: GitServer, source: Path, tmp_path: Path
) -> None:
    check_out(url, tmp_path / "out", FOLDER, git(source, "rev-parse", "HEAD"))
    assert len(git_server.requests) <= 4


@pytest.mark.usefixtures("backend")
def test_second_checkout_fetches_nothing(url: str, git_server: GitServer, tmp_path: Path) -> None:
    with open_tree(url) as tree:
        tree.checkout(FOLDER, tmp_path / "one")
        before = len(git_server.requests)
        tree.checkout(FOLDER, tmp_path / "two")
        assert len(git_server.requests) == before


@pytest.mark.usefixtures("backend")
def test_server_without_filters_sends_the_whole_commit_with_a_warning(
    url: str, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.filters = False
    warnings: list[Diagnostic] = []
    with open_tree(url, warnings=warnings) as tree:
        assert tree.checkout(FOLDER, tmp_path / "out").files == 4
    assert (tmp_path / "out/project.yml").is_file()
    [warning] = warnings
    assert "fetched the whole commit (0.5 MB)" in warning.message
    assert len(git_server.requests) <= 4


def test_server_that_refuses_blob_ids_sends_the_whole_commit(
    url: str, git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # only protocol version 0 restricts which objects can be fetched
    git_server.any_object = False
    monkeypatch.setattr(GitServer, "answer", _in_protocol_0(GitServer.answer))
    warnings: list[Diagnostic] = []
    with open_tree(url, warnings=warnings) as tree:
        tree.checkout(FOLDER, tmp_path / "out")
    assert (tmp_path / "out/project.yml").is_file()
    assert [warning for warning in warnings if "whole commit" in warning.message]


def _in_protocol_0(answer: Callable[..., bytes]) -> Callable[..., bytes]:
    def answer_in_protocol_0(
        self: GitServer, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> bytes:
        return answer(self, method, path, query, headers | {"git-protocol": ""}, body)

    return answer_in_protocol_0


# --- which commit ---


@pytest.fixture
def named(tmp_path: Path) -> dict[str, str]:
    """Create a repository at `tmp_path/named`, and map its names to commit ids."""

    root = repository(tmp_path / "named", {"f": "first"})
    ids = {"first": git(root, "rev-parse", "HEAD")}
    git(root, "tag", "light")
    git(root, "tag", "-a", "-m", "x", "annotated")
    git(root, "tag", "-a", "-m", "x", "nested", "annotated")
    git(root, "tag", "both")
    git(root, "branch", "feature/with/slashes")
    ids["both"] = commit(root, {"f": "second"})
    git(root, "branch", "both")
    ids["main"] = commit(root, {"f": "third"})
    return ids


@pytest.mark.parametrize(
    ("ref", "means"),
    [
        (None, "main"),
        ("main", "main"),
        ("light", "first"),
        ("annotated", "first"),
        ("nested", "first"),
        ("feature/with/slashes", "first"),
        ("both", "both"),
        ("refs/tags/both", "first"),
        ("COMMIT", "first"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "file", "path"])
@pytest.mark.usefixtures("backend")
def test_ref_resolves_to_the_expected_commit(
    named: dict[str, str],
    git_server: GitServer,
    tmp_path: Path,
    ref: str | None,
    means: str,
    kind: str,
) -> None:
    root = tmp_path / "named"
    url = {"file": root.as_uri(), "path": str(root)}.get(kind)
    url = url or git_server.url + serve(root, git_server.root)
    with open_tree(url, named["first"] if ref == "COMMIT" else ref) as tree:
        assert tree.commit == named[means]
        tree.checkout("f", tmp_path / "f")
    expected = {"first": "first", "both": "second", "main": "third"}[means]
    assert (tmp_path / "f").read_text() == expected


@pytest.mark.parametrize("ref", ["absent", "a" * 40, "abcdef1"])
@pytest.mark.usefixtures("backend")
def test_unknown_ref_is_reported(url: str, source: Path, ref: str) -> None:
    for repository_ in (url, source):
        with pytest.raises(InvalidInput, match=ref), open_tree(repository_, ref):
            pass


@pytest.mark.usefixtures("backend")
def test_unknown_branch_is_named_and_leaves_nothing(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no branch or tag 'nope'"):
        check_out(url, tmp_path / "out", FOLDER, "nope")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("backend")
def test_tag_of_a_blob_is_refused(git_server: GitServer, tmp_path: Path) -> None:
    root = repository(tmp_path / "r")
    git(root, "tag", "odd", "HEAD:README.md")
    for url in (git_server.url + serve(root, git_server.root), root):
        with pytest.raises(InvalidInput, match="odd"), open_tree(url, "odd"):
            pass


@pytest.mark.usefixtures("backend")
def test_repository_without_commits_is_reported(git_server: GitServer, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "served/empty.git")
    for url in (git_server.url + "/empty.git", tmp_path / "served/empty.git"):
        with (
            pytest.raises(ExternalError, match="has no commits, or is not a Git repository"),
            open_tree(url),
        ):
            pass


# --- kinds of addresses ---


@pytest.mark.parametrize("kind", ["path", "bare", "file", "linked"])
@pytest.mark.usefixtures("backend")
def test_local_repository_can_be_named_by_path_or_file_url(
    source: Path, tmp_path: Path, kind: str
) -> None:
    serve(source, tmp_path)
    git(source, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    url = {
        "path": str(source),
        "bare": str(tmp_path / "templates.git"),
        "file": (tmp_path / "templates.git").as_uri(),
        "linked": str(tmp_path / "linked"),
    }[kind]
    out = check_out(url, tmp_path / "out", FOLDER)
    assert (out / "README.md").read_text() == "fashion\n"


@pytest.mark.parametrize("name", ["GIT_SSH_COMMAND", "GIT_SSH", "core.sshCommand"])
@pytest.mark.parametrize("form", ["ssh://git@example.com{}", "git@example.com:{}"])
@pytest.mark.usefixtures("backend")
def test_ssh_command_of_the_user_is_used(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    program = fake_ssh(tmp_path / "ssh")
    # GIT_SSH is a program, the others are shell commands
    value = str(program) if name == "GIT_SSH" else shlex.quote(str(program))
    if name.startswith("GIT"):
        monkeypatch.setenv(name, value)
    else:
        git(tmp_path, "config", "--global", name, value)
    out = check_out(form.format(source), tmp_path / "out", FOLDER)
    assert (out / "project.yml").is_file()
    called = (tmp_path / "ssh/log").read_text()
    assert "git@example.com git-upload-pack" in called


@pytest.mark.usefixtures("no_git")
def test_other_users_of_dulwich_do_not_change_how_ssh_starts(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DVC puts an SSH client of its own, which knows no core.sshCommand, into dulwich."""

    monkeypatch.setattr("dulwich.client.get_ssh_vendor", lambda: pytest.fail("another client"))
    program = fake_ssh(tmp_path / "ssh")
    git(tmp_path, "config", "--global", "core.sshCommand", shlex.quote(str(program)))
    out = check_out(f"git@example.com:{source}", tmp_path / "out", FOLDER)
    assert (out / "project.yml").is_file()


@pytest.mark.usefixtures("backend")
def test_the_variant_of_the_ssh_command_is_that_of_the_user(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fake_ssh(tmp_path / "ssh")
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(program)))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    out = check_out(f"ssh://host{source}", tmp_path / "out", FOLDER)
    assert len(list(out.iterdir())) == 4
    assert "git-upload-pack" in (tmp_path / "ssh/log").read_text()


@pytest.mark.usefixtures("backend")
def test_insteadOf_is_honoured(source: Path, git_server: GitServer, tmp_path: Path) -> None:
    git_server.root.joinpath("o").mkdir()
    serve(source, git_server.root / "o")
    git(tmp_path, "config", "--global", f"url.{git_server.url}/.insteadOf", "https://example.com/")
    out = check_out("https://example.com/o/templates.git", tmp_path / "out", FOLDER)
    assert (out / "project.yml").is_file()


def test_git_settings_on_the_command_line_apply(
    source: Path, git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = serve(source, git_server.root)
    setting = f"'url.{git_server.url}/.insteadOf'='https://example.com/'"
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", setting)
    check_out("https://example.com" + path, tmp_path / "out", FOLDER)


@pytest.mark.usefixtures("backend")
def test_error_for_a_wrong_address_has_a_hint(git_server: GitServer, tmp_path: Path) -> None:
    for url in (git_server.url + "/nowhere.git", "http://127.0.0.1:1/r", tmp_path, "/nowhere"):
        with pytest.raises(ExternalError) as caught, open_tree(url):
            pass
        assert "hint:" in str(caught.value)


@pytest.mark.parametrize(
    "broken",
    [
        (500, "text/plain", b"no"),
        (403, "text/plain", b"no"),
        (404, "text/html", b"<html>no</html>"),
        (200, "text/html", b"<html>Sign in</html>"),
        (200, "application/x-git-upload-pack-advertisement", b"nonsense"),
        (200, "application/x-git-upload-pack-advertisement", b""),
    ],
)
@pytest.mark.usefixtures("backend")
def test_broken_answers_of_a_server_are_reported(
    url: str, git_server: GitServer, broken: tuple[int, str, bytes]
) -> None:
    git_server.broken = broken
    with pytest.raises(ExternalError), open_tree(url):
        pass


@pytest.mark.usefixtures("backend")
def test_server_cannot_redirect_to_a_file_url(
    url: str, git_server: GitServer, source: Path
) -> None:
    git_server.redirect = f"file://{source}?"
    with pytest.raises(GitSpacyError) as caught, open_tree(url):
        pass
    assert caught.value.exit_code in (3, 4)


# --- private repositories ---


@pytest.mark.usefixtures("backend")
def test_missing_password_is_an_error_without_a_prompt(url: str, git_server: GitServer) -> None:
    git_server.password = ("user", "secret")
    with pytest.raises(ExternalError, match="password") as caught, open_tree(url):
        pass
    assert "credential" in caught.value.problems[0].hint
    assert "secret" not in str(caught.value)


@pytest.mark.threat("leaked-credentials", commands="clone")
@pytest.mark.parametrize("kind", ["command", "store", "netrc", "url"])
def test_credentials_of_the_user_are_used(
    url: str, git_server: GitServer, tmp_path: Path, sealed: Path, kind: str, backend: str
) -> None:
    git_server.password = ("user", "sec/ret")
    if kind == "command":
        answer = "!f() { test $1 = get && echo username=user && echo password=sec/ret; }; f"
        git(tmp_path, "config", "--global", "credential.helper", answer)
    elif kind == "store":
        git(tmp_path, "config", "--global", "credential.helper", "store")
        (sealed / ".git-credentials").write_text(url.replace("//", "//user:sec%2Fret@", 1) + "\n")
    elif kind == "netrc":
        (sealed / ".netrc").write_text("machine 127.0.0.1 login user password sec/ret\n")
        (sealed / ".netrc").chmod(0o600)
        if backend == "dulwich":  # we use ~/.netrc over https only, unlike git
            with pytest.raises(ExternalError, match="password"), open_tree(url):
                pass
            found = credentials(url.replace("http:", "https:"), StackedConfig([]))
            assert list(found) == [("user", "sec/ret")]
            return
    else:
        url = url.replace("//", "//user:sec%2Fret@", 1)
    out = check_out(url, tmp_path / "out", FOLDER)
    assert (out / "project.yml").is_file()


@pytest.mark.usefixtures("backend")
def test_wrong_password_is_reported_and_not_printed(url: str, git_server: GitServer) -> None:
    git_server.password = ("user", "right")
    with (
        pytest.raises(ExternalError, match="password") as caught,
        open_tree(url.replace("//", "//user:wrong@", 1)),
    ):
        pass
    assert "wrong" not in str(caught.value)


@pytest.mark.usefixtures("backend")
def test_accepted_password_is_not_printed_in_a_later_error(
    url: str, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.password = ("user", "s3cret")
    with pytest.raises((InvalidInput, ExternalError)) as caught:
        check_out(url.replace("//", "//user:s3cret@"), tmp_path / "out", FOLDER, "nope")
    assert "s3cret" not in str(caught.value)


# --- cleaning up ---


@pytest.fixture
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary_folder"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.usefixtures("backend")
def test_temporary_files_are_removed(url: str, tmp_path: Path, temporary_folder: Path) -> None:
    check_out(url, tmp_path / "out", FOLDER)
    with pytest.raises(KeyboardInterrupt), open_tree(url):
        raise KeyboardInterrupt
    with pytest.raises(InvalidInput), open_tree(url, "absent"):
        pass
    assert os.listdir(temporary_folder) == []


@pytest.mark.usefixtures("backend")
def test_disk_error_leaves_no_files(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def failing(*args: object) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise OSError(28, "No space left on device")
        return write(*args)  # type: ignore[arg-type]

    write = trees._write
    monkeypatch.setattr(trees, "_write", failing)
    with open_tree(url) as tree, pytest.raises(LocalFailure, match="No space") as caught:
        tree.checkout(FOLDER, tmp_path / "out")
    assert caught.value.exit_code == 5
    assert not (tmp_path / "out").exists()


def test_index_of_a_running_hook_is_not_changed(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = repository(tmp_path / "users")
    index = users / ".git/index"
    before = index.read_bytes(), index.stat().st_mtime_ns, git(users, "config", "--list")
    monkeypatch.chdir(users)
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    monkeypatch.setenv("GIT_WORK_TREE", ".")
    check_out(url, tmp_path / "out", FOLDER)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    monkeypatch.delenv("GIT_WORK_TREE")
    assert before == (index.read_bytes(), index.stat().st_mtime_ns, git(users, "config", "--list"))
    assert git(users, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_password_in_the_url_is_on_no_command_line(
    url: str, git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command_lines: list[str] = []
    original = subprocess.Popen.__init__

    def recording(
        self: subprocess.Popen[bytes], args: object, *rest: object, **more: object
    ) -> None:
        command_lines.append(repr(args))
        original(self, args, *rest, **more)  # type: ignore[call-overload]

    git_server.password = ("user", "secret")
    monkeypatch.setattr(subprocess.Popen, "__init__", recording)
    check_out(url.replace("//", "//user:secret@", 1), tmp_path / "out", FOLDER)
    assert command_lines
    assert "secret" not in "".join(command_lines)
