"""Taking turns: one image at a time before the model, a few waiting, the others asked to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

Returned = TypeVar("Returned")


class Queue:
    """
    A place is taken before an upload is read, so that at most ``waiting`` + 1 of them are in memory; the turn, when
    the model is free.
    """

    def __init__(self, waiting: int):
        self.waiting = waiting
        self.taken = 0
        self.lock = asyncio.Lock()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Raises HTTPException 503 where no place is left."""
        if self.taken > self.waiting:
            raise HTTPException(
                503, f"{self.taken} images are waiting already: try again in a moment.", {"Retry-After": "2"}
            )
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def run(self, function: Callable[[], Returned]) -> Returned:
        """``function()`` on another thread, when nobody else's is running."""
        async with self.lock:
            return await run_in_threadpool(function)
