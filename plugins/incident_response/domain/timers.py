"""Timer: a due point of an incident; Firing: the record that it came, how late, and through whom."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum


class TimerKind(str, Enum):
    """What is due. The value names the incident's field that holds the due time."""

    PAGE = "page_at"
    ACKNOWLEDGE = "acknowledge_by"
    ACKNOWLEDGEMENT_EXPIRY = "acknowledgement_expires_at"
    LADDER = "escalate_at"
    RESOLVE = "resolve_by"
    UPDATE = "update_due_at"
    REMEDIATION = "remediation_by"
    HOLD = "hold_until"
    CLOSE = "close_at"

    @property
    def word(self) -> str:
        """The name for people, as the page and the timeline show it."""
        return _WORDS[self]


_WORDS = {
    TimerKind.PAGE: "first page",
    TimerKind.ACKNOWLEDGE: "acknowledge target",
    TimerKind.ACKNOWLEDGEMENT_EXPIRY: "acknowledgement expires",
    TimerKind.LADDER: "escalation",
    TimerKind.RESOLVE: "resolve target",
    TimerKind.UPDATE: "status update",
    TimerKind.REMEDIATION: "remediation time limit",
    TimerKind.HOLD: "hold-down",
    TimerKind.CLOSE: "closing",
}


@dataclass(frozen=True)
class Timer:
    """A due point of an open incident, in UTC."""

    kind: TimerKind
    due_at: datetime


@dataclass(frozen=True)
class Firing:
    """A timer that came due and was acted on, once."""

    incident: int
    kind: TimerKind
    due_at: datetime
    fired_at: datetime
    fired_by: str  # `clock@host:pid`, `sensor@…`, `cli@…`

    @property
    def lateness(self) -> timedelta:
        """How much later than due it was acted on."""
        return self.fired_at - self.due_at
