"""`git spacy update` as a user runs it: from a template's old version to a newer one."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from git_spacy.cli.main import main
from tests.testing.faults import failing
from tests.testing.git_server import GitServer
from tests.testing.projects import Spacy, process, snapshot
from tests.testing.repositories import GIT, commit, git, noise, repository, serve, write

PROJECT = """\
title: Fashion
vars:
  lang: en
  seed: 0
directories: [corpus, assets]
commands:
  - name: prepare
    help: Prepare the corpus
    script:
      - "python scripts/prepare.py"
    deps: [scripts/prepare.py]
    outputs: [corpus/train.txt]
workflows:
  all: [prepare]
"""
TAIL = """\
  - name: train
    help: Train
    script: ["python scripts/prepare.py"]
    outputs: [model]
"""
LINES = "".join(f"line {number}\n" for number in range(1, 31))
FOLDER = "tutorials/fashion"
STEP = 1 if "GIT_SPACY_STRESS" in os.environ else 16  # from one system call to the next
TRAILER = "--format=%(trailers:key=Template-Commit,valueonly)"


def template(folder: Path, *options: str) -> Path:
    """Create a template repository, in which only one of two folders is the template."""

    folder.mkdir()
    git(folder, "init", "-q", *options)
    commit(folder, {"made": str(folder)})
    files = {"project.yml": PROJECT, "scripts/prepare.py": LINES, "README.md": "# Fashion\n"}
    write(folder, {"other/big.bin": noise(200_000), "other/x.txt": "x\n"})
    commit(folder, {f"{FOLDER}/{name}": text for name, text in files.items()}, "Add the template")
    return folder


def revise(source: Path, subject: str = "Write two files", **files: str) -> str:
    """Commit a new version of the template, by default one that changes several files."""

    changed = {
        "project.yml": PROJECT.replace("[corpus/train.txt]", "[corpus/train.txt, corpus/dev.txt]"),
        "scripts/prepare.py": LINES.replace("line 20\n", "line twenty\n"),
        "scripts/new.py": "new\n",
    }
    changed = files or changed
    return commit(source, {f"{FOLDER}/{name}": text for name, text in changed.items()}, subject)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return template(tmp_path / "source")


@pytest.fixture
def mine(tmp_path: Path, source: Path, spacy: Spacy) -> Path:
    """A project that was cloned from `source`, and has edits of its own."""

    assert spacy("clone", "fashion", "mine", "--repo", source, cwd=tmp_path).code == 0
    edit(tmp_path / "mine", "project.yml", "lang: en", "lang: de")
    return tmp_path / "mine"


def edit(folder: Path, name: str, before: str, after: str) -> str:
    """Replace a text of a file, and commit that."""

    text = (folder / name).read_text()
    assert before in text
    return commit(folder, {name: text.replace(before, after)}, f"Edit {name}")


def state(folder: Path) -> tuple[object, ...]:
    """Return everything that an update that changes nothing must not change."""

    return (
        snapshot(folder),
        git(folder, "for-each-ref"),
        git(folder, "status", "--porcelain", "--ignored"),
        git(folder, "count-objects", "-v"),
    )


def test_the_changes_of_both_sides_are_merged_and_the_version_is_recorded(
    source: Path, mine: Path, spacy: Spacy
) -> None:
    old = git(source, "rev-parse", "HEAD")
    assert spacy("update", cwd=mine).out == f"Up to date with {source}//{FOLDER} at {old[:12]}\n"
    first = revise(source)
    new = commit(source, {"other/x.txt": "y\n"}, "Change something else")
    before = state(mine)

    checked = spacy("update", "--check", cwd=mine)
    assert checked.code == 1
    assert f"Update from {old[:12]} to {new[:12]}: 1 commit of the template" in checked.out
    assert f"\n  {first[:7]} " in checked.out
    assert checked.out.endswith(" Write two files\n")
    shown = spacy("update", "--dry-run", cwd=mine)
    assert shown.code == 0
    assert " scripts/new.py     | 1 +\n" in shown.out
    assert "without conflicts" in shown.err
    assert state(mine) == before

    done = spacy("update", cwd=mine)
    assert done.code == 0, done.err
    assert git(mine, "log", "-1", "--format=%B").rstrip("\n") == (
        "Update from the template fashion\n\n"
        f"1 commit of the template, {old[:12]}..{new[:12]}:\n- Write two files\n\n"
        f"Template: {source}\nTemplate-Commit: {new}\nTemplate-Path: {FOLDER}"
    )
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert git(mine, "log", "-1", "--format=%an %P") == "A U Thor " + git(
        mine, "rev-parse", "HEAD^"
    )
    assert git(mine, "status", "--porcelain") == ""
    text = (mine / "project.yml").read_text()
    assert "lang: de" in text
    assert "corpus/dev.txt" in text
    assert "line twenty" in (mine / "scripts/prepare.py").read_text()
    assert not (mine / "other").exists()
    # the block in .gitignore follows the new project.yml, as `git spacy ignore` would write it
    assert "/corpus/dev.txt\n" in (mine / ".gitignore").read_text()
    assert spacy("ignore", "--check", cwd=mine).code == 0
    assert spacy("update", "--check", cwd=mine).code == 0


@pytest.mark.parametrize("format", ["sha1", "sha256"])
def test_only_the_two_versions_of_the_folder_travel(
    tmp_path: Path, git_server: GitServer, spacy: Spacy, format: str
) -> None:
    source = template(tmp_path / "source", f"--object-format={format}")
    url = git_server.url + serve(source, tmp_path / "served")
    assert spacy("clone", "fashion", "--repo", url, cwd=tmp_path).code == 0
    mine = tmp_path / "fashion"
    revise(source)
    new = commit(source, {"other/more.bin": noise(200_000, 1)}, "Add something else")
    git(source, "push", "-q", str(tmp_path / "served/templates.git"), "HEAD")

    def sent(*arguments: str) -> tuple[int, str]:
        before, git_server.requests = git_server.sent, []
        done = spacy(*arguments, cwd=mine)
        assert "corrupt" not in done.err
        return done.code, f"{git_server.sent - before:09}"

    code, size = sent("update", "--check")
    assert code == 1
    assert int(size) < 10_000
    assert "Write two files" in spacy("update", "--check", cwd=mine).out
    code, size = sent("update")
    assert code == 0
    assert int(size) < 20_000
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert (mine / "scripts/new.py").read_text() == "new\n"
    git(source, "push", "-q", "-f", str(tmp_path / "served/templates.git"), "HEAD~2:main")
    assert spacy("update", "--check", cwd=mine).code == 1  # an older version is another one


def test_a_conflict_is_one_of_git_that_its_own_tools_resolve(
    source: Path, mine: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `git mergetool`, `git rerere`, `git cherry-pick --abort` and `--continue` show."""

    git(mine, "config", "rerere.enabled", "true")
    git(mine, "config", "merge.tool", "mine")
    git(mine, "config", "mergetool.mine.cmd", 'cat "$BASE" "$LOCAL" "$REMOTE" > "$MERGED"')
    git(mine, "config", "mergetool.mine.trustExitCode", "true")
    git(mine, "config", "mergetool.keepBackup", "false")
    ours = edit(mine, "scripts/prepare.py", "line 20\n", "line XX\n")
    new = revise(source)
    assert "conflict: scripts/prepare.py\n" in spacy("update", "--dry-run", cwd=mine).out

    def update() -> None:
        done = spacy("update", cwd=mine)
        assert done.code == 1
        assert "CONFLICT (content): Merge conflict in scripts/prepare.py" in done.out
        assert "error: conflicts in scripts/prepare.py\nhint: " in done.err
        assert "cherry-pick" in git(mine, "status")
        assert (mine / "scripts/new.py").exists()
        again = spacy("update", cwd=mine)
        assert again.code == 3
        assert "error: a cherry-pick is in progress" in again.err

    update()
    monkeypatch.setenv("GIT_EDITOR", "true")
    for hint in ("git cherry-pick --abort", "git cherry-pick --continue"):
        assert hint in spacy("update", cwd=mine).err
    git(mine, "cherry-pick", "--abort")
    assert git(mine, "rev-parse", "HEAD") == ours
    assert git(mine, "status", "--porcelain") == ""

    update()
    git(mine, "mergetool", "--no-prompt")
    resolved = (mine / "scripts/prepare.py").read_text()
    assert resolved.count("line XX") == resolved.count("line twenty") == 1
    git(mine, "add", "-u")
    git(mine, "cherry-pick", "--continue")
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert git(mine, "log", "-1", "--format=%s") == "Update from the template fashion"
    assert spacy("update", "--check", cwd=mine).code == 0

    git(mine, "reset", "-q", "--hard", ours)
    update()
    assert (mine / "scripts/prepare.py").read_text() == resolved  # by rerere
    git(mine, "read-tree", "--reset", "-u", "HEAD")
    git(mine, "commit", "-q", "--allow-empty")
    assert git(mine, "show", "--format=", "--name-only") == ""
    assert spacy("update", "--check", cwd=mine).code == 0


def test_neither_identity_nor_settings_of_git_are_needed(
    source: Path, mine: Path, sealed: Path, spacy: Spacy
) -> None:
    """As in CI; and settings that change what git prints do not matter."""

    (sealed / ".gitconfig").write_text(
        "[user]\n\tuseConfigOnly = true\n[grep]\n\tpatternType = fixed\n"
        "[log]\n\tshowSignature = true\n\tdate = relative\n[color]\n\tui = always\n"
        "[diff]\n\tnoprefix = true\n\trelative = true\n[core]\n\tquotePath = false\n"
        "[i18n]\n\tlogOutputEncoding = ISO-8859-1\n[merge]\n\tff = false\n"
    )
    write(source, {f"{FOLDER}/scripts/ü.py": "new\n"})
    git(source, "add", "-A")
    git(source, "-c", "user.name=a", "-c", "user.email=b", "commit", "-q", "-m", "Add ü")
    assert " Add ü\n" in spacy("update", "--dry-run", cwd=mine).out
    done = spacy("update", cwd=mine)
    assert done.code == 0, done.err
    assert " scripts/ü.py | 1 +\n" in done.out
    assert (mine / "scripts/ü.py").read_text() == "new\n"
    assert "git-spacy@localhost" in git(mine, "log", "-1", "--format=%ae %ce")


@pytest.mark.threat("overwritten-work", commands="update")
def test_an_unclean_worktree_is_refused_as_git_does(source: Path, mine: Path, spacy: Spacy) -> None:
    revise(source)
    before = git(mine, "rev-parse", "HEAD")

    def refused() -> str:
        kept = snapshot(mine), git(mine, "status", "--porcelain", "--ignored")
        done = spacy("update", cwd=mine)
        assert done.code == 3, done
        assert "hint: " in done.err
        assert (snapshot(mine), git(mine, "status", "--porcelain", "--ignored")) == kept
        assert git(mine, "rev-parse", "HEAD") == before
        return done.err

    write(mine, {"scripts/prepare.py": "edited\n"})
    assert "would be overwritten by merge: scripts/prepare.py" in refused()
    git(mine, "add", "-u")
    assert "error: there are staged changes: scripts/prepare.py" in refused()
    git(mine, "reset", "-q", "--hard")
    write(mine, {"scripts/new.py": "untracked\n"})
    assert "error: untracked files would be overwritten: scripts/new.py" in refused()
    (mine / ".git/info").mkdir(exist_ok=True)
    write(mine, {".git/info/exclude": "new.py\n"})
    assert "error: untracked files would be overwritten: scripts/new.py" in refused()
    (mine / "scripts/new.py").unlink()
    write(mine, {"scripts/new.py/data.txt": "in a folder of that name\n"})
    write(mine, {".git/info/exclude": "data.txt\n"})
    assert "error: untracked files would be overwritten: scripts/new.py/data.txt" in refused()
    (mine / "scripts/new.py/data.txt").unlink()
    write(mine, {"README.md": "edited, but not by the template\n", "notes.txt": "mine\n"})
    assert spacy("update", cwd=mine).code == 0
    assert (mine / "README.md").read_text().startswith("edited")
    assert git(mine, "status", "--porcelain").split() == ["M", "README.md", "??", "notes.txt"]


def cloned_into(outer: Path, folder: str, source: Path, spacy: Spacy) -> Path:
    """Clone the template into a folder of a repository, and commit it with trailers."""

    done = spacy("clone", "fashion", folder, "--repo", source, "--commit", cwd=outer)
    assert done.code == 0
    assert f"Committed as {git(outer, 'rev-parse', 'HEAD')[:12]}" in done.err
    assert git(outer, "status", "--porcelain") == ""
    return outer / folder


def test_one_of_two_copies_in_a_repository_is_updated(
    tmp_path: Path, source: Path, spacy: Spacy
) -> None:
    """Also if a script was deleted: the other copy is not taken for its new place."""

    outer = repository(tmp_path / "outer")
    one = cloned_into(outer, "projects/one", source, spacy)
    two = cloned_into(outer, "two", source, spacy)
    (one / "scripts/prepare.py").unlink()
    commit(outer, {}, "Delete a script")
    new = revise(source)
    before = snapshot(two)
    done = spacy("update", "projects/one", cwd=outer)
    assert done.code == 1, "deleted here and changed there is a conflict"
    assert "conflicts in projects/one/scripts/prepare.py" in done.err
    assert snapshot(two) == before
    git(outer, "rm", "-q", "projects/one/scripts/prepare.py")
    git(outer, "commit", "-q", "--no-edit")
    assert git(outer, "log", "-1", TRAILER).strip() == new
    assert "\nTemplate-Folder: projects/one" in git(outer, "log", "-1", "--format=%B")
    assert spacy("update", "--check", cwd=one).code == 0
    assert spacy("update", "--check", cwd=two).code == 1
    assert spacy("update", cwd=two).code == 0
    assert (one / "scripts/new.py").exists()
    assert git(outer, "show", "--name-only", "--format=").split() == [
        f"two/{name}"
        for name in (".gitignore", "project.yml", "scripts/new.py", "scripts/prepare.py")
    ]


def test_a_project_in_a_worktree_a_submodule_or_a_sparse_checkout_is_updated(
    tmp_path: Path, source: Path, mine: Path, spacy: Spacy
) -> None:
    git(mine, "worktree", "add", "-q", str(tmp_path / "tree"))
    outer = repository(tmp_path / "outer")
    allow = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(mine), "sub")
    git(outer, *allow)
    git(tmp_path, "clone", "-q", "--sparse", str(mine), "sparse")
    new = revise(source)
    for folder in (tmp_path / "tree", outer / "sub", tmp_path / "sparse"):
        done = spacy("update", cwd=folder)
        assert done.code == 0, done.err
        assert git(folder, "log", "-1", TRAILER).strip() == new
        assert git(folder, "status", "--porcelain") == ""
    assert not (tmp_path / "sparse/scripts").exists()
    assert "line twenty" in git(tmp_path / "sparse", "show", "HEAD:scripts/prepare.py")
    assert spacy("update", "--check", cwd=mine).code == 1  # another branch


def test_the_origin_survives_moved_folders_squashed_commits_and_empty_updates(
    tmp_path: Path, source: Path, mine: Path, spacy: Spacy
) -> None:
    # everything that is new in the template is in the project already
    new = revise(source)
    write(mine, {"scripts/new.py": "new\n"})
    edit(mine, "scripts/prepare.py", "line 20\n", "line twenty\n")
    edit(mine, "project.yml", "[corpus/train.txt]", "[corpus/train.txt, corpus/dev.txt]")
    assert spacy("ignore", cwd=mine).code == 0
    commit(mine, {}, "Ignore")
    assert spacy("update", cwd=mine).code == 0
    assert git(mine, "show", "--format=", "--stat") == ""
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert spacy("update", "--check", cwd=mine).code == 0

    (mine / "sub").mkdir()
    for name in ("project.yml", "scripts", "README.md", ".gitignore"):
        git(mine, "mv", name, "sub")
    commit(mine, {"README.md": "a repository\n"}, "Move the project into a folder")
    revise(source, "Newer", **{"README.md": "# New\n"})
    moved = mine / "sub"
    assert spacy("update", cwd=moved).code == 0
    assert (moved / "README.md").read_text() == "# New\n"
    assert (mine / "README.md").read_text() == "a repository\n"
    assert spacy("update", "--check", cwd=moved).code == 0

    # one commit instead of all: with the messages as `git merge --squash` and `git rebase` have them
    newest = git(source, "rev-parse", "HEAD")
    log = git(mine, "log", "--format=commit %H%n%n%w(0,4,4)%B")
    for message in (f"Squashed\n\n{log}", git(mine, "log", "--reverse", "--format=%B")):
        squashed = git(mine, "commit-tree", "HEAD^{tree}", input=message)
        git(mine, "reset", "-q", "--hard", squashed)
        checked = spacy("update", "--check", cwd=moved)
        assert checked.code == 0
        assert f" at {newest[:12]}\n" in checked.out
    git(mine, "reset", "-q", "--hard", git(mine, "commit-tree", "-m", "none", "HEAD^{tree}"))
    unknown = spacy("update", cwd=moved)
    assert unknown.code == 2
    assert "error: no commit of the project names its template\nhint: git spacy" in unknown.err


def test_the_project_of_the_top_folder_is_not_taken_for_one_in_a_folder(
    tmp_path: Path, source: Path, mine: Path, spacy: Spacy
) -> None:
    old = git(source, "rev-parse", "HEAD")
    revise(source)
    nested = cloned_into(mine, "nested", source, spacy)
    assert spacy("update", "--check", cwd=nested).code == 0
    checked = spacy("update", "--check", cwd=mine)
    assert checked.code == 1
    assert f"Update from {old[:12]}" in checked.out


def test_a_branch_a_tag_or_a_commit_can_be_chosen_and_a_branch_is_followed(
    tmp_path: Path, source: Path, spacy: Spacy
) -> None:
    git(source, "branch", "v2")
    assert spacy("clone", "fashion", "--repo", source, "-b", "v2", cwd=tmp_path).code == 0
    mine = tmp_path / "fashion"
    main = revise(source)
    assert spacy("update", "--check", cwd=mine).code == 0
    git(source, "checkout", "-q", "v2")
    follow = revise(source, "Only in v2", **{"README.md": "# Two\n"})
    assert spacy("update", cwd=mine).code == 0
    assert git(mine, "log", "-1", TRAILER).strip() == follow
    assert spacy("update", "--to", main, cwd=mine).code == 0
    assert (mine / "README.md").read_text() == "# Fashion\n"
    assert (mine / "scripts/new.py").exists()
    assert spacy("update", cwd=mine).code == 0
    assert (mine / "README.md").read_text() == "# Two\n"
    git(source, "tag", "old", "main~1")
    assert spacy("update", "--to", "old", cwd=mine).code == 0
    assert "\nTemplate-Branch: old" in git(mine, "log", "-1", "--format=%B")
    assert spacy("update", "--check", cwd=mine).code == 0
    missing = spacy("update", "--to", "gone", cwd=mine)
    assert missing.code == 2
    assert "has no branch or tag 'gone'" in missing.err


def test_a_folder_that_moved_in_the_template_is_found(
    source: Path, mine: Path, spacy: Spacy
) -> None:
    git(source, "mv", "tutorials", "pipelines")
    new = commit(source, {"pipelines/fashion/scripts/new.py": "new\n"}, "Move")
    done = spacy("update", cwd=mine)
    assert done.code == 0, done.err
    assert f"moved from '{FOLDER}' to 'pipelines/fashion'" in done.out
    assert "\nTemplate-Path: pipelines/fashion" in git(mine, "log", "-1", "--format=%B")
    assert git(mine, "log", "-1", TRAILER).strip() == new
    assert git(mine, "show", "--name-only", "--format=") == "scripts/new.py"
    git(source, "rm", "-q", "-r", "pipelines/fashion")
    commit(source, {}, "Remove")
    gone = spacy("update", cwd=mine)
    assert gone.code == 2
    assert "has no folder 'pipelines/fashion'" in gone.err


def test_a_template_that_has_moved_is_reported_and_can_be_adopted(
    source: Path, mine: Path, spacy: Spacy
) -> None:
    revise(source)
    moved = source.rename(source.with_name("moved"))
    done = spacy("update", cwd=mine)
    assert (done.code, done.err) == (
        4,
        f"error: no such folder: '{source}'\n"
        "hint: if the template has moved: git spacy update --adopt URL//FOLDER\n",
    )
    assert spacy("update", "--adopt", f"{moved}//{FOLDER}", "--yes", cwd=mine).code == 0
    assert (mine / "scripts/new.py").exists()


def test_a_rewritten_history_of_the_template_is_reported(
    tmp_path: Path, git_server: GitServer, source: Path, spacy: Spacy
) -> None:
    url = git_server.url + serve(source, tmp_path / "served")
    assert spacy("clone", "fashion", "--repo", url, cwd=tmp_path).code == 0
    new = serve(template(tmp_path / "rewritten"), tmp_path / "served", "new")
    mine = tmp_path / "fashion"
    message = git(mine, "log", "-1", "--format=%B").replace("/templates.git", new)
    git(mine, "commit", "-q", "--amend", "-m", message)
    done = spacy("update", cwd=mine)
    assert done.code == 2
    assert "does not have the recorded commit" in done.err
    assert f"hint: git spacy update --adopt {git_server.url}{new}//{FOLDER}\n" in done.err


@pytest.mark.threat("hostile-repositories")
@pytest.mark.parametrize(
    "address",
    ["ext::sh -c touch% ran", "-c x", "ssh://-oProxyCommand=x/y", "./bare.git", "git://h/x"],
)
def test_a_commit_cannot_name_a_hostile_address(mine: Path, spacy: Spacy, address: str) -> None:
    message = git(mine, "log", "--reverse", "--format=%B").splitlines()
    lines = [f"Template: {address}" if "Template: " in line else line for line in message]
    commit(mine, {"README.md": address}, "\n".join(lines))
    done = spacy("update", cwd=mine)
    assert done.code == 3
    assert not (mine / "ran").exists()


HOSTILE = {
    "120000 blob {link:/etc/passwd}\tl": "leads out",
    "120000 blob {link:../other}\tl": "leads out",
    "120000 blob {link:.}\tl1\n120000 blob {link:l1/..}\tl2": "leads out",
    "120000 blob {link:.git/hooks}\tl": "leads out",
    "040000 tree {tree}\t.GIT": "could take for '.git'",
    "040000 tree {tree}\tgit~1": "could take for '.git'",
    "040000 tree {tree}\t.g\u200cit": "could take for '.git'",
    "100644 blob {blob}\ta\\..\\..\\b": "not a path below its folder",
}


def revise_with_tree(source: Path, listing: str) -> None:
    """Commit a version of the template that only has what `listing` says, as in `git mktree`."""

    blob = git(source, "hash-object", "-w", "--stdin", input="x")
    inner = git(source, "mktree", input=f"100644 blob {blob}\tx\n")
    ids = {"{blob}": blob, "{tree}": inner}
    for text in re.findall(r"\{link:(.*?)\}", listing):
        ids[f"{{link:{text}}}"] = git(source, "hash-object", "-w", "--stdin", input=text)
    for placeholder, id in ids.items():
        listing = listing.replace(placeholder, id)
    tree = git(source, "mktree", input=listing)
    for part in reversed(FOLDER.split("/")):
        tree = git(source, "mktree", input=f"040000 tree {tree}\t{part}\n")
    made = git(source, "commit-tree", "-p", "main", "-m", "hostile", tree)
    git(source, "update-ref", "refs/heads/main", made)


@pytest.mark.threat("template-links", "embedded-repositories", commands="update")
def test_a_version_that_clone_would_refuse_is_refused_before_anything_is_merged(
    source: Path, mine: Path, spacy: Spacy
) -> None:
    before = state(mine)
    for listing, reason in HOSTILE.items():
        revise_with_tree(source, f"100644 blob {{blob}}\tproject.yml\n{listing}\n")
        for option in ((), ("--dry-run",)):
            done = spacy("update", *option, cwd=mine)
            assert done.code == 3, done
            assert reason in done.err
            assert state(mine) == before


@pytest.mark.threat("embedded-repositories", "terminal-escapes", commands="update")
def test_hooks_filters_and_attributes_of_the_new_version_have_no_say_in_the_merge(
    tmp_path: Path, source: Path, mine: Path, spacy: Spacy
) -> None:
    """Not even if the user has programs of these names, and hooks in the project."""

    ran = tmp_path / "ran"
    program = f"touch '{ran}'; cat"
    for name in ("filter.evil.smudge", "filter.evil.process", "diff.evil.textconv"):
        git(mine, "config", name, program)
    git(mine, "config", "filter.evil.required", "true")
    git(mine, "config", "merge.evil.driver", f"touch '{ran}'")
    git(mine, "config", "core.hooksPath", "hooks")
    git(mine, "config", "core.fsmonitor", "hooks/post-commit")
    hooks = ("post-commit", "prepare-commit-msg", "commit-msg", "post-checkout", "pre-commit")
    revise(
        source,
        "Evil \x1b[2J subject",
        **{
            ".gitattributes": "* filter=evil merge=evil diff=evil\n",
            "scripts/prepare.py": LINES.replace("line 20\n", "line twenty\n"),
            "scripts/new.py": "new\n",
            **{f"hooks/{name}*": f"#!/bin/sh\ntouch '{ran}'\n" for name in hooks},
            ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::touch {ran}\n',
        },
    )
    edit(mine, "scripts/prepare.py", "line 1\n", "line one\n")
    done = spacy("update", cwd=mine)
    assert done.code == 0, done.err
    assert not ran.exists()
    assert "\x1b" not in done.out + done.err
    git(mine, "config", "--unset", "core.fsmonitor")
    assert "\x1b" not in git(mine, "log", "-1", "--format=%B")
    text = (mine / "scripts/prepare.py").read_text()
    assert text == LINES.replace("line 20\n", "line twenty\n").replace("line 1\n", "line one\n")
    assert (mine / "hooks/post-commit").stat().st_mode & 0o100
    assert (mine / "scripts/new.py").read_text() == "new\n"


@pytest.mark.threat("signals-in-a-run", commands="update")
@pytest.mark.parametrize("step", ["fast-import", "merge-tree", "cherry-pick"])
def test_an_interrupt_leaves_the_old_state_or_the_new_commit(
    tmp_path: Path, source: Path, mine: Path, step: str
) -> None:
    """The signal arrives while git works, which is never ended in the middle of a merge."""

    new = revise(source)
    before = snapshot(mine), git(mine, "rev-parse", "HEAD")
    write(
        tmp_path,
        {"bin/git*": f'#!/bin/sh\ncase " $* " in *" {step} "*) kill -INT $PPID;; esac\n'
                     f"exec {GIT} \"$@\"\n"},
    )  # fmt: skip
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = process("update", cwd=mine, PATH=path)
    assert done.code == 130, done
    assert git(mine, "status", "--porcelain") == ""
    if step == "cherry-pick":
        assert git(mine, "log", "-1", TRAILER).strip() == new
        assert not (mine / ".git/CHERRY_PICK_HEAD").exists()
    else:
        assert (snapshot(mine), git(mine, "rev-parse", "HEAD")) == before


README = "# Fashion\n\nText.\n\n{}\n\nMore text.\n"
DOCS = "<!-- WEASEL: AUTO-GENERATED DOCS START (do not remove) -->\n\n{}\n\n<!-- WEASEL: AUTO-GENERATED DOCS END (do not remove) -->"
LOCK = "prepare:\n  cmd: python scripts/prepare.py\n  script:\n  - {}\n  deps: []\n  outs: []\n"


@pytest.mark.threat("torn-writes", commands="update")
@pytest.mark.parametrize("kills", [True, False], ids=["killed", "refused"])
def test_a_failure_at_any_system_call_leaves_the_old_state_or_the_new_commit(
    source: Path, mine: Path, kills: bool
) -> None:
    revise(source)
    pristine = mine.with_name("pristine")
    shutil.copytree(mine, pristine, symlinks=True)
    before = snapshot(mine)

    def update() -> int:
        return main(["-C", str(mine), "update"])

    assert failing(1 << 30, update, kills=False).code == 0
    updated = snapshot(mine)
    first = 1 if kills else 3
    for number in range(first, 400, STEP):
        shutil.rmtree(mine)
        shutil.copytree(pristine, mine, symlinks=True)
        ended = failing(number, update, kills=kills)
        assert snapshot(mine) in (before, updated), number
        assert git(mine, "status", "--porcelain") == "", number
        assert not (mine / ".git/CHERRY_PICK_HEAD").exists(), number
        assert failing(1 << 30, update, kills=False).code == 0, number
        assert snapshot(mine) == updated, number
        if not ended.was_touched:
            assert number > first, "no system call was counted"
            return
    raise AssertionError("the command has too many system calls")


def test_generated_text_causes_no_conflicts(tmp_path: Path, source: Path, spacy: Spacy) -> None:
    """The block in .gitignore, that in README.md, project.lock and drawings: what the project has
    stays, and what it has as the template had it changes with the template."""

    def revise_all(number: int) -> None:
        revise(
            source,
            **{
                "README.md": README.format(DOCS.format(f"old docs {number}")),
                "project.lock": LOCK.format(number),
                ".gitignore": f"*.tmp{number}\n\n# local\n.env\n",
                "project.yml": PROJECT.replace("corpus/train.txt", f"corpus/train{number}.txt"),
                "docs/graph.mmd": f"graph {number}\n",
            },
        )

    revise_all(1)
    for name in ("untouched", "mine"):
        assert spacy("clone", "fashion", name, "--repo", source, cwd=tmp_path).code == 0
    mine, untouched = tmp_path / "mine", tmp_path / "untouched"
    revise_all(2)
    assert spacy("update", cwd=untouched).code == 0
    for name in ("README.md", "project.lock", "docs/graph.mmd"):
        assert (untouched / name).read_bytes() == (source / FOLDER / name).read_bytes()
    assert "*.tmp2\n" in (untouched / ".gitignore").read_text()
    assert spacy("ignore", "--check", cwd=untouched).code == 0

    edit(mine, "project.yml", "commands:\n", "commands:\n" + TAIL)
    edit(mine, ".gitignore", ".env\n", ".env\n*.bak\n")
    for command in ("ignore", "document"):
        assert spacy(command, cwd=mine).code == 0
    assert spacy("graph", "-o", "docs/graph.mmd", "--force", cwd=mine).code == 0
    write(mine, {"project.lock": LOCK.format("mine")})
    commit(mine, {}, "Generate")
    generated = {
        name: (mine / name).read_text() for name in ("README.md", "project.lock", "docs/graph.mmd")
    }
    done = spacy("update", cwd=mine)
    assert done.code == 0, done
    for name, text in generated.items():
        assert (mine / name).read_text() == text
    text = (mine / ".gitignore").read_text()
    assert text.startswith("*.tmp2\n\n# local\n.env\n*.bak\n\n# git-spacy: ")
    assert "/model\n" in text
    assert "/corpus/train2.txt\n" in text
    assert "train1" not in text
    assert spacy("ignore", "--check", cwd=mine).code == 0
    assert git(mine, "show", "--format=", "--name-only").split() == [".gitignore", "project.yml"]
    assert spacy("update", "--check", cwd=mine).code == 0


def test_status_and_log_know_of_updates_without_asking_the_template(
    source: Path, mine: Path, spacy: Spacy
) -> None:
    assert "template" not in spacy("status", cwd=mine).err
    revise(source)
    assert "template" not in spacy("status", cwd=mine).err
    assert spacy("update", "--check", cwd=mine).code == 1
    source.rename(source.with_name("offline"))
    shown = spacy("status", cwd=mine / "scripts").err
    assert "template: 1 change upstream; to merge: git spacy update\n" in shown
    source.with_name("offline").rename(source)
    assert spacy("update", cwd=mine).code == 0
    assert "template" not in spacy("status", cwd=mine).err
    shown = spacy("log", cwd=mine).out
    new = git(source, "rev-parse", "HEAD")
    assert shown[8:].startswith("Update from the template fashion\n")
    assert "".join(shown.split()).endswith(f"template{''.join(str(source).split())}at{new[:12]}")
    assert "no runs are recorded" in spacy("log", cwd=mine).err
    assert spacy("log", "--json", cwd=mine).out == "[]\n"


@pytest.mark.threat("injected-text", commands="update")
def test_the_path_of_a_template_cannot_add_trailers(tmp_path: Path, spacy: Spacy) -> None:
    name = "x\nTemplate: ext::sh/fashion"
    source = repository(tmp_path / "source", {f"{name}/project.yml": PROJECT})
    done = spacy("clone", "fashion", "mine", "--repo", source, cwd=tmp_path)
    assert done.code == 3
    assert "has control characters" in done.err
    assert not (tmp_path / "mine").exists()
