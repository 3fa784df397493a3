"""Counts, the question whether anything is due, and what is old enough to go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from ..rules import LATE
from ..tables import ARMED, ENDED, FOLLOWS, OPEN, WAITING
from .part import Part

_TOTALS = f"""
    SELECT
        (SELECT count(*) FROM {{s}}incidents WHERE {OPEN}) AS "open",
        (SELECT count(*) FROM {{s}}incidents WHERE {OPEN} AND status = 'triggered') AS unacknowledged,
        (SELECT count(*) FROM {{s}}incidents WHERE {ARMED} AND next_due_at < :late) AS overdue,
        (SELECT count(*) FROM {{s}}outbox WHERE {WAITING}) AS outbox_pending,
        (SELECT count(*) FROM {{s}}outbox WHERE state = 'failed') AS outbox_failed
"""
# By the earliest time of all: the first entry of an index, whatever a database believes of its tables.
_NEXT = f"""
    SELECT (SELECT min(next_due_at) FROM {{s}}incidents WHERE {ARMED}),
        (SELECT min(next_at) FROM {{s}}outbox WHERE {WAITING}),
        (SELECT min(until) FROM {{s}}held),
        (SELECT min(resolved_at) FROM {{s}}incidents WHERE {ENDED}
            AND number IN (SELECT incident FROM {{s}}signals WHERE {FOLLOWS})),
        (SELECT min(CASE WHEN claimed_until > due_at THEN claimed_until ELSE due_at END) FROM {{s}}polls)
"""
_OLD = "status = 'closed' AND closed_at < :before"
_PLACES = f"""
    SELECT place FROM {{s}}exhibits
    WHERE place <> '' AND incident IN (SELECT number FROM {{s}}incidents WHERE {_OLD}) ORDER BY place
"""
_PRUNED = {
    "outbox": "DELETE FROM {s}outbox WHERE settled_at < :before",
    "firings": "DELETE FROM {s}firings WHERE fired_at < :before",
    "silences": "DELETE FROM {s}silences WHERE ends_at < :before",
    "heartbeats": "DELETE FROM {s}heartbeats WHERE at < :before",
    # With all that hangs on them. Policies stay: a clock may just be opening an incident that names one.
    "incidents": f"DELETE FROM {{s}}incidents WHERE {_OLD}",
}


class Housekeeping(Part):
    """The store as a whole."""

    def totals(self, now: datetime) -> Mapping[str, int]:
        (row,) = self._rows(_TOTALS, late=self._codec.moment(now - LATE))
        names = ("open", "unacknowledged", "overdue", "outbox_pending", "outbox_failed")
        return dict(zip(names, row, strict=True))

    def is_idle(self, now: datetime) -> bool:
        (times,) = self._rows(_NEXT)
        return all(self._codec.read_moment(time) > now for time in times if time is not None)

    def places_before(self, before: datetime) -> Sequence[str]:
        return [str(place) for (place,) in self._rows(_PLACES, before=self._codec.moment(before))]

    def prune(self, before: datetime) -> Mapping[str, int]:
        moment = self._codec.moment(before)
        return {name: self._run(statement, before=moment) for name, statement in _PRUNED.items()}
