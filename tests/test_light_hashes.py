"""The hash functions without OpenSSL are those of hashlib."""

from __future__ import annotations

import hashlib
import sys
from importlib import reload

import pytest

from git_spacy import light_hashes


@pytest.mark.parametrize("missing", [[], ["_blake2", "_md5", "_sha2", "_sha256"]])
def test_they_return_what_hashlib_returns(
    missing: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    hashes = reload(light_hashes)
    for text in (b"", b"x" * 1000):
        expected = hashlib.md5(text, usedforsecurity=False).digest()
        assert hashes.md5(text, usedforsecurity=False).digest() == expected
        assert hashes.sha256(text).digest() == hashlib.sha256(text).digest()
        expected = hashlib.blake2b(text, digest_size=16).digest()
        assert hashes.blake2b(text, digest_size=16).digest() == expected
