"""Fails at the first try of every run, opts out of incident response: the yardstick for a repair by hand."""

from __future__ import annotations

from airflow.sdk import DAG, get_current_context, task

with DAG(
    dag_id="demo_by_hand",
    description="Demo: fails once, cleared by hand through the REST API",
    doc_md=__doc__,
    schedule=None,
    tags=["demo", "no-incidents"],
    default_args={"owner": "data-platform", "retries": 0},
):

    @task
    def fetch() -> None:
        if get_current_context()["ti"].try_number == 1:
            raise ConnectionError("GET https://web-api.tp.entsoe.eu/api: 504 Gateway Timeout")

    fetch()
