"""Keys of side effects, written before they are tried."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from .. import tables
from ..dialect import Many
from .part import Part

_BEGIN = (
    "INSERT INTO {s}effects (key, incident, state, begun_by, begun_at, detail) "
    "VALUES (:key, :incident, 'begun', :by, :now, '{}') ON CONFLICT (key) DO NOTHING"
)
_BEGUN = "SELECT key FROM {s}effects WHERE key {among:keys}"
_STATE = "SELECT state FROM {s}effects WHERE key = :key"
_END = Many(
    "UPDATE {s}effects SET state = 'done', done_at = @done_at, detail = @detail "
    "{rows} WHERE effects.key = @key",
    tables.effects,
    ("key", "done_at", "detail"),
)


class Effects(Part):
    """Effects of runbook steps."""

    def begin_effect(self, key: str, incident: int, by: str, now: datetime) -> str | None:
        begun = self._run(_BEGIN, key=key, incident=incident, by=by, now=self._codec.moment(now))
        return None if begun == 1 else str(self._value(_STATE, key=key))

    def begun(self, keys: Collection[str]) -> Collection[str]:
        return {key for (key,) in self._rows(_BEGUN, keys=self._codec.among(keys))}

    def end_effect(self, key: str, now: datetime, detail: Mapping[str, Any]) -> None:
        row = {"key": key, "done_at": self._codec.moment(now), "detail": self._codec.document(detail)}
        self._leave((_END, [row]))
