"""Many that fail at once are one incident; it is over when all of them are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incident_response.domain.incidents import Status
from incident_response.domain.records import OutgoingState
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import Signal
from incident_response.service.intake import Taken
from tests.support.house import UNREACHED, House, failed

from .test_one_cause import FILES, delivered, opened, signals, take

DAGS = ("stock_service_heartbeat", "comp_ai_daily", "airflow_service_health_check", "weekly_report")


@pytest.fixture
def house() -> House:
    return House(FILES)


def fail(house: House, *dags: str) -> list[Taken]:
    return take(house, *(failed(dag, at=house.now) for dag in dags))


def green(house: House, *dags: str) -> list[Taken]:
    """The runs were repeated, and their source has looked."""
    proof = {"proof": "the same run is green"}
    return take(house, *(replace(failed(d, at=house.now), firing=False, details=proof) for d in dags))


def broken(house: House, services: Iterable[str]) -> list[Taken]:
    labels = [{"alertname": "ContainerDown", "service": service} for service in services]
    return take(house, *(Signal("docker", one, "is down", house.now) for one in labels))


def test_two_failing_pipelines_are_two_incidents(house: House) -> None:
    """Each P3."""
    fail(house, *DAGS[:2])
    assert sorted(opened(house).values()) == sorted(DAGS[:2])


@given(st.permutations(DAGS[:3]), st.data())
def test_three_failing_pipelines_are_one_p2_in_any_order(dags, data) -> None:
    """In one call, or minutes apart; those that were opened are merged, nothing is lost."""
    house = House(FILES)
    while dags:
        count = data.draw(st.integers(1, len(dags)))
        fail(house, *dags[:count])
        dags = dags[count:]
        house.later(minutes=data.draw(st.integers(0, 6)))
    (number,) = opened(house)
    incident = house.incident(number)
    assert (incident.severity, incident.scenario, incident.service) == (
        Severity.P2,
        Scenario.DAG_FAILURE,
        "several",
    )
    assert incident.title == "3 pipelines fail together"
    assert incident.runbook == "dag-failure-recovery"
    assert {s.labels["dag_id"] for s in signals(house, number)} == set(DAGS[:3])


def test_over_more_than_a_quarter_of_an_hour_they_are_three(house: House) -> None:
    """The first one is too long ago."""
    for dag in DAGS[:3]:
        fail(house, dag)
        house.later(minutes=8)
    assert sorted(opened(house).values()) == sorted(DAGS[:3])


def test_three_tries_of_one_pipeline_are_one_incident(house: House) -> None:
    """Different ones are counted, not failures."""
    for attempt in (1, 2, 3):
        take(house, failed(DAGS[0], attempt=attempt))
    assert list(opened(house).values()) == [DAGS[0]]


def test_a_fourth_one_joins(house: House) -> None:
    """Minutes later: counted, no new incident, nobody is told again."""
    fail(house, *DAGS[:3])
    house.later(minutes=2)
    sent = len(house.post.sent)
    fail(house, DAGS[3])
    house.later(minutes=2)
    (number,) = opened(house)
    assert len(signals(house, number)) == 4
    assert len(house.post.sent) == sent
    assert DAGS[3] in " ".join(house.texts(number))


def test_the_umbrella_is_over_when_all_are_green(house: House) -> None:
    """The one that joined late is one of all."""
    fail(house, *DAGS[:3])
    house.later(minutes=2)
    fail(house, DAGS[3])
    (number,) = opened(house)
    for dag in DAGS:
        house.later(minutes=1)
        assert house.incident(number).status is Status.TRIGGERED, dag
        green(house, dag)
    assert house.incident(number).status is Status.MITIGATED
    house.later(minutes=10)
    assert house.incident(number).status is Status.RESOLVED
    assert opened(house) == {}


def test_one_that_only_went_quiet_is_not_green(house: House) -> None:
    """Prometheus tells no more of it: the umbrella waits for its proof."""
    alert = Signal("prometheus", {"alertname": "AirflowDAGRunFailed", "dag_id": DAGS[0]}, "x", house.now)
    take(house, alert)
    fail(house, *DAGS[1:3])
    (number,) = opened(house)
    house.later(minutes=5)
    take(house, replace(alert, firing=False, occurred_at=house.now))
    green(house, *DAGS[1:3])
    assert house.incident(number).status is Status.TRIGGERED
    house.later(minutes=1)
    green(house, DAGS[0])
    assert house.incident(number).status is Status.MITIGATED


def test_later_failures_of_a_member_stay_with_the_umbrella(house: House) -> None:
    """Of one that was merged, and of one that joined; also when the umbrella takes in no new ones."""
    fail(house, *DAGS[:3])
    house.later(minutes=2)
    fail(house, DAGS[3])
    (number,) = opened(house)
    house.later(minutes=20)
    again = [failed(dag, attempt=2, at=house.now) for dag in DAGS]
    assert take(house, *again) == [Taken.COUNTED] * 4
    assert list(opened(house)) == [number]


def test_a_member_after_the_umbrella_is_over_is_an_incident_of_its_own(house: House) -> None:
    """The key is free again."""
    fail(house, *DAGS[:3])
    (number,) = opened(house)
    house.lifecycle.resolve(number, "operator", house.now)
    house.later(minutes=90)
    assert take(house, failed(DAGS[0], run="r2", at=house.now)) == [Taken.OPENED]


def test_an_umbrella_takes_in_only_for_a_while(house: House) -> None:
    """What fails an hour later has another reason."""
    fail(house, *DAGS[:3])
    house.later(minutes=16)
    fail(house, DAGS[3])
    assert sorted(opened(house).values()) == ["several", DAGS[3]]


def test_what_a_person_works_on_is_left_alone(house: House) -> None:
    """Two and an acknowledged one are no umbrella; with a third one it stays outside."""
    fail(house, DAGS[0])
    house.lifecycle.acknowledge(1, "operator", house.now)
    fail(house, *DAGS[1:3])
    assert len(opened(house)) == 3
    fail(house, DAGS[3])
    assert sorted(opened(house).values()) == sorted(["several", DAGS[0]])


def test_what_a_runbook_works_on_is_left_alone(house: House) -> None:
    """A repair that runs is not taken away."""
    fail(house, DAGS[0])
    house.remediations.request(1, "x", house.now, "dag-failure-recovery")
    fail(house, *DAGS[1:])
    assert sorted(opened(house).values()) == sorted(["several", DAGS[0]])


def test_what_is_worse_is_never_hidden(house: House) -> None:
    """A P1 pipeline, by its own tag, beside the umbrella of three others."""
    take(house, failed(DAGS[0], at=house.now, tagged_severity="P1"))
    fail(house, *DAGS[1:])
    assert sorted(opened(house).values()) == sorted(["several", DAGS[0]])


def test_members_messages_are_not_sent(house: House) -> None:
    """Within the half minute that a pipeline waits before anybody is told."""
    for dag in DAGS[:3]:
        fail(house, dag)
        house.later(seconds=9)
    house.later(minutes=15)
    (number,) = opened(house)
    assert {n for _, n in delivered(house)} == {number}
    with house.store.read() as tx:
        left = [p for n in (1, 2, 3) for p in tx.parcels(n) if p.outgoing.channel != "airflow"]
    assert all(p.state is OutgoingState.SKIPPED for p in left)


def test_a_storm_of_services_is_one_incident_and_two_messages(house: House) -> None:
    """Twenty-five containers at once: a page, and a notice to the stakeholders."""
    broken(house, [f"container-{n}" for n in range(25)])
    house.later(minutes=5)
    assert list(opened(house).values()) == ["several"]
    assert len(house.post.sent) == 2
    broken(house, [f"late-{n}" for n in range(10)])
    (number,) = opened(house)
    assert len(signals(house, number)) == 35


def test_a_storm_is_over_when_every_service_is_back(house: House) -> None:
    """One of them a failed run, which needs its proof; it is green first."""
    names = [f"container-{n}" for n in range(20)]
    broken(house, names)
    fail(house, DAGS[0])
    (number,) = opened(house)
    house.later(minutes=2)
    green(house, DAGS[0])
    ends = [{"alertname": "ContainerDown", "service": name} for name in names]
    take(house, *(Signal("docker", labels, "is back", house.now, False) for labels in ends))
    assert house.incident(number).status is Status.MITIGATED


def test_a_mitigated_umbrella_that_gets_a_new_member_is_not_mitigated(house: House) -> None:
    """Its hold-down would end although something fails."""
    fail(house, *DAGS[:3])
    house.later(minutes=2)
    green(house, *DAGS[:3])
    (number,) = opened(house)
    assert house.incident(number).status is Status.MITIGATED
    house.later(minutes=1)
    fail(house, DAGS[3])
    assert house.incident(number).status is Status.TRIGGERED
    house.later(minutes=10)
    assert house.incident(number).status is Status.TRIGGERED


def test_a_pipeline_behind_the_database_is_a_consequence_and_no_member(house: House) -> None:
    """The deeper cause wins."""
    names = (
        "entsoe_ingestion",
        "eurostat_harmonization",
        "osm_feature_extraction_v2",
        "nuts_boundary_update",
    )
    take(house, *(failed(dag, at=house.now, message=UNREACHED) for dag in names[:3]))
    assert list(opened(house).values()) == ["several"]
    house.now += timedelta(seconds=5)
    labels = {"alertname": "DatabaseDown", "service": "lianel_energy"}
    take(house, Signal("postgres", labels, "refuses connections", house.now))
    assert take(house, failed(names[3], at=house.now, message=UNREACHED)) == [Taken.ATTACHED]


def test_a_worse_one_that_comes_under_an_umbrella_pages_again(house: House) -> None:
    """Also after somebody has acknowledged the lesser trouble; the umbrella keeps its own title."""
    fail(house, *DAGS[:3])
    house.later(minutes=1)
    (number,) = opened(house)
    house.lifecycle.acknowledge(number, "ann", house.now)
    before, title = len(house.post.sent), house.incident(number).title
    house.lifecycle.set_severity(number, Severity.P3, "ann", house.now)
    fail(house, DAGS[3])
    take(house, failed(DAGS[0], task="more", at=house.now, tagged_severity="P1"))
    house.later(seconds=1)
    assert (house.incident(number).severity, house.incident(number).title) == (Severity.P1, title)
    assert any(":page:" in key for _, _, key in house.post.sent[before:])
