"""A plan waits for a person: it is shown as it is, and one word decides."""

from __future__ import annotations

from typing import Any

import pytest

from incident_response.domain.errors import AirflowUnavailable
from incident_response.domain.runbooks import StepResult, StepState
from incident_response.service.remediation import APPROVE
from tests.web.conftest import VIEWER, House
from tests.web.reading import part

RUNBOOK = "dag-failure-recovery"


@pytest.fixture
def told(house: House, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What Airflow was told."""
    said: list[tuple[str, Any]] = []
    patch = lambda path, body: said.append((path, body))  # noqa: E731
    monkeypatch.setattr(house.services.airflow, "patch", patch)
    return said


@pytest.fixture
def number(house: House) -> int:
    """An incident whose runbook waits with its plan."""
    number, store = house.open(), house.services.store
    house.services.remediations.request(number, "system:triage", house.now, RUNBOOK)
    entries = [{"target": "dag:a", "text": "Clear <load> of a", "data": {}}]
    plan = StepResult(
        number, 1, "plan", StepState.DONE, house.now, "Plan: …", {"steps": {"clear": entries}},
        ended_at=house.now,
    )  # fmt: skip
    with store.transaction() as tx:
        tx.put_step(plan)
        tx.put_step(StepResult(number, 1, APPROVE, StepState.RUNNING, house.now))
    return number


def state(house: House, number: int) -> str:
    with house.services.store.read() as tx:
        return str(tx.remediations(number)[0].state.value)


def test_the_plan_is_shown_as_it_is_and_escaped(house: House, number: int) -> None:
    shown = part(house, number, "remediation")
    assert "It waits for your approval" in shown
    assert "<li>Clear &lt;load&gt; of a <span" in shown


def test_yes_names_the_person_and_tells_airflow_once(house: House, number: int, told: Any) -> None:
    """A second word changes nothing."""
    assert house.press(f"{number}/approve", attempt="1").status_code == 303
    (path, body) = told[0]
    assert path == (
        f"/dags/runbook_{RUNBOOK}/dagRuns/INC-{number}-{RUNBOOK}-1/taskInstances/approve/-1/hitlDetails"
    )
    assert body["chosen_options"] == ["Approve"]
    assert any("operator approved the plan" in text for text in house.texts(number))
    assert "It waits for your approval" not in part(house, number, "remediation")

    before = house.texts(number)
    assert house.press(f"{number}/decline", attempt="1").status_code == 303
    assert house.texts(number) == before
    assert state(house, number) == "requested"


def test_a_second_word_does_not_contradict_the_first_in_airflow(house: House, number: int, told: Any) -> None:
    """Whatever the second button was, Airflow hears what the store has."""
    house.press(f"{number}/approve", attempt="1")
    house.press(f"{number}/decline", attempt="1")
    assert {tuple(body["chosen_options"]) for _, body in told} == {("Approve",)}


def test_no_ends_it_as_refused_and_pages(house: House, number: int, told: Any) -> None:
    with house.services.store.read() as tx:
        before = sum(p.outgoing.template == "incident_notification" for p in tx.parcels(number))
    house.press(f"{number}/decline", attempt="1")
    assert state(house, number) == "refused"
    assert told[0][1]["chosen_options"] == ["Reject"]
    house.later(seconds=1)
    house.services.clock.fire_due(house.now, "clock@test")
    with house.services.store.read() as tx:
        pages = [p for p in tx.parcels(number) if p.outgoing.template == "incident_notification"]
    assert len(pages) > before


def test_the_word_is_kept_while_airflow_is_away(house: House, number: int, monkeypatch: Any) -> None:
    def away(path: str, body: Any) -> None:
        raise AirflowUnavailable("the API server is away")

    monkeypatch.setattr(house.services.airflow, "patch", away)
    assert house.press(f"{number}/approve", attempt="1").status_code == 303
    assert any("operator approved the plan" in text for text in house.texts(number))


def test_a_viewer_decides_nothing(house: House, number: int, told: Any) -> None:
    assert house.press(f"{number}/approve", VIEWER, attempt="1").status_code == 403
    assert not told


@pytest.mark.parametrize("attempt", ["", "x", "9", "9999999"])
def test_an_attempt_that_there_is_not_is_refused(house: House, number: int, told: Any, attempt: str) -> None:
    assert house.press(f"{number}/approve", attempt=attempt).status_code in (404, 409, 422)
    assert not told
