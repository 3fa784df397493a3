"""From an Airflow connection to a SQLAlchemy engine. No URL is ever a string: it would hold the password."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from incident_response.domain.connections import Connection
from incident_response.domain.errors import NotConfigured

from . import libpq

# Airflow's conn_type → SQLAlchemy's scheme. The connection's extra `sqlalchemy_scheme` overrides it.
_SCHEMES = {
    "postgres": "postgresql+psycopg2",
    "postgresql": "postgresql+psycopg2",
    "mysql": "mysql+mysqldb",
    "mssql": "mssql+pymssql",
    "oracle": "oracle+oracledb",
    "trino": "trino",
    "sqlite": "sqlite",
}


def engine(connection: Connection, seconds: float, name: str) -> Any:
    """An engine without a pool; nothing is opened yet. Raises NotConfigured."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    try:
        url = url_of(connection, name)
        arguments = _arguments(connection, url, seconds)
        return create_engine(
            url, poolclass=NullPool, connect_args=arguments, hide_parameters=True, future=True
        )
    except (SQLAlchemyError, ImportError) as error:
        # An import error names a module, SQLAlchemy's a scheme or a field; neither repeats the password.
        raise NotConfigured(
            f"{name}: SQLAlchemy cannot use this connection ({type(error).__name__}); install the driver of "
            f"{connection.conn_type or 'its type'}, or set `sqlalchemy_scheme` in its extra"
        ) from None


def url_of(connection: Connection, name: str) -> Any:
    """SQLAlchemy's URL object. Raises NotConfigured."""
    from sqlalchemy.engine import URL

    scheme = connection.extra.get("sqlalchemy_scheme") or _SCHEMES.get(connection.conn_type)
    if not scheme:
        raise NotConfigured(
            f"{name}: a connection of type {connection.conn_type!r} is no SQL database known here; set "
            f"`sqlalchemy_scheme` in its extra, or take one of {', '.join(_SCHEMES)}"
        )
    query = {key: str(value) for key, value in dict(connection.extra.get("sqlalchemy_query") or {}).items()}
    if str(scheme).startswith("sqlite"):
        return _sqlite(str(scheme), connection, query, name)
    return URL.create(
        str(scheme),
        username=connection.login or None,
        password=connection.password or None,
        host=connection.host or None,
        port=connection.port,
        database=connection.schema or None,
        query=query,
    )


def _sqlite(scheme: str, connection: Connection, query: dict[str, str], name: str) -> Any:
    """Read-only: SQLite would make a file that is not there, and find it empty."""
    from sqlalchemy.engine import URL

    path = connection.host or connection.schema
    if not path or path == ":memory:":
        raise NotConfigured(f"{name}: a SQLite connection needs the path of a file as its host")
    place = f"file:{quote(str(Path(path).absolute()))}"
    return URL.create(scheme, database=place, query={**query, "mode": "ro", "uri": "true"})


def _arguments(connection: Connection, url: Any, seconds: float) -> dict[str, Any]:
    backend = url.get_backend_name()
    if backend == "postgresql" and url.get_driver_name() in ("psycopg2", "psycopg"):
        return {**libpq.keywords(connection), **libpq.bounds(seconds)}
    if backend == "mysql":
        return {"connect_timeout": max(1, round(seconds))}
    return {"timeout": seconds} if backend == "sqlite" else {}
