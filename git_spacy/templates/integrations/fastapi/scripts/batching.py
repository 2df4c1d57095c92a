"""Combines many small requests into a few large batches.

A model processes a batch faster than the same texts one by one. The texts that arrive while it
processes a batch form the next one, so a single request never waits for others, and the batches
become larger as the load increases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Busy(Exception):
    """Too many texts are waiting."""


class Batches:
    """Calls `work` with up to `size` texts at a time, in a thread, one batch after the other.

    `work` returns a result for each text. Use this as a context manager: `async with Batches(…) as
    process`, then `await process(texts, max_waiting=…)`.
    """

    def __init__(self, work: Callable[[list[str]], list[Any]], size: int) -> None:
        self._work = work
        self._size = size
        self._waiting: asyncio.Queue[tuple[str, asyncio.Future[Any]]] = asyncio.Queue()

    async def __aenter__(self) -> Batches:
        self._worker = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._worker.cancel()

    async def __call__(self, texts: list[str], *, max_waiting: int) -> list[Any]:
        """Return the result of each text.

        Raises Busy if more than `max_waiting` texts would be waiting. An exception of `work` is
        raised for every request with a text in the batch.
        """

        if self._waiting.qsize() + len(texts) > max_waiting:
            raise Busy
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in texts]
        for text, future in zip(texts, futures, strict=True):
            self._waiting.put_nowait((text, future))
        return await asyncio.gather(*futures)

    async def _run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < self._size and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            try:
                # in a thread, so that the server can accept requests meanwhile
                results = await asyncio.to_thread(self._work, [text for text, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():  # done if the request was cancelled
                        future.set_result(result)
