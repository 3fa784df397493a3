"""Ingestion DAGs: each run writes the rows of one date, as its conf or its logical date says."""

from __future__ import annotations

import os
from datetime import datetime, timezone

from airflow.sdk import DAG, task

ARGUMENTS = {
    "start_date": datetime(2025, 1, 1, tzinfo=timezone.utc),
    "catchup": False,
    "default_args": {"retries": 0, "owner": "data"},
}


@task
def ingest(**context: object) -> None:
    """Two rows for the date; the upstream has nothing for the date that the conf calls empty."""
    import psycopg2

    conf = context["dag_run"].conf or {}  # type: ignore[attr-defined]
    day = conf.get("date") or str(context["logical_date"])[:10]
    if conf.get("fails"):
        raise OSError("upstream answered 504; password=hunter2")
    with psycopg2.connect(os.environ["INGESTION_DSN"]) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO meta_ingestion_log VALUES ('entsoe', %s, 'ok', %s)", (day, context["run_id"])
        )


for name, schedule in (("ingests_by_conf", None), ("ingests_daily", "0 3 * * *"), ("ingests_paused", None)):
    with DAG(name, schedule=schedule, **ARGUMENTS) as dag:
        ingest()
    globals()[name] = dag
