"""Merging: another incident of the same cause takes over."""

from __future__ import annotations

from datetime import datetime

from .changes import Change
from .commands import DISARMED, escalate, must_be_open
from .errors import BadInput
from .escalation import EscalationPolicy
from .grouping import SEVERAL
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


def inherit(
    taking: Incident, merged: Incident, policy: EscalationPolicy, by: str, now: datetime, *, own: bool
) -> Change:
    """What an incident that takes over has of the one it takes over: the earliest start and due points, the
    highest level (which is told, when it is higher), and that it flaps, when both are of one trouble (`own`).

    An umbrella has its own time for the page: not within a minute of a member's, of which people know.
    """
    if merged.asks:
        return Change(taking)  # it waits for a word, and no clock of it runs
    umbrella = taking.service == SEVERAL
    clocks = ("acknowledge_by", "escalate_at", "resolve_by", "update_due_at")
    names = clocks if umbrella else ("page_at", *clocks)
    asks, waits = taking.asks, taking.status is Status.TRIGGERED
    dues = {}
    for name in names:
        both = [due for due in (getattr(taking, name), getattr(merged, name)) if due is not None]
        # A clock that a person has stopped stays so; one that nobody had to start begins with the other's.
        if both and (asks or getattr(taking, name) is not None):
            dues[name] = min(both)
    if merged.pages and not taking.pages and waits and not umbrella:
        dues["page_at"] = min(
            now, dues.get("page_at", now)
        )  # people were told of it: they are told where it is
    change = Change(
        taking.evolve(
            **dues,
            started_at=min(taking.started_at, merged.started_at),
            flapping=taking.flapping or (own and merged.flapping),
        )
    )
    if merged.level > taking.level:
        reason = f"{merged.key}, which it took over, had reached Level {merged.level}"
        change = change.then(lambda i: escalate(i, policy, by, now, to=merged.level, reason=reason))
    return change


def took_over(merged: Incident, reason: str, by: str, now: datetime) -> TimelineEvent:
    """For the timeline of the incident that takes over."""
    text = f"{merged.key} {merged.title}: {reason}"
    return TimelineEvent(now, EventKind.ATTACHED, by, text, {"merged": merged.number})
