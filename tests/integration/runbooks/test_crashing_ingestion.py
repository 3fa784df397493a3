"""SIGKILL at every boundary of data-quality-issues: each missing day is ingested once.

The database is real, the Airflow that ingests is files: what its own workers do when they are killed is shown
on a real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from incident_response import bootstrap
from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState
from tests.integration.actions.postgres_under_test import DATABASE, sql
from tests.support.ingestion_on_disk import IngestionOnDisk
from tests.support.postgres import PostgresServer
from tests.support.walking_runbook import Ground, Site

from .conftest import Children
from .test_crashing import boundaries, crash_and_go_on, durable, end

pytestmark = [pytest.mark.integration, pytest.mark.acceptance]  # a minute, and nothing in it knows Airflow

TABLE = "fact_electricity_timeseries"
AGO = (3, 9, 10)  # days that are missing
DETECTORS = f"""
version: 1
sources:
  - name: energy_data
    kind: data_quality
    conn_id: lianel_energy_db
    checks:
      - name: every_day
        kind: assertion
        table: {TABLE}
        alertname: MissingDataInCriticalTable
        sql: |
          SELECT d::date FROM generate_series((now() AT TIME ZONE 'UTC')::date - 30,
                                              (now() AT TIME ZONE 'UTC')::date - 1, interval '1 day') d
          EXCEPT SELECT CAST(timestamp_utc AS date) FROM {TABLE}
"""


@pytest.fixture
def ingestion(postgres: PostgresServer, ground: Ground) -> Iterator[IngestionOnDisk]:
    """Three of the last thirty days are missing."""
    sql(postgres, f"CREATE TABLE {TABLE} (timestamp_utc timestamp)")
    sql(postgres, f"GRANT SELECT ON {TABLE} TO PUBLIC")
    days = f"INSERT INTO {TABLE} SELECT d FROM generate_series(%s::date, %s::date, interval '1 day') d"
    today = bootstrap.now().date()
    sql(postgres, days, (today - timedelta(days=40), today + timedelta(days=1)))
    sql(postgres, f"DELETE FROM {TABLE} WHERE timestamp_utc::date = ANY(%s::date[])", (missing(),))
    ground.write("policy/detectors.yaml", DETECTORS)
    dsn = f"host=127.0.0.1 port={postgres.port} user=postgres dbname={DATABASE}"
    insert = f"INSERT INTO {TABLE} VALUES (%s)"
    yield IngestionOnDisk.set_up(ground.folder, "entsoe_ingestion", dsn, insert)
    sql(postgres, f"DROP TABLE {TABLE}")


@pytest.mark.parametrize(("step", "moment"), boundaries("data-quality-issues", ("ingest",)))
def test_data_quality_issues(
    postgres: PostgresServer,
    ground: Ground,
    ingestion: IngestionOnDisk,
    children: Children,
    step: str,
    moment: str,
) -> None:
    """Seen by its detector; three runs, three rows, and the same query proves it."""
    site = durable(ground)
    number = seen(site)

    run_id = crash_and_go_on(site, children, number, step, moment)

    assert end(site, number, run_id) == (RemediationState.SUCCEEDED, Status.MITIGATED), site.text(number)
    assert sorted(run["conf"]["date"] for run in ingestion.runs().values()) == missing()
    rows = f"SELECT count(*) FROM {TABLE} WHERE timestamp_utc::date = ANY(%s::date[])"
    assert sql(postgres, rows, (missing(),)) == [(3,)]
    assert len(site.effects(number)) == 3
    assert ("found done after an interruption" in site.text(number)) == (moment == "acted")


def seen(site: Site) -> int:
    """The incident that the detector opens."""
    now = bootstrap.now()
    found = site.services.detectors.current()["energy_data"].poll({}, now).signals
    (receipt,) = site.services.intake.receive(found, now)
    assert receipt.incident is not None
    return receipt.incident


def missing() -> list[str]:
    today = bootstrap.now().date()
    return sorted(f"{today - timedelta(days=ago)}" for ago in AGO)
