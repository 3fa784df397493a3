"""Finding and locking incidents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from datetime import datetime

from incident_response.domain.incidents import Incident

from ..rules import rank
from ..tables import ARMED, NOT_CLOSED
from .part import Part

COLUMNS = ", ".join(field.name for field in fields(Incident))
SELECT = f"SELECT {COLUMNS} FROM {{s}}incidents "

# Locked in the order of their numbers, so that two transactions never wait for each other.
_LOCK = SELECT + "WHERE number {among:numbers} ORDER BY number {lock}"
_NOT_OVER = (
    f"AND {NOT_CLOSED} AND (status <> 'resolved' OR (resolved_at >= :since AND merged_into IS NULL)) "
    "ORDER BY number {lock}"
)
_CURRENT = f"{SELECT} WHERE dedup_key {{among:keys}} {_NOT_OVER}"
# Most calls bring signals of one cause, and SQLite would read the one key out of a JSON array.
_CURRENT_ONE = f"{SELECT} WHERE dedup_key = :key {_NOT_OVER}"
_DUE = f"{SELECT} WHERE next_due_at <= :now AND {ARMED} ORDER BY next_due_at, number LIMIT :limit {{skip}}"


class Incidents(Part):
    """Incidents that are going to be changed."""

    def allocate(self, count: int) -> Sequence[int]:
        if self._dialect.name == "sqlite":
            count_up = "UPDATE counters SET value = value + :count WHERE name = 'incident_number'"
            self._run(count_up, count=count)
            last = self._value("SELECT value FROM counters WHERE name = 'incident_number'")
            return range(last - count + 1, last + 1)
        sequence = f'"{self._dialect.schema}".incident_number'
        query = "SELECT nextval(:sequence) FROM generate_series(1, :count)"
        return [number for (number,) in self._rows(query, sequence=sequence, count=count)]

    def lock(self, numbers: Collection[int]) -> Mapping[int, Incident]:
        found = self._records(self._mappers.incident, _LOCK, numbers=self._codec.among(numbers))
        return {incident.number: incident for incident in found}

    def lock_current(self, dedup_keys: Collection[str], resolved_since: datetime) -> Mapping[str, Incident]:
        since = self._codec.moment(resolved_since)
        if len(dedup_keys) == 1:
            (key,) = dedup_keys
            current = self._records(self._mappers.incident, _CURRENT_ONE, key=key, since=since)
        else:
            keys = self._codec.among(dedup_keys)
            current = self._records(self._mappers.incident, _CURRENT, keys=keys, since=since)
        found: dict[str, Incident] = {}
        for incident in current:
            other = found.get(incident.dedup_key)
            if other is None or rank(incident) > rank(other):
                found[incident.dedup_key] = incident
        return found

    def lock_due(self, now: datetime, limit: int) -> Sequence[Incident]:
        return self._records(self._mappers.incident, _DUE, now=self._codec.moment(now), limit=limit)
