"""Pipelines whose run hides what failed, or leaves behind what the failure cut off; each fails once."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.exceptions import AirflowSkipException
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, TriggerRule, task

HOME = Path(os.environ["AIRFLOW_HOME"])
ARGUMENTS = {
    "schedule": None,
    "start_date": datetime(2026, 1, 1, tzinfo=timezone.utc),
    "default_args": {"retries": 0, "owner": "data"},
    "is_paused_upon_creation": False,
}
PUBLISHED = Asset("cut_off_published", uri="s3://lake/cut_off_published")


def _note(name: str, context: dict) -> int:
    """Write down that a task ran; returns how many times it has, over all its tries."""
    folder = HOME / "order" / context["dag"].dag_id / context["run_id"].replace("/", "_")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{time.time_ns()}-{name}").touch()
    return len(list(folder.glob(f"*-{name}")))


def _fail_once(name: str, context: dict) -> None:
    if _note(name, context) == 1:
        raise OSError("upstream answered 504 Gateway Timeout")


with DAG("tolerant", **ARGUMENTS):
    # Its last task runs whatever happens: Airflow calls the run a success.

    @task
    def work(**context: object) -> None:
        _fail_once("work", context)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def tidy(**context: object) -> None:
        _note("tidy", context)

    work() >> tidy()

with DAG("two_leaves", **ARGUMENTS):
    # The run turns green as soon as `other` is, while `work` has failed again.

    @task(task_id="work")
    def work_never(**context: object) -> None:
        raise OSError("upstream answered 504 Gateway Timeout")

    @task(task_id="tidy", trigger_rule=TriggerRule.ALL_DONE)
    def tidy_never(**context: object) -> None:
        _note("tidy", context)

    @task
    def other(**context: object) -> None:
        _fail_once("other", context)

    work_never() >> tidy_never()
    other()

with DAG("stops_at_once", fail_fast=True, **ARGUMENTS):

    @task
    def extract(**context: object) -> None:
        _fail_once("extract", context)

    @task
    def load(**context: object) -> None:
        _note("load", context)

    @task
    def publish(**context: object) -> None:
        _note("publish", context)

    extract() >> load() >> publish()

with DAG("staging", **ARGUMENTS):
    # The second try of `copy` needs what `fill` makes, and does not notice that it is gone.

    @task
    def fill(**context: object) -> None:
        _note("fill", context)
        (HOME / "stage").write_text("1\n2\n3\n")

    @task
    def copy(**context: object) -> None:
        _fail_once("copy", context)
        (HOME / "target").write_text((HOME / "stage").read_text())

    @task
    def empty(**context: object) -> None:
        _note("empty", context)
        (HOME / "stage").write_text("")

    filled, copied, emptied = fill(), copy(), empty()
    filled >> copied >> emptied.as_teardown(setups=filled)

with DAG("untidy", **ARGUMENTS):
    # A teardown that fails is no failure of the run.

    @task
    def make(**context: object) -> None:
        _note("make", context)

    @task
    def use(**context: object) -> None:
        _note("use", context)

    @task
    def remove(**context: object) -> None:
        _fail_once("remove", context)

    made, used, removed = make(), use(), remove()
    made >> used >> removed.as_teardown(setups=made)

with DAG("parts", **ARGUMENTS):

    @task
    def part(number: int, **context: object) -> None:
        if number == 1:
            _fail_once("part1", context)
        else:
            _note(f"part{number}", context)

    @task(trigger_rule=TriggerRule.ALL_DONE)
    def reduce(**context: object) -> None:
        _note("reduce", context)

    part.expand(number=[0, 1, 2]) >> reduce()

with DAG("timed_out", dagrun_timeout=timedelta(seconds=30), **ARGUMENTS):
    # One branch fails; the time of the run ends while the other one works.

    @task
    def fails(**context: object) -> None:
        _fail_once("fails", context)

    @task
    def slow(**context: object) -> None:
        if _note("slow", context) == 1:
            time.sleep(120)

    @task
    def behind(**context: object) -> None:
        _note("behind", context)

    fails()
    slow() >> behind()

with DAG("chosen", **ARGUMENTS):
    # Skips that somebody chose, beside a failure that cut off its own branch.

    @task.branch
    def decide() -> str:
        return "taken"

    @task.short_circuit
    def gate() -> bool:
        return False

    @task
    def not_today(**context: object) -> None:
        _note("not_today", context)
        time.sleep(0.1)
        raise AirflowSkipException("there is nothing on Sundays")

    @task
    def taken(**context: object) -> None:
        _fail_once("taken", context)

    @task(trigger_rule=TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
    def join(**context: object) -> None:
        _note("join", context)

    @task(trigger_rule=TriggerRule.ONE_FAILED)
    def alarm(**context: object) -> None:
        _note("alarm", context)

    left, right, joined = taken(), EmptyOperator(task_id="left_out"), join()
    decide() >> [left, right] >> joined
    gate() >> EmptyOperator(task_id="shut") >> EmptyOperator(task_id="shut_too")
    not_today() >> EmptyOperator(task_id="with_it")
    joined >> alarm()

with DAG("queues_up", max_active_runs=1, **ARGUMENTS):

    @task
    def hold(**context: object) -> None:
        if context["run_id"] == "holds":
            while not (HOME / "let_go").exists():
                time.sleep(0.2)
        else:
            _fail_once("hold", context)

    hold()

with DAG("wakes_others", **ARGUMENTS):
    # What ran behind the failure acts on others: an asset wakes its consumers.

    @task(task_id="work")
    def work_waking(**context: object) -> None:
        _fail_once("work", context)

    work_waking() >> EmptyOperator(task_id="wake", trigger_rule="all_done", outlets=[PUBLISHED])

with DAG("told_twice", tags=["not-repeatable:tell"], **ARGUMENTS):

    @task(task_id="work")
    def work_telling(**context: object) -> None:
        _fail_once("work", context)

    work_telling() >> EmptyOperator(task_id="tell", trigger_rule="all_done")

with DAG("woken", **{**ARGUMENTS, "schedule": [PUBLISHED]}):
    EmptyOperator(task_id="nothing")

with DAG("empty_handed", **ARGUMENTS):
    # A task that is expanded over nothing is skipped, and so is what is behind it.

    @task
    def files() -> list[int]:
        return []

    @task
    def each(number: int) -> None:
        raise ValueError("there is none")

    @task(task_id="all")
    def behind_all() -> None:
        raise ValueError("there is none")

    @task(task_id="work")
    def work_beside(**context: object) -> None:
        _fail_once("work", context)

    each.expand(number=files()) >> behind_all()
    work_beside()
