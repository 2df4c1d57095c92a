"""What Git calls unmodified is unmodified: for run, status, check and the hooks alike."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from git_spacy.state import same_file
from git_spacy.state.stat_cache import StatCache
from tests.testing.opinions import AGREED, opinions, ran
from tests.testing.projects import Spacy, project
from tests.testing.repositories import commit, git, repository, write

TEXT = """\
commands:
- name: make
  script: [python make.py]
  deps: [make.py, in.txt, data]
  outputs: [out.txt]
  outputs_no_cache: [metrics.json]
workflows: {all: [make]}
"""
FILES: dict[str, str | bytes] = {
    "make.py": "open('out.txt', 'w').write('x')\nopen('metrics.json', 'w').write('{}\\n')\n",
    "in.txt": "a\nout: b\n", "data/1": "one\n", "data/2": "two\n", ".gitignore": "/out.txt\n",
}  # fmt: skip
STALE = dict.fromkeys(AGREED, False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return repository(project(tmp_path / "p", TEXT, FILES))


def run_and_commit(root: Path, spacy: Spacy) -> None:
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "run")


def crlf(root: Path) -> None:
    git(root, "config", "core.autocrlf", "true")


def filtered(root: Path) -> None:
    """A clean filter that removes lines, as it is used for the outputs in notebooks."""

    git(root, "config", "filter.strip.clean", "sed '/^out/d'")
    (root / ".git/info/attributes").write_text("in.txt filter=strip\n")
    (root / "in.txt").touch()  # so that Git filters it when it is added the next time


def rot13(root: Path) -> None:
    git(root, "config", "filter.rot13.clean", "tr a-z n-za-m")
    git(root, "config", "filter.rot13.smudge", "tr a-z n-za-m")
    (root / ".git/info/attributes").write_text("data/* filter=rot13\n")


def encoded(root: Path) -> None:
    (root / ".git/info/attributes").write_text("in.txt working-tree-encoding=UTF-16LE\n")
    write(root, {"in.txt": "größe\n".encode("utf-16-le")})


def ident(root: Path) -> None:
    (root / ".git/info/attributes").write_text("data/* ident\n")
    write(root, {"data/1": "$Id$\n"})


def eol(root: Path) -> None:
    (root / ".git/info/attributes").write_text("* text eol=crlf\nmetrics.json -text\n")


CONVERSIONS = [crlf, filtered, rot13, encoded, ident, eol]


def check_out_again(root: Path) -> None:
    for name in git(root, "ls-files").splitlines():
        (root / name).unlink()
    git(root, "checkout", "-q", ".")


@pytest.mark.parametrize("convert", CONVERSIONS)
def test_a_file_that_git_converts_is_up_to_date_where_it_was_run(
    root: Path, spacy: Spacy, convert: Callable[[Path], None]
) -> None:
    """A5 of the cases from the field: the lock has the md5 of the file in the worktree."""

    convert(root)
    run_and_commit(root, spacy)
    assert opinions(root, spacy) == AGREED
    os.utime(root / "in.txt", (1, 1))
    assert opinions(root, spacy) == AGREED, "only touched"


@pytest.mark.parametrize("convert", [crlf, eol, ident, encoded, rot13])
def test_a_file_that_git_converts_is_up_to_date_in_another_clone(
    root: Path, tmp_path: Path, spacy: Spacy, convert: Callable[[Path], None]
) -> None:
    """A6 of the cases from the field: the lock has the md5 of the file in Git."""

    if convert is ident:
        write(root, {"data/1": "$Id$\n"})
    if convert is encoded:
        write(root, {"in.txt": "größe\n"})
    run_and_commit(root, spacy)
    lock = (root / "project.lock").read_bytes()
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--no-checkout", "p", "clone")
    convert(clone)
    for name in ("in.txt", "data/1"):
        (clone / name).unlink(missing_ok=True)
    git(clone, "checkout", "-q", "main")
    inputs = ("in.txt", "data/1")
    assert any((clone / name).read_bytes() != (root / name).read_bytes() for name in inputs)
    write(clone, {"out.txt": "x"})
    assert opinions(clone, spacy) == AGREED
    assert (clone / "project.lock").read_bytes().replace(b"\r\n", b"\n") == lock
    write(clone, {"data/1": "edited\n"})
    assert opinions(clone, spacy) == {**STALE, "check --staged": True}


def test_a_filter_that_drops_content_costs_a_clone_no_run_if_the_run_read_what_git_has(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    """As docs/explanation/how-it-works.md advises."""

    filtered(root)
    run_and_commit(root, spacy)
    git(tmp_path, "clone", "-q", "p", "clone")
    clone = tmp_path / "clone"
    write(clone, {"out.txt": "x"})
    assert (clone / "in.txt").read_text() == "a\n"
    assert opinions(clone, spacy) == {**STALE, "check --staged": False}
    (root / "in.txt").unlink()
    git(root, "restore", "in.txt")
    run_and_commit(root, spacy)
    git(clone, "restore", ".")
    git(clone, "pull", "-q")
    assert opinions(root, spacy) == opinions(clone, spacy) == AGREED


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
@pytest.mark.parametrize("convert", [crlf, eol, rot13])
def test_an_asset_that_git_converts_matches_its_checksum(
    root: Path, tmp_path: Path, spacy: Spacy, convert: Callable[[Path], None], algorithm: str
) -> None:
    checksums = {
        name: hashlib.new(algorithm, (root / name).read_bytes()).hexdigest()
        for name in ("in.txt", "data/1")
    }
    prefix = "" if algorithm == "md5" else "sha256:"
    assets = "".join(
        f"- {{dest: {name}, checksum: '{prefix}{digest}'}}\n" for name, digest in checksums.items()
    )
    deps = TEXT.replace("data]", "data/1]")
    write(root, {"project.yml": f"assets:\n{assets}{deps}"})
    run_and_commit(root, spacy)
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--no-checkout", "p", "clone")
    convert(clone)
    git(clone, "checkout", "-q", "main")
    write(clone, {"out.txt": "x"})
    agreed = "skipped  in.txt (already present, "
    for run in ("nothing", "all"):
        if run == "all":
            (clone / "out.txt").unlink()
            assert spacy("run", "all", cwd=clone).code == 0
        assert opinions(clone, spacy) == AGREED, run
        assert "checksum mismatch" not in spacy("status", cwd=clone).out
        fetched = spacy("assets", cwd=clone)
        assert (fetched.code, agreed in fetched.err) == (0, True), fetched
        assert spacy("check", "assets", cwd=clone) == (0, "", "")
    write(clone, {"in.txt": "edited\n"})
    assert spacy("status", cwd=clone).out.count("checksum mismatch") == 1
    assert spacy("check", "assets", cwd=clone).code == 1
    assert spacy("run", "all", cwd=clone).code == 1
    assert spacy("assets", cwd=clone).code == 1


def test_a_lock_of_a_machine_with_crlf_is_up_to_date_on_one_with_lf(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    crlf(root)
    check_out_again(root)
    run_and_commit(root, spacy)
    git(tmp_path, "clone", "-q", "p", "clone")
    write(tmp_path / "clone", {"out.txt": "x"})
    assert opinions(tmp_path / "clone", spacy) == AGREED


def test_other_line_endings_count_where_git_calls_the_file_modified(
    root: Path, spacy: Spacy
) -> None:
    run_and_commit(root, spacy)
    write(root, {"in.txt": "a\r\nout: b\r\n"})
    assert opinions(root, spacy) == {**STALE, "check --staged": True}
    git(root, "checkout", "-q", "project.lock")
    commit(root, {"in.txt": "a\r\nout: b\r\n"})
    git(root, "checkout", "-q", "HEAD~1", "--", "project.lock")
    shutil.rmtree(root / ".git/spacy")  # which remembers the run with CRLF
    assert opinions(root, spacy) == STALE


def test_a_file_that_is_assumed_unchanged_or_skipped_counts_as_it_is(
    root: Path, spacy: Spacy
) -> None:
    for option in ("assume-unchanged", "skip-worktree"):
        run_and_commit(root, spacy)
        git(root, "update-index", f"--{option}", "in.txt")
        assert opinions(root, spacy) == AGREED
        write(root, {"in.txt": f"edited {option}"})
        assert opinions(root, spacy) == {**STALE, "check --staged": True}
        git(root, "add", "project.lock")
        assert opinions(root, spacy) == {**AGREED, "check --staged": False}, "not what Git has"
        git(root, "update-index", f"--no-{option}", "in.txt")


@pytest.mark.parametrize("name", ["in.txt", "data/3", "project.lock"])
def test_a_file_that_is_only_intended_to_be_added_is_not_in_the_commit(
    root: Path, spacy: Spacy, name: str
) -> None:
    """A2 of the cases from the field."""

    git(root, "rm", "-q", "--cached", "--ignore-unmatch", name)
    git(root, "commit", "-q", "--allow-empty", "-m", "without")
    write(root, {"data/3": "three"})
    assert spacy("run", "all", cwd=root).code == 0
    git(root, "add", "--", *({"project.lock", "metrics.json", "data/3", "in.txt"} - {name}))
    git(root, "add", "-N", name)
    assert opinions(root, spacy) == {**AGREED, "check --staged": name == "project.lock"}
    content = (root / name).read_bytes()
    shown = spacy("check", "--staged", cwd=root).out
    assert "empty" not in shown
    assert "git checkout" not in shown
    assert (root / name).read_bytes() == content
    git(root, "add", name)
    assert opinions(root, spacy) == AGREED


def with_submodule(tmp_path: Path, dependency: str) -> Path:
    repository(tmp_path / "lib", {"run.py": FILES["make.py"], "deep/a": "x\n"})
    text = TEXT.replace("python make.py", "python ext/run.py").replace("make.py", dependency)
    root = repository(project(tmp_path / "p", text.replace("in.txt, data", "in.txt"), FILES))
    git(root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", "../lib", "ext")
    git(root, "commit", "-qm", "a submodule")
    return root


@pytest.mark.parametrize("dependency", ["ext/run.py", "ext", "ext/deep"])
def test_a_submodule_is_hashed_as_files(tmp_path: Path, spacy: Spacy, dependency: str) -> None:
    """A4 of the cases from the field."""

    root = with_submodule(tmp_path, dependency)
    run_and_commit(root, spacy)
    write(root, {"ext/__pycache__/x.pyc": "x"})
    assert opinions(root, spacy) == AGREED
    name = {"ext": "ext/run.py", "ext/deep": "ext/deep/a"}.get(dependency, dependency)
    script = FILES["make.py"]
    assert isinstance(script, str)
    write(root, {name: script + "# edited\n"})
    assert opinions(root, spacy) == STALE
    git(root, "add", "project.lock")
    assert opinions(root, spacy) == {**AGREED, "check --staged": False}, "not committed in ext"
    git(root / "ext", "commit", "-qam", "edited")
    assert opinions(root, spacy) == {**AGREED, "check --staged": False}, "not added to p"
    git(root, "add", "ext")
    assert opinions(root, spacy) == AGREED


@pytest.mark.parametrize("dependency", ["ext/run.py", "ext", "ext/deep"])
def test_a_submodule_that_is_not_checked_out_can_be_checked_out(
    tmp_path: Path, spacy: Spacy, dependency: str
) -> None:
    run_and_commit(with_submodule(tmp_path, dependency), spacy)
    git(tmp_path, "clone", "-q", "p", "clone")
    clone = tmp_path / "clone"
    for arguments in (("check",), ("check", "--staged")):
        done = spacy(*arguments, cwd=clone)
        assert (done.code, done.err) == (0, "")
        assert "is in the submodule 'ext', which is not checked out" in done.out
        assert "hint: git submodule update --init ext\n" in done.out
    assert "is missing" in spacy("status", cwd=clone).out
    done = spacy("run", "all", cwd=clone)
    assert done.code == 1
    assert "hint: git submodule update --init ext\n" in done.err
    git(clone, "-c", "protocol.file.allow=always", "submodule", "update", "-q", "--init", "ext")
    write(clone, {"out.txt": "x"})
    assert opinions(clone, spacy) == AGREED


def test_a_submodule_in_a_folder_that_is_not_checked_out_is_missing(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    repository(tmp_path / "lib", {"a": "x\n"})
    allow = ("-c", "protocol.file.allow=always", "submodule")
    git(root, *allow, "add", "-q", str(tmp_path / "lib"), "data/a b/ext")
    run_and_commit(root, spacy)
    assert opinions(root, spacy) == AGREED
    git(root, "submodule", "deinit", "-q", "-f", "data/a b/ext")
    assert "dependency 'data' is missing" in spacy("status", cwd=root).out
    hint = "hint: git submodule update --init 'data/a b/ext'\n"
    checked, run = spacy("check", "lock", cwd=root), spacy("run", "all", cwd=root)
    assert (checked.code, hint in checked.out) == (0, True)
    assert (run.code, hint in run.err) == (1, True)
    git(root, *allow, "update", "-q", "--init", "data/a b/ext")
    assert opinions(root, spacy) == AGREED


def test_a_path_outside_the_sparse_checkout_is_as_git_has_it(root: Path, spacy: Spacy) -> None:
    run_and_commit(root, spacy)
    for outside in (["!/data/"], ["!/data/2"], ["!/in.txt"], ["!/data/1", "!/metrics.json"]):
        git(root, "sparse-checkout", "set", "--no-cone", "/*", *outside)
        assert not all((root / name.strip("!/")).exists() for name in outside)
        assert opinions(root, spacy) == AGREED, outside
    git(root, "sparse-checkout", "set", "--no-cone", "/*", "!/data/1")
    write(root, {"data/2": "edited\n"})
    assert "dependency 'data' changed: '2'\n" in spacy("status", cwd=root).out
    assert opinions(root, spacy) == {**AGREED, "status": False, "check": False}, "nothing can run"
    git(root, "add", "data/2")
    assert "make" in spacy("check", "--staged", "lock", cwd=root).out
    git(root, "restore", "--staged", "--worktree", "data/2")
    assert opinions(root, spacy) == AGREED
    other = git(root, "hash-object", "-w", "in.txt")
    git(root, "update-index", "--cacheinfo", f"100644,{other},data/1")
    git(root, "update-index", "--skip-worktree", "data/1")
    assert not (root / "data/1").exists()
    assert "changed" in spacy("status", cwd=root).out, "Git now has other content there"


def test_lock_with_line_endings_of_another_machine_counts_outside_the_sparse_checkout(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    crlf(root)
    check_out_again(root)
    run_and_commit(root, spacy)
    git(tmp_path, "clone", "-q", "p", "clone")
    clone = tmp_path / "clone"
    write(clone, {"out.txt": "x"})
    git(clone, "sparse-checkout", "set", "--no-cone", "/*", "!/data/2")
    assert opinions(clone, spacy) == AGREED


@pytest.mark.parametrize("folder", ["", "sub/"])
@pytest.mark.parametrize("cone", [True, False])
def test_a_command_that_must_run_says_how_to_check_out_its_files(
    tmp_path: Path, spacy: Spacy, cone: bool, folder: str
) -> None:
    text = TEXT.replace("in.txt, data]", "in.txt, data, lib/x/one.txt]")
    files = {**FILES, "data/new folder/3": "", "lib/x/one.txt": "1", "lib/x/two.txt": "2"}
    root = project(tmp_path / "p" / folder, text, files)
    repository(tmp_path / "p")
    run_and_commit(root, spacy)
    if cone:
        (root / "lib/keep").mkdir()
        git(root, "sparse-checkout", "set", "--cone", "lib/keep")
    else:
        start = f"/{folder}"
        outside = (f"!{start}data/new folder/", f"!{start}lib/x/")
        git(tmp_path / "p", "sparse-checkout", "set", "--no-cone", "/*", *outside)
    assert not (root / "lib/x/one.txt").exists()
    assert opinions(root, spacy) == AGREED
    assert (root / "data/1").exists() is not cone
    refused = spacy("run", "--force", "all", cwd=root)
    write(root, {"make.py": f"{FILES['make.py']}# edited\n"})
    assert spacy("run", "--dry", "all", cwd=root).code == refused.code == 1
    assert refused.err.count("files outside the sparse checkout are needed by 'make': ") == 2
    for _ in range(2):
        done = spacy("run", "all", cwd=root)
        for hint in re.findall("^hint: git (.*)$", done.err, re.MULTILINE):
            git(root, *shlex.split(hint))
        if done.code == 0:
            break
    else:
        pytest.fail("refused after the hints were followed")
    assert (root / "data/new folder/3").exists()
    assert not (root / "lib/x/two.txt").exists() or cone, "no more than needed"


def test_content_that_this_clone_does_not_have_is_checked_out_first(
    root: Path, tmp_path: Path, spacy: Spacy
) -> None:
    """A partial clone, and a Git LFS pointer."""

    write(root, {"lfs/x": "large", "lfs/y": "y"})
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{64 * '0'}\nsize 5\n"
    write(root, {"project.yml": TEXT.replace("data]", "data, lfs]")})
    assert spacy("run", "all", cwd=root).code == 0
    write(root, {"lfs/x": pointer})
    git(root, "add", "-A")
    git(root, "commit", "-qm", "as Git LFS would commit it")
    git(root, "config", "uploadpack.allowFilter", "true")
    url = (tmp_path / "p").as_uri()
    git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", url, "clone")
    clone = tmp_path / "clone"
    write(clone, {"out.txt": "x"})
    git(clone, "sparse-checkout", "set", "--no-cone", "/*", "!/data/2", "!/lfs/x")
    git(clone, "checkout", "-q")
    done = spacy("check", "lock", cwd=clone)
    assert (done.code, done.out.count("is partly outside the sparse checkout")) == (0, 2), done
    assert "dependency 'data' is missing" in spacy("status", cwd=clone).out
    done = spacy("run", "all", cwd=clone)
    assert "files outside the sparse checkout are needed by 'make': 'data'\n" in done.err
    git(clone, "sparse-checkout", "add", "/data/**")
    assert "'data'" not in spacy("check", "lock", cwd=clone).out


def test_an_asset_folder_partly_outside_the_sparse_checkout_matches_its_checksum(
    root: Path, spacy: Spacy
) -> None:
    digest = hashlib.md5(b"one\ntwo\n").hexdigest()
    text = f"assets:\n- {{dest: data, checksum: '{digest}', description: by hand}}\n{TEXT}"
    write(root, {"project.yml": text})
    run_and_commit(root, spacy)
    git(root, "sparse-checkout", "set", "--no-cone", "/*", "!/data/1")
    assert opinions(root, spacy) == AGREED
    assert "checksum mismatch" not in spacy("status", cwd=root).out
    assert spacy("check", "assets", cwd=root) == (0, "", "")
    assert spacy("assets", cwd=root).code == 0
    assert not (root / "data/1").exists()


def test_a_lock_of_weasel_that_counts_caches_is_up_to_date(root: Path, spacy: Spacy) -> None:
    weasel_hashing = pytest.importorskip("weasel.util.hashing")
    run_and_commit(root, spacy)
    write(root, {"data/__pycache__/x.pyc": "x"})
    lock = (root / "project.lock").read_text()
    lines = lock.splitlines()
    ours = lines[lines.index("    - path: data") + 1].split()[1]
    theirs = weasel_hashing.get_checksum(root / "data")
    assert ours != theirs
    (root / "project.lock").write_text(lock.replace(ours, theirs))
    assert not ran(spacy("run", "all", cwd=root))
    assert theirs in (root / "project.lock").read_text()


def test_git_is_asked_once_about_files_that_it_converts(
    root: Path, tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_and_commit(root, spacy)
    crlf(root)
    check_out_again(root)
    for path in (root / "data/1", root / "data/2", root / "in.txt", root / "make.py"):
        os.utime(path, ns=(10**18 + 1, 10**18 + 1))
    git(root, "update-index", "--refresh")
    asked = []
    real = same_file._same_in_git
    monkeypatch.setattr(
        same_file, "_same_in_git", lambda *arguments: asked.append(1) or real(*arguments)
    )
    for _ in range(3):
        assert "make  up to date" in spacy("status", cwd=root).out
    assert len(asked) <= 2, "the stat cache has the answer, once the files are older than it"
    assert StatCache.open(root).is_known_same("in.txt", "0" * 32) is False
