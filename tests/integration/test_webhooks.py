"""A real Alertmanager pushes to the app in a real server over a real store."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
import uvicorn
import yaml
from fastapi import FastAPI

from incident_response import bootstrap
from incident_response.detectors.prometheus import PrometheusDetector
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.pipeline_signals import Attempt, DagFacts, task_failed
from incident_response.domain.records import IntegrationKind
from incident_response.settings import Settings
from incident_response.sources.prometheus import PrometheusSource
from incident_response.web.app import create_app
from tests.support import REPOSITORY
from tests.support.exporter import Exporter
from tests.support.processes import Process, free_port
from tests.support.prometheus import Prometheus

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@dataclass
class Pushed:
    """The server, the store behind it, and the Alertmanager in front of it."""

    services: bootstrap.Services
    database: Path
    alertmanager: str
    tokens: list[str]
    log: list[str] = field(default_factory=list)

    def alert(self, name: str, service: str, *, by: str = "", ended: bool = False) -> dict[str, str]:
        """Tell Alertmanager as Prometheus does; returns the labels."""
        labels = {"alertname": name, "service": service, "severity": "critical"} | ({"by": by} if by else {})
        now = datetime.now(timezone.utc)
        alert = {
            "labels": labels,
            "annotations": {"summary": f"{service}: {name}"},
            "startsAt": (now - timedelta(minutes=1)).isoformat(),
            **({"endsAt": (now - timedelta(milliseconds=50)).isoformat()} if ended else {}),
        }
        httpx.post(f"{self.alertmanager}/api/v2/alerts", json=[alert]).raise_for_status()
        return labels

    def incident(self, service: str) -> Incident | None:
        with self.services.store.read() as tx:
            found = [row.incident for row in tx.board(100) if row.incident.service == service]
        return found[0] if found else None

    def failures(self, integration: str) -> float:
        """How many of Alertmanager's notifications were refused for good."""
        name = f'alertmanager_notifications_failed_total{{integration="{integration}"'
        text = httpx.get(f"{self.alertmanager}/metrics").text
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def until(what: str, happens: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.05)


class Listening(logging.Handler):
    """Everything that anybody logs, at every level."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.getMessage()} {record.exc_info or ''}")


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pushed]:
    folder = tmp_path_factory.mktemp("webhooks")
    settings = Settings(
        store_url=f"sqlite:///{folder}/store.db",
        store_timeout=0.3,
        spool_folder=str(folder / "spool"),
        include_folder=str(REPOSITORY / "include"),
        page_url="http://airflow/incidents",
    )
    services = bootstrap.build(settings, lambda conn_id: None)
    tokens = [
        services.integrations.add(kind.value, kind, {}, "test", bootstrap.now())[1]
        for kind in (IntegrationKind.ALERTMANAGER, IntegrationKind.PAGERDUTY)
    ]
    outer = FastAPI()
    outer.mount("/incidents", create_app(lambda: services))
    log: list[str] = []
    with listened(log), served(outer) as url, alertmanager(folder, f"{url}/incidents/hooks", tokens) as front:
        yield Pushed(services, folder / "store.db", front, tokens, log)
    services.store.close()  # type: ignore[attr-defined]


@contextlib.contextmanager
def listened(log: list[str]) -> Iterator[None]:
    # Airflow lets the access log pass nothing on to the root.
    handler, roots = Listening(log), [logging.getLogger(), logging.getLogger("uvicorn.access")]
    before = [root.level for root in roots]
    for root in roots:
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
    yield
    for root, level in zip(roots, before, strict=True):
        root.removeHandler(handler)
        root.setLevel(level)


@contextlib.contextmanager
def served(app: FastAPI) -> Iterator[str]:
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_config=None, log_level="debug"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until("the server", lambda: server.started)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@contextlib.contextmanager
def alertmanager(folder: Path, hooks: str, tokens: list[str]) -> Iterator[str]:
    """Four receivers, chosen by the label `by`: the ways in, and one with a wrong token."""

    def webhook(**http: object) -> dict[str, object]:
        return {"url": f"{hooks}/alertmanager", "http_config": http}

    receivers = {
        "bearer": {"webhook_configs": [webhook(authorization={"credentials": tokens[0]})]},
        "basic": {"webhook_configs": [webhook(basic_auth={"username": "x", "password": tokens[0]})]},
        "wrong": {"webhook_configs": [webhook(authorization={"credentials": tokens[0][:-1]})]},
        "pagerduty": {
            "pagerduty_configs": [
                {
                    "url": f"{hooks}/pagerduty/v2/enqueue",
                    "routing_key": tokens[1],
                    "class": "{{ .CommonLabels.alertname }}",
                    "client": "{{ .CommonLabels.service }}",
                }
            ]
        },
    }
    quick = {"group_by": ["..."], "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}
    config = {
        "route": {
            "receiver": "bearer",
            **quick,
            "routes": [
                {
                    "receiver": "bearer",
                    "matchers": ['by="storm"'],
                    "group_by": ["alertname"],
                    "group_wait": "2s",
                },
                *({"receiver": name, "matchers": [f'by="{name}"']} for name in receivers),
            ],
        },
        "receivers": [{"name": name, **parts} for name, parts in receivers.items()],
    }
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    url = f"127.0.0.1:{free_port()}"
    command = ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml"]
    command += [f"--storage.path={folder}/data", f"--web.listen-address={url}", "--cluster.listen-address="]
    process = Process(command, folder / "alertmanager.log", env={}, cwd=folder)
    try:
        until("Alertmanager", lambda: _ready(f"http://{url}"))
        yield f"http://{url}"
    finally:
        process.kill()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready").is_success
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("by", ["", "basic"])
def test_an_alert_opens_an_incident_and_its_end_mitigates_it(pushed: Pushed, by: str) -> None:
    """With both ways to carry the token, and with the fingerprint that Alertmanager computed."""
    service = f"database-{by or 'bearer'}"
    labels = pushed.alert("DatabaseConnectionFailure", service, by=by)
    until("the incident", lambda: pushed.incident(service))
    incident = pushed.incident(service)
    assert incident is not None
    assert (incident.severity.value, incident.rule) == ("P1", "database down")
    with pushed.services.store.read() as tx:
        (sighting,) = tx.sightings(incident.number)
    theirs = httpx.get(f"{pushed.alertmanager}/api/v2/alerts", params={"filter": f'service="{service}"'})
    assert sighting.fingerprint == theirs.json()[0]["fingerprint"]
    assert (dict(sighting.labels), sighting.source) == (labels, "alertmanager")

    pushed.alert("DatabaseConnectionFailure", service, by=by, ended=True)
    until("the end", lambda: pushed.incident(service).status is Status.MITIGATED)  # type: ignore[union-attr]


def test_an_alert_that_is_back_with_its_first_start_fires(pushed: Pushed) -> None:
    """Alertmanager joins what overlaps: the second firing has the start of the first one."""
    pushed.alert("DatabaseConnectionFailure", "refired")
    until("the incident", lambda: pushed.incident("refired"))
    number = pushed.incident("refired").number  # type: ignore[union-attr]
    with pushed.services.store.read() as tx:
        start = tx.sightings(number)[0].details["starts_at"]
    pushed.alert("DatabaseConnectionFailure", "refired", ended=True)
    until("the end", lambda: pushed.incident("refired").status is Status.MITIGATED)  # type: ignore[union-attr]
    pushed.alert("DatabaseConnectionFailure", "refired")
    until("that it is back", lambda: pushed.incident("refired").status is Status.TRIGGERED)  # type: ignore[union-attr]
    with pushed.services.store.read() as tx:
        (sighting,) = tx.sightings(number)
    assert (sighting.firing, sighting.details["starts_at"]) == (True, start)


def test_alertmanagers_pagerduty_client_is_served(pushed: Pushed) -> None:
    """A real client of Events v2: triggered, then resolved by its key."""
    pushed.alert("DiskSpaceLow", "pd-service", by="pagerduty")
    until("the incident", lambda: pushed.incident("pd-service"))
    incident = pushed.incident("pd-service")
    assert incident is not None
    assert incident.rule == "disk almost full"
    pushed.alert("DiskSpaceLow", "pd-service", by="pagerduty", ended=True)
    until("the end", lambda: pushed.incident("pd-service").status is Status.MITIGATED)  # type: ignore[union-attr]
    assert pushed.failures("pagerduty") == 0


def test_the_documented_configuration_is_valid(tmp_path: Path) -> None:
    """Alertmanager's own tool takes what docs/webhooks.md tells people to paste."""
    text = (REPOSITORY / "docs" / "webhooks.md").read_text()
    (tmp_path / "alertmanager.yml").write_text(text.split("```yaml\n", 1)[1].split("```", 1)[0])
    done = subprocess.run(
        ["amtool", "check-config", str(tmp_path / "alertmanager.yml")],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_token_takes_nothing_in(pushed: Pushed) -> None:
    """Alertmanager is refused, and counts it."""
    before = pushed.failures("webhook")
    pushed.alert("DatabaseConnectionFailure", "stranger", by="wrong")
    until("the refusal", lambda: pushed.failures("webhook") > before)
    assert pushed.incident("stranger") is None


def test_a_store_that_is_away_costs_no_alert(pushed: Pushed) -> None:
    """It is answered with 503, so Alertmanager keeps the alert and sends it again."""
    other = sqlite3.connect(pushed.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pushed.log.clear()
    pushed.alert("DatabaseConnectionFailure", "patient")
    until("a 503", lambda: any("503" in line for line in list(pushed.log)))
    assert pushed.incident("patient") is None
    other.execute("ROLLBACK")
    other.close()
    until("the incident", lambda: pushed.incident("patient"), 40)


def test_nothing_of_it_is_in_any_log(pushed: Pushed) -> None:
    """Every logger at DEBUG, the server's own included: requests are there, tokens and bodies are not."""
    pushed.alert("DatabaseConnectionFailure", "b0dymark")
    until("the incident", lambda: pushed.incident("b0dymark"))
    until("the server's line", lambda: any("POST /incidents/hooks" in line for line in list(pushed.log)))
    text = "\n".join(pushed.log)
    assert "Traceback" not in text
    assert "b0dymark" not in text.replace('filter=service="b0dymark"', "")
    for token in pushed.tokens:
        assert token.split("_", 2)[2] not in text


def test_one_failure_by_poll_webhook_and_callback_is_one_incident(pushed: Pushed, tmp_path: Path) -> None:
    """Prometheus fires: it is polled, Alertmanager pushes it, and the pipeline's callback tells, too."""
    dag, now = "entsoe_ingestion", bootstrap.now
    rule = {
        "alert": "AirflowDAGRunFailed",
        "expr": "airflow_dag_runs_failed > 0",
        "labels": {"severity": "critical", "component": "airflow"},
        "annotations": {"summary": "a run failed"},
    }
    routed = SimpleNamespace(port=urlsplit(pushed.alertmanager).port)
    with (
        Exporter() as exporter,
        Prometheus(tmp_path, [rule], exporter=exporter, alertmanager=routed) as server,
    ):
        exporter.set("airflow_dag_runs_failed", 1, dag_id=dag)
        until("the webhook", lambda: pushed.incident(dag))
        source = PrometheusSource.model_validate({"kind": "prometheus", "name": "polled"})
        seen = PrometheusDetector(source, lambda _: server.connection).poll({}, now())
    attempt = Attempt(dag, "scheduled__2026-03-01", "load")
    told = task_failed("callback", attempt, now(), DagFacts.of(["P2"]), exception=RuntimeError("429"))
    for signal in (*seen.signals, told):
        pushed.services.intake.receive([signal], now())

    with pushed.services.store.read() as tx:
        (number,) = [row.incident.number for row in tx.board(100) if row.incident.service == dag]
        sightings = {sighting.source: sighting for sighting in tx.sightings(number)}
    assert sightings.keys() == {"alertmanager", "prometheus", "callback"}
    assert sightings["alertmanager"].fingerprint == sightings["prometheus"].fingerprint
    assert pushed.incident(dag).runbook == "dag-failure-recovery"  # type: ignore[union-attr]


def group(pushed: Pushed, name: str, count: int, note: str) -> None:
    """Alerts that Alertmanager sends in one body."""
    at = (datetime.now(timezone.utc) - timedelta(minutes=1)).isoformat()
    alerts = [
        {
            "labels": {
                "alertname": name, "service": name.lower(), "severity": "warning", "by": "storm",
                "instance": f"host-{n:05}.example.com:9100", "job": "node", "environment": "production",
            },
            "annotations": {"summary": f"host-{n:05}: {name}", "description": note},
            "startsAt": at,
        }
        for n in range(count)
    ]  # fmt: skip
    httpx.post(f"{pushed.alertmanager}/api/v2/alerts", json=alerts, timeout=60).raise_for_status()


def test_a_storm_of_a_thousand_alerts_in_one_body_is_taken(pushed: Pushed) -> None:
    """More than a megabyte, as any Alertmanager sends it after a network has failed; none is left behind.

    A thousand hosts are one storm. It is the last but one here: what comes in these minutes comes under it.
    """
    group(pushed, "StormOfAlerts", 1000, "x" * 600)
    until("the incident", lambda: pushed.incident("several"), 40)
    number = pushed.incident("several").number  # type: ignore[union-attr]

    def kept() -> int:
        with pushed.services.store.read() as tx:
            return len(tx.sightings(number))

    until("the last of them", lambda: kept() == 1000, 40)


def test_what_is_too_much_even_so_is_a_finding_that_names_the_sender(pushed: Pushed) -> None:
    """Alertmanager drops what was answered with 413, and nobody would know."""
    group(pushed, "TooMuch", 3000, "x" * 3000)

    def found() -> list[str]:
        findings = pushed.services.doctor.banner(bootstrap.now())
        return [f"{one.text} {one.remedy}" for one in findings if one.check == "senders"]

    until("the finding", found, 40)
    assert "alertmanager (alertmanager) was refused" in found()[0]
    assert "larger than 8 MiB" in found()[0]
    assert "max_alerts" in found()[0]
