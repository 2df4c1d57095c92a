"""Many small requests, few large batches.

A model is faster with a batch than with as many single texts. What comes in while it works on one
batch is the next: a lone request does not wait for others, and the busier, the larger the batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


class Busy(Exception):
    """More is waiting than one should wait for."""


class Batches:
    """Calls `work` with up to `size` texts at a time, in a thread, one batch after the other.

    `work` gives a result for each text. Use it as a context: `async with Batches(…) as results`,
    then `await results(texts, at_most=…)`.
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

    async def __call__(self, texts: list[str], *, at_most: int) -> list[Any]:
        """The result of each text. Raises Busy if more than `at_most` would be waiting, and what
        `work` raises, to all whose texts were in that batch."""

        if self._waiting.qsize() + len(texts) > at_most:
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
                # in a thread, so that the server hears new requests meanwhile
                results = await asyncio.to_thread(self._work, [text for text, _ in batch])
            except Exception as error:
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
            else:
                for (_, future), result in zip(batch, results, strict=True):
                    if not future.done():  # nobody waits for it any more
                        future.set_result(result)
