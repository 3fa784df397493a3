"""As many tasks one after the other as the runbook has that is measured, which do nothing."""

import os
from datetime import datetime, timezone

from airflow.sdk import DAG, task
from airflow.sdk.bases.operator import chain

with DAG(
    "nothing",
    schedule=None,
    start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
    is_paused_upon_creation=False,
):

    @task
    def nothing() -> None:
        """Nothing."""

    chain(*(nothing.override(task_id=f"task_{number}")() for number in range(int(os.environ["BENCH_TASKS"]))))
