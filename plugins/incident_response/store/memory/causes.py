"""Incidents of one cause: finding them, and moving signals from one to another."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from incident_response.domain.incidents import Incident, Status
from incident_response.domain.records import OutgoingState, Role, Sighting
from incident_response.domain.severities import Scenario
from incident_response.domain.waiting import name_of

from .signals import Signals
from .state import Effect


class Causes(Signals):
    """What belongs together."""

    def lock_gathering(self) -> None:
        """There is one writer."""

    def bar_gathering(self) -> None:
        """There is one writer."""

    def open_on(self, services: Collection[str]) -> Sequence[Incident]:
        return [incident for incident in self._open() if incident.service in services]

    def opened(self, above: int, since: datetime) -> Sequence[tuple[Scenario, str]]:
        return [(i.scenario, i.service) for i in self.open_above(above, since)]

    def open_above(self, above: int, since: datetime) -> Sequence[Incident]:
        return [i for i in self._open() if i.number > above and i.opened_at >= since]

    def owe_gathering(self, numbers: Collection[int], now: datetime) -> None:
        for number in numbers:
            self._state.effects[f"gather:{number}"] = Effect(number, "begun", "system:grouping", now)

    def owed(self, before: datetime) -> Collection[int]:
        effects = self._state.effects.items()
        return {e.incident for key, e in effects if key.startswith("gather:") and e.at < before}

    def gathered(self, numbers: Collection[int]) -> None:
        for number in numbers:
            self._state.effects.pop(f"gather:{number}", None)

    def followed(self, fingerprints: Collection[str]) -> Sequence[Sighting]:
        found = [
            sighting
            for sighting in self._state.signals.values()
            if sighting.fingerprint in fingerprints and sighting.role is Role.CONSEQUENCE and sighting.firing
        ]
        return sorted(found, key=lambda s: (s.incident, s.source, s.fingerprint))

    def waiting(self) -> Sequence[Sighting]:
        found = [
            sighting
            for sighting in self._state.signals.values()
            if sighting.firing
            and sighting.role is not Role.RELEASED
            and name_of(sighting)
            and self._state.incidents[sighting.incident].status.is_open
        ]
        return sorted(found, key=lambda one: (one.incident, one.source, one.fingerprint))

    def holding(self, fingerprints: Collection[str]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for s in self._state.signals.values():
            is_own = s.fingerprint in fingerprints and s.role is Role.OWN
            if is_own and self._state.incidents[s.incident].status.is_open:
                found[s.fingerprint] = max(s.incident, found.get(s.fingerprint, 0))
        return found

    def merged(self, dedup_keys: Collection[str]) -> Mapping[str, tuple[int, str]]:
        latest = {
            incident.dedup_key: incident
            for incident in sorted(self._state.incidents.values(), key=lambda incident: incident.number)
            if incident.dedup_key in dedup_keys and incident.status is not Status.CLOSED
        }
        ends = {key: self._end(incident) for key, incident in latest.items() if incident.merged_into}
        return {key: (end.number, end.service) for key, end in ends.items() if end and end.status.is_open}

    def move_signals(self, number: int, to: int, role: Role) -> None:
        moved = [sighting for sighting in self._state.signals.values() if sighting.incident == number]
        self.take_signals(number, {(sighting.source, sighting.fingerprint) for sighting in moved})
        roles = {**{other: other for other in Role}, Role.OWN: role}  # what was a consequence stays one
        self.move([replace(sighting, incident=to, role=roles[sighting.role]) for sighting in moved])

    def take_signals(self, number: int, keys: Collection[tuple[str, str]]) -> Sequence[Sighting]:
        found = [(number, source, fingerprint) for source, fingerprint in sorted(keys)]
        return [self._state.signals.pop(key) for key in found if key in self._state.signals]

    def skip_parcels(self, number: int, now: datetime) -> int:
        count = 0
        for key, row in self._state.outbox.items():
            if row.parcel.outgoing.incident == number and row.parcel.state is OutgoingState.PENDING:
                state, error = OutgoingState.SKIPPED, "merged into another incident"
                parcel = replace(row.parcel, state=state, settled_at=now, error=error)
                self._state.outbox[key] = replace(row, parcel=parcel)
                count += 1
        return count

    def lock_orphans(self, limit: int) -> Sequence[Sighting]:
        found = [
            sighting
            for sighting in self._state.signals.values()
            if sighting.role is Role.CONSEQUENCE
            and sighting.firing
            and not self._state.incidents[sighting.incident].status.is_open
        ]
        return sorted(found, key=lambda s: (s.incident, s.source, s.fingerprint))[:limit]

    def release(self, sightings: Sequence[Sighting]) -> None:
        for sighting in sightings:
            key = (sighting.incident, sighting.source, sighting.fingerprint)
            if key in self._state.signals:
                self._state.signals[key] = replace(self._state.signals[key], role=Role.RELEASED)

    def _end(self, incident: Incident | None) -> Incident | None:
        """What took over, and what took over that."""
        way = set()
        while incident is not None and incident.merged_into and incident.number not in way:
            way.add(incident.number)
            incident = self._state.incidents.get(incident.merged_into)
        return incident if incident is None or not incident.merged_into else None

    def _open(self) -> list[Incident]:
        found = [incident for incident in self._state.incidents.values() if incident.status.is_open]
        return sorted(found, key=lambda incident: incident.number)
