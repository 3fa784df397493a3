"""Statuses: the HTTP statuses of a healthy answer, as a person writes them."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator

Range = tuple[int, int]  # both ends belong to it
_RANGE = re.compile(r"^(\d{3})(?:\s*(?:\.\.|-)\s*(\d{3}))?$")


def _statuses(value: Any) -> tuple[Range, ...]:
    """`200`, `"200..399"`, `"200, 301..303"`, `[200, 204]`. Raises ValueError."""
    if isinstance(value, (list, tuple)):
        parts = [
            str(part) if not isinstance(part, (list, tuple)) else "..".join(map(str, part)) for part in value
        ]
    else:
        parts = str(value).split(",")
    ranges = []
    for part in parts:
        found = _RANGE.match(part.strip())
        low, high = (int(found.group(1)), int(found.group(2) or found.group(1))) if found else (0, 0)
        if not 100 <= low <= high <= 599:
            raise ValueError(f"{part!r} is no HTTP status; write 200, 200..399, or a list of these")
        ranges.append((low, high))
    if not ranges:
        raise ValueError("no status is left that would be healthy; write 200..399, or leave it out")
    return tuple(ranges)


Statuses = Annotated[tuple[Range, ...], BeforeValidator(_statuses)]


def contains(statuses: tuple[Range, ...], status: int) -> bool:
    """Whether the status is one of a healthy answer."""
    return any(low <= status <= high for low, high in statuses)


def in_words(statuses: tuple[Range, ...]) -> str:
    """`200..399`, `200, 204`."""
    return ", ".join(str(low) if low == high else f"{low}..{high}" for low, high in statuses)
