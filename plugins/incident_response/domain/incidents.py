"""Incident: what is worked on. The record, its statuses and the table of allowed transitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from .errors import BadInput, IllegalTransition
from .frozen import evolved
from .severities import Scenario, Severity
from .timers import Timer, TimerKind


class Status(str, Enum):
    """Where an incident stands."""

    TRIGGERED = "triggered"
    ACKNOWLEDGED = "acknowledged"
    INVESTIGATING = "investigating"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def is_open(self) -> bool:
        """True while the incident needs somebody or something."""
        return self not in (Status.RESOLVED, Status.CLOSED)

    @property
    def needs_person(self) -> bool:
        """True while nobody has taken it."""
        return self is Status.TRIGGERED


TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.TRIGGERED: frozenset(
        {Status.ACKNOWLEDGED, Status.INVESTIGATING, Status.MITIGATED, Status.RESOLVED}
    ),
    Status.ACKNOWLEDGED: frozenset(
        {Status.TRIGGERED, Status.INVESTIGATING, Status.MITIGATED, Status.RESOLVED}
    ),
    Status.INVESTIGATING: frozenset({Status.TRIGGERED, Status.MITIGATED, Status.RESOLVED}),
    Status.MITIGATED: frozenset({Status.TRIGGERED, Status.RESOLVED}),
    Status.RESOLVED: frozenset({Status.TRIGGERED, Status.CLOSED}),
    Status.CLOSED: frozenset(),
}


@dataclass(frozen=True)
class Incident:
    """What is worked on. Times are UTC. The due points are fields: a change cannot forget its timers."""

    number: int
    dedup_key: str  # finds the open incident; unique among the open ones
    title: str
    severity: Severity
    scenario: Scenario
    service: str  # the affected system: a DAG, a container, a database
    rule: str  # the classification rule that opened it
    policy: str  # digest of the escalation policy copied at opening
    opened_at: datetime
    started_at: datetime  # start of this cycle: the opening, or the last reopening after it was resolved
    status: Status = Status.TRIGGERED
    level: int = 1  # who answers now
    owner: str | None = None
    runbook: str | None = None
    event_like: bool = False  # its signals going quiet proves nothing
    labels: Mapping[str, str] = field(default_factory=dict)
    # due points, None: not armed
    page_at: datetime | None = None
    acknowledge_by: datetime | None = None
    acknowledgement_expires_at: datetime | None = None
    escalate_at: datetime | None = None
    resolve_by: datetime | None = None
    update_due_at: datetime | None = None
    remediation_by: datetime | None = None
    hold_until: datetime | None = None
    close_at: datetime | None = None
    # history that decides what may happen next
    pages: int = 0  # how many times people were paged; numbers the keys of messages
    remediations: int = 0
    reopenings: int = 0
    flapping: bool = False
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    mitigated_at: datetime | None = None
    resolved_at: datetime | None = None
    resolution: str = ""
    closed_at: datetime | None = None
    review: Mapping[str, str] = field(default_factory=dict)  # parts of the report only people know
    split_off: Mapping[str, str] = field(default_factory=dict)  # fingerprint → the dedup_key it has now
    merged_into: int | None = None  # the incident that took over; this one is resolved and never reopens

    @property
    def key(self) -> str:
        """The name for people and for DAG runs: `INC-42`."""
        return f"INC-{self.number}"

    @property
    def asks(self) -> bool:
        """True while it waits for a person's word and for nothing else: somebody has stopped what it is
        about. No clock runs until somebody takes it.
        """
        armed = (self.page_at, self.acknowledge_by, self.escalate_at, self.resolve_by)
        return self.status is Status.TRIGGERED and self.pages > 0 and not any(armed)

    @property
    def timers(self) -> tuple[Timer, ...]:
        """The armed timers, next first."""
        armed = ((kind, getattr(self, kind.value)) for kind in TimerKind)
        return tuple(
            sorted((Timer(kind, due) for kind, due in armed if due is not None), key=lambda t: t.due_at)
        )

    @property
    def next_due_at(self) -> datetime | None:
        """When the clock has to look at it next; None: never."""
        return min((timer.due_at for timer in self.timers), default=None)

    def evolve(self, **changes: Any) -> Incident:
        """A copy with other values."""
        return evolved(self, changes)

    def to(self, status: Status, **changes: Any) -> Incident:
        """A copy in another status. Raises IllegalTransition when the table does not allow it."""
        if status not in TRANSITIONS[self.status]:
            raise IllegalTransition(f"{self.key} is {self.status.value}; it cannot become {status.value}")
        return evolved(self, {"status": status, **changes})


def number_of(key: str | int) -> int:
    """42 from `42`, `INC-42` or `inc-42`. Raises BadInput."""
    text = str(key).strip().upper().removeprefix("INC-")
    if not text.isdigit() or not 0 < int(text) < 2**31:
        raise BadInput(f"{key!r} names no incident; write INC-42 or 42")
    return int(text)
