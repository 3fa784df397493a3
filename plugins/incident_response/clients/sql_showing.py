"""Rows of a database for people: short, finite, and without what looks like a secret."""

from __future__ import annotations

import math
from datetime import date, time
from typing import Any

from incident_response.domain.redaction import MASK, one_line, redact

from .sql_reading import Rows

_MOST_COLUMNS = 12


def sample(answer: Rows, most: int = 5) -> list[dict[str, Any]]:
    """The first rows, as JSON: the first twelve columns by their names."""
    columns = answer.columns[:_MOST_COLUMNS]
    return [
        {one_line(column, 60): _shown(column, value) for column, value in zip(columns, row, strict=False)}
        for row in answer.rows[:most]
    ]


def _shown(column: str, value: Any) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, memoryview)):
        return f"<{len(bytes(value))} bytes>"
    if redact(f"{column}=x") != f"{column}=x":
        return MASK
    return one_line(value.isoformat() if isinstance(value, (date, time)) else str(value), 100)
