"""Tests of the decision what to do with an asset."""

from __future__ import annotations

import pytest

from git_spacy.assets import planner
from git_spacy.assets.planner import AssetStatus, Fetch, Missing, Refuse, Skip, plan_asset
from git_spacy.errors import InvalidInput, Refused
from git_spacy.project import graph
from git_spacy.project.model import Asset, Checksum, GitSource
from git_spacy.project.paths import ProjectPath
from git_spacy.state.fetched_assets import describe_source
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
VERIFIED = AssetStatus(FOUND, False, True)
WRONG = AssetStatus(FOUND, False, False)
WRONG_FOLDER = AssetStatus(FOLDER, True, False)
FETCHED = AssetStatus(FOLDER, True, None, FetchedAsset(FROM_GIT, FOLDER.digest, FOLDER.names), True)
FETCHED_WRONG = FETCHED._replace(matches=False)
FETCHED_FROM_ELSEWHERE = FETCHED._replace(
    fetched=FetchedAsset("elsewhere", FOLDER.digest, FOLDER.names)
)
EDITED = FETCHED._replace(is_unmodified=False)
FROM_URL = AssetStatus(FOUND, False, None, FetchedAsset(URL, FOUND.digest, ""), True)
FROM_OTHER_URL = FROM_URL._replace(fetched=FetchedAsset("other", FOUND.digest, ""))
FROM_OTHER_QUERY = FROM_URL._replace(fetched=FetchedAsset(URL, FOUND.digest, "", "5" * 32))

url_asset = asset(url=URL)
url_with_checksum = asset(url=URL, checksum=MD5)
git_asset = asset(git=GIT)
git_with_checksum = asset(git=GIT, checksum=MD5)
private = asset()
private_with_checksum = asset(checksum=MD5)


@pytest.mark.parametrize(
    ("wanted", "status", "force", "kind", "reason"),
    [
        (url_asset, NOTHING, False, Fetch, "missing"),
        (url_asset, EMPTY_FOLDER, False, Fetch, "missing"),
        (url_asset, EMPTY, False, Fetch, "empty"),
        (url_asset, FILE, False, Skip, "no checksum"),
        (url_asset, FILE, True, Fetch, "--force"),
        (url_asset, FROM_URL, False, Skip, "no checksum"),
        (url_asset, FROM_OTHER_URL, False, Fetch, "fetched from other"),
        (url_asset, FROM_OTHER_QUERY, False, Fetch, "fetched from https://example.com/x"),
        (url_asset, FROM_OTHER_URL._replace(is_unmodified=False), False, Refuse, ""),
        (url_asset, FROM_OTHER_URL._replace(is_unmodified=False), True, Fetch, "--force"),
        (url_asset, FROM_URL._replace(is_unmodified=False), False, Skip, "modified since"),
        (url_with_checksum, FROM_OTHER_URL._replace(matches=True), False, Skip, "md5 verified"),
        (url_with_checksum, FROM_URL._replace(matches=False), False, Fetch, "md5 does not match"),
        (
            url_with_checksum,
            FROM_URL._replace(matches=False, is_unmodified=False),
            False,
            Refuse,
            "",
        ),
        (url_with_checksum, NOTHING, False, Fetch, "missing"),
        (url_with_checksum, VERIFIED, False, Skip, "md5 verified"),
        (url_with_checksum, VERIFIED, True, Skip, "md5 verified"),
        (url_with_checksum, WRONG, False, Fetch, "md5 does not match project.yml"),
        (url_with_checksum, WRONG_FOLDER, False, Refuse, ""),
        (url_with_checksum, WRONG_FOLDER, True, Fetch, "--force"),
        (url_with_checksum, FETCHED_WRONG, False, Fetch, f"fetched from {FROM_GIT}"),
        (url_asset, FETCHED, False, Fetch, f"fetched from {FROM_GIT}"),
        (url_asset, EDITED, False, Refuse, ""),
        (git_asset, NOTHING, False, Fetch, "missing"),
        (git_asset, FETCHED, False, Skip, "unchanged since it was fetched"),
        (git_asset, FETCHED, True, Fetch, "--force"),
        (git_asset, FETCHED_FROM_ELSEWHERE, False, Fetch, "fetched from elsewhere"),
        (git_asset, FILE, True, Fetch, "--force"),
        (git_with_checksum, VERIFIED, False, Skip, "md5 verified"),
        (git_with_checksum, FETCHED_WRONG, False, Fetch, "md5 does not match project.yml"),
        (private, NOTHING, False, Missing, "missing"),
        (private, NOTHING, True, Missing, "missing"),
        (private, FILE, False, Skip, "no checksum"),
        (private_with_checksum, VERIFIED, True, Skip, "md5 verified"),
        (private_with_checksum, WRONG, False, Missing, "does not match checksum"),
    ],
)
def test_the_decision_follows_from_the_asset_and_its_status(
    wanted: Asset, status: AssetStatus, force: bool, kind: type, reason: str
) -> None:
    decision = plan_asset(wanted, status, force=force)
    assert type(decision) is kind
    assert not getattr(decision, "protect_existing", False)
    if not isinstance(decision, Refuse):
        assert reason in decision.reason
    else:
        assert isinstance(decision.error, Refused)


@pytest.mark.parametrize("status", [FILE, EMPTY, EDITED, WRONG_FOLDER])
@pytest.mark.parametrize("wanted", [git_asset, git_with_checksum])
def test_content_that_was_not_fetched_is_protected(wanted: Asset, status: AssetStatus) -> None:
    decision = plan_asset(wanted, status)
    assert isinstance(decision, Fetch)
    assert decision.protect_existing


def test_a_refused_source_only_matters_if_the_asset_must_be_fetched() -> None:
    refusal = Refused("no")
    assert plan_asset(url_asset, NOTHING, refusal=refusal) == Refuse(url_asset, refusal)
    assert isinstance(plan_asset(url_with_checksum, VERIFIED, refusal=refusal), Skip)
    assert isinstance(plan_asset(url_asset, FILE, refusal=refusal), Skip)
    assert isinstance(plan_asset(url_asset, FILE, refusal=refusal, force=True), Refuse)


def test_a_source_is_shown_without_secrets() -> None:
    secret = asset(url="https://user:pw@example.com/x?token=pw")
    assert describe_source(secret) == "https://example.com/x"
    variable = asset(url="https://example.com/${env.TOKEN}/x")
    assert describe_source(variable) == "https://example.com/${env.TOKEN}/x"
    assert describe_source(git_asset) == FROM_GIT


ASSETS = (
    asset("assets/a"),
    asset("assets/b", extra=True),
    asset("assets/more/c"),
    asset("other/d", extra=True),
    asset("assets2"),
)


@pytest.mark.parametrize(
    ("names", "extra", "expected"),
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
def test_names_and_folders_select_assets(
    names: list[str], extra: bool, expected: list[str]
) -> None:
    selected = planner.select_assets(ASSETS, names, extra=extra)
    assert [asset.dest.text for asset in selected] == expected


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(InvalidInput, match="did you mean 'assets/more/c'"):
        planner.select_assets(ASSETS, ["assets/mor/c"], extra=False)
    with pytest.raises(InvalidInput, match="has no assets"):
        planner.select_assets((), ["x"], extra=False)


@pytest.mark.parametrize(
    ("first", "second"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("a/b", "a/b/c/d")]
)
def test_destinations_inside_a_file_are_invalid(first: str, second: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        graph.check_destinations([asset(first, URL, line=3), asset(second, URL, line=5)])
    assert str(caught.value).startswith("project.yml:5: error: asset destination")
    assert "line 3" in str(caught.value)
    graph.check_destinations([asset("a", URL), asset("ab", URL), asset("b/a", URL)])


def test_a_folder_from_git_and_a_private_one_may_contain_other_assets() -> None:
    for outer in (asset("a", git=GIT, line=3), asset("a", line=3)):
        graph.check_destinations([outer, asset("a/b", URL), asset("a/c", git=GIT)])
        graph.check_destinations([asset("a/b", URL), outer])
        with pytest.raises(InvalidInput):
            graph.check_destinations([outer, asset("a", git=GIT, line=5)])
