"""Change: all that one command does to an incident — the record, its facts, its messages — committed at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from .frozen import evolved
from .incidents import Incident
from .runbooks import Remediation
from .timeline import EventKind, TimelineEvent
from .timers import Firing


class OutgoingKind(str, Enum):
    """What leaves through the outbox, and what an interrupted delivery means."""

    PAGE = "page"  # wakes a person: an interrupted one is sent again, marked as a possible repeat
    NOTICE = "notice"  # informs: an interrupted one is reported as unknown, never repeated
    RUN = "run"  # starts a DAG run: idempotent by its run_id, repeated freely


@dataclass(frozen=True)
class Outgoing:
    """One message or DAG run to start, written with the change that caused it and delivered later by the
    clock.
    """

    key: str  # unique for ever: the same effect cannot be written twice
    incident: int
    kind: OutgoingKind
    channel: str  # console, email, …; `airflow` for runs
    receiver: str  # an address; the DAG id for runs
    template: str  # name of a template in include/templates; the run_id for runs
    due_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """What one command does. The store writes all of it in one transaction or none."""

    incident: Incident
    events: tuple[TimelineEvent, ...] = ()
    outgoing: tuple[Outgoing, ...] = ()
    firings: tuple[Firing, ...] = ()
    remediations: tuple[Remediation, ...] = ()  # inserted, or updated by (incident, attempt)

    def event(self, at: datetime, kind: EventKind, actor: str, text: str, **data: Any) -> Change:
        """Add a fact."""
        return evolved(self, {"events": (*self.events, TimelineEvent(at, kind, actor, text, data))})

    def evolve(self, **changes: Any) -> Change:
        """Change the record."""
        return evolved(self, {"incident": self.incident.evolve(**changes)})

    def send(self, *outgoing: Outgoing) -> Change:
        """Add messages or runs to the outbox."""
        return evolved(self, {"outgoing": (*self.outgoing, *outgoing)})

    def fired(self, *firings: Firing) -> Change:
        """Record timers that came due."""
        return evolved(self, {"firings": (*self.firings, *firings)})

    def then(self, command: Callable[[Incident], Change]) -> Change:
        """Run `command` on the record this leaves; keep both sets of facts and messages."""
        after = command(self.incident)
        return Change(
            after.incident,
            (*self.events, *after.events),
            (*self.outgoing, *after.outgoing),
            (*self.firings, *after.firings),
            (*self.remediations, *after.remediations),
        )

    def remediation(self, remediation: Remediation) -> Change:
        """Insert or update one remediation."""
        return evolved(self, {"remediations": (*self.remediations, remediation)})
