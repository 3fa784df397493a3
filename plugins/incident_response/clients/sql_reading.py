"""Running the queries of one look: one connection, one read-only transaction each, all of it bounded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.redaction import MASK, one_line

_BEYOND = 101  # rows that are counted beyond those needed; then it is "more than"
_LEAST = 0.2  # seconds; with less left of the look a query waits for the next one


@dataclass(frozen=True)
class Rows:
    """A query's answer. `more`: there are more rows than these."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False


@dataclass(frozen=True)
class Broken:
    """A query that gave no answer, and why."""

    why: str


@dataclass(frozen=True)
class Question:
    """One query. `rows`: how many of its rows are of interest."""

    name: str
    sql: str
    parameters: Mapping[str, Any]
    rows: int


@dataclass
class Reading:
    """Called in a thread; whoever gives it up still has the answers so far, and what it was waiting for."""

    engine: Any
    questions: Sequence[Question]
    seconds: float  # for all of it
    each: float  # for one query
    place: str  # begins an error
    secret: str = field(repr=False)
    answers: dict[str, Rows | Broken] = field(default_factory=dict)
    waiting_for: str | None = None

    def __call__(self) -> None:
        """Ask everything. Raises SourceUnavailable when the database as a whole does not answer."""
        from sqlalchemy.exc import SQLAlchemyError

        until = time.monotonic() + self.seconds
        try:
            with self.engine.connect() as connection:
                for question in self.questions:
                    left = (until - time.monotonic()) * 0.9  # the database's own limit comes first
                    if left < _LEAST:
                        break
                    self.waiting_for = question.name
                    self.answers[question.name] = self._ask(connection, question, min(self.each, left))
                    self.waiting_for = None
        except (SQLAlchemyError, ImportError) as error:
            raise SourceUnavailable(
                f"{self.place}: the database gives no connection: {self._words(error)}; "
                "check the server, the connection and its driver"
            ) from None
        finally:
            self.engine.dispose()

    def _ask(self, connection: Any, question: Question, seconds: float) -> Rows | Broken:
        from sqlalchemy import text
        from sqlalchemy.exc import DBAPIError, SQLAlchemyError

        limited = _Limit(connection, seconds)
        try:
            limited.begin()
            # Streamed: a query that returns too much must not fill the memory.
            statement = text(question.sql).execution_options(stream_results=True)
            result = connection.execute(statement, dict(question.parameters))
            columns = tuple(map(str, result.keys()))
            rows = [tuple(row) for row in result.fetchmany(question.rows + _BEYOND)]
            more = len(rows) == question.rows + _BEYOND
            result.close()
            return Rows(columns, tuple(rows), more)
        except SQLAlchemyError as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                raise  # the server went away, not the query
            if str(getattr(error, "orig", "")) == "interrupted":  # SQLite's word for our own limit
                return Broken(f"no answer within {seconds:.3g} s")
            return Broken(self._words(error))
        except (ValueError, TypeError, ArithmeticError) as error:  # a value that the driver cannot convert
            return Broken(self._words(error))
        finally:
            limited.end()

    def _words(self, error: BaseException) -> str:
        """The driver's own words, without the statement and without the password."""
        said = str(getattr(error, "orig", None) or error)
        return one_line(said.replace(self.secret, MASK) if len(self.secret) > 3 else said, 250)


class _Limit:
    """A transaction that reads only and ends in time, as far as the database can do that."""

    def __init__(self, connection: Any, seconds: float) -> None:
        self._connection, self._seconds = connection, seconds
        self._backend = connection.dialect.name

    def begin(self) -> None:
        """Before the query. What the database cannot do itself, the thread's limit does."""
        milliseconds = max(1, round(self._seconds * 1000))
        run = self._connection.exec_driver_sql
        if self._backend == "postgresql":
            run("SET TRANSACTION READ ONLY")
            # LOCAL: behind a pooler that shares sessions, the next client would inherit a setting.
            # A cursor is planned for its first rows; all of them are wanted.
            run(f"SET LOCAL statement_timeout = {milliseconds}")
            run(f"SET LOCAL lock_timeout = {milliseconds}; SET LOCAL cursor_tuple_fraction = 1")
        elif self._backend == "mysql" and getattr(self._connection.dialect, "is_mariadb", False):
            run(f"SET SESSION max_statement_time = {self._seconds:.3f}")
            run("SET SESSION TRANSACTION READ ONLY")
        elif self._backend == "mysql":
            run(f"SET SESSION max_execution_time = {milliseconds}")
            run("SET SESSION TRANSACTION READ ONLY")
        elif self._backend == "sqlite":
            until = time.monotonic() + self._seconds
            self._progress(lambda: time.monotonic() > until)

    def end(self) -> None:
        """After it, however it ended."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            if self._backend == "sqlite":
                self._progress(None)
            self._connection.rollback()
        except SQLAlchemyError:
            self._connection.invalidate()

    def _progress(self, stop: Any) -> None:
        self._connection.connection.dbapi_connection.set_progress_handler(stop, 10000)
