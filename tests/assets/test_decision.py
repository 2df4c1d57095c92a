"""What is done with an asset, before anything is done."""

from __future__ import annotations

import pytest

from git_spacy.assets.decision import Standing, decide, selected, source
from git_spacy.errors import Malformed
from git_spacy.project import loader
from git_spacy.project.model import Asset, Project
from git_spacy.state.index import Fetched

ABSENT = Standing("absent")
GIT = "git: {repo: 'https://user:pw@h/r', path: data, branch: b}"
SOURCE = "https://h/r b data"


def project(*entries: str) -> Project:
    text = "assets:\n" + "".join(f"  - {{{entry}}}\n" for entry in entries)
    return loader.parse(text.encode()).project


def asset(entry: str) -> Asset:
    return project(f"dest: a, {entry}").assets[0]


def file(verified: bool | None = None, size: int = 10, ours: bool | None = None) -> Standing:
    return Standing("file", size, verified, ours)


OURS, OTHER = Fetched(SOURCE, "d", ""), Fetched("https://elsewhere b data", "d", "")


@pytest.mark.parametrize(
    ("entry", "standing", "past", "force", "action"),
    [
        # private
        ("description: x", ABSENT, None, False, "lacking"),
        ("description: x", file(), None, False, "keep"),
        ("description: x", file(verified=False), None, True, "lacking"),
        ("description: x", file(verified=True), None, True, "keep"),
        # by url
        ("url: u", ABSENT, None, False, "fetch"),
        ("url: u", file(verified=True), None, False, "keep"),
        ("url: u", file(verified=True), None, True, "fetch"),
        ("url: u", file(verified=False), None, False, "fetch"),
        ("url: u", file(), None, False, "keep"),
        ("url: u", file(size=0), None, False, "fetch"),
        ("url: u", Standing("folder", 10), None, False, "refuse"),
        ("url: u", Standing("folder", 10), None, True, "fetch"),
        # by git
        (GIT, ABSENT, None, False, "fetch"),
        (GIT, file(verified=True), None, False, "keep"),
        (GIT, file(ours=True), OURS, False, "keep"),
        (GIT, file(ours=True), OTHER, False, "fetch"),
        (GIT, file(ours=True, verified=False), OURS, False, "fetch"),
        (GIT, file(ours=False), OURS, False, "refuse"),
        (GIT, file(ours=False), None, False, "refuse"),
        (GIT, file(ours=False), None, True, "fetch"),
    ],
)
def test_the_decision(
    entry: str, standing: Standing, past: Fetched | None, force: bool, action: str
) -> None:
    decision = decide(asset(entry), standing, past, force)
    assert decision.action == action
    assert decision.reason


def test_a_source_is_recorded_without_its_secrets() -> None:
    assert source(asset(GIT)) == SOURCE
    assert source(asset("url: 'https://u:p@h/x?token=1'")) == "https://h/x"


THREE = project(
    "dest: assets/a, url: u", "dest: assets/b, url: u, extra: true", "dest: other/c, url: u"
)


@pytest.mark.parametrize(
    ("names", "extra", "dests"),
    [
        ((), False, ["assets/a", "other/c"]),
        ((), True, ["assets/a", "assets/b", "other/c"]),
        (("assets/b",), False, ["assets/b"]),
        (("./assets/",), False, ["assets/a", "assets/b"]),
        (("other/c", "assets/a"), False, ["assets/a", "other/c"]),
    ],
)
def test_names_select_and_extra_ones_are_left_out_unless_asked_for(
    names: tuple[str, ...], extra: bool, dests: list[str]
) -> None:
    assert [asset.dest.text for asset in selected(THREE, names, extra)] == dests


def test_an_unknown_destination_gets_the_nearest() -> None:
    with pytest.raises(Malformed) as caught:
        selected(THREE, ["asets/a"], False)
    assert caught.value.problems[0].mend == "did you mean 'assets/a'?"


@pytest.mark.parametrize("second", ["assets/a", "assets", "assets/a/b"])
def test_destinations_in_each_other_are_refused(second: str) -> None:
    with pytest.raises(Malformed, match="lie in each other"):
        selected(project("dest: assets/a, url: u", f"dest: {second}, url: v"), [], False)
