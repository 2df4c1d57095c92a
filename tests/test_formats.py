"""Validation of values that come from untrusted files and servers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from git_spacy import formats
from git_spacy.errors import InvalidInput

MD5, SHA1, SHA256 = "0123456789abcdef" * 2, "a" * 40, "b" * 64
INVALID_HASHES: list[object] = [
    "../../evil", "/etc/passwd", "*", f"{MD5}*", f"{MD5}/..", f"{MD5}\n", MD5.upper(), MD5[1:],
    f"{MD5}0", "٣" * 32, "", " " + MD5, None, 1, True, [MD5], "a" * 10_000_000,
]  # fmt: skip


@pytest.mark.parametrize("value", INVALID_HASHES, ids=lambda value: repr(value)[:20])
def test_only_hexadecimal_digits_of_the_right_length_are_a_hash(value: object) -> None:
    parsers = (formats.md5, formats.names_digest, formats.sha256, formats.digest, formats.object_id)
    for parser in parsers:
        if value == "" and parser in (formats.names_digest, formats.object_id):
            continue
        with pytest.raises(InvalidInput, match=r"is not .{5,}") as raised:
            parser(value)
        assert len(str(raised.value)) < 200


def test_each_hash_has_its_own_length() -> None:
    assert formats.md5(MD5) == formats.names_digest(MD5) == formats.digest(MD5) == MD5
    assert formats.sha256(SHA256) == formats.digest(SHA256) == formats.object_id(SHA256) == SHA256
    assert formats.object_id(SHA1) == SHA1
    assert formats.names_digest("") == formats.object_id("") == ""
    for parser, value in (
        (formats.md5, SHA256), (formats.sha256, MD5), (formats.object_id, MD5),
        (formats.digest, SHA1),
    ):  # fmt: skip
        with pytest.raises(InvalidInput):
            parser(value)


@pytest.mark.parametrize(
    "value", ["a", "a/b.c", "..a/b..", "a b/é", "a\\b", "-x", "*", "a:b", "\udcff"]
)
def test_a_name_leads_to_a_file_below_its_folder(value: str) -> None:
    assert formats.name(value) == formats.folder(value) == value


@pytest.mark.threat("hostile-values")
@pytest.mark.parametrize(
    "value",
    [
        "", "/a", "a/", "a//b", ".", "./a", "a/.", "..", "../a", "a/../b", "a/..", "\\a", "..\\a",
        "a\\..\\b", "a\0b", "a\nb", "\x1b[2J", "\x7f", ".git", "a/.GIT/hooks", ".git.", "git~1",
        "a\\.git\\x", ".g\u200cit", "\ud800", None, 1, ["a"],
    ],
    ids=repr,
)  # fmt: skip
def test_a_path_that_could_lead_elsewhere_is_not_a_name(value: object) -> None:
    with pytest.raises(InvalidInput):
        formats.name(value)
    if value != "":
        with pytest.raises(InvalidInput):
            formats.folder(value)


@pytest.mark.parametrize("value", [-1, 1 << 63, 1.0, True, "1", None, 10**400])
def test_a_size_is_a_whole_number_that_a_file_can_have(value: object) -> None:
    assert formats.size(0) == 0
    assert formats.size(formats.MAX_SIZE) == formats.MAX_SIZE
    with pytest.raises(InvalidInput):
        formats.size(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, True, "1", None])
def test_a_number_is_finite(value: object) -> None:
    assert formats.number(0.5) == 0.5
    with pytest.raises(InvalidInput):
        formats.number(value)


@pytest.mark.parametrize(
    ("parser", "value"),
    [(formats.text, "\ud800"), (formats.text, 1), (formats.line, "a\nb"), (formats.line, "\x1b")],
)
def test_text_is_unicode_and_a_line_has_no_control_characters(
    parser: Callable[[object], str], value: object
) -> None:
    assert formats.text("a\nb") == "a\nb"
    assert formats.line("é") == "é"
    with pytest.raises(InvalidInput):
        parser(value)


@pytest.mark.parametrize(
    ("parser", "max_length"),
    [(formats.line, 4_096), (formats.text, 1 << 20), (formats.name, 4_095)],
)
def test_text_is_no_longer_than_a_path_or_a_command_line_can_be(
    parser: Callable[[object], str], max_length: int
) -> None:
    longest = ("a/" * max_length)[:max_length]
    assert parser(longest) == longest
    for value in (f"{longest}a", f"{longest[:-1]}é", "a" * 10_000_000):
        with pytest.raises(InvalidInput) as raised:
            parser(value)
        assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\xff", b"[" * 100_000, b"[" * 40 + b"]" * 40, b"9" * 10_000],
    ids=lambda data: repr(data[:8]),
)  # fmt: skip
def test_json_that_is_invalid_or_too_deep_is_refused(data: bytes) -> None:
    assert formats.document(b'{"a": [1, {"b": null}]}') == {"a": [1, {"b": None}]}
    with pytest.raises(InvalidInput):
        formats.document(data)
