"""What the next try of a task does whose worker was lost."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from incident_response import bootstrap
from incident_response.domain.runbooks import StepResult, StepState
from incident_response.library.folder import Library
from incident_response.orchestration import runbook_dag
from incident_response.orchestration.approval import ApproveOperator
from incident_response.orchestration.sensors import CheckSensor, VerifySensor
from incident_response.service.running import PLAN
from tests.support.shipped import INCLUDE
from tests.support.walking_runbook import Ground, Site

BOOKS = [book for book in Library(INCLUDE).runbooks().values() if not book.written]


@pytest.mark.parametrize("name", [book.name for book in BOOKS])
def test_every_task_of_a_runbook_has_another_try(name: str) -> None:
    """Those that wait, too: they look in a worker before they do."""
    (book,) = (book for book in BOOKS if book.name == name)
    tasks = runbook_dag.build(book).tasks
    assert {task.task_id: task.retries for task in tasks} == {task.task_id: 2 for task in tasks}
    waiting = [task for task in tasks if isinstance(task, (CheckSensor, VerifySensor))]
    assert all(task.retry_delay.total_seconds() == 1 for task in waiting)


def test_nobody_is_asked_again_after_an_approval_that_airflow_has_not_heard_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page took it while Airflow's API was away, and the worker that had asked was lost."""
    site = Site(Ground.new(tmp_path, {}))
    services, now = site.services, bootstrap.now()
    number = site.alert("test", "SecurityIntrusion", "vault")
    asked = services.remediations.request(number, "ann", now, "security-incident")
    plan = {"freeze": [{"target": "container:vault", "text": "Pause the container vault", "data": {}}]}
    data = {"steps": plan, "refused": {}, "fits": True}
    services.remediations.put_step(
        StepResult(number, 1, PLAN, StepState.DONE, now, "Plan", data=data, ended_at=now)
    )
    before = services.running.job(number, asked.run_id)
    assert before is not None
    services.running.ask(before, now)
    services.remediations.approve(number, 1, "op", now)
    job = services.running.job(number, asked.run_id)
    assert job is not None
    airflow = Mock()
    monkeypatch.setattr(services.remediations, "_variable", lambda: None)
    monkeypatch.setattr(bootstrap, "services", lambda: Mock(wraps=services, airflow=airflow))

    said = ApproveOperator(runbook=job.runbook).run(job, {})

    assert said == "op approved the plan of INC-1-security-incident-1"
    assert airflow.mock_calls == []
