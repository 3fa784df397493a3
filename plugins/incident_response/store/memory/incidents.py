"""Incidents and what commands did to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from incident_response.domain.changes import Change
from incident_response.domain.incidents import Incident
from incident_response.domain.records import Parcel
from incident_response.domain.timeline import TimelineEvent

from ..rules import created_at, rank, second_open
from .state import Part, Row
from .stored import stored


class Incidents(Part):
    """Finding and changing incidents."""

    def allocate(self, count: int) -> Sequence[int]:
        first = self._state.last_number + 1
        self._state.last_number += count
        return range(first, first + count)

    def lock(self, numbers: Collection[int]) -> Mapping[int, Incident]:
        return {n: self._state.incidents[n] for n in sorted(set(numbers)) if n in self._state.incidents}

    def lock_current(self, dedup_keys: Collection[str], resolved_since: datetime) -> Mapping[str, Incident]:
        found: dict[str, Incident] = {}
        for incident in self._state.incidents.values():
            late = incident.resolved_at is None or incident.resolved_at < resolved_since
            if (
                incident.dedup_key not in dedup_keys
                or incident.closed_at
                or (not incident.status.is_open and (late or incident.merged_into))
            ):
                continue
            other = found.get(incident.dedup_key)
            if other is None or rank(incident) > rank(other):
                found[incident.dedup_key] = incident
        return found

    def lock_due(self, now: datetime, limit: int) -> Sequence[Incident]:
        due = [(i.next_due_at, i.number, i) for i in self._state.incidents.values() if i.next_due_at]
        return [incident for due_at, _, incident in sorted(due)[:limit] if due_at <= now]

    def insert(self, changes: Sequence[Change]) -> Collection[int]:
        written = set()
        for change in sorted(changes, key=lambda change: change.incident.dedup_key):
            number = change.incident.number
            if number not in self._state.incidents and not self._rival(change.incident):
                self._state.incidents[number] = stored(change.incident)
                written.add(number)
        for change in changes:
            if change.incident.number in written:
                self._write_children(change)
        return written

    def save(self, changes: Sequence[Change]) -> None:
        for change in changes:
            incident = stored(change.incident)
            if incident.number in self._state.incidents:
                if self._rival(incident):
                    raise second_open(incident)
                self._state.incidents[incident.number] = incident
            self._write_children(change)

    def add_events(self, incident: int, events: Sequence[TimelineEvent]) -> None:
        kept = self._state.events.get(incident, ())
        self._state.events[incident] = (*kept, *map(stored, events))

    def _rival(self, incident: Incident) -> bool:
        """True when another open incident has its dedup_key."""
        return incident.status.is_open and any(
            other.dedup_key == incident.dedup_key and other.status.is_open and other.number != incident.number
            for other in self._state.incidents.values()
        )

    def _write_children(self, change: Change) -> None:
        state = self._state
        self.add_events(change.incident.number, change.events)
        for outgoing in change.outgoing:
            state.last_parcel += 1
            parcel = Parcel(state.last_parcel, stored(outgoing), created_at(change))
            state.outbox.setdefault(outgoing.key, Row(parcel, parcel.outgoing.due_at))
        for firing in change.firings:
            state.firings.setdefault((firing.incident, firing.kind.value, firing.due_at), stored(firing))
        for remediation in change.remediations:
            state.remediations[(remediation.incident, remediation.attempt)] = stored(remediation)
