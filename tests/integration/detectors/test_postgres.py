"""The detector `postgres` and real servers in real trouble."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from incident_response.detectors.postgres import PostgresDetector
from incident_response.domain.connections import Connection
from incident_response.domain.incidents import Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.sources.postgres import PostgresSource
from tests.support.lookout import Lookout
from tests.support.postgres import PostgresServer

pytestmark = pytest.mark.integration

SECRET = "correct-horse-9"
FEW = {"max_connections": 12, "superuser_reserved_connections": 2}  # ten for everybody
DATABASE = "lianel_energy"
SHORT = {"after": "0.3 s"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """With few connections; `monitor` has pg_monitor, `app` has nothing, both need their password."""
    with PostgresServer(tmp_path_factory.mktemp("few"), settings=FEW) as server:
        server.create_database(DATABASE)
        with closing(session(server)) as connection, connection.cursor() as cursor:
            cursor.execute("SET password_encryption = 'scram-sha-256'")
            cursor.execute(f"CREATE ROLE monitor LOGIN PASSWORD '{SECRET}'; GRANT pg_monitor TO monitor")
            cursor.execute(f"CREATE ROLE app LOGIN PASSWORD '{SECRET}'")
            cursor.execute("CREATE TABLE fact_energy_annual (country_code text, year int, value_gwh float)")
            cursor.execute("GRANT ALL ON fact_energy_annual TO app")
            hba = server.data / "pg_hba.conf"
            hba.write_text(f"host all monitor,app 127.0.0.1/32 scram-sha-256\n{hba.read_text()}")
            cursor.execute("SELECT pg_reload_conf()")
        yield server


def session(server: PostgresServer, user: str = "postgres", **options: Any) -> Any:
    """A session that commits by itself."""
    connection = psycopg2.connect(
        host="127.0.0.1", port=server.port, user=user, dbname=DATABASE, password=SECRET,
        application_name="etl", **options,
    )  # fmt: skip
    connection.autocommit = True
    return connection


def lookout(server: PostgresServer, login: str = "monitor", password: str = SECRET, **fields: Any) -> Lookout:
    connection = Connection("127.0.0.1", login, password, server.port, DATABASE, conn_type="postgres")
    source = PostgresSource(kind="postgres", name="energy_db", conn_id="lianel_energy_db", **fields)
    return Lookout(PostgresDetector(source, {"lianel_energy_db": connection}.get))


@contextmanager
def background(connection: Any, statement: str) -> Iterator[None]:
    """Runs a statement until it ends or is cancelled at the end of the block."""

    def run() -> None:
        with suppress(psycopg2.Error), connection.cursor() as cursor:
            cursor.execute(statement)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        connection.cancel()
        thread.join(5)


def until(seen: Lookout, name: str, firing: bool, seconds: float = 8) -> Any:
    """Looks until a signal of that name comes, and returns it."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for found in seen.look(seconds=1):
            if found.name == name and found.firing is firing:
                return found
        time.sleep(0.1)
    raise AssertionError(f"no {name} with firing={firing}; said: {seen.said[-2:]}")


def test_a_server_that_is_well_says_nothing(server: PostgresServer) -> None:
    """With the defaults, and the role pg_monitor."""
    assert lookout(server).look() == []


def test_connections_that_run_out_are_told_before_and_when_it_happens(server: PostgresServer) -> None:
    """Eight of ten: P2. All: the server refuses even the look, P1. Both end when sessions are closed."""
    seen = lookout(server)
    with ExitStack() as sessions:
        for _ in range(8):
            sessions.enter_context(closing(session(server, "app")))
        (high,) = seen.look()
        assert high.labels == {
            "alertname": "DatabaseConnectionsHigh",
            "service": DATABASE,
            "database": DATABASE,
            "component": "database",
        }
        assert high.summary == "lianel_energy: 8 of 10 connections are in use (80 %, limit 80 %)"
        assert high.details["most_by"] == [
            {"database": DATABASE, "user": "app", "application": "etl", "connections": 8}
        ]
        for _ in range(2):
            sessions.enter_context(closing(session(server, "app")))
        with pytest.raises(psycopg2.OperationalError, match="slots"):
            session(server, "app")
        (full,) = seen.look(seconds=30)
        assert full.name == "DatabaseConnectionsExhausted"
        assert "no connection is left" in full.summary
        assert seen.look(seconds=30) == [], "what could not be seen is not taken for resolved"
        inside = lookout(server, "postgres").look()  # a superuser has connections of its own
        assert [found.name for found in inside] == ["DatabaseConnectionsExhausted"]
        assert inside[0].details["value"] == 10
    assert until(seen, "DatabaseConnectionsHigh", firing=False)
    high_incident, full_incident = seen.incidents()
    assert (high_incident.severity, high_incident.status) == (Severity.P2, Status.MITIGATED)
    assert (full_incident.severity, full_incident.status) == (Severity.P1, Status.MITIGATED)
    assert full_incident.scenario is Scenario.DATABASE
    assert (full_incident.service, full_incident.runbook) == (DATABASE, "database-maintenance")


def test_a_lock_names_the_session_that_holds_it(server: PostgresServer) -> None:
    """A writer waits; the blocker is told with user, application and statement, without its literals."""
    seen = lookout(server, blocked=SHORT)
    with closing(session(server)) as holder, closing(session(server, "app")) as writer:
        holder.autocommit = False
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE fact_energy_annual /* it's */; SELECT 'hunter2' -- it's")
        with background(writer, "INSERT INTO fact_energy_annual VALUES ('SE-secret', 2026, 1)"):
            found = until(seen, "DatabaseLockBlocked", firing=True)
            assert "lock on fact_energy_annual that postgres (pid" in found.summary
            blocker = found.details["blocker"]
            assert blocker["pid"] == holder.get_backend_pid()
            assert (blocker["user"], blocker["application"]) == ("postgres", "etl")
            assert blocker["query"] == "LOCK TABLE fact_energy_annual ; SELECT '?'"
            (waiting,) = found.details["waiting"]
            assert waiting["query"] == "INSERT INTO fact_energy_annual VALUES ('?', 2026, 1)"
            assert str(blocker["pid"]) not in "".join(found.labels.values())
            holder.rollback()
            assert until(seen, "DatabaseLockBlocked", firing=False)
    assert not any("hunter2" in text or "SE-secret" in text for text in seen.said)
    (incident,) = seen.incidents()
    assert (incident.severity, incident.scenario) == (Severity.P2, Scenario.DATABASE)
    assert (incident.runbook, incident.status) == ("database-maintenance", Status.MITIGATED)
    seen.house.later(hours=1)
    assert seen.house.incident(1).status is Status.RESOLVED


def test_without_pg_monitor_locks_are_seen_and_the_lack_is_told(server: PostgresServer) -> None:
    """The role `app` sees no statement of others; that is said, nothing fails."""
    seen = lookout(server, "app", blocked=SHORT)
    with closing(session(server)) as holder, closing(session(server)) as reader:
        holder.autocommit = False
        with holder.cursor() as cursor:
            cursor.execute("LOCK TABLE fact_energy_annual")
        with background(reader, "SELECT count(*) FROM fact_energy_annual"):
            found = until(seen, "DatabaseLockBlocked", firing=True)
    assert found.details["blocker"]["query"] == "<insufficient privilege>"
    assert "pg_monitor" in found.details["note"]


def test_an_idle_transaction_and_a_long_statement_are_told_until_they_end(server: PostgresServer) -> None:
    """Each is P3 and an incident of its own; a backup may take long."""
    seen = lookout(server, idle_in_transaction=SHORT, long_running=SHORT)
    with (
        closing(session(server, "app")) as idle,
        closing(session(server, "app")) as busy,
        closing(session(server, "app")) as backup,
    ):
        idle.autocommit = False
        with idle.cursor() as cursor:
            cursor.execute("SELECT 1")
        with backup.cursor() as cursor:
            cursor.execute("SET application_name = pg_dump")
        with background(busy, "SELECT pg_sleep(20)"), background(backup, "SELECT pg_sleep(20)"):
            time.sleep(0.5)
            signals = {found.name: found for found in seen.look()}
            assert set(signals) == {"DatabaseIdleInTransaction", "DatabaseLongRunningQuery"}
            assert signals["DatabaseLongRunningQuery"].details["value"] == 1
            assert signals["DatabaseIdleInTransaction"].details["sessions"][0]["user"] == "app"
        idle.rollback()
        assert seen.names(seconds=5) == dict.fromkeys(signals, False)
    assert {(i.severity, i.runbook, i.status) for i in seen.incidents()} == {
        (Severity.P3, "database-maintenance", Status.MITIGATED)
    }


def test_a_killed_server_pages_at_the_second_look_and_ends_with_its_return(tmp_path: Path) -> None:
    """One look without an answer pages nobody; the reason is named."""
    with PostgresServer(tmp_path / "own") as own:
        own.create_database(DATABASE)
        seen = lookout(own, "postgres", size="1 kB")
        assert seen.names() == {"DatabaseSizeHigh": True}
        own.kill()
        assert seen.look(seconds=30) == []
        (down,) = seen.look(seconds=30)
        assert down.name == "DatabaseConnectionFailure"
        assert (
            f"PostgreSQL at 127.0.0.1:{own.port} gives no connection, nothing listens there" in down.summary
        )
        assert down.details["reason"] == "refused"
        assert (seen.house.now - down.occurred_at).total_seconds() == 30
        (_, incident) = seen.incidents()
        assert (incident.severity, incident.scenario) == (Severity.P1, Scenario.DATABASE)
        assert (incident.service, incident.title) == (DATABASE, "lianel_energy refuses connections")
        assert incident.runbook == "database-maintenance"
        own.start()
        assert seen.names(seconds=30) == {"DatabaseConnectionFailure": False}
        assert seen.house.incident(incident.number).status is Status.MITIGATED
        assert seen.house.incident(1).status is Status.TRIGGERED, "the size was only out of sight"


def test_a_frozen_server_holds_up_a_look_for_its_time_limit_only(tmp_path: Path) -> None:
    """The kernel still takes connections, nobody answers them; and no thread is added at the next look."""
    with PostgresServer(tmp_path / "own") as own:
        own.create_database(DATABASE)
        seen = lookout(own, "postgres", time_limit="1 s", failures=1)
        assert seen.look() == []
        os.kill(own._process.pid, signal.SIGSTOP)  # type: ignore[union-attr]
        try:
            began = time.monotonic()
            (down,) = seen.look(seconds=30)
            assert time.monotonic() - began < 2.5
            assert down.details["reason"] == "timeout"
            began = time.monotonic()
            assert seen.look(seconds=30) == []
            assert time.monotonic() - began < 2.5
        finally:
            os.kill(own._process.pid, signal.SIGCONT)  # type: ignore[union-attr]
        assert until(seen, "DatabaseConnectionFailure", firing=False)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "wrong-horse-8"}, "login"),
        ({"password": ""}, "login"),
        ({"login": "nobody-knows-me"}, "login"),
    ],
)
def test_a_refused_login_is_named_and_its_password_is_not(
    server: PostgresServer, changes: dict[str, str], reason: str
) -> None:
    """What the server said is told; the password is in no signal and no cursor."""
    seen = lookout(server, **{"failures": 1, **changes})  # type: ignore[arg-type]
    (found,) = seen.look()
    assert (found.name, found.details["reason"]) == ("DatabaseConnectionFailure", reason)
    assert found.summary.startswith("lianel_energy: PostgreSQL at 127.0.0.1:")
    assert changes.get("password") in (None, "") or not any(changes["password"] in text for text in seen.said)


def test_a_database_that_is_not_there_is_named(server: PostgresServer) -> None:
    """`service` names it for people."""
    connection = Connection("127.0.0.1", "postgres", "", server.port, "lost", conn_type="postgres")
    source = PostgresSource(kind="postgres", name="d", conn_id="c", service="energy warehouse", failures=1)
    (found,) = Lookout(PostgresDetector(source, {"c": connection}.get)).look()
    assert found.details["reason"] == "no database"
    assert (found.labels["service"], found.labels["database"]) == ("energy warehouse", "lost")


def test_a_replica_that_stays_behind_is_told_on_both_sides(tmp_path: Path) -> None:
    """A standby that replays nothing: bytes on the primary, seconds on itself, until it replays again."""
    with PostgresServer(tmp_path / "primary") as primary:
        primary.create_database(DATABASE)
        standby = PostgresServer(
            tmp_path / "standby",
            settings={"primary_conninfo": f"host=127.0.0.1 port={primary.port} user=postgres"},
        )
        standby._hand_over(standby._home)
        standby._run(
            "pg_basebackup", "-D", standby.data, "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres",
            "-R", "-c", "fast", "-X", "stream", "--no-sync",
        )  # fmt: skip
        with standby, closing(session(primary)) as writer, closing(session(standby)) as reader:
            on_primary = lookout(primary, "postgres", replication_lag={"bytes": "64 kB", "time": None})
            on_standby = lookout(standby, "postgres", replication_lag={"time": "0.5 s"})
            with writer.cursor() as write, reader.cursor() as read:
                write.execute("CREATE TABLE t AS SELECT 1 AS x")
                deadline = time.monotonic() + 10
                while time.monotonic() < deadline:
                    read.execute("SELECT to_regclass('t')")
                    if read.fetchone() != (None,):
                        break
                    time.sleep(0.05)
                assert on_standby.look() == []
                read.execute("SELECT pg_wal_replay_pause()")
                write.execute("INSERT INTO t SELECT generate_series(1, 20000)")
                far = until(on_primary, "DatabaseReplicationLag", firing=True)
                late = until(on_standby, "DatabaseReplicationLag", firing=True)
                assert "a replica is" in far.summary
                assert far.details["value"]["bytes"] > 65536
                assert "this replica is" in late.summary
                read.execute("SELECT pg_wal_replay_resume()")
                assert until(on_primary, "DatabaseReplicationLag", firing=False)
                assert until(on_standby, "DatabaseReplicationLag", firing=False)
            (incident,) = on_primary.incidents()
            assert (incident.severity, incident.status) == (Severity.P2, Status.MITIGATED)


def test_a_look_writes_nothing_and_leaves_no_setting_behind(server: PostgresServer) -> None:
    """The statement runs read-only and under our name; it cannot write even as a superuser."""
    from incident_response.clients.postgres_session import ask
    from incident_response.domain.errors import SourceUnavailable

    connection = Connection("127.0.0.1", "postgres", "", server.port, DATABASE)
    told = ask(connection, "SELECT current_setting('transaction_read_only') || ' ' || "
               "current_setting('application_name')", {}, 5, "x")  # fmt: skip
    assert told == "on incident_response"
    with pytest.raises(SourceUnavailable, match="read-only transaction"):
        ask(connection, "DELETE FROM fact_energy_annual RETURNING 1", {}, 5, "x")
