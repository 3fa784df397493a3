"""The doorbell of housekeeping."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from incident_response.orchestration.clock_trigger import ClockTrigger, next_housekeeping


@pytest.mark.parametrize(
    ("now", "rings"),
    [
        ("2026-03-02T03:19:59", "2026-03-02T03:20:00"),
        ("2026-03-02T03:20:00", "2026-03-03T03:20:00"),
        ("2026-12-31T23:00:00", "2027-01-01T03:20:00"),
    ],
)
def test_it_rings_once_a_day_also_when_the_triggerer_starts_again(now: str, rings: str) -> None:
    """A time of day: a restart a second after it rang does not ring again."""
    assert next_housekeeping(at(now)) == at(rings)


def test_the_trigger_has_no_arguments_so_no_secret_can_be_in_them() -> None:
    """3.1.3 shows them in its API."""
    path, arguments = ClockTrigger().serialize()

    assert path == "incident_response.orchestration.clock_trigger.ClockTrigger"
    assert arguments == {}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
