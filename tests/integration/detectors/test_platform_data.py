"""The shipped checks on the platform's own tables: quiet on a healthy day, and each finds its trouble."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from incident_response.actions.data_rows import ShowRows
from incident_response.detectors.data_quality import DataQualityDetector
from incident_response.domain.connections import Connection
from incident_response.domain.runbooks import resolved
from incident_response.domain.severities import Scenario, Severity
from incident_response.parameters.registry import MODELS
from incident_response.sources.data_quality import DataQualitySource
from tests.integration.detectors.test_data_quality import SECRET, run
from tests.support.scenes import incident, scene
from tests.support.shipped import library
from tests.unit.actions.fake_ingestion import kit

pytestmark = pytest.mark.integration

TABLES = """
CREATE TABLE fact_electricity_timeseries (id bigserial, timestamp_utc timestamp NOT NULL,
    country_code text NOT NULL, production_type text, load_mw numeric, generation_mw numeric, resolution text,
    created_at timestamp DEFAULT now());
CREATE TABLE fact_energy_annual (id bigserial, country_code text, year int, product_code text, flow_code text,
    value_gwh numeric, unit text, source_system text, source_table text,
    ingestion_timestamp timestamp DEFAULT now());
CREATE TABLE fact_geo_region_features (id bigserial, region_id text, feature_name text, feature_value numeric,
    snapshot_year int);
CREATE TABLE meta_entsoe_ingestion_log (ingestion_date date, country_code text, start_timestamp timestamp,
    end_timestamp timestamp, records_ingested int, status text, error_message text);
CREATE TABLE meta_osm_extraction_log (extraction_date date, region_id text, status text);
CREATE TABLE meta_ingestion_log (source_system text, table_name text, ingestion_timestamp timestamp,
    records_inserted int, status text, error_message text);
CREATE TABLE ml_dataset_clustering_v1 (region_id text);
CREATE TABLE ml_dataset_forecasting_v1 (region_id text);
CREATE TABLE ml_dataset_geo_enrichment_v1 (region_id text);
"""
# As old as data can be while nothing is wrong: the newest row of electricity is 53 hours old.
HEALTHY = """
INSERT INTO fact_electricity_timeseries (timestamp_utc, country_code, load_mw, resolution)
    SELECT t, c, 5000, 'PT60M' FROM generate_series(now() AT TIME ZONE 'UTC' - interval '20 days',
    now() AT TIME ZONE 'UTC' - interval '53 hours', interval '1 hour') t, unnest(ARRAY['SE', 'NO', 'FI']) c;
INSERT INTO fact_energy_annual
    (country_code, year, product_code, flow_code, value_gwh, unit, source_system, source_table)
    SELECT 'C' || c, y, 'TOTAL', 'FC', 10, 'GWh', 'eurostat', s FROM generate_series(1, 27) c,
    generate_series(2015, 2024) y, unnest(ARRAY['nrg_bal_s', 'nrg_cb_e']) s;
INSERT INTO fact_geo_region_features (region_id, feature_name, feature_value, snapshot_year)
    SELECT 'R' || r, 'roads', 1, 2026 FROM generate_series(1, 50) r;
INSERT INTO meta_entsoe_ingestion_log
    VALUES (current_date - 2, 'SE', current_date - 4, current_date - 2, 72, 'success');
INSERT INTO meta_osm_extraction_log VALUES (current_date - 7, 'R1', 'success');
INSERT INTO meta_ingestion_log
    VALUES ('eurostat', 'nrg_bal_s', now() AT TIME ZONE 'UTC' - interval '7 days', 1, 'success');
INSERT INTO ml_dataset_clustering_v1 VALUES ('R1');
INSERT INTO ml_dataset_forecasting_v1 VALUES ('R1');
INSERT INTO ml_dataset_geo_enrichment_v1 VALUES ('R1');
"""
ELECTRICITY, ANNUAL = "fact_electricity_timeseries", "fact_energy_annual"
AN_HOUR = f"SELECT min(timestamp_utc) FROM {ELECTRICITY} WHERE timestamp_utc > now() - interval '6 days'"
FAILED_ONCE = (
    "INSERT INTO meta_entsoe_ingestion_log VALUES (current_date, 'NO', now(), now(), 0, 'failed', 'HTTP 504')"
)
TROUBLE = [
    (
        f"DELETE FROM {ELECTRICITY} WHERE timestamp_utc > now() AT TIME ZONE 'UTC' - interval '61 hours'",
        {("DataStale", ELECTRICITY), ("DataLoss", ELECTRICITY)},
    ),
    (f"TRUNCATE {ELECTRICITY}", {("MissingDataInCriticalTable", ELECTRICITY)}),
    (f"DELETE FROM {ELECTRICITY} WHERE country_code = 'NO'", {("DataLoss", ELECTRICITY)}),
    (
        f"INSERT INTO {ELECTRICITY} (timestamp_utc, country_code, load_mw, resolution) "
        f"SELECT timestamp_utc, country_code, load_mw, resolution FROM {ELECTRICITY} "
        f"WHERE timestamp_utc = ({AN_HOUR})",
        {("DataCorruption", ELECTRICITY)},
    ),
    (
        f"UPDATE {ELECTRICITY} SET load_mw = -7 WHERE country_code = 'SE' AND timestamp_utc = ({AN_HOUR})",
        {("DataCorruption", ELECTRICITY)},
    ),
    (
        FAILED_ONCE,
        {("HighIngestionFailureRate", "meta_entsoe_ingestion_log")},
    ),
    (
        "UPDATE meta_ingestion_log SET ingestion_timestamp = ingestion_timestamp - interval '60 hours'",
        {("DataStale", ANNUAL)},
    ),
    (f"DELETE FROM {ANNUAL} WHERE year = 2020", {("DataLoss", ANNUAL)}),
    (
        f"UPDATE {ANNUAL} SET value_gwh = NULL WHERE year = 2024 AND country_code = 'C1'",
        {("DataCorruption", ANNUAL)},
    ),
    (
        "UPDATE meta_osm_extraction_log SET extraction_date = extraction_date - 10",
        {("OSMDataMissing", "fact_geo_region_features")},
    ),
    ("TRUNCATE fact_geo_region_features", {("MissingDataInCriticalTable", "fact_geo_region_features")}),
    (
        "TRUNCATE ml_dataset_forecasting_v1",
        {("MissingDataInCriticalTable", "ml_dataset_forecasting_v1")},
    ),
]


class Shipped:
    """The detector that is shipped, looking again and again at one database."""

    def __init__(self, place: Connection) -> None:
        (source,) = (one for one in library().sources() if isinstance(one, DataQualitySource))
        self.detector = DataQualityDetector(source, {"lianel_energy_db": place}.get)
        self.memory: dict[str, Any] = {}

    def look(self) -> set[tuple[str, str]]:
        """All checks, whatever their rhythm: what fires, by alert and table."""
        look = self.detector.look(self.memory, datetime.now(timezone.utc))
        never = "2000-01-01T00:00:00+00:00"
        self.memory = {name: {**kept, "at": never} for name, kept in look.memory.items()}
        self.firing = look.firing
        return {(one.alertname, one.labels["table"]) for one in look.firing}


@pytest.fixture
def place(postgres_url: str) -> Connection:
    url = make_url(postgres_url)
    found = Connection(url.host, url.username, SECRET, url.port, url.database, conn_type="postgres")
    run(found, TABLES)
    run(found, HEALTHY)
    return found


@pytest.mark.parametrize(("statement", "expected"), TROUBLE, ids=lambda value: str(value)[:40])
def test_a_healthy_day_is_quiet_and_each_trouble_is_found(
    place: Connection, statement: str, expected: set[tuple[str, str]]
) -> None:
    """Loss and corruption are P1, the rest P3; each has the runbook that knows the table."""
    shipped = Shipped(place)
    assert shipped.look() == set()
    assert shipped.look() == set()
    run(place, statement)
    shipped.look()
    found = shipped.look()  # some have to be red twice
    assert found == expected
    for signal in shipped.firing:
        meant = library().rules().classify(signal)
        lost = signal.alertname in ("DataLoss", "DataCorruption", "MissingDataInCriticalTable")
        assert meant.scenario is Scenario.DATA_QUALITY
        assert (meant.severity is Severity.P1) is lost
        assert meant.runbook == "data-quality-issues"
        assert signal.labels["table"] in (meant.service, signal.labels["service"])


def test_the_rows_that_the_runbook_shows_name_what_is_affected(place: Connection) -> None:
    """Every SELECT of the shipped runbook runs on the platform's tables."""
    run(place, FAILED_ONCE)
    book = library().runbooks()["data-quality-issues"]
    said = {}
    for step in book.steps:
        if step.action == "data.rows":
            asked = MODELS[step.action].model_validate(resolved(step.parameters, book.values({})))
            about = incident(ELECTRICITY, Scenario.DATA_QUALITY)
            found = ShowRows(kit(lianel_energy_db=place)).look(scene(about, asked, seconds=10))
            said[step.name] = found.text
    assert "failed NO" in said["entsoe_log"]
    assert "3 rows: FI" in said["affected_electricity"]
    assert "10 rows: 2024 27 54" in said["affected_annual"]
    assert "1 row: 2026 50 50" in said["affected_geo"]
    assert "success eurostat nrg_bal_s" in said["ingestion_log"]
