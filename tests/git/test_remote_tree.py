"""The files of a fetched tree are written as they are; hostile trees are refused."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from git_spacy.errors import (
    Diagnostic,
    ExternalError,
    GitSpacyError,
    InvalidInput,
    LocalFailure,
    Refused,
)
from git_spacy.git import remote_tree as trees
from git_spacy.git.remote_tree import TreeEntry
from tests.git.test_partial_clone import FOLDER, check_out, open_tree, source, url
from tests.testing.git_server import GitServer
from tests.testing.repositories import (
    GIT,
    commit,
    git,
    hostile,
    noise,
    raw_tree,
    repository,
    serve,
)

__all__ = ["source", "url"]


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
    assert sum(not path.is_dir() or path.is_symlink() for path in out.rglob("*")) == 37


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
    short = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    files: dict[str, str | bytes] = {
        "t/model.bin": pointer, "t/copy.bin": pointer, "t/short.bin": short, "t/x": "x",
    }  # fmt: skip
    root = repository(tmp_path / "r", files)
    with open_tree(root) as tree:
        result = tree.checkout("t", tmp_path / "out")
    assert result.lfs_pointers == ("copy.bin", "model.bin", "short.bin")
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
    for address in (git_server.url + "/r.git", str(root)):
        with open_tree(address) as tree:
            assert len(tree.commit) == 64
            tree.checkout("t", tmp_path / f"out{len(address)}")


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
        LINK % ("../../x", "l"),
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
@pytest.mark.usefixtures("backend")
def test_link_that_leads_out_of_the_requested_folder_is_refused(
    tmp_path: Path, links: dict[str, str]
) -> None:
    root = repository(tmp_path / "r", {"t/project.yml": "title: t\n", "README.md": "x"})
    for name, target in links.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, root / name)
    commit(root, {}, "links")
    with pytest.raises(Refused, match="leads out"):
        check_out(root, tmp_path / "out", "t")


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


@pytest.mark.threat("embedded-repositories", commands="clone")
@pytest.mark.parametrize("name", [".GIT", ".git.", "git~1", ".gi\u200ct"])
def test_folder_that_git_could_take_for_its_own_is_refused(tmp_path: Path, name: str) -> None:
    root = repository(tmp_path / "odd")
    blob = git(root, "hash-object", "-w", "--stdin", input="x")
    inner = git(root, "mktree", "--missing", input=f"100644 blob {blob}\tconfig\n")
    tree = git(root, "mktree", input=f"040000 tree {inner}\t{name}\n")
    outer = git(root, "mktree", input=f"040000 tree {tree}\tt\n")
    made = git(root, "commit-tree", outer, "-m", "odd")
    git(root, "update-ref", "refs/heads/main", made)
    with pytest.raises(Refused, match=r"Git could take for '\.git'"):
        check_out(root, tmp_path / "dest", "t")
    assert not (tmp_path / "dest").exists()


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


@pytest.mark.threat("embedded-repositories", commands="clone")
def test_hooks_filters_and_submodules_of_a_template_do_not_run(tmp_path: Path) -> None:
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
    warnings: list[Diagnostic] = []
    with open_tree(root, warnings=warnings) as tree:
        tree.checkout("t", tmp_path / "dest")
    assert (tmp_path / "dest/data.txt").read_bytes() == b"a\n$Id$\n"
    assert [warning.message for warning in warnings] == ["skipped submodule 't/sub'"]
    assert not ran.exists()


def test_tree_entry_has_mode_name_and_id(source: Path) -> None:
    with open_tree(source) as tree:
        [entry] = tree.files("README.md")
    assert entry == TreeEntry(0o100644, "README.md", git(source, "rev-parse", "HEAD:README.md"))
    assert GIT
