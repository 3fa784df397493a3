"""The ingestion that data-quality-issues knows: it reads no conf and goes on from its own checkpoint."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import datetime, timezone

import psycopg2
from airflow.sdk import DAG, task

CHECKPOINT = "SELECT max(end_timestamp) FROM meta_entsoe_ingestion_log WHERE status = 'success'"
INSERT = """
INSERT INTO fact_electricity_timeseries (timestamp_utc, country_code, run_id)
SELECT d + interval '12 hours', 'SE', %s
FROM generate_series(CAST(%s AS timestamp), CAST(now() AT TIME ZONE 'UTC' AS date) - 1, interval '1 day') AS d
"""
LOG = """
INSERT INTO meta_entsoe_ingestion_log (ingestion_date, country_code, start_timestamp, end_timestamp, status)
VALUES (current_date, 'SE', %s, CAST(now() AT TIME ZONE 'UTC' AS date), 'success')
"""

with DAG(
    "entsoe_ingestion",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    max_active_runs=1,
    default_args={"retries": 0, "owner": "data"},
    is_paused_upon_creation=False,
):

    @task
    def load(**context: object) -> None:
        url = os.environ["INGESTION_DATABASE"]
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(CHECKPOINT)
            (begin,) = cursor.fetchone()
            cursor.execute(INSERT, (context["run_id"], begin))
            cursor.execute(LOG, (begin,))
            print(f"INGESTED from {begin}")

    load()
