"""Addresses that could run a program, or that git would read as an option, are refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from git_spacy.errors import GitSpacyError, Refused
from git_spacy.git.address import Address, parse_address, without_credentials

HOSTILE = [
    "ext::sh -c id", "ext::sh", "fd::17", "foo::bar", "-u./evil", "--upload-pack=touch x",
    "ssh://-oProxyCommand=id/x", "ssh://user@-oProxyCommand=id/x", "-oProxyCommand=id:x",
    "git@-oProxyCommand=id:x", "host:-path", "https://h/x\ny", "https://h/x\x00", "https://h/x y",
    "ftp://h/x", "javascript://x", "", "http://-h/x",
]  # fmt: skip


@pytest.mark.threat("option-injection", commands="assets clone")
@pytest.mark.threat("hostile-repositories")
@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_addresses_are_refused(
    url: str, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    if trusted and " " in url and "::" not in url:
        pytest.skip("spaces are allowed in addresses from the user; git gets them after --")
    with pytest.raises(Refused):
        parse_address(url, None, trusted=trusted)


@pytest.mark.parametrize("url", ["file:///srv/r", "/srv/r", "../r", "~/r", "r"])
def test_local_repositories_need_permission_of_the_user(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"git config spacy\.allowLocalRepository true"):
        parse_address(url, None, trusted=False)
    assert parse_address(url, None, trusted=True, base=tmp_path).protocol == "file"


@pytest.mark.parametrize(
    "ref", ["", "-x", "a:b", "a..b", "a b", "a~1", "a^", "a?", "a*", "a[", "a\\b", "a.lock", "/a",
            "a/", "a//b", ".a", "a/.b", "a@{1}", "@", "a\nb", "+main"]
)  # fmt: skip
def test_invalid_refs_are_refused(ref: str) -> None:
    with pytest.raises(Refused):
        parse_address("https://host/r", ref, trusted=True)


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://github.com/explosion/projects", "https"),
        ("http://127.0.0.1:8000/r.git", "http"),
        ("ssh://git@host:22/r", "ssh"),
        ("git@github.com:explosion/projects.git", "ssh"),
        ("host:path/r", "ssh"),
    ],
)
def test_valid_addresses_keep_their_url_and_protocol(url: str, protocol: str) -> None:
    assert parse_address(url, "v1.0/x-2", trusted=False) == Address(url, "v1.0/x-2", protocol)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@h/r", "https://h/r"),
        ("https://ghp_token@h/r", "https://h/r"),
        ("https://h/r?token=secret", "https://h/r"),
        ("ssh://git:secret@h/r", "ssh://git@h/r"),
        ("git@h:r", "git@h:r"),
    ],
)
def test_displayed_url_contains_no_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@given(st.text(st.sampled_from("-:/@ah\n.~ x\x00s"), max_size=20), st.booleans())
def test_accepted_addresses_cannot_be_read_as_options(url: str, trusted: bool) -> None:
    try:
        address = parse_address(url, None, trusted=trusted)
    except GitSpacyError:
        return
    assert not address.url.startswith("-")
    assert "\n" not in address.url
    assert "\x00" not in address.url
    assert "::" not in address.url.split("/")[0]
