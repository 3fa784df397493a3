"""A runbook that asks first: Airflow's own form, the page, no answer; and the switch that stops them all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Asked:
    """A pipeline that has failed, and the run that waits for a person."""

    house: Deployment
    dag_id: str

    @property
    def incident(self) -> Incident:
        return self.house.until("an incident", lambda: self.house.of(self.dag_id), 90)

    @property
    def remediation(self) -> Remediation:
        (found,) = self.house.remediations(self.incident.number)
        return found

    @property
    def end(self) -> Remediation:
        """Once it has come to one."""
        ended = lambda: self.remediation if self.remediation.state.ended else None  # noqa: E731
        return self.house.until("the remediation's end", ended, 120)

    @property
    def tries(self) -> int:
        """Of the task that fails the first time."""
        return tries(self.house, self.dag_id)

    def waits(self) -> bool:
        steps = {step.step: step for step in self.house.steps(self.incident.number)}
        return "approve" in steps and steps["approve"].state is StepState.RUNNING


@dataclass(frozen=True)
class Questions:
    """All are asked at the same time; each test looks at what became of one."""

    in_airflow: Asked
    on_page: Asked
    nobody: Asked
    declined: Asked
    page: str  # as the operator saw it
    before: tuple[int, int]  # tries of the task before the two answers of yes


@pytest.fixture(scope="module")
def questions(house: Deployment) -> Questions:
    """Four pipelines fail; three of them get an answer as soon as it is asked for."""
    asked = [Asked(house, dag_id) for dag_id in ("heals_after_1", "heals_before_1", "heals_later_1", "heals")]
    for one in asked:
        house.airflow.trigger(one.dag_id, run_id="ask")
    in_airflow, on_page, nobody, declined = asked
    for one in asked:
        house.until(f"the question of {one.dag_id}", one.waits, 90)
    before = in_airflow.tries, on_page.tries
    answer_in_airflow(house, in_airflow.remediation.run_id, "Approve")
    answer_in_airflow(house, declined.remediation.run_id, "Reject")
    path = f"/incidents/{on_page.incident.number}"
    page = house.airflow.get(path, user="op").text
    answer = house.airflow.post(f"{path}/approve", user="op", data={"attempt": "1"})
    assert answer.status_code == 303, answer.text
    return Questions(in_airflow, on_page, nobody, declined, page, before)


def tries(house: Deployment, dag_id: str) -> int:
    return len(list((house.airflow.folder / "tries" / f"{dag_id}.load" / "ask").iterdir()))


def answer_in_airflow(house: Deployment, run_id: str, option: str) -> None:
    """As the form under Required Actions does, by an operator."""
    path = f"/api/v2/dags/{RUNBOOK}/dagRuns/{quote(run_id, safe='')}/taskInstances/approve/-1/hitlDetails"
    house.until("Airflow's question", lambda: house.airflow.get(path, user="op").status_code == 200, 30)
    found = house.airflow.get(path, user="op").json()
    assert "Clear 1 failed task instance and 1 cut off of " in found["body"]
    body = {"chosen_options": [option], "params_input": {}}
    house.airflow.patch(path, user="op", json=body).raise_for_status()


def expect_repaired(house: Deployment, asked: Asked) -> None:
    """Once, in the name of who approved. The scan may see the green run before the runbook proves it."""
    number = asked.incident.number
    house.until_status(number, Status.RESOLVED, timeout=120)
    assert asked.end.state is RemediationState.SUCCEEDED
    assert asked.tries == 2
    assert "op approved the plan" in house.story(number)


def test_an_operator_approves_in_airflow(house: Deployment, questions: Questions) -> None:
    """The plan is what Airflow's form shows; who said yes is in the timeline."""
    assert questions.before[0] == 1
    expect_repaired(house, questions.in_airflow)


def test_a_person_approves_on_the_page(house: Deployment, questions: Questions) -> None:
    """The page tells Airflow, and the run goes on."""
    assert questions.before[1] == 1
    assert "It waits for your approval" in questions.page
    assert f"Clear 1 failed task instance and 1 cut off of {questions.on_page.dag_id}/ask" in questions.page
    expect_repaired(house, questions.on_page)


def test_nobody_answers_in_time(house: Deployment, questions: Questions) -> None:
    """Nothing is touched, and a person is paged long before the grace for the repair is over."""
    asked = questions.nobody
    assert asked.end.state is RemediationState.REFUSED
    assert asked.end.reason.startswith("approval: ")
    house.until_level(asked.incident.number, 2, timeout=20)
    story = house.story(asked.incident.number)
    assert story.index("Level 1 Operations paged") < story.index("approval: ")  # to be asked
    assert asked.tries == 1


def test_an_operator_declines(house: Deployment, questions: Questions) -> None:
    """The same as a refusal by the guard, in that person's name."""
    asked = questions.declined
    assert asked.end.state is RemediationState.REFUSED
    assert "op declined the plan" in house.story(asked.incident.number)
    assert asked.tries == 1


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
