"""Tests of proxies and of Git's network settings for assets."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testing.fetching import Fetcher
from tests.testing.proxies import Proxy
from tests.testing.repositories import git, repository
from tests.testing.scripted import Answer, Scripted, redirect
from tests.testing.tls import certificate

needs_socks = pytest.mark.skipif(
    importlib.util.find_spec("socks") is None, reason="PySocks is not installed"
)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[Scripted, Path]]:
    """A server with a certificate of its own, and the file of that."""

    file, context = certificate(tmp_path)
    server = Scripted()
    server.use_tls(context)
    with server:
        server.on("/x", Answer(b"data"))
        yield server, file


def configure(home: Path, *pairs: tuple[str, str]) -> None:
    for name, value in pairs:
        git(home, "config", "--global", name, value)


def test_the_proxy_of_git_is_used_for_the_urls_that_it_matches(
    fetcher: Fetcher, web: Scripted, sealed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.on("http://data.example/x", Answer(b"by Git's proxy"))
    web.on("http://data.example/a/x", Answer(b"for this path"))
    web.on("/direct", Answer(b"direct"))
    # Git's setting comes before that of the environment, as in Git
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    configure(
        sealed,
        ("http.http://data.example/.proxy", web.url.removeprefix("http://")),
        (f"http.{web.url}/.proxy", ""),
    )
    for url, content in (
        ("http://data.example/x", b"by Git's proxy"),
        ("http://data.example/a/x", b"for this path"),
        (f"{web.url}/direct", b"direct"),
    ):
        fetcher.write_asset("x", url=url)
        assert fetcher.code() == 0, fetcher.error
        assert fetcher.files() == {"x": content}
    monkeypatch.setenv("NO_PROXY", "data.example")
    monkeypatch.setenv("http_proxy", "")
    fetcher.write_asset("y", url="http://data.example/x")
    assert fetcher.code() == 4  # there is no such host


def test_a_redirect_uses_the_proxy_of_its_own_url(
    fetcher: Fetcher, web: Scripted, sealed: Path
) -> None:
    web.on("/first", redirect("http://data.example/x"))
    web.on("http://data.example/x", Answer(b"data"))
    configure(sealed, ("http.http://data.example.proxy", web.url))
    fetcher.write_asset("x", url=f"{web.url}/first")
    assert fetcher.code() == 0, fetcher.error
    assert fetcher.files() == {"x": b"data"}


def test_only_the_configuration_of_the_user_counts(
    fetcher: Fetcher, web: Scripted, sealed: Path
) -> None:
    """That of the repository is the user's, too; a file in the project is not."""

    web.on("http://data.example/x", Answer(b"data"))
    fetcher.write_asset("x", url="http://data.example/x")
    (fetcher.root / "config").write_text(f"[http]\n\tproxy = {web.url}\n")
    (fetcher.root / ".gitconfig").write_text(f"[http]\n\tproxy = {web.url}\n")
    assert fetcher.code() == 4
    repository(fetcher.root, {})
    git(fetcher.root, "config", "http.proxy", web.url)
    assert fetcher.code() == 0


def test_https_goes_through_a_tunnel_and_trusts_the_certificates_of_git(
    fetcher: Fetcher, secure: tuple[Scripted, Path], sealed: Path
) -> None:
    server, file = secure
    url = f"https://localhost:{server.port}/x"
    fetcher.write_asset("x", url=url)
    assert fetcher.code() == 4
    assert "hint: for a private certificate authority: git config --global" in fetcher.error
    with Proxy("http") as proxy:
        configure(sealed, ("http.proxy", proxy.url), ("http.sslCAInfo", str(file)))
        assert fetcher.code() == 0, fetcher.error
        assert proxy.targets == [("localhost", server.port)]
    configure(sealed, ("http.proxy", ""), ("http.sslCAInfo", "/nowhere"))
    assert fetcher.code(force=True) == 2
    assert "http.sslCAInfo in Git's configuration does not exist: '/nowhere'" in fetcher.error


@pytest.mark.parametrize("where", ["for its host", "for another host", "GIT_SSL_NO_VERIFY"])
def test_certificates_are_not_verified_only_where_git_does_not(
    fetcher: Fetcher, secure: tuple[Scripted, Path], sealed: Path, where: str
) -> None:
    server, _ = secure
    fetcher.write_asset("x", url=f"{server.url}/x")
    if where == "GIT_SSL_NO_VERIFY":
        fetcher.environ["GIT_SSL_NO_VERIFY"] = "1"
    else:
        host = server.url if where == "for its host" else "https://data.example"
        configure(sealed, (f"http.{host}.sslVerify", "false"))
    assert fetcher.code() == (4 if where == "for another host" else 0)


@needs_socks
@pytest.mark.parametrize("scheme", ["socks5h", "socks5"])
def test_a_socks_proxy_is_used(
    fetcher: Fetcher, web: Scripted, secure: tuple[Scripted, Path], sealed: Path, scheme: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    web.on("/x", Answer(b"data"))
    server, file = secure
    host = "data.example" if scheme == "socks5h" else "localhost"
    with Proxy(scheme) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        fetcher.write_asset("x", url=f"http://{host}:{web.port}/x")
        assert fetcher.code() == 0, fetcher.error
        configure(sealed, ("http.sslCAInfo", str(file)))
        fetcher.write_asset("y", url=f"https://localhost:{server.port}/x")
        assert fetcher.code() == 0, fetcher.error
        assert proxy.targets[0] == (host if scheme == "socks5h" else "127.0.0.1", web.port)
        assert proxy.targets[1][1] == server.port


@needs_socks
def test_a_socks_proxy_may_need_a_password(fetcher: Fetcher, web: Scripted, sealed: Path) -> None:
    web.on("/x", Answer(b"data"))
    fetcher.write_asset("x", url=f"http://data.example:{web.port}/x")
    with Proxy("socks5h", ("me", "pw")) as proxy:
        configure(sealed, ("http.proxy", proxy.url.replace("://", "://me:wrong@")))
        assert fetcher.code() == 4
        assert "wrong" not in fetcher.error
        configure(sealed, ("http.proxy", proxy.url.replace("://", "://me:pw@")))
        assert fetcher.code() == 0, fetcher.error


def test_a_socks_proxy_without_its_package_says_what_to_install(
    fetcher: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "socks", None)
    monkeypatch.setenv("http_proxy", "socks5://me:pw@127.0.0.1:9")
    fetcher.write_asset("x", url="http://data.example/x")
    assert fetcher.code() == 4
    assert "the proxy needs SOCKS, which is not installed" in fetcher.error
    assert "hint: pip install PySocks" in fetcher.error
    assert "pw" not in fetcher.error


@pytest.mark.parametrize("proxy", ["ftp://127.0.0.1:9", "http://", "http://[", "http://h:x"])
def test_an_invalid_proxy_is_named_as_the_cause(
    fetcher: Fetcher, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy)
    fetcher.write_asset("x", url="http://data.example/x")
    assert fetcher.code() == 4
    assert "invalid proxy" in fetcher.error
    assert "hint: correct http_proxy in the environment, or git config http.proxy" in fetcher.error
