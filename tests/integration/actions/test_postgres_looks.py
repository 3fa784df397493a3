"""What the looks and the check of a real server say, in trouble and out of it."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from incident_response.domain.actions import Finding
from incident_response.domain.errors import NotConfigured, SourceUnavailable
from incident_response.parameters import postgres_steps
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_for

from .postgres_under_test import (
    SECRET,
    Background,
    Stage,
    execute,
    server,
    session,
    sql,
    transaction,
    until_blocked,
)

pytestmark = pytest.mark.integration

LOOKS = ("status", "connections", "locks", "slow_queries", "tables", "responsive")
CHANGES = (
    ("postgres.terminate", {"which": "idle"}),
    ("postgres.cancel", {"which": "long_running"}),
    ("postgres.unblock", {}),
    ("postgres.analyze", {"tables": ["public.fact_energy_annual"]}),
    ("postgres.vacuum", {"tables": ["public.fact_energy_annual"]}),
    ("postgres.reindex", {"tables": ["public.fact_energy_annual"]}),
)


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder = tmp_path_factory.mktemp("looks")
    with server(folder, shared_preload_libraries="pg_stat_statements") as started:
        yield started


@pytest.fixture
def stage(postgres: PostgresServer) -> Stage:
    return Stage(postgres)


@pytest.fixture
def sessions(postgres: PostgresServer) -> Iterator[Any]:
    """Opens sessions that are closed after the test."""
    with ExitStack() as opened:
        yield lambda *arguments: opened.enter_context(closing(session(postgres, *arguments)))


def everything(found: Finding) -> str:
    """All that a finding tells, as JSON."""
    return json.dumps([found.text, dict(found.data), [exhibit.content for exhibit in found.exhibits]])


def test_a_server_that_is_well_gives_no_cause(stage: Stage) -> None:
    """And the check is proven."""
    for name in LOOKS:
        found = stage.look(f"postgres.{name}")
        assert found.causes == (), name
        assert len(found.text) <= 200
        assert found.proven is (True if name == "responsive" else None)
    status = stage.look("postgres.status")
    assert (status.data["answers"], status.data["in_recovery"]) == (True, False)
    assert int(status.data["version"].split(".")[0]) >= 15
    assert "the primary, up for" in status.text


def test_connections_are_counted_by_state_user_and_application(stage: Stage, sessions: Any) -> None:
    """Open transactions are named with their age; constants of their statements are not."""
    execute(sessions("app", "pool"), "SELECT 1")
    transaction(sessions("etl", "load"), "SELECT 'hunter2'")
    time.sleep(0.3)
    found = stage.look("postgres.connections", idle_in_transaction="0.2 s", percent=90)
    assert found.causes == ("idle_in_transaction",)
    assert found.data["by_state"] == {"idle": 1, "idle in transaction": 1}
    assert (found.data["by_user"], found.data["available"]) == ({"app": 1, "etl": 1}, 197)
    (idle,) = found.data["idle_in_transaction"]["sessions"]
    assert (idle["user"], idle["query"]) == ("etl", "BEGIN; SELECT '?'")
    (exhibit,) = found.exhibits
    assert exhibit.name == "postgres-connections.txt"
    assert "BEGIN; SELECT '?'" in exhibit.content
    assert "hunter2" not in everything(found)
    assert stage.look("postgres.connections", percent=1).causes == ("connections_exhausted",)


def test_slow_queries_of_now_and_of_before(postgres: PostgresServer, stage: Stage, sessions: Any) -> None:
    """With pg_stat_statements and without it; one that waits for a lock is not long-running."""
    busy, backup, holder, waiting = (sessions("app", name) for name in ("web", "pg_dump", "ddl", "load"))
    wanted = {"slower_than": "0.2 s", "long_running": "0.4 s"}
    transaction(holder, "LOCK TABLE fact_energy_annual")
    with (
        Background(busy, "SELECT pg_sleep(20), 'hunter2', 4711 -- password=hunter2"),
        Background(backup, "SELECT pg_sleep(20)"),
        Background(waiting, "SELECT * FROM fact_energy_annual WHERE country_code = 'hunter2'"),
    ):
        until_blocked(postgres, waiting.get_backend_pid())
        time.sleep(0.5)
        found = stage.look("postgres.slow_queries", **wanted)
        assert found.causes == ("slow_queries", "long_running")
        assert (found.data["running_count"], found.data["long_running_count"]) == (2, 1)
        assert {row["query"] for row in found.data["running"]} == {
            "SELECT pg_sleep(?), '?', ?",
            "SELECT * FROM fact_energy_annual WHERE country_code = '?'",
        }
        assert "not installed" in found.data["note"]
        assert "hunter2" not in everything(found)
        assert "4711" not in everything(found)
    sql(postgres, "CREATE SCHEMA extras; CREATE EXTENSION pg_stat_statements SCHEMA extras")
    execute(busy, "SELECT pg_sleep(0.3), 'hunter2'")
    assert "permission denied for schema extras" in stage.look("postgres.slow_queries").data["note"]
    sql(postgres, "GRANT USAGE ON SCHEMA extras TO responder")
    found = stage.look("postgres.slow_queries", **wanted)
    assert found.causes == (), "what was slow once is evidence, and no cause"
    assert "SELECT pg_sleep($1), $2" in {row["query"] for row in found.data["averages"]}
    assert all(row["mean_seconds"] >= 0.2 for row in found.data["averages"])
    assert [exhibit.name for exhibit in found.exhibits] == ["postgres-running.txt", "postgres-statements.txt"]
    assert "hunter2" not in everything(found)
    sql(postgres, "DROP SCHEMA extras CASCADE")


def test_the_check_is_not_proven_while_somebody_waits(
    postgres: PostgresServer, stage: Stage, sessions: Any
) -> None:
    """Each part can be switched off; it is asked again, and proven when the trouble is over."""
    holder, waiting = sessions("app", "web"), sessions("etl", "load")
    transaction(holder, "LOCK TABLE fact_energy_annual")
    with Background(waiting, "SELECT count(*) FROM fact_energy_annual"):
        until_blocked(postgres, waiting.get_backend_pid())
        time.sleep(0.2)
        found = stage.look("postgres.responsive", blocked_after="0.1 s")
        assert (found.proven, found.causes) == (None, ("blocked",))
        assert stage.look("postgres.responsive", blocked_after=None).proven is True
        execute(holder, "COMMIT")
    assert stage.look("postgres.responsive", blocked_after="0.1 s").proven is True
    slow = stage.look("postgres.responsive", within="0 s", percent=0.1)
    assert (slow.proven, slow.causes) == (None, ("slow_answer", "connections_exhausted"))
    assert stage.look("postgres.responsive", within=None, percent=None).proven is True


def test_a_database_that_is_down_is_a_finding_of_the_status_and_an_error_elsewhere(tmp_path: Path) -> None:
    """Nobody changes anything then, and what is uncertain is not called done."""
    with server(tmp_path / "down") as own:
        stage = Stage(own)
        with closing(session(own, "app")) as idle:
            execute(idle, "SELECT 1")
            (planned,) = stage.plan("postgres.terminate", which="idle", older_than="0 s")
        own.kill()
        found = stage.look("postgres.status")
        assert (found.causes, found.data["reason"]) == (("database_down",), "refused")
        assert stage.look("postgres.responsive").proven is None
        for name in ("connections", "locks", "slow_queries", "tables"):
            with pytest.raises(SourceUnavailable, match="nothing listens there") as error:
                stage.look(f"postgres.{name}")
            assert SECRET not in str(error.value)
        for name, fields in CHANGES:
            with pytest.raises(SourceUnavailable) as error:
                stage.plan(name, **fields)
            assert SECRET not in str(error.value)
        with pytest.raises(SourceUnavailable):
            stage.apply("postgres.terminate", planned, which="idle")
        assert stage.happened("postgres.terminate", planned, which="idle") is None
        own.start()
        assert stage.look("postgres.status").causes == ()
        assert stage.happened("postgres.terminate", planned, which="idle") is True


def test_a_frozen_server_holds_nobody_up_for_longer_than_the_scene_allows(tmp_path: Path) -> None:
    """The kernel takes the connection, and nobody answers."""
    with server(tmp_path / "frozen") as own:
        stage = Stage(own)
        os.kill(own._process.pid, signal.SIGSTOP)  # type: ignore[union-attr]
        try:
            began = time.monotonic()
            found = stage.look_within(1, "postgres.status")
            assert (found.causes, found.data["reason"]) == (("database_down",), "timeout")
            with pytest.raises(SourceUnavailable, match="no answer within 1 s"):
                stage.look_within(1, "postgres.locks")
            assert time.monotonic() - began < 3
        finally:
            os.kill(own._process.pid, signal.SIGCONT)  # type: ignore[union-attr]
        wait_for(lambda: stage.look_within(1, "postgres.status").causes == (), "it answers again")


@pytest.mark.parametrize(("login", "password"), [("responder", "wrong-horse-8"), ("stranger-7", SECRET)])
def test_a_refused_login_is_no_database_that_is_down(
    postgres: PostgresServer, login: str, password: str
) -> None:
    """A restart would not help; and no message repeats the password."""
    stage = Stage(postgres, login, password)
    found = stage.look("postgres.status")
    assert found.causes == ("access_refused",)
    assert password not in everything(found)
    for name, fields in CHANGES:
        with pytest.raises(SourceUnavailable, match="does not let us in") as error:
            stage.plan(name, **fields)
        assert password not in str(error.value)


def test_an_undefined_connection_is_named(stage: Stage) -> None:
    """With the variable that would define it."""
    for model in postgres_steps.MODELS:
        fields = {"conn_id": "other_db", "tables": ["public.x"], "which": "long_running"}
        fields = {key: value for key, value in fields.items() if key in model.model_fields}
        assert model.model_validate(fields).connections == ("other_db",)
        action, scene = stage.action(model.action), stage.scene(model.action, **fields)
        with pytest.raises(NotConfigured, match="AIRFLOW_CONN_OTHER_DB"):
            action.plan(scene) if hasattr(action, "plan") else action.look(scene)
