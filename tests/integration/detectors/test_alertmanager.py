"""Alerts, silences and inhibitions of a real Alertmanager."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from incident_response.detectors.alertmanager import AlertmanagerDetector
from incident_response.detectors.prometheus import PrometheusDetector
from incident_response.domain.errors import SourceUnavailable
from incident_response.domain.incidents import Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.sources.alertmanager import AlertmanagerSource
from incident_response.sources.prometheus import PrometheusSource
from tests.support.exporter import Exporter
from tests.support.looking import Looking
from tests.support.patterns import other_than
from tests.support.prometheus import Alertmanager, Prometheus
from tests.support.waiting import wait_for

pytestmark = pytest.mark.integration

INHIBIT = {
    "source_matchers": ["alertname = NginxDown"],
    "target_matchers": ["behind = nginx"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """One for all tests; each has a service of its own."""
    with Alertmanager(tmp_path_factory.mktemp("alertmanager"), [INHIBIT]) as server:
        yield server


def looking(server: Alertmanager, *services: str, **fields: Any) -> Looking:
    """At the alerts of these services. The server was just started, so `settle` is off."""
    ignore = [{"service": other_than(*services)}]
    source = AlertmanagerSource.model_validate(
        {"kind": "alertmanager", "name": "alertmanager", "settle": "0 s", "ignore": ignore, **fields}
    )
    return Looking(AlertmanagerDetector(source, lambda _: server.connection))


class TestAlerts:
    """What fires and what ends."""

    def test_an_alert_opens_an_incident_and_its_end_mitigates_it(self, server: Alertmanager) -> None:
        """The hold-down without a new signal then resolves it."""
        labels = {"alertname": "ContainerDown", "service": "keycloak", "severity": "critical"}
        watched = looking(server, "keycloak")
        server.tell(**labels)
        server.wait_until("ContainerDown", "active")
        (signal,) = watched.look()
        assert signal.labels == labels
        assert signal.summary == "told by a test"
        opened = watched.incident()
        assert (opened.severity, opened.scenario, opened.service, opened.runbook) == (
            Severity.P2,
            Scenario.SERVICE_OUTAGE,
            "keycloak",
            "service-restart",
        )
        server.tell(ended=True, **labels)
        server.wait_until("ContainerDown", None)
        watched.look()
        assert watched.incident().status is Status.MITIGATED
        watched.house.later(minutes=5, seconds=1)
        assert watched.incident().status is Status.RESOLVED

    def test_only_alerts_of_the_receiver_that_was_asked_for_are_told(self, server: Alertmanager) -> None:
        """As Alertmanager routes them."""
        server.tell(alertname="Routed", service="routed")
        server.wait_until("Routed", "active")
        assert looking(server, "routed", receiver="somebody").look() == []
        (signal,) = looking(server, "routed", receiver="no.*").look()
        assert signal.details["receivers"] == ["nobody"]

    def test_a_restart_of_alertmanager_resolves_nothing(self, tmp_path: Path) -> None:
        """It forgets all alerts; Prometheus tells them again within a minute or a little more."""
        server = Alertmanager(tmp_path)
        watched = looking(server, "restarted", settle="3 min")
        with server:
            server.tell(alertname="ContainerDown", service="restarted")
            server.wait_until("ContainerDown", "active")
            assert [signal.firing for signal in watched.look()] == [True]
        with server:
            assert server.states() == {}
            assert watched.look() == []
            assert [signal.firing for signal in watched.look(minutes=4)] == [False]

    def test_an_alertmanager_that_is_down_is_an_error_that_tells_what_to_check(self, tmp_path: Path) -> None:
        """Nothing is taken for resolved then."""
        server = Alertmanager(tmp_path)
        with pytest.raises(
            SourceUnavailable, match=r"^alertmanager: http\S+ cannot be reached .*; check that it runs"
        ):
            looking(server, "any").look()


class TestSilences:
    """Its silences and inhibitions are honoured."""

    def test_a_silenced_alert_opens_nothing_until_the_silence_ends(self, server: Alertmanager) -> None:
        """It is told when it still fires then."""
        watched = looking(server, "silenced")
        silence = server.silence(service="silenced")
        server.tell(alertname="Silenced", service="silenced")
        server.wait_until("Silenced", "suppressed")
        assert watched.look() == []
        server.unsilence(silence)
        server.wait_until("Silenced", "active")
        assert [signal.firing for signal in watched.look()] == [True]

    def test_a_silence_does_not_resolve_what_still_fires_behind_it(self, server: Alertmanager) -> None:
        """It is not told again either; it is resolved when it ends behind the silence."""
        labels = {"alertname": "HighMemoryUsage", "service": "behind"}
        watched = looking(server, "behind")
        server.tell(**labels)
        server.wait_until("HighMemoryUsage", "active")
        watched.look()
        opened = watched.incident()
        server.silence(service="behind")
        server.wait_until("HighMemoryUsage", "suppressed")
        assert watched.look(minutes=4) == []
        assert watched.look(minutes=8) == []
        assert watched.house.incident(opened.number).status is Status.TRIGGERED
        server.tell(ended=True, **labels)
        server.wait_until("HighMemoryUsage", None)
        assert [signal.firing for signal in watched.look(minutes=9)] == [False]
        assert watched.incident().status is Status.MITIGATED

    def test_an_inhibited_alert_opens_nothing_while_its_cause_fires(self, server: Alertmanager) -> None:
        """Only the cause is told."""
        watched = looking(server, "nginx-proxy", "profile")
        server.tell(alertname="NginxDown", service="nginx-proxy")
        server.wait_until("NginxDown", "active")
        server.tell(alertname="ServiceUnhealthy", service="profile", behind="nginx")
        server.wait_until("ServiceUnhealthy", "suppressed")
        assert [signal.name for signal in watched.look()] == ["NginxDown"]
        opened = watched.incident()
        assert (opened.severity, opened.runbook) == (Severity.P1, "service-restart")
        server.tell(ended=True, alertname="NginxDown", service="nginx-proxy")
        server.wait_until("ServiceUnhealthy", "active")
        assert ("ServiceUnhealthy", True) in [(s.name, s.firing) for s in watched.look()]


def test_an_alert_seen_in_prometheus_and_in_alertmanager_is_one_incident(tmp_path: Path) -> None:
    """Same labels, same fingerprint, and it is the one that Alertmanager itself reports."""
    rule = {
        "alert": "ContainerDown",
        "expr": "container_up == 0",
        "labels": {"severity": "critical", "cluster": "own", "empty": "{{ $labels.nothing }}"},
        "annotations": {"summary": "down"},
    }
    external = {"site": "göteborg", "replica": "01", "cluster": "of the server", "on": "yes"}
    with (
        Exporter() as exporter,
        Alertmanager(tmp_path / "alertmanager") as alertmanager,
        Prometheus(
            tmp_path / "prometheus",
            [rule],
            exporter=exporter,
            alertmanager=alertmanager,
            external_labels=external,
        ) as prometheus,
    ):
        exporter.set("container_up", 0, service="keycloak", container='a "b" \\ c')
        alertmanager.wait_until("ContainerDown", "active")
        wait_for(lambda: prometheus.states().get("ContainerDown") == "firing", "it fires")
        polled = PrometheusSource.model_validate({"kind": "prometheus", "name": "polled"})
        first = Looking(PrometheusDetector(polled, lambda _: prometheus.connection))
        routed = AlertmanagerSource.model_validate({"kind": "alertmanager", "name": "routed"})
        second = Looking(AlertmanagerDetector(routed, lambda _: alertmanager.connection), first.house)
        (seen,), (told,) = first.look(), second.look()
        (reported,) = alertmanager.get("/api/v2/alerts")
    assert seen.labels == told.labels == reported["labels"]
    assert seen.labels["site"] == "göteborg"
    assert seen.labels["cluster"] == "own"
    assert seen.fingerprint == told.fingerprint == reported["fingerprint"]
    assert told.details["generator_url"].startswith("http")
    assert first.receipts[0].incident == second.receipts[0].incident
    with first.house.store.read() as tx:
        sightings = tx.sightings(first.incident().number)
    assert sorted((s.source, s.fingerprint) for s in sightings) == [
        ("alertmanager", seen.fingerprint),
        ("prometheus", seen.fingerprint),
    ]
