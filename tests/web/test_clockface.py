"""Times for people."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from incident_response.web.clockface import Clockface, countdown, lateness, length

NOW = datetime(2026, 1, 15, 2, 0, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (660, "11 min"), (11100, "3 h 05 min"), (400000, "4 days"), (-5, "0 s")],
)
def test_length(seconds: int, text: str) -> None:
    assert length(timedelta(seconds=seconds)) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(192, "3:12"), (5, "0:05"), (-192, "3:12 late"), (7500, "2 h 05 min"), (-7500, "2 h 05 min late")],
)
def test_countdown(seconds: int, text: str) -> None:
    assert countdown(timedelta(seconds=seconds)) == text


def test_lateness_is_precise_where_it_matters() -> None:
    assert [lateness(timedelta(seconds=s)) for s in (0.84, 14.2, 200)] == ["0.8 s", "14 s", "3 min"]


def test_a_relative_time_names_the_exact_one_and_its_zone() -> None:
    """On hover and for screen readers."""
    shown = Clockface(NOW, "Europe/Stockholm").age(NOW - timedelta(minutes=11))
    assert 'title="15 Jan 2026 02:49:00 Europe/Stockholm"' in shown
    assert '>11 min<span class="sr">, since 15 Jan 2026 02:49:00 Europe/Stockholm</span>' in shown


def test_the_time_of_day_names_the_day_when_it_was_another() -> None:
    """Another day in the zone of the reader, not in UTC."""
    face = Clockface(NOW, "Europe/Stockholm")
    assert ">03:00:00<" in face.at(NOW)
    assert ">14 Jan 23:00<" in face.at(NOW - timedelta(hours=4))
    assert ">00:30:00<" in face.at(NOW - timedelta(hours=2, minutes=30))


def test_a_bar_shows_what_is_used_up() -> None:
    face = Clockface(NOW, "UTC")
    assert 'value="0.250"' in face.bar(NOW - timedelta(minutes=1), NOW + timedelta(minutes=3))
    assert 'class="late"' in face.bar(NOW - timedelta(minutes=2), NOW - timedelta(minutes=1))
    assert face.bar(None, NOW) == ""
