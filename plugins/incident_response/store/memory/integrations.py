"""Integrations: who may send signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from incident_response.domain.records import Integration
from incident_response.domain.times import utc

from ..documents import clean
from .state import Part
from .stored import stored


class Integrations(Part):
    """Rows are never deleted: a timeline may name them."""

    def add_integration(self, integration: Integration) -> bool:
        kept = stored(integration)
        if kept.id in self._state.integrations or self._live(kept.name):
            return False
        self._state.integrations[kept.id] = kept
        return True

    def revoke_integration(self, name: str, now: datetime) -> bool:
        found = self._live(clean(name))
        if found is None:
            return False
        self._state.integrations[found.id] = replace(found, revoked_at=utc(now))
        return True

    def touch_integration(self, id: str, now: datetime) -> None:
        found = self._state.integrations.get(id)
        if found is not None:
            self._state.integrations[id] = replace(found, last_used_at=utc(now))

    def note_refusal(self, id: str, refusal: str, remedy: str, now: datetime) -> None:
        found = self._state.integrations.get(id)
        if found is not None:
            self._state.integrations[id] = replace(
                found, refused_at=utc(now), refusal=clean(refusal), remedy=clean(remedy)
            )

    def integrations(self) -> Sequence[Integration]:
        return sorted(self._state.integrations.values(), key=lambda one: (one.created_at, one.id))

    def _live(self, name: str) -> Integration | None:
        found = self._state.integrations.values()
        return next((one for one in found if one.name == name and one.revoked_at is None), None)
