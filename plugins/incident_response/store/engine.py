"""Engines: one for reading, one for writing, over one pool. Nothing opens before the first transaction."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import create_engine, event, exc
from sqlalchemy.engine import URL, make_url
from sqlalchemy.pool import QueuePool

from incident_response.domain.errors import BadInput

_IDLE = 5.0  # seconds after which a pooled connection is tried before it is used
_WRITES = "incident_response_writes"


@dataclass(frozen=True)
class Engines:
    """`write` begins with a lock where the database needs it; `read` sees one state and waits for nobody."""

    write: Any
    read: Any


def make_engines(url: str, timeout: float) -> Engines:
    """Engines for a SQLite or PostgreSQL URL; `timeout` seconds bound every wait in them. Raises BadInput."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise BadInput(
            "store_url is no database URL; write sqlite:////path or postgresql://host/name"
        ) from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return _sqlite(parsed, timeout)
    if kind == "postgresql":
        return _postgres(parsed, timeout)
    raise BadInput(f"store_url names {kind}; only sqlite:/// and postgresql:// are supported")


def _sqlite(url: URL, timeout: float) -> Engines:
    if url.database in (None, "", ":memory:") or "mode=memory" in str(url.database):
        raise BadInput("a SQLite store needs a file, else every connection would see a store of its own")
    engine = create_engine(
        url.set(drivername="sqlite"),
        poolclass=QueuePool,
        pool_timeout=timeout,
        hide_parameters=True,
        connect_args={"timeout": timeout, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # or the driver begins transactions by rules of its own
        # FULL: in WAL mode anything less may lose the last commits when the machine stops.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        # A transaction that begins by reading and goes on to write cannot wait for another writer: it fails.
        writes = connection.get_execution_options().get(_WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN DEFERRED")

    return Engines(write=engine.execution_options(**{_WRITES: True}), read=engine)


def _postgres(url: URL, timeout: float) -> Engines:
    # The driver is named: SQLAlchemy 2.1 has another default than those before.
    engine = create_engine(
        url.set(drivername="postgresql+psycopg2"),
        poolclass=QueuePool,
        pool_size=3,
        max_overflow=7,
        pool_timeout=timeout,
        pool_recycle=1800,
        pool_use_lifo=True,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        connect_args={name: value for name, value in _limits(timeout).items() if name not in url.query},
    )

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: Any) -> None:
        milliseconds = round(timeout * 1000)
        connection.autocommit = True  # or a rollback takes the settings back
        with connection.cursor() as cursor:
            # By SET and not by a start-up option, which connection poolers refuse.
            waiting = milliseconds * 3 // 4
            # A wait for a lock ends first, so that the error tells which of the two it was.
            cursor.execute(f"SET statement_timeout = {milliseconds}; SET lock_timeout = {waiting}")
        connection.autocommit = False

    @event.listens_for(engine, "checkin")
    def checkin(_: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def checkout(connection: Any, record: Any, _: Any) -> None:
        # pool_pre_ping would ask before every transaction; a connection used just now needs no question.
        if time.monotonic() - record.info.get("idle_since", time.monotonic()) > _IDLE:
            _try(connection)

    read = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Engines(write=engine, read=read)


def _limits(timeout: float) -> dict[str, Any]:
    """What libpq may wait for; the last four end the wait for a server that vanished from the network."""
    seconds = max(1, round(timeout))
    return {
        "application_name": "incident_response",
        "connect_timeout": max(2, seconds),  # libpq takes less for two
        "tcp_user_timeout": seconds * 1000,
        "keepalives_idle": seconds,
        "keepalives_interval": 1,
        "keepalives_count": 2,
    }


def _try(connection: Any) -> None:
    """Raises DisconnectionError, upon which the pool opens another connection."""
    import psycopg2

    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        connection.rollback()
    except psycopg2.Error as error:
        raise exc.DisconnectionError from error
