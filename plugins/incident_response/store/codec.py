"""How one value is handed to a database and read back."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

from incident_response.domain.times import UTC, utc

from .documents import document, dumps, plain

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Codec(Protocol):
    """Times are refused when naive; documents are JSON."""

    def moment(self, value: datetime) -> Any:
        """A time. Raises NaiveTime."""

    def document(self, value: Mapping[str, Any]) -> Any:
        """A JSON document."""

    def among(self, values: Collection[Any]) -> Any:
        """A set of values for `{among}`."""

    def read_moment(self, value: Any) -> datetime:
        """A time in UTC."""

    def read_document(self, value: Any) -> dict[str, Any]:
        """A JSON document."""


class SqliteCodec:
    """Times are whole microseconds, documents and sets are JSON text."""

    def moment(self, value: datetime) -> int:
        return (utc(value) - _EPOCH) // _MICROSECOND

    def document(self, value: Mapping[str, Any]) -> str:
        return document(value) if value else "{}"

    def among(self, values: Collection[Any]) -> str:
        return dumps(list(values))

    def read_moment(self, value: int) -> datetime:
        return _EPOCH + timedelta(microseconds=value)

    def read_document(self, value: str) -> dict[str, Any]:
        return dict(json.loads(value)) if value != "{}" else {}


class PostgresCodec:
    """Times are ISO text with their zone, so that they fit into JSON rows; sets are arrays."""

    def moment(self, value: datetime) -> str:
        return utc(value).isoformat()

    def document(self, value: Mapping[str, Any]) -> Any:
        return plain(value)

    def among(self, values: Collection[Any]) -> list[Any]:
        return list(values)

    def read_moment(self, value: datetime) -> datetime:
        return value.astimezone(UTC)

    def read_document(self, value: Any) -> dict[str, Any]:
        # The driver has parsed it already, unless somebody switched that off for the whole process.
        return dict(json.loads(value) if isinstance(value, str) else value)
