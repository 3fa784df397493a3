"""Sessions are cancelled and ended: those that are in the way, and no others."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from incident_response.clients.postgres_session import NoAnswer, Session
from incident_response.domain.connections import Connection
from incident_response.domain.errors import Refused, SourceUnavailable
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_for

from .postgres_under_test import (
    DATABASE,
    SECRET,
    Background,
    Stage,
    alive,
    execute,
    pids,
    server,
    session,
    sql,
    transaction,
    until_blocked,
    until_gone,
    until_state,
)

pytestmark = pytest.mark.integration

SOON: dict[str, Any] = {"older_than": "0 s"}
INSERT = "INSERT INTO fact_energy_annual VALUES ('SE', 2026, 1)"

# Keeps writers out. The strongest lock would count as writing: its transaction gets an id.
SHARED = "LOCK TABLE fact_energy_annual IN SHARE MODE"


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with server(tmp_path_factory.mktemp("ending")) as started:
        yield started


@pytest.fixture(scope="module")
def stage(postgres: PostgresServer) -> Stage:
    return Stage(postgres)


@pytest.fixture
def sessions(postgres: PostgresServer) -> Iterator[Any]:
    """Opens sessions that are closed after the test."""
    with ExitStack() as opened:
        yield lambda *arguments: opened.enter_context(closing(session(postgres, *arguments)))


def test_nothing_is_sent_when_no_time_is_left(postgres: PostgresServer, sessions: Any) -> None:
    """A worker that was frozen between its login and its statement."""
    spared = sessions("app", "web").get_backend_pid()
    login = Connection("127.0.0.1", "postgres", SECRET, postgres.port, DATABASE, conn_type="postgres")
    with closing(Session(login, 0.5, "test")) as link:
        time.sleep(0.6)
        with pytest.raises(NoAnswer, match="no answer within"):
            link.ask("SELECT pg_terminate_backend(%(pid)s)", {"pid": spared})
    time.sleep(0.2)
    assert alive(postgres, spared)


def test_a_table_that_an_idle_transaction_blocks_is_freed(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """The root is found; there is no statement to cancel; ending its session lets the waiting one through."""
    holder, middle, writer = sessions("app", "web"), sessions("app", "ddl"), sessions("etl", "load")
    root = transaction(holder, "SELECT count(*) FROM fact_energy_annual")
    with Background(middle, "TRUNCATE fact_energy_annual") as truncate, ExitStack() as later:
        until_blocked(postgres, middle.get_backend_pid())
        insert = later.enter_context(Background(writer, INSERT))
        until_blocked(postgres, writer.get_backend_pid())
        found = stage.look("postgres.locks", older_than="0 s")
        assert found.causes == ("blocked",)
        assert [(r["pid"], r["blocks"], r["state"]) for r in found.data["roots"]] == [
            (root, 2, "idle in transaction")
        ]
        assert f"behind pid {root} (app, web), idle in transaction" in found.text
        lines = found.exhibits[0].content.splitlines()
        assert [len(line) - len(line.lstrip()) for line in lines] == [0, 2, 4], "who waits for whom"

        assert stage.plan("postgres.unblock", by="cancel", **SOON) == []
        assert stage.plan("postgres.cancel", which="blockers", **SOON) == []
        assert not truncate.done

        before = pids(postgres)
        (planned,) = stage.plan("postgres.unblock", by="terminate", **SOON)
        assert pids(postgres) == before, "a plan changes nothing"
        assert planned.target == f"backend:{root}"
        assert "holds up 2 sessions" in planned.text
        assert stage.happened("postgres.unblock", planned, by="terminate") is False
        assert stage.apply("postgres.unblock", planned, by="terminate").data["over"] is True
        truncate.wait()
        insert.wait()
        assert truncate.done
        assert insert.done
        assert not alive(postgres, root)
        assert stage.happened("postgres.unblock", planned, by="terminate") is True
        again = stage.apply("postgres.unblock", planned, by="terminate")
        assert "Nothing to do" in again.text
    assert stage.look("postgres.locks").causes == ()
    with pytest.raises(psycopg2.OperationalError):
        execute(holder, "SELECT 1")


def test_a_blocker_that_runs_is_cancelled_and_its_session_lives_on(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """The gentlest rung is enough when the statement itself holds the lock."""
    holder, writer = sessions("app", "web"), sessions("etl", "load")
    with Background(holder, f"{SHARED}; SELECT pg_sleep(30)"):
        until_state(postgres, holder.get_backend_pid(), "active")
        with Background(writer, INSERT) as waiting:
            until_blocked(postgres, writer.get_backend_pid())
            (planned,) = stage.plan("postgres.unblock", **SOON)
            stage.apply("postgres.unblock", planned)
            waiting.wait()
            assert waiting.done
    assert alive(postgres, holder.get_backend_pid())
    execute(holder, "SELECT 1")


def test_a_blocker_that_has_written_survives_unless_it_is_named(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """Its work would be lost: somebody has to have said so."""
    holder, other = sessions("app", "web"), sessions("etl", "load")
    sql(postgres, INSERT)
    root = transaction(holder, "UPDATE fact_energy_annual SET value_gwh = 2")
    with Background(other, "UPDATE fact_energy_annual SET value_gwh = 3") as update:
        until_blocked(postgres, other.get_backend_pid())
        terminate = {"which": "blockers", **SOON}
        with pytest.raises(Refused, match=rf"pid {root} \(app, web\).*has written.*allowed_writers"):
            stage.plan("postgres.terminate", **terminate)
        with pytest.raises(Refused, match="has written"):
            stage.plan("postgres.terminate", **terminate, allowed_writers=["other%"])
        (by_flag,) = stage.plan("postgres.terminate", **terminate, writers=True)
        (by_name,) = stage.plan("postgres.terminate", **terminate, allowed_writers=["we%"])
        assert by_flag.data["pid"] == by_name.data["pid"] == root
        assert "has written: that is rolled back" in by_name.text
        assert alive(postgres, root)
        stage.apply("postgres.terminate", by_name, **terminate, allowed_writers=["we%"])
        update.wait()
        assert update.done
    assert sql(postgres, "SELECT DISTINCT value_gwh FROM fact_energy_annual") == [(3.0,)]


def test_one_that_begins_to_write_after_the_plan_is_not_touched(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """The plan that was approved said that nothing would be lost."""
    holder, waiting = sessions("app", "web"), sessions("etl", "load")
    root = transaction(holder, SHARED)
    with Background(waiting, INSERT):
        until_blocked(postgres, waiting.get_backend_pid())
        (planned,) = stage.plan("postgres.unblock", by="terminate", **SOON)
        execute(holder, INSERT)
        with pytest.raises(Refused, match="has written by now"):
            stage.apply("postgres.unblock", planned, by="terminate")
        assert alive(postgres, root)
        execute(holder, "ROLLBACK")


def test_one_that_blocks_nobody_any_more_is_not_touched(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """Between plan and approval the trouble may have ended by itself."""
    holder, waiting = sessions("app", "web"), sessions("etl", "load")
    root = transaction(holder, SHARED)
    with Background(waiting, INSERT):
        until_blocked(postgres, waiting.get_backend_pid())
        (planned,) = stage.plan("postgres.unblock", by="terminate", **SOON)
    until_state(postgres, waiting.get_backend_pid(), "idle")
    with pytest.raises(Refused, match="no longer does what was planned"):
        stage.apply("postgres.unblock", planned, by="terminate")
    assert alive(postgres, root)


def test_a_long_running_query_is_cancelled_and_its_session_lives_on(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """The next query of the same session is another one: it is not hit by the old plan."""
    busy, quick = sessions("app", "report"), sessions("app", "quick")
    execute(quick, "SELECT 1")
    pid = busy.get_backend_pid()
    wanted = {"which": "long_running", "older_than": "0.3 s"}
    with Background(busy, "SELECT 'hunter2', 4711, pg_sleep(30)") as query:
        until_state(postgres, pid, "active")
        wait_for(lambda: stage.plan("postgres.cancel", **wanted), "old enough")
        before = pids(postgres)
        (planned,) = stage.plan("postgres.cancel", **wanted)
        assert pids(postgres) == before
        assert planned.data["query"] == "SELECT '?', ?, pg_sleep(?)"
        assert "hunter2" not in str(planned)
        assert stage.happened("postgres.cancel", planned, **wanted) is False
        assert stage.apply("postgres.cancel", planned, **wanted).data["over"] is True
        query.wait()
        assert isinstance(query.error, psycopg2.errors.QueryCanceled)
    assert stage.happened("postgres.cancel", planned, **wanted) is True
    with Background(busy, "SELECT pg_sleep(0.6)") as query:
        until_state(postgres, pid, "active")
        assert "Nothing to do" in stage.apply("postgres.cancel", planned, **wanted).text
        query.wait()
        assert query.done, "the second query ran to its end"


def test_a_recycled_pid_is_never_hit(postgres: PostgresServer, stage: Stage, sessions: Any) -> None:
    """As if the planned session had ended and another one had been given its pid."""
    idle = sessions("app", "pool")
    execute(idle, "SELECT 1")
    wanted = {"which": "idle", "older_than": "0 s"}
    (planned,) = stage.plan("postgres.terminate", **wanted)
    recycled = replace(planned, data={**planned.data, "backend_start": "2026-01-01 00:00:00+00"})
    with pytest.raises(Refused, match="its pid belongs to another session"):
        stage.apply("postgres.terminate", recycled, **wanted)
    assert alive(postgres, idle.get_backend_pid())
    assert stage.happened("postgres.terminate", recycled, **wanted) is True, "the planned one is gone"


def test_an_idle_session_that_works_again_is_not_ended(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """It was used between plan and act, also when it is idle again."""
    idle = sessions("app", "pool")
    execute(idle, "SELECT 1")
    (planned,) = stage.plan("postgres.terminate", which="idle", **SOON)
    execute(idle, "SELECT 2")
    with pytest.raises(Refused, match="plan again"):
        stage.apply("postgres.terminate", planned, which="idle")
    execute(idle, "SELECT 3")


def test_idle_transactions_are_ended_from_the_oldest_on_up_to_the_cap(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """What is left over is told, and so is who was spared, by name."""
    old = [transaction(sessions("app", f"web{n}")) for n in range(3)]
    guarded = transaction(sessions("airflow_writer", "task"))
    writing = transaction(sessions("etl", "load"), INSERT)
    first, second = stage.plan("postgres.terminate", which="idle_in_transaction", most=2, **SOON)
    assert [first.data["pid"], second.data["pid"]] == old[:2]
    assert "1 more left for the next attempt" in first.text
    spared = "; ".join(first.data["spared"])
    assert f"pid {guarded} (airflow_writer, task): protected by 'airflow%'" in spared
    assert f"pid {writing} (etl, load): its transaction has written" in spared
    for planned in (first, second):
        stage.apply("postgres.terminate", planned, which="idle_in_transaction")
    assert [alive(postgres, pid) for pid in (*old, guarded, writing)] == [False, False, True, True, True]


def test_sessions_in_other_databases_are_touched_only_on_request(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """The server is shared."""
    execute(other := sessions("app", "elsewhere", "postgres"), "SELECT 1")
    assert stage.plan("postgres.terminate", which="idle", **SOON) == []
    (planned,) = stage.plan("postgres.terminate", which="idle", whole_server=True, **SOON)
    assert planned.data["pid"] == other.get_backend_pid()


def test_without_the_right_to_see_and_end_sessions_the_grants_are_named(
    postgres: PostgresServer, sessions: Any
) -> None:
    """Before anything is tried: locks are seen by everybody, what their holders do is not."""
    root = transaction(sessions("etl", "web"), SHARED)
    waiting = sessions("etl", "load")
    with Background(waiting, INSERT):
        until_blocked(postgres, waiting.get_backend_pid())
        with pytest.raises(Refused, match="GRANT pg_monitor TO app"):
            Stage(postgres, "app").plan("postgres.unblock", by="terminate", **SOON)
        sql(postgres, "GRANT pg_monitor TO airflow_writer")
        with pytest.raises(Refused, match="GRANT pg_signal_backend TO airflow_writer"):
            Stage(postgres, "airflow_writer").plan("postgres.unblock", by="terminate", **SOON)
        assert alive(postgres, root)


def test_exhausted_connections_are_freed_and_the_untouchable_survive(tmp_path: Path) -> None:
    """Idle ones older than the limit go; protected ones, a superuser and replication stay."""
    few = {"max_connections": 14, "superuser_reserved_connections": 2, "reserved_connections": 2}
    with server(tmp_path / "few", **few) as small, ExitStack() as opened:
        sql(small, "GRANT pg_use_reserved_connections TO responder")
        stage = Stage(small)
        receiver = opened.enter_context(
            subprocess.Popen(
                [PostgresServer.program("pg_receivewal"), "-D", str(_folder(tmp_path)), "--no-sync", "-h",
                 "127.0.0.1", "-p", str(small.port), "-U", "postgres"],
                stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        opened.callback(receiver.kill)
        walsender = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walsender'"
        wait_for(lambda: sql(small, walsender), "replication")
        ((replication,),) = sql(small, walsender)

        def idle(user: str, application: str) -> int:
            connection = opened.enter_context(closing(session(small, user, application)))
            execute(connection, f"SELECT '{SECRET}'")
            return int(connection.get_backend_pid())

        superuser = idle("postgres", "psql")
        guarded = [idle("airflow_writer", "task"), idle("etl", "eurostat_ingestion_nrg_bal_s")]
        pool = [idle("app", "pool") for _ in range(6)]
        young = session(small, "app", "young")
        opened.callback(young.close)
        with pytest.raises(psycopg2.OperationalError, match="slots"):
            session(small, "app")
        found = stage.look("postgres.connections")
        assert found.causes == ("connections_exhausted",)
        assert (found.data["used"], found.data["available"]) == (10, 10)
        assert found.data["by_application"]["pool"] == 6
        assert stage.look("postgres.responsive").proven is None

        time.sleep(1.1)
        execute(young, "SELECT 1")
        wanted = {"which": "idle", "older_than": "1 s", "most": 100}
        before = pids(small)
        plan = stage.plan("postgres.terminate", **wanted)
        assert pids(small) == before
        assert sorted(planned.data["pid"] for planned in plan) == sorted(pool)
        told = "; ".join(plan[0].data["spared"])
        assert f"pid {superuser} (postgres, psql): a superuser's session" in told
        assert all(f"pid {pid}" in told for pid in guarded)
        for planned in plan:
            stage.apply("postgres.terminate", planned, **wanted)
        kept = [superuser, replication, *guarded, young.get_backend_pid()]
        assert [alive(small, pid) for pid in kept] == [True] * 5
        assert receiver.poll() is None
        session(small, "app").close()
        assert stage.look("postgres.responsive").proven is True
        young.close()
        until_gone(small, kept[-1])
        with pytest.raises(Refused, match="3 sessions are in the way and protected"):
            stage.plan("postgres.terminate", **wanted)
        assert SECRET not in str([found, plan])


def _folder(tmp_path: Path) -> Path:
    (tmp_path / "wal").mkdir()
    return tmp_path / "wal"


def test_when_even_we_get_no_connection_that_is_the_finding(tmp_path: Path) -> None:
    """The look says so; a change cannot be planned, and the way in is named."""
    few = {"max_connections": 4, "superuser_reserved_connections": 2}
    with server(tmp_path / "none", **few) as small, ExitStack() as opened:
        for _ in range(2):
            opened.enter_context(closing(session(small, "app")))
        stage = Stage(small)
        for look in ("postgres.connections", "postgres.status"):
            found = stage.look(look)
            assert found.causes == ("connections_exhausted",)
        assert stage.look("postgres.responsive").proven is None
        with pytest.raises(SourceUnavailable, match="pg_use_reserved_connections") as error:
            stage.plan("postgres.terminate", which="idle")
        assert SECRET not in str(error.value)
        (planned,) = Stage(small, "postgres").plan("postgres.terminate", which="idle", most=1, **SOON)
        assert planned.data["usename"] == "app"
        Stage(small, "postgres").apply("postgres.terminate", planned, which="idle")
        until_gone(small, planned.data["pid"])
        assert stage.look("postgres.status").data["answers"] is True


def test_a_prepared_transaction_at_the_head_of_the_queue_is_told(tmp_path: Path) -> None:
    """It has no session that could be ended."""
    with (
        server(tmp_path / "prepared", max_prepared_transactions=2) as own,
        closing(session(own, "app")) as holder,
        closing(session(own, "etl")) as waiting,
    ):
        execute(holder, "BEGIN; LOCK TABLE fact_energy_annual; PREPARE TRANSACTION 'forgotten'")
        with Background(waiting, INSERT):
            until_blocked(own, waiting.get_backend_pid())
            assert "behind a prepared transaction" in Stage(own).look("postgres.locks").text
            with pytest.raises(Refused, match="ROLLBACK PREPARED"):
                Stage(own).plan("postgres.unblock", by="terminate", **SOON)
            sql(own, "ROLLBACK PREPARED 'forgotten'")
