"""Spans of business time: right across both DST changes, weekends and holidays."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.business_hours import BusinessHours, Holidays, Span
from incident_response.domain.errors import BadInput, NaiveTime
from tests.support.shipped import policy

STOCKHOLM = ZoneInfo("Europe/Stockholm")
HOURS = policy().hours
ROUND_THE_CLOCK = BusinessHours(weekdays=frozenset(range(1, 8)), opens=time(0), closes=time(0))
moments = st.integers(0, 4 * 366 * 86400).map(
    lambda seconds: datetime(2024, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
)


def local(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=STOCKHOLM)  # type: ignore[arg-type, misc]


def is_open(hours: BusinessHours, moment: datetime) -> bool:
    """An independent reading of the calendar."""
    there = moment.astimezone(ZoneInfo(hours.zone))
    working = there.isoweekday() in hours.weekdays and there.date() not in hours.holidays
    return (
        working and (hours.closes == time(0) or there.time() < hours.closes) and there.time() >= hours.opens
    )


@pytest.mark.parametrize(
    ("start", "span", "due"),
    [
        (local(2026, 11, 23, 10), "1 business day", local(2026, 11, 24, 10)),
        (local(2026, 11, 27, 16), "1 business day", local(2026, 11, 30, 16)),
        (local(2026, 11, 28, 3), "1 business day", local(2026, 11, 30, 17)),  # Saturday night: all of Monday
        (local(2026, 12, 23, 12), "1 business day", local(2026, 12, 28, 12)),  # over Christmas and a weekend
        (local(2026, 6, 18, 12), "1 business day", local(2026, 6, 22, 12)),  # over Midsummer Eve
        (local(2026, 4, 2, 15), "1 business day", local(2026, 4, 7, 15)),  # over Easter
        (local(2026, 5, 13, 9), "1 business day", local(2026, 5, 15, 9)),  # over Ascension Day
        (local(2026, 11, 27, 16), "2 business hours", local(2026, 11, 30, 9)),
        (local(2026, 3, 27, 16), "2 business hours", local(2026, 3, 30, 9)),  # the clocks go forward between
        (local(2026, 10, 23, 16), "2 business hours", local(2026, 10, 26, 9)),  # and back
        (local(2026, 3, 29, 1), "4 h", local(2026, 3, 29, 6)),  # elapsed time takes no notice of either
        (local(2026, 10, 25, 1), "4 h", local(2026, 10, 25, 4)),
    ],
)
def test_due_times(start: datetime, span: str, due: datetime) -> None:
    """Business time skips nights, weekends and holidays; elapsed time is elapsed time."""
    assert HOURS.add(start, Span.parse(span)) == due.astimezone(timezone.utc)


@given(moments, st.integers(1, 50 * 60))
def test_business_time_is_counted_minute_by_minute(start: datetime, minutes: int) -> None:
    """Between start and due there are exactly as many open minutes as the span has."""
    start = start.replace(second=0, microsecond=0)
    due = HOURS.add(start, Span(business=timedelta(minutes=minutes)))
    quarter = timedelta(minutes=15)
    if minutes % 15 or start.minute % 15:
        assert start < due
        return
    counted = sum(is_open(HOURS, start + n * quarter) for n in range(int((due - start) / quarter)))
    assert counted == minutes // 15


@given(moments, moments, st.sampled_from(["1 business day", "3 business days", "90 min", "5 business hours"]))
def test_later_start_is_never_due_earlier(first: datetime, second: datetime, span: str) -> None:
    """Due times keep the order of their starts."""
    first, second = sorted((first, second))
    assert HOURS.add(first, Span.parse(span)) <= HOURS.add(second, Span.parse(span))


@given(moments, st.integers(1, 5))
def test_business_days_end_in_business_time(start: datetime, days: int) -> None:
    """A due time in business days lies within opening hours, and after the start."""
    due = HOURS.add(start, Span(business_days=days))
    assert due > start
    assert is_open(HOURS, due - timedelta(microseconds=1)) or is_open(HOURS, due)


@given(moments, st.integers(1, 4000))
def test_round_the_clock_business_is_elapsed_time(start: datetime, minutes: int) -> None:
    """When the office never closes, an hour is an hour, also in the nights when the clocks change."""
    length = timedelta(minutes=minutes)
    assert ROUND_THE_CLOCK.add(start, Span(business=length)) == start + length


@pytest.mark.parametrize(
    ("entry", "day"),
    [
        ("2026-05-14", date(2026, 5, 14)),
        ("12-25", date(2030, 12, 25)),
        ("easter-2", date(2026, 4, 3)),
        ("easter+39", date(2027, 5, 6)),
        ("friday>=06-19", date(2026, 6, 19)),
        ("friday>=06-19", date(2027, 6, 25)),
    ],
)
def test_holidays(entry: str, day: date) -> None:
    """Each form of a holiday finds its day, and not the day after."""
    holidays = Holidays.parse([entry])
    assert day in holidays
    assert day + timedelta(days=1) not in holidays


@pytest.mark.parametrize("text", ["", "soon", "-5 min", "1.5 business days", "5 fortnights"])
def test_bad_spans_are_refused(text: str) -> None:
    """A span that cannot be read says how to write one."""
    with pytest.raises(BadInput, match=r"write|whole"):
        Span.parse(text)


@pytest.mark.parametrize(
    "text", ["90 s", "15 min", "4 h", "1 week", "2 days", "1 business day", "2 business h"]
)
def test_spans_read_back_as_written(text: str) -> None:
    """What a span prints, it reads."""
    assert Span.parse(str(Span.parse(text))) == Span.parse(text)


def test_a_calendar_without_hours_is_an_error_not_a_hang() -> None:
    """A week of holidays for ever is reported."""
    closed = BusinessHours(weekdays=frozenset())
    with pytest.raises(BadInput, match="no business hours"):
        closed.add(local(2026, 1, 1), Span.parse("1 business hour"))


def test_naive_times_are_refused() -> None:
    """A time without a zone is nobody's time."""
    with pytest.raises(NaiveTime):
        HOURS.add(datetime(2026, 1, 1), Span.parse("1 h"))  # noqa: DTZ001 - this is the point
