"""Connections for the triggerer: fetched in the event loop and handed to the settings for its threads.

On 3.1.3 a thread that asks Airflow for a connection kills the whole triggerer, and again after each restart.
"""

from __future__ import annotations

import asyncio
import time

from airflow.sdk import BaseHook

from incident_response import bootstrap, settings
from incident_response.domain.connections import Connection
from incident_response.domain.logs import logger

log = logger(__name__)

_FRESH = 180.0  # seconds until they are fetched again: somebody may have changed a password
# Seconds when one was not found: Airflow answers "not defined" while its API server starts, too.
_MISSING = 15.0
_OPTIONAL = 60.0  # when only those of sources are missing, which somebody may define one day

_due_at = 0.0
_fetching: asyncio.Task[None] | None = None


async def ready() -> None:
    """Have the connections, not older than some minutes. Costs nothing when they are."""
    global _due_at, _fetching
    if time.monotonic() < _due_at:
        return
    if _fetching is None or _fetching.done():
        # One task for all who wait: a cancelled trigger must not take the fetching with it.
        _fetching = asyncio.create_task(_fetch(), name="incident connections")
    await asyncio.shield(_fetching)


async def _fetch() -> None:
    global _due_at
    found: dict[str, Connection | None] = {}
    needed, optional = bootstrap.connections()
    for conn_id in (*needed, *optional):
        try:
            found[conn_id] = Connection.of(await BaseHook.aget_connection(conn_id))
        except Exception as error:  # noqa: BLE001 - not defined, or no answer: the clock works on with what it has
            log.info("connection %s: %s", conn_id, error)
    settings.prefetch(found)
    missing = _MISSING if any(conn_id not in found for conn_id in needed) else _OPTIONAL
    fresh = _FRESH if len(found) == len(needed) + len(optional) else missing
    _due_at = time.monotonic() + fresh
