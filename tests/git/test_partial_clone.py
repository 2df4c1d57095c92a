"""One folder of a repository: by git and by dulwich, over every transport, counted."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path

import pytest

from git_spacy.errors import ExternalError, InvalidInput, Refused
from git_spacy.git.address import parse_address
from git_spacy.git.partial_clone import opened
from git_spacy.git.remote_tree import CheckoutResult
from tests.testing.git_server import GitServer
from tests.testing.repositories import commit, git, noise, repository, serve, templates

FASHION = "tutorials/ner_fashion_brands"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of templates, with branches and tags, built once."""

    folder = tmp_path_factory.mktemp("built")
    environ = {
        f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**environ, "GIT_CONFIG_GLOBAL": os.devnull}.items():
            patch.setenv(name, value)
        made = templates(folder / "source")
        git(made, "branch", "-m", "main")
        git(made, "tag", "v1")
        git(made, "checkout", "-q", "-b", "feature/new")
        commit(made, {f"{FASHION}/new.txt": "on the branch\n"})
        git(made, "tag", "-a", "v2", "-m", "annotated")
        # a tag with the name of a branch: the branch is meant
        git(made, "checkout", "-q", "main")
        git(made, "tag", "feature/new", "main")
    return made


@pytest.fixture(params=["git", "dulwich"])
def backend(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """With the git program, and with nothing on the PATH."""

    if request.param == "dulwich":
        monkeypatch.setenv("GIT_SPACY_TEST_PATH", os.environ["PATH"])
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    return str(request.param)


@pytest.fixture
def url(built: Path, git_server: GitServer, tmp_path: Path) -> str:
    return git_server.url + serve(built, tmp_path / "served")


def fetched(
    url: str, ref: str | None, dest: Path, path: str = FASHION
) -> tuple[CheckoutResult, list[str]]:
    warnings: list[str] = []
    with opened(parse_address(url, ref, trusted=True), warn=warnings.append) as tree:
        return tree.checkout(path, dest), warnings


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir())


def test_only_the_wanted_folder_travels(
    url: str, backend: str, git_server: GitServer, tmp_path: Path
) -> None:
    placed, warnings = fetched(url, None, tmp_path / "dest")
    assert names(tmp_path / "dest") == ["README.md", "link.md", "project.yml", "scripts/run.sh"]
    assert placed == CheckoutResult(4, ())
    assert warnings == []
    assert len(git_server.requests) <= {"git": 5, "dulwich": 6}[backend]
    assert git_server.sent < 10_000, "the other folders hold over a megabyte"


def test_modes_and_links_arrive(url: str, backend: str, tmp_path: Path) -> None:
    fetched(url, None, tmp_path / "dest")
    assert (tmp_path / "dest/scripts/run.sh").stat().st_mode & stat.S_IXUSR
    assert not (tmp_path / "dest/README.md").stat().st_mode & stat.S_IXUSR
    assert os.readlink(tmp_path / "dest/link.md") == "README.md"


@pytest.mark.parametrize(
    ("ref", "has_new"),
    [("main", False), ("v1", False), ("feature/new", True), ("v2", True), ("commit", True)],
)
def test_a_branch_a_tag_and_a_commit(
    url: str, built: Path, backend: str, tmp_path: Path, ref: str, has_new: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if ref == "commit":
        ref = (built / ".git/refs/heads/feature/new").read_text().strip()
    fetched(url, ref, tmp_path / "dest")
    assert (tmp_path / "dest/new.txt").exists() == has_new


def test_a_file_can_be_had_alone_and_the_whole_too(url: str, backend: str, tmp_path: Path) -> None:
    fetched(url, None, tmp_path / "one.md", "README.md")
    assert (tmp_path / "one.md").read_text() == "templates\n"
    fetched(url, None, tmp_path / "all", "")
    assert len(names(tmp_path / "all")) == 37


def test_a_server_without_filters_costs_the_snapshot_and_we_say_so(
    url: str, backend: str, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.filters = False
    placed, (warning,) = fetched(url, None, tmp_path / "dest")
    assert placed.files == 4
    assert "the whole snapshot travelled (0.5 MB)" in warning


def test_a_branch_that_is_not_there(url: str, backend: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="has no branch or tag 'nope'"):
        fetched(url, "nope", tmp_path / "dest")
    assert not (tmp_path / "dest").exists()


def test_a_commit_that_is_not_there(url: str, backend: str, tmp_path: Path) -> None:
    with pytest.raises((InvalidInput, ExternalError)):
        fetched(url, "0123456789" * 4, tmp_path / "dest")


def test_a_repository_that_is_not_there(
    git_server: GitServer, backend: str, tmp_path: Path
) -> None:
    with pytest.raises(ExternalError):
        fetched(git_server.url + "/nope.git", None, tmp_path / "dest")


def test_a_repository_without_a_commit(git_server: GitServer, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "served/empty.git")
    with pytest.raises(ExternalError, match="has no commit, or is no Git repository"):
        fetched(git_server.url + "/empty.git", None, tmp_path / "dest")


@pytest.mark.parametrize("status", [500, 403, 404])
def test_a_server_that_answers_with_an_error(
    git_server: GitServer, backend: str, tmp_path: Path, status: int
) -> None:
    git_server.broken = (status, "text/html", b"<html>no</html>")
    with pytest.raises(ExternalError):
        fetched(git_server.url + "/x.git", None, tmp_path / "dest")


def test_a_page_where_a_repository_should_be(
    git_server: GitServer, backend: str, tmp_path: Path
) -> None:
    git_server.broken = (200, "text/html", b"<html>hello</html>")
    with pytest.raises(ExternalError):
        fetched(git_server.url + "/x.git", None, tmp_path / "dest")


def test_nobody_listens(backend: str, tmp_path: Path) -> None:
    with pytest.raises(ExternalError):
        fetched("http://127.0.0.1:9/x.git", None, tmp_path / "dest")


def test_a_private_repository_wants_the_users_own_password(
    url: str, git_server: GitServer, tmp_path: Path, sealed: Path
) -> None:
    git_server.password = ("user", "s3cret")
    with pytest.raises(ExternalError) as caught:
        fetched(url, None, tmp_path / "dest")
    assert "credential" in caught.value.problems[0].hint
    (sealed / "credentials").write_text(url.split("/templates")[0].replace("//", "//user:s3cret@"))
    git(tmp_path, "config", "--global", "credential.helper", f"store --file='{sealed}/credentials'")
    placed, _ = fetched(url, None, tmp_path / "dest")
    assert placed.files == 4


def test_a_password_in_the_url_is_used_and_never_told(
    url: str, backend: str, git_server: GitServer, tmp_path: Path
) -> None:
    git_server.password = ("user", "s3cret")
    private = url.replace("//", "//user:s3cret@")
    placed, _ = fetched(private, None, tmp_path / "dest")
    assert placed.files == 4
    with pytest.raises((InvalidInput, ExternalError)) as caught:
        fetched(private, "nope", tmp_path / "other")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("form", ["path", "file"])
@pytest.mark.parametrize("ref", [None, "feature/new", "v2"])
def test_a_local_repository_is_read_in_place(
    built: Path, backend: str, tmp_path: Path, form: str, ref: str | None
) -> None:
    placed, warnings = fetched(
        f"file://{built}" if form == "file" else str(built), ref, tmp_path / "d"
    )
    assert placed.files == (5 if ref else 4)
    assert warnings == []


@pytest.fixture
def fake_ssh(backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ssh that runs the command here and writes down how it was called."""

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


def test_over_ssh_with_the_users_own_command(
    built: Path, backend: str, tmp_path: Path, fake_ssh: Path
) -> None:
    placed, _ = fetched(f"ssh://host{built}", None, tmp_path / "dest")
    assert placed.files == 4
    assert "git-upload-pack" in fake_ssh.read_text()


def hostile(tmp_path: Path, files: dict[str, str | bytes], links: dict[str, str]) -> str:
    made = repository(tmp_path / "hostile", files)
    for name, target in links.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, made / name)
    commit(made, {}, "links")
    return str(made)


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
def test_a_link_that_leads_out_is_refused_and_its_target_never_opened(
    tmp_path: Path, backend: str, links: dict[str, str]
) -> None:
    if backend == "dulwich":
        os.environ["PATH"] = os.environ["GIT_SPACY_TEST_PATH"]
    url = hostile(tmp_path, {"t/project.yml": "title: t\n", "README.md": "x"}, links)
    if backend == "dulwich":
        os.environ["PATH"] = str(tmp_path / "nothing")
    with pytest.raises(Refused, match="leads out"):
        fetched(url, None, tmp_path / "dest", "t")


def tree_with(tmp_path: Path, name: str) -> str:
    """A repository whose tree holds a name that git itself would not add."""

    made = repository(tmp_path / "odd")
    blob = git(made, "hash-object", "-w", "--stdin", input="x")
    inner = git(made, "mktree", "--missing", input=f"100644 blob {blob}\tconfig\n")
    tree = git(made, "mktree", input=f"040000 tree {inner}\t{name}\n")
    outer = git(made, "mktree", input=f"040000 tree {tree}\tt\n")
    made_commit = git(made, "commit-tree", outer, "-m", "odd")
    git(made, "update-ref", "refs/heads/main", made_commit)
    return str(made)


@pytest.mark.threat("embedded-repositories", commands="clone")
@pytest.mark.parametrize("name", [".GIT", ".git.", "git~1", ".gi\u200ct"])
def test_a_folder_that_git_could_take_for_its_own_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="Git could take for its own"):
        fetched(tree_with(tmp_path, name), None, tmp_path / "dest", "t")
    assert not (tmp_path / "dest").exists()


@pytest.mark.threat("embedded-repositories", commands="clone")
def test_hooks_filters_and_submodules_of_a_template_do_nothing(
    tmp_path: Path, sealed: Path
) -> None:
    ran = tmp_path / "ran"
    inner = repository(tmp_path / "inner")
    made = repository(
        tmp_path / "r",
        {
            "t/project.yml": "title: t\n",
            "t/.gitattributes": "* filter=evil ident text eol=crlf\n",
            "t/data.txt": "a\n$Id$\n",
            "t/.githooks/post-checkout*": f"#!/bin/sh\ntouch '{ran}'\n",
        },
    )
    git(made, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "t/sub")
    commit(made, {}, "submodule")
    for key in ("filter.evil.smudge", "filter.evil.clean", "filter.evil.process"):
        git(tmp_path, "config", "--global", key, f"touch '{ran}'")
    git(tmp_path, "config", "--global", "core.hooksPath", "t/.githooks")
    _, warnings = fetched(str(made), None, tmp_path / "dest", "t")
    assert (tmp_path / "dest/data.txt").read_bytes() == b"a\n$Id$\n"
    assert warnings == ["'t/sub' is a submodule: left out"]
    assert not ran.exists()


def test_pointers_of_git_lfs_are_reported(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    made = repository(tmp_path / "r", {"t/big.bin": pointer, "t/small.txt": "x"})
    placed, _ = fetched(str(made), None, tmp_path / "dest", "t")
    assert placed.lfs_pointers == ("big.bin",)


def test_large_files_arrive_whole(
    built: Path, git_server: GitServer, tmp_path: Path, backend: str
) -> None:
    if backend == "dulwich":
        pytest.skip("needs git to build")
    made = repository(tmp_path / "r", {"t/big.bin": noise(3_000_000)})
    fetched(git_server.url + serve(made, tmp_path / "served", "big"), None, tmp_path / "d", "t")
    assert (tmp_path / "d/big.bin").read_bytes() == noise(3_000_000)
