"""Several processes take in what belongs together, all at once: one incident, and nothing lost."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from incident_response.domain.ports import Store
from incident_response.domain.records import Role
from incident_response.domain.signals import Signal
from incident_response.service.intake import Intake
from incident_response.service.policy_book import PolicyBook
from tests.support.shipped import START, library

FILES = library()
CHECKS = [
    "keycloak",
    "lianel-energy-service",
    "lianel-profile-service",
    "lianel-comp-ai-service",
    "lianel-stock-service",
]
DAGS = [f"pipeline_{n}" for n in range(8)]


def intake(store: Store) -> Intake:
    """One process."""
    return Intake(store, FILES.rules, PolicyBook(FILES), FILES.grouping, FILES.windows)


def at_once(store: Store, signals: list[Signal], workers: int = 6) -> None:
    """Each signal in a call of its own, as many as there are workers at the same time."""
    ways = [intake(store) for _ in range(workers)]

    def send(item: tuple[int, Signal]) -> None:
        number, signal = item
        ways[number % workers].receive([signal], START + timedelta(milliseconds=number))

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(send, enumerate(signals)))


def open_services(store: Store) -> dict[int, str]:
    with store.read() as tx:
        return {row.incident.number: row.incident.service for row in tx.board(100)}


@pytest.mark.parametrize("seed", range(3))
def test_a_database_and_its_consequences_end_as_one_incident(sql_store: Store, seed: int) -> None:
    """Whoever comes first, and however often each is told."""
    down = Signal("prometheus", {"alertname": "DatabaseDown", "service": "lianel_energy"}, "down", START)
    checks = [
        Signal("http_health", {"alertname": "ServiceUnhealthy", "service": name}, name, START)
        for name in CHECKS
    ]
    signals = [down, *checks] * 3
    random.Random(seed).shuffle(signals)
    at_once(sql_store, signals)
    # What was kept with an incident in the moment in which that was merged is taken in again by the clock.
    intake(sql_store).look_again(START + timedelta(seconds=1))
    (number,) = open_services(sql_store)
    with sql_store.read() as tx:
        found = tx.sightings(number)
    assert {s.labels["service"] for s in found if s.role is Role.CONSEQUENCE} == set(CHECKS)
    assert sum(s.count for s in found) == len(signals)


@pytest.mark.parametrize("seed", range(3))
def test_pipelines_that_fail_at_once_end_as_one_incident(sql_store: Store, seed: int) -> None:
    """Eight of them, told by two sources; a happening that was dealt with is not always counted twice."""
    signals = [
        Signal(source, {"alertname": "AirflowTaskFailed", "dag_id": dag}, f"{dag} failed", START, True, dag)
        for dag in DAGS
        for source in ("callback", "listener")
    ]
    random.Random(seed).shuffle(signals)
    at_once(sql_store, signals)
    assert list(open_services(sql_store).values()) == ["several"]
    (number,) = open_services(sql_store)
    with sql_store.read() as tx:
        assert {s.labels["dag_id"] for s in tx.sightings(number) if s.firing} == set(DAGS)
