"""A PostgreSQL server with the roles of the platform, and what gets it into trouble."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psycopg2

from incident_response.actions.kit import Kit
from incident_response.actions.registry import ACTIONS
from incident_response.domain.actions import Scene
from incident_response.domain.connections import Connection
from incident_response.domain.severities import Scenario
from tests.support.postgres import PostgresServer
from tests.support.scenes import incident, scene
from tests.support.waiting import wait_for

SECRET = "correct-horse-9"
DATABASE = "lianel_energy"
ROLES = ("responder", "app", "etl", "airflow_writer")


@contextmanager
def server(folder: Path, **settings: object) -> Iterator[PostgresServer]:
    """`responder` is ours: it sees everything and may end sessions. All roles need their password."""
    with PostgresServer(folder, settings=settings) as started:
        started.create_database(DATABASE)
        with closing(session(started)) as connection, connection.cursor() as cursor:
            cursor.execute("SET password_encryption = 'scram-sha-256'")
            for role in ROLES:
                cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{SECRET}'")
            cursor.execute("GRANT pg_monitor, pg_signal_backend TO responder")
            cursor.execute("CREATE TABLE fact_energy_annual (country_code text, year int, value_gwh float)")
            cursor.execute("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON fact_energy_annual TO PUBLIC")
        hba = started.data / "pg_hba.conf"
        hba.write_text(f"host all {','.join(ROLES)} 127.0.0.1/32 scram-sha-256\n{hba.read_text()}")
        sql(started, "SELECT pg_reload_conf()")
        yield started


def session(
    server: PostgresServer, user: str = "postgres", application: str = "shell", database: str = DATABASE
) -> Any:
    """A session that commits by itself."""
    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user=user, dbname=database, password=SECRET,
        application_name=application, options="-c statement_timeout=20s",
    )  # fmt: skip
    connection.autocommit = True
    return connection


def sql(server: PostgresServer, statement: str, values: Any = None, database: str = DATABASE) -> Any:
    """One statement as the superuser; all its rows."""
    with closing(session(server, database=database)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else None


def execute(connection: Any, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def transaction(connection: Any, statement: str = "SELECT 1") -> int:
    """Begin, run a statement, leave it open. The pid."""
    execute(connection, f"BEGIN; {statement}")
    return int(connection.get_backend_pid())


class Background:
    """A statement in a thread, and how it ended."""

    def __init__(self, connection: Any, statement: str) -> None:
        self.connection, self.error, self.done = connection, None, False  # type: Any, Any, bool
        self._statement = statement
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            execute(self.connection, self._statement)
            self.done = True
        except psycopg2.Error as error:
            self.error = error

    def wait(self, seconds: float = 5) -> None:
        self._thread.join(seconds)
        assert not self._thread.is_alive()

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(psycopg2.Error):
            self.connection.cancel()
        self._thread.join(5)


class Stage:
    """Runs actions against a server, as the login `responder` unless told otherwise."""

    def __init__(self, server: PostgresServer, login: str = "responder", password: str = SECRET) -> None:
        connection = Connection("127.0.0.1", login, password, server.port, DATABASE, conn_type="postgres")
        find: Callable[[str], Any] = {"lianel_energy_db": connection}.get
        self.kit = Kit(find, None, None, None, lambda: datetime.now(timezone.utc))  # type: ignore[arg-type]

    def action(self, name: str) -> Any:
        return ACTIONS[name](self.kit)

    def scene(
        self, name: str, found: Mapping[str, Any] | None = None, seconds: float = 10, **fields: Any
    ) -> Scene:
        parameters = ACTIONS[name].parameters.model_validate(fields)
        return scene(incident(DATABASE, Scenario.DATABASE), parameters, found=found or {}, seconds=seconds)

    def look(self, name: str, **fields: Any) -> Any:
        return self.action(name).look(self.scene(name, **fields))

    def look_within(self, seconds: float, name: str, **fields: Any) -> Any:
        return self.action(name).look(self.scene(name, seconds=seconds, **fields))

    def plan(self, name: str, **fields: Any) -> Any:
        return self.action(name).plan(self.scene(name, **fields))

    def apply(self, name: str, planned: Any, **fields: Any) -> Any:
        return self.action(name).apply(self.scene(name, **fields), planned)

    def happened(self, name: str, planned: Any, **fields: Any) -> Any:
        return self.action(name).happened(self.scene(name, **fields), planned)


def pids(server: PostgresServer) -> set[tuple[int, str, str | None, str | None]]:
    """All sessions but the one that asks: who they are, and what they do since when."""
    rows = sql(
        server,
        "SELECT pid, backend_start::text, state, query_start::text FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND backend_type IN ('client backend', 'walsender') "
        "AND application_name <> 'incident_response'",
    )
    return set(rows)


def alive(server: PostgresServer, pid: int) -> bool:
    return bool(sql(server, "SELECT 1 FROM pg_stat_activity WHERE pid = %s", (pid,)))


def until_blocked(server: PostgresServer, pid: int) -> None:
    """The session waits for a lock."""
    waits = "SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted"
    wait_for(lambda: sql(server, waits, (pid,)), "a wait for a lock")


def until_state(server: PostgresServer, pid: int, state: str) -> None:
    """The session does that."""
    does = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND state = %s"
    wait_for(lambda: sql(server, does, (pid, state)), state)


def until_gone(server: PostgresServer, pid: int) -> None:
    wait_for(lambda: not alive(server, pid), f"pid {pid} is gone")
