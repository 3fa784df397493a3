"""The scan knows what a person has stopped when it finds it."""

from __future__ import annotations

import json
from typing import Any

from tests.support.airflow_rest import FakeAirflow

from .test_airflow_runs import T0, Scan, at


def marked(airflow: FakeAirflow, minutes: float, **extra: Any) -> None:
    airflow.audit.append(
        {
            "event_log_id": len(airflow.audit), "event": "patch_dag_run", "when": at(minutes).isoformat(),
            "owner": "ada", "dag_id": "etl", "run_id": "r1", "task_id": None,
            "extra": json.dumps({"state": "failed", **extra}),
        }
    )  # fmt: skip


def test_a_task_that_ended_with_its_run_by_hand_is_told_as_stopped() -> None:
    airflow = FakeAirflow()
    airflow.task("etl", "r1", "flood", end=at(-1))
    airflow.run("etl", "r1", "failed", at(-5), at(-1))
    marked(airflow, -1, note="it floods the source")

    [signal] = Scan(airflow).poll(T0)

    assert signal.details["stopped"]["by"] == "ada"
    assert signal.summary.endswith("saying: it floods the source")
    assert signal.summary.startswith("ada marked failed the run etl/r1 at ")


def test_a_run_that_was_stopped_before_a_task_began_is_told_to_nobody() -> None:
    airflow = FakeAirflow()
    airflow.task("etl", "r1", "flood", "skipped", end=at(-1))
    airflow.run("etl", "r1", "failed", at(-5), at(-1))
    marked(airflow, -1)
    scan = Scan(airflow)

    assert scan.poll(T0) == []
    assert scan.poll(at(1)) == []


def test_a_run_that_was_stopped_between_two_tasks_is_told() -> None:
    airflow = FakeAirflow()
    airflow.task("etl", "r1", "extract", "success", end=at(-2))
    airflow.run("etl", "r1", "failed", at(-5), at(-1))
    marked(airflow, -1)

    [signal] = Scan(airflow).poll(T0)

    assert signal.details["stopped"]["how"] == "marked failed"


def test_without_the_audit_log_it_is_a_failure_as_any_other() -> None:
    """The runbook asks again, and asks a person when it cannot read it either."""
    airflow = FakeAirflow(refuses={"/eventLogs"})
    airflow.task("etl", "r1", "flood", end=at(-1))
    airflow.run("etl", "r1", "failed", at(-5), at(-1))

    [signal] = Scan(airflow).poll(T0)

    assert "stopped" not in signal.details
