"""Pipelines that fail in every way there is, for the tests of the three ways in."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.sdk import DAG, task

from incident_response.orchestration.callbacks import report_failure
from incident_response.orchestration.compat import FailNow
from incident_response.orchestration.notifier import IncidentNotifier


def dag(name: str, *tags: str, **arguments: Any) -> DAG:
    return DAG(
        f"in_{name}",
        schedule=None,
        start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
        tags=list(tags),
        **arguments,
    )


def fail(raised_at: str = "") -> None:
    raise RuntimeError(f"password=hunter2 was refused, raised at {time.time():.6f}")


with dag("all_three", "P2", on_failure_callback=report_failure):
    task(task_id="load", on_failure_callback=report_failure)(fail)()

with dag("plain"):
    task(task_id="load")(fail)()

with dag("notified", on_failure_callback=IncidentNotifier()):
    task(task_id="load", on_failure_callback=IncidentNotifier(severity="P1"))(fail)()

with dag("tested", on_failure_callback=IncidentNotifier()):
    task(task_id="load", on_failure_callback=IncidentNotifier())(fail)()

with dag("retries"):
    task(task_id="load", retries=1, retry_delay=timedelta(seconds=1))(fail)()

with dag("heals"):

    @task(retries=2, retry_delay=timedelta(seconds=1))
    def load(ti: Any = None) -> None:
        if ti.try_number < 2:
            fail()

    load()

with dag("fails_now"):

    @task(retries=3)
    def load() -> None:
        raise FailNow("no use to try again")

    load()

with dag("chain"):

    @task
    def after() -> None:
        pass

    task(task_id="first")(fail)() >> after()

with dag("opted_out", "no-incidents", on_failure_callback=report_failure):
    task(task_id="load", on_failure_callback=report_failure)(fail)()

with dag("killed"):

    @task
    def load() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    load()

with dag("mapped", max_active_tasks=8):

    @task
    def load(country: int) -> None:
        fail()

    load.expand(country=list(range(27)))

with dag("mended"):

    @task
    def load(dag_run: Any = None) -> None:
        if not Path(dag_run.conf["flag"]).exists():
            fail()

    load()

with dag("timed_out", dagrun_timeout=timedelta(seconds=3), on_failure_callback=report_failure):

    @task
    def load() -> None:
        time.sleep(60)

    load()

for name in ("sleeps", "stuck"):
    with dag(name):

        @task
        def load() -> None:
            time.sleep(600)

        load()
