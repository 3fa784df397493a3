"""A maintenance window that never closes is an alert switched off by mistake."""

from __future__ import annotations

from datetime import timedelta

import pytest

from incident_response.library.maintenance_file import _closes

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("cron", "hours", "closes"),
    [
        ("0 2 * * *", 23.9, True),
        ("0 2 * * *", 24, False),
        ("0 2 * * *", 26, False),
        ("0 2 * * 0", 167, True),
        ("0 2 * * 0", 168, False),
        ("0 2 * * 0", 192, False),
        ("0 2 * * 1-5", 26, True),  # closes on Sundays
        ("0 2 * * 1-5", 72, False),  # from Friday to Monday
        ("0 0,12 * * *", 11, True),
        ("0 0,12 * * *", 12, False),
        ("0 8 * * *", 16, True),
        ("*/10 8-17 * * *", 1, True),  # closes at night
        ("*/10 8-17 * * *", 15, False),
        ("* * * * *", 0.01, True),
        ("* * * * *", 1, False),
        ("0 0 1 * *", 24 * 30.5, True),  # of 31 days some months have
        ("0 0 1 * *", 24 * 31, False),
        ("0 0 29 2 *", 24 * 366, True),  # every fourth year
        ("0 0 1 1 *", 24 * 366, False),
        ("0 2 * * sun", 168, False),
    ],
)
def test_a_window_has_to_close_between_two_of_its_times(cron: str, hours: float, closes: bool) -> None:
    """By the calendar, whatever the pattern of its times is."""
    assert _closes(cron, hours * HOUR) is closes
