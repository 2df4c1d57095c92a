"""Fetching a folder of a repository with git and dulwich: requests, refs, files and attacks."""

from __future__ import annotations

import hashlib
import os
import shlex
import stat
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
    Refused,
    Warn,
)
from git_spacy.git import remote_tree as trees
from git_spacy.git.address import parse_address
from git_spacy.git.credentials import credentials
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.remote_tree import RemoteTree, TreeEntry
from tests.testing.git_server import GitServer
from tests.testing.repositories import (
    GIT,
    commit,
    fake_ssh,
    git,
    hostile,
    noise,
    raw_tree,
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
    assert result.files == 4
    assert len(git_server.requests) <= {"git": 5, "dulwich": 4}[backend]
    assert git_server.sent < 20_000, "the other folders hold 1.5 MB"


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
        tree.checkout(FOLDER, tmp_path / "out")
    assert (tmp_path / "out/project.yml").is_file()
    [warning] = warnings
    assert "whole commit" in warning.message
    assert "MB)" in warning.message
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
        with pytest.raises(ExternalError, match="no commits"), open_tree(url):
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


# --- what is written ---


@pytest.mark.usefixtures("backend")
def test_modes_links_and_bytes_are_kept(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        root = repository(
            tmp_path / "r",
            {
                "t/run.sh*": "#!/bin/sh\n",
                "t/plain": b"one\r\ntwo\n\0",
                "t/again": b"one\r\ntwo\n\0",
                "t/empty": b"",
                't/näme with "quotes"\n': b"odd",
            },
        )
        os.symlink("sub/../plain", root / "t/link")
        commit(root, {})
        out = check_out(root, tmp_path / "out", "t")
    finally:
        os.umask(umask)
    assert (out / "run.sh").stat().st_mode & 0o777 == 0o750
    assert (out / "plain").stat().st_mode & 0o777 == 0o640
    assert (out / "plain").read_bytes() == (out / "again").read_bytes() == b"one\r\ntwo\n\0"
    assert (out / "empty").read_bytes() == b""
    assert (out / 'näme with "quotes"\n').read_bytes() == b"odd"
    assert os.readlink(out / "link") == "sub/../plain"


@pytest.mark.usefixtures("backend")
def test_single_file_can_be_checked_out(url: str, tmp_path: Path) -> None:
    out = check_out(url, tmp_path / "run", f"{FOLDER}/scripts/run.sh")
    assert out.read_text() == "#!/bin/sh\necho hello\n"
    assert out.stat().st_mode & stat.S_IXUSR


@pytest.mark.usefixtures("backend")
def test_whole_tree_can_be_checked_out(url: str, tmp_path: Path) -> None:
    out = check_out(url, tmp_path / "out")
    assert sorted(os.listdir(out)) == ["README.md", "benchmarks", "pipelines", "tutorials"]


@pytest.mark.usefixtures("backend")
def test_unknown_path_is_reported(source: Path, tmp_path: Path) -> None:
    for path in ("nowhere", "tutorials/../tutorials", FOLDER + "/link.md/x"):
        with pytest.raises(InvalidInput), open_tree(source) as tree:
            tree.checkout(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_existing_destination_is_not_touched(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with open_tree(source) as tree, pytest.raises(LocalFailure):
        tree.checkout(FOLDER, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.usefixtures("backend")
def test_large_file_is_fetched_completely(git_server: GitServer, tmp_path: Path) -> None:
    content = noise(5_000_000)
    root = repository(tmp_path / "r", {"t/large": content})
    out = check_out(git_server.url + serve(root, git_server.root), tmp_path / "out", "t")
    assert hashlib.md5((out / "large").read_bytes()).digest() == hashlib.md5(content).digest()


@pytest.mark.usefixtures("backend")
def test_lfs_pointers_are_reported_and_stay_pointers(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    files: dict[str, str | bytes] = {"t/model.bin": pointer, "t/copy.bin": pointer, "t/x": "x"}
    root = repository(tmp_path / "r", files)
    with open_tree(root) as tree:
        result = tree.checkout("t", tmp_path / "out")
    assert result.lfs_pointers == ("copy.bin", "model.bin")
    assert (tmp_path / "out/model.bin").read_text() == pointer


@pytest.mark.threat("embedded-repositories", commands="assets clone")
def test_attributes_start_no_filters_of_the_user(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "t/.gitattributes": "*.txt filter=evil text eol=crlf\n*.md export-subst ident\n",
        "t/a.txt": "one\ntwo\n",
        "t/b.md": "$Format:%H$ $Id$\n",
    }
    root = repository(tmp_path / "r", files)
    for name in ("smudge", "clean", "process"):
        command = f"touch '{tmp_path}/ran'; cat"
        git(tmp_path, "config", "--global", f"filter.evil.{name}", command)
    git(tmp_path, "config", "--global", "filter.evil.required", "true")
    git(tmp_path, "config", "--global", "core.autocrlf", "true")
    git(tmp_path, "config", "--global", "core.eol", "crlf")
    out = check_out(root, tmp_path / "out", "t")
    assert (out / "a.txt").read_bytes() == b"one\ntwo\n"
    assert (out / "b.md").read_bytes() == b"$Format:%H$ $Id$\n"
    assert not (tmp_path / "ran").exists()


def test_hooks_of_the_user_do_not_run(url: str, tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "post-checkout", "post-index-change", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
        (hooks / name).chmod(0o755)
    git(tmp_path, "config", "--global", "core.hooksPath", str(hooks))
    git(tmp_path, "config", "--global", "init.templateDir", str(tmp_path))
    check_out(url, tmp_path / "out", FOLDER)
    assert not (tmp_path / "ran").exists()


def test_configuration_of_a_local_repository_runs_no_programs(source: Path, tmp_path: Path) -> None:
    evil = f"touch '{tmp_path}/ran'; false"
    for name in (
        "core.fsmonitor", "core.sshCommand", "core.pager", "core.gitProxy", "alias.ls-tree",
        "uploadpack.packObjectsHook", "diff.external", "core.askPass", "core.alternateRefsCommand",
    ):  # fmt: skip
        git(source, "config", name, evil)
    git(source, "config", "extensions.partialClone", "evil")
    git(source, "config", "remote.evil.url", f"ext::sh -c \"touch '{tmp_path}/ran'\"")
    git(source, "config", "remote.evil.promisor", "true")
    git(source, "config", "protocol.ext.allow", "always")
    blob = git(source, "rev-parse", f"HEAD:{FOLDER}/README.md")
    (source / ".git/objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(ExternalError, match=blob):
        check_out(source, tmp_path / "out", FOLDER)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_repository_of_another_user_is_refused_with_the_hint_of_git(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(Refused, match=r"safe\.directory"), open_tree(source):
        pass


def test_sha256_repository_can_be_fetched(git_server: GitServer, tmp_path: Path) -> None:
    root = tmp_path / "r"
    root.mkdir()
    git(root, "init", "-q", "--object-format=sha256")
    commit(root, {"t/f": "sha256"})
    git(tmp_path, "clone", "-q", "--bare", str(root), "served/r.git")
    for url in (git_server.url + "/r.git", str(root)):
        with open_tree(url) as tree:
            assert len(tree.commit) == 64
            tree.checkout("t", tmp_path / f"out{len(url)}")


@pytest.mark.usefixtures("no_git")
def test_sha256_repository_without_git_is_an_error(git_server: GitServer, tmp_path: Path) -> None:
    root = tmp_path / "r"
    root.mkdir()
    git(root, "init", "-q", "--object-format=sha256")
    commit(root, {"t/f": "sha256"})
    git(tmp_path, "clone", "-q", "--bare", str(root), "served/r.git")
    with pytest.raises(ExternalError, match="install git"), open_tree(git_server.url + "/r.git"):
        pass


# --- hostile trees ---

LINK = "120000 blob {%s}\t%s\n"


@pytest.mark.threat("template-links", commands="assets clone")
@pytest.mark.parametrize(
    "listing",
    [
        LINK % ("/etc/passwd", "l"),
        LINK % ("../x", "l"),
        LINK % ("a/../../x", "l"),
        LINK % (".git/config", "l"),
        LINK % (".GIT", "l"),
        LINK % ("git~1/hooks", "l"),
        LINK % (".", "l1") + LINK % ("l1/..", "l2"),
        LINK % ("l2", "l1") + LINK % ("l3/..", "l2") + LINK % (".", "l3"),
    ],
)
@pytest.mark.usefixtures("backend")
def test_link_that_leads_out_is_refused(
    git_server: GitServer, tmp_path: Path, listing: str
) -> None:
    root = hostile(tmp_path / "r", listing + "100644 blob {x}\tz\n")
    url = git_server.url + serve(root, git_server.root)
    with pytest.raises(Refused, match="link") as caught:
        check_out(url, tmp_path / "out")
    assert caught.value.exit_code == 3
    assert not os.path.lexists(tmp_path / "out")


@pytest.mark.threat("template-links", commands="assets clone")
@pytest.mark.usefixtures("backend")
def test_link_instead_of_a_file_is_refused(tmp_path: Path) -> None:
    root = hostile(tmp_path / "r", LINK % ("/etc/passwd", "l"))
    with pytest.raises(Refused):
        check_out(root, tmp_path / "out", "l")
    assert not os.path.lexists(tmp_path / "out")


@pytest.mark.threat("embedded-repositories", commands="assets clone")
@pytest.mark.parametrize(
    "name",
    [b".git", b".GIT", b".git.", b".git ", b"git~1", b"GIT~2", ".g\u200cit".encode(), b"..",
     b".", b".git::$INDEX_ALLOCATION", b"a/../../x", b"a/b", b"/etc/x", b"..\\x", b"a\\.git", b""],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["blob", "tree"])
@pytest.mark.usefixtures("backend")
def test_unsafe_names_in_a_tree_are_refused(
    git_server: GitServer, tmp_path: Path, name: bytes, kind: str
) -> None:
    root = repository(tmp_path / "r", {"f": "x"})
    blob = git(root, "rev-parse", "HEAD:f")
    inner = raw_tree(root, [("100644", b"config", blob)])
    entry = ("100644", name, blob) if kind == "blob" else ("40000", name, inner)
    top = raw_tree(root, [("40000", b"t", raw_tree(root, [entry]))])
    id = git(root, "commit-tree", "-m", "x", top)
    git(root, "update-ref", "refs/heads/main", id)
    url = git_server.url + serve(root, git_server.root)
    if name == b"a/b":
        # a slash in a name creates a folder, which is still inside the destination
        check_out(url, tmp_path / "out", "t")
        assert os.listdir(tmp_path / "out") == ["a"]
        return
    with pytest.raises(GitSpacyError) as caught:
        check_out(url, tmp_path / "out", "t")
    assert caught.value.exit_code == 3 or name == b""  # the server itself refuses it
    assert not os.path.lexists(tmp_path / "out")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("second", ["tree", "blob", "link"])
def test_duplicate_name_in_a_tree_is_refused(tmp_path: Path, second: str, backend: str) -> None:
    root = repository(tmp_path / "r", {"f": "."})
    blob = git(root, "rev-parse", "HEAD:f")
    inner = raw_tree(root, [("100644", b"f", blob)])
    other = {
        "tree": ("40000", b"a", inner),
        "blob": ("100644", b"a", blob),
        "link": ("120000", b"a", blob),
    }[second]
    top = raw_tree(root, [("120000", b"a", blob), other])
    git(root, "update-ref", "refs/heads/main", git(root, "commit-tree", "-m", "x", top))
    if backend == "dulwich":  # sees only the last entry
        check_out(root, tmp_path / "out")
        assert os.listdir(tmp_path / "out") == ["a"]
        return
    with pytest.raises(Refused, match="twice"):
        check_out(root, tmp_path / "out")
    assert not os.path.lexists(tmp_path / "out")


@pytest.mark.usefixtures("backend")
def test_unsafe_entry_outside_the_requested_path_is_ignored(tmp_path: Path) -> None:
    root = hostile(
        tmp_path / "r",
        LINK % ("/etc/passwd", "l") + "100644 blob {x}\tfine\n",
    )
    assert check_out(root, tmp_path / "out", "fine").read_text() == "x"


@pytest.mark.threat("embedded-repositories", commands="assets clone")
@pytest.mark.usefixtures("backend")
def test_submodule_is_skipped_with_a_warning(tmp_path: Path) -> None:
    root = hostile(
        tmp_path / "r",
        "100644 blob {[submodule]}\t.gitmodules\n" + f"160000 commit {'a' * 40}\tmodule\n",
    )
    warnings: list[Diagnostic] = []
    with open_tree(root, warnings=warnings) as tree:
        result = tree.checkout("", tmp_path / "out")
    assert result.files == 1
    assert os.listdir(tmp_path / "out") == [".gitmodules"]
    assert "submodule" in warnings[0].message


@pytest.mark.threat("embedded-repositories", commands="assets clone")
@pytest.mark.usefixtures("backend")
def test_bare_repository_in_a_template_is_plain_files(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "t/bare/HEAD": "ref: refs/heads/main\n",
        "t/bare/config": "[core]\n\tfsmonitor = touch ran\n",
        "t/bare/hooks/post-checkout*": "#!/bin/sh\ntouch ran\n",
        "t/bare/objects/x": "",
        "t/bare/refs/x": "",
    }
    root = repository(tmp_path / "r", files)
    out = check_out(root, tmp_path / "out", "t")
    assert (out / "bare/HEAD").is_file()
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.usefixtures("backend")
def test_tree_that_expands_to_too_many_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "MAX_TREE_ENTRIES", 5_000)
    root = repository(tmp_path / "r", {"f": "x"})
    inner = raw_tree(root, [("100644", b"f", git(root, "rev-parse", "HEAD:f"))])
    for _ in range(12):
        inner = raw_tree(root, [("40000", b"%d" % number, inner) for number in range(10)])
    git(root, "update-ref", "refs/heads/main", git(root, "commit-tree", "-m", "x", inner))
    with pytest.raises(Refused, match="more than"), open_tree(root):
        pass


@pytest.mark.usefixtures("backend")
def test_too_deeply_nested_folders_are_refused(tmp_path: Path) -> None:
    root = repository(tmp_path / "r", {"f": "x"})
    inner = raw_tree(root, [("100644", b"f", git(root, "rev-parse", "HEAD:f"))])
    for _ in range(1500):
        inner = write_tree_object(root, inner)
    git(root, "update-ref", "refs/heads/main", git(root, "commit-tree", "-m", "x", inner))
    with pytest.raises((Refused, ExternalError)):
        check_out(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def write_tree_object(folder: Path, inner: str) -> str:
    """Write a tree with the single folder `d`, without starting git."""

    import zlib

    data = b"40000 d\0" + bytes.fromhex(inner)
    data = b"tree %d\0" % len(data) + data
    id = hashlib.sha1(data).hexdigest()
    path = folder / ".git/objects" / id[:2] / id[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(data))
    return id


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


def test_tree_entry_has_mode_name_and_id(source: Path) -> None:
    with open_tree(source) as tree:
        [entry] = tree.files("README.md")
    assert entry == TreeEntry(0o100644, "README.md", git(source, "rev-parse", "HEAD:README.md"))
    assert GIT
