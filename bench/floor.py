"""The floor: bare statements through the driver alone, as durable as the store's transactions.

One upsert per signal; for signals that open an incident each, one insert more for each other row that such an
opening has to leave behind: the incident, its first fact, two DAG runs to start.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from incident_response.domain.signals import Signal

_COLUMNS = "source, fingerprint, labels, summary, firing, first_at, last_at, count, occurrence, details"
_TABLE = """
    CREATE TABLE bare_signals (
        source text, fingerprint text, labels {document}, summary text, firing boolean,
        first_at {moment}, last_at {moment}, count integer, occurrence text, details {document},
        PRIMARY KEY (source, fingerprint)
    )
"""
_UPSERT = f"""
    INSERT INTO bare_signals ({_COLUMNS}) VALUES ({{marks}})
    ON CONFLICT (source, fingerprint) DO UPDATE SET count = bare_signals.count + 1,
    last_at = excluded.last_at, summary = excluded.summary, firing = excluded.firing,
    occurrence = excluded.occurrence, details = excluded.details
"""


class Floor:
    """An open connection with one table, which is made unless another connection has made it."""

    def __init__(self, url: str, *, made: bool = False) -> None:
        if url.startswith("sqlite"):
            path = Path(urlsplit(url).path[1:])
            self._connection: Any = sqlite3.connect(path, isolation_level=None)
            self._connection.execute("PRAGMA synchronous = FULL")
            self._begin, marks, document, moment = "BEGIN IMMEDIATE", "?", "text", "bigint"
            self._moment = lambda time: int(time.timestamp() * 1_000_000)
        else:
            import psycopg2

            self._connection = psycopg2.connect(url.replace("+psycopg2", ""))
            self._connection.autocommit = True
            self._begin, marks, document, moment = "BEGIN", "%s", "jsonb", "timestamptz"
            self._moment = lambda time: time
        self._cursor = self._connection.cursor()
        self._mark = marks
        self._opening: list[tuple[str, tuple[Any, ...]]] = []
        self._upsert = _UPSERT.format(marks=", ".join([marks] * 10))
        if not made:
            self._cursor.execute(_TABLE.format(document=document, moment=moment))

    def receive(self, signals: Sequence[Signal]) -> None:
        """One transaction, one statement per signal."""
        self._cursor.execute(self._begin)
        self._upsert_all(signals)
        self._cursor.execute("COMMIT")

    def take(self, alerts: Sequence[Mapping[str, Any]]) -> None:
        """The same for alerts as Alertmanager sends them, whose fingerprints it has computed."""
        self._cursor.execute(self._begin)
        for alert in alerts:
            at = self._moment(datetime.fromisoformat(alert["startsAt"]))
            labels, details = json.dumps(alert["labels"]), json.dumps({"annotations": alert["annotations"]})
            self._cursor.execute(
                self._upsert,
                (
                    "alertmanager", alert["fingerprint"], labels, alert["annotations"]["summary"],
                    alert["status"] == "firing", at, at, 1, "", details,
                ),
            )  # fmt: skip
        self._cursor.execute("COMMIT")

    def copy_rows(self, tables: Mapping[str, str]) -> None:
        """Learn what an opening leaves: by table the statement that finds its rows for one incident."""
        for table, query in tables.items():
            self._cursor.execute(f"CREATE TABLE bare_{table} AS {query}")  # without any key or index
            self._cursor.execute(f"SELECT * FROM bare_{table}")
            rows = [tuple(map(self._as_written, row)) for row in self._cursor.fetchall()]
            marks = ", ".join([self._mark] * len(rows[0]))
            self._opening += [(f"INSERT INTO bare_{table} VALUES ({marks})", row) for row in rows]

    def open(self, signals: Sequence[Signal]) -> None:
        """One transaction, the upsert and the rows of an opening for each signal."""
        self._cursor.execute(self._begin)
        self._upsert_all(signals)
        for _ in signals:
            for statement, row in self._opening:
                self._cursor.execute(statement, row)
        self._cursor.execute("COMMIT")

    @staticmethod
    def _as_written(value: Any) -> Any:
        return json.dumps(value) if isinstance(value, dict) else value

    def _upsert_all(self, signals: Sequence[Signal]) -> None:
        for signal in signals:
            at = self._moment(signal.occurred_at)
            labels, details = json.dumps(signal.labels), json.dumps(signal.details)
            self._cursor.execute(
                self._upsert,
                (
                    signal.source, signal.fingerprint, labels, signal.summary, signal.firing, at, at, 1,
                    signal.occurrence, details,
                ),
            )  # fmt: skip

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
