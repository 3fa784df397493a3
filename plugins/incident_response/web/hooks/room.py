"""Room for bodies: however many requests come at once, what they hold in memory stays within a bound.

A storm is one body of several megabytes, or very many small ones. A body keeps its place until its request is
answered, because what was read from it lives as long. Who finds no place waits unread: the sender's own
network connection holds the bytes meanwhile.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from .refusals import busy

SMALL = 256 * 1024  # bytes up to which a body needs no large place
_PLACES, _LARGE = 64, 3  # at once; together about 40 MiB of bodies in the worst case
_PATIENCE = 20.0  # seconds that a request waits for a place


class Room:
    """Places for bodies. One for each app, used from one event loop."""

    def __init__(self, places: int = _PLACES, large: int = _LARGE, patience: float = _PATIENCE) -> None:
        self._places, self._large = asyncio.Semaphore(places), asyncio.Semaphore(large)
        self._patience = patience

    async def enter(self, held: AsyncExitStack) -> None:
        """A place for as long as `held` is open. Raises Refusal, which the sender answers with patience."""
        await self._take(self._places, held)

    async def enter_large(self, held: AsyncExitStack) -> None:
        """A place for more than SMALL bytes beside the one it has."""
        await self._take(self._large, held)

    async def _take(self, places: asyncio.Semaphore, held: AsyncExitStack) -> None:
        try:
            await asyncio.wait_for(places.acquire(), self._patience)
        except (asyncio.TimeoutError, TimeoutError):
            raise busy() from None
        held.callback(places.release)
