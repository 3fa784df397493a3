"""Keys of data: what a query returns and what a calendar expects, as the same texts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from dateutil.parser import isoparse

from incident_response.domain.errors import BadInput
from incident_response.domain.redaction import one_line
from incident_response.parameters.calendars import Every, floor, following, key_of

_MOST = 200  # characters of a key: it becomes a part of a run's id
_UNSAFE = re.compile(r"[^A-Za-z0-9_.~:+-]|\.\.")  # what Airflow does not take in a run's id


def calendar_key(value: Any, every: Every, zone: str) -> str:
    """The period that holds a value of the database. Raises BadInput."""
    return key_of(floor(_instant(value, every, zone), every, zone), every)


def plain_key(value: Any) -> str:
    """A partition as text. Raises BadInput."""
    text = value.isoformat() if isinstance(value, (date, time)) else str(value)
    if not text or len(text) > _MOST or not text.isprintable():
        raise BadInput(
            f"{one_line(text, 60)!r} is no key; return one short text, number or date for each partition"
        )
    return text


def period(key: str, every: str | None, zone: str) -> tuple[datetime, datetime]:
    """The first instant of a key's period and that of the next one. Raises BadInput when it is no date."""
    rhythm: Every = every or ("day" if len(key) == 10 else "hour")  # type: ignore[assignment]
    start = floor(_instant(key, rhythm, zone), rhythm, zone)
    return start, following(start, rhythm, zone)


def run_id(incident: int, attempt: int, key: str) -> str:
    """`incident-42-1-2026-03-04`: the same for the same key, another one for each other key."""
    safe = _UNSAFE.sub("_", key)
    if safe != key:
        safe = f"{safe}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
    return f"incident-{incident}-{attempt}-{safe}"


def filled(value: Any, key: str) -> Any:
    """A conf with `{key}` in its texts replaced."""
    if isinstance(value, str):
        return value.replace("{key}", key)
    if isinstance(value, Mapping):
        return {name: filled(part, key) for name, part in value.items()}
    return [filled(part, key) for part in value] if isinstance(value, (list, tuple)) else value


def _instant(value: Any, every: Every, zone: str) -> datetime:
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value) if len(value) == 10 else isoparse(value)
        except ValueError:
            raise BadInput(
                f"{one_line(value, 40)!r} is no date; return dates or times, or name what is expected by SQL"
            ) from None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=ZoneInfo(zone))
    if not isinstance(value, date):
        raise BadInput(f"the query returned a {type(value).__name__} where a date is needed; cast it")
    if every == "hour":
        raise BadInput("the query returned a date where an hour is needed; return a timestamp")
    return datetime.combine(value, time(), ZoneInfo(zone))
