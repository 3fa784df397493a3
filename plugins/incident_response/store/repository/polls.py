"""Detectors' rows: whose turn it is, and how it went."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from incident_response.domain.records import NOT_CONFIGURED, Poll

from .. import tables
from ..dialect import Many
from ..documents import clean
from ..mapping import POLL
from .part import Part

_SELECT = f"SELECT {', '.join(POLL)} FROM {{s}}polls "
_ALL = f"{_SELECT} ORDER BY name"
_DUE = f"{_SELECT} WHERE due_at <= :now AND (claimed_until IS NULL OR claimed_until <= :now) "
_ORDER = "ORDER BY due_at, name {skip}"
_DROP = "DELETE FROM {s}polls WHERE NOT (name {among:names})"
_ENSURE = Many.insert(
    tables.polls,
    ("name", "due_at", "interval_us", "cursor", "claimed_by", "last_by", "failures", "error"),
    # With a new rhythm the next look is at once.
    "(name) DO UPDATE SET interval_us = excluded.interval_us, "
    "due_at = CASE WHEN excluded.due_at < polls.due_at THEN excluded.due_at ELSE polls.due_at END "
    "WHERE polls.interval_us <> excluded.interval_us",
)
_CLAIM = (
    "UPDATE {s}polls SET claimed_by = :by, claimed_until = :until, last_started_at = :now, last_by = :by "
    "WHERE name {among:names}"
)
_INTERVAL = "SELECT interval_us FROM {s}polls WHERE name = :name {lock}"
_RELEASE = Many(
    "UPDATE {s}polls SET due_at = @due_at, claimed_by = '', claimed_until = NULL, error = @error, "
    f"failures = CASE WHEN @error = '' OR substr(@error, 1, {len(NOT_CONFIGURED)}) = '{NOT_CONFIGURED}' "
    "THEN 0 ELSE polls.failures + 1 END, "
    "last_ok_at = coalesce(@last_ok_at, polls.last_ok_at), cursor = coalesce(@cursor, polls.cursor) "
    "{rows} WHERE polls.name = @name",
    tables.polls,
    ("name", "due_at", "error", "last_ok_at", "cursor"),
)
_MICROSECOND = timedelta(microseconds=1)


class Polls(Part):
    """Polls of detectors."""

    def polls(self) -> Sequence[Poll]:
        return [self._mappers.poll(row) for row in self._rows(_ALL)]

    def ensure_polls(self, intervals: Mapping[str, timedelta], now: datetime) -> None:
        self._run(_DROP, names=self._codec.among(intervals.keys()))
        due_at, cursor = self._codec.moment(now), self._codec.document({})
        fresh: dict[str, Any] = {"due_at": due_at, "cursor": cursor, "failures": 0}
        fresh |= dict.fromkeys(("claimed_by", "last_by", "error"), "")
        rows = [
            {"name": name, "interval_us": interval // _MICROSECOND, **fresh}
            for name, interval in sorted(intervals.items())
        ]
        self._leave((_ENSURE, rows))

    def claim_polls(
        self, now: datetime, by: str, lease: timedelta, names: Collection[str] | None = None
    ) -> Sequence[Poll]:
        moment = self._codec.moment(now)
        if names is None:
            rows = self._rows(_DUE + _ORDER, now=moment)
        else:
            rows = self._rows(
                _DUE + " AND name {among:names} " + _ORDER, now=moment, names=self._codec.among(names)
            )
        due = [self._mappers.poll(row) for row in rows]
        if due:
            taken = self._codec.among([poll.name for poll in due])
            self._run(_CLAIM, names=taken, by=by, until=self._codec.moment(now + lease), now=moment)
        return [
            replace(p, claimed_by=by, claimed_until=now + lease, last_started_at=now, last_by=by) for p in due
        ]

    def finish_poll(self, name: str, now: datetime, cursor: Mapping[str, Any] | None, error: str) -> None:
        interval = self._value(_INTERVAL, name=name)
        if interval is None:  # the detector was removed meanwhile
            return
        row = {
            "name": name,
            "due_at": self._codec.moment(now + timedelta(microseconds=interval)),
            "error": clean(error),
            "last_ok_at": None if error else self._codec.moment(now),
            "cursor": None if cursor is None else self._codec.document(cursor),
        }
        self._leave((_RELEASE, [row]))
