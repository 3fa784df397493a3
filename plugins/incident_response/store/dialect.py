"""What differs between the two databases, so that every statement is written once, in their common SQL.

In a statement `{s}` is the schema, `{lock}` and `{skip}` lock the rows read, `{among:x}` tests membership in
the set `:x`. In a `Many`, `@column` is a value of the row handed in, and `{rows}` stands where PostgreSQL
reads the rows from.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import sqlalchemy

from .codec import Codec, PostgresCodec, SqliteCodec
from .documents import dumps

_AMONG = re.compile(r"\{among:(\w+)\}")
_PARAMETER = re.compile(r":(\w+)")
_OF_ROW = re.compile(r"@(\w+)")


@dataclass(frozen=True)
class Many:
    """A statement for any number of rows at once, in one round trip."""

    text: str
    table: Any
    columns: tuple[str, ...]  # of `table`, whose types they have

    @classmethod
    def insert(cls, table: Any, columns: Sequence[str], conflict: str) -> Many:
        """Insert rows; `conflict` is what follows ON CONFLICT."""
        names, values = ", ".join(columns), ", ".join(f"@{name}" for name in columns)
        text = "INSERT INTO {s}" + f"{table.name} ({names}) SELECT {values} {{rows}}"
        # `WHERE true` keeps SQLite from reading ON as a join.
        return cls(f"{text} WHERE true ON CONFLICT {conflict}", table, tuple(columns))


class Dialect(ABC):
    """One kind of database."""

    name: ClassVar[str]
    codec: Codec
    lock: ClassVar[str]
    skip: ClassVar[str]

    def __init__(self, schema: str | None) -> None:
        self.schema = schema
        self._statements: dict[str, str] = {}
        self._queries: dict[str, Any] = {}

    @cached_property
    def _prefix(self) -> str:
        return f'"{self.schema}".' if self.schema else ""

    def statement(self, text: str) -> str:
        """`text` in this database's SQL."""
        found = self._statements.get(text)
        if found is None:
            translated = self._translate(text)
            found = _PARAMETER.sub(lambda name: self._parameter(name.group(1)), translated)
            self._statements[text] = found
        return found

    def query(self, text: str, columns: Sequence[str]) -> Any:
        """`text`, which selects `columns`: SQLAlchemy looks at them once and not at every execution."""
        found = self._queries.get(text)
        if found is None:
            clause = sqlalchemy.text(self._translate(text))
            found = self._queries[text] = clause.columns(*map(sqlalchemy.column, columns))
        return found

    @abstractmethod
    def write(self, connection: Any, batches: Sequence[tuple[Many, Sequence[dict[str, Any]]]]) -> int:
        """Run each statement for all its rows; returns how many rows the last one wrote."""

    def _translate(self, text: str) -> str:
        text = _AMONG.sub(lambda found: self._among(found.group(1)), text)
        for word, meaning in (("{s}", self._prefix), ("{lock}", self.lock), ("{skip}", self.skip)):
            text = text.replace(word, meaning)
        return text

    @abstractmethod
    def _among(self, name: str) -> str: ...

    @abstractmethod
    def _parameter(self, name: str) -> str: ...


class Sqlite(Dialect):
    """One writer at a time: whoever writes has begun with a lock on everything."""

    name = "sqlite"
    lock = skip = ""

    def __init__(self) -> None:
        super().__init__(None)
        self.codec = SqliteCodec()

    def write(self, connection: Any, batches: Sequence[tuple[Many, Sequence[dict[str, Any]]]]) -> int:
        written = 0
        for many, rows in batches:
            if rows:
                text = _OF_ROW.sub(r":\1", many.text).replace("{rows}", "")
                written = connection.exec_driver_sql(self.statement(text), rows).rowcount
        return written

    def _among(self, name: str) -> str:
        return f"IN (SELECT value FROM json_each(:{name}))"  # noqa: S608 -- names of our own

    def _parameter(self, name: str) -> str:
        return f":{name}"


class Postgres(Dialect):
    """Rows are locked one by one; NO KEY lets others write children of a locked row meanwhile."""

    name = "postgresql"
    lock = "FOR NO KEY UPDATE"
    skip = "FOR NO KEY UPDATE SKIP LOCKED"

    def __init__(self, schema: str) -> None:
        super().__init__(schema)
        self.codec = PostgresCodec()
        self._many: dict[tuple[Many, int], str] = {}

    def write(self, connection: Any, batches: Sequence[tuple[Many, Sequence[dict[str, Any]]]]) -> int:
        statements, values = [], {}
        for number, (many, rows) in enumerate(batches):
            if rows:
                text = self._many.get((many, number)) or self._prepare(many, number)
                statements.append(text)
                values[f"rows{number}"] = dumps(rows)
        # The driver sends what is divided by semicolons as one message.
        done = connection.exec_driver_sql("; ".join(statements), values) if statements else None
        return done.rowcount if done else 0

    def _prepare(self, many: Many, number: int) -> str:
        types = ", ".join(f"{name} {_postgres_type(many.table.c[name])}" for name in many.columns)
        text = _OF_ROW.sub(r"r.\1", many.text)
        text = text.replace("{rows}", f"FROM json_to_recordset(CAST(:rows{number} AS json)) AS r({types})")
        self._many[many, number] = self.statement(text)
        return self._many[many, number]

    def _among(self, name: str) -> str:
        return f"= ANY(:{name})"

    def _parameter(self, name: str) -> str:
        return f"%({name})s"


def _postgres_type(column: Any) -> str:
    from sqlalchemy.dialects import postgresql

    return str(column.type.compile(dialect=postgresql.dialect()))
