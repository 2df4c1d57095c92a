"""The hash functions without OpenSSL are those of hashlib."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator

import pytest

from git_spacy import light_hashes


@pytest.fixture(autouse=True)
def not_loaded() -> Iterator[None]:
    """Let each test load the hash functions anew."""

    _forget()
    yield
    _forget()


def _forget() -> None:
    for name in ("blake2b", "md5", "sha1", "sha256"):
        vars(light_hashes).pop(name, None)


@pytest.mark.parametrize("missing", [[], ["_blake2", "_md5", "_sha1", "_sha2", "_sha256"]])
def test_they_return_what_hashlib_returns(
    missing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    for text in (b"", b"x" * 1000):
        expected = hashlib.md5(text, usedforsecurity=False).digest()
        assert light_hashes.md5(text, usedforsecurity=False).digest() == expected
        expected = hashlib.sha1(text, usedforsecurity=False).digest()
        assert light_hashes.sha1(text, usedforsecurity=False).digest() == expected
        assert light_hashes.sha256(text).digest() == hashlib.sha256(text).digest()
        expected = hashlib.blake2b(text, digest_size=16).digest()
        assert light_hashes.blake2b(text, digest_size=16).digest() == expected


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 1 << 30])
def test_long_content_is_hashed_by_hashlib_with_the_same_result(algorithm: str, size: int) -> None:
    hasher = light_hashes.new(algorithm, size)
    is_light = algorithm != "sha512" and size == 0
    assert (type(hasher).__module__ != "_hashlib") == is_light
    hasher.update(b"text")
    assert hasher.hexdigest() == hashlib.new(algorithm, b"text").hexdigest()


def test_there_are_no_other_hash_functions() -> None:
    with pytest.raises(AttributeError):
        light_hashes.sha512  # type: ignore[attr-defined]  # noqa: B018
