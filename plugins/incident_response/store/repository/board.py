"""What the board shows: open incidents with their signals, last fact and last remediation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from incident_response.domain.records import BoardRow
from incident_response.domain.runbooks import APPROVE, Remediation
from incident_response.domain.services import CALLED
from incident_response.domain.timeline import TimelineEvent

from ..tables import FOLLOWS, OPEN
from . import incidents
from .part import Part

_BOARD = incidents.SELECT + f"WHERE {OPEN} ORDER BY next_due_at IS NULL, next_due_at, number LIMIT :limit"
_NAMES = ", ".join("nullif({label:" + name + "}, '')" for name in CALLED)
_BEHIND = f"count(DISTINCT CASE WHEN {FOLLOWS} THEN coalesce({_NAMES}, fingerprint) END)"
_SIGNALS = (
    "SELECT incident, sum(count), count(*), max(last_at), " + _BEHIND + " FROM {s}signals "
    "WHERE incident {among:numbers} GROUP BY incident"
)


def _last(record: type, table: str, order: str) -> str:
    names = ", ".join(field.name for field in fields(record))
    return (
        f"SELECT incident, {names} FROM (SELECT *, row_number() OVER "
        f"(PARTITION BY incident ORDER BY {order}) AS place FROM {{s}}{table} "
        "WHERE incident {among:numbers}) AS ranked WHERE place = 1"
    )


_ASKING = (
    f"SELECT DISTINCT incident FROM {{s}}steps WHERE step = '{APPROVE}' AND state = 'running' "
    "AND incident {among:numbers}"
)
_EVENTS = _last(TimelineEvent, "events", "at DESC, id DESC")
_REMEDIATIONS = _last(Remediation, "remediations", "attempt DESC")


class Board(Part):
    """The board, in five statements whatever its length."""

    def board(self, limit: int) -> Sequence[BoardRow]:
        mappers = self._mappers
        found = self._records(mappers.incident, _BOARD, limit=limit)
        numbers = self._codec.among([incident.number for incident in found])
        signals = {number: counts for number, *counts in self._rows(_SIGNALS, numbers=numbers)}
        events = {row[0]: mappers.event.record(row[1:]) for row in self._rows(_EVENTS, numbers=numbers)}
        remediations = {
            row[0]: mappers.remediation.record(row[1:]) for row in self._rows(_REMEDIATIONS, numbers=numbers)
        }
        asking = {number for (number,) in self._rows(_ASKING, numbers=numbers)}
        rows = []
        for incident in found:
            count, sources, last_at, behind = signals.get(incident.number, (0, 0, None, 0))
            rows.append(
                BoardRow(
                    incident=incident,
                    signals=int(count),
                    sources=sources,
                    last_signal_at=None if last_at is None else self._codec.read_moment(last_at),
                    last_event=events.get(incident.number),
                    remediation=remediations.get(incident.number),
                    asks=incident.number in asking,
                    behind=behind,
                )
            )
        return rows
