"""The clock for ever: three loops side by side, and nothing ends them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from incident_response.domain.errors import StoreUnavailable
from incident_response.orchestration.ticking import Ticking

NOW = datetime(2026, 3, 2, 2, 0, tzinfo=timezone.utc)


class FakeClock:
    """Counts what it is asked for; each part can be given a behaviour."""

    def __init__(self, **behaviour: Callable[[], int]) -> None:
        self.behaviour = behaviour
        self.asked: dict[str, int] = {"fire_due": 0, "deliver": 0, "poll": 0}

    def beat(self, now: datetime, by: str) -> None:
        assert now.tzinfo

    def take_spooled(self, now: datetime) -> int:
        return 0

    def _do(self, name: str) -> int:
        self.asked[name] += 1
        return self.behaviour.get(name, lambda: 0)()

    def fire_due(self, now: datetime, by: str) -> int:
        return self._do("fire_due")

    def deliver(self, now: datetime, by: str) -> int:
        return self._do("deliver")

    def look_again(self, now: datetime) -> int:
        return 0

    def poll(self, now: datetime, by: str, patience: float | None = None) -> int:
        assert patience is not None  # a slow source must not hold back the others
        return self._do("poll")


def tick(make: Callable[[], Any], until: Callable[[], Any], interval: float = 0.01) -> None:
    """Tick until the condition holds, and then cancel."""

    async def run() -> None:
        ticking = asyncio.create_task(Ticking(make, "clock@test", interval, lambda: NOW).run())
        deadline = time.monotonic() + 10
        while not until():
            assert time.monotonic() < deadline, "it never came"
            await asyncio.sleep(0.01)
        ticking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ticking

    asyncio.run(run())


def test_all_three_loops_run() -> None:
    """Timers, messages, polls."""
    clock = FakeClock()

    tick(lambda: clock, lambda: all(count >= 3 for count in clock.asked.values()))


def test_a_hanging_mail_server_delays_no_timer() -> None:
    """Each loop has a thread of its own."""
    released = threading.Event()
    clock = FakeClock(deliver=lambda: (released.wait(5) and 0) or 0)

    tick(lambda: clock, lambda: clock.asked["fire_due"] >= 5 and clock.asked["poll"] >= 5)
    released.set()

    assert clock.asked["deliver"] == 1


def test_while_there_is_work_it_goes_on_at_once_but_not_for_ever() -> None:
    """A backlog is worked off without pauses, in bounded bursts."""
    clock = FakeClock(fire_due=lambda: 1)
    start = time.monotonic()

    tick(lambda: clock, lambda: clock.asked["fire_due"] >= 50, interval=0.3)

    assert time.monotonic() - start > 0.6  # 50 rounds hold two pauses


def test_the_event_loop_is_never_blocked() -> None:
    """Other triggers of the site live in it."""
    clock = FakeClock(fire_due=lambda: time.sleep(0.3) or 0)
    gaps: list[float] = []

    async def run() -> None:
        ticking = asyncio.create_task(Ticking(lambda: clock, "clock@test", 0.01, lambda: NOW).run())
        before = time.monotonic()
        for _ in range(30):
            await asyncio.sleep(0.01)
            gaps.append(time.monotonic() - before)
            before = time.monotonic()
        ticking.cancel()

    asyncio.run(run())

    assert sorted(gaps)[len(gaps) // 2] < 0.1


class TestTrouble:
    def test_an_error_in_one_loop_is_said_once_and_stops_nothing(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Every two seconds the same line would hide all others."""

        def away() -> int:
            raise StoreUnavailable

        clock = FakeClock(fire_due=away)
        with caplog.at_level(logging.WARNING):
            tick(lambda: clock, lambda: clock.asked["fire_due"] >= 3)

        assert (
            len([record for record in caplog.records if "the store is away" in record.message.lower()]) == 1
        )

    def test_it_says_when_it_works_again(self, caplog: pytest.LogCaptureFixture) -> None:
        answers = iter([ValueError("a bug"), None])

        def sometimes() -> int:
            if error := next(answers, None):
                raise error
            return 0

        with caplog.at_level(logging.WARNING):
            tick(lambda: FakeClock(poll=sometimes), lambda: len(caplog.records) >= 2)

        said = [record.message for record in caplog.records]
        assert said == ["clock, polls: ValueError: a bug", "clock, polls: works again"]

    def test_services_that_cannot_be_built_are_asked_for_again(self) -> None:
        """include/ is missing, or the schema old: mended without a restart."""
        clock, tries = FakeClock(), iter(range(100))

        def make() -> FakeClock:
            if next(tries) < 4:
                raise StoreUnavailable
            return clock

        tick(make, lambda: clock.asked["fire_due"])
