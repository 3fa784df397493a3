"""A whole house in memory for unit tests of the service layer: real services in a fake world."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.errors import DeliveryFailed, EvidenceUnavailable
from incident_response.domain.incidents import Incident
from incident_response.domain.ports import Message, Observation
from incident_response.domain.records import Parcel
from incident_response.domain.runbooks import Runbook
from incident_response.domain.signals import Signal
from incident_response.library.folder import Library
from incident_response.library.templates import Templates
from incident_response.service.automation import Automation
from incident_response.service.clock import Clock
from incident_response.service.delivery import Delivery
from incident_response.service.detection import Detection
from incident_response.service.evidence import Evidence
from incident_response.service.intake import Intake
from incident_response.service.lifecycle import Lifecycle
from incident_response.service.policy_book import PolicyBook
from incident_response.service.remediation import Remediations
from incident_response.service.review import Review
from incident_response.service.running import Running
from incident_response.store.memory import MemoryStore
from tests.support.shipped import INCLUDE, START, library


@dataclass
class Post:
    """A channel that remembers; `broken` makes it fail."""

    name: str = "console"
    sent: list[tuple[str, str, str]] = field(default_factory=list)  # receiver, subject, key
    broken: bool = False

    def deliver(self, parcel: Parcel, message: Message) -> None:
        if self.broken:
            raise DeliveryFailed("the mail server is away")
        self.sent.append((parcel.outgoing.receiver, message.subject, message.key))


@dataclass
class Runs:
    """Starts DAG runs by remembering them."""

    started: list[tuple[str, str]] = field(default_factory=list)

    def start(self, dag_id: str, run_id: str, incident: int) -> str:
        if (dag_id, run_id) in self.started:
            return "exists"
        self.started.append((dag_id, run_id))
        return "started"


@dataclass
class Shelf:
    """A spool in memory."""

    files: dict[str, list[Signal]] = field(default_factory=dict)
    aside: dict[str, str] = field(default_factory=dict)

    def take(self, limit: int) -> Iterator[tuple[str, Sequence[Signal]]]:
        yield from list(self.files.items())[:limit]

    def done(self, name: str) -> None:
        del self.files[name]

    def set_aside(self, name: str, error: str) -> None:
        self.aside[name] = error
        del self.files[name]

    def waiting(self) -> int:
        return len(self.files)


@dataclass
class Watcher:
    """A detector that sees what it is told to see."""

    name: str = "watcher"
    interval: timedelta = timedelta(seconds=30)
    time_limit: timedelta = timedelta(seconds=10)
    sees: list[Signal] = field(default_factory=list)
    error: Exception | None = None
    polled: int = 0

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        self.polled += 1
        if self.error:
            raise self.error
        return Observation(self.sees, {"polled": self.polled})


@dataclass
class EvidenceShelf:
    """Evidence in memory; `broken` makes it fail."""

    files: dict[str, bytes] = field(default_factory=dict)
    broken: bool = False

    def keep(self, place: str, content: bytes) -> None:
        if self.broken:
            raise EvidenceUnavailable("the disk is full")
        self.files[place] = content

    def read(self, place: str) -> bytes:
        return self.files[place]

    def drop(self, places: list[str]) -> None:
        for place in places:
            self.files.pop(place, None)


class House:
    """Everything wired together; `now` moves only when a test says so.

    `files` spares many houses the reading of include/, which takes longer than all else.
    """

    def __init__(self, files: Library | None = None) -> None:
        self.now = START
        self.store = MemoryStore()
        self.library = files or library()
        self.policies = PolicyBook(self.library)
        self.post, self.runs, self.spool, self.watcher = Post(), Runs(), Shelf(), Watcher()
        renderer = Templates(
            INCLUDE / "templates", lambda: "Europe/Stockholm", "https://airflow.test/incidents"
        )
        self.intake = Intake(
            self.store, self.library.rules, self.policies, self.library.grouping, self.library.windows
        )
        self.lifecycle = Lifecycle(self.store, self.policies)
        self.books: dict[str, Runbook] = {}  # of a test, before those of the files
        self.actions: dict[str, Any] = {}
        self.shelf = EvidenceShelf()
        find = lambda name: self.books.get(name) or self.library.runbook(name)  # noqa: E731
        self.remediations = Remediations(
            self.store, self.policies, find, self.intake.muting, self.library.limits
        )
        self.automation = Automation(self.store)
        evidence = Evidence(self.store, self.shelf)
        self.running = Running(
            self.store,
            self.remediations,
            find,
            self.actions.__getitem__,
            lambda _, given: given,
            evidence,
        )
        self.delivery = Delivery(self.store, {"console": self.post}, self.runs, renderer)
        self.detection = Detection(
            self.store, lambda: {"watcher": self.watcher}, self.intake, lambda: self.now
        )
        self.clock = Clock(self.store, self.policies, self.delivery, self.detection, self.intake, self.spool)
        self.review = Review(self.store, renderer)

    def later(self, **span: float) -> datetime:
        """Move the clock on and let it tick until nothing is due."""
        self.now += timedelta(**span)
        while not self.clock.tick(self.now, "clock@test").idle:
            pass
        return self.now

    def incident(self, number: int) -> Incident:
        with self.store.read() as tx:
            return tx.get(number)

    def texts(self, number: int) -> list[str]:
        """The timeline's texts."""
        with self.store.read() as tx:
            return [event.text for event in tx.timeline(number)]


# What psycopg says of a database that is down.
UNREACHED = (
    'connection to server at "lianel-postgres" (172.18.0.1), port 5432 failed: Connection refused\n'
    "\tIs the server running on that host and accepting TCP/IP connections?"
)


def failed(
    dag: str = "entsoe_ingestion",
    task: str = "load",
    attempt: int = 1,
    source: str = "listener",
    run: str = "r1",
    at: datetime = START,
    **details: Any,
) -> Signal:
    """A task has failed for good."""
    labels = {
        "alertname": "AirflowTaskFailed",
        "dag_id": dag,
        "run_id": run,
        "task_id": task,
        "map_index": "-1",
    }
    return Signal(
        source, labels, f"{dag}.{task} failed", at, True, f"{dag}/{run}/{task}/-1/{attempt}", details
    )


def down(service: str = "lianel_energy", firing: bool = True, at: datetime = START) -> Signal:
    """A state-like alert with a severity of its own."""
    labels = {"alertname": "DatabaseConnectionFailure", "service": service, "severity": "P1"}
    return Signal("prometheus", labels, f"{service} refuses connections", at, firing)
