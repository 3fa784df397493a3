"""What the parts of a transaction share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dialect import Dialect, Many
from ..mapping import Mappers


class Part:
    """One part of a transaction, over its connection."""

    def __init__(self, connection: Any, dialect: Dialect, mappers: Mappers, *, writes: bool) -> None:
        self._connection, self._dialect, self._mappers, self._writes = connection, dialect, mappers, writes
        self._codec = dialect.codec

    def _run(self, statement: str, **values: Any) -> Any:
        """Run one statement written in the words of dialect.py."""
        return self._connection.exec_driver_sql(self._dialect.statement(statement), values)

    def _write(self, many: Many, rows: Sequence[dict[str, Any]]) -> None:
        """Write any number of rows in one round trip; none for none."""
        self._dialect.write(self._connection, many, rows)
