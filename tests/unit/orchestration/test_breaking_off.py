"""What ends red for good is concluded by the task itself: Airflow would page later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from incident_response.domain.errors import StoreUnavailable
from incident_response.domain.runbooks import RemediationState
from incident_response.orchestration import compat, triggers
from incident_response.orchestration.sensors import VerifySensor
from incident_response.orchestration.steps import ConcludeOperator, StepOperator
from tests.unit.service.test_skipping import Driven

from .test_skipping import context_of, site

__all__ = ["site"]  # the fixture


def _states(site: Driven) -> tuple[RemediationState, int]:
    return site.job.remediation.state, site.house.incident(site.number).level


def _step(site: Driven, name: str) -> StepOperator:
    step = site.job.runbook.step(name)
    assert step
    return StepOperator(step=step)


def _refusing(site: Driven) -> None:
    """The container was taken off the list behind the guard."""
    site.drive("see", "plan", "guard", "pause")
    action = site.house.actions["restart"]

    def apply(*_: Any) -> None:
        action.refuses = "not on the allow list"
        action.plan(None)

    site.house.actions["restart"].apply = apply


def test_a_step_that_is_refused_pages_before_airflow_knows(site: Driven) -> None:
    """At once, at the runbook's level."""
    _refusing(site)
    with pytest.raises(compat.FailNow, match="not on the allow list"):
        _step(site, "restart").execute(context_of(site))
    assert _states(site) == (RemediationState.FAILED, 3)
    assert "not on the allow list" in site.job.remediation.reason


def test_the_conclusion_says_the_same(site: Driven, monkeypatch: pytest.MonkeyPatch) -> None:
    """And pages nobody again."""
    _refusing(site)
    with pytest.raises(compat.FailNow):
        _step(site, "restart").execute(context_of(site))
    pages = site.house.incident(site.number).pages
    conclude = ConcludeOperator(task_id="conclude", steps=["restart"])
    monkeypatch.setattr(conclude, "_red", lambda context: ("restart", "refused"))
    with pytest.raises(compat.FailNow, match="failed: "):
        conclude.execute(context_of(site))
    assert site.house.incident(site.number).pages == pages


@pytest.mark.parametrize("where", ["worker", "triggerer"])
def test_the_last_check_that_proves_nothing_pages(site: Driven, where: str) -> None:
    """Wherever it was asked."""
    site.world.heals_with = ""
    site.proven = lambda: False
    site.drive("see", "plan", "guard", "pause", "restart", "verify_restart", "replace")
    if where == "worker":
        sensor = VerifySensor(rung="replace", last=True)
        sensor.incident, sensor.run_id = str(site.number), site.run_id
        with pytest.raises(compat.FailNow):
            sensor.execute(context_of(site))
    else:
        trigger = triggers.CheckTrigger(site.number, site.run_id, rung="replace", last=True)
        trigger.look(site.house.now)
        assert trigger.look(site.house.now).end == "failed"
    assert _states(site) == (RemediationState.FAILED, 3)


def test_an_earlier_check_that_proves_nothing_ends_nothing(site: Driven) -> None:
    """The next attempt comes."""
    site.world.heals_with = "replace"
    site.proven = lambda: False
    site.drive("see", "plan", "guard", "pause", "restart")
    sensor = VerifySensor(rung="restart", last=False)
    sensor.incident, sensor.run_id = str(site.number), site.run_id
    with pytest.raises(compat.SkipNow):
        sensor.execute(context_of(site))
    assert not site.job.remediation.state.ended


def test_a_store_that_is_away_leaves_it_to_the_conclusion(
    site: Driven, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step is red with its own reason all the same."""
    _refusing(site)

    def away(*_: Any, **__: Mapping[str, Any]) -> None:
        raise StoreUnavailable("the store is away")

    monkeypatch.setattr(site.house.running, "conclude", away)
    with pytest.raises(compat.FailNow, match="not on the allow list"):
        _step(site, "restart").execute(context_of(site))
    assert not site.job.remediation.state.ended
