"""Pipelines for the tests of the airflow actions: each has one trouble."""

from __future__ import annotations

import os
import signal
import time
from datetime import datetime, timezone
from pathlib import Path

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.providers.standard.sensors.external_task import ExternalTaskSensor
from airflow.sdk import DAG, Asset, task

HOME = Path(os.environ["AIRFLOW_HOME"])
ARGUMENTS = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 0, "owner": "data"},
    "is_paused_upon_creation": False,
}
BALANCE = Asset("action_balance", uri="s3://lake/action_balance")


def _count(name: str, run_id: str) -> int:
    """How many times a task has run, over all its tries, in files that survive everything."""
    folder = HOME / "tries" / name / run_id.replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.iterdir())) + 1
    (folder / f"{number}-{time.time_ns()}").touch()
    return number


with DAG("partly", **ARGUMENTS):

    @task
    def extract(**context: object) -> list[int]:
        _count("partly.extract", context["run_id"])
        return [0, 1, 2]

    @task
    def country(number: int, **context: object) -> None:
        """All but the second fail once."""
        if _count(f"partly.country-{number}", context["run_id"]) == 1 and number != 1:
            raise OSError("upstream answered 504 Gateway Timeout; password=hunter2")

    @task
    def publish(**context: object) -> None:
        _count("partly.publish", context["run_id"])

    country.expand(number=extract()) >> publish()

with DAG("whole", **ARGUMENTS):

    @task
    def first(**context: object) -> None:
        _count("whole.first", context["run_id"])

    @task
    def second(**context: object) -> None:
        if _count("whole.second", context["run_id"]) == 1:
            raise OSError("HTTP 429: too many requests")

    first() >> second()

with DAG("broken_code", **ARGUMENTS):

    @task
    def broken() -> None:
        import a_module_that_is_not_there  # noqa: F401

    broken()

with DAG("out_of_memory", **ARGUMENTS):

    @task
    def killed() -> None:
        print("loading 4 GB")
        os.kill(os.getpid(), signal.SIGKILL)

    killed()

with DAG("zombie", **ARGUMENTS):

    @task
    def abandoned(**context: object) -> None:
        """Its worker is killed with it, the first time: nobody reports anything."""
        if _count("zombie.abandoned", context["run_id"]) == 1:
            os.kill(os.getppid(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)

    abandoned()

with DAG("sleeper", **ARGUMENTS):

    @task
    def sleep(**context: object) -> None:
        """For ever, the first time."""
        if _count("sleeper.sleep", context["run_id"]) == 1:
            time.sleep(600)

    @task
    def wake() -> None:
        print("awake")

    sleep() >> wake()

with DAG("chronic", **ARGUMENTS):

    @task
    def region(number: int) -> None:
        """The last one fails always."""
        if number == 2:
            raise ValueError("region 2 is not in the file")

    @task
    def dataset(**context: object) -> None:
        _count("chronic.dataset", context["run_id"])

    region.expand(number=[0, 1, 2]) >> dataset()

with DAG("producer", **ARGUMENTS):
    EmptyOperator(task_id="load", outlets=[BALANCE])

with DAG("consumer", **{**ARGUMENTS, "schedule": [BALANCE]}):
    TriggerDagRunOperator(task_id="go_on", trigger_dag_id="triggered")

with DAG("triggered", **ARGUMENTS):
    EmptyOperator(task_id="nothing")

with DAG("waiter", **ARGUMENTS):
    ExternalTaskSensor(task_id="wait", external_dag_id="producer", external_task_id="load")

with DAG("bystander", **ARGUMENTS):
    EmptyOperator(task_id="nothing")
