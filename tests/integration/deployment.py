"""An Airflow with incident response deployed: a store, a policy in seconds, a mail server."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import yaml

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import Parcel, Sighting
from incident_response.domain.runbooks import Remediation, StepResult
from incident_response.domain.signals import Signal
from incident_response.domain.timeline import TimelineEvent
from incident_response.domain.timers import Firing
from incident_response.library.folder import Library
from incident_response.service.intake import Intake
from incident_response.service.policy_book import PolicyBook
from incident_response.store.sql_store import SqlStore
from tests.integration.rest_proxy import RestProxy
from tests.support import REPOSITORY
from tests.support.airflow import Airflow
from tests.support.shipped import stand_alone
from tests.support.smtp import SmtpServer

PIPELINES = Path(__file__).parent / "dags" / "response_pipelines.py"
OUR_DAGS = ("incident_clock", "incident_escalation", "incident_response", "runbook_dag-failure-recovery")
Found = TypeVar("Found")


def make_include(folder: Path, **severity: Any) -> Path:
    """include/ as shipped, but in seconds, and with mail. `severity` overrides every severity's targets."""
    stand_alone(shutil.copytree(REPOSITORY / "include", folder))
    path = folder / "policy" / "escalation.yaml"
    policy = yaml.safe_load(path.read_text())
    targets = {
        "acknowledge": "10 min", "resolve": "1 h", "page_after": "0 s", "ladder": {2: "20 min", 3: "40 min"},
        **severity,
    }  # fmt: skip
    policy["severities"] = dict.fromkeys(("P1", "P2", "P3", "P4"), targets)
    policy["hold_down"] = "2 s"
    policy["stakeholders"] = []
    for number, level in policy["levels"].items():
        level["receivers"] = [{"channel": "email", "address": f"level{number}@example.com"}]
    path.write_text(yaml.safe_dump(policy))
    path = folder / "runbooks" / "dag-failure-recovery.yaml"
    runbook = yaml.safe_load(path.read_text())
    runbook["guards"].update(cooldown="0 s", attempts=5)
    runbook["hold_down"] = "2 s"
    runbook["parameters"]["backoff"]["default"] = "0 s"
    path.write_text(yaml.safe_dump(runbook))
    return folder


class Deployment:
    """Incident response in a running Airflow, and a look at its store from outside."""

    def __init__(self, airflow: Airflow, store: SqlStore, include: Path, smtp: SmtpServer) -> None:
        self.airflow, self.store, self.include, self.smtp = airflow, store, include, smtp

    # --- the store

    def incidents(self) -> Sequence[Incident]:
        with self.store.read() as tx:
            opened = [row.incident for row in tx.board(100)]
            return [*opened, *tx.recent(datetime(2020, 1, 1, tzinfo=timezone.utc), 100)]

    def incident(self, number: int) -> Incident:
        with self.store.read() as tx:
            return tx.get(number)

    def of(self, service: str) -> Incident | None:
        return next((incident for incident in self.incidents() if incident.service == service), None)

    def firings(self, number: int) -> Sequence[Firing]:
        with self.store.read() as tx:
            return tx.firings(number)

    def remediations(self, number: int) -> Sequence[Remediation]:
        with self.store.read() as tx:
            return tx.remediations(number)

    def steps(self, number: int) -> Sequence[StepResult]:
        with self.store.read() as tx:
            return tx.steps(number)

    def sightings(self, number: int) -> Sequence[Sighting]:
        with self.store.read() as tx:
            return tx.sightings(number)

    def timeline(self, number: int) -> Sequence[TimelineEvent]:
        with self.store.read() as tx:
            return tx.timeline(number)

    def parcels(self, number: int) -> Sequence[Parcel]:
        with self.store.read() as tx:
            return tx.parcels(number)

    def evidence(self, key: str) -> list[Path]:
        """The files that were kept for an incident."""
        folder = self.airflow.folder / "logs" / "incident_response_evidence" / key
        return [path for path in folder.rglob("*") if path.is_file()]

    def story(self, number: int) -> str:
        """The timeline for people, when a test has failed."""
        return "\n".join(f"{e.at:%H:%M:%S.%f} {e.actor:24} {e.text}" for e in self.timeline(number))

    def open(self, name: str, severity: str = "P1", **labels: str) -> int:
        """An incident of a cause of its own, as a monitoring system would report it."""
        library = Library(self.include)
        intake = Intake(self.store, library.rules, PolicyBook(library))
        labels = {"alertname": "Trouble", "service": name, "severity": severity} | labels
        now = datetime.now(timezone.utc)
        number = intake.receive([Signal("test", labels, f"{name} is in trouble", now)], now)[0].incident
        assert number is not None
        return number

    # --- waiting

    def until(self, what: str, look: Callable[[], Found | None], timeout: float = 60) -> Found:
        """The first answer that is not empty."""
        deadline = time.monotonic() + timeout
        while not (found := look()):
            if time.monotonic() > deadline:
                stories = "\n\n".join(
                    f"{i.key} {i.status.value}\n{self.story(i.number)}" for i in self.incidents()
                )
                raise AssertionError(
                    f"waited {timeout:.0f} s for {what}\n{stories}\n(logs: {self.airflow.folder})"
                )
            time.sleep(0.2)
        return found

    def until_status(self, number: int, *statuses: Status, timeout: float = 60) -> Incident:
        def look() -> Incident | None:
            incident = self.incident(number)
            return incident if incident.status in statuses else None

        return self.until(f"INC-{number} {' or '.join(s.value for s in statuses)}", look, timeout)

    def until_level(self, number: int, level: int, timeout: float = 60) -> Incident:
        def look() -> Incident | None:
            incident = self.incident(number)
            return incident if incident.level >= level and incident.pages else None

        return self.until(f"Level {level} of INC-{number}", look, timeout)

    def until_ticking(self, timeout: float = 60, after: datetime | None = None) -> str:
        """The name of a clock in the triggerer that ticks."""
        since = after or datetime(2020, 1, 1, tzinfo=timezone.utc)

        def look() -> str | None:
            with self.store.read() as tx:
                return next(
                    (beat.name for beat in tx.heartbeats(since) if beat.name.startswith("clock@")), None
                )

        return self.until("a clock in the triggerer", look, timeout)

    # --- what was sent

    def mails(self, key: str) -> list[str]:
        """Receivers of all mails about an incident, in order of arrival."""
        about = [mail for mail in self.smtp.messages if str(mail["References"]).startswith(f"<{key}@")]
        return [str(mail["X-Envelope-To"]) for mail in about]

    # --- Airflow

    def task_instances(self, dag_id: str, run_id: str) -> dict[str, Any]:
        answer = self.airflow.get(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances")
        return {ti["task_id"]: ti for ti in answer.json().get("task_instances", [])}

    def running(self) -> list[tuple[str, str, str]]:
        """Task instances that hold a worker slot now."""
        answer = self.airflow.get(
            "/api/v2/dags/~/dagRuns/~/taskInstances", params={"state": ["running", "queued"], "limit": 100}
        )
        return [
            (ti["dag_id"], ti["dag_run_id"], ti["task_id"])
            for ti in answer.json()["task_instances"]
            if ti["state"] == "running"
        ]


@contextmanager
def deploy(
    folder: Path,
    smtp: SmtpServer,
    *,
    database: str,
    store_url: str,
    policy: Mapping[str, Any] | None = None,
    proxy: RestProxy | None = None,
    env: Mapping[str, str] | None = None,
    dags: Sequence[Path] = (),
    sources: Sequence[Mapping[str, Any]] | None = None,
    runbook: Mapping[str, Any] | None = None,
    adapt: Callable[[Path], None] = lambda include: None,
    make: Callable[..., Airflow] = Airflow,
) -> Iterator[Deployment]:
    """Start it; wait until our DAGs are there and the clock ticks. A proxy stands before Airflow's API.

    `sources` take the place of those of detectors.yaml, `runbook` of fields of dag-failure-recovery; `adapt`
    may change any other file of include/ before the start. `make` builds another kind of Airflow.
    """
    include = make_include(folder / "policy-of-the-test", **(policy or {}))
    if runbook:
        path = include / "runbooks" / "dag-failure-recovery.yaml"
        path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **runbook}))
    if sources is not None:
        text = yaml.safe_dump({"version": 1, "sources": [dict(source) for source in sources]})
        (include / "policy" / "detectors.yaml").write_text(text)
    adapt(include)
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "incidents@example.com"}
    mail = {"conn_type": "smtp", "host": "127.0.0.1", "port": smtp.port, "extra": extra}
    airflow = make(
        folder / "airflow",
        database=database,
        dags=[PIPELINES, *dags],
        config={
            "incident_response.store_url": store_url,
            "incident_response.include_folder": str(include),
            "incident_response.tick_interval": "1",
            "incident_response.detection_interval": "5",
        },
        env={"AIRFLOW_CONN_SMTP_DEFAULT": json.dumps(mail), **(env or {})},
    )
    store = SqlStore(store_url, schema="incident_response", timeout=5)
    if not store_url.startswith("sqlite"):
        store.migrate()  # the embedded store does that by itself
    with airflow:
        who = {"login": airflow.login.user, "password": airflow.login.password}
        where = {
            "connection_id": "incident_response_api",
            "conn_type": "http",
            "host": airflow.url,
        }
        if proxy is not None:
            proxy.target, where["host"] = airflow.url, proxy.url
        airflow.post("/api/v2/connections", json={**where, **who}).raise_for_status()
        deployment = Deployment(airflow, store, include, smtp)
        for dag_id in OUR_DAGS:
            airflow.wait_dag(dag_id)
        deployment.until_ticking()
        yield deployment
