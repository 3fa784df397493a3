"""A parent that waits for a run of another DAG, in a real Airflow: the child is repaired, then the parent.

What started a run is never repeated: a second run would ingest the data twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import Role
from tests.integration.deployment import Deployment, deploy
from tests.support import REPOSITORY
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

PIPELINES = REPOSITORY / "tests" / "integration" / "dags" / "waiting_pipelines.py"
ROWS = "/api/v2/dags/{}/dagRuns"


@pytest.fixture(scope="module")
def house(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Slots for a whole family: a parent that waits in a worker must not hold up what it waits for."""
    with (
        SmtpServer() as smtp,
        deploy(
            tmp_path_factory.mktemp("waiting"),
            smtp,
            database=postgres_server.create_database("waiting_airflow"),
            store_url=postgres_server.create_database("waiting_store"),
            policy={"page_after": "60 s"},
            dags=[PIPELINES],
            parallelism=6,
        ) as deployment,
    ):
        for dag_id in ("grand_plain", "starts_nothing", "produces", "consumes"):
            deployment.airflow.wait_dag(dag_id)
        yield deployment


def lines(house: Deployment, name: str) -> int:
    path = house.airflow.folder / "lines" / name
    return len(path.read_text().splitlines()) if path.exists() else 0


def states(house: Deployment, dag_id: str) -> list[str]:
    rows = house.airflow.get(ROWS.format(dag_id)).json()["dag_runs"]
    return [row["state"] for row in rows]


def repaired(house: Deployment, service: str) -> Incident:
    incident = house.until(f"an incident of {service}", lambda: house.of(service), 90)
    return house.until_status(incident.number, Status.RESOLVED, timeout=150)


def roles(house: Deployment, incident: Incident) -> dict[str, Role]:
    return {s.labels["dag_id"]: s.role for s in house.sightings(incident.number)}


@pytest.mark.parametrize("kind", ["pinned", "deferred", "reset"])
def test_the_child_is_repaired_and_the_parent_goes_on_with_that_run(house: Deployment, kind: str) -> None:
    """Whatever the task that waits is called, and however its run is named."""
    house.airflow.trigger(f"parent_{kind}", run_id="waits+1")

    incident = repaired(house, f"child_{kind}")

    story = house.story(incident.number)
    assert (states(house, f"child_{kind}"), states(house, f"parent_{kind}")) == (["success"], ["success"]), (
        story
    )
    assert lines(house, f"ingested_{kind}") == 1
    assert lines(house, f"published_{kind}") == 1
    assert lines(house, f"cleaned_{kind}") == 2, "what ran behind it in vain has run again"
    assert roles(house, incident) == {f"child_{kind}": Role.OWN, f"parent_{kind}": Role.CONSEQUENCE}
    start = house.task_instances(f"parent_{kind}", "waits+1")["start_child"]
    assert (start["state"], start["try_number"]) == ("success", 1)
    assert f"its run child_{kind}/" in start["note"]
    assert f"Set start_child of parent_{kind}/waits+1 to success, not repeated: its run" in story
    assert house.of(f"parent_{kind}") is None
    assert house.mails(incident.key) == []


def test_of_a_mapped_task_only_the_index_whose_run_failed_is_set_to_success(house: Deployment) -> None:
    """The other one has ended well by itself; each index has a run of its own, and there are no others."""
    house.airflow.trigger("parent_mapped", run_id="waits+1")

    incident = repaired(house, "child_mapped")

    story = house.story(incident.number)
    assert states(house, "child_mapped") == ["success", "success"], story
    assert states(house, "parent_mapped") == ["success"], story
    assert (lines(house, "ingested_mapped"), lines(house, "published_mapped")) == (2, 1)
    path = f"{ROWS.format('parent_mapped')}/waits+1/taskInstances".replace("+", "%2B")
    rows = house.airflow.get(path).json()["task_instances"]
    notes = [row["note"] for row in rows if row["task_id"] == "start_child"]
    assert sorted("Not repeated" in (note or "") for note in notes) == [False, True]


def test_a_grand_parent_goes_on_after_the_parent(house: Deployment) -> None:
    """Level by level, in one incident, and nobody is called."""
    house.airflow.trigger("grand_plain", run_id="waits+1")

    incident = repaired(house, "child_plain")

    family = ("child_plain", "parent_plain", "grand_plain")
    story = house.story(incident.number)
    assert [states(house, dag_id) for dag_id in family] == [["success"]] * 3, story
    assert lines(house, "ingested_plain") == 1
    assert [house.of(dag_id) for dag_id in family[1:]] == [None, None]
    assert house.mails(incident.key) == []


def test_a_parent_waits_for_the_person_who_repairs_the_child(house: Deployment) -> None:
    """Nobody else reports that child: the parent's own runbook waits, and goes on by itself."""
    house.airflow.trigger("parent_private", run_id="waits+1")
    incident = house.until("an incident of parent_private", lambda: house.of("parent_private"), 90)
    waits = "parent_private/waits+1 waits for its run child_private/"
    said = lambda: [step for step in house.steps(incident.number) if step.text.startswith(waits)]  # noqa: E731
    house.until("a runbook that waits", said, 90)
    assert house.task_instances("parent_private", "waits+1")["start_child"]["state"] == "failed"

    (child,) = house.airflow.get(ROWS.format("child_private")).json()["dag_runs"]
    body = {"dry_run": False, "dag_run_id": child["dag_run_id"], "only_failed": True, "reset_dag_runs": True}
    path = "/api/v2/dags/child_private/clearTaskInstances"
    house.airflow.post(path, json=body).raise_for_status()

    house.until_status(incident.number, Status.RESOLVED, timeout=150)
    assert states(house, "parent_private") == ["success"], house.story(incident.number)
    assert (lines(house, "ingested_private"), lines(house, "published_private")) == (1, 1)


def test_when_the_child_cannot_be_repaired_the_parent_is_left_alone(house: Deployment) -> None:
    """People are called for the child; nothing in the parent was touched."""
    house.airflow.trigger("parent_lost", run_id="waits+1")
    incident = house.until("an incident of child_lost", lambda: house.of("child_lost"), 90)

    house.until_level(incident.number, 2, timeout=150)

    assert states(house, "child_lost") == ["failed"]
    instances = house.task_instances("parent_lost", "waits+1")
    assert (instances["start_child"]["state"], instances["publish"]["state"]) == ("failed", "upstream_failed")
    assert lines(house, "cleaned_lost") == 1
    assert house.of("parent_lost") is None


def test_one_that_could_not_start_a_run_is_a_task_like_any_other(house: Deployment) -> None:
    """There is no run that could be taken for its work: it is cleared, tried again, and people are called."""
    house.airflow.trigger("starts_nothing", run_id="waits+1")
    incident = house.until("an incident of starts_nothing", lambda: house.of("starts_nothing"), 90)

    house.until_level(incident.number, 2, timeout=150)

    assert house.task_instances("starts_nothing", "waits+1")["start_child"]["try_number"] == 2
    assert lines(house, "unlucky") == 0


def test_a_plan_names_the_consumers_that_it_wakes(house: Deployment) -> None:
    """For the first time here, because the producer had failed: it is only told."""
    house.airflow.trigger("produces", run_id="makes+1")

    incident = repaired(house, "produces")

    plan = [step for step in house.steps(incident.number) if step.step == "plan"][-1]
    assert "consumes" in str(plan.data["steps"]["clear"])
    house.until("the consumer's run", lambda: states(house, "consumes") == ["success"], 60)
    assert lines(house, "consumed") == 1
