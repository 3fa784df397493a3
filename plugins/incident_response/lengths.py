"""Length: elapsed time as people write it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator

from incident_response.domain.business_hours import Span
from incident_response.domain.errors import BadInput


def _length(value: object) -> timedelta:
    """`30 s`, `5 min`, `2 h`. Raises ValueError, which names the field at its caller's."""
    if isinstance(value, timedelta):
        return value
    try:
        span = Span.parse(value if isinstance(value, (int, float)) else str(value))
    except BadInput as error:
        raise ValueError(str(error)) from None
    if span.elapsed == timedelta() and not str(value).startswith("0"):
        raise ValueError(f"{value!r} must be elapsed time, not business time")
    return span.elapsed


Length = Annotated[timedelta, BeforeValidator(_length)]
