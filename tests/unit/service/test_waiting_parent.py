"""A parent that waits for a run of another DAG: the other is the cause, in whatever order they are seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from incident_response.detectors.dag_edges import edges
from incident_response.domain.incidents import Incident
from incident_response.domain.pipeline_signals import Attempt, DagFacts, run_failed, task_failed
from incident_response.domain.records import Role
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal
from incident_response.domain.waiting import named_by
from tests.support.house import START, House
from tests.unit.detectors.test_dag_edges import graph

SOON = START + timedelta(seconds=3)


class Nested(House):
    """grand starts parent, parent starts child; the graph of Airflow's own page says so."""

    ARROWS = (
        ("dag:grand", "trigger:grand:parent:start"),
        ("trigger:grand:parent:start", "dag:parent"),
        ("dag:parent", "trigger:parent:child:start"),
        ("trigger:parent:child:start", "dag:child"),
    )

    def __init__(self) -> None:
        super().__init__()
        known = self.library.grouping().with_edges(edges(graph(*self.ARROWS)))
        self.intake._grouping = self.intake.gathering._grouping = lambda: known


@pytest.fixture
def house() -> House:
    return Nested()


def failure(dag: str, waits_for: str = "", task: str = "start", tag: str = "") -> Signal:
    said = {"dag_id": waits_for, "run_id": "r1"} if waits_for else None
    facts = DagFacts.of([tag] if tag else [])
    return task_failed("listener", Attempt(dag, "r1", task), START, facts, waits_for=said)


def open_(house: House) -> list[Incident]:
    with house.store.read() as tx:
        return [row.incident for row in tx.board(100)]


def roles(house: House, incident: Incident) -> dict[str, Role]:
    with house.store.read() as tx:
        return {s.labels["dag_id"]: s.role for s in tx.sightings(incident.number)}


CHILD, PARENT, GRAND = failure("child"), failure("parent", "child"), failure("grand", "parent")
ORDERS: Sequence[Sequence[Sequence[Signal]]] = (
    [[CHILD], [PARENT], [GRAND]],  # as they fail, told one by one
    [[PARENT, CHILD, GRAND]],  # by one poll
    [[GRAND], [PARENT], [CHILD]],  # the child's own word was lost, and comes last
    [[PARENT], [GRAND, CHILD]],
)


@pytest.mark.parametrize("calls", ORDERS)
def test_the_child_is_the_cause_and_all_that_waited_are_its_consequences(
    house: House, calls: Sequence[Sequence[Signal]]
) -> None:
    """One incident, one page."""
    for number, signals in enumerate(calls):
        house.intake.receive(signals, START + timedelta(seconds=number))
    (incident,) = open_(house)
    assert incident.service == "child"
    expected = {"child": Role.OWN, "parent": Role.CONSEQUENCE, "grand": Role.CONSEQUENCE}
    assert roles(house, incident) == expected


def test_what_a_dags_own_callback_says_of_the_parents_run_opens_nothing(house: House) -> None:
    """It comes seconds later and names no task; the task has spoken already."""
    house.intake.receive([CHILD], START)
    house.intake.receive([PARENT], SOON)
    said = run_failed("callback", "parent", "r1", SOON, DagFacts(), reason="a task failed")
    house.intake.receive([said], SOON)
    (incident,) = open_(house)
    assert incident.service == "child"


def test_one_source_that_knows_what_it_waited_for_is_enough(house: House) -> None:
    """The scan may not be told what the worker knew of the very same task."""
    house.intake.receive([CHILD], START)
    house.intake.receive([PARENT], SOON)
    house.intake.receive([replace(failure("parent"), source="airflow_runs")], SOON)
    (incident,) = open_(house)
    assert incident.service == "child"


def test_a_parent_that_fails_by_itself_stands_alone(house: House) -> None:
    """It only started the child, or failed in a task of its own: neither hides the other."""
    house.intake.receive([CHILD], START)
    house.intake.receive([failure("parent", task="load")], SOON)
    assert sorted(i.service for i in open_(house)) == ["child", "parent"]


def test_a_parent_that_also_failed_by_itself_stands_alone(house: House) -> None:
    """One task waited in vain, another one broke: that has to be repaired in its own right."""
    house.intake.receive([CHILD], START)
    house.intake.receive([PARENT, failure("parent", task="load")], SOON)
    assert sorted(i.service for i in open_(house)) == ["child", "parent"]


def test_a_parent_that_is_worse_gives_its_severity_to_the_child(house: House) -> None:
    """The child of a critical pipeline is critical."""
    house.intake.receive([CHILD], START)
    house.intake.receive([failure("parent", "child", tag="P2")], SOON)
    (incident,) = open_(house)
    assert (incident.service, incident.severity) == ("child", Severity.P2)


def test_nothing_of_it_is_forgotten_when_the_parent_is_told_of_again(house: House) -> None:
    """A parent that was merged stays a consequence."""
    house.intake.receive([PARENT], START)
    house.intake.receive([CHILD], SOON)
    again = replace(PARENT, occurrence="parent/r1/start/-1/2", occurred_at=SOON)
    house.intake.receive([again], SOON)
    (incident,) = open_(house)
    assert roles(house, incident)["parent"] is Role.CONSEQUENCE


def test_what_waited_is_named_only_by_what_fires() -> None:
    """A failure that is over explains nothing."""
    assert named_by([PARENT]) == {"child"}
    assert named_by([replace(PARENT, firing=False)]) == frozenset()
    assert named_by([PARENT, failure("parent", task="load")]) == frozenset()
