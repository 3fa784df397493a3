"""The detector `data_quality` on the platform's tables in a real PostgreSQL, and in a SQLite file."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from incident_response.detectors.data_quality import DataQualityDetector
from incident_response.domain.connections import Connection
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.incidents import Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.sources.data_quality import DataQualitySource
from tests.support.lookout import Lookout
from tests.support.shipped import START

pytestmark = pytest.mark.integration

SECRET = "correct-horse-9"
SERIES = "fact_electricity_timeseries"
FRESH = {
    "name": "electricity_fresh",
    "kind": "freshness",
    "table": SERIES,
    "sql": f"SELECT max(timestamp_utc) FROM {SERIES};",
}
TABLES = f"""
CREATE TABLE {SERIES} (timestamp_utc timestamptz, country_code text, load_mw float);
CREATE TABLE meta_entsoe_ingestion_log (country_code text, status text, ingested_at timestamptz,
    api_key text);
CREATE TABLE fact_energy_annual (country_code text, year int, value_gwh float);
"""


@pytest.fixture
def place(postgres_url: str) -> Connection:
    """A database with the tables, empty."""
    url = make_url(postgres_url)
    found = Connection(url.host, url.username, SECRET, url.port, url.database, conn_type="postgres")
    run(found, TABLES)
    return found


def run(place: Connection, statement: str, *values: Any) -> None:
    """As a pipeline would."""
    with closing(
        psycopg2.connect(host=place.host, port=place.port, user=place.login, dbname=place.schema)
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement, values or None)


def lookout(place: Connection, *checks: dict[str, Any], **fields: Any) -> Lookout:
    source = DataQualitySource.model_validate(
        {
            "kind": "data_quality",
            "name": "energy_data",
            "conn_id": "lianel_energy_db",
            "checks": checks,
            **fields,
        }
    )
    return Lookout(DataQualityDetector(source, {"lianel_energy_db": place}.get))


def test_a_table_grows_stale_and_is_fresh_again(place: Connection) -> None:
    """Green, yellow without a word, red after 24 hours, green again; the query goes with the signal."""
    run(place, f"INSERT INTO {SERIES} VALUES (%s, 'SE', 1)", START - timedelta(hours=1))
    seen = lookout(place, FRESH)
    assert seen.look() == []
    assert seen.look(hours=13) == []
    assert seen.cursor["memory"]["electricity_fresh"]["state"] == "yellow"
    (stale,) = seen.look(hours=11)
    assert stale.labels == {
        "alertname": "DataStale",
        "check": "electricity_fresh",
        "table": SERIES,
        "service": SERIES,
        "component": "data_quality",
    }
    assert stale.summary == f"{SERIES}: the newest data is 25 h 0 min old (limit 24 h 0 min)"
    assert stale.occurred_at == START + timedelta(hours=23)
    assert stale.details["sql"] == f"SELECT max(timestamp_utc) FROM {SERIES}"
    assert (stale.details["conn_id"], stale.details["value"]) == (
        "lianel_energy_db",
        (START - timedelta(hours=1)).isoformat(),
    )
    (incident,) = seen.incidents()
    assert (incident.severity, incident.scenario) == (Severity.P3, Scenario.DATA_QUALITY)
    assert (incident.service, incident.runbook) == (SERIES, "data-quality-issues")
    run(place, f"INSERT INTO {SERIES} VALUES (%s, 'SE', 1)", seen.house.now)
    assert seen.names(minutes=5) == {"DataStale": False}
    assert seen.house.incident(1).status is Status.MITIGATED
    seen.house.later(hours=2)
    assert seen.house.incident(1).status is Status.RESOLVED


def test_yellow_fires_when_a_check_says_so_and_an_empty_critical_table_has_its_own_name(
    place: Connection,
) -> None:
    """MissingDataInCriticalTable is P1: data loss."""
    seen = lookout(place, {**FRESH, "warn": True, "critical": True})
    assert seen.names() == {"MissingDataInCriticalTable": True}
    assert seen.incidents()[0].severity is Severity.P1
    run(place, f"INSERT INTO {SERIES} VALUES (%s, 'SE', 1)", seen.house.now - timedelta(hours=13))
    stale, missing = seen.look(minutes=5)
    assert (stale.name, stale.firing, stale.details["state"]) == ("DataStale", True, "yellow")
    assert (missing.name, missing.firing) == ("MissingDataInCriticalTable", False)


def test_missing_countries_are_told_with_how_many_there_are(place: Connection) -> None:
    """26 of 27 is green, 25 yellow and silent, 24 red; values are bound, whatever they hold."""
    sql = "SELECT count(DISTINCT country_code), :expected FROM fact_energy_annual WHERE source <> :not_from"
    run(place, "ALTER TABLE fact_energy_annual ADD source text DEFAULT 'eurostat'")
    run(place, "INSERT INTO fact_energy_annual SELECT 'C' || n, 2025, n FROM generate_series(1, 26) n")
    seen = lookout(
        place,
        {
            "name": "all_countries",
            "kind": "completeness",
            "table": "fact_energy_annual",
            "sql": sql,
            "parameters": {"expected": 27, "not_from": "x'; DROP TABLE fact_energy_annual; --"},
        },
    )
    assert seen.look() == []
    run(place, "DELETE FROM fact_energy_annual WHERE country_code = 'C1'")
    assert (seen.look(minutes=5), seen.cursor["memory"]["all_countries"]["state"]) == ([], "yellow")
    run(place, "DELETE FROM fact_energy_annual WHERE country_code = 'C2'")
    (red,) = seen.look(minutes=5)
    assert red.name == "DataIncomplete"
    assert red.summary == "fact_energy_annual: 88.89 % of the data is there (limit 90 %)"
    assert (red.details["present"], red.details["expected"]) == (24, 27)
    assert red.details["parameters"]["expected"] == 27
    assert red.details["limits"] == {"fail_below": 90, "warn_below": 95}
    run(place, "INSERT INTO fact_energy_annual VALUES ('C1', 2025, 1), ('C2', 2025, 1)")
    assert seen.names(minutes=5) == {"DataIncomplete": False}


def test_a_volume_is_held_against_its_limits_and_may_have_a_name_of_its_own(place: Connection) -> None:
    """The failure rate of an ingestion, as the platform names it: P3."""
    sql = """
        SELECT round(100.0 * count(*) FILTER (WHERE status = 'failed') / nullif(count(*), 0), 1)  -- 100%
        FROM meta_entsoe_ingestion_log WHERE ingested_at > CAST(:now AS timestamptz) - interval '1 day'
    """
    seen = lookout(
        place,
        {
            "name": "entsoe_failures",
            "kind": "volume",
            "table": "meta_entsoe_ingestion_log",
            "sql": sql,
            "parameters": {"now": START.isoformat()},
            "at_most": 20,
            "alertname": "HighIngestionFailureRate",
            "failures": 2,
        },
    )
    assert seen.look() == [], "no run at all is no failure rate"
    run(
        place,
        "INSERT INTO meta_entsoe_ingestion_log SELECT 'C' || n, CASE WHEN n < 4 THEN 'failed'"
        " ELSE 'success' END, %s FROM generate_series(1, 10) n",
        START,
    )
    assert seen.look(minutes=5) == [], "once is not yet twice in a row"
    (found,) = seen.look(minutes=5)
    assert found.name == "HighIngestionFailureRate"
    assert found.details["value"] == 30
    assert seen.incidents()[0].severity is Severity.P3


def test_a_count_that_leaves_its_usual_band_is_told_until_it_is_back(place: Connection) -> None:
    """Eight looks teach it; then a third of the rows is missing."""
    seen = lookout(
        place,
        {
            "name": "series_volume",
            "kind": "anomaly",
            "table": SERIES,
            "sql": f"SELECT count(*) FROM {SERIES}",
        },
    )
    run(place, f"INSERT INTO {SERIES} SELECT %s, 'SE', n FROM generate_series(1, 300) n", START)
    for _ in range(8):
        run(place, f"INSERT INTO {SERIES} VALUES (%s, 'SE', 0)", START)
        assert seen.look(minutes=5) == []
    run(place, f"DELETE FROM {SERIES} WHERE load_mw > 200")
    (found,) = seen.look(minutes=5)
    assert found.name == "DataVolumeAnomaly"
    assert found.summary == f"{SERIES}: the check series_volume counts 208, usual is 274.1 to 334.9"
    assert seen.look(minutes=4) == []
    run(place, f"INSERT INTO {SERIES} SELECT %s, 'SE', n FROM generate_series(1, 100) n", START)
    assert seen.names(minutes=5) == {"DataVolumeAnomaly": False}


def test_rows_that_must_not_be_there_are_shown_without_secrets(place: Connection) -> None:
    """Five of many rows are kept, short; a column that is named like a secret is not."""
    run(
        place,
        "INSERT INTO meta_entsoe_ingestion_log SELECT 'C' || n, 'failed', %s, 'k-very-secret'"
        " FROM generate_series(1, 500) n",
        START,
    )
    seen = lookout(
        place,
        {
            "name": "no_failures",
            "kind": "assertion",
            "table": "meta_entsoe_ingestion_log",
            "service": "entsoe",
            "sql": "SELECT country_code, status, ingested_at, api_key FROM meta_entsoe_ingestion_log "
            "WHERE status = 'failed' ORDER BY country_code",
            "allowed": 2,
        },
    )
    (found,) = seen.look()
    assert (found.name, found.labels["service"]) == ("DataInvalid", "entsoe")
    assert "finds more than 103 rows that must not be there (limit 2)" in found.summary
    assert len(found.details["rows"]) == 5
    assert found.details["rows"][0]["country_code"] == "C1"
    assert "k-very-secret" not in "".join(seen.said)
    run(
        place,
        "UPDATE meta_entsoe_ingestion_log SET status = 'success' WHERE country_code NOT IN ('C7', 'C8')",
    )
    assert seen.names(minutes=5) == {"DataInvalid": False}


def test_a_broken_check_is_told_and_stops_no_other(place: Connection) -> None:
    """A missing table, a query that is too slow, one that writes, one of the wrong shape; four are blind."""
    run(
        place,
        f"CREATE FUNCTION sneak() RETURNS int LANGUAGE sql AS 'DELETE FROM {SERIES} RETURNING 1'",
    )
    run(place, f"INSERT INTO {SERIES} VALUES (%s, 'SE', 1)", START - timedelta(days=2))
    count = {"kind": "volume", "table": SERIES, "at_least": 1}
    seen = lookout(
        place,
        {**count, "name": "gone", "sql": "SELECT count(*) FROM fact_that_was_dropped", "every": "6 h"},
        {**count, "name": "slow", "sql": "SELECT count(*) FROM pg_sleep(30)"},
        {**count, "name": "writes", "sql": "SELECT sneak()"},
        {**count, "name": "shape", "sql": "SELECT 1, 2"},
        {**count, "name": "endless", "sql": "SELECT 'infinity'::timestamp"},
        FRESH,
        query_limit="0.3 s",
    )
    assert seen.names() == {"DataStale": True}
    found = {signal.labels["check"]: signal for signal in seen.look(minutes=4)}
    assert {signal.name for signal in found.values()} == {"DataQueryFailed"}
    assert "fact_that_was_dropped" in found["gone"].summary
    assert "statement timeout" in found["slow"].summary
    assert "read-only transaction" in found["writes"].summary
    assert "returned 2 columns" in found["shape"].summary
    assert "endless" in found
    assert found["gone"].labels["table"] == SERIES
    run(place, "CREATE TABLE fact_that_was_dropped AS SELECT 1")
    assert all(signal.firing for signal in seen.look(minutes=5)), "it is not its turn yet"
    resolved = [signal for signal in seen.look(hours=6) if not signal.firing]
    assert [signal.labels["check"] for signal in resolved] == ["gone"]


def test_what_a_check_found_goes_on_while_it_is_blind(place: Connection) -> None:
    """The table was stale, then it is locked: nothing was repaired by that."""
    run(place, f"INSERT INTO {SERIES} VALUES (%s, 'SE', 1)", START - timedelta(days=2))
    seen = lookout(place, FRESH, query_limit="0.3 s", query_failures=1)
    assert seen.names() == {"DataStale": True}
    run(place, f"ALTER TABLE {SERIES} RENAME TO hidden")
    assert seen.names(minutes=6) == {"DataStale": True, "DataQueryFailed": True}
    run(place, f"ALTER TABLE hidden RENAME TO {SERIES}")
    assert seen.names(minutes=1) == {"DataQueryFailed": False}


def test_an_expensive_check_has_its_own_rhythm(place: Connection) -> None:
    """Every six hours, however often the source is looked at; in between its finding stands."""
    seen = lookout(place, {**FRESH, "every": "6 h"})
    assert seen.names() == {"DataStale": True}
    run(place, f"INSERT INTO {SERIES} VALUES (%s, 'SE', 1)", START)
    for _ in range(5):
        assert seen.names(hours=1) == {"DataStale": True}
    assert seen.names(minutes=58) == {"DataStale": False}, "looks are never quite punctual"


def test_a_database_that_is_away_is_no_finding_but_an_error_without_the_password(place: Connection) -> None:
    """The detector `postgres` pages for that."""
    away = Connection(place.host, place.login, SECRET, 9, place.schema, conn_type="postgres")
    with pytest.raises(SourceUnavailable, match=r"energy_data \(lianel_energy_db\): .*refused") as error:
        lookout(away, FRESH).look()
    assert SECRET not in str(error.value)


class TestSqlite:
    """The same checks in a file."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Path:
        path = tmp_path / "with space?.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"CREATE TABLE {SERIES} (timestamp_utc text, country_code text)")
            connection.execute(f"INSERT INTO {SERIES} VALUES (?, 'SE')", (START.isoformat(),))
            connection.commit()
        return path

    def test_a_file_is_read_and_a_query_in_it_is_limited(self, file: Path) -> None:
        """An endless query is interrupted; the next one is answered."""
        endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
        seen = lookout(
            Connection(str(file), conn_type="sqlite"),
            {"name": "endless", "kind": "volume", "table": SERIES, "sql": endless, "at_least": 1},
            FRESH,
            query_limit="0.3 s",
            query_failures=1,
        )
        began = time.monotonic()
        (blind,) = seen.look()
        assert time.monotonic() - began < 3
        assert "no answer within 0.3 s" in blind.summary
        assert seen.names(hours=25)["DataStale"] is True

    def test_a_file_that_is_not_there_is_not_made(self, file: Path) -> None:
        """SQLite would make it, and find it empty."""
        lost = file.with_name("lost.db")
        with pytest.raises(SourceUnavailable, match="unable to open"):
            lookout(Connection(str(lost), conn_type="sqlite"), FRESH).look()
        assert not lost.exists()
