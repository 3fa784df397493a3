"""Counting signals."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from incident_response.domain.records import Role, Sighting

from .state import Part
from .stored import stored


class Signals(Part):
    """Signals of incidents."""

    def record(self, sightings: Sequence[Sighting]) -> None:
        for sighting in map(stored, sightings):
            key = (sighting.incident, sighting.source, sighting.fingerprint)
            kept = self._state.signals.get(key)
            self._state.signals[key] = _merged(kept, sighting) if kept else sighting

    def seen(self, fingerprints: Collection[str]) -> Collection[tuple[str, str]]:
        found = self._state.signals.values()
        return {
            (s.fingerprint, s.occurrence)
            for s in found
            if s.occurrence and s.fingerprint in fingerprints and s.role is Role.OWN
        }

    def firing(self, numbers: Collection[int]) -> Mapping[int, int]:
        latest: dict[tuple[int, str], Sighting] = {}
        for sighting in self._state.signals.values():
            if sighting.role is not Role.OWN:
                continue
            key = (sighting.incident, sighting.fingerprint)
            other = latest.get(key)
            if other is None or (sighting.last_at, sighting.firing) > (other.last_at, other.firing):
                latest[key] = sighting
        return {n: sum(s.firing for s in latest.values() if s.incident == n) for n in numbers}


def _merged(kept: Sighting, fresh: Sighting) -> Sighting:
    again = fresh.occurrence != "" and fresh.occurrence == kept.occurrence
    return replace(
        fresh if fresh.last_at >= kept.last_at else kept,
        first_at=min(kept.first_at, fresh.first_at),
        role=min(kept.role, fresh.role, key=list(Role).index),  # the nearer one counts
        count=kept.count + (0 if again else fresh.count),
    )
