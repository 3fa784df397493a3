"""An exercise goes the whole way, and no real incident has anything to do with it."""

from __future__ import annotations

from typing import Any

from incident_response.actions.check_wait import Wait
from incident_response.actions.kit import Kit
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.runbooks import Phase, RemediationState
from incident_response.domain.signals import Signal
from incident_response.parameters.registry import checked
from incident_response.service.running import Running
from tests.support.house import House


def drill(house: House, service: str = "keycloak", severity: str = "P3") -> int:
    """As the command does it."""
    labels = {"alertname": "Drill", "exercise": "true", "service": service, "severity": severity}
    labels["begun"] = house.now.isoformat()
    signal = Signal("exercise", labels, f"{service} is said to be down", house.now)
    (receipt,) = house.intake.receive([signal], house.now)
    assert receipt.incident
    return receipt.incident


def down(house: House, service: str, severity: str = "P2") -> int:
    labels = {"alertname": "ContainerDown", "service": service, "severity": severity}
    (receipt,) = house.intake.receive([Signal("docker", labels, f"{service} is down", house.now)], house.now)
    assert receipt.incident
    return receipt.incident


def run_the_runbook(house: House, number: int) -> RemediationState:
    """The tasks of its DAG, each asked again every few seconds."""
    nothing: Any = None
    kit = Kit(lambda _: None, nothing, nothing, nothing, lambda: house.now)
    running = Running(
        house.store, house.remediations, house.library.runbook, lambda _: Wait(kit), checked, nothing
    )
    with house.store.read() as tx:
        (asked,) = tx.remediations(number)

    def job() -> Any:
        return running.job(number, asked.run_id)

    for step in job().runbook.of(Phase.DIAGNOSE):
        while running.await_(job(), step, house.now)[0] is None:
            house.later(seconds=3)
    while running.check(job(), None, house.now)[0] is None:
        house.later(seconds=3)
    return running.conclude(job(), None, house.now).state


def open_ones(house: House) -> list[Incident]:
    with house.store.read() as tx:
        return [row.incident for row in tx.board(100)]


def test_an_exercise_runs_its_runbook_and_resolves_after_the_hold_down() -> None:
    """With the words EXERCISE wherever its title is."""
    house = House()
    number = drill(house)
    opened = house.incident(number)
    assert opened.title == "EXERCISE: keycloak is said to be down"
    assert (opened.service, opened.runbook, opened.severity.value) == ("exercise keycloak", "drill", "P3")
    assert opened.labels["exercise"] == "true"
    house.remediations.request(number, "system:triage", house.now)
    house.later(seconds=1)
    assert ("runbook_drill", f"INC-{number}-drill-1") in house.runs.started

    assert run_the_runbook(house, number) is RemediationState.SUCCEEDED
    assert house.incident(number).status is Status.MITIGATED
    house.later(seconds=61)
    assert house.incident(number).status is Status.RESOLVED
    assert "EXERCISE" in house.review.report(number)


def test_an_exercise_pages_and_climbs_when_its_runbook_does_not_run() -> None:
    """As any other: the message says that it is one."""
    house = House()
    number = drill(house, severity="P1")
    house.later(minutes=16)
    assert house.post.sent
    assert all("EXERCISE" in subject for _, subject, _ in house.post.sent)
    house.later(hours=3)
    assert house.incident(number).level > 1


def test_nothing_real_is_gathered_with_an_exercise() -> None:
    """The database is practised with: what depends on it opens incidents of its own, in either order."""
    house = House()
    before = down(house, "lianel-energy-service")
    exercise = drill(house, "lianel_energy", "P1")
    after = down(house, "lianel-profile-service")
    house.later(minutes=1)
    assert {i.number for i in open_ones(house)} == {before, exercise, after}


def test_an_exercise_is_no_consequence_of_something_real() -> None:
    """The real trouble would hide it."""
    house = House()
    real = down(house, "lianel_energy", "P1")
    exercise = drill(house)
    house.later(minutes=1)
    assert {i.number for i in open_ones(house)} == {real, exercise}


def test_exercises_make_no_storm_and_real_ones_do_not_take_them_in() -> None:
    """Nineteen in real trouble are one too few, exercises or not; the twentieth makes the storm."""
    house = House()
    for number in range(19):
        down(house, f"container-{number}")
    exercises = {drill(house, f"practice-{number}") for number in range(3)}
    assert len(open_ones(house)) == 19 + 3
    down(house, "container-19")
    (storm,) = (i for i in open_ones(house) if i.number not in exercises)
    assert storm.title == "Storm: 20 alerts at once"
    late = drill(house, "later")
    assert exercises | {storm.number, late} == {i.number for i in open_ones(house)}
