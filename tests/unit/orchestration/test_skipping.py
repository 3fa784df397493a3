"""Tasks that are not needed never start: the task before them tells Airflow."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from incident_response import bootstrap
from incident_response.library.folder import Library
from incident_response.orchestration import compat, runbook_dag, triggers
from incident_response.orchestration.sensors import VerifySensor
from incident_response.orchestration.steps import GuardOperator, StepOperator
from incident_response.service.skipping import order
from tests.support.shipped import INCLUDE
from tests.unit.service.test_skipping import Driven

BOOKS = {book.name: book for book in Library(INCLUDE).runbooks().values() if not book.written}


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Driven:
    site = Driven()
    services = SimpleNamespace(
        running=site.house.running, remediations=site.house.remediations, store=site.house.store
    )
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    monkeypatch.setattr(bootstrap, "now", lambda: site.house.now)
    return site


@pytest.mark.parametrize("name", sorted(BOOKS))
def test_the_graph_is_in_the_order_that_is_skipped_by(name: str) -> None:
    """A chain, and at its end the conclusion."""
    dag = runbook_dag.build(BOOKS[name])
    chain = [*order(BOOKS[name]), runbook_dag.CONCLUDE]
    assert [dag.get_task(task).downstream_task_ids for task in chain] == [{name} for name in chain[1:]] + [
        set()
    ]


def context_of(site: Driven) -> dict[str, Any]:
    """What a task is given, as far as ours look at it."""
    run = SimpleNamespace(conf={"incident": site.number})
    return {"dag_run": run, "run_id": site.run_id, "ti": SimpleNamespace(xcom_push=lambda **_: None)}


def test_the_guard_skips_what_does_not_fit(site: Driven) -> None:
    """And is done itself."""
    site.drive("see")
    with pytest.raises(compat.SkipAhead) as ahead:
        GuardOperator(task_id="guard").execute(context_of(site))
    assert ahead.value.tasks == ["pause"]


def test_a_guard_that_refuses_leaves_the_conclusion(site: Driven) -> None:
    """Everything else is skipped at once."""
    site.drive("see")
    for name in ("restart", "replace"):
        site.house.actions[name].refuses = "not on the allow list"
    with pytest.raises(compat.SkipAhead) as ahead:
        GuardOperator(task_id="guard").execute(context_of(site))
    assert ahead.value.tasks == ["pause", "restart", "verify_restart", "replace", "verify_replace", "resume"]


def test_a_step_with_nothing_unneeded_behind_it_just_ends(site: Driven) -> None:
    """Its check is needed."""
    site.drive("see", "plan", "guard")
    step = site.job.runbook.step("restart")
    assert step
    assert StepOperator(step=step).execute(context_of(site)) == "Did restart on container:a"


def _trigger(site: Driven) -> triggers.CheckTrigger:
    trigger = triggers.CheckTrigger(site.number, site.run_id, rung="restart", last=False)
    assert trigger.look(site.house.now).again == 2  # the first look waits for the scheduler
    return trigger


def test_a_proof_in_the_triggerer_goes_on_in_a_worker_that_skips_the_rest(site: Driven) -> None:
    """Each of the other tasks would take longer than that."""
    site.drive("see", "plan", "guard", "pause", "restart")
    look = _trigger(site).look(site.house.now)
    assert (look.end, look.resumes) == ("reached", True)
    event = triggers.event(look)
    assert type(event) is triggers.TriggerEvent

    sensor = VerifySensor(rung="restart", last=False)
    sensor.incident, sensor.run_id = str(site.number), site.run_id
    with pytest.raises(compat.SkipAhead) as ahead:
        sensor.execute_complete(context_of(site), event.payload)
    assert ahead.value.tasks == ["replace", "verify_replace", "resume"]


def test_a_check_that_proves_nothing_ends_in_the_triggerer(site: Driven) -> None:
    """The next attempt is needed."""
    site.world.heals_with = "replace"
    site.drive("see", "plan", "guard", "pause", "restart")
    trigger = _trigger(site)
    assert trigger.look(site.house.now).end == ""
    look = trigger.look(site.house.now + timedelta(minutes=4))
    assert (look.end, look.resumes) == ("skipped", False)
    assert isinstance(triggers.event(look), triggers.TaskSkippedEvent)
