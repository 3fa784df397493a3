"""A pipeline that loses a task during a test."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, task

with DAG(
    "shrinks",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 0},
    is_paused_upon_creation=False,
):

    @task
    def dropped() -> None:
        raise ValueError("a bug")

    dropped() >> EmptyOperator(task_id="stays", trigger_rule="all_done")
