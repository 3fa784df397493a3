"""The floor: one bare upsert per signal through the driver alone, as durable as the store's transactions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
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
    """An open connection with one table."""

    def __init__(self, url: str) -> None:
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
        self._upsert = _UPSERT.format(marks=", ".join([marks] * 10))
        self._cursor.execute(_TABLE.format(document=document, moment=moment))

    def receive(self, signals: Sequence[Signal]) -> None:
        """One transaction, one statement per signal."""
        self._cursor.execute(self._begin)
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
        self._cursor.execute("COMMIT")

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
