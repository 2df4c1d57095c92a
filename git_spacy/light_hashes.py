"""Hash functions of hashlib for short texts, without OpenSSL.

To load OpenSSL takes longer than everything else that e.g. `git spacy log` does with a hash.
"""

from __future__ import annotations

import sys
from importlib import import_module

from git_spacy.light_typing import TYPE_CHECKING, Any

__all__ = ["blake2b", "md5", "sha1", "sha256"]


def _hash_function(name: str, module: str) -> Any:
    """Return the function from the module that hashlib itself uses if OpenSSL is missing."""

    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):  # another Python than CPython
        return getattr(import_module("hashlib"), name)


if TYPE_CHECKING:
    from hashlib import blake2b, md5, sha1, sha256
else:
    blake2b = _hash_function("blake2b", "_blake2")
    md5 = _hash_function("md5", "_md5")
    sha1 = _hash_function("sha1", "_sha1")
    sha256 = _hash_function("sha256", "_sha2" if sys.version_info >= (3, 12) else "_sha256")
