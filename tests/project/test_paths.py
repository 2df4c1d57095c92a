"""The gate for paths: what passes stays inside, whatever file system reads it."""

from __future__ import annotations

import os
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.project.paths import ROLES, PathRefusal, ProjectPath, parse_path

BAD = [
    "../x", "a/../../x", "a/../b", "..", "/etc/passwd", "~/x", "C:\\x", "C:x", "\\\\host\\share",
    ".git/config", ".GIT/hooks/x", "a/.git/x", ".git./x", ".git /x", "git~1/x", "GIT~2", ".gi\u200ct/x",
    ".git::$INDEX_ALLOCATION/x", "a\\..\\..\\b", "a\\.git\\x", "a\x00b", "a\nb", "a\x1bb", "", ".",
    "./", "//",
]  # fmt: skip


@pytest.mark.threat("paths-outside", "reserved-paths")
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("text", BAD)
def test_a_path_that_could_lead_elsewhere_is_refused(text: str, role: str) -> None:
    refused = parse_path(text, role)
    assert isinstance(refused, PathRefusal)
    assert refused.hint


@pytest.mark.parametrize("text", ["project.yml", "./project.lock", "PROJECT.YML"])
def test_the_projects_own_files_are_no_output_but_may_be_read(text: str) -> None:
    assert isinstance(parse_path(text, "output"), PathRefusal)
    assert isinstance(parse_path(text, "asset destination"), PathRefusal)
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
    ],
)
def test_an_ordinary_path_keeps_its_text_and_has_a_normal_form(text: str, normal: str) -> None:
    assert parse_path(text, "output") == ProjectPath(text, normal)


@given(st.text(st.sampled_from("ab./\\~:GgiItT \x00\n\u200c-1"), max_size=12))
def test_whatever_passes_stays_inside_and_out_of_git(text: str) -> None:
    found = parse_path(text, "output")
    if isinstance(found, ProjectPath):
        top = "/project"
        real = posixpath.normpath(os.path.join(top, found.normal))
        assert real.startswith(top + "/")
        assert ".git" not in real.casefold().split("/")


def test_touching_is_by_whole_names() -> None:
    a, inside, beside = (ProjectPath(text, text) for text in ("a", "a/b", "ab"))
    assert a.touches(inside)
    assert inside.touches(a)
    assert not a.touches(beside)
