"""What the parts of a transaction share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dialect import Dialect, Many
from ..mapping import Mapper, Mappers, Record


class Part:
    """One part of a transaction, over its connection."""

    def __init__(self, connection: Any, dialect: Dialect, mappers: Mappers, *, writes: bool) -> None:
        self._connection, self._dialect, self._mappers, self._writes = connection, dialect, mappers, writes
        self._codec = dialect.codec

    def _run(self, statement: str, **values: Any) -> Any:
        """Run one statement written in the words of dialect.py."""
        return self._connection.exec_driver_sql(self._dialect.statement(statement), values)

    def _records(self, mapper: Mapper[Record], statement: str, **values: Any) -> list[Record]:
        """Run a statement that selects the columns of `mapper`."""
        rows = self._connection.execute(self._dialect.query(statement, mapper.columns), values)
        return [mapper.record(row) for row in rows]

    def _write(self, many: Many, rows: Sequence[dict[str, Any]]) -> int:
        """Write any number of rows in one round trip, none for none; returns how many were written."""
        return self._dialect.write(self._connection, [(many, rows)])

    def _write_all(self, *batches: tuple[Many, Sequence[dict[str, Any]]]) -> None:
        """Several such writes in one round trip, in this order."""
        self._dialect.write(self._connection, batches)
