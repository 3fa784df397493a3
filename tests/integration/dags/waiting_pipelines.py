"""Parents that start a run of a child and wait for it; its source is away the first time it is asked."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, Asset, get_current_context, task

HOME = Path(os.environ["AIRFLOW_HOME"])
ARGUMENTS = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 0},
    "is_paused_upon_creation": False,
}
WAITING = {"wait_for_completion": True, "poke_interval": 1, "failed_states": ["failed"]}
KINDS = {
    "plain": {},
    "pinned": {"trigger_run_id": "pinned"},
    "deferred": {"deferrable": True},
    "reset": {"reset_dag_run": True, "trigger_run_id": "again"},
    "lost": {},
    "mapped": {},
    "private": {},
}


def note(name: str) -> int:
    """One more line; returns how many there are."""
    HOME.joinpath("lines").mkdir(exist_ok=True)
    with HOME.joinpath("lines", name).open("a") as file:
        file.write(f"{get_current_context()['run_id']}\n")
    return len(HOME.joinpath("lines", name).read_text().splitlines())


class Starts(TriggerDagRunOperator):
    """Of a site: Airflow tells only the name of the class."""


for kind, options in KINDS.items():
    with DAG(f"child_{kind}", tags=["no-incidents"] if kind == "private" else [], **ARGUMENTS) as dag:

        @task
        def ingest(kind: str) -> None:
            """Well from the second try on; the lost one is never well."""
            if note(f"asked_{kind}") == 1 or kind == "lost":
                time.sleep(1)
                raise ConnectionError("upstream reset the connection")
            note(f"ingested_{kind}")

        ingest(kind)
    globals()[f"child_{kind}"] = dag

    with DAG(f"parent_{kind}", **ARGUMENTS) as dag:
        operator = Starts if kind == "pinned" else TriggerDagRunOperator
        named = {"task_id": "start_child", "trigger_dag_id": f"child_{kind}", **WAITING, **options}
        if kind == "mapped":
            start = operator.partial(**named).expand(conf=[{"country": "SE"}, {"country": "DE"}])
        else:
            start = operator(**named)

        @task
        def publish(kind: str) -> None:
            note(f"published_{kind}")

        @task(trigger_rule="all_done")
        def clean(kind: str) -> None:
            note(f"cleaned_{kind}")

        start >> publish(kind) >> clean(kind)
    globals()[f"parent_{kind}"] = dag

with DAG("grand_plain", **ARGUMENTS):
    TriggerDagRunOperator(task_id="start_parent", trigger_dag_id="parent_plain", deferrable=True, **WAITING)

with DAG("starts_nothing", **ARGUMENTS):

    @task
    def unlucky() -> None:
        note("unlucky")

    TriggerDagRunOperator(task_id="start_child", trigger_dag_id="nonesuch", **WAITING) >> unlucky()

READINGS = Asset("readings_of_the_child")
with DAG("produces", **ARGUMENTS):

    @task(outlets=[READINGS])
    def produce() -> None:
        if note("produced") == 1:
            raise ConnectionError("upstream reset the connection")

    produce()

with DAG("consumes", **{**ARGUMENTS, "schedule": [READINGS]}):

    @task
    def consume() -> None:
        note("consumed")

    consume()
