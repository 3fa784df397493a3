"""The sensor of one detector: it lets it look when it is its turn, and holds up no round when it is not."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from incident_response import bootstrap
from incident_response.orchestration.triggers import PollTrigger
from tests.support.house import START, House


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> House:
    house = House()
    services = SimpleNamespace(detection=house.detection, store=house.store)
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    return house


def test_a_due_detector_looks(house: House) -> None:
    """And the sensor is green."""
    look = PollTrigger("watcher").look(START)
    assert (look.end, look.reason, house.watcher.polled) == ("reached", "watcher was polled", 1)


def test_one_that_is_due_soon_is_waited_for(house: House) -> None:
    """Until its row is due, which is within this round."""
    PollTrigger("watcher").look(START)
    look = PollTrigger("watcher").look(START + timedelta(seconds=20))
    assert (look.end, look.again) == ("", 10)


def test_one_with_a_slow_rhythm_holds_up_no_round(house: House) -> None:
    """A data-quality query of every six hours must not keep the run going until it times out."""
    house.watcher.interval = timedelta(hours=6)
    PollTrigger("watcher").look(START)
    look = PollTrigger("watcher").look(START + timedelta(seconds=20))
    assert look.end == "skipped"
    due = START + timedelta(hours=6)
    assert look.reason == f"watcher is not due before {due:%Y-%m-%d %H:%M:%S} UTC"
