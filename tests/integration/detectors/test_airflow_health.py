"""Airflow's own health, seen in a real Airflow whose parts are killed, through the real intake."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from contextlib import closing
from datetime import datetime, timezone
from typing import Any

import psycopg2
import pytest

from incident_response.detectors.airflow_health import AirflowHealthDetector
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import Signal
from incident_response.sources.airflow_health import AirflowHealthSource
from tests.integration.detectors.airflow_under_test import ON_AIRFLOW, api
from tests.support.airflow import Airflow
from tests.support.house import House
from tests.support.postgres import PostgresServer

_BEATING = ("scheduler", "triggerer", "dag-processor")

pytestmark = [pytest.mark.integration, ON_AIRFLOW]


class Watch:
    """A detector that looks again and again, and the house that takes in what it says."""

    def __init__(self, airflow: Airflow, **fields: Any) -> None:
        source = {"name": "airflow", "kind": "airflow_health", "heartbeat_late": "5 s", **fields}
        self.detector = AirflowHealthDetector(AirflowHealthSource.model_validate(source), api(airflow))
        self.cursor: Mapping[str, Any] = {}
        self.house = House()

    def look(self) -> list[Signal]:
        now = datetime.now(timezone.utc)
        seen = self.detector.poll(json.loads(json.dumps(self.cursor)), now)
        self.cursor = seen.cursor or {}
        self.house.intake.receive(seen.signals, now)
        return list(seen.signals)

    def until(self, name: str, *, firing: bool) -> Signal:
        """The signal of this name, once it is told."""
        return self.until_all([name], firing=firing)[name]

    def until_all(self, names: Collection[str], *, firing: bool, seconds: float = 45) -> dict[str, Signal]:
        """The signals of these names, once all are told."""
        told: dict[str, Signal] = {}
        deadline = time.monotonic() + seconds
        while not told.keys() >= set(names):
            assert time.monotonic() < deadline, f"after {seconds} s only {list(told)} of {list(names)}"
            told |= {signal.name: signal for signal in self.look() if signal.firing is firing}
            time.sleep(0.3)
        return told

    def incident(self, service: str) -> Incident:
        with self.house.store.read() as tx:
            [found] = [row.incident for row in tx.board(100) if row.incident.service == service]
        return found


@pytest.fixture
def watch(airflow: Airflow) -> Watch:
    return Watch(airflow, services={"scheduler": "dc-airflow-scheduler-1"})


def until_quiet(watch: Watch) -> None:
    """Until nothing fires or resolves: what an earlier test left behind is over."""
    deadline = time.monotonic() + 45
    while watch.look() or watch.cursor["firing"]:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_killed_scheduler_is_an_outage_until_it_is_back(airflow: Airflow, watch: Watch) -> None:
    """SIGKILL: heartbeats end, after seconds there is a P2; the next heartbeat ends it."""
    until_quiet(watch)
    airflow.kill("scheduler")

    signal = watch.until("AirflowSchedulerDown", firing=True)

    service = "dc-airflow-scheduler-1"
    assert signal.labels == {
        "alertname": "AirflowSchedulerDown",
        "service": service,
        "component": "airflow",
    }
    assert "no sign of life for" in signal.summary
    incident = watch.incident(service)
    assert (incident.severity, incident.scenario) == (Severity.P2, Scenario.SERVICE_OUTAGE)
    assert incident.runbook == "service-restart"

    airflow.start("scheduler")
    watch.until("AirflowSchedulerDown", firing=False)
    assert watch.incident(service).status is Status.MITIGATED


def test_components_that_die_together_are_told_apart(airflow: Airflow, watch: Watch) -> None:
    """Each is a service of its own."""
    until_quiet(watch)
    airflow.kill("triggerer")
    airflow.kill("dag-processor")
    dead = {"AirflowTriggererDown": "airflow-triggerer", "AirflowDagProcessorDown": "airflow-dag-processor"}

    watch.until_all(dead, firing=True)

    for service in dead.values():
        incident = watch.incident(f"dc-{service}-1")  # the container, as the shipped map of services has it
        assert (incident.severity, incident.runbook) == (Severity.P2, "service-restart")
    airflow.start("triggerer", "dag-processor")
    watch.until_all(dead, firing=False)


def test_a_killed_api_server_is_told_by_what_does_not_need_it(airflow: Airflow, watch: Watch) -> None:
    """The detector also runs from the command line."""
    until_quiet(watch)
    airflow.kill("api-server")

    signal = watch.until("AirflowApiServerDown", firing=True)

    assert signal.labels["service"] == "airflow-api-server"
    assert "ConnectError" in signal.summary
    airflow.start("api-server")
    watch.until("AirflowApiServerDown", firing=False)
    assert watch.incident("airflow-api-server").status is Status.MITIGATED


def test_tasks_that_wait_for_a_narrow_pool(airflow: Airflow) -> None:
    """Three tasks, one slot: one incident, whose three findings end with the waiting."""
    watch = Watch(airflow, queued_longer="2 s", queue_length=2)
    release = airflow.folder / "release_narrow"
    airflow.post("/api/v2/pools", json={"name": "narrow", "slots": 1}).raise_for_status()
    airflow.unpause("narrow")
    run = airflow.trigger("narrow")

    starved = watch.until("AirflowPoolStarved", firing=True)

    assert starved.labels["pool"] == "narrow"
    assert starved.summary.startswith("Pool narrow has none of its 1 slots free and 2 tasks wait for it")
    assert starved.details["running"] == 1
    incident = watch.incident("airflow")
    assert (incident.severity, incident.scenario) == (Severity.P3, Scenario.PERFORMANCE)
    assert incident.runbook == "performance-troubleshooting"
    with watch.house.store.read() as tx:
        assert {seen.labels["alertname"] for seen in tx.sightings(incident.number)} == {
            "AirflowPoolStarved",
            "AirflowTasksQueuedTooLong",
            "AirflowHighTaskQueueLength",
        }

    airflow.patch("/api/v2/dags/narrow", json={"is_paused": True}).raise_for_status()
    watch.until("AirflowPoolStarved", firing=False)  # a paused DAG's tasks wait for a person
    assert watch.incident("airflow").status is Status.MITIGATED

    airflow.patch("/api/v2/dags/narrow", json={"is_paused": False}).raise_for_status()
    watch.until("AirflowTasksQueuedTooLong", firing=True)
    release.touch()
    airflow.wait_run("narrow", run)
    watch.until("AirflowTasksQueuedTooLong", firing=False)


def test_a_metadata_database_that_is_away(
    airflow: Airflow, watch: Watch, postgres_server: PostgresServer
) -> None:
    """The API server still answers, and says so."""
    until_quiet(watch)
    name = airflow.database_url.rpartition("/")[2]
    for component in _BEATING:
        airflow.kill(component)
    with closing(psycopg2.connect(postgres_server.url().replace("+psycopg2", ""))) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
            )
            try:
                signal = watch.until("AirflowMetadatabaseDown", firing=True)
            finally:
                cursor.execute(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")

    assert signal.labels["service"] == "airflow-metadatabase"
    assert watch.incident("airflow-metadatabase").severity is Severity.P1  # a database failure
    airflow.start(*_BEATING)
    watch.until("AirflowMetadatabaseDown", firing=False)
