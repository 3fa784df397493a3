"""Ticking: the clock for ever, as three loops side by side: a hanging mail server never delays a timer.

Free of Airflow: the triggerer runs it, and so does `python -m incident_response tick --forever`.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from datetime import datetime

from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.logs import logger
from incident_response.domain.times import UTC
from incident_response.service.clock import Clock

from .lanes import Lane

log = logger(__name__)

_AT_ONCE = 20  # rounds in a row without a pause while there is work
Work = Callable[[Clock, datetime, str], int]


def _timers(clock: Clock, now: datetime, by: str) -> int:
    clock.beat(now, by)
    return clock.take_spooled(now) + clock.fire_due(now, by) + clock.look_again(now)


def _messages(clock: Clock, now: datetime, by: str) -> int:
    return clock.deliver(now, by)


def _polls(clock: Clock, now: datetime, by: str) -> int:
    return clock.poll(now, by, patience=1.0)


class Loop:
    """One kind of work, again and again, in a thread of its own. No error ends it; each is logged once."""

    def __init__(self, name: str, work: Work) -> None:
        self.name = name
        self._work = work
        self._lane = Lane(name, 1)
        self._problem = ""

    async def run(
        self, clock: Callable[[], Clock], by: str, interval: float, now: Callable[[], datetime]
    ) -> None:
        """Until it is cancelled."""
        at_once = 0
        while True:
            done = await self._lane.run(self.once, clock, by, now)
            at_once = at_once + 1 if done and at_once < _AT_ONCE else 0
            await asyncio.sleep(0 if at_once else interval)

    def once(self, clock: Callable[[], Clock], by: str, now: Callable[[], datetime]) -> int:
        """One round; returns how much was done, 0 after an error."""
        try:
            done = self._work(clock(), now(), by)
        except IncidentResponseError as error:
            self._note(str(error))
            return 0
        except Exception as error:  # noqa: BLE001 - the clock must outlive every bug: without it nobody is paged
            self._note(f"{type(error).__name__}: {error}", exc_info=True)
            return 0
        self._note("")
        return done

    def _note(self, problem: str, *, exc_info: bool = False) -> None:
        """Say it when it changes, not every two seconds."""
        if problem == self._problem:
            return
        if problem:
            log.error("clock, %s: %s", self.name, problem, exc_info=exc_info)
        else:
            log.warning("clock, %s: works again", self.name)
        self._problem = problem


class Ticking:
    """The three loops. `clock` may fail (no include/, an old schema): it is asked again at the next round."""

    def __init__(
        self,
        clock: Callable[[], Clock],
        by: str,
        interval: float,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._make, self._by, self._interval = clock, by, interval
        self._now = now or (lambda: datetime.now(UTC))
        self._lock = threading.Lock()
        self._loops = (Loop("timers", _timers), Loop("messages", _messages), Loop("polls", _polls))

    def _clock(self) -> Clock:
        with self._lock:  # three threads ask at the same moment, one of them builds
            return self._make()

    async def run(self) -> None:
        """Until it is cancelled; then no loop is left, and each thread ends its round."""
        loops = [
            asyncio.create_task(loop.run(self._clock, self._by, self._interval, self._now), name=loop.name)
            for loop in self._loops
        ]
        try:
            await asyncio.gather(*loops)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


def run_forever(clock: Clock, by: str, interval: float) -> None:
    """Tick until the process is interrupted."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Ticking(lambda: clock, by, interval).run())
