"""TimelineEvent: an append-only fact about an incident."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from .times import utc


class EventKind(str, Enum):
    """What happened. The page filters by these; the report picks its milestones from them."""

    OPENED = "opened"
    SIGNAL = "signal"
    ATTACHED = "attached"  # a consequence, or another incident of the same cause
    LINKED = "linked"  # to the incident of something it depends on, or that depends on it
    MERGED = "merged"
    SPLIT = "split"
    PAGED = "paged"
    DELIVERED = "delivered"
    DELIVERY_FAILED = "delivery_failed"
    ACKNOWLEDGED = "acknowledged"
    EXPIRED = "expired"
    INVESTIGATING = "investigating"
    ASSIGNED = "assigned"
    ESCALATED = "escalated"
    OVERDUE = "overdue"
    SEVERITY = "severity"
    NOTE = "note"
    UPDATE = "update"
    REMEDIATION = "remediation"
    EVIDENCE = "evidence"
    CAUSE = "cause"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"
    REOPENED = "reopened"
    CLOSED = "closed"


@dataclass(frozen=True)
class TimelineEvent:
    """An append-only fact. `actor` is a person's login or `system:<part>`; `data` holds JSON values."""

    at: datetime
    kind: EventKind
    actor: str
    text: str
    data: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "at", utc(self.at))

    @property
    def by_person(self) -> bool:
        """True when a person did it."""
        return not self.actor.startswith("system:")
