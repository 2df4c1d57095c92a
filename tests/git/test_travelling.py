"""One folder out of a repository, by git and by dulwich: what travels, lands, and must not."""

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

from git_spacy.errors import ExternalError, GitSpacyError, InvalidInput, LocalFailure, Refused
from git_spacy.git import remote_tree as trees
from git_spacy.git.address import parse_address
from git_spacy.git.credentials import credentials
from git_spacy.git.partial_clone import opened
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
def tree_of(
    url: str | Path, ref: str | None = None, warnings: list[str] | None = None
) -> Iterator[RemoteTree]:
    """What is at `url`; a warning that nobody expects fails."""

    def unexpected(text: str) -> None:
        raise AssertionError(text)

    warn: Callable[[str], None] = unexpected if warnings is None else warnings.append
    with opened(parse_address(str(url), ref, trusted=True), warn=warn) as tree:
        yield tree


def checked_out(url: str | Path, dest: Path, path: str = "", ref: str | None = None) -> Path:
    with tree_of(url, ref) as tree:
        tree.checkout(path, dest)
    return dest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return templates(tmp_path / "source")


@pytest.fixture
def url(git_server: GitServer, source: Path) -> str:
    return git_server.url + serve(source, git_server.root)


# --- what travels ---


def test_five_requests_at_most_and_only_the_wanted_bytes(
    url: str, git_server: GitServer, tmp_path: Path, backend: str
) -> None:
    with tree_of(url) as tree:
        before = git_server.sent
        assert FOLDER in tree.folders()
        assert tree.files("nowhere") == ()
        assert git_server.sent == before, "looking at names costs nothing"
        placed = tree.checkout(FOLDER, tmp_path / "out")
    assert placed.files == 4
    assert len(git_server.requests) <= {"git": 5, "dulwich": 4}[backend]
    assert git_server.sent < 20_000, "the other folders hold 1.5 MB"


@pytest.mark.usefixtures("backend")
def test_a_full_commit_id_costs_one_request_less(
    url: str, git_server: GitServer, source: Path, tmp_path: Path
) -> None:
    checked_out(url, tmp_path / "out", FOLDER, git(source, "rev-parse", "HEAD"))
    assert len(git_server.requests) <= 4


@pytest.mark.usefixtures("backend")
def test_several_checkouts_fetch_no_content_twice(
    url: str, git_server: GitServer, tmp_path: Path
) -> None:
    with tree_of(url) as tree:
        tree.checkout(FOLDER, tmp_path / "one")
        before = len(git_server.requests)
        tree.checkout(FOLDER, tmp_path / "two")
        assert len(git_server.requests) == before


@pytest.mark.usefixtures("backend")
def test_a_server_that_cannot_filter_sends_a_snapshot_and_the_cost_is_told(
    url: str, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.filters = False
    warnings: list[str] = []
    with tree_of(url, warnings=warnings) as tree:
        tree.checkout(FOLDER, tmp_path / "out")
    assert (tmp_path / "out/project.yml").is_file()
    [warning] = warnings
    assert "whole snapshot" in warning
    assert "MB)" in warning
    assert len(git_server.requests) <= 4


def test_a_server_that_gives_no_content_by_id_sends_a_snapshot(
    url: str, git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # protocol version 0 knows the restriction; version 2 gives whatever there is
    git_server.any_object = False
    monkeypatch.setattr(GitServer, "answer", _in_protocol_0(GitServer.answer))
    warnings: list[str] = []
    with tree_of(url, warnings=warnings) as tree:
        tree.checkout(FOLDER, tmp_path / "out")
    assert (tmp_path / "out/project.yml").is_file()
    assert [text for text in warnings if "whole snapshot" in text]


def _in_protocol_0(answer: Callable[..., bytes]) -> Callable[..., bytes]:
    def answer_in_0(
        self: GitServer, method: str, path: str, query: str, headers: dict[str, str], body: bytes
    ) -> bytes:
        return answer(self, method, path, query, headers | {"git-protocol": ""}, body)

    return answer_in_0


# --- which commit ---


@pytest.fixture
def named(tmp_path: Path) -> dict[str, str]:
    """What each name of the repository at `tmp_path/named` means."""

    made = repository(tmp_path / "named", {"f": "first"})
    ids = {"first": git(made, "rev-parse", "HEAD")}
    git(made, "tag", "light")
    git(made, "tag", "-a", "-m", "x", "annotated")
    git(made, "tag", "-a", "-m", "x", "nested", "annotated")
    git(made, "tag", "both")
    git(made, "branch", "feature/with/slashes")
    ids["both"] = commit(made, {"f": "second"})
    git(made, "branch", "both")
    ids["main"] = commit(made, {"f": "third"})
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
def test_what_a_name_means(
    named: dict[str, str],
    git_server: GitServer,
    tmp_path: Path,
    ref: str | None,
    means: str,
    kind: str,
) -> None:
    made = tmp_path / "named"
    url = {"file": made.as_uri(), "path": str(made)}.get(kind)
    url = url or git_server.url + serve(made, git_server.root)
    with tree_of(url, named["first"] if ref == "COMMIT" else ref) as tree:
        assert tree.commit == named[means]
        tree.checkout("f", tmp_path / "f")
    expected = {"first": "first", "both": "second", "main": "third"}[means]
    assert (tmp_path / "f").read_text() == expected


@pytest.mark.parametrize("ref", ["absent", "a" * 40, "abcdef1"])
@pytest.mark.usefixtures("backend")
def test_a_name_that_is_not_there(url: str, source: Path, ref: str) -> None:
    for repository_ in (url, source):
        with pytest.raises(InvalidInput, match=ref), tree_of(repository_, ref):
            pass


@pytest.mark.usefixtures("backend")
def test_a_tag_of_no_commit(git_server: GitServer, tmp_path: Path) -> None:
    made = repository(tmp_path / "r")
    git(made, "tag", "odd", "HEAD:README.md")
    for url in (git_server.url + serve(made, git_server.root), made):
        with pytest.raises(InvalidInput, match="odd"), tree_of(url, "odd"):
            pass


@pytest.mark.usefixtures("backend")
def test_an_empty_repository(git_server: GitServer, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "served/empty.git")
    for url in (git_server.url + "/empty.git", tmp_path / "served/empty.git"):
        with pytest.raises(ExternalError, match="no commit"), tree_of(url):
            pass


# --- from where ---


@pytest.mark.parametrize("kind", ["path", "bare", "file", "linked"])
@pytest.mark.usefixtures("backend")
def test_a_repository_of_this_machine(source: Path, tmp_path: Path, kind: str) -> None:
    serve(source, tmp_path)
    git(source, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    url = {
        "path": str(source),
        "bare": str(tmp_path / "templates.git"),
        "file": (tmp_path / "templates.git").as_uri(),
        "linked": str(tmp_path / "linked"),
    }[kind]
    out = checked_out(url, tmp_path / "out", FOLDER)
    assert (out / "README.md").read_text() == "fashion\n"


@pytest.mark.parametrize("name", ["GIT_SSH_COMMAND", "GIT_SSH", "core.sshCommand"])
@pytest.mark.parametrize("form", ["ssh://git@example.com{}", "git@example.com:{}"])
@pytest.mark.usefixtures("backend")
def test_ssh_is_the_users_own(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, form: str
) -> None:
    program = fake_ssh(tmp_path / "ssh")
    # GIT_SSH is a program, the others are for a shell
    value = str(program) if name == "GIT_SSH" else shlex.quote(str(program))
    if name.startswith("GIT"):
        monkeypatch.setenv(name, value)
    else:
        git(tmp_path, "config", "--global", name, value)
    out = checked_out(form.format(source), tmp_path / "out", FOLDER)
    assert (out / "project.yml").is_file()
    called = (tmp_path / "ssh/log").read_text()
    assert "git@example.com git-upload-pack" in called


@pytest.mark.usefixtures("backend")
def test_insteadOf_is_obeyed(source: Path, git_server: GitServer, tmp_path: Path) -> None:
    git_server.root.joinpath("o").mkdir()
    serve(source, git_server.root / "o")
    git(tmp_path, "config", "--global", f"url.{git_server.url}/.insteadOf", "https://example.com/")
    out = checked_out("https://example.com/o/templates.git", tmp_path / "out", FOLDER)
    assert (out / "project.yml").is_file()


def test_settings_of_the_command_line_are_obeyed(
    source: Path, git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = serve(source, git_server.root)
    setting = f"'url.{git_server.url}/.insteadOf'='https://example.com/'"
    monkeypatch.setenv("GIT_CONFIG_PARAMETERS", setting)
    checked_out("https://example.com" + path, tmp_path / "out", FOLDER)


@pytest.mark.usefixtures("backend")
def test_wrong_addresses(git_server: GitServer, tmp_path: Path) -> None:
    for url in (git_server.url + "/nowhere.git", "http://127.0.0.1:1/r", tmp_path, "/nowhere"):
        with pytest.raises(ExternalError) as caught, tree_of(url):
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
def test_a_broken_server(url: str, git_server: GitServer, broken: tuple[int, str, bytes]) -> None:
    git_server.broken = broken
    with pytest.raises(ExternalError), tree_of(url):
        pass


@pytest.mark.usefixtures("backend")
def test_a_server_leads_to_no_file(url: str, git_server: GitServer, source: Path) -> None:
    git_server.redirect = f"file://{source}?"
    with pytest.raises(GitSpacyError) as caught, tree_of(url):
        pass
    assert caught.value.exit_code in (3, 4)


# --- private repositories ---


@pytest.mark.usefixtures("backend")
def test_without_a_password_it_fails_and_does_not_ask(url: str, git_server: GitServer) -> None:
    git_server.password = ("user", "secret")
    with pytest.raises(ExternalError, match="password") as caught, tree_of(url):
        pass
    assert "secret" not in str(caught.value)


@pytest.mark.threat("leaked-credentials", commands="clone")
@pytest.mark.parametrize("kind", ["command", "store", "netrc", "url"])
def test_the_users_own_password_is_used(
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
        if backend == "dulwich":  # ours, and over https alone; git itself does as it likes
            with pytest.raises(ExternalError, match="password"), tree_of(url):
                pass
            found = credentials(url.replace("http:", "https:"), StackedConfig([]))
            assert list(found) == [("user", "sec/ret")]
            return
    else:
        url = url.replace("//", "//user:sec%2Fret@", 1)
    out = checked_out(url, tmp_path / "out", FOLDER)
    assert (out / "project.yml").is_file()


@pytest.mark.usefixtures("backend")
def test_a_wrong_password_is_told_and_not_shown(url: str, git_server: GitServer) -> None:
    git_server.password = ("user", "right")
    with (
        pytest.raises(ExternalError, match="password") as caught,
        tree_of(url.replace("//", "//user:wrong@", 1)),
    ):
        pass
    assert "wrong" not in str(caught.value)


# --- what lands ---


@pytest.mark.usefixtures("backend")
def test_modes_links_and_bytes_are_kept(tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        made = repository(
            tmp_path / "r",
            {
                "t/run.sh*": "#!/bin/sh\n",
                "t/plain": b"one\r\ntwo\n\0",
                "t/again": b"one\r\ntwo\n\0",
                "t/empty": b"",
                't/näme with "quotes"\n': b"odd",
            },
        )
        os.symlink("sub/../plain", made / "t/link")
        commit(made, {})
        out = checked_out(made, tmp_path / "out", "t")
    finally:
        os.umask(umask)
    assert (out / "run.sh").stat().st_mode & 0o777 == 0o750
    assert (out / "plain").stat().st_mode & 0o777 == 0o640
    assert (out / "plain").read_bytes() == (out / "again").read_bytes() == b"one\r\ntwo\n\0"
    assert (out / "empty").read_bytes() == b""
    assert (out / 'näme with "quotes"\n').read_bytes() == b"odd"
    assert os.readlink(out / "link") == "sub/../plain"


@pytest.mark.usefixtures("backend")
def test_a_single_file(url: str, tmp_path: Path) -> None:
    out = checked_out(url, tmp_path / "run", f"{FOLDER}/scripts/run.sh")
    assert out.read_text() == "#!/bin/sh\necho hello\n"
    assert out.stat().st_mode & stat.S_IXUSR


@pytest.mark.usefixtures("backend")
def test_the_whole_tree(url: str, tmp_path: Path) -> None:
    out = checked_out(url, tmp_path / "out")
    assert sorted(os.listdir(out)) == ["README.md", "benchmarks", "pipelines", "tutorials"]


@pytest.mark.usefixtures("backend")
def test_a_path_that_is_not_there(source: Path, tmp_path: Path) -> None:
    for path in ("nowhere", "tutorials/../tutorials", FOLDER + "/link.md/x"):
        with pytest.raises(InvalidInput), tree_of(source) as tree:
            tree.checkout(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_touched(source: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with tree_of(source) as tree, pytest.raises(LocalFailure):
        tree.checkout(FOLDER, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.mark.usefixtures("backend")
def test_a_large_file_comes_whole(git_server: GitServer, tmp_path: Path) -> None:
    content = noise(5_000_000)
    made = repository(tmp_path / "r", {"t/large": content})
    out = checked_out(git_server.url + serve(made, git_server.root), tmp_path / "out", "t")
    assert hashlib.md5((out / "large").read_bytes()).digest() == hashlib.md5(content).digest()


@pytest.mark.usefixtures("backend")
def test_lfs_pointers_are_reported_and_stay_pointers(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    files: dict[str, str | bytes] = {"t/model.bin": pointer, "t/copy.bin": pointer, "t/x": "x"}
    made = repository(tmp_path / "r", files)
    with tree_of(made) as tree:
        placed = tree.checkout("t", tmp_path / "out")
    assert placed.lfs_pointers == ("copy.bin", "model.bin")
    assert (tmp_path / "out/model.bin").read_text() == pointer


@pytest.mark.threat("embedded-repositories", commands="assets clone")
def test_attributes_start_no_filter_of_the_user(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "t/.gitattributes": "*.txt filter=evil text eol=crlf\n*.md export-subst ident\n",
        "t/a.txt": "one\ntwo\n",
        "t/b.md": "$Format:%H$ $Id$\n",
    }
    made = repository(tmp_path / "r", files)
    for name in ("smudge", "clean", "process"):
        command = f"touch '{tmp_path}/ran'; cat"
        git(tmp_path, "config", "--global", f"filter.evil.{name}", command)
    git(tmp_path, "config", "--global", "filter.evil.required", "true")
    git(tmp_path, "config", "--global", "core.autocrlf", "true")
    git(tmp_path, "config", "--global", "core.eol", "crlf")
    out = checked_out(made, tmp_path / "out", "t")
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
    checked_out(url, tmp_path / "out", FOLDER)
    assert not (tmp_path / "ran").exists()


def test_the_configuration_of_a_local_repository_runs_nothing(source: Path, tmp_path: Path) -> None:
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
        checked_out(source, tmp_path / "out", FOLDER)
    assert not (tmp_path / "ran").exists()
    assert not (tmp_path / "out").exists()


def test_a_repository_of_somebody_else_is_refused_with_gits_own_mend(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(Refused, match=r"safe\.directory"), tree_of(source):
        pass


def test_a_sha256_repository(git_server: GitServer, tmp_path: Path) -> None:
    made = tmp_path / "r"
    made.mkdir()
    git(made, "init", "-q", "--object-format=sha256")
    commit(made, {"t/f": "sha256"})
    git(tmp_path, "clone", "-q", "--bare", str(made), "served/r.git")
    for url in (git_server.url + "/r.git", str(made)):
        with tree_of(url) as tree:
            assert len(tree.commit) == 64
            tree.checkout("t", tmp_path / f"out{len(url)}")


@pytest.mark.usefixtures("no_git")
def test_a_sha256_repository_without_git_is_told(git_server: GitServer, tmp_path: Path) -> None:
    made = tmp_path / "r"
    made.mkdir()
    git(made, "init", "-q", "--object-format=sha256")
    commit(made, {"t/f": "sha256"})
    git(tmp_path, "clone", "-q", "--bare", str(made), "served/r.git")
    with pytest.raises(ExternalError, match="install git"), tree_of(git_server.url + "/r.git"):
        pass


# --- hostile trees: threats 7 and 8 ---

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
def test_a_link_that_leads_out(git_server: GitServer, tmp_path: Path, listing: str) -> None:
    made = hostile(tmp_path / "r", listing + "100644 blob {x}\tz\n")
    url = git_server.url + serve(made, git_server.root)
    with pytest.raises(Refused, match="link") as caught:
        checked_out(url, tmp_path / "out")
    assert caught.value.exit_code == 3
    assert not os.path.lexists(tmp_path / "out")


@pytest.mark.threat("template-links", commands="assets clone")
@pytest.mark.usefixtures("backend")
def test_a_link_for_a_file(tmp_path: Path) -> None:
    made = hostile(tmp_path / "r", LINK % ("/etc/passwd", "l"))
    with pytest.raises(Refused):
        checked_out(made, tmp_path / "out", "l")
    assert not os.path.lexists(tmp_path / "out")


@pytest.mark.threat("embedded-repositories", commands="assets clone")
@pytest.mark.parametrize(
    "name",
    [b".git", b".GIT", b".git.", b".git ", b"git~1", b"GIT~2", ".g\u200cit".encode(), b"..",
     b".", b".git::$INDEX_ALLOCATION", b"a/../../x", b"a/b", b"/etc/x", b"..\\x", b"a\\.git", b""],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["blob", "tree"])
@pytest.mark.usefixtures("backend")
def test_names_that_no_tree_may_hold(
    git_server: GitServer, tmp_path: Path, name: bytes, kind: str
) -> None:
    made = repository(tmp_path / "r", {"f": "x"})
    blob = git(made, "rev-parse", "HEAD:f")
    inner = raw_tree(made, [("100644", b"config", blob)])
    entry = ("100644", name, blob) if kind == "blob" else ("40000", name, inner)
    top = raw_tree(made, [("40000", b"t", raw_tree(made, [entry]))])
    id = git(made, "commit-tree", "-m", "x", top)
    git(made, "update-ref", "refs/heads/main", id)
    url = git_server.url + serve(made, git_server.root)
    if name == b"a/b":
        # a slash inside a name makes a folder, and that lands inside
        checked_out(url, tmp_path / "out", "t")
        assert os.listdir(tmp_path / "out") == ["a"]
        return
    with pytest.raises(GitSpacyError) as caught:
        checked_out(url, tmp_path / "out", "t")
    assert caught.value.exit_code == 3 or name == b""  # which the server itself refuses
    assert not os.path.lexists(tmp_path / "out")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("second", ["tree", "blob", "link"])
def test_a_name_that_stands_for_two_things(tmp_path: Path, second: str, backend: str) -> None:
    made = repository(tmp_path / "r", {"f": "."})
    blob = git(made, "rev-parse", "HEAD:f")
    inner = raw_tree(made, [("100644", b"f", blob)])
    other = {
        "tree": ("40000", b"a", inner),
        "blob": ("100644", b"a", blob),
        "link": ("120000", b"a", blob),
    }[second]
    top = raw_tree(made, [("120000", b"a", blob), other])
    git(made, "update-ref", "refs/heads/main", git(made, "commit-tree", "-m", "x", top))
    if backend == "dulwich":  # which sees the last of them alone
        checked_out(made, tmp_path / "out")
        assert os.listdir(tmp_path / "out") == ["a"]
        return
    with pytest.raises(Refused, match="twice"):
        checked_out(made, tmp_path / "out")
    assert not os.path.lexists(tmp_path / "out")


@pytest.mark.usefixtures("backend")
def test_a_bad_folder_elsewhere_is_none_of_our_business(tmp_path: Path) -> None:
    made = hostile(
        tmp_path / "r",
        LINK % ("/etc/passwd", "l") + "100644 blob {x}\tfine\n",
    )
    assert checked_out(made, tmp_path / "out", "fine").read_text() == "x"


@pytest.mark.threat("embedded-repositories", commands="assets clone")
@pytest.mark.usefixtures("backend")
def test_a_submodule_is_left_out_with_a_warning(tmp_path: Path) -> None:
    made = hostile(
        tmp_path / "r",
        "100644 blob {[submodule]}\t.gitmodules\n" + f"160000 commit {'a' * 40}\tmodule\n",
    )
    warnings: list[str] = []
    with tree_of(made, warnings=warnings) as tree:
        placed = tree.checkout("", tmp_path / "out")
    assert placed.files == 1
    assert os.listdir(tmp_path / "out") == [".gitmodules"]
    assert "submodule" in warnings[0]


@pytest.mark.threat("embedded-repositories", commands="assets clone")
@pytest.mark.usefixtures("backend")
def test_a_bare_repository_in_a_template_stays_a_folder_of_files(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "t/bare/HEAD": "ref: refs/heads/main\n",
        "t/bare/config": "[core]\n\tfsmonitor = touch ran\n",
        "t/bare/hooks/post-checkout*": "#!/bin/sh\ntouch ran\n",
        "t/bare/objects/x": "",
        "t/bare/refs/x": "",
    }
    made = repository(tmp_path / "r", files)
    out = checked_out(made, tmp_path / "out", "t")
    assert (out / "bare/HEAD").is_file()
    assert not list(tmp_path.rglob("ran"))


@pytest.mark.usefixtures("backend")
def test_a_tree_that_unfolds_without_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trees, "MOST_ENTRIES", 5_000)
    made = repository(tmp_path / "r", {"f": "x"})
    inner = raw_tree(made, [("100644", b"f", git(made, "rev-parse", "HEAD:f"))])
    for _ in range(12):
        inner = raw_tree(made, [("40000", b"%d" % number, inner) for number in range(10)])
    git(made, "update-ref", "refs/heads/main", git(made, "commit-tree", "-m", "x", inner))
    with pytest.raises(Refused, match="more than"), tree_of(made):
        pass


@pytest.mark.usefixtures("backend")
def test_folders_without_end_are_refused(tmp_path: Path) -> None:
    made = repository(tmp_path / "r", {"f": "x"})
    inner = raw_tree(made, [("100644", b"f", git(made, "rev-parse", "HEAD:f"))])
    for _ in range(1500):
        inner = raw_tree_quick(made, inner)
    git(made, "update-ref", "refs/heads/main", git(made, "commit-tree", "-m", "x", inner))
    with pytest.raises((Refused, ExternalError)):
        checked_out(made, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def raw_tree_quick(folder: Path, inner: str) -> str:
    """A tree of one folder `d`, written without a process."""

    import zlib

    data = b"40000 d\0" + bytes.fromhex(inner)
    data = b"tree %d\0" % len(data) + data
    id = hashlib.sha1(data).hexdigest()
    path = folder / ".git/objects" / id[:2] / id[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(data))
    return id


# --- leaving nothing behind ---


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


@pytest.mark.usefixtures("backend")
def test_nothing_temporary_is_left(url: str, tmp_path: Path, temporary: Path) -> None:
    checked_out(url, tmp_path / "out", FOLDER)
    with pytest.raises(KeyboardInterrupt), tree_of(url):
        raise KeyboardInterrupt
    with pytest.raises(InvalidInput), tree_of(url, "absent"):
        pass
    assert os.listdir(temporary) == []


@pytest.mark.usefixtures("backend")
def test_a_disk_that_fails_leaves_nothing(
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
    with tree_of(url) as tree, pytest.raises(LocalFailure, match="No space") as caught:
        tree.checkout(FOLDER, tmp_path / "out")
    assert caught.value.exit_code == 5
    assert not (tmp_path / "out").exists()


def test_the_index_of_a_hook_stays_as_it_is(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = repository(tmp_path / "users")
    index = users / ".git/index"
    before = index.read_bytes(), index.stat().st_mtime_ns, git(users, "config", "--list")
    monkeypatch.chdir(users)
    monkeypatch.setenv("GIT_DIR", ".git")
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/index")
    monkeypatch.setenv("GIT_WORK_TREE", ".")
    checked_out(url, tmp_path / "out", FOLDER)
    monkeypatch.delenv("GIT_DIR")
    monkeypatch.delenv("GIT_INDEX_FILE")
    monkeypatch.delenv("GIT_WORK_TREE")
    assert before == (index.read_bytes(), index.stat().st_mtime_ns, git(users, "config", "--list"))
    assert git(users, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_the_password_of_a_url_is_on_no_command_line(
    url: str, git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    original = subprocess.Popen.__init__

    def watching(
        self: subprocess.Popen[bytes], args: object, *rest: object, **more: object
    ) -> None:
        seen.append(repr(args))
        original(self, args, *rest, **more)  # type: ignore[call-overload]

    git_server.password = ("user", "secret")
    monkeypatch.setattr(subprocess.Popen, "__init__", watching)
    checked_out(url.replace("//", "//user:secret@", 1), tmp_path / "out", FOLDER)
    assert seen
    assert "secret" not in "".join(seen)


def test_an_entry_is_a_mode_a_name_and_an_id(source: Path) -> None:
    with tree_of(source) as tree:
        [entry] = tree.files("README.md")
    assert entry == TreeEntry(0o100644, "README.md", git(source, "rev-parse", "HEAD:README.md"))
    assert GIT
