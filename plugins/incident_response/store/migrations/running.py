"""Run migrations; find out whether it is needed."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import exc, inspect

from ..schema_version import HEAD, KNOWN, VERSION_TABLE

_LOCK = 0x1C1DE27  # any number, the same in every process that migrates
_PATIENCE = 60.0  # seconds to wait for another process that migrates


def current(engine: Any, schema: str | None) -> str | None:
    """The revision of the database, None when there is no schema of ours."""
    with engine.connect() as connection:
        return _current(connection, schema)


def is_current(engine: Any, schema: str | None) -> bool:
    """True when the schema is the one this package works with."""
    return current(engine, schema) == HEAD


def migrate(engine: Any, schema: str | None) -> str:
    """Bring the schema up to date in one transaction, and return its revision.

    May be called at once by several processes. A schema newer than this package is left alone.
    """
    if engine.dialect.name == "sqlite":
        _use_wal(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            milliseconds = round(_PATIENCE * 1000)
            connection.exec_driver_sql(
                f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {milliseconds}"
            )
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        found = _current(connection, schema)
        if found is None or (found in KNOWN and found != HEAD):
            _upgrade(connection, schema)
        return _current(connection, schema) or ""


def _current(connection: Any, schema: str | None) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE, schema=schema):
        return None
    prefix = f'"{schema}".' if schema else ""
    found: str | None = connection.exec_driver_sql(
        f"SELECT version_num FROM {prefix}{VERSION_TABLE}"  # noqa: S608 -- names of our own
    ).scalar()
    return found


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


def _use_wal(engine: Any) -> None:
    """Readers and a writer side by side. It stays with the file; the switch itself waits for nobody."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise exc.OperationalError("PRAGMA journal_mode", None, error) from error
        finally:
            connection.close()
        time.sleep(0.05)
