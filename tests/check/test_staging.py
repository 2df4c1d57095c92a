"""The hints of a refused commit: followed literally, they let the commit through.

`Walk` edits, runs, stages and commits at random; whenever a check refuses, it types what the hints
say, in the folder of a user who commits from there.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

from git_spacy import hook
from git_spacy.cli.main import main
from git_spacy.errors import InvalidInput, Refused
from git_spacy.project import loader
from tests.testing.projects import CORPUS, needs_corpus, project
from tests.testing.repositories import git, repository, write

IS_LONG = "GIT_SPACY_STRESS" in os.environ
EXAMPLES = 500 if IS_LONG else 20
ROUNDS = 4  # three suffice but where project.lock, once added, shows another stale command
PROJECT = """\
vars: {n: 1}
assets:
  - {dest: data.txt, description: typed by hand}
commands:
  - name: make
    script: ["sh make.sh ${vars.n}"]
    deps: [make.sh, in.txt, filtered.txt, ext/tool.txt]
    outputs: [out/a.txt]
  - name: use
    script: ["sh use.sh"]
    deps: [use.sh, out/a.txt, lib, data.txt]
    outputs: [out/b.txt]
    outputs_no_cache: [metrics.json]
  - {name: other, script: ["sh other.sh"], deps: [other.sh], outputs_no_cache: [other.json]}
workflows: {all: [make, use, other]}
"""
FILES: dict[str, str | bytes] = {
    "make.sh": "mkdir -p out; { echo $1; cat in.txt ext/tool.txt; } > out/a.txt\n",
    "use.sh": "cat out/a.txt lib/*.txt data.txt > out/b.txt; wc -c < out/b.txt > metrics.json\n",
    "other.sh": "echo 1 > other.json\n",
    "in.txt": "in\n",
    "filtered.txt": "content\n",
    ".gitattributes": "filtered.txt filter=strip\n",
    "data.txt": "data\n",
    "lib/x.txt": "x\n",
    "lib/y.txt": "y\n",
    ".gitignore": "out/\n",
}
EDITED = (
    "make.sh", "use.sh", "other.sh", "in.txt", "data.txt", "lib/x.txt", "lib/y.txt",
    "filtered.txt", "ext/tool.txt",
)  # fmt: skip
OWN = (*EDITED, "project.yml", "extra.txt", "lib/new.txt", "unrelated.txt")
FOLDERS = (".", "a", "a/lib", "b")


def git_spacy(*arguments: str) -> tuple[int, str]:
    """Run `git spacy ARGUMENTS` in the current folder; return the exit code and all output."""

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(list(arguments))
    return code, output.getvalue()


def check_commit(top: Path, folder: str) -> tuple[int, str]:
    """Run the hook as `git commit` does that is typed in `folder`, below `top`."""

    os.chdir(top)
    os.environ["GIT_PREFIX"] = "" if folder == "." else f"{folder}/"
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            code = hook.main(["all"])
    finally:
        del os.environ["GIT_PREFIX"]
        os.chdir(top / folder)
    return code, output.getvalue()


def findings(text: str) -> dict[str, tuple[str, ...]]:
    """Return the hints for each error of the output `text`."""

    found: dict[str, tuple[str, ...]] = {}
    error = ""
    for line in text.splitlines():
        if line.startswith("hint: ") and error:
            found[error] += (line.removeprefix("hint: "),)
        elif "error: " in line:
            error = line
            found[error] = ()
    return found


def follow(hints: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Type the first hint of each error; return the errors that this led to, with their hints."""

    failed: dict[str, tuple[str, ...]] = {}
    for line in dict.fromkeys(lines[0] for lines in hints.values() if lines):
        for typed in line.split(" && "):
            words = shlex.split(typed)
            if words[:2] == ["git", "spacy"]:
                code, text = git_spacy(*words[2:])
                if code:
                    failed.update(findings(text) or {text: ()})
                    break
            else:
                assert words[0] == "git", f"not a command: {line}"
                git(Path.cwd(), *words[1:], GIT_EDITOR="echo step >")
    return failed


def until_it_passes(check: Callable[[], tuple[int, str]]) -> list[str]:
    """Follow the hints of `check` until it passes; return all that was printed and typed."""

    story: list[str] = []
    before: dict[str, tuple[str, ...]] = {}
    for _ in range(ROUNDS):
        code, text = check()
        story.append(text)
        if code == 0:
            return story
        hints = findings(text)
        repeated = {error for error, lines in hints.items() if before.get(error) == lines}
        assert not repeated, "the same hint twice:\n" + "\n".join(story)
        assert all(hints.values()), "no hint:\n" + "\n".join(story)
        before = hints
        for _ in range(ROUNDS):
            hints = follow(hints)
            if not hints:
                break
            story += [f"{error} -> {lines}" for error, lines in hints.items()]
    code, text = check()
    assert code == 0, "still refused:\n" + "\n".join([*story, text])
    return story


def two_projects(folder: Path, name: str) -> Path:
    """Create a repository of the projects `a` and `b`, each with a submodule and a filtered file."""

    submodule = repository(folder / "submodule", {"tool.txt": "tool\n"})
    top = repository(folder / name)
    git(top, "config", "filter.strip.clean", "sed '/^#/d'")
    for root in (top / "a", top / "b"):
        project(root, PROJECT, FILES)
        allowed = ("-c", "protocol.file.allow=always")
        git(root, *allowed, "submodule", "--quiet", "add", str(submodule), "ext")
        os.chdir(root)
        assert git_spacy("run", "all")[0] == 0
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "run")
    return top


class Walk(RuleBasedStateMachine):
    """A user of a repository with two projects, `a` and `b`."""

    template: Path
    top: Path
    _count = 0

    @initialize()
    def start(self) -> None:
        Walk._count += 1
        self.top = self.template.parent / f"walk-{Walk._count}"
        shutil.copytree(self.template, self.top, symlinks=True)
        self.edits = 0
        self.staged_edits: set[str] = set()

    def teardown(self) -> None:
        os.chdir(self.template.parent)
        shutil.rmtree(self.top, ignore_errors=True)

    def _own(self) -> dict[str, bytes | None]:
        """Return the content of the files that only the user writes."""

        return {
            f"{folder}/{name}": path.read_bytes() if path.is_file() else None
            for folder in ("a", "b")
            for name in OWN
            for path in [self.top / folder / name]
        }

    def _lost(self, before: dict[str, bytes | None]) -> dict[str, bytes]:
        """Return the files that the user wrote and that have changed; a deleted one may be back."""

        now = self._own()
        return {
            name: content
            for name, content in before.items()
            if content is not None and now[name] != content
        }

    @rule(folder=st.sampled_from("ab"), name=st.sampled_from(EDITED))
    def edit(self, folder: str, name: str) -> None:
        self.edits += 1
        file = self.top / folder / name
        # the filter removes comments, so that Git calls the file unmodified
        text = f"# {self.edits}\n" if name.endswith((".sh", "d.txt")) else f"{self.edits}\n"
        file.parent.mkdir(exist_ok=True)
        file.write_text((file.read_text() if file.exists() else "") + text)

    @rule(folder=st.sampled_from("ab"), n=st.integers(1, 3))
    def set_variable(self, folder: str, n: int) -> None:
        file = self.top / folder / "project.yml"
        _, _, rest = file.read_text().partition("\n")
        file.write_text(f"vars: {{n: {n}}}\n{rest}")

    @rule(folder=st.sampled_from("ab"))
    def add_a_dependency(self, folder: str) -> None:
        file = self.top / folder / "project.yml"
        file.write_text(file.read_text().replace("make.sh, in.txt,", "make.sh, in.txt, extra.txt,"))
        (self.top / folder / "extra.txt").write_text("extra\n")

    @rule(folder=st.sampled_from("ab"), name=st.sampled_from(["lib/new.txt", "unrelated.txt"]))
    def create(self, folder: str, name: str) -> None:
        (self.top / folder / "lib").mkdir(exist_ok=True)
        (self.top / folder / name).write_text("new\n")

    @rule(
        folder=st.sampled_from("ab"), name=st.sampled_from(["lib/x.txt", "lib/new.txt", "in.txt"])
    )
    def delete(self, folder: str, name: str) -> None:
        (self.top / folder / name).unlink(missing_ok=True)

    @rule(folder=st.sampled_from("ab"))
    def remove_a_command(self, folder: str) -> None:
        file = self.top / folder / "project.yml"
        lines = file.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith("  - {name: other")]
        file.write_text("".join(kept).replace("use, other]", "use]"))

    @rule(folder=st.sampled_from("ab"), name=st.sampled_from(["out", "metrics.json", "out/a.txt"]))
    def delete_outputs(self, folder: str, name: str) -> None:
        path = self.top / folder / name
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    @rule(folder=st.sampled_from("ab"), names=st.sampled_from(["all", "make", "use"]))
    def run(self, folder: str, names: str) -> None:
        os.chdir(self.top / folder)
        git_spacy("run", names)

    @rule()
    def add_everything(self) -> None:
        git(self.top, "add", "-A")

    @rule(
        folder=st.sampled_from("ab"), name=st.sampled_from([*OWN, "project.lock", "metrics.json"])
    )
    def add_one_file(self, folder: str, name: str) -> None:
        path = f"{folder}/{name}"
        if name.startswith("ext/"):  # a file of the submodule
            return
        if (self.top / path).exists() or git(self.top, "ls-files", "--", path):
            git(self.top, "add", "--", path)

    @rule(folder=st.sampled_from("ab"), name=st.sampled_from([*EDITED, "project.lock"]))
    def add_a_part(self, folder: str, name: str) -> None:
        """Stage a file without its last line, as with `git add -p`."""

        file = self.top / folder / name
        if not file.exists() or name.startswith(("project.lock", "ext/")):
            return
        part = "".join(file.read_text().splitlines(keepends=True)[:-1])
        id = git(self.top, "hash-object", "-w", "--stdin", input=part)
        git(self.top, "update-index", "--add", "--cacheinfo", f"100644,{id},{folder}/{name}")

    @rule(
        folder=st.sampled_from("ab"),
        name=st.sampled_from(["extra.txt", "lib/new.txt", "project.lock"]),
    )
    def intend_to_add(self, folder: str, name: str) -> None:
        if (self.top / folder / name).exists():
            git(self.top, "add", "-N", "--", f"{folder}/{name}")

    @rule()
    def stash_and_pop(self) -> None:
        with contextlib.suppress(Exception):
            git(self.top, "stash", "push", "-q")
            git(self.top, "stash", "pop", "-q", "--index")

    @rule(
        folder=st.sampled_from("ab"),
        name=st.sampled_from(["in.txt", "other.sh", "lib/x.txt"]),
        command=st.sampled_from(["merge", "cherry-pick", "rebase"]),
    )
    def combine_with_a_branch(self, folder: str, name: str, command: str) -> None:
        """Create a sibling of HEAD, and combine both; in a conflict, keep Git's "ours"."""

        if self._is_dirty() or self._is_first():
            return
        side = f"side-{self.edits}"
        git(self.top, "switch", "-q", "-C", side, "HEAD~1")
        self.edit(folder, name)
        os.chdir(self.top / folder)
        git_spacy("run", "all")
        git(self.top, "add", "-A")
        git(self.top, "commit", "-q", "-m", "on the side")
        git(self.top, "switch", "-q", "-")
        with contextlib.suppress(subprocess.CalledProcessError):
            git(self.top, command, *(["--no-edit"] if command == "merge" else []), side)
        self._resolve_conflicts(except_for=("project.lock", ".json"))
        self.commit(folder, "")
        while (self.top / ".git/rebase-merge").exists():
            with contextlib.suppress(subprocess.CalledProcessError):
                git(self.top, "rebase", "--continue", GIT_EDITOR="true")

    def _resolve_conflicts(self, except_for: tuple[str, ...] = ()) -> None:
        """Choose Git's "ours", or "theirs" if we have deleted the file."""

        for line in git(self.top, "diff", "--name-only", "--diff-filter=U").splitlines():
            if except_for and line.endswith(except_for):
                continue
            for side in ("--theirs", "--ours"):
                with contextlib.suppress(subprocess.CalledProcessError):
                    git(self.top, "checkout", "-q", side, "--", line)
            git(self.top, "add", "--", line)

    @rule()
    def switch_with_changes(self) -> None:
        """Go on from the parent commit, with all that is not committed, unless Git refuses."""

        if not self._is_first():
            with contextlib.suppress(subprocess.CalledProcessError):
                git(self.top, "switch", "-q", "-C", f"back-{self.edits}", "HEAD~1")

    def _is_first(self) -> bool:
        """Return whether HEAD is the first commit with the projects."""

        return not git(self.top, "ls-tree", "--name-only", "HEAD~1", "a/project.yml")

    def _is_dirty(self) -> bool:
        status = git(self.top, "status", "--porcelain", "--ignore-submodules=none")
        return bool(status)

    @rule(folder=st.sampled_from("ab"))
    def check_the_worktree(self, folder: str) -> None:
        os.chdir(self.top / folder)
        own = self._own()
        until_it_passes(lambda: git_spacy("check"))
        assert self._lost(own) == {}

    @rule(folder=st.sampled_from(FOLDERS), option=st.sampled_from(["", "", "--amend"]))
    def commit(self, folder: str, option: str) -> None:
        if not (self.top / folder).is_dir():
            return
        own = self._own()
        until_it_passes(lambda: check_commit(self.top, folder))
        assert self._lost(own) == {}
        self._resolve_conflicts()  # Git refuses to commit them before it runs a hook
        git(self.top, "commit", "-q", "--allow-empty", "-m", "step", *filter(None, [option]))


def test_following_the_hints_always_lets_a_commit_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = two_projects(tmp_path, "template")
    assert check_commit(top, ".") == (0, "")
    monkeypatch.setattr(Walk, "template", top, raising=False)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Walk,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=20, deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """Return a repository whose hook checks its two projects `a` and `b`; all is committed."""

    top = two_projects(tmp_path, "r")
    os.chdir(top)
    return top


def change_and_run(root: Path) -> None:
    text = (root / "project.yml").read_text()
    write(root, {"project.yml": text.replace("n: 1", "n: 2")})
    os.chdir(root)
    assert git_spacy("run", "all")[0] == 0


@pytest.mark.parametrize(
    ("folder", "hint"),
    [
        ("a", "git add project.lock"),
        (".", "git -C a add project.lock"),
        ("a/lib", "git -C .. add project.lock"),
        ("b", "git -C ../a add project.lock"),
    ],
)
def test_a_lock_that_is_only_not_staged_is_to_be_added(top: Path, folder: str, hint: str) -> None:
    """The commonest refusal: the run is done, but only project.yml is staged."""

    change_and_run(top / "a")
    git(top, "add", "a/project.yml")
    code, text = check_commit(top, folder)
    assert code == 1
    file = os.path.relpath("a/project.lock", folder)
    assert text.startswith(
        f"{file}:3:3: error: 'make': script changed: line 1 is now 'sh make.sh 2'"
    )
    assert text.splitlines()[1:] == [f"hint: {hint}"]
    follow(findings(text))
    assert check_commit(top, folder) == (0, "")


def test_results_that_belong_in_git_are_added_with_the_lock(top: Path) -> None:
    write(top, {"a/in.txt": "something longer\n"})
    os.chdir(top / "a")
    assert git_spacy("run", "all")[0] == 0
    git(top, "add", "a/in.txt")
    _, text = check_commit(top, "a")
    assert "hint: git add project.lock metrics.json" in text.splitlines()


def test_a_new_dependency_that_is_not_staged_is_to_be_added(top: Path) -> None:
    text = (top / "a/project.yml").read_text()
    write(
        top / "a",
        {"project.yml": text.replace("in.txt,", "in.txt, new one.txt,"), "new one.txt": ""},
    )
    os.chdir(top / "a")
    assert git_spacy("run", "all")[0] == 0
    git(top, "add", "a/project.yml", "a/project.lock")
    _, text = check_commit(top, "a")
    assert text.endswith("dependency 'new one.txt' is missing\nhint: git add 'new one.txt'\n")


def test_a_stale_command_of_another_project_is_run_there(top: Path) -> None:
    write(top, {"b/in.txt": "new\n"})
    git(top, "add", "-A")
    _, text = check_commit(top, ".")
    assert text.endswith("hint: git spacy -C b run make use\n")
    _, text = check_commit(top, "b/lib")
    assert text.endswith("hint: git spacy run make use\n")


def test_a_folder_stands_for_many_files_in_it(top: Path) -> None:
    write(top, {f"a/lib/{number}.txt": "new\n" for number in range(9)})
    os.chdir(top / "a")
    assert git_spacy("run", "all")[0] == 0
    git(top, "add", "a/project.lock")
    _, text = check_commit(top, "a")
    assert text.endswith("hint: git add lib metrics.json\n")


def test_an_invalid_project_yml_that_is_corrected_but_not_staged_is_to_be_added(top: Path) -> None:
    good = (top / "a/project.yml").read_text()
    write(top, {"a/project.yml": "nonsense"})
    git(top, "add", "-A")
    write(top, {"a/project.yml": good})
    _, text = check_commit(top, "a")
    assert text.endswith("hint: git add project.yml\n")


def test_a_warning_does_not_bring_other_changes_into_the_hint(top: Path) -> None:
    """project.yml is changed, too, but the commit needs only the lock."""

    text = (top / "a/project.yml").read_text()
    write(top, {"a/project.yml": text.replace("out/b.txt]", "out/b.txt, in.txt]")})
    os.chdir(top / "a")
    assert git_spacy("run", "all")[0] == 0
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "an output that is a dependency: a warning")
    assert "warning: " in check_commit(top, "a")[1]
    write(top, {"a/other.sh": "echo 2 > other.json\n"})
    assert git_spacy("run", "other")[0] == 0
    git(top, "add", "a/other.sh")
    write(top, {"a/project.yml": (top / "a/project.yml").read_text() + "title: Unrelated\n"})
    _, text = check_commit(top, "a")
    assert "hint: git add project.lock other.json" in text.splitlines()


def test_a_missing_file_that_git_has_is_restored_from_there(top: Path) -> None:
    (top / "a/in.txt").unlink()
    os.chdir(top / "a")
    code, text = git_spacy("run", "make")
    assert (code, text.splitlines()[-1]) == (1, "hint: git restore -- in.txt")
    git(top, "rm", "-q", "--cached", "a/in.txt")
    _, text = git_spacy("run", "make")
    assert text.splitlines()[-1] == "hint: git checkout HEAD -- in.txt"
    follow(findings(text))
    assert git_spacy("run", "make")[0] == 0


def test_outputs_that_are_not_here_are_produced_first(top: Path) -> None:
    shutil.rmtree(top / "a/out")
    write(top, {"a/use.sh": FILES["use.sh"], "a/lib/x.txt": "other\n"})
    os.chdir(top / "a")
    code, text = git_spacy("check")
    assert (code, text.splitlines()[-1]) == (1, "hint: git spacy run make use")


# Writes each argument: a folder if its name has no extension, as most outputs of real projects.
WRITE = (
    'for path; do case "${path##*/}" in *.[a-z]*) mkdir -p "$(dirname "$path")"; cat in.txt > "$path";;'
    ' *) mkdir -p "$path"; cat in.txt > "$path/file.txt";; esac; done\n'
)


def in_outline(folder: Path, root: Path) -> Path:
    """Create a project with the commands, paths and workflows of a real one, and trivial scripts."""

    real = loader.load(folder)
    produced = [path for command in real.commands for path in command.produced]
    commands = [
        {
            "name": command.name,
            "script": [shlex.join(["sh", "write.sh", *(path.normal for path in command.produced)])],
            "deps": ["in.txt", *(path.text for path in command.deps)],
            "outputs": [path.text for path in command.outputs],
            "outputs_no_cache": [path.text for path in command.outputs_no_cache],
        }
        for command in real.commands
    ]
    workflows = {workflow.name: list(workflow.steps) for workflow in real.workflows}
    text = json.dumps({"commands": commands, "workflows": workflows})
    sources = {
        f"{path.normal}/file.txt"
        if not re.search(r"\.[a-z]\w*$", path.normal)
        else path.normal: "x"
        for command in real.commands
        for path in command.deps
        if not any(path.touches(output) for output in produced)
    }
    return project(root, text, {**sources, "write.sh": WRITE, "in.txt": "first\n"})


@needs_corpus
@pytest.mark.parametrize(
    "folder",
    sorted(p.parent for p in CORPUS.glob("*/project.yml"))[:: 1 if IS_LONG else 4],
    ids=lambda p: p.name,
)
def test_hints_lead_on_in_projects_with_the_commands_of_real_ones(
    tmp_path: Path, folder: Path
) -> None:
    try:
        root = in_outline(folder, repository(tmp_path / "r"))
    except (InvalidInput, Refused):
        pytest.skip("its project.yml is refused")
    os.chdir(root)
    names = [command.name for command in loader.load(root).commands]
    git_spacy("run", "--upstream", "--keep-going", *names)
    git_spacy("ignore")
    for text in ("first\n", "second\n"):
        write(root, {"in.txt": text})
        git(root, "add", "-A")
        until_it_passes(lambda: check_commit(root, "."))
        git(root, "commit", "-q", "--allow-empty", "-m", "step")
        until_it_passes(lambda: git_spacy("check"))
    git(root, "clone", "-q", ".", str(tmp_path / "clone"))
    os.chdir(tmp_path / "clone")
    until_it_passes(lambda: git_spacy("check"))


def test_what_a_command_could_not_run_without_is_obtained_first(top: Path) -> None:
    (top / "a/in.txt").unlink()
    write(top, {"a/make.sh": "# edited\n"})
    os.chdir(top / "a")
    _, text = git_spacy("check")
    assert "hint: git restore -- in.txt && git spacy run make use" in text.splitlines()


def test_files_that_a_submodule_has_not_committed_are_committed_there_first(top: Path) -> None:
    write(top, {"a/ext/tool.txt": "edited\n"})
    os.chdir(top / "a")
    assert git_spacy("run", "all")[0] == 0
    git(top, "add", "-A")
    _, text = check_commit(top, "a")
    assert text.splitlines()[-1] == "hint: git -C ext add -A && git -C ext commit && git add ext"
    follow(findings(text))
    assert check_commit(top, "a") == (0, "")
