"""Records to rows and back: dictionaries by column on the way in, tuples in column order on the way out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Generic, TypeVar

from incident_response.domain.automation import Lease, Switch
from incident_response.domain.changes import Outgoing, OutgoingKind
from incident_response.domain.evidence import KeptExhibit
from incident_response.domain.frozen import revived
from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import (
    Heartbeat,
    Integration,
    IntegrationKind,
    OutgoingState,
    Parcel,
    Poll,
    Role,
    Sighting,
)
from incident_response.domain.runbooks import Remediation, RemediationState, StepResult, StepState
from incident_response.domain.severities import Scenario, Severity
from incident_response.domain.silences import Silence
from incident_response.domain.timeline import EventKind, TimelineEvent
from incident_response.domain.timers import Firing, TimerKind

from . import tables
from .codec import Codec
from .columns import DOCUMENT, MOMENT
from .documents import clean

Record = TypeVar("Record")
_DUE_POINTS = tuple(kind.value for kind in TimerKind)
_ENUMS: dict[str, type[Enum]] = {
    kind.__name__: kind
    for kind in (
        Severity,
        Scenario,
        Status,
        RemediationState,
        StepState,
        EventKind,
        TimerKind,
        OutgoingKind,
        OutgoingState,
        Role,
        IntegrationKind,
    )
}


class Mapper(Generic[Record]):
    """One record type and its table, for one database: fields and columns have the same names."""

    def __init__(self, record: type[Record], table: Any, codec: Codec) -> None:
        self._record = record
        self.columns = tuple(field.name for field in fields(record))  # type: ignore[arg-type]
        self._latest: tuple[Sequence[Any], Record] | None = None
        self._write: list[tuple[str, Callable[[Any], Any]]] = []  # only what needs converting
        self._read: list[tuple[str, Callable[[Any], Any]]] = []
        for field in fields(record):  # type: ignore[arg-type]
            writer, reader = _converters(table.c[field.name], str(field.type), codec)
            if writer:
                self._write.append((field.name, writer))
            if reader:
                self._read.append((field.name, reader))

    def row(self, record: Record) -> dict[str, Any]:
        """The columns of a record."""
        row = dict(vars(record))
        for name, convert in self._write:
            value = row[name]
            if value is not None:
                row[name] = convert(value)
        return row

    def record(self, row: Sequence[Any]) -> Record:
        """The record of a row. The latest is remembered: a storm reads one incident a thousand times."""
        if self._latest is not None and self._latest[0] == row:
            return self._latest[1]
        values = dict(zip(self.columns, row, strict=True))
        for name, convert in self._read:
            value = values[name]
            if value is not None:
                values[name] = convert(value)
        self._latest = row, revived(self._record, values)
        return self._latest[1]


def _converters(
    column: Any, annotation: str, codec: Codec
) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
    kind = annotation.removesuffix(" | None")
    if column.type is MOMENT:
        return codec.moment, codec.read_moment
    if column.type is DOCUMENT:
        return codec.document, codec.read_document
    if kind in _ENUMS:
        # Looked up among the members by value, several times faster than calling the class.
        members = {member.value: member for member in _ENUMS[kind]}
        return _value, members.__getitem__
    if kind == "str":
        return clean, None
    return None, bool if kind == "bool" else None


def _value(member: Any) -> Any:
    return member.value


class Mappers:
    """All mappers of one database."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.incident = Mapper(Incident, tables.incidents, codec)
        self.sighting = Mapper(Sighting, tables.signals, codec)
        self.event = Mapper(TimelineEvent, tables.events, codec)
        self.firing = Mapper(Firing, tables.firings, codec)
        self.remediation = Mapper(Remediation, tables.remediations, codec)
        self.outgoing = Mapper(Outgoing, tables.outbox, codec)
        self.silence = Mapper(Silence, tables.silences, codec)
        self.heartbeat = Mapper(Heartbeat, tables.heartbeats, codec)
        self.integration = Mapper(Integration, tables.integrations, codec)
        self.step = Mapper(StepResult, tables.steps, codec)
        self.exhibit = Mapper(KeptExhibit, tables.exhibits, codec)
        self.lease = Mapper(Lease, tables.leases, codec)
        self.switch = Mapper(Switch, tables.switches, codec)

    def incident_row(self, incident: Incident) -> dict[str, Any]:
        """With the earliest of its due points, which is what the clock looks for."""
        row = self.incident.row(incident)
        row["next_due_at"] = min((row[name] for name in _DUE_POINTS if row[name] is not None), default=None)
        return row

    def parcel(self, row: Sequence[Any]) -> Parcel:
        """From PARCEL and the columns of Outgoing."""
        number, created_at, state, attempts, interrupted, settled_at, error = row[: len(PARCEL)]
        return Parcel(
            id=number,
            outgoing=self.outgoing.record(row[len(PARCEL) :]),
            created_at=self._codec.read_moment(created_at),
            state=OutgoingState(state),
            attempts=attempts,
            interrupted=bool(interrupted),
            settled_at=self._maybe(settled_at),
            error=error,
        )

    def poll(self, row: Sequence[Any]) -> Poll:
        """From POLL."""
        name, due_at, interval, cursor, claimed_by, until, started, ok, last_by, failures, error = row
        return Poll(
            name=name,
            due_at=self._codec.read_moment(due_at),
            interval=timedelta(microseconds=interval),
            cursor=self._codec.read_document(cursor),
            claimed_by=claimed_by,
            claimed_until=self._maybe(until),
            last_started_at=self._maybe(started),
            last_ok_at=self._maybe(ok),
            last_by=last_by,
            failures=failures,
            error=error,
        )

    def _maybe(self, value: Any) -> datetime | None:
        return None if value is None else self._codec.read_moment(value)


PARCEL = ("id", "created_at", "state", "attempts", "interrupted", "settled_at", "error")
POLL = tuple(column.name for column in tables.polls.columns)
