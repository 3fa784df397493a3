"""A record as it comes back from a database: documents are plain JSON, texts can be stored, times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from incident_response.domain.times import utc

from ..documents import clean, plain

Record = TypeVar("Record")


def stored(record: Record) -> Record:
    """Raises NaiveTime, as a database's store does."""
    changes = {field.name: _stored(getattr(record, field.name)) for field in fields(record)}  # type: ignore[arg-type]
    return replace(record, **changes)  # type: ignore[type-var]


def _stored(value: Any) -> Any:
    if isinstance(value, Enum):
        return value
    if isinstance(value, datetime):
        return utc(value)
    if isinstance(value, Mapping):
        return plain(value)
    return clean(value) if isinstance(value, str) else value
