"""The same fetcher and server as the tests of the assets' room."""

from tests.assets.conftest import fetcher, pauses, web

__all__ = ["fetcher", "pauses", "web"]
