"""Path validation: a path stays inside the project on every file system, or says that it does not."""

from __future__ import annotations

import os
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import Diagnostic
from git_spacy.project.paths import ROLES, ProjectPath, parse_path

UNSAFE = [
    ".git/config", ".GIT/hooks/x", "a/.git/x", ".git./x", ".git /x", "git~1/x", "GIT~2", ".gi\u200ct/x",
    ".git::$INDEX_ALLOCATION/x", "a\\.git\\x", "../.git/x", "/srv/.git", "~/.git/config", "a\x00b",
    "a\nb", "a\x1bb", "", ".", "./", "//",
]  # fmt: skip
OUTSIDE = ["../x", "a/../../x", "a/../b", "..", "/etc/passwd", "~/x", "C:\\x", "C:x", "\\\\host\\share",
           "a\\..\\..\\b"]  # fmt: skip


@pytest.mark.threat("reserved-paths")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("text", UNSAFE)
def test_a_path_that_no_project_may_use_is_refused(text: str, role: str) -> None:
    refusal = parse_path(text, role)
    assert isinstance(refusal, Diagnostic)
    assert refusal.hint


@pytest.mark.threat("paths-outside")
@pytest.mark.parametrize("text", OUTSIDE)
def test_a_path_that_leads_outside_is_accepted_and_says_so(text: str) -> None:
    for role in ROLES:
        path = parse_path(text, role)
        assert isinstance(path, ProjectPath)
        assert path.outside
        assert path.text == text
        assert not path.in_archive.startswith("/")
        assert ".." not in path.in_archive.split("/")


def test_a_path_in_the_home_folder_is_opened_there() -> None:
    assert parse_path("~//x/", "output") == ProjectPath("~//x/", os.path.expanduser("~/x"))


@pytest.mark.parametrize("text", ["project.yml", "./project.lock", "PROJECT.YML"])
def test_the_projects_own_files_may_be_dependencies_but_not_outputs(text: str) -> None:
    assert isinstance(parse_path(text, "output"), Diagnostic)
    assert isinstance(parse_path(text, "asset destination"), Diagnostic)
    assert isinstance(parse_path(text, "dependency"), ProjectPath)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("assets/a.jsonl", "assets/a.jsonl"),
        ("./configs//c.cfg", "configs/c.cfg"),
        ("training/", "training"),
        ("a b/ü.txt", "a b/ü.txt"),
        (".gitignore", ".gitignore"),
        ("...", "..."),
        ("git/x", "git/x"),
        ("/data//x/", "/data/x"),
        ("./../x", "../x"),
    ],
)
def test_an_accepted_path_keeps_its_text_and_is_normalized(text: str, normal: str) -> None:
    assert parse_path(text, "output") == ProjectPath(text, normal)


@given(st.text(st.sampled_from("ab./\\~:GgiItT \x00\n\u200c-1"), max_size=12))
def test_any_other_path_stays_inside_the_project_and_out_of_git(text: str) -> None:
    path = parse_path(text, "output")
    if isinstance(path, ProjectPath) and not path.outside:
        root = "/project"
        absolute = posixpath.normpath(os.path.join(root, path.normal))
        assert absolute.startswith(root + "/")
        assert ".git" not in absolute.casefold().split("/")


def test_paths_are_compared_by_whole_components() -> None:
    parent, child, sibling = (ProjectPath(text, text) for text in ("a", "a/b", "ab"))
    assert parent.touches(child)
    assert child.touches(parent)
    assert not parent.touches(sibling)
