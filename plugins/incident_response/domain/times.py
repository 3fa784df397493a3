"""Times are aware and in UTC; this is the door where naive ones are refused."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from .errors import NaiveTime

UTC = timezone.utc


def utc(moment: datetime) -> datetime:
    """`moment` in UTC. Raises NaiveTime when it has no zone."""
    if moment.tzinfo is None:
        raise NaiveTime(f"{moment.isoformat()} has no zone; give an aware time")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def earliest(*moments: datetime | None) -> datetime | None:
    """The earliest of the moments that are set, None when none is."""
    return min((moment for moment in moments if moment is not None), default=None)


def in_words(length: timedelta) -> str:
    """`90 s`, `15 min`, `4 h 20 min`: as exact as a person needs it."""
    seconds = int(length.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds // 3600} h {seconds % 3600 // 60} min"
