"""Spans of elapsed or business time, and the calendar that business time is counted in.

Business time is local: it follows an IANA zone through both DST changes and skips weekends and holidays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.easter import easter

from .errors import BadInput
from .times import UTC, utc

_UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "day": 86400,
    "d": 86400,
}
_UNITS["week"] = 7 * 86400
_SPAN = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(business\s+)?([a-z]+?)s?\s*$")
_LONGEST = 100 * 366 * 86400  # seconds; what is longer is a slip of the pen, and no timedelta at last
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_HORIZON_DAYS = 3700  # ten years without an hour of business is a broken calendar, not a long wait


@dataclass(frozen=True)
class Span:
    """A length of time: elapsed, business time (`business`), or whole business days (`business_days`)."""

    elapsed: timedelta = timedelta()
    business: timedelta = timedelta()
    business_days: int = 0

    @classmethod
    def parse(cls, text: str | int | float) -> Span:
        """Read `15 min`, `4 h`, `1 week`, `90` (seconds), `1 business day`, `2 business hours`."""
        if isinstance(text, (int, float)) and not isinstance(text, bool):
            if not abs(text) <= _LONGEST:  # not a number, too
                raise BadInput(f"{text!r} is longer than a century")
            return cls(elapsed=timedelta(seconds=text))
        match = _SPAN.match(str(text).lower())
        unit = match.group(3) if match else ""
        if match is None or (unit not in _UNITS and unit != ""):
            raise BadInput(
                f"{text!r} is not a span of time; write for example 15 min, 4 h, 1 business day, 1 week"
            )
        amount = float(match.group(1))
        if amount * _UNITS.get(unit, 1) > _LONGEST:
            raise BadInput(f"{text!r} is longer than a century")
        if not match.group(2):
            return cls(elapsed=timedelta(seconds=amount * _UNITS[unit]))
        if unit in ("day", "d"):
            if amount != int(amount):
                raise BadInput(f"{text!r}: business days are whole; write business hours for a part of one")
            return cls(business_days=int(amount))
        return cls(business=timedelta(seconds=amount * _UNITS[unit]))

    def __str__(self) -> str:
        if self.business_days:
            return f"{self.business_days} business day{'s' if self.business_days > 1 else ''}"
        words = _words(self.business or self.elapsed)
        return words.replace(" ", " business ", 1) if self.business else words


def _words(length: timedelta) -> str:
    seconds = length.total_seconds()
    for unit, size in (("week", 604800), ("day", 86400), ("h", 3600), ("min", 60)):
        if seconds and seconds % size == 0:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if count > 1 and unit in ('week', 'day') else ''}"
    return f"{seconds:g} s"


@dataclass(frozen=True)
class Holidays:
    """Public holidays: single dates, yearly month-days, offsets from Easter, `weekday on or after` a month-
    day.
    """

    dates: frozenset[date] = frozenset()
    yearly: frozenset[tuple[int, int]] = frozenset()
    easter_offsets: frozenset[int] = frozenset()
    weekday_from: frozenset[tuple[int, int, int]] = frozenset()  # ISO weekday, month, day

    @classmethod
    def parse(cls, entries: list[str]) -> Holidays:
        """Read `2026-05-14`, `12-25`, `easter+39`, `friday>=06-19`."""
        dates, yearly, offsets, weekdays = set(), set(), set(), set()
        for entry in entries:
            text = str(entry).strip().lower()
            if found := re.fullmatch(r"easter([+-]\d+)?", text):
                offsets.add(int(found.group(1) or 0))
            elif (found := re.fullmatch(r"([a-z]+)>=(\d\d)-(\d\d)", text)) and found.group(1) in _WEEKDAYS:
                weekdays.add((_WEEKDAYS.index(found.group(1)) + 1, int(found.group(2)), int(found.group(3))))
            elif found := re.fullmatch(r"(\d\d)-(\d\d)", text):
                yearly.add((int(found.group(1)), int(found.group(2))))
            else:
                try:
                    dates.add(date.fromisoformat(text))
                except ValueError:
                    raise BadInput(
                        f"{entry!r} is not a holiday; write 2026-05-14, 12-25, easter+39 or friday>=06-19"
                    ) from None
        return cls(frozenset(dates), frozenset(yearly), frozenset(offsets), frozenset(weekdays))

    def __contains__(self, day: date) -> bool:
        if day in self.dates or (day.month, day.day) in self.yearly:
            return True
        if self.easter_offsets and (day - easter(day.year)).days in self.easter_offsets:
            return True
        return any(
            day.isoweekday() == weekday and 0 <= (day - date(day.year, month, first)).days < 7
            for weekday, month, first in self.weekday_from
        )


@dataclass(frozen=True)
class BusinessHours:
    """When the office is open, in local time of `zone`; `closes` of 00:00 means midnight at the day's end."""

    zone: str = "Europe/Stockholm"
    weekdays: frozenset[int] = frozenset({1, 2, 3, 4, 5})  # ISO: Monday is 1
    opens: time = time(8)
    closes: time = time(17)
    holidays: Holidays = field(default_factory=Holidays)

    def add(self, start: datetime, span: Span) -> datetime:
        """The moment `span` after `start`, in UTC. `start` must be aware."""
        moment = utc(start) + span.elapsed
        if span.business_days:
            moment = self._add_days(moment, span.business_days)
        if span.business:
            moment = self._add_time(moment, span.business)
        return moment

    def _add_time(self, moment: datetime, length: timedelta) -> datetime:
        """Consume `length` of open time, measured in real (elapsed) seconds."""
        for opens, closes in self._windows(moment):
            begin = max(moment, opens)
            if closes - begin >= length:
                return begin + length
            length -= max(closes - begin, timedelta())
        raise BadInput(
            "the calendar has no business hours; give weekdays and opening hours in escalation.yaml"
        )

    def _add_days(self, moment: datetime, days: int) -> datetime:
        """The same wall-clock time `days` business days on; outside hours the count starts at the next
        opening.
        """
        windows = self._windows(moment)
        first_opens, first_closes = next(windows)
        if moment <= first_opens:
            # A whole day from the opening ends at that day's close, not at the following morning.
            for _ in range(days - 1):
                first_opens, first_closes = next(windows)
            return first_closes
        wall = moment.astimezone(ZoneInfo(self.zone))
        for _ in range(days):
            first_opens, first_closes = next(windows)
        day = first_opens.astimezone(ZoneInfo(self.zone)).date()
        target = datetime.combine(day, wall.time().replace(tzinfo=None), ZoneInfo(self.zone)).astimezone(UTC)
        return min(max(target, first_opens), first_closes)

    def _windows(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Open windows as UTC pairs, from the one that `moment` lies in or the next one."""
        zone = ZoneInfo(self.zone)
        day = moment.astimezone(zone).date()
        for offset in range(_HORIZON_DAYS):
            today = day + timedelta(days=offset)
            if today.isoweekday() not in self.weekdays or today in self.holidays:
                continue
            end_day = today if self.closes > self.opens else today + timedelta(days=1)
            opens = datetime.combine(today, self.opens, zone).astimezone(UTC)
            closes = datetime.combine(end_day, self.closes, zone).astimezone(UTC)
            if closes > moment:
                yield opens, closes
        raise BadInput(
            "the calendar has no business hours; give weekdays and opening hours in escalation.yaml"
        )
