"""Pipelines for the tests of Airflow's own health: some wait for slots, some hang on each other."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from airflow.sdk import DAG, Asset, task

RELEASE = Path(os.environ["AIRFLOW_HOME"]) / "release_narrow"
ARGUMENTS = {
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 0, "owner": "data"},
    "is_paused_upon_creation": True,
}
BALANCE = Asset("balance", uri="s3://lake/balance")

with DAG("narrow", schedule=None, **ARGUMENTS):

    @task(pool="narrow")
    def load(number: int) -> None:
        """Until the test says so."""
        deadline = time.monotonic() + 120
        while not RELEASE.exists() and time.monotonic() < deadline:
            time.sleep(0.1)

    load.expand(number=[1, 2, 3])

with DAG("ingestion", schedule=None, **ARGUMENTS):
    EmptyOperator(task_id="load", outlets=[BALANCE])

with DAG("dataset", schedule=[BALANCE], **ARGUMENTS):
    TriggerDagRunOperator(task_id="go_on", trigger_dag_id="geo_enrichment")

with DAG("geo_enrichment", schedule=None, **ARGUMENTS):
    EmptyOperator(task_id="enrich")

with DAG("coordinator", schedule=None, **ARGUMENTS):
    ExternalTaskSensor(task_id="wait", external_dag_id="ingestion", external_task_id="load")

with DAG("alone", schedule=None, **ARGUMENTS):
    EmptyOperator(task_id="nothing")
