"""One transaction over one connection of a driver.

SQLAlchemy's own connection would cost more than the statements of a small transaction do. Each message to the
database is logged at DEBUG.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from incident_response.domain.errors import IncidentResponseError
from incident_response.domain.logs import logger

from .dialect import Batch, Dialect, Many
from .documents import dumps
from .prepared import Prepared

log = logger(__name__)


class Link(ABC):
    """Statements are those of dialect.py. After an exception only rollback() may be called."""

    def __init__(self, taken: Any, dialect: Dialect) -> None:
        self._connection, self._dialect = taken.dbapi_connection, dialect
        self._cursor = self._connection.cursor()

    @abstractmethod
    def rows(self, text: str, values: Mapping[str, Any]) -> list[Any]:
        """Run a statement that selects."""

    @abstractmethod
    def run(self, text: str, values: Mapping[str, Any]) -> int:
        """Run a statement; returns how many rows it touched."""

    @abstractmethod
    def first(self, text: str, values: Mapping[str, Any]) -> None:
        """Run a statement before the next one, and do not wait for its answer."""

    @abstractmethod
    def write(self, batch: Batch) -> int:
        """Write rows; returns how many were written."""

    @abstractmethod
    def leave(self, *batches: Batch) -> None:
        """Write rows, in order, at the latest with the commit; what is read before that sees them written."""

    @abstractmethod
    def commit(self) -> None:
        """Make it last."""

    @abstractmethod
    def rollback(self) -> None:
        """Undo it. Raises the driver's error when the connection is broken."""


class SqliteLink(Link):
    """Every statement at once: there is no way between us and the file."""

    def __init__(self, taken: Any, dialect: Dialect, *, writes: bool) -> None:
        super().__init__(taken, dialect)
        # A transaction that begins by reading and goes on to write cannot wait for another writer: it fails.
        self._cursor.execute("BEGIN IMMEDIATE" if writes else "BEGIN DEFERRED")

    def rows(self, text: str, values: Mapping[str, Any]) -> list[Any]:
        self.run(text, values)
        return list(self._cursor.fetchall())

    def run(self, text: str, values: Mapping[str, Any]) -> int:
        statement = self._dialect.statement(text)
        log.debug("%s", statement)
        return int(self._cursor.execute(statement, values).rowcount)

    def first(self, text: str, values: Mapping[str, Any]) -> None:
        self.run(text, values)

    def write(self, batch: Batch) -> int:
        many, rows = batch
        if not rows:
            return 0
        statement = self._dialect.many(many)
        log.debug("%s", statement)
        return int(self._cursor.executemany(statement, rows).rowcount)

    def leave(self, *batches: Batch) -> None:
        for batch in batches:
            self.write(batch)

    def commit(self) -> None:
        self._cursor.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


class PostgresLink(Link):
    """What needs no answer waits, and travels with the next statement that does, or with the commit.

    So a look and a write are two messages: BEGIN with the look, write with COMMIT.
    """

    def __init__(self, taken: Any, dialect: Dialect, *, writes: bool) -> None:
        super().__init__(taken, dialect)
        self._prepared = Prepared.of(taken.info)
        mode = "READ COMMITTED" if writes else "REPEATABLE READ READ ONLY"
        self._waiting = [f"BEGIN ISOLATION LEVEL {mode}".encode()]
        self._begun = False

    def rows(self, text: str, values: Mapping[str, Any]) -> list[Any]:
        self.run(text, values)
        return list(self._cursor.fetchall())

    def run(self, text: str, values: Mapping[str, Any]) -> int:
        return self._send(self._call(self._dialect.statement(text), values))

    def first(self, text: str, values: Mapping[str, Any]) -> None:
        self._waiting.append(self._call(self._dialect.statement(text), values))

    def write(self, batch: Batch) -> int:
        return self._send(self._filled(*batch)) if batch[1] else 0

    def leave(self, *batches: Batch) -> None:
        self._waiting += [self._filled(*batch) for batch in batches if batch[1]]

    def commit(self) -> None:
        if not self._begun and len(self._waiting) == 1:
            return  # nothing was asked for
        self._send(b"COMMIT")
        if self._cursor.statusmessage != "COMMIT":
            # The server answers ROLLBACK, and no error, when an exception was swallowed inside of the block.
            raise IncidentResponseError("an error in the transaction was passed over: all of it was undone")

    def rollback(self) -> None:
        if self._begun:
            self._cursor.execute("ROLLBACK")

    def _filled(self, many: Many, rows: Sequence[Mapping[str, Any]]) -> Any:
        return self._call(self._dialect.many(many), {"rows": dumps(rows)})

    def _call(self, statement: str, values: Mapping[str, Any]) -> Any:
        before, call = self._prepared.call(statement)
        if before:
            self._waiting.append(before.encode())
        return self._cursor.mogrify(call, values)

    def _send(self, statement: bytes) -> int:
        statements = [*self._waiting, statement]
        self._waiting.clear()
        self._begun = True
        log.debug("%d statements in one message", len(statements))  # they hold values, so they are not shown
        try:
            self._cursor.execute(b"; ".join(statements))
        except self._dialect.driver.Error as error:
            self._prepared.failed(error.pgcode)
            raise
        self._prepared.accepted()
        return int(self._cursor.rowcount)
