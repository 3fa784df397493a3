"""Services asked by HTTP: real servers on this machine, with real TLS certificates."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from incident_response.detectors.http_health import HttpHealthDetector
from incident_response.domain.connections import Connection
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.signals import Signal
from incident_response.sources.http_health import HttpHealthSource
from tests.support.certificates import Authority
from tests.support.house import House
from tests.support.processes import free_port
from tests.support.web_server import WebServer

pytestmark = pytest.mark.integration


class Room:
    """A detector with its cursor, a clock of its own, and a house that takes its signals in."""

    def __init__(self, *targets: dict[str, Any], **settings: Any) -> None:
        defaults = {"service": "energy", "failures": 1, "successes": 1, "retries": 0}
        self.source = HttpHealthSource.model_validate(
            {
                "name": "health",
                "kind": "http_health",
                "targets": [defaults | target for target in targets],
                **settings,
            }
        )
        secrets = Connection("", login="monitor", password="s3cret")
        self.detector = HttpHealthDetector(self.source, {"health_login": secrets}.get)
        self.cursor: Mapping[str, Any] = {}
        self.house = House()
        self.now = datetime.now(timezone.utc)

    def look(self, after: float = 0) -> list[Signal]:
        """One poll so many seconds later; its cursor goes through JSON, as the store does."""
        self.now += timedelta(seconds=after)
        seen = self.detector.poll(json.loads(json.dumps(self.cursor)), self.now)
        assert seen.cursor is not None
        self.cursor = seen.cursor
        self.house.intake.receive(seen.signals, self.now)
        return list(seen.signals)

    def incident(self, number: int = 1) -> Incident:
        return self.house.incident(number)


def told(signals: list[Signal]) -> list[tuple[str, bool]]:
    return [(signal.name, signal.firing) for signal in signals]


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ca(authority: Authority) -> str:
    return str(authority.file)


def test_a_service_is_down_after_two_bad_looks_and_back_after_two_good_ones() -> None:
    """A refused connection is a finding, with the address but never its query."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/health?token=s3cret"
    room = Room({"url": url, "failures": 2, "successes": 2})

    assert room.look() == []
    [signal] = room.look(30)
    assert signal.labels == {
        "alertname": "ServiceUnhealthy",
        "service": "energy",
        "target": f"http://127.0.0.1:{port}/health",
        "component": "api",
    }
    assert signal.summary.startswith("energy refuses connections, 2 looks in a row: http://127.0.0.1")
    assert "s3cret" not in repr(signal)
    assert signal.occurred_at == room.now - timedelta(seconds=30)
    incident = room.incident()
    assert (incident.severity, incident.scenario) == (Severity.P2, Scenario.SERVICE_OUTAGE)
    assert (incident.service, incident.runbook) == ("energy", "service-restart")

    with WebServer(port=port):
        assert room.look(30) == []
        assert told(room.look(30)) == [("ServiceUnhealthy", False)]
    assert room.incident().status is Status.MITIGATED


def test_a_service_without_its_proxy_is_critical(server: WebServer) -> None:
    """Everything is behind it."""
    server.status = 502
    room = Room({"url": server.url, "service": "nginx-proxy", "component": "nginx"})

    [signal] = room.look()

    assert signal.summary == f"nginx-proxy answers 502 instead of 200..399: {server.url}/"
    assert room.incident().severity is Severity.P1


def test_one_bad_try_is_made_good_by_the_next(server: WebServer) -> None:
    """Inside the same look."""
    first = threading.Event()
    server.paths["/health"] = (503, {})

    def heal() -> None:
        while not server.asked:
            time.sleep(0.01)
        time.sleep(0.1)
        server.paths.clear()
        first.set()

    threading.Thread(target=heal, daemon=True).start()
    room = Room({"url": f"{server.url}/health", "retries": 1})

    assert room.look() == []
    assert first.is_set()
    assert len(server.asked) == 2


def test_silent_servers_delay_nobody(server: WebServer) -> None:
    """One says nothing, one a byte now and then, one sleeps; the look ends in time and so do its threads."""
    with WebServer() as silent, WebServer() as dripping, WebServer() as late:
        silent.delay, dripping.drips, late.delay = 60, True, 0.2
        targets = [("stock", silent), ("profile", dripping), ("energy", server), ("comp-ai", late)]
        room = Room(*({"url": one.url, "service": name} for name, one in targets), time_limit="2 s")
        started = time.monotonic()
        signals = room.look()
        assert time.monotonic() - started < 3

        problems = {signal.labels["service"]: signal.summary for signal in signals}
        assert set(problems) == {"stock", "profile"}
        assert problems["stock"].startswith("stock does not answer within 1.4 s")
        assert problems["profile"].startswith("profile gives no complete answer within 1.8 s")
        deadline = time.monotonic() + 5
        while any(thread.name.startswith("look") for thread in threading.enumerate()):
            assert time.monotonic() < deadline, threading.enumerate()
            time.sleep(0.05)


def test_a_slow_answer_is_slow_and_not_down(server: WebServer) -> None:
    """Until it is quick again; a refusal in between says nothing about its speed."""
    server.delay = 0.3
    room = Room({"url": server.url, "within": "0.2 s"})

    [signal] = room.look()

    assert signal.name == "ServiceSlow"
    assert signal.details["threshold_seconds"] == 0.2
    assert "(limit 0.2 s)" in signal.summary
    assert (room.incident().severity, room.incident().scenario) == (Severity.P2, Scenario.PERFORMANCE)
    server.status = 503
    assert told(room.look(30)) == [("ServiceUnhealthy", True)]
    server.status, server.delay = 200, 0
    assert sorted(told(room.look(30))) == [("ServiceSlow", False), ("ServiceUnhealthy", False)]
    assert room.incident().status is Status.MITIGATED


def test_a_page_with_the_wrong_text_is_down(server: WebServer) -> None:
    """An error page with status 200; its first line is kept, without secrets."""
    server.body = b"database password=hunter2 refused\n"
    room = Room({"url": server.url, "body": r"^(ok|ready)"})

    [signal] = room.look()

    assert "its text has no" in signal.summary
    assert signal.details["sample"] == "database password=*** refused"
    server.body = b"ok"
    assert told(room.look(30)) == [("ServiceUnhealthy", False)]


def test_json_is_compared_value_by_value(server: WebServer) -> None:
    """By dotted paths, with types."""
    body: dict[str, Any] = {"scheduler": {"status": "healthy"}, "checks": [{"ok": True}]}
    server.body = json.dumps(body).encode()
    wanted = {"scheduler.status": "healthy", "checks.0.ok": True}
    room = Room({"url": server.url, "service": "airflow", "component": "airflow", "json": wanted})
    assert room.look() == []

    body["scheduler"]["status"] = "unhealthy"
    server.body = json.dumps(body).encode()
    [signal] = room.look(30)
    assert 'says scheduler.status is "unhealthy" instead of "healthy"' in signal.summary

    server.body = b"<html>"
    room.look(30)
    server.body = json.dumps({**body, "scheduler": {"status": "healthy"}}).encode()
    assert told(room.look(30)) == [("ServiceUnhealthy", False)]


def test_a_slow_starter_has_its_time_after_a_good_state(server: WebServer) -> None:
    """Identity takes up to two minutes; what lasts longer is told, since its first bad look."""
    room = Room({"url": server.url, "service": "keycloak", "start_grace": "2 min"})
    assert room.look() == []
    server.status = 503
    assert room.look(30) == []
    assert room.look(60) == []
    server.status = 200
    assert room.look(30) == []  # it was a restart
    server.status = 503
    assert room.look(30) == []
    assert room.look(90) == []
    assert told(room.look(60)) == [("ServiceUnhealthy", True)]


def test_redirects_are_followed_to_the_same_host_only(server: WebServer) -> None:
    """Elsewhere is another service's health, and no business of the login."""
    with WebServer() as elsewhere:
        elsewhere.status = 500
        server.paths = {
            "/a": (302, {"Location": "/b"}),
            "/b": (503, {}),
            "/away": (302, {"Location": f"http://localhost:{elsewhere.port}/"}),
        }
        room = Room(
            {"url": f"{server.url}/a", "service": "followed", "conn_id": "health_login"},
            {"url": f"{server.url}/away", "service": "away", "conn_id": "health_login"},
            {"url": f"{server.url}/a", "service": "expected", "expect_status": [301, 302]},
            {"url": f"{server.url}/a", "service": "not followed", "follow_redirects": False},
        )

        assert [signal.labels["service"] for signal in room.look()] == ["followed"]
        assert elsewhere.asked == []
        basic = "Basic bW9uaXRvcjpzM2NyZXQ="
        assert sorted(server.asked) == [
            ("/a", ""),
            ("/a", ""),
            ("/a", basic),
            ("/away", basic),
            ("/b", basic),
        ]


def test_a_certificate_that_ends_soon_is_told_until_a_new_one_is_there(
    authority: Authority, ca: str, tmp_path: Path
) -> None:
    """The service itself is well; while it does not answer, the old certificate is the last one seen."""
    port = free_port()
    target = {"url": f"https://localhost:{port}/", "service": "nginx-proxy", "ca": ca}
    room = Room(target)
    with WebServer(authority.issue("five-days", timedelta(days=5, hours=1)), port):
        [signal] = room.look()
    assert signal.name == "TLSCertificateExpiring"
    assert "ends in 5 days, on " in signal.summary
    assert (room.incident().severity, room.incident().level) == (Severity.P3, 3)

    assert told(room.look(30)) == [("ServiceUnhealthy", True)]  # and the certificate is not resolved
    with WebServer(authority.issue("good", timedelta(days=90)), port):
        assert sorted(told(room.look(30))) == [("ServiceUnhealthy", False), ("TLSCertificateExpiring", False)]
    assert room.incident().status is Status.MITIGATED


@pytest.mark.parametrize("verify", [True, False])
def test_a_certificate_that_is_over_is_named_as_such(authority: Authority, ca: str, verify: bool) -> None:
    """Also when nobody verifies it; it is no other trouble of the service."""
    with WebServer(authority.issue(f"over-{verify}", -timedelta(hours=2))) as server:
        room = Room({"url": server.url, "ca": ca, "verify": verify})

        [signal] = room.look()

    assert signal.name == "TLSCertificateExpired"
    assert "is over since " in signal.summary
    assert signal.occurred_at < room.now - timedelta(hours=1)
    assert room.incident().level == 3


def test_a_chain_that_cannot_be_trusted_is_a_service_that_is_down(authority: Authority) -> None:
    """The reason is named; its end is read all the same."""
    with WebServer(authority.issue("untrusted", timedelta(days=3))) as server:
        strict, open_ = Room({"url": server.url}), Room({"url": server.url, "verify": False, "tls_days": 1})

        signals = strict.look()
        assert open_.look() == []

    assert sorted(told(signals)) == [("ServiceUnhealthy", True), ("TLSCertificateExpiring", True)]
    [down] = [signal for signal in signals if signal.name == "ServiceUnhealthy"]
    assert "shows a certificate that cannot be trusted: " in down.summary
    assert "issuer" in down.summary
