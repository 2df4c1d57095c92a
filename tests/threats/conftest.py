"""The same fetcher and server as the tests of the assets' room."""

from tests.assets.conftest import fetcher, web

__all__ = ["fetcher", "web"]
