"""Opening one connection of a driver, with every wait bounded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import URL, make_url

from incident_response.domain.errors import BadInput

Connect = Callable[[], Any]


def parse(url: str) -> URL:
    """A SQLite or PostgreSQL URL. Raises BadInput, which repeats nothing of it: it may hold a password."""
    try:
        parsed = make_url(url)
    except exc.ArgumentError:
        raise BadInput("store_url is no URL; write sqlite:////path or postgresql://host/name") from None
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise BadInput(f"store_url names {kind}; only sqlite:/// and postgresql:// are supported")
    if kind == "sqlite" and (parsed.database in (None, "", ":memory:") or "memory" in parsed.query.values()):
        raise BadInput("a SQLite store needs a file, else every connection would see a store of its own")
    # The driver is named: SQLAlchemy 2.1 has another default than those before.
    return parsed.set(drivername="sqlite" if kind == "sqlite" else "postgresql+psycopg2")


def connector(url: URL, timeout: float) -> Connect:
    """What opens connections that begin no transaction by themselves; `timeout` is in seconds."""
    arguments, options = url.get_dialect()().create_connect_args(url)
    opened = _sqlite if url.get_backend_name() == "sqlite" else _postgres
    return lambda: opened(arguments, options, timeout)


def _sqlite(arguments: Any, options: Any, timeout: float) -> Any:
    import sqlite3

    settings = {**options, "timeout": timeout, "check_same_thread": False, "isolation_level": None}
    connection = sqlite3.connect(*arguments, **settings)
    # FULL: in WAL mode anything less may lose the last commits when the machine stops.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


def _postgres(arguments: Any, options: Any, timeout: float) -> Any:
    import psycopg2

    connection = psycopg2.connect(*arguments, **{**_limits(timeout), **options})
    connection.autocommit = True
    milliseconds = round(timeout * 1000)
    with connection.cursor() as cursor:
        # By SET and not by a start-up option, which connection poolers refuse. A wait for a lock ends first,
        # so that the error tells which of the two it was. Statements look rows up by key: one plan fits all.
        cursor.execute(
            f"SET statement_timeout = {milliseconds}; SET lock_timeout = {milliseconds * 3 // 4}; "
            "SET plan_cache_mode = force_generic_plan"
        )
    return connection


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
