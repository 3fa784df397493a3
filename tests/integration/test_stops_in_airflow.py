"""What people have stopped, and what no clear can mend, on a real Airflow: it is left to people."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from incident_response.domain.incidents import Incident
from incident_response.domain.runbooks import RemediationState
from tests.integration.deployment import Deployment, deploy
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

DAGS = [Path(__file__).parent / "dags" / "stopped_pipelines.py"]
NOTE = "it floods the source"


@pytest.fixture(scope="module")
def house(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The ladder is short: Level 2 would be paged after half a minute."""
    with (
        SmtpServer() as smtp,
        deploy(
            tmp_path_factory.mktemp("stops"),
            smtp,
            database=postgres_server.create_database("stops_airflow"),
            store_url=postgres_server.create_database("stops_store"),
            policy={"acknowledge": "40 s", "page_after": "15 s", "ladder": {2: "40 s", 3: "80 s"}},
            dags=DAGS,
        ) as deployment,
    ):
        yield deployment


def start(house: Deployment, dag_id: str, run_id: str, task: str | None = None) -> None:
    """A run, whose task is at work."""
    house.airflow.wait_dag(dag_id)
    house.airflow.trigger(dag_id, run_id=run_id)
    if task:
        house.until(
            f"{task} at work", lambda: house.task_instances(dag_id, run_id)[task]["state"] == "running", 60
        )


def tries(house: Deployment, name: str) -> int:
    folder = house.airflow.folder / "tries" / name
    return len(list(folder.iterdir())) if folder.exists() else 0


def refused(house: Deployment, incident: Incident) -> str:
    """The reason with which its runbook was refused."""

    def look() -> str:
        ended = [one for one in house.remediations(incident.number) if one.state.ended]
        return ended[0].reason if ended and ended[0].state is RemediationState.REFUSED else ""

    return house.until("a refusal", look, 120)


@pytest.fixture(scope="module")
def tried() -> list[str]:
    """The tries of the first test: a second one takes other pipelines."""
    return []


def test_what_a_person_has_stopped_is_left_alone_and_the_incident_asks(
    house: Deployment, tried: list[str]
) -> None:
    """A run and a task marked failed, a DAG paused: nothing runs again, Level 1 is told, nobody else."""
    tried.append(f"by+hand+{len(tried) + 1}")
    mark, number = tried[-1], len(tried)
    run, task, paused = (f"{name}_{number}" for name in ("stopped_run", "stopped_task", "paused_by_hand"))
    # Before the others: what they have stopped holds both worker slots until it hears of it.
    start(house, paused, mark)
    house.airflow.wait_run(paused, mark, ["failed"])
    house.airflow.patch(f"/api/v2/dags/{paused}", json={"is_paused": True}).raise_for_status()
    start(house, run, mark, "flood")
    path = f"/api/v2/dags/{run}/dagRuns/{quote(mark)}"
    house.airflow.patch(path, json={"state": "failed", "note": NOTE}, user="op").raise_for_status()
    start(house, task, mark, "flood")
    path = f"/api/v2/dags/{task}/dagRuns/{quote(mark)}/taskInstances/flood"
    house.airflow.patch(path, json={"new_state": "failed", "note": NOTE}).raise_for_status()

    found, reasons = {}, {}
    for dag_id in (run, task, paused):
        incident = house.until(f"an incident of {dag_id}", lambda d=dag_id: house.of(d), 90)
        found[dag_id], reasons[dag_id] = incident.number, refused(house, incident)
    assert reasons[run].startswith(f"stopped by a person: op marked failed the run {run}/{mark} at ")
    assert f"admin marked failed the task flood of {task}/{mark} at " in reasons[task]
    assert f"stopped by a person: admin paused the DAG {paused} at " in reasons[paused]
    assert all(f"saying: {NOTE}; " in reasons[name] for name in (run, task))
    assert NOTE in house.story(found[run])

    # It failed by itself: with both slots held, its clocks may have run until the pause was found.
    told = house.incident(found[paused])
    time.sleep(45)  # the acknowledge target and the first rung of the ladder have passed
    for one in found.values():
        now = house.incident(one)
        assert now.asks, house.story(one)
        expected = (told.level, told.pages) if one == told.number else (1, 1)
        assert (now.level, now.pages) == expected, house.story(one)
        if one != told.number:
            assert set(house.mails(now.key)) == {"level1@example.com"}, house.story(one)
    assert [tries(house, name) for name in (f"{run}.flood", f"{task}.flood", f"{paused}.breaks")] == [1, 1, 1]


def test_a_run_that_was_stopped_before_a_task_began_pages_nobody(house: Deployment) -> None:
    """Nothing has failed, and nothing was begun."""
    house.airflow.wait_dag("stopped_early")
    house.airflow.patch("/api/v2/dags/stopped_early", json={"is_paused": True}).raise_for_status()
    house.airflow.trigger("stopped_early", run_id="never")
    path = "/api/v2/dags/stopped_early/dagRuns/never"
    house.airflow.patch(path, json={"state": "failed"}).raise_for_status()

    time.sleep(15)  # three scans

    assert house.of("stopped_early") is None


@pytest.mark.parametrize(
    ("dag_id", "task", "missing"),
    [
        ("missing_connection", "connect", "warehouse_that_nobody_defined"),
        ("missing_variable", "read", "variable_that_nobody_set"),
        ("missing_setting", "check", "CASE_BASE_URL"),
    ],
)
def test_what_is_missing_is_not_cleared_and_goes_to_development(
    house: Deployment, dag_id: str, task: str, missing: str
) -> None:
    """At once, and the page names it."""
    start(house, dag_id, "once")

    # Three DAGs that fail are one incident.
    def about() -> Incident | None:
        named = [
            i
            for i in house.incidents()
            if any(s.labels.get("dag_id") == dag_id for s in house.sightings(i.number))
        ]
        return named[0] if named else None

    incident = house.until("an incident", about, 90)
    house.until(
        "Level 2, told what is missing",
        lambda: any(
            "Level 2" in e.text and missing in e.text
            for i in house.incidents()
            for e in house.timeline(i.number)
        ),
        120,
    )
    reasons = [one.reason for one in house.remediations(incident.number)]
    assert all(one.startswith("nothing fits") for one in reasons), reasons
    assert tries(house, f"{dag_id}.{task}") == 1
