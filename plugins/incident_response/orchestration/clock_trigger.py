"""The clock in the triggerer: the trigger of an AssetWatcher runs there for ever, without task or slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from incident_response import bootstrap
from incident_response import settings as configuration
from incident_response.domain.errors import SettingsError
from incident_response.service.clock import Clock

from . import connections
from .ticking import Ticking

_HOUSEKEEPING = time(3, 20)  # UTC
_CHECK = 60.0
_AFTER_ERROR = 30.0


class ClockTrigger(BaseEventTrigger):
    """Ticks. Two at once (two triggerers) are harmless; none runs while the DAG `incident_clock` is paused.

    Once a day it fires an event, the doorbell for housekeeping. Nothing else ever travels by event.
    """

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """No arguments: what it needs comes from settings and connections."""
        return (f"{type(self).__module__}.{type(self).__qualname__}", {})

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Until Airflow cancels it."""
        try:
            await connections.ready()
            interval = configuration.settings().tick_interval
        except SettingsError:
            await asyncio.sleep(_AFTER_ERROR)  # Airflow starts it again at once, and logs it each time
            raise
        ticking = asyncio.create_task(
            Ticking(_clock, bootstrap.name("clock"), interval).run(), name="incident clock"
        )
        try:
            rings_at = next_housekeeping(bootstrap.now())
            while True:
                # Ends early only when the ticking itself has ended; its error then restarts this trigger.
                await asyncio.wait({ticking}, timeout=_CHECK)
                if ticking.done():
                    ticking.result()
                await connections.ready()
                if (now := bootstrap.now()) >= rings_at:
                    yield TriggerEvent({"day": f"{now:%Y-%m-%d}"})
                    rings_at = next_housekeeping(now)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)


def next_housekeeping(now: datetime) -> datetime:
    """The next time of day for it: a time, not an interval, so a restarted triggerer rings no extra bell."""
    today = datetime.combine(now.date(), _HOUSEKEEPING, tzinfo=now.tzinfo)
    return today if today > now else today + timedelta(days=1)


def _clock() -> Clock:
    return bootstrap.services().clock
