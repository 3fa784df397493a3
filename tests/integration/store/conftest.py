"""The same store three times: in memory, in a SQLite file, in PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from incident_response.domain.ports import Store
from incident_response.store.memory import MemoryStore
from incident_response.store.sql_store import SqlStore
from tests.support.postgres import PostgresServer

SQLITE = pytest.param("sqlite", id="sqlite")
POSTGRES = pytest.param("postgres", id="postgres", marks=pytest.mark.integration)


@pytest.fixture(params=["memory", SQLITE, POSTGRES])
def store(request: pytest.FixtureRequest) -> Store:
    """Each kind of store, empty."""
    if request.param == "memory":
        return MemoryStore()
    made: Store = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture(params=[SQLITE, POSTGRES])
def sql_store(request: pytest.FixtureRequest) -> SqlStore:
    """Each kind of database, empty."""
    made: SqlStore = request.getfixturevalue(f"{request.param}_store")
    return made


@pytest.fixture(params=[SQLITE, POSTGRES])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a database without a schema."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def sqlite_store(tmp_path: Path, sqlite_template: Path) -> Iterator[SqlStore]:
    """In a file of its own."""
    shutil.copy(sqlite_template, tmp_path / "store.db")
    store = SqlStore(f"sqlite:///{tmp_path / 'store.db'}")
    yield store
    store.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; a copy is made faster than a migration."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    store = SqlStore(f"sqlite:///{path}")
    store.migrate()
    store.close()
    return path


@pytest.fixture
def postgres_store(migrated: SqlStore) -> SqlStore:
    """One database for all tests, emptied before each."""
    with migrated.transaction() as tx:
        tx._run(  # type: ignore[attr-defined]
            "TRUNCATE {s}incidents, {s}events, {s}signals, {s}outbox, {s}firings, {s}remediations, "
            "{s}effects, {s}polls, {s}heartbeats, {s}policies, {s}integrations, "
            "{s}silences, {s}held, {s}steps, {s}exhibits, {s}leases, {s}switches RESTART IDENTITY"
        )
    return migrated


@pytest.fixture(scope="session")
def migrated(postgres_server: PostgresServer) -> Iterator[SqlStore]:
    """A store in PostgreSQL with its schema made."""
    store = SqlStore(postgres_server.create_database("store_contract"))
    store.migrate()
    yield store
    store.close()
    postgres_server.drop_database("store_contract")
