"""The platform's 23 alerts: a real Prometheus evaluates them, and each becomes what it has to become."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from incident_response.detectors.again import World
from incident_response.detectors.eyewitnesses import Eyewitnesses
from incident_response.detectors.prometheus import PrometheusDetector
from incident_response.detectors.registry import detector
from incident_response.domain.connections import Connection
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Witnesses
from incident_response.domain.records import Poll
from incident_response.domain.signals import Signal
from incident_response.domain.witnesses import Witnessed
from incident_response.service.alert_rules import troubles
from incident_response.service.witnessing import Nobody
from incident_response.sources.http_health import HttpHealthSource
from incident_response.sources.prometheus import PrometheusSource
from tests.support.docker_engine import DockerEngine
from tests.support.exporter import Exporter
from tests.support.house import House
from tests.support.platform_rules import ALWAYS, NEVER, RULES, fire
from tests.support.prometheus import Prometheus
from tests.support.shipped import START, library
from tests.support.waiting import wait_for

pytestmark = pytest.mark.integration

# What each has to become: scenario, severity, service, level, runbook; without a witness.
TABLE: dict[str, tuple[str, str, str, int, str | None]] = {
    "AirflowDAGRunFailed": ("dag_failure", "P3", "ml_dataset_clustering", 1, "dag-failure-recovery"),
    "AirflowTaskFailed": ("dag_failure", "P2", "entsoe_ingestion", 1, "dag-failure-recovery"),
    "AirflowDAGRunDurationTooLong": ("dag_failure", "P3", "osm_feature_extraction_v2", 1, None),
    "DAGCompletionSLAViolation": ("dag_failure", "P3", "osm_feature_extraction_v2", 1, None),
    "AirflowHighTaskQueueLength": ("performance", "P3", "airflow", 1, "performance-troubleshooting"),
    "ContainerDown": ("service_outage", "P4", "cadvisor", 1, None),
    "HighMemoryUsage": ("performance", "P3", "keycloak", 1, "performance-troubleshooting"),
    "HighCPUUsage": ("performance", "P3", "lianel-stock-service", 1, "performance-troubleshooting"),
    "ContainerOOMKilled": ("service_outage", "P2", "lianel-comp-ai-service", 1, "service-restart"),
    "DiskSpaceLow": ("performance", "P2", "host", 3, None),
    "APISLAViolation": ("performance", "P2", "lianel-energy-service", 1, "performance-troubleshooting"),
    "DataStale": ("data_quality", "P3", "meta_ingestion_log", 1, "data-quality-issues"),
    "DataFreshnessSLAViolation": ("data_quality", "P3", "meta_ingestion_log", 1, "data-quality-issues"),
    "DataVolumeAnomaly": ("data_quality", "P3", "fact_energy_annual", 1, "data-quality-issues"),
    "HighIngestionFailureRate": ("data_quality", "P3", "ingestion", 1, "data-quality-issues"),
    "AirflowSchedulerDown": ("service_outage", "P2", "dc-airflow-apiserver-1", 1, "service-restart"),
    "RedisDown": ("service_outage", "P2", "dc-redis-1", 1, "service-restart"),
    "NginxDown": ("service_outage", "P1", "nginx-proxy", 1, "service-restart"),
    "ServiceUptimeSLAViolation": ("service_outage", "P4", "ServiceUptimeSLAViolation", 1, None),
    "AirflowWorkerDown": ("service_outage", "P2", "dc-airflow-worker-1", 1, "service-restart"),
    "MissingDataInCriticalTable": ("data_quality", "P1", "fact_energy_annual", 1, "data-quality-issues"),
    "OSMDataMissing": ("data_quality", "P3", "fact_geo_region_features", 1, "data-quality-issues"),
    "DatabaseConnectionFailure": ("database", "P3", "lianel_energy", 1, "database-maintenance"),
}


def source(**fields: Any) -> PrometheusSource:
    """As the shipped one, without the wait after a start."""
    shipped = next(one for one in library().sources() if one.kind == "prometheus")  # type: ignore[attr-defined]
    return shipped.model_copy(update={"settle": timedelta(), **fields})  # type: ignore[return-value]


class Platform:
    """A house in memory that polls a real Prometheus. Who is its witness can be changed."""

    def __init__(self, server: Prometheus, witnesses: Witnesses | None = None) -> None:
        self.witnesses: Witnesses = witnesses or Nobody()
        self.house, self.cursor = House(witnesses=self), dict[str, Any]()
        self.detector = PrometheusDetector(source(), lambda _: server.connection)

    def ask(self, services: Sequence[str], now: datetime) -> Mapping[str, Witnessed]:
        """As a witness itself."""
        return self.witnesses.ask(services, now)

    def poll(self, now: datetime) -> None:
        """One look, taken in."""
        seen = self.detector.poll(self.cursor, now)
        self.cursor = dict(seen.cursor or {})
        self.house.intake.receive(list(seen.signals), now)

    def incidents(self) -> Sequence[Incident]:
        """The open ones."""
        with self.house.store.read() as tx:
            return [row.incident for row in tx.board(100)]

    def by_alert(self) -> Mapping[str, Incident]:
        """The open incident in which each alert fires."""
        with self.house.store.read() as tx:
            return {
                seen.labels["alertname"]: row.incident
                for row in tx.board(100)
                for seen in tx.sightings(row.incident.number)
                if seen.firing
            }


def facts(incident: Incident) -> tuple[str, str, str, int, str | None]:
    return (
        incident.scenario.value, incident.severity.value, incident.service, incident.level, incident.runbook
    )  # fmt: skip


@pytest.fixture(scope="module")
def web() -> Iterator[int]:
    """Targets that are well and speak no metrics: a page of HTML. Returns its port."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<html>well</html>")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield int(server.server_address[1])
    server.shutdown()


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    with Exporter() as exporter:
        yield exporter


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, exporter: Exporter, web: int) -> Iterator[Prometheus]:
    """The platform's: jobs of exporters that are there, and of targets that are none."""
    made = Prometheus(tmp_path_factory.mktemp("platform"), RULES, exporter=exporter)
    config = json.loads((made.folder / "prometheus.yml").read_text())
    config["scrape_configs"][0]["honor_labels"] = True
    for job in ("airflow", "redis", "nginx"):
        config["scrape_configs"].append(
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{web}"]}]}
        )
    (made.folder / "prometheus.yml").write_text(json.dumps(config))
    with made:
        yield made


@pytest.fixture(scope="module")
def fired(server: Prometheus, exporter: Exporter) -> Prometheus:
    """With everything firing that can."""
    wait_for(lambda: set(ALWAYS) <= fires(server), "those that fire for ever", 30)
    return server


def fires(server: Prometheus) -> set[str]:
    return {name for name, state in server.states().items() if state == "firing"}


def pages(**urls: str) -> Eyewitnesses:
    """Witnesses: a health page for each service; those that are not named have none."""
    targets = [{"service": name.replace("_", "-"), "url": url, "failures": 2} for name, url in urls.items()]
    health = HttpHealthSource.model_validate({"name": "pages", "kind": "http_health", "targets": targets})
    make = lambda made: detector(made, lambda _: None, None)  # type: ignore[arg-type]  # noqa: E731
    services = library().grouping().services
    return Eyewitnesses(lambda: [health], World(make, lambda _: None), None, lambda: services)  # type: ignore[arg-type]


class TestAHealthyPlatform:
    """Its targets are well, and four alerts fire all the same."""

    def test_nobody_is_paged_for_rules_that_witnesses_contradict(self, fired: Prometheus, web: int) -> None:
        """After ten minutes: nothing on the board but incidents about the rules."""
        well = f"http://127.0.0.1:{web}/"
        witnesses = pages(nginx_proxy=well, dc_redis_1=well, dc_airflow_apiserver_1=well)
        platform = Platform(fired, witnesses)
        now = START
        for _ in range(22):
            platform.poll(now)
            platform.house.clock.tick(now, "test")
            now += timedelta(seconds=30)
        found = platform.by_alert()
        assert found.keys() == set(ALWAYS)
        assert {name: facts(found[name])[1:] for name in ALWAYS} == {
            name: ("P4", TABLE[name][2], 1, None) for name in ALWAYS
        }
        assert {facts(one)[0] for one in found.values()} == {"service_outage"}
        assert all("rule" in one.title for one in found.values())
        assert platform.house.post.sent == []

    def test_a_witness_that_agrees_makes_it_an_outage_that_pages(self, fired: Prometheus, web: int) -> None:
        """And when all is well again, it ends and the incident about the rule is there."""
        well, closed = f"http://127.0.0.1:{web}/", f"http://127.0.0.1:{free()}/"
        platform = Platform(fired, pages(nginx_proxy=well))
        platform.poll(START)
        about = platform.by_alert()["NginxDown"]
        assert about.severity.value == "P4"
        platform.witnesses = pages(nginx_proxy=closed)
        now = START + timedelta(minutes=1)
        platform.house.clock.tick(now, "test")
        outage = platform.by_alert()["NginxDown"]
        assert facts(outage) == TABLE["NginxDown"]
        assert outage.number != about.number
        platform.house.clock.tick(now, "test")
        assert any(
            "nginx" in subject.lower() or "proxy" in subject for _, subject, _ in platform.house.post.sent
        )
        platform.witnesses = pages(nginx_proxy=well)
        platform.house.clock.tick(now + timedelta(minutes=2), "test")
        assert platform.house.incident(outage.number).status.value == "mitigated"
        assert platform.by_alert()["NginxDown"].severity.value == "P4"

    def test_a_witness_that_hangs_delays_no_page(self, fired: Prometheus, web: int) -> None:
        """A few seconds, then the alert is taken at its word."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            platform = Platform(fired, pages(nginx_proxy=f"http://127.0.0.1:{silent.getsockname()[1]}/"))
            began = time.monotonic()
            platform.poll(START)
            assert time.monotonic() - began < 6
        assert platform.by_alert()["NginxDown"].severity.value == "P1"


def test_rules_that_always_fire_and_rules_that_never_can_are_listed(fired: Prometheus) -> None:
    """By doctor and the page, from what the detector remembers."""
    platform = Platform(fired)
    for minutes in (0, 2, 70):
        platform.poll(START + timedelta(minutes=minutes))
    poll = Poll("prometheus", START, timedelta(seconds=15), json.loads(json.dumps(platform.cursor)))
    assert troubles([poll], START + timedelta(minutes=30)) == [
        one for one in troubles([poll], START + timedelta(minutes=30)) if "cannot fire" in one.text
    ]
    found = {one.alert: one.text for one in troubles([poll], START + timedelta(minutes=70))}
    assert {name for name, text in found.items() if "fires since we first looked" in text} == set(ALWAYS)
    silent = {name for name, text in found.items() if "cannot fire" in text}
    assert set(NEVER) <= silent
    assert not silent & {"RedisDown", "NginxDown", "AirflowSchedulerDown"}
    assert "pg_stat_database_numbackends" in found["DatabaseConnectionFailure"]


def test_each_alert_becomes_what_it_has_to_become(fired: Prometheus, exporter: Exporter) -> None:
    """Nineteen by their expressions, four by an Alertmanager, none of them about the unknown."""
    fire(exporter)
    wanted = TABLE.keys() - NEVER.keys()
    wait_for(lambda: bool(fire(exporter)) and wanted <= fires(fired), "all that can fire", 60)
    firing = PrometheusDetector(source(), lambda _: fired.connection).poll({}, START).signals
    told = [
        Signal("alertmanager", {"alertname": name, **labels}, f"{name} fires", START)
        for name, labels in NEVER.items()
    ]
    files = library()
    opened: dict[str, list[Incident]] = {}
    for signal in (*firing, *told):
        house = House(files)  # each by itself: together they would be a storm
        house.intake.receive([signal], START)
        opened.setdefault(signal.name, []).append(house.incident(1))
    assert {name: {facts(one) for one in opened.get(name, ())} for name in TABLE} == {
        name: {facts} for name, facts in TABLE.items()
    }
    keys = {name: {one.dedup_key for one in found} for name, found in opened.items()}
    assert keys["DataStale"] == keys["DataFreshnessSLAViolation"]
    assert keys["AirflowDAGRunDurationTooLong"] == keys["DAGCompletionSLAViolation"]
    texts = [f"{one.service} {one.title} {one.dedup_key}" for found in opened.values() for one in found]
    assert not [text for text in texts if "unknown" in text]


def test_docker_contradicts_and_agrees(tmp_path: Path) -> None:
    """A container that runs says one thing, one that has exited another, one that is not there a third."""
    shipped = next(one for one in library().sources() if one.kind == "docker")  # type: ignore[attr-defined]
    services = library().grouping().services
    with DockerEngine(tmp_path) as engine:
        engine.run("nginx-proxy", "sleep 1000")
        engine.run("dc-redis-1", "exit 3")

        def asked() -> list[str]:
            world = World(lambda made: made, lambda _: Connection(host=engine.url))
            found = Eyewitnesses(lambda: [shipped], world, None, lambda: services)  # type: ignore[arg-type]
            names = ["nginx-proxy", "dc-redis-1", "keycloak", "nobody"]
            said = found.ask(names, START)
            return [said[name].word.value for name in names]

        wait_for(lambda: asked() == ["well", "broken", "broken", "unknown"], "what Docker says", 15)
        engine.freeze()
        began = time.monotonic()
        assert asked() == ["unknown"] * 4
        assert time.monotonic() - began < 5
        engine.thaw()


def free() -> int:
    """A port where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
