"""Values out of a database: read as what a check needs, or shown to people."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.parser import isoparse

from incident_response.clients.sql_reading import Rows
from incident_response.domain.redaction import one_line
from incident_response.domain.times import utc


class Unusable(Exception):
    """The query's answer is not what its kind of check needs."""


def only_row(answer: Rows, widths: Sequence[int], what: str) -> tuple[Any, ...]:
    """The one row; without any, one of NULLs. Raises Unusable."""
    if len(answer.rows) > 1:
        raise Unusable(f"the query returned more than one row; it must return {what}")
    if len(answer.columns) not in widths:
        raise Unusable(f"the query returned {len(answer.columns)} columns; it must return {what}")
    return answer.rows[0] if answer.rows else (None,) * len(answer.columns)


def number(value: Any) -> float | None:
    """A number, None for NULL. Raises Unusable."""
    if value is None:
        return None
    # Decimal is a Number and nothing more exact.
    if isinstance(value, bool) or not isinstance(value, numbers.Number) or isinstance(value, complex):
        raise Unusable(f"the query returned a {type(value).__name__} where a number is needed; cast it")
    read = float(value)  # type: ignore[arg-type]
    if not math.isfinite(read):
        raise Unusable(f"the query returned {read} where a number is needed")
    return read


def moment(value: Any, zone: str, now: datetime) -> datetime | None:
    """A time in UTC, None for NULL; a date is its day's end, or `now` before that. Raises Unusable."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else isoparse(value)
        except ValueError:
            raise Unusable(f"the query returned {one_line(value, 40)!r} where a time is needed") from None
    if value is None:
        return None
    if isinstance(value, datetime):
        return utc(value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone)))
    if isinstance(value, date):
        end = datetime.combine(value + timedelta(days=1), time(), ZoneInfo(zone))
        return min(utc(end), utc(now)) if value <= now.astimezone(ZoneInfo(zone)).date() else utc(end)
    raise Unusable(f"the query returned a {type(value).__name__} where a time is needed; cast it")


def figure(value: float) -> str:
    """`1,234`, `0.4321`."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"
