"""The outbox: who delivers what, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime, timedelta

from incident_response.domain.changes import Outgoing
from incident_response.domain.records import OutgoingState, Parcel, Settlement

from .. import tables
from ..dialect import Many
from ..documents import clean
from ..mapping import PARCEL
from ..rules import claimed
from .part import Part

COLUMNS = ", ".join((*PARCEL, *(field.name for field in fields(Outgoing))))
SELECT = f"SELECT {COLUMNS} FROM {{s}}outbox "

_DUE = f"{SELECT} WHERE {tables.WAITING} AND next_at <= :now ORDER BY next_at, id LIMIT :limit {{skip}}"
_CLAIM = (
    "UPDATE {s}outbox SET interrupted = interrupted OR state = 'sending', state = 'sending', "
    "attempts = attempts + 1, claimed_by = :by, next_at = :until WHERE id {among:ids}"
)
# Only a row being sent: whoever comes late, after its claim ran out, does not undo what another one settled.
_SETTLE = Many(
    "UPDATE {s}outbox SET state = @state, error = @error, settled_at = @settled_at, "
    "due_at = coalesce(@due_at, outbox.due_at), next_at = coalesce(@due_at, outbox.due_at) "
    "{rows} WHERE outbox.id = @id AND outbox.state = 'sending'",
    tables.outbox,
    ("id", "state", "error", "settled_at", "due_at"),
)


class Outbox(Part):
    """Messages and runs that wait to be delivered."""

    def claim(self, now: datetime, by: str, lease: timedelta, limit: int) -> Sequence[Parcel]:
        due = [
            self._mappers.parcel(row) for row in self._rows(_DUE, now=self._codec.moment(now), limit=limit)
        ]
        if due:
            ids = self._codec.among([parcel.id for parcel in due])
            self._run(_CLAIM, ids=ids, by=by, until=self._codec.moment(now + lease))
        return [claimed(parcel) for parcel in due]

    def settle(self, settlements: Sequence[Settlement], now: datetime) -> None:
        self._leave(
            (
                _SETTLE,
                [
                    {
                        "id": settlement.id,
                        "state": settlement.state.value,
                        "error": clean(settlement.error),
                        "settled_at": None
                        if settlement.state is OutgoingState.PENDING
                        else self._codec.moment(now),
                        "due_at": self._codec.moment(settlement.retry_at) if settlement.retry_at else None,
                    }
                    for settlement in settlements
                ],
            )
        )
