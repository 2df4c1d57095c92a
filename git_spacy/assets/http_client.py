"""One GET: redirects followed by hand, credentials kept to the server that they are for.

Knows HTTP's ways and its traps; knows nothing of assets, files and tries. No text of an error here
quotes a URL: its path may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from git_spacy import __version__
from git_spacy.assets.cancellation import Cancellation
from git_spacy.errors import ExternalError

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session
    from urllib3.connection import HTTPConnection

MAX_REDIRECTS = 10
_REDIRECTS = (301, 302, 303, 307, 308)
_PORTS = {"http": 80, "https": 443}
_PAGE = re.compile(r"/([^/]+)/([^/]+)/(?:blob|tree)/(.+)")
_MOVED = "correct 'url' in project.yml, if its data has moved"
_MOST_ADDRESSES = 8  # of one name that are tried
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# what a cloud's own services answer at, and what older versions of Python do not know
_NOT_PUBLIC = tuple(map(ipaddress.ip_network, ("168.63.129.16", "192.0.0.0/24", "64:ff9b:1::/48")))


class Route:
    """Where the redirects of one GET lead. Servers on the way may be private only as long as no
    public one has sent us there: it would be asked by us what it cannot ask itself."""

    def __init__(self) -> None:
        self.only_public = False
        self.is_public: bool | None = None  # the server that is asked now; None: behind a proxy


class ConnectionBroken(Exception):
    """The connection failed in a way that may not happen again."""


def raw_github(url: str) -> str | None:
    """The address of the file that a page of github.com shows; None if it is no such page."""

    parts = urlsplit(url)
    page = _PAGE.fullmatch(parts.path)
    if page is None or (parts.hostname or "") not in ("github.com", "www.github.com"):
        return None
    return f"https://raw.githubusercontent.com/{page[1]}/{page[2]}/{page[3]}"


def session(cancellation: Cancellation) -> Session:
    """A session whose waiting ends when `cancellation` says so."""

    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.connection import HTTPConnection, HTTPSConnection
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    from git_spacy.http_reader import BoundedResponse

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
        """A connection of our own, not a proxy's: its address is looked at."""

        def _new_conn(self: Any) -> socket.socket:
            made: socket.socket = (
                _connected(self) if route.only_public else super()._new_conn()  # type: ignore[misc]
            )
            try:
                route.is_public = is_public(made.getpeername()[0])
            except OSError:  # it has gone again
                made.close()
                raise
            return made

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

        def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
            manager = super().proxy_manager_for(*args, **kwargs)
            manager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}
            return manager

        def close(self) -> None:
            # a manager only forgets its pools: their sockets would wait for the garbage collector
            for manager in (self.poolmanager, *self.proxy_manager.values()):
                for key in list(manager.pools.keys()):
                    manager.pools[key].close()
            super().close()

    class Once(requests.Session):
        def get_redirect_target(self, resp: Response) -> None:
            """Never: requests would read the whole body of a redirect, however long it is."""

    made = Once()
    made.route = route  # type: ignore[attr-defined]
    for prefix in ("http://", "https://"):
        made.mount(prefix, Adapter())
    made.headers["User-Agent"] = f"git-spacy/{__version__}"
    return made


def get(session: Session, url: str, headers: Mapping[str, str], idle: float) -> Response:
    """The answer to a GET, its body not read yet, after at most MAX_REDIRECTS redirects.

    `idle` is how many seconds may pass without a byte. Raises Broken, Unavailable.
    """

    parts = urlsplit(url)
    route: Route = session.route  # type: ignore[attr-defined]
    route.only_public = False
    # From the URL, else (None) requests looks into the user's own netrc for this very host: what
    # is kept there was not meant to be readable on the way.
    auth: Any = None if parts.scheme == "https" else _nobody
    if parts.username is not None:
        auth = (unquote(parts.username), unquote(parts.password or ""))
    url = _bare(parts)
    for _ in range(MAX_REDIRECTS + 1):
        route.is_public = None
        response = _ask(session, url, headers, idle, auth)
        location = response.headers.get("Location")
        if response.status_code not in _REDIRECTS or not location:
            return response
        response.close()
        target = _target(url, location)
        if route.is_public is None:
            route.is_public = not _is_private_name(urlsplit(url).hostname or "")
        route.only_public |= route.is_public
        if route.only_public and _is_private_name(target.hostname or ""):
            raise _private()
        session.close()  # the next connection is a new one, and its address is checked
        if _origin(target) != _origin(urlsplit(url)):
            auth = _nobody
            session.cookies.clear()
        url = _bare(target)
    raise ExternalError(f"more than {MAX_REDIRECTS} redirects, maybe in a circle", hint=_MOVED)


def _ask(
    session: Session, url: str, headers: Mapping[str, str], idle: float, auth: Any
) -> Response:
    import requests
    from urllib3.exceptions import HTTPError

    try:
        return session.get(
            url, headers=dict(headers), auth=auth, timeout=(min(idle, 10), idle),
            stream=True, allow_redirects=False,
        )  # fmt: skip
    except requests.exceptions.SSLError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise ExternalError(
                "the server's certificate cannot be verified",
                hint="if it is your own, name its authority: export REQUESTS_CA_BUNDLE=FILE",
            ) from None
        raise ConnectionBroken("no secure connection") from None
    except requests.exceptions.Timeout:
        raise ConnectionBroken(f"no answer for {idle:g} s") from None
    except requests.exceptions.ProxyError as error:
        raise ConnectionBroken(reason(error, "no connection through the proxy")) from None
    except requests.exceptions.ConnectionError as error:
        raise ConnectionBroken(reason(error, "no connection to the server")) from None
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, UnicodeError):
        raise ExternalError("its URL, or where it redirects to, is none", hint=_MOVED) from None
    except (requests.exceptions.RequestException, HTTPError):
        raise ConnectionBroken("the server's answer makes no sense") from None


def reason(error: BaseException, what: str) -> str:
    """`what` with what the system said at the bottom of requests' and urllib3's exceptions, or what
    the server did wrong."""

    from git_spacy.http_reader import ProtocolViolation

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
            return f"{what}: {inner.strerror.lower()}"
        queue += [inner.__context__, getattr(inner, "reason", None), *inner.args]
    return what


def _target(url: str, location: str) -> SplitResult:
    """Where a redirect leads. Raises Unavailable for what must not be followed."""

    try:
        # headers arrive as Latin-1; what servers put there is UTF-8
        text = location.encode("latin-1").decode("utf-8", "replace")
        target = urlsplit(urljoin(url, text))
        _origin(target)
    except ValueError:
        raise ExternalError("the server redirects to what is no URL", hint=_MOVED) from None
    if target.scheme not in _PORTS or not target.hostname:
        raise ExternalError(
            f"the server redirects to '{target.scheme}:', which is not followed", hint=_MOVED
        )
    if target.scheme == "http" and url.startswith("https:"):
        raise ExternalError(
            "the server redirects from https to http, where anybody could change the data",
            hint="if that is meant, write the http: address yourself, and a checksum",
        )
    return target


def _connected(connection: HTTPConnection) -> socket.socket:
    """A connection to an address that was checked: asking for it once more, as urllib3 would, may
    bring another one. Raises Unavailable, OSError."""

    found = socket.getaddrinfo(
        connection.host.strip("[]"), connection.port, type=socket.SOCK_STREAM
    )
    if not all(is_public(str(address[0])) for *_, address in found):
        raise _private()
    error = OSError("it has no address")
    for family, kind, protocol, _, address in found[:_MOST_ADDRESSES]:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(connection.timeout)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made.connect(address)
            return made
        except OSError as failure:
            made.close()
            error = failure
    raise error


def is_public(address: str) -> bool:
    """Whether an IP address is of the Internet: not of this machine, a network of one's own, a
    cloud's metadata, nor an IPv6 form of one of these."""

    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner:
            return is_public(str(inner))
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in one for one in _NOT_PUBLIC)


def _is_private_name(host: str) -> bool:
    """Whether a host names a private address itself; the address of other names is found out by
    whoever connects, which may be a proxy."""

    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not is_public(name)
    except ValueError:
        pass
    try:  # 127.1 and 2130706433 are addresses, too
        return not is_public(socket.inet_ntoa(socket.inet_aton(name)))
    except (OSError, UnicodeError):
        return False


def _private() -> ExternalError:
    return ExternalError(
        "the server redirects to an address in a private network or on this machine",
        hint="if that is meant, write that address as 'url' in project.yml",
    )


def _origin(parts: SplitResult) -> tuple[str, str, int | None]:
    return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)


def _bare(parts: SplitResult) -> str:
    """The URL without credentials and fragment."""

    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _nobody(request: PreparedRequest) -> PreparedRequest:
    """No credentials, and none from netrc either: another server sent us here."""

    return request
