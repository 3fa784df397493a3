"""What the parts of a transaction share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..dialect import Batch, Dialect, Many
from ..link import Link
from ..mapping import Mapper, Mappers, Record


class Part:
    """One part of a transaction, over its link. Statements are those of dialect.py."""

    def __init__(self, link: Link, dialect: Dialect, mappers: Mappers, *, writes: bool) -> None:
        self._link, self._dialect, self._mappers, self._writes = link, dialect, mappers, writes
        self._codec = dialect.codec

    def _rows(self, statement: str, **values: Any) -> list[Any]:
        """The rows that a statement selects."""
        return self._link.rows(statement, values)

    def _value(self, statement: str, **values: Any) -> Any:
        """The first column of the first row, None when there is none."""
        rows = self._link.rows(statement, values)
        return rows[0][0] if rows else None

    def _records(self, mapper: Mapper[Record], statement: str, **values: Any) -> list[Record]:
        """The records whose columns a statement selects."""
        return [mapper.record(row) for row in self._link.rows(statement, values)]

    def _run(self, statement: str, **values: Any) -> int:
        """Run a statement; returns how many rows it touched."""
        return self._link.run(statement, values)

    def _first(self, statement: str, **values: Any) -> None:
        """Run a statement whose answer nobody reads before the next one: cheaper."""
        self._link.first(statement, values)

    def _write(self, many: Many, rows: Sequence[dict[str, Any]]) -> int:
        """Write any number of rows; returns how many were written."""
        return self._link.write((many, rows))

    def _leave(self, *batches: Batch) -> None:
        """Write any number of rows at the latest with the commit: cheaper, where no answer is needed."""
        self._link.leave(*batches)
