"""Electricity time series of ENTSO-E, in small: the upstream API answers 504 at the first try of every run.

The commonest failure of all. Nothing in this file knows of incident response: the plugin's listener
reports it, and the runbook runs the failed task again.
"""

from __future__ import annotations

import logging

from airflow.sdk import DAG, get_current_context, task

log = logging.getLogger(__name__)

with DAG(
    dag_id="demo_entsoe_ingestion",
    description="Demo: fails once, is healed by a re-run",
    doc_md=__doc__,
    schedule=None,
    tags=["demo", "ingestion"],
    default_args={"owner": "data-platform", "retries": 0},
):

    @task
    def fetch_load_and_generation() -> int:
        """Quarter-hours of one day."""
        if get_current_context()["ti"].try_number == 1:
            raise ConnectionError("GET https://web-api.tp.entsoe.eu/api: 504 Gateway Timeout")
        return 96

    @task
    def store(rows: int) -> None:
        log.info("%s rows into fact_electricity_timeseries", rows)

    store(fetch_load_and_generation())
