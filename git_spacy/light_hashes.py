"""Hash functions of hashlib for short texts, without OpenSSL.

Loading OpenSSL takes longer than everything else that e.g. `git spacy log` does with a hash.
"""

from __future__ import annotations

import sys
from importlib import import_module

from git_spacy.light_typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hashlib import blake2b, md5, sha1, sha256

__all__ = ["blake2b", "md5", "new", "sha1", "sha256"]

# the modules that hashlib itself uses if OpenSSL is missing
_MODULES = {
    "blake2b": "_blake2",
    "md5": "_md5",
    "sha1": "_sha1",
    "sha256": "_sha2" if sys.version_info >= (3, 12) else "_sha256",
}
_MAX_SHORT = 1 << 20  # bytes; up to here, loading OpenSSL takes longer than it saves


def __getattr__(name: str) -> Any:
    """Load a hash function when it is first used."""

    if name not in _MODULES:
        raise AttributeError(name)
    try:
        function = getattr(import_module(_MODULES[name]), name)
    except (ImportError, AttributeError):  # another Python than CPython
        function = getattr(import_module("hashlib"), name)
    globals()[name] = function
    return function


def new(algorithm: str, size: int) -> Any:
    """Return a new hash object, as `hashlib.new` does, for content of about `size` bytes."""

    if algorithm in _MODULES and size <= _MAX_SHORT:
        function = globals().get(algorithm) or __getattr__(algorithm)
        return function(usedforsecurity=False)
    import hashlib

    return hashlib.new(algorithm, usedforsecurity=False)
