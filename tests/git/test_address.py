"""Validation of addresses and refs: what could run a program, or what git would read as an option, is
refused without starting a process."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from git_spacy.errors import GitSpacyError, InvalidInput, Refused
from git_spacy.git.address import Address, parse_address, without_credentials
from tests.testing.repositories import GIT


@pytest.fixture(autouse=True)
def _no_process(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    def refuse(*args: object, **_: object) -> NoReturn:
        raise AssertionError(f"a process was started: {args}")

    if "real_process" not in request.keywords:
        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/explosion/projects",
        "https://user:token@host.example:8443/o/r.git",
        "HTTPS://host/o/r",
        "http://127.0.0.1:8000/r",
        "http://[::1]:8000/r",
        "ssh://git@host.example:22/o/r",
        "ssh://host/~/r",
        "git@github.com:explosion/projects.git",
        "host:path/to/repository",
        "user@host:~/r",
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_valid_remote_addresses_are_accepted_from_any_source(url: str, trusted: bool) -> None:
    assert parse_address(url, "main", trusted=trusted).url == url


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


@pytest.mark.threat("option-injection", commands="assets clone")
@pytest.mark.threat("hostile-repositories")
@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% ran",
        "ext::sh -c id",
        "ext::sh",
        "fd::17",
        "foo::bar",
        "http::https://host/r",
        "::anything",
        "-uhost:path",
        "-u./evil",
        "--upload-pack=touch ran",
        "-x:path",
        "ssh://-oProxyCommand=touch%20ran/r",
        "ssh://-oProxyCommand=id/x",
        "ssh://%2doProxyCommand=touch%20ran/r",
        "ssh://-oProxyCommand=x@host/r",
        "ssh://user@-oProxyCommand=x/r",
        "git@-oProxyCommand=x:r",
        "-oProxyCommand=x:r",
        "-oProxyCommand=x@host:r",
        "host:-upload",
        "https://-host/r",
        "http://-host/r",
        "https://host/a\nb",
        "https://host/a%0ab",
        "https://host/a\0b",
        "https://ho\x1bst/r",
        "https://host/\x9b31m",
        "",
        "\nhttps://host/r",
        "https://host name/r",
        "https://ho$(touch ran)st/r",
        "javascript://host/r",
        "ftp://host/r",
        "git+ext://host/r",
        "\udc00\ud800",
    ],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_hostile_addresses_are_refused_even_from_the_user(url: str, trusted: bool) -> None:
    with pytest.raises(Refused) as caught:
        parse_address(url, None, trusted=trusted)
    assert caught.value.exit_code == 3


@pytest.mark.threat("hostile-repositories")
def test_a_space_is_refused_unless_the_user_types_it() -> None:
    """Git gets it after `--`."""

    with pytest.raises(Refused):
        parse_address("https://host/x y", None, trusted=False)
    assert parse_address("https://host/x y", None, trusted=True).url == "https://host/x y"


@pytest.mark.threat("hostile-repositories", commands="assets")
@pytest.mark.parametrize("url", ["file:///srv/r", "/srv/r", "../r", "r", "~/r", "a/b:c"])
def test_local_repositories_need_permission_of_the_user(url: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"git config spacy\.allowLocalRepository true"):
        parse_address(url, None, trusted=False)
    assert parse_address(url, None, trusted=True, base=tmp_path).protocol == "file"


def test_git_protocol_is_allowed_for_the_user_only() -> None:
    assert parse_address("git://host/r", None, trusted=True).url == "git://host/r"
    with pytest.raises(Refused, match="git://"):
        parse_address("git://host/r", None, trusted=False)


@pytest.mark.parametrize(
    "url", ["https:///r", "https://host", "ssh://host/", "https://host:port/r"]
)
def test_incomplete_addresses_are_invalid(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse_address(url, None, trusted=True)


def test_relative_path_is_resolved_against_the_base(tmp_path: Path) -> None:
    address = parse_address("../r", None, trusted=True, base=tmp_path / "project")
    assert address.local_path == tmp_path / "r"
    assert (
        parse_address(f"file://{tmp_path}/a%20b", None, trusted=True).local_path == tmp_path / "a b"
    )


@pytest.mark.parametrize(
    "ref", ["main", "release/v1.0", "v3.7.1", "a" * 40, "über", "refs/heads/x"]
)
def test_valid_refs_are_accepted(ref: str) -> None:
    assert parse_address("https://host/r", ref, trusted=False).ref == ref


BAD_REFS = [
    "", "-x", "--upload-pack=x", "a..b", "a:b", "+main", "+main:x", "a b", "a~1", "a^", "a?", "a*", "a[",
    "a\\b", "a@{1}", "@", "/a", "a/", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a\nb",
    "a\x7f",
]  # fmt: skip


@pytest.mark.parametrize("ref", BAD_REFS)
def test_invalid_refs_are_refused(ref: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_address("https://host/r", ref, trusted=True)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:secret@host/o/r", "https://host/o/r"),
        ("https://secret@host:8443/o/r", "https://host:8443/o/r"),
        ("https://host/o/r?private_token=secret", "https://host/o/r"),
        ("https://user:sec@ret@host/o/r", "https://host/o/r"),
        ("HTTPS://user:secret@host/o/r", "HTTPS://host/o/r"),
        ("ssh://git:secret@host/o/r", "ssh://git@host/o/r"),
        ("git@github.com:o/r", "git@github.com:o/r"),
        ("git@h:r", "git@h:r"),
        ("/srv/r@home", "/srv/r@home"),
    ],
)
def test_recorded_or_shown_url_contains_no_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_error_message_shows_no_credentials() -> None:
    with pytest.raises(GitSpacyError) as caught:
        parse_address("https://user:sec@ret@host", None, trusted=True)
    assert "ret" not in str(caught.value).replace("repository", "").replace("correct", "")


_TEXT = st.text(st.characters(codec=None), max_size=40)
_SPECIAL = st.text(st.sampled_from("-:/@ah\n.~ x\x00s"), max_size=20)
_URLISH = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", "-", "https://", "ssh://", "ext::", "file://", "git@", "\n", "%2d"]),
    st.text("-a@:/%.[]?#\n\0 ~\\é", max_size=8),
    st.sampled_from(["", "@", ":", "/", "::"]),
    st.text("-a@:/%.[]", max_size=8),
    _TEXT,
)


@pytest.mark.threat("option-injection", commands="assets clone")
@given(url=_TEXT | _URLISH | _SPECIAL, ref=st.none() | _TEXT, trusted=st.booleans())
@example(url="https://[", ref=None, trusted=True)
@example(url="https://[::1", ref=None, trusted=True)
@example(url="//\u2100/", ref=None, trusted=True)
def test_accepted_addresses_cannot_be_misread_by_git(
    url: str, ref: str | None, trusted: bool
) -> None:
    try:
        address = parse_address(url, ref, trusted=trusted)
    except GitSpacyError as error:
        str(error)
        return
    for text in (address.url, address.ref or "x"):
        assert not text.startswith("-")
        assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in text)
        text.encode("utf-8", "surrogateescape")
    assert "::" not in address.url.partition("[")[0].partition("/")[0]
    assert trusted or not (address.local_path or address.url.lower().startswith(("file:", "git:")))
    if address.local_path is None:  # a path such as /folder/@- is passed to git as it is
        assert not address.url.rpartition("@")[2].startswith("-")
    without_credentials(address.url)


@pytest.mark.real_process
@given(ref=st.text("ab/.@{~^:?*[\\- \n\x7f", max_size=8))
def test_accepted_refs_are_valid_for_git(ref: str) -> None:
    try:
        parse_address("https://host/r", ref, trusted=True)
    except Refused:
        return
    done = subprocess.run((GIT, "check-ref-format", f"refs/heads/{ref}"), capture_output=True)
    assert done.returncode == 0
