"""Who is told what: pages to levels, notices to stakeholders and to those who were paged before."""

from __future__ import annotations

from datetime import datetime

from .changes import Change, Outgoing, OutgoingKind
from .escalation import EscalationPolicy, Receiver
from .timeline import EventKind


def page(
    change: Change, policy: EscalationPolicy, level: int, reason: str, now: datetime, due: datetime
) -> Change:
    """Page every receiver of `level`, once per reason; `due` is when it should have happened.

    A page that people are owed replaces the first one, so `page_at` is disarmed.
    """
    number = change.incident.pages + 1
    name = policy.level(level).name
    change = change.evolve(pages=number, page_at=None).event(
        now,
        EventKind.PAGED,
        "system:paging",
        f"Level {level} {name} paged: {reason}",
        level=level,
        reason=reason,
    )
    incident = change.incident
    return change.send(
        *(
            Outgoing(
                key=f"{incident.key}:page:{number}:L{level}:{receiver.channel}:{receiver.address}",
                incident=incident.number,
                kind=OutgoingKind.PAGE,
                channel=receiver.channel,
                receiver=receiver.address,
                template="incident_notification",
                due_at=now,
                data={"level": level, "level_name": name, "reason": reason, "due_at": due.isoformat()},
            )
            for receiver in policy.level(level).receivers
        )
    )


def notice(
    change: Change, receivers: tuple[Receiver, ...], template: str, name: str, now: datetime, text: str
) -> Change:
    """Send `template` to `receivers`; `name` makes the key unique within the incident."""
    incident = change.incident
    return change.send(
        *(
            Outgoing(
                key=f"{incident.key}:{name}:{receiver.channel}:{receiver.address}",
                incident=incident.number,
                kind=OutgoingKind.NOTICE,
                channel=receiver.channel,
                receiver=receiver.address,
                template=template,
                due_at=now,
                data={"text": text},
            )
            for receiver in dict.fromkeys(receivers)
        )
    )


def audience(change: Change, policy: EscalationPolicy) -> tuple[Receiver, ...]:
    """Those who know of the incident: every level paged so far, and the stakeholders of P1 and P2."""
    incident = change.incident
    levels = range(1, incident.level + 1) if incident.pages else ()
    receivers = tuple(receiver for number in levels for receiver in policy.level(number).receivers)
    return receivers + (policy.stakeholders if incident.severity.rank <= 2 else ())


def start_run(change: Change, dag_id: str, run_id: str, now: datetime) -> Change:
    """Ask the clock to start one DAG run for the incident; only its number travels."""
    incident = change.incident
    return change.send(
        Outgoing(
            key=f"run:{dag_id}:{run_id}",
            incident=incident.number,
            kind=OutgoingKind.RUN,
            channel="airflow",
            receiver=dag_id,
            template=run_id,
            due_at=now,
        )
    )
