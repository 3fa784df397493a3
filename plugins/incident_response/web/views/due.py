"""What is due next for an incident, and what happens when it passes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from incident_response.domain.business_hours import Span
from incident_response.domain.escalation import TOP_LEVEL, EscalationPolicy
from incident_response.domain.incidents import Incident
from incident_response.domain.timers import Timer, TimerKind

# Due points that a machine meets; all others are a person's.
AUTOMATIC = frozenset({TimerKind.REMEDIATION, TimerKind.HOLD, TimerKind.CLOSE})


@dataclass(frozen=True)
class Due:
    """One due point for people. `start` is where its bar begins, None when that is not known."""

    kind: TimerKind
    word: str
    then: str
    due_at: datetime
    start: datetime | None


def due(timer: Timer, incident: Incident, policy: EscalationPolicy) -> Due:
    """The due point of an armed timer."""
    level = min(incident.level + 1, TOP_LEVEL)
    rung = policy.next_rung(incident.severity, incident.level, incident.started_at)
    words = {
        TimerKind.PAGE: (f"page L{incident.level}", f"Level {incident.level} is paged"),
        TimerKind.ACKNOWLEDGE: ("acknowledge", f"Level {level} is paged"),
        TimerKind.ACKNOWLEDGEMENT_EXPIRY: (
            "acknowledge again",
            "the acknowledgement expires and is asked for again",
        ),
        TimerKind.LADDER: (f"page L{rung[0] if rung else level}", "unresolved: the next level is paged"),
        TimerKind.RESOLVE: ("resolve", "the resolve target is missed and the level is paged again"),
        TimerKind.UPDATE: ("update", "whoever answers is reminded that stakeholders wait"),
        TimerKind.REMEDIATION: ("runbook limit", "the runbook took too long: a person is paged"),
        TimerKind.HOLD: ("hold-down", "quiet until then: resolved"),
        TimerKind.CLOSE: ("closes in", "the incident is filed"),
    }
    word, then = words[timer.kind]
    return Due(timer.kind, word, then, timer.due_at, _start(timer, incident, policy))


def _start(timer: Timer, incident: Incident, policy: EscalationPolicy) -> datetime | None:
    """Where the time began that is running out; business time has gaps, so there it is the cycle's start."""
    targets = policy.targets[incident.severity]
    spans: dict[TimerKind, Span | None] = {
        TimerKind.ACKNOWLEDGE: targets.acknowledge,
        TimerKind.ACKNOWLEDGEMENT_EXPIRY: targets.acknowledgement_expiry,
        TimerKind.UPDATE: targets.update_every,
    }
    if timer.kind is TimerKind.HOLD:
        return incident.mitigated_at
    span = spans.get(timer.kind)
    if span is not None and span.elapsed > timedelta():
        return timer.due_at - span.elapsed
    return incident.started_at
