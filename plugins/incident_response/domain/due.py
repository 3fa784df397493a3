"""What happens when a timer comes due: exactly once, because acting disarms or re-arms it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from .changes import Change
from .commands import close, escalate, resolve
from .escalation import TOP_LEVEL, EscalationPolicy
from .incidents import Incident, Status
from .paging import notice, page
from .timeline import EventKind
from .timers import Firing, TimerKind
from .times import in_words


def fire(incident: Incident, policy: EscalationPolicy, kind: TimerKind, by: str, now: datetime) -> Change:
    """Act on a due timer: exactly once, because acting disarms or re-arms it. `by` names who came first."""
    due = getattr(incident, kind.value)
    if due is None or due > now:
        return Change(incident)
    firing = Firing(incident.number, kind, due, now, by)
    return _FIRED[kind](incident.evolve(**{kind.value: None}), policy, now, due).fired(firing)


def _fire_page(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    change = Change(incident)
    if incident.level > 1 and not incident.pages:
        change = page(change, policy, 1, "new incident", now, due)
    reason = "trouble is back" if incident.reopenings else "new incident"
    return page(change, policy, incident.level, reason, now, due)


def _fire_acknowledge(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    """Nobody took it in time: page again and escalate one level; the next level gets the same time."""
    again = policy.due(now, policy.targets[incident.severity].acknowledge)
    change = Change(incident.evolve(acknowledge_by=again)).event(
        now, EventKind.OVERDUE, "system:clock", "Acknowledge target missed", due_at=due.isoformat()
    )
    if incident.level < TOP_LEVEL:
        change = page(change, policy, incident.level, "not acknowledged in time", now, due)
    return change.then(
        lambda i: escalate(i, policy, "system:clock", now, reason="acknowledge target missed", due=due),
    )


def _fire_expiry(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    """An acknowledgement does not last for ever: ask again."""
    after = incident.to(
        Status.TRIGGERED, acknowledge_by=policy.due(now, policy.targets[incident.severity].acknowledge)
    )
    change = Change(after).event(
        now, EventKind.EXPIRED, "system:clock", f"Acknowledgement by {incident.acknowledged_by} expired"
    )
    return page(change, policy, incident.level, "acknowledgement expired", now, due)


def _fire_ladder(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    rung = policy.next_rung(incident.severity, incident.level, incident.started_at)
    to = rung[0] if rung else TOP_LEVEL
    return escalate(
        incident,
        policy,
        "system:clock",
        now,
        to=to,
        reason=f"unresolved for {in_words(now - incident.started_at)}",
        due=due,
    )


def _fire_resolve(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    change = Change(incident).event(
        now, EventKind.OVERDUE, "system:clock", "Resolve target missed", due_at=due.isoformat()
    )
    if incident.status is Status.MITIGATED:
        return change
    return page(change, policy, incident.level, "resolve target missed", now, due)


def _fire_update(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    """Remind those who answer that stakeholders are owed an update, and again after the same time."""
    every = policy.targets[incident.severity].update_every
    change = Change(incident.evolve(update_due_at=policy.due(now, every) if every else None)).event(
        now, EventKind.OVERDUE, "system:clock", "Status update to stakeholders is due", due_at=due.isoformat()
    )
    name = f"reminder:{due.isoformat(timespec='milliseconds')}"
    receivers = policy.level(incident.level).receivers
    return notice(change, receivers, "update_reminder", name, now, "A status update is due")


def _fire_remediation(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    if incident.asks:  # a person has stopped what it is about: nobody above is woken for a runbook that hangs
        return page(Change(incident), policy, incident.level, "the runbook did not end in time", now, due)
    return escalate(
        incident,
        policy,
        "system:clock",
        now,
        reason="the runbook did not end in time, its effect is unknown",
        due=due,
    )


def _fire_hold(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    return resolve(incident, policy, "system:clock", now)


def _fire_close(incident: Incident, policy: EscalationPolicy, now: datetime, due: datetime) -> Change:
    return close(incident, policy, "system:clock", now)


_FIRED: Mapping[TimerKind, Callable[[Incident, EscalationPolicy, datetime, datetime], Change]] = {
    TimerKind.PAGE: _fire_page,
    TimerKind.ACKNOWLEDGE: _fire_acknowledge,
    TimerKind.ACKNOWLEDGEMENT_EXPIRY: _fire_expiry,
    TimerKind.LADDER: _fire_ladder,
    TimerKind.RESOLVE: _fire_resolve,
    TimerKind.UPDATE: _fire_update,
    TimerKind.REMEDIATION: _fire_remediation,
    TimerKind.HOLD: _fire_hold,
    TimerKind.CLOSE: _fire_close,
}
