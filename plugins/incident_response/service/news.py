"""News: what says against a repair, and what is only told late or told again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.pipeline_signals import is_happening
from incident_response.domain.records import Role, Sighting
from incident_response.domain.severities import Severity
from incident_response.domain.signals import Signal, start_of
from incident_response.domain.timeline import EventKind
from incident_response.domain.transactions import Transaction
from incident_response.domain.waiting import name_of

from .groups import Group

Told = Mapping[tuple[str, str], Sighting]  # by source and fingerprint


def is_working(incident: Incident) -> bool:
    """True while new signals of its cause are expected: not yet mitigated, not resolved."""
    return incident.status.is_open and incident.status is not Status.MITIGATED


def at_work_on_what_waited(incident: Incident, seen: Sequence[Sighting]) -> bool:
    """True while a runbook repairs runs that waited for this one: that this one is well is not the end."""
    if incident.remediation_by is None:
        return False
    return any(one.firing and one.role is Role.CONSEQUENCE and name_of(one) for one in seen)


def _is_old(signal: Signal, event_like: bool, incident: Incident, told: Told) -> bool:
    """True for what was known at the repair, or had happened before it: it says nothing against the repair.

    A state that fires is news, whatever its sender's clock says. Of an event the same firing told again is
    none, until its end was told.
    """
    if is_happening(signal):
        repaired = incident.mitigated_at or incident.resolved_at
        return repaired is not None and signal.occurred_at < repaired
    if not event_like or signal.occurrence or not signal.start:
        return False
    before = told.get((signal.source, signal.fingerprint))
    return before is not None and before.firing and start_of(before.details) in ("", signal.start)


def news_of(
    group: Group, incident: Incident, seen: Collection[tuple[str, str]], told: Told
) -> tuple[Signal, ...]:
    """The firing signals that say that a repair did not last."""
    return tuple(
        signal
        for signal in group.firing
        if not (signal.occurrence and (signal.fingerprint, signal.occurrence) in seen)
        and not _is_old(signal, group.found.event_like, incident, told)
    )


def told_before(tx: Transaction, incident: Incident, group: Group) -> Told:
    """What the incident keeps of the events among these."""
    repeats = {s.fingerprint for s in group.firing if s.start} if group.found.event_like else ()
    return {(s.source, s.fingerprint): s for s in tx.told_of(incident.number, repeats)} if repeats else {}


def decided(tx: Transaction, incident: Incident, group: Group) -> bool:
    """True when a person has lowered the severity, and these only repeat what was known then."""
    lowered: list[Severity] = []
    for event in reversed(tx.timeline(incident.number)):
        if event.kind in (EventKind.OPENED, EventKind.REOPENED):
            break
        if event.kind is EventKind.SEVERITY:
            if event.actor.startswith("system:"):
                break
            lowered.append(Severity(event.data["before"]))
    if not lowered or all(group.severity.worse_than(before) for before in lowered):
        return False
    firing = {signal.fingerprint for signal in group.firing}
    return firing <= {s.fingerprint for s in tx.told_of(incident.number, firing) if s.firing}
