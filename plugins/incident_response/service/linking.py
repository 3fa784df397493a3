"""Linking: two incidents that may have to do with each other, each worked on in its own right."""

from __future__ import annotations

from datetime import datetime

from incident_response.domain.incidents import Incident
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.transactions import Transaction

_BY = "system:grouping"


def link(tx: Transaction, incident: Incident, cause: Incident, now: datetime) -> None:
    """Tell it on both, once in their lives."""
    if tx.begin_effect(f"link:{cause.number}:{incident.number}", incident.number, _BY, now) is not None:
        return
    up = f"{cause.key} {cause.title}: {incident.service} depends on {cause.service}; worked on by itself"
    down = f"{incident.key} {incident.title}: depends on {cause.service}, but is worked on by itself"
    tx.add_events(
        incident.number,
        [TimelineEvent(now, EventKind.LINKED, _BY, up, {"linked": cause.number, "is": "cause"})],
    )
    tx.add_events(
        cause.number,
        [TimelineEvent(now, EventKind.LINKED, _BY, down, {"linked": incident.number, "is": "consequence"})],
    )
