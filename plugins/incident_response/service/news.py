"""News: what says against a repair, and what is only told late."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import Role, Sighting
from incident_response.domain.signals import Signal
from incident_response.domain.transactions import Transaction
from incident_response.domain.waiting import name_of

from .groups import Group


def is_working(incident: Incident) -> bool:
    """True while new signals of its cause are expected: not yet mitigated, not resolved."""
    return incident.status.is_open and incident.status is not Status.MITIGATED


def at_work_on_what_waited(incident: Incident, seen: Sequence[Sighting]) -> bool:
    """True while a runbook repairs runs that waited for this one: that this one is well is not the end."""
    if incident.remediation_by is None:
        return False
    return any(one.firing and one.role is Role.CONSEQUENCE and name_of(one) for one in seen)


def _is_late_news(signal: Signal, event_like: bool, incident: Incident, over: Mapping[str, datetime]) -> bool:
    """True for what was before the repair, and is told only now: it says nothing against the repair."""
    if not event_like and not signal.occurrence:
        # A state fires until it is told that it ended, however often it is told; the latest word counts.
        return signal.fingerprint in over and signal.occurred_at <= over[signal.fingerprint]
    repaired = incident.mitigated_at or incident.resolved_at
    began = signal.details.get("since")
    at = signal.occurred_at if signal.occurrence or not began else datetime.fromisoformat(str(began))
    return repaired is not None and at < repaired


def news_of(
    group: Group,
    incident: Incident,
    seen: Collection[tuple[str, str]],
    over: Mapping[str, datetime],
) -> tuple[Signal, ...]:
    """The firing signals that say that a repair did not last."""
    return tuple(
        signal
        for signal in group.firing
        if not (signal.occurrence and (signal.fingerprint, signal.occurrence) in seen)
        and not _is_late_news(signal, group.found.event_like, incident, over)
    )


def ended(tx: Transaction, incident: Incident, group: Group) -> dict[str, datetime]:
    """By fingerprint: when it was told last, before or in this call, that a thing is over."""
    told = [(s.fingerprint, s.last_at) for s in tx.sightings(incident.number) if not s.firing]
    found: dict[str, datetime] = {}
    for fingerprint, at in (*told, *((s.fingerprint, s.occurred_at) for s in group.quiet)):
        found[fingerprint] = max(at, found.get(fingerprint, at))
    return found
