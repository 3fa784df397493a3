"""What differs between the two databases, so that every statement is written once, in their common SQL.

In a statement `{s}` is the schema, `{lock}` and `{skip}` lock the rows read, `{among:x}` tests membership in
the set `:x`, `{label:x}` is the value of a label. In a `Many`, `@column` is a value of the row handed in, and
`{rows}` stands where PostgreSQL reads the rows from.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from .codec import Codec, PostgresCodec, SqliteCodec

_AMONG = re.compile(r"\{among:(\w+)\}")
_LABEL = re.compile(r"\{label:(\w+)\}")
_PARAMETER = re.compile(r":(\w+)")
_OF_ROW = re.compile(r"@(\w+)")


@dataclass(frozen=True, eq=False)  # found by identity: there is one of each
class Many:
    """A statement for any number of rows at once."""

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


Batch = tuple[Many, Sequence[dict[str, Any]]]


class Dialect(ABC):
    """One kind of database."""

    name: ClassVar[str]
    codec: Codec
    lock: ClassVar[str]
    skip: ClassVar[str]

    def __init__(self, schema: str | None) -> None:
        self.schema = schema
        self._statements: dict[str, str] = {}
        self._manies: dict[Many, str] = {}

    def statement(self, text: str) -> str:
        """`text` in this database's SQL."""
        found = self._statements.get(text)
        if found is None:
            found = self._statements[text] = self._translate(text)
        return found

    def many(self, many: Many) -> str:
        """Likewise."""
        found = self._manies.get(many)
        if found is None:
            found = self._manies[many] = self._translate(self._with_rows(many))
        return found

    @property
    @abstractmethod
    def driver(self) -> Any:
        """The driver's module, with the exceptions every driver has. Loaded when it is needed."""

    def _translate(self, text: str) -> str:
        prefix = f'"{self.schema}".' if self.schema else ""
        text = _AMONG.sub(lambda found: self._among(found.group(1)), text)
        text = _LABEL.sub(lambda found: self._label(found.group(1)), text)
        for word, meaning in (("{s}", prefix), ("{lock}", self.lock), ("{skip}", self.skip)):
            text = text.replace(word, meaning)
        return _PARAMETER.sub(lambda found: self._parameter(found.group(1)), text)

    @abstractmethod
    def _with_rows(self, many: Many) -> str: ...

    @abstractmethod
    def _among(self, name: str) -> str: ...

    @abstractmethod
    def _label(self, name: str) -> str: ...

    @abstractmethod
    def _parameter(self, name: str) -> str: ...


class Sqlite(Dialect):
    """One writer at a time: whoever writes has begun with a lock on everything."""

    name = "sqlite"
    lock = skip = ""

    def __init__(self) -> None:
        super().__init__(None)
        self.codec = SqliteCodec()

    @cached_property
    def driver(self) -> Any:
        import sqlite3

        return sqlite3

    def _with_rows(self, many: Many) -> str:
        return _OF_ROW.sub(r":\1", many.text).replace("{rows}", "")

    def _among(self, name: str) -> str:
        return f"IN (SELECT value FROM json_each(:{name}))"  # noqa: S608 -- names of our own

    def _label(self, name: str) -> str:
        return f"json_extract(labels, '$.{name}')"

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

    @cached_property
    def driver(self) -> Any:
        import psycopg2

        return psycopg2

    def _with_rows(self, many: Many) -> str:
        types = ", ".join(f"{name} {_postgres_type(many.table.c[name])}" for name in many.columns)
        rows = f"FROM json_to_recordset(CAST(:rows AS json)) AS r({types})"
        return _OF_ROW.sub(r"r.\1", many.text).replace("{rows}", rows)

    def _among(self, name: str) -> str:
        return f"= ANY(:{name})"

    def _label(self, name: str) -> str:
        return f"labels ->> '{name}'"

    def _parameter(self, name: str) -> str:
        return f"%({name})s"


def _postgres_type(column: Any) -> str:
    from sqlalchemy.dialects import postgresql

    return str(column.type.compile(dialect=postgresql.dialect()))
