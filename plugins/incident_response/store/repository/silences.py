"""Silences, and the signals that they hold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from incident_response.domain.records import Held
from incident_response.domain.signals import Signal, fingerprint
from incident_response.domain.silences import Silence

from .. import tables
from ..dialect import Many
from ..documents import clean, plain
from ..rules import has_the_last_word
from .part import Part
from .reading import select

_LASTING = select(Silence, "silences") + "WHERE ends_at > :now ORDER BY ends_at, id"
_ADD = Many.insert(tables.silences, tuple(field.name for field in fields(Silence)), "(id) DO NOTHING")
_END = "UPDATE {s}silences SET ends_at = :now WHERE id = :id AND ends_at > :now"
_WAKE = "UPDATE {s}held SET until = :now WHERE until > :now AND firing"
_COLUMNS = (
    "source", "fingerprint", "labels", "summary", "occurred_at", "firing", "occurrence", "details", "until",
    "muted_by",
)  # fmt: skip
_HOLD = Many.insert(
    tables.held,
    _COLUMNS,
    "(source, fingerprint) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[2:])
    # As for TOLD signals: the order of arrival, and of happenings that of their times.
    + " WHERE excluded.occurrence = '' OR excluded.occurred_at >= held.occurred_at",
)
_DROP = "DELETE FROM {s}held WHERE source = :source AND fingerprint = :fingerprint"
_ALL = f"SELECT {', '.join(_COLUMNS)} FROM {{s}}held "
_ORDER = "ORDER BY until, source, fingerprint"
_FIRST = f"{_ORDER} LIMIT :limit"
_MUTED = f"{_ALL} WHERE firing {_FIRST}"
_ENDED = f"{_ALL} WHERE muted_by {{among:keys}} AND NOT firing {_ORDER}"
_OF = f"{_ALL} WHERE fingerprint {{among:fingerprints}} {_ORDER}"
_OF_SOURCE = f"{_ALL} WHERE source = :source AND firing {_ORDER}"
_DUE = f"{_ALL} WHERE until <= :now {_FIRST} {{skip}}"


class Silences(Part):
    """Mutes and what is muted."""

    def silences(self, now: datetime) -> Sequence[Silence]:
        return self._records(self._mappers.silence, _LASTING, now=self._codec.moment(now))

    def add_silence(self, silence: Silence) -> None:
        self._write(_ADD, [self._mappers.silence.row(silence)])

    def end_silence(self, id: str, now: datetime) -> bool:
        ended = self._run(_END, id=id, now=self._codec.moment(now)) > 0
        if ended:  # whatever is still muted by something else is held again when it is looked at
            self._run(_WAKE, now=self._codec.moment(now))
        return ended

    def hold(self, held: Sequence[Held]) -> None:
        rows: dict[tuple[str, str], dict[str, Any]] = {}
        latest: dict[tuple[str, str], Signal] = {}
        for one in held:  # one statement writes a row once
            row = self._held_row(one)
            key = (row["source"], row["fingerprint"])
            if key not in latest or has_the_last_word(one.signal, latest[key]):
                rows[key], latest[key] = row, one.signal
        self._write(_HOLD, [rows[key] for key in sorted(rows)])  # see Signals.record

    def drop_held(self, keys: Collection[tuple[str, str]]) -> None:
        for source, identity in sorted(keys):
            self._run(_DROP, source=source, fingerprint=identity)

    def lock_held(self, now: datetime, limit: int) -> Sequence[Held]:
        return [self._held(row) for row in self._rows(_DUE, now=self._codec.moment(now), limit=limit)]

    def held(self, limit: int) -> Sequence[Held]:
        return [self._held(row) for row in self._rows(_MUTED, limit=limit)]

    def held_of(self, fingerprints: Collection[str]) -> Sequence[Held]:
        among = self._codec.among(fingerprints)
        return [self._held(row) for row in self._rows(_OF, fingerprints=among)]

    def held_from(self, source: str) -> Sequence[Held]:
        return [self._held(row) for row in self._rows(_OF_SOURCE, source=source)]

    def ended(self, dedup_keys: Collection[str]) -> Sequence[Held]:
        return [self._held(row) for row in self._rows(_ENDED, keys=self._codec.among(dedup_keys))]

    def _held_row(self, held: Held) -> dict[str, Any]:
        signal = held.signal
        labels = plain(signal.labels)
        return {
            "source": clean(signal.source),
            # Of the labels as they are read back: by it the row is dropped.
            "fingerprint": signal.fingerprint if labels == signal.labels else fingerprint(labels),
            "labels": self._codec.document(labels),
            "summary": clean(signal.summary),
            "occurred_at": self._codec.moment(signal.occurred_at),
            "firing": signal.firing,
            "occurrence": clean(signal.occurrence),
            "details": self._codec.document(signal.details),
            "until": self._codec.moment(held.until),
            "muted_by": clean(held.by),
        }

    def _held(self, row: Sequence[Any]) -> Held:
        source, _, labels, summary, occurred_at, firing, occurrence, details, until, by = row
        read, moment = self._codec.read_document, self._codec.read_moment
        at = moment(occurred_at)
        signal = Signal(source, read(labels), summary, at, bool(firing), occurrence, read(details))
        return Held(signal, moment(until), by)
