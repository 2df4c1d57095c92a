"""`git spacy clone` as a user runs it, and the edge cases of its core: destinations, failures and
unusual names."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from git_spacy import __version__, templates
from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.setup import clone as core
from git_spacy.setup.clone import CloneRequest, CloneResult
from tests.testing.git_server import GitServer
from tests.testing.projects import Spacy, process, snapshot
from tests.testing.repositories import commit, fake_ssh, git, hostile, repository, serve, write
from tests.testing.repositories import templates as build_templates
from tests.testing.terminal import at_terminal, read_until, wait_for_exit


@pytest.fixture
def url(git_server: GitServer, tmp_path: Path) -> str:
    return git_server.url + serve(build_templates(tmp_path / "source"), tmp_path / "served")


def test_an_embedded_template_needs_no_network(tmp_path: Path, spacy: Spacy) -> None:
    done = spacy("clone", "ner_fashion", cwd=tmp_path)
    assert done.code == 0
    assert done.err.splitlines()[-1] == "Next: cd ner_fashion && git spacy assets"
    templates.copy_template("ner_fashion", tmp_path / "expected")
    assert snapshot(tmp_path / "ner_fashion") == snapshot(tmp_path / "expected")


def test_outside_a_repository_the_first_commit_of_a_new_one_names_the_template(
    tmp_path: Path, spacy: Spacy, url: str
) -> None:
    private = url.replace("//", "//user:s3cret@")
    done = spacy("clone", "ner_fashion_brands", "mine", "--repo", private, cwd=tmp_path)
    assert done.code == 0, done.err
    message = git(tmp_path / "mine", "log", "--format=%B")
    head = git(tmp_path / "source", "rev-parse", "HEAD")
    assert message.splitlines() == [
        "Start from the template ner_fashion_brands",
        "",
        f"Template: {url}",
        f"Template-Commit: {head}",
        "Template-Path: tutorials/ner_fashion_brands",
    ]
    trailers = git(tmp_path / "mine", "log", "--format=%(trailers:key=Template-Path,valueonly)")
    assert trailers.strip() == "tutorials/ner_fashion_brands"
    assert git(tmp_path / "mine", "status", "--porcelain") == ""
    assert "s3cret" not in done.err + done.out + message


def test_the_first_commit_has_all_files_of_the_template_even_ignored_ones(
    tmp_path: Path, spacy: Spacy
) -> None:
    source = repository(
        tmp_path / "s", {"t/project.yml": "title: t\n", "t/.gitignore": "*.bin\n", "t/a.bin": "x"}
    )
    assert spacy("clone", "t", "--repo", source, cwd=tmp_path).code == 0
    assert git(tmp_path / "t", "ls-files").split() == [".gitignore", "a.bin", "project.yml"]


def test_inside_a_repository_no_new_one_is_created(tmp_path: Path, spacy: Spacy) -> None:
    outer = repository(tmp_path / "outer")
    assert spacy("clone", "ner_fashion", cwd=outer).code == 0
    assert not (outer / "ner_fashion/.git").exists()
    assert git(outer, "log", "--oneline").count("\n") == 0
    assert (outer / "ner_fashion/project.yml").exists()


def test_a_project_in_an_existing_repository_can_be_committed_with_its_origin(
    tmp_path: Path, spacy: Spacy, url: str
) -> None:
    """By --commit, by the command that the message names, or by an answer at a terminal."""

    outer = repository(tmp_path / "outer", {"a.txt": "a\n", ".gitignore": "*.md\n"})
    write(outer, {"a.txt": "staged\n", "b.txt": "untracked\n"})
    git(outer, "add", "a.txt")
    words = ("clone", "ner_fashion_brands", "--repo", url)
    assert "Committed as " in spacy(*words, "one", "--commit", cwd=outer).err
    told = spacy(*words, "x/two 2", "--no-commit", cwd=outer).err.splitlines()
    assert told[-3] == "To commit it so that 'git spacy update' knows the template:"
    assert git(outer, "rev-list", "--count", "HEAD") == "2"
    subprocess.run(("sh", "-c", told[-2]), cwd=outer, check=True, capture_output=True)
    pid, terminal = at_terminal(outer, *words, "three")
    read_until(terminal, "[Y/n]: ")
    os.write(terminal, b"\n")
    assert wait_for_exit(pid, terminal)[0] == 0
    head = git(tmp_path / "source", "rev-parse", "HEAD")
    files = {"README.md", "link.md", "project.yml", "scripts/run.sh"}
    for number, folder in enumerate(("three", "x/two 2", "one")):
        message = git(outer, "log", "-1", f"--skip={number}", "--format=%B")
        assert message.rstrip("\n").splitlines() == [
            "Start from the template ner_fashion_brands",
            "",
            f"Template: {url}",
            f"Template-Commit: {head}",
            "Template-Path: tutorials/ner_fashion_brands",
            f"Template-Folder: {folder}",
        ]
        changed = git(outer, "show", "--name-only", "--format=", f"HEAD~{number}")
        assert set(changed.splitlines()) == {f"{folder}/{name}" for name in files}
        assert spacy("update", "--check", cwd=outer / folder).code == 0
    assert git(outer, "status", "--porcelain").splitlines() == ["M  a.txt", "?? b.txt"]


def test_a_template_is_added_to_a_folder_with_files_and_replaces_none(
    tmp_path: Path, spacy: Spacy, url: str
) -> None:
    mine = repository(tmp_path / "mine", {"project.yml": "title: mine\n", "notes.txt": "x\n"})
    write(mine, {"README.md": "fashion\n"})
    (tmp_path / "elsewhere").mkdir()
    (mine / "scripts").symlink_to(tmp_path / "elsewhere")
    words = ("clone", "ner_fashion_brands", ".", "--repo", url)
    before = snapshot(mine)
    refused = spacy(*words, cwd=mine)
    assert refused.code == 2
    hint = next(line for line in refused.err.splitlines() if line.endswith(" --into"))
    assert "or add what does not exist there yet: " in hint
    done = spacy(*shlex.split(hint.partition("yet: git spacy ")[2]), cwd=mine)
    assert done.code == 0, done.err
    assert "warning: 'project.yml' exists with other contents: kept" in done.err
    assert "warning: 'scripts' exists with other contents: kept" in done.err
    assert "README.md" not in done.err
    assert os.listdir(tmp_path / "elsewhere") == []
    assert snapshot(mine) == {**before, "link.md": "README.md"}
    assert "&& git -C . commit -m " in done.err
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "mine", "served", "source"]


def test_no_git_creates_no_repository(tmp_path: Path, spacy: Spacy) -> None:
    assert spacy("clone", "ner_fashion", "--no-git", cwd=tmp_path).code == 0
    assert not (tmp_path / "ner_fashion/.git").exists()


@pytest.mark.parametrize("with_git", [True, False])
def test_the_first_commit_needs_no_configured_identity(
    tmp_path: Path, sealed: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, with_git: bool
) -> None:
    (sealed / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n")
    path = os.environ["PATH"]
    if not with_git:
        (sealed / ".gitconfig").write_text("")
        monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert spacy("clone", "ner_fashion", cwd=tmp_path).code == 0
    monkeypatch.setenv("PATH", path)
    clone = tmp_path / "ner_fashion"
    assert "git-spacy" in git(clone, "log", "--format=%an <%ae>")
    assert git(clone, "log", "--format=%s") == "Start from the template ner_fashion"
    assert git(clone, "status", "--porcelain") == ""
    assert f"Template: embedded:git-spacy@{__version__}" in git(clone, "log", "--format=%B")


def test_the_users_hooks_do_not_run_for_the_first_commit(
    tmp_path: Path, sealed: Path, spacy: Spacy
) -> None:
    hooks = sealed / "hooks"
    hooks.mkdir()
    for name in ("pre-commit", "post-commit", "commit-msg"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\nexit 1\n")
        (hooks / name).chmod(0o755)
    git(tmp_path, "config", "--global", "core.hooksPath", str(hooks))
    assert spacy("clone", "ner_fashion", cwd=tmp_path).code == 0
    assert not (tmp_path / "ran").exists()


NAMES = {
    "the whole path": ("tutorials/ner_fashion_brands", "ner_fashion_brands"),
    "its last part": ("ner_fashion_brands", "ner_fashion_brands"),
    "a trailing slash": ("tutorials/ner_fashion_brands/", "ner_fashion_brands"),
    "the whole repository": (".", "templates"),
}


@pytest.mark.parametrize(("name", "dest"), NAMES.values(), ids=NAMES)
def test_a_name_is_a_path_or_its_unique_last_part(
    tmp_path: Path, spacy: Spacy, url: str, name: str, dest: str
) -> None:
    done = spacy("clone", name, "--repo", url, cwd=tmp_path)
    assert done.code == 0, done.err
    assert (tmp_path / dest).is_dir()


@pytest.mark.parametrize("tail", ["//tutorials/ner_fashion_brands", "//ner_fashion_brands"])
def test_a_whole_url_works_as_a_name(tmp_path: Path, spacy: Spacy, url: str, tail: str) -> None:
    assert spacy("clone", url + tail, cwd=tmp_path).code == 0
    assert (tmp_path / "ner_fashion_brands/project.yml").exists()


def test_a_whole_url_without_a_path_is_the_whole_repository(
    tmp_path: Path, spacy: Spacy, url: str
) -> None:
    done = spacy("clone", url, cwd=tmp_path)
    assert done.code == 0
    assert (tmp_path / "templates/README.md").exists()
    assert "warning: the template has no project.yml" in done.err


def test_the_repository_can_be_configured(tmp_path: Path, spacy: Spacy, url: str) -> None:
    git(tmp_path, "config", "--global", "spacy.repo", url)
    assert spacy("clone", "ner_fashion_brands", cwd=tmp_path).code == 0


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ner_fashion_brand", "did you mean 'tutorials/ner_fashion_brands'?"),
        ("tutorial/ner_fashion_brands", "did you mean 'tutorials/ner_fashion_brands'?"),
        ("zzzzzz", "to list all: git spacy clone --list --repo "),
    ],
)
def test_an_unknown_name_gets_the_closest_names_and_downloads_no_blob(
    tmp_path: Path, spacy: Spacy, url: str, git_server: GitServer, name: str, hint: str
) -> None:
    done = spacy("clone", name, "--repo", url, cwd=tmp_path)
    assert done.code == 2
    assert hint in done.err
    assert len(git_server.requests) <= 3
    assert not (tmp_path / name).exists()


def test_an_ambiguous_name_lists_the_candidates(tmp_path: Path, spacy: Spacy, url: str) -> None:
    done = spacy("clone", "same", "--repo", url, cwd=tmp_path)
    assert done.code == 2
    assert "use one of: benchmarks/same, pipelines/same" in done.err


def test_a_mistyped_embedded_name_is_suggested_without_a_network(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_spacy.setup.clone.DEFAULT_REPOSITORY", "http://127.0.0.1:9/projects")
    done = spacy("clone", "ner_fashon", cwd=tmp_path)
    assert done.code == 4
    assert done.err.startswith("error: no embedded template named 'ner_fashon', and http://127.")
    assert "did you mean the embedded template 'ner_fashion'?" in done.err
    assert "did you mean the embedded template 'integrations/prodigy'?" in (
        spacy("clone", "prodgy", cwd=tmp_path).err
    )


def test_an_unknown_name_is_first_said_not_to_be_an_embedded_template(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network of a repository that the user did not name is only the second cause."""

    monkeypatch.setattr("git_spacy.setup.clone.DEFAULT_REPOSITORY", "http://127.0.0.1:9/projects")
    done = spacy("clone", "nonexist", cwd=tmp_path)
    assert done.code == 4
    error, embedded, why = done.err.splitlines()
    assert error == (
        "error: no embedded template named 'nonexist', and http://127.0.0.1:9/projects"
        " cannot be searched for it"
    )
    assert "ner_fashion" in embedded
    assert "first_steps" in embedded
    typed = why.partition(": git spacy ")[2].split()
    assert typed[0] == "clone"
    assert "127.0.0.1" in spacy(*typed, cwd=tmp_path).err.splitlines()[0]
    done = spacy("clone", "pipelines/some_demo", cwd=tmp_path)  # a path there, so it matters
    assert done.err.startswith("error: no embedded template named 'pipelines/some_demo'\n")
    assert "\nerror: http://127.0.0.1:9/projects: " in done.err


def test_an_unknown_name_that_the_default_repository_lacks_gets_suggestions_from_both(
    tmp_path: Path, spacy: Spacy, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("git_spacy.setup.clone.DEFAULT_REPOSITORY", url)
    done = spacy("clone", "ner_fashion_brand", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("error: no embedded template named 'ner_fashion_brand'\n")
    assert "did you mean the embedded template 'ner_fashion'?" in done.err
    assert "did you mean 'tutorials/ner_fashion_brands'?" in done.err


def test_list_shows_the_embedded_templates_or_those_of_the_repository(
    tmp_path: Path, spacy: Spacy, url: str
) -> None:
    lines = spacy("clone", "--list", cwd=tmp_path).out.splitlines()
    assert re.sub(" +", " ", lines[0]) == "first_steps First steps"
    assert [line.split()[0] for line in lines if line[0] != " "] == list(templates.template_names())
    listed = spacy("clone", "--list", "--repo", url, cwd=tmp_path).out.split()
    assert "tutorials/ner_fashion_brands" in listed
    assert len(listed) == 18


@pytest.mark.parametrize("existing", ["a folder with a file", "a file", "a link"])
def test_a_destination_that_exists_is_left_alone(
    tmp_path: Path, spacy: Spacy, existing: str
) -> None:
    dest = tmp_path / "ner_fashion"
    if existing == "a file":
        dest.write_text("mine")
    elif existing == "a link":
        dest.symlink_to(tmp_path / "elsewhere")
    else:
        dest.mkdir()
        (dest / "mine.txt").write_text("mine")
    before = snapshot(tmp_path)
    done = spacy("clone", "ner_fashion", cwd=tmp_path)
    assert done.code == 2
    assert "already exists and is not an empty folder" in done.err
    assert snapshot(tmp_path) == before


def test_a_destination_that_exists_gets_hints_that_work(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert spacy("clone", "first_steps", "--no-git").code == 0
    (tmp_path / "first_steps-2").mkdir()
    done = spacy("clone", "first_steps", "--no-git")
    assert done.err.splitlines()[1:] == [
        "hint: it contains a project; to see its state: cd first_steps && git spacy",
        "hint: choose another folder: git spacy clone first_steps first_steps-3 --no-git",
        "hint: or add what does not exist there yet: git spacy clone first_steps first_steps"
        " --no-git --into",
    ]
    assert spacy("clone", "first_steps", "first_steps-3", "--no-git").code == 0
    write(tmp_path, {"a b/mine": ""})
    done = spacy("clone", "first_steps", "a b")
    hint = "hint: choose another folder: git spacy clone first_steps 'a b-2'"
    into = "hint: or add what does not exist there yet: git spacy clone first_steps 'a b' --into"
    assert done.err.splitlines()[1:] == [hint, into]


def test_a_clone_into_the_current_folder_needs_no_cd(tmp_path: Path, spacy: Spacy) -> None:
    for template, step in (("first_steps", "git spacy run"), ("ner_fashion", "git spacy assets")):
        folder = tmp_path / template
        folder.mkdir()
        done = spacy("clone", template, ".", cwd=folder)
        assert done.err.splitlines()[-1] == f"Next: {step}"
    done = spacy("clone", "first_steps", ".", cwd=tmp_path / "first_steps")
    assert "to see its state: git spacy\n" in done.err
    assert "git spacy clone first_steps ../first_steps-2" in done.err


def test_an_empty_folder_is_used_and_missing_parents_are_created(
    tmp_path: Path, spacy: Spacy
) -> None:
    (tmp_path / "empty").mkdir()
    assert spacy("clone", "ner_fashion", "empty", cwd=tmp_path).code == 0
    assert spacy("clone", "ner_fashion", "a/b/c", cwd=tmp_path).code == 0
    assert (tmp_path / "a/b/c/project.yml").exists()


def test_a_failed_clone_leaves_nothing_behind(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    source = repository(tmp_path / "s", {"t/project.yml": "title: t\n"})
    os.symlink("/etc/passwd", source / "t/evil")
    git(source, "add", "-A")
    git(source, "commit", "-q", "-m", "evil")
    (tmp_path / "work").mkdir()
    done = spacy("clone", "t", "a/b/t", "--repo", source, cwd=tmp_path / "work")
    assert done.code == 3
    assert "leads out" in done.err
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.threat("git-environment", commands="clone")
def test_in_a_hook_the_users_index_does_not_change(tmp_path: Path) -> None:
    outer = repository(tmp_path / "outer", {"a": "a"})
    (outer / "a").write_text("staged")
    git(outer, "add", "a")
    before = (outer / ".git/index").read_bytes()
    source = build_templates(tmp_path / "source")
    done = process(
        "clone", "ner_fashion_brands", str(tmp_path / "new"), "--repo", source, cwd=outer,
        GIT_DIR=str(outer / ".git"), GIT_INDEX_FILE=str(outer / ".git/index"),
        GIT_WORK_TREE=str(outer),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert (outer / ".git/index").read_bytes() == before
    assert git(outer, "log", "--oneline").count("\n") == 0
    assert (tmp_path / "new/.git").is_dir()


@pytest.mark.threat("option-injection", commands="clone")
@pytest.mark.parametrize("name", ["--repo=ext::sh -c id", "--branch=a:b", "--branch=-x"])
def test_hostile_options_are_refused(tmp_path: Path, spacy: Spacy, name: str) -> None:
    extra = [] if "repo" in name else ["--repo", "https://127.0.0.1:9/x"]
    done = spacy("clone", "t", name, *extra, cwd=tmp_path)
    assert done.code == 3
    assert list(tmp_path.iterdir()) == []


def test_without_a_name_the_error_names_an_example(tmp_path: Path, spacy: Spacy) -> None:
    done = spacy("clone", cwd=tmp_path)
    assert done.code == 2
    assert "ner_fashion" in done.err


def clone(name: str, dest: str | None = None, **options: str) -> CloneResult:
    wanted = CloneRequest(name, Path(dest) if dest else None, **options)  # type: ignore[arg-type]
    return core.clone(wanted, {}, Path.cwd(), prompt=False, warn=lambda _: None)


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = build_templates(tmp_path / "source")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return folder


@pytest.mark.usefixtures("backend")
def test_the_destination_may_be_the_current_folder_if_empty(source: Path, tmp_path: Path) -> None:
    before = os.stat(tmp_path / "here").st_ino
    done = clone("ner_fashion_brands", ".", repo=str(source))
    assert os.path.exists("project.yml"), "the files are in the current folder"
    assert os.stat(tmp_path / "here").st_ino == before
    assert done.created_repository
    assert git(tmp_path / "here", "status", "--porcelain") == ""
    assert sorted(os.listdir()) == [".git", "README.md", "link.md", "project.yml", "scripts"]


def test_a_failure_while_moving_files_leaves_the_folder_empty(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here/dest").mkdir()
    rename = os.rename

    def failing(old: Path, new: Path) -> None:
        if new.name == "project.yml":
            raise OSError(28, "No space left on device")
        rename(old, new)

    monkeypatch.setattr(os, "rename", failing)
    with pytest.raises(OSError, match="No space"):
        clone("ner_fashion_brands", "dest", repo=str(source))
    assert os.listdir("dest") == []
    assert os.listdir() == ["dest"]


@pytest.mark.usefixtures("backend")
def test_a_failure_removes_the_parents_that_were_created(tmp_path: Path, source: Path) -> None:
    hostile(tmp_path / "evil", "120000 blob {../../x}\tl\n100644 blob {x}\tproject.yml\n")
    with pytest.raises(Refused):
        clone(f"{tmp_path}/evil", "new/deep/dest")
    with pytest.raises(InvalidInput):
        clone("nowhere", "new/deep/dest", repo=str(source))
    assert os.listdir() == []


@pytest.mark.usefixtures("backend")
def test_an_interrupt_leaves_nothing(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(core.first_commit, "create_repository", interrupt)
    with pytest.raises(KeyboardInterrupt):
        clone("ner_fashion_brands", "new/dest", repo=str(source))
    assert os.listdir() == []


@pytest.mark.usefixtures("backend")
def test_the_tree_of_the_first_commit_is_that_of_the_template(source: Path) -> None:
    done = clone("tutorials/ner_fashion_brands", repo=str(source))
    original = git(source, "rev-parse", "HEAD:tutorials/ner_fashion_brands")
    assert git(done.dest, "rev-parse", "HEAD^{tree}") == original


@pytest.mark.usefixtures("backend")
def test_credentials_are_not_recorded(source: Path, git_server: GitServer, tmp_path: Path) -> None:
    git_server.password = ("somebody", "s3cret")
    url = git_server.url + serve(source, git_server.root)
    done = clone("ner_fashion_brands", repo=url.replace("//", "//somebody:s3cret@"))
    assert git(done.dest, "log", "--format=%(trailers:key=Template,valueonly)").strip() == url
    recorded = [path for path in done.dest.rglob("*") if path.is_file()]
    for path in recorded:
        assert b"s3cret" not in path.read_bytes(), path
    assert "s3cret" not in repr(done)


@pytest.mark.threat("option-injection", commands="clone")
@pytest.mark.parametrize(
    "name", ["ext::sh -c 'touch ran'", "-x:path", "git@-oProxyCommand=x:r", "a\nb://host/r"]
)
def test_a_name_that_git_could_misread_is_refused(source: Path, name: str) -> None:
    with pytest.raises(GitSpacyError) as caught:
        clone(name)
    assert caught.value.exit_code == 3
    assert os.listdir() == []


def test_a_name_may_be_an_scp_like_address(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = fake_ssh(tmp_path / "ssh")
    monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(program)))
    done = clone(f"somebody@example.com:{source}//tutorials/ner_fashion_brands")
    assert (done.dest / "project.yml").is_file()
    assert done.dest.name == "ner_fashion_brands"


@pytest.mark.usefixtures("backend")
def test_a_template_with_lfs_and_a_filter_that_is_not_installed(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    source = repository(tmp_path / "r", {"t/project.yml": "title: x\n", "t/m.bin": pointer})
    commit(source, {"t/.gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    for name in ("clean", "smudge", "process"):
        git(tmp_path, "config", "--global", f"filter.lfs.{name}", "git-lfs-is-not-installed")
    git(tmp_path, "config", "--global", "filter.lfs.required", "true")
    done = clone(f"{source}//t", str(tmp_path / "out"))
    assert done.checkout.lfs_pointers == ("m.bin",)
    assert git(done.dest, "cat-file", "blob", "HEAD:m.bin") == pointer.strip()


def test_the_GIT_DIR_of_a_hook_does_not_affect_the_destination(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = repository(tmp_path / "users")
    monkeypatch.setenv("GIT_DIR", str(users / ".git"))
    done = clone("ner_fashion_brands", repo=str(source))
    assert done.created_repository
    assert (done.dest / ".git").is_dir()
