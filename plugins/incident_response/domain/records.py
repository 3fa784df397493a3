"""What the store keeps beside incidents, and how it is read: frozen rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from .changes import Outgoing
from .incidents import Incident
from .runbooks import Remediation
from .signals import Signal
from .timeline import TimelineEvent


class Role(str, Enum):
    """What a signal is to the incident that keeps it."""

    OWN = "own"  # its cause, or another face of it
    CONSEQUENCE = "consequence"  # trouble that follows from it: it resolves nothing and is not forgotten
    RELEASED = "released"  # a consequence that outlived the incident, and was taken in again on its own


@dataclass(frozen=True)
class Sighting:
    """A signal as an incident keeps it: one row per (incident, source, fingerprint), counted, never
    repeated.
    """

    incident: int
    source: str
    fingerprint: str
    labels: Mapping[str, str]
    summary: str
    firing: bool  # as it was told last
    # When it arrived here, by our clock; of a happening of a pipeline: when it happened, by Airflow's.
    first_at: datetime
    last_at: datetime
    count: int = 1
    occurrence: str = ""  # of the latest observation; the same one again does not count
    details: Mapping[str, Any] = field(default_factory=dict)
    role: Role = Role.OWN  # the nearest of those it was observed in


class OutgoingState(str, Enum):
    """Where a row of the outbox stands."""

    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"  # given up
    UNKNOWN = "unknown"  # interrupted while sending, and not to be repeated
    SKIPPED = "skipped"  # no longer needed


@dataclass(frozen=True)
class Parcel:
    """A row of the outbox."""

    id: int
    outgoing: Outgoing
    created_at: datetime
    state: OutgoingState = OutgoingState.PENDING
    attempts: int = 0  # including the one under way
    interrupted: bool = False  # the claim before this one ended without a word: it may have been delivered
    settled_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class Settlement:
    """How one attempt to deliver ended. PENDING with `retry_at` means: try again then."""

    id: int
    state: OutgoingState
    error: str = ""
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Held:
    """A signal that waits outside of incidents.

    A firing one is muted by a silence or a maintenance window. A resolved one ended before it was told that
    it fired: signals arrive in any order.
    """

    signal: Signal
    until: datetime  # when a firing one is looked at again, and a resolved one is forgotten
    by: str  # the mute's name; for a resolved one its dedup_key


NOT_CONFIGURED = "not configured: "  # how an error begins that is no failure


@dataclass(frozen=True)
class Poll:
    """A detector's row: when it is due, who has it, how it went.

    `cursor` is the detector's own memory (JSON).
    """

    name: str
    due_at: datetime
    interval: timedelta
    cursor: Mapping[str, Any] = field(default_factory=dict)
    claimed_by: str = ""
    claimed_until: datetime | None = None
    last_started_at: datetime | None = None
    last_ok_at: datetime | None = None
    last_by: str = ""
    failures: int = 0  # in a row
    error: str = ""


@dataclass(frozen=True)
class Heartbeat:
    """A sign of life of a clock. `since` is when this process started ticking."""

    name: str  # `clock@host:pid`
    at: datetime
    since: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BoardRow:
    """What the board shows of one incident beside its record."""

    incident: Incident
    signals: int  # observations, repeats included
    sources: int  # distinct (source, fingerprint)
    last_signal_at: datetime | None
    last_event: TimelineEvent | None
    remediation: Remediation | None  # the latest
    asks: bool = False  # a runbook of it waits for a person's approval
    behind: int = 0  # things, as labels call them, of which consequences fire


class IntegrationKind(str, Enum):
    """Who sends through an integration, and so in which form."""

    ALERTMANAGER = "alertmanager"
    GRAFANA = "grafana"
    PAGERDUTY = "pagerduty"  # whatever speaks PagerDuty's Events API v2
    SIGNAL = "signal"  # plain JSON: support tickets, user reports, scripts

    @property
    def source(self) -> str:
        """The `source` of its signals."""
        return "webhook" if self is IntegrationKind.SIGNAL else self.value

    @property
    def is_machine(self) -> bool:
        """Whether nobody reads the answers: what is refused is dropped without a word."""
        return self is not IntegrationKind.SIGNAL


@dataclass(frozen=True)
class Integration:
    """A system outside that may send signals, recognised by a token of which only the hash is kept."""

    id: str  # the part of the token that is no secret
    name: str  # unique among those that are not revoked
    kind: IntegrationKind
    token_hash: str = field(repr=False)  # SHA-256 of the whole token, hexadecimal
    created_at: datetime
    created_by: str
    labels: Mapping[str, str] = field(default_factory=dict)  # added to its signals where they lack them
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None  # to the minute
    refused_at: datetime | None = None  # when something of it was refused for good, which it sends no more
    refusal: str = ""  # why, for people
    remedy: str = ""
