"""Ask a Ray cluster for a sign of life before Ray connects to it, and whether it requires a token.

Ray itself retries for minutes, and prints a warning each second. It only enables its token
authentication (since 2.59) for a cluster that it finds itself, not for an address.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import IO

from git_spacy.errors import ExternalError

AUTH_MODE = "RAY_AUTH_MODE"
_TIMEOUT = 5.0  # seconds
_MAX_FRAMES = 32
# RFC 9113, 3.4: the connection preface of a client, and the frame that either side sends first
_SETTINGS, _HEADERS, _RST_STREAM, _GOAWAY = 4, 1, 3, 7
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_END_STREAM, _END_HEADERS = 1, 4
# a method that each version has, and that needs no arguments
_METHOD = b"/ray.rpc.NodeInfoGcsService/GetClusterId"
# a header without indexing or Huffman coding, as gRPC sends them: the status UNAUTHENTICATED
_UNAUTHENTICATED = b"grpc-status\x0216"


def check_address(address: str) -> None:
    """Raise ExternalError if no Ray server answers, or if it requires a token that we do not have.

    If it requires the one that we have, enable Ray's token authentication in this process, which
    Ray notices if it was not imported before.
    """

    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return  # `auto`, or a name that Ray knows
    where, token = (host.strip("[]"), int(port)), find_token()
    try:
        if not _requires_token(*where, ""):
            return
        is_accepted = token and not _requires_token(*where, token)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error) or "no answer"
        raise ExternalError(
            f"cannot connect to Ray at '{address}': {reason}",
            hint="correct --address, or run 'ray start --head' on that machine",
        ) from None
    if not is_accepted:
        problem = "another token than ours" if token else "a token"
        raise ExternalError(
            f"the Ray cluster at '{address}' requires {problem}",
            hint="set RAY_AUTH_TOKEN to what 'ray get-auth-token' prints on the cluster's head",
        )
    if os.environ.setdefault(AUTH_MODE, "token").lower() != "token":
        raise ExternalError(
            f"the Ray cluster at '{address}' requires a token, which {AUTH_MODE} disables",
            hint=f"unset {AUTH_MODE}",
        )


def find_token() -> str:
    """Return the token of this user, where Ray looks for it, or ""."""

    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    file = os.environ.get("RAY_AUTH_TOKEN_PATH") or os.path.expanduser("~/.ray/auth_token")
    try:
        with open(file, encoding="utf-8") as stream:
            return stream.read(1 << 16).strip()
    except (OSError, ValueError):
        return ""


def _requires_token(host: str, port: int, token: str) -> bool:
    """Send a request, with the token if there is one; return whether it is refused for the lack of
    a token. Raises OSError if the server does not answer, or does not speak HTTP/2."""

    with socket.create_connection((host, port), _TIMEOUT) as line, line.makefile("rb") as answer:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return False
        line.sendall(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
        kind, _, _ = _read_frame(answer)
        if kind != _SETTINGS:
            raise OSError("the server does not speak HTTP/2, which Ray uses")
        line.sendall(_frame(_SETTINGS, 1, 0, b"") + _request(host, port, token))
        with suppress(TimeoutError):  # it is busy; Ray itself waits longer
            for _ in range(_MAX_FRAMES):
                kind, flags, payload = _read_frame(answer)
                if kind == _HEADERS and flags & _END_STREAM:
                    return _UNAUTHENTICATED in payload
                if kind in (_RST_STREAM, _GOAWAY, None):
                    break
    return False


def _request(host: str, port: int, token: str) -> bytes:
    """Return the frames of a gRPC request with an empty message (RFC 7541: the numbers are those of
    its table of headers)."""

    headers = [
        b"\x83\x86",  # POST, http
        b"\x04" + _string(_METHOD),
        b"\x01" + _string(f"{host}:{port}".encode()),
        b"\x0f\x10" + _string(b"application/grpc"),
        b"\x00" + _string(b"te") + _string(b"trailers"),
    ]
    if token:
        headers.append(b"\x1f\x08" + _string(f"Bearer {token}".encode()))  # never indexed
    message = b"\0" * 5
    return _frame(_HEADERS, _END_HEADERS, 1, b"".join(headers)) + _frame(0, _END_STREAM, 1, message)


def _string(text: bytes) -> bytes:
    """Return a string literal with its length, which has seven bits in its first byte."""

    rest = len(text) - 127
    if rest < 0:
        return bytes([len(text)]) + text
    length = b"\x7f"
    while rest >= 128:
        length += bytes([rest % 128 + 128])
        rest //= 128
    return length + bytes([rest]) + text


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    head = len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big")
    return head + payload


def _read_frame(answer: IO[bytes]) -> tuple[int | None, int, bytes]:
    """Return kind, flags and payload of the next frame; the kind is None at the end."""

    head = answer.read(9)
    if len(head) < 9:
        return None, 0, b""
    return head[3], head[4], answer.read(int.from_bytes(head[:3], "big"))
