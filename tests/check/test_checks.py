"""The findings of the checks, as values."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from git_spacy.check import checks, lock_hints, projects
from git_spacy.lock.lock_format import LockEntry, TrackedPath
from git_spacy.state.project_view import WorkTree
from tests.testing.projects import Spacy, project, write_lock

TEXT = """\
commands:
  - {name: make, script: [new], outputs: [made]}
  - {name: use, script: [x], deps: [made], outputs: [used]}
  - {name: alone, script: [x], outputs: [other]}
"""


def tracked(name: str) -> TrackedPath:
    return TrackedPath(name, hashlib.md5(name.encode(), usedforsecurity=False).hexdigest())


def test_the_hint_runs_the_command_and_those_that_depend_on_it_again(
    tmp_path: Path,
) -> None:
    root = project(tmp_path / "p", TEXT, {name: name for name in ("made", "used", "other")})
    entries = [
        LockEntry("make", ("old",), (), (tracked("made"),), "weasel run make"),
        LockEntry("use", ("x",), (tracked("made"),), (tracked("used"),), "weasel run use"),
        LockEntry("alone", ("x",), (), (tracked("other"),), "weasel run alone"),
    ]
    write_lock(root, {entry.name: entry for entry in entries})
    (finding,) = checks.run_checks(["lock"], WorkTree(root))
    assert finding.message == "'make': script changed: line 1 is now 'new'"
    assert (finding.hint, finding.severity) == ("git spacy run make use", "error")


def test_what_only_hints_need_is_not_computed_for_a_clean_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most checks find nothing, at every commit."""

    root = project(tmp_path / "p", TEXT, {name: name for name in ("made", "used", "other")})
    scripts = {"make": "new", "use": "x", "alone": "x"}
    outputs = {"make": "made", "use": "used", "alone": "other"}
    write_lock(root, {
        name: LockEntry(name, (scripts[name],), (tracked("made"),) if name == "use" else (),
                        (tracked(outputs[name]),), f"weasel run {name}")
        for name in scripts
    })  # fmt: skip
    monkeypatch.setattr(lock_hints, "DependencyGraph", None)
    monkeypatch.setattr(lock_hints, "paths_in_git", None)
    assert checks.run_checks(["lock"], WorkTree(root)) == []
    (root / "used").write_text("edited")
    with pytest.raises(TypeError):
        checks.run_checks(["lock"], WorkTree(root))


def test_a_command_with_outputs_but_no_script_is_a_warning(tmp_path: Path, spacy: Spacy) -> None:
    made = project(tmp_path, "commands:\n  - name: a\n    outputs: [x]\n  - name: b\n")
    checked = spacy("check", "project", cwd=made)
    assert checked.code == 0
    assert checked.out == (
        "project.yml:2:1: warning: 'a' has outputs but no 'script', so nothing produces them\n"
        "hint: add 'script:' with the lines to run\n"
    )


def test_every_check_can_be_chosen() -> None:
    assert (*checks.CHECKS, "outputs") == projects.CHECK_NAMES
