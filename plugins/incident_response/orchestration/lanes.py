"""Lanes: threads of our own for blocking work beside an event loop.

Not `asyncio.to_thread`: its pool has six threads on two cores, shared with all other triggers of the site:
six hanging calls of somebody else would stop the clock. A lane's threads are nobody else's.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


class Lane:
    """A named pool. Work in one lane never waits for work in another."""

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._threads = f"incident-{name}", threads
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Run `work` in a thread. Cancelling stops the waiting, not the thread: it ends its piece of work."""
        # Threads start with the first work: this module is imported by processes that fork.
        self._pool = self._pool or ThreadPoolExecutor(self._threads, thread_name_prefix=self._name)
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, lambda: context.run(work, *arguments)
        )


timers = Lane("timers", 2)  # sensors that wait for an incident's row
polls = Lane("polls", 8)  # sensors that let a detector look: seconds each, and one may hang
rest = Lane("rest", 2)  # sensors that ask Airflow
