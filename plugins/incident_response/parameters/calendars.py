"""Calendar: the dates or hours that ought to be there, between two moments that people put in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from dateutil.parser import isoparse
from dateutil.relativedelta import relativedelta
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from incident_response.domain.times import UTC
from incident_response.zones import Zone

MOST_KEYS = 10_000  # a year of hours; more than that is a slip of the pen
_AGO = re.compile(r"^(\d{1,5})\s*(h|hour|d|day|week|month|year)s?\s+ago$")
_UNITS = {"h": "hours", "d": "days"}
_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)

Every = Literal["hour", "day", "week", "month"]


def _words(value: object) -> object:
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _moment(text: str) -> str:
    span(text, datetime(2026, 1, 1, tzinfo=UTC))
    return text.strip()


Moment = Annotated[str, BeforeValidator(_words), AfterValidator(_moment)]


def span(text: str, now: datetime) -> tuple[datetime, datetime]:
    """Begin and last instant of `today`, `yesterday`, `3 days ago`, `2026-03-01`, `2026-03-01T05:00`.

    `now` is in the zone whose days are meant. Raises ValueError.
    """
    words = text.strip().lower()
    if words in ("today", "yesterday"):
        return _whole_day(now.date() - (_DAY if words == "yesterday" else timedelta()), now)
    if words == "now":
        return now, now
    if found := _AGO.match(words):
        unit = _UNITS.get(found.group(2), f"{found.group(2)}s")
        if unit == "hours":  # elapsed: on the day of a DST change the wall clock tells another length
            instant = (now.astimezone(UTC) - int(found.group(1)) * _HOUR).astimezone(now.tzinfo)
        else:
            instant = now - relativedelta(**{unit: int(found.group(1))})  # type: ignore[arg-type]
        return instant, instant
    try:
        if len(words) == 10:
            return _whole_day(date.fromisoformat(words), now)
        at = isoparse(text.strip())
        at = at.astimezone(now.tzinfo) if at.tzinfo else at.replace(tzinfo=now.tzinfo)
        return at, at
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no moment; write `yesterday`, `today`, `now`, `30 days ago`, or 2026-03-01"
        ) from None


def _whole_day(day: date, now: datetime) -> tuple[datetime, datetime]:
    begin = datetime.combine(day, time(), now.tzinfo)
    return begin, datetime.combine(day + _DAY, time(), now.tzinfo) - timedelta(microseconds=1)


class Calendar(BaseModel):
    """One key for each hour, day, week or month from a moment to another, both included."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    begin: Moment = Field("30 days ago", alias="from", description="`30 days ago`, `2026-03-01`, …")
    end: Moment = Field("yesterday", alias="to", description="`yesterday`, `1 h ago`, `2026-03-31`, …")
    every: Every = Field(
        "day",
        description="The keys: `2026-03-04` for a day, its Monday for a week, its first day for a month, "
        "`2026-03-04T05:00Z` for an hour.",
    )
    zone: Zone = Field("UTC", description="IANA zone of the days, and of times without a zone of their own.")

    def starts(self, now: datetime) -> list[datetime]:
        """The first instants of all periods, aware. Raises ValueError when they are too many, or none."""
        local = now.astimezone(ZoneInfo(self.zone))
        first, last = span(self.begin, local)[0], span(self.end, local)[1]
        begins: list[datetime] = []
        for start in periods(first, last, self.every, self.zone):
            begins.append(start)
            if len(begins) > MOST_KEYS:
                raise ValueError(f"more than {MOST_KEYS} keys are expected; begin later, or count in days")
        if not begins:
            raise ValueError(f"`from` ({self.begin}) is after `to` ({self.end}): nothing is expected")
        return begins


def periods(first: datetime, last: datetime, every: Every, zone: str) -> Iterator[datetime]:
    """The first instants of the periods that hold `first`, `last` and what lies between."""
    start, end = floor(first, every, zone), floor(last, every, zone)
    while start <= end:
        yield start
        start = following(start, every, zone)


def floor(at: datetime, every: Every, zone: str) -> datetime:
    """The first instant of the period that holds `at`. Hours are UTC's: local ones come twice a year."""
    if every == "hour":
        return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    day = at.astimezone(ZoneInfo(zone)).date()
    if every == "week":
        day -= timedelta(days=day.weekday())
    if every == "month":
        day = day.replace(day=1)
    return datetime.combine(day, time(), ZoneInfo(zone))


def following(start: datetime, every: Every, zone: str) -> datetime:
    """The first instant of the next period."""
    if every == "hour":
        return start + _HOUR
    steps = {"day": relativedelta(days=1), "week": relativedelta(weeks=1), "month": relativedelta(months=1)}
    return datetime.combine(start.date() + steps[every], time(), ZoneInfo(zone))


def key_of(start: datetime, every: Every) -> str:
    """How a period is called: in findings, in run ids, in the conf of a run."""
    return start.strftime("%Y-%m-%dT%H:%MZ" if every == "hour" else "%Y-%m-%d")
