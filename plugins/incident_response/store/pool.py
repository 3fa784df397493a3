"""Connections that are kept open between transactions."""

from __future__ import annotations

import threading
import time
from typing import Any

from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool

from .connecting import Connect

_IDLE = 5.0  # seconds after which a connection is tried before it is used


class Pool:
    """A small pool. Nothing is opened before the first use; `timeout` seconds bound a wait.

    `remote`: connections cross a network, where they break while nobody uses them. If not, they lead to a
    file that one may write at a time, and this process's threads take turns. Left to itself, SQLite looks
    every so often whether it may write, and keeps some waiting for long.
    """

    def __init__(self, connect: Connect, driver: Any, timeout: float, *, remote: bool) -> None:
        self._driver, self._timeout, self._remote = driver, timeout, remote
        self._turn = threading.Lock()
        self._suspect_since = 0.0
        self._pool = QueuePool(
            connect,
            pool_size=3,
            max_overflow=7,
            timeout=timeout,
            recycle=1800,
            use_lifo=True,
            reset_on_return=None,
        )
        if remote:
            event.listen(self._pool, "checkin", self._checkin)
            event.listen(self._pool, "checkout", self._checkout)

    def take(self, *, writes: bool) -> Any:
        """A connection: its `dbapi_connection`, and `info` for what is to live as long as it does."""
        if self._remote or not writes:
            return self._pool.connect()
        if not self._turn.acquire(timeout=self._timeout):
            raise exc.TimeoutError("no turn to write in time")
        try:
            return self._pool.connect()
        except BaseException:
            self._turn.release()
            raise

    def give_back(self, taken: Any, *, writes: bool) -> None:
        """Once for each that was taken, and with the same `writes`."""
        try:
            taken.close()
        finally:
            if writes and not self._remote:
                self._turn.release()

    def discard(self, taken: Any) -> None:
        """Close a connection for good, before it is given back.

        The server may have restarted: the others are tried before use.
        """
        self._suspect_since = time.monotonic()
        taken.invalidate()

    def close(self) -> None:
        """Close all that are free."""
        self._pool.dispose()

    def _checkin(self, _: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    def _checkout(self, connection: Any, record: Any, _: Any) -> None:
        # Asking before every transaction would double the cost of small ones.
        used_at = record.info.get("used_at")
        if used_at is None or used_at > max(self._suspect_since, time.monotonic() - _IDLE):
            return
        try:
            connection.cursor().execute("SELECT 1")
        except self._driver.Error as error:
            raise exc.DisconnectionError from error  # upon which the pool opens another one
