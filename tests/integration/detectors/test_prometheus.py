"""Rules and metrics of a real Prometheus become incidents."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_response.detectors.prometheus import PrometheusDetector
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.incidents import Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.sources.prometheus import PrometheusSource
from tests.support.exporter import Exporter
from tests.support.looking import Looking
from tests.support.patterns import other_than
from tests.support.prometheus import Prometheus
from tests.support.waiting import wait_for

pytestmark = pytest.mark.integration

RULES: list[dict[str, Any]] = [
    {
        "alert": "DatabaseConnectionFailure",
        "expr": "db_up == 0",
        "labels": {"severity": "critical", "component": "database"},
        "annotations": {
            "summary": "{{ $labels.service }} refuses connections",
            "description": "postgresql://app:hunter2@db/energy does not answer",
        },
    },
    {"alert": "RedisDown", "expr": "redis_up == 0", "for": "1h", "labels": {"severity": "critical"}},
    {
        "alert": "AirflowDAGRunFailed",
        "expr": "increase(dag_failures[4s]) > 0",
        "labels": {"severity": "warning", "component": "airflow"},
    },
    {"alert": "ContainerDown", "expr": "container_up == 0", "labels": {"severity": "critical"}},
]


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    """What Prometheus scrapes."""
    with Exporter() as exporter:
        yield exporter


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, exporter: Exporter) -> Iterator[Prometheus]:
    """One for all tests; each uses metrics of its own."""
    with Prometheus(tmp_path_factory.mktemp("prometheus"), RULES, exporter=exporter) as server:
        yield server


def looking(server: Prometheus, **fields: Any) -> Looking:
    """At that server. It was just started, so `settle` is off."""
    source = PrometheusSource.model_validate(
        {"kind": "prometheus", "name": "platform", "settle": "0 s", **fields}
    )
    return Looking(PrometheusDetector(source, lambda _: server.connection))


def only(name: str) -> list[dict[str, str]]:
    """Ignore everything else."""
    return [{"alertname": other_than(name)}]


class TestRules:
    """Alerting rules."""

    def test_a_rule_that_fires_opens_an_incident_and_one_that_clears_mitigates_it(
        self, server: Prometheus, exporter: Exporter
    ) -> None:
        """The hold-down without a new signal then resolves it."""
        watched = looking(server, ignore=only("DatabaseConnectionFailure"))
        exporter.set("db_up", 0, service="lianel_energy")
        server.wait_until("DatabaseConnectionFailure", "firing")
        (signal,) = watched.look()
        opened = watched.incident()
        assert (opened.severity, opened.scenario, opened.service) == (
            Severity.P1,
            Scenario.DATABASE,
            "lianel_energy",
        )
        assert (opened.runbook, opened.title) == (
            "database-maintenance",
            "lianel_energy refuses connections",
        )
        assert signal.labels["job"] == "test"
        assert "hunter2" not in str(signal.details)
        assert watched.look() == []

        exporter.set("db_up", 1, service="lianel_energy")
        server.wait_until("DatabaseConnectionFailure", None)
        (quiet,) = watched.look()
        assert (quiet.firing, quiet.fingerprint) == (False, signal.fingerprint)
        assert watched.incident().status is Status.MITIGATED
        watched.house.later(minutes=5, seconds=1)
        assert watched.incident().status is Status.RESOLVED

    def test_a_pending_alert_is_not_told(self, server: Prometheus, exporter: Exporter) -> None:
        """Its condition is true, but not for long enough."""
        exporter.set("redis_up", 0)
        server.wait_until("RedisDown", "pending")
        assert looking(server, ignore=only("RedisDown")).look() == []

    def test_an_event_that_goes_quiet_resolves_nothing(self, server: Prometheus, exporter: Exporter) -> None:
        """`increase(…) > 0` ends minutes after a failure that nobody has fixed."""
        watched = looking(server, ignore=only("AirflowDAGRunFailed"))
        exporter.set("dag_failures", 0, dag_id="entsoe_ingestion")
        metric = {"query": 'dag_failures{dag_id="entsoe_ingestion"}'}
        wait_for(lambda: server.get("/api/v1/query", **metric)["data"]["result"], "the metric is scraped")
        exporter.set("dag_failures", 1, dag_id="entsoe_ingestion")
        server.wait_until("AirflowDAGRunFailed", "firing")
        watched.look()
        opened = watched.incident()
        assert (opened.severity, opened.service, opened.runbook) == (
            Severity.P2,
            "entsoe_ingestion",
            "dag-failure-recovery",
        )
        server.wait_until("AirflowDAGRunFailed", None)
        (quiet,) = watched.look()
        assert not quiet.firing
        assert watched.incident().status is Status.TRIGGERED


class TestQueries:
    """Conditions of our own."""

    def test_a_condition_fires_for_each_series_beyond_its_limit(
        self, server: Prometheus, exporter: Exporter
    ) -> None:
        """Only after it held for long enough; it ends when the value is back."""
        exporter.set("queue_length", 42, pool="default_pool")
        exporter.set("queue_length", 3, pool="small")
        query = {
            "name": "AirflowHighTaskQueueLength",
            "query": "queue_length",
            "above": 20,
            "for": "1 min",
            "severity": "warning",
            "labels": {"component": "airflow", "service": "airflow"},
            "summary": "{pool} has too many tasks waiting",
        }
        watched = looking(server, alerts=False, queries=[query])
        wait_for(
            lambda: len(server.get("/api/v1/query", query="queue_length")["data"]["result"]) == 2, "scraped"
        )
        assert watched.look() == []
        assert watched.look(seconds=50) == []
        (signal,) = watched.look(seconds=61)
        assert signal.summary == "default_pool has too many tasks waiting: 42 > 20"
        assert signal.labels == {
            "alertname": "AirflowHighTaskQueueLength",
            "severity": "warning",
            "component": "airflow",
            "service": "airflow",
            "pool": "default_pool",
            "job": "test",
            "instance": f"127.0.0.1:{exporter.port}",
        }
        opened = watched.incident()
        assert (opened.severity, opened.scenario, opened.runbook) == (
            Severity.P3,
            Scenario.PERFORMANCE,
            "performance-troubleshooting",
        )
        exporter.set("queue_length", 0, pool="default_pool")
        wait_for(lambda: watched.look(seconds=62), "quiet")
        assert watched.incident().status is Status.MITIGATED

    def test_a_query_with_an_error_leaves_the_others_alone(
        self, server: Prometheus, exporter: Exporter
    ) -> None:
        """It is told as blindness when it fails again and again, with the words of Prometheus."""
        exporter.set("lag_seconds", 90)
        good = {"name": "HighLag", "query": "lag_seconds", "above": 60}
        broken = {"name": "Broken", "query": "sum(lag_seconds", "above": 1}
        watched = looking(server, alerts=False, queries=[broken, good])
        wait_for(lambda: server.get("/api/v1/query", query="lag_seconds")["data"]["result"], "scraped")
        assert [signal.name for signal in watched.look()] == ["HighLag"]
        assert watched.look() == []
        (blind,) = watched.look()
        assert (blind.name, watched.incident().service) == ("DetectorFailing", "platform")
        assert "query Broken" in blind.summary
        assert "parse error" in blind.details["error"]

    def test_nan_and_a_metric_that_is_not_there_do_not_fire(self, server: Prometheus) -> None:
        """Nothing is known of them."""
        queries = [
            {"name": "Nan", "query": "vector(0) / 0", "below": 1},
            {"name": "Gone", "query": "no_such_metric", "below": 1},
            {"name": "Scalar", "query": "scalar(vector(1)) / 0", "above": 1},
        ]
        (signal,) = looking(server, alerts=False, queries=queries).look()
        assert (signal.name, signal.details["value"]) == ("Scalar", "inf")


def test_a_restart_of_prometheus_resolves_nothing(tmp_path: Path) -> None:
    """Its list is empty until the rules are evaluated again; nobody is told that all is well."""
    slow = [{"alert": "ContainerDown", "expr": "vector(1)", "labels": {"service": "keycloak"}}]
    server = Prometheus(tmp_path, slow)
    watched = looking(server, settle="2 min")
    with server:
        server.wait_until("ContainerDown", "firing")
        assert [signal.firing for signal in watched.look()] == [True]
    (tmp_path / "rules.yml").write_text('{"groups": []}')  # as long as they are not evaluated
    with server:
        assert server.states() == {}
        assert watched.look() == []
        assert [signal.firing for signal in watched.look(minutes=3)] == [False]


def test_a_prometheus_that_is_down_is_an_error_that_tells_what_to_check(tmp_path: Path) -> None:
    """Nothing is taken for resolved then."""
    server = Prometheus(tmp_path)
    with pytest.raises(SourceUnavailable) as caught:
        looking(server).look()
    assert str(caught.value) == (
        f"platform: {server.url} cannot be reached ([Errno 111] Connection refused); check that it runs, "
        "and the connection 'incident_response_prometheus'"
    )
