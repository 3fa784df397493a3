"""Integrations: who may send signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from incident_response.domain.records import Integration

from .. import tables
from ..dialect import Many
from ..documents import clean
from .part import Part

_COLUMNS = tuple(field.name for field in fields(Integration))
_ADD = Many.insert(tables.integrations, _COLUMNS, "DO NOTHING")
_REVOKE = f"UPDATE {{s}}integrations SET revoked_at = :now WHERE name = :name AND {tables.LIVE}"
_TOUCH = "UPDATE {s}integrations SET last_used_at = :now WHERE id = :id"
_REFUSED = "UPDATE {s}integrations SET refused_at = :now, refusal = :refusal, remedy = :remedy WHERE id = :id"
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM {{s}}integrations ORDER BY created_at, id"


class Integrations(Part):
    """Rows are never deleted: a timeline may name them."""

    def add_integration(self, integration: Integration) -> bool:
        return self._write(_ADD, [self._mappers.integration.row(integration)]) == 1

    def revoke_integration(self, name: str, now: datetime) -> bool:
        return self._run(_REVOKE, name=clean(name), now=self._codec.moment(now)) == 1

    def touch_integration(self, id: str, now: datetime) -> None:
        self._run(_TOUCH, id=id, now=self._codec.moment(now))

    def note_refusal(self, id: str, refusal: str, remedy: str, now: datetime) -> None:
        texts = {"refusal": clean(refusal), "remedy": clean(remedy)}
        self._run(_REFUSED, id=id, now=self._codec.moment(now), **texts)

    def integrations(self) -> Sequence[Integration]:
        return self._records(self._mappers.integration, _ALL)
