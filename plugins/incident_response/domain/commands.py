"""The commands of an incident. Each is a pure function: the record before, the policy and `now` in; a
Change out.

Every command leaves all due points right, so no caller arms or disarms a timer by hand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from .changes import Change
from .classification import Classification
from .errors import BadInput, IllegalTransition
from .escalation import TOP_LEVEL, Cause, EscalationPolicy
from .incidents import Incident, Status
from .paging import audience, notice, page, start_run
from .runbooks import Remediation, RemediationState, Runbook
from .severities import Severity
from .signals import Signal
from .stops import STOPPED, is_stop
from .timeline import EventKind
from .timers import TimerKind
from .times import in_words

RESPONSE_DAG = "incident_response"
ESCALATION_DAG = "incident_escalation"
REVIEW_PARTS = ("root_cause", "user_impact", "business_impact", "resolution", "prevention", "lessons")
DISARMED: Mapping[str, None] = {kind.value: None for kind in TimerKind}


def open_incident(
    number: int,
    signal: Signal,
    found: Classification,
    policy: EscalationPolicy,
    now: datetime,
    quiet: timedelta = timedelta(),
    stop: str = "",
) -> Change:
    """Open an incident for the first signal of a cause, arm its clocks and ask for its two DAG runs.

    Nobody is told for `quiet`: it may turn out to be the consequence of something worse. `stop` tells that
    a person has stopped it: then whoever answers is told once, and no clock runs until somebody takes it.
    """
    targets = policy.targets[found.severity]
    # The grace before the first page exists for a repair; without a runbook there is nothing to wait for.
    # What is minor never pages at once.
    patient = (found.runbook and found.level == 1) or found.severity is Severity.P4
    page_at = policy.due(now, targets.page_after) if patient else now
    page_at = max(page_at, now + quiet)
    incident = Incident(
        number=number,
        dedup_key=found.dedup_key,
        title=found.title,
        severity=found.severity,
        scenario=found.scenario,
        service=found.service,
        rule=found.rule,
        policy=policy.digest,
        opened_at=now,
        started_at=now,
        level=found.level,
        runbook=found.runbook,
        event_like=found.event_like,
        labels=dict(signal.labels),
        page_at=page_at,
        acknowledge_by=policy.due(now, targets.acknowledge),
        resolve_by=policy.due(now, targets.resolve),
        update_due_at=policy.due(now, targets.update_every) if targets.update_every else None,
    )
    change = _arm_ladder(Change(incident), policy).event(
        now,
        EventKind.OPENED,
        f"system:{signal.source}",
        signal.summary,
        severity=found.severity.value,
        rule=found.rule,
        source=signal.source,
        occurred_at=signal.occurred_at.isoformat(),
        detected_after=round((now - signal.occurred_at).total_seconds(), 3),
    )
    if stop:
        change = ask_person(change, policy, f"{STOPPED}: {stop}; shall it stay so?", now)
    elif incident.severity.rank <= 2:
        change = notice(
            change, policy.stakeholders, "incident_notification", "opened", now + quiet, signal.summary
        )
    change = start_run(change, RESPONSE_DAG, incident.key, now)
    return start_run(change, ESCALATION_DAG, incident.key, now)


def ask_person(change: Change, policy: EscalationPolicy, reason: str, now: datetime) -> Change:
    """What it is about was stopped by a person, and stays so until somebody says otherwise: whoever answers
    now is told, unless they were before; then no clock runs.
    """
    if change.incident.status is not Status.TRIGGERED:
        return change  # somebody has it already
    if not change.incident.pages:
        change = page(change, policy, change.incident.level, reason[:300], now, now)
    waits = dict.fromkeys(("page_at", "acknowledge_by", "escalate_at", "resolve_by", "update_due_at"))
    return change.evolve(**waits)


def go_on(incident: Incident, policy: EscalationPolicy, by: str, now: datetime, *, reason: str) -> Change:
    """There is trouble in it that nobody has stopped: its clocks start, and who answers is paged."""
    if not incident.asks:
        return Change(incident)
    targets = policy.targets[incident.severity]
    change = _started(incident, policy, now).evolve(
        page_at=now, acknowledge_by=policy.due(now, targets.acknowledge)
    )
    return change.event(now, EventKind.NOTE, by, f"Its clocks start, this was stopped by nobody: {reason}")


def _started(incident: Incident, policy: EscalationPolicy, now: datetime) -> Change:
    """The clocks of one that has waited for an answer: they count from here."""
    targets = policy.targets[incident.severity]
    update = policy.due(now, targets.update_every) if targets.update_every else None
    after = incident.evolve(started_at=now, resolve_by=policy.due(now, targets.resolve), update_due_at=update)
    return _arm_ladder(Change(after), policy)


def acknowledge(incident: Incident, policy: EscalationPolicy, by: str, now: datetime) -> Change:
    """Take the incident. Stops the acknowledge clock, never the ladder; expires after the policy's time.

    Acknowledging again renews the expiry.
    """
    if incident.status in (Status.ACKNOWLEDGED, Status.INVESTIGATING):
        return _renew(Change(incident), policy, now).event(
            now, EventKind.ACKNOWLEDGED, by, f"Acknowledged again by {by}"
        )
    before = _started(incident, policy, now).incident if incident.asks else incident
    after = before.to(
        Status.ACKNOWLEDGED,
        acknowledged_at=incident.acknowledged_at or now,
        acknowledged_by=by,
        owner=incident.owner or by,
        page_at=None,
        acknowledge_by=None,
    )
    return _renew(Change(after), policy, now).event(now, EventKind.ACKNOWLEDGED, by, f"Acknowledged by {by}")


def investigate(incident: Incident, policy: EscalationPolicy, by: str, now: datetime) -> Change:
    """A person starts to look into it; counts as an acknowledgement."""
    before = _started(incident, policy, now).incident if incident.asks else incident
    after = before.to(
        Status.INVESTIGATING,
        acknowledged_at=incident.acknowledged_at or now,
        acknowledged_by=incident.acknowledged_by or by,
        owner=incident.owner or by,
        page_at=None,
        acknowledge_by=None,
    )
    return _renew(Change(after), policy, now).event(
        now, EventKind.INVESTIGATING, by, f"Investigation started by {by}"
    )


def assign(incident: Incident, policy: EscalationPolicy, owner: str, by: str, now: datetime) -> Change:
    """Name the owner. Assigning to oneself also acknowledges."""
    must_be_open(incident)
    change = Change(incident)
    if owner == by and incident.status is Status.TRIGGERED:
        change = acknowledge(incident, policy, by, now)
    return change.evolve(owner=owner).event(now, EventKind.ASSIGNED, by, f"Assigned to {owner}", owner=owner)


def add_note(incident: Incident, policy: EscalationPolicy, text: str, by: str, now: datetime) -> Change:
    """Keep a note; somebody is evidently at work, so an acknowledgement is renewed."""
    return _renew(Change(incident), policy, now).event(now, EventKind.NOTE, by, _said(text))


def post_update(incident: Incident, policy: EscalationPolicy, text: str, by: str, now: datetime) -> Change:
    """Tell everybody who knows of the incident how it stands (procedures §3.4, template §7.2)."""
    must_be_open(incident)
    every = policy.targets[incident.severity].update_every
    change = _renew(Change(incident), policy, now).event(now, EventKind.UPDATE, by, _said(text))
    change = change.evolve(update_due_at=policy.due(now, every) if every else None)
    name = f"update:{now.isoformat()}"
    receivers = audience(change, policy) or policy.level(1).receivers
    return notice(change, receivers, "status_update", name, now, text)


def set_severity(
    incident: Incident,
    policy: EscalationPolicy,
    severity: Severity,
    by: str,
    now: datetime,
    *,
    title: str = "",
) -> Change:
    """Change the severity; `title`: the words of what is told now, empty when they stay.

    A raise pages, whoever has acknowledged the lesser trouble; where the first page is yet to come, it is
    that one, now at the new severity. Due times are recomputed from the start of the cycle; raising never
    makes one later. No page becomes due before now: it would be told as late by all that time, and taken for
    one that was due then and has fired.
    """
    must_be_open(incident)
    if severity is incident.severity:
        return Change(incident)
    targets, raised = policy.targets[severity], severity.worse_than(incident.severity)
    start = incident.started_at

    def due(current: datetime | None, computed: datetime) -> datetime | None:
        """A disarmed clock stays disarmed; a raised one only moves towards now."""
        if current is None:
            return None
        return min(current, computed) if raised else computed

    after = incident.evolve(
        severity=severity,
        page_at=due(incident.page_at, max(now, policy.due(start, targets.page_after))),
        acknowledge_by=due(incident.acknowledge_by, max(now, policy.due(start, targets.acknowledge))),
        resolve_by=due(incident.resolve_by, policy.due(start, targets.resolve)),
    )
    ladder = None if incident.asks else _arm_ladder(Change(after), policy).incident.escalate_at
    if raised and incident.escalate_at:
        ladder = min(ladder or incident.escalate_at, incident.escalate_at)
    if raised and after.acknowledgement_expires_at and targets.acknowledgement_expiry:
        expiry = policy.due(now, targets.acknowledgement_expiry)
        after = after.evolve(acknowledgement_expires_at=min(after.acknowledgement_expires_at, expiry))
    if targets.update_every and not incident.asks:
        update = policy.due(now, targets.update_every)
        after = after.evolve(update_due_at=min(after.update_due_at or update, update) if raised else update)
    title = title or incident.title
    step = f"from {incident.severity.value} to {severity.value}"
    words = f": {title}" if title != incident.title else ""
    change = Change(after.evolve(escalate_at=ladder, title=title)).event(
        now,
        EventKind.SEVERITY,
        by,
        f"Severity {'raised' if raised else 'lowered'} {step}{words}",
        before=incident.severity.value,
        after=severity.value,
    )
    if raised and severity.rank <= 2 < incident.severity.rank:
        name = f"raised:{now.isoformat()}"
        change = notice(change, policy.stakeholders, "incident_notification", name, now, title)
    if raised and after.page_at is None and after.status is not Status.MITIGATED:
        change = page(change, policy, after.level, f"severity raised to {severity.value}", now, now)
    return change


def escalate(
    incident: Incident,
    policy: EscalationPolicy,
    by: str,
    now: datetime,
    *,
    to: int | None = None,
    cause: Cause | None = None,
    reason: str = "",
    due: datetime | None = None,
) -> Change:
    """Page a higher level: the one named, the one that answers for `cause`, else the next.

    At the top the same level is paged again. `due` is when it should have happened (default: now).
    """
    must_be_open(incident)
    if incident.asks:  # whoever is woken now has the usual time
        acknowledge_by = policy.due(now, policy.targets[incident.severity].acknowledge)
        incident = _started(incident, policy, now).incident.evolve(acknowledge_by=acknowledge_by)
    wanted = max(to or 0, cause.level if cause else 0) or incident.level + 1
    level = min(max(wanted, incident.level), TOP_LEVEL)
    reason = reason or (f"{cause.value.replace('_', ' ')} cause" if cause else f"asked for by {by}")
    data = {
        "before": incident.level,
        "after": level,
        "reason": reason,
        **({"cause": cause.value} if cause else {}),
    }
    change = Change(incident.evolve(level=level)).event(
        now,
        EventKind.ESCALATED,
        by,
        f"Escalated to Level {level} {policy.level(level).name}: {reason}",
        **data,
    )
    if incident.pages == 0 and level > 1:
        # Nobody was paged yet (grace for a repair): Operations must not learn of it last.
        change = page(change, policy, 1, reason, now, due or now)
    return _arm_ladder(page(change, policy, level, reason, now, due or now), policy)


def mitigate(
    incident: Incident,
    policy: EscalationPolicy,
    by: str,
    now: datetime,
    *,
    proof: str,
    hold: timedelta | None = None,
) -> Change:
    """It seems fixed, and `proof` says why. Resolved when the hold-down passes without a new signal."""
    hold = policy.hold_down if hold is None else hold
    after = incident.to(
        Status.MITIGATED,
        mitigated_at=now,
        hold_until=now + hold,
        resolution=proof,
        page_at=None,
        acknowledge_by=None,
        acknowledgement_expires_at=None,
        escalate_at=None,
        update_due_at=None,
        remediation_by=None,
    )
    return Change(after).event(
        now, EventKind.MITIGATED, by, f"{proof}; resolved if nothing new comes within {in_words(hold)}"
    )


def resolve(
    incident: Incident, policy: EscalationPolicy, by: str, now: datetime, *, resolution: str = ""
) -> Change:
    """Fixed. Stops every clock, tells everybody who knew, closes by itself after the policy's time."""
    text = resolution.strip() or incident.resolution or "Resolved"
    # Disarm first: whatever was due is due no more.
    after = incident.evolve(**DISARMED).to(
        Status.RESOLVED, resolved_at=now, resolution=text, close_at=now + policy.close_after
    )
    change = Change(after).event(now, EventKind.RESOLVED, by, text)
    name = f"resolved:{incident.reopenings}"
    return notice(change, audience(change, policy), "resolution", name, now, text)


def reopen(incident: Incident, policy: EscalationPolicy, by: str, now: datetime, *, reason: str) -> Change:
    """The trouble is back: page at once, mark it flapping (automation stops), restart the clocks."""
    if incident.merged_into is not None:
        raise IllegalTransition(
            f"{incident.key} was merged into INC-{incident.merged_into}; work on that one"
        )
    if incident.status not in (Status.MITIGATED, Status.RESOLVED):
        raise IllegalTransition(
            f"{incident.key} is {incident.status.value}; only a mitigated or resolved one reopens"
        )
    resolved = incident.status is Status.RESOLVED
    targets = policy.targets[incident.severity]
    start = now if resolved else incident.started_at
    after = incident.to(
        Status.TRIGGERED,
        started_at=start,
        flapping=True,
        reopenings=incident.reopenings + 1,
        page_at=now,
        acknowledge_by=policy.due(now, targets.acknowledge),
        resolve_by=policy.due(start, targets.resolve) if resolved else incident.resolve_by,
        update_due_at=policy.due(now, targets.update_every) if targets.update_every else None,
        hold_until=None,
        close_at=None,
        mitigated_at=None,
        resolved_at=None,
    )
    change = _arm_ladder(Change(after), policy).event(
        now, EventKind.REOPENED, by, f"Reopened, flapping: {reason}"
    )
    if resolved:
        # The escalation run of the first cycle has ended; this cycle gets its own.
        run = f"{incident.key}-{after.reopenings + 1}"
        change = start_run(start_run(change, RESPONSE_DAG, run, now), ESCALATION_DAG, run, now)
    return change


def close(incident: Incident, policy: EscalationPolicy, by: str, now: datetime) -> Change:
    """File it. Nothing reopens a closed incident; the same cause opens a new one."""
    after = incident.to(Status.CLOSED, closed_at=now, **DISARMED)
    return Change(after).event(now, EventKind.CLOSED, by, f"Closed by {by}")


def review(
    incident: Incident, policy: EscalationPolicy, part: str, text: str, by: str, now: datetime
) -> Change:
    """Fill a part of the incident report that only people know (procedures §6.1)."""
    if part not in REVIEW_PARTS:
        raise BadInput(f"{part!r} is no part of the report; the parts are {', '.join(REVIEW_PARTS)}")
    after = incident.evolve(review={**incident.review, part: _said(text)})
    kind = EventKind.CAUSE if part == "root_cause" else EventKind.NOTE
    return Change(after).event(now, kind, by, f"Report: {part.replace('_', ' ')} written", part=part)


def request_remediation(
    incident: Incident,
    policy: EscalationPolicy,
    runbook: Runbook,
    target: str,
    by: str,
    now: datetime,
    parameters: Mapping[str, Any] | None = None,
) -> Change:
    """Ask for one run of a runbook; the clock starts its DAG run, and pages a person when it does not end
    in time.
    """
    must_be_open(incident)
    attempt = incident.remediations + 1
    run_id = f"{incident.key}-{runbook.name}-{attempt}"
    asked = Remediation(
        incident.number, runbook.name, attempt, target, run_id, by, now, parameters=dict(parameters or {})
    )
    change = Change(incident.evolve(remediations=attempt, remediation_by=now + runbook.time_limit))
    change = change.remediation(asked).event(
        now, EventKind.REMEDIATION, by, f"Runbook {runbook.name} requested, attempt {attempt}", run_id=run_id
    )
    return start_run(change, f"runbook_{runbook.name}", run_id, now)


def ask_approval(
    incident: Incident, policy: EscalationPolicy, text: str, by: str, now: datetime, attempt: int
) -> Change:
    """A runbook waits for a person's yes: whoever answers now is paged, because nobody looks at a page at
    night.
    """
    change = Change(incident).event(now, EventKind.REMEDIATION, by, text, attempt=attempt)
    return page(change, policy, incident.level, text[:300], now, now) if incident.status.is_open else change


def remediation_ended(
    incident: Incident,
    policy: EscalationPolicy,
    runbook: Runbook,
    ended: Remediation,
    by: str,
    now: datetime,
    causes: Collection[str] = (),
) -> Change:
    """Take in how a remediation ended: proven → mitigated; failed or unknown → escalate at once; refused →
    page.
    """
    change = (
        Change(incident.evolve(remediation_by=None))
        .remediation(ended)
        .event(
            now,
            EventKind.REMEDIATION,
            by,
            f"Runbook {runbook.name} {ended.state.value}: {ended.reason}",
            state=ended.state.value,
            attempt=ended.attempt,
            run_id=ended.run_id,
        )
    )
    if not incident.status.is_open or incident.status is Status.MITIGATED:
        return change
    if ended.state is RemediationState.SUCCEEDED:
        return change.then(lambda i: mitigate(i, policy, by, now, proof=ended.reason, hold=runbook.hold_down))
    if ended.state is RemediationState.CONTAINED:
        level = max(incident.level, runbook.level(causes))
        reason = f"contained by {runbook.name}, people go on: {ended.reason}"[:300]
        return change.then(lambda i: escalate(i, policy, by, now, to=level, reason=reason))
    if ended.state is RemediationState.REFUSED and is_stop(ended.reason):
        return ask_person(change, policy, ended.reason, now)
    if incident.asks and ended.state is RemediationState.FAILED:
        # Nothing was repaired, and nothing has to be: nobody above is woken for it.
        reason = f"runbook {runbook.name} {ended.state.value}: {ended.reason}"
        return change if incident.pages else page(change, policy, incident.level, reason[:300], now, now)
    if ended.state is RemediationState.REFUSED and (cause := _jump(causes)) and not incident.asks:
        reason, level = f"{cause.value} cause: {ended.reason}"[:600], max(cause.level, runbook.level(causes))
        if incident.level >= level and incident.pages:
            return change
        return change.then(lambda i: escalate(i, policy, by, now, to=level, cause=cause, reason=reason))
    if ended.state is RemediationState.REFUSED:
        if incident.pages or incident.status is not Status.TRIGGERED:
            return change
        return page(change, policy, incident.level, f"not repaired: {ended.reason}", now, now)
    reason = f"runbook {runbook.name} {ended.state.value}: {ended.reason}"[:300]
    return change.then(lambda i: escalate(i, policy, by, now, to=runbook.level(causes), reason=reason))


def _jump(causes: Collection[str]) -> Cause | None:
    """Of what a look has found, the cause that makes an incident jump (procedures §4.1): the highest one."""
    known = [Cause(cause) for cause in causes if cause in Cause._value2member_map_]
    return max(known, key=lambda cause: cause.level, default=None)


def _arm_ladder(change: Change, policy: EscalationPolicy) -> Change:
    incident = change.incident
    rung = policy.next_rung(incident.severity, incident.level, incident.started_at)
    return change.evolve(escalate_at=rung[1] if rung else None)


def _renew(change: Change, policy: EscalationPolicy, now: datetime) -> Change:
    """Restart the expiry of an acknowledgement; nothing to do when nobody holds one."""
    incident = change.incident
    expiry = policy.targets[incident.severity].acknowledgement_expiry
    if incident.status not in (Status.ACKNOWLEDGED, Status.INVESTIGATING) or expiry is None:
        return change
    return change.evolve(acknowledgement_expires_at=policy.due(now, expiry))


def must_be_open(incident: Incident) -> None:
    """Raises IllegalTransition when it is over."""
    if not incident.status.is_open:
        raise IllegalTransition(
            f"{incident.key} is {incident.status.value}; reopen it or report a new incident"
        )


def _said(text: str) -> str:
    """Text a person wrote: not empty, not endless."""
    if not text.strip():
        raise BadInput("the text is empty; nothing was changed")
    if len(text) > 20_000:
        raise BadInput(f"the text has {len(text)} characters, 20000 are kept; nothing was changed")
    return text.strip()
