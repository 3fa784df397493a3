"""A page on services in memory, and the people who look at it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from incident_response import bootstrap
from incident_response.domain.records import Heartbeat
from incident_response.domain.signals import Signal
from incident_response.settings import Settings
from incident_response.store.memory import MemoryStore
from incident_response.web import auth, csrf
from incident_response.web.app import create_app
from tests.support import REPOSITORY

NIGHT = datetime(2026, 1, 15, 2, 0, tzinfo=timezone.utc)
OPERATOR = auth.Visitor("7", "operator", may_read=True, may_write=True)
VIEWER = auth.Visitor("8", "viewer", may_read=True, may_write=False)
BROWSER = {"accept": "text/html"}


@dataclass
class House:
    """Services, an app on them that is mounted as Airflow mounts it, and a clock that stands still."""

    services: bootstrap.Services
    app: FastAPI
    now: datetime = NIGHT
    outer: FastAPI = field(default_factory=FastAPI)

    def client(self, who: auth.Visitor | None = OPERATOR) -> TestClient:
        """A browser of that person; None: of somebody who is not logged in."""
        self.app.dependency_overrides.clear()
        if who is not None:
            self.app.dependency_overrides[auth.visitor] = lambda: who
        return TestClient(
            self.outer, base_url="http://airflow/incidents/", headers=BROWSER, raise_server_exceptions=False
        )

    def press(self, path: str, who: auth.Visitor = OPERATOR, **fields: str) -> Any:
        """Send a form as the page would; redirects are not followed."""
        fields = {csrf.FIELD: csrf.token(auth.secret(), who.id)} | fields
        return self.client(who).post(path, data=fields, follow_redirects=False)

    def open(self, dag_id: str = "entsoe_ingestion", run_id: str = "scheduled__1", **details: Any) -> int:
        """An incident from one failed task."""
        labels = {"alertname": "AirflowTaskFailed", "dag_id": dag_id, "run_id": run_id, "task_id": "load"}
        signal = Signal("callback", labels, f"Task load of {dag_id} failed", self.now, details=details)
        number = self.services.intake.receive([signal], self.now)[0].incident
        assert number is not None
        return number

    def alert(self, service: str, name: str = "ServiceDown", firing: bool = True, **labels: str) -> int:
        """The incident to which an alert about a service goes."""
        labels = {"alertname": name, "service": service, **labels}
        summary = f"{name} on {service}"
        receipt = self.services.intake.receive(
            [Signal("prometheus", labels, summary, self.now, firing)], self.now
        )[0]
        assert receipt.incident is not None, receipt
        return receipt.incident

    def later(self, **span: float) -> None:
        """Time passes."""
        self.now += timedelta(**span)

    def beat(self) -> None:
        """The clock ticks."""
        with self.services.store.transaction() as tx:
            tx.beat(Heartbeat("clock@test:1", self.now, self.now))

    def get(self, number: int) -> Any:
        """The incident as it is stored."""
        with self.services.store.read() as tx:
            return tx.get(number)

    def texts(self, number: int) -> list[str]:
        """What its timeline says."""
        with self.services.store.read() as tx:
            return [event.text for event in tx.timeline(number)]


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(bootstrap, "kill_variable", lambda: None)  # there is no Airflow to ask
    settings = Settings(
        store_url=f"sqlite:///{tmp_path}/unused.db",
        spool_folder=str(tmp_path / "spool"),
        evidence_url=str(tmp_path / "evidence"),
        include_folder=str(REPOSITORY / "include"),
        page_url="http://airflow/incidents",
    )
    services = bootstrap.build(settings, lambda conn_id: None, MemoryStore())
    house = House(services, FastAPI())
    house.app = create_app(lambda: services, lambda: house.now)
    house.outer.mount("/incidents", house.app)
    return house
