"""Silences, and the signals that they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime

from incident_response.domain.records import Held
from incident_response.domain.silences import Silence

from ..rules import has_the_last_word
from .state import Part
from .stored import stored


class Silences(Part):
    """Mutes and what is muted."""

    def silences(self, now: datetime) -> Sequence[Silence]:
        found = [silence for silence in self._state.silences.values() if silence.ends_at > now]
        return sorted(found, key=lambda silence: (silence.ends_at, silence.id))

    def add_silence(self, silence: Silence) -> None:
        self._state.silences.setdefault(silence.id, stored(silence))

    def end_silence(self, id: str, now: datetime) -> bool:
        silence = self._state.silences.get(id)
        if silence is None or silence.ends_at <= now:
            return False
        self._state.silences[id] = replace(silence, ends_at=now)
        for key, held in self._state.held.items():
            if held.signal.firing:
                self._state.held[key] = replace(held, until=min(held.until, now))
        return True

    def hold(self, held: Sequence[Held]) -> None:
        for one in held:
            signal = stored(one.signal)
            key = (signal.source, signal.fingerprint)
            kept = self._state.held.get(key)
            if kept is None or has_the_last_word(signal, kept.signal):
                self._state.held[key] = Held(signal, one.until, one.by)

    def drop_held(self, keys: Collection[tuple[str, str]]) -> None:
        for key in keys:
            self._state.held.pop(key, None)

    def lock_held(self, now: datetime, limit: int) -> Sequence[Held]:
        return [held for held in self._waiting() if held.until <= now][:limit]

    def held(self, limit: int) -> Sequence[Held]:
        return [held for held in self._waiting() if held.signal.firing][:limit]

    def held_of(self, fingerprints: Collection[str]) -> Sequence[Held]:
        return [held for held in self._waiting() if held.signal.fingerprint in fingerprints]

    def held_from(self, source: str) -> Sequence[Held]:
        return [held for held in self._waiting() if held.signal.source == source and held.signal.firing]

    def ended(self, dedup_keys: Collection[str]) -> Sequence[Held]:
        return [held for held in self._waiting() if not held.signal.firing and held.by in dedup_keys]

    def _waiting(self) -> list[Held]:
        found = self._state.held.values()
        return sorted(found, key=lambda h: (h.until, h.signal.source, h.signal.fingerprint))
