"""Redirects from public servers to private addresses are refused.

Threat model: leaked-credentials. In these tests, 127.0.0.1 is a public address and 127.0.0.2 a
private one.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from git_spacy.assets import http_client
from tests.testing.fetching import Fetcher
from tests.testing.scripted import Answer, Scripted, redirect

PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.2"


@pytest.fixture
def private(web: Scripted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A server in the private network, with the same port as the public one."""

    def is_public(address: str) -> bool:
        return str(ipaddress.ip_address(address)) == PUBLIC

    monkeypatch.setattr(http_client, "is_public", is_public)
    with Scripted(PRIVATE, web.port) as running:
        running.on("/secret", Answer(b"secret"))
        yield running


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """A name server: the addresses of each name, one per lookup; the last one repeats."""

    known: dict[str, list[str]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **keys: Any) -> Any:
        addresses = known.get(host, [host])
        address = addresses.pop(0) if len(addresses) > 1 else addresses[0]
        results = [real(host, *arguments, **keys) for host in address.split()]
        return [info for infos in results for info in infos]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


def assert_refused(fetcher: Fetcher, private: Scripted) -> None:
    fetcher.root.joinpath("data.bin").write_bytes(b"old")
    assert fetcher.code(force=True) == 4
    assert "private network" in fetcher.error
    assert fetcher.files() == {"data.bin": b"old"}
    assert private.asked == []
    assert not fetcher.slept


@pytest.mark.threat("leaked-credentials", commands="assets")
@pytest.mark.parametrize("host", ["outer.test", "inner.test"])
def test_a_second_download_over_the_same_connection_knows_whether_its_server_is_public(
    fetcher: Fetcher, web: Scripted, private: Scripted, names: dict[str, list[str]], host: str
) -> None:
    names.update({"outer.test": [PUBLIC], "inner.test": [PRIVATE]})
    peers = []

    def move(handler: BaseHTTPRequestHandler) -> None:
        peers.append(handler.client_address)
        server.send_answer(handler, redirect(f"{private.url}/secret"))

    def answer(handler: BaseHTTPRequestHandler) -> None:
        peers.append(handler.client_address)
        server.send_answer(handler, Answer(b"first"))

    server = web if host == "outer.test" else private
    server.on("/first", answer)
    server.on("/moved", move)
    url = f"http://{host}:{web.port}"
    fetcher.write(
        f"assets:\n- {{dest: first, url: '{url}/first'}}\n- {{dest: second, url: '{url}/moved'}}\n"
    )
    refused = host == "outer.test"
    assert fetcher.code(jobs=1) == (4 if refused else 0)
    assert fetcher.files() == {"first": b"first"} | ({} if refused else {"second": b"secret"})
    assert len(peers) == 2
    assert len(set(peers)) == 1


@pytest.mark.threat("leaked-credentials", commands="assets")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("host", [PRIVATE, "127.2", "2130706434", "inner.test"])
def test_a_public_server_cannot_redirect_to_a_private_one(
    fetcher: Fetcher,
    web: Scripted,
    private: Scripted,
    names: dict[str, list[str]],
    host: str,
    status: int,
) -> None:
    names["inner.test"] = [PRIVATE]
    web.on("/x", redirect(f"http://{host}:{web.port}/secret", status))
    fetcher.write_asset("data.bin", url=web.url + "/x")
    assert_refused(fetcher, private)


def test_two_redirects_cannot_lead_to_a_private_server(
    fetcher: Fetcher, web: Scripted, private: Scripted
) -> None:
    web.on("/x", redirect("/y"))
    web.on("/y", redirect(f"{private.url}/secret"))
    fetcher.write_asset("data.bin", url=web.url + "/x")
    assert_refused(fetcher, private)


def test_a_public_server_cannot_redirect_back_to_a_private_one(
    fetcher: Fetcher, web: Scripted, private: Scripted
) -> None:
    private.on("/start", redirect(f"{web.url}/x"))
    web.on("/x", redirect(f"{private.url}/secret"))
    fetcher.write_asset("data.bin", url=private.url + "/start")
    assert fetcher.code() == 4
    assert [request.path for request in private.requests] == ["/start"]


def test_a_name_cannot_change_to_a_private_address_between_requests(
    fetcher: Fetcher, web: Scripted, private: Scripted, names: dict[str, list[str]]
) -> None:
    """DNS rebinding: the name has a public address first, then a private one."""

    names["rebinding.test"] = [PUBLIC, PRIVATE]
    web.on("/x", redirect("/secret"))
    fetcher.write_asset("data.bin", url=f"http://rebinding.test:{web.port}/x")
    assert_refused(fetcher, private)


def test_a_name_with_a_public_and_a_private_address_is_refused(
    fetcher: Fetcher, web: Scripted, private: Scripted, names: dict[str, list[str]]
) -> None:
    names["both.test"] = [f"{PUBLIC} {PRIVATE}"]
    web.on("/x", redirect(f"http://both.test:{web.port}/secret"))
    web.on("/secret", Answer(b"public"))
    fetcher.write_asset("data.bin", url=f"{web.url}/x")
    assert_refused(fetcher, private)


@pytest.mark.threat("leaked-credentials", commands="assets")
def test_the_connection_goes_to_the_address_that_was_checked(
    fetcher: Fetcher, web: Scripted, private: Scripted, names: dict[str, list[str]]
) -> None:
    """Another lookup for the connection would return a private address."""

    names["rebinding.test"] = [PUBLIC, PUBLIC, PRIVATE]
    web.on("/x", redirect("/secret"))
    web.on("/secret", Answer(b"public"))
    fetcher.write_asset("data.bin", url=f"http://rebinding.test:{web.port}/x")
    assert fetcher.code() == 0, fetcher.error
    assert fetcher.files() == {"data.bin": b"public"}
    assert private.asked == []


def test_a_private_server_may_redirect_to_a_private_address(
    fetcher: Fetcher, web: Scripted, private: Scripted
) -> None:
    fetcher.write_asset("data.bin", url=private.url + "/secret")
    assert fetcher.code() == 0
    private.on("/a", redirect("/secret"))
    fetcher.write_asset("more.bin", url=private.url + "/a")
    assert fetcher.code() == 0


@pytest.mark.parametrize("host", [PRIVATE, "localhost", "a.localhost.", "127.2", "[::ffff:7f00:2]"])
def test_a_redirect_to_a_literally_private_host_is_refused_behind_a_proxy(
    fetcher: Fetcher,
    web: Scripted,
    private: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
) -> None:
    """The proxy looks up the addresses of other names."""

    monkeypatch.setenv("http_proxy", web.url)
    web.on("http://public.test/x", redirect(f"http://{host}:{web.port}/secret"))
    fetcher.write_asset("data.bin", url="http://public.test/x")
    assert_refused(fetcher, private)
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("64:ff9b::808:808", True),  # as IPv6-only networks see 8.8.8.8
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),  # metadata of most clouds
        ("100.100.100.200", False),
        ("168.63.129.16", False),
        ("192.0.0.192", False),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fd00:ec2::254", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("ff02::1", False),
    ],
)
def test_public_and_private_addresses(address: str, public: bool) -> None:
    assert http_client.is_public(address) is public
