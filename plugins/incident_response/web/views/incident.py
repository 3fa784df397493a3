"""The incident page: what is going on, and what can be pressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from incident_response.domain.changes import OutgoingKind
from incident_response.domain.escalation import TOP_LEVEL, Cause, EscalationPolicy
from incident_response.domain.evidence import KeptExhibit
from incident_response.domain.grouping import SEVERAL
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import Parcel, Role, Sighting
from incident_response.domain.runbooks import Remediation, Runbook, StepResult
from incident_response.domain.signals import Signal
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.timers import Firing, TimerKind
from incident_response.domain.transactions import Transaction
from incident_response.service.job import PLAN

from .due import Due, due
from .facts import Entry, entries
from .related import Related, related

# What one page shows at most of each list: it has to stay light on a phone. The report has everything.
_EVENTS, _SIGNALS, _ROWS = 200, 40, 40
_READ = 1000  # signals that the page knows of; nothing is decided by it
_attempt = attrgetter("attempt")
_CLOCKS = (TimerKind.ACKNOWLEDGE, TimerKind.RESOLVE)


@dataclass(frozen=True)
class Rung:
    """A level of the ladder. `due_at` is when it will be paged if nothing changes."""

    number: int
    name: str
    reached: bool
    answers_now: bool
    due_at: datetime | None


@dataclass(frozen=True)
class Known:
    """What we know: the cause, what is affected, who saw it. `sightings` are its own signals."""

    cause: str
    systems: Sequence[str]
    sources: Sequence[str]
    count: int
    sightings: Sequence[Sighting]
    hidden: int


@dataclass(frozen=True)
class Sheet:
    """Everything on the page of one incident."""

    incident: Incident
    policy: EscalationPolicy
    clocks: Mapping[TimerKind, Due]
    others: Sequence[Due]
    ladder: Sequence[Rung]
    known: Known
    related: Related
    runbook: Runbook | None
    remediations: Sequence[Remediation]
    steps: Mapping[int, Sequence[StepResult]]  # by attempt, in order
    plans: Mapping[int, Mapping[str, Sequence[Mapping[str, str]]]]  # by attempt and step
    exhibits: Sequence[KeptExhibit]
    runs: Sequence[Parcel]
    messages: Sequence[Parcel]
    firings: Sequence[Firing]
    evidence: Sequence[tuple[int, TimelineEvent]]
    timeline: Sequence[Entry]
    earlier: int
    can: Mapping[str, str]

    @property
    def can_silence(self) -> bool:
        """False for an incident that stands for many services: no signal has its name."""
        return self.incident.service != SEVERAL and self.incident.merged_into is None


def sheet(
    tx: Transaction,
    incident: Incident,
    policy: EscalationPolicy,
    runbook: Runbook | None,
    service_of: Callable[[Signal], str],
) -> Sheet:
    """Read what the page shows, in one transaction. `runbook` is the incident's, None: there is none."""
    sightings = tx.sightings(incident.number, _READ)
    timeline, parcels = tx.timeline(incident.number), tx.parcels(incident.number)
    remediations = tx.remediations(incident.number)
    steps = tx.steps(incident.number)
    dues = [due(timer, incident, policy) for timer in incident.timers]
    facts = entries(timeline)
    return Sheet(
        incident=incident,
        policy=policy,
        clocks={found.kind: found for found in dues if found.kind in _CLOCKS},
        others=[found for found in dues if found.kind not in (*_CLOCKS, TimerKind.LADDER)],
        ladder=_ladder(incident, policy),
        known=_known(incident, timeline, [s for s in sightings if s.role is Role.OWN]),
        related=related(sightings, timeline, service_of),
        runbook=runbook,
        remediations=remediations[::-1],
        steps={attempt: list(found) for attempt, found in groupby(sorted(steps, key=_attempt), _attempt)},
        plans={step.attempt: step.data.get("steps", {}) for step in steps if step.step == PLAN},
        exhibits=tx.exhibits(incident.number)[::-1],
        runs=[parcel for parcel in parcels if parcel.outgoing.kind is OutgoingKind.RUN],
        messages=[parcel for parcel in parcels if parcel.outgoing.kind is not OutgoingKind.RUN][::-1][:_ROWS],
        firings=tx.firings(incident.number)[::-1][:_ROWS],
        evidence=[(n, event) for n, event in enumerate(timeline) if event.kind is EventKind.EVIDENCE][::-1],
        timeline=facts[:_EVENTS],
        earlier=max(len(facts) - _EVENTS, 0),
        can=what_can_be_done(incident, remediations, runbook),
    )


def _ladder(incident: Incident, policy: EscalationPolicy) -> list[Rung]:
    climbing = incident.escalate_at is not None
    spans = policy.targets[incident.severity].ladder
    upcoming = policy.next_rung(incident.severity, incident.level, incident.started_at)

    def due_at(number: int) -> datetime | None:
        if not climbing or number <= incident.level or number not in spans:
            return None
        if upcoming and number == upcoming[0]:
            return incident.escalate_at
        return policy.due(incident.started_at, spans[number])

    return [
        Rung(
            level.number,
            level.name,
            level.number <= incident.level,
            incident.status.is_open and level.number == incident.level,
            due_at(level.number),
        )
        for level in sorted(policy.levels, key=lambda level: level.number)
    ]


def _known(incident: Incident, timeline: Sequence[TimelineEvent], sightings: Sequence[Sighting]) -> Known:
    causes = [event for event in timeline if event.data.get("cause")]
    cause = incident.review.get("root_cause", "") or (
        str(causes[-1].data["cause"]).replace("_", " ") if causes else ""
    )
    systems = dict.fromkeys(
        [incident.service, *(s.labels.get("service") or incident.service for s in sightings)]
    )
    latest = sorted(sightings, key=lambda sighting: sighting.last_at, reverse=True)
    return Known(
        cause=cause,
        systems=list(systems),
        sources=sorted({sighting.source for sighting in sightings}),
        count=sum(sighting.count for sighting in sightings),
        sightings=latest[:_SIGNALS],
        hidden=max(len(latest) - _SIGNALS, 0),
    )


def what_can_be_done(
    incident: Incident, remediations: Sequence[Remediation], runbook: Runbook | None
) -> dict[str, str]:
    """Command → "" when it can be given now, else why not. A command that makes no sense is absent."""
    status, is_open = incident.status, incident.status.is_open
    can = {"note": ""}
    if is_open:
        can |= {"assign": "", "escalate": "", "resolve": "", "update": "", "severity": ""}
        can |= {"merge": "", "split": ""}
        if status is Status.TRIGGERED:
            can["acknowledge"] = ""
        if status in (Status.TRIGGERED, Status.ACKNOWLEDGED):
            can["investigate"] = ""
    if incident.runbook and is_open and not (runbook and runbook.written):
        busy = next((r for r in remediations if not r.state.ended), None)
        can["remediate"] = f"{busy.runbook} is {busy.state.value}" if busy else ""
        if runbook is None:
            can["remediate"] = f"include/runbooks has no valid runbook {incident.runbook}"
    if status in (Status.RESOLVED, Status.MITIGATED) and incident.merged_into is None:
        can["reopen"] = ""
    if status is Status.RESOLVED:
        can["close"] = ""
    return can


def causes() -> dict[int, list[Cause]]:
    """The causes that make an incident jump, by the level that answers for them."""
    return {level: [cause for cause in Cause if cause.level == level] for level in range(2, TOP_LEVEL + 1)}
