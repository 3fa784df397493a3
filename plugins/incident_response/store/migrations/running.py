"""Run migrations; find out whether it is needed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event, inspect
from sqlalchemy.pool import NullPool

from ..schema_version import HEAD, KNOWN, VERSION_TABLE

_LOCK = 0x1C1DE27  # any number, the same in every process that migrates
_PATIENCE = 60.0  # seconds to wait for another process that migrates


def current(connection: Any, schema: str | None) -> str | None:
    """The revision of the database, None when there is no schema of ours."""
    if not inspect(connection).has_table(VERSION_TABLE, schema=schema):
        return None
    prefix = f'"{schema}".' if schema else ""
    statement = f"SELECT version_num FROM {prefix}{VERSION_TABLE}"  # noqa: S608 -- names of our own
    found: str | None = connection.exec_driver_sql(statement).scalar()
    return found


def is_current(connection: Any, schema: str | None) -> bool:
    """True when the schema is the one this package works with."""
    return current(connection, schema) == HEAD


def migrate(database: str, connect: Callable[[], Any], schema: str | None) -> str:
    """Bring the schema up to date in one transaction, and return its revision.

    May be called at once by several processes. A schema newer than this package is left alone.
    """
    engine = _sqlite_engine(connect) if database == "sqlite" else _postgres_engine(connect)
    with engine.begin() as connection:
        if database == "postgresql":
            _wait_for_others(connection)
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        found = current(connection, schema)
        if found is None or (found in KNOWN and found != HEAD):
            _upgrade(connection, schema)
        return current(connection, schema) or ""


def _sqlite_engine(connect: Callable[[], Any]) -> Any:
    _use_wal(connect)
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # others who want to migrate wait here

    return engine


def _postgres_engine(connect: Callable[[], Any]) -> Any:
    def creator() -> Any:
        connection = connect()
        connection.autocommit = False
        return connection

    return create_engine("postgresql+psycopg2://", creator=creator, poolclass=NullPool, hide_parameters=True)


def _wait_for_others(connection: Any) -> None:
    milliseconds = round(_PATIENCE * 1000)
    connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")


def _upgrade(connection: Any, schema: str | None) -> None:
    # Loaded only when there is something to migrate: Alembic takes longer to load than the check to run.
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)

    def steps(revision: Any, _: Any) -> Any:
        return script._upgrade_revs("head", revision)

    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(
            connection=connection,
            version_table=VERSION_TABLE,
            version_table_schema=schema,
            transactional_ddl=True,
        )
        environment.run_migrations(schema=schema)


def _use_wal(connect: Callable[[], Any]) -> None:
    """Readers and a writer side by side. It stays with the file; the switch itself waits for nobody."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        connection = connect()
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        finally:
            connection.close()
        time.sleep(0.05)
