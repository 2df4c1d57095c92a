"""Limits the size of requests before they are parsed."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class LimitedBody:
    """Rejects requests with a body of more than `limit` bytes with status 413.

    Counts the bytes received, since a request need not have a Content-Length header.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit:
                raise HTTPException(413, f"the body has more than {self._limit} bytes")
            return message

        await self._app(scope, receive_limited, send)
