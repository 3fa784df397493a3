"""PostgresSource: a PostgreSQL server that is asked how it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from incident_response.lengths import Length
from incident_response.sizes import Size

from .base import Entry, Source


class ConnectionsPercent(Entry):
    """How many of the connections that ordinary users can have are in use."""

    warn: float = Field(80, gt=0, le=100, description="At this percentage DatabaseConnectionsHigh fires.")
    clear: float = Field(75, gt=0, le=100, description="It ends below this one.")

    @model_validator(mode="after")
    def _apart(self) -> ConnectionsPercent:
        if self.clear > self.warn:
            raise ValueError("`clear` must not be above `warn`: it would fire and end at the same time")
        return self


class Sessions(Entry):
    """Sessions that do one thing for too long."""

    after: Length = Field(description="For longer than this.")
    count: int = Field(1, ge=1, le=10000, description="It fires when at least so many do.")


class LongRunning(Sessions):
    """Statements that run for too long. One that waits for a lock is told as DatabaseLockBlocked instead."""

    after: Length = Field(timedelta(minutes=10), description="For longer than this.")
    ignore_users: tuple[str, ...] = Field((), description="Users whose statements may take long.")
    ignore_applications: tuple[str, ...] = Field(
        ("pg_dump", "pg_restore"), description="Values of application_name that may take long."
    )


class ReplicationLag(Entry):
    """How far a replica may be behind. Looked at only where there is a replica, or where it is one."""

    time: Length | None = Field(timedelta(minutes=5), description="Of replay.")
    bytes: Size | None = Field(None, description="Of write-ahead log that is not yet replayed: `1 GB`.")


class PostgresSource(Source):
    """One PostgreSQL database and its server. `null` for a threshold: not looked at.

    The login needs no more than `GRANT pg_monitor TO …`; without it other users' statements are hidden, which
    the details then say. From PostgreSQL 16 on, `GRANT pg_use_reserved_connections` with
    `reserved_connections = 1` lets it in when nobody else gets a connection.
    """

    kind: Literal["postgres"]
    conn_id: str = Field(min_length=1, description="The Airflow connection, for example `lianel_energy_db`.")
    service: str = Field(
        "", max_length=100, description="What people call it; the database's name when empty."
    )
    failures: int = Field(
        2, ge=1, le=20, description="Looks in a row without an answer until DatabaseConnectionFailure fires."
    )
    whole_server: bool = Field(
        False,
        description="True: sessions of all its databases are judged. Connections are always counted in all.",
    )
    connections_percent: ConnectionsPercent | None = Field(
        default_factory=ConnectionsPercent, description="DatabaseConnectionsHigh."
    )
    idle_in_transaction: Sessions | None = Field(
        Sessions(after=timedelta(minutes=10)), description="DatabaseIdleInTransaction."
    )
    blocked: Sessions | None = Field(
        Sessions(after=timedelta(seconds=60)),
        description="Waiting for a lock that another session holds: DatabaseLockBlocked.",
    )
    long_running: LongRunning | None = Field(
        default_factory=LongRunning, description="DatabaseLongRunningQuery."
    )
    slow_query: Length = Field(
        timedelta(seconds=5), description="Statements longer than this are counted in the details."
    )
    replication_lag: ReplicationLag | None = Field(
        default_factory=ReplicationLag, description="DatabaseReplicationLag."
    )
    size: Size | None = Field(None, description="Of the database, `200 GB`: DatabaseSizeHigh from there on.")

    @property
    def connections(self) -> tuple[str, ...]:
        """The Airflow connection it needs."""
        return (self.conn_id,)
