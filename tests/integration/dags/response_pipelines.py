"""Pipelines of other people, as far as incident response knows: they heal, fail for ever, and hold slots."""

from __future__ import annotations

import os
import time
from datetime import datetime, timezone
from pathlib import Path

from airflow.sdk import DAG, task

HOME = Path(os.environ["AIRFLOW_HOME"])
ARGUMENTS = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 0, "owner": "data"},
    "is_paused_upon_creation": False,
}


def _count(name: str, run_id: str) -> int:
    """How many times a task has run, over all its tries, in files that survive everything."""
    folder = HOME / "tries" / name / run_id.replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.iterdir())) + 1
    (folder / f"{number}-{time.time_ns()}").touch()
    return number


CRASHES = [f"heals_{when}_{number}" for when in ("after", "before", "later") for number in (1, 2)]
for name in ("heals", "heals_too", *CRASHES):
    with DAG(name, **ARGUMENTS) as dag:

        @task
        def extract(**context: object) -> None:
            _count(f"{context['dag'].dag_id}.extract", context["run_id"])

        @task
        def load(**context: object) -> None:
            if _count(f"{context['dag'].dag_id}.load", context["run_id"]) == 1:
                raise OSError("upstream answered 504; password=hunter2")

        @task
        def publish() -> None:
            print("published")

        extract() >> load() >> publish()
    globals()[name] = dag

with DAG("maps", **ARGUMENTS):

    @task
    def country(number: int, **context: object) -> None:
        """The even ones fail once."""
        if _count(f"maps.country-{number}", context["run_id"]) == 1 and number % 2 == 0:
            raise OSError("upstream answered 429")

    country.expand(number=[0, 1, 2, 3])

with DAG("tidies_up", **ARGUMENTS):
    # Its last task runs whatever happens, so Airflow calls every run of it a success.

    @task
    def work(**context: object) -> None:
        if _count("tidies_up.work", context["run_id"]) == 1:
            raise OSError("upstream answered 504")

    @task(trigger_rule="all_done")
    def tidy(**context: object) -> None:
        _count("tidies_up.tidy", context["run_id"])

    work() >> tidy()

with DAG("hangs", **ARGUMENTS):

    @task
    def wait(**context: object) -> None:
        """For an answer that never comes, the first time."""
        if _count("hangs.wait", context["run_id"]) == 1:
            time.sleep(600)

    wait()

with DAG("never_heals", **ARGUMENTS):

    @task
    def broken(**context: object) -> None:
        _count("never_heals.broken", context["run_id"])
        raise ValueError("a bug")

    broken()

with DAG("holds_all_slots", **ARGUMENTS):

    @task
    def sleep(number: int) -> None:
        """Until the test says so."""
        deadline = time.monotonic() + 600
        while not (HOME / "release").exists() and time.monotonic() < deadline:
            time.sleep(0.2)

    sleep.expand(number=[1, 2])
