"""A runbook that asks first: Airflow's own form, the page, no answer; and the switch that stops them all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.runbooks import Remediation, RemediationState, StepState
from tests.integration.deployment import Deployment, deploy
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.calm, pytest.mark.timeout(300)]

RUNBOOK = "runbook_dag-failure-recovery"


@pytest.fixture(scope="module")
def house(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    guards = {"cooldown": "0 s", "attempts": 5, "approve_within": "25 s"}
    with (
        SmtpServer() as smtp,
        deploy(
            tmp_path_factory.mktemp("approvals"),
            smtp,
            database=postgres_server.create_database("approvals_airflow"),
            store_url=postgres_server.create_database("approvals_store"),
            policy={"page_after": "10 min"},
            runbook={"mode": "approve", "guards": guards},
        ) as deployment,
    ):
        yield deployment


@pytest.fixture
def turn(request: pytest.FixtureRequest) -> int:
    """1, and 2 for a second try, which needs pipelines of its own."""
    return int(getattr(request.node, "execution_count", 1))


def asked(house: Deployment, dag_id: str) -> tuple[Incident, Remediation]:
    """A pipeline fails, and its runbook waits for a person."""
    house.airflow.trigger(dag_id, run_id="ask")
    incident = house.until("an incident", lambda: house.of(dag_id), 90)

    def waits() -> bool:
        steps = {step.step: step for step in house.steps(incident.number)}
        return "approve" in steps and steps["approve"].state is StepState.RUNNING

    house.until("the question", waits, 90)
    (remediation,) = house.remediations(incident.number)
    return incident, remediation


def tries(house: Deployment, dag_id: str) -> int:
    return len(list((house.airflow.folder / "tries" / f"{dag_id}.load" / "ask").iterdir()))


def answer_in_airflow(house: Deployment, run_id: str, option: str) -> None:
    """As the form under Required Actions does, by an operator."""
    path = f"/api/v2/dags/{RUNBOOK}/dagRuns/{quote(run_id, safe='')}/taskInstances/approve/-1/hitlDetails"
    house.until("Airflow's question", lambda: house.airflow.get(path, user="op").status_code == 200, 30)
    found = house.airflow.get(path, user="op").json()
    assert "Clear 2 failed task instances of " in found["body"]
    body = {"chosen_options": [option], "params_input": {}}
    house.airflow.patch(path, user="op", json=body).raise_for_status()


def expect_repaired(house: Deployment, incident: Incident, dag_id: str) -> None:
    """Once, in the name of who approved. The scan may see the green run before the runbook proves it."""
    house.until_status(incident.number, Status.RESOLVED, timeout=120)
    ended = lambda: [one for one in house.remediations(incident.number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the remediation's end", ended, 60)
    assert remediation.state is RemediationState.SUCCEEDED
    assert tries(house, dag_id) == 2
    assert "op approved the plan" in house.story(incident.number)


def test_an_operator_approves_in_airflow(house: Deployment, turn: int) -> None:
    """The plan is what Airflow's form shows; who said yes is in the timeline."""
    dag_id = f"heals_after_{turn}"
    incident, remediation = asked(house, dag_id)
    assert tries(house, dag_id) == 1
    answer_in_airflow(house, remediation.run_id, "Approve")

    expect_repaired(house, incident, dag_id)


def test_a_person_approves_on_the_page(house: Deployment, turn: int) -> None:
    """The page tells Airflow, and the run goes on."""
    dag_id = f"heals_before_{turn}"
    incident, _ = asked(house, dag_id)
    page = house.airflow.get(f"/incidents/{incident.number}", user="op").text
    assert "It waits for your approval" in page
    assert f"Clear 2 failed task instances of {dag_id}/ask" in page
    answer = house.airflow.post(f"/incidents/{incident.number}/approve", user="op", data={"attempt": "1"})
    assert answer.status_code == 303, answer.text

    expect_repaired(house, incident, dag_id)


def test_nobody_answers_in_time(house: Deployment, turn: int) -> None:
    """Nothing is touched, and a person is paged long before the grace for the repair is over."""
    dag_id = f"heals_later_{turn}"
    incident, _ = asked(house, dag_id)
    house.until_level(incident.number, 1, timeout=20)  # to be asked
    ended = lambda: [one for one in house.remediations(incident.number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the remediation's end", ended, 120)
    assert remediation.state is RemediationState.REFUSED
    assert remediation.reason.startswith("approval: ")
    house.until_level(incident.number, 2, timeout=20)
    assert tries(house, dag_id) == 1


def test_an_operator_declines(house: Deployment, turn: int) -> None:
    """The same as a refusal by the guard, in that person's name."""
    dag_id = ("heals", "heals_too")[turn - 1]
    incident, remediation = asked(house, dag_id)
    answer_in_airflow(house, remediation.run_id, "Reject")
    ended = lambda: [one for one in house.remediations(incident.number) if one.state.ended]  # noqa: E731
    house.until("the remediation's end", ended, 120)
    assert house.remediations(incident.number)[0].state is RemediationState.REFUSED
    assert "op declined the plan" in house.story(incident.number)
    assert tries(house, dag_id) == 1


def test_a_variable_of_airflow_stops_all_automation(house: Deployment) -> None:
    """Not even a person is asked."""
    variable = {"key": "incident_automation", "value": "off"}
    house.airflow.post("/api/v2/variables", json=variable).raise_for_status()
    house.airflow.trigger("never_heals", run_id="ask")
    incident = house.until("an incident", lambda: house.of("never_heals"), 90)
    house.until_level(incident.number, 1, timeout=90)
    (remediation,) = house.remediations(incident.number)
    assert remediation.state is RemediationState.REFUSED
    assert remediation.reason == (
        "kill switch: an Airflow variable has switched automation off: incident_automation = off"
    )
    time.sleep(1)
    assert len(list((house.airflow.folder / "tries" / "never_heals.broken" / "ask").iterdir())) == 1
