"""A store that the first version made and filled is brought up to date, and nothing in it is lost."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from incident_response.domain.errors import SchemaOutdated
from incident_response.domain.incidents import Status
from incident_response.domain.records import OutgoingState, Role
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.timers import TimerKind
from incident_response.store.migrations import running
from incident_response.store.schema_version import HEAD, VERSION_TABLE
from incident_response.store.sql_store import SqlStore

from .records import LEASE, NOW, after, incident, opened, sighting

FOLDER = running.__file__.rsplit("/", 1)[0]


def schema_of(url: str) -> str | None:
    return None if url.startswith("sqlite") else "incident_response"


def make_first(url: str) -> None:
    """The schema of version 1, by its own migration and no further."""
    engine, schema = create_engine(url), schema_of(url)
    config = Config()
    config.set_main_option("script_location", FOLDER)
    script = ScriptDirectory.from_config(config)
    with engine.begin() as connection:
        if schema:
            connection.execute(text(f'CREATE SCHEMA "{schema}"'))
        with EnvironmentContext(config, script, fn=lambda at, _: script._upgrade_revs("v0001", at)) as way:
            way.configure(
                connection=connection,
                version_table=VERSION_TABLE,
                version_table_schema=schema,
                transactional_ddl=True,
            )
            way.run_migrations(schema=schema)
    engine.dispose()


def fill(url: str) -> None:
    """Every table, by SQL as version 1 wrote it."""
    lite = url.startswith("sqlite")
    prefix = "" if lite else "incident_response."

    def at(moment: datetime) -> Any:
        return round(moment.timestamp() * 1e6) if lite else moment

    def row(table: str, **values: Any) -> None:
        columns, names = ", ".join(values), ", ".join(f":{name}" for name in values)
        connection.execute(text(f"INSERT INTO {prefix}{table} ({columns}) VALUES ({names})"), values)

    def an_incident(number: int, status: str, **values: Any) -> None:
        row(
            "incidents", number=number, dedup_key=f"v1:test:{number}", title=f"Trouble {number}",
            severity="P2", scenario="dag_failure", service="sales", rule="failed", policy="digest",
            opened_at=at(NOW), started_at=at(NOW), status=status, level=2, event_like=False,
            labels=json.dumps({"dag_id": "sales"}), pages=1, remediations=1, reopenings=0, flapping=False,
            resolution="", review="{}", **values,
        )  # fmt: skip

    engine = create_engine(url)
    with engine.begin() as connection:
        an_incident(1, "triggered", page_at=at(after(60)), next_due_at=at(after(60)))
        an_incident(2, "resolved", resolved_at=at(after(-60)), close_at=at(after(600)))
        an_incident(3, "closed", resolved_at=at(after(-60)), closed_at=at(after(-30)))
        row("events", incident=1, at=at(NOW), kind="note", actor="operator", text="said ✓", data='{"n": 1}')
        row(
            "signals", incident=1, source="callback", fingerprint="f1", labels='{"alertname": "failed"}',
            summary="it failed", firing=True, first_at=at(NOW), last_at=at(NOW), count=3,
            occurrence="sales/1", details="{}",
        )  # fmt: skip
        row(
            "outbox", key="INC-1:page", incident=1, kind="page", channel="console", receiver="operator",
            template="page", due_at=at(NOW), data='{"level": 1}', created_at=at(NOW), state="pending",
            next_at=at(NOW), attempts=0, interrupted=False, claimed_by="", error="",
        )  # fmt: skip
        row("firings", incident=1, kind="page_at", due_at=at(NOW), fired_at=at(after(1)), fired_by="clock")
        row(
            "remediations", incident=1, attempt=1, runbook="restart", target="dag:sales", run_id="r1",
            requested_by="x", requested_at=at(NOW), state="running", reason="",
        )  # fmt: skip
        row("effects", key="k1", incident=1, state="begun", begun_by="x", begun_at=at(NOW), detail="{}")
        row(
            "polls", name="airflow_runs", due_at=at(after(30)), interval_us=30_000_000, cursor='{"at": 5}',
            claimed_by="", last_by="clock", failures=2, error="away",
        )  # fmt: skip
        row("heartbeats", name="clock@here:1", at=at(NOW), since=at(after(-60)), data="{}")
        row("policies", digest="digest", source="version: 1", kept_at=at(NOW))
        if lite:
            connection.execute(text("UPDATE counters SET value = 3"))
        else:
            connection.execute(text("SELECT setval('incident_response.incident_number', 3)"))
    engine.dispose()


@pytest.fixture
def upgraded(url: str) -> Any:
    """A store of version 1 with something in every table, opened by this version."""
    make_first(url)
    fill(url)
    store = SqlStore(url)
    if schema_of(url):  # SQLite does it by itself at the first look
        with pytest.raises(SchemaOutdated, match="older than this package"), store.read():
            pytest.fail("it was let in")
        assert store.migrate() == HEAD
    yield store
    store.close()


def test_everything_is_there_and_reads_as_before(upgraded: SqlStore) -> None:
    """Each table's row, with the defaults of what is new."""
    with upgraded.read() as tx:
        first = tx.get(1)
        assert (first.status, first.level, first.page_at) == (Status.TRIGGERED, 2, after(60))
        assert (first.labels, first.split_off, first.merged_into) == ({"dag_id": "sales"}, {}, None)
        assert (tx.get(2).resolved_at, tx.get(3).closed_at) == (after(-60), after(-30))
        assert [(e.text, e.data) for e in tx.timeline(1)] == [("said ✓", {"n": 1})]
        assert list(tx.sightings(1)) == [sighting(1, count=3, occurrence="sales/1", role=Role.OWN)]
        (parcel,) = tx.parcels(1)
        assert (parcel.outgoing.key, parcel.state) == ("INC-1:page", OutgoingState.PENDING)
        assert [(f.kind, f.fired_by) for f in tx.firings(1)] == [(TimerKind.PAGE, "clock")]
        assert [r.state for r in tx.remediations(1)] == [RemediationState.RUNNING]
        assert [(p.cursor, p.failures, p.error) for p in tx.polls()] == [({"at": 5}, 2, "away")]
        assert [h.name for h in tx.heartbeats(after(-1))] == ["clock@here:1"]
        assert tx.policy_source("digest") == "version: 1"
        assert tx.integrations() == list(tx.silences(NOW)) == list(tx.held(10)) == []


def test_what_was_begun_before_goes_on_after(upgraded: SqlStore) -> None:
    """The same signal counts, the message is delivered, the effect is not tried again, the number is next."""
    with upgraded.transaction() as tx:
        assert [i.number for i in tx.lock_due(after(60), 10)] == [1]
        assert tx.seen(["f1"]) == {("f1", "sales/1")}
        tx.record([sighting(1, occurrence="sales/2", last_at=after(5))])
        assert tx.firing([1]) == {1: 1}
        assert [p.outgoing.key for p in tx.claim(NOW, "clock", LEASE, 10)] == ["INC-1:page"]
        assert tx.begin_effect("k1", 1, "y", NOW) == "begun"
        assert [p.name for p in tx.claim_polls(after(30), "clock", LEASE)] == ["airflow_runs"]
        assert list(tx.allocate(1)) == [4]
    with upgraded.read() as tx:
        assert [s.count for s in tx.sightings(1)] == [4]


def test_what_is_new_works_on_what_is_old(upgraded: SqlStore) -> None:
    """Signals of an old incident are moved to a new one; old and new are found by their service."""
    opened(upgraded, incident(4, "v1:new"))
    with upgraded.transaction() as tx:
        assert [i.number for i in tx.open_on({"sales"})] == [1, 4]
        tx.move_signals(1, 4, Role.CONSEQUENCE)
        assert [(s.fingerprint, s.incident) for s in tx.followed(["f1"])] == [("f1", 4)]
        assert tx.skip_parcels(1, NOW) == 1
