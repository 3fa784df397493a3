"""The ingestion that the runbook data-quality-issues knows: one day of electricity data for each run."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import datetime, timezone

import psycopg2
from airflow.sdk import DAG, task

INSERT = "INSERT INTO fact_electricity_timeseries VALUES (CAST(%s AS date) + interval '12 hours', %s)"

with DAG(
    "entsoe_ingestion",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 0, "owner": "data"},
    is_paused_upon_creation=False,
):

    @task
    def load(**context: object) -> None:
        url = os.environ["INGESTION_DATABASE"]
        with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(INSERT, (context["dag_run"].conf["date"], context["run_id"]))

    load()
