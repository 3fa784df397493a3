"""The schema: made step by step, compared with the tables, refused when it is another one."""

from __future__ import annotations

import multiprocessing
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text

from incident_response.domain.errors import SchemaOutdated
from incident_response.domain.times import UTC
from incident_response.store import tables
from incident_response.store.migrations import running
from incident_response.store.schema_version import HEAD, KNOWN, VERSION_TABLE
from incident_response.store.sql_store import SqlStore

from .records import NOW, incident, opened


def schema_of(url: str) -> str | None:
    return None if url.startswith("sqlite") else "incident_response"


def set_version(url: str, revision: str) -> None:
    place = f"{schema_of(url)}.{VERSION_TABLE}" if schema_of(url) else VERSION_TABLE
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {place} SET version_num = '{revision}'"))
    engine.dispose()


def test_migrations_lead_to_the_tables(url: str):
    """What Alembic made is what tables.py says, in both databases."""
    store = SqlStore(url)
    assert store.migrate() == HEAD
    schema = schema_of(url)
    engine = create_engine(url)
    ours = {table.name for table in tables.metadata.sorted_tables}

    def mine(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name == schema
        return kind != "table" or name in ours

    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"compare_type": True, "include_schemas": schema is not None, "include_name": mine},
        )
        differences = compare_metadata(context, tables.for_database(engine.dialect.name, schema))
        assert running.is_current(connection, schema)
    engine.dispose()
    store.close()
    assert differences == []


def test_partial_indexes_have_the_conditions_that_queries_repeat(url: str):
    """Alembic does not compare conditions, so this does."""
    SqlStore(url).migrate()
    catalogue = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if url.startswith("sqlite")
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'incident_response'"
    )
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {name: "WHERE" in definition for name, definition in connection.execute(text(catalogue))}
    engine.dispose()
    kind = "sqlite" if url.startswith("sqlite") else "postgresql"
    wanted = {
        index.name: index.dialect_options[kind]["where"] is not None
        for table in tables.metadata.sorted_tables
        for index in table.indexes
    }
    assert {name: found.get(name) for name in wanted} == wanted


def test_the_known_revisions_are_those_of_the_files():
    """schema_version.py repeats them, so that a failing task does not load Alembic."""
    folder = running.__file__.rsplit("/", 1)[0]
    revisions = [script.revision for script in ScriptDirectory(folder).walk_revisions()]
    assert tuple(reversed(revisions)) == KNOWN


def test_migrating_again_changes_nothing(url: str):
    """What is stored stays."""
    store = SqlStore(url)
    store.migrate()
    opened(store, incident(1))
    assert store.migrate() == HEAD
    with store.read() as tx:
        assert tx.get(1) == incident(1)
    store.close()


def test_a_sqlite_store_makes_itself(tmp_path):
    """At its first use, also when that is only a look."""
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    with store.read() as tx:
        assert tx.is_idle(NOW)
    store.close()


@pytest.mark.integration
def test_postgres_names_the_command_when_the_schema_is_missing(postgres_url: str):
    """Nothing is made behind an administrator's back; after the command the same store works."""
    store = SqlStore(postgres_url)
    for block in (store.transaction, store.read):
        with pytest.raises(SchemaOutdated, match="python -m incident_response migrate"), block():
            pytest.fail("it was let in")
    store.migrate()
    opened(store, incident(1))
    store.close()


@pytest.mark.integration
def test_postgres_keeps_to_the_schema_it_was_told(postgres_url: str):
    """Two stores may share a database under two names."""
    one, two = SqlStore(postgres_url, schema="one"), SqlStore(postgres_url, schema="Two words")
    one.migrate()
    two.migrate()
    opened(one, incident(1))
    opened(two, incident(1, title="another"))
    with two.read() as tx:
        assert tx.get(1).title == "another"
    with two.transaction() as tx:
        assert list(tx.allocate(1)) == [2]
    one.close()
    two.close()


def test_a_newer_schema_is_refused(url: str):
    """An old package must not write into tables it does not know; the message says which side is old."""
    SqlStore(url).migrate()
    set_version(url, "v9999")
    store = SqlStore(url)
    with pytest.raises(SchemaOutdated, match="newer version of this package"), store.read():
        pytest.fail("it was let in")
    with pytest.raises(SchemaOutdated, match="newer version"):
        store.migrate()
    store.close()


def test_a_store_of_an_earlier_version_is_brought_up_to_date(url: str):
    """What it holds stays. SQLite does it by itself, PostgreSQL when it is told to."""
    first = SqlStore(url)
    first.migrate()
    opened(first, incident(1))
    first.close()
    prefix = f"{schema_of(url)}." if schema_of(url) else ""
    engine = create_engine(url)
    with engine.begin() as connection:
        for table in ("steps", "exhibits", "leases", "switches"):
            connection.execute(text(f"DROP TABLE {prefix}{table}"))
        connection.execute(text(f"DROP INDEX {prefix}ix_remediations_started"))
        connection.execute(text(f"ALTER TABLE {prefix}remediations DROP COLUMN parameters"))
    engine.dispose()
    set_version(url, "v0003")

    store = SqlStore(url)
    if schema_of(url):
        with pytest.raises(SchemaOutdated, match="older than this package"), store.read():
            pytest.fail("it was let in")
        assert store.migrate() == HEAD
    with store.read() as tx:
        assert tx.get(1) == incident(1)
        assert tx.switches() == []
    store.close()


@pytest.mark.integration
def test_an_older_schema_is_refused_by_postgres(postgres_url: str, monkeypatch: pytest.MonkeyPatch):
    """Until it is migrated."""
    SqlStore(postgres_url).migrate()
    monkeypatch.setattr("incident_response.store.sql_store.KNOWN", ("v0000", *KNOWN))
    set_version(postgres_url, "v0000")
    store = SqlStore(postgres_url)
    with pytest.raises(SchemaOutdated, match="older than this package"), store.read():
        pytest.fail("it was let in")
    store.close()


def test_several_processes_migrate_at_once(url: str):
    """One does it, the others wait and find it done; all can write."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_first_use, args=(url, key)) for key in "abcd"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 4
    store = SqlStore(url)
    with store.read() as tx:
        assert tx.totals(NOW.astimezone(UTC))["open"] == 4
    store.close()


def _first_use(url: str, key: str) -> None:
    store = SqlStore(url)
    if not url.startswith("sqlite"):
        store.migrate()
    with store.transaction() as tx:
        (number,) = tx.allocate(1)
    opened(store, incident(number, key))
    store.close()
