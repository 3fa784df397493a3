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
            told = not sighting.occurrence  # later than all that was told before, whatever a clock says
            self._state.signals[key] = self._merged(kept, sighting, says=told) if kept else sighting

    def move(self, sightings: Sequence[Sighting]) -> None:
        """Rows that were told at some time: the later one has the last word."""
        for sighting in sightings:
            key = (sighting.incident, sighting.source, sighting.fingerprint)
            kept = self._state.signals.get(key)
            self._state.signals[key] = self._merged(kept, sighting) if kept else sighting

    def seen(self, fingerprints: Collection[str]) -> Collection[tuple[str, str]]:
        found = self._state.signals.values()
        return {
            (s.fingerprint, s.occurrence)
            for s in found
            if s.occurrence and s.fingerprint in fingerprints and s.role is Role.OWN
        }

    def told_of(self, number: int, fingerprints: Collection[str]) -> Sequence[Sighting]:
        found = [s for s in self._state.signals.values() if s.incident == number]
        return sorted((s for s in found if s.fingerprint in fingerprints), key=lambda s: s.source)

    def known(self, fingerprints: Collection[str]) -> Collection[str]:
        return {s.fingerprint for s in self._state.signals.values() if s.fingerprint in fingerprints}

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

    @staticmethod
    def _merged(kept: Sighting, fresh: Sighting, *, says: bool = False) -> Sighting:
        again = fresh.occurrence != "" and fresh.occurrence == kept.occurrence
        return replace(
            fresh if says or fresh.last_at >= kept.last_at else kept,
            first_at=min(kept.first_at, fresh.first_at),
            last_at=max(kept.last_at, fresh.last_at),
            role=min(kept.role, fresh.role, key=list(Role).index),  # the nearer one counts
            count=kept.count + (0 if again else fresh.count),
        )
