"""What failed by its own witness is worked on by itself; only what names the open cause is its consequence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from incident_response.domain.incidents import Status
from incident_response.domain.records import Role
from incident_response.domain.signals import Signal
from incident_response.domain.timeline import EventKind
from incident_response.service.intake import Taken
from tests.support.house import UNREACHED, House, failed

from .test_one_cause import FILES, delivered, opened, refused, signals, take, unhealthy


@pytest.fixture
def house() -> House:
    return House(FILES)


def exited(service: str, house: House) -> Signal:
    """As Docker tells it."""
    labels = {"alertname": "ContainerDown", "container": service, "service": service}
    details = {"exit_code": 1, "evidence": "hard"}
    return Signal("docker", labels, f"Container {service} exited with code 1", house.now, details=details)


def counter(dag: str, house: House) -> Signal:
    """Prometheus counts failures, and knows nothing of a reason."""
    labels = {"alertname": "AirflowDAGRunFailed", "dag_id": dag}
    return Signal("prometheus", labels, f"{dag} failed", house.now)


def linked(house: House, number: int) -> list[Any]:
    with house.store.read() as tx:
        return [e.data["linked"] for e in tx.timeline(number) if e.kind is EventKind.LINKED]


@pytest.mark.parametrize("first", ["cause", "failure", "together"])
def test_a_container_that_exited_is_paged_beside_the_database_and_linked_to_it(
    house: House, first: str
) -> None:
    """In any order; the health check of the same service is no reason to hide it."""
    name = "lianel-comp-ai-service"
    told = [refused(house), exited(name, house), unhealthy(name, house)]
    order = {"cause": [[0], [1, 2]], "failure": [[1, 2], [0]], "together": [[0, 1, 2]]}[first]
    for places in order:
        take(house, *(told[place] for place in places))
    house.later(minutes=10)
    numbers = {service: number for number, service in opened(house).items()}
    assert numbers.keys() == {"lianel_energy", name}
    assert {number for _, number in delivered(house)} == set(numbers.values())
    assert linked(house, numbers[name]) == [numbers["lianel_energy"]]
    assert linked(house, numbers["lianel_energy"]) == [numbers[name]]
    assert house.incident(numbers[name]).runbook == "service-restart"


def test_a_health_check_behind_the_database_is_still_its_consequence(house: House) -> None:
    """Until the container exits: then it is an incident by itself."""
    name = "lianel-comp-ai-service"
    take(house, refused(house))
    assert take(house, unhealthy(name, house)) == [Taken.ATTACHED]
    house.now += timedelta(minutes=1)
    assert take(house, exited(name, house)) == [Taken.OPENED]


@pytest.mark.parametrize(
    "details",
    [
        {"message": "KeyError: 'country'"},
        {"message": 'connection to server at "ftp.example.com", port 5432 failed: Connection refused'},
        {"message": "HTTPSConnectionPool(host='web-api.tp.entsoe.eu', port=443): Max retries exceeded"},
        {"message": "FATAL: password authentication failed for user postgres"},
        {},
    ],
)
def test_a_task_that_does_not_name_the_database_is_repaired_by_itself(house: House, details: Any) -> None:
    """Its own error, or none: while the database's incident is open."""
    take(house, refused(house))
    assert take(house, failed("entsoe_ingestion", at=house.now, **details)) == [Taken.OPENED]
    assert linked(house, 2) == [1]
    house.later(minutes=5)
    assert ("incident_response", "INC-2") in house.runs.started


@pytest.mark.parametrize(
    "details",
    [
        {"message": UNREACHED},
        {
            "message": 'connection to server at "127.0.0.1", port 5432 failed: FATAL:  sorry, too many clients already'
        },
        {
            "exception": "AirflowException",
            "message": "load failed",
            "caused_by": f"OperationalError: {UNREACHED}",
        },
        {
            "exception": "OperationalError",
            "message": "Verbindung zum Server auf »172.18.0.1«, Port 5432 fehlgeschlagen: Verbindungsaufbau abgelehnt "
            "(psycopg2.OperationalError)",
        },
    ],
)
def test_a_task_that_names_the_database_is_its_consequence_and_repaired_after_it(
    house: House, details: Any
) -> None:
    """Nobody is paged for it; when the database is back, its runbook starts."""
    take(house, refused(house))
    assert take(house, failed("entsoe_ingestion", at=house.now, **details)) == [Taken.ATTACHED]
    house.later(minutes=2)
    assert {number for _, number in delivered(house)} == {1}
    take(house, refused(house, firing=False))
    house.later(minutes=6)
    (number,) = opened(house)
    assert house.incident(number).service == "entsoe_ingestion"
    assert ("incident_response", house.incident(number).key) in house.runs.started


def test_an_alert_that_counts_failures_goes_where_the_failure_goes(house: House) -> None:
    """Before it or after it: one that says nothing does not make an incident of its own."""
    task = failed("entsoe_ingestion", at=house.now, message=UNREACHED)
    take(house, refused(house))
    assert take(house, task) == [Taken.ATTACHED]
    assert take(house, counter("entsoe_ingestion", house)) == [Taken.ATTACHED]

    other = House(FILES)
    take(other, refused(other))
    assert take(other, counter("entsoe_ingestion", other)) == [Taken.OPENED]
    other.now += timedelta(seconds=5)
    take(other, replace(task, occurred_at=other.now))
    assert list(opened(other).values()) == ["lianel_energy"]
    assert len(signals(other, 1, Role.CONSEQUENCE)) == 2
    other.later(minutes=2)
    assert {number for _, number in delivered(other)} == {1}


def test_one_task_of_two_with_an_error_of_its_own_is_enough(house: House) -> None:
    """The run needs more than the database."""
    take(house, failed("entsoe_ingestion", "load", at=house.now, message=UNREACHED))
    take(house, failed("entsoe_ingestion", "parse", at=house.now, message="KeyError: 'country'"))
    take(house, refused(house))
    assert sorted(opened(house).values()) == ["entsoe_ingestion", "lianel_energy"]


def test_an_old_acknowledged_incident_swallows_nothing_new(house: House) -> None:
    """Open since yesterday: a failure, a symptom, each is told, and linked."""
    take(house, refused(house))
    house.lifecycle.acknowledge(1, "operator", house.now)
    house.now += timedelta(hours=20)
    assert take(house, failed("entsoe_ingestion", at=house.now, message=UNREACHED)) == [Taken.OPENED]
    assert take(house, unhealthy("keycloak", house)) == [Taken.OPENED]
    assert linked(house, 2) == linked(house, 3) == [1]


def test_a_p4_about_a_rule_is_the_cause_of_nothing(house: House) -> None:
    """Not even of another P4."""
    minor = Signal("x", {"alertname": "MinorIssue", "service": "dc-redis-1"}, "a rule is wrong", house.now)
    take(house, minor)
    assert take(house, unhealthy("airflow", house)) == [Taken.OPENED]
    low = Signal("x", {"alertname": "MinorIssue", "service": "dc-airflow-worker-1"}, "x", house.now)
    assert take(house, low) == [Taken.OPENED]


def test_with_the_database_down_there_is_one_incident_and_linked_evidence(house: House) -> None:
    """The platform's whole picture: checks, latency, tasks that name it, and one container that exited."""
    take(house, unhealthy("keycloak", house), unhealthy("lianel-comp-ai-service", house))
    take(house, refused(house))
    take(house, unhealthy("lianel-profile-service", house), unhealthy("airflow", house))
    take(
        house,
        *(failed(d, at=house.now, message=UNREACHED) for d in ("entsoe_ingestion", "data_quality_check")),
    )
    take(house, exited("lianel-stock-service", house))
    house.later(minutes=3)
    numbers = {service: number for number, service in opened(house).items()}
    assert numbers.keys() == {"lianel_energy", "lianel-stock-service"}
    assert linked(house, numbers["lianel-stock-service"]) == [numbers["lianel_energy"]]
    assert house.incident(numbers["lianel-stock-service"]).status is Status.TRIGGERED
