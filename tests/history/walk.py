"""A random walk over history, as people and Git rewrite it: what was run is found at each commit."""

from __future__ import annotations

import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from git_spacy.git import notes
from git_spacy.git.repository import Repository
from git_spacy.history.commit_runs import runs_of_commit
from git_spacy.history.run_record import RecordedFile, RunRecord, to_line
from git_spacy.lock import lock_format
from git_spacy.lock.lock_format import LockEntry
from git_spacy.state import hashing
from tests.testing.repositories import git, repository, write

# so long that Git still sees a rename when a line was edited, too
PROJECT = """\
title: A walk over history
description: A project with one command, which has a parameter
commands:
  - name: make
    help: Make the output from the input
    script: [make NUMBER]
    deps: [in.txt]
    outputs: [out.txt]
"""
PADDING = "# a comment\n" * 100


class HistoryWalk(RuleBasedStateMachine):
    """A project whose one command has a parameter that its output does not always depend on.

    A run is written as `git spacy run` does: into the lock and as a record on HEAD.
    """

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.top = repository(Path(self.folder.name) / "r", {"README.md": "r\n"})
        git(self.top, "config", "notes.rewriteRef", notes.REF)
        git(self.top, "config", "notes.rewriteMode", "cat_sort_uniq")
        git(self.top, "config", "rerere.enabled", "false")
        self.root = self.top / "project"
        self.runs = 0
        self.ran: set[tuple[tuple[str, ...], str | None]] = set()  # script, md5 of the output
        self.files = 0

    def teardown(self) -> None:
        try:
            self.check_that_every_commit_shows_its_run_and_no_other()
        finally:
            self.folder.cleanup()

    @initialize(number=st.integers(0, 3))
    def first(self, number: int) -> None:
        self.root.mkdir()
        self._run(number)
        self._commit("first")

    def _run(self, number: int) -> None:
        self.runs += 1
        write(self.root, {"project.yml": PROJECT.replace("NUMBER", str(number)), "in.txt": "in"})
        write(self.root, {"out.txt": str(number // 2)})  # two parameters have the same output
        md5s = {
            name: fingerprint.digest
            for name in ("in.txt", "out.txt")
            if (fingerprint := hashing.fingerprint(self.root, name))
        }
        deps, outs = ((RecordedFile(name, md5s[name], 1),) for name in ("in.txt", "out.txt"))
        record = RunRecord(
            f"2026-01-01T00:{self.runs // 60:02}:{self.runs % 60:02}Z",
            self.root.relative_to(self.top).as_posix(), "make", (f"make {number}",), deps, outs,
            dirty=True,
        )  # fmt: skip
        notes.append(self._repository(), git(self.top, "rev-parse", "HEAD"), [to_line(record)])
        entry: LockEntry = record.entry()._replace(cmd="python -m weasel run make")
        write(self.root, {"project.lock": lock_format.text({"make": entry})})
        self.ran.add((record.script, md5s["out.txt"]))

    def _repository(self) -> Repository:
        return Repository.require(self.top)

    def _commit(self, message: str, *options: str) -> None:
        git(self.top, "add", "-A")
        git(self.top, "commit", "-q", "--allow-empty", "-m", message, *options)

    def _attempt(self, *arguments: str) -> None:
        """Run a Git command; abort it if it ends in conflicts or has nothing to commit."""

        try:
            git(self.top, *arguments)
        except subprocess.CalledProcessError:
            with suppress(subprocess.CalledProcessError):  # e.g. a revert of an empty commit
                git(self.top, arguments[0], "--abort")
        assert git(self.top, "status", "--porcelain") == "", "the walk itself is wrong"

    @rule(number=st.integers(0, 3))
    def edit_run_commit(self, number: int) -> None:
        self._run(number)
        self._commit(f"run {self.runs}")

    @rule(number=st.integers(0, 3))
    def experiment(self, number: int) -> None:
        self._run(number)
        git(self.top, "checkout", "-q", "--", ".")

    @rule(number=st.integers(0, 3))
    def amend(self, number: int) -> None:
        self._run(number)
        self._commit("amended", "--amend")

    @rule()
    def commit_something_else(self) -> None:
        self.files += 1
        write(self.top, {f"other-{self.files}.txt": "x"})
        self._commit("other")

    @rule(name=st.sampled_from(["project", "renamed", "deep/er"]), rewritten=st.booleans())
    def rename_folder(self, name: str, rewritten: bool) -> None:
        new = self.top / name
        if not new.exists():
            new.parent.mkdir(exist_ok=True)
            git(self.top, "mv", str(self.root), str(new))
            self.root = new
            if rewritten:  # so that Git sees no rename of it
                text = (self.root / "project.yml").read_text().removesuffix(PADDING)
                is_padded = (self.root / "project.yml").read_text() != text
                write(self.root, {"project.yml": text + PADDING * (not is_padded)})
            self._commit("rename")

    @rule(number=st.integers(0, 3), how=st.sampled_from(["merge", "squash", "pick", "rebase"]))
    def branch_and_return(self, number: int, how: str) -> None:
        start = git(self.top, "rev-parse", "HEAD")
        git(self.top, "checkout", "-q", "-b", "topic")
        self._run(number)
        self._commit("on a branch")
        topic = git(self.top, "rev-parse", "HEAD")
        git(self.top, "checkout", "-q", "main")
        git(self.top, "branch", "-q", "-D", "topic")
        assert git(self.top, "rev-parse", "HEAD") == start
        self.commit_something_else()
        if how == "merge":
            self._attempt("merge", "-q", "--no-ff", "-m", "merge", "-X", "theirs", topic)
        elif how == "squash":
            git(self.top, "merge", "-q", "--squash", "-X", "theirs", topic)
            self._commit("squashed")
        elif how == "pick" and git(self.top, "diff", "--name-only", start, topic):
            self._attempt("cherry-pick", "-X", "theirs", topic)
        elif how == "rebase":
            git(self.top, "reset", "-q", "--hard", topic)
            self.commit_something_else()
            self._attempt("rebase", "-q", start)

    @precondition(lambda self: git(self.top, "rev-list", "--count", "HEAD") > "3")
    @rule()
    def revert(self) -> None:
        if not git(self.top, "log", "-1", "--format=%P").count(" "):
            self._attempt("revert", "--no-edit", "-X", "theirs", "HEAD")
            self.root = next(self.top.rglob("project.lock"), self.root).parent

    @rule()
    def collect_garbage(self) -> None:
        git(self.top, "reflog", "expire", "--expire=now", "--all")
        git(self.top, "gc", "-q", "--prune=now")

    def check_that_every_commit_shows_its_run_and_no_other(self) -> None:
        folder = self.root.relative_to(self.top).as_posix()
        newest = git(self.top, "rev-list", "-n", "6", "HEAD").split()
        for commit in newest:
            tree = git(self.top, "ls-tree", "-r", "--name-only", commit).split()
            locks = [name for name in tree if name.endswith("project.lock")]
            if not locks:
                continue  # before the first run
            text = git(self.top, "show", f"{commit}:{locks[0]}")
            (entry,) = lock_format.parse(text.encode()).values()
            result = entry.script, entry.outs[0].md5
            shown = runs_of_commit(self._repository(), folder, commit)
            assert result in self.ran, "the walk itself is wrong"
            results = {(run.record.script, run.record.outs[0].md5) for run in shown.runs}
            assert results == {result}, (commit, locks, results)
