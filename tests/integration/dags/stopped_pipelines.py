"""Pipelines that people stop by hand, and pipelines that miss something: no clear is right for either."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path

from airflow.sdk import DAG, BaseHook, Variable, task

HOME = Path(os.environ["AIRFLOW_HOME"])
ARGUMENTS = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 0, "owner": "data"},
    "is_paused_upon_creation": False,
}


def count(name: str) -> int:
    """How many times something has run, over all its tries."""
    folder = HOME / "tries" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(time.time_ns())).touch()
    return len(list(folder.iterdir()))


for name in ("stopped_run_1", "stopped_task_1", "stopped_run_2", "stopped_task_2", "stopped_early"):
    with DAG(name, **ARGUMENTS):

        @task
        def flood(**context: object) -> None:
            count(f"{context['dag'].dag_id}.flood")
            time.sleep(120)

        @task
        def after() -> None:
            print("AFTER")

        flood() >> after()

for name in ("paused_by_hand_1", "paused_by_hand_2"):
    with DAG(name, **ARGUMENTS):

        @task
        def breaks(**context: object) -> None:
            count(f"{context['dag'].dag_id}.breaks")
            raise OSError("upstream answered 504")

        breaks()

with DAG("missing_connection", **ARGUMENTS):

    @task
    def connect() -> None:
        count("missing_connection.connect")
        BaseHook.get_connection("warehouse_that_nobody_defined")

    connect()

with DAG("missing_variable", **ARGUMENTS):

    @task
    def read() -> None:
        count("missing_variable.read")
        Variable.get("variable_that_nobody_set")

    read()

with DAG("missing_setting", **ARGUMENTS):

    @task
    def check() -> None:
        count("missing_setting.check")
        if not os.environ.get("CASE_BASE_URL"):
            raise ValueError("CASE_BASE_URL must be set (Airflow Variable or environment)")

    check()
