"""Merging: another incident of the same cause takes over."""

from __future__ import annotations

from datetime import datetime

from .changes import Change
from .commands import DISARMED, must_be_open
from .errors import BadInput
from .escalation import EscalationPolicy
from .incidents import Incident, Status
from .timeline import EventKind, TimelineEvent


def merge(
    incident: Incident, policy: EscalationPolicy, into: int, reason: str, by: str, now: datetime
) -> Change:
    """Another incident takes over: this one is over, silently, and never reopens."""
    must_be_open(incident)
    if into == incident.number:
        raise BadInput(f"{incident.key} cannot be merged into itself")
    text = f"Merged into INC-{into}: {reason}"
    after = incident.evolve(**DISARMED, merged_into=into).to(
        Status.RESOLVED, resolved_at=now, resolution=text, close_at=now + policy.close_after
    )
    return Change(after).event(now, EventKind.MERGED, by, text, into=into)


def took_over(merged: Incident, reason: str, by: str, now: datetime) -> TimelineEvent:
    """For the timeline of the incident that takes over."""
    text = f"{merged.key} {merged.title}: {reason}"
    return TimelineEvent(now, EventKind.ATTACHED, by, text, {"merged": merged.number})
