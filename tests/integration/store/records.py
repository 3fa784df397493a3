"""Records with only what a test cares about."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from incident_response.domain.changes import Change, Outgoing, OutgoingKind
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.ports import Store
from incident_response.domain.records import Sighting
from incident_response.domain.runbooks import Remediation
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.timers import Firing, TimerKind

NOW = datetime(2026, 3, 29, 1, 30, 0, 123456, tzinfo=timezone.utc)
LEASE = timedelta(seconds=60)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def incident(number: int, key: str = "", **fields: Any) -> Incident:
    values = {
        "number": number, "dedup_key": key or f"v1:test:{number}", "title": f"Trouble {number}",
        "severity": Severity.P2, "scenario": Scenario.DAG_FAILURE, "service": "sales", "rule": "failed",
        "policy": "digest", "opened_at": NOW, "started_at": NOW,
    }  # fmt: skip
    return Incident(**(values | fields))


def resolved(number: int, key: str = "", at: datetime = NOW, **fields: Any) -> Incident:
    return incident(number, key, status=Status.RESOLVED, resolved_at=at, **fields)


def full(number: int) -> Incident:
    """One with a value in every field."""
    moments = {kind.value: after(60 + place) for place, kind in enumerate(TimerKind)}
    return incident(
        number, title="Ünï ✓", status=Status.MITIGATED, level=3, owner="operator", runbook="restart",
        event_like=True, labels={"dag_id": "sales"}, **moments, pages=2, remediations=3, reopenings=4,
        flapping=True, acknowledged_at=after(1), acknowledged_by="developer", mitigated_at=after(2),
        resolved_at=after(3), resolution="mended", closed_at=after(4), review={"root_cause": "disk"},
        split_off={"f1": "v1:other"}, merged_into=7,
    )  # fmt: skip


def event(text: str = "said", at: datetime = NOW, **data: Any) -> TimelineEvent:
    return TimelineEvent(at, EventKind.NOTE, "operator", text, data)


def outgoing(number: int, key: str, due_at: datetime = NOW, **data: Any) -> Outgoing:
    return Outgoing(key, number, OutgoingKind.PAGE, "console", "operator", "page", due_at, data)


def firing(number: int, kind: TimerKind = TimerKind.PAGE, due_at: datetime = NOW) -> Firing:
    return Firing(number, kind, due_at, due_at + timedelta(seconds=1), "clock@here:1")


def remediation(number: int, attempt: int = 1, **fields: Any) -> Remediation:
    values = {
        "incident": number, "runbook": "restart", "attempt": attempt, "target": "dag:sales",
        "run_id": f"INC-{number}-{attempt}", "requested_by": "system:intake", "requested_at": NOW,
    }  # fmt: skip
    return Remediation(**(values | fields))


def sighting(number: int, fingerprint: str = "f1", **fields: Any) -> Sighting:
    values = {
        "incident": number, "source": "callback", "fingerprint": fingerprint,
        "labels": {"alertname": "failed"}, "summary": "it failed", "firing": True, "first_at": NOW,
        "last_at": NOW,
    }  # fmt: skip
    return Sighting(**(values | fields))


def opened(store: Store, *records: Incident) -> None:
    """Write incidents as they are."""
    with store.transaction() as tx:
        tx.allocate(len(records))
        written = tx.insert([Change(record) for record in records])
    assert sorted(written) == sorted(record.number for record in records)


def changed(store: Store, change: Change) -> None:
    """Save one change."""
    with store.transaction() as tx:
        tx.lock([change.incident.number])
        tx.save([change])
