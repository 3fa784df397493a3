"""A stop is looked for when a clear is planned, and again right before it is sent."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from incident_response.domain.errors import AirflowRefused, Refused, StoppedByPerson
from tests.support.acting import Step

from .fake_airflow import FakeAirflow
from .test_airflow_steps import RUN, failed, kit, look

ENDED = datetime(2026, 3, 2, 2, 0, 20, tzinfo=timezone.utc)


@pytest.fixture
def airflow() -> FakeAirflow:
    airflow = FakeAirflow()
    airflow.run("load", RUN, "failed", extract="success", load="failed")
    return airflow


def stop(airflow: FakeAirflow, event: str = "patch_dag_run", task: str | None = None, **extra: Any) -> None:
    row = {
        "event_log_id": len(airflow.other["eventLogs"]["event_logs"]), "event": event, "owner": "ada",
        "when": (ENDED + timedelta(seconds=10)).isoformat(), "dag_id": "load", "run_id": RUN, "task_id": task,
        "map_index": -1, "try_number": 1, "extra": json.dumps(extra or {"state": "failed"}),
    }  # fmt: skip
    rows = [*airflow.other["eventLogs"]["event_logs"], row]
    airflow.other["eventLogs"] = {"event_logs": rows, "total_entries": len(rows)}


def clear(airflow: FakeAirflow) -> Step:
    found = look(airflow)
    airflow.calls.clear()
    return Step(kit(airflow), "airflow.clear_failed", [failed()]).after(diagnose=found)


def test_a_run_that_a_person_has_marked_is_not_planned(airflow: FakeAirflow) -> None:
    stop(airflow)
    with pytest.raises(StoppedByPerson, match="stopped by a person: ada marked failed the run load/"):
        clear(airflow).plan()


def test_a_stop_that_comes_after_the_plan_is_respected_too(airflow: FakeAirflow) -> None:
    step = clear(airflow)
    (planned,) = step.plan()
    stop(airflow)
    with pytest.raises(StoppedByPerson):
        step.apply(planned)
    assert airflow.calls == []


def test_a_task_that_a_person_has_marked_beside_one_that_failed_by_itself(airflow: FakeAirflow) -> None:
    """There is trouble that nobody has stopped: refused, but not as a stop, so people are woken as usual."""
    airflow.run("load", RUN, "failed", extract="failed", load="failed")
    stop(airflow, "patch_task_instance", "load", new_state="failed")
    with pytest.raises(Refused, match=r"part of load/.* the task extract of .* failed by itself") as refused:
        clear(airflow).plan()
    assert not isinstance(refused.value, StoppedByPerson)


def test_of_several_runs_the_others_are_cleared(airflow: FakeAirflow) -> None:
    airflow.run("load", "other", "failed", load="failed")
    found = look(airflow, failed(), failed(run_id="other"))
    stop(airflow)
    step = Step(kit(airflow), "airflow.clear_failed", [failed(), failed(run_id="other")])

    assert [one.target for one in step.after(diagnose=found).plan()] == ["run:load/other"]


def test_when_nobody_can_tell_a_person_is_asked(
    airflow: FakeAirflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The audit log is not for this user: the plan says so, and without a yes nothing is cleared."""
    step = clear(airflow)
    ask = airflow.get

    def refuses(path: str, params: Any = None) -> Any:
        if path == "/eventLogs":
            raise AirflowRefused("Forbidden", status=403)
        return ask(path, params)

    (readable,) = step.plan()
    monkeypatch.setattr(airflow, "get", refuses)
    (planned,) = step.plan()

    assert "nobody can tell whether a person has stopped load/" in planned.asks
    assert "permission to read audit logs" in planned.asks
    with pytest.raises(Refused, match="approval: nobody can tell"):
        step.apply(readable)
    assert airflow.calls == []
    step.apply(planned)  # approved, or the guard would not have let it come so far
    assert len(airflow.calls) == 1


def test_a_dag_that_a_person_has_paused_is_unpaused_by_nobody_else(airflow: FakeAirflow) -> None:
    airflow.dags["load"]["is_paused"] = True
    step = Step(kit(airflow), "airflow.unpause", [failed()], dags=["load"])
    assert [one.target for one in step.plan()] == ["dag:load"]

    stop(airflow, "patch_dag", is_paused=True)

    with pytest.raises(StoppedByPerson, match="ada paused the DAG load"):
        step.plan()
    with pytest.raises(StoppedByPerson, match="ada paused the DAG load"):
        clear(airflow).plan()
