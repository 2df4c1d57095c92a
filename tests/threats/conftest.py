"""Provide the fixtures of the tests of assets here as well: a fetcher and a server."""

from tests.assets.conftest import fetcher, pauses, web

__all__ = ["fetcher", "pauses", "web"]
