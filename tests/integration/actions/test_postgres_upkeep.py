"""Tables are analysed, vacuumed and reindexed for real, and nothing that is no table is touched."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from incident_response.domain.actions import Done
from incident_response.domain.errors import Refused, SourceUnavailable
from tests.support.postgres import PostgresServer
from tests.support.waiting import wait_for

from .postgres_under_test import (
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

TABLE = "public.fact_electricity"
INDEX = "public.fact_electricity_country"
VALID = "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid " \
    "WHERE i.indrelid = 'fact_electricity'::regclass ORDER BY 1"  # fmt: skip
BOTH = [("fact_electricity_country", True), ("fact_electricity_pkey", True)]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    with server(tmp_path_factory.mktemp("upkeep"), autovacuum="off") as started:
        yield started


@pytest.fixture
def stage(postgres: PostgresServer) -> Iterator[Stage]:
    """A table of ours with three thousand rows, a third of them dead, never analysed."""
    sql(
        postgres,
        "CREATE TABLE fact_electricity (id int PRIMARY KEY, country text);"
        "CREATE INDEX fact_electricity_country ON fact_electricity (country);"
        "ALTER TABLE fact_electricity OWNER TO responder;"
        "INSERT INTO fact_electricity SELECT n, 'SE' FROM generate_series(1, 3000) n;"
        "DELETE FROM fact_electricity WHERE id % 3 = 0",
    )
    dead = "SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'fact_electricity' AND n_dead_tup > 0"
    wait_for(lambda: sql(postgres, dead), "statistics")
    yield Stage(postgres)
    sql(postgres, "DROP TABLE fact_electricity")


def statistics(postgres: PostgresServer) -> tuple[Any, Any, int]:
    """Last ANALYZE, last VACUUM, dead rows."""
    ((analysed, vacuumed, dead),) = sql(
        postgres,
        "SELECT last_analyze, last_vacuum, n_dead_tup FROM pg_stat_user_tables "
        "WHERE relname = 'fact_electricity'",
    )
    return analysed, vacuumed, dead


def indexes(postgres: PostgresServer) -> dict[str, int]:
    return dict(
        sql(
            postgres,
            "SELECT c.relname, c.oid::bigint FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "WHERE i.indrelid = 'fact_electricity'::regclass",
        )
    )


@pytest.mark.parametrize("action", ["postgres.analyze", "postgres.vacuum"])
def test_what_is_stale_is_found_and_maintained_once(
    postgres: PostgresServer, stage: Stage, action: str
) -> None:
    """The look names the table, the step without names takes it from there, the second apply does nothing."""
    found = stage.look("postgres.tables")
    assert found.causes == ("stale_statistics", "bloated")
    assert found.data["stale"] == found.data["bloated"] == [TABLE]
    (row,) = found.data["tables"]
    assert (row["never_analysed"], row["dead_rows"]) == (True, 1000)
    assert row["bytes"] > 100_000

    act, scene = stage.action(action), stage.scene(action, found={"look": found.data})
    (planned,) = act.plan(scene)
    assert planned.target == f"table:{TABLE}"
    assert statistics(postgres) == (None, None, 1000), "a plan changes nothing"
    assert act.happened(scene, planned) is False
    act.apply(scene, planned)
    analysed, vacuumed, dead = statistics(postgres)
    assert analysed is not None
    assert (vacuumed is not None, dead) == ((True, 0) if action == "postgres.vacuum" else (False, 1000))
    assert act.happened(scene, planned) is True
    assert "Nothing to do" in act.apply(scene, planned).text
    assert statistics(postgres)[:2] == (analysed, vacuumed)
    assert "stale_statistics" not in stage.look("postgres.tables").causes


@pytest.mark.parametrize("action", ["postgres.analyze", "postgres.vacuum", "postgres.reindex"])
@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("public.nothing", "is not there"),
        ("elsewhere.fact_electricity", "is not there"),
        ("fact_electricity", "no plain name"),
        ("public.fact_electricity; DROP TABLE fact_electricity", "no plain name"),
        ('public."fact_electricity"', "no plain name"),
        ("public.fact'electricity", "no plain name"),
        ("public.fact_electricity(id)", "no plain name"),
        ("pg_catalog.pg_class", "system catalogs"),
        ("public.fact_electricity_country", "is an index and not a table"),
        ("public.fact_energy_annual", "not ours to maintain"),
    ],
)
def test_a_name_that_is_no_table_of_ours_is_refused(
    postgres: PostgresServer, stage: Stage, action: str, name: str, why: str
) -> None:
    """And the one beside it is not touched either."""
    with pytest.raises(Refused, match=why):
        stage.plan(action, tables=[TABLE, name])
    assert statistics(postgres) == (None, None, 1000)


def test_a_name_with_capitals_and_spaces_is_quoted(postgres: PostgresServer, stage: Stage) -> None:
    """It is a plain name, though no pretty one."""
    sql(postgres, 'CREATE TABLE "My Facts" (x int); ALTER TABLE "My Facts" OWNER TO responder')
    (planned,) = stage.plan("postgres.vacuum", tables=["public.My Facts"])
    stage.apply("postgres.vacuum", planned)
    assert stage.happened("postgres.vacuum", planned) is True
    sql(postgres, 'DROP TABLE "My Facts"')


def test_a_table_that_was_made_anew_since_the_plan_is_not_touched(
    postgres: PostgresServer, stage: Stage
) -> None:
    """The same name, and not the same table."""
    (planned,) = stage.plan("postgres.analyze", tables=[TABLE])
    sql(
        postgres,
        "DROP TABLE fact_electricity; CREATE TABLE fact_electricity (id int);"
        "ALTER TABLE fact_electricity OWNER TO responder",
    )
    with pytest.raises(Refused, match="not the table any more"):
        stage.apply("postgres.analyze", planned)
    assert stage.happened("postgres.analyze", planned) is None


def test_a_partitioned_table_is_analysed_and_not_vacuumed(postgres: PostgresServer, stage: Stage) -> None:
    """Autovacuum never analyses the parent; vacuum is for its partitions."""
    sql(
        postgres,
        "CREATE TABLE parent (x int) PARTITION BY LIST (x); ALTER TABLE parent OWNER TO responder;"
        "CREATE TABLE child PARTITION OF parent DEFAULT; ALTER TABLE child OWNER TO responder;"
        "INSERT INTO parent VALUES (1)",
    )
    (planned,) = stage.plan("postgres.analyze", tables=["public.parent"])
    stage.apply("postgres.analyze", planned)
    assert sql(postgres, "SELECT count(*) FROM pg_stats WHERE tablename = 'parent'") == [(1,)]
    assert stage.happened("postgres.analyze", planned) is True
    with pytest.raises(Refused, match="name its partitions"):
        stage.plan("postgres.vacuum", tables=["public.parent"])
    sql(postgres, "DROP TABLE parent")


@pytest.mark.parametrize("action", ["postgres.analyze", "postgres.vacuum"])
def test_nobody_queues_behind_maintenance(postgres: PostgresServer, stage: Stage, action: str) -> None:
    """A locked table is given up within lock_timeout, and the reason is named."""
    (planned,) = stage.plan(action, tables=[TABLE])
    with closing(session(postgres)) as holder:
        transaction(holder, "LOCK TABLE fact_electricity")
        with pytest.raises(SourceUnavailable, match=r"locked \(see postgres\.locks\)"):
            stage.apply(action, planned, lock_timeout="0.2 s")
        assert stage.look("postgres.tables").data["tables"][0]["bytes"] is None, "nor does the look wait"
    assert stage.happened(action, planned) is False


def test_no_tables_and_no_look_before_is_refused(stage: Stage) -> None:
    """Silence would look like success; a look that found nothing is another thing."""
    with pytest.raises(Refused, match=r"look with postgres\.tables before"):
        stage.plan("postgres.vacuum")
    found = {"look": {"conn_id": "lianel_energy_db", "stale": [], "bloated": []}}
    assert stage.action("postgres.vacuum").plan(stage.scene("postgres.vacuum", found=found)) == []


@pytest.mark.parametrize(
    ("names", "target", "renewed"),
    [
        ({"indexes": [INDEX]}, f"index:{INDEX}", {"fact_electricity_country"}),
        ({"tables": [TABLE]}, f"table:{TABLE}", {"fact_electricity_country", "fact_electricity_pkey"}),
    ],
)
def test_indexes_are_rebuilt_once_and_are_valid(
    postgres: PostgresServer, stage: Stage, names: dict[str, Any], target: str, renewed: set[str]
) -> None:
    """New OIDs prove it; the second apply changes nothing."""
    before = indexes(postgres)
    (planned,) = stage.plan("postgres.reindex", **names)
    assert planned.target == target
    assert indexes(postgres) == before
    assert stage.happened("postgres.reindex", planned, **names) is False
    stage.apply("postgres.reindex", planned, **names)
    after = indexes(postgres)
    assert {name for name in after if after[name] != before[name]} == renewed
    assert sql(postgres, VALID) == BOTH
    assert stage.happened("postgres.reindex", planned, **names) is True
    assert "Nothing to do" in stage.apply("postgres.reindex", planned, **names).text
    assert indexes(postgres) == after
    assert stage.action("postgres.reindex").undo(
        stage.scene("postgres.reindex", **names), planned, Done("")
    ) is None  # fmt: skip


def test_an_interrupted_rebuild_is_unknown_until_its_leftover_is_dropped(
    postgres: PostgresServer, stage: Stage
) -> None:
    """A transaction stops it; the invalid index is told, refused, and dropped by undo only."""
    names = {"tables": [TABLE], "lock_timeout": "0.3 s"}
    before = indexes(postgres)
    (planned,) = stage.plan("postgres.reindex", **names)
    with closing(session(postgres)) as holder:
        transaction(holder, "UPDATE fact_electricity SET country = 'NO' WHERE id = 1")
        with pytest.raises(Refused, match=r"left the invalid index fact_electricity_\w+_ccnew"):
            stage.apply("postgres.reindex", planned, **names)
    assert stage.happened("postgres.reindex", planned, **names) is None
    with pytest.raises(Refused, match="drop it first with DROP INDEX CONCURRENTLY"):
        stage.plan("postgres.reindex", **names)
    with pytest.raises(Refused, match="not as planned"):
        stage.apply("postgres.reindex", planned, **names)
    action, scene = stage.action("postgres.reindex"), stage.scene("postgres.reindex", **names)
    undone = action.undo(scene, planned, Done(""))
    assert "_ccnew" in undone.text
    assert action.undo(scene, planned, Done("")) is None
    assert indexes(postgres) == before
    assert sql(postgres, VALID) == BOTH
    assert stage.happened("postgres.reindex", planned, **names) is False
    stage.apply("postgres.reindex", planned, **names)
    assert stage.happened("postgres.reindex", planned, **names) is True


def test_a_rebuild_that_still_runs_is_waited_for(postgres: PostgresServer, stage: Stage) -> None:
    """The worker died, the server goes on: nobody begins another one, and undo drops nothing meanwhile."""
    names = {"indexes": [INDEX]}
    (planned,) = stage.plan("postgres.reindex", **names)
    action = stage.action("postgres.reindex")
    with closing(session(postgres)) as holder, closing(session(postgres)) as orphan:
        transaction(holder, "UPDATE fact_electricity SET country = 'NO' WHERE id = 1")
        with Background(orphan, f"REINDEX INDEX CONCURRENTLY {INDEX}") as rebuild:
            until_blocked(postgres, orphan.get_backend_pid())
            short = stage.scene("postgres.reindex", seconds=1.5, **names)
            assert action.happened(short, planned) is None
            with pytest.raises(Refused, match="being built"):
                action.plan(short)
            with pytest.raises(Refused, match="being built"):
                action.undo(short, planned, Done(""))
            execute(holder, "COMMIT")
            rebuild.wait()
            assert rebuild.done
    assert action.happened(stage.scene("postgres.reindex", **names), planned) is True
    assert sql(postgres, VALID) == BOTH
