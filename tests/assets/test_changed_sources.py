"""Tests of assets whose source or content is not that of project.yml any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.assets.conftest import md5
from tests.testing.fetching import Fetcher
from tests.testing.lfs_server import pointer
from tests.testing.projects import Done, Spacy, project
from tests.testing.scripted import Answer, Scripted

TEXT = """\
assets:
  - {{dest: assets/a.txt, url: '{url}'{more}}}
commands:
  - name: use
    script: [cp assets/a.txt out.txt]
    deps: [assets/a.txt]
    outputs: [out.txt]
"""


class Stand:
    """A project with one asset, which has been fetched and used by a run."""

    def __init__(self, root: Path, spacy: Spacy) -> None:
        self.root = root
        self._spacy = spacy
        project(root, TEXT.format(url="old", more=""), {"old": "old", "new": "new"})
        assert self("assets").code == 0
        assert self("run", "use").code == 0

    def __call__(self, *arguments: str) -> Done:
        return self._spacy(*arguments, cwd=self.root)

    def write(self, url: str, more: str = "") -> None:
        (self.root / "project.yml").write_text(TEXT.format(url=url, more=more))

    @property
    def state(self) -> str:
        lines = self("status", "--porcelain").out.splitlines()
        return next(line.split("\t")[1] for line in lines if line.startswith("asset\t"))

    @property
    def content(self) -> str:
        return (self.root / "assets/a.txt").read_text()


@pytest.fixture
def stand(tmp_path: Path, spacy: Spacy) -> Stand:
    return Stand(tmp_path / "p", spacy)


def test_a_new_url_makes_the_asset_stale_for_every_command(stand: Stand) -> None:
    stand.write("new")
    assert stand.state == "stale"
    assert "Next: git spacy assets" in stand("status").out
    for refused in (
        stand("run", "use"), stand("run", "--dry", "use"), stand("run", "--force", "use")
    ):  # fmt: skip
        assert refused.code == 1
        assert "depends on asset 'assets/a.txt', which was fetched from old" in refused.err
        assert "hint: git spacy assets assets/a.txt" in refused.err
    checked = stand("check", "assets")
    assert checked.code == 1
    assert "asset 'assets/a.txt' was fetched from old" in checked.out
    assert stand("assets", "assets/a.txt").code == 0
    assert stand.content == "new"
    assert stand.state == "unverified"
    assert stand("check", "assets").code == 0
    assert stand("run", "use").code == 0


def test_a_changed_checksum_makes_the_asset_stale_for_every_command(stand: Stand) -> None:
    stand.write("new", f", checksum: {md5(b'new')}")
    assert stand.state == "checksum_mismatch"
    refused = stand("run", "use")  # although its dependencies are as in its last run
    assert refused.code == 1
    assert "does not match its checksum\nhint: git spacy assets assets/a.txt" in refused.err
    assert stand("check", "assets").code == 1
    assert stand("assets").code == 0
    assert stand.content == "new"
    assert stand.state == "verified"
    assert stand("run", "use").code == 0


def test_content_that_has_the_checksum_is_not_fetched_again(stand: Stand) -> None:
    stand.write("nowhere", f", checksum: {md5(b'old')}")
    assert stand.state == "verified"
    assert stand("assets").code == 0
    assert stand("check", "assets").code == 0
    assert stand("run", "use").code == 0


@pytest.mark.threat("overwritten-work")
@pytest.mark.parametrize("more", ["", f", checksum: {md5(b'new')}"])
def test_an_edited_file_is_only_replaced_with_force(stand: Stand, more: str) -> None:
    (stand.root / "assets/a.txt").write_text("mine")
    assert stand.state == "modified"
    assert "--force" in stand("assets").err
    stand.write("new", more)
    assert stand.state == ("checksum_mismatch" if more else "modified")
    refused = stand("assets")
    assert refused.code == 3
    assert "hint: move it, or replace it: git spacy assets --force assets/a.txt" in refused.err
    assert stand.content == "mine"
    if more:
        hint = "git spacy assets --force assets/a.txt"
        assert f"hint: {hint}\n" in stand("run", "use").err
        assert f"hint: {hint}\n" in stand("check", "assets").out
    assert stand("assets", "--force", "assets/a.txt").code == 0
    assert stand.content == "new"


def test_a_pointer_that_is_present_is_not_used(stand: Stand) -> None:
    """As weasel leaves it, or Git without git-lfs."""

    text = pointer(b"content").encode()
    (stand.root / "assets/a.txt").write_bytes(text)
    for more, private in (("", False), (f", checksum: {md5(text)}", False), ("", True)):
        stand.write("new", more)
        if private:
            path = stand.root / "project.yml"
            path.write_text(path.read_text().replace(", url: 'new'", ""))
        assert stand.state == "missing"
        refused = stand("run", "use")
        assert refused.code == 1
        assert "asset 'assets/a.txt', which is only a Git LFS pointer" in refused.err
        hint = "git lfs pull" if private else "git spacy assets assets/a.txt"
        assert f"hint: {hint}\n" in refused.err
    assert stand("assets").code == 1
    stand.write("new")
    assert stand("assets").code == 0
    assert stand.content == "new"


@pytest.mark.threat("leaked-credentials")
def test_a_new_query_in_the_url_is_noticed_and_not_recorded(
    fetcher: Fetcher, web: Scripted
) -> None:
    web.on("/x", Answer(b"one"), Answer(b"two"))
    for content, query in ((b"one", "v=first"), (b"one", "v=first"), (b"two", "v=second")):
        fetcher.write_asset("x", url=f"{web.url}/x?{query}")
        assert fetcher.code() == 0
        assert fetcher.files() == {"x": content}
    from git_spacy.git.state_dir import state_dir

    assert "second" not in (state_dir(fetcher.root) / "index").read_text()
    fetcher.write_asset("x", url=f"{web.url.replace('://', '://me:pw@')}/x?v=second")
    assert fetcher.code() == 0
    assert len(web.requests) == 2
