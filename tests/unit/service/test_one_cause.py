"""One cause, one incident: what depends on what is broken stays with it, whatever comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from incident_response.domain.incidents import Status
from incident_response.domain.pipeline_signals import (
    Attempt,
    DagFacts,
    run_stuck,
    run_unstuck,
    task_failed,
    task_recovered,
)
from incident_response.domain.records import OutgoingState, Role, Sighting
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal
from incident_response.service.intake import Taken
from tests.support.house import START, House, down, failed
from tests.support.shipped import library

APIS = ("lianel-energy-service", "lianel-profile-service", "lianel-comp-ai-service", "lianel-stock-service")
CHECKS = (*APIS, "keycloak")
FILES = library()


@pytest.fixture
def house() -> House:
    return House()


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def unhealthy(service: str, house: House, firing: bool = True, source: str = "http_health") -> Signal:
    """A health check, as it stands now."""
    labels = {"alertname": "ServiceUnhealthy", "service": service}
    return Signal(source, labels, f"{service} does not answer", house.now, firing)


def opened(house: House) -> dict[int, str]:
    """The open incidents: number → service."""
    with house.store.read() as tx:
        return {row.incident.number: row.incident.service for row in tx.board(100)}


def take(house: House, *signals: Signal) -> list[Taken]:
    return [receipt.reason for receipt in house.intake.receive(signals, house.now)]


def signals(house: House, number: int, role: Role | None = None) -> list[Sighting]:
    with house.store.read() as tx:
        return [s for s in tx.sightings(number) if role is None or s.role is role]


def delivered(house: House) -> list[tuple[str, int]]:
    """(receiver, incident) of each message that went out."""
    return [(receiver, int(key.split(":")[0].removeprefix("INC-"))) for receiver, _, key in house.post.sent]


def refused(house: House, firing: bool = True) -> Signal:
    return down(firing=firing, at=house.now)


order = st.permutations(["lianel_energy", *CHECKS])


@given(order, st.data())
@settings(max_examples=40)
def test_a_database_with_five_failing_checks_is_one_incident_in_any_order(names, data) -> None:
    """One open P1 with five consequences; whatever else was opened was merged before anybody was told."""
    house = House(FILES)
    house.later()
    while names:
        at_once = data.draw(st.integers(1, len(names)))
        now, names = names[:at_once], names[at_once:]
        take(house, *(refused(house) if n == "lianel_energy" else unhealthy(n, house) for n in now))
        house.later(seconds=data.draw(st.integers(0, 4)))
    assert list(opened(house).values()) == ["lianel_energy"]
    (parent,) = opened(house)
    assert house.incident(parent).severity is Severity.P1
    assert {s.labels["service"] for s in signals(house, parent, Role.CONSEQUENCE)} == set(CHECKS)
    assert len(signals(house, parent, Role.OWN)) == 1
    assert {number for _, number in delivered(house)} == {parent}
    house.later(minutes=1)
    assert {number for _, number in delivered(house)} == {parent}
    with house.store.read() as tx:
        children = tx.recent(START, 20)
        left = [p for i in children for p in tx.parcels(i.number) if p.outgoing.channel != "airflow"]
        assert {number for number, _ in tx.merged([i.dedup_key for i in children]).values()} <= {parent}
    assert all(p.state is OutgoingState.SKIPPED for p in left)
    assert all(i.merged_into for i in children)


@given(order)
@settings(max_examples=20)
def test_all_in_one_call_are_one_incident(names) -> None:
    """As an Alertmanager sends a whole group."""
    house = House(FILES)
    take(house, *(refused(house) if n == "lianel_energy" else unhealthy(n, house) for n in names))
    assert list(opened(house).values()) == ["lianel_energy"]


def test_what_still_fires_after_its_cause_gets_its_own_incident(house: House) -> None:
    """The database is back, three checks recover, two do not: after the hold-down they are worked on."""
    take(house, refused(house), *(unhealthy(name, house) for name in CHECKS))
    house.later(minutes=2)
    take(house, refused(house, firing=False))
    take(house, *(unhealthy(name, house, firing=False) for name in CHECKS[:3]))
    assert house.incident(1).status is Status.MITIGATED
    assert list(opened(house)) == [1]
    house.later(minutes=6)
    assert house.incident(1).status is Status.RESOLVED
    # keycloak is one of the two, and the other one needs it: again one incident for both
    assert list(opened(house).values()) == ["keycloak"]
    (parent,) = opened(house)
    assert [s.labels["service"] for s in signals(house, parent, Role.CONSEQUENCE)] == [CHECKS[3]]
    assert len(signals(house, 1)) == 6
    house.later(minutes=1)
    assert {number for _, number in delivered(house)} == {1, parent}


def test_two_that_do_not_depend_on_each_other_get_two_incidents(house: House) -> None:
    """Nothing is lost, and each is paged."""
    take(house, refused(house), *(unhealthy(name, house) for name in CHECKS))
    take(house, refused(house, firing=False))
    take(house, *(unhealthy(name, house, firing=False) for name in CHECKS if name not in APIS[:2]))
    house.later(minutes=6)
    assert sorted(opened(house).values()) == sorted(APIS[:2])
    house.later(minutes=2)
    assert {number for _, number in delivered(house)} == {1, *opened(house)}
    assert {s.role for s in signals(house, 1)} == {Role.OWN, Role.CONSEQUENCE, Role.RELEASED}


def test_a_consequence_that_ended_before_is_not_looked_at_again(house: House) -> None:
    """Nothing opens for it."""
    take(house, refused(house), unhealthy("keycloak", house))
    house.now += minutes(1)
    assert take(house, unhealthy("keycloak", house, firing=False)) == [Taken.ATTACHED]
    take(house, refused(house, firing=False))
    house.later(minutes=10)
    assert opened(house) == {}


def test_an_end_told_by_another_source_ends_the_consequence(house: House) -> None:
    """The poll saw it begin, the webhook told its end: the thing is over, whoever says so."""
    take(house, refused(house), unhealthy("keycloak", house, source="prometheus"))
    house.now += minutes(1)
    take(house, unhealthy("keycloak", house, firing=False, source="alertmanager"))
    take(house, refused(house, firing=False))
    house.later(minutes=10)
    assert opened(house) == {}


def test_two_sources_may_tell_the_end_of_a_consequence_in_one_call(house: House) -> None:
    """Each of them, and one of them twice."""
    both = ("prometheus", "alertmanager")
    take(house, refused(house), *(unhealthy("keycloak", house, source=s) for s in both))
    house.now += minutes(1)
    ends = [unhealthy("keycloak", house, firing=False, source=s) for s in (*both, both[0])]
    assert take(house, *ends) == [Taken.ATTACHED] * 3
    assert [s.firing for s in signals(house, 1, Role.CONSEQUENCE)] == [False, False]


def test_a_failed_run_is_released_with_its_runbook(house: House) -> None:
    """An event does not end by itself: once the database is back, the run has to be repeated."""
    take(house, refused(house), failed("entsoe_ingestion", at=house.now))
    house.later(minutes=2)
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    (number,) = opened(house)
    incident = house.incident(number)
    assert (incident.service, incident.runbook) == ("entsoe_ingestion", "dag-failure-recovery")
    assert ("incident_response", incident.key) in house.runs.started


def test_an_event_that_goes_quiet_is_released_all_the_same(house: House) -> None:
    """`increase(...) > 0` is over after minutes; the run is as broken as before."""
    run = Signal("prometheus", {"alertname": "AirflowDAGRunFailed", "dag_id": "entsoe_ingestion"}, "x", START)
    take(house, refused(house), run)
    house.now += minutes(5)
    take(house, replace(run, firing=False, occurred_at=house.now))
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    assert list(opened(house).values()) == ["entsoe_ingestion"]


def test_a_failed_run_that_was_repeated_is_not_released(house: House) -> None:
    """Its source has looked: the same run is green."""
    run = failed("entsoe_ingestion", at=house.now)
    take(house, refused(house), run)
    house.now += minutes(5)
    take(house, replace(run, firing=False, occurred_at=house.now, details={"proof": "r1 is green"}))
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    assert opened(house) == {}


def test_what_is_worse_than_its_cause_stands_on_its_own(house: House) -> None:
    """A P1 is not hidden under a P2, in neither order."""
    for first in (0, 1):
        house = House()
        broker = Signal("prometheus", {"alertname": "RedisDown"}, "redis is down", house.now)
        worse = Signal(
            "prometheus", {"alertname": "DatabaseDown", "service": "dc-airflow-worker-1"}, "x", house.now
        )
        for signal in (broker, worse)[:: 1 if first else -1]:
            take(house, signal)
        assert sorted(opened(house).values()) == ["dc-airflow-worker-1", "dc-redis-1"]


def test_the_proxy_down_is_no_consequence_of_a_broken_api(house: House) -> None:
    """P1 beside P2."""
    take(house, unhealthy("lianel-energy-service", house))
    take(house, Signal("prometheus", {"alertname": "NginxDown"}, "nginx is down", house.now))
    assert sorted(opened(house).values()) == ["lianel-energy-service", "nginx-proxy"]


def test_a_consequence_that_gets_worse_than_its_cause_gets_its_own_incident(house: House) -> None:
    """It was kept with a P2; as a P1 it is paged."""
    take(house, unhealthy("dc-redis-1", house), unhealthy("dc-airflow-worker-1", house))
    assert list(opened(house)) == [1]
    worse = Signal(
        "prometheus", {"alertname": "DatabaseDown", "service": "dc-airflow-worker-1"}, "x", house.now
    )
    assert take(house, worse) == [Taken.OPENED]


def test_what_a_person_works_on_is_left_alone(house: House) -> None:
    """Acknowledged before the cause was seen: it stays an incident of its own."""
    take(house, unhealthy("keycloak", house))
    house.lifecycle.acknowledge(1, "operator", house.now)
    take(house, refused(house))
    assert sorted(opened(house).values()) == ["keycloak", "lianel_energy"]


def test_what_a_runbook_works_on_is_left_alone(house: House) -> None:
    """A repair that runs is not taken away."""
    take(house, failed("entsoe_ingestion"))
    house.remediations.request(1, "x", house.now, "dag-failure-recovery")
    take(house, refused(house))
    assert sorted(opened(house).values()) == ["entsoe_ingestion", "lianel_energy"]


def test_what_opened_long_before_is_no_consequence(house: House) -> None:
    """The window of services.yaml is 15 minutes."""
    take(house, unhealthy("keycloak", house))
    house.later(minutes=16)
    take(house, refused(house))
    assert sorted(opened(house).values()) == ["keycloak", "lianel_energy"]


def test_a_person_who_is_faster_than_the_gathering_keeps_the_incident(house: House, monkeypatch) -> None:
    """Acknowledged between the look and the lock."""
    take(house, unhealthy("keycloak", house))
    from incident_response.store.memory.memory_store import MemoryTransaction as Tx

    lock, raced = Tx.lock, []

    def later_lock(self, numbers) -> Any:
        found = dict(lock(self, numbers))
        if 1 in found and len(numbers) == 2 and not raced:
            raced.append(found[1])
        return {n: i.evolve(status=Status.ACKNOWLEDGED, owner="x") if n == 1 else i for n, i in found.items()}

    monkeypatch.setattr(Tx, "lock", later_lock)
    take(house, refused(house))
    monkeypatch.undo()
    assert raced
    assert house.incident(1).merged_into is None


def test_the_cause_comes_back_and_so_do_its_consequences(house: House) -> None:
    """The database flaps: the checks, which had their own incidents meanwhile, are kept with it again."""
    take(house, refused(house), unhealthy("keycloak", house))
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    (own,) = opened(house)  # keycloak, released
    house.now += minutes(1)
    take(house, unhealthy("keycloak", house, firing=False))
    house.later(minutes=6)
    assert opened(house) == {}
    assert take(house, refused(house)) == [Taken.REOPENED]
    assert take(house, unhealthy("keycloak", house)) == [Taken.ATTACHED]
    assert list(opened(house)) == [1]
    assert house.incident(own).status is Status.RESOLVED
    house.now += minutes(1)
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    assert list(opened(house).values()) == ["keycloak"], "it was forgotten the second time"


def test_consequences_that_reopen_before_their_cause_are_gathered(house: House) -> None:
    """The other order of the same."""
    take(house, refused(house), unhealthy("keycloak", house))
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    house.now += minutes(1)
    take(house, unhealthy("keycloak", house, firing=False))
    house.later(minutes=6)
    assert take(house, unhealthy("keycloak", house)) == [Taken.REOPENED]
    assert take(house, refused(house)) == [Taken.REOPENED]
    assert list(opened(house).values()) == ["lianel_energy"]


def test_a_cause_that_gets_worse_takes_in_what_was_worse_before(house: House) -> None:
    """A P3 becomes a P1: the P2 that depends on it is its consequence now."""
    slow = Signal("postgres", {"alertname": "DatabaseSlowQuery", "service": "lianel_energy"}, "slow", START)
    take(house, slow, unhealthy("keycloak", house))
    assert len(opened(house)) == 2
    house.now += minutes(1)
    take(house, replace(slow, occurred_at=house.now, details={"tagged_severity": "P1"}))
    assert {n: house.incident(n).severity for n in opened(house)} == {1: Severity.P1}


def test_one_alert_by_three_ways_is_one_incident_with_three_signals(house: House) -> None:
    """Poll, webhook and callback; poll and webhook give the same labels, so they tell of one thing."""
    labels = {"alertname": "AirflowDAGRunFailed", "dag_id": "entsoe_ingestion", "severity": "critical"}
    for source in ("prometheus", "alertmanager"):
        take(house, Signal(source, labels, "entsoe_ingestion failed", house.now))
        house.now += timedelta(seconds=5)
    take(house, failed("entsoe_ingestion", source="callback", at=house.now))
    assert list(opened(house)) == [1]
    found = signals(house, 1)
    assert sorted(s.source for s in found) == ["alertmanager", "callback", "prometheus"]
    by_source = {s.source: s.fingerprint for s in found}
    assert by_source["prometheus"] == by_source["alertmanager"] != by_source["callback"]


def test_a_storm_behind_one_dependency_is_one_incident_and_two_messages(house: House) -> None:
    """Every pipeline, table and service behind the database; a person reads two messages."""
    grouping = house.library.grouping()
    names = sorted(grouping.services.downstreams("lianel_energy"))
    storm: Sequence[Signal] = [
        Signal("loki", {"alertname": "LogErrorRate", "service": n, "instance": str(k)}, "x", house.now)
        for n in names
        for k in range(5)
    ]
    take(house, *storm[: len(storm) // 2])
    take(house, refused(house))
    house.later(seconds=5)
    take(house, *storm)
    house.later(seconds=40)
    assert list(opened(house).values()) == ["lianel_energy"]
    assert len(house.post.sent) <= 2
    assert len({s.fingerprint for s in signals(house, next(iter(opened(house))))}) == len(storm) + 1


def test_what_was_stuck_and_is_marked_failed_stays_one_incident(house: House) -> None:
    """The scan may look between the two halves of the repair. It is over when the run is green."""
    started, facts = house.now, DagFacts()
    stuck = run_stuck(
        "airflow_runs", "entsoe_ingestion", "r1", started, house.now, facts,
        limit=timedelta(hours=2), because="the limit",
    )  # fmt: skip
    assert take(house, stuck) == [Taken.OPENED]
    (number,) = opened(house)
    house.now += minutes(1)
    unstuck = run_unstuck("airflow_runs", "entsoe_ingestion", "r1", house.now, started, "it runs no more")
    attempt = Attempt("entsoe_ingestion", "r1", "load")
    take(house, task_failed("airflow_runs", attempt, house.now, facts), unstuck)
    assert list(opened(house)) == [number]
    assert house.incident(number).status is not Status.MITIGATED

    house.now += minutes(1)
    take(house, task_recovered("airflow_runs", attempt, house.now, "run r1 is green"))
    assert house.incident(number).status is Status.MITIGATED
