"""A pipeline whose file is removed during a test."""

from __future__ import annotations

from datetime import datetime, timezone

from airflow.sdk import DAG, task

with DAG(
    "short_lived",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    default_args={"retries": 0},
    is_paused_upon_creation=False,
):

    @task
    def fail() -> None:
        raise ValueError("a bug")

    fail()
