"""Doing many things side by side, but not all at once."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 8
"""As much as a machine with two cores does without making anything late."""


async def gather(calls: Iterable[Awaitable[T]]) -> list[T]:
    """Await all calls, a few at once; the results are in the order of the calls."""
    room = asyncio.Semaphore(AT_ONCE)

    async def when_there_is_room(call: Awaitable[T]) -> T:
        async with room:
            return await call

    return await asyncio.gather(*(when_there_is_room(call) for call in calls))
