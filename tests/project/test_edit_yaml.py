"""Tests of changes in the text of project.yml."""

from __future__ import annotations

import pytest

from git_spacy.errors import GitSpacyError, InvalidInput
from git_spacy.project import loader
from git_spacy.project.edit_yaml import with_checksum
from git_spacy.project.model import Checksum
from tests.testing.projects import CORPUS, needs_corpus

NEW = Checksum("md5", "63373dd656daa1fd3043ce166a59474c")
OLD = "f" * 32


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("  - dest: a\n    url: b\n", "  - dest: a\n    url: b\n    checksum: NEW\n"),
        ("- dest: a\n  url: b  # c\n\n\n", "- dest: a\n  url: b  # c\n  checksum: NEW\n\n\n"),
        ("  - dest: a\n    url: b", "  - dest: a\n    url: b\n    checksum: NEW"),
        ("  - url: b\n    dest: a\n    extra: true\n",
         "  - url: b\n    checksum: NEW\n    dest: a\n    extra: true\n"),
        ("  - {dest: a, url: b}\n", "  - {dest: a, url: b, checksum: NEW}\n"),
        ("  - { url: 'b' , dest: a, }  # c\n", "  - { url: 'b', checksum: NEW , dest: a, }  # c\n"),
        ("  - {\n    dest: a,\n    url: b\n    }\n", "  - {\n    dest: a,\n    url: b, checksum: NEW\n    }\n"),
        ("  [{dest: a, url: b}]\n", "  [{dest: a, url: b, checksum: NEW}]\n"),
        ("  - dest: a\n    git:\n      repo: r\n      path: p  # d\n  - dest: z\n",
         "  - dest: a\n    git:\n      repo: r\n      path: p  # d\n    checksum: NEW\n  - dest: z\n"),
        ("  - dest: a\n    git: {repo: r,\n      path: p}\n",
         "  - dest: a\n    git: {repo: r,\n      path: p}\n    checksum: NEW\n"),
        ("  - dest: a\n    git: &g\n      repo: r\n      path: p\n  - {dest: c, git: *g}\n",
         "  - dest: a\n    git: &g\n      repo: r\n      path: p\n    checksum: NEW\n  - {dest: c, git: *g}\n"),
        ("  - dest: a\n    url: >-\n      b\n    extra: no\n".replace("no", "false"),
         "  - dest: a\n    url: >-\n      b\n    checksum: NEW\n    extra: false\n"),
        ("  - dest: a\n    url:\n      b\n", "  - dest: a\n    url:\n      b\n    checksum: NEW\n"),
        ("  - dest: a\n    checksum: OLD # c\n", "  - dest: a\n    checksum: NEW # c\n"),
        ("  - dest: a\n    checksum: \"OLD\"\n", "  - dest: a\n    checksum: \"NEW\"\n"),
        ("  - dest: a\n    checksum:   'md5:OLD'\n", "  - dest: a\n    checksum:   'md5:NEW'\n"),
        ("  - dest: a\n    checksum:   # none yet\n    url: b\n",
         "  - dest: a\n    checksum: NEW   # none yet\n    url: b\n"),
        ("  - dest: a\n    checksum: ''\n", "  - dest: a\n    checksum: 'NEW'\n"),
        ("  - dest: a\n    checksum: null\n", "  - dest: a\n    checksum: NEW\n"),
        ("  - {dest: a, checksum: OLD, url: b}\n", "  - {dest: a, checksum: NEW, url: b}\n"),
        ("  - {\"dest\": \"a\", \"checksum\": \"OLD\"}\n", "  - {\"dest\": \"a\", \"checksum\": \"NEW\"}\n"),
        ("  - dest: a\n    url: b\n  - {dest: c, checksum: 'OLD'}\n",
         "  - dest: a\n    url: b\n    checksum: 'NEW'\n  - {dest: c, checksum: 'OLD'}\n"),
        ("  - <<: *base\n    dest: a\n", "  - <<: *base\n    dest: a\n    checksum: NEW\n"),
        ("  - {dest: a, <<: *base}\n", "  - {dest: a, checksum: NEW, <<: *base}\n"),
        ("  - dest: ä\n    url: b\n", "  - dest: ä\n    url: b\n    checksum: NEW\n"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_only_the_checksum_changes(before: str, after: str, newline: str) -> None:
    def document(assets: str) -> bytes:
        head = f"\ufeff# ü\ntitle: t\nx: &base {{url: u, checksum: '{OLD}'}}\nassets:  # all\n"
        text = head + assets.replace("OLD", OLD).replace("NEW", str(NEW))
        return text.replace("\n", newline).encode()

    assert with_checksum(document(before), 0, NEW).decode() == document(after).decode()
    project = loader.parse(with_checksum(document(before), 0, NEW)).project
    assert project.assets[0].checksum == NEW


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("vars: {c: OLD}\nassets:\n- dest: a\n  checksum: ${vars.c}\n", 4, "comes from a variable: ${vars.c}"),
        ("variables: {C: OLD}\nassets:\n- dest: a\n  checksum: '{C}'\n", 4, "comes from a variable: {C}"),
        ("vars: {all: [{dest: a, url: b}]}\nassets: ${vars.all}\n", 2, "the asset comes from a variable"),
        ("assets:\n- &a {dest: a, url: b}\n- {<<: *a, dest: c}\n", 2, "used elsewhere"),
        ("x: &all\n- {dest: a, url: b}\nassets: *all\n", 3, "used elsewhere"),
        ("assets: &all\n- {dest: a, url: b}\nx: *all\n", 1, "used elsewhere"),
        ("x: &a {dest: a, url: b}\nassets: [*a]\n", 2, "used elsewhere"),
        ("assets:\n- {dest: a, checksum: &c OLD}\n- {dest: b, checksum: *c}\n", 2, "shared by an alias"),
        ("x: &c OLD\nassets:\n- dest: a\n  checksum: *c\n", 4, "shared by an alias"),
        ("assets:\n- dest: a\n  checksum: !!str OLD\n", 3, "this notation"),
        ("assets:\n- dest: a\n  checksum: &unused OLD\n", 3, "this notation"),
        ("assets:\n- dest: a\n  checksum: |\n    OLD\n", 3, "this notation"),
        ("assets:\n- ? dest\n  : a\n  ? url\n  : b\n", 2, "this notation"),
    ],
)  # fmt: skip
def test_a_checksum_that_others_share_or_an_odd_notation_is_refused(
    text: str, line: int, words: str
) -> None:
    data = text.replace("OLD", OLD).encode()
    loader.parse(data)
    with pytest.raises(InvalidInput) as caught:
        with_checksum(data, 0, NEW)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert words in problem.message


@pytest.mark.parametrize(
    "digest",
    ["1" * 32, "1e" + "1" * 30, "0" * 32, f"{'1' * 20}e{'1' * 11}", "0b" + "01" * 15, "0e" + "9" * 30],
)  # fmt: skip
def test_a_checksum_that_looks_like_a_number_is_quoted(digest: str) -> None:
    for text in ("assets:\n- dest: a\n  url: b\n", f"assets:\n- {{dest: a, checksum: {OLD}}}\n"):
        edited = with_checksum(text.encode(), 0, Checksum("md5", digest))
        assert f'"{digest}"'.encode() in edited
        assert loader.parse(edited).project.assets[0].checksum == Checksum("md5", digest)
        config = pytest.importorskip("srsly").yaml_loads(edited.decode())  # as weasel reads it
        assert config["assets"][0]["checksum"] == digest


def test_a_sha256_stays_one() -> None:
    new = Checksum("sha256", "a" * 64)
    edited = with_checksum(f"assets:\n- dest: a\n  checksum: sha256:{'b' * 64}\n".encode(), 0, new)
    assert edited.decode() == f"assets:\n- dest: a\n  checksum: sha256:{'a' * 64}\n"


@needs_corpus
def test_real_projects_can_be_changed_and_changed_back() -> None:
    """Every asset of the published projects, one after the other."""

    count = 0
    for file in sorted(CORPUS.glob("*/project.yml")):
        data = file.read_bytes()
        try:
            assets = loader.parse(data).project.assets
        except GitSpacyError:
            continue  # other tests are about these
        for number, asset in enumerate(assets):
            edited = with_checksum(data, number, NEW)
            changed = loader.parse(edited).project.assets
            assert changed[number].checksum == NEW
            assert len(set(edited.splitlines()) - set(data.splitlines())) <= 1
            if asset.checksum and str(asset.checksum) in data.decode():
                assert with_checksum(edited, number, asset.checksum) == data
            count += 1
    assert count > 50
