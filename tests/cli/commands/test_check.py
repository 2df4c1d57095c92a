"""`git spacy check` prints nothing if all is well, and otherwise problems with hints."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from git_spacy import hook
from git_spacy.cli.main import main
from git_spacy.lock import lock_format
from git_spacy.lock.lock_file import LockFile
from git_spacy.project import loader
from tests.testing.hooks import two_projects
from tests.testing.projects import (
    CORPUS,
    CopyOf,
    Spacy,
    needs_corpus,
    process,
    project,
    snapshot,
    two_steps,
)
from tests.testing.repositories import commit, git, repository, write


def ran_project(folder: Path) -> None:
    """Create a project that has run and is committed, with its data ignored by Git."""

    made = two_steps(repository(folder) / "p")
    write(made, {".gitignore": "/corpus/\n/model/\n"})
    assert main(["-C", str(made), "run", "all"]) == 0
    commit(made, {})


@pytest.fixture
def root(tmp_path: Path, copy_of: CopyOf) -> Path:
    return copy_of(ran_project, tmp_path / "repository") / "p"


def edit(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "what", [[], ["all"], ["project"], ["assets"], ["lock"], ["lock", "project"]]
)
def test_prints_nothing_if_all_is_well(root: Path, spacy: Spacy, what: list[str]) -> None:
    before = snapshot(root)
    for options in ([], ["--staged"], ["--strict"], ["--format", "github"]):
        assert spacy("check", *what, *options, cwd=root) == (0, "", "")
    assert spacy("check", *what, "--format=json", cwd=root).out == "[]\n"
    assert snapshot(root) == before


def test_a_stale_lock_is_reported_at_its_line_with_all_commands_that_must_run(
    root: Path, spacy: Spacy
) -> None:
    edit(root, "scripts/write.py", "sys.argv", "sys.argv ")
    done = spacy("check", cwd=root)
    assert done == (
        1,
        "project.lock:6:7: error: 'prepare': dependency 'scripts/write.py' changed\n"
        "hint: git spacy run prepare train\n",
        "",
    )
    line = (root / "project.lock").read_text().splitlines()[5]
    assert line == "    - path: scripts/write.py"
    assert spacy("check", "lock", "--staged", cwd=root).code == 0
    git(root, "add", "-A")
    assert spacy("check", "lock", "--staged", cwd=root) == done


def test_a_missing_dependency_is_reported_with_the_command_that_fetches_it(
    root: Path, spacy: Spacy
) -> None:
    (root / "scripts/copy.py").unlink()
    assert spacy("check", cwd=root).out == (
        "project.lock:18:7: error: 'train': dependency 'scripts/copy.py' is missing\n"
        "hint: git restore -- scripts/copy.py\n"
    )


def test_an_invalid_project_yml_is_the_only_problem_reported(root: Path, spacy: Spacy) -> None:
    write(
        root, {"project.yml": "commands:\n  - nme: x\nworkflows: {all: [y]}\n", "project.lock": "{"}
    )
    done = spacy("check", cwd=root)
    assert done.code == 1
    assert done.out == (
        "project.yml:2:5: error: this command has no 'name'\n"
        "hint: rename 'nme' to 'name'\n"  # which may be the 'y' of the workflow
    )
    assert spacy("check", "lock", cwd=root).out == done.out


def test_an_unsafe_project_is_reported_as_a_problem(root: Path, spacy: Spacy) -> None:
    write(root, {"project.yml": "assets: [{dest: .git/x, url: y}]\n"})
    done = spacy("check", "project", cwd=root)
    assert (done.code, done.out.splitlines()[0]) == (
        1, "project.yml:1:17: error: asset destination '.git/x' is inside Git's own directory",
    )  # fmt: skip


def test_two_assets_with_one_destination_are_found_before_fetching(
    tmp_path: Path, spacy: Spacy
) -> None:
    root = project(tmp_path / "p", "assets:\n- {dest: a, url: x}\n- {dest: a/b, url: y}\n")
    assert "project.yml:3:1: error: asset destination 'a/b'" in spacy("check", cwd=root).out


def test_warnings_do_not_fail_the_check(root: Path, spacy: Spacy) -> None:
    edit(root, "project.yml", "title: Two steps", "titel: Two steps")
    assert spacy("check", cwd=root) == (
        0,
        "project.yml:1:1: warning: unknown key 'titel' at the top level\n"
        "hint: did you mean 'title'?\n",
        "",
    )  # fmt: skip


ASSETS = """\
assets:
  - dest: a/x
    url: data/x
    checksum: 9dd4e461268c8034f5c8564e155c67a6
  - dest: a/strong
    url: data/x
    checksum: sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881
  - {dest: a/unsummed, url: data/x}
"""


def test_present_assets_are_compared_with_their_checksums(tmp_path: Path, spacy: Spacy) -> None:
    root = project(repository(tmp_path / "p"), ASSETS, {".gitignore": "/a/strong\n"})
    git(root, "add", "-A")
    assert spacy("check", "assets", cwd=root) == (0, "", "")
    write(root, {"a/x": "x", "a/strong": "x", "a/unsummed": "anything"})
    assert spacy("check", "assets", cwd=root) == (0, "", "")
    write(root, {"a/x": "wrong", "a/strong": "wrong"})
    wrong = (
        "project.yml:4:5: error: checksum mismatch: the md5 of asset 'a/x' is 2bda2998d9b0ee197da142a0447f6725\n"
        "hint: git spacy assets a/x\n"
        "hint: or, to accept what its source has now: git spacy assets --update a/x\n"
        "project.yml:7:5: error: checksum mismatch: the sha256 of asset 'a/strong' is"
        " 8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225\n"
        "hint: git spacy assets a/strong\n"
        "hint: or, to accept what its source has now: git spacy assets --update a/strong\n"
    )
    assert spacy("check", "assets", cwd=root) == (1, wrong, "")
    git(root, "add", "-A")
    write(root, {"a/x": "x"})
    staged = wrong.replace(
        "git spacy assets a/x\nhint: or, to accept what its source has now: git spacy assets --update a/x",
        "git add a/x",
    )
    assert spacy("check", "--staged", cwd=root) == (1, staged, ""), (
        "one is staged, one is not in Git"
    )


def test_an_lfs_pointer_is_only_a_warning(root: Path, spacy: Spacy) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n"
    write(root, {"scripts/write.py": pointer})
    assert spacy("check", cwd=root) == (
        0,
        "project.lock:6:7: warning: 'prepare': 'scripts/write.py' is only a Git LFS pointer,"
        " so it is not compared\n"
        "hint: git lfs pull\n",
        "",
    )


def test_orphaned_entries_are_reported_and_removed_by_fix(root: Path, spacy: Spacy) -> None:
    edit(root, "project.yml", "name: train", "name: learn")
    edit(root, "project.yml", "prepare, train]", "prepare, learn]")
    assert spacy("check", cwd=root).out == (
        "project.lock:11:1: error: lock entry for 'train', which no longer exists\n"
        "hint: git spacy check lock --fix\n"
    )
    done = spacy("check", "--fix", cwd=root)
    assert done == (0, "", "removed lock entry 'train'\n")
    assert list(lock_format.read(root)) == ["prepare"]
    text = (root / "project.lock").read_bytes()
    assert spacy("check", "--fix", cwd=root) == (0, "", "")
    assert (root / "project.lock").read_bytes() == text


def test_strict_requires_an_entry_for_every_step(root: Path, spacy: Spacy) -> None:
    lock_file = LockFile(root)
    with lock_file.exclusive():
        lock_file.replace({})
    assert spacy("check", cwd=root) == (0, "", "")
    assert spacy("check", "--strict", cwd=root).out == (
        "project.yml:19:9: error: 'prepare' of workflow 'all' has no entry in project.lock\n"
        "hint: git spacy run prepare\n"
        "project.yml:19:18: error: 'train' of workflow 'all' has no entry in project.lock\n"
        "hint: git spacy run train\n"
    )


def test_without_a_lock_nothing_is_reported(root: Path, spacy: Spacy) -> None:
    (root / "project.lock").unlink()
    assert spacy("check", cwd=root) == (0, "", "")
    write(root, {"project.lock": "<<<<<<< ours\n"})
    done = spacy("check", cwd=root)
    assert (done.code, done.out.splitlines()[0]) == (
        1,
        "project.lock:1:1: error: merge conflict markers",
    )


def test_above_several_projects_all_are_checked(root: Path, spacy: Spacy) -> None:
    top = root.parent
    project(top / "deep/q", "commands: [{nme: x}]\n")
    project(top / "untracked", "nonsense")
    git(top, "add", "deep")
    edit(root, "scripts/write.py", "sys.argv", "sys.argv ")
    done = spacy("check", cwd=top)
    assert done.code == 1
    assert [line for line in done.out.splitlines() if "error" in line] == [
        "deep/q/project.yml:1:12: error: this command has no 'name'",
        "p/project.lock:6:7: error: 'prepare': dependency 'scripts/write.py' changed",
    ]
    assert [
        line.split(" ", 1)[1].split(",")[0]
        for line in spacy("check", "--format=github", cwd=root / "scripts").out.splitlines()
    ] == ["file=p/project.lock"]
    assert (
        json.loads(spacy("check", "--format=gitlab", cwd=root).out)[0]["location"]["path"]
        == "p/project.lock"
    )
    assert json.loads(spacy("check", "--format=json", cwd=root).out)[0]["file"] == "project.lock"
    assert spacy("check", "p", cwd=top).out.startswith("p/project.lock:6:7:")


def test_without_a_project_the_error_says_so(tmp_path: Path, spacy: Spacy) -> None:
    assert spacy("check", cwd=tmp_path).code == 2
    done = spacy("check", cwd=repository(tmp_path / "r"))
    assert (done.code, "no project.yml" in done.err) == (2, True)
    project(tmp_path / "p", "title: x")
    done = spacy("check", "locks", cwd=tmp_path / "p")
    assert (done.code, "did you mean 'lock'?" in done.err) == (2, True)
    assert spacy("check", "--staged", cwd=tmp_path / "p").code == 2


def test_overrides_in_the_environment_are_ignored(root: Path) -> None:
    """The committed lock is compared with the committed project.yml."""

    assert process("check", cwd=root, GIT_SPACY_VARS="word=other").code == 0


# Public projects that do have problems: the number of errors and warnings.
WRONG = {
    # two commands replace their dependencies
    "explosion__projects__benchmarks__span-labeling-datasets": (0, 2),
    # four paths have '{vars.package_name}' and '{vars.package_version}', without a dollar sign
    "diyclassics__la_core_web_lg": (0, 8),
}


@needs_corpus
@pytest.mark.parametrize(
    "folder", sorted(p for p in CORPUS.glob("*") if p.is_dir()), ids=lambda p: p.name
)
def test_public_projects_have_no_false_positives(folder: Path, spacy: Spacy) -> None:
    done = spacy("check", "project", "--format=json", cwd=folder)
    found = json.loads(done.out)
    in_shell = [f for f in found if f["message"].endswith("which weasel does not start")]
    assert all("write - sh -c 'rm -rf " in f["hint"] for f in in_shell)
    others = [f for f in found if f not in in_shell]
    counts = tuple(sum(f["severity"] == kind for f in others) for kind in ("error", "warning"))
    assert counts == WRONG.get(folder.name, (0, 0)), done.out
    assert done.code == (1 if counts[0] else 0)


@needs_corpus
@pytest.mark.parametrize(
    "folder", sorted(p.parent for p in CORPUS.glob("*/project.lock")), ids=lambda p: p.name
)
def test_public_locks_have_the_stale_scripts_and_orphans_of_an_independent_comparison(
    folder: Path, spacy: Spacy
) -> None:
    """The corpus has only project.yml and project.lock, so nothing that depends on files is checked."""

    loaded = loader.load(folder)
    entries = lock_format.read(folder)
    scripts = {c.name: c.script for c in loaded.commands}
    expected = {name for name, entry in entries.items() if scripts.get(name, ()) != entry.script}
    found = json.loads(spacy("check", "lock", "--format=json", cwd=folder).out)
    printed = {
        f["message"].split("'")[1]
        for f in found
        if "script changed" in f["message"] or "no longer exists" in f["message"]
    }
    assert printed == expected


def test_notes_reports_lock_entries_without_a_run_record(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path / "r")
    repository(made, {".gitignore": "corpus/\nmodel/\n"})
    spacy("run", "all", cwd=made)
    commit(made, {})
    assert spacy("check", "lock", "--notes", cwd=made) == (0, "", "")
    assert spacy("check", "--notes", "--staged", cwd=made) == (0, "", "")
    text = (made / "project.lock").read_text()
    (made / "project.lock").write_text(text.replace("eb61eead90e3b899", "0b61eead90e3b899"))
    done = spacy("check", "lock", "--notes", cwd=made)
    assert done.code == 1
    assert "project.lock:11:1: error: 'train': no run record matches this entry" in done.out
    assert "git spacy lock record train" in done.out
    assert "'prepare'" not in done.out
    assert spacy("check", "project", "--notes", cwd=made).code == 0
    git(made, "update-ref", "-d", "refs/notes/spacy")
    assert spacy("check", "lock", "--notes", cwd=made).out.count("no run record matches") == 2
    assert spacy("check", "lock", "--notes", "--format", "json", cwd=made).out.count("no run") == 2


def test_notes_accepts_a_lock_of_weasel_with_environment_values(
    tmp_path: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORD", "hello")
    text = "env: {word: WORD}\ncommands: [{name: c, script: ['touch out.txt ${env.word}'], outputs: [out.txt]}]"
    made = project(tmp_path / "r", text)
    repository(made)
    spacy("run", "c", cwd=made)
    lock = made / "project.lock"
    lock.write_text(lock.read_text().replace("${env.word}", "hello"))
    assert spacy("check", "lock", "--notes", cwd=made).code == 0
    lock.write_text(lock.read_text().replace("touch", "cp"))
    assert spacy("check", "lock", "--notes", cwd=made).out.count("no run record matches") == 1


def test_notes_reports_nothing_outside_a_repository(tmp_path: Path, spacy: Spacy) -> None:
    made = two_steps(tmp_path / "r")
    spacy("run", "all", cwd=made)
    done = spacy("check", "lock", "--notes", cwd=made)
    assert done.code == 2
    assert "not a Git repository" in done.err


@pytest.fixture
def two(tmp_path: Path, copy_of: CopyOf, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The projects `one` and `deep/two`, each with a tracked asset and ignored outputs."""

    top = copy_of(two_projects, tmp_path / "r")
    monkeypatch.chdir(top)
    return top


def type_first_hint(printed: str, spacy: Spacy) -> None:
    """Run the command of the first hint in the current folder."""

    line = next(line for line in printed.splitlines() if line.startswith("hint: git "))
    words = shlex.split(line)[2:]
    if words[0] == "spacy":
        assert spacy(*words[1:]).code == 0
    else:
        git(Path.cwd(), *words)


def test_the_check_of_outputs_runs_only_if_it_is_named(two: Path, spacy: Spacy) -> None:
    for options in ([], ["--staged"], ["--format", "github"]):
        assert spacy("check", "outputs", *options) == (0, "", "")
    git(two, "add", "-f", "one/model")
    assert spacy("check") == spacy("check", "all", "--staged") == (0, "", "")
    for options in ([], ["--staged"]):
        assert spacy("check", "all", "outputs", *options).code == 1
    (found,) = json.loads(spacy("check", "outputs", "--format", "json", cwd=two / "one").out)
    assert (found["check"], found["file"], found["line"]) == ("outputs", "project.yml", 20)


@pytest.mark.parametrize(
    "options", [[], ["--max-size=1m"], ["--allow=one/*"], ["--max-size=1m", "--allow=*.bin"]]
)
def test_staged_outputs_are_reported_as_by_the_hook(
    two: Path, spacy: Spacy, capfd: pytest.CaptureFixture[str], options: list[str]
) -> None:
    write(two, {"deep/two/big.bin": b"x" * 2_000_000, "outside.bin": b"x" * 2_000_000})
    git(two, "add", "-A")
    git(two, "add", "-f", "one/model")
    code = hook.main(["outputs", *options])
    printed = capfd.readouterr().out.replace(
        "or commit it anyway: git commit --no-verify (with pre-commit, raise --max-size)",
        "or allow it: --max-size=SIZE or --allow=GLOB",
    )
    assert spacy("check", "outputs", "--staged", *options) == (code, printed, "")
    assert spacy("check", "outputs", "--staged", *options, cwd=two / "deep/two").code == int(
        options == ["--max-size=1m"]
    )
    git(two, "commit", "-qm", "outputs")
    assert spacy("check", "outputs", "--staged", *options) == (0, "", ""), "nothing is staged"


@pytest.mark.parametrize("folder", ["", "one", "one/scripts"])
def test_outputs_in_the_working_tree_are_reported_until_the_hints_are_followed(
    two: Path, spacy: Spacy, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    """As in CI, nothing is staged: what is in Git counts, and what `git add` would add."""

    (two / "one/.gitignore").write_text("")
    git(two, "add", "one/model", "one/.gitignore")
    git(two, "commit", "-qm", "outputs")
    monkeypatch.chdir(two / folder)
    project_file, unstage, ignore = {
        "": ("one/project.yml", "git -C one rm -r --cached model", "git spacy -C one ignore"),
        "one": ("project.yml", "git rm -r --cached model", "git spacy ignore"),
        "one/scripts": ("../project.yml", "git -C .. rm -r --cached model", "git spacy ignore"),
    }[folder]
    done = spacy("check", "outputs")
    assert done == (
        1,
        f"{project_file}:14:15: error: output 'corpus/words.txt' of 'prepare' is not ignored by Git\n"
        f"hint: {ignore}\n"
        "hint: or list it under 'outputs_no_cache' to keep it in Git\n"
        f"{project_file}:20:15: error: output 'model' of 'train' is in Git: 'model/weights.txt'\n"
        f"hint: {unstage}\n"
        "hint: or list it under 'outputs_no_cache' to keep it in Git\n",
        "",
    )
    counts = []
    while (done := spacy("check", "outputs")).code:
        counts.append(done.out.count(": error: "))
        assert len(counts) < 5
        type_first_hint(done.out, spacy)
    assert counts == [2, 1, 1]
    assert spacy("check", "outputs", "--staged").code == 0


def test_a_large_file_in_the_working_tree_is_reported_where_git_has_or_would_get_it(
    two: Path, spacy: Spacy
) -> None:
    write(two, {
        "one/tracked.bin": b"x" * 3000, "one/new.bin": b"x" * 3000, "one/ignored.bin": b"x" * 3000,
        "outside.bin": b"x" * 3000, "one/.gitignore": "/corpus/\n/model/\nignored.bin\n",
    })  # fmt: skip
    git(two, "add", "one/tracked.bin")
    done = spacy("check", "outputs", "--max-size=2k", "--allow=*.py", "--allow=*/project.*")
    assert [line for line in done.out.splitlines() if "error" in line] == [
        "one/new.bin:1:1: error: file is 0.0 MB; the limit is 0.0 MB",
        "one/tracked.bin:1:1: error: file is 0.0 MB; the limit is 0.0 MB",
    ]
    (two / "one/tracked.bin").unlink()
    (two / "one/new.bin").unlink()
    repository(two / "one/other", {"big": b"x" * 3000})
    assert spacy("check", "outputs", "--max-size=2k", "--allow=*/project.*").code == 0


def test_the_files_of_a_project_inside_a_project_are_checked_as_its_own(
    two: Path, spacy: Spacy
) -> None:
    project(two / "one/inner", "commands: [{name: c, script: [], outputs: [model]}]")
    write(two, {"one/inner/model": "x"})
    git(two, "add", "one/inner")
    assert spacy("check", "outputs", cwd=two / "one").code == 0
    assert "output 'model' of 'c'" in spacy("check", "outputs", cwd=two / "one/inner").out
    assert "output 'model' of 'c'" in spacy("check", "outputs", "--staged").out


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["--max-size=5m"], "--max-size is for the check 'outputs'", "git spacy check outputs"),
        (["lock", "--allow=x"], "--allow is for the check 'outputs'", "git spacy check outputs"),
        (["outputs", "--max-size=1t"], "invalid size '1t'", "write --max-size=500k, 10m or 2g"),
        (["output"], "unknown check 'output'", "did you mean 'outputs'?"),
    ],
)
def test_the_options_for_outputs_are_not_ignored(
    two: Path, spacy: Spacy, arguments: list[str], message: str, hint: str
) -> None:
    assert spacy("check", *arguments) == (2, "", f"error: {message}\nhint: {hint}\n")


def test_the_check_of_outputs_needs_a_repository(tmp_path: Path, spacy: Spacy) -> None:
    root = project(tmp_path / "p", "title: x")
    for options in ([], ["--staged"]):
        assert spacy("check", "outputs", *options, cwd=root) == (
            2, "", f"error: not a Git repository: '{root}'\nhint: git init\n",
        )  # fmt: skip
    git(root, "init", "-q")
    for options in ([], ["--staged"]):
        assert spacy("check", "outputs", *options, cwd=root).code == 0
