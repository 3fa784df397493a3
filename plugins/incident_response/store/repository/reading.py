"""Reading one incident and all that belongs to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

from incident_response.domain.incidents import Incident
from incident_response.domain.records import Parcel, Sighting
from incident_response.domain.runbooks import Remediation
from incident_response.domain.timeline import TimelineEvent
from incident_response.domain.timers import Firing
from incident_response.domain.transactions import EVERY

from ..documents import clean
from ..rules import not_found
from ..tables import ENDED, OPEN
from . import incidents, outbox
from .part import Part


def select(record: type[Any], table: str) -> str:
    """The beginning of a statement that reads whole records."""
    return f"SELECT {', '.join(field.name for field in fields(record))} FROM {{s}}{table} "


_GET = incidents.SELECT + "WHERE number = :number"
_RECENT = incidents.SELECT + (
    f"WHERE {ENDED} AND resolved_at >= :since ORDER BY resolved_at DESC, number DESC LIMIT :limit"
)
_TIMELINE = (
    select(TimelineEvent, "events") + "WHERE incident = :number ORDER BY at DESC, id DESC LIMIT :limit"
)
_SIGHTINGS = select(Sighting, "signals") + (
    "WHERE incident = :number ORDER BY first_at, source, fingerprint LIMIT :limit"
)
_OPEN_SIGHTINGS = select(Sighting, "signals") + (
    f"WHERE source = :source AND incident IN (SELECT number FROM {{s}}incidents WHERE {OPEN}) "
)
_LATEST_FIRST = "ORDER BY last_at DESC, incident, fingerprint LIMIT :limit"
_LIVE = select(Sighting, "signals") + (
    f"WHERE firing AND role = 'own' AND incident IN (SELECT number FROM {{s}}incidents WHERE {OPEN}) "
    "AND (incident, source, fingerprint) > (:number, :source, :print) "
    "ORDER BY incident, source, fingerprint LIMIT :limit"
)
_FIRINGS = select(Firing, "firings") + "WHERE incident = :number ORDER BY due_at, fired_at, kind"
_REMEDIATIONS = select(Remediation, "remediations") + "WHERE incident = :number ORDER BY attempt"
_HISTORY = select(Remediation, "remediations") + (
    "WHERE target = :target AND runbook = :runbook "
    "AND (coalesce(ended_at, started_at, requested_at) >= :since OR ended_at IS NULL) "
    "ORDER BY requested_at DESC, incident DESC, attempt DESC"
)
ALONE_WITH = "SELECT pg_advisory_xact_lock(hashtextextended(:target, 0))"
_PARCELS = outbox.SELECT + "WHERE incident = :number ORDER BY id"


class Reading(Part):
    """What is known of incidents."""

    def get(self, number: int) -> Incident:
        found = self._records(self._mappers.incident, _GET, number=number)
        if not found:
            raise not_found(number)
        return found[0]

    def recent(self, since: datetime, limit: int) -> Sequence[Incident]:
        return self._records(self._mappers.incident, _RECENT, since=self._codec.moment(since), limit=limit)

    def timeline(self, number: int, limit: int = 1000) -> Sequence[TimelineEvent]:
        latest = self._records(self._mappers.event, _TIMELINE, number=number, limit=limit)
        return latest[::-1]

    def sightings(self, number: int, limit: int = EVERY) -> Sequence[Sighting]:
        return self._records(self._mappers.sighting, _SIGHTINGS, number=number, limit=limit)

    def open_sightings(
        self, source: str, limit: int = EVERY, labels: Mapping[str, str] | None = None
    ) -> Sequence[Sighting]:
        wanted = {name: clean(text) for name, text in (labels or {}).items()}
        same = "".join(f"AND {{label:{name}}} = :label_{name} " for name in wanted)
        values = {f"label_{name}": text for name, text in wanted.items()}
        text = _OPEN_SIGHTINGS + same + _LATEST_FIRST
        return self._records(self._mappers.sighting, text, source=source, limit=limit, **values)

    def live(self, after: tuple[int, str, str], limit: int) -> Sequence[Sighting]:
        number, source, print_ = after
        values = {"number": number, "source": source, "print": print_, "limit": limit}
        return self._records(self._mappers.sighting, _LIVE, **values)

    def firings(self, number: int) -> Sequence[Firing]:
        return self._records(self._mappers.firing, _FIRINGS, number=number)

    def remediations(self, number: int) -> Sequence[Remediation]:
        return self._records(self._mappers.remediation, _REMEDIATIONS, number=number)

    def remediation_history(self, runbook: str, target: str, since: datetime) -> Sequence[Remediation]:
        if self._writes and self._dialect.name == "postgresql":
            # A guard is about to decide: a second one for the same target waits until the first has decided.
            self._rows(ALONE_WITH, target=target)
        return self._records(
            self._mappers.remediation,
            _HISTORY,
            runbook=runbook,
            target=target,
            since=self._codec.moment(since),
        )

    def parcels(self, number: int) -> Sequence[Parcel]:
        return [self._mappers.parcel(row) for row in self._rows(_PARCELS, number=number)]
