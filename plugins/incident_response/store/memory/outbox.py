"""The outbox, and keys of side effects."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.records import OutgoingState, Parcel, Settlement

from ..documents import clean, plain
from ..rules import claimed
from .state import Effect, Part, Row

_WAITING = (OutgoingState.PENDING, OutgoingState.SENDING)


def is_due(row: Row, now: datetime) -> bool:
    """True when somebody has to deliver it now."""
    return row.parcel.state in _WAITING and row.next_at <= now


class Outbox(Part):
    """Messages and runs that wait to be delivered."""

    def claim(self, now: datetime, by: str, lease: timedelta, limit: int) -> Sequence[Parcel]:
        due = [row for row in self._state.outbox.values() if is_due(row, now)]
        due = sorted(due, key=lambda row: (row.next_at, row.parcel.id))[:limit]
        taken = [claimed(row.parcel) for row in due]
        for parcel in taken:
            self._state.outbox[parcel.outgoing.key] = Row(parcel, now + lease)
        return taken

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        by_id = {row.parcel.id: row for row in self._state.outbox.values()}
        for settlement in settlements:
            row = by_id.get(settlement.id)
            if row is None or row.parcel.state is not OutgoingState.SENDING:
                continue
            due_at = settlement.retry_at or row.parcel.outgoing.due_at
            parcel = replace(
                row.parcel,
                outgoing=replace(row.parcel.outgoing, due_at=due_at),
                state=settlement.state,
                error=clean(settlement.error),
                settled_at=None if settlement.state is OutgoingState.PENDING else now,
            )
            self._state.outbox[parcel.outgoing.key] = Row(parcel, due_at)

    def parcels(self, number: int) -> Sequence[Parcel]:
        found = [row.parcel for row in self._state.outbox.values() if row.parcel.outgoing.incident == number]
        return sorted(found, key=lambda parcel: parcel.id)

    def begin_effect(self, key: str, incident: int, by: str, now: datetime) -> str | None:
        if key in self._state.effects:
            return self._state.effects[key].state
        self._state.effects[key] = Effect(incident, "begun", by, now)
        return None

    def begun(self, keys: Collection[str]) -> Collection[str]:
        return self._state.effects.keys() & set(keys)

    def end_effect(self, key: str, now: datetime, detail: Mapping[str, Any]) -> None:
        if key in self._state.effects:
            effect = self._state.effects[key]
            self._state.effects[key] = replace(effect, state="done", at=now, detail=plain(detail))
