"""Fetching one folder of a repository with git and with dulwich, over every transport."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import pytest

from git_spacy.errors import Diagnostic, ExternalError, InvalidInput, Refused
from git_spacy.git.address import parse_address
from git_spacy.git.partial_clone import open_remote_tree
from git_spacy.git.remote_tree import CheckoutResult
from tests.testing.git_server import GitServer
from tests.testing.repositories import commit, git, noise, repository, serve, templates

FASHION = "tutorials/ner_fashion_brands"


@pytest.fixture(scope="module")
def template_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of templates with branches and tags, created once per module."""

    folder = tmp_path_factory.mktemp("template_repository")
    environ = {
        f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environ, "GIT_CONFIG_GLOBAL": os.devnull}.items():
            patch.setenv(name, value)
        root = templates(folder / "source")
        git(root, "branch", "-m", "main")
        git(root, "tag", "v1")
        git(root, "checkout", "-q", "-b", "feature/new")
        commit(root, {f"{FASHION}/new.txt": "on the branch\n"})
        git(root, "tag", "-a", "v2", "-m", "annotated")
        # a tag with the name of a branch; the branch takes precedence
        git(root, "checkout", "-q", "main")
        git(root, "tag", "feature/new", "main")
    return root


@pytest.fixture(params=["git", "dulwich"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run the test with git, and without any program on the PATH."""

    if request.param == "dulwich":
        monkeypatch.setenv("GIT_SPACY_TEST_PATH", os.environ["PATH"])
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return str(request.param)


@pytest.fixture
def url(template_repository: Path, git_server: GitServer, tmp_path: Path) -> str:
    return git_server.url + serve(template_repository, tmp_path / "served")


def fetch(
    url: str, ref: str | None, dest: Path, path: str = FASHION
) -> tuple[CheckoutResult, list[str]]:
    warnings: list[Diagnostic] = []
    with open_remote_tree(parse_address(url, ref, trusted=True), warn=warnings.append) as tree:
        return tree.checkout(path, dest), [warning.message for warning in warnings]


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def test_only_the_requested_folder_is_fetched(
    url: str, backend: str, git_server: GitServer, tmp_path: Path
) -> None:
    result, warnings = fetch(url, None, tmp_path / "dest")
    assert names(tmp_path / "dest") == ["README.md", "link.md", "project.yml", "scripts/run.sh"]
    assert result == CheckoutResult(4, ())
    assert warnings == []
    assert len(git_server.requests) <= {"git": 5, "dulwich": 6}[backend]
    assert git_server.sent < 10_000, "the other folders have more than a megabyte"


def test_modes_and_links_are_kept(url: str, backend: str, tmp_path: Path) -> None:
    fetch(url, None, tmp_path / "dest")
    assert (tmp_path / "dest/scripts/run.sh").stat().st_mode & stat.S_IXUSR
    assert not (tmp_path / "dest/README.md").stat().st_mode & stat.S_IXUSR
    assert os.readlink(tmp_path / "dest/link.md") == "README.md"


@pytest.mark.parametrize(
    ("ref", "has_new"),
    [("main", False), ("v1", False), ("feature/new", True), ("v2", True), ("commit", True)],
)
def test_ref_can_be_a_branch_a_tag_or_a_commit(
    url: str, template_repository: Path, backend: str, tmp_path: Path, ref: str, has_new: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if ref == "commit":
        ref = (template_repository / ".git/refs/heads/feature/new").read_text().strip()
    fetch(url, ref, tmp_path / "dest")
    assert (tmp_path / "dest/new.txt").exists() == has_new


def test_single_file_and_whole_tree_can_be_fetched(url: str, backend: str, tmp_path: Path) -> None:
    fetch(url, None, tmp_path / "one.md", "README.md")
    assert (tmp_path / "one.md").read_text() == "templates\n"
    fetch(url, None, tmp_path / "all", "")
    assert len(names(tmp_path / "all")) == 37


def test_server_without_filters_sends_the_whole_commit_with_a_warning(
    url: str, backend: str, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.filters = False
    result, (warning,) = fetch(url, None, tmp_path / "dest")
    assert result.files == 4
    assert "fetched the whole commit (0.5 MB)" in warning


def test_unknown_branch_is_reported(url: str, backend: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no branch or tag 'nope'"):
        fetch(url, "nope", tmp_path / "dest")
    assert not (tmp_path / "dest").exists()


def test_unknown_commit_is_reported(url: str, backend: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidInput, ExternalError)):
        fetch(url, "0123456789" * 4, tmp_path / "dest")


def test_missing_repository_is_reported(
    git_server: GitServer, backend: str, tmp_path: Path
) -> None:
    with pytest.raises(ExternalError):
        fetch(git_server.url + "/nope.git", None, tmp_path / "dest")


def test_repository_without_commits_is_reported(git_server: GitServer, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "served/empty.git")
    with pytest.raises(ExternalError, match="has no commits, or is not a Git repository"):
        fetch(git_server.url + "/empty.git", None, tmp_path / "dest")


@pytest.mark.parametrize("status", [500, 403, 404])
def test_error_status_of_the_server_is_reported(
    git_server: GitServer, backend: str, tmp_path: Path, status: int
) -> None:
    git_server.broken = (status, "text/html", b"<html>no</html>")
    with pytest.raises(ExternalError):
        fetch(git_server.url + "/x.git", None, tmp_path / "dest")


def test_web_page_instead_of_a_repository_is_reported(
    git_server: GitServer, backend: str, tmp_path: Path
) -> None:
    git_server.broken = (200, "text/html", b"<html>hello</html>")
    with pytest.raises(ExternalError):
        fetch(git_server.url + "/x.git", None, tmp_path / "dest")


def test_refused_connection_is_reported(backend: str, tmp_path: Path) -> None:
    with pytest.raises(ExternalError):
        fetch("http://127.0.0.1:9/x.git", None, tmp_path / "dest")


def test_private_repository_needs_a_credential_helper(
    url: str, git_server: GitServer, tmp_path: Path, sealed: Path
) -> None:
    git_server.password = ("user", "s3cret")
    with pytest.raises(ExternalError) as caught:
        fetch(url, None, tmp_path / "dest")
    assert "credential" in caught.value.problems[0].hint
    (sealed / "credentials").write_text(url.split("/templates")[0].replace("//", "//user:s3cret@"))
    git(tmp_path, "config", "--global", "credential.helper", f"store --file='{sealed}/credentials'")
    result, _ = fetch(url, None, tmp_path / "dest")
    assert result.files == 4


def test_password_in_the_url_is_used_and_never_printed(
    url: str, backend: str, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.password = ("user", "s3cret")
    private = url.replace("//", "//user:s3cret@")
    result, _ = fetch(private, None, tmp_path / "dest")
    assert result.files == 4
    with pytest.raises((InvalidInput, ExternalError)) as caught:
        fetch(private, "nope", tmp_path / "other")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("form", ["path", "file"])
@pytest.mark.parametrize("ref", [None, "feature/new", "v2"])
def test_local_repository_is_read_in_place(
    template_repository: Path, backend: str, tmp_path: Path, form: str, ref: str | None
) -> None:
    result, warnings = fetch(
        f"file://{template_repository}" if form == "file" else str(template_repository),
        ref,
        tmp_path / "d",
    )
    assert result.files == (5 if ref else 4)
    assert warnings == []


@pytest.fixture
def fake_ssh(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh program that runs the command locally and logs its arguments."""

    log = tmp_path / "ssh.log"
    script = tmp_path / "fake-ssh"
    real_path = os.environ.get("GIT_SPACY_TEST_PATH", os.environ["PATH"])
    script.write_text(
        f'#!/bin/sh\nPATH="{real_path}"; export PATH\nprintf "%s\\n" "$*" >> "{log}"\n'
        'for last; do :; done\neval "$last"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(script)))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    return log


def test_ssh_uses_the_command_of_the_user(
    template_repository: Path, backend: str, tmp_path: Path, fake_ssh: Path
) -> None:
    result, _ = fetch(f"ssh://host{template_repository}", None, tmp_path / "dest")
    assert result.files == 4
    assert "git-upload-pack" in fake_ssh.read_text()


def hostile(tmp_path: Path, files: dict[str, str | bytes], links: dict[str, str]) -> str:
    root = repository(tmp_path / "hostile", files)
    for name, target in links.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, root / name)
    commit(root, {}, "links")
    return str(root)


@pytest.mark.threat("template-links", commands="clone")
@pytest.mark.parametrize(
    "links",
    [
        {"t/l": "/etc/passwd"},
        {"t/l": "../../x"},
        {"t/l": "../README.md"},
        {"t/l1": ".", "t/l2": "l1/.."},
        {"t/a/l1": "..", "t/l2": "a/l1/../x"},
        {"t/l": ".git/config"},
    ],
)
def test_link_that_leads_out_is_refused(
    tmp_path: Path, backend: str, links: dict[str, str]
) -> None:
    if backend == "dulwich":
        os.environ["PATH"] = os.environ["GIT_SPACY_TEST_PATH"]
    url = hostile(tmp_path, {"t/project.yml": "title: t\n", "README.md": "x"}, links)
    if backend == "dulwich":
        os.environ["PATH"] = str(tmp_path / "nothing")
    with pytest.raises(Refused, match="leads out"):
        fetch(url, None, tmp_path / "dest", "t")


def tree_with(tmp_path: Path, name: str) -> str:
    """Create a repository whose tree has a name that git itself would not add."""

    root = repository(tmp_path / "odd")
    blob = git(root, "hash-object", "-w", "--stdin", input="x")
    inner = git(root, "mktree", "--missing", input=f"100644 blob {blob}\tconfig\n")
    tree = git(root, "mktree", input=f"040000 tree {inner}\t{name}\n")
    outer = git(root, "mktree", input=f"040000 tree {tree}\tt\n")
    made_commit = git(root, "commit-tree", outer, "-m", "odd")
    git(root, "update-ref", "refs/heads/main", made_commit)
    return str(root)


@pytest.mark.threat("embedded-repositories", commands="clone")
@pytest.mark.parametrize("name", [".GIT", ".git.", "git~1", ".gi\u200ct"])
def test_folder_that_git_could_take_for_its_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match=r"Git could take for '\.git'"):
        fetch(tree_with(tmp_path, name), None, tmp_path / "dest", "t")
    assert not (tmp_path / "dest").exists()


@pytest.mark.threat("embedded-repositories", commands="clone")
def test_hooks_filters_and_submodules_of_a_template_do_not_run(
    tmp_path: Path, sealed: Path
) -> None:
    ran = tmp_path / "ran"
    inner = repository(tmp_path / "inner")
    root = repository(
        tmp_path / "r",
        {
            "t/project.yml": "title: t\n",
            "t/.gitattributes": "* filter=evil ident text eol=crlf\n",
            "t/data.txt": "a\n$Id$\n",
            "t/.githooks/post-checkout*": f"#!/bin/sh\ntouch '{ran}'\n",
        },
    )
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "t/sub")
    commit(root, {}, "submodule")
    for key in ("filter.evil.smudge", "filter.evil.clean", "filter.evil.process"):
        git(tmp_path, "config", "--global", key, f"touch '{ran}'")
    git(tmp_path, "config", "--global", "core.hooksPath", "t/.githooks")
    _, warnings = fetch(str(root), None, tmp_path / "dest", "t")
    assert (tmp_path / "dest/data.txt").read_bytes() == b"a\n$Id$\n"
    assert warnings == ["skipped submodule 't/sub'"]
    assert not ran.exists()


def test_git_lfs_pointers_are_reported(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    root = repository(tmp_path / "r", {"t/big.bin": pointer, "t/small.txt": "x"})
    result, _ = fetch(str(root), None, tmp_path / "dest", "t")
    assert result.lfs_pointers == ("big.bin",)


def test_large_file_is_fetched_completely(
    template_repository: Path, git_server: GitServer, tmp_path: Path, backend: str
) -> None:
    if backend == "dulwich":
        pytest.skip("needs git to build")
    root = repository(tmp_path / "r", {"t/big.bin": noise(3_000_000)})
    fetch(git_server.url + serve(root, tmp_path / "served", "big"), None, tmp_path / "d", "t")
    assert (tmp_path / "d/big.bin").read_bytes() == noise(3_000_000)
