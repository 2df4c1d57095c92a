"""What is decided about an asset, from what stands at its destination."""

from __future__ import annotations

import pytest

from git_spacy.assets import planner
from git_spacy.assets.planner import AssetStatus, Fetch, Missing, Refuse, Skip, decide
from git_spacy.errors import InvalidInput, Refused
from git_spacy.project import graph
from git_spacy.project.model import Asset, Checksum, GitSource
from git_spacy.project.paths import ProjectPath
from git_spacy.state.hashing import Fingerprint
from git_spacy.state.stat_cache import FetchedAsset

MD5 = Checksum("md5", "0" * 32)
URL = "https://example.com/x"
GIT = GitSource("https://example.com/o/r", "data", None)
FROM_GIT = "https://example.com/o/r HEAD:data"
FOUND = Fingerprint("1" * 32, "", 7)
FOLDER = Fingerprint("1" * 32, "2" * 32, 7)


def asset(
    dest: str = "assets/x",
    url: str | None = None,
    git: GitSource | None = None,
    checksum: Checksum | None = None,
    extra: bool = False,
    line: int = 3,
) -> Asset:
    return Asset(ProjectPath(dest, dest), url, git, checksum, "", extra, line)


NOTHING = AssetStatus()
EMPTY_FOLDER = AssetStatus(None, True)
FILE = AssetStatus(FOUND)
EMPTY = AssetStatus(FOUND._replace(size=0))
RIGHT = AssetStatus(FOUND, False, True)
WRONG = AssetStatus(FOUND, False, False)
WRONG_FOLDER = AssetStatus(FOLDER, True, False)
OURS = AssetStatus(FOLDER, True, None, FetchedAsset(FROM_GIT, FOLDER.digest, FOLDER.names))
OURS_WRONG = OURS._replace(matches=False)
OURS_FROM_ELSEWHERE = OURS._replace(fetched=FetchedAsset("elsewhere", FOLDER.digest, FOLDER.names))
EDITED = OURS._replace(found=FOLDER._replace(digest="3" * 32))
RENAMED = OURS._replace(found=FOLDER._replace(names="3" * 32))

by_url = asset(url=URL)
by_url_sure = asset(url=URL, checksum=MD5)
by_git = asset(git=GIT)
by_git_sure = asset(git=GIT, checksum=MD5)
private = asset()
private_sure = asset(checksum=MD5)


@pytest.mark.parametrize(
    ("wanted", "standing", "force", "verdict", "reason"),
    [
        (by_url, NOTHING, False, Fetch, "missing"),
        (by_url, EMPTY_FOLDER, False, Fetch, "missing"),
        (by_url, EMPTY, False, Fetch, "empty"),
        (by_url, FILE, False, Skip, "no checksum"),
        (by_url, FILE, True, Fetch, "--force"),
        (by_url_sure, NOTHING, False, Fetch, "missing"),
        (by_url_sure, RIGHT, False, Skip, "md5 verified"),
        (by_url_sure, RIGHT, True, Skip, "md5 verified"),
        (by_url_sure, WRONG, False, Fetch, "md5 is not that"),
        (by_url_sure, WRONG_FOLDER, False, Refuse, ""),
        (by_url_sure, WRONG_FOLDER, True, Fetch, "--force"),
        (by_git, NOTHING, False, Fetch, "missing"),
        (by_git, OURS, False, Skip, "unchanged since it was fetched"),
        (by_git, OURS, True, Fetch, "--force"),
        (by_git, OURS_FROM_ELSEWHERE, False, Fetch, "came from elsewhere"),
        (by_git, FILE, True, Fetch, "--force"),
        (by_git_sure, RIGHT, False, Skip, "md5 verified"),
        (by_git_sure, OURS_WRONG, False, Fetch, "md5 is not that"),
        (private, NOTHING, False, Missing, "missing"),
        (private, NOTHING, True, Missing, "missing"),
        (private, FILE, False, Skip, "no checksum"),
        (private_sure, RIGHT, True, Skip, "md5 verified"),
        (private_sure, WRONG, False, Missing, "does not match checksum"),
    ],
)
def test_decisions(
    wanted: Asset, standing: AssetStatus, force: bool, verdict: type, reason: str
) -> None:
    decided = decide(wanted, standing, force=force)
    assert type(decided) is verdict
    assert not getattr(decided, "protect_existing", False)
    if not isinstance(decided, Refuse):
        assert reason in decided.reason
    else:
        assert isinstance(decided.error, Refused)


@pytest.mark.parametrize("standing", [FILE, EMPTY, EDITED, RENAMED, WRONG_FOLDER])
@pytest.mark.parametrize("wanted", [by_git, by_git_sure])
def test_the_work_of_others_is_protected(wanted: Asset, standing: AssetStatus) -> None:
    decided = decide(wanted, standing)
    assert isinstance(decided, Fetch)
    assert decided.protect_existing


def test_a_source_that_is_refused_matters_only_where_it_is_needed() -> None:
    refusal = Refused("no")
    assert decide(by_url, NOTHING, refusal=refusal) == Refuse(by_url, refusal)
    assert isinstance(decide(by_url_sure, RIGHT, refusal=refusal), Skip)
    assert isinstance(decide(by_url, FILE, refusal=refusal), Skip)
    assert isinstance(decide(by_url, FILE, refusal=refusal, force=True), Refuse)


def test_what_came_from_another_address_is_told() -> None:
    standing = FILE._replace(fetched=FetchedAsset("https://example.com/old", FOUND.digest, ""))
    decided = decide(by_url, standing)
    assert isinstance(decided, Skip)
    assert "https://example.com/old" in decided.reason


def test_a_source_is_shown_without_secrets() -> None:
    secret = asset(url="https://user:pw@example.com/x?token=pw")
    assert planner.describe_source(secret) == "https://example.com/x"
    kept = asset(url="https://example.com/${env.TOKEN}/x")
    assert planner.describe_source(kept) == "https://example.com/${env.TOKEN}/x"
    assert planner.describe_source(by_git) == FROM_GIT


ASSETS = (
    asset("assets/a"),
    asset("assets/b", extra=True),
    asset("assets/more/c"),
    asset("other/d", extra=True),
    asset("assets2"),
)


@pytest.mark.parametrize(
    ("names", "extra", "chosen"),
    [
        ([], False, ["assets/a", "assets/more/c", "assets2"]),
        ([], True, ["assets/a", "assets/b", "assets/more/c", "other/d", "assets2"]),
        (["assets"], False, ["assets/a", "assets/more/c"]),
        (["./assets//"], True, ["assets/a", "assets/b", "assets/more/c"]),
        (["assets/b"], False, ["assets/b"]),
        (["other"], False, ["other/d"]),
        (["."], False, ["assets/a", "assets/more/c", "assets2"]),
        (["assets2", "assets/a", "assets/a"], False, ["assets/a", "assets2"]),
    ],
)
def test_chosen(names: list[str], extra: bool, chosen: list[str]) -> None:
    found = planner.select_assets(ASSETS, names, extra=extra)
    assert [asset.dest.text for asset in found] == chosen


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'assets/more/c'"):
        planner.select_assets(ASSETS, ["assets/mor/c"], extra=False)
    with pytest.raises(InvalidInput, match="names no assets"):
        planner.select_assets((), ["x"], extra=False)


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c/d")]
)
def test_assets_in_each_other_are_malformed(first: str, second: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.check_destinations([asset(first, line=3), asset(second, line=5)])
    assert str(caught.value).startswith("project.yml:5: error: asset destination")
    assert "line 3" in str(caught.value)
    graph.check_destinations([asset("a"), asset("ab"), asset("b/a")])
