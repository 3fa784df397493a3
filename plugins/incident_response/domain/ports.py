"""What the service layer needs from the world, as protocols; bootstrap.py alone knows who implements them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from .escalation import EscalationPolicy
from .incidents import Incident
from .records import Parcel
from .signals import Signal
from .timeline import TimelineEvent
from .transactions import Transaction
from .witnesses import Witnessed


class Store(Protocol):
    """The only truth."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Read and write; commits at the end of the block, rolls back on an exception.

        Raises StoreUnavailable.
        """

    def read(self) -> AbstractContextManager[Transaction]:
        """Read only; never waits for a writer."""


class Policies(Protocol):
    """The escalation policy in force, and those that incidents carry."""

    def current(self) -> EscalationPolicy:
        """As include/policy/escalation.yaml says now."""

    def parse(self, source: str) -> EscalationPolicy:
        """A policy from the text that was kept with an incident."""


class Channel(Protocol):
    """A way to reach people, or Airflow."""

    name: str

    def deliver(self, parcel: Parcel, message: Message) -> None:
        """Deliver once. Raises DeliveryFailed when it should be tried again."""


@dataclass(frozen=True)
class Message:
    """A rendered message. `key` is the same at each attempt, so that receivers can recognise a repeat."""

    key: str
    subject: str
    body: str
    incident: int


class Renderer(Protocol):
    """Turns templates of include/templates into text."""

    def message(self, parcel: Parcel, incident: Incident, timeline: Sequence[TimelineEvent]) -> Message:
        """The message of one outbox row, as the incident stands now."""

    def report(self, facts: Mapping[str, Any]) -> str:
        """The incident report of procedures §6.1, Markdown."""


@dataclass(frozen=True)
class Observation:
    """What one poll of a detector saw, and the memory it wants back next time."""

    signals: Sequence[Signal] = ()
    cursor: Mapping[str, Any] | None = None


class Detector(Protocol):
    """Looks at one outside system."""

    name: str
    interval: timedelta
    time_limit: timedelta

    def poll(self, cursor: Mapping[str, Any], now: datetime) -> Observation:
        """Look once, bounded in time. Raises any IncidentResponseError when the system does not answer."""


class Witnesses(Protocol):
    """Who can say directly how a service is."""

    def pages(self, services: Sequence[str], now: datetime) -> Mapping[str, Witnessed]:
        """What the health pages of these services say; one that has none is not in the answer."""

    def ask(self, services: Sequence[str], now: datetime) -> Mapping[str, Witnessed]:
        """By service what they say, within a few seconds; of whom nobody knows anything may be left out.

        Raises nothing: a witness that is away says nothing.
        """


class Runs(Protocol):
    """Starts DAG runs."""

    def start(self, dag_id: str, run_id: str, incident: int) -> str:
        """Start a run with conf {"incident": n}; returns `started` or `exists`.

        Raises AirflowUnavailable/AirflowRefused.
        """


class Spool(Protocol):
    """Files with signals that could not be stored."""

    def take(self, limit: int) -> Iterator[tuple[str, Sequence[Signal]]]:
        """Waiting files, oldest first: an opaque name and its signals.

        A file that cannot be read is set aside.
        """

    def done(self, name: str) -> None:
        """The signals of this file are in the store."""

    def set_aside(self, name: str, error: str) -> None:
        """Keep this file for a person: it cannot be taken in."""

    def waiting(self) -> int:
        """How many files wait."""


class AirflowRest(Protocol):
    """Airflow's REST API v2; paths start after `/api/v2`. Raises AirflowUnavailable or AirflowRefused."""

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """GET; JSON answer."""

    def post(self, path: str, json: Mapping[str, Any]) -> Any:
        """POST; JSON answer."""

    def patch(self, path: str, json: Mapping[str, Any]) -> Any:
        """PATCH; JSON answer."""
