"""Runs of this DAG show that an Airflow works: one task succeeds, fails or waits, as its conf says."""

from __future__ import annotations

import time
from typing import Any

from airflow.sdk import dag, get_current_context, task


@dag(schedule=None, tags=["test"])
def harness() -> None:
    @task
    def obey() -> str:
        conf: dict[str, Any] = get_current_context()["dag_run"].conf
        time.sleep(conf.get("seconds", 0))
        if conf.get("fail"):
            raise RuntimeError("as asked")
        return "done"

    obey()


harness()
