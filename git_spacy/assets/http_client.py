"""Send one GET request, checking each redirect and sending credentials only to their own server.

Error messages never quote a URL, since its path may be a secret.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from git_spacy import __version__
from git_spacy.assets.cancellation import Cancellation
from git_spacy.errors import ExternalError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session
    from urllib3.connection import HTTPConnection, HTTPSConnection

    from git_spacy.git.http_settings import HttpConfig

MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_PAGE = re.compile(r"/([^/]+)/([^/]+)/(?:blob|tree)/(.+)")
_MOVED = "correct 'url' in project.yml, if its data has moved"
_PROXIES = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_MOST_ADDRESSES = 8  # tried for one host name
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# metadata services of clouds, and networks that older versions of Python take for global
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("168.63.129.16", "192.0.0.0/24", "64:ff9b:1::/48")))


class Route:
    """Tracks whether the servers that one request is redirected to are public.

    A public server must not redirect to a private one, which it could not reach itself (server-side
    request forgery). `only_public` is set once a public server has answered; `is_public` is
    whether the current server is public, None behind a proxy.
    """

    def __init__(self) -> None:
        self.only_public = False
        self.is_public: bool | None = None


class Link(NamedTuple):
    """What is known of a URL that a server gave: header fields that are only for its own server,
    and whether it must lead to a public one."""

    headers: Mapping[str, str]
    only_public: bool


class ConnectionBroken(Exception):
    """The connection failed; another attempt may succeed."""


def raw_github_url(url: str) -> str | None:
    """Return the raw URL of the file shown on a github.com page, None for any other URL."""

    parts = urlsplit(url)
    page = _PAGE.fullmatch(parts.path)
    if page is None or (parts.hostname or "") not in ("github.com", "www.github.com"):
        return None
    return f"https://raw.githubusercontent.com/{page[1]}/{page[2]}/{page[3]}"


class SessionPool:
    """Sessions of parallel downloads. Each keeps its connections for the next download from the
    same servers, which saves the time to connect."""

    def __init__(self, cancellation: Cancellation, config: HttpConfig) -> None:
        self._cancellation = cancellation
        self._config = config
        self._idle: list[Session] = []

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Yield a session that no other download uses at the same time."""

        try:
            session = self._idle.pop()
        except IndexError:
            session = open_session(self._cancellation, self._config)
        try:
            yield session
        except BaseException:
            session.close()
            raise
        session.cookies.clear()
        self._idle.append(session)

    def close(self) -> None:
        """Close the connections of the sessions that no download uses."""

        while self._idle:
            self._idle.pop().close()


def open_session(cancellation: Cancellation, config: HttpConfig) -> Session:
    """Return a session whose connections are shut down by `cancellation`.

    Its proxies and certificates are those of Git in `config`, or else of the environment.
    """

    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    from git_spacy.assets.http_reader import BoundedResponse

    route = Route()

    class Plain(HTTPConnection):
        response_class = BoundedResponse

        def connect(self) -> None:
            super().connect()
            cancellation.watch(self.sock)

    class Secure(HTTPSConnection):
        response_class = BoundedResponse

        def connect(self) -> None:
            super().connect()
            cancellation.watch(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    class Checked:
        """A direct connection, not through a proxy, whose address is checked.

        `leads_to_public` is whether it is public: a later request may use the same connection.
        """

        leads_to_public: bool | None = None

        def putrequest(self, *args: Any, **keys: Any) -> None:
            route.is_public = self.leads_to_public
            super().putrequest(*args, **keys)  # type: ignore[misc]

        def _new_conn(self: Any) -> socket.socket:
            connection: socket.socket = (
                _connect_to_public(self) if route.only_public else super()._new_conn()  # type: ignore[misc]
            )
            try:
                self.leads_to_public = is_public(connection.getpeername()[0])
            except OSError:  # already closed by the server
                connection.close()
                raise
            route.is_public = self.leads_to_public
            return connection

    class DirectPlain(Checked, Plain): ...

    class DirectSecure(Checked, Secure): ...

    class DirectPlainPool(HTTPConnectionPool):
        ConnectionCls = DirectPlain

    class DirectSecurePool(HTTPSConnectionPool):
        ConnectionCls = DirectSecure

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            self.poolmanager.pool_classes_by_scheme = {
                "http": DirectPlainPool,
                "https": DirectSecurePool,
            }

        def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
            is_socks = proxy.lower().startswith("socks")
            if is_socks and find_spec("socks") is None:
                message = "the proxy needs SOCKS, which is not installed"
                raise ExternalError(message, hint="pip install PySocks")
            manager = super().proxy_manager_for(proxy, **kwargs)
            pools = {"http": PlainPool, "https": SecurePool}
            manager.pool_classes_by_scheme = _socks_pools(Plain, Secure) if is_socks else pools
            return manager

        def close(self) -> None:
            # a manager only forgets its pools: their sockets would wait for the garbage collector
            for manager in (self.poolmanager, *self.proxy_manager.values()):
                for key in list(manager.pools.keys()):
                    manager.pools[key].close()
            super().close()

    class SingleRequestSession(requests.Session):
        def get_redirect_target(self, resp: Response) -> None:
            """Return None: requests would read the whole body of a redirect, of any size."""

        def merge_environment_settings(self, _url: Any, *settings: Any) -> Any:
            """Return these settings: `_network_settings` has read those of the environment."""

            return dict(zip(("proxies", "stream", "verify", "cert"), settings, strict=True))

    session = SingleRequestSession()
    session.route = route  # type: ignore[attr-defined]
    session.git_config = config  # type: ignore[attr-defined]
    session.environment_proxies = cache(_environment_proxies)  # type: ignore[attr-defined]
    for prefix in ("http://", "https://"):
        session.mount(prefix, Adapter())
    session.headers["User-Agent"] = f"git-spacy/{__version__}"
    return session


def _socks_pools(plain: type[HTTPConnection], secure: type[HTTPSConnection]) -> dict[str, Any]:
    """Return the classes of pools whose connections, of these classes, use a SOCKS proxy."""

    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.contrib.socks import SOCKSConnection

    class SocksPlain(SOCKSConnection, plain): ...  # type: ignore[misc, valid-type]

    class SocksSecure(SOCKSConnection, secure): ...  # type: ignore[misc, valid-type]

    class SocksPlainPool(HTTPConnectionPool):
        ConnectionCls = SocksPlain

    class SocksSecurePool(HTTPSConnectionPool):
        ConnectionCls = SocksSecure

    return {"http": SocksPlainPool, "https": SocksSecurePool}


def get(
    session: Session,
    url: str,
    headers: Mapping[str, str],
    idle: float,
    *,
    body: bytes | None = None,
    link: Link | None = None,
) -> Response:
    """Send a GET request, follow redirects, and return the response with its body unread.

    With `body`, sends a POST request, also after a redirect. `idle` is the timeout in seconds
    without any data. `link` says that a server gave the URL. Raises ConnectionBroken,
    ExternalError.
    """

    parts = urlsplit(url)
    route: Route = session.route  # type: ignore[attr-defined]
    route.only_public = link is not None and link.only_public
    if route.only_public and _is_private_name(parts.hostname or ""):
        raise _private_redirect()
    # Credentials are those in the URL or, if None, those that requests finds in ~/.netrc for the
    # host. The latter are only sent over https, and not to a server that another one named.
    auth: Any = None if parts.scheme == "https" and link is None else _no_credentials
    if parts.username is not None:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    url = _without_credentials(parts)
    fields = {**headers, **(link.headers if link else {})}
    if link is not None:
        session.close()  # the next request opens a new connection, whose address is checked
    for _ in range(MAX_REDIRECTS + 1):
        route.is_public = None
        response = _send_request(session, url, fields, idle, auth, body)
        location = response.headers.get("Location")
        if response.status_code not in _REDIRECTS or not location:
            return response
        response.close()
        target = _redirect_target(url, location)
        if route.is_public is None:
            route.is_public = not _is_private_name(urlsplit(url).hostname or "")
        route.only_public |= route.is_public
        if route.only_public and _is_private_name(target.hostname or ""):
            raise _private_redirect()
        session.close()  # the next request opens a new connection, whose address is checked
        if _origin(target) != _origin(urlsplit(url)):
            auth = _no_credentials
            fields = dict(headers)
            session.cookies.clear()
        url = _without_credentials(target)
    raise ExternalError(f"more than {MAX_REDIRECTS} redirects", hint=_MOVED)


def answered_publicly(session: Session, url: str) -> bool:
    """Return whether the server that answered the request for `url` is a public one."""

    route: Route = session.route  # type: ignore[attr-defined]
    if route.is_public is None:  # behind a proxy
        return route.only_public or not _is_private_name(urlsplit(url).hostname or "")
    return route.only_public or route.is_public


def with_credentials(url: str, login: tuple[str, str]) -> str:
    """Return `url` with this user name and password."""

    parts = urlsplit(url)
    user, password = (quote(text, safe="") for text in login)
    netloc = f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"
    return parts._replace(netloc=netloc).geturl()


def _send_request(
    session: Session, url: str, headers: Mapping[str, str], idle: float, auth: Any,
    body: bytes | None,
) -> Response:  # fmt: skip
    import requests
    from urllib3.exceptions import HTTPError

    try:
        return session.request(
            "GET" if body is None else "POST", url, headers=dict(headers), data=body, auth=auth,
            timeout=(min(idle, 10), idle), stream=True, allow_redirects=False,
            **_network_settings(session, url),
        )  # fmt: skip
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise ExternalError(
                "cannot verify the certificate of the server",
                hint="for a private certificate authority: git config --global http.sslCAInfo FILE",
            ) from None
        raise ConnectionBroken("TLS connection failed") from None
    except requests.exceptions.Timeout:
        raise ConnectionBroken(f"no response for {idle:g} s") from None
    except requests.exceptions.ProxyError as error:
        raise ConnectionBroken(failure_message(error, "cannot connect through the proxy")) from None
    except requests.exceptions.ConnectionError as error:
        raise ConnectionBroken(failure_message(error, "cannot connect to the server")) from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError):
        raise ExternalError("invalid URL or redirect target", hint=_MOVED) from None
    except (requests.exceptions.RequestException, HTTPError):
        raise ConnectionBroken("invalid response from the server") from None


def _network_settings(session: Session, url: str) -> dict[str, Any]:
    """Return the proxies and the certificates for a request, of Git or else of the environment.

    The proxy of Git comes before those of the environment; "" is none, as NO_PROXY demands.
    """

    from requests.utils import select_proxy, should_bypass_proxies

    config: HttpConfig = session.git_config  # type: ignore[attr-defined]
    settings = config.for_url(url)
    proxies = dict(session.environment_proxies(_server(url)))  # type: ignore[attr-defined]
    if settings.proxy is not None:
        proxy = "" if should_bypass_proxies(url, no_proxy=None) else settings.proxy
        proxies = dict.fromkeys(("http", "https", "all"), proxy)
    _check_proxy(select_proxy(url, proxies) or "")
    if not settings.verify:
        import urllib3

        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return {"proxies": proxies, "verify": False}
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    return {"proxies": proxies, "verify": settings.certificates or bundle or True}


def _server(url: str) -> str:
    """Return the part of `url` that proxies depend on."""

    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def _environment_proxies(server: str) -> dict[str, str]:
    from requests.utils import get_environ_proxies

    return get_environ_proxies(server)


def _check_proxy(proxy: str) -> None:
    """Raise ExternalError for the address of a proxy that cannot be used."""

    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        is_valid = not proxy or (parts.scheme in _PROXIES and parts.hostname and parts.port != 0)
    except ValueError:
        is_valid = False
    if not is_valid:
        raise ExternalError(
            "invalid proxy",
            hint="correct http_proxy in the environment, or git config http.proxy",
        )


def failure_message(error: BaseException, summary: str) -> str:
    """Return `summary` and the operating system's reason, which requests and urllib3 wrap in
    several exceptions; for a ProtocolViolation, return its own message."""

    from git_spacy.assets.http_reader import ProtocolViolation

    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        inner = queue.pop()
        if not isinstance(inner, BaseException) or inner in seen:
            continue
        seen.append(inner)
        if isinstance(inner, ProtocolViolation):
            return str(inner)
        if isinstance(inner, OSError) and inner.errno is not None and inner.strerror:
            return f"{summary}: {inner.strerror.lower()}"
        queue += [inner.__context__, getattr(inner, "reason", None), *inner.args]
    return summary


def _redirect_target(url: str, location: str) -> SplitResult:
    """Return the target of a redirect. Raises ExternalError if it must not be followed."""

    try:
        # requests decodes headers as Latin-1; servers send UTF-8
        text = location.encode("latin-1").decode("utf-8", "replace")
        target = urlsplit(urljoin(url, text))
        _origin(target)
    except ValueError:
        raise ExternalError("the server redirects to an invalid URL", hint=_MOVED) from None
    if target.scheme not in _PORTS or not target.hostname:
        raise ExternalError(
            f"the server redirects to the unsupported scheme '{target.scheme}:'", hint=_MOVED
        )
    if target.scheme == "http" and url.startswith("https:"):
        raise ExternalError(
            "the server redirects from https to http, which is not secure",
            hint="if this is intended, use the http: URL in project.yml, with a checksum",
        )
    return target


def _connect_to_public(connection: HTTPConnection) -> socket.socket:
    """Resolve the host once, check that all addresses are public, and connect to one of them.

    urllib3 would resolve it again and could get another address. Raises ExternalError, OSError.
    """

    resolved = socket.getaddrinfo(
        connection.host.strip("[]"), connection.port, type=socket.SOCK_STREAM
    )
    if not all(is_public(str(address[0])) for *_, address in resolved):
        raise _private_redirect()
    error = OSError("host name has no address")
    for family, kind, protocol, _, address in resolved[:_MOST_ADDRESSES]:
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.settimeout(connection.timeout)
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            candidate.connect(address)
            return candidate
        except OSError as failure:
            candidate.close()
            error = failure
    raise error


def is_public(address: str) -> bool:
    """Return whether an IP address is public.

    Addresses of this machine, of private networks and of cloud metadata services are not, nor are
    IPv6 addresses that embed one of these.
    """

    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return (
        ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)
    )


def _is_private_name(host: str) -> bool:
    """Return whether a host is a literal private address or localhost.

    Other names are resolved when connecting, possibly by a proxy.
    """

    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not is_public(name)
    except ValueError:
        pass
    try:  # 127.1 and 2130706433 are addresses as well
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        return False


def _private_redirect() -> ExternalError:
    return ExternalError(
        "the server redirects to an address in a private network or on this machine",
        hint="if this is intended, use that address as 'url' in project.yml",
    )


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _without_credentials(parts: SplitResult) -> str:
    """Return the URL without credentials and fragment."""

    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _no_credentials(request: PreparedRequest) -> PreparedRequest:
    """Send no credentials, not even from ~/.netrc."""

    return request
