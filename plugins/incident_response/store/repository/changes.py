"""Writing changes: the record with all that comes with it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from typing import Any

from incident_response.domain.changes import Change, Outgoing
from incident_response.domain.incidents import Incident
from incident_response.domain.records import OutgoingState
from incident_response.domain.runbooks import Remediation
from incident_response.domain.timeline import TimelineEvent
from incident_response.domain.timers import Firing

from .. import tables
from ..dialect import Many
from ..documents import clean
from ..rules import created_at, second_open
from .part import Part


def _names(record: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


_COLUMNS = (*_names(Incident), "next_due_at")
_SET = ", ".join(f"{name} = @{name}" for name in _COLUMNS if name != "number")
_UPDATE = Many(
    "UPDATE {s}incidents " + f"SET {_SET} {{rows}} WHERE incidents.number = @number",
    tables.incidents,
    _COLUMNS,
)
_INSERT = Many.insert(tables.incidents, _COLUMNS, f"(dedup_key) WHERE {tables.OPEN} DO NOTHING")
_WRITTEN = "SELECT number FROM {s}incidents WHERE number {among:numbers}"
_EVENTS = Many.insert(tables.events, ("incident", *_names(TimelineEvent)), "DO NOTHING")
_FIRINGS = Many.insert(tables.firings, _names(Firing), "DO NOTHING")
_REMEDIATIONS = Many.insert(
    tables.remediations,
    _names(Remediation),
    "(incident, attempt) DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}" for name in _names(Remediation) if name not in ("incident", "attempt")
    ),
)
_NEW_PARCEL = {"attempts": 0, "interrupted": False, "claimed_by": "", "settled_at": None, "error": ""}
_OUTBOX = Many.insert(
    tables.outbox,
    (*_names(Outgoing), "created_at", "state", "next_at", *_NEW_PARCEL),
    "(key) DO NOTHING",  # the same effect was asked for before
)


class Changes(Part):
    """What commands did."""

    def insert(self, changes: Sequence[Change]) -> Collection[int]:
        if not changes:
            return set()
        # In the order of their keys: two transactions that open the same causes do not wait crosswise.
        ordered = sorted(changes, key=lambda change: change.incident.dedup_key)
        count = self._write(_INSERT, [self._mappers.incident_row(change.incident) for change in ordered])
        written = {change.incident.number for change in changes}
        if count != len(changes):
            written = {row[0] for row in self._rows(_WRITTEN, numbers=self._codec.among(written))}
        self._write_children([change for change in changes if change.incident.number in written])
        return written

    def save(self, changes: Sequence[Change]) -> None:
        try:
            self._write(_UPDATE, [self._mappers.incident_row(change.incident) for change in changes])
        except self._dialect.driver.IntegrityError as error:
            raise second_open(*(change.incident for change in changes)) from error
        self._write_children(changes)

    def add_events(self, incident: int, events: Sequence[TimelineEvent]) -> None:
        self._leave((_EVENTS, [self._event_row(incident, event) for event in events]))

    def _write_children(self, changes: Sequence[Change]) -> None:
        mappers = self._mappers
        # The last word about a remediation counts; one statement cannot write the same row twice.
        latest = {(r.incident, r.attempt): r for c in changes for r in c.remediations}
        self._leave(
            (_EVENTS, [self._event_row(c.incident.number, event) for c in changes for event in c.events]),
            (_OUTBOX, list(self._parcels(changes))),
            (_FIRINGS, [mappers.firing.row(firing) for c in changes for firing in c.firings]),
            (_REMEDIATIONS, [mappers.remediation.row(remediation) for remediation in latest.values()]),
        )

    def _event_row(self, incident: int, event: TimelineEvent) -> dict[str, Any]:
        return {
            "incident": incident,
            "at": self._codec.moment(event.at),
            "kind": event.kind.value,
            "actor": clean(event.actor),
            "text": clean(event.text),
            "data": self._codec.document(event.data),
        }

    def _parcels(self, changes: Sequence[Change]) -> Iterable[dict[str, Any]]:
        for change in changes:
            for outgoing in change.outgoing:
                row = self._mappers.outgoing.row(outgoing)
                row.update(_NEW_PARCEL, state=OutgoingState.PENDING.value, next_at=row["due_at"])
                row["created_at"] = self._codec.moment(created_at(change))
                yield row
