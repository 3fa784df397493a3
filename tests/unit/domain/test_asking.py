"""An incident that asks: told once; no clock runs until somebody answers, or something else fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.severities import Severity
from incident_response.domain.stops import STOPPED, Stop
from tests.support.house import START, House, failed

STOP = Stop("the run etl/r1", "marked failed", "ada", START, "it floods the source")


def stopped(run: str = "r1", **fields: Any) -> Any:
    one = failed(dag="etl", run=run, **fields)
    return replace(one, summary=STOP.text, details={**one.details, "stopped": STOP.data()})


@pytest.fixture
def house() -> House:
    return House()


def asking(house: House) -> Incident:
    house.intake.receive([stopped()], START)
    incident = house.incident(1)
    assert incident.asks
    return incident


def levels(house: House) -> set[str]:
    return {text for text in house.texts(1) if text.startswith("Level ")}


def test_level_1_is_told_once_who_when_and_why_and_nobody_else(house: House) -> None:
    incident = asking(house)
    assert (incident.level, incident.pages) == (1, 1)
    house.later(hours=30)
    now = house.incident(1)
    assert (now.level, now.pages, now.status) == (1, 1, Status.TRIGGERED)
    assert any("ada marked failed the run etl/r1" in text and "it floods" in text for text in levels(house))


def test_its_runbook_is_refused_and_pages_nobody_above(house: House) -> None:
    asking(house)
    attempt = house.remediations.request(1, "system:triage", START).attempt
    reason = f"{STOPPED}: {STOP.text}; shall it stay so?"
    house.remediations.end(1, attempt, RemediationState.REFUSED, reason, START)
    house.later(hours=30)
    assert (house.incident(1).level, house.incident(1).pages) == (1, 1)


def test_a_stop_that_comes_later_disarms_what_nobody_has_taken(house: House) -> None:
    """It failed by itself, then a person marked it."""
    house.intake.receive([failed(dag="etl")], START)
    assert not house.incident(1).asks
    attempt = house.remediations.request(1, "system:triage", START).attempt
    house.remediations.end(1, attempt, RemediationState.REFUSED, f"{STOPPED}: {STOP.text}", START)
    house.later(hours=30)
    assert house.incident(1).asks
    assert (house.incident(1).level, house.incident(1).pages) == (1, 1)


def test_an_answer_starts_its_clocks_from_there(house: House) -> None:
    asking(house)
    house.later(hours=30)
    house.lifecycle.acknowledge(1, "bob", house.now)
    incident = house.incident(1)
    assert not incident.asks
    assert incident.escalate_at is not None
    assert incident.escalate_at > house.now


def test_what_nobody_has_stopped_starts_them_too_and_pages(house: House) -> None:
    """Another run of the DAG fails by itself, and the same stop told again does not."""
    asking(house)
    house.intake.receive([stopped()], START + timedelta(minutes=1))
    assert house.incident(1).asks
    house.now = START + timedelta(minutes=2)
    house.intake.receive([failed(dag="etl", run="r2", at=house.now)], house.now)
    house.later(seconds=1)
    incident = house.incident(1)
    assert not incident.asks
    assert incident.pages == 2
    assert incident.acknowledge_by is not None


def test_a_person_who_escalates_or_raises_it_starts_them(house: House) -> None:
    asking(house)
    house.lifecycle.escalate(1, "bob", START)
    assert not house.incident(1).asks
    assert house.incident(1).level == 2


def test_a_lower_severity_starts_nothing(house: House) -> None:
    asking(house)
    house.lifecycle.set_severity(1, Severity.P4, "bob", START)
    assert house.incident(1).asks


@pytest.mark.parametrize("cause", ["code", "configuration"])
def test_a_cause_goes_to_development_at_once_with_its_words(house: House, cause: str) -> None:
    house.intake.receive([failed(dag="etl")], START)
    attempt = house.remediations.request(1, "system:triage", START).attempt
    reason = "nothing fits: etl.load: the conn_id `energy` isn't defined"
    house.remediations.end(1, attempt, RemediationState.REFUSED, reason, START, [cause, "many_dags"])
    assert house.incident(1).level == 2
    assert any("Level 2" in text and cause in text and "`energy`" in text for text in house.texts(1))
