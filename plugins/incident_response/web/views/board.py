"""The board: which incident needs a person next, and what that person presses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from incident_response.domain.escalation import EscalationPolicy
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import BoardRow
from incident_response.domain.runbooks import RemediationState
from incident_response.domain.timeline import TimelineEvent
from incident_response.domain.timers import TimerKind

from .due import AUTOMATIC, Due, due
from .waiting import Wait, Waiting


@dataclass(frozen=True)
class Step:
    """The one thing to press next: a command of the incident, or a place on its page (`command` "")."""

    label: str
    command: str
    place: str = ""
    urgent: bool = False


@dataclass(frozen=True)
class Line:
    """One incident on the board."""

    incident: Incident
    state: str
    automation: str  # what automation is doing about it, "" when a person is needed
    level: str
    signals: int
    behind: str  # how much trouble follows from it, "" when none does
    last_event: TimelineEvent | None
    due: Due | None
    step: Step


_APPROVE = Step("Approve", "", "remediation", urgent=True)


def lines(
    rows: Iterable[BoardRow],
    policy_of: Callable[[Incident], EscalationPolicy],
    waiting: Waiting,
    now: datetime,
) -> list[Line]:
    """The open incidents: what needs a person by its next due point, then severity; automation's below."""
    found = [_line(row, policy_of(row.incident), waiting, now) for row in rows]
    return sorted(
        found, key=lambda line: (bool(line.automation), _due_first(line, now), line.incident.number)
    )


def _due_first(line: Line, now: datetime) -> tuple[bool, datetime, int]:
    # What is overdue is due now, however late it is: among those the severity decides.
    moment = max(line.due.due_at, now) if line.due else now
    return (line.due is None, moment, line.incident.severity.rank)


def _line(row: BoardRow, policy: EscalationPolicy, waiting: Waiting, now: datetime) -> Line:
    incident, automation = row.incident, automation_on(row, waiting, now)
    # An update is nobody's task before somebody has taken the incident.
    early = {TimerKind.UPDATE} if incident.status is Status.TRIGGERED else set()
    timers = [t for t in incident.timers if bool(automation) or t.kind not in AUTOMATIC | early]
    if automation and incident.status is Status.MITIGATED:
        timers = [t for t in timers if t.kind is TimerKind.HOLD] or timers
    return Line(
        incident=incident,
        state=incident.status.value,
        automation=automation,
        level=policy.level(incident.level).name,
        signals=row.signals,
        behind=f"{row.behind} service{'s' if row.behind != 1 else ''} behind it" if row.behind else "",
        last_event=row.last_event,
        due=due(timers[0], incident, policy) if timers else None,
        step=_APPROVE if row.asks else next_step(incident, automation, now),
    )


def automation_on(row: BoardRow, waiting: Waiting, now: datetime) -> str:
    """What automation is doing about an incident that nobody has to look at yet; "" when somebody has to."""
    if row.incident.status is Status.MITIGATED:
        return "verified, holding"
    if row.asks:
        return ""
    wait = waiting.waits(row.incident, now)
    if wait is Wait.NOTHING:
        return ""
    if row.remediation is not None and row.remediation.state is RemediationState.RUNNING:
        return "repairing"
    return _WAITS[wait]


_WAITS = {Wait.RUNBOOK: "runbook starting", Wait.GROUPING: "grouping waits", Wait.GRACE: "waiting"}


def next_step(incident: Incident, automation: str, now: datetime) -> Step:
    """What to press next."""
    if automation:
        return Step("Watch", "")
    if incident.status is Status.TRIGGERED:
        return Step("Acknowledge", "acknowledge", urgent=True)
    update_next = incident.update_due_at is not None and incident.update_due_at == min(
        timer.due_at for timer in incident.timers
    )
    if update_next:
        return Step(
            "Post update", "", "say", urgent=bool(incident.update_due_at and incident.update_due_at < now)
        )
    if incident.status is Status.ACKNOWLEDGED:
        return Step("Investigate", "investigate")
    return Step("Resolve", "", "resolve")
