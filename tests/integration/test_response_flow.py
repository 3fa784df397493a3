"""From a failing pipeline to its report, on a real Airflow: healed by itself, or handed to people on time."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
from collections.abc import Iterator

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.runbooks import RemediationState
from tests.integration.deployment import Deployment, deploy
from tests.support.postgres import PostgresServer
from tests.support.smtp import SmtpServer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def house(postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Two slots, everything in PostgreSQL; people get a minute of grace, then ten to acknowledge."""
    with (
        SmtpServer() as smtp,
        deploy(
            tmp_path_factory.mktemp("flow"),
            smtp,
            database=postgres_server.create_database("flow_airflow"),
            store_url=postgres_server.create_database("flow_store"),
            policy={"page_after": "60 s"},
        ) as deployment,
    ):
        yield deployment


@pytest.fixture(scope="module")
def healed() -> list[str]:
    """The pipeline that the first test has healed: a second try of it takes another one."""
    return []


def test_a_pipeline_that_failed_once_is_healed_by_itself(house: Deployment, healed: list[str]) -> None:
    """Detected, repaired, verified, resolved, reported; nobody was woken, only what had failed ran again."""
    healed.append(f"heals_after_{len(healed) + 1}")
    dag_id = healed[-1]
    slots = Slots(house)
    house.airflow.trigger(dag_id, run_id="flow+1")

    incident = house.until("an incident", lambda: house.of(dag_id), 90)
    house.until_status(incident.number, Status.RESOLVED, timeout=120)
    house.airflow.wait_run("incident_response", incident.key)

    # The scan may see the green run, and resolve the incident, before the runbook has said its last word.
    ended = lambda: [one for one in house.remediations(incident.number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the remediation's end", ended)
    assert remediation.state is RemediationState.SUCCEEDED
    assert remediation.reason == f"1 run green: {dag_id}/flow+1"
    assert house.airflow.wait_run(dag_id, "flow+1")["state"] == "success"
    tries = house.airflow.folder / "tries"
    assert len(list((tries / f"{dag_id}.extract" / "flow+1").iterdir())) == 1
    assert len(list((tries / f"{dag_id}.load" / "flow+1").iterdir())) == 2
    assert house.mails(incident.key) == []
    states = {
        name: ti["state"] for name, ti in house.task_instances("incident_response", incident.key).items()
    }
    assert states == {"triage": "success", "runbook": "success", "resolution": "success", "report": "success"}
    levels = house.airflow.wait_run("incident_escalation", incident.key)
    assert levels["state"] == "success"
    assert incident.key in house.airflow.task_logs("incident_response", incident.key)
    evidence = "".join(path.read_text() for path in house.evidence(incident.key))
    assert "hunter2" not in evidence + house.story(incident.number)
    assert "upstream answered 504" in evidence
    assert slots.longest_of_ours() < 8, slots.held
    print(f"seconds after the failure: {_milestones(house, incident.number)}")
    print(f"longest stay in a worker slot: {slots.longest_of_ours():.1f} s")


def test_of_a_mapped_task_only_the_failed_indexes_run_again(house: Deployment) -> None:
    """Four countries, two failed: one incident, and the other two are not repeated."""
    house.airflow.trigger("maps", run_id="mapped")

    incident = house.until("an incident", lambda: house.of("maps"), 90)
    house.until_status(incident.number, Status.RESOLVED, timeout=120)

    tries = [
        len(list((house.airflow.folder / "tries" / f"maps.country-{n}" / "mapped").iterdir()))
        for n in range(4)
    ]
    assert tries == [2, 1, 2, 1]


def test_a_failure_in_a_run_that_airflow_calls_a_success_is_repaired(house: Deployment) -> None:
    """Found, cleared with what ran behind it, proven; nobody was asked, because nothing acts on others."""
    house.airflow.trigger("tidies_up", run_id="green")

    incident = house.until("an incident", lambda: house.of("tidies_up"), 90)
    house.until_status(incident.number, Status.RESOLVED, timeout=120)

    ended = lambda: [one for one in house.remediations(incident.number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the remediation's end", ended)
    assert remediation.reason == "1 run green: tidies_up/green"
    states = {name: ti["state"] for name, ti in house.task_instances("tidies_up", "green").items()}
    assert states == {"work": "success", "tidy": "success"}
    tries = house.airflow.folder / "tries"
    assert [len(list((tries / f"tidies_up.{task}" / "green").iterdir())) for task in states] == [2, 2]
    assert house.mails(incident.key) == []


def test_trouble_that_comes_back_is_left_to_people(house: Deployment, healed: list[str]) -> None:
    """The next run of a healed pipeline fails: reopened, runs of its own, no second repair by itself."""
    dag_id = healed[-1]
    incident = house.of(dag_id)
    assert incident is not None
    assert incident.status is Status.RESOLVED
    house.airflow.trigger(dag_id, run_id="flow+2")

    house.until("a second remediation", lambda: len(house.remediations(incident.number)) == 2, 90)
    house.until_level(incident.number, 1, timeout=90)

    def refused() -> bool:
        return house.remediations(incident.number)[1].state is RemediationState.REFUSED

    house.until("a refusal", refused, 90)
    assert "flapping" in house.remediations(incident.number)[1].reason
    assert house.airflow.wait_run(dag_id, "flow+2", ["failed"])
    assert house.task_instances("incident_response", f"{incident.key}-2")["triage"]["state"] == "success"


@pytest.mark.parametrize(
    ("dag_id", "run_id", "gone"),
    [
        ("no_such_dag", "some_run", "no_such_dag does not exist in Airflow any more"),
        ("holds_all_slots", "a_deleted_run", "holds_all_slots/a_deleted_run does not exist any more"),
    ],
    ids=["DAG", "run"],
)
def test_a_run_that_is_gone_is_named_and_goes_to_people(
    house: Deployment, dag_id: str, run_id: str, gone: str
) -> None:
    """Deleted between failure and repair: refused, and who is on call is told what is not there any more."""
    labels = {"dag_id": dag_id, "run_id": run_id, "task_id": "t", "map_index": "-1"}
    number = house.open(dag_id, "P3", alertname="AirflowTaskFailed", **labels)

    ended = lambda: [one for one in house.remediations(number) if one.state.ended]  # noqa: E731
    (remediation,) = house.until("the refusal", ended, 90)
    assert remediation.state is RemediationState.REFUSED
    assert gone in remediation.reason
    house.until_level(number, 1, timeout=90)
    assert f"refused: {remediation.reason}" in house.story(number)


def test_what_cannot_be_repaired_goes_to_development(house: Deployment) -> None:
    """The repair is tried once and proves nothing: Level 2 is paged at once, long before its time."""
    house.airflow.trigger("never_heals", run_id="bug")

    incident = house.until("an incident", lambda: house.of("never_heals"), 90)
    house.until_level(incident.number, 2, timeout=120)

    (remediation,) = house.remediations(incident.number)
    assert remediation.state is RemediationState.FAILED
    assert remediation.reason == "Not repaired: never_heals/bug: broken has failed again, in try 2"
    assert len(list((house.airflow.folder / "tries" / "never_heals.broken" / "bug").iterdir())) == 2
    house.until("two mails", lambda: len(house.mails(incident.key)) >= 2)
    assert set(house.mails(incident.key)) == {"level1@example.com", "level2@example.com"}
    house.airflow.wait_run("runbook_dag-failure-recovery", remediation.run_id, ["failed"])


def test_a_paused_pipeline_is_not_cleared_and_the_reason_is_told(house: Deployment) -> None:
    """Its tasks would wait for ever."""
    house.airflow.trigger("heals_too", run_id="paused")
    house.airflow.wait_run("heals_too", "paused", ["failed"])
    house.airflow.patch("/api/v2/dags/heals_too", json={"is_paused": True}).raise_for_status()

    incident = house.until("an incident", lambda: house.of("heals_too"), 90)
    house.until_level(incident.number, 1, timeout=120)

    (remediation,) = house.remediations(incident.number)
    assert remediation.state is RemediationState.REFUSED
    assert "airflow dags unpause heals_too" in remediation.reason
    assert house.airflow.wait_run("heals_too", "paused", ["failed"])["state"] == "failed"


@pytest.mark.parametrize(
    ("conf", "words"), [({}, "names no incident"), ({"incident": 99999}, "no incident INC-99999")]
)
def test_a_run_without_a_known_incident_fails_at_once_and_does_nothing(
    house: Deployment, conf: dict[str, int], words: str
) -> None:
    """Somebody pressed the button in Airflow's UI."""
    before = len(house.incidents())
    for dag_id in ("incident_response", "incident_escalation"):
        run_id = house.airflow.trigger(dag_id, conf)
        house.airflow.wait_run(dag_id, run_id, ["failed"])
        assert words in house.airflow.task_logs(dag_id, run_id)
    assert len(house.incidents()) == before


def test_a_runbook_started_by_hand_asks_for_a_remediation_in_the_persons_name(house: Deployment) -> None:
    """The form takes the incident's number; the guard is the same, and so is the naming."""
    incident = house.of("never_heals")
    assert incident is not None
    before = len(house.remediations(incident.number))

    run_id = house.airflow.trigger("runbook_dag-failure-recovery", {"incident": incident.number})

    house.airflow.wait_run("runbook_dag-failure-recovery", run_id, ["success"])
    asked = house.remediations(incident.number)[before:]
    assert [(one.requested_by, one.run_id) for one in asked] == [
        ("admin", f"{incident.key}-dag-failure-recovery-{before + 1}")
    ]


def test_the_drill_started_from_airflows_form_does_not_touch_real_trouble(house: Deployment) -> None:
    """It would wait ten seconds, call that a proof, and resolve it."""
    incident = house.of("never_heals")
    assert incident is not None

    run_id = house.airflow.trigger("runbook_drill", {"incident": incident.number})

    house.airflow.wait_run("runbook_drill", run_id, ["failed"])
    assert "drill is for exercises only" in house.airflow.task_logs("runbook_drill", run_id)
    assert "drill" not in {one.runbook for one in house.remediations(incident.number)}


def _milestones(house: Deployment, number: int) -> dict[str, float]:
    failed_at = house.sightings(number)[0].first_at
    words = {
        "opened": "failed in try",
        "asked": "requested",
        "looked": "failed task instance",
        "cleared": "Cleared ",
        "verified": "succeeded: ",
        "resolved": "run green",
    }
    found = {}
    for event in house.timeline(number):
        for name, word in words.items():
            if word in event.text:
                found[name] = round((event.at - failed_at).total_seconds(), 1)
    return found


class Slots:
    """Samples which task instances hold worker slots."""

    def __init__(self, house: Deployment) -> None:
        self.house = house
        self.held: dict[tuple[str, str, str], float] = defaultdict(float)
        self._end = False
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def longest_of_ours(self) -> float:
        """Seconds for which a task of ours was running, at most."""
        self._end = True
        self._thread.join()
        return max(
            (s for (dag, *_), s in self.held.items() if dag.startswith(("incident_", "runbook_"))), default=0
        )

    def _sample(self) -> None:
        before, running = time.monotonic(), []
        while not self._end:
            with contextlib.suppress(
                Exception
            ):  # the API server may be busy: the next sample counts for both
                running = self.house.running()
            now = time.monotonic()
            for key in running:
                self.held[key] += now - before
            before = now
            time.sleep(0.4)
